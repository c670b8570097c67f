"""The line under the composer: context used, what runs the model, and which key sends."""

from __future__ import annotations

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.engine import LocalInfo, ModelInfo
from qwen_desktop.services.events import ModelState, ModelStatus, RunStage, RunState
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import with_native_keys
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.context_ring import ContextRing
from qwen_desktop.ui.widgets.labels import ElidedLabel, Label

#: The engine's facts keep so much room, in px at normal text size, before the key hint gives way.
_FACTS = 120
_GAP = 5


class StatusLine(QWidget):
    """Shows figures; it asks nobody."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._info: ModelInfo | None = None
        self._used = 0
        self._size = 0
        self._run: RunState | None = None
        self._failed = False
        self._running = self._waits = False
        self._send_with = "enter"
        self._theme = theme
        self.ring = ContextRing(theme, self)
        self.tokens = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        self.facts = ElidedLabel(theme, "", self, role="small", color="text_muted", tabular=True)
        self.facts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.keys = Label(theme, "", self, role="small", color="text_muted")
        row(self.ring, self.tokens, 11, (self.facts, 1), self.keys, on=self, gap=_GAP, margins=(10, 0, 10, 12))
        theme.changed.connect(self._fit)

    def set_model(self, state: ModelState) -> None:
        """Show what runs the model."""
        self._info = state.info
        self._failed = state.status is ModelStatus.FAILED
        if state.info is not None:
            self._size = state.info.context_size
        self._show()

    def set_context(self, used: int, size: int) -> None:
        """Show tokens used of the context; ``size`` 0 leaves the model's own."""
        self._used = used
        if size:
            self._size = size
        elif self._info is not None:
            self._size = self._info.context_size
        self._show()

    def set_run(self, run: RunState | None) -> None:
        """Show how the answer is getting on that runs here."""
        if run != self._run:
            self._run = run
            self._show()

    def set_send_with(self, send_with: str) -> None:
        """Say which key sends."""
        self._send_with = send_with
        self._show_keys()

    def set_running(self, running: bool) -> None:
        """Say which keys stop the answer and put a prompt in line while one runs."""
        if running is not self._running:
            self._running = running
            self._show_keys()

    def set_waits(self, waits: bool) -> None:
        """Say which key lets the prompts go on that wait for the user."""
        if waits is not self._waits:
            self._waits = waits
            self._show_keys()

    def _show_keys(self) -> None:
        enter = self._send_with == "enter"
        if self._running and enter:
            words = self.tr("Enter to send it next · Esc to stop the answer")
        elif self._running:
            words = self.tr("Ctrl+Enter to send it next · Esc to stop the answer")
        elif self._waits:
            words = self.tr("Enter to go on") if enter else self.tr("Ctrl+Enter to go on")
        elif enter:
            words = self.tr("Enter to send · Shift+Enter for a new line")
        else:
            words = self.tr("Ctrl+Enter to send · Enter for a new line")
        self.keys.setText(with_native_keys(words))
        self._fit()

    def _show(self) -> None:
        self.ring.setVisible(self._size > 0)
        self.tokens.setVisible(self._size > 0)
        if self._size > 0:
            self.ring.set_share(self._used / self._size)
            self.tokens.setText(texts.fill(self.tr("{used} of %n token(s)", "", self._size), used=self._used))
            self.tokens.setToolTip(self.tr("How much of what the model can see at once is used."))
            self.ring.setAccessibleName(self.tokens.text())
            self.tokens.set_color({"warn": "warn", "bad": "bad"}.get(self.ring.role, "text_muted"))
        failed = self.tr("The model is not loaded.") if self._failed else ""
        local = self._info.local if self._info is not None else None
        self.facts.setText(self._note() or failed or ("" if local is None else " · ".join(self._describe(local))))
        self._fit()

    def _note(self) -> str:
        """What is to be known before an answer's first word, in the place of the engine's facts."""
        match self._run:
            case RunState(stage=RunStage.QUEUED, ahead=ahead):
                return self.tr("Waiting for (another answer|%n other answers) to end", "", ahead)
            case RunState(stage=RunStage.LOADING):
                return self.tr("Loading the model")
            case RunState(stage=RunStage.READING):
                return self.tr("Reading the chat")
        return ""

    def _describe(self, info: LocalInfo) -> list[str]:
        facts = [texts.isolated(info.quant), self.tr("%n thread(s)", "", info.threads)] if info.quant else []
        on, off = self.tr("flash attention on"), self.tr("flash attention off")
        first = self.tr("flash attention at first")
        facts.append(on if info.flash_attention else first if info.flash_until else off)
        if info.gpu_layers:
            facts.append(self.tr("%n layer(s) on the graphics card", "", info.gpu_layers))
        if info.experts_on_cpu:
            facts.append(self.tr("the experts of %n layer(s) on the processor", "", info.experts_on_cpu))
        if info.draft_model:
            facts.append(texts.fill(self.tr("{name} guesses ahead"), name=info.draft_model))
        figures = self._run.figures if self._run is not None else None
        if figures is not None and (speed := figures.decode_tokens_per_s):
            facts.insert(0, texts.speed(speed))
        return facts

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """What is used of the context comes first, then the engine's facts, which may be cut short, then the keys."""
        taken = self.keys.sizeHint().width() + 20 + 4 * _GAP
        if self._size > 0:
            taken += self.ring.sizeHint().width() + self.tokens.sizeHint().width() + 11
        if self.facts.text():
            taken += min(self.facts.fontMetrics().horizontalAdvance(self.facts.text()), self._theme.grown(_FACTS))
        self.keys.setVisible(taken <= self.width())
