"""A window of another width: what is seen is laid out at once, nothing else holds the loop."""

from __future__ import annotations

import pytest

from qwen_desktop.core.parts import TextPart
from qwen_desktop.ui.chat.transcript_items import MessageItem
from tests import layouts

WORDS = "Words that go on and on until the line is full and another one begins. "


def test_thousands_of_heights_are_guessed_when_there_is_time(seen, say, monkeypatch):
    seen.show([say("user" if n % 2 else "assistant", TextPart(WORDS * (n % 7 + 1))) for n in range(2000)])
    view, guesses = seen.view, []
    estimate = MessageItem.estimate
    monkeypatch.setattr(MessageItem, "estimate", lambda item, width: guesses.append(item) or estimate(item, width))
    view.resize(520, view.height())
    assert view.column_width < 500 and len(guesses) < 100
    assert all(item.ready and item.width == view.column_width for item in view.visible_items())
    view.scroll_by(-30_000)
    seen.settle()
    top, (first, *_) = view.top_of(view.visible_items()[0]), view.visible_items()
    seen.qtbot.waitUntil(lambda: not view.idle.busy, timeout=5000)
    assert abs(view.top_of(first) - top) <= 1  # the reader's place
    for item in view.items:
        assert item.height == (item.height if item.sections else estimate(item, view.column_width)), item.index


def test_another_text_size_guesses_thousands_of_heights_when_there_is_time(seen, say, monkeypatch):
    seen.show([say("user" if n % 2 else "assistant", TextPart(WORDS * (n % 7 + 1))) for n in range(2000)])
    view, guesses = seen.view, []
    before = view.items[0].height
    estimate = MessageItem.estimate
    monkeypatch.setattr(MessageItem, "estimate", lambda item, width: guesses.append(item) or estimate(item, width))
    view.set_text_scale(200)
    assert len(guesses) < 100
    seen.settle()
    seen.qtbot.waitUntil(lambda: not view.idle.busy, timeout=5000)
    assert view.items[0].height > 1.5 * before
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum()
    for item in view.items:
        assert item.height == (item.height if item.sections else estimate(item, view.column_width)), item.index


@pytest.mark.parametrize(("paragraphs", "words"), [(400, WORDS * 4), (1200, "*a* `b` c")])
def test_a_long_message_keeps_its_old_layout_until_the_new_one_is_made(seen, say, paragraphs, words):
    message = say("assistant", TextPart("\n\n".join(words for _ in range(paragraphs))))
    seen.show([message])
    view, item = seen.view, seen.item("m1")
    wide = item.height
    view.resize(560, view.height())
    assert item.sections and not item.ready and item.pending
    seen.settle()
    assert item.ready and item.height > (wide * 1.1 if words.startswith(WORDS) else 0)
    assert layouts.seen(view, item) == layouts.at_once(view, message)
