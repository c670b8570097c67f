"""What lies over the page while something is dragged over the window: that it can be dropped, and what comes of it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from qwen_desktop.ui import icons
from qwen_desktop.ui.theme import Theme

#: Between the edge of the page and the dashed line, in px, and how much of the page shows through.
_AIR, _VEIL = 14, 0.88


class DropSign(QWidget):
    """Covers its parent. It takes no events: what is dropped goes to the window."""

    def __init__(self, theme: Theme, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._theme = theme
        self._words = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        over.installEventFilter(self)

    def say(self, on: bool, words: str) -> None:
        """Be there with these words, or not."""
        self._words = words
        self.setAccessibleName(words)
        self.setGeometry(self._over.rect())
        self.setVisible(on)
        self.raise_()
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Resize:
            self.setGeometry(self._over.rect())
        return super().eventFilter(watched, event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(self._theme.color("window"))
        veil.setAlphaF(_VEIL)
        painter.fillRect(self.rect(), veil)
        accent = self._theme.color("accent")
        painter.setPen(QPen(accent, 2, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        radius = self._theme.radius("card")
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(_AIR, _AIR, -_AIR, -_AIR), radius, radius)
        font = self._theme.font("message", weight=600)
        side, line = self._theme.grown(28), QFontMetrics(font).height()
        top = (self.height() - side - 10 - line) // 2
        sign = icons.pixmap("file-up", accent, side, self.devicePixelRatioF())
        painter.drawPixmap((self.width() - side) // 2, top, sign)
        painter.setFont(font)
        painter.setPen(self._theme.color("text"))
        place = QRect(2 * _AIR, top + side + 10, self.width() - 4 * _AIR, line)
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, self._words)
