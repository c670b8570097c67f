"""Which bytes are there: held against a plain list of marks."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.hub.download.journal import Ranges

SIZE = 40


def marks(ranges: Ranges) -> list[int]:
    """The source of each byte, -1 for a missing one."""
    found = [-1] * SIZE
    for start, end, source in ranges:
        found[start:end] = [source] * (end - start)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_adding_and_removing_gives_the_same_as_marking_bytes(seed: int) -> None:
    chance = random.Random(seed)
    ranges, expected = Ranges(), [-1] * SIZE
    for _ in range(20):
        start = chance.randrange(SIZE)
        end = chance.randrange(start, SIZE + 1)
        if chance.random() < 0.7:
            source = chance.randrange(3)
            expected[start:end] = [source] * (end - start)
            ranges.add(start, end, source)
        else:
            expected[start:end] = [-1] * (end - start)
            ranges.remove(start, end)
        assert marks(ranges) == expected
        assert ranges.total == SIZE - expected.count(-1)
        gap = expected.index(-1) if -1 in expected else SIZE
        assert ranges.reach() == gap
        for low, high in ((0, SIZE), (start, end)):
            missing = [n for first, last in ranges.gaps(high, low) for n in range(first, last)]
            assert missing == [n for n in range(low, high) if expected[n] == -1]


def test_neighbours_of_one_source_are_one_piece() -> None:
    ranges = Ranges([(0, 10, 0), (20, 30, 0), (10, 20, 0), (30, 40, 1)])
    assert list(ranges) == [(0, 30, 0), (30, 40, 1)]
