"""A text is found as people type it: in any capitals, with or without accents, over line breaks."""

from __future__ import annotations

import random
import unicodedata

import pytest

from qwen_desktop.core.find_text import TextPattern


@pytest.mark.parametrize(
    ("typed", "text", "found"),
    [
        ("cafe", "Café CAFÉ cafe\u0301 caffe", ["Café", "CAFÉ", "cafe\u0301"]),
        ("Éé", "ee ÉE e", ["ee", "ÉE"]),
        ("и", "йи", ["и"]),
        ("ёлка", "Елка ёлка", ["Елка", "ёлка"]),
        ("a  b", "a\n b A B ab", ["a\n b", "A B"]),
        ("天空", "为什么天空是蓝色的", ["天空"]),
        ("x_y(", "x_y(1) x-y(1)", ["x_y("]),
        ("aa", "aaaa", ["aa", "aa"]),
        ("🙂", "a 🙂 b", ["🙂"]),
    ],
)
def test_found(typed: str, text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in TextPattern(typed).ranges(text)] == found


def test_exactly_as_typed() -> None:
    assert TextPattern("Cafe", exact=True).ranges("Café Cafe cafe") == [(5, 9)]
    assert TextPattern("é", exact=True).ranges("É é e") == [(2, 3)]


def test_spaces_alone_find_nothing() -> None:
    assert not TextPattern("  \n") and TextPattern(" ").ranges("a b") == []


@pytest.mark.parametrize("before", range(195_000, 200_012, 1_253))
def test_a_border_between_steps_hides_nothing(before: int) -> None:
    for shift in range(6):
        text = "x" * (before + shift) + "needle" + "y" * 1000
        assert TextPattern("needle").ranges(text) == [(before + shift, before + shift + 6)]


@pytest.mark.parametrize("seed", range(20))
def test_as_a_plain_search_in_folded_text(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choice("aábßçCñ de\n.*(й1ö") for _ in range(400))
    folded = "".join(unicodedata.normalize("NFD", c)[0] if c != "й" else c for c in text).lower().replace("\n", " ")
    for _ in range(20):
        start = chance.randrange(390)
        needle = text[start : start + chance.randint(1, 4)]
        if needle != needle.strip() or "  " in needle.replace("\n", " "):
            continue
        plain = (
            "".join(unicodedata.normalize("NFD", c)[0] if c != "й" else c for c in needle).lower().replace("\n", " ")
        )
        wanted = [plain == folded[place : place + len(plain)] for place in range(len(folded))]
        found = [first for first, _ in TextPattern(needle).ranges(text)]
        assert all(wanted[place] for place in found if " " not in plain)
        assert (plain in folded) == bool(found) or " " in plain
        assert start in found or any(first <= start < last for first, last in TextPattern(needle).ranges(text))


@pytest.mark.parametrize("source", ["a nee**dle**", "a nee`dle`", "&eacute;", "a <b>needle</b>", "ne\\*edle", "needle"])
def test_no_markdown_hides_what_it_shows(source: str) -> None:
    assert TextPattern("needle").may_stand_in(source)
    assert not TextPattern("needle").may_stand_in("a **nettle** and a `thorn`")
