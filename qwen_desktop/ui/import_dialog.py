"""Import: how far it is, and what came of it. All of a file's chats come in, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget

from qwen_desktop.core.exchange import Imported
from qwen_desktop.core.paths import home
from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import path_of
from qwen_desktop.ui.operation import end_with, while_alive
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText
from qwen_desktop.ui.widgets.labels import Paragraph
from qwen_desktop.ui.widgets.meter import Meter


def ask_for_file(ui: UiContext, window: QWidget) -> None:
    """Let the user pick a file and import it."""
    dialog = QFileDialog(window, translate("ImportDialog", "Import chats"), str(home() or ""))
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    kinds = translate("ImportDialog", "Exports of chats (*.json *.zip *.jsonl)")
    dialog.setNameFilters([kinds, translate("ImportDialog", "All files (*)")])
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.urlSelected.connect(lambda url: ImportDialog(ui, window, Path(path_of(url))).begin())
    dialog.open()


class ImportDialog(Dialog):
    """Imports ``path``; closing it meanwhile stops the import, of which then nothing is left."""

    def __init__(self, ui: UiContext, parent: QWidget, path: Path) -> None:
        super().__init__(ui.theme, translate("ImportDialog", "Import chats"), "", parent, width=460)
        self._ui = ui
        self._path = path
        self._work: asyncio.Task[Imported] | None = None
        theme = ui.theme
        reading = texts.fill(self.tr("Reading {name}…"), name=texts.isolated(path.name))
        self.state = Paragraph(theme, reading, self)
        self.meter = Meter(self.tr("How far the import is"), self)
        self.results = [Paragraph(theme, "", self, color="text_muted") for _ in range(3)]
        self.reasons = ReadOnlyText("", self.tr("What could not be read"), self, tallest=160)
        for part in (*self.results, self.reasons):
            part.hide()
        for widget in (self.state, self.meter, *self.results, self.reasons):
            self.body.addWidget(widget)
        self.undo_button = self.add_button(self.tr("Undo the import"), self._undo)
        self.undo_button.hide()
        self.close_button = self.add_button(self.tr("Cancel"), kind="primary", default=True)

    def offer(self, instead: Callable[[], None] | None = None) -> None:
        """Ask first: the file was dropped on the window. ``instead`` attaches it, where that may be meant."""
        asked = texts.fill(self.tr("Import the chats of {name}?"), name=texts.isolated(self._path.name))
        self.state.setText(asked)
        self.meter.hide()
        attach = self.add_button(self.tr("Attach it"), instead) if instead is not None else None
        go = self.add_button(self.tr("Import"), kind="primary", default=True, closes=False)

        def begin() -> None:
            go.hide()
            if attach is not None:
                attach.hide()
            self.begin()

        go.clicked.connect(begin)
        self.open()

    def begin(self) -> None:
        """Import the file."""
        reading = texts.fill(self.tr("Reading {name}…"), name=texts.isolated(self._path.name))
        self.state.setText(reading)
        self.meter.show()
        work = self._ui.services.imports.run(self._path, progress=while_alive(self, self._tell))
        self._work = self._ui.operations.run(work, owner=self, on_done=self.show_result, on_error=self._failed)
        end_with(self, self._work)
        if self.isVisible():
            self.adjustSize()
        else:
            self.open()

    def show_result(self, found: Imported) -> None:
        """What came of it."""
        self._work = None
        self.meter.hide()
        came = _count(translate("ImportDialog", "%n chat(s) came in.", "", found.conversations), found.conversations)
        with_messages = _count(translate("ImportDialog", "%n message(s).", "", found.messages), found.messages)
        self.state.setText(f"{came} {with_messages}" if found.conversations else self._nothing(found))
        lines = []
        if found.conversations and found.already:
            lines.append(_count(self.tr("%n chat(s) (was|were) there already.", "", found.already), found.already))
        if found.copies:
            said = self.tr("%n chat(s) came in as a copy, since the one here differs.", "", found.copies)
            lines.append(_count(said, found.copies))
        if found.skipped:
            lines.append(_count(self.tr("%n item(s) could not be read.", "", found.skipped), found.skipped))
        for place, line in zip(self.results, lines, strict=False):
            place.setText(line)
            place.show()
        if found.reasons:
            self.reasons.setPlainText("\n".join(map(texts.text, found.reasons)))
            self.reasons.show()
        self._found = found
        self.undo_button.setVisible(found.conversations > 0)
        self.close_button.setText(self.tr("Close"))
        self.adjustSize()

    def _nothing(self, found: Imported) -> str:
        if found.already:
            return self.tr("All of its chats were there already.")
        return self.tr("There are no chats in this file.")

    def _undo(self) -> None:
        imports, ui = self._ui.services.imports, self._ui
        done: Callable[[object], object] = lambda _: ui.notify.toast(  # noqa: E731
            translate("ImportDialog", "The imported chats are gone again.")
        )
        ui.operations.run(imports.undo(self._found), owner=ui.notify, on_done=done)

    def _failed(self, _error: BaseException) -> bool:
        self._work = None
        self.close()
        return False

    def _tell(self, done: int, total: int) -> None:
        self.meter.show_share(done / max(1, total))

    def reject(self) -> None:
        """Esc and Cancel: an import that runs leaves nothing."""
        if self._work is not None:
            self._work.cancel()
        super().reject()


def _count(sentence: str, n: int) -> str:
    return sentence.replace("%n", texts.number(n))
