"""A transcript of made-up messages, shown offscreen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from qwen_desktop.core.chat import Message, Provenance
from qwen_desktop.core.engine import Sampling, ThinkingMode
from qwen_desktop.core.parts import Part, Role, TextPart
from qwen_desktop.core.paths import resources_folder
from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.theme import Theme
from tests import layouts

MADE = Provenance("/models/q.gguf", "Qwen3 4B", "", "", Sampling(), 1, ThinkingMode.AUTO, "test")


class Seen:
    """A view and the ways in which a test looks at it and touches it."""

    def __init__(self, qtbot: QtBot, view: TranscriptView) -> None:
        self.qtbot = qtbot
        self.view = view

    def settle(self) -> None:
        """Wait until all that is on screen is laid out."""
        self.qtbot.waitUntil(
            lambda: all(item.ready and not item.pending for item in self.view.visible_items()), timeout=5000
        )
        self.qtbot.wait(1)

    def show(self, messages: list[Message], *, more_above: bool = False) -> None:
        """Open a conversation."""
        self.view.set_messages(messages, more_above=more_above)
        self.settle()

    def item(self, message_id: str) -> MessageItem:
        """The item of a message that is there."""
        found = self.view.item(message_id)
        assert found is not None
        return found

    def selected(self) -> str:
        """What is selected, as copying gives it."""
        QApplication.clipboard().setText("")
        self.view.copying.selection()
        self.qtbot.waitUntil(lambda: not layouts.copying(self.view), timeout=5000)
        return QApplication.clipboard().text()

    def target(self, message_id: str, action: str, number: int = 0) -> Target:
        """Something that can be clicked."""
        return [t for t in self.item(message_id).targets() if t.action == action][number]

    def point(self, message_id: str, target: Target) -> QPoint:
        """The middle of a target in the viewport."""
        rect = target.rect
        return self.view.rect_of(self.item(message_id), rect).center()

    def click(self, message_id: str, action: str, number: int = 0) -> None:
        """Move the mouse onto a target and click it."""
        point = self.point(message_id, self.target(message_id, action, number))
        self.qtbot.mouseMove(self.view.viewport(), point)
        self.qtbot.mouseClick(self.view.viewport(), Qt.MouseButton.LeftButton, pos=point)

    def text_point(self, message_id: str, words: str, *, after: bool = False) -> QPoint:
        """Where ``words`` begin (or end) on screen, found by asking for the offset at each point."""
        item = self.item(message_id)
        wanted = layouts.message_text(self.view, message_id).index(words) + (len(words) if after else 0)
        for y in range(6, int(item.height), 8):
            for x in range(0, int(item.width), 2):
                point = QPointF(x, y)
                if item.text_at(point) and item.offset_at(point) == wanted:
                    corner = self.view.rect_of(item, item.rect).topLeft()
                    return QPoint(corner.x() + x, corner.y() + y)
        raise AssertionError(f"{words!r} is not on screen")

    def colours(self, message_id: str, target: Target | None = None) -> set[str]:
        """The colours painted where a message (or a target of it) stands."""
        item = self.item(message_id)
        area = self.view.rect_of(item, target.rect if target else item.rect).intersected(self.view.viewport().rect())
        image = self.view.viewport().grab(area).toImage()
        return {
            QColor(image.pixel(x, y)).name() for x in range(0, image.width(), 1) for y in range(0, image.height(), 1)
        }


@pytest.fixture
def theme(qapp: Any) -> Theme:
    """The light look."""
    theme = Theme(resources_folder())
    theme.set_mode("light")
    return theme


@pytest.fixture
def seen(qtbot: QtBot, theme: Theme) -> Iterator[Seen]:
    """An empty transcript of 900 x 600 pixels."""
    view = TranscriptView(theme)
    qtbot.addWidget(view)
    view.resize(900, 600)
    view.show()
    yield Seen(qtbot, view)
    # What QTest calls a double click ends with the button down, and Qt would believe so in all tests that follow.
    qtbot.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton)
    assert QApplication.mouseButtons() == Qt.MouseButton.NoButton
    view.clear()


@pytest.fixture
def say() -> Callable[..., Message]:
    """Make the next message of a conversation: say("user", "text") or say("assistant", "text", status=…)."""
    count = 0

    def make(role: str, *content: str | Part, **more: Any) -> Message:
        nonlocal count
        count += 1
        parts = tuple(TextPart(part) if isinstance(part, str) else part for part in content)
        if role == "assistant":
            more.setdefault("provenance", MADE)
        parent = f"m{count - 1}" if count > 1 else None
        return Message(f"m{count}", "c", parent, Role(role), parts, 0.0, **more)

    return make
