"""Tables with thin rules; columns take what they need and shrink, as far as their words stay whole, when the message
is narrower. Above them is room for a quiet row of buttons, on show while the pointer or the keyboard is there."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from heapq import nlargest
from itertools import accumulate

from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.jobs.markdown.blocks import Runs, TableBlock
from qwen_desktop.ui.chat.blocks import TARGET, PaintContext, Target, WideLayout, exhaust
from qwen_desktop.ui.chat.blocks_draw import button_width, edge, quiet_button, write
from qwen_desktop.ui.chat.blocks_flow import UNBOUNDED, At, Sources, TextFlow, direction, within
from qwen_desktop.ui.chat.blocks_style import Style, elided
from qwen_desktop.ui.chat.blocks_text import link_targets
from qwen_desktop.ui.texts import translate

_GAP = 28
_PAD = 7
#: What a column of many words keeps, and what it keeps where the table scrolls anyway.
_LEAST = 56.0
_READABLE = 180.0
#: Longer words (a link, a checksum) are broken, in pixels.
_LONGEST_WORD = 240.0
#: Rows of one step, and cells of a column of which the words are measured.
_ROWS = 25
_MEASURED = 24


class TableLayout(WideLayout[TableBlock]):
    """One table. Too many columns scroll sideways. Where it runs from right to left, so do the columns, and an
    alignment to the left is one to the start."""

    gap = 0.0

    def __init__(self, style: Style, block: TableBlock) -> None:
        super().__init__(style, block)
        #: Pixels of the row of buttons; it reaches into what is free above the words of the first row.
        self._tools = float(style.px(TARGET))
        self._head = self._tools - _PAD
        self._cells: list[list[TextFlow]] = []
        #: What each cell takes in one line, in pixels.
        self._naturals: list[list[float]] = []
        self._synced = False
        self._columns: list[float] = []
        self._tops: list[float] = []
        #: Pixels from each row's first line to where the letters of all its cells stand.
        self._baselines: list[float] = []
        #: Offset of each row's first character, and the length of all.
        self._offsets: list[int] = [0]
        #: The rows as they are known, how many of them stand as they should, and the looks that they have there.
        self._rows: tuple[tuple[Runs, ...], ...] = ()
        self._fresh = 0
        self._laid_for: object = None
        #: Stands in all cells without text: a row of pipes may make thousands of them.
        self._empty = {base: TextFlow(style, base) for base in ("cell_head", "cell")}
        for flow in self._empty.values():
            flow.set_runs((), UNBOUNDED)

    def sync(self) -> None:
        exhaust(self._sync_steps())

    def _sync_steps(self) -> Iterator[None]:
        """Make the flows fit the block's cells, keeping those that did not change."""
        self._synced = True
        rows, before = self.block.rows, self._rows
        first = next(
            (n for n, (a, b) in enumerate(zip(before, rows, strict=False)) if a != b), min(len(before), len(rows))
        )
        self._rows, self._fresh = rows, min(self._fresh, first)
        del self._cells[len(rows) :], self._naturals[len(rows) :], self._offsets[first + 1 :]
        for number in range(first, len(rows)):
            if number == len(self._cells):
                self._cells.append([])
                self._naturals.append([])
            flows = self._cells[number]
            self._sync_row(flows, self._naturals[number], rows[number], "cell" if number else "cell_head")
            self._offsets.append(self._offsets[number] + sum(len(flow.text) + 1 for flow in flows))
            if number % _ROWS == _ROWS - 1:
                yield
        self.direction = direction(run for row in rows for cell in row for run in cell)

    def _sync_row(self, flows: list[TextFlow], naturals: list[float], row: tuple[Runs, ...], base: str) -> None:
        for column, runs in enumerate(row):
            if column < len(flows) and flows[column].runs == runs:
                continue
            flow = TextFlow(self.style, base) if runs else self._empty[base]
            flow.set_runs(runs, UNBOUNDED)
            flows[column : column + 1], naturals[column : column + 1] = [flow], [flow.natural]
            self.waiting = self.waiting or flow.waiting
        del flows[len(row) :], naturals[len(row) :]

    def redraw(self, sources: Sources = None) -> bool:
        if not self.waiting:
            return False
        self.waiting, first = False, len(self._cells)
        for number, (flows, naturals) in enumerate(zip(self._cells, self._naturals, strict=True)):
            for column, flow in enumerate(flows):
                if flow.waits_for(sources):
                    flow.set_runs(flow.runs, UNBOUNDED)
                    naturals[column] = flow.natural
                    first = min(first, number)
                self.waiting = self.waiting or flow.waiting
        if first < len(self._cells):
            self._fresh = min(self._fresh, first)
            self.lay()
        return first < len(self._cells)

    def lay(self) -> None:
        exhaust(self.lay_steps())

    def lay_steps(self) -> Iterator[None]:
        if not self._synced:
            yield from self._sync_steps()
        wanted = self._widths()
        gaps = _GAP * max(0, len(wanted) - 1)
        self._columns = wanted
        self.from_right = self.rtl
        start, end = ("right", "left") if self.rtl else ("left", "right")
        sides = {"": start, "left": start, "right": end, "center": "center"}
        aligns = [*(sides[align] for align in self.block.align), *[start] * len(wanted)]
        line = self.style.line_height("cell")
        looks = (wanted, aligns, self.rtl)
        first = min(self._fresh, len(self._tops) - 1) if looks == self._laid_for else 0
        tops = self._tops[: first + 1] if first else [self._head]
        baselines = self._baselines[:first]
        self._laid_for = None
        for number, row in enumerate(self._cells[first:], first):
            for flow, width, align in zip(row, wanted, aligns, strict=False):
                if flow.runs and not flow.stands(width, align, otherwise=self.rtl):
                    flow.set_runs(flow.runs, width, align, otherwise=self.rtl)
            lows = [flow.baseline for flow in row]
            baselines.append(max(lows, default=0.0))
            below = max([0.0, *(flow.height - low for flow, low in zip(row, lows, strict=True))])
            tall = max(line, baselines[-1] + below)
            tops.append(tops[-1] + math.ceil(tall) + 2 * _PAD)
            if number % _ROWS == _ROWS - 1:
                yield
        self._tops, self._baselines = tops, baselines
        self._laid_for, self._fresh = looks, len(self._cells)
        self.height = tops[-1] + self.widen(sum(wanted) + gaps)

    def _widths(self) -> list[float]:
        """Pixels of each column."""
        count = max((len(row) for row in self._cells), default=0)
        wanted = [max(row[c] for row in self._naturals if c < len(row)) + 1 for c in range(count)]
        room = self.width - self.indentation - _GAP * max(0, count - 1)
        if sum(wanted) <= room:
            return wanted
        least = [max(_LEAST, min(self._longest_word(column) + 1, _LONGEST_WORD)) for column in range(count)]
        if sum(map(min, wanted, least)) > room:  # it scrolls: no need for a sentence to stand in a narrow column
            least = [max(_READABLE, width) for width in least]
        return _shrunk(wanted, list(map(min, wanted, least)), room)

    def _longest_word(self, column: int) -> float:
        """Pixels of a column's longest word: only cells that may well hold it are measured."""
        cells = [(row[column].text, row[column]) for row in self._cells if column < len(row)]
        likely = nlargest(_MEASURED, cells, key=lambda cell: max(map(len, cell[0].split()), default=0))
        longest = 0.0
        for _, cell in likely:
            flow = TextFlow(self.style, cell.base)
            flow.set_runs(cell.runs, UNBOUNDED)
            longest = max(longest, flow.longest_word)
        return longest

    def _lefts(self) -> list[float]:
        """The left edge of each column, where it is scrolled to."""
        starts = accumulate((width + _GAP for width in self._columns), initial=self.indentation - self.scroll)
        columns = zip(starts, self._columns, strict=False)
        return [self.placed(QRectF(start, 0, width, 0)).left() for start, width in columns]

    def _cell_top(self, number: int, flow: TextFlow) -> float:
        if not number:
            return (self._tops[0] + self._tops[1] - flow.height) / 2
        return self._tops[number] + _PAD + round(self._baselines[number] - flow.baseline)

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        x, y, top, bottom = at
        room = self.room.translated(x, y)
        if y + self._tools > top:
            self._draw_head(painter, context, at)
        painter.save()
        painter.setClipRect(room.adjusted(-4, self._head, 4, 0), Qt.ClipOperation.IntersectClip)
        wide = min(room.width(), self.wide - self.scroll)
        rule = self.box(at, self.indentation, 0, wide, 0)
        lefts = self._lefts()
        for number in range(max(0, bisect_right(self._tops, top - y) - 1), len(self._cells)):
            if y + self._tops[number] > bottom:
                break
            offset = self._offsets[number]
            for left, flow in zip(lefts, self._cells[number], strict=False):
                corner = at.moved(left, self._cell_top(number, flow))
                flow.paint(painter, corner, within(context.ranges, offset, len(flow.text)))
                offset += len(flow.text) + 1
            painter.setPen(QPen(self.rule, 1))
            below = round(y + self._tops[number + 1]) - 0.5
            painter.drawLine(QLineF(rule.left(), below, rule.right(), below))
        painter.restore()
        self.draw_focus(painter, context, at)
        self.paint_bar(painter, QRectF(room.left(), room.bottom() - 5, room.width(), 4))

    def offset_at(self, x: float, y: float) -> int:
        number = min(max(0, bisect_right(self._tops, y) - 1), len(self._cells) - 1)
        offset = self._offsets[number]
        row = self._cells[number]
        for column, (flow, left) in enumerate(zip(row, self._lefts(), strict=False)):
            middle = left - _GAP / 2 if self.rtl else left + self._columns[column] + _GAP / 2
            if column + 1 == len(row) or (x > middle if self.rtl else x < middle):
                return offset + flow.offset_at(x - left, y - self._cell_top(number, flow))
            offset += len(flow.text) + 1
        return offset

    def formula_at(self, x: float, y: float) -> str:
        number = min(max(0, bisect_right(self._tops, y) - 1), len(self._cells) - 1)
        for flow, left, width in zip(self._cells[number], self._lefts(), self._columns, strict=False):
            if left <= x < left + width:
                return flow.formula_at(x - left, y - self._cell_top(number, flow))
        return ""

    # The row above ---------------------------------------------------------------------------------------------------

    def _draw_head(self, painter: QPainter, context: PaintContext, at: At) -> None:
        buttons = self._buttons()
        keys = [target.key for target, _, _ in buttons]
        if not (context.message_hover or context.focus in keys or any(key in context.copied for key in keys)):
            return
        style, used = self.style, sum(target.rect.width() for target, _, _ in buttons)
        said = translate("transcript", "%n row(s)", "", len(self.block.rows) - 1)
        place = self.box(at, self.indentation, 0, max(0.0, self.width - self.indentation - used), self._tools)
        font = style.font("caption")
        write(painter, style, place, elided(said, font, place.width()), font, align=edge(self.rtl))
        for target, icon, word in buttons:
            label = translate("transcript", "Copied") if word and target.key in context.copied else word
            quiet_button(painter, context, at, target, icon, label=label)

    def _buttons(self) -> list[tuple[Target, str, str]]:
        """What can be done with the table, with icons and, where there is room, words on them."""
        offers = (
            ("table_copy", "copy", translate("transcript", "Copy"), translate("transcript", "Copy table")),
            ("table_markdown", "copy", "Markdown", translate("transcript", "Copy table as Markdown")),
            ("table_csv", "download", "CSV", translate("transcript", "Save table as CSV")),
        )
        copied = button_width(self.style, translate("transcript", "Copied"))
        widths = [
            max(button_width(self.style, word), copied if key != "table_csv" else 0) for key, _, word, _ in offers
        ]
        worded = sum(widths) + self.style.px(70) <= self.width - self.indentation
        if not worded:
            widths = [button_width(self.style, "")] * len(offers)
        end, found = self.width, list[tuple[Target, str, str]]()
        for (key, icon, word, said), wide in zip(reversed(offers), reversed(widths), strict=True):
            place = self.placed(QRectF(end - wide, 0, wide, self._tools))
            found.insert(0, (Target(key, key, "", place, said), icon, word if worded else ""))
            end -= wide
        return found

    def targets(self) -> list[Target]:
        return [*(target for target, _, _ in self._buttons()), *self._links(range(len(self._cells)))]

    def targets_at(self, x: float, y: float) -> list[Target]:
        if y < self._tools:
            return [target for target, _, _ in self._buttons()]
        number = bisect_right(self._tops, y) - 1
        return self._links(range(max(0, number), min(number + 1, len(self._cells))))

    def _links(self, rows: range) -> list[Target]:
        lefts = self._lefts()
        return [
            target
            for number in rows
            for column, flow in enumerate(self._cells[number])
            for target in link_targets(flow, lefts[column], self._cell_top(number, flow), f"cell{number}.{column}.")
        ]


def _shrunk(wanted: list[float], least: list[float], room: float) -> list[float]:
    """Columns that are narrow keep their width; wide ones share what is left, none below its ``least``."""
    result = list(wanted)
    left = set(range(len(wanted)))
    while left:
        share = room / len(left)
        fixed = {c: wanted[c] for c in left if wanted[c] <= share}
        fixed = fixed or {c: least[c] for c in left if least[c] >= share} or dict.fromkeys(left, share)
        for c, width in fixed.items():
            result[c] = width
            room -= width
        left -= fixed.keys()
    return result
