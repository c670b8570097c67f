"""What the rows of this page's lists are painted of: words and chips."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.surface import draw_pill

LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def width_of(font: QFont, text: str) -> float:
    """Width of ``text`` in px."""
    return QFontMetricsF(font).horizontalAdvance(text)


def chip_width(theme: Theme, text: str, *, bold: bool = False) -> float:
    """Width of a chip in px."""
    return width_of(theme.font("small", weight=500 if bold else 400), text) + 20


def draw_words(painter: QPainter, room: QRectF, text: str, at: Qt.AlignmentFlag = LEFT) -> None:
    """Draw one line in the painter's font and pen, cut with … where the room ends."""
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, max(0, int(room.width()) + 1))
    painter.drawText(room, at, shown)


def draw_chip(painter: QPainter, theme: Theme, room: QRectF, text: str, tone: str) -> None:
    """Draw a chip that fills ``room`` across and stands in its middle; ``tone`` "" is the neutral one."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    font = theme.font("small", weight=500 if tone else 400)
    height = min(room.height(), QFontMetricsF(font).height() + 8)
    body = QRectF(room.left(), room.center().y() - height / 2, room.width(), height)
    draw_pill(painter, theme, body, f"{tone}_soft" if tone else "sunken")
    painter.setFont(font)
    painter.setPen(theme.color(tone or "text_muted"))
    draw_words(painter, body.adjusted(10, 0, -10, 0), text, Qt.AlignmentFlag.AlignCenter)
    painter.restore()
