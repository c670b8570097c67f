"""Made-up rows of conversations, for the tests of what is kept on the disk."""

from __future__ import annotations

import hashlib
import random
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

from qwen_desktop.engine.prompt_cache.door import Buffer
from qwen_desktop.engine.prompt_cache.files import Content, Folder, Found, Place
from qwen_desktop.engine.prompt_cache.index import Index, Segment, trimmed

ROW = 40
KEY = "0123456789abcdef" * 2


def row(lineage: str, at: int) -> bytes:
    """The row that a token has which was evaluated in this lineage."""
    return hashlib.sha256(f"{lineage} {at}".encode()).digest()[:ROW].ljust(ROW, b"\0")


class Talk:
    """A conversation in memory: its tokens, each with the lineage in which it was evaluated, and what of it is
    written."""

    def __init__(self, place: Place, dice: random.Random) -> None:
        self.place = place
        self.dice = dice
        self.born = time.time()
        self.tokens: list[tuple[int, str]] = []
        self.segments: tuple[Segment, ...] = ()
        self.on_disk = 0

    def grow(self, count: int) -> None:
        lineage = f"{self.dice.random()}"
        self.tokens += [(self.dice.randrange(50), lineage) for _ in range(count)]

    def cut(self, length: int) -> None:
        del self.tokens[length:]
        self.on_disk = min(self.on_disk, length)

    def content(self, marks: tuple[tuple[int, bytes], ...] = ()) -> Content:
        held, count = list(self.tokens), len(self.tokens)

        def rows(first: int, end: int) -> Iterator[Buffer]:
            for half in (0, 1):  # two blocks
                yield b"".join(row(lineage, at)[half::2] for at, (_, lineage) in enumerate(held[:end]) if at >= first)

        # the lineages stand in the layout, so that a reader knows what each row must be
        layout = "\n".join(lineage for _, lineage in held).encode()
        steps = ((1, 1, count),)
        tokens = array("i", [token for token, _ in held]).tobytes()
        index = Index(KEY, tokens, steps, True, (1,), 0, self.born, layout, cost_s=count * 0.01)
        return Content(index, rows, ROW, trimmed(self.segments, self.on_disk), marks)

    def save(self, budget: int = 1 << 30, marks: tuple[tuple[int, bytes], ...] = ()) -> None:
        self.segments = self.place.write(self.content(marks), budget, lambda: None)
        self.on_disk = len(self.tokens)


def rows_of(place: Place, found: Found, rows: int | None = None) -> bytes:
    """The rows that an index names, checked for what they must be. Raises as ``Place.read``."""
    rows = found.index.count if rows is None else rows
    lineages = found.index.layout.decode().split("\n")
    got: dict[tuple[int, int], bytes] = {}

    def use(segment: Segment, first: int, number: int, block: Buffer) -> None:
        width = ROW // 2
        assert len(block) == width * segment.rows
        for at in range(min(segment.used, rows - first)):
            got[first + at, number] = bytes(block[at * width : (at + 1) * width])

    place.read(found, rows, use, lambda: None)
    whole = b""
    for at in range(rows):
        made = bytearray(ROW)
        made[0::2], made[1::2] = got[at, 0], got[at, 1]
        assert bytes(made) == row(lineages[at], at), "a row of something else"
        whole += made
    return whole


def talk(folder: Path, name: str, dice: random.Random) -> Talk:
    return Talk(Folder(folder).place(name, KEY), dice)


def everything(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
