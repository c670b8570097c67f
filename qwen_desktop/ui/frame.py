"""The window's frame: what a first paint needs, and nothing more.

It comes up before the services, the event loop and the pages are imported, with the grounds of the last run, so that
the window is there almost as soon as an empty one would be. ``MainWindow`` fills it.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QMainWindow

from qwen_desktop.ui import window_state

#: Width of the rail in px, as in tokens.json (which is not read this early).
_RAIL = 68


class Frame(QMainWindow):
    """A window with its last geometry and, until it has content, the last run's grounds."""

    def __init__(self, state_file: Path) -> None:
        super().__init__()
        self._state_file = state_file
        self._state = window_state.read(state_file)
        self.setMinimumSize(QSize(520, 420))
        # Never larger than the screen: with a scale of 200 % a laptop's is not.
        self.resize(QSize(1280, 820).boundedTo(self.screen().availableSize()))
        blob = self._state.blob()
        if blob:
            self.restoreGeometry(blob)

    def keep_state(self, sidelist: int, grounds: dict[str, str]) -> None:
        """Remember geometry, the side list's width in px (0 for the last one) and the grounds by their role."""
        blob = bytes(self.saveGeometry().data())
        window_state.write(self._state_file, blob, sidelist or self._state.list_width, grounds)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.centralWidget() is not None:
            super().paintEvent(event)
            return
        painter = QPainter(self)
        grounds = self._state.grounds
        painter.fillRect(self.rect(), QColor(grounds.get("window", self.palette().window().color().name())))
        if grounds:
            painter.fillRect(QRect(0, 0, _RAIL, self.height()), QColor(grounds.get("rail", "")))
            painter.fillRect(QRect(_RAIL - 1, 0, 1, self.height()), QColor(grounds.get("border", "")))
