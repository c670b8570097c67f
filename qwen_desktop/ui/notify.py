"""The one door to toasts and dialogs. Nothing here waits: dialogs are opened, answers arrive by call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRect, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from qwen_desktop.core.commands import COMMANDS
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.text import Text
from qwen_desktop.ui import texts
from qwen_desktop.ui.theme import Theme

if TYPE_CHECKING:
    from qwen_desktop.ui.widgets.dialog import Dialog
    from qwen_desktop.ui.widgets.toast import Toast, ToastStack


class Notify(QObject):
    """Tells the user things. ``action_requested`` carries the command id of a pressed button."""

    action_requested = Signal(str)

    def __init__(self, theme: Theme, window: QWidget) -> None:
        super().__init__(window)
        self._theme = theme
        self._window = window
        self._stack: ToastStack | None = None
        self._room: Callable[[], QRect] | None = None
        self._undo: tuple[Toast, Callable[[], None]] | None = None

    def set_room(self, room: Callable[[], QRect]) -> None:
        """Say where toasts may stand, in the window's coordinates."""
        self._room = room
        if self._stack is not None:
            self._stack.room = room
            self._stack.arrange()

    @property
    def toasts(self) -> tuple[Toast, ...]:
        """The toasts on show, oldest first."""
        return () if self._stack is None else self._stack.toasts

    def arrange(self) -> None:
        """Put the toasts where there is room now."""
        if self._stack is not None:
            self._stack.arrange()

    def toast(
        self,
        text: str,
        *,
        kind: str = "info",
        action: str = "",
        act: Callable[[], None] | None = None,
        stays: bool = False,
    ) -> Toast:
        """Show ``text`` for some seconds (with ``stays`` until it is closed), with a button when ``action`` and
        ``act`` are given."""
        if self._stack is None:
            from qwen_desktop.ui.widgets.toast import ToastStack  # noqa: PLC0415 - not before the first paint

            self._stack = ToastStack(self._theme, self._window)
            if self._room is not None:
                self._stack.room = self._room
        return self._stack.add(text, kind=kind, action=action, act=act, stays=stays)

    def _dialog(self, title: str, text: str, *, width: int = 440) -> Dialog:
        from qwen_desktop.ui.widgets.dialog import Dialog  # noqa: PLC0415 - not before the first paint

        return Dialog(self._theme, title, text, self._window, width=width)

    def undoable(self, text: str, undo: Callable[[], None]) -> Toast:
        """Show ``text`` with an Undo button; ``undo_last`` (Ctrl+Z) does the same while it is on show."""
        toast = self.toast(text, action=self.tr("Undo"), act=undo)
        self._undo = (toast, undo)
        toast.closed.connect(lambda: self._forget(toast))
        return toast

    def undo_last(self) -> bool:
        """Undo what the newest undo toast offers; False when none is on show."""
        if self._undo is None:
            return False
        self._undo[0].act()
        return True

    def _forget(self, toast: Toast) -> None:
        if self._undo is not None and self._undo[0] is toast:
            self._undo = None

    def told(self, text: Text, action: str = "", hint: Text | None = None) -> None:
        """Show a service's remark; ``action`` is a command id or empty. One with a ``hint`` stays until closed."""
        label = next((texts.marked(c.title) for c in COMMANDS if c.id == action), "")
        said = texts.text(text) if hint is None else f"{texts.text(text)} {texts.text(hint)}"
        act = (lambda: self.action_requested.emit(action)) if label else None
        self.toast(said, action=label, act=act, stays=hint is not None)

    def problem(self, problem: Problem) -> None:
        """Show a failure: a toast for what can be mended in passing, a dialog with folded details for our faults."""
        if problem.kind != "bug" and not problem.details:
            label = next((texts.marked(c.title) for c in COMMANDS if c.id == problem.action), "")
            self.toast(
                texts.problem(problem),
                kind="bad",
                action=label,
                act=(lambda: self.action_requested.emit(problem.action)) if label else None,
            )
            return
        dialog = self._dialog(texts.text(problem.what), texts.text(problem.hint) if problem.hint else "")
        if problem.details:
            details = QPlainTextEdit(problem.details, dialog)
            details.setObjectName("details")
            details.setAccessibleName(self.tr("Details"))
            details.setReadOnly(True)
            details.setMinimumHeight(120)
            dialog.fold(self.tr("Show details"), details)
        dialog.add_button(self.tr("Close"), kind="primary", default=True)
        dialog.open()

    def ask(self, title: str, text: str, yes: str, act: Callable[[], None], *, no: str = "") -> Dialog:
        """Ask before something that cannot be taken back; ``act`` runs after a yes."""
        dialog = self._dialog(title, text)
        dialog.add_button(no or self.tr("Cancel"))
        dialog.add_button(yes, act, kind="primary", default=True)
        dialog.open()
        return dialog

    def link(self, url: str) -> Dialog:
        """Show an address that a model wrote, and open it only when the user says so."""
        target = QUrl(url, QUrl.ParsingMode.StrictMode)
        allowed = target.isValid() and target.scheme() in ("http", "https", "mailto")
        dialog = self._dialog(
            self.tr("Open this address in the browser?") if allowed else self.tr("This address cannot be opened."),
            self.tr("It leads out of this app, to the network.") if allowed else "",
            width=520,
        )
        address = QPlainTextEdit(url, dialog)
        address.setObjectName("details")
        address.setAccessibleName(self.tr("Address"))
        address.setReadOnly(True)
        address.setMaximumHeight(84)
        dialog.body.addWidget(address)
        dialog.add_button(self.tr("Copy"), lambda: QGuiApplication.clipboard().setText(url))
        dialog.add_button(self.tr("Cancel"), default=not allowed)
        if allowed:
            dialog.add_button(self.tr("Open"), lambda: self._open(target), kind="primary", default=True)
        dialog.open()
        return dialog

    def _open(self, target: QUrl) -> None:
        if not QDesktopServices.openUrl(target):
            self.toast(self.tr("No program on this computer opens that address."), kind="bad")
