"""From bytes of tokens to text that may be shown."""

from __future__ import annotations

import itertools

import pytest

from qwen_desktop.core.parts import (
    PartBegun,
    PartDelta,
    PartDone,
    PartEvent,
    PartsBuilder,
    PartWasThinking,
    TextPart,
    ThinkingPart,
    thinking_text,
    visible_text,
)
from qwen_desktop.engine.stream import AnswerStream


def make(*, thinking: bool = False, stop: tuple[str, ...] = ()) -> AnswerStream:
    ticks = itertools.count()
    return AnswerStream(thinking=thinking, stop=stop, clock=lambda: float(next(ticks)))


def run(stream: AnswerStream, pieces: list[bytes | bool]) -> list[PartEvent]:
    """Feed pieces (True and False are the marks), fetching after each one."""
    events: list[PartEvent] = []
    for piece in pieces:
        if isinstance(piece, bool):
            assert stream.mark(piece)
        else:
            stream.piece(piece)
        events += stream.events()
    stream.finish()
    return events + list(stream.events())


def text_of(events: list[PartEvent]) -> str:
    """All that came as deltas of text."""
    kinds = {event.index: type(event.part) for event in events if isinstance(event, PartBegun)}
    return "".join(e.text for e in events if isinstance(e, PartDelta) and kinds[e.index] is TextPart)


def split(text: str) -> list[bytes | bool]:
    return [bytes([byte]) for byte in text.encode()]


def test_characters_come_whole() -> None:
    text = "Grüße, 你好, привет, 👩‍👩‍👧"
    events = run(make(), split(text))
    assert "\ufffd" not in text_of(events) and text_of(events) == text


def test_broken_bytes_become_one_mark_and_never_raise() -> None:
    events = run(make(), [b"a\xe4\xbd", b"b", b"\xff"])
    assert text_of(events) == "a\ufffdb\ufffd"


def test_zero_characters_are_dropped() -> None:
    stream = make()
    run(stream, [b"a\x00b"])
    assert stream.text == "ab"


@pytest.mark.parametrize("stop", ["END", "\n\n", "停止"])
def test_stop_strings_are_never_seen_not_even_a_part(stop: str) -> None:
    stream = make(stop=(stop,))
    events: list[PartEvent] = []
    for piece in split(f"text {stop[:1]} more{stop}never"):
        assert isinstance(piece, bytes)
        stream.piece(piece)
        events += stream.events()
        if stream.stopped:
            break
    stream.finish()
    shown = text_of([*events, *stream.events()])
    assert stream.stopped and shown == stream.text == f"text {stop[:1]} more"


def test_a_stop_string_that_does_not_come_is_given_at_the_end() -> None:
    stream = make(stop=("</end>",))
    run(stream, split("wait </en"))
    assert stream.text == "wait </en" and not stream.stopped


@pytest.mark.parametrize("form", ["tokens", "text"])
def test_thinking_by_tokens_or_by_text(form: str) -> None:
    opened: list[bytes | bool] = [True] if form == "tokens" else split("<think>")
    closed: list[bytes | bool] = [False] if form == "tokens" else split("</think>")
    stream = make()
    events = run(stream, [*opened, *split("\nhm, x < y\n"), *closed, *split("\n\nThe answer.")])
    assert stream.thinking_text == "hm, x < y" and stream.text == "The answer."
    assert shown(events) == ("hm, x < y", "The answer.")
    thought, text = (e for e in events if isinstance(e, PartDone))
    assert thought.seconds and thought.tokens == stream.thinking_tokens > 5
    assert text == PartDone(1)


def test_a_prompt_that_opened_thinking_begins_in_it() -> None:
    stream = make(thinking=True)
    run(stream, [b"deep", b" thought", False, b"\n\n", b"42"])
    assert (stream.thinking_text, stream.text, stream.thinking_tokens) == ("deep thought", "42", 3)


def test_an_empty_thought_is_no_thought() -> None:
    events = run(make(), [True, b"\n\n", False, b"\n\n", b"Hi"])
    assert events == [PartBegun(0, TextPart("")), PartDelta(0, "Hi"), PartDone(0)]


def test_marks_inside_an_answer_are_text() -> None:
    stream = make()
    stream.piece(b"The tag ")
    assert not stream.mark(True) and not stream.mark(False)
    stream.piece(b"<think> opens it, </think> closes it")
    stream.finish()
    assert stream.text == "The tag <think> opens it, </think> closes it"
    assert stream.thinking_text == ""


def test_thinking_that_is_cut_off_is_kept() -> None:
    stream = make(thinking=True)
    events = run(stream, [b"unfinished \xe4\xbd"])
    assert stream.thinking_text == "unfinished \ufffd" and stream.text == ""
    assert isinstance(events[-1], PartDone) and events[-1].tokens == 1


