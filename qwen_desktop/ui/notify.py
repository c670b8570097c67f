"""The one door to toasts and dialogs. Nothing here waits: dialogs are opened, answers arrive by call."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QUrl, QUrlQuery, Signal
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

#: What an address may put into a mail. Some programs would attach a file that it names, too.
_OF_A_MAIL: Final = frozenset({"subject", "body", "cc"})


def _harmless(url: str) -> str:
    """An address; of a mail's only what it may be told."""
    target = QUrl(url, QUrl.ParsingMode.StrictMode)
    query = QUrlQuery(target)
    asked = {name for name, _ in query.queryItems() if name.lower() not in _OF_A_MAIL}
    if target.scheme() != "mailto" or not asked:
        return url
    for name in asked:
        query.removeAllQueryItems(name)
    target.setQuery(query)
    return target.toString(QUrl.ComponentFormattingOption.FullyEncoded)


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
        #: What can be undone, oldest first, each with when it was told.
        self._undoable: list[tuple[Toast, float]] = []

    def _dialog(self, title: str, text: str, *, width: int = 440) -> Dialog:
        return Dialog(self._theme, title, text, self._window, width=width)

    def undoable(self, text: str, undo: Callable[[], None]) -> Toast:
        """Show ``text`` with an Undo button; ``undo_last`` (Ctrl+Z) does the same while it is on show."""
        toast = self.toast(text, action=self.tr("Undo"), act=undo)
        self._undoable = [*self._offered, (toast, time.monotonic())]
        return toast

    @property
    def _offered(self) -> list[tuple[Toast, float]]:
        return [each for each in self._undoable if each[0] in self.toasts.shown]

    @property
    def undoable_since(self) -> float:
        """When the newest undo toast came, by the monotonic clock; 0 when none is on show."""
        return max((when for _, when in self._offered), default=0.0)

    def undo_last(self) -> None:
        """Undo what the newest undo toast offers, if one is on show."""
        if offered := self._offered:
            offered[-1][0].act()

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
        url = _harmless(url)
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
