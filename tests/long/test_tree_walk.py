"""Walks over the trees of conversations: compared after each step, and ended by SIGKILL at random moments."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.app import run
from tests.tree_walk import walking

CHILD = Path(__file__).parents[1] / "integration" / "services" / "walk_child.py"


def test_the_disk_has_what_the_model_says(seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def walk(seed: int) -> None:
        async with walking(random.Random(seed)) as going:
            for _ in range(300):
                await going.step()
                if time.monotonic() > deadline:
                    return

    deadline, number = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        monkeypatch.setenv("QWEN_DESKTOP_HOME", str(tmp_path / str(number)))
        seed, number = random.randrange(1 << 32), number + 1
        print("seed", seed)
        run(walk(seed), seconds=120)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX")
def test_killed_at_any_moment_nothing_is_lost(seconds: float, tmp_path: Path) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        folder, seed = tmp_path / str(time.monotonic_ns()), random.randrange(1 << 30)
        folder.mkdir()
        command = [sys.executable, str(CHILD), str(folder), str(seed), "5", "2.5"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"seed {seed}: {ended.stderr[-3000:]}"
