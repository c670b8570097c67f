"""Where messages stand: whatever changes in whatever order, it is where adding up all heights puts it."""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

import pytest

from qwen_desktop.ui.chat.tops import Tops


@dataclass
class Thing:
    height: float


def height(chance: random.Random) -> float:
    """Sixty-fourths of a pixel, as Qt's own lengths, so that sums are exact; some have none."""
    return chance.choice((0.0, chance.randint(1, 9000) / 64))


@pytest.mark.parametrize("seed", range(60))
def test_any_order_of_changes(seed):
    chance = random.Random(seed)
    things = [Thing(height(chance)) for _ in range(chance.choice((0, 1, 2, 7, 40)))]
    tops = Tops(4.0)
    for _ in range(120):
        kind = chance.random()
        if kind < 0.6 and things:
            near = chance.randrange(len(things))
            for place in range(near, min(len(things), near + chance.randint(1, 3))):
                things[place].height = height(chance)
                tops.changed(place)
        elif kind < 0.7:
            fresh = [Thing(height(chance)) for _ in range(chance.randint(0, 4))]
            things = fresh + things
            tops.renewed(0)
        elif kind < 0.8:
            first = chance.randint(0, len(things))
            things[first:] = [Thing(height(chance)) for _ in range(chance.randint(0, 4))]
            tops.renewed(first)
        if chance.random() < 0.4:  # several changes may come before somebody asks
            continue
        tops.settle(things)
        true = list(accumulate((thing.height for thing in things), initial=4.0))
        assert [tops.top(place) for place in range(len(true))] == true
        assert tops.end == true[-1]
        for y in (0.0, chance.uniform(0, true[-1] + 9), chance.choice(true), true[-1]):
            assert tops.until(y) == bisect_right(true, y), y
