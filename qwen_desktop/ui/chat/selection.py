"""What is selected: two places, each a message id and an offset in that message's plain-text projection. No Qt here.

It survives eviction of layouts and messages being put above, since nothing in it counts pixels or positions.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

#: The offset after the last character of a message, however long it is.
END: Final = sys.maxsize
_WORD: Final = re.compile(r"\w+|\s+|[^\w\s]", re.UNICODE)


class Place(NamedTuple):
    """A place in the transcript. ``message_id`` "" is before everything, also before what is not loaded yet."""

    message_id: str
    offset: int


class Selection:
    """``anchor`` is where it began, ``cursor`` where it is now; both None without a selection. ``changed`` is called
    when it may have become another."""

    def __init__(self, index_of: Callable[[str], int | None], changed: Callable[[], object]) -> None:
        self._index_of = index_of
        self._changed = changed
        self.anchor: Place | None = None
        self.cursor: Place | None = None
        #: Where it began: a place, or the word or paragraph that a double or triple click took; dragging extends from
        #: either of its ends.
        self._kernel: tuple[Place, Place] | None = None

    def _set(self, anchor: Place | None, cursor: Place | None, kernel: tuple[Place, Place] | None = None) -> None:
        before = self.anchor, self.cursor
        self.anchor, self.cursor, self._kernel = anchor, cursor, kernel
        if (anchor, cursor) != before:
            self._changed()

    def clear(self) -> None:
        """Nothing is selected."""
        self._set(None, None)

    def forget_gone(self) -> None:
        """Nothing is selected any more where a message has gone in which the selection ended."""
        ends = {end.message_id for end in (self.anchor, self.cursor) if end is not None} - {""}
        if any(self._index_of(message_id) is None for message_id in ends):
            self.clear()

    @property
    def empty(self) -> bool:
        """Whether nothing is selected."""
        return self.ends() is None

    def take(self, first: Place, last: Place) -> None:
        """Begin at one place, or with a word or a paragraph: dragging extends it."""
        self._set(first, last, (first, last))

    def extend(self, place: Place) -> None:
        """Move the end that follows the pointer."""
        first, last = self._kernel or (place, place)
        if self._key(place) < self._key(first):
            self._set(last, place, (first, last))
        else:
            self._set(first, max(place, last, key=self._key), (first, last))

    def _key(self, place: Place) -> tuple[int, int]:
        if not place.message_id:
            return (-1, 0)
        index = self._index_of(place.message_id)
        return (-1 if index is None else index, place.offset)

    def ends(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """(message index, offset) of the first and the last end; index -1 is before everything."""
        if self.anchor is None or self.cursor is None or self.anchor == self.cursor:
            return None
        a, b = self._key(self.anchor), self._key(self.cursor)
        return (a, b) if a <= b else (b, a)

    def part_of(self, index: int, length: int) -> tuple[int, int] | None:
        """The selected range of offsets in message ``index`` with a projection of ``length``, or None."""
        ends = self.ends()
        if ends is None or not ends[0][0] <= index <= ends[1][0]:
            return None
        start = ends[0][1] if ends[0][0] == index else 0
        stop = ends[1][1] if ends[1][0] == index else length
        start, stop = min(start, length), min(stop, length)
        return (start, stop) if start < stop else None


def word_at(text: str, offset: int) -> tuple[int, int]:
    """The word (or run of spaces, or sign) around an offset; CJK letters count as one word a run, as elsewhere."""
    line_start = text.rfind("\n", 0, offset) + 1
    for match in _WORD.finditer(text, line_start):
        if match.end() > offset or match.end() == len(text):
            return match.start(), match.end()
        if match.start() > offset:
            break
    return offset, offset


def paragraph_at(text: str, offset: int) -> tuple[int, int]:
    """The line of the projection around an offset."""
    end = text.find("\n", offset)
    return text.rfind("\n", 0, offset) + 1, len(text) if end < 0 else end
