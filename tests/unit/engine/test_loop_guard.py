"""Texts that run in circles are noticed, texts that only repeat much are not: recorded ones, and properties."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterable

import pytest

from qwen_desktop.engine import loop_guard
from qwen_desktop.engine.loop_guard import LoopGuard, wished_times
from tests.unit.engine.recorded import sets
from tests.unit.engine.recorded.sets import Case

CASES = sets.load()


def piece(token: int) -> bytes:
    """Even tokens are words, odd ones are marks and digits."""
    return f" {token}.".encode() if token % 2 else b" word"


def noticed(tokens: Iterable[int], times: int = 0) -> int | None:
    """After how many tokens a loop is noticed."""
    guard = LoopGuard(piece, times)
    return next((index + 1 for index, token in enumerate(tokens) if guard.add(token)), None)


def words(seed: int, size: int, kinds: int = 5000) -> list[int]:
    r = random.Random(seed)
    return [r.randrange(kinds) for _ in range(size)]


def part(*, loop: bool, held_back: bool) -> list[Case]:
    return [case for case in CASES if (case.first >= 0) is loop and case.held_back is held_back]


@pytest.mark.parametrize("held_back", [True, False])
def test_of_the_recorded_loops_95_percent_are_stopped_in_time(held_back: bool) -> None:
    loops = part(loop=True, held_back=held_back)
    missed = [case for case in loops if not sets.in_time(case)]
    assert len(loops) >= 30 and len({case.kind for case in loops}) == 2
    assert len(missed) <= 0.05 * len(loops), [(case.question, case.first, sets.stopped_at(case)) for case in missed]


@pytest.mark.parametrize("held_back", [True, False])
def test_of_the_normal_texts_1_percent_at_most_is_stopped(held_back: bool) -> None:
    normal = part(loop=False, held_back=held_back)
    false = [case for case in normal if sets.stopped_at(case) is not None]
    assert len(normal) >= 100 and len({case.kind for case in normal}) > 30
    assert len(false) <= 0.01 * len(normal), [(case.kind, case.question, sets.stopped_at(case)) for case in false]


@pytest.mark.parametrize("period", [1, 2, 3, 5, 8, 21, 60, 144, 233])
@pytest.mark.parametrize("seed", range(3))
def test_an_exact_loop_of_any_length_is_noticed(period: int, seed: int) -> None:
    before, circle = words(seed, 400), words(seed + 100, period)
    at = noticed(itertools.chain(before, *[circle] * (600 // period + 3)))
    assert at is not None
    assert len(before) + 2 * period <= at <= len(before) + period + 300


@pytest.mark.parametrize("seed", range(5))
def test_a_list_of_the_same_line_is_noticed_by_its_words(seed: int) -> None:
    line = [2 * word for word in words(seed, 9)]
    listed = itertools.chain.from_iterable([2 * number + 1, *line, 1] for number in range(3, 200))
    at = noticed(itertools.chain(words(seed + 50, 300), listed))
    assert at is not None and at <= 300 + 11 + 300


@pytest.mark.parametrize("seed", range(10))
def test_what_does_not_repeat_is_no_loop_however_long(seed: int) -> None:
    assert noticed(words(seed, 30_000, kinds=50)) is None


@pytest.mark.parametrize("seed", range(5))
def test_what_is_said_twice_is_no_loop(seed: int) -> None:
    code, between = words(seed, 700), words(seed + 50, 30)
    assert noticed([*code, *between, *code, *between[::-1], *words(seed + 70, 200)]) is None


def test_so_many_rounds_as_the_user_wants_are_no_loop() -> None:
    line = words(1, 12)
    assert noticed(line * 50, times=50) is None
    at = noticed(line * 500, times=50)
    assert at is not None and at <= 12 * 54
    assert noticed(line * 50) is not None


@pytest.mark.parametrize(
    ("question", "times"),
    [
        ("Write 'I am here' fifty times", 50),
        ("say it 100 times!", 100),
        ("50x: la la", 50),
        ("What is 5 x 7?", 0),
        ("Schreib das hundertmal", 100),
        ("écris-le vingt fois", 20),
        ("напиши это пятьдесят раз", 50),
        ("把它写五十遍", 50),
        ("Repeat this line", 50),
        ("12345678 times", 1000),
        ("In 1995, what happened?", 0),
        ("the Times of London", 0),
        ("", 0),
    ],
)
def test_a_wish_to_have_something_repeated_is_heard(question: str, times: int) -> None:
    assert wished_times(question) == times


def test_any_question_is_read_at_once() -> None:
    r = random.Random(1)
    for alphabet in ("5", "ten ", "5 ", "- ", "x5", "".join(map(chr, range(32, 1200)))):
        began = time.process_time()
        assert 0 <= wished_times("".join(r.choice(alphabet) for _ in range(25_000))) <= 1000
        assert time.process_time() - began < 0.5


def test_it_costs_little_and_its_memory_is_bounded() -> None:
    for tokens in (words(1, 40_000, kinds=150_000), words(2, 40) * 1000):
        guard = LoopGuard(piece, 10_000)
        began = time.process_time()
        for token in tokens:
            guard.add(token)
        assert (time.process_time() - began) / len(tokens) < 20e-6
        held = len(guard._tokens), len(guard._behind) + len(guard._behind_then)
        assert max(held) <= 2 * loop_guard._MEMORY
