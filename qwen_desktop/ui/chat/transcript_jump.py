"""The round button that appears while the end of the conversation is out of view."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from qwen_desktop.ui.icons import pixmap
from qwen_desktop.ui.theme import Theme

_SIDE = 36


class JumpButton(QAbstractButton):
    """An arrow down in a circle, floating over the transcript."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setFixedSize(_SIDE + 4, _SIDE + 4)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setAccessibleName(self.tr("Jump to the end"))
        self.setToolTip(self.tr("Jump to the end"))
        self.hide()

    def show_at(self, area: QRect, *, shown: bool) -> None:
        """Stand in the middle of the lower edge of ``area``, or hide."""
        if shown:
            self.move(area.center().x() - self.width() // 2, area.bottom() - self.height() - 8)
            self.raise_()
        self.setVisible(shown)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        circle = QRectF(2.5, 2.5, _SIDE - 1, _SIDE - 1)
        painter.setPen(QPen(self._theme.color("border_strong"), 1))
        painter.setBrush(self._theme.color("hover" if self.underMouse() else "surface"))
        painter.drawEllipse(circle)
        picture = pixmap("arrow-down", self._theme.color("text_muted"), 18, self.devicePixelRatioF())
        painter.drawPixmap(QPointF(self.width() / 2 - 9, self.height() / 2 - 9), picture)
