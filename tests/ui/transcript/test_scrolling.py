"""Which messages have a layout, and that what one reads never jumps."""

from __future__ import annotations

import gc
import random
import weakref

import pytest
from PySide6.QtCore import Qt

from qwen_desktop.ui.chat.transcript import TranscriptView
from tests import layouts


@pytest.fixture
def long(say):
    chance = random.Random(5)

    def make(count):
        return [
            say("user" if n % 2 == 0 else "assistant", f"Message {n}: " + "some words " * chance.randint(3, 120))
            for n in range(count)
        ]

    return make


def first_visible(view: TranscriptView) -> tuple[str, float]:
    item = view.visible_items()[0]
    return item.message.id, view.top_of(item)


def position(view: TranscriptView) -> tuple[int, float]:
    """What is at the top of the window; guessed heights above may become true at any time."""
    item = view.visible_items()[0]
    return item.index, -view.top_of(item)


def test_ten_thousand_messages_have_few_layouts(seen, long):
    messages = long(10_000)
    seen.show(messages[-100:], more_above=True)
    for end in range(9_900, 0, -900):
        seen.view.prepend(messages[max(0, end - 900) : end], more_above=end > 900)
    assert len(seen.view.items) == 10_000
    for value in (0.0, 0.3, 0.9, 0.5, 1.0):
        seen.view.verticalScrollBar().setValue(int(seen.view.verticalScrollBar().maximum() * value))
        seen.settle()
        seen.qtbot.wait(30)
        for _ in range(20):
            seen.view.scroll_by(-500)
            seen.settle()
        assert 0 < layouts.laid_out(seen.view) < 80


def test_opening_shows_the_end(seen, long):
    messages = long(60)
    seen.show(messages)
    assert seen.view._stick
    assert seen.view.visible_items()[-1].message.id == messages[-1].id
    assert not seen.view.jump.isVisible()


def test_older_messages_come_in_above_without_a_jump(seen, long):
    messages = long(400)
    seen.show(messages[200:], more_above=True)
    seen.view.verticalScrollBar().setValue(2000)
    seen.settle()
    before = first_visible(seen.view)
    seen.view.prepend(messages[:200], more_above=False)
    seen.settle()
    assert first_visible(seen.view)[0] == before[0]
    assert first_visible(seen.view)[1] == pytest.approx(before[1], abs=1.5)


def test_older_messages_are_asked_for_near_the_top_once(seen, long):
    messages = long(120)
    asked = []
    seen.view.older_wanted.connect(asked.append)
    seen.show(messages[60:], more_above=True)
    seen.view.verticalScrollBar().setValue(0)
    seen.settle()
    assert asked == [messages[60].id]
    seen.view.prepend(messages[:60], more_above=False)
    seen.view.verticalScrollBar().setValue(0)
    seen.settle()
    assert asked == [messages[60].id]


def test_scrolling_up_through_unknown_heights_never_jumps(seen, long):
    seen.show(long(300))
    view = seen.view
    for _ in range(150):
        ready = [item for item in view.visible_items() if item.ready]
        anchor = ready[0]
        before = view.top_of(anchor)
        view.scroll_by(-37)
        seen.settle()
        assert view.top_of(anchor) == pytest.approx(before + 37, abs=1.5)


def test_an_answer_that_grows_keeps_the_end_in_view_unless_one_reads_above(seen, long, say):
    seen.show(long(30))
    seen.view.append(say("user", "more"))
    assert seen.view._stick
    seen.view.scroll_by(-800)
    assert not seen.view._stick
    seen.settle()
    before = first_visible(seen.view)
    seen.view.append(say("assistant", "text " * 400))
    seen.settle()
    assert first_visible(seen.view)[0] == before[0]
    assert first_visible(seen.view)[1] == pytest.approx(before[1], abs=1.5)
    assert seen.view.jump.isVisible()
    seen.qtbot.mouseClick(seen.view.jump, Qt.MouseButton.LeftButton)
    seen.settle()
    assert seen.view._stick
    assert not seen.view.jump.isVisible()


def test_resizing_keeps_the_end(seen, long):
    seen.show(long(50))
    seen.view.resize(520, 420)
    seen.settle()
    assert seen.view.scroll_value == seen.view.verticalScrollBar().maximum()
    last = seen.view.items[-1]
    assert seen.view.top_of(last) + last.height <= seen.view.viewport().height()


def test_column_is_centred_and_never_wider_than_760(seen, long):
    seen.view.resize(2560, 600)
    seen.show(long(4))
    assert seen.view.column_width == 760
    left, right = seen.view.column_left, seen.view.viewport().width() - seen.view.column_left - 760
    assert abs(left - right) <= 1


@pytest.mark.parametrize(
    ("key", "direction"),
    [
        (Qt.Key.Key_PageUp, -1),
        (Qt.Key.Key_Up, -1),
        (Qt.Key.Key_Home, -1),
        (Qt.Key.Key_PageDown, 1),
        (Qt.Key.Key_Down, 1),
        (Qt.Key.Key_End, 1),
    ],
)
def test_keys_scroll(seen, long, key, direction):
    seen.show(long(200))
    seen.view.scroll_by(-3000)
    seen.settle()
    before = position(seen.view)
    seen.qtbot.keyClick(seen.view, key)
    seen.settle()
    after = position(seen.view)
    assert after > before if direction > 0 else after < before
    if key == Qt.Key.Key_End:
        assert seen.view._stick


def test_what_is_no_longer_shown_is_gone_without_a_search_for_garbage(seen, long):
    """That search waits for idle moments: conversations opened one after the other would pile up."""
    messages = long(300)
    seen.show(messages)
    for _ in range(20):
        seen.view.scroll_by(-700)
        seen.settle()
    items = [weakref.ref(item) for item in seen.view.items]
    gc.disable()
    try:
        seen.view.replace_tail("m150", [])
        seen.qtbot.waitUntil(lambda: sum(item() is not None for item in items) == len(seen.view.items))
        seen.view.set_messages([], more_above=False)
        seen.qtbot.waitUntil(lambda: not any(item() for item in items))
    finally:
        gc.enable()
