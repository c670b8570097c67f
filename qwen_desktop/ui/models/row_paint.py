"""What the rows of this page's lists are painted of: words, chips, buttons. No widget stands in a row."""

from __future__ import annotations

from typing import NamedTuple

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPen

from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.surface import draw_pill

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
ICON = 18


class Look(NamedTuple):
    """How a painted button looks now."""

    enabled: bool = True
    hover: bool = False
    down: bool = False
    focus: bool = False
    muted: bool = False


def width_of(font: QFont, text: str) -> float:
    """Width of ``text`` in px."""
    return QFontMetricsF(font).horizontalAdvance(text)


def chip_width(theme: Theme, text: str, *, bold: bool = False) -> float:
    """Width of a chip in px."""
    return width_of(theme.font("small", weight=500 if bold else 400), text) + 20


def draw_words(painter: QPainter, room: QRectF, text: str, *, right: bool = False) -> None:
    """Draw one line in the painter's font and pen, cut with … where the room ends."""
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, max(0, int(room.width()) + 1))
    painter.drawText(room, _RIGHT if right else _LEFT, shown)


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
    inner = body.adjusted(10, 0, -10, 0)
    shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(inner.width()) + 1)
    painter.drawText(inner, Qt.AlignmentFlag.AlignCenter, shown)
    painter.restore()


def button_width(theme: Theme, text: str, icon: str) -> float:
    """Width of a painted button in px."""
    words = width_of(theme.font("body", weight=500), text) if text else 0
    return words + (ICON + (8 if text else 0) if icon else 0) + (28 if text else 14)


def draw_button(painter: QPainter, theme: Theme, body: QRectF, face: tuple[str, str], look: Look) -> None:
    """Draw a bordered button as the style sheet draws those of the page; ``face`` is its text and its icon. Without
    text it is a quiet icon."""
    text, icon = face
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    radius = theme.radius("control")
    ground = "pressed" if look.down else "hover" if look.hover else "surface"
    edge = body.adjusted(0.5, 0.5, -0.5, -0.5)
    if text or look.hover or look.down:
        painter.setBrush(theme.color(ground if look.enabled else "surface"))
        painter.setPen(QPen(theme.color("border"), 1) if text else Qt.PenStyle.NoPen)
        painter.drawRoundedRect(edge, radius, radius)
    if look.focus:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.color("focus"), 2))
        painter.drawRoundedRect(body.adjusted(1, 1, -1, -1), radius, radius)
    role = "disabled_text" if not look.enabled else "text_muted" if look.muted else "text"
    ink = theme.color(role)
    device = painter.device()
    ratio = device.devicePixelRatioF() if device is not None else 1.0
    font = theme.font("body", weight=500)
    words = width_of(font, text) if text else 0
    left = body.center().x() - (words + (ICON + (8 if text else 0) if icon else 0)) / 2
    if icon:
        sign = icons.pixmap(icon, ink, ICON, ratio)
        painter.drawPixmap(round(left), round(body.center().y() - ICON / 2), sign)
        left += ICON + 8
    painter.setFont(font)
    painter.setPen(ink)
    painter.drawText(QRectF(left, body.top(), words + 2, body.height()), _LEFT, text)
    painter.restore()
