"""A thin bar filled by a share: progress, or memory used of what is free."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QProgressBar, QSizePolicy, QWidget

from qwen_desktop.ui.theme import Theme

_STEPS = 1000


class Meter(QProgressBar):
    """A progress bar (so that screen readers read it) drawn 5 px high in a colour role."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None, *, role: str = "accent") -> None:
        super().__init__(parent)
        self._theme = theme
        self._role = role
        self.setObjectName("meter")
        self.setAccessibleName(name)
        self.setTextVisible(False)
        self.setRange(0, _STEPS)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(80, 7)

    def minimumSizeHint(self) -> QSize:
        return QSize(24, 7)

    @property
    def share(self) -> float:
        """The filled part, 0..1."""
        return self.value() / _STEPS

    @property
    def role(self) -> str:
        """The colour role of the filled part."""
        return self._role

    def show_share(self, share: float, role: str = "") -> None:
        """Fill the bar to ``share`` (clamped to 0..1), in another colour role when one is given."""
        if role and role != self._role:
            self._role = role
            self.update()
        self.setValue(round(max(0.0, min(1.0, share)) * _STEPS))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        draw_meter(painter, self._theme, QRectF(self.rect()), self.share, self._role)


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
        painter.fillRect(QRectF(bar.left(), bar.top(), max(3.0, bar.width() * share), bar.height()), theme.color(role))
        painter.restore()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(theme.color("border"), 1))
    painter.drawPath(path)
    painter.restore()