def test_a_second_thought_is_a_part_of_its_own() -> None:
    stream = make()
    events = run(stream, [True, b"one", False, b"\n", True, b" two", b"!", False, b"Yes."])
    kinds = [type(e.part) for e in events if isinstance(e, PartBegun)]
    assert kinds == [ThinkingPart, ThinkingPart, TextPart]
    assert shown(events) == (stream.thinking_text, stream.text) == ("one\n\ntwo!", "Yes.")


def test_deltas_between_two_fetches_are_joined() -> None:
    stream = make()
    for piece in (b"a", b"b", b"c"):
        stream.piece(piece)
    assert stream.events() == (PartBegun(0, TextPart("")), PartDelta(0, "abc"))
    assert stream.events() == ()


def shown(events: list[PartEvent]) -> tuple[str, str]:
    """Thinking and text as somebody sees them who follows the events."""
    builder = PartsBuilder()
    for event in events:
        builder.take(event)
        assert event.index == len(builder) - 1, "parts come one after the other"
    return thinking_text(builder.parts()), visible_text(builder.parts())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("written", "thought", "answer"),
    [
        ("Okay, 2+2 is 4.\n</think>\n\nIt is 4.", "Okay, 2+2 is 4.", "It is 4."),
        ("Okay.</think>\n\nIt is 4.", "Okay.", "It is 4."),
        ("Okay.\n</think>It is 4.", "Okay.", "It is 4."),
        ("Okay.\n</think>", "Okay.", ""),
        ("Okay.</think> \t", "Okay.", ""),
        ("\n</think>\n\nIt is 4.", "", "It is 4."),
        ("<think>\nOkay.\n</think>\n\n</think>\n\nIt is 4.", "Okay.", "It is 4."),
        ("<think>\nOkay.\n</think>\n\nThe mark\n</think>\nends it.", "Okay.", "The mark\n</think>\nends it."),
        ("The </think> mark ends it.", "", "The </think> mark ends it."),
        ("Write `</think>`\nto end it.", "", "Write `</think>`\nto end it."),
        ("```\n<think>\n</think>\n```", "", "```\n<think>\n</think>\n```"),
        ("```\nx\n</think>\n```", "", "```\nx\n</think>\n```"),
        ("In <think> it thinks,\n</think>\nends it.", "", "In <think> it thinks,\n</think>\nends it."),
        ("a < b </thi", "", "a < b </thi"),
        ("Hm </think> hm\n</think>\nYes </think>\n", "Hm </think> hm", "Yes </think>\n"),
    ],
)
def test_a_thought_that_nobody_opened(written: str, thought: str, answer: str, size: int) -> None:
    stream = make()
    data = written.encode()
    events = run(stream, [data[at : at + size] for at in range(0, len(data), size)])
    assert (stream.thinking_text, stream.text) == shown(events) == (thought, answer)
    assert sum(isinstance(e, PartWasThinking) for e in events) == ("<think>\nO" not in written and bool(thought))


def test_its_mark_as_a_token_is_the_same_mark() -> None:
    stream = make()
    stream.piece(b"Hm, yes.")
    assert not stream.mark(False)
    events = run(stream, [b"</think>", b"\n\n", b"Yes."])
    assert shown(events) == ("Hm, yes.", "Yes.")
    assert stream.thinking_tokens == 3  # the mark among them, and the one that showed it to stand at the end of a line


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("before", ["", "\n", " \n\n", "<think>\nHm.\n</think>\n\n", "</think>\n"])
@pytest.mark.parametrize("line", ["    print(1)\n    print(2)", "\tif x:", "  two", "none", "  ```py\n  x\n  ```"])
def test_the_first_line_keeps_its_indentation(line: str, before: str, size: int) -> None:
    stream = make()
    data = (before + line).encode()
    run(stream, [data[at : at + size] for at in range(0, len(data), size)])
    assert stream.text == line


def test_one_blank_before_the_first_word_is_the_tokenizers() -> None:
    for pieces in ([b" Hello"], [b" ", b"Hello"], [b"\n", b" ", b"Hello"]):
        stream = make()
        run(stream, list(pieces))
        assert stream.text == "Hello"
    empty = make()
    assert run(empty, [b"  ", b"\n ", b" "]) == [] and empty.text == ""


def test_reading_the_prompt_is_no_thinking() -> None:
    now = [0.0]
    stream = AnswerStream(thinking=True, stop=(), clock=lambda: now[0])
    now[0] = 30.0  # the prompt was read
    stream.piece(b"Hm.")
    now[0] = 31.0
    stream.mark(False)
    assert stream.thinking_s == 1.0
