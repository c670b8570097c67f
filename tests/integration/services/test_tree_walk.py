"""Whatever is done to conversations' trees in whatever order, the disk has what a model in plain Python says."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app import run
from tests.tree_walk import walking

CHILD = Path(__file__).with_name("walk_child.py")
STEPS = 120


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_walk_is_on_the_disk_after_each_step(seed: int) -> None:
    async def main() -> dict[str, int]:
        async with walking(random.Random(seed)) as walk:
            for _ in range(STEPS):
                await walk.step()
            return walk.asked

    asked = run(main(), seconds=60)
    assert set(asked) == {"send", "edit", "regenerate", "again", "go_on", "select", "delete", "fork", "undo", "stop"}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX")
def test_killed_at_any_moment_the_tree_is_that_before_or_after_the_step(tmp_path: Path) -> None:
    command = [sys.executable, str(CHILD), str(tmp_path), "7", "4", "0.8"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert int(ended.stdout.split()[0]) > 10
