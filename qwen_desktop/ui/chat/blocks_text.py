"""Paragraphs, headings, list items, displayed formulas and rules."""

from __future__ import annotations

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.jobs.markdown.blocks import Block, MathBlock, RuleBlock, TextBlock, TextRun, lead
from qwen_desktop.ui.chat.blocks import QUOTE, BlockLayout, PaintContext, Target, focus_ring
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, within
from qwen_desktop.ui.chat.blocks_style import Style


def paint_quote_bars(painter: QPainter, style: Style, rect: QRectF, depth: int) -> None:
    """The thin bars left of a quotation."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(style.color("border_strong"))
    for level in range(depth):
        painter.drawRoundedRect(QRectF(rect.left() + level * style.px(QUOTE), rect.top(), 3, rect.height()), 1.5, 1.5)


def link_targets(flow: TextFlow) -> list[Target]:
    """The links of a flow; neighbouring runs of one address are one link."""
    found: list[Target] = []
    index = 0
    while index < len(flow.runs):
        href = flow.runs[index].href
        first = index
        index += 1
        if not href:
            continue
        while index < len(flow.runs) and flow.runs[index].href == href:
            index += 1
        start, end = flow.run_range(first)[0], flow.run_range(index - 1)[1]
        rects = flow.rects(start, end)
        if rects:
            found.append(Target(f"link{first}", "link", href, rects[0], flow.text[start:end], tuple(rects)))
    return found


class TextLayoutBlock(BlockLayout):
    """A paragraph, a heading or a list item."""

    def __init__(self, style: Style, block: TextBlock) -> None:
        super().__init__(style, block)
        self._block = block
        base = f"h{min(block.level, 4)}" if block.level else "message"
        self.flow = TextFlow(style, base)
        if block.level:
            self.gap = float(style.px(20 if block.level < 3 else 16))
        elif block.marker:
            self.gap = float(style.px(5))

    def set_width(self, width: float) -> None:
        self.width = width
        self.flow.set_runs(self._block.runs, max(40.0, width - self.indentation))
        self.height = self.flow.height

    def update(self, block: Block) -> bool:
        if not isinstance(block, TextBlock):
            return False
        old = self._block
        if (old.level, old.indent, old.quote, bool(old.marker)) != (
            block.level, block.indent, block.quote, bool(block.marker)
        ):  # fmt: skip
            return False
        self.block = self._block = block
        if self.width:
            self.set_width(self.width)
        return True

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        x, y = at.x, at.y
        block = self._block
        left = x + self.indentation
        if self.quotes:
            paint_quote_bars(painter, self.style, QRectF(x, y, 0, self.height), self.quotes)
        if block.marker:
            self._paint_marker(painter, block.marker, left, y)
        ranges = within(context.ranges, len(lead(block)), len(self.flow.text))
        self.flow.paint(painter, at.moved(self.indentation, 0), ranges)
        if context.focus:
            for target in self.targets():
                if target.key == context.focus:
                    for rect in target.extra:
                        focus_ring(painter, context, rect.translated(x, y), 4)

    def _paint_marker(self, painter: QPainter, marker: str, left: float, y: float) -> None:
        line = self.style.line_height("message")
        if marker == "•":
            size = self.style.px(5)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.style.color("text_muted"))
            painter.drawEllipse(QPointF(left - self.style.px(14), y + line / 2 + 0.5), size / 2, size / 2)
        elif marker in "☐☑":
            side = self.style.px(14)
            box = QRectF(left - self.style.px(22), y + (line - side) / 2, side, side)
            done = marker == "☑"
            painter.setPen(QPen(self.style.color("accent" if done else "border_strong"), 1.5))
            painter.setBrush(self.style.color("accent" if done else "window"))
            painter.drawRoundedRect(box, 3.5, 3.5)
            if done:
                painter.setPen(QPen(self.style.color("on_accent"), 1.8))
                a = box.topLeft() + QPointF(side * 0.24, side * 0.52)
                b = box.topLeft() + QPointF(side * 0.43, side * 0.72)
                c = box.topLeft() + QPointF(side * 0.77, side * 0.3)
                painter.drawPolyline([a, b, c])
        else:
            painter.setPen(self.style.color("text_muted"))
            painter.setFont(self.style.base_font("message"))
            place = QRectF(left - 60 - self.style.px(7), y, 60, line)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), marker)

    def offset_at(self, x: float, y: float) -> int:
        return len(lead(self._block)) + self.flow.offset_at(x - self.indentation, y)

    def targets(self) -> list[Target]:
        if not any(run.href for run in self._block.runs):
            return []
        return [target.moved(self.indentation, 0) for target in link_targets(self.flow)]


class MathLayout(BlockLayout):
    """A displayed formula: for now its source, set apart and centred."""

    def __init__(self, style: Style, block: MathBlock) -> None:
        super().__init__(style, block)
        self._block = block
        self.flow = TextFlow(style, "math", align="center" if "\n" not in block.text else "")

    def set_width(self, width: float) -> None:
        self.width = width
        self.flow.set_runs((TextRun(self._block.text, math=True),), max(40.0, width - self.indentation))
        self.height = self.flow.height + 8

    def update(self, block: Block) -> bool:
        if not isinstance(block, MathBlock) or (block.indent, block.quote) != (self.block.indent, self.block.quote):
            return False
        if ("\n" in block.text) != ("\n" in self._block.text):
            return False
        self.block = self._block = block
        if self.width:
            self.set_width(self.width)
        return True

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        x, y = at.x, at.y
        if self.quotes:
            paint_quote_bars(painter, self.style, QRectF(x, y, 0, self.height), self.quotes)
        self.flow.paint(painter, at.moved(self.indentation, 4), context.ranges)

    def offset_at(self, x: float, y: float) -> int:
        return self.flow.offset_at(x - self.indentation, y - 4)


class RuleLayout(BlockLayout):
    """A thin line across the column."""

    gap = 14.0

    def __init__(self, style: Style, block: RuleBlock) -> None:
        super().__init__(style, block)
        self.height = 9.0

    def set_width(self, width: float) -> None:
        self.width = width

    def update(self, block: Block) -> bool:
        return block == self.block

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        x, y = at.x, at.y
        painter.setPen(QPen(self.style.color("border"), 1))
        middle = round(y + 4) + 0.5
        painter.drawLine(QLineF(x + self.indentation, middle, x + self.width, middle))

    def offset_at(self, x: float, y: float) -> int:
        return 0 if y < 4 else 3
