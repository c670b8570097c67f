"""Import: how far it is, and what came of it. All of a file's chats come in, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtWidgets import QWidget

from qwen_desktop.core.exchange import Imported, ImportPlace
from qwen_desktop.ui import texts
from qwen_desktop.ui.file_dialogs import ask_for_file
from qwen_desktop.ui.operation import end_with, while_alive
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText
from qwen_desktop.ui.widgets.labels import Paragraph
from qwen_desktop.ui.widgets.meter import Meter


def ask_for_chats(ui: UiContext, window: QWidget) -> None:
    """Let the user pick what to import: what other programs keep here, or a file."""

    def found(places: Sequence[ImportPlace]) -> None:
        if places:
            _Where(ui, window, places).open()
        else:
            _ask_for_file(ui, window)

    ui.operations.run(ui.services.imports.places(), owner=window, on_done=found, wish="chats.import")


class _Where(Dialog):
    """The programs that keep chats on this computer, and the way to a file."""

    def __init__(self, ui: UiContext, window: QWidget, places: Sequence[ImportPlace]) -> None:
        text = translate(
            "ChatsImportDialog", "Other programs keep chats on this computer. They stay as they are there."
        )
        super().__init__(ui.theme, translate("ChatsImportDialog", "Import chats"), text, window)
        for place in places:
            said = _count(translate("ChatsImportDialog", "%n chat(s) of {program}", "", place.count), place.count)
            button = TextButton(ui.theme, texts.fill(said, program=place.program), self, icon="folder-input")
            button.clicked.connect(self.accept)
            button.clicked.connect(lambda _=False, path=place.path: ChatsImportDialog(ui, window, Path(path)).begin())
            self.body.addWidget(button)
        self.add_button(translate("ChatsImportDialog", "Cancel"))
        choose = translate("ChatsImportDialog", "Choose a file…")
        self.add_button(choose, lambda: _ask_for_file(ui, window), kind="primary", default=True)


def _ask_for_file(ui: UiContext, window: QWidget) -> None:
    """Let the user pick a file and import it."""
    title = translate("ChatsImportDialog", "Import chats")
    kinds = [translate("ChatsImportDialog", "Exports of chats (*.json *.zip *.jsonl)")]
    ask_for_file(window, title, kinds, lambda path: ChatsImportDialog(ui, window, Path(path)).begin())


class ChatsImportDialog(Dialog):
    """Imports ``path``; closing it meanwhile stops the import, of which then nothing is left."""

    def __init__(self, ui: UiContext, parent: QWidget, path: Path) -> None:
        super().__init__(ui.theme, translate("ChatsImportDialog", "Import chats"), "", parent, width=460)
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
        self.attach_button = self.add_button(self.tr("Attach it"))
        self.cancel_button = self.add_button(self.tr("Cancel"))
        self.go_button = self.add_button(self.tr("Import"), self.begin, kind="primary", default=True, closes=False)
        self.close_button = self.add_button(self.tr("Close"), kind="primary")
        self._step(self.cancel_button)

    def offer(self, instead: Callable[[], None] | None = None) -> None:
        """Ask first: the file was dropped on the window. ``instead`` attaches it, where that may be meant."""
        asked = texts.fill(self.tr("Import the chats of {name}?"), name=texts.isolated(self._path.name))
        self.state.setText(asked)
        self.meter.hide()
        if instead is not None:
            self.attach_button.clicked.connect(instead)
        self._step(self.go_button, self.cancel_button, *([self.attach_button] if instead is not None else []))
        self.open()

    def begin(self) -> None:
        """Import the file."""
        reading = texts.fill(self.tr("Reading {name}…"), name=texts.isolated(self._path.name))
        self.state.setText(reading)
        self.meter.show()
        self._step(self.cancel_button)
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
        came = _count(
            translate("ChatsImportDialog", "%n chat(s) came in.", "", found.conversations), found.conversations
        )
        with_messages = _count(translate("ChatsImportDialog", "%n message(s).", "", found.messages), found.messages)
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
        self._step(self.close_button, *([self.undo_button] if found.conversations else []))
        self.adjustSize()

    def _step(self, first: TextButton, *others: TextButton) -> None:
        """Show these buttons; Enter presses the ``first``."""
        for button in (self.undo_button, self.attach_button, self.cancel_button, self.go_button, self.close_button):
            button.setVisible(button is first or button in others)
        first.setDefault(True)
        first.setFocus()

    def _nothing(self, found: Imported) -> str:
        if found.already:
            return self.tr("All of its chats were there already.")
        return self.tr("There are no chats in this file.")

    def _undo(self) -> None:
        imports, ui = self._ui.services.imports, self._ui
        done: Callable[[object], object] = lambda _: ui.notify.toast(  # noqa: E731
            translate("ChatsImportDialog", "The imported chats are gone again.")
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
