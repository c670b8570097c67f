"""Displayed formulas: centred, with their number at the end of the line, scrolled sideways where they are too wide.

What is not drawn yet, or cannot be, is its source, set apart and centred; quietly while it is being written.
"""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter

from qwen_desktop.jobs.formulas.data import Formula
from qwen_desktop.jobs.markdown.blocks import MathBlock, TextRun, plain
from qwen_desktop.ui.chat.blocks import PaintContext, WideLayout
from qwen_desktop.ui.chat.blocks_flow import At, TextFlow, within
from qwen_desktop.ui.chat.blocks_style import Style, text_width
from qwen_desktop.ui.chat.formulas import FORMULA, FormulaDrawing, Ink, formula_em

#: Pixels above and below a formula, and between it and its number.
_ABOVE: Final = 6.0
_APART: Final = 16.0


class MathLayout(WideLayout[MathBlock]):
    """One displayed formula. It runs from left to right; where its number stands is as the text around it runs."""

    def __init__(self, style: Style, block: MathBlock) -> None:
        super().__init__(style, block)
        self.flow = TextFlow(style, "math")
        self._drawing: FormulaDrawing | None = None
        self._em = formula_em(style, "message")
        self._tag = ""
        self._top = 0.0

    def lay(self) -> None:
        drawings, block = self.style.drawings, self.block
        found = drawings.drawing(FORMULA, block.text, display=True) if drawings is not None and not block.open else None
        self._drawing = found if isinstance(found, FormulaDrawing) else None
        self.waiting = found is None and drawings is not None and not block.open
        self._top = float(self.style.px(_ABOVE))
        if self._drawing is None:
            base = "math_open" if block.open else "math"
            self.flow = self.flow if self.flow.base == base else TextFlow(self.style, base)
            align = "left" if "\n" in block.text else "center"
            width = max(40.0, self.width - self.indentation)
            self.flow.set_runs((TextRun(block.text, math=True),), width, align, otherwise=False)
            self.widen(0)
            self.height = self.flow.height + 2 * self._top
            return
        formula = self._drawing.formula
        self._tag = f"({formula.tag})" if formula.tag else ""
        wide = formula.width * self._em
        if self._tag:
            wide += _APART + text_width(self._tag, self.style.base_font("message"))
        # At least a line of text: a short formula stands among the paragraphs as one of them.
        tall = max((formula.ascent + formula.descent) * self._em, float(self.style.line_height("message")) - self._top)
        self.height = tall + 2 * self._top + self.widen(wide)

    def _place(self, formula: Formula) -> QRectF:
        """Where the formula stands, relative to the layout."""
        room = self.room
        wide, tall = formula.width * self._em, (formula.ascent + formula.descent) * self._em
        bar = 8.0 if self.overflow else 0.0
        left = room.left() - self.scroll if self.overflow else room.left() + (room.width() - wide) / 2
        if self._tag and not self.overflow:  # the number may need what would be its half of the room
            needed = self.wide - wide
            least, most = (
                (room.left() + needed, room.right() - wide) if self.rtl else (room.left(), room.right() - self.wide)
            )
            left = min(max(left, least), most)
        return QRectF(left, (self.height - bar - tall) / 2, wide, tall)

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        drawing = self._drawing
        if drawing is None:
            ranges = within(context.ranges, len(self.block.lead), len(self.flow.text))
            self.flow.paint(painter, at.moved(self.left, self._top), ranges)
            return
        painter.save()
        room = self.room.translated(at.x, at.y)
        if self.overflow:
            painter.setClipRect(room, Qt.ClipOperation.IntersectClip)
        place = self._place(drawing.formula).translated(at.x, at.y)
        if context.ranges:
            painter.fillRect(place.adjusted(-2, -2, 2, 2), self.style.color(context.ranges[-1].role))
        ink = Ink(self._em, self.style.color("text"), self.style.base_font("message"))
        baseline = place.top() + drawing.formula.ascent * self._em
        drawing.paint(painter, place.left(), baseline, ink)
        if self._tag:
            self._paint_tag(painter, room, place.left(), baseline)
        painter.restore()
        self.paint_bar(painter, QRectF(room.left(), room.bottom() - 5, room.width(), 4))

    def _paint_tag(self, painter: QPainter, room: QRectF, left: float, baseline: float) -> None:
        painter.setPen(self.style.color("text"))
        painter.setFont(self.style.base_font("message"))
        side = Qt.AlignmentFlag.AlignLeft if self.rtl and not self.overflow else Qt.AlignmentFlag.AlignRight
        if self.overflow:  # it is scrolled with the formula
            room = QRectF(left, room.top(), self.wide, room.height())
        line = QRectF(room.left(), baseline - 0.25 * self._em - 50, room.width(), 100)
        painter.drawText(line, int(side | Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignAbsolute), self._tag)

    def offset_at(self, x: float, y: float) -> int:
        if self._drawing is None:
            return len(self.block.lead) + self.flow.offset_at(x - self.left, y - self._top)
        middle = self._place(self._drawing.formula).center().x()
        return 0 if x < middle else len(plain(self.block))

    def formula_at(self, x: float, y: float) -> str:
        return self.block.text
