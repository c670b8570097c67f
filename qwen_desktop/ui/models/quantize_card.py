"""The model that is being made smaller, as a card among the downloads."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.quality import figures, verdict
from qwen_desktop.core.quantizing import Quantization, QuantizeStage
from qwen_desktop.services.events import QuantizationChanged
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, IconLabel, Label, ProblemText
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.surface import Card


def line(run: Quantization) -> str:
    """Where it is, in one line."""
    left = texts.left(run.seconds_left) if run.seconds_left is not None else ""
    match run.stage:
        case QuantizeStage.STARTING:
            return translate("QuantizeCard", "Looking at the model")
        case QuantizeStage.WRITING:
            return model_texts.joined(texts.of_size(run.done, run.total), left)
        case QuantizeStage.MEASURING:
            said = texts.fill(
                translate("QuantizeCard", "Measuring quality, {percent}"), percent=texts.percent(run.fraction)
            )
            return model_texts.joined(said, left)
        case QuantizeStage.CANCELLED:
            return translate("QuantizeCard", "Stopped; nothing of it was kept.")
        case QuantizeStage.DONE:
            size = texts.exact(run.planned.size_bytes) if run.planned is not None else ""
            ready = translate("QuantizeCard", "Ready")
            return model_texts.joined(ready, size, texts.text(verdict(run.quality)) if run.quality is not None else "")
    return ""


class QuantizeCard(Card):
    """One card, hidden while there is nothing to tell. ``use_wanted`` carries the path of what was made."""

    use_wanted = Signal(object)

    def __init__(self, ui: UiContext, parent: QWidget) -> None:
        super().__init__(parent)
        self._ui = ui
        self._service = ui.services.quantizing
        theme = ui.theme
        self.sign = IconLabel(theme, "boxes", self, size=20)
        self.title = ElidedLabel(theme, "", self, weight=600)
        self.quant = Label(theme, "", self, role="small", color="text_muted")
        self.line = ElidedLabel(theme, "", self, role="small", color="text_muted", tabular=True)
        self.line.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.problem = ProblemText(theme, self)
        self.meter = Meter(self.tr("Making a model smaller"), self)
        self.use = TextButton(theme, self.tr("Use it"), self, icon="check", kind="primary")
        self.cancel = IconButton(theme, "x", "", self)
        self.use.clicked.connect(self._use)
        self.cancel.clicked.connect(self._crossed)
        text = column(row(self.title, self.quant, None, gap=10), self.line, self.problem, gap=2)
        buttons = ((self.use, MIDDLE), (self.cancel, MIDDLE))
        top = row((self.sign, MIDDLE), 6, (text, 1), 6, *buttons, gap=6)
        column(top, row(self.meter, 6, gap=0), on=self, gap=7, margins=(16, 10, 10, 13))
        self.setMinimumWidth(320)
        ui.services.bus.subscribe(QuantizationChanged, self._changed, owner=self)
        self.show_run(self._service.current)

    def _changed(self, event: QuantizationChanged) -> None:
        self.show_run(event.run)

    def show_run(self, run: Quantization | None) -> None:
        """Show where it is; one that was stopped needs no card."""
        self.setVisible(run is not None and run.stage is not QuantizeStage.CANCELLED)
        if run is None:
            return
        failed, done = run.stage is QuantizeStage.FAILED, run.stage is QuantizeStage.DONE
        self.sign.set_icon(
            *(("circle-alert", "bad") if failed else ("circle-check", "good") if done else ("boxes", "text"))
        )
        name = run.request.name or Path(run.request.source).stem
        self.title.setText(name)
        self.quant.setText(texts.fill(self.tr("as {type}"), type=run.request.type))
        self.line.setText(line(run))
        self.line.setVisible(not failed)
        self.line.setToolTip(texts.tip(texts.text(figures(run.quality)) if run.quality is not None else ""))
        self.problem.setText(texts.problem(run.problem) if run.problem is not None else "")
        self.meter.setVisible(not run.stage.over)
        self.meter.show_share(run.fraction, "accent")
        self.use.setVisible(done)
        self.cancel.set_icon("x", self.tr("Close") if run.stage.over else self.tr("Stop"))
        for button in (self.use, self.cancel):
            button.setAccessibleName(f"{button.text() or button.toolTip()}: {name}")

    def _use(self) -> None:
        if (run := self._service.current) is not None:
            self.use_wanted.emit(run.path)

    def _crossed(self) -> None:
        if self._service.running:
            self._ui.operations.run(self._service.cancel(), owner=self)
        else:
            self._service.dismiss()
