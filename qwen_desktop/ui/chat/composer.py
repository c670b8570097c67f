"""The composer: message box, what is attached, prompts in line, thinking switch, model button, send or stop; loading in
its place."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QProgressBar, QSizePolicy, QWidget

from qwen_desktop.core.commands import command
from qwen_desktop.core.drafts import Draft, QueuedPrompt, pasted
from qwen_desktop.core.engine import Capabilities, ThinkingMode
from qwen_desktop.core.parts import FilePart, Part
from qwen_desktop.services.events import ModelState, ModelStatus
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import native_keys
from qwen_desktop.ui.chat.attachment_chips import AttachmentChips
from qwen_desktop.ui.chat.message_edit import MessageEdit
from qwen_desktop.ui.chat.prompt_line import PromptLine
from qwen_desktop.ui.chat.switch_hint import SwitchHint
from qwen_desktop.ui.chat.template_fields import TemplateFields
from qwen_desktop.ui.chat.thinking_control import ThinkingControl
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import IconButton, MenuButton, RoundButton, TextButton
from qwen_desktop.ui.widgets.folding import FoldingRow
from qwen_desktop.ui.widgets.labels import ElidedLabel, IconLabel, Label
from qwen_desktop.ui.widgets.surface import FloatingFrame

#: A load shorter than this, in milliseconds, is not shown: it would only flicker.
_SHOW_LOADING_MS = 250
_MODEL_WIDTH = 230
#: The text may always have so much of the height, in px.
_LINES = 80
#: A longer name does not stand in the empty box, in characters.
_SHORT_NAME = 40


class Composer(FloatingFrame):
    """Writes a message. ``begun`` comes with its first letter, ``edited`` with each change that is made in it; ``sent``
    carries the draft and leaves the box empty, and ``go_on_wanted`` comes where Enter finds nothing to send."""

    sent = Signal(object)
    begun = Signal()
    edited = Signal()
    stop_wanted = Signal()
    go_on_wanted = Signal()
    #: The button with the slash was pressed.
    templates_wanted = Signal()
    attach_wanted = Signal()
    #: Something attached was taken away.
    detached = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(theme, parent)
        self._attachments: tuple[Part, ...] = ()
        self._running = self._setting = False
        self._was_empty = True
        self._limit = 300
        #: Asked before a draft leaves the box: True keeps it there for now.
        self.holds: Callable[[Draft], bool] = lambda _draft: False
        self.line = PromptLine(theme, self)
        self.line.go_on_wanted.connect(self.go_on_wanted)
        self.attached = AttachmentChips(theme, self)
        self.attached.insert_wanted.connect(self._insert)
        self.attached.remove_wanted.connect(self._detach)
        self.waiting = WaitingRow(theme, self)
        self.waiting.hide()
        self.waiting.stopped.connect(lambda: self.set_waiting(False))
        self.edit = MessageEdit(theme, self)
        self.edit.setAccessibleName(self.tr("Message"))
        self.edit.send_wanted.connect(self._send)
        self.edit.long_paste.connect(lambda text: self._attach((*self._attachments, pasted(text))))
        self.edit.textChanged.connect(self._text_changed)
        self.edit.focus_changed.connect(lambda on: self.set_border("focus" if on else "border_strong"))
        self.switches = SwitchHint(theme, self.edit, self)
        self.fields = TemplateFields(theme, self.edit, self)
        self.slash = IconButton(theme, "slash", self.tr("Prompt templates ( / )"), self)
        self.slash.clicked.connect(self.templates_wanted)
        self.attach_button = IconButton(theme, "plus", self.tr("Attach files"), self)
        named = self._with_key(self.tr("Attach files"), command("chat.attach").keys_on()[0])
        self.attach_button.setToolTip(texts.tip(named))
        self.attach_button.clicked.connect(self.attach_wanted)
        self.thinking = ThinkingControl(theme, self)
        self.thinking.chosen.connect(self.switches.set_mode)
        self.model = ModelButton(theme, self)
        self.loading = LoadingRow(theme, self)
        self.loading.hide()
        self.queue_button = IconButton(theme, "list-plus", self.tr("Send when the answer has ended"), self)
        self.queue_button.clicked.connect(self._meant)
        self.button = RoundButton(theme, "arrow-up", self.tr("Send"), self)
        self.button.clicked.connect(self._pressed)
        self._late = QTimer(self, singleShot=True, interval=_SHOW_LOADING_MS)
        self._late.timeout.connect(lambda: self._show_loading(True))
        self._lay_out()
        self.set_send_with("enter")
        self._order()
        self.setFocusProxy(self.edit)

    def _lay_out(self) -> None:
        left, start, right = FoldingRow(self), QWidget(self), QWidget(self)
        row(self.attach_button, self.slash, on=start)
        left.add(start)
        left.add(self.thinking)
        row((self.loading, 1), (None, 0), self.model, self.queue_button, self.button, on=right)
        tools = FoldingRow(self)
        tools.add(left)
        tools.add(right, wide=True)
        self._above = column(self.line, self.attached, self.waiting, gap=8)
        column(self._above, self.edit, self.switches, self.fields, 22, tools, on=self, margins=(17, 13, 12, 10))

    # Content ----------------------------------------------------------------------------------------------------------

    @property
    def draft(self) -> Draft:
        """What stands in the composer now."""
        return Draft(self.edit.toPlainText(), self._attachments)

    def set_draft(self, draft: Draft) -> None:
        """Show another draft, which is no editing."""
        self._setting = True
        if draft.text != self.edit.toPlainText():
            self.fields.end()
            self.edit.set_text(draft.text)
        self._attach(draft.attachments)
        self._setting = False

    def change_to(self, draft: Draft) -> None:
        """Show the draft of another conversation: undo does not reach over that."""
        self.set_draft(draft)
        self.edit.document().clearUndoRedoStacks()

    def take(self, draft: Draft) -> None:
        """Put this into the box, as if it had been written there."""
        self.set_draft(draft)
        self.edited.emit()
        self.edit.setFocus()

    def attach_all(self, parts: Sequence[Part]) -> None:
        """Attach these, as if they had been dropped here."""
        self._attach((*self._attachments, *parts))

    def exchange(self, old: Part, new: Part) -> None:
        """Attach another part in the place of one."""
        self._attach(self.draft.exchanged(old, new).attachments)

    def set_waiting(self, waiting: bool) -> None:
        """Say that the draft is sent as soon as its files are read, or no longer."""
        self.waiting.setVisible(waiting)
        self._show_above()

    @property
    def waits(self) -> bool:
        """Whether the draft is sent as soon as its files are read."""
        return not self.waiting.isHidden()

    def send(self) -> None:
        """Send what stands in the box, as its key does."""
        self._send()

    def show_queue(self, queue: Sequence[QueuedPrompt], *, waits: bool) -> None:
        """Show the prompts that wait in line; ``waits``: for the user, not for an answer."""
        self.line.show_queue(queue, waits=waits)
        self._show_above()

    # State ------------------------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether an answer runs or is about to."""
        return self._running

    def set_running(self, running: bool) -> None:
        """Turn the send button into a stop button and back."""
        self._running = running
        self._update_button()

    def set_send_with(self, send_with: Literal["enter", "ctrl_enter"]) -> None:
        """Let this key send."""
        self.edit.send_with = send_with
        self.queue_button.setToolTip(texts.tip(self._with_key(self.queue_button.accessibleName(), self._send_key())))
        self._update_button()

    def set_thinking(self, can: Capabilities, mode: ThinkingMode) -> None:
        """Show what the model offers, at ``mode``."""
        self.thinking.set_modes(can.thinking, mode)
        self.switches.set_obeyed(can.soft_switches)
        self.switches.set_mode(mode.value)

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
        self.thinking.set_on(not on)

    # Inside -----------------------------------------------------------------------------------------------------------

    def _text_changed(self) -> None:
        self._update_button()
        empty = self.edit.document().isEmpty()
        if self._was_empty and not empty:
            self.begun.emit()
        self._was_empty = empty
        if not self._setting:
            self.edited.emit()

    def _update_button(self) -> None:
        something = bool(self._attachments) or not self.edit.document().isEmpty()
        icon, name, key = ("stop", self.tr("Stop"), "Esc") if self._running else ("arrow-up", self.tr("Send"), "")
        self.button.set_icon(icon, name)
        self.button.setToolTip(texts.tip(self._with_key(name, key or self._send_key())))
        self.button.setEnabled(self._running or something)
        self.queue_button.setVisible(self._running and something)

    def _send_key(self) -> str:
        return "Enter" if self.edit.send_with == "enter" else "Ctrl+Enter"

    def _with_key(self, name: str, key: str) -> str:
        return f"{name} ({texts.isolated(native_keys(key))})"

    def _pressed(self) -> None:
        if self._running:
            self.stop_wanted.emit()
        else:
            self._meant()

    def _meant(self) -> None:
        """A button was meant: take what an input method shows, too."""
        if self.edit.composing():
            QGuiApplication.inputMethod().commit()
        self._send()

    def _send(self) -> None:
        if self.edit.composing():
            return
        draft = self.draft
        if draft.parts and self.fields.holds():
            return
        if draft and self.holds(draft):
            return
        self.set_waiting(False)
        if draft.parts:
            self.take(Draft())
            self.sent.emit(draft)
        elif not draft:
            self.go_on_wanted.emit()

    def attach(self, part: Part) -> None:
        """Put one more beside the text."""
        self._attach((*self._attachments, part))

    # Attachments ------------------------------------------------------------------------------------------------------

    def _attach(self, parts: tuple[Part, ...]) -> None:
        self._attachments = parts
        self.attached.show_parts(parts)
        self._show_above()
        self._update_button()
        if not self._setting:
            self.edited.emit()

    def _detach(self, place: int) -> None:
        self.detached.emit(self._attachments[place])
        self._attach(self._attachments[:place] + self._attachments[place + 1 :])
        self.edit.setFocus()

    def _insert(self, place: int) -> None:
        """Put a paste into the text, where the cursor stands."""
        part = self._attachments[place]
        if isinstance(part, FilePart):
            self._detach(place)
            self.edit.textCursor().insertText(part.text)
            self.edit.ensureCursorVisible()

    def set_limit(self, pixels: int) -> None:
        """Let the text and what stands above it be so high; then each scrolls."""
        self._limit = pixels
        self._share_room()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._share_room()

    def _share_room(self) -> None:
        room = self._limit - _LINES
        if not self.attached.isHidden():
            self.attached.set_room(room if self.line.isHidden() else room // 3)
            room -= self.attached.height()
        room -= 0 if self.waiting.isHidden() else self.waiting.sizeHint().height()
        if not self.line.isHidden():
            self.line.set_room(room)
            room -= self.line.sizeHint().height()
        self.edit.set_limit(_LINES + max(0, room))

    def _show_above(self) -> None:
        shown = not (self.line.isHidden() and self.attached.isHidden() and self.waiting.isHidden())
        self._above.setContentsMargins(0, 0, 0, 12 if shown else 0)
        self._share_room()
        self._order()

    def _order(self) -> None:
        """Let Tab go from top to bottom."""
        stops = [*self.line.stops, *self.attached.stops, self.waiting.stop, self.edit]
        for first, then in itertools.pairwise(stops):
            QWidget.setTabOrder(first, then)


class WaitingRow(QWidget):
    """Says that the message is sent as soon as its files are read, and lets the user stop that."""

    stopped = Signal()

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.said = ElidedLabel(
            theme, self.tr("Sent as soon as the files are read."), self, role="small", color="text_muted"
        )
        self.said.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.stop = TextButton(theme, self.tr("Do not send yet"), self, kind="link")
        self.stop.setProperty("small", True)
        self.stop.clicked.connect(self.stopped)
        row(IconLabel(theme, "pause", self), (self.said, 1), self.stop, on=self, margins=(2, 0, 0, 0))


class ModelButton(MenuButton):
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
        keys = texts.isolated(native_keys(command("model.choose").keys_on()[0]))
        said = texts.fill(self.tr("Choose a model: {name}"), name=name)
        self.setToolTip(texts.tip(f"{said} ({keys})"))
        room = self._theme.grown(_MODEL_WIDTH) - self._theme.grown(16) - 28
        shown = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, room)
        self.setText(texts.isolated(shown.replace("&", "&&")))


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
