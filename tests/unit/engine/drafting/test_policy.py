"""Guesses are made where they win, and cost nothing where they do not."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.engine.drafting.policy import FEW, MANY, Costs, Drafts

#: Seconds of a plain step and of steps with guesses, as measured with a 0.6B and with a 0.1B.
LARGE = {0: 0.030, FEW: 0.072, MANY: 0.215}
SMALL = {0: 0.008, FEW: 0.022, MANY: 0.070}
#: Where guesses cost as much as the tokens by themselves.
DEAR = {0: 0.01, FEW: 0.04, MANY: 0.16}


class Written:
    """An answer that is written by a policy: ``text`` behind ``prompt``."""

    def __init__(
        self, prompt: list[int], text: list[int], seconds: dict[int, float], costs: Costs | None = None
    ) -> None:
        tokens = list(prompt)
        drafts = Drafts(tokens, costs or Costs())
        self.seconds = 0.0
        self.guesses: list[tuple[int, int, int]] = []  # where, how many, how many were right
        at = 0
        while at < len(text):
            draft = drafts.next(len(text) - at - 1)
            right = 0
            while right < len(draft) and draft[right] == text[at + right]:
                right += 1
            tokens.extend(text[at : at + right + 1])
            at += right + 1
            self.seconds += seconds[len(draft)]
            drafts.took(len(draft), seconds[len(draft)])
            if draft:
                self.guesses.append((at - right - 1, len(draft), right))
        assert tokens == prompt + text
        self.gain = len(text) * seconds[0] / self.seconds


def words(dice: random.Random, count: int, of: int = 20_000) -> list[int]:
    return [dice.randrange(of) for _ in range(count)]


@pytest.mark.parametrize("seconds", (LARGE, SMALL))
def test_a_copied_text_is_written_faster(seconds: dict[int, float]) -> None:
    text = words(random.Random(1), 400)
    made = Written(text, text, seconds)
    assert made.gain > 1.3
    assert {length for _, length, _ in made.guesses} <= {FEW, MANY}
    assert made.guesses[0][0] < 40  # soon


@pytest.mark.parametrize("seed", range(6))
def test_an_edited_text_is_written_faster(seed: int) -> None:
    dice = random.Random(seed)
    text = words(dice, 500)
    edited = [dice.randrange(20_000) if dice.random() < 0.03 else token for token in text]
    assert Written(text, edited, LARGE).gain > 1.2


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("seconds", (LARGE, SMALL))
def test_a_text_that_does_not_repeat_costs_nothing(seed: int, seconds: dict[int, float]) -> None:
    """Random ones, of few words as well, so that short runs come true by chance."""
    dice = random.Random(seed)
    of = dice.choice((3, 10, 60, 20_000))
    assert Written(words(dice, 300, of), words(dice, 600, of), seconds).gain >= 0.99


@pytest.mark.parametrize("seed", range(10))
def test_what_comes_true_too_seldom_is_not_guessed_on(seed: int) -> None:
    """Below the threshold guesses stop, and begin again only when more has come true."""
    dice = random.Random(seed)
    text = words(dice, 300)
    broken: list[int] = []
    while len(broken) < 600:  # runs of four: one comes true, as a rule, behind the three that find it
        at = dice.randrange(290)
        broken += [*text[at : at + 4], dice.randrange(20_000)]
    made = Written(text, text[:60] + broken, LARGE)
    behind = [guess for guess in made.guesses if guess[0] > 60]
    assert len(behind) <= 6 and made.gain > 0.99


def test_dear_guesses_are_given_up_though_all_of_them_are_right() -> None:
    text = words(random.Random(2), 1000)
    costs = Costs()
    first = Written(text, text, DEAR, costs)
    assert first.gain > 0.93 and len(first.guesses) < 40
    assert Written(text, text, DEAR, costs).gain > first.gain - 0.01


def test_no_more_is_guessed_than_there_is_room_for() -> None:
    tokens = [1, 2, 3, 4, 5] * 40
    drafts = Drafts(tokens, Costs())
    for token in (1, 2, 3, 4, 5) * 10:
        for most in range(-1, 20):
            draft = drafts.next(most)
            assert len(draft) in {0, FEW, MANY} and len(draft) <= max(0, most)
        tokens.append(token)
        drafts.took(0, 0.01)
    assert len(drafts.next(14)) == FEW and len(drafts.next(2)) == 0


def test_a_plain_step_is_made_now_and_then_to_compare_with() -> None:
    text = words(random.Random(3), 3000)
    made, in_a_row, end = Written(text, text, LARGE), 0, 0
    for at, _, right in made.guesses:
        in_a_row = in_a_row + 1 if at == end else 1
        end = at + right + 1
        assert in_a_row <= 24
    assert end > 2900
