"""The one door that cleans strings, and sentences with places."""

from __future__ import annotations

import random

import msgspec
import pytest

from qwen_desktop.core.text import Text, clean, fill, shown


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", "plain"),
        ("nul\x00 inside\x00", "nul inside"),
        ("lone \ud83d high", "lone \ufffd high"),
        ("lone \ude00 low", "lone \ufffd low"),
        ("pair \ud83d\ude00", "pair \U0001f600"),
        ("file\udcff", "file\ufffd"),
        ("\u2028 \ufeff \U0001f468\u200d\U0001f469 äöü 水", "\u2028 \ufeff \U0001f468\u200d\U0001f469 äöü 水"),
        ("", ""),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    assert clean(raw) == expected


def test_whatever_comes_in_can_be_stored_and_is_clean_for_good() -> None:
    chance = random.Random(1)
    for _ in range(500):
        raw = "".join(chr(chance.choice([0, 65, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0x1F600])) for _ in range(8))
        cleaned = clean(raw)
        cleaned.encode()
        assert "\x00" not in cleaned and clean(cleaned) == cleaned


def test_places_are_filled_and_unknown_ones_stay() -> None:
    assert str(Text("x", "{a} of {b} {c}", {"a": 1, "b": "two"})) == "1 of two {c}"
    assert fill("{0} {} {a", {"a": 1}) == "{0} {} {a"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Qwen3 水 é", "Qwen3 水 é"),
        ("two\nlines\tand\r\nmore", "two lines and  more"),
        ("turned \u202egnuorA\u202c \u2066x\u2069", "turned gnuorA x"),
        ("\x1b[2Jgone\x07 \x9b1m", "\ufffd[2Jgone\ufffd \ufffd1m"),
        ("mod\udce9le", "mod\ufffdle"),
        ("a\x00b", "a\ufffdb"),
        ("par\u2029agraph", "par agraph"),
        ("x" * 400, "x" * 106 + "…" + "x" * 53),
    ],
)
def test_what_others_named_is_shown_as_one_line(raw: str, expected: str) -> None:
    assert shown(raw) == expected


def test_a_sentence_has_one_line_and_can_be_stored_whatever_stands_in_it() -> None:
    chance = random.Random(3)
    for _ in range(2000):
        signs = (10, 13, 0x1B, 0x2028, 0x202E, 0xDC80 + chance.randrange(128), chance.randrange(1, 0xD7FF))
        name = "".join(map(chr, chance.choices(signs, k=9)))
        text = Text("t", "There is no model file {path}.", {"path": name, "size": 4})
        assert len(str(text).splitlines()) == 1
        assert msgspec.json.decode(msgspec.json.encode(text), type=Text) == text
