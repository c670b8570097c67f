"""Why is it slow, or on the processor? The verdict, its causes with one thing to do each, and the figures below."""

from __future__ import annotations

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.engine import LocalInfo
from qwen_desktop.core.hardware import Machine
from qwen_desktop.core.model_ref import FileRef, GuideRef, ModelRef
from qwen_desktop.core.settings import setting
from qwen_desktop.core.slow_facts import LAYERS, Cause, Remedy
from qwen_desktop.core.slowness import Diagnosis
from qwen_desktop.services.events import EngineChanged, MessageChanged, SettingsChanged
from qwen_desktop.ui import texts
from qwen_desktop.ui.models.dialog_body import ScrollDialog, facts
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, TOP, column, filled, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Label, Paragraph
from qwen_desktop.ui.widgets.skeleton import SkeletonBars
from qwen_desktop.ui.widgets.surface import Card

#: What goes on is looked at anew so often, in ms.
_AGAIN_MS = 3000


class SlowDialog(ScrollDialog):
    """Follows what goes on while it is open. ``message_id`` names the answer that is asked about, "" the last one of
    the model ``ref``."""

    def __init__(self, ui: UiContext, parent: QWidget | None, ref: ModelRef, message_id: str = "") -> None:
        super().__init__(ui, translate("SlowDialog", "Why is it slow?"), "", parent, width=600)
        self._ref = ref
        self._message_id = message_id
        theme, body = ui.theme, self.area.body
        self._bars = SkeletonBars(theme, (0.9, 0.6), body)
        self._sign = IconLabel(theme, "info", body, size=22)
        self.verdict = Paragraph(theme, "", body, weight=600)
        self.where = Paragraph(theme, "", body, role="small", color="text_muted")
        self._head = QWidget(body)
        words = column(self.verdict, self.where, gap=2)
        row((self._sign, TOP), (words, 1), on=self._head, gap=12)
        self._head.setContentsMargins(0, 0, 0, 6)
        self._head.hide()
        self.rows: list[CauseRow] = []
        self._causes = column(gap=10)
        self.figures_link = TextButton(theme, self.tr("Show figures"), body, kind="link")
        self.figures_link.setProperty("flush", True)
        self.figures_link.clicked.connect(self._fold)
        self.figures_link.hide()
        self.figures = QWidget(body)
        self.figures.hide()
        self._known: list[tuple[str, str]] = []
        filled(self.column, self._bars, self._head, self._causes, self.figures_link, self.figures, None)
        self.add_button(self.tr("Close"), kind="primary", default=True)
        self._timer = QTimer(self, singleShot=True, interval=_AGAIN_MS)
        self._timer.timeout.connect(self._look)
        bus = ui.services.bus
        for event in (EngineChanged, MessageChanged, SettingsChanged):
            bus.subscribe(event, self._changed, owner=self)
        self._look()

    # Asking -----------------------------------------------------------------------------------------------------------

    def _changed(self, _event: object) -> None:
        self._look()

    def _look(self) -> None:
        self._timer.stop()
        self._ui.operations.run(
            self._ask(),
            owner=self,
            orphaned="cancelled",
            on_done=self.show_diagnosis,
            on_end=self._timer.start,
            wish="slowness",
        )

    async def _ask(self) -> Diagnosis:
        services, ref, message = self._ui.services, self._ref, None
        if self._message_id:
            message = await services.history.message(self._message_id)
        if message is not None and message.provenance is not None:
            made = message.provenance
            ref = GuideRef() if made.guide else FileRef(made.model_path)
        return await services.slowness.ask(ref, message)

    # Showing ----------------------------------------------------------------------------------------------------------

    def show_diagnosis(self, found: Diagnosis) -> None:
        """Show this answer; what has the keyboard keeps it while the causes are the same."""
        self._bars.hide()
        self._head.show()
        self.verdict.setText(texts.text(found.verdict))
        self.where.setText(texts.text(found.where) if found.where is not None else "")
        self.where.setVisible(found.where is not None)
        if found.slow:
            self._sign.set_icon("circle-alert", "warn")
        else:
            self._sign.set_icon(
                "circle-check" if found.expected else "info", "good" if found.expected else "text_muted"
            )
        if [one.cause.id for one in self.rows] != [cause.id for cause in found.causes]:
            for one in self.rows:
                self._causes.removeWidget(one)
                one.hide()
                one.deleteLater()
            self.rows = [CauseRow(self._ui, cause, self) for cause in found.causes]
            for one in self.rows:
                self._causes.addWidget(one)
        for one, cause in zip(self.rows, found.causes, strict=True):
            one.show_cause(cause)
        self._show_figures(found)

    def _fold(self) -> None:
        shown = self.figures.isHidden()
        self.figures.setVisible(shown)
        self.figures_link.setText(self.tr("Hide figures") if shown else self.tr("Show figures"))
        if shown:  # below many causes they would open out of sight
            QTimer.singleShot(0, self, lambda: self.area.ensureWidgetVisible(self.figures, 0, 4))

    def _show_figures(self, found: Diagnosis) -> None:
        known = [(name, value) for name, value in self._figures(found) if value]
        if known == self._known:
            return
        self._known, old = known, self.figures
        self.figures_link.setVisible(bool(known))
        self.figures = QWidget(self.area.body)
        column(facts(self._theme, known, self.figures), on=self.figures)
        self.figures.setVisible(not old.isHidden())
        self.column.replaceWidget(old, self.figures)
        old.hide()
        old.deleteLater()

    def _figures(self, found: Diagnosis) -> list[tuple[str, str]]:
        """Names and values of what the answer rests on."""
        known = found.facts
        stats, moment, machine = known.stats, known.moment, known.machine
        local = known.info.local if known.info is not None else None
        layers = known.shape.layers + 1 if known.shape is not None else 0
        on_cards = min(local.gpu_layers, layers) if local is not None else 0
        part = self.tr("{part} of %n layer(s)", "", layers)
        of = self.tr("{part} of %n token(s)", "", stats.context_size if stats is not None else 0)
        tokens, restored = (stats.prompt_tokens, stats.restored_tokens) if stats is not None else (0, 0)
        read = (
            self.tr("%n token(s), {cached} of them not read again ({restored} from the disk)", "", tokens)
            if restored
            else self.tr("%n token(s), {cached} of them not read again", "", tokens)
        )
        guessed = self.tr(
            "{part} of %n guessed token(s) were right", "", stats.drafted_tokens if stats is not None else 0
        )
        taken = self.tr("{part} of %n processor(s)", "", machine.cpu.logical or 0)
        seconds = texts.seconds
        return [
            (self.tr("Model"), known.info.name if known.info is not None else ""),
            (self.tr("Speed"), texts.speed(found.reached) if found.reached else ""),
            (self.tr("Expected"), texts.about_speed(found.expected)),
            (self.tr("First word after"), seconds(stats.ttft_s) if stats is not None and stats.ttft_s else ""),
            (
                self.tr("Question"),
                texts.fill(read, cached=stats.cached_tokens, restored=stats.restored_tokens)
                if stats is not None and stats.prompt_tokens
                else "",
            ),
            (
                self.tr("Written ahead"),
                texts.fill(guessed, part=stats.accepted_tokens) if stats is not None and stats.drafted_tokens else "",
            ),
            (self.tr("Thinking"), seconds(stats.thinking_s) if stats is not None and stats.thinking_s else ""),
            (
                self.tr("Context used"),
                texts.fill(of, part=stats.context_used) if stats is not None and stats.context_size else "",
            ),
            (self.tr("On the graphics card"), texts.fill(part, part=on_cards) if layers and machine.gpus else ""),
            *_by_card(local, machine),
            (self.tr("Threads"), texts.number(local.threads) if local is not None else ""),
            (self.tr("Free memory"), texts.size(machine.memory.free_bytes) if machine.memory.free_bytes else ""),
            (self.tr("In swap"), texts.size(moment.swapped_bytes) if moment.swapped_bytes else ""),
            (
                self.tr("Other programs"),
                texts.fill(taken, part=float(moment.others))
                if moment.others is not None and machine.cpu.logical
                else "",
            ),
        ]


