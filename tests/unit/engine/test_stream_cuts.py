"""An answer's text however its bytes are cut: into tokens, and into what was said before it went on; with calls of
tools in its thought."""

from __future__ import annotations

import itertools
import random

import pytest

from qwen_desktop.core.parts import Part, PartDone, PartEvent, PartsBuilder, TextPart, ThinkingPart
from qwen_desktop.engine.stream import AnswerStream

JSON = '<tool_call>\n{"name": "look_up", "arguments": {"word": "</think>"}}\n</tool_call>'
XML = "<tool_call>\n<function=look_up>\n<parameter=word>\n```\nthe sea\n```\n</parameter>\n</function>\n</tool_call>"
FENCE = "````"


def block(call: str) -> str:
    return f"{FENCE}\n{call}\n{FENCE}\n"


#: What a model writes behind ``<think>\n``; its thought; what is shown as its answer.
CALLS = [
    (f"I look it up.\n\n{XML}", "I look it up.", block(XML)),
    (f"I look it up.\n{JSON}\n</think>\n\nDone.", "I look it up.", f"{block(JSON)}\nDone."),
    (f"{XML}\n{JSON}", "", f"{block(XML)}\n{block(JSON)}"),
    (f"Now. {XML}\n</think>\n\n{XML}\nSo.", "Now.", f"{block(XML)}\n{block(XML)}\nSo."),
    (f"Now. {XML[:-20]}", "Now.", f"{FENCE}\n{XML[:-20]}\n{FENCE}"),
    ("A <tool_call> would be too much.\n</think>\n\nHi.", "A <tool_call> would be too much.", "Hi."),
    ("No <tool_call> {a}, no <tool_call> <func.\n</think>\nHi", "No <tool_call> {a}, no <tool_call> <func.", "Hi"),
    *((f"{quoted}\n\nSo no.\n</think>\n\nHi.", f"{quoted}\n\nSo no.", "Hi.") for quoted in (
        f"It wants this:\n```\n{JSON.replace('</think>', 'it')}\n```",
        f"It wants this:\n\n```xml\n{XML.replace('```', '')}\n```\nor\n```\n<tool_call>\n{{\"name\": 1}}\n```",
        'The form is `<tool_call>{"name": "x"}</tool_call>`, says the user.',
        'The form is <tool_call>{"name": <the name>}</tool_call> and <tool_call><function=x></tool_call>, they say.',
    )),
    (f"It wants:\n```\ncode\n```\nand `that`. {XML}", "It wants:\n```\ncode\n```\nand `that`.", block(XML)),
    ("So I end with <tool_call>\n", "So I end with <tool_call>", ""),
    (f"No.\n</think>\n\nWrite {JSON} for it.", "No.", f"Write {JSON} for it."),
]  # fmt: skip
#: Whole answers, as they are written.
ANSWERS = [
    *(f"<think>\n{written}" for written, _, _ in CALLS),
    f"<think>\n{XML}\nWith {FENCE} in it.\n</think>\n\nSo.",
    "Grüße, 你好, 👩‍👩‍👧 and </ all < that.\n\n  More\n",
    "<think>\nOkay, Grüße 👋.\n\n  Indented <b> </thin.\n</think>\n\n    code, 你好 </think> here",
    "<think>\n\n</think>\n\nHello  there\n",
    "Okay, 2+2 is 4.\n</think>\n\nIt is 4.",
]


def stream(parts: tuple[Part, ...] = (), *, thinking: bool = False, pending: bytes = b"") -> AnswerStream:
    clock = itertools.count().__next__
    return AnswerStream(thinking=thinking, stop=(), clock=clock, parts=parts, pending=pending)


def said(parts: tuple[Part, ...]) -> list[tuple[type, str]]:
    """Kinds and words; white space at the end of a thought is none of them."""
    known = [part for part in parts if isinstance(part, TextPart | ThinkingPart)]
    assert len(known) == len(parts)
    return [(type(p), p.text.rstrip() if isinstance(p, ThinkingPart) else p.text) for p in known]


def pieces(data: bytes, rng: random.Random) -> list[bytes]:
    """The bytes in pieces: one each, all at once, or as it comes."""
    size = rng.choice((1, 3, 7, 10_000))
    borders = [0]
    while borders[-1] < len(data):
        borders.append(borders[-1] + (size if size in (1, 10_000) else rng.randint(1, size)))
    return [data[a:b] for a, b in itertools.pairwise(borders)]


def whole(data: bytes, *, thinking: bool = False) -> tuple[Part, ...]:
    made = stream(thinking=thinking)
    made.piece(data)
    made.finish()
    return made.parts


