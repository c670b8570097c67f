"""Code cards: a header with language, Wrap and Copy, and lines of which only the visible ones are laid out.

Every row has the same height, so a card of 10,000 lines costs no more to show than one of ten; rows are cut by
counting cells (a wide character takes two), which is what a fixed font does.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QTextLayout, QTextOption

from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, Span
from qwen_desktop.ui.chat.blocks import (
    PaintContext,
    Target,
    WideLayout,
    button_width,
    card,
    draw_line_of_text,
    edge,
    quiet_button,
)
from qwen_desktop.ui.chat.blocks_flow import At, Ranges, Units, cursor_x, mixed, pieces
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.texts import translate

_PAD = 15
_TAB = 4
#: A line longer than this many cells is broken even when wrapping is off.
_LONGEST = 1000
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


class CodeLayout(WideLayout[CodeBlock]):
    """One code block as a card. Its direction is that of its header; code runs from left to right."""

    def __init__(self, style: Style, block: CodeBlock) -> None:
        super().__init__(style, block)
        self.wrap = False
        self._header = style.px(34)
        self._line = style.code_line
        self._rows: list[int] = []  # start offset of each visual row
        self._ends: list[int] = []
        self._widest = 0
        self._cut_for = 0
        self._spans: tuple[Span, ...] = block.spans or ()
        self._span_starts = [span.start for span in self._spans]
        self._layouts: dict[int, tuple[QTextLayout, Units]] = {}

    # Measuring -------------------------------------------------------------------------------------------------------

    def _columns(self) -> int:
        inner = self.width - self.indentation - 2 * _PAD
        return max(8, int(inner / self.style.code_cell)) if self.wrap else _LONGEST

    def lay(self) -> None:
        columns = self._columns()
        if columns != self._cut_for or not self._rows:
            self._cut_for = columns
            self._rows, self._ends, self._widest = [], [], 0
            self._layouts.clear()
            self._append_rows(0)
        self._measure()

    def _append_rows(self, start: int) -> None:
        for line in self.block.text[start:].split("\n"):
            self._widest = max(self._widest, min(cells(line), self._cut_for))
            starts = cut(line, self._cut_for)
            self._rows += [start + place for place in starts]
            self._ends += [start + place for place in starts[1:]] + [start + len(line)]
            start += len(line) + 1

    def _measure(self) -> None:
        self.wide = self._widest * self.style.code_cell + 2 * _PAD
        bar = 8 if self.overflow > 0 else 0
        self.height = self._header + 10 + len(self._rows) * self._line + 12 + bar
        self.scroll = min(self.scroll, self.overflow)

    def update(self, block: Block) -> bool:
        if not isinstance(block, CodeBlock) or (block.indent, block.quote) != (self.block.indent, self.block.quote):
            return False
        old = self.block
        if block.text != old.text:
            if not block.text.startswith(old.text):
                return False
            self.block = block
            if self._rows:
                # Only the last line can have changed: cut it and what follows again.
                start = old.text.rfind("\n") + 1
                keep = bisect_right(self._rows, start - 1) if start else 0
                for row in range(keep, len(self._rows)):
                    self._layouts.pop(row, None)
                del self._rows[keep:], self._ends[keep:]
                self._append_rows(start)
                self._measure()
        self.block = block
        if block.spans is not None:
            self.set_spans(0, block.spans)
        return True

    def set_spans(self, start: int, spans: Sequence[Span]) -> None:
        """Colour the code from offset ``start`` on; what stands before keeps its colours."""
        kept = self._spans[: bisect_right(self._span_starts, start - 1)] if start else ()
        fresh = (*kept, *spans)
        if fresh == self._spans:
            return
        self._spans = fresh
        self._span_starts = [span.start for span in fresh]
        first = bisect_right(self._rows, start) - 1
        self._layouts = {row: entry for row, entry in self._layouts.items() if row < first}

    @property
    def spans(self) -> tuple[Span, ...]:
        """The colours in force."""
        return self._spans

    # Rows ------------------------------------------------------------------------------------------------------------

    def _row(self, number: int) -> tuple[QTextLayout, Units]:
        found = self._layouts.get(number)
        if found is not None:
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
        for index in range(max(0, bisect_right(self._span_starts, start) - 1), len(self._spans)):
            span = self._spans[index]
            if span.start >= end:
                break
            a, b = max(span.start, start) - start, min(span.start + span.length, end) - start
            if a < b:
                entry = QTextLayout.FormatRange()
                entry.start = units.units(a)
                entry.length = units.units(b) - entry.start
                entry.format = self.style.code_format(span.role)
                ranges.append(entry)
        layout.setFormats(ranges)
        layout.setCacheEnabled(True)
        layout.beginLayout()
        line = layout.createLine()
        if line.isValid():
            line.setLineWidth(1e6)
            line.setPosition(QPointF(0, (self._line - line.height()) / 2))
        layout.endLayout()
        if len(self._layouts) >= _KEPT_ROWS:
            self._layouts.clear()
        self._layouts[number] = (layout, units)
        return layout, units

    # Painting --------------------------------------------------------------------------------------------------------

    def draw(self, painter: QPainter, context: PaintContext, at: At) -> None:
        y, top, bottom = at.y, at.top, at.bottom
        style = self.style
        frame = self.room.translated(at.x, y)
        card(painter, frame, style.color("sunken"), style.color("border"), 10)
        if y + self._header >= top:
            self._draw_header(painter, context, frame, at)
        first = max(0, int((top - y - self._header - 10) / self._line))
        last = min(len(self._rows), int((bottom - y - self._header - 10) / self._line) + 1)
        if last <= first:
            return
        painter.save()
        painter.setClipRect(frame.adjusted(1, self._header + 1, -1, -2), Qt.ClipOperation.IntersectClip)
        text_left = frame.left() + _PAD - self.scroll
        for number in range(first, last):
            corner = QPointF(text_left, y + self._header + 10 + number * self._line)
            layout, _ = self._row(number)
            self._draw_ranges(painter, corner, number, context.ranges)
            painter.setPen(style.color("text"))
            layout.draw(painter, corner)
        painter.restore()
        self.paint_bar(painter, QRectF(frame.left() + _PAD, frame.bottom() - 9, frame.width() - 2 * _PAD, 4))

    def _draw_ranges(self, painter: QPainter, corner: QPointF, number: int, ranges: Ranges) -> None:
        layout, units = self._row(number)
        start, end = self._rows[number], self._ends[number]
        line = layout.lineAt(0)
        for first, last, role in ranges:
            if first > end or last <= start or not line.isValid():
                continue
            a, b = units.units(max(first, start) - start), units.units(min(last, end) - start)
            parts = [(cursor_x(line, a), cursor_x(line, b))]
            if a < b and mixed(self.block.text[start:end]):
                parts = pieces(line, a, b)
            if last > end:  # the line break is selected too
                after = cursor_x(line, units.units(end - start))
                parts[-1:] = [(parts[-1][0], after)] if parts[-1][1] == after else [parts[-1], (after, after)]
                parts[-1] = (parts[-1][0], after + self.style.code_cell / 2)
            for left, right in parts:
                rect = QRectF(corner.x() + left, corner.y(), right - left, self._line)
                painter.fillRect(rect, self.style.color(role))

    def _draw_header(self, painter: QPainter, context: PaintContext, frame: QRectF, at: At) -> None:
        style = self.style
        painter.setPen(QPen(style.color("border"), 1))
        line = round(frame.top() + self._header) - 0.5
        painter.drawLine(QLineF(frame.left() + 1, line, frame.right() - 1, line))
        painter.setFont(style.font("small"))
        painter.setPen(style.color("text_muted"))
        name = QRectF(frame.left() + _PAD, frame.top(), frame.width() - 2 * _PAD, self._header)
        draw_line_of_text(painter, name, self.block.language or translate("transcript", "text"), align=edge(self.rtl))
        for target in self.targets():
            rect = target.rect.translated(at.x, at.y)
            icon = "wrap-text" if target.action == "wrap" else "copy"
            label = translate("transcript", "Copied") if target.key in context.copied else self._labels()[target.action]
            quiet_button(painter, context, rect, target.key, icon, label=label)
            if target.action == "wrap" and self.wrap:
                painter.setPen(QPen(style.color("accent"), 2))
                painter.drawLine(QLineF(rect.left() + 8, rect.bottom() - 3, rect.right() - 8, rect.bottom() - 3))

    # Asking ----------------------------------------------------------------------------------------------------------

    def _labels(self) -> dict[str, str]:
        return {"wrap": translate("transcript", "Wrap"), "code_copy": translate("transcript", "Copy")}

    def targets(self) -> list[Target]:
        right = self.width - 9
        found: list[Target] = []
        height = min(28.0, self._header - 4)
        for action, label in (
            ("code_copy", translate("transcript", "Copy code")),
            ("wrap", translate("transcript", "Wrap lines")),
        ):
            width = max(
                button_width(self.style, self._labels()[action]),
                button_width(self.style, translate("transcript", "Copied")) if action == "code_copy" else 0,
            )
            width = round(width)
            rect = self.placed(QRectF(right - width, (self._header - height) / 2, width, height))
            right -= width + 2
            value = self.block.text if action == "code_copy" else ""
            found.insert(0, Target(action, action, value, rect, label))
        return found

    def toggle_wrap(self) -> None:
        """Break long lines, or stop doing so."""
        self.wrap = not self.wrap
        self.scroll = 0.0
        self.lay()

    def offset_at(self, x: float, y: float) -> int:
        number = int((y - self._header - 10) // self._line)
        if number < 0:
            return 0
        if number >= len(self._rows):
            return len(self.block.text)
        layout, units = self._row(number)
        line = layout.lineAt(0)
        if not line.isValid():
            return self._rows[number]
        unit = line.xToCursor(x - self.room.left() - _PAD + self.scroll)
        return min(self._rows[number] + units.points(unit), self._ends[number])
