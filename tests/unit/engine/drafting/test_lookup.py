"""What is guessed is always what followed somewhere before, and it is found whenever it is there."""

from __future__ import annotations

import random
import time

import pytest

from qwen_desktop.engine.drafting import lookup
from qwen_desktop.engine.drafting.lookup import ORDER, Lookup


def followed(tokens: list[int], draft: list[int]) -> bool:
    """Whether the guess is what follows an earlier occurrence of the last tokens, guesses counted on."""
    whole = tokens + draft
    return any(
        whole[at - ORDER : at] == tokens[-ORDER:] and whole[at : at + len(draft)] == draft
        for at in range(ORDER, len(tokens))
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_draft_is_what_followed_an_earlier_occurrence(seed: int) -> None:
    dice = random.Random(seed)
    words = dice.choice((2, 3, 6, 40, 150_000))
    tokens = [dice.randrange(words) for _ in range(dice.randrange(60))]
    made, found = Lookup(tokens), 0
    for _ in range(150):
        tokens.extend(
            dice.choice((tokens[-dice.randrange(1, 30) :][:9], [dice.randrange(words)] * dice.randrange(1, 5)))
        )
        made.index(len(tokens))
        assert made.ready
        most = dice.choice((1, 3, 15))
        draft = made.draft(most)
        there = any(tokens[at - ORDER : at] == tokens[-ORDER:] for at in range(ORDER, len(tokens)))
        assert bool(draft) is (there and len(tokens) > ORDER)
        if draft:
            found += 1
            assert len(draft) == most and followed(tokens, draft)
            assert indexed(tokens).draft(most) == draft  # by the tokens alone, however it was indexed
    assert found > 10


def indexed(tokens: list[int]) -> Lookup:
    made = Lookup(tokens)
    while not made.ready:
        made.index(17)
    return made


def test_of_several_places_that_with_the_longest_same_text_is_taken() -> None:
    tokens = [7, 8, 1, 2, 3, 50, 60, 70, 9, 9, 1, 2, 3, 51, 61, 71, 7, 8, 1, 2, 3]
    assert indexed(tokens).draft(3) == [50, 60, 70]
    assert indexed([*tokens[:-5], 0, 1, 2, 3]).draft(3) == [51, 61, 71]  # else the latest


def test_a_text_that_repeats_itself_goes_on_round_after_round() -> None:
    assert indexed([5, 6, 7, 5, 6, 7]).draft(15) == [5, 6, 7] * 5


def test_a_long_prompt_is_indexed_in_slices_and_in_bounded_memory() -> None:
    dice = random.Random(5)
    tokens = [dice.randrange(150_000) for _ in range(200_000)]
    made, slices, longest = Lookup(tokens), 0, 0.0
    while not made.ready:
        began = time.thread_time()
        made.index(2048)
        longest, slices = max(longest, time.thread_time() - began), slices + 1
    assert slices == 32 and longest < 0.02
    assert len(made._latest) <= len(made._before) <= lookup._MOST
    tokens.extend(tokens[150_000:150_003])
    made.index(3)
    assert made.draft(15) == tokens[150_003:150_018]
    tokens.extend(tokens[1000:1003])  # too long ago
    made.index(3)
    assert made.draft(15) == []