@pytest.mark.parametrize(("written", "thought", "answer"), CALLS)
def test_a_call_ends_the_thought_it_stands_in_and_is_readable(written: str, thought: str, answer: str) -> None:
    """Only a call does: a model may think about the mark. Nothing of it is lost however it comes."""
    rng = random.Random(written)
    expected = [*([(ThinkingPart, thought)] if thought else []), *([(TextPart, answer)] if answer else [])]
    for _ in range(25):
        made, told = stream(thinking=True), PartsBuilder()
        for piece in pieces(written.encode(), rng):
            made.piece(piece)
            for event in made.events():
                told.take(event)
        made.finish()
        for event in made.events():
            told.take(event)
        assert said(made.parts) == said(told.parts()) == expected


def test_marks_that_are_tokens_of_their_own() -> None:
    made = stream()
    assert made.mark(True)
    made.piece(b"\nI look it up.\n\n")
    for piece in (b"<tool_call>", b"\n", b'{"', b'name": "x"}', b"\n", b"</tool_call>", b"\n"):
        made.piece(piece)
    assert not made.thinking and not made.mark(False)
    made.piece(b"</think>")
    made.piece(b"\n\nDone.")
    made.finish()
    assert said(made.parts) == [
        (ThinkingPart, "I look it up."),
        (TextPart, f'{FENCE}\n<tool_call>\n{{"name": "x"}}\n</tool_call>\n{FENCE}\n\nDone.'),
    ]
    assert isinstance(made.parts[0], ThinkingPart) and made.parts[0].tokens


def test_a_form_knows_no_calls() -> None:
    made = AnswerStream(thinking=True, stop=(), clock=itertools.count().__next__, calls=False)
    made.piece(f"Hm. {JSON}\n".encode())
    made.finish()
    assert [type(part) for part in made.parts] == [ThinkingPart, TextPart]  # the mark in its arguments closes it


@pytest.mark.parametrize("written", ANSWERS)
def test_an_answer_that_was_cut_goes_on_as_if_it_had_not_been(written: str) -> None:
    """At any byte, within a character, a mark and a call, and more than once. Only behind a "<" in an answer that has
    no thought so far it is not: that is shown, and may then not become a mark."""
    data, rng = written.encode(), random.Random(written)
    expected = said(whole(data))
    places = [at for at in range(1, len(data)) if written.startswith("<think>") or data[at - 1 : at] != b"<"]
    for cut in [(at,) for at in places] + [tuple(sorted(rng.sample(places, 3))) for _ in range(9)]:
        parts: tuple[Part, ...] = ()
        pending, thinking = b"", False
        for start, end in itertools.pairwise((0, *cut, len(data))):
            made, told = stream(parts, thinking=thinking, pending=pending), PartsBuilder(parts)
            events: list[PartEvent] = []
            for piece in pieces(data[start:end], rng):
                made.piece(piece)
                events += made.events()
            thinking = made.thinking
            made.finish(cut=end < len(data))
            events += made.events()
            for event in events:
                told.take(event)
            assert told.parts() == made.parts, cut
            parts, pending = made.parts, made.pending
        assert said(parts) == expected, cut


def test_a_thought_that_goes_on_tells_all_of_it() -> None:
    before = (ThinkingPart("It is", seconds=9.0, tokens=40),)
    made = stream(before, thinking=True)
    assert made.thought == 40 and made.in_words
    for piece in (b" four", b".", b"\n"):
        made.piece(piece)
    assert made.thought == 43
    assert made.mark(False)
    assert (made.thought, made.thinking_tokens) == (0, 4)  # the figures are of what is new
    made.piece(b"\n\n4")
    made.finish()
    assert made.parts == (ThinkingPart("It is four.", 9.0 + made.thinking_s, 44), TextPart("4"))
    done = next(event for event in made.events() if isinstance(event, PartDone))
    assert done == PartDone(0, 9.0 + made.thinking_s, 44)


def test_a_cut_leaves_out_what_is_not_whole() -> None:
    made = stream()
    made.piece("Grüße ".encode() + "👋".encode()[:2])
    made.finish(cut=True)
    assert said(made.parts) == [(TextPart, "Grüße ")] and made.pending == "👋".encode()[:2]
    ended = stream()
    ended.piece("👋".encode()[:2])
    ended.finish()
    assert said(ended.parts) == [(TextPart, "\ufffd")]  # one that has ended will not make it whole


def test_a_thought_that_was_closed_before_the_cut_is_closed_behind_it() -> None:
    """Also where nothing was said yet, and where nobody remembers how it was written."""
    for written in ("<think>\nHm.\n</think>", "<think>\nHm.\n</think>\n\n"):
        made = stream()
        made.piece(written.encode())
        made.finish(cut=True)
        assert said(made.parts) == [(ThinkingPart, "Hm."), (TextPart, "")]
        again = stream(made.parts)
        again.piece(b"So.")
        again.finish()
        assert said(again.parts) == [(ThinkingPart, "Hm."), (TextPart, "So.")]
    open_still = stream()
    open_still.piece(b"<think>\nHm.\n")
    open_still.finish(cut=True)
    assert [type(part) for part in open_still.parts] == [ThinkingPart]
