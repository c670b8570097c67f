"""All about one model: what it is for, its files, the memory it takes, its licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QButtonGroup, QWidget

from qwen_desktop.core.fit import Verdict
from qwen_desktop.core.models import CatalogModel, Quant
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.dialog_body import ScrollDialog, facts, heading, lines, link, web_page
from qwen_desktop.ui.models.memory_table import MemoryTable
from qwen_desktop.ui.models.option_row import OptionRow, fold
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.filter_chip import FilterChip
from qwen_desktop.ui.widgets.flow import FlowLayout
from qwen_desktop.ui.widgets.labels import Chip

if TYPE_CHECKING:
    from qwen_desktop.ui.models.download_starter import DownloadStarter
    from qwen_desktop.ui.models.state import ModelsState


class Details(ScrollDialog):
    """``quant`` is chosen first when it is given, else the one that suits this computer."""

    def __init__(
        self,
        ui: UiContext,
        state: ModelsState,
        starter: DownloadStarter,
        model: CatalogModel,
        parent: QWidget | None,
        *,
        quant: Quant | None = None,
    ) -> None:
        super().__init__(ui, model.name, "", parent, width=660)
        self.model = model
        self._state = state
        self._starter = starter
        self.quant = quant or state.best_quant(model)
        self.options: dict[str, OptionRow] = {}
        self._group = QButtonGroup(self)
        body = self.area.body
        self._tell(body)
        self._offer(body)
        self.files = lines(ui.theme, self.tr("File names"), body)
        self.files.hide()
        self.names = FilterChip(ui.theme, self.tr("File names"), body)
        self.names.changed.connect(lambda value: self.files.setVisible(bool(value)))
        self._folds.insertWidget(self._folds.count() - 1, self.names)
        self.column.addWidget(self.files)
        self.memory = MemoryTable(ui, state, model, body)
        self.column.addWidget(self.memory)
        self.column.addStretch(1)
        self.add_button(self.tr("Close"))
        self.button = self.add_button(self.tr("Download"), self._act, kind="primary", default=True)
        self._choose(self.quant)
        state.rows_changed.connect(self._rows_changed)

    # What it is -------------------------------------------------------------------------------------------------------

    def _tell(self, body: QWidget) -> None:
        theme, model = self._theme, self.model
        chips = FlowLayout(gap=6)
        for purpose in model.purposes:
            chips.addWidget(Chip(theme, model_texts.purpose_chip(purpose), body))
        if not model.usable:
            chips.addWidget(Chip(theme, self.tr("not usable here yet"), body, kind="warn"))
        if chips.count():
            self.column.addLayout(chips)
        self.say(texts.catalogue(model.strengths))
        if model.best_use:
            self.say(texts.fill(self.tr("Best use: {use}"), use=texts.catalogue(model.best_use)), color="text_muted")
        if not model.usable:
            text = self.tr("The engine of this version cannot load it yet. It can be downloaded, but not used here.")
            if model.supported:
                text = self.tr(
                    "What it is made for is not in this version yet. It can be downloaded, but not used for that."
                )
            self.say(text, role="small", color="warn")
        self.column.addLayout(facts(theme, self._facts(), body, pairs=2))
        links = FlowLayout(gap=14)
        said = texts.fill(self.tr("{repo} on the web"), repo=model.repo)
        pages = ((said, web_page(model.repo)), (self.tr("Licence text"), model.licence_url))
        for text, address in pages:
            if address:
                links.addWidget(link(theme, text, body, lambda _checked=False, to=address: self._ui.notify.link(to)))
        self.column.addLayout(links)

    def _facts(self) -> list[tuple[str, str]]:
        """What the catalogue says of it, as names and values."""
        model, shape = self.model, self.model.shape
        size = texts.fill(self.tr("{n} parameters"), n=texts.parameters(model.parameters))
        if shape.experts and shape.active_parameters < shape.parameters:
            active = texts.parameters(shape.active_parameters)
            size = texts.fill(self.tr("{size}, {active} of them active"), size=size, active=active)
        context = texts.tokens(shape.context_train) if shape.context_train else ""
        if model.context_extended > shape.context_train:
            more = texts.context(model.context_extended)
            context = texts.fill(self.tr("{context}, up to {more} with scaling"), context=context, more=more)
        thinking = {"switch": self.tr("When asked"), "always": self.tr("Always"), "none": self.tr("No")}
        return [
            (self.tr("Size"), size),
            (self.tr("Context"), context if shape.context_train else ""),
            (self.tr("Thinking"), thinking[model.thinking]),
            (self.tr("Languages"), texts.number(model.languages) if model.languages else ""),
            (self.tr("Licence"), model.licence),
            (self.tr("Released"), model_texts.month(model.released)),
            (self.tr("Not verified"), ", ".join(model_texts.unverified(model.inferred))),
        ]

    # Files ------------------------------------------------------------------------------------------------------------

    def _offer(self, body: QWidget) -> None:
        theme = self._theme
        self.column.addWidget(heading(theme, self.tr("Size of the download"), body))
        named = [quant for quant in self.model.quants if quant.step]
        others = [quant for quant in self.model.quants if not quant.step]
        if not named:
            named, others = others[:3], others[3:]
        self.column.addLayout(column(*(self._option(quant, body) for quant in named), gap=6))
        if not self.model.quants:
            self.say(self.tr("No files are known for it."), color="text_muted")
        self._folds = row(None)
        self.column.addLayout(self._folds)
        if others:
            self.more = FilterChip(theme, self.tr("%n more size(s)", "", len(others)), body)
            self._folds.insertWidget(0, self.more)
            rest = QWidget(body)
            inner = column(on=rest, gap=6)

            def show(value: str) -> None:
                if value and not inner.count():
                    for quant in others:
                        inner.addWidget(self._option(quant, rest))
                fold(rest, away=not value)

            self.more.changed.connect(show)
            self.more.set_value("on" if self.quant in others else "")
            show(self.more.value)
            self.column.addWidget(rest)

    def _option(self, quant: Quant, parent: QWidget) -> OptionRow:
        title = f"{model_texts.step(quant)} · {quant.name}" if quant.step else quant.name
        tag = self.tr("recommended") if quant.recommended else ""
        self.options[quant.name] = option = OptionRow(self._theme, title, parent, tag=tag)
        option.clicked.connect(lambda: self._choose(quant))
        self._group.addButton(option)
        self._say(quant)
        return option

    def _say(self, quant: Quant) -> None:
        size = model_texts.size(quant.size_bytes) or self.tr("size unknown")
        verdict = model_texts.verdict(self._state.fit(self.model, quant))
        self.options[quant.name].say(model_texts.step_note(quant), size, verdict)

    def _rows_changed(self) -> None:
        """Verdicts may be other ones."""
        for quant in self.model.quants:
            if quant.name in self.options:
                self._say(quant)
        self.memory.show_fit()
        self._show_button()

    def _choose(self, quant: Quant | None) -> None:
        self.quant = quant
        if quant is not None and quant.name in self.options:
            self.options[quant.name].setChecked(True)
        self.files.setPlainText(file_names(self.model, quant))
        self.memory.show_quant(quant)
        self._show_button()

    # Buttons ----------------------------------------------------------------------------------------------------------

    def _show_button(self) -> None:
        state, model, quant = self._state, self.model, self.quant
        fit = state.fit(model, quant)
        if state.installed(model, quant) is not None:
            text = self.tr("Use it")
        elif state.download(model, quant) is not None:
            text = self.tr("Downloading")
        elif not model.usable or (fit is not None and fit.verdict is Verdict.TOO_LARGE):
            text = self.tr("Download anyway")
        else:
            text = self.tr("Download")
        self.button.setText(text)
        self.button.setEnabled(quant is not None and text != self.tr("Downloading"))

    def _act(self) -> None:
        installed = self._state.installed(self.model, self.quant)
        if installed is not None:
            self._starter.use_it(installed)
        elif self.quant is not None:
            self._starter.get(self.model, self.quant)

    def show_memory(self) -> None:
        """Bring the numbers into view: that is what the user asked for."""
        QTimer.singleShot(0, self, lambda: self.area.ensureWidgetVisible(self.memory, 0, 4))


def file_names(model: CatalogModel, quant: Quant | None) -> str:
    """The files of a quant with their sizes, and where they lie."""
    files = (*(quant.files if quant is not None else ()), *model.mmproj)
    lines = [f"{file.path}   {texts.exact(file.size_bytes)}" for file in files]
    return "\n".join([*lines, f"{model.repo} @ {model.revision}"]).replace("   0 bytes", "")
