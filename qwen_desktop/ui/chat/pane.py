"""One conversation: its messages, the box to write in, what answers, and what is to be known of all that.

A page may hold several panes side by side. Each has its own conversation, drafts, thinking mode, model and menus; what
it tells (``changed``) and what is asked of it says its owner, who knows which one is meant by a command of the window.
"""

from __future__ import annotations

import asyncio
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.parts import Role, visible_text
from qwen_desktop.core.settings import Settings
from qwen_desktop.jobs.markdown.blocks import Block
from qwen_desktop.services import events
from qwen_desktop.ui.chat import diagrams
from qwen_desktop.ui.chat.composer import Composer, Draft
from qwen_desktop.ui.chat.conversation_feed import ConversationFeed
from qwen_desktop.ui.chat.empty_chat import EmptyChat
from qwen_desktop.ui.chat.model_menu import ModelMenu
from qwen_desktop.ui.chat.status_line import StatusLine
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, row, set_margins
from qwen_desktop.ui.widgets.surface import SHADOW

#: Share of the window's height that the message box may take.
_COMPOSER_SHARE = 0.40


class ConversationPane(QWidget):
    """``changed``: the conversation, its title, its model or whether it is being answered is another one."""

    changed = Signal()
    #: The id of the conversation that is on show from now on, "" for a new one.
    shown = Signal(str)
    #: The path of a model file that shall answer, "" for the guide.
    model_chosen = Signal(object)  # a path

    def __init__(self, ui: UiContext, *, header: QWidget | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._conversation: Conversation | None = None
        self._drafts: dict[str, Draft] = {}
        #: of a new chat, until it is stored
        self._new_thinking = ThinkingMode.AUTO
        self._new_model: ModelRef | None = None
        self._thinking_wish = f"chat.thinking.{id(self)}"
        self.transcript = TranscriptView(ui.theme, self)
        self.transcript.setAccessibleName(self.tr("Messages"))
        self.transcript.setProperty("ownFocus", True)
        self.transcript.markdown.set_jobs(
            render=lambda text: ui.services.jobs.call("markdown.render", {"text": text}),
            diagram=lambda sources: ui.services.jobs.call("diagram.render", {"diagrams": sources}),
            plain=lambda texts: ui.services.jobs.call("markdown.plain", {"texts": texts}),
            grow=lambda text, number, known: ui.services.jobs.call(
                "markdown.grow", {"text": text, "number": number, "known": known}
            ),
            formula=lambda sources: ui.services.jobs.call("formula.render", {"sources": sources}),
        )
        self.empty = EmptyChat(ui.theme, ui.actions, self)
        self.composer = Composer(ui.theme, self)
        self.status = StatusLine(ui.theme, self)
        self.model_menu = ModelMenu(ui.actions, self)
        self.feed = ConversationFeed(ui, self.transcript, self)
        self.setFocusProxy(self.composer)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.transcript)
        self._column = QWidget(self)
        self._column.setMinimumWidth(320)
        column(self.composer, self.status, on=self._column)
        self._foot = row(None, (self._column, 1000), None, gap=0)
        column(*([header] if header is not None else []), (self._stack, 1), self._foot, on=self)
        self._connect()
        self._align()
        self._take_settings(ui.services.preferences.settings)
        self.open(None)

    def _connect(self) -> None:
        bus = self._ui.services.bus
        bus.subscribe(events.ConversationChanged, self._conversation_changed, owner=self)
        bus.subscribe(events.ModelChanged, self._show_model, owner=self)
        bus.subscribe(events.EngineChanged, self._show_model, owner=self)
        bus.subscribe(events.SettingsChanged, self._settings_changed, owner=self)
        bus.subscribe(events.RunChanged, self._show_running, owner=self)
        self.composer.sent.connect(self.send)
        self.composer.begun.connect(self._warm)
        self.composer.stop_wanted.connect(self.stop)
        self.composer.edit.recall_wanted.connect(self._recall)
        self.composer.model.clicked.connect(self.choose_model)
        self.composer.thinking.chosen.connect(self._thinking_chosen)
        self.model_menu.chosen.connect(self.model_chosen)
        self.feed.adopted.connect(self._adopted)
        self.feed.changed.connect(self._show_feed)
        view = self.transcript
        view.verticalScrollBar().rangeChanged.connect(self._align)
        self._stack.currentChanged.connect(self._align)
        view.regenerate_requested.connect(self._regenerate)
        view.version_requested.connect(self._select_version)
        view.slow_requested.connect(self._why_slow)
        view.action_requested.connect(self._ui.actions.trigger)
        view.link_activated.connect(self._ui.notify.link)
        view.save_requested.connect(self._save)
        view.diagram_requested.connect(self._use_diagram)

    def _align(self) -> None:
        """Keep the composer under the transcript's column: its scroll bar takes room at the side."""
        bar = self.transcript.verticalScrollBar()
        taken = bar.sizeHint().width() if bar.maximum() > 0 and self._stack.currentWidget() is self.transcript else 0
        set_margins(self._foot, 18, 4, 18 + taken, 0)

    # The conversation -------------------------------------------------------------------------------------------------

    @property
    def current(self) -> str:
        """The id of the conversation on show, "" for a new one."""
        return self.feed.id

    @property
    def _id(self) -> str:
        """What it is called, or will be with its first message."""
        return self.current or self.feed.next_id

    @property
    def title(self) -> str:
        """Its title."""
        return self._conversation.title if self._conversation is not None else self.tr("New chat")

    def open(self, conversation: Conversation | None) -> asyncio.Task[None] | None:
        """Show a conversation, None for a new one; what is in the composer stays with the one it was written for. The
        task, if there is one, ends when the end of the conversation is on show."""
        self._ui.operations.withdraw(self._thinking_wish)
        self._drafts[self.current] = self.composer.draft
        where = conversation.id if conversation is not None else ""
        if where and where == self.current:
            return None
        self._conversation = conversation
        self._new_thinking = ThinkingMode(self._ui.services.preferences.settings.chat.thinking)
        opening = self.feed.open(where)
        self.composer.set_draft(self._drafts.get(where, Draft()))
        self.status.set_run(self.feed.run)
        self._show_model()
        self._show_running()
        self.shown.emit(where)
        return opening

    # Answers ----------------------------------------------------------------------------------------------------------

    def ask(self, text: str) -> None:
        """Send a text."""
        self.send(Draft(text))

    def send(self, draft: Draft) -> None:
        """Send a message; what cannot be sent comes back into the box."""
        where = self.current

        def failed(_error: BaseException) -> None:
            self._show_running()
            if self.current == where:
                self.composer.restore(draft)
            else:
                self._drafts[where] = draft.before(self._drafts.get(where, Draft()))

        self._drafts.pop(where, None)
        self.composer.set_running(True)  # from now on Enter keeps what is typed
        self.status.set_running(True)
        sent = self._ui.services.chat.send(
            draft.parts, conversation_id=self._id, new=not where, thinking=self._thinking(), model=self.model
        )
        self._ui.operations.run(sent, owner=self, on_error=failed)

    def stop(self) -> None:
        """Stop the answer that runs here."""
        self._ui.operations.run(self._ui.services.chat.stop(self._id), owner=self)

    def copy_answer(self) -> None:
        """Copy the last answer."""
        if (last := self.transcript.shown.newest(Role.ASSISTANT)) is not None:
            told = partial(self._ui.notify.toast, self.tr("The answer is copied."))
            self.transcript.copying.message(last, told=told)

    def regenerate(self) -> None:
        """Answer the last question again."""
        if (last := self.transcript.shown.newest(Role.ASSISTANT)) is not None:
            self._regenerate(last.message.id)

    def cycle_thinking(self) -> None:
        """Switch Auto, Think, Direct, where the model can."""
        if self.composer.thinking.isVisible():
            self.composer.thinking.cycle()

    def _regenerate(self, message_id: str) -> None:
        self._ui.operations.run(self._ui.services.chat.regenerate(message_id), owner=self)

    def _select_version(self, message_id: str) -> None:
        self._ui.operations.run(self._ui.services.history.select_version(message_id), owner=self)

    def _recall(self) -> None:
        last = self.transcript.shown.newest(Role.USER)
        if last is not None and (text := visible_text(last.message.parts)):
            self.composer.set_draft(Draft.of(text))

    # The model --------------------------------------------------------------------------------------------------------

    @property
    def model(self) -> ModelRef | None:
        """What answers here, None for the model that is chosen for the app."""
        return self._conversation.model if self._conversation is not None else self._new_model

    def set_model(self, model: ModelRef | None) -> None:
        """Let this model answer here, None for the one that is chosen for the app."""
        if self._conversation is None:
            self._new_model = model
            self._show_model()
        else:
            self._ui.operations.run(self._ui.services.history.set_model(self.current, model), owner=self)

    @property
    def model_state(self) -> events.ModelState:
        """What answers here, and what it is doing."""
        return self._ui.services.models.state_of(self.model)

    def choose_model(self) -> None:
        """Open the model menu."""
        self.model_menu.open_above(self.composer.model, self.model_state, self._ui.services.models.recent())

    def _why_slow(self, message_id: str) -> None:
        """Say why that answer came as slowly as it did."""
        from qwen_desktop.ui.slow_dialog import SlowDialog  # noqa: PLC0415 - rare

        ref = self.model or self._ui.services.models.ref
        SlowDialog(self._ui, self.window(), ref, message_id).open()

    def _use_diagram(self, wish: str, source: str) -> None:
        """Show a diagram by itself, or save it."""
        from qwen_desktop.ui.chat import diagram_window  # noqa: PLC0415 - rare

        picture = diagrams.find(self.transcript.style_, source)
        if isinstance(picture, diagrams.Picture):
            if wish == "diagram_save":
                diagram_window.save_diagram(self._ui, picture, self.window())
            else:
                diagram_window.DiagramDialog(self._ui, picture, source, self.window()).open()

    def _save(self, block: Block) -> None:
        """Save a table or code."""
        from qwen_desktop.ui.chat.saving import save_block  # noqa: PLC0415 - rare

        save_block(self._ui, block, self)

    def _warm(self) -> None:
        if self.model is None:
            self._ui.operations.run(self._ui.services.models.warm(), owner=self)

    # What changed -----------------------------------------------------------------------------------------------------

    def _conversation_changed(self, event: events.ConversationChanged) -> None:
        if event.conversation.id == self._id:  # that of a new chat is told before its first message
            self._conversation = event.conversation
            self._show_model()

    def _adopted(self, conversation_id: str) -> None:
        self._drafts.pop("", None)
        self.changed.emit()
        self.shown.emit(conversation_id)

    def _settings_changed(self, event: events.SettingsChanged) -> None:
        self._take_settings(event.after)
        if not self.current:
            self._new_thinking = ThinkingMode(event.after.chat.thinking)
            self._show_thinking()

    def _take_settings(self, settings: Settings) -> None:
        self.composer.edit.send_with = settings.chat.send_with
        self.status.set_send_with(settings.chat.send_with)
        self.transcript.set_options(show_speed=settings.chat.show_speed, open_thinking=settings.chat.open_thinking)
        self.transcript.set_text_scale(settings.appearance.text_size)
        column = round(self._ui.theme.size("text_column") * max(100, settings.appearance.text_size) / 100)
        self._column.setMaximumWidth(column + 2 * SHADOW)  # as wide as the transcript's column

    def _thinking_chosen(self, value: str) -> None:
        mode = ThinkingMode(value)
        if self.current:
            stored, show = self._ui.services.history.set_thinking(self.current, mode), self._show_thinking
            self._ui.operations.run(stored, owner=self, on_done=show, on_error=show, wish=self._thinking_wish)
        else:
            self._new_thinking = mode

    def _thinking(self) -> ThinkingMode:
        return ThinkingMode(self.composer.thinking.value) if self.current else self._new_thinking

    def _show_thinking(self, _end: object = None) -> None:
        if self._ui.operations.pending(self._thinking_wish):
            return  # the switch says already what is being stored
        info = self.model_state.info
        mode = self._conversation.thinking if self._conversation is not None else self._new_thinking
        self.composer.set_thinking(info.capabilities.thinking if info is not None else (), mode)

    def _show_model(self, _event: object = None) -> None:
        state = self.model_state
        self.composer.set_model(state)
        self.status.set_model(state)
        self.empty.set_model(state)
        self._show_thinking()
        self.changed.emit()

    def _show_feed(self) -> None:
        self._stack.setCurrentWidget(self.transcript if self.transcript.items else self.empty)
        self.status.set_run(self.feed.run)
        self.status.set_context(*self.feed.context)

    def _show_running(self, _event: object = None) -> None:
        running = self.feed.running
        self.composer.set_running(running)
        self.status.set_running(running)
        self.changed.emit()

    # Qt ---------------------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.composer.edit.set_limit(max(80, int(self.window().height() * _COMPOSER_SHARE)))
