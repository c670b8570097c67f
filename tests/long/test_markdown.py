"""Random Markdown for as long as there is time: no word is lost, a text that grew has the blocks of the whole, and
nothing of it holds the window up; and the examples of the specifications."""

from __future__ import annotations

import gc
import html
import os
import random
import re
import time
from collections.abc import Iterator
from itertools import chain

import pytest
from pytestqt.qtbot import QtBot

from qwen_desktop.core.chat import Message
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.core.paths import resources_folder
from qwen_desktop.jobs.markdown.blocks import projection
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.theme import Theme
from tests import layouts, random_messages, spec_examples
from tests.long.conftest import TOTAL
from tests.markdown_texts import grown, lost, made_up

#: Random messages that are parsed and laid out where there are minutes, and what one step may take, in seconds.
MANY = 100_000
LONGEST_STEP_S = 0.1


def test_random_markdown(seconds: float) -> None:
    deadline, markdown = time.monotonic() + seconds, Markdown()
    while time.monotonic() < deadline:
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        text, words = made_up(chance, 80)
        text += "\n\nEnd."
        assert lost(markdown, text, words) == [], f"seed {seed}: {text!r}"
        assert grown(chance, markdown, text) == markdown.blocks(text, growing=True), f"seed {seed}: {text!r}"


def test_random_messages_are_parsed_and_laid_out_without_holding_the_window(qtbot: QtBot, seconds: float) -> None:
    """100,000 of them where there are minutes, whatever time that takes."""
    theme = Theme(resources_folder())
    view = TranscriptView(theme)
    qtbot.addWidget(view)
    view.resize(900, 600)
    # Fonts for all scripts: the first letter of each takes Qt a while to find.
    warm = " ".join(f"{word} **{word}** `{word}`" for word in random_messages.WORDS)
    layouts.at_once(view, Message("w", "c", None, Role.ASSISTANT, (TextPart(warm),), 0.0))
    markdown, deadline, count, longest = Markdown(), time.monotonic() + seconds, 0, 0.0
    while time.monotonic() < deadline or (TOTAL in os.environ and count < MANY):
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        text = random_messages.text(chance) if chance.random() < 0.5 else made_up(chance, 200)[0]
        width = float(chance.choice((300, 600, 760)))
        for again in (False, True):
            view.set_messages([Message("m", "c", None, Role.ASSISTANT, (TextPart(text),), 0.0)], more_above=False)
            item = layouts.item_of(view, "m")
            view.queue.drop(item)
            item.evict()
            steps = item.steps({0: markdown.blocks(text)}, width)
            painted = _painted(view, item) if count % 8 == 0 else ()
            took = max(_steps(chain(steps, painted)))
            if took < LONGEST_STEP_S:
                break
            assert not again, f"seed {seed}: a step of {took} s"  # the first time a sign of a font may be looked for
        longest = max(longest, took)
        assert item.projection() == projection(markdown.blocks(text)), f"seed {seed}"
        view.idle.run(1.0)  # the event loop's work: messages that are gone are let go
        view.drawings.clear()
        count += 1
    print(f"{count} messages, the longest step {longest * 1000:.0f} ms")


def _painted(view: TranscriptView, item: MessageItem) -> Iterator[None]:
    """Its beginning and its end, as on a screen."""
    yield
    layouts.seen(view, item)


def _steps(steps: Iterator[None]) -> Iterator[float]:
    """The processor's time of each step; the collector runs between them, as in the app."""
    gc.disable()
    try:
        while True:
            started = time.thread_time()
            more = next(steps, 1)
            yield time.thread_time() - started
            if more == 1:
                return
    finally:
        gc.enable()


def test_the_examples_of_the_specifications() -> None:
    """None fails; all words are on show, in their order; tags are text; and a text that grew becomes the same."""
    markdown = Markdown()
    for number, example in enumerate(spec_examples.examples()):
        shown = projection(markdown.blocks(example.markdown))
        visible = html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"<!--.*?-->", "", example.html, flags=re.DOTALL)))
        if "``` c\nint" not in example.markdown:  # code to us, of which C is the language; a line of raw HTML to others
            rest = iter(shown)
            assert all(char in rest for char in visible if char.isalnum()), example.name
        for tag in re.findall(r"</?[a-zA-Z][\w-]*", example.markdown):
            raw = tag in example.html and f"{tag} href" not in example.html and not tag.endswith("br")
            assert not raw or tag in shown, f"{example.name}: {tag} is no text"
        whole = f"{example.markdown}\n\nEnd."
        grew = grown(random.Random(number), markdown, whole)
        assert grew == markdown.blocks(whole, growing=True), example.name


@pytest.mark.parametrize("mark", ["[", "*", "_", "`", "~~", "> ", "![", "^[", "[^", "$", "<", "|", "- ", "1. "])
def test_a_message_of_a_mark_repeated(mark: str) -> None:
    started = time.thread_time()
    text = mark * (200_000 // len(mark))
    assert markdown_words(text) == ""
    assert time.thread_time() - started < 5


def markdown_words(text: str) -> str:
    """The letters that a text shows."""
    return "".join(char for char in projection(Markdown().blocks(text)) if char.isalpha())
