"""Below the storage settings: making a backup of the chats, and restoring one when the app starts the next time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.errors import AppError, problem_of
from qwen_desktop.ui import texts
from qwen_desktop.ui.file_dialogs import ask_for_file, ask_where
from qwen_desktop.ui.operation import while_alive
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Label, Paragraph, said
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.surface import Card


class BackupsCard(Card):
    """Back up and Restore, with progress; below them the backup that waits for the next start, if one does."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._backups = ui.services.backups
        self._task: asyncio.Task[object] | None = None
        self._doing = ""
        theme = ui.theme
        self.title = Label(theme, self.tr("Back up and restore"), self, weight=500)
        note = self.tr("One file with all chats and what is attached to them. It is not encrypted: keep it safe.")
        self.note = Paragraph(theme, note, self, role="small", color="text_muted")
        self.back_up = TextButton(theme, self.tr("Back up…"), self, icon="file-up")
        self.back_up.clicked.connect(self._choose_target)
        self.restore = TextButton(theme, self.tr("Restore…"), self, icon="rotate-ccw")
        self.restore.clicked.connect(self._choose_source)
        self.progress = QWidget(self)
        self.line = Label(theme, "", self.progress, role="small", color="text_muted", tabular=True)
        self.meter = Meter(self.tr("Backup"), self.progress)
        self.stop = TextButton(theme, self.tr("Cancel"), self.progress, kind="link")
        self.stop.clicked.connect(self._stop)
        self.problem = Paragraph(theme, "", self, role="small", color="bad")
        self.waiting = QWidget(self)
        waits = self.tr("The backup was checked. It replaces your chats when the app starts the next time.")
        self.waits = Paragraph(theme, waits, self.waiting, role="small")
        self.quit = TextButton(theme, self.tr("Quit now"), self.waiting)
        self.quit.clicked.connect(lambda: ui.notify.action_requested.emit("app.quit"))
        self.keep = TextButton(theme, self.tr("Do not restore"), self.waiting)
        self.keep.clicked.connect(self._give_up)
        for part in (self.progress, self.problem, self.waiting):
            part.hide()
        words = said(theme, self, self.title, self.note)
        column(row((self.line, 1), self.stop), self.meter, on=self.progress, gap=4)
        row((self.waits, 1), (self.quit, MIDDLE), (self.keep, MIDDLE), on=self.waiting, gap=8)
        top = row((column(None, words, None, gap=0), 1), column(self.back_up, self.restore, gap=8), gap=16)
        column(top, self.progress, self.problem, self.waiting, on=self, gap=10, margins=(18, 13, 18, 13))

    def matches(self, asked: str) -> bool:
        """Whether a search in the settings means this card."""
        labels = (self.title.text(), self.note.text(), self.back_up.text(), self.restore.text())
        text = " ".join(labels).casefold()
        return all(word in text for word in asked.casefold().split())

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._ui.operations.run(
            self._backups.pending(),
            owner=self,
            orphaned="quiet",
            on_done=self.waiting.setVisible,
            on_error=lambda _error: True,
            wish="backup.pending",
        )

    # Asking --------------------------------------------------------------------------------------------------------

    def _choose_target(self) -> None:
        kinds, name = [self.tr("Backups (*.zip)")], self._backups.default_name
        ask_where(self.window(), self.tr("Back up all chats"), kinds, name, lambda path: self.make(Path(path)))

    def _choose_source(self) -> None:
        kinds = [self.tr("Backups (*.zip)")]
        ask_for_file(self.window(), self.tr("Restore a backup"), kinds, lambda path: self.ask(Path(path)))

    def ask(self, source: Path) -> None:
        """Ask before the chats of ``source`` take the place of those there are."""
        text = self.tr(
            "The chats in {name} replace all chats that you have now. Those are kept as a backup of their own, in the "
            "folder “backups” of the data folder."
        )
        text = texts.fill(text, name=texts.isolated(source.name))
        self._ui.notify.ask(self.tr("Restore the backup?"), text, self.tr("Restore"), lambda: self.check(source))

    # Doing ---------------------------------------------------------------------------------------------------------

    def make(self, target: Path) -> None:
        """Make a backup at ``target``."""

        def done(made: Any) -> None:
            text = self.tr("%n chat(s) backed up as {name}, {size}.", "", made.conversations)
            text = texts.fill(text, name=texts.isolated(made.path.name), size=texts.exact(made.size))
            if made.missing:
                gone = self.tr(
                    "%n attachment(s) (was|were) not there any more, or damaged on the disk.", "", made.missing
                )
                text = f"{text} {gone}"
            self._ui.notify.toast(text, kind="good", stays=bool(made.missing))

        report = while_alive(self, self._report)
        self._begin(self.tr("Backing up"), self._backups.make(target, report, replace=True), done)

    def check(self, source: Path) -> None:
        """Check the backup ``source`` and have it restored at the next start."""
        report = while_alive(self, self._report)
        self._begin(self.tr("Checking the backup"), self._backups.prepare(source, report), self._show_waiting)

    def _begin(self, doing: str, work: Coroutine[Any, Any, Any], done: Any) -> None:
        self._doing = doing
        self.problem.hide()
        self._report(0, 0)
        self.progress.show()
        self.restore.setEnabled(False)
        self._task = self._ui.operations.run(
            work, owner=self, busy=self.back_up, on_done=done, on_error=self._failed, on_end=self._ended
        )

    def _show_waiting(self, _prepared: object) -> None:
        self.waiting.show()

    def _give_up(self) -> None:
        self._ui.operations.run(
            self._backups.give_up(), owner=self, busy=self.keep, on_done=lambda _: self.waiting.hide()
        )

    def _report(self, done: int, total: int) -> None:
        share = done / total if total else 0.0
        self.meter.show_share(share)
        line = texts.fill(self.tr("{doing}: {percent}"), doing=self._doing, percent=texts.percent(share))
        self.line.setText(line if total else self._doing)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _ended(self) -> None:
        self._task = None
        self.progress.hide()
        self.restore.setEnabled(True)

    def _failed(self, error: BaseException) -> bool:
        if not isinstance(error, AppError | OSError):
            return False
        self.problem.setText(texts.problem(problem_of(error)))
        self.problem.show()
        return True
