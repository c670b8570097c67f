"""Tables with thin rules; columns take what they need and shrink, as far as their words stay whole, when the message
is narrower."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.jobs.markdown.blocks import Block, TableBlock
from qwen_desktop.ui.chat.blocks import PaintContext, Target, WideLayout
from qwen_desktop.ui.chat.blocks_flow import UNBOUNDED, At, TextFlow, direction, within
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.blocks_text import link_targets

_GAP = 28
_PAD = 7
#: What a column of many words keeps, and what it keeps where the table scrolls anyway.
_LEAST = 56.0
_READABLE = 180.0
#: Longer words (a link, a checksum) are broken, in pixels.
_LONGEST_WORD = 240.0


class TableLayout(WideLayout[TableBlock]):
    """One table. Too many columns scroll sideways. Where it runs from right to left, so do the columns, and an
    alignment to the left is one to the start."""

    def __init__(self, style: Style, block: TableBlock) -> None:
        super().__init__(style, block)
        self._cells: list[list[TextFlow]] = []
        #: What each cell takes in one line, and its longest word, in pixels.
        self._naturals: list[list[float]] = []
        self._words: list[list[float]] = []
        self._columns: list[float] = []
        self._tops: list[float] = []
        #: Offset of each row's first character, and the length of all.
        self._offsets: list[int] = []
        #: Stands in all cells without text: a row of pipes may make thousands of them.
        self._empty = {base: TextFlow(style, base) for base in ("cell_head", "cell")}
        for flow in self._empty.values():
            flow.set_runs((), UNBOUNDED)
        self._sync()

    def _sync(self) -> None:
        """Make the flows fit the block's cells, keeping those that did not change."""
        for number, row in enumerate(self.block.rows):
            if number == len(self._cells):
                for rows in (self._cells, self._naturals, self._words):
                    rows.append([])
            flows, naturals, words = self._cells[number], self._naturals[number], self._words[number]
            base = "cell_head" if number == 0 else "cell"
            for column, runs in enumerate(row):
                if column < len(flows) and flows[column].runs == runs:
                    continue
                flow = TextFlow(self.style, base) if runs else self._empty[base]
                flow.set_runs(runs, UNBOUNDED)
                if column < len(flows):
                    flows[column], naturals[column], words[column] = flow, flow.natural, flow.longest_word
                else:
                    flows.append(flow)
                    naturals.append(flow.natural)
                    words.append(flow.longest_word)
            del flows[len(row) :], naturals[len(row) :], words[len(row) :]
        for all_rows in (self._cells, self._naturals, self._words):
            del all_rows[len(self.block.rows) :]
        lengths = (sum(len(flow.text) + 1 for flow in row) for row in self._cells)
        self._offsets = list(accumulate(lengths, initial=0))
        self.direction = direction(run for row in self.block.rows for cell in row for run in cell)
        self.rtl = self.before if self.direction is None else self.direction

    def lay(self) -> None:
        count = max((len(row) for row in self._cells), default=0)
        wanted = _widest(self._naturals, count)
        gaps = _GAP * max(0, count - 1)
        room = self.width - self.indentation - gaps
        if sum(wanted) > room and count:
            words = _widest(self._words, count)
            least = [min(wanted[c], max(_LEAST, min(words[c], _LONGEST_WORD))) for c in range(count)]
            if sum(least) > room:  # it scrolls: no need for a sentence to stand in a narrow column
                least = [min(wanted[c], max(_READABLE, least[c])) for c in range(count)]
            wanted = _shrunk(wanted, least, room)
        self._columns = wanted
        self.wide = sum(wanted) + gaps
        self.from_right = self.rtl
        start, end = ("right", "left") if self.rtl else ("left", "right")
        sides = {"": start, "left": start, "right": end, "center": "center"}
        aligns = [*(sides[align] for align in self.block.align), *[start] * count]
        y = 0.0
        self._tops = []
        for row in self._cells:
            self._tops.append(y)
            height = 0.0
            for column, flow in enumerate(row):
                if flow.runs:
                    flow.set_runs(flow.runs, self._columns[column], aligns[column], otherwise=self.rtl)
                height = max(height, flow.height)
            y += max(height, self.style.line_height("cell")) + 2 * _PAD
        self._tops.append(y)
        self.height = y + (8 if self.overflow > 0 else 0)
        self.scroll = min(self.scroll, self.overflow)

    def update(self, block: Block) -> bool:
        if not isinstance(block, TableBlock) or (block.indent, block.quote) != (self.block.indent, self.block.quote):
            return False
        if block != self.block:
            self.block = block
            self._sync()
            if self.width:
                self.lay()
        return True

    def _lefts(self) -> list[float]:
        """The left edge of each column, where it is scrolled to."""
        start = self.indentation - self.scroll
        lefts = []
        for width in self._columns:
            lefts.append(self.placed(QRectF(start, 0, width, 0)).left())
            start += width + _GAP
        return lefts

    def _cell_top(self, number: int, flow: TextFlow) -> float:
        if number:
            return self._tops[number] + _PAD
        return (self._tops[1] - flow.height) / 2

    def draw(self, painter: QPainter, context: PaintContext, at: At) -> None:
        x, y, top, bottom = at
        room = self.room.translated(x, y)
        painter.save()
        painter.setClipRect(room.adjusted(-4, 0, 4, 0), Qt.ClipOperation.IntersectClip)
        wide = min(room.width(), self.wide - self.scroll)
        rule = self.placed(QRectF(self.indentation, 0, wide, 0)).translated(x, 0)
        lefts = self._lefts()
        for number in range(max(0, bisect_right(self._tops, top - y) - 1), len(self._cells)):
            if y + self._tops[number] > bottom:
                break
            offset = self._offsets[number]
            for column, flow in enumerate(self._cells[number]):
                corner = At(x + lefts[column], y + self._cell_top(number, flow), top, bottom)
                flow.paint(painter, corner, within(context.ranges, offset, len(flow.text)))
                offset += len(flow.text) + 1
            painter.setPen(QPen(self.style.color("border"), 1))
            below = round(y + self._tops[number + 1]) - 0.5
            painter.drawLine(QLineF(rule.left(), below, rule.right(), below))
        painter.restore()
        self.draw_focus(painter, context, at)
        self.paint_bar(painter, QRectF(room.left(), room.bottom() - 5, room.width(), 4))

    def offset_at(self, x: float, y: float) -> int:
        number = min(max(0, bisect_right(self._tops, y) - 1), len(self._cells) - 1)
        lefts = self._lefts()
        offset = self._offsets[number]
        row = self._cells[number]
        for column, flow in enumerate(row):
            middle = lefts[column] - _GAP / 2 if self.rtl else lefts[column] + self._columns[column] + _GAP / 2
            if column + 1 == len(row) or (x > middle if self.rtl else x < middle):
                return offset + flow.offset_at(x - lefts[column], y - self._cell_top(number, flow))
            offset += len(flow.text) + 1
        return offset

    def targets(self) -> list[Target]:
        return self._links(range(len(self._cells)))

    def targets_at(self, x: float, y: float) -> list[Target]:
        number = bisect_right(self._tops, y) - 1
        return self._links(range(max(0, number), min(number + 1, len(self._cells))))

    def _links(self, rows: range) -> list[Target]:
        lefts = self._lefts()
        return [
            target.moved(lefts[column], self._cell_top(number, flow), f"cell{number}.{column}.")
            for number in rows
            for column, flow in enumerate(self._cells[number])
            if any(run.href for run in flow.runs)
            for target in link_targets(flow)
        ]


def _widest(rows: list[list[float]], count: int) -> list[float]:
    """The largest of each of ``count`` columns, and a pixel."""
    return [max((row[c] for row in rows if c < len(row)), default=0.0) + 1 for c in range(count)]


def _shrunk(wanted: list[float], least: list[float], room: float) -> list[float]:
    """Columns that are narrow keep their width; wide ones share what is left, none below its ``least``."""
    result = list(wanted)
    open_columns = list(range(len(wanted)))
    while open_columns:
        share = room / len(open_columns)
        fixed = {c: wanted[c] for c in open_columns if wanted[c] <= share}
        fixed = fixed or {c: least[c] for c in open_columns if least[c] >= share}
        fixed = fixed or dict.fromkeys(open_columns, share)
        for c, width in fixed.items():
            result[c] = width
            room -= width
            open_columns.remove(c)
    return result
