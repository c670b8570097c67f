"""A tick box with its words, drawn from the theme."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Theme


class Tick(QAbstractButton):
    """On or off, with its name beside it, cut with … where the room ends."""

    def __init__(self, theme: Theme, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setText(text)
        self.setAccessibleName(text)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(self._theme.font("body", weight=500))
        return QSize(metrics.horizontalAdvance(self.text()) + 30, max(28, metrics.height() + 8))

    def minimumSizeHint(self) -> QSize:
        return QSize(80, self.sizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        theme = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        on, enabled = self.isChecked(), self.isEnabled()
        box = QRectF(1, (self.height() - 16) / 2, 16, 16)
        quiet = "text_faint" if enabled else "disabled_text"
        painter.setPen(QPen(theme.color("accent" if on and enabled else quiet), 1.5))
        painter.setBrush(
            theme.color("accent" if on and enabled else "hover" if self.underMouse() and enabled else "surface")
        )
        painter.drawRoundedRect(box.adjusted(0.75, 0.75, -0.75, -0.75), 4, 4)
        if on:
            sign = icons.pixmap("check", theme.color("on_accent" if enabled else quiet), 14, self.devicePixelRatioF())
            painter.drawPixmap(round(box.left() + 1), round(box.top() + 1), sign)
        painter.setFont(theme.font("body", weight=500))
        painter.setPen(theme.color("text" if enabled else "text_muted"))
        room = QRectF(26, 0, self.width() - 26, self.height())
        shown = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
