"""Wrapped rich text in ``QTextLayout`` pieces: the part that every block with words is made of.

A flow holds its text in chunks of some 2,000 characters that end at line borders. Text that only grows keeps all
chunks but the last one, so a paragraph of any length costs the same to extend. Offsets given and returned count code
points, as Python does; Qt's UTF-16 units stay inside.

An inline object (a formula, a picture) stands on the baseline in place of its run's characters and makes its line as
tall as it must be. For Qt it is one cluster of as many code points: an invisible dash, stretched to the object's width
(a line may break on both sides of it, but not before a comma), and variation selectors.
"""

from __future__ import annotations

import math
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import cache
from itertools import accumulate
from typing import Final, NamedTuple, TypeAlias

from msgspec.structs import replace
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QTextCharFormat, QTextLayout, QTextOption

from qwen_desktop.jobs.markdown.blocks import Runs, TextRun, formula_of
from qwen_desktop.ui.chat.blocks_chunk import Chunk, Inline, Units, format_range, mixed
from qwen_desktop.ui.chat.blocks_style import CHIP_PAD, OBJECT, InlineObject, Style

_WINDOW: Final = 2000
#: A text of so many characters may be measured before it is laid out.
_SHORT: Final = 200
#: The width in pixels of a flow that is only measured: nothing is broken in it.
UNBOUNDED: Final = 100_000.0
_JOINED: Final = "\ufe00"
#: Put around code among words that run from right to left, so that its brackets stay where they belong.
_ISOLATE: Final = "\u2066"
_ISOLATE_END: Final = "\u2069"
#: Pixels between an inline object that is taller than its line and the lines above and below.
_AIR: Final = 2
_RTL: Final = frozenset({"R", "AL"})
#: Lam and alef, which are one sign.
_PAIR: Final = re.compile("\u0644[\u0622\u0623\u0625\u0627]")
_STRONG: Final = frozenset({"L", "R", "AL"})


class Range(NamedTuple):
    """Offsets ``start`` .. ``end`` of a text that are painted on the colour of ``role``: "selection", "match" or
    "current_match". An ``end`` beyond the text takes the end of its last line in. Later ranges cover earlier ones.
    """

    start: int
    end: int
    role: str = "selection"


Ranges: TypeAlias = tuple[Range, ...]
#: Sources of what has been drawn; None where any may have been.
Sources: TypeAlias = Set[str] | None


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


def direction(runs: Iterable[TextRun]) -> bool | None:
    """Whether the first letter with a direction runs from right to left. None without one; code and formulas have
    none."""
    left = 400
    for run in runs:
        for char in "" if run.code or run.math else run.text[:left]:
            kind = unicodedata.bidirectional(char)
            if kind in _STRONG:
                return kind in _RTL
        left -= len(run.text)
        if left <= 0:
            break
    return None


def _dollars(run: TextRun) -> tuple[int, int]:
    """How many dollars a formula begins and ends with whose source is shown: they are not."""
    if not run.math or not run.text.startswith("$"):
        return 0, 0
    mark = 2 if run.text.startswith("$$") else 1
    return mark, mark if formula_of(run) is not None else 0


@cache
def _option(align: str, rtl: bool, whole: bool) -> QTextOption:
    """How a flow is set; ``align`` "" is from the start. Where words stay ``whole``, the longest can be asked for."""
    option = QTextOption()
    modes = QTextOption.WrapMode
    option.setWrapMode(modes.WordWrap if whole else modes.WrapAtWordBoundaryOrAnywhere)
    option.setTextDirection(Qt.LayoutDirection.RightToLeft if rtl else Qt.LayoutDirection.LeftToRight)
    sides = {"right": Qt.AlignmentFlag.AlignRight, "center": Qt.AlignmentFlag.AlignHCenter}
    option.setAlignment(sides.get(align or ("right" if rtl else "left"), Qt.AlignmentFlag.AlignLeft))
    return option


