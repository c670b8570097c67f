"""The numbers behind a verdict: what weights, context and computing take, held against what is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from qwen_desktop.core.fit import Fit
from qwen_desktop.core.models import CatalogModel, Quant
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import words
from qwen_desktop.ui.models.dialog_body import link
from qwen_desktop.ui.models.words import put, tr
from qwen_desktop.ui.widgets.labels import Label, Paragraph
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.select import Select

if TYPE_CHECKING:
    from qwen_desktop.ui.models.board import Board
    from qwen_desktop.ui.shell import Shell

_CONTEXTS = (4096, 8192, 16384, 32768, 65536, 131072)


class MemoryTable(QWidget):
    """Shows the verdict for a context that the user can change."""

    def __init__(self, shell: Shell, board: Board, model: CatalogModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shell = shell
        self._board = board
        self._model = model
        self._quant: Quant | None = None
        theme = shell.theme
        self.context = Select(theme, tr("Context for which memory is shown"), self)
        self._asked = 0
        self._offer(shell.services.fits.use().context)
        self.context.activated.connect(lambda _row: self.show_quant(self._quant))
        self.sentence = Paragraph(theme, "", self)
        self.meter = Meter(tr("Memory"), self, role="good")
        self.figures = QGridLayout()
        self.figures.setHorizontalSpacing(24)
        self.figures.setVerticalSpacing(4)
        self.figures.setColumnStretch(2, 1)
        self.note = Paragraph(theme, "", self, role="small", color="text_muted")
        self.check = link(theme, tr("Check with the file itself"), self)
        self.check.setToolTip(tr("Reads the file's header over the network: some megabytes at most."))
        self.check.clicked.connect(self._read_header)
        self.problem = Paragraph(theme, "", self, role="small", color="bad")
        self.problem.hide()
        title = Label(theme, tr("Memory"), self, weight=600)
        head = QHBoxLayout()
        head.setContentsMargins(0, 10, 0, 0)
        head.addWidget(title)
        head.addStretch(1)
        head.addWidget(self.context)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(head)
        column.addWidget(self.sentence)
        column.addWidget(self.meter)
        column.addLayout(self.figures)
        column.addWidget(self.note)
        column.addWidget(self.check, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.problem)

    def show_quant(self, quant: Quant | None) -> None:
        """Show the numbers of another quant."""
        self._quant = quant
        self.problem.hide()
        self.show_fit()

    def _offer(self, asked: int) -> None:
        """Offer contexts, chosen the one that it is loaded with; while that stays the same, so does the user's."""
        most = self._model.shape.context_train or 8192
        asked = min(asked, most)
        if asked == self._asked:
            return
        self._asked = asked
        self.context.clear()
        for tokens in sorted({*(n for n in _CONTEXTS if n <= most), asked}):
            self.context.addItem(put("{n} tokens", n=texts.number(tokens)), tokens)
        self.context.setCurrentIndex(self.context.findData(asked))

    def show_fit(self) -> None:
        """Show the numbers for the chosen context."""
        loaded = self._board.fit(self._model, self._quant)
        if loaded is not None:
            self._offer(loaded.asked)
        fit = self._board.fit(self._model, self._quant, int(self.context.currentData() or 0) or None)
        self._clear()
        for part in (self.meter, self.note, self.check):
            part.setVisible(fit is not None)
        if fit is None:
            unknown = self._quant is not None and self._board.machine is not None
            self.sentence.setText(
                tr("The size of the file is not known yet.") if unknown else tr("This computer is being looked at.")
            )
            self.check.setVisible(unknown)
            return
        self.sentence.setText(words.fit_sentence(fit))
        share = fit.memory.total_bytes / fit.free_bytes if fit.free_bytes else 1.0
        self.meter.show_share(share, words.verdict(fit)[1])
        self.meter.setAccessibleDescription(words.fit_sentence(fit))
        for place, (title, value) in enumerate(figures(fit)):
            strong = title == tr("Together")
            name_label = Label(
                self._shell.theme,
                title,
                self,
                role="small",
                color="text" if strong else "text_muted",
                weight=600 if strong else 400,
            )
            value_label = Label(
                self._shell.theme, value, self, role="small", tabular=True, weight=600 if strong else 400
            )
            self.figures.addWidget(name_label, place, 0)
            self.figures.addWidget(value_label, place, 1, Qt.AlignmentFlag.AlignRight)
        self.note.setText(self._basis(fit))
        self.check.setVisible(not fit.exact)

    def _basis(self, fit: Fit) -> str:
        said = [words.speed(fit.decode_tokens_per_s).capitalize()] if fit.decode_tokens_per_s else []
        if fit.gpu_layers:
            said.append(put("{n} layers on the graphics card", n=texts.number(fit.gpu_layers)))
        if fit.max_context:
            said.append(put("at most {n} tokens of context fit", n=texts.number(fit.max_context)))
        basis = tr("estimated from the catalogue")
        if fit.exact:
            basis = tr("from the file's own header")
        if fit.measured:
            basis = tr("corrected by what was measured on this computer")
        return " · ".join([*said, basis])

    def _clear(self) -> None:
        while self.figures.count():
            item = self.figures.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def _read_header(self) -> None:
        quant = self._quant
        if quant is None:
            return
        reference = f"{self._model.repo}:{quant.name}"
        self.problem.hide()

        def failed(error: BaseException) -> bool:
            from qwen_desktop.core.errors import AppError  # noqa: PLC0415 - rare

            if not isinstance(error, AppError):
                return False
            if self._quant == quant:  # else another size is on show by now
                self.problem.setText(texts.problem(error.problem))
                self.problem.show()
            return True

        self._shell.operations.run(
            self._shell.services.fits.of_reference(reference),
            owner=self,
            orphaned="cancelled",
            busy=self.check,
            on_done=lambda _found: self.show_fit(),
            on_error=failed,
        )


def figures(fit: Fit) -> list[tuple[str, str]]:
    """The parts of the memory, largest matter first, as names and values."""
    memory = fit.memory
    rows = [
        (tr("Weights"), memory.weights_bytes),
        (tr("Context"), memory.kv_bytes),
        (tr("State"), memory.state_bytes),
        (tr("Computing"), memory.compute_bytes),
        (tr("Pictures"), memory.mmproj_bytes),
        (tr("The engine itself"), memory.overhead_bytes),
    ]
    shown = [(name, words.exact(count)) for name, count in rows if count]
    shown.append((tr("Together"), words.exact(memory.total_bytes)))
    if memory.device_bytes:
        shown.append((tr("of this on the graphics card"), words.exact(memory.device_bytes)))
    shown.append((tr("Free now"), words.exact(fit.free_bytes)))
    return shown
