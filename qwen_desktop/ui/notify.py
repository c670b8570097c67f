"""The one door to toasts and dialogs. Nothing here waits: dialogs are opened, answers arrive by call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.addresses import address, visible
from qwen_desktop.core.commands import COMMANDS
from qwen_desktop.core.errors import Problem
from qwen_desktop.services.events import Notified
from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import url_of
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText
from qwen_desktop.ui.widgets.labels import Paragraph
from qwen_desktop.ui.widgets.toast import Toast, ToastStack


class Notify(QObject):
    """Tells the user things, in ``toasts`` and dialogs. ``action_requested`` carries the command id of a pressed
    button."""

    action_requested = Signal(str)

    def __init__(self, theme: Theme, window: QWidget) -> None:
        super().__init__(window)
        self._theme = theme
        self._window = window
        self.toasts = ToastStack(theme, window)
        #: Shows a text; see ``ToastStack.add``.
        self.toast = self.toasts.add
        self._undo: Toast | None = None

    def _dialog(self, title: str, text: str, *, width: int = 440) -> Dialog:
        return Dialog(self._theme, title, text, self._window, width=width)

    def undoable(self, text: str, undo: Callable[[], None]) -> Toast:
        """Show ``text`` with an Undo button; ``undo_last`` (Ctrl+Z) does the same while it is on show."""
        self._undo = toast = self.toast(text, action=self.tr("Undo"), act=undo)
        return toast

    def undo_last(self) -> None:
        """Undo what the newest undo toast offers, if one is on show."""
        if self._undo is not None and self._undo in self.toasts.shown:
            self._undo.act()

    def told(self, remark: Notified) -> None:
        """Show what a service has to say. One with a hint stays until it is closed."""
        said = " ".join(texts.text(text) for text in (remark.text, remark.hint) if text is not None)
        self._with_command(said, remark.action, stays=remark.hint is not None)

    def _with_command(self, text: str, command: str | None, *, kind: str = "info", stays: bool = False) -> None:
        """A toast with a button for a command of the table, without one for anything else."""
        label = next((texts.marked(c.title) for c in COMMANDS if c.id == command), "")
        act = (lambda: self.action_requested.emit(command)) if label else None
        self.toast(text, kind=kind, action=label, act=act, stays=stays)

    def problem(self, problem: Problem) -> None:
        """Show a failure: a toast for what can be mended in passing, a dialog with folded details for our faults."""
        if problem.kind != "bug" and not problem.details:
            self._with_command(texts.problem(problem), problem.action, kind="bad")
            return
        dialog = self._dialog(texts.text(problem.what), texts.text(problem.hint) if problem.hint else "")
        if problem.details:
            details = ReadOnlyText(problem.details, self.tr("Details"), dialog, tallest=200)
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
        """Show an address that a model wrote, and where it really leads; open it only when the user says so."""
        target = QUrl(url, QUrl.ParsingMode.StrictMode)
        allowed = target.isValid() and target.scheme() in ("http", "https", "mailto")
        dialog = self._dialog(
            self.tr("Open this address in the browser?") if allowed else self.tr("This address cannot be opened."),
            self.tr("It leads out of this app, to the network.") if allowed else "",
            width=520,
        )
        warned = self._add_host(dialog, target, url) if allowed else False
        dialog.body.addWidget(ReadOnlyText(visible(url), self.tr("Address"), dialog, tallest=84))
        dialog.add_button(self.tr("Copy"), lambda: QGuiApplication.clipboard().setText(url))
        dialog.add_button(self.tr("Cancel"), default=not allowed or warned)
        if allowed:
            open_ = partial(self._open, target)
            dialog.add_button(self.tr("Open"), open_, kind="" if warned else "primary", default=not warned)
        dialog.open()
        return dialog

    def _add_host(self, dialog: Dialog, target: QUrl, url: str) -> bool:
        """Say in a dialog which computer an address leads to; whether something about it may deceive."""
        host = target.host(QUrl.ComponentFormattingOption.FullyEncoded) or target.path().rpartition("@")[2]
        found = address(host, target.userInfo(), url)
        name = Paragraph(self._theme, found.host, dialog, role="message", weight=600)
        name.setAccessibleName(texts.fill(self.tr("It leads to {host}"), host=found.host))
        dialog.body.addWidget(name)
        if found.reads and not found.alike:
            dialog.body.addWidget(Paragraph(self._theme, visible(found.reads), dialog, color="text_muted"))
        warnings = []
        if found.before:
            said = self.tr("What stands before the @ ({name}) is not where it leads.")
            warnings.append(texts.fill(said, name=texts.isolated(visible(found.before)[:80])))
        if found.alike:
            said = self.tr("It reads “{name}”, with letters of another alphabet that look like Latin ones.")
            warnings.append(texts.fill(said, name=texts.isolated(visible(found.reads))))
        if found.hidden:
            warnings.append(self.tr("It holds signs that cannot be seen."))
        for text in warnings:
            dialog.body.addWidget(Paragraph(self._theme, text, dialog, color="bad"))
        return found.deceives

    def folder(self, path: Path) -> None:
        """Show a folder in the system's file manager."""
        if not QDesktopServices.openUrl(url_of(path)):
            self.toast(self.tr("No program on this computer shows folders."), kind="bad")

    def _open(self, target: QUrl) -> None:
        if not QDesktopServices.openUrl(target):
            self.toast(self.tr("No program on this computer opens that address."), kind="bad")
