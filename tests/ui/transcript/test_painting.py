"""What an answer changes as it grows is painted, what only moves is moved: the screen is as if all had been painted."""

from __future__ import annotations

import random

import pytest
from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.chat import Status
from qwen_desktop.core.parts import PartBegun, PartDelta, TextPart, ThinkingPart
from qwen_desktop.services.events import AnswerEvent
from tests import random_messages

TEXTS = {
    "prose": "\n\n".join("Some **bold** words and `code` that go on and on for a while. " * 4 for _ in range(12)),
    "paragraph": "A sentence with *emphasis* and [a link](https://example.org) in it. " * 60,
    "code": "```python\n" + "\n".join(f"value_{n} = compute({n}, 'text')" for n in range(4)),
    "list": "\n".join(f"- item {n} with some words" for n in range(4)),
    "quotation": "\n>\n".join("> Quoted words that go on and on for quite a while. " * 3 for _ in range(12)),
    "table": "| a | b |\n|---|--:|\n" + "\n".join(f"| {n} | {n * n} |" for n in range(4)),
    "footnotes": "\n\n".join(f"Words.[^{n}]\n\n[^{n}]: A note of some words." for n in range(20)),
}


class Painted(QObject):
    """Notes how tall what is painted is each time, in pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.heights: list[int] = []

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent):
            self.heights.append(event.rect().height())
        return False


def differs(seen) -> int | None:
    """The first row of the viewport in which the screen is not what painting all of it gives, None where there is
    none."""
    QApplication.processEvents()
    while seen.view.queue.busy:  # the colours of code
        QApplication.processEvents()
    QApplication.sendPostedEvents()
    view = seen.view.viewport()
    window = view.window()
    place = view.mapTo(window, view.rect().topLeft())
    screen = window.screen().grabWindow(window.winId(), place.x(), place.y(), view.width(), view.height()).toImage()
    whole = view.grab().toImage().convertToFormat(screen.format())
    assert screen.size() == whole.size()
    for row in range(screen.height()):
        one, other = bytes(screen.constScanLine(row)), bytes(whole.constScanLine(row))
        # The edge of a rounded corner is a shade different where it is cut off.
        if one != other and any(abs(a - b) > 3 for a, b in zip(one, other, strict=True)):
            return row
    return None


def grow(seen, say, part, text, chance):
    """A frame after the other, with all that may be on screen around it."""
    seen.show(
        [say("user", "q"), say("assistant", TextPart("Words. " * 200)), say("assistant", status=Status.STREAMING)]
    )
    seen.view.scroll_to_end()
    take = seen.view.live.take
    take(AnswerEvent("c", "m3", PartBegun(0, part)))
    place = 0
    while place < len(text):
        size = chance.randint(5, 120)
        take(AnswerEvent("c", "m3", PartDelta(0, text[place : place + size])))
        place += size
        seen.view.live._show()
        assert differs(seen) is None, text[:place][-60:]


@pytest.mark.parametrize("kind", TEXTS)
def test_the_screen_of_a_growing_answer_is_as_if_all_were_painted(seen, say, kind):
    grow(seen, say, TextPart(""), TEXTS[kind], random.Random(3))


def test_so_is_that_of_an_open_thought(seen, say):
    seen.view.options.open_thinking = True
    grow(seen, say, ThinkingPart(""), TEXTS["prose"].replace("*", ""), random.Random(4))


@pytest.mark.parametrize("seed", range(4))
def test_so_is_that_of_any_text(seen, say, seed):
    chance = random.Random(seed)
    text = "\n\n".join(random_messages.text(chance) for _ in range(6))
    grow(seen, say, TextPart(""), text[:3000], chance)


def test_a_frame_paints_few_lines_of_what_is_on_show(seen, say):
    seen.show(
        [say("user", "q"), say("assistant", TextPart("Words. " * 900)), say("assistant", status=Status.STREAMING)]
    )
    seen.view.scroll_to_end()
    seen.view.live.take(AnswerEvent("c", "m3", PartBegun(0, TextPart(""))))
    seen_by = Painted()
    seen.view.viewport().installEventFilter(seen_by)
    for number in range(60):
        seen.view.live.take(AnswerEvent("c", "m3", PartDelta(0, f"Some words, {number} by {number}. ")))
        seen.view.live._show()
        QApplication.processEvents()
    heights = sorted(seen_by.heights[-50:])
    assert len(heights) == 50 and heights[45] < seen.view.viewport().height() / 2, heights
