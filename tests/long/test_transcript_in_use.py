"""A transcript in use for long: answers stream, the window gets other sizes, versions change, the reader scrolls."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator

import msgspec
import psutil
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from qwen_desktop.core.chat import Message, Status
from qwen_desktop.core.parts import Role
from qwen_desktop.core.paths import resources_folder
from qwen_desktop.services.events import AnswerEvent
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.theme import Theme
from tests import layouts, random_messages

#: What may hold the loop, in seconds that this thread computes, and what may be kept after the first third, in MB:
#: caches (formulas, glyphs, pictures) fill up to their bounds.
HELD_S, KEPT_MB = 0.1, 80.0


class User:
    """Does anything to a transcript; ``held`` is the longest turn of the loop, ``at`` what was done then."""

    def __init__(self, view: TranscriptView, chance: random.Random) -> None:
        self.view, self.chance, self.made = view, chance, 0
        self.held, self.at = 0.0, ""
        self.view.set_messages([self._message() for _ in range(300)], more_above=False)
        self._turn("open")

    def _message(self, **changes: object) -> Message:
        self.made += 1
        return msgspec.structs.replace(layouts.message(self.chance, f"m{self.made}"), **changes)

    def _turn(self, action: str) -> None:
        for _ in range(3):
            began = time.thread_time()
            QApplication.processEvents()
            self._took(began, action)

    def _took(self, began: float, action: str) -> None:
        took = time.thread_time() - began
        if took > self.held:
            self.held, self.at = took, action

    def do(self) -> None:
        """One thing."""
        action = self.chance.choice((self.stream, self.stream, self.scroll, self.resize, self.version, self.fold))
        began = time.thread_time()
        action()
        if action != self.stream:  # whose frames count one by one
            self._took(began, action.__name__)
        self._turn(action.__name__)

    def stream(self) -> None:
        """An answer comes, is read from the end or from elsewhere, and ends or is stopped."""
        whole = self._message(role=Role.ASSISTANT)
        last = self.view.items[-1].message.id
        live = msgspec.structs.replace(whole, parent_id=last, parts=(), status=Status.STREAMING, finish_reason=None)
        self.view.append(live)
        for number, event in enumerate(random_messages.events(self.chance, whole.parts)):
            if number > 400:
                break
            self.view.live.take(AnswerEvent("c", live.id, event))
            if self.chance.random() < 0.2:
                began = time.thread_time()
                self.view.live._show()
                self._took(began, "frame")
                self._turn("frame painted")
            if self.chance.random() < 0.01:
                self.chance.choice((self.scroll, self.resize))()
        self.view.replace(whole)

    def scroll(self) -> None:
        """Somewhere else."""
        self.view.scroll_by(self.chance.choice((-9000, -700, 700, 9000)))
        if self.chance.random() < 0.3:
            self.view.scroll_to_end()

    def resize(self) -> None:
        """The window gets another size."""
        self.view.resize(self.chance.randint(420, 1200), self.chance.randint(300, 900))

    def version(self) -> None:
        """Another branch is on show from some message on."""
        keep = self.chance.randint(100, len(self.view.items))
        tail = [self._message() for _ in range(max(0, 300 - keep) + self.chance.randint(1, 20))]
        self.view.replace_tail(self.view.items[keep].message.id if keep < len(self.view.items) else None, tail)

    def fold(self) -> None:
        """Something on show is opened, folded or wrapped."""
        for item in self.view.visible_items():
            for target in item.targets():
                if target.action in ("thinking", "wrap") and self.chance.random() < 0.5:
                    self.view.activated.emit(item, target)


def _memory() -> float:
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


def test_memory_does_not_grow_and_nothing_holds_the_loop(qtbot: QtBot, seconds: float) -> None:
    theme = Theme(resources_folder())
    theme.set_mode("light")
    view = TranscriptView(theme)
    qtbot.addWidget(view)
    view.resize(900, 600)
    view.show()
    seed = random.randrange(1 << 32)
    user = User(view, random.Random(seed))
    for _ in range(20):  # modules are imported, fonts loaded
        user.do()
    user.held = 0.0
    deadline, warm, done = time.monotonic() + seconds, time.monotonic() + seconds / 3, 0
    before = 0.0
    while time.monotonic() < deadline:
        user.do()
        done += 1
        if not before and time.monotonic() > warm:
            before = _memory()
    grown = _memory() - before
    print(f"{done} actions, {user.made} messages; longest turn {user.held * 1000:.0f} ms ({user.at}), {grown:+.1f} MB")
    assert user.held <= HELD_S, (seed, user.at)
    assert grown <= KEPT_MB, seed


@pytest.fixture(autouse=True)
def no_collecting() -> Iterator[None]:
    """As in the app, where Python's search for garbage waits for idle moments."""
    gc.disable()
    yield
    gc.enable()
