"""Paragraphs, headings, list items, displayed formulas and rules."""

from __future__ import annotations

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from qwen_desktop.jobs.markdown.blocks import Block, MathBlock, RuleBlock, Runs, TextBlock, TextRun, lead
from qwen_desktop.ui.chat.blocks import BlockLayout, PaintContext, Target
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, within
from qwen_desktop.ui.chat.blocks_style import Style


def link_targets(flow: TextFlow, runs: tuple[int, int] | None = None) -> list[Target]:
    """The links of a flow, or of some of its runs; neighbouring runs of one address are one link."""
    found: list[Target] = []
    index, end = runs or (0, len(flow.runs))
    while 0 < index < end and flow.runs[index].href and flow.runs[index - 1].href == flow.runs[index].href:
        index -= 1
    while index < end:
        href = flow.runs[index].href
        first = index
        index += 1
        if not href:
            continue
        while index < len(flow.runs) and flow.runs[index].href == href:
            index += 1
        start, stop = flow.run_range(first)[0], flow.run_range(index - 1)[1]
        rects = flow.rects(start, stop)
        if rects:
            found.append(Target(f"link{first}", "link", href, rects[0], flow.text[start:stop], tuple(rects)))
    return found


class TextLayoutBlock(BlockLayout[TextBlock | MathBlock]):
    """A paragraph, a heading, a list item, or a displayed formula: for now its source, set apart and centred."""

    def __init__(self, style: Style, block: TextBlock | MathBlock) -> None:
        super().__init__(style, block)
        self._above = 0.0
        if isinstance(block, MathBlock):
            self.flow = TextFlow(style, "math", align="left" if "\n" in block.text else "center")
            self._above = 4.0
        else:
            self.flow = TextFlow(style, f"h{min(block.level, 4)}" if block.level else "message")
            if block.level:
                self.gap = float(style.px(20 if block.level < 3 else 16))
            elif block.marker:
                self.gap = float(style.px(5))
        self._runs = self._shown()

    def _shown(self) -> Runs:
        block = self.block
        return (TextRun(block.text, math=True),) if isinstance(block, MathBlock) else block.runs

    def lay(self) -> None:
        otherwise = self.before and not isinstance(self.block, MathBlock)
        self.flow.set_runs(self._runs, max(40.0, self.width - self.indentation), otherwise=otherwise)
        self.direction = self.flow.direction
        self.rtl = self.before if self.direction is None else self.direction
        self.height = self.flow.height + 2 * self._above

    def update(self, block: Block) -> bool:
        if not isinstance(block, TextBlock | MathBlock) or _kind(block) != _kind(self.block):
            return False
        self.block = block
        self._runs = self._shown()
        if self.width:
            self.lay()
        return True

    def draw(self, painter: QPainter, context: PaintContext, at: At) -> None:
        if isinstance(self.block, TextBlock) and self.block.marker:
            self._draw_marker(painter, self.block.marker, at)
        ranges = within(context.ranges, len(lead(self.block)), len(self.flow.text))
        self.flow.paint(painter, at.moved(self.room.left(), self._above), ranges)
        self.draw_focus(painter, context, at)

    def _draw_marker(self, painter: QPainter, marker: str, at: At) -> None:
        style = self.style
        start, line = self.indentation, style.line_height("message")

        def place(end: float, width: float, height: float, down: float = 0.0) -> QRectF:
            """A rectangle in the middle of the first line that ends ``end`` pixels before the text."""
            rect = QRectF(start - end - width, (line - height) / 2 + down, width, height)
            return self.placed(rect).translated(at.x, at.y)

        if marker == "•":
            size = style.px(5)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(style.color("text_muted"))
            painter.drawEllipse(place(style.px(14) - size / 2, size, size, 0.5))
        elif marker in "☐☑":
            side = style.px(14)
            box = place(style.px(22) - side, side, side)
            done = marker == "☑"
            painter.setPen(QPen(style.color("accent" if done else "border_strong"), 1.5))
            painter.setBrush(style.color("accent" if done else "window"))
            painter.drawRoundedRect(box, 3.5, 3.5)
            if done:
                painter.setPen(QPen(style.color("on_accent"), 1.8))
                a = box.topLeft() + QPointF(side * 0.24, side * 0.52)
                b = box.topLeft() + QPointF(side * 0.43, side * 0.72)
                c = box.topLeft() + QPointF(side * 0.77, side * 0.3)
                painter.drawPolyline([a, b, c])
        else:
            painter.setPen(style.color("text_muted"))
            painter.setFont(style.base_font("message"))
            # Forced, so that "3." becomes ".3" and ends at the text.
            turn = Qt.TextFlag.TextForceRightToLeft if self.rtl else Qt.TextFlag.TextForceLeftToRight
            flags = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter) | int(turn)
            painter.drawText(place(style.px(7), 60, line), flags, marker)

    def offset_at(self, x: float, y: float) -> int:
        return len(lead(self.block)) + self.flow.offset_at(x - self.room.left(), y - self._above)

    def targets(self) -> list[Target]:
        return self._links((0, len(self.flow.runs)))

    def targets_at(self, x: float, y: float) -> list[Target]:
        return self._links(self.flow.runs_at(x - self.room.left(), y - self._above))

    def _links(self, runs: tuple[int, int]) -> list[Target]:
        if not any(run.href for run in self._runs):
            return []
        left = self.room.left()
        return [target.moved(left, self._above) for target in link_targets(self.flow, runs)]


def _kind(block: TextBlock | MathBlock) -> tuple[object, ...]:
    """What a block must have in common with the one that a layout was made for."""
    if isinstance(block, MathBlock):
        return (block.indent, block.quote, "\n" in block.text)
    return (block.level, block.indent, block.quote, bool(block.marker))


class RuleLayout(BlockLayout[RuleBlock]):
    """A thin line across the column."""

    gap = 14.0

    def __init__(self, style: Style, block: RuleBlock) -> None:
        super().__init__(style, block)
        self.height = 9.0

    def lay(self) -> None:
        """Its height is always the same."""

    def update(self, block: Block) -> bool:
        return block == self.block

    def draw(self, painter: QPainter, context: PaintContext, at: At) -> None:
        painter.setPen(QPen(self.style.color("border"), 1))
        room, middle = self.room, round(at.y + 4) + 0.5
        painter.drawLine(QLineF(at.x + room.left(), middle, at.x + room.right(), middle))

    def offset_at(self, x: float, y: float) -> int:
        return 0 if y < 4 else 3
