"""The one door that cleans strings, and sentences with places."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.core.text import Text, clean, fill


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
