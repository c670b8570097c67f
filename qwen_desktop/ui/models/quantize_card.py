"""The model that is being made smaller, as a card among the downloads."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.errors import AppError
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

#: Stopping is asked about when more than this many bytes are made: it has taken a while.
_DEAR = 1_000_000_000


def line(run: Quantization) -> str:
    """Where it is, in one line."""
    left = texts.left(run.seconds_left) if run.seconds_left is not None else ""
    match run.stage:
        case QuantizeStage.STARTING:
            return translate("QuantizeCard", "Looking at the model")
        case QuantizeStage.WRITING:
            making = translate("QuantizeCard", "Making it smaller")
            return model_texts.joined(making, texts.of_size(run.done, run.total), left)
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


def trouble(run: Quantization) -> str:
    """What is wrong, in sentences, and what it was that could not be done, where there is a result all the same."""
    if run.problem is None:
        return ""
    said = texts.problem(run.problem)
    if run.stage is QuantizeStage.DONE and run.request.quality and run.quality is None:
        return texts.fill(translate("QuantizeCard", "Its quality could not be measured. {why}"), why=said)
    return said


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
        self.again = TextButton(theme, self.tr("Try again"), self, icon="rotate-ccw")
        self.use = TextButton(theme, self.tr("Use it"), self, icon="check", kind="primary")
        self.cancel = IconButton(theme, "x", "", self)
        self.again.clicked.connect(self._again)
        self.use.clicked.connect(self._use)
        self.cancel.clicked.connect(self._crossed)
        text = column(row(self.title, self.quant, None, gap=10), self.line, self.problem, gap=2)
        buttons = ((self.again, MIDDLE), (self.use, MIDDLE), (self.cancel, MIDDLE))
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
        self.problem.setText(trouble(run))
        self.meter.setVisible(not run.stage.over)
        self.meter.show_share(run.fraction, "accent")
        self.again.setVisible(failed)
        self.use.setVisible(done)
        measuring = run.stage is QuantizeStage.MEASURING
        stop = self.tr("Stop measuring") if measuring else self.tr("Stop")
        self.cancel.set_icon("x", self.tr("Close") if run.stage.over else stop)
        for button in (self.again, self.use, self.cancel):
            button.setAccessibleName(f"{button.text() or button.toolTip()}: {name}")

    def _use(self) -> None:
        if (run := self._service.current) is not None:
            self.use_wanted.emit(run.path)

    def _again(self) -> None:
        if (run := self._service.current) is None:
            return
        try:
            self._service.start(run.request)
        except AppError as error:
            self._ui.notify.problem(error.problem)

    def _crossed(self) -> None:
        run = self._service.current
        if run is None or run.stage.over:
            self._service.dismiss()
        elif run.stage is QuantizeStage.WRITING and run.done > _DEAR:
            title = texts.fill(self.tr("Stop making {name} smaller?"), name=self.title.text())
            text = self.tr("What is made so far would be removed.")
            self._ui.notify.ask(title, text, self.tr("Stop"), partial(self._stop, run), no=self.tr("Go on"))
        else:
            self._stop(run)

    def _stop(self, asked: Quantization) -> None:
        """Stop it, unless it has come to its end meanwhile."""
        now = self._service.current
        if now is not None and now.id == asked.id and now.stage is asked.stage:
            self._ui.operations.run(self._service.cancel(), owner=self)
