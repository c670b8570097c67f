"""Making a smaller version of an installed model: which type, how large each would be, and whether quality is
measured."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtWidgets import QButtonGroup, QLineEdit, QWidget

from qwen_desktop.core.errors import AppError, problem_of
from qwen_desktop.core.fit import Fit
from qwen_desktop.core.models import InstalledModel, Quant
from qwen_desktop.core.quantizing import TYPES, Planned, QuantizeRequest, QuantType, fallback_note, file_name, find_type
from qwen_desktop.core.quants import in_steps, order
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.dialog_body import INSET, ScrollDialog, heading
from qwen_desktop.ui.models.option_row import OptionRow, fold
from qwen_desktop.ui.operation import while_alive
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, filled
from qwen_desktop.ui.widgets.filter_chip import FilterChip
from qwen_desktop.ui.widgets.labels import Paragraph, ProblemText
from qwen_desktop.ui.widgets.tick import BOX, Tick

#: Left free on the disk, in bytes, as the work itself will ask for.
_SPARE = 256 << 20


class QuantizeDialog(ScrollDialog):
    """The types as a list, with what each comes to as soon as that is known."""

    def __init__(self, ui: UiContext, model: InstalledModel, parent: QWidget | None) -> None:
        title = texts.fill(translate("QuantizeDialog", "Make a smaller version of {name}"), name=model.name)
        said = translate(
            "QuantizeDialog",
            "It takes less memory and answers faster, a little less exactly. The original stays: {file}.",
        )
        said = texts.fill(said, file=texts.isolated(Path(model.path).name))
        super().__init__(ui, title, said, parent, width=720)
        self.model = model
        self.options: dict[str, OptionRow] = {}
        self.planned: dict[str, Planned] = {}
        self._fits: dict[str, Fit] = {}
        self._free: int | None = None
        self._replace = self._own_name = False
        self._group = QButtonGroup(self)
        smaller = [kind for kind in TYPES if order(kind.name) < order(model.quant.upper())]
        self._quants = in_steps([Quant(kind.name, ()) for kind in smaller], model.parameters)
        self.chosen = next((find_type(q.name) for q in self._quants if q.recommended), smaller[-1])
        body, theme = self.area.body, ui.theme
        self._offer(body)
        self.note = Paragraph(theme, "", body, role="small", color="text_muted")
        self.note.hide()
        self.name = QLineEdit(body, maxLength=200)
        self.name.setAccessibleName(self.tr("Name of the file"))
        self.name.textEdited.connect(self._named)
        self.place = Paragraph(theme, "", body, role="small", color="text_muted")
        self.measure = Tick(theme, self.tr("Measure quality"), body)
        self.measure.setChecked(True)
        why = self.tr("Afterwards both read the same text and are compared; large models take minutes.")
        reason = Paragraph(theme, why, body, role="small", color="text_muted")
        filled(
            self.column,
            self.note,
            heading(theme, self.tr("Name of the file"), body),
            self.name,
            self.place,
            6,
            column(self.measure, column(reason, margins=(BOX, 0, 0, 0))),
            None,
        )
        self.problem = ProblemText(theme, self)
        filled(self.body, column(self.problem, margins=(INSET, 8, 0, 0)))
        self.add_button(self.tr("Cancel"))
        self.go = self.add_button("", self._go, kind="primary", default=True, closes=False)
        self._choose(self.chosen)
        fold(self._rest, away=True)

    # The types --------------------------------------------------------------------------------------------------------

    def _offer(self, body: QWidget) -> None:
        named = [quant for quant in reversed(self._quants) if quant.step]
        others = [quant for quant in reversed(self._quants) if not quant.step]
        self.column.addLayout(column(*(self._option(quant, body) for quant in named), gap=6))
        self._rest = rest = QWidget(body)
        if not others:
            return
        self.more = FilterChip(self._theme, self.tr("%n more type(s)", "", len(others)), body)
        column(*(self._option(quant, rest) for quant in others), on=rest, gap=6)
        self.more.changed.connect(lambda value: fold(rest, away=not value))
        filled(self.column, self.more, rest)

    def _option(self, quant: Quant, parent: QWidget) -> OptionRow:
        kind = find_type(quant.name)
        title = f"{model_texts.step(quant)} · {quant.name}" if quant.step else quant.name
        tag = self.tr("recommended") if quant.recommended else ""
        self.options[kind.name] = option = OptionRow(self._theme, title, parent, tag=tag)
        option.clicked.connect(lambda: self._choose(kind))
        self._group.addButton(option)
        self._say(kind)
        return option

    def _say(self, kind: QuantType) -> None:
        planned = self.planned.get(kind.name)
        size, note = "", texts.text(kind.words)
        if planned is not None:
            size = texts.size(planned.size_bytes)
            saved = self.tr("Saves {percent}.")
            share = 1 - planned.size_bytes / max(1, self.model.size_bytes)
            note += " " + texts.fill(saved, percent=texts.percent(max(0.0, share)))
        self.options[kind.name].say(note, size, model_texts.verdict(self._fits.get(kind.name)))

    def open(self) -> None:
        super().open()
        self.options[self.chosen.name].setFocus()  # the button waits for what is found out
        service, run = self._ui.services.quantizing, self._ui.operations.run
        types = [self.chosen.name, *(q.name for q in reversed(self._quants) if q.name != self.chosen.name)]
        work = service.plan(self.model.path, types, while_alive(self, self._planned))
        run(work, owner=self, orphaned="cancelled", on_done=lambda _source: self._judge(), on_error=self._failed)
        self.folder = service.usual_folder(self.model.path)
        run(service.free_bytes(self.folder), owner=self, orphaned="quiet", on_done=self._has_free)

    def _planned(self, planned: Planned) -> None:
        self.planned[planned.type] = planned
        self._say(find_type(planned.type))
        self._show()

    def _judge(self) -> None:
        """Say of each whether it fits this computer."""
        names = list(self.planned)
        sizes = [self.planned[name].size_bytes for name in names]

        def judged(found: tuple[Fit, ...]) -> None:
            self._fits = dict(zip(names, found, strict=True))
            for name in names:
                self._say(find_type(name))

        fits = self._ui.services.fits.of_sizes(self.model.path, sizes)
        self._ui.operations.run(fits, owner=self, orphaned="quiet", on_done=judged, on_error=lambda _error: True)

    def _has_free(self, free: int | None) -> None:
        self._free = free
        self._show()

    # What is chosen ---------------------------------------------------------------------------------------------------

    def _choose(self, kind: QuantType) -> None:
        self.chosen = kind
        self.options[kind.name].setChecked(True)
        if not self._own_name:
            stem = Path(self.model.path).stem if self.model.path.lower().endswith(".gguf") else self.model.name
            self.name.setText(file_name(stem, kind))
        self._ask_anew()

    def _named(self) -> None:
        self._own_name = True
        self._ask_anew()

    def _ask_anew(self) -> None:
        self._replace = False
        self.problem.setText("")
        self._show()

    def _show(self) -> None:
        planned = self.planned.get(self.chosen.name)
        note = fallback_note(planned) if planned is not None else None
        self.note.setText(texts.text(note) if note is not None else "")
        self.note.setVisible(note is not None)
        tight = planned is not None and self._free is not None and self._free < planned.size_bytes + _SPARE
        place = self.tr("In the models folder.")
        if self._free is not None:
            place = texts.fill(self.tr("In the models folder, where {size} are free."), size=texts.size(self._free))
        if tight:
            place = texts.fill(
                self.tr("There is not enough room in the models folder: {size} are free."),
                size=texts.size(self._free or 0),
            )
        self.place.setText(place)
        self.place.set_color("bad" if tight else "text_muted")
        self.go.setText(self.tr("Replace it") if self._replace else self.tr("Make it smaller"))
        self.go.setDefault(not self._replace)  # Enter once more replaces nothing
        self.go.setEnabled(planned is not None and not tight and bool(self.name.text().strip()))

    # Doing it ---------------------------------------------------------------------------------------------------------

    def request(self) -> QuantizeRequest:
        """What is asked for."""
        name = self.name.text().strip()
        name = name if name.lower().endswith(".gguf") else f"{name}.gguf"
        called = f"{self.model.name} {self.model.quant}".strip()
        target = os.path.join(self.folder, name)  # noqa: PTH118 - what was typed is checked where it is used
        return QuantizeRequest(
            self.model.path,
            self.chosen.name,
            target,
            replace=self._replace,
            quality=self.measure.isChecked(),
            name=called,
        )

    def _go(self) -> None:
        name = self.name.text().strip()
        if "/" in name or "\\" in name:
            self._tell(self.tr("A name of a file holds no slashes."))
            return
        self.problem.setText("")
        service = self._ui.services.quantizing
        self._ui.operations.run(
            service.target(self.request()), owner=self, busy=self.go, on_done=self._begin, on_error=self._failed
        )

    def _begin(self, _target: str) -> None:
        try:
            self._ui.services.quantizing.start(self.request())
        except AppError as error:
            self._failed(error)
        else:
            self.accept()

    def _failed(self, error: BaseException) -> bool:
        problem = problem_of(error)
        if problem.action == "quantize.replace":
            self._replace = True
            text = self.tr("There is a file of this name already. Choose another name, or replace it.")
            self._tell(text)
            self.name.setFocus()
            self.name.setSelection(0, len(self.name.text().removesuffix(".gguf")))
        else:
            self._tell(texts.problem(problem))
        self._show()
        return isinstance(error, AppError | OSError)

    def _tell(self, text: str) -> None:
        self.problem.setText(text)
        self.adjustSize()
