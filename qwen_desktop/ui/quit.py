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
        """The user wants the app to end: asked about first while answers run, or a model is made smaller."""
        if self._begun or self.question is not None:
            return
        services = self._window.ui.services
        running = len(services.chat.running())
        if not running and not services.quantizing.running:
            self.now()
            return
        title = self.tr("(An answer is|%n answers are) still running", "", running)
        text = self.tr("Closing the window stops this; what was said so far is kept.")
        if services.quantizing.running:
            title = title if running else self.tr("A model is being made smaller")
            begun = self.tr("Closing the window stops making a model smaller; what is not finished is removed.")
            text = f"{text} {begun}" if running else begun
        self.question = self._window.notify.ask(
            title,
            text,
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
