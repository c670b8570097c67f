"""Code cards: a header with language, Wrap, Save and Copy, and lines of which only the visible ones are laid out.

Every row has the same height, so a card of 10,000 lines costs no more to show than one of ten; rows are cut by
counting cells (a wide character takes two), which is what a fixed font does.
"""

from __future__ import annotations

import math
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QTextLayout, QTextOption

from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, Span
from qwen_desktop.ui.chat.blocks import TARGET, PaintContext, Target, WideLayout, exhaust, inside, look
from qwen_desktop.ui.chat.blocks_chunk import Units, cursor_x, format_range, mixed, pieces
from qwen_desktop.ui.chat.blocks_draw import button_width, card, edge, quiet_button, write
from qwen_desktop.ui.chat.blocks_flow import At, Ranges
from qwen_desktop.ui.chat.blocks_style import Style, elided, text_width
from qwen_desktop.ui.texts import translate

_PAD = 15
_TAB = 4
#: A line longer than this many cells is broken even when wrapping is off.
_LONGEST = 1000
#: Pixels that the name of a language may take.
_LONGEST_NAME = 160.0
#: Lines of one step.
_LINES = 1000
_KEPT_ROWS = 160


def cells(text: str) -> int:
    """Columns that a text takes in a fixed font."""
    if text.isascii():
        return len(text) + text.count("\t") * (_TAB - 1)
    return sum(_TAB if c == "\t" else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(line: str, columns: int) -> list[int]:
    """Offsets at which a line is broken so that no row is wider than ``columns`` cells; the first is 0."""
    if cells(line) <= columns:
        return [0]
    starts = [0]
    used = 0
    for place, char in enumerate(line):
        wide = cells(char)
        if used + wide > columns:
            starts.append(place)
            used = 0
        used += wide
    return starts


class Offer(NamedTuple):
    """A button of the header: its key (also what happens), the value for that, its icon, the word on it, its name."""

    key: str
    value: str
    icon: str
    word: str
    said: str


class CodeLayout(WideLayout[CodeBlock]):
    """One code block as a card. Its direction is that of its header; code runs from left to right."""

    def __init__(self, style: Style, block: CodeBlock) -> None:
        super().__init__(style, block)
        self.wrap = self._closed = False
        self._header = style.px(34)
        self._line = style.code_line
        self._rows: list[int] = []  # start offset of each visual row
        self._ends: list[int] = []
        self._widest = 0
        self._cut_for = 0
        #: The colours in force.
        self.spans: tuple[Span, ...] = block.spans or ()
        self._span_starts = [span.start for span in self.spans]
        self._layouts: dict[int, tuple[QTextLayout, Units]] = {}

    # Measuring -------------------------------------------------------------------------------------------------------

    def lay(self) -> None:
        exhaust(self._cut_steps())
        self._measure()

    def lay_steps(self) -> Iterator[None]:
        yield from self._cut_steps()
        self.lay()

    def _cut_steps(self) -> Iterator[None]:
        """Cut all lines, where that is not done for this width."""
        inner = self.width - self.indentation - 2 * _PAD
        columns = max(8, int(inner / self.style.code_cell)) if self.wrap else _LONGEST
        if columns != self._cut_for:
            self._cut_for = columns
            self._rows, self._ends, self._widest = [], [], 0
            self._layouts.clear()
            yield from self._row_steps(0)

    def _row_steps(self, start: int) -> Iterator[None]:
        """Cut the lines from an offset on."""
        for number, line in enumerate(self.block.text[start:].split("\n")):
            if number % _LINES == _LINES - 1:
                yield
            self._widest = max(self._widest, min(cells(line), self._cut_for))
            starts = cut(line, self._cut_for)
            self._rows += [start + place for place in starts]
            self._ends += [start + place for place in starts[1:]] + [start + len(line)]
            start += len(line) + 1

    def _measure(self) -> None:
        wide = self._widest * self.style.code_cell + 2 * _PAD
        self.height = self._header + 10 + len(self._rows) * self._line + 12 + self.widen(wide)

    def update(self, block: Block) -> bool:
        old = self.block
        if not isinstance(block, CodeBlock) or not block.text.startswith(old.text) or not super().update(block):
            return False
        if block.text != old.text and self._rows:
            # Only the last line can have changed: cut it and what follows again.
            start = old.text.rfind("\n") + 1
            keep = bisect_right(self._rows, start - 1)
            self._forget(keep)
            del self._rows[keep:], self._ends[keep:]
            exhaust(self._row_steps(start))
            self._measure()
            self.fresh = self._row_y(keep) if look(old) == look(block) and not self._closed else 0.0
        if block.spans is not None:
            self.fresh = min(self.fresh, self.set_spans(0, block.spans))
        return True

    def close(self) -> None:
        if not self._closed:  # how many lines it has is said now
            self._closed, self.fresh = True, 0.0

    def set_spans(self, start: int, spans: Sequence[Span]) -> float:
        """Colour the code from offset ``start`` on; what stands before keeps its colours. The y from which it looks
        different."""
        old, fresh = self.spans, (*self.spans[: bisect_right(self._span_starts, start - 1)], *spans)
        same = next((n for n, (a, b) in enumerate(zip(old, fresh, strict=False)) if a != b), min(len(old), len(fresh)))
        if same == len(old) == len(fresh):
            return math.inf
        self.spans = fresh
        self._span_starts = [span.start for span in fresh]
        first = min(each[same].start for each in (old, fresh) if same < len(each))
        row = max(0, bisect_right(self._rows, first) - 1)
        self._forget(row)
        return self._row_y(row)

    def _row_y(self, number: int) -> float:
        return self._header + 10 + number * self._line

    def _forget(self, first: int) -> None:
        """Lay out the rows from ``first`` on anew when they are seen."""
        self._layouts = {row: entry for row, entry in self._layouts.items() if row < first}

    # Rows ------------------------------------------------------------------------------------------------------------

    def _row(self, number: int) -> tuple[QTextLayout, Units]:
        if (found := self._layouts.get(number)) is not None:
            return found
        start, end = self._rows[number], self._ends[number]
        text = self.block.text[start:end]
        units = Units(text)
        layout = QTextLayout(text, self.style.code_font)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.NoWrap)
        option.setTextDirection(Qt.LayoutDirection.LeftToRight)
        option.setTabStopDistance(_TAB * self.style.code_cell)
        layout.setTextOption(option)
        ranges: list[QTextLayout.FormatRange] = []
        first, behind = bisect_right(self._span_starts, start) - 1, bisect_left(self._span_starts, end)
        for span in self.spans[max(0, first) : behind]:
            a, b = max(span.start, start) - start, min(span.start + span.length, end) - start
            if a < b:
                ranges.append(format_range(units.units(a), units.units(b), self.style.code_format(span.role)))
        layout.setFormats(ranges)
        layout.setCacheEnabled(True)
        layout.beginLayout()
        line = layout.createLine()
        line.setLineWidth(1e6)
        line.setPosition(QPointF(0, (self._line - line.height()) / 2))
        layout.endLayout()
        if len(self._layouts) >= _KEPT_ROWS:
            self._layouts.clear()
        found = self._layouts[number] = (layout, units)
        return found

    # Painting --------------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style = self.style
        frame = self.room.translated(at.x, at.y)
        card(painter, frame, style.color("sunken"), style.color("border"), 10)
        if at.y + self._header >= at.top:
            self._draw_header(painter, context, frame, at)
        code = at.y + self._header + 10
        first = max(0, int((at.top - code) / self._line))
        last = min(len(self._rows), int((at.bottom - code) / self._line) + 1)
        painter.save()
        painter.setClipRect(frame.adjusted(1, self._header + 1, -1, -2), Qt.ClipOperation.IntersectClip)
        text_left = frame.left() + _PAD - self.scroll
        for number in range(first, last):
            corner = QPointF(text_left, code + number * self._line)
            self._draw_ranges(painter, corner, number, context.ranges)
            painter.setPen(style.color("text"))
            self._row(number)[0].draw(painter, corner)
        painter.restore()
        self.paint_bar(painter, QRectF(frame.left() + _PAD, frame.bottom() - 9, frame.width() - 2 * _PAD, 4))

    def _draw_ranges(self, painter: QPainter, corner: QPointF, number: int, ranges: Ranges) -> None:
        layout, units = self._row(number)
        start, end = self._rows[number], self._ends[number]
        line = layout.lineAt(0)
        for first, last, role in ranges:
            if first > end or last <= start:
                continue
            a, b = units.units(max(first, start) - start), units.units(min(last, end) - start)
            turns = a < b and mixed(self.block.text[start:end])
            parts = pieces(line, a, b) if turns else [(cursor_x(line, a), cursor_x(line, b))]
            if last > end:  # the line break is selected too
                after = cursor_x(line, units.units(end - start))
                left = parts.pop()[0] if parts[-1][1] == after else after
                parts.append((left, after + self.style.code_cell / 2))
            for left, right in parts:
                rect = QRectF(corner.x() + left, corner.y(), right - left, self._line)
                painter.fillRect(rect, self.style.color(role))

    def _draw_header(self, painter: QPainter, context: PaintContext, frame: QRectF, at: At) -> None:
        style = self.style
        painter.setPen(QPen(style.color("border"), 1))
        line = round(frame.top() + self._header) - 0.5
        painter.drawLine(QLineF(frame.left() + 1, line, frame.right() - 1, line))
        place = QRectF(frame.left() + _PAD, frame.top(), frame.width() - 2 * _PAD, self._header)
        write(painter, style, place, self.title, style.font("small"), align=edge(self.rtl))
        buttons, font = self._buttons(), style.font("caption")
        used = text_width(self.title, style.font("small")) + 10
        room = place.width() - used - sum(target.rect.width() + 2 for target, _, _ in buttons)
        if self._closed and text_width(self.count, font) < room:
            behind = inside(place, used, room, rtl=self.rtl)
            write(painter, style, behind, self.count, font, role="text_faint", align=edge(self.rtl))
        for target, icon, word in buttons:
            label = translate("transcript", "Copied") if word and target.key in context.copied else word
            quiet_button(painter, context, at, target, icon, label=label)
            if target.key == "wrap" and self.wrap:
                rect = target.rect.translated(at.x, at.y)
                painter.setPen(QPen(style.color("accent"), 2))
                painter.drawLine(QLineF(rect.left() + 8, rect.bottom() - 3, rect.right() - 8, rect.bottom() - 3))

    # Asking ----------------------------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """What stands at the start of the header."""
        return elided(
            self.block.language or translate("transcript", "text"),
            self.style.font("small"),
            self.style.px(_LONGEST_NAME),
        )

    @property
    def count(self) -> str:
        """What stands behind that."""
        return translate("transcript", "%n line(s)", "", self.block.text.count("\n") + 1)

    def offers(self) -> list[Offer]:
        """What can be done with it, as the header's buttons from the start to the end."""
        return [
            Offer("wrap", "", "wrap-text", translate("transcript", "Wrap"), translate("transcript", "Wrap lines")),
            Offer("code_save", "", "download", translate("transcript", "Save"), translate("transcript", "Save code")),
            Offer(
                "code_copy",
                self.block.text,
                "copy",
                translate("transcript", "Copy"),
                translate("transcript", "Copy code"),
            ),
        ]

    def _buttons(self) -> list[tuple[Target, str, str]]:
        """The header's buttons with their icons and the words on them, as far as there is room for words."""
        offers, copied = self.offers(), translate("transcript", "Copied")
        height = min(self.style.px(TARGET), self._header - 4)
        words = [(offer.word, copied) if offer.key == "code_copy" else (offer.word,) for offer in offers]
        widths = [max(round(button_width(self.style, word)) for word in each) for each in words]
        room = self.width - self.indentation - _PAD - 9 - text_width(self.title, self.style.font("small"))
        worded = sum(widths) + 2 * len(widths) <= room
        if not worded:
            widths = [round(button_width(self.style, ""))] * len(widths)
        end = self.width - 9
        found: list[tuple[Target, str, str]] = []
        for offer, width in zip(reversed(offers), reversed(widths), strict=True):
            rect = QRectF(end - width, (self._header - height) / 2, width, height)
            target = Target(offer.key, offer.key, offer.value, self.placed(rect), offer.said)
            found.insert(0, (target, offer.icon, offer.word if worded else ""))
            end -= width + 2
        return found

    def targets(self) -> list[Target]:
        def place(key: str) -> list[QRectF]:
            return [target.rect for target, _, _ in self._buttons() if target.key == key]

        return [Target(each.key, each.key, each.value, partial(place, each.key), each.said) for each in self.offers()]

    def set_opened(self, opened: Callable[[str], bool]) -> None:
        """Look as the user wants it: ``opened`` tells of each key whether that is switched on."""
        wrap = opened("wrap")
        if wrap != self.wrap:
            self.wrap, self.scroll = wrap, 0.0

    def offset_at(self, x: float, y: float) -> int:
        number = int((y - self._header - 10) // self._line)
        if not 0 <= number < len(self._rows):
            return 0 if number < 0 else len(self.block.text)
        layout, units = self._row(number)
        unit = layout.lineAt(0).xToCursor(x - self.left - _PAD + self.scroll)
        return min(self._rows[number] + units.points(unit), self._ends[number])
