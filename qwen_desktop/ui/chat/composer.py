"""The composer: message box, long pastes, thinking switch, model button, send or stop; loading in its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import QRect, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent
from PySide6.QtWidgets import QProgressBar, QSizePolicy, QStyle, QWidget

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.parts import Part, TextPart
from qwen_desktop.core.text import clean
from qwen_desktop.services.events import ModelState, ModelStatus
from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.chat.message_edit import MessageEdit, is_long
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import IconButton, RoundButton, TextButton
from qwen_desktop.ui.widgets.folding import FoldingRow
from qwen_desktop.ui.widgets.labels import ElidedLabel, IconLabel, Label
from qwen_desktop.ui.widgets.surface import FloatingFrame
from qwen_desktop.ui.widgets.switch import SegmentedControl

#: A load shorter than this, in milliseconds, is not shown: it would only flicker.
_SHOW_LOADING_MS = 250
_MODEL_WIDTH = 230
#: A longer name does not stand in the empty box, in characters.
_SHORT_NAME = 40


class Draft(NamedTuple):
    """What stands in the composer: typed text, and the long pastes and the attachments beside it."""

    text: str = ""
    pastes: tuple[str, ...] = ()
    attachments: tuple[Part, ...] = ()

    @classmethod
    def of(cls, text: str) -> Draft:
        """A text that was said once; a long one stands beside what is typed."""
        return cls("", (text,)) if is_long(text) else cls(text)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The message that it is; none where there is nothing to send."""
        text = clean("\n\n".join(filter(None, (self.text.strip(), *self.pastes))))
        return (*self.attachments, TextPart(text)) if text.strip() else self.attachments

    def before(self, later: Draft) -> Draft:
        """Both as one, this one first."""
        text = "\n\n".join(filter(None, (self.text, later.text)))
        return Draft(text, self.pastes + later.pastes, self.attachments + later.attachments)


