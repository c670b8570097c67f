"""Some lines of a flow of text: where each begins, and what of them is where on screen, in Qt's units inside."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, cast

from PySide6.QtGui import QTextCharFormat, QTextLayout, QTextLine

from qwen_desktop.ui.chat.blocks_style import InlineObject

_GLYPHS: Final = QTextLayout.GlyphRunRetrievalFlag.RetrieveGlyphIndexes
#: Letters from right to left, their digits and signs, and the marks that turn the direction.
_MIXED: Final = re.compile(
    "[\u0590-\u08ff\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


class Units:
    """Turns code points of a text into UTF-16 units and back; free when there is nothing but one unit a character.

    ``added`` are the offsets at which one more unit stands in Qt's text than in ours.
    """

    def __init__(self, text: str, added: Sequence[int] = ()) -> None:
        #: For each further unit: the largest offset before it, where that ends, and its number among Qt's units.
        self._before: Sequence[int] = ()
        self._after: Sequence[int] = ()
        self._units: Sequence[int] = ()
        if added or (not text.isascii() and len(text.encode("utf-16-le", "surrogatepass")) > 2 * len(text)):
            wide = [(place, place) for place, char in enumerate(text) if char > "\uffff"]
            extra = sorted([*wide, *((place - 1, place) for place in added)])
            self._before, self._after = zip(*extra, strict=True)
            self._units = [place + number for number, place in enumerate(self._after)]

    def units(self, offset: int) -> int:
        """UTF-16 units before code point ``offset``: where it begins."""
        return offset + bisect_left(self._before, offset)

    def end(self, offset: int) -> int:
        """Where the code point before ``offset`` ends, in UTF-16 units: before what is added there."""
        return offset + bisect_left(self._after, offset)

    def points(self, unit: int) -> int:
        """Code points before UTF-16 unit ``unit``."""
        return unit - bisect_left(self._units, unit)


def mixed(text: str) -> bool:
    """Whether some of ``text`` may run from right to left, so that its order on screen is not that of its offsets."""
    return not text.isascii() and _MIXED.search(text) is not None


def cursor_x(line: QTextLine, unit: int) -> float:
    """The x of a cursor position in a line (PySide returns it with or without the corrected position)."""
    value = cast("float | tuple[float, int] | list[float]", line.cursorToX(unit))
    return float(value[0]) if isinstance(value, tuple | list) else float(value)


def pieces(line: QTextLine, start: int, end: int) -> list[tuple[float, float]]:
    """Left and right of each stretch on screen that units ``start`` .. ``end`` of a line with mixed directions cover:
    what ``QTextLayout`` itself would select."""
    found: list[tuple[float, float]] = []
    boxes = [run.boundingRect() for run in line.glyphRuns(start, end - start, _GLYPHS)]
    for left, right in sorted((box.left(), box.right()) for box in boxes):
        if found and left <= found[-1][1] + 0.1:
            found[-1] = (found[-1][0], max(found[-1][1], right))
        else:
            found.append((left, right))
    # A line's end and spaces before it take no place; they are seen only where nothing else is.
    x = cursor_x(line, start)
    return [piece for piece in found if piece[1] > piece[0]] or [(x, x)]


def format_range(start: int, end: int, look: QTextCharFormat) -> QTextLayout.FormatRange:
    """The look of units ``start`` .. ``end``."""
    entry = QTextLayout.FormatRange()
    entry.start, entry.length, entry.format = start, end - start, look
    return entry


class Inline(NamedTuple):
    """An inline object in a chunk: the units that it takes, its line, and the baseline relative to the chunk."""

    start: int
    end: int
    item: InlineObject
    line: int = 0
    baseline: float = 0.0


@dataclass(slots=True)
class Chunk:
    """Some lines of a flow. ``starts`` are the units at which they begin, ``tops`` the pixels, both with the end."""

    start: int
    #: Where its lines end, and the text that was laid out for them.
    end: int
    seen: int
    y: float
    layout: QTextLayout
    units: Units
    #: In units, with the line that begins the next chunk.
    length: int
    mixed: bool
    joined: frozenset[int] = frozenset()
    natural: float = 0.0
    starts: list[int] = field(default_factory=list)
    tops: list[float] = field(default_factory=lambda: [0.0])
    inlines: list[Inline] = field(default_factory=list)
    chips: list[tuple[int, int]] = field(default_factory=list)

    @property
    def height(self) -> float:
        """Pixels of all its lines."""
        return self.tops[-1]

    def cluster(self, start: int, end: int) -> tuple[int, int]:
        """Whole characters instead of parts of some: no half of an emoji, an accent or an inline object is marked, and
        none of the two letters that Arabic always writes as one."""
        while 0 < start < self.length and not self._between(start):
            start -= 1
        while end < self.length and not self._between(end):
            end += 1
        return start, end

    def _between(self, unit: int) -> bool:
        return unit not in self.joined and self.layout.isValidCursorPosition(unit)

    def pieces(self, number: int, start: int, end: int) -> list[tuple[float, float]]:
        """Left and right of what units ``start`` .. ``end`` of a line cover."""
        line = self.layout.lineAt(number)
        if self.mixed:
            return pieces(line, start, end)
        return [(cursor_x(line, start), cursor_x(line, end))]

    def unit_at(self, number: int, x: float, rtl: bool) -> int:
        """The cursor position in a line that is nearest to ``x``."""
        line = self.layout.lineAt(number)
        start, end = self.starts[number], self.starts[number + 1]
        if start == end:
            return start
        found = self.pieces(number, start, end)
        left, right = found[0][0], found[-1][1]
        if x < left if rtl else x > right:
            # Behind the last character is where the next line begins.
            return self.layout.previousCursorPosition(end) if end < self.length else end
        if not self.mixed and not self.inlines:
            # In a font that has no sign for an emoji of several it may stand between these.
            first, last = self.cluster(unit := line.xToCursor(x), unit)
            return last if first < last and x > (cursor_x(line, first) + cursor_x(line, last)) / 2 else first
        x = min(max(x, left), right - 0.01)
        first, last = start, end
        while last - first > 1:
            middle = self.cluster((first + last) // 2, last)[0]
            if middle <= first:
                middle = self.cluster(first, first + 1)[1]
                if middle >= last:
                    break
            if any(left <= x < right for left, right in self.pieces(number, first, middle)):
                last = middle
            else:
                first = middle
        left, right = self.pieces(number, first, last)[0]
        backwards = self.mixed and any(run.isRightToLeft() for run in line.glyphRuns(first, last - first, _GLYPHS))
        return last if (x > (left + right) / 2) != backwards else first