def _by_card(local: LocalInfo | None, machine: Machine) -> list[tuple[str, str]]:
    """What each of several graphics cards holds of the weights, by the names that their drivers give."""
    if local is None or len(local.cards) < 2:
        return []
    rows = []
    for part in local.cards:  # "CUDA1" is the second of those that CUDA computes on
        backend = part.name.rstrip("0123456789")
        place = int(part.name.removeprefix(backend) or 0)
        names = [gpu.name for gpu in machine.gpus if gpu.backend == backend]
        name = names[place] if place < len(names) else part.name
        rows.append((texts.isolated(name), texts.size(part.weights_bytes)))
    return rows


class CauseRow(Card):
    """One cause: its layer, what is the matter, what to do, and the button that does it."""

    def __init__(self, ui: UiContext, cause: Cause, dialog: SlowDialog) -> None:
        super().__init__(dialog.area.body)
        self._ui = ui
        self._dialog = dialog
        self.cause = cause
        theme = ui.theme
        self._layer = Label(
            theme, texts.marked(LAYERS[cause.layer]), self, role="small", color="text_muted", weight=600
        )
        self.what = Paragraph(theme, "", self)
        self.remedy = Paragraph(theme, "", self, role="small", color="text_muted")
        words = column(self._layer, self.what, self.remedy, gap=3)
        self.button = TextButton(theme, "", self)
        self.button.clicked.connect(self._act)
        row((words, 1), (self.button, MIDDLE), on=self, gap=16, margins=(16, 12, 16, 12))

    def show_cause(self, cause: Cause) -> None:
        """Show it with its present figures."""
        self.cause = cause
        self.what.setText(texts.text(cause.what))
        self.remedy.setText(texts.text(cause.remedy.text))
        label = self._label(cause.remedy)
        self.button.setText(label)
        self.button.setAccessibleDescription(self.remedy.text())  # "Use 4,096": of what?
        self.button.setVisible(bool(label))

    def _label(self, remedy: Remedy) -> str:
        if remedy.setting:
            value = remedy.value
            return self.tr("Reset") if value is None else texts.fill(self.tr("Use {value}"), value=value)
        return {
            "view.models": self.tr("Open models"),
            "view.settings": self.tr("Open settings"),
            "chat.new": self.tr("New chat"),
            "thinking.cycle": self.tr("Switch thinking"),
        }.get(remedy.command, "")

    def _act(self) -> None:
        remedy = self.cause.remedy
        if remedy.setting:
            value = setting(remedy.setting).default if remedy.value is None else remedy.value
            change = self._ui.services.preferences.change({remedy.setting: value})
            self._ui.operations.run(change, owner=self._dialog, orphaned="quiet", busy=self.button)
            self._ui.notify.toast(self.tr("It counts from your next message on."), kind="good")
        else:
            self._dialog.accept()
            self._ui.actions.trigger(remedy.command)