class Composer(FloatingFrame):
    """Writes a message. ``begun`` comes with its first letter; ``sent`` carries the draft and leaves the box empty, and
    ``restore`` brings it back."""

    sent = Signal(object)
    begun = Signal()
    stop_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._pastes: list[str] = []
        self._attachments: tuple[Part, ...] = ()
        self._running = False
        self._was_empty = True
        self.edit = MessageEdit(theme, self)
        self.edit.setAccessibleName(self.tr("Message"))
        self.edit.send_wanted.connect(self._send)
        self.edit.long_paste.connect(self._keep_paste)
        self.edit.textChanged.connect(self._text_changed)
        self.edit.focus_changed.connect(lambda on: self.set_border("focus" if on else "border_strong"))
        modes = (
            (ThinkingMode.AUTO.value, self.tr("Auto"), "brain"),
            (ThinkingMode.THINK.value, self.tr("Think"), ""),
            (ThinkingMode.DIRECT.value, self.tr("Direct"), ""),
        )
        self.thinking = SegmentedControl(theme, self.tr("Thinking"), modes, self)
        self.thinking.setToolTip(self.tr("Whether the model thinks before it answers"))
        self.thinking.hide()
        self.model = ModelButton(theme, self)
        self.loading = LoadingRow(theme, self)
        self.loading.hide()
        self.button = RoundButton(theme, "arrow-up", self.tr("Send"), self)
        self.button.clicked.connect(self._pressed)
        self._chips = column(gap=6)
        self._late = QTimer(self, singleShot=True, interval=_SHOW_LOADING_MS)
        self._late.timeout.connect(lambda: self._show_loading(True))
        right = QWidget(self)
        row((self.loading, 1), (None, 0), self.model, self.button, on=right)
        tools = FoldingRow(self)
        tools.add(self.thinking)
        tools.add(right, wide=True)
        column(self._chips, self.edit, 22, tools, on=self, margins=(17, 13, 12, 10))
        self._update_button()
        self.setFocusProxy(self.edit)

    # Content ----------------------------------------------------------------------------------------------------------

    @property
    def draft(self) -> Draft:
        """What stands in the composer now."""
        return Draft(self.edit.toPlainText(), tuple(self._pastes), self._attachments)

    def set_draft(self, draft: Draft) -> None:
        """Show another draft."""
        self.edit.set_text(draft.text)
        self._pastes = list(draft.pastes)
        self._attachments = draft.attachments
        self._show_pastes()

    def restore(self, draft: Draft) -> None:
        """Put what could not be sent back, before what was written since."""
        self.set_draft(draft.before(self.draft))

    # State ------------------------------------------------------------------------------------------------------------

    def set_running(self, running: bool) -> None:
        """Turn the send button into a stop button and back."""
        self._running = running
        self._update_button()

    def set_thinking(self, modes: Sequence[ThinkingMode], mode: ThinkingMode) -> None:
        """Show the switch where the model has modes, at ``mode``."""
        self.thinking.setVisible(len(modes) > 1 and self.loading.isHidden())
        self.thinking.setProperty("possible", len(modes) > 1)
        self.thinking.set_value(mode.value)

    def set_model(self, state: ModelState) -> None:
        """Name the model, and show its loading when that takes a while."""
        self.model.set_name(state.name)
        guide = self.tr("Ask the guide: how do I start a new chat?")
        named = texts.fill(self.tr("Ask {name}"), name=state.name)
        short = len(state.name) <= _SHORT_NAME
        self.edit.set_hint(guide if state.guide else named if short else self.tr("Ask anything."))
        self.loading.show_state(state)
        if state.status is not ModelStatus.LOADING:
            self._late.stop()
            self._show_loading(False)
        elif self.loading.isHidden() and not self._late.isActive():
            self._late.start()

    def _show_loading(self, on: bool) -> None:
        if on and (self.model.hasFocus() or self.thinking.isAncestorOf(self.focusWidget() or self)):
            self.edit.setFocus()  # else the focus would leave the composer with the widget that has it
        self.loading.setVisible(on)
        self.model.setVisible(not on)
        self.thinking.setVisible(not on and bool(self.thinking.property("possible")))

    # Inside -----------------------------------------------------------------------------------------------------------

    def _text_changed(self) -> None:
        self._update_button()
        empty = self.edit.document().isEmpty()
        if self._was_empty and not empty:
            self.begun.emit()
        self._was_empty = empty

    def _update_button(self) -> None:
        stop, send = ("stop", self.tr("Stop")), ("arrow-up", self.tr("Send"))
        self.button.set_icon(*(stop if self._running else send))
        beside = bool(self._pastes or self._attachments)
        self.button.setEnabled(self._running or beside or not self.edit.document().isEmpty())

    def _pressed(self) -> None:
        if self._running:
            self.stop_wanted.emit()
            return
        if self.edit.composing():
            QGuiApplication.inputMethod().commit()  # the button was meant: take what stands there
        self._send()

    def _send(self) -> None:
        if self._running or self.edit.composing():
            return
        draft = self.draft
        if draft.parts:
            self.set_draft(Draft())
            self.sent.emit(draft)

    def _keep_paste(self, text: str) -> None:
        self._pastes.append(text)
        self._show_pastes()

    def _show_pastes(self) -> None:
        while (item := self._chips.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for place, text in enumerate(self._pastes):
            chip = _PasteChip(self._theme, text, self)
            chip.remove.clicked.connect(lambda _checked=False, n=place: self._drop_paste(n))
            self._chips.addWidget(chip)
        self._chips.setContentsMargins(0, 0, 0, 8 if self._pastes else 0)
        self._update_button()

    def _drop_paste(self, place: int) -> None:
        del self._pastes[place]
        self._show_pastes()
        self.edit.setFocus()


class _PasteChip(QWidget):
    """A long paste: how much it is, how it begins, and a way to remove it."""

    def __init__(self, theme: Theme, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        amount = self.tr("Pasted text, %n character(s)", "", len(text))
        label = Label(theme, amount, self, role="small", weight=600)
        begin = ElidedLabel(theme, " ".join(text[:200].split()), self, role="small", color="text_muted")
        begin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.remove = IconButton(theme, "x", self.tr("Remove the pasted text"), self, side=28, icon_size=16)
        row(IconLabel(theme, "file-up", self, size=16), label, (begin, 1), self.remove, on=self)


class ModelButton(TextButton):
    """The name of the model with a chevron; opens the model menu."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, "", parent, kind="model")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.name = ""
        theme.changed.connect(self._renamed)

    def _renamed(self) -> None:
        self.set_name(self.name)

    def set_name(self, name: str) -> None:
        """Show a model's name; long ones are cut and whole in the tooltip."""
        self.name = name
        self.setAccessibleName(texts.fill(self.tr("Model: {name}"), name=name))
        self.setToolTip(texts.fill(self.tr("Choose a model ({name})"), name=name))
        room = self._theme.grown(_MODEL_WIDTH) - self._theme.grown(16) - 28
        shown = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, room)
        self.setText(texts.isolated(shown.replace("&", "&&")))

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        side = self._theme.grown(16)
        sign = icons.pixmap("chevron-down", self._theme.color("text"), side, self.devicePixelRatioF())
        place = QRect(self.width() - side - 9, (self.height() - side) // 2, side, side)
        QPainter(self).drawPixmap(QStyle.visualRect(self.layoutDirection(), self.rect(), place).topLeft(), sign)


class LoadingRow(QWidget):
    """A model on its way into memory: its name, how much of it, for how long, and a bar."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bar = QProgressBar(self, maximum=1000, textVisible=False)
        self._name = ElidedLabel(theme, "", self, role="small", weight=600)
        self._facts = Label(theme, "", self, role="small", color="text_muted", tabular=True)
        column(row((self._name, 1), self._facts, gap=5), self._bar, on=self, gap=5, margins=(0, 0, 12, 2))

    def show_state(self, state: ModelState) -> None:
        """Show where a load is."""
        self._name.setText(texts.fill(self.tr("Loading {name}"), name=state.name))
        facts = texts.seconds(state.seconds)
        if state.size_bytes:
            facts = f"{texts.of_size(state.size_bytes * state.fraction, state.size_bytes)} · {facts}"
        self._facts.setText(facts)
        self._bar.setValue(round(state.fraction * 1000))
        self._bar.setAccessibleName(self._name.text())
