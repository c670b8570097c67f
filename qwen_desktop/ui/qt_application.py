"""The application object, which hears what the system asks for: on macOS a file to open, everywhere to quit.

Finder gives a file that was double-clicked not on the command line but as an event, also to an app that runs already.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QFileOpenEvent
from PySide6.QtWidgets import QApplication

from qwen_desktop.ui.local_files import path_of
from qwen_desktop.ui.quit_reason import session_ends


class Application(QApplication):
    """Keeps what it is asked to open until somebody listens; ``file_opened`` tells the path from then on."""

    file_opened = Signal(object)
    #: the session is over: all must be saved when the emission returns
    session_over = Signal()
    #: somebody chose Quit outside the window (the Dock's menu)
    quit_chosen = Signal()

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self._waiting: list[str] | None = []

    def event(self, event: QEvent) -> bool:
        """Take the file; everything else goes its usual way. A subclass and not an event filter, which would see all
        events of all widgets in Python."""
        if isinstance(event, QFileOpenEvent) and event.file():
            path = path_of(event.url()) if event.url().isLocalFile() else event.file()
            if self._waiting is None:
                self.file_opened.emit(path)
            else:
                self._waiting.append(path)
            return True
        if event.type() is QEvent.Type.Quit:
            # Qt would close the windows and give up when one has a question.
            if session_ends():
                self.session_over.emit()
                event.accept()
            else:
                self.quit_chosen.emit()
                event.ignore()  # the window ends the run when it wants to
            return True
        return super().event(event)

    def take(self) -> tuple[str, ...]:
        """What was asked for so far; from now on ``file_opened`` tells."""
        found, self._waiting = tuple(self._waiting or ()), None
        return found
