"""Tables with thin rules; columns take what they need and shrink when the message is narrower."""

from __future__ import annotations

from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.jobs.markdown.blocks import Block, TableBlock, runs_text
from qwen_desktop.ui.chat.blocks import BlockLayout, PaintContext, Target, focus_ring
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, within
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.blocks_text import link_targets, paint_quote_bars

_GAP = 28
_PAD = 7
_LEAST = 56.0
_UNBOUNDED = 100_000.0


class TableLayout(BlockLayout):
    """One table. Too many columns scroll sideways."""

    def __init__(self, style: Style, block: TableBlock) -> None:
        super().__init__(style, block)
        self._block = block
        self.scroll = 0.0
        self._cells: list[list[TextFlow]] = []
        self._naturals: list[list[float]] = []
        self._columns: list[float] = []
        self._tops: list[float] = []
        self._total = 0.0
        #: Stands in all cells without text: a row of pipes may make thousands of them.
        self._empty = {base: TextFlow(style, base) for base in ("cell_head", "cell")}
        for flow in self._empty.values():
            flow.set_runs((), _UNBOUNDED)
        self._sync()

    def _sync(self) -> None:
        """Make the flows fit the block's cells, keeping those that did not change."""
        for number, row in enumerate(self._block.rows):
            if number == len(self._cells):
                self._cells.append([])
                self._naturals.append([])
            flows, naturals = self._cells[number], self._naturals[number]
            base = "cell_head" if number == 0 else "cell"
            for column, runs in enumerate(row):
                if column < len(flows) and flows[column].runs == runs:
                    continue
                flow = TextFlow(self.style, base) if runs else self._empty[base]
                flow.set_runs(runs, _UNBOUNDED)
                if column < len(flows):
                    flows[column], naturals[column] = flow, flow.natural
                else:
                    flows.append(flow)
                    naturals.append(flow.natural)
            del flows[len(row) :], naturals[len(row) :]
        del self._cells[len(self._block.rows) :], self._naturals[len(self._block.rows) :]

    def set_width(self, width: float) -> None:
        self.width = width
        count = max((len(row) for row in self._cells), default=0)
        wanted = [max((row[c] for row in self._naturals if c < len(row)), default=0.0) + 1 for c in range(count)]
        gaps = _GAP * max(0, count - 1)
        room = width - self.indentation - gaps
        if sum(wanted) > room and count:
            wanted = self._shrunk(wanted, room)
        self._columns = wanted
        self._total = sum(wanted) + gaps
        y = 0.0
        self._tops = []
        for row in self._cells:
            self._tops.append(y)
            height = 0.0
            for column, flow in enumerate(row):
                align = self._block.align[column] if column < len(self._block.align) else ""
                if flow.runs:
                    flow.set_runs(flow.runs, self._columns[column], align)
                height = max(height, flow.height)
            y += max(height, self.style.line_height("cell")) + 2 * _PAD
        self.height = y + (8 if self._overflow() > 0 else 0)
        self.scroll = min(self.scroll, self._overflow())

    @staticmethod
    def _shrunk(wanted: list[float], room: float) -> list[float]:
        """Columns that are narrow keep their width; wide ones share what is left."""
        result = list(wanted)
        open_columns = list(range(len(wanted)))
        left = room
        while open_columns:
            share = left / len(open_columns)
            small = [c for c in open_columns if wanted[c] <= share]
            if not small:
                for c in open_columns:
                    result[c] = max(_LEAST, share)
                break
            for c in small:
                left -= wanted[c]
                open_columns.remove(c)
        return result

    def _overflow(self) -> float:
        return max(0.0, self._total - (self.width - self.indentation))

    def update(self, block: Block) -> bool:
        if not isinstance(block, TableBlock) or (block.indent, block.quote) != (self.block.indent, self.block.quote):
            return False
        if block != self._block:
            self.block = self._block = block
            self._sync()
            if self.width:
                self.set_width(self.width)
        return True

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        x, y, top, bottom = at
        if self.quotes:
            paint_quote_bars(painter, self.style, QRectF(x, y, 0, self.height), self.quotes)
        left = x + self.indentation
        room = self.width - self.indentation
        painter.save()
        painter.setClipRect(QRectF(left - 4, y, room + 8, self.height), Qt.ClipOperation.IntersectClip)
        line_end = min(left + room, left + self._total - self.scroll)
        offset = 0
        for number, row in enumerate(self._cells):
            row_top = y + self._tops[number]
            row_bottom = y + (self._tops[number + 1] if number + 1 < len(self._tops) else self._rows_height())
            visible = row_bottom >= top and row_top <= bottom
            cell_x = left - self.scroll
            for column, flow in enumerate(row):
                length = len(flow.text)
                if visible:
                    middle = row_top + (row_bottom - row_top - flow.height) / 2 if number == 0 else row_top + _PAD
                    flow.paint(painter, At(cell_x, middle, top, bottom), within(context.ranges, offset, length))
                cell_x += self._columns[column] + _GAP
                offset += length + 1
            if visible:
                painter.setPen(QPen(self.style.color("border"), 1))
                rule = round(row_bottom) - 0.5
                painter.drawLine(QLineF(left, rule, line_end, rule))
        painter.restore()
        if context.focus:
            for target in self.targets():
                if target.key == context.focus:
                    focus_ring(painter, context, target.rect.translated(x, y), 4)
        if self._overflow() > 0:
            bar_length = max(30.0, room * room / self._total)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.style.color("scrollbar"))
            bar = left + (room - bar_length) * self.scroll / self._overflow()
            painter.drawRoundedRect(QRectF(bar, y + self.height - 5, bar_length, 4), 2, 2)

    def _rows_height(self) -> float:
        return self.height - (8 if self._overflow() > 0 else 0)

    def offset_at(self, x: float, y: float) -> int:
        offset = 0
        x -= self.indentation - self.scroll
        for number, row in enumerate(self._cells):
            row_bottom = self._tops[number + 1] if number + 1 < len(self._tops) else self._rows_height()
            if y >= row_bottom and number + 1 < len(self._cells):
                offset += sum(len(flow.text) + 1 for flow in row)
                continue
            cell_x = 0.0
            for column, flow in enumerate(row):
                last = column + 1 == len(row)
                if x < cell_x + self._columns[column] + _GAP / 2 or last:
                    return offset + flow.offset_at(x - cell_x, y - self._tops[number] - _PAD)
                cell_x += self._columns[column] + _GAP
                offset += len(flow.text) + 1
        return sum(len(runs_text(cell)) + 1 for row in self._block.rows for cell in row)

    def targets(self) -> list[Target]:
        found: list[Target] = []
        for number, row in enumerate(self._cells):
            cell_x = self.indentation - self.scroll
            for column, flow in enumerate(row):
                if any(run.href for run in flow.runs):
                    for target in link_targets(flow):
                        found.append(target.moved(cell_x, self._tops[number] + _PAD, f"cell{number}.{column}."))
                cell_x += self._columns[column] + _GAP
        return found

    def wheel(self, dx: float) -> bool:
        if self._overflow() <= 0:
            return False
        self.scroll = min(self._overflow(), max(0.0, self.scroll + dx))
        return True
