"""The numbers behind a verdict: what weights, context and computing take, held against what is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.fit import Fit
from qwen_desktop.core.models import CatalogModel, Quant
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.dialog_body import link
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import START, column, row
from qwen_desktop.ui.widgets.labels import Label, Paragraph, ProblemText
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.select import Select

if TYPE_CHECKING:
    from qwen_desktop.ui.models.state import ModelsState

_CONTEXTS = (4096, 8192, 16384, 32768, 65536, 131072)


class MemoryTable(QWidget):
    """Shows the verdict for a context that the user can change."""

    def __init__(self, ui: UiContext, state: ModelsState, model: CatalogModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._state = state
        self._model = model
        self._quant: Quant | None = None
        theme = ui.theme
        self.context = Select(theme, self.tr("Context for which memory is shown"), self)
        self._asked = 0
        self._offer(ui.services.fits.use().context)
        self.context.activated.connect(lambda _row: self.show_quant(self._quant))
        self.sentence = Paragraph(theme, "", self)
        self.meter = Meter(self.tr("Memory"), self, role="good")
        self.figures = QGridLayout()
        self.figures.setHorizontalSpacing(24)
        self.figures.setVerticalSpacing(4)
        self.figures.setColumnStretch(2, 1)
        self.note = Paragraph(theme, "", self, role="small", color="text_muted")
        self.check = link(theme, self.tr("Check with the file itself"), self, self._read_header)
        self.check.setToolTip(self.tr("Reads the file's header over the network: some megabytes at most."))
        self.problem = ProblemText(theme, self)
        head = row(Label(theme, self.tr("Memory"), self, weight=600), None, self.context, margins=(0, 10, 0, 0))
        parts = (head, self.sentence, self.meter, self.figures, self.note, (self.check, START), self.problem)
        column(*parts, on=self, gap=8)

    def show_quant(self, quant: Quant | None) -> None:
        """Show the numbers of another quant."""
        self._quant = quant
        self.problem.setText("")
        self.show_fit()

    def _offer(self, asked: int) -> None:
        """Offer contexts, chosen the one that it is loaded with; while that stays the same, so does the user's."""
        most = max(self._model.shape.context_train or 8192, self._model.stretched)
        asked = min(asked, most)
        if asked == self._asked:
            return
        self._asked = asked
        self.context.clear()
        for tokens in sorted({*(n for n in _CONTEXTS if n <= most), asked}):
            self.context.addItem(texts.tokens(tokens), tokens)
        self.context.setCurrentIndex(self.context.findData(asked))

    def show_fit(self) -> None:
        """Show the numbers for the chosen context."""
        loaded = self._state.fit(self._model, self._quant)
        if loaded is not None:
            self._offer(loaded.asked)
        fit = self._state.fit(self._model, self._quant, int(self.context.currentData() or 0) or None)
        while (item := self.figures.takeAt(0)) is not None:
            if (label := item.widget()) is not None:
                label.hide()
                label.deleteLater()
        for part in (self.meter, self.note, self.check):
            part.setVisible(fit is not None)
        if fit is None:
            unknown = self._quant is not None and self._ui.services.machines.known is not None
            text = self.tr("The size of the file is not known yet.")
            self.sentence.setText(text if unknown else self.tr("This computer is being looked at."))
            self.check.setVisible(unknown)
            return
        self.sentence.setText(model_texts.fit_sentence(fit))
        share = fit.memory.total_bytes / fit.free_bytes if fit.free_bytes else 1.0
        self.meter.show_share(share, model_texts.verdict(fit)[1])
        self.meter.setAccessibleDescription(model_texts.fit_sentence(fit))
        theme, together = self._ui.theme, self.tr("Together")
        for place, (title, count) in enumerate(one for one in self._figures(fit) if one[1] or one[0] == together):
            weight, color = (600, "text") if title == together else (400, "text_muted")
            name = Label(theme, title, self, role="small", color=color, weight=weight)
            value = Label(theme, texts.exact(count), self, role="small", tabular=True, weight=weight)
            self.figures.addWidget(name, place, 0)
            self.figures.addWidget(value, place, 1, Qt.AlignmentFlag.AlignTrailing)
        self.note.setText(self._basis(fit))
        self.check.setVisible(not fit.exact)

    def _basis(self, fit: Fit) -> str:
        said = [texts.about_speed(fit.decode_tokens_per_s).capitalize()]
        if fit.gpu_layers:
            said.append(self.tr("%n layer(s) on the graphics card", "", fit.gpu_layers))
        if fit.experts_on_cpu:
            said.append(self.tr("the experts of %n layer(s) on the processor", "", fit.experts_on_cpu))
        if fit.max_context:
            said.append(self.tr("at most %n token(s) of context fit", "", fit.max_context))
        basis = self.tr("estimated from the catalogue")
        if fit.exact:
            basis = self.tr("from the file's own header")
        if fit.measured:
            basis = self.tr("corrected by what was measured on this computer")
        return model_texts.joined(*said, basis)

    def _read_header(self) -> None:
        quant = self._quant
        if quant is None:
            return
        self.problem.setText("")

        def failed(error: BaseException) -> bool:
            if not isinstance(error, AppError):
                return False
            if self._quant == quant:  # else another size is on show by now
                self.problem.setText(texts.problem(error.problem))
            return True

        self._ui.operations.run(
            self._ui.services.fits.of_reference(f"{self._model.repo}:{quant.name}"),
            owner=self,
            orphaned="cancelled",
            busy=self.check,
            on_done=lambda _found: self.show_fit(),
            on_error=failed,
        )

    def _figures(self, fit: Fit) -> list[tuple[str, int]]:
        """The parts of the memory, largest matter first, as names and bytes."""
        memory = fit.memory
        return [
            (self.tr("Weights"), memory.weights_bytes),
            (self.tr("Context"), memory.kv_bytes),
            (self.tr("State"), memory.state_bytes),
            (self.tr("Computing"), memory.compute_bytes),
            (self.tr("Pictures"), memory.mmproj_bytes),
            (self.tr("Draft model"), memory.draft_bytes),
            (self.tr("The engine itself"), memory.overhead_bytes),
            (self.tr("Together"), memory.total_bytes),
            (self.tr("of this on the graphics card"), memory.device_bytes),
            (self.tr("Free now"), fit.free_bytes),
        ]
