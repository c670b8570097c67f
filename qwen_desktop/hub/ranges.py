"""Which bytes of a file are there, and which source each came from. Pure data, not thread-safe."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

#: First byte, byte after the last one, number of the source.
Piece = tuple[int, int, int]


class Ranges:
    """Sorted pieces without overlaps; neighbours of one source are joined."""

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self._pieces: list[Piece] = []
        self.total = 0
        for start, end, source in pieces:
            self.add(start, end, source)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._pieces)

    def add(self, start: int, end: int, source: int = 0) -> int:
        """``start`` to ``end`` are there now, from ``source``; returns how many of them are new."""
        if start >= end:
            return 0
        before = self.total
        self.remove(start, end)
        place = bisect.bisect_left(self._pieces, (start, end, source))
        if place < len(self._pieces) and self._pieces[place][0] == end and self._pieces[place][2] == source:
            end = self._pieces.pop(place)[1]
        if place and self._pieces[place - 1][1] == start and self._pieces[place - 1][2] == source:
            place -= 1
            start = self._pieces.pop(place)[0]
        self._pieces.insert(place, (start, end, source))
        self.total = self._count()
        return self.total - before

    def remove(self, start: int, end: int) -> None:
        """``start`` to ``end`` are not there (any more)."""
        if start >= end:
            return
        first = max(0, bisect.bisect_right(self._pieces, (start, start, 0)) - 1)
        last = bisect.bisect_left(self._pieces, (end, 0, 0))
        kept: list[Piece] = []
        for piece_start, piece_end, source in self._pieces[first:last]:
            if piece_start < start:
                kept.append((piece_start, min(piece_end, start), source))
            if piece_end > end:
                kept.append((max(piece_start, end), piece_end, source))
        self._pieces[first:last] = kept
        self.total = self._count()

    def holds(self, start: int, end: int) -> bool:
        """Whether all of ``start`` to ``end`` is there."""
        return self.reach(start) >= end

    def reach(self, start: int = 0) -> int:
        """The first byte from ``start`` on that is missing."""
        place = bisect.bisect_right(self._pieces, (start, 1 << 62, 0)) - 1
        if place < 0 or self._pieces[place][1] <= start:
            return start
        end = self._pieces[place][1]
        for following in self._pieces[place + 1 :]:
            if following[0] != end:
                break
            end = following[1]
        return end

    def gaps(self, size: int) -> Iterator[tuple[int, int]]:
        """What is missing of ``size`` bytes, first to last."""
        place = 0
        for start, end, _ in self._pieces:
            if start >= size:
                break
            if start > place:
                yield place, start
            place = end
        if place < size:
            yield place, size

    def from_source(self, source: int) -> int:
        """How many bytes came from ``source``."""
        return sum(end - start for start, end, each in self._pieces if each == source)

    def _count(self) -> int:
        return sum(end - start for start, end, _ in self._pieces)
