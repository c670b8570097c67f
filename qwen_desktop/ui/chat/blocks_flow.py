"""Wrapped rich text in ``QTextLayout`` pieces: the part that every block with words is made of.

A flow holds its text in chunks of some 2,000 characters that end at line borders. Text that only grows keeps all
chunks but the last one, so a paragraph of any length costs the same to extend. Offsets given and returned count code
points, as Python does; Qt's UTF-16 units stay inside.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias, cast

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QTextLayout, QTextLine, QTextOption

from qwen_desktop.jobs.markdown.blocks import Runs, TextRun
from qwen_desktop.ui.chat.blocks_style import CHIP_PAD, Style

_WINDOW = 2000
_RTL = frozenset({"R", "AL"})
_STRONG = frozenset({"L", "R", "AL"})


class Range(NamedTuple):
    """Offsets ``start`` .. ``end`` of a text that are painted on the colour of ``role``: "selection", "match" or
    "current_match". An ``end`` beyond the text takes the end of its last line in. Later ranges cover earlier ones.
    """

    start: int
    end: int
    role: str = "selection"


Ranges: TypeAlias = tuple[Range, ...]


def within(ranges: Ranges, start: int, length: int) -> Ranges:
    """Of ``ranges`` what lies in the ``length`` characters from ``start`` on, or takes in their end, counted from
    there."""
    if not ranges:
        return ()
    return tuple(
        Range(max(0, first - start), min(last - start, length + 1), role)
        for first, last, role in ranges
        if first - start <= length and last > start
    )


class At(NamedTuple):
    """Where to paint: the top left corner (x, y), and the heights ``top`` .. ``bottom`` that can be seen."""

    x: float
    y: float
    top: float
    bottom: float

    def moved(self, dx: float, dy: float) -> At:
        """The same view, another corner."""
        return At(self.x + dx, self.y + dy, self.top, self.bottom)


class Units:
    """Turns code points of a text into UTF-16 units and back; free when the text has no character beyond U+FFFF."""

    def __init__(self, text: str) -> None:
        self._wide: list[int] = []
        if text and max(text) > "\uffff":
            self._wide = [place for place, char in enumerate(text) if char > "\uffff"]
        self._wide_units = [place + number for number, place in enumerate(self._wide)]

    def units(self, offset: int) -> int:
        """UTF-16 units before code point ``offset``."""
        return offset + bisect_left(self._wide, offset) if self._wide else offset

    def points(self, unit: int) -> int:
        """Code points before UTF-16 unit ``unit``."""
        return unit - bisect_left(self._wide_units, unit) if self._wide else unit


def is_rtl(text: str) -> bool:
    """Whether the first letter with a direction runs from right to left."""
    for char in text[:400]:
        kind = unicodedata.bidirectional(char)
        if kind in _STRONG:
            return kind in _RTL
    return False


def cursor_x(line: QTextLine, unit: int) -> float:
    """The x of a cursor position in a line (PySide returns it with or without the corrected position)."""
    value = cast("float | tuple[float, int] | list[float]", line.cursorToX(unit))
    return float(value[0]) if isinstance(value, tuple | list) else float(value)


class _Chunk:
    __slots__ = ("end", "height", "layout", "lines", "natural", "seen", "start", "units", "y")

    def __init__(self, start: int, y: float) -> None:
        self.start = start
        self.end = start
        self.seen = start
        self.y = y
        self.height = 0.0
        self.layout = QTextLayout()
        self.lines = 0
        self.natural = 0.0
        self.units = Units("")


class TextFlow:
    """Some runs of text wrapped to a width."""

    def __init__(self, style: Style, base: str, *, align: str = "") -> None:
        self.style = style
        self.base = base
        self._align = align
        self.runs: Runs = ()
        self.text = ""
        self.width = 0.0
        self.height = 0.0
        self.rtl = False
        self._line = style.line_height(base)
        self._chunks: list[_Chunk] = []
        self._starts: list[int] = []
        self._run_starts: list[int] = []

    @property
    def natural(self) -> float:
        """Pixels of the widest line."""
        return max((chunk.natural for chunk in self._chunks), default=0.0)

    def set_runs(self, runs: Sequence[TextRun], width: float, align: str | None = None) -> None:
        """Show ``runs`` wrapped to ``width`` pixels, keeping what is already laid out where the text only grew.

        ``align`` ("left", "center", "right" or "") is another alignment from now on.
        """
        runs = tuple(runs)
        same = width == self.width and align in (None, self._align)
        if same and runs == self.runs and self._chunks:
            return
        stable = self._stable(runs) if same else 0
        self._align = self._align if align is None else align
        keep = 0
        # The look of a character depends on the one after it (a chip's rounded end): that must have stayed, too.
        while keep < len(self._chunks) - 1 and self._chunks[keep].seen < stable:
            keep += 1
        del self._chunks[keep:]
        self.runs = runs
        self.width = width
        self.text = "".join(run.text for run in runs)
        self._run_starts = []
        place = 0
        for run in runs:
            self._run_starts.append(place)
            place += len(run.text)
        if not keep:
            self.rtl = is_rtl(self.text)
        start = self._chunks[-1].end if self._chunks else 0
        y = self._chunks[-1].y + self._chunks[-1].height if self._chunks else 0.0
        while True:
            chunk = self._lay(start, y)
            self._chunks.append(chunk)
            y += chunk.height
            start = chunk.end
            if start >= len(self.text):
                break
        self.height = y
        self._starts = [chunk.start for chunk in self._chunks]

    def _stable(self, runs: Runs) -> int:
        place = 0
        for old, new in zip(self.runs, runs, strict=False):
            if old == new:
                place += len(old.text)
                continue
            same_look = (old.bold, old.italic, old.strike, old.code, old.math, old.href) == (
                new.bold, new.italic, new.strike, new.code, new.math, new.href
            )  # fmt: skip
            if same_look and new.text.startswith(old.text):
                place += len(old.text)
            break
        return place

    def _lay(self, start: int, y: float) -> _Chunk:
        chunk = _Chunk(start, y)
        end = min(len(self.text), start + _WINDOW)
        text = self.text[start:end]
        chunk.units = Units(text)
        layout = QTextLayout(text.replace("\n", "\u2028"), self.style.base_font(self.base))
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        option.setTextDirection(Qt.LayoutDirection.RightToLeft if self.rtl else Qt.LayoutDirection.LeftToRight)
        align = {"right": Qt.AlignmentFlag.AlignRight, "center": Qt.AlignmentFlag.AlignHCenter}.get(
            self._align, Qt.AlignmentFlag.AlignRight if self.rtl else Qt.AlignmentFlag.AlignLeft
        )
        option.setAlignment(align)
        layout.setTextOption(option)
        layout.setCacheEnabled(True)
        layout.setFormats(self._formats(start, end, chunk.units))
        # A chip at the very start of a line would stand out of the column.
        inset = CHIP_PAD if not start and self.runs and self.runs[0].code and not self.rtl else 0
        layout.beginLayout()
        height = 0.0
        bottom = 0.0
        last_start = 0
        while True:
            line = layout.createLine()
            if not line.isValid():
                break
            first = inset if not chunk.lines else 0
            line.setLineWidth(max(1.0, self.width - first))
            bottom = height
            line.setPosition(QPointF(first, height + (self._line - line.height()) / 2))
            chunk.natural = max(chunk.natural, line.naturalTextWidth() + first)
            last_start = line.textStart()
            height += self._line
            chunk.lines += 1
        layout.endLayout()
        chunk.layout = layout
        chunk.seen = end
        chunk.end = end
        chunk.height = height if chunk.lines else float(self._line)
        if end < len(self.text) and chunk.lines > 1:
            # More follows: the last line is not full yet, it begins the next chunk.
            chunk.end = start + chunk.units.points(last_start)
            chunk.height = bottom
            chunk.lines -= 1
        return chunk

    def _formats(self, start: int, end: int, units: Units) -> list[QTextLayout.FormatRange]:
        ranges: list[QTextLayout.FormatRange] = []

        def add(first: int, last: int, run: TextRun, spacing: float = 0.0) -> None:
            first, last = max(first, start) - start, min(last, end) - start
            if first < last:
                entry = QTextLayout.FormatRange()
                entry.start = units.units(first)
                entry.length = units.units(last) - entry.start
                entry.format = self.style.format(self.base, run, spacing)
                ranges.append(entry)

        number = max(0, bisect_right(self._run_starts, start) - 1)
        for index in range(number, len(self.runs)):
            run = self.runs[index]
            first = self._run_starts[index]
            if first >= end:
                break
            last = first + len(run.text)
            before_code = index + 1 < len(self.runs) and self.runs[index + 1].code
            if (run.code or before_code) and run.text and not run.text.endswith("\n"):
                add(first, last - 1, run)
                add(last - 1, last, run, float(CHIP_PAD))  # room for the chip's rounded end
            else:
                add(first, last, run)
        return ranges

    # Painting --------------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, at: At, ranges: Ranges = ()) -> None:
        """Draw at ``at``, with ``ranges`` of its text marked."""
        x, y, top, bottom = at
        for chunk in self._chunks:
            if y + chunk.y > bottom:
                break
            if y + chunk.y + chunk.height < top:
                continue
            self._paint_chips(painter, chunk, x, y)
            for start, end, role in ranges:
                for rect in self._range_rects(chunk, start, end):
                    painter.fillRect(rect.translated(x, y), self.style.color(role))
            painter.setPen(self.style.color("text"))
            first = max(top, y + chunk.y)
            clip = QRectF(x - 8, first, self.width + 16, min(bottom, y + chunk.y + chunk.height) - first)
            if chunk.end < chunk.seen:  # its last line belongs to the next chunk
                painter.save()
                painter.setClipRect(clip, Qt.ClipOperation.IntersectClip)
                chunk.layout.draw(painter, QPointF(x, y + chunk.y), [], clip)
                painter.restore()
            else:
                chunk.layout.draw(painter, QPointF(x, y + chunk.y), [], clip)

    def _paint_chips(self, painter: QPainter, chunk: _Chunk, x: float, y: float) -> None:
        number = max(0, bisect_right(self._run_starts, chunk.start) - 1)
        for index in range(number, len(self.runs)):
            start = self._run_starts[index]
            if start >= chunk.end:
                break
            run = self.runs[index]
            if run.code:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(self.style.color("sunken"))
                for rect in self._range_rects(chunk, start, start + len(run.text)):
                    chip = rect.translated(x, y).adjusted(-CHIP_PAD, self._line * 0.1, 0, -self._line * 0.1)
                    painter.drawRoundedRect(chip, 5, 5)

    def _range_rects(self, chunk: _Chunk, start: int, end: int) -> list[QRectF]:
        """Rectangles of offsets ``start`` .. ``end`` within a chunk, relative to the flow."""
        first, last = max(start, chunk.start), min(end, chunk.end)
        if first >= last:
            return []
        a, b = chunk.units.units(first - chunk.start), chunk.units.units(last - chunk.start)
        rects: list[QRectF] = []
        for number in range(chunk.lines):
            line = chunk.layout.lineAt(number)
            line_start, line_end = line.textStart(), line.textStart() + line.textLength()
            if line_start >= b:
                break
            if line_end <= a:
                continue
            left, right = cursor_x(line, max(a, line_start)), cursor_x(line, min(b, line_end))
            if left > right:
                left, right = right, left
            rects.append(QRectF(left, chunk.y + number * self._line, max(right - left, 3.0), self._line))
        return rects

    def rects(self, start: int, end: int) -> list[QRectF]:
        """Rectangles of a range of offsets, relative to the flow."""
        return [rect for chunk in self._chunks for rect in self._range_rects(chunk, start, end)]

    # Asking ----------------------------------------------------------------------------------------------------------

    def offset_at(self, x: float, y: float) -> int:
        """The offset nearest to a point relative to the flow."""
        if y < 0:
            return 0
        for chunk in self._chunks:
            if y < chunk.y + chunk.height:
                number = min(max(0, int((y - chunk.y) / self._line)), max(0, chunk.lines - 1))
                line = chunk.layout.lineAt(number)
                if not line.isValid():
                    return chunk.start
                unit = line.xToCursor(x)
                end = line.textStart() + line.textLength()
                if number + 1 < chunk.lines and unit >= end > line.textStart():
                    unit = end - 1 if x > line.naturalTextWidth() else unit
                return min(chunk.start + chunk.units.points(unit), chunk.end)
        return len(self.text)

    def run_at(self, x: float, y: float) -> int | None:
        """Index of the run under a point, or None where there is no text."""
        offset = self.offset_at(x, y)
        for candidate in (offset, offset - 1):
            index = bisect_right(self._run_starts, candidate) - 1
            if 0 <= index < len(self.runs):
                start = self._run_starts[index]
                if any(rect.contains(x, y) for rect in self.rects(start, start + len(self.runs[index].text))):
                    return index
        return None

    def run_range(self, index: int) -> tuple[int, int]:
        """Start and end offset of a run."""
        start = self._run_starts[index]
        return start, start + len(self.runs[index].text)


def plain_runs(text: str) -> Runs:
    """Text without any look as runs."""
    return (TextRun(text),) if text else ()
