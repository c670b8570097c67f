"""Whatever is done to conversations' trees in whatever order, the disk has what a model in plain Python says."""

from __future__ import annotations

import random

import pytest

from tests.app import run
from tests.tree_walk import walking

STEPS = 150


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_walk_is_on_the_disk_after_each_step(seed: int) -> None:
    async def main() -> dict[str, int]:
        async with walking(random.Random(seed)) as walk:
            for _ in range(STEPS):
                await walk.step()
            return walk.asked

    asked = run(main(), seconds=60)
    assert set(asked) == {"send", "edit", "regenerate", "again", "go_on", "select", "delete", "fork", "undo", "stop"}
