"""Import: models that other programs hold already, and files that the user chooses."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.errors import AppError, problem_of
from qwen_desktop.core.models import ImportCandidate, InstalledModel
from qwen_desktop.core.text import shown
from qwen_desktop.ui import texts
from qwen_desktop.ui.file_dialogs import ask_for_files
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.dialog_body import INSET, ScrollDialog, heading
from qwen_desktop.ui.operation import while_alive
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, filled, row
from qwen_desktop.ui.widgets.labels import ElidedLabel, Label, Paragraph, ProblemText
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.skeleton import SkeletonBars
from qwen_desktop.ui.widgets.switch import SegmentedControl
from qwen_desktop.ui.widgets.tick import BOX, Tick


class CandidateRow(QWidget):
    """A model that was found: its name, size and place, with a tick."""

    def __init__(self, ui: UiContext, candidate: ImportCandidate, parent: QWidget) -> None:
        super().__init__(parent)
        self.candidate = candidate
        theme = ui.theme
        free = not candidate.known and candidate.problem is None
        self.tick = Tick(theme, candidate.name, self)
        self.tick.setChecked(free)
        self.tick.setEnabled(free)
        note = shown_path(Path(candidate.path).parent)
        if candidate.known:
            note = self.tr("Is in the list already.")
        elif candidate.problem is not None:
            note = texts.problem(candidate.problem)
        ink = "bad" if candidate.problem is not None else "text_muted"
        self.note = ElidedLabel(theme, note, self, role="small", color=ink)
        takes = model_texts.size(candidate.size_bytes)
        size = Label(theme, takes, self, role="small", color="text_muted", tabular=True)
        size.setMinimumWidth(64)
        size.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        quant = Label(theme, candidate.quant, self, role="small", color="text_muted")
        quant.setMinimumWidth(64)
        self.tick.setAccessibleDescription(f"{candidate.quant}, {takes}, {note}")
        column(row((self.tick, 1), quant, size, gap=12), row(BOX, self.note), on=self, gap=1, margins=(0, 2, 0, 4))


class ImportDialog(ScrollDialog):
    """``imported`` carries the models that are in the library now."""

    imported = Signal(object)

    def __init__(self, ui: UiContext, parent: QWidget | None) -> None:
        text = translate(
            "ImportDialog", "Models of other programs on this computer are used where they lie, without a second copy."
        )
        super().__init__(ui, translate("ImportDialog", "Import models"), text, parent, width=620)
        self.rows: list[CandidateRow] = []
        body = self.area.body
        self._bars = SkeletonBars(ui.theme, (0.5, 0.8, 0.4, 0.7, 0.55, 0.75), body)
        self._list = column(gap=2)
        none = self.tr("No models of LM Studio, Ollama, Jan, GPT4All or the Hugging Face cache were found here.")
        self.nothing = Paragraph(ui.theme, none, body, color="text_muted")
        self.nothing.hide()
        filled(self.column, self._bars, self._list, self.nothing, None)
        self.problem = ProblemText(ui.theme, self)
        self.meter = Meter(self.tr("Copying the models"), self)
        self.meter.hide()
        options = [("link", self.tr("Use where they lie"), ""), ("copy", self.tr("Copy into the models folder"), "")]
        self.how = SegmentedControl(self._theme, self.tr("What happens to the files"), options, self)
        self.how.set_value("link")
        self.how.hide()
        filled(self.body, row(self.how, None, margins=(INSET, 12, 0, 0)), self.meter, self.problem)
        self.choose = self.add_button(self.tr("Choose files…"), self._choose, closes=False)
        self.add_button(self.tr("Cancel"))
        self.go = self.add_button(self.tr("Import"), self._import, kind="primary", default=True, closes=False)
        self.go.setEnabled(False)

    def open(self) -> None:
        super().open()
        self._ui.operations.run(
            self._ui.services.library.find_importable(),
            owner=self,
            orphaned="cancelled",
            on_done=self.show_found,
            on_error=self._not_found,
        )

    # What was found ---------------------------------------------------------------------------------------------------

    def show_found(self, found: tuple[ImportCandidate, ...]) -> None:
        """Show the candidates, a heading a program."""
        self._bars.hide()
        body = self.area.body
        for program in dict.fromkeys(candidate.origin for candidate in found):
            self._list.addWidget(heading(self._theme, model_texts.origin(program) or self.tr("Chosen files"), body))
            for candidate in found:
                if candidate.origin == program:
                    self._add(candidate)
        self.nothing.setVisible(not self.rows)
        self._count()
        if self.go.isEnabled():
            self.go.setFocus()
        self.adjustSize()

    def _add(self, candidate: ImportCandidate) -> None:
        found = CandidateRow(self._ui, candidate, self.area.body)
        found.tick.toggled.connect(self._count)
        self.rows.append(found)
        self._list.addWidget(found)

    def _not_found(self, error: BaseException) -> bool:
        self._bars.hide()
        self._say(error)
        return True

    def chosen(self) -> tuple[str, ...]:
        """The paths that are ticked."""
        return tuple(one.candidate.path for one in self.rows if one.tick.isChecked() and one.tick.isEnabled())

    def _count(self) -> None:
        count = len(self.chosen())
        self.go.setText(self.tr("Import %n model(s)", "", count) if count else self.tr("Import"))
        self.go.setEnabled(count > 0)
        self.how.setVisible(bool(self.rows))

    # Files of the user's choice ---------------------------------------------------------------------------------------

    def _choose(self) -> None:
        ask_for_files(self, self.tr("Choose GGUF files"), [self.tr("GGUF models (*.gguf)")], self.add_files)

    def add_files(self, paths: list[str]) -> None:
        """Add files that the user chose to the list."""
        there = {one.candidate.path for one in self.rows}
        fresh = [file for file in map(Path, paths) if str(file) not in there]
        if fresh and not any(one.candidate.origin == "file" for one in self.rows):
            self._list.addWidget(heading(self._theme, self.tr("Chosen files"), self.area.body))
        for file in fresh:
            size = file.stat().st_size if file.is_file() else 0
            self._add(ImportCandidate(str(file), shown(file.stem), "", size, "file"))
        self.nothing.hide()
        self._count()
        self.adjustSize()

    # Importing --------------------------------------------------------------------------------------------------------

    def _import(self) -> None:
        paths = self.chosen()
        self.problem.setText("")
        for part in (self.how, self.choose, self.area.body):
            part.setEnabled(False)
        self.go.setText(self.tr("Importing"))
        copy = self.how.value == "copy"
        report = while_alive(self, lambda done, total: self.meter.show_share(done / total if total else 0.0))
        self.meter.show_share(0.0)
        self.meter.setVisible(copy)
        # Closing the dialog ends a copy that runs; what was copied in part is removed by the library.
        self._ui.operations.run(
            self._ui.services.library.import_files(paths, copy=copy, progress=report),
            owner=self,
            orphaned="cancelled",
            busy=self.go,
            on_done=self._imported,
            on_error=self._failed,
        )

    def _imported(self, models: tuple[InstalledModel, ...]) -> None:
        self.imported.emit(models)
        self.accept()

    def _failed(self, error: BaseException) -> bool:
        for part in (self.how, self.choose, self.area.body):
            part.setEnabled(True)
        self.meter.hide()
        self._count()
        self._say(error)
        return isinstance(error, AppError | OSError)

    def _say(self, error: BaseException) -> None:
        self.problem.setText(texts.problem(problem_of(error)))
        self.adjustSize()
