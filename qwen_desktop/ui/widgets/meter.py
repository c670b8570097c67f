"""A thin bar filled by a share: progress, or memory used of what is free."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QProgressBar, QWidget

from qwen_desktop.ui.theme import Theme, mark

_STEPS = 1000


class Meter(QProgressBar):
    """A progress bar of the style sheet, 5 px high, in a colour role."""

    def __init__(self, name: str, parent: QWidget | None = None, *, role: str = "accent") -> None:
        super().__init__(parent)
        self.setProperty("role", role)
        self.setAccessibleName(name)
        self.setTextVisible(False)
        self.setRange(0, _STEPS)

    def show_share(self, share: float, role: str = "") -> None:
        """Fill the bar to ``share`` (clamped to 0..1), in another colour role when one is given."""
        mark(self, "role", role or self.property("role"))
        value = round(max(0.0, min(1.0, share)) * _STEPS)
        if value != self.value():
            # Qt would paint at once, and with the bar all that is to be painted anew: with the next frame is enough.
            self.setUpdatesEnabled(False)
            self.setValue(value)
            self.setUpdatesEnabled(True)


def draw_meter(painter: QPainter, theme: Theme, room: QRectF, share: float, role: str) -> None:
    """Paint a meter 5 px high in the middle of ``room``, also into the row of a list."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    bar = QRectF(room.left(), room.center().y() - 2.5, room.width(), 5).adjusted(0.5, 0, -0.5, 0)
    path = QPainterPath()
    path.addRoundedRect(bar, 2.5, 2.5)
    painter.fillPath(path, theme.color("sunken"))
    if share > 0:
        painter.save()
        painter.setClipPath(path)
        full = max(3.0, bar.width() * share)
        ltr = painter.layoutDirection() is Qt.LayoutDirection.LeftToRight
        left = bar.left() if ltr else bar.right() - full
        painter.fillRect(QRectF(left, bar.top(), full, bar.height()), theme.color(role))
        painter.restore()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(theme.color("border"), 1))
    painter.drawPath(path)
    painter.restore()
