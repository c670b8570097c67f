"""The recorded texts by which the loop guard is judged: ``load`` gives them, ``figures`` what the guard does with them.

``sets.bin`` is made by ``make_sets.py``. Loops: greedy answers of SmolLM2-135M-Instruct (Q4_1) to open questions and
of random-weight models, as they were chosen token by token. Normal texts: other answers of SmolLM2 (greedy and sampled
at temperature 0.9), texts that repeat much and are none (``written.py``), and pieces of this repository's own files,
both in SmolLM2's tokens. A third of both, chosen by the hash of the text, is held back: nothing of the guard was set by
it. Its misses were read once, while the rules by which ``make_sets.py`` names loops and normal texts were made; they
changed for reasons that hold for both parts (a text that ran in circles and went on is not normal, rows of numbers are
a table), and no value of the guard did.
"""

from __future__ import annotations

import hashlib
import lzma
import sys
from array import array
from pathlib import Path
from typing import NamedTuple

import msgspec

from qwen_desktop.engine.loop_guard import LoopGuard, wished_times

PATH = Path(__file__).with_name("sets.bin")
#: A loop is stopped in time so many tokens after its first repeat.
IN_TIME = 300
#: Where a loop begins is a matter of taste by so many tokens: what goes before it is often nearly the same.
EARLY = 100


class Case(NamedTuple):
    """One text. ``pieces`` are its tokens' bytes; ``first`` is the token with which it begins to repeat itself, -1 for
    a normal text."""

    kind: str
    question: str
    pieces: tuple[bytes, ...]
    first: int

    @property
    def held_back(self) -> bool:
        """Whether it is of the third that nothing was tuned on."""
        return hashlib.sha256(b"".join(self.pieces)).digest()[0] % 3 == 0


def save(cases: list[Case]) -> None:
    """Write them: the different pieces once, then each text as their numbers."""
    numbers = {piece: n for n, piece in enumerate(sorted({piece for case in cases for piece in case.pieces}))}
    kept = []
    for kind, question, pieces, first in cases:
        tokens = array("H", map(numbers.__getitem__, pieces))
        if sys.byteorder == "big":
            tokens.byteswap()
        kept.append((kind, question, tokens.tobytes(), first))
    PATH.write_bytes(lzma.compress(msgspec.msgpack.encode((list(numbers), kept)), preset=9))


def load() -> list[Case]:
    """All of them."""
    pieces, kept = msgspec.msgpack.decode(
        lzma.decompress(PATH.read_bytes()), type=tuple[list[bytes], list[tuple[str, str, bytes, int]]]
    )
    cases = []
    for kind, question, data, first in kept:
        tokens = array("H", data)
        if sys.byteorder == "big":
            tokens.byteswap()
        cases.append(Case(kind, question, tuple(map(pieces.__getitem__, tokens)), first))
    return cases


def stopped_at(case: Case) -> int | None:
    """The token at which the guard stops it, None where it lets it go on."""
    numbers: dict[bytes, int] = {}
    for piece in case.pieces:
        numbers.setdefault(piece, len(numbers))
    guard = LoopGuard(list(numbers).__getitem__, wished_times(case.question))
    return next((index for index, piece in enumerate(case.pieces) if guard.add(numbers[piece])), None)


def in_time(case: Case) -> bool:
    """Whether a loop is stopped soon enough, and not before it begins."""
    at = stopped_at(case)
    early = case.first if case.kind == "random" else EARLY  # noise has no meaning that a circle could end
    return at is not None and case.first - early <= at <= case.first + IN_TIME


def figures(cases: list[Case]) -> dict[str, str]:
    """What comes of the set that was tuned on and of the one held back."""
    told = {}
    for name, held in (("tuned", False), ("held back", True)):
        loops = [case for case in cases if case.first >= 0 and case.held_back is held]
        normal = [case for case in cases if case.first < 0 and case.held_back is held]
        missed = [f"{c.kind} {c.first} {stopped_at(c)} {c.question!r}" for c in loops if not in_time(c)]
        false = [f"{c.kind} {stopped_at(c)} {c.question[:40]!r}" for c in normal if stopped_at(c) is not None]
        told[name] = (
            f"{len(loops) - len(missed)} of {len(loops)} loops stopped in time, "
            f"{len(false)} of {len(normal)} normal texts stopped; {missed} {false}"
        )
    return told
