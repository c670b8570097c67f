"""What the window shows for a blink before its first page is built: grounds and lines, nothing that moves."""

from __future__ import annotations

from PySide6.QtCore import QRect
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.ui.theme import Theme


class Skeleton(QWidget):
    """The chat page's grounds, or the plain page where the welcome comes."""

    def __init__(self, theme: Theme, parent: QWidget | None = None, *, with_list: bool) -> None:
        super().__init__(parent)
        self._theme = theme
        self._with_list = with_list

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), self._theme.color("window"))
        if not self._with_list:
            return
        width = self._theme.size("sidebar_width")
        painter.fillRect(QRect(0, 0, width, self.height()), self._theme.color("sidebar"))
        painter.fillRect(QRect(width, 0, 1, self.height()), self._theme.color("border"))
        header = self._theme.scaled("control_height") + 17
        painter.fillRect(QRect(width + 1, header, self.width(), 1), self._theme.color("border"))
