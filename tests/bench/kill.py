"""Kill the app in mid-answer many times: ``python tests/bench/kill.py [--times 50] [--seed N]``.

Prints one line a run (characters shown, saved, lost, and the lost ones in seconds of text) and a verdict.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.killing import PIECE, RATE, kill_once


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}, {RATE * PIECE:.0f} characters/s")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.times):
            result = kill_once(Path(folder) / str(number), chance)
            found.append(result)
            print(
                f"{number + 1:3d}  after {result.after_s:4.2f} s  shown {result.shown:6d}  saved {result.saved:6d}  "
                f"lost {result.lost:5d} = {result.late_s:4.2f} s  "
                f"{result.status:11s}  {'ok' if result.good else 'BAD'}",
                flush=True,
            )
    late = sorted(result.late_s for result in found)
    bad = sum(not result.good for result in found)
    print(f"lost: median {late[len(late) // 2]:.2f} s, most {late[-1]:.2f} s; {bad} of {len(found)} bad")
    print("PASS" if not bad else "FAIL")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
