"""A small model guesses where it wins, and costs next to nothing where it does not."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.engine.drafting.policy import FEW, MANY, Costs
from qwen_desktop.engine.drafting.worth import PROBE, Act, Worth

#: Times of a plain step of verifying guesses, as measured on processors, and as they may be on a card.
PROCESSOR, CARD = {FEW: 2.5, MANY: 7.5}, {FEW: 1.1, MANY: 1.4}


class Answers:
    """Answers of ``tokens`` each, behind prompts of ``prompt``, by a pair of which the small one takes ``share`` of a
    step for a token, and is right with ``chance``."""

    def __init__(self, chance: float, share: float, verify: dict[int, float], seed: int = 1) -> None:
        self.dice, self.chance, self.share, self.verify = random.Random(seed), chance, share, verify
        self.costs = Costs(on_card=verify is CARD)
        self.worth = Worth(self.costs, share)
        self.took = self.alone = self.vain = 0.0
        self.guessed = 0

    def right(self, most: int) -> int:
        right = 0
        while right < most and self.dice.random() < self.chance:
            right += 1
        return right

    def write(self, tokens: int, prompt: int = 100) -> float:
        """How much faster it was."""
        before = self.took
        self.took += prompt / 8
        self.worth.passed(prompt / 8, plain=False)
        missing, unseen, without, written, since = prompt, 1, 1, 1, 0
        while written < tokens:
            most = min(MANY, tokens - written - 1)
            guesses = right = 0
            if since < 24:
                what = self.worth.next(missing, unseen=unseen, without=without, most=most)
                if what is not None:
                    guesses, missing, unseen = self.do(what.act, what.length, missing, unseen)
                    right = self.right(guesses)
            seconds = self.verify[guesses] if guesses else 1.0
            since = since + 1 if guesses else 0
            if guesses:
                self.costs.took(guesses, seconds)
                self.worth.came(right, int(right < guesses))
                without, self.guessed = 0, self.guessed + guesses
            else:
                self.costs.plain()
            self.worth.passed(seconds, plain=not guesses)
            self.took += seconds
            written += right + 1
            missing, unseen, without = missing + (0 if guesses else 1), unseen + right + 1, without + right + 1
        self.alone += prompt / 8 + tokens
        return (prompt / 8 + tokens) / (self.took - before)

    def do(self, act: Act, length: int, missing: int, unseen: int) -> tuple[int, int, int]:
        if act is Act.READ:
            tokens = min(64, missing)
            seconds, missing = tokens * self.share / 8, missing - tokens
        elif act is Act.PROBE:
            tokens, seconds, missing, unseen = PROBE, 7.5 * self.share, 0, 0
            for _ in range(PROBE):
                hit = self.dice.random() < self.chance
                self.worth.came(int(hit), int(not hit))
        else:
            tokens, seconds, missing = length, length * self.share, 0
        self.worth.took(act, tokens, seconds)
        self.took += seconds
        return (length if act is Act.GUESS else 0), missing, unseen


@pytest.mark.parametrize(("chance", "verify", "least"), [(0.95, PROCESSOR, 1.15), (0.8, CARD, 1.5), (0.6, CARD, 1.2)])
def test_one_that_is_right_makes_answers_faster(chance: float, verify: dict[int, float], least: float) -> None:
    made = Answers(chance, 0.08, verify)
    for _ in range(4):
        made.write(500)
    assert made.alone / made.took > least


@pytest.mark.parametrize("chance", (0.0, 0.1, 0.3, 0.5, 0.6))
@pytest.mark.parametrize("prompt", (30, 300, 4000))
@pytest.mark.parametrize("share", (0.02, 0.125))
def test_one_that_is_not_costs_less_than_a_hundredth(chance: float, prompt: int, share: float) -> None:
    made = Answers(chance, share, PROCESSOR)
    for _ in range(5):
        made.write(400, prompt)
    assert made.took / made.alone < 1.01
    assert made.guessed < 60


@pytest.mark.parametrize("chance", (0.0, 0.3))
def test_on_a_card_too(chance: float) -> None:
    made = Answers(chance, 0.1, CARD)
    for _ in range(5):
        made.write(400)
    assert made.took / made.alone < 1.01


@pytest.mark.parametrize("share", (0.5, 1.0))
def test_one_that_is_too_large_is_left_alone(share: float) -> None:
    made = Answers(1.0, share, PROCESSOR)
    for _ in range(5):
        made.write(400)
    assert made.took / made.alone < 1.01


def test_a_long_prompt_is_read_by_it_only_for_a_long_answer() -> None:
    made = Answers(0.97, 0.1, PROCESSOR)
    for _ in range(3):
        made.write(500)
    made.guessed = 0
    made.write(10, 4000)
    assert made.guessed == 0
    assert made.write(2000, 1500) > 1.1 and made.guessed
    for _ in range(20):  # many short ones lose nothing worth speaking of
        before, alone = made.took, made.alone
        made.write(20, 2000)
        assert (made.took - before) / (made.alone - alone) < 1.01


def test_one_that_becomes_wrong_is_turned_off_and_one_that_becomes_right_on() -> None:
    made = Answers(0.95, 0.08, PROCESSOR)
    made.write(600)
    assert made.guessed > 100
    made.chance, before, alone = 0.05, made.took, made.alone
    made.write(3000)
    assert (made.took - before) / (made.alone - alone) < 1.03
    made.chance, made.guessed = 0.95, 0
    for _ in range(4):
        made.write(3000)
    assert made.guessed > 1000
