"""A layout follows from the message, the style, the width and what is open in it, never from how it came about."""

from __future__ import annotations

import random

import msgspec
import pytest

from qwen_desktop.core.parts import Role, TextPart, ThinkingPart
from tests import layouts, random_messages


@pytest.mark.parametrize("seed", range(20))
def test_at_once_plain_first_or_streamed_is_the_same(seen, seed):
    chance = random.Random(seed)
    message = layouts.message(chance, f"p{seed}")
    once = layouts.at_once(seen.view, message)
    assert layouts.plain_first(seen.view, message) == once
    if message.role is not Role.USER:
        assert layouts.streamed(seen.view, message, chance) == once
        assert once.projection == layouts.reads(message)


@pytest.mark.parametrize("seed", range(12))
def test_any_parts_in_any_order_look_the_same_set_at_once_or_grown(seen, seed):
    chance = random.Random(seed)
    parts = random_messages.parts(chance)
    message = msgspec.structs.replace(layouts.message(random.Random(3), f"q{seed}"), parts=parts)
    once = layouts.at_once(seen.view, message)
    assert layouts.plain_first(seen.view, message) == once
    assert layouts.streamed(seen.view, message, chance) == once
    assert once.projection == layouts.reads(message)


CODE = "Before.\n\n```python\n" + "x = 1  # " + "long " * 60 + "\n```\n\n| a | b |\n|---|--:|\n| **1** | 2 |"


def test_what_is_open_and_wrapped_stays_so_whatever_happens_to_the_window(seen, say):
    view = seen.view
    message = say("assistant", ThinkingPart("Hm. " * 60, 1.0, 9), TextPart(CODE))
    folded = layouts.at_once(view, message)
    item = seen.item("m1")
    for action in ("thinking", "wrap"):
        view.activated.emit(item, seen.target("m1", action))
    opened = layouts.seen(view, layouts.settle(view, "m1"))
    assert opened.height > folded.height + 80
    size = view.size()

    def leave():
        item.evict()

    def plain():
        item.evict()
        item.lay_plain(item.width)

    def narrow():
        view.resize(500, 600)
        layouts.settle(view, "m1")
        view.resize(size)

    def larger():
        view.set_text_scale(150)
        layouts.settle(view, "m1")
        view.set_text_scale(100)

    def dark():
        view.theme.set_mode("dark")
        layouts.settle(view, "m1")
        view.theme.set_mode("light")

    def again():
        view.set_messages([message], more_above=False)

    def replaced():
        view.replace(msgspec.structs.replace(message))

    for change in (leave, plain, narrow, larger, dark, again, replaced):
        change()
        assert layouts.seen(view, layouts.settle(view, "m1")) == opened, change.__name__
    for action in ("thinking", "wrap"):
        view.activated.emit(item, seen.target("m1", action))
    assert layouts.seen(view, layouts.settle(view, "m1")) == folded
