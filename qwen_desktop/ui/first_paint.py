"""The window's frame: what a first paint needs, and nothing more.

It comes up before the services, the event loop and the pages are imported, with the grounds of the last run, so that
the window is there almost as soon as an empty one would be. ``MainWindow`` fills it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import structs
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QMainWindow

from qwen_desktop.ui.window_state import StateFile

#: Room for a title bar and borders around the window, in px.
_BORDERS = QSize(16, 44)


class FirstPaintWindow(QMainWindow):
    """A window with its last geometry and, until it has content, the last run's grounds."""

    def __init__(self, state_file: Path) -> None:
        super().__init__()
        self._state_file = StateFile(state_file)
        #: What the last run kept.
        self.state = self._state_file.read()
        self.setMinimumSize(QSize(520, 420))
        # Never larger than the screen, which a laptop's is not with a scale of 200 %; the system's title bar and
        # borders, whose size is known only once they are drawn, stand on it too.
        self.resize(QSize(1280, 820).boundedTo(self.screen().availableSize() - _BORDERS))
        self.restoreGeometry(self.state.geometry)

    def keep_state(self, sidelist: int, rail: int, grounds: dict[str, str]) -> None:
        """Remember geometry, the widths in px of the side list (0 for the last one) and the rail, and the grounds by
        their role."""
        self.state = structs.replace(
            self.state,
            geometry=bytes(self.saveGeometry().data()),
            sidelist=sidelist or self.state.list_width,
            rail=rail,
            grounds=grounds,
        )
        self._state_file.writing(self.state)()

    def keep_conversation(self, conversation_id: str) -> Callable[[], None] | None:
        """Remember which conversation is open. Returns the work of writing it, for a thread; None where it is known."""
        if not conversation_id or conversation_id == self.state.conversation:
            return None
        self.state = structs.replace(self.state, conversation=conversation_id)
        return self._state_file.writing(self.state)

    def keep_folders(self, folders: tuple[str, ...]) -> Callable[[], None] | None:
        """Remember which folders are open; as ``keep_conversation``."""
        if folders == self.state.folders:
            return None
        self.state = structs.replace(self.state, folders=folders)
        return self._state_file.writing(self.state)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.centralWidget() is not None:
            super().paintEvent(event)
            return
        painter = QPainter(self)
        grounds = self.state.grounds
        painter.fillRect(self.rect(), QColor(grounds.get("window", self.palette().window().color().name())))
        if grounds:
            # By hand: to import QStyle takes 12 ms, and nothing else needs it before the first paint.
            mirrored = self.layoutDirection() is Qt.LayoutDirection.RightToLeft
            rail = self.state.rail_width
            for start, width, role in ((0, rail, "rail"), (rail - 1, 1, "border")):
                left = self.width() - start - width if mirrored else start
                painter.fillRect(QRect(left, 0, width, self.height()), QColor(grounds.get(role, "")))
