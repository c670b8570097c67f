"""The parts of an answer, put together from their events, and as one text."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.core.packed import Unpacker, pack
from qwen_desktop.core.parts import (
    ImagePart,
    PartBegun,
    PartDelta,
    PartDone,
    PartEvent,
    PartsBuilder,
    PartWasThinking,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    markdown_text,
)
from tests import random_messages


@pytest.mark.parametrize("seed", range(50))
def test_what_was_taken_apart_is_put_together_whoever_looks_meanwhile(seed: int) -> None:
    chance = random.Random(seed)
    parts = random_messages.parts(chance)
    builder = PartsBuilder()
    decode: Unpacker[PartEvent] = Unpacker(PartEvent)
    for event in random_messages.events(chance, parts):
        builder.take(decode(pack(event)))  # as it comes through the pipe
        if chance.random() < 0.2:
            builder = PartsBuilder(builder.parts())  # a reader that comes in the middle
    assert builder.parts() == parts


def test_text_that_was_thinking_keeps_its_place() -> None:
    builder = PartsBuilder((TextPart("said before"),))
    events = (
        PartBegun(1, TextPart("")),
        PartDelta(1, " hm, "),
        PartDelta(1, "yes\n"),
        PartWasThinking(1, 2.5, 7),
        PartBegun(2, TextPart("")),
        PartDelta(2, "Yes."),
    )
    for event in events:
        builder.take(event)
    assert builder.parts() == (TextPart("said before"), ThinkingPart("hm, yes", 2.5, 7), TextPart("Yes."))


def test_what_fits_nothing_is_passed_over() -> None:
    picture = ImagePart("aa", "image/png")
    builder = PartsBuilder((picture,))
    for event in (PartDelta(0, "x"), PartDelta(3, "x"), PartDone(4), PartWasThinking(9, 1.0, 1), PartBegun(7, picture)):
        builder.take(event)
    assert builder.parts() == (picture,)


def test_a_message_as_markdown_has_all_but_the_thinking_in_order() -> None:
    parts = (
        ThinkingPart("first", 1.0, 1),
        TextPart("I look it up."),
        ThinkingPart("which\nword?"),
        ToolCallPart("1", "look_up", '{"word": "``` sea"}'),
        ToolResultPart("1", "Water."),
        TextPart(""),
        TextPart("It is water."),
    )
    assert markdown_text(parts) == (
        'I look it up.\n\n````\nlook_up {"word": "``` sea"}\n````\n\n```\nWater.\n```\n\nIt is water.'
    )
    assert markdown_text(parts[:1]) == markdown_text(()) == ""
