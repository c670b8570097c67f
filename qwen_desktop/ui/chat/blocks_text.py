"""Paragraphs, headings, list items and rules."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.jobs.markdown.blocks import RuleBlock, TextBlock, lead
from qwen_desktop.ui.chat.blocks import INDENT, TARGET, BlockLayout, PaintContext, Target
from qwen_desktop.ui.chat.blocks_draw import edge, quiet_button, write
from qwen_desktop.ui.chat.blocks_flow import At, Sources, TextFlow, within
from qwen_desktop.ui.chat.blocks_style import Style, elided, text_width
from qwen_desktop.ui.texts import fill, translate

_BOXES = ("☐", "☑")
#: Pixels that the box of a numbered task takes.
_BOX = 24


def link_targets(
    flow: TextFlow, x: float, y: float, prefix: str = "", runs: tuple[int, int] | None = None
) -> list[Target]:
    """The links of a flow that is painted at (x, y), or of some of its runs; neighbouring runs of one address are one
    link. Footnotes are links, too."""
    found: list[Target] = []
    hrefs, starts = [run.href or (run.footnote and f"^{run.footnote}") for run in flow.runs], flow.run_starts
    index, end = runs or (0, len(hrefs))
    while 0 < index < end and hrefs[index] and hrefs[index - 1] == hrefs[index]:
        index -= 1
    while index < end:
        href, first = hrefs[index], index
        while index < len(hrefs) and hrefs[index] == href:
            index += 1
        start, stop = starts[first], starts[index]
        if href and start < stop:
            place = partial(flow.rects, start, stop)
            said, action = flow.text[start:stop].removeprefix("🖼 "), "link"
            if href.startswith("^"):
                action, href = "footnote", href[1:]
                said = fill(translate("transcript", "Footnote {label}"), label=href)
            found.append(Target(f"{prefix}link{first}", action, href, place, said, x, y))
    return found


class TextLayoutBlock(BlockLayout[TextBlock]):
    """A paragraph, a heading or a list item."""

    def __init__(self, style: Style, block: TextBlock) -> None:
        super().__init__(style, block)
        level = block.level
        self.flow = TextFlow(style, f"h{min(level, 4)}" if level else "note" if block.footnote else "message")
        if level or block.marker:
            self.gap = float(style.px(5 if not level else 20 if level < 3 else 16))

    @property
    def _marker(self) -> str:
        """What is written before the first line."""
        return self.block.marker

    @property
    def _back(self) -> str:
        """The footnote that it begins, if it does."""
        return self.block.footnote if self._marker.startswith("[^") else ""

    def hang(self) -> float:
        if self._back:
            wide = text_width(self._back, self.style.base_font("note")) + self.style.px(7)
            return max(0.0, min(wide, self.style.px(120)) - self.style.px(INDENT))
        # A box after a number stands where the text would.
        return float(self.style.px(_BOX)) if self._marker[-1:] in _BOXES and len(self._marker) > 1 else 0.0

    def end_hang(self) -> float:
        return float(self.style.px(TARGET)) if self._back else 0.0

    def lay_steps(self) -> Iterator[None]:
        width = max(40.0, self.width - self.indentation)
        yield from self.flow.steps(self.block.runs, width, otherwise=self.before)
        self.fresh = min(self.fresh, self.flow.fresh)
        self.lay()

    def lay(self) -> None:
        self.flow.set_runs(self.block.runs, max(40.0, self.width - self.indentation), otherwise=self.before)
        self.waiting = self.flow.waiting
        self.fresh = min(self.fresh, self.flow.fresh)
        self.direction = self.flow.direction
        self.height = self.flow.height

    def waits_for(self, sources: Sources) -> bool:
        return self.flow.waits_for(sources)

    def _down(self, base: str) -> float:
        """Pixels that its first line stands lower than one of ``base`` would: a formula in it may be tall."""
        return round(self.flow.baseline - self.style.baseline(base))

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        if self._back:
            self._draw_back(painter, context, at)
        elif self._marker:
            number, box = self._marker[:-1].strip(), self._marker[-1]
            beside = at.moved(0, self._down("message"))
            if box in _BOXES and number:
                self._draw_marker(painter, box, beside)
                self._draw_marker(painter, number, beside, self.style.px(_BOX))
            else:
                self._draw_marker(painter, self._marker, beside)
        ranges = within(context.ranges, len(lead(self.block)), len(self.flow.text))
        self.flow.paint(painter, at.moved(self.left, 0), ranges)
        self.draw_focus(painter, context, at)

    def _draw_back(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """The label of a footnote, and the button that leads back to where it is referred to."""
        style, line = self.style, self.style.line_height("note")
        place = self.box(at, self.indentation - style.px(127), self._down("note"), style.px(120), line)
        label = elided(self._back, style.base_font("note"), style.px(120))
        write(painter, style, place, label, style.base_font("note"), align=edge(not self.rtl))
        quiet_button(painter, context, at, self._back_target(), "arrow-up")

    def _back_target(self) -> Target:
        side = float(self.style.px(TARGET))
        line = self.style.line_height("note")
        said = translate("transcript", "Back to the text")
        top = self._down("note") + (line - side) / 2
        return Target("back", "footnote_back", self._back, self.placed(QRectF(self.width, top, side, side)), said)

    def _draw_marker(self, painter: QPainter, marker: str, at: At, before: float = 0.0) -> None:
        style = self.style
        start, line = self.indentation - before, style.line_height("message")

        def place(end: float, width: float, height: float, down: float = 0.0) -> QRectF:
            """A rectangle in the middle of the first line that ends ``end`` pixels before the text."""
            return self.box(at, start - end - width, (line - height) / 2 + down, width, height)

        if marker == "•":
            size = style.px(5)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.color("text_muted"))
            painter.drawEllipse(place(style.px(14) - size / 2, size, size, 0.5))
        elif marker in "☐☑":
            side, done = style.px(14), marker == "☑"
            box = place(style.px(22) - side, side, side)
            painter.setPen(QPen(style.color("accent" if done else "border_strong"), 1.5))
            painter.setBrush(style.color("accent" if done else "window"))
            painter.drawRoundedRect(box, 3.5, 3.5)
            if done:
                painter.setPen(QPen(style.color("on_accent"), 1.8))
                tick = ((0.24, 0.52), (0.43, 0.72), (0.77, 0.3))
                painter.drawPolyline([box.topLeft() + QPointF(side * x, side * y) for x, y in tick])
        else:
            painter.setPen(style.color("text_muted"))
            painter.setFont(style.base_font("message"))
            # Forced, so that "3." becomes ".3" and ends at the text.
            turn = Qt.TextFlag.TextForceRightToLeft if self.rtl else Qt.TextFlag.TextForceLeftToRight
            flags = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter) | int(turn)
            painter.drawText(place(style.px(7), 60, line), flags, marker)

    def offset_at(self, x: float, y: float) -> int:
        return len(lead(self.block)) + self.flow.offset_at(x - self.left, y)

    def formula_at(self, x: float, y: float) -> str:
        return self.flow.formula_at(x - self.left, y)

    def targets(self) -> list[Target]:
        back = [self._back_target()] if self._back else []
        return [*link_targets(self.flow, self.left, 0), *back]

    def targets_at(self, x: float, y: float) -> list[Target]:
        runs = self.flow.runs_at(x - self.left, y)
        back = [self._back_target()] if self._back else []
        return [*back, *link_targets(self.flow, self.left, 0, runs=runs)]


class RuleLayout(BlockLayout[RuleBlock]):
    """A thin line across the column; above footnotes a part of it."""

    def lay(self) -> None:
        self.height = 9.0
        self.gap = float(self.style.px(22 if self.block.footnotes else 14))

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        painter.setPen(QPen(self.rule, 1))
        room, middle = self.room, round(at.y + 4) + 0.5
        if self.block.footnotes:
            room = self.placed(QRectF(0, 0, self.style.px(120), 0))
        painter.drawLine(QLineF(at.x + room.left(), middle, at.x + room.right(), middle))

    def offset_at(self, x: float, y: float) -> int:
        return 0 if y < 4 else 3
