"""Random messages laid out, copied and parsed in every way there is."""

from __future__ import annotations

import random
import time

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.core.paths import resources_folder
from qwen_desktop.jobs.markdown.blocks import from_builtins, projection, verbatim
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.jobs.markdown.rendering import plain, render
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.theme import Theme
from tests import layouts, random_messages


@pytest.fixture
def view(qtbot: QtBot) -> TranscriptView:
    """An empty transcript of 900 x 600 pixels."""
    theme = Theme(resources_folder())
    theme.set_mode("light")
    view = TranscriptView(theme)
    qtbot.addWidget(view)
    view.resize(900, 600)
    view.show()
    return view


def test_a_message_looks_the_same_however_it_came_about(view: TranscriptView, seconds: float) -> None:
    """2,000 messages are some minutes."""
    deadline = time.monotonic() + seconds
    seed = begun = random.randrange(1 << 32)
    while time.monotonic() < deadline:
        seed += 1
        chance = random.Random(seed)
        message = layouts.message(chance, f"m{seed}")
        once = layouts.at_once(view, message)
        assert layouts.plain_first(view, message) == once, seed
        assert once.projection == layouts.reads(message), seed
        if message.role is not Role.USER:
            assert layouts.streamed(view, message, chance) == once, seed
    print(f"{seed - begun} messages")


def test_what_was_never_drawn_reads_like_what_was(view: TranscriptView, seconds: float) -> None:
    """In this process, by the worker's jobs, drawn, and copied out of a conversation."""
    deadline = time.monotonic() + seconds
    seed = random.randrange(1 << 32)
    while time.monotonic() < deadline:
        seed += 20
        chance = random.Random(seed)
        messages = [layouts.message(chance, f"n{seed + n}") for n in range(20)]
        view.set_messages(messages, more_above=False)
        view.select_all()
        view.copying.selection()
        while layouts.copying(view):
            QApplication.processEvents()
        copied = QApplication.clipboard().text()
        answers = [message for message in messages if message.role is not Role.USER]
        sources = [part.text for message in answers for part in message.parts if isinstance(part, TextPart)]
        for source, text in zip(sources, plain(sources), strict=True):
            assert projection(Markdown().blocks(source)) == text, seed
            assert projection(from_builtins(render(source))) == text, seed
            assert view.texts.parse(source) == text, seed
        reads = [layouts.reads(message) for message in messages]
        # Qt takes a byte order mark at the very beginning away.
        assert copied == "\n\n".join(filter(None, reads)).removeprefix("\ufeff"), seed
        drawn = layouts.at_once(view, messages[-1])
        assert drawn.projection == reads[-1], seed


def test_text_as_it_stands_loses_no_character(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    seed = random.randrange(1 << 32)
    while time.monotonic() < deadline:
        seed += 1
        chance = random.Random(seed)
        text = chance.choice(("\n", "\n\n", " ")).join(
            random_messages.text(chance) for _ in range(chance.randint(1, 6))
        )
        assert projection(tuple(verbatim(text))) == text, seed
