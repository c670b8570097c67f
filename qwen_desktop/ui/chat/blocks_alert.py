"""The titles of alerts: a sign and a word in the colour of their kind."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from qwen_desktop.jobs.markdown.blocks import ALERTS, AlertBlock, plain
from qwen_desktop.ui.chat.blocks import AIR, TONES, BlockLayout, PaintContext
from qwen_desktop.ui.chat.blocks_draw import ICON, draw_icon, edge, write
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.blocks_style import text_width
from qwen_desktop.ui.texts import translate

#: Pixels between the sign and the word.
_BESIDE: Final = 8


class AlertLayout(BlockLayout[AlertBlock]):
    """One title. It stands at the top of what is painted as the alert's ground."""

    def lay(self) -> None:
        self.gap = float(self.style.px(14))
        self.height = float(self.style.px(AIR) - 2 + self.style.line_height("message"))

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style, above = self.style, self.style.px(AIR) - 2
        icon, word = self._look()
        tone, size, font = TONES[ALERTS[self.block.kind]], style.px(ICON), style.font("body", 600)
        tall = self.height - above
        sign = self.box(at, self.indentation, above, size, tall)
        start = self.indentation + size + _BESIDE
        words = self.box(at, start, above, self.width - start, tall)
        for _, _, role in context.ranges:
            wide = size + _BESIDE + text_width(word, font)
            painter.fillRect(self.box(at, self.indentation, above, wide, tall), style.color(role))
        draw_icon(painter, context, sign, icon, tone, size=size)
        write(painter, style, words, word, font, role=tone, align=edge(self.rtl))

    def _look(self) -> tuple[str, str]:
        """The icon and the word of its kind."""
        match self.block.kind:
            case "tip":
                return "lightbulb", translate("transcript", "Tip")
            case "important":
                return "circle-alert", translate("transcript", "Important")
            case "warning":
                return "triangle-alert", translate("transcript", "Warning")
            case "caution":
                return "octagon-alert", translate("transcript", "Caution")
            case _:
                return "info", translate("transcript", "Note")

    def offset_at(self, x: float, y: float) -> int:
        box = self.placed(QRectF(self.indentation, 0, 0, 0)).left()
        return 0 if abs(x - box) < self.style.px(40) else len(plain(self.block))
