"""The end of the run, which is not the end of the window: a click on close only means it for now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QDialog

if TYPE_CHECKING:
    from qwen_desktop.ui.main_window import MainWindow
    from qwen_desktop.ui.widgets.dialog import Dialog

#: How long an end waits for what was just asked for (a rename, a setting), in seconds.
_SETTLE_S = 1.0


class Quit(QObject):
    """``finished`` says that the app may end."""

    finished = Signal()

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._begun = False
        #: the question that is open while answers run
        self.question: Dialog | None = None

    def ask(self) -> None:
        """The user wants the app to end: asked about first while answers run."""
        if self._begun or self.question is not None:
            return
        if not (running := len(self._window.ui.services.chat.running())):
            self.now()
            return
        self.question = self._window.notify.ask(
            self.tr("(An answer is|%n answers are) still running", "", running),
            self.tr("Closing the window stops this; what was said so far is kept."),
            self.tr("Stop and close"),
            self.now,
            no=self.tr("Go on"),
        )
        self.question.finished.connect(self._answered)

    def now(self, settle: float = _SETTLE_S) -> None:
        """End without a question, whatever is open: at the session's end nobody may be there to answer.

        ``settle`` is how long what was just asked for is waited for, in seconds.
        """
        if not self._begun:
            self._begun = True
            self._window.save_state()
            self._window.operations.run(self._end(settle), owner=self)

    def _answered(self) -> None:
        self.question = None

    async def _end(self, settle: float) -> None:
        """Let what is being saved be saved, then say that the app may end."""
        window = self._window
        if (focused := window.focusWidget()) is not None:
            focused.clearFocus()  # fields take over what was typed when they are left
        for asked in window.findChildren(QDialog):
            asked.reject()  # whoever waits for its answer gets one
        window.leave()
        await window.operations.settle(settle)
        window.operations.close()
        window.gc_timer.stop()
        self.finished.emit()
