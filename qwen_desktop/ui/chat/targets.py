"""What of a message can be clicked or reached with Tab, found by its key without a search."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property
from operator import attrgetter

from qwen_desktop.ui.chat.blocks import Target

#: Where what a target is part of begins: in reading order that is from top to bottom.
_owner = attrgetter("y")


class Targets(tuple[Target, ...]):
    """The targets of one layout, in reading order. Another layout has others: they are not changed."""

    @cached_property
    def _by_key(self) -> dict[str, int]:
        return {target.key: number for number, target in enumerate(self)}

    def between(self, top: float, bottom: float) -> tuple[Target, ...]:
        """At least those that are between two heights of the message: without measuring each of thousands."""
        above = bisect_right(self, top, key=_owner)
        if above:  # it may reach further down than it begins
            above = bisect_left(self, _owner(self[above - 1]), key=_owner)
        return self[above : bisect_right(self, bottom, key=_owner)]

    def place(self, key: str) -> int | None:
        """Which one has this key."""
        return self._by_key.get(key)

    def named(self, key: str) -> Target | None:
        """The one with this key."""
        number = self._by_key.get(key)
        return None if number is None else self[number]
