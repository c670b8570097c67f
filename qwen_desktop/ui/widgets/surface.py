"""Grounds that float: a rounded frame with a soft shadow, and the plain card of a page."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QWidget

from qwen_desktop.ui.theme import Theme

#: Room that the shadow takes on each side, in px.
SHADOW = 6


class FloatingFrame(QWidget):
    """A surface with a border and a shadow painted inside its own margins (no graphics effect, which is slow)."""

    def __init__(self, theme: Theme, parent: QWidget | None = None, *, radius: str = "composer") -> None:
        super().__init__(parent)
        self._theme = theme
        self._radius = radius
        self._border = "border_strong"
        self._dashed = False
        self.setContentsMargins(SHADOW, SHADOW - 2, SHADOW, SHADOW + 2)
        theme.changed.connect(self.update)

    def set_border(self, role: str) -> None:
        """Draw the border in another colour role."""
        if role != self._border:
            self._border = role
            self.update()

    def set_dashed(self, dashed: bool) -> None:
        """Draw the border in dashes, or as a line."""
        if dashed != self._dashed:
            self._dashed = dashed
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        body = QRectF(self.contentsRect())
        radius = self._theme.radius(self._radius)
        shade = self._theme.color("shadow")
        if shade.alpha():
            alpha = shade.alphaF() / SHADOW
            painter.setPen(Qt.PenStyle.NoPen)
            for step in range(SHADOW, 0, -1):
                shade.setAlphaF(alpha)
                painter.setBrush(shade)
                ring = body.adjusted(-step + 1, -step + 3, step - 1, step + 1)
                painter.drawRoundedRect(ring, radius + step - 1, radius + step - 1)
        painter.setBrush(self._theme.color("surface"))
        line = QPen(self._theme.color(self._border), 1.5 if self._dashed else 1)
        if self._dashed:
            line.setDashPattern([4, 3])
        painter.setPen(line)
        painter.drawRoundedRect(body.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)


def draw_pill(painter: QPainter, theme: Theme, body: QRectF, ground: str) -> None:
    """Paint a tint with round ends, with a line around it where the tint alone can hardly be seen."""
    color, edge = theme.color(ground), theme.edge(ground)
    painter.setPen(Qt.PenStyle.NoPen)
    if edge != color:
        painter.setPen(QPen(edge, 1))
        body = body.adjusted(0.5, 0.5, -0.5, -0.5)
    painter.setBrush(color)
    painter.drawRoundedRect(body, body.height() / 2, body.height() / 2)


def draw_rounded(painter: QPainter, body: QRectF, radius: float, color: QColor) -> None:
    """Paint a ground without a line around it."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    painter.drawRoundedRect(body, radius, radius)


def draw_ring(painter: QPainter, room: QRectF, share: float, color: QColor, ground: QColor, *, width: float) -> None:
    """Paint a ring with a line of ``width`` px, filled to ``share`` (0..1) from the top on, clockwise."""
    ring = room.adjusted(2.5, 2.5, -2.5, -2.5)
    pen = QPen(ground, width)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(pen)
    painter.drawEllipse(ring)
    if share > 0:
        pen.setColor(color)
        painter.setPen(pen)
        painter.drawArc(ring, 90 * 16, -max(1, round(share * 360 * 16)))


class Card(QFrame):
    """A bordered card on a page, drawn by the style sheet."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")


class Line(QFrame):
    """A line of 1 px between things."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("line")
        self.setFixedHeight(1)
