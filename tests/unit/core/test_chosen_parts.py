"""Parts of a text: they cover it, are no longer than they may be, and are found again in what was chosen."""

from __future__ import annotations

import itertools
import random

import pytest

from qwen_desktop.core.chosen_parts import GAP, LONGEST_PART, Choice, choices, chosen_text, found_again, touched

WORDS = "rent deposit heating pets repairs garden quiet visitors keys insurance notice 租金 押金".split()  # noqa: SIM905 - shorter


def a_text(chance: random.Random, paragraphs: int) -> str:
    """Paragraphs, lines and an endless word now and then, each paragraph different from the others."""
    said = []
    for number in range(paragraphs):
        words = [f"{number}", *(chance.choice(WORDS) for _ in range(chance.randint(1, 200)))]
        if not chance.randint(0, 20):
            words.append("".join(chance.choices("abcdef", k=9_000)))
        said.append(" ".join(words) + chance.choice(("\n", "\n\n", "\n\n\n", ". ")))
    return "".join(said)


def sections(chance: random.Random, text: str) -> list[tuple[str, int, int]]:
    cuts = sorted(chance.randint(0, len(text)) for _ in range(chance.randint(0, 12)))
    bounds = [0, *cuts, len(text)]
    return [(f"Section {n}", a, b) for n, (a, b) in enumerate(itertools.pairwise(bounds), 1)]


@pytest.mark.parametrize("seed", range(60))
def test_the_parts_of_any_text_cover_it_without_gaps(seed: int) -> None:
    chance = random.Random(seed)
    text = a_text(chance, chance.randint(1, 60))
    parts = choices(text, sections(chance, text) if seed % 3 else ())
    assert parts[0].start == 0 and parts[-1].end == len(text)
    assert all(one.end == then.start for one, then in itertools.pairwise(parts))
    assert all(text[part.start : part.end].strip() and part.title for part in parts)
    assert all(len(text[part.start : part.end].rstrip()) <= LONGEST_PART for part in parts)


@pytest.mark.parametrize("seed", range(60))
def test_what_was_chosen_is_found_again_and_nothing_is_lost(seed: int) -> None:
    chance = random.Random(1000 + seed)
    text = a_text(chance, chance.randint(2, 60))
    parts = choices(text, sections(chance, text))
    numbers = [number for number in range(len(parts)) if chance.random() < 0.4] or [0]
    said = chosen_text(text, parts, chance.sample(numbers, len(numbers)))
    for number in numbers:
        assert text[parts[number].start : parts[number].end].strip("\n") in said
    if len(numbers) < len(parts):
        assert "[…" in said
    found = found_again(text, parts, said)
    assert found == frozenset(numbers) or len(numbers) == len(parts)


def test_all_parts_are_the_text_and_none_of_them_nothing() -> None:
    text = "one\n\ntwo\n\nthree\n"
    parts = choices(text, [("A", 0, 5), ("B", 5, 10), ("C", 10, len(text))])
    assert chosen_text(text, parts, (2, 0, 1)) == text
    assert chosen_text(text, parts, ()) == ""
    assert chosen_text(text, parts, (0, 1)) == f"one\n\ntwo\n\n{GAP}"
    assert chosen_text(text, parts, (0, 2)) == "one\n\n[… C]\n\nthree"
    assert chosen_text(text, parts, (1,)) == f"[… B]\n\ntwo\n\n{GAP}"


def test_a_long_section_is_cut_where_a_paragraph_ends() -> None:
    text = "".join(f"Paragraph {number}. {'word ' * 60}\n\n" for number in range(40))
    parts = choices(text, [("Long", 0, len(text))])
    assert len(parts) > 2
    assert [part.piece for part in parts] == list(range(1, len(parts) + 1))
    assert all(text[part.start : part.end].startswith("Paragraph") for part in parts)


def test_a_range_touches_the_parts_that_it_is_in() -> None:
    parts = (Choice("a", 0, 10), Choice("b", 10, 20), Choice("c", 20, 30))
    assert touched(parts, 5, 10) == {0}
    assert touched(parts, 9, 21) == {0, 1, 2}
    assert touched(parts, 30, 40) == frozenset()
