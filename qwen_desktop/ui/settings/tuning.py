"""Above the engine settings: how the chosen model was found to run best here, and the measurement itself."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from qwen_desktop.core import settings as core
from qwen_desktop.core.errors import Cancelled
from qwen_desktop.core.model_ref import AUTOMATIC, FileRef
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.core.tuning import CROWDED, FLOOR, Tuning
from qwen_desktop.services.events import MachineChanged, ModelChanged, ModelState, SettingsChanged, TuningChanged
from qwen_desktop.ui import texts
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Paragraph, said
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.surface import Card

#: The settings whose automatic values are tuned.
_TUNED = ("engine.flash_attention", "engine.kv_type")
#: From how many times as fast on it is said how much.
_WORTH = 1.05
_KV = {
    "f16": QT_TRANSLATE_NOOP("TuningCard", "16-bit context"),
    "q8_0": QT_TRANSLATE_NOOP("TuningCard", "8-bit context"),
    "k_q8_0": QT_TRANSLATE_NOOP("TuningCard", "context with 8-bit keys"),
}


class TuningCard(Card):
    """What was chosen for the model in use, what it gains, and buttons to measure again, skip and forget."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._tuner = ui.services.tuner
        self._state: ModelState = ui.services.models.state
        theme = ui.theme
        self.title = Paragraph(theme, "", self, weight=600)
        self.chosen = Paragraph(theme, "", self, role="small")
        self.note = Paragraph(theme, "", self, role="small", color="text_muted")
        self.measure = TextButton(theme, "", self)
        self.measure.clicked.connect(self._measure)
        self.forget = TextButton(theme, self.tr("Forget"), self, kind="quiet")
        self.forget.clicked.connect(self._forget)
        self.progress = QWidget(self)
        self.line = Paragraph(theme, "", self.progress, role="small", color="text_muted")
        self.meter = Meter(self.tr("Measuring"), self.progress)
        self.skip = TextButton(theme, self.tr("Skip"), self.progress, kind="link")
        self.skip.clicked.connect(self._tuner.skip)
        column(row((self.line, 1), self.skip), self.meter, on=self.progress, gap=4)
        words = said(theme, self, self.title, self.chosen, self.note)
        text = column(words, self.progress, gap=8)
        sign = IconLabel(theme, "gauge", self, color="text", size=22)
        buttons = row((self.forget, MIDDLE), (self.measure, MIDDLE))
        row((sign, MIDDLE), (text, 1), buttons, on=self, gap=14, margins=(18, 15, 18, 15))
        bus = ui.services.bus
        bus.subscribe(ModelChanged, self._on_model, owner=self)
        bus.subscribe(TuningChanged, self._show, owner=self)
        bus.subscribe(SettingsChanged, self._show, owner=self)
        bus.subscribe(MachineChanged, self._show, owner=self)  # results hold for a machine
        self._show()

    def matches(self, asked: str) -> bool:
        """Whether a search in the settings means this card."""
        text = " ".join(label.text() for label in (self.title, self.chosen, self.note)).casefold()
        return all(word in text for word in asked.casefold().split())

    def _on_model(self, event: ModelChanged) -> None:
        self._state = event.state
        self._show()

    def _show(self, _event: object = None) -> None:
        state = self._state
        fraction = None if state.guide else self._tuner.progress(FileRef(state.path))
        result = None if state.guide else self._result()
        running = fraction is not None
        self.progress.setVisible(running)
        if fraction is not None:
            sentence = self.tr("Measuring this computer with {model} …")
            self.line.setText(texts.fill(sentence, model=texts.isolated(state.name)))
            self.meter.show_share(fraction)
        title = self.tr("Tuned for {model} on this computer") if result is not None else self.tr("Tuning")
        self.title.setText(texts.fill(title, model=texts.isolated(state.name)))
        self.chosen.setText(_chosen(result) if result is not None else "")
        self.chosen.setVisible(result is not None)
        self.note.setText(self._note(result))
        self.note.setVisible(not running or result is not None)
        self.measure.setText(self.tr("Measure again") if result is not None else self.tr("Measure now"))
        self.measure.setVisible(not running and not state.guide)
        self.forget.setVisible(not running and result is not None)

    def _result(self) -> Tuning | None:
        info, kept = self._state.info, self._tuner.kept
        return kept.of(info) if info is not None else kept.at(self._state.path)

    def _note(self, result: Tuning | None) -> str:
        if self._state.guide:
            return self.tr("The built-in guide is so small that there is nothing to tune.")
        if result is None:
            return self.tr(
                "After its first answer a model is measured once, for 20 seconds at most, while you do not use it."
            )
        parts = [_gained(result), texts.fill(self.tr("Measured {when}."), when=texts.ago(result.taken_at))]
        settings = self._ui.services.preferences.settings
        if any(core.value(settings, key) != AUTOMATIC for key in _TUNED):
            parts.append(self.tr("What you have set below comes first."))
        return " ".join(parts)

    def _measure(self) -> None:
        def failed(error: BaseException) -> bool:
            return isinstance(error, Cancelled)  # skipped, or an answer came first: nobody need be told

        self._ui.operations.run(
            self._tuner.tune(FileRef(self._state.path)),
            owner=self,
            busy=self.measure,
            on_done=self._measured,
            on_error=failed,
        )

    def _measured(self, result: Tuning) -> None:
        if result.share < CROWDED:
            sentence = self.tr("Other programs keep this computer busy, so nothing was changed. Measure again later.")
            self._ui.notify.toast(sentence)

    def _forget(self) -> None:
        self._ui.operations.run(self._tuner.forget(self._state.path), owner=self, busy=self.forget)


def _chosen(result: Tuning) -> str:
    on, off = texts.translate("TuningCard", "Flash attention on"), texts.translate("TuningCard", "Flash attention off")
    first = texts.translate("TuningCard", "Flash attention for the first %n token(s)", "", result.flash_until)
    flash = on if result.flash_attention else first if result.flash_until else off
    parts = [flash, texts.marked(_KV.get(result.kv_type, _KV["f16"]))]
    parts.append(texts.translate("TuningCard", "%n thread(s)", "", result.threads))
    return " · ".join(parts)


def _gained(result: Tuning) -> str:
    """Against llama.cpp's defaults, at the depth that it was tuned for."""
    gain = next((gain for gain in result.gains if gain.depth == result.depth), None)
    if gain is None or gain.write < _WORTH:
        return texts.translate("TuningCard", "Answers are as fast as with llama.cpp's own defaults.")
    sentence = texts.translate(
        "TuningCard", "After %n token(s), answers are {times} times as fast as with llama.cpp's own defaults.",
        "", gain.depth,
    )  # fmt: skip
    told = texts.fill(sentence, times=texts.number(gain.write, 1))
    first = next((gain.write for gain in result.gains if gain.depth == 0), 0.0)
    if 0 < first < FLOOR:
        begins = texts.translate("TuningCard", "At the beginning of a chat they are {times} times as fast.")
        told += " " + texts.fill(begins, times=texts.number(first, 1))
    return told
