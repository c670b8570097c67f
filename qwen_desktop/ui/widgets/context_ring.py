"""The small ring that shows how much of the context is used."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.surface import draw_ring

#: Shares of the context from which the ring turns to warn and to bad.
WARN_AT = 0.80
BAD_AT = 0.95


class ContextRing(QWidget):
    """A ring filled by ``share`` (0..1) of the context."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._share = 0.0
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        side = self._theme.grown(16)
        return QSize(side, side)

    @property
    def role(self) -> str:
        """The colour role of the filled part."""
        if self._share >= BAD_AT:
            return "bad"
        return "warn" if self._share >= WARN_AT else "accent"

    def set_share(self, share: float) -> None:
        """Show another share; values outside 0..1 are clamped."""
        share = min(1.0, max(0.0, share))
        if share != self._share:
            self._share = share
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color, ground = self._theme.color(self.role), self._theme.color("border")
        draw_ring(painter, QRectF(self.rect()), self._share, color, ground, width=2.6)
