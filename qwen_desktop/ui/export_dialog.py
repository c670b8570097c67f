"""Export: which format, what goes with it, where to; then how far it is. The result is told in a toast."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtWidgets import QWidget

from qwen_desktop.core.exchange import FORMATS
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source
from qwen_desktop.services.exports import Exported, Wanted
from qwen_desktop.ui import texts
from qwen_desktop.ui.file_dialogs import ask_where
from qwen_desktop.ui.operation import end_with, while_alive
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, filled, row
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import Label, Paragraph
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.select import Select
from qwen_desktop.ui.widgets.tick import Tick

#: The formats in the order of the list: name, and what is said below it.
_FORMATS: Final = {
    "md": ("Markdown", QT_TRANSLATE_NOOP("ExportDialog", "Formatted text for editors and note-taking apps.")),
    "html": ("HTML", QT_TRANSLATE_NOOP("ExportDialog", "A page for any browser, with formulas and pictures in it.")),
    "pdf": ("PDF", QT_TRANSLATE_NOOP("ExportDialog", "Pages to print or to pass on.")),
    "txt": (QT_TRANSLATE_NOOP("ExportDialog", "Plain text"), QT_TRANSLATE_NOOP("ExportDialog", "Only what was said.")),
    "json": (
        "JSON",
        QT_TRANSLATE_NOOP("ExportDialog", "Everything, with thoughts and all branches; it can be imported again."),
    ),
}


def words() -> dict[str, str]:
    """The words around what was said (``jobs.exports.form.Words``), in the language of the window."""
    return {
        "you": translate("ExportWords", "You"),
        "assistant": translate("ExportWords", "Assistant"),
        "tool": translate("ExportWords", "Tool"),
        "thoughts": translate("ExportWords", "Thoughts"),
        "attachments": translate("ExportWords", "Attachments"),
        "instructions": translate("ExportWords", "Instructions"),
        "untitled": translate("ExportWords", "Chat"),
        "stopped": translate("ExportWords", "The answer was stopped."),
        "page": translate("ExportWords", "Page {number} of {total}"),
    }


class ExportDialog(Dialog):
    """Exports ``wanted``, which are ``count`` chats; ``name`` is what the file is called first."""

    def __init__(self, ui: UiContext, parent: QWidget, wanted: Wanted, count: int, name: str) -> None:
        one = count == 1
        title = translate("ExportDialog", "Export the chat") if one else translate("ExportDialog", "Export chats")
        about = name if one else translate("ExportDialog", "%n chat(s)", "", count)
        super().__init__(ui.theme, title, about.replace("%n", texts.number(count)), parent, width=460)
        self._ui = ui
        self._wanted = wanted
        self._count = count
        self._name = name
        self._work: asyncio.Task[Exported] | None = None
        theme = ui.theme
        self.form = QWidget(self)
        self.format = Select(theme, self.tr("Format"), self.form)
        for label, _ in _FORMATS.values():
            self.format.addItem(_label(label))
        self.note = Paragraph(theme, "", self.form, role="small", color="text_muted")
        self.thoughts = Tick(theme, self.tr("With thoughts"), self.form)
        self.attachments = Tick(theme, self.tr("With attachments"), self.form)
        self.attachments.setChecked(True)
        self.packing = Select(theme, self.tr("As"), self.form)
        self.packing.addItems([self.tr("One archive (.zip)"), self.tr("A folder with files")])
        self._packing_row = QWidget(self.form)
        row(Label(theme, self.tr("As"), self._packing_row), None, self.packing, on=self._packing_row, gap=16)
        column(
            row(Label(theme, self.tr("Format"), self.form), None, self.format, gap=16),
            self.note,
            self._packing_row,
            6,
            self.thoughts,
            self.attachments,
            on=self.form,
            gap=8,
        )
        self.state = Paragraph(theme, "", self, color="text_muted")
        self.meter = Meter(self.tr("How far the export is"), self)
        for part in (self.state, self.meter):
            part.hide()
        filled(self.body, self.form, self.state, self.meter)
        self.cancel_button = self.add_button(self.tr("Cancel"))
        self.go_button = self.add_button(self.tr("Export…"), self._ask, kind="primary", default=True, closes=False)
        self.format.currentIndexChanged.connect(self._show)
        self._show()

    @property
    def chosen(self) -> str:
        """The format."""
        return tuple(_FORMATS)[self.format.currentIndex()]

    @property
    def _many(self) -> bool:
        """Whether it becomes more than one file."""
        return self._count != 1 and self.chosen != "json"

    def _show(self) -> None:
        self.note.setText(texts.marked(_FORMATS[self.chosen][1]))
        # Our own form is there to lose nothing.
        self.thoughts.setVisible(self.chosen != "json")
        self._packing_row.setVisible(self._many)
        if self.isVisible():
            self.adjustSize()

    # Where to ---------------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        zipped, folder = self._many and self.packing.currentIndex() == 0, self._many and self.packing.currentIndex()
        ending = ".zip" if zipped else "" if folder else FORMATS[self.chosen]
        label = self.tr("Archive") if zipped else _label(_FORMATS[self.chosen][0])
        kinds = [f"{label} (*{ending})"] if ending else []
        name = file_name(self._name) + ending
        ask_where(self, self.tr("Where to export to"), kinds, name, lambda path: self.export(Path(path)))

    def export(self, place: Path) -> None:
        """Write it to ``place``."""
        self.form.setEnabled(False)
        self.go_button.setEnabled(False)
        self.state.setText(self.tr("Exporting…"))
        wanted = Wanted(
            self._wanted.ids,
            self._wanted.folder,
            self.chosen,
            thoughts=self.thoughts.isChecked(),
            attachments=self.attachments.isChecked(),
        )
        exports, ui = self._ui.services.exports, self._ui
        work = exports.export(wanted, place, words=words(), progress=while_alive(self, self._tell))
        told = partial(saved, ui, place, translate("ExportDialog", "Saved as {name}."))
        task = ui.operations.run(work, owner=self, on_done=self._done(told), on_error=self._failed)
        end_with(self, task)
        self._work = task
        self.state.show()
        self.meter.setVisible(self._count > 1)
        self.adjustSize()

    def _done(self, told: partial[None]) -> partial[None]:
        def done(result: Exported) -> None:
            self._work = None
            self.accept()
            told()
            if result.lost:
                text = translate("ExportDialog", "%n attachment(s) (is|are) not there any more.", "", result.lost)
                self._ui.notify.toast(text.replace("%n", texts.number(result.lost)), kind="bad")

        return partial(done)

    def _failed(self, _error: BaseException) -> bool:
        """The form is there again, so that another place can be chosen; the sentence is shown as every failure."""
        self._work = None
        self.form.setEnabled(True)
        self.go_button.setEnabled(True)
        self.state.hide()
        self.meter.hide()
        self.adjustSize()
        return False

    def _tell(self, done: int, total: int) -> None:
        self.meter.show_share(done / max(1, total))
        self.state.setText(texts.fill(self.tr("{done} of {total} chats"), done=done, total=total))

    def reject(self) -> None:
        """Esc and Cancel: nothing is left of an export that runs."""
        if self._work is not None:
            self._work.cancel()
        super().reject()


def _label(name: str) -> str:
    """The name of a format; most are the same in every language."""
    return texts.marked(name) if isinstance(name, Source) else name


def file_name(title: str) -> str:
    """What a file with this title is called first."""
    from qwen_desktop.jobs.exports.names import safe  # noqa: PLC0415 - only when something is exported

    return safe(title, translate("ExportWords", "Chat"))


def saved(ui: UiContext, place: Path, sentence: str) -> None:
    """Say that something was saved, with the way to where it is."""
    ui.notify.toast(
        texts.fill(sentence, name=texts.isolated(place.name)),
        kind="good",
        action=translate("ExportDialog", "Show in folder"),
        act=lambda: ui.notify.folder(place.parent),
    )
