"""Where messages of known heights stand below each other. No Qt in here."""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate, islice
from operator import attrgetter
from typing import Final, Protocol

_HEIGHT: Final = attrgetter("height")


class Tall(Protocol):
    """Something with a height in pixels."""

    height: float


class Tops:
    """The tops of a list of things, the first at ``start``.

    Above one of them, the gap, tops are kept as distances from the start, below it as distances from the end. So a
    change costs what lies between it and the one before it, and not all that stands below: of 10,000 messages it is
    always those on screen that change.
    """

    def __init__(self, start: float) -> None:
        self._above = [start]
        self._below: list[float] = []
        self._first, self._last = 0, sys.maxsize
        #: Where the last one ends.
        self.end = start

    def changed(self, index: int) -> None:
        """One may have another height now."""
        self._first, self._last = min(self._first, index), max(self._last, index)

    def renewed(self, first: int) -> None:
        """From ``first`` on these are others, or have other heights."""
        self._first, self._last = min(self._first, first), sys.maxsize

    def settle(self, things: Sequence[Tall]) -> None:
        """Take over what has changed."""
        first, last = self._first, self._last
        if first > last:
            return
        self._first, self._last = sys.maxsize, -1
        count, above, below = len(things), self._above, self._below
        gap = min(last, count - 1)
        if last >= count:
            below.clear()
        if not count:
            del above[1:]
            self.end = above[0]
            return
        del above[min(first, gap) + 1 :], below[count - gap :]
        reached = len(above) - 1
        above[reached:] = accumulate(map(_HEIGHT, islice(things, reached, gap)), initial=above[reached])
        if not below:
            below.append(0.0)
        reached = count - len(below)
        below[-1:] = accumulate(map(_HEIGHT, things[reached:gap:-1]), initial=below[-1])
        self.end = above[-1] + things[gap].height + below[-1]

    def top(self, index: int) -> float:
        """Where one of them begins; ``end`` for their number."""
        above = self._above
        if index < len(above):
            return above[index]
        return self.end - self._below[len(above) + len(self._below) - 1 - index]

    def until(self, y: float) -> int:
        """How many begin at ``y`` or above, one more if all of them end there."""
        above, below = self._above, self._below
        if y < above[-1]:
            return bisect_right(above, y)
        return len(above) + len(below) - bisect_left(below, self.end - y)