class TextFlow:
    """Some runs of text wrapped to a width."""

    def __init__(self, style: Style, base: str) -> None:
        self.style = style
        self.base = base
        self._align = ""
        self.runs: Runs = ()
        self.text = ""
        self.width = 0.0
        self.height = 0.0
        #: Whether its text runs from right to left: ``direction``, or what was asked for where it has none (None).
        self.rtl = style.rtl
        self.direction: bool | None = None
        self._otherwise = style.rtl
        self._line = style.line_height(base)
        self._chunks: list[Chunk] = []
        #: The offset of each run, and the length of all.
        self.run_starts: list[int] = [0]
        self._objects: dict[int, InlineObject] = {}
        #: Pixels of a short text that fits into one line, which is laid out when it is needed.
        self._one_line: float | None = None
        self._pending = False
        #: Whether some of its runs will be objects.
        self.waiting = False
        #: The y from which it looks different since ``set_runs``; infinite where nothing changed.
        self.fresh = 0.0
        self._was: tuple[int, int, list[Chunk]] | None = None

    @property
    def natural(self) -> float:
        """Pixels of the widest line."""
        if self._one_line is not None:
            return self._one_line
        return max((chunk.natural for chunk in self._chunks), default=0.0)

    @property
    def baseline(self) -> float:
        """Pixels from its top to where the letters of its first line stand."""
        if self._one_line is not None or not self._chunks:
            return self.style.baseline(self.base)
        line = self._chunks[0].layout.lineAt(0)
        return line.y() + line.ascent()

    @property
    def longest_word(self) -> float:
        """Pixels of the longest word; of a flow that is ``UNBOUNDED``."""
        return max((chunk.layout.minimumWidth() for chunk in self._laid()), default=0.0)

    def set_runs(
        self, runs: Sequence[TextRun], width: float, align: str = "", *, otherwise: bool | None = None
    ) -> None:
        """Show ``runs`` wrapped to ``width`` pixels, keeping what is already laid out where the text only grew.

        ``align`` is "left", "center", "right" or "" for the start. Text without a direction runs from right to left if
        ``otherwise``, the interface's direction by default.
        """
        if self._take(runs, width, align, otherwise=otherwise):
            for _ in self._lay_rest():
                pass

    def steps(self, runs: Sequence[TextRun], width: float, *, otherwise: bool) -> Iterator[None]:
        """``set_runs`` in small steps, for a long text."""
        if self._take(runs, width, "", otherwise=otherwise):
            yield from self._lay_rest()

    def waits_for(self, sources: Sources) -> bool:
        """Whether one of its runs is the source of an object that may be there now."""
        if not self.waiting or sources is None:
            return self.waiting
        return any(formula[0] in sources for run in self.runs if (formula := formula_of(run)) is not None)

    def stands(self, width: float, align: str, *, otherwise: bool) -> bool:
        """Whether it has been laid out so."""
        return (width, align, otherwise) == (self.width, self._align, self._otherwise)

    def _take(self, runs: Sequence[TextRun], width: float, align: str, *, otherwise: bool | None) -> bool:
        """Take what is to be shown and keep of the layout what can stay; whether there is more to lay out now."""
        runs = tuple(runs)
        found, self.waiting = self.style.objects(self.base, runs)
        fitted = {number: item if item.width <= width else item.within(width) for number, item in found.items()}
        objects = {number: item for number, item in fitted.items() if item is not None}
        otherwise = self.style.rtl if otherwise is None else otherwise
        same = width == self.width and align == self._align
        self.fresh = math.inf
        known = bool(self._chunks) or self._pending
        if same and runs == self.runs and objects == self._objects and otherwise == self._otherwise and known:
            return False
        self.direction = direction(runs)
        rtl = otherwise if self.direction is None else self.direction
        same = same and rtl == self.rtl
        self._otherwise = otherwise
        stable = self._stable(runs, objects) if same else 0
        self._align = align
        keep = 0
        # The look of a character depends on the one after it (a chip's rounded end): that must have stayed, too.
        while keep < len(self._chunks) - 1 and self._chunks[keep].seen < stable:
            keep += 1
        self._was = stable, keep, self._chunks[keep:]
        del self._chunks[keep:]
        self.runs = runs
        self.width = width
        self.rtl = rtl
        self.text = "".join(run.text for run in runs)
        self._objects = objects
        self.run_starts = list(accumulate((len(run.text) for run in runs), initial=0))
        self._one_line = self._measured()
        self._pending = self._one_line is not None
        if self._pending:
            self._chunks, self.height = [], float(self._line)
            self.fresh, self._was = 0.0, None
        return not self._pending

    def _measured(self) -> float | None:
        """Pixels of a short text of one look that fits into a line; None for all others."""
        run = self.runs[0] if len(self.runs) == 1 and not self._objects and not self.waiting else None
        if run is None or run.code or run.math or len(run.text) > _SHORT or not run.text.isprintable():
            return None
        if mixed(run.text):
            return None
        wide = self.style.advance(self.base, run)
        return wide if wide + 1 <= self.width else None

    def _laid(self) -> list[Chunk]:
        """All chunks."""
        if self._pending:
            self._pending = False
            for _ in self._lay_rest():
                pass
        return self._chunks

    def _lay_rest(self) -> Iterator[None]:
        start = self._chunks[-1].end if self._chunks else 0
        self.height = self._chunks[-1].y + self._chunks[-1].height if self._chunks else 0.0
        while start < len(self.text) or not self._chunks:
            chunk = self._lay(start, self.height)
            self._chunks.append(chunk)
            self.height += chunk.height
            start = chunk.end
            yield
        if self._was is not None:
            self.fresh, self._was = self._first_changed(*self._was), None

    def _first_changed(self, stable: int, keep: int, before: Sequence[Chunk]) -> float:
        """The y from which it looks different; of what was there ``stable`` characters are, ``keep`` chunks were kept,
        and those ``before`` are made anew."""
        y, after = self._line_before(stable), self._chunks[keep:]
        if [(chunk.start, chunk.mixed) for chunk in before] != [(chunk.start, False) for chunk in after]:
            return min(y, after[0].y)  # where directions mix, what comes turns what was there
        for old, new in zip(before, after, strict=True):
            lines = zip(old.starts, new.starts, old.tops, new.tops, strict=False)
            for number, (start, now, top, at) in enumerate(lines):
                if start != now or top != at:
                    return min(y, new.y + new.tops[max(0, number - 1)])
        return y

    def _line_before(self, offset: int) -> float:
        """The top of the second line before that of an offset: what cannot be broken may have moved to the next one."""
        chunk = next((chunk for chunk in self._chunks if offset < chunk.end), self._chunks[-1])
        unit = chunk.units.units(min(max(0, offset - chunk.start), chunk.end - chunk.start))
        number = bisect_right(chunk.starts, unit, hi=len(chunk.starts) - 1) - 1
        return chunk.y + chunk.tops[number - 2] if number > 1 else max(0.0, chunk.y - 2 * self._line)

    def _stable(self, runs: Runs, objects: dict[int, InlineObject]) -> int:
        """Characters at the beginning that look as they did."""
        place = 0
        others = objects != self._objects
        for number, (old, new) in enumerate(zip(self.runs, runs, strict=False)):
            if others and objects.get(number) != self._objects.get(number):
                break
            if old != new:
                grown = number not in objects and new.text.startswith(old.text) and replace(new, text=old.text) == old
                return place + grown * len(old.text)
            place += len(old.text)
        return place

    def _runs_in(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Index, start and end of the runs that touch a range of offsets."""
        starts = self.run_starts
        for index in range(bisect_right(starts, start) - 1, min(bisect_left(starts, end), len(self.runs))):
            yield index, starts[index], starts[index + 1]

    def _lay(self, start: int, y: float) -> Chunk:
        end = min(len(self.text), start + _WINDOW)
        objects: list[tuple[int, int, InlineObject]] = []
        for index, first, last in self._runs_in(start, end) if self._objects else ():
            if index in self._objects:
                end = max(end, last)  # an object is never cut
                objects.append((first - start, last - start, self._objects[index]))
        text = self.text[start:end]
        for first, last, _ in objects:
            text = text[:first] + OBJECT + _JOINED * (last - first - 1) + text[last:]
        isolates: list[int] = []
        for index, first, last in self._runs_in(start, end) if self.rtl else ():
            if (self.runs[index].code or self.runs[index].math) and index not in self._objects and last > first:
                isolates += (max(first, start) - start, min(last, end) - start)
        units = Units(text, isolates)
        turns = self.rtl or mixed(text)
        joined = frozenset(units.units(pair.start() + 1) for pair in _PAIR.finditer(text)) if turns else frozenset()
        length = units.units(len(text))
        for number, offset in reversed(list(enumerate(isolates))):
            text = text[:offset] + (_ISOLATE_END if number % 2 else _ISOLATE) + text[offset:]
        layout = QTextLayout(text.replace("\n", "\u2028"), self.style.base_font(self.base))
        chunk = Chunk(start, end, end, y, layout, units, length, turns, joined)
        layout.setTextOption(_option(self._align, self.rtl, self.width == UNBOUNDED))
        layout.setCacheEnabled(True)
        layout.setFormats(self._formats(chunk))
        # A chip at the very start of a line would stand out of the column.
        inset = CHIP_PAD if not start and self.runs and self.runs[0].code and not self.rtl else 0
        self._break(chunk, inset, [Inline(units.units(a), units.end(b), item) for a, b, item in objects])
        if end < len(self.text) and len(chunk.tops) > 2:
            # More follows: the last line is not full yet, it begins the next chunk.
            del chunk.starts[-1], chunk.tops[-1]
            chunk.end = start + units.points(chunk.starts[-1])
            chunk.inlines = [place for place in chunk.inlines if place.start < chunk.starts[-1]]
        return chunk

    def _break(self, chunk: Chunk, inset: int, objects: list[Inline]) -> None:
        """Make the lines of a chunk, the first ``inset`` pixels in; each is as tall as the ``objects`` in it ask."""
        layout, starts, tops = chunk.layout, chunk.starts, chunk.tops
        width, usual, top, natural = max(1.0, self.width - inset), float(self._line), 0.0, 0.0
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            start = line.textStart()
            line.setLineWidth(width)
            rise, height = (usual - line.height()) / 2, usual
            if objects and (inside := [p for p in objects if 0 <= p.start - start < line.textLength()]):
                ascent = line.ascent()
                above = max(rise + ascent, max(place.item.ascent for place in inside) + _AIR)
                below = max(height - rise - ascent, max(place.item.descent for place in inside) + _AIR)
                rise, height = above - ascent, float(math.ceil(above + below))
                chunk.inlines += [place._replace(line=len(starts), baseline=top + above) for place in inside]
            line.setPosition(QPointF(inset, top + rise))
            natural = max(natural, line.naturalTextWidth() + inset)
            top += height
            starts.append(start)
            tops.append(top)
            width, inset = max(1.0, self.width), 0
        layout.endLayout()
        starts.append(chunk.length)
        chunk.natural = natural

    def _formats(self, chunk: Chunk) -> list[QTextLayout.FormatRange]:
        """The looks of a chunk's text, and where its chips are."""
        start, end, units = chunk.start, chunk.seen, chunk.units
        ranges: list[QTextLayout.FormatRange] = []

        def add(first: int, last: int, look: QTextCharFormat) -> None:
            first, last = max(first, start) - start, min(last, end) - start
            if first < last:
                ranges.append(format_range(units.units(first), units.end(last), look))

        pad = float(CHIP_PAD)
        for index, first, last in self._runs_in(start, end):
            run = self.runs[index]
            # Room for a chip's rounded ends: after its last character and on its other side, which is before it, or
            # behind it where the text runs from right to left.
            before_code = not self.rtl and index + 1 < len(self.runs) and self.runs[index + 1].code
            after_code = self.rtl and index > 0 and self.runs[index - 1].code and not run.code
            if index in self._objects:
                wide = self._objects[index].width + (pad if before_code or after_code else 0.0)
                add(first, last, self.style.blank(self.base, wide))
                continue
            if run.code:
                chunk.chips.append((first, last))
            before, behind = _dollars(run)
            for a, b in ((first, first + before), (last - behind, last)):
                add(a, b, self.style.hidden(self.base, run))
            first, last = first + before, last - behind  # noqa: PLW2901 - what is seen of it
            head = min(first + 1, last) if after_code else first
            tail = last - 1 if (run.code or before_code) and last > head and not run.text.endswith("\n") else last
            for a, b, spacing in ((first, head, pad), (head, tail, 0.0), (tail, last, pad)):
                if a < b:
                    add(a, b, self.style.format(self.base, run, spacing))
        return ranges

    # Painting --------------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, at: At, ranges: Ranges = ()) -> None:
        """Draw at ``at``, with ``ranges`` of its text marked."""
        x, y, top, bottom = at
        for chunk in self._laid():
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
            if chunk.end < chunk.seen:
                painter.restore()
            for place in chunk.inlines:
                if chunk.tops[place.line + 1] + y + chunk.y >= top and chunk.tops[place.line] + y + chunk.y <= bottom:
                    self._paint_inline(painter, chunk, place, at, ranges)

    def _paint_inline(self, painter: QPainter, chunk: Chunk, place: Inline, at: At, ranges: Ranges) -> None:
        first = chunk.start + chunk.units.points(place.start)
        last = chunk.start + chunk.units.points(place.end)
        role = next((role for start, end, role in reversed(ranges) if start < last and end > first), "")
        item = place.item
        left, _ = chunk.pieces(place.line, place.start, place.end)[0]
        top = chunk.y + place.baseline - item.ascent
        painter.save()
        item.paint(painter, QRectF(at.x + left, at.y + top, item.width, item.ascent + item.descent), role)
        painter.restore()

    def _paint_chips(self, painter: QPainter, chunk: Chunk, x: float, y: float) -> None:
        if chunk.chips:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.style.color("sunken"))
        for start, end in chunk.chips:
            for rect in self._range_rects(chunk, start, end, words=True):
                chip = rect.translated(x, y).adjusted(-CHIP_PAD, self._line * 0.1, 0, -self._line * 0.1)
                painter.drawRoundedRect(chip, 5, 5)

    def _range_rects(self, chunk: Chunk, start: int, end: int, *, words: bool = False) -> list[QRectF]:
        """Rectangles of offsets ``start`` .. ``end`` within a chunk, relative to the flow: as tall as the line, or as
        a line of ``words`` alone."""
        first, last = max(start, chunk.start), min(end, chunk.end)
        if first >= last:
            return []
        a, b = chunk.cluster(chunk.units.units(first - chunk.start), chunk.units.end(last - chunk.start))
        rects: list[QRectF] = []
        for number in range(max(0, bisect_right(chunk.starts, a) - 1), len(chunk.starts) - 1):
            line_start, line_end = chunk.starts[number], chunk.starts[number + 1]
            if line_start >= b:
                break
            top, bottom = chunk.tops[number], chunk.tops[number + 1]
            if words and bottom - top > self._line:
                line = chunk.layout.lineAt(number)
                top = line.y() + (line.height() - self._line) / 2
                bottom = top + self._line
            for left, right in chunk.pieces(number, max(a, line_start), min(b, line_end)):
                wide = max(right - left, 3.0)  # a line's end takes no place, and is seen
                rects.append(QRectF(right - wide if self.rtl else left, chunk.y + top, wide, bottom - top))
        return rects

    def rects(self, start: int, end: int) -> list[QRectF]:
        """Rectangles of a range of offsets, relative to the flow; several a line where directions mix."""
        return [rect for chunk in self._laid() for rect in self._range_rects(chunk, start, end)]

    # Asking ----------------------------------------------------------------------------------------------------------

    def offset_at(self, x: float, y: float) -> int:
        """The offset nearest to a point relative to the flow."""
        if y < 0:
            return 0
        for chunk in self._laid():
            if y < chunk.y + chunk.height:
                number = max(0, bisect_right(chunk.tops, y - chunk.y) - 1)
                return min(chunk.start + chunk.units.points(chunk.unit_at(number, x, self.rtl)), chunk.end)
        return len(self.text)

    def runs_at(self, x: float, y: float) -> tuple[int, int]:
        """The first run that may stand at a point, and the one after the last."""
        offset = self.offset_at(x, y)
        behind = min(bisect_right(self.run_starts, offset), len(self.runs))
        return max(0, bisect_left(self.run_starts, offset) - 1), behind

    def formula_at(self, x: float, y: float) -> str:
        """The LaTeX of the formula at a point, "" where there is none."""
        for index in range(*self.runs_at(x, y)):
            formula = formula_of(self.runs[index])
            start, end = self.run_starts[index : index + 2]
            if formula is not None and any(rect.contains(x, y) for rect in self.rects(start, end)):
                return formula[0]
        return ""


def plain_runs(text: str) -> Runs:
    """Text without any look as runs."""
    return (TextRun(text),) if text else ()
