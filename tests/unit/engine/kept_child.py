"""Saves conversations for ever, until it is killed: a process for each line that it reads, in the folder it names."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from tests.kept_files import talk


def save(folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    talks = [talk(folder, f"talk {number}", dice) for number in range(3)]
    while True:
        each = dice.choice(talks)
        if each.tokens and dice.random() < 0.4:
            each.cut(dice.randrange(len(each.tokens)))
        each.grow(dice.choice((1, 7, 300)))
        each.save(200_000, ((len(each.tokens), dice.randbytes(100)),))


for line in sys.stdin:
    place, number = line.rsplit(" ", 1)
    child = os.fork()
    if not child:
        try:
            save(Path(place), int(number))
        finally:
            os._exit(1)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
