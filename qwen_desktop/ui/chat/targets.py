"""What of a message can be clicked or reached with Tab, found by a point or by its key without a search."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate

from PySide6.QtCore import QPointF, QRectF

from qwen_desktop.ui.chat.blocks import Target


class Targets(tuple[Target, ...]):
    """The targets of one layout, in reading order. Another layout has others: they are not changed."""

    @cached_property
    def _by_key(self) -> dict[str, int]:
        return {target.key: number for number, target in enumerate(self)}

    @cached_property
    def _rects(self) -> list[tuple[float, QRectF, int]]:
        """(top, rectangle, whose) from top to bottom."""
        rects = [(rect.top(), rect, n) for n, target in enumerate(self) for rect in target.extra or (target.rect,)]
        return sorted(rects, key=lambda entry: entry[0])

    @cached_property
    def _tops(self) -> list[float]:
        return [top for top, _, _ in self._rects]

    @cached_property
    def _reach(self) -> list[float]:
        """For each rectangle how far down it and all above it come."""
        return list(accumulate((rect.bottom() for _, rect, _ in self._rects), max))

    def place(self, key: str) -> int | None:
        """Which one has this key."""
        return self._by_key.get(key)

    def named(self, key: str) -> Target | None:
        """The one with this key."""
        number = self._by_key.get(key)
        return None if number is None else self[number]

    def at(self, point: QPointF) -> Target | None:
        """The one under a point, the last where several are."""
        found = -1
        number = bisect_right(self._tops, point.y())
        while number and self._reach[number - 1] >= point.y():
            number -= 1
            _, rect, whose = self._rects[number]
            if whose > found and rect.contains(point):
                found = whose
        return None if found < 0 else self[found]
