"""What a kept conversation's index says: its tokens, how they were evaluated, and the segments that hold their rows.

Pure; its file is written and found by ``files``. What it says is checked before anything of it is used.
"""

from __future__ import annotations

import hashlib
import math
import re
from array import array
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from qwen_desktop.core.files import read_file
from qwen_desktop.core.packed import pack, unpack
from qwen_desktop.engine.prompt_cache import door

#: Another form has another number; files of others are removed.
FORM = 1
INDEX = b"QDKVI%03d" % FORM
#: What files and folders are called.
NAME = re.compile(r"[0-9a-f]{32}")
#: An index is at most so large, in bytes; a conversation has at most so many tokens, segments and checkpoints.
_MOST_BYTES, _MOST_TOKENS, _MOST_SEGMENTS, _MOST_MARKS = 1 << 26, 1 << 23, 256, 64
#: So many segments of about the same size become one: none is written again more than a few times.
_MERGED = 8


class Segment(Struct, frozen=True):
    """A segment as an index names it: ``used`` of its ``rows`` count, the first ones. ``size`` is in bytes."""

    name: str
    sha256: bytes
    rows: int
    used: int
    size: int


class Mark(Struct, frozen=True):
    """A checkpoint as an index names it, after the first ``position`` tokens. ``size`` is in bytes."""

    name: str
    sha256: bytes
    position: int
    size: int


class Index(Struct, frozen=True):
    """What was evaluated and where its rows are. ``tokens`` are 32-bit numbers, ``layout`` says what a row is, ``born``
    when its first token was evaluated (``time.time``), ``cost_s`` about how many seconds it takes to read it all again,
    0.0 when that is not known; the rest is as in ``engine.llama_context.Sequence``."""

    key: str
    tokens: bytes
    steps: tuple[tuple[int, int, int], ...]
    alone: bool
    threads: tuple[int, ...]
    flash: int
    born: float
    layout: bytes
    segments: tuple[Segment, ...] = ()
    marks: tuple[Mark, ...] = ()
    cost_s: float = 0.0

    @property
    def count(self) -> int:
        """How many tokens it has."""
        return len(self.tokens) // 4

    @property
    def names(self) -> set[str]:
        """The names of the files that it names."""
        return {each.name for each in self.segments} | {each.name for each in self.marks}

    def common(self, tokens: array[int]) -> int:
        """How many tokens at the beginning of ``tokens`` it has."""
        low, high = 0, min(self.count, len(tokens))
        other = tokens.tobytes()
        while low < high:  # bytes are compared a thousand times faster than numbers
            middle = (low + high + 1) // 2
            same = self.tokens[4 * low : 4 * middle] == other[4 * low : 4 * middle]
            low, high = (middle, high) if same else (low, middle - 1)
        return low


def index_bytes(index: Index) -> door.Buffer:
    """An index as its file has it."""
    payload = pack(index)
    return door.seal(b"".join((INDEX, hashlib.sha256(payload).digest(), payload)))


def read_index(path: Path, key: str) -> Index:
    """The index in a file. Raises ``ValueError`` for what is not whole, of another form or for something else, and
    ``OSError``."""
    data = bytes(door.unseal(read_file(path, _MOST_BYTES)))
    begin = len(INDEX) + 32
    payload = data[begin:]
    if data[: len(INDEX)] != INDEX or hashlib.sha256(payload).digest() != data[len(INDEX) : begin]:
        raise ValueError("it is damaged, or of another form")
    index = unpack(payload, Index)
    count = index.count
    if not (
        index.key == key
        and len(index.tokens) == 4 * count
        and 0 < count <= _MOST_TOKENS
        and all(0 < kept <= size and 0 < times <= count for size, kept, times in index.steps)
        and sum(kept * times for _, kept, times in index.steps) == count
        and all(0 < threads < 1 << 16 for threads in index.threads)
        and 0 <= index.flash <= count
        and math.isfinite(index.born)
        and 0 <= index.cost_s < 1e9
        and len(index.segments) <= _MOST_SEGMENTS
        and all(map(NAME.fullmatch, index.names))
        and all(len(each.sha256) == 32 for each in index.segments)
        and all(len(each.sha256) == 32 for each in index.marks)
        and all(0 < each.used <= each.rows <= _MOST_TOKENS and each.size > 0 for each in index.segments)
        and sum(each.used for each in index.segments) == count
        and len(index.names) == len(index.segments) + len(index.marks)
        and len(index.marks) <= _MOST_MARKS
        and all(0 < each.position <= count and each.size > 0 for each in index.marks)
        and [each.position for each in index.marks] == sorted({each.position for each in index.marks})
    ):
        raise ValueError("its numbers are impossible")
    return index


def trimmed(segments: Sequence[Segment], rows: int) -> tuple[Segment, ...]:
    """The segments of the first ``rows`` tokens."""
    found: list[Segment] = []
    for segment in segments:
        if rows <= 0:
            break
        used = min(rows, segment.used)
        found.append(Segment(segment.name, segment.sha256, segment.rows, used, segment.size))
        rows -= used
    return tuple(found)


def merged(segments: tuple[Segment, ...], rows: int) -> tuple[Segment, ...]:
    """Those of the first segments that stay when ``rows`` more follow: where many at the end have about the same size
    they are written again as one, together with what is new. So there are few, and a row is written a few times."""
    while segments:
        level = _level(max(1, rows))
        run = 0
        for segment in reversed(segments):
            if _level(segment.used) > level:
                break
            run += 1
        if run < _MERGED - 1 and len(segments) < _MOST_SEGMENTS - 1:
            break
        over = segments[len(segments) - max(1, run) :]
        segments, rows = segments[: -len(over)], rows + sum(segment.used for segment in over)
    return segments


def _level(rows: int) -> int:
    return int(math.log(max(1, rows / 64), _MERGED) + 1e-9)
