"""One conversation: its messages, the box to write in, what answers, and what is to be known of all that.

A page may hold several panes side by side. Each has its own conversation, drafts, thinking mode, model and menus; what
it tells (``changed``) and what is asked of it says its owner, who knows which one is meant by a command of the window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from msgspec import structs
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QStackedWidget, QWidget

from qwen_desktop.core.assistants import Assistant, Begun, FieldKind, Values, begun_of, render, values_of
from qwen_desktop.core.chat import Conversation, Setup, is_temporary, new_id
from qwen_desktop.core.drafts import Draft, QueuedPrompt
from qwen_desktop.core.engine import Capabilities, ThinkingMode
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Role
from qwen_desktop.core.queries import parse
from qwen_desktop.core.settings import Settings
from qwen_desktop.jobs.markdown.blocks import Block
from qwen_desktop.services import events
from qwen_desktop.services.changes import Change, to_its_end
from qwen_desktop.services.drafts import Drafts
from qwen_desktop.services.prompt_queue import PromptQueue
from qwen_desktop.ui import texts
from qwen_desktop.ui.assistants.looks import in_words
from qwen_desktop.ui.chat import diagrams
from qwen_desktop.ui.chat.assistant_bar import AssistantMenu, FieldsBar
from qwen_desktop.ui.chat.attached_file import AttachedMedia
from qwen_desktop.ui.chat.attached_text import AttachedText
from qwen_desktop.ui.chat.attaching import Attaching
from qwen_desktop.ui.chat.composer import Composer
from qwen_desktop.ui.chat.conversation_feed import ConversationFeed
from qwen_desktop.ui.chat.empty_chat import EmptyChat
from qwen_desktop.ui.chat.find_bar import FindBar
from qwen_desktop.ui.chat.finding import Words
from qwen_desktop.ui.chat.instructions_panel import InstructionsPanel
from qwen_desktop.ui.chat.message_commands import MessageCommands
from qwen_desktop.ui.chat.model_menu import ModelMenu
from qwen_desktop.ui.chat.prompt_line import words_of
from qwen_desktop.ui.chat.side_panel import SidePanel
from qwen_desktop.ui.chat.status_line import StatusLine
from qwen_desktop.ui.chat.template_menu import TemplateMenu
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.chat.versions_panel import VersionsPanel
from qwen_desktop.ui.export_dialog import words
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
    #: The name of a model that is to be got.
    model_wanted = Signal(str)

    def __init__(self, ui: UiContext, *, header: QWidget | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ui = ui
        self._conversation: Conversation | None = None
        #: where a prompt stood that was taken back into the box
        self._place: int | None = None
        #: of a new chat, until it is stored
        self._new_thinking = ThinkingMode.AUTO
        self._new_budget: int | None = None
        self._new_model: ModelRef | None = None
        #: the folder that a new chat will lie in
        self.new_folder = ""
        self._new_assistant = ""
        self._new_values: Values = {}
        self._thinking_wish = f"chat.thinking.{id(self)}"
        self._budget_wish = f"chat.budget.{id(self)}"
        self._setup_wish = f"chat.setup.{id(self)}"
        self.transcript = TranscriptView(ui.theme, self)
        self.transcript.copying.rich = lambda message: ui.services.exports.copied_message(message, words())
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
        self.fields = FieldsBar(ui.theme, self)
        self.status = StatusLine(ui.theme, self)
        self.model_menu = ModelMenu(ui.actions, self)
        self.assistant_menu = AssistantMenu(ui.theme, ui.actions, self)
        self.assistant_menu.chosen.connect(self.assist)
        self.feed = ConversationFeed(ui, self.transcript, self)
        self.messages = MessageCommands(ui, self.transcript, self.feed, self)
        self.attaching = Attaching(ui, self, self.composer, self, self._warm)
        self.versions = VersionsPanel(ui, self.feed, self.transcript, self)
        self.instructions = InstructionsPanel(ui.theme, self)
        self.messages.pointed = lambda: self.versions.pointed
        self.find_bar = FindBar(ui.theme, ui.actions, self.transcript, self)
        self.setFocusProxy(self.composer)
        self._stack = _Pages(self)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.transcript)
        self._column = QWidget(self)
        self._column.setMinimumWidth(320)
        column(self.fields, self.composer, self.status, on=self._column)
        self._foot = row(None, (self._column, 1000), None, gap=0)
        talk = QWidget(self)
        column(self.find_bar, (self._stack, 1), self._foot, on=talk)
        beside = SidePanel(ui.theme, talk, (self.versions, self.instructions), self)
        column(*([header] if header is not None else []), (beside, 1), on=self)
        self.templates = TemplateMenu(ui, self.composer, self)
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
        bus.subscribe(events.DraftChanged, self._draft_changed, owner=self)
        bus.subscribe(events.QueueChanged, self._show_queue, owner=self)
        bus.subscribe(events.AssistantsChanged, self._assistants_changed, owner=self)
        bus.subscribe(events.LibraryChanged, self._assistants_changed, owner=self)
        self._connect_parts()

    def _connect_parts(self) -> None:
        self.empty.assistants.chosen.connect(self.assist)
        self.empty.model_wanted.connect(self.model_wanted)
        self.fields.changed.connect(self._fill_fields)
        self.composer.sent.connect(self._send)
        self.composer.edited.connect(self._keep_draft)
        self.composer.go_on_wanted.connect(self._go_on)
        self.composer.attached.read_wanted.connect(self._read)
        line = self.composer.line
        line.edit_wanted.connect(self._edit_queued)
        line.remove_wanted.connect(self._remove_queued)
        line.send_wanted.connect(self._send_queued)
        line.move_wanted.connect(lambda prompt_id, place: self._queue.move(self._id, prompt_id, place))
        self.composer.begun.connect(self._warm)
        self.composer.stop_wanted.connect(self.stop)
        self.composer.edit.recall_wanted.connect(self.messages.edit_last)
        self.composer.model.clicked.connect(self.choose_model)
        self.composer.thinking.chosen.connect(self._thinking_chosen)
        self.composer.thinking.budget_chosen.connect(self._budget_chosen)
        self.model_menu.chosen.connect(self.model_chosen)
        self.feed.adopted.connect(self._adopted)
        self.feed.changed.connect(self._show_feed)
        view = self.transcript
        view.verticalScrollBar().rangeChanged.connect(self._align)
        self._stack.currentChanged.connect(self._align)
        self._stack.currentChanged.connect(self._stack.updateGeometry)
        self.messages.versions_wanted.connect(self.versions.open_at)
        self.messages.editing.left.connect(self.setFocus)
        self.messages.opened.connect(lambda _id: self.setFocus())
        self.versions.chosen.connect(self.messages.show)
        self.versions.delete_wanted.connect(self.messages.delete)
        self.versions.fork_wanted.connect(self.messages.fork)
        self.versions.closed.connect(self.setFocus)
        self.instructions.closed.connect(self.setFocus)
        self.instructions.changed.connect(self._set_up)
        self.instructions.reset_wanted.connect(self._reset_setup)
        self.find_bar.closed.connect(self.setFocus)
        view.slow_requested.connect(self._why_slow)
        view.action_requested.connect(self._ui.actions.trigger)
        view.file_requested.connect(self._read)
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
    def conversation(self) -> Conversation | None:
        """The one on show, None for a new one."""
        return self._conversation if self.current else None

    @property
    def areas(self) -> list[QWidget]:
        """Its parts, in the order in which F6 goes through them."""
        messages = self.transcript if self.transcript.isVisible() else self.empty
        return [messages, self.composer.edit, self.versions.view, self.instructions, self.find_bar.field]

    @property
    def _id(self) -> str:
        """What it is called, or will be with its first message."""
        return self.current or self.feed.next_id

    @property
    def temporary(self) -> bool:
        """Whether it is kept in memory only."""
        return is_temporary(self.current)

    @property
    def begun(self) -> bool:
        """Whether anything was said in it."""
        return self._conversation is not None and self._conversation.leaf_id is not None

    @property
    def title(self) -> str:
        """Its title."""
        new = self.tr("Temporary chat") if self.temporary else self.tr("New chat")
        return (self._conversation.title if self._conversation is not None else "") or new

    def open(self, conversation: Conversation | None) -> asyncio.Task[None] | None:
        """Show a conversation, None for a new one; what is in the composer stays with the one it was written for. The
        task, if there is one, ends when the end of the conversation is on show."""
        self._ui.operations.withdraw(self._thinking_wish)
        self._ui.operations.withdraw(self._budget_wish)
        self._ui.operations.withdraw(self._setup_wish)
        where = conversation.id if conversation is not None else ""
        if where and where == self.current:
            return None
        self.composer.thinking.budget.moved_on.emit()
        self.instructions.flush()
        if not where:
            self.find_bar.leave()
        self._conversation = conversation
        self._new_thinking = ThinkingMode(self._ui.services.preferences.settings.chat.thinking)
        self._new_budget = None
        self.new_folder = ""
        if self._new_assistant:
            self._new_model = None
        self._new_assistant, self._new_values = "", {}
        self._show_assistant()
        opening = self.feed.open(where)
        self.composer.set_draft(self._drafts.of(where))
        self.attaching.forget_room()
        self._place = None
        self._show_queue()
        self._show_setup()
        self.status.set_run(self.feed.run)
        self.composer.set_dashed(self.temporary)
        self.empty.set_temporary(self.temporary)
        self._show_model()
        self._show_running()
        self.shown.emit(where)
        return opening

    # What is written --------------------------------------------------------------------------------------------------

    @property
    def _drafts(self) -> Drafts:
        return self._ui.services.drafts

    @property
    def _queue(self) -> PromptQueue:
        return self._ui.services.queue

    def _keep_draft(self) -> None:
        self._drafts.put(self.current, self.composer.draft)
        self._show_waits()

    def _draft_changed(self, event: events.DraftChanged) -> None:
        if event.conversation_id == self.current:
            self.composer.set_draft(self._drafts.of(self.current))
            self._show_setup()
            self._show_waits()
            self.attaching.exchanged()

    def _send(self, draft: Draft) -> None:
        """Send what was written, after what is said and waits already."""
        if self.composer.running:
            self._queue.add(self._id, draft, self._place)
            self.composer.line.tell(draft)
        else:
            self.send(draft)
        self._place = None

    def _show_queue(self, event: events.QueueChanged | None = None) -> None:
        if event is None or event.conversation_id == self._id:
            self.composer.show_queue(self._queue.of(self._id), waits=self._queue.waits(self._id))
            self._show_waits()

    def _show_waits(self) -> None:
        self.status.set_waits(self._queue.waits(self._id) and not self.composer.draft)

    def _go_on(self) -> None:
        if self._queue.waits(self._id):
            self._queue.go_on(self._id)

    def _edit_queued(self, prompt_id: str) -> None:
        """Take a prompt back into the box; what stood there waits in its place."""
        queued = next((queued for queued in self._queue.of(self._id) if queued.id == prompt_id), None)
        place = self._queue.remove(self._id, prompt_id)
        if queued is None or place is None:
            return
        before, self._place = self.composer.draft, place
        if before.parts:
            self._queue.insert(self._id, QueuedPrompt(new_id(self._id), before), place)
            self._place = None
        self.composer.take(queued.draft)

    def _remove_queued(self, prompt_id: str) -> None:
        where = self._id
        queued = next((queued for queued in self._queue.of(where) if queued.id == prompt_id), None)
        place = self._queue.remove(where, prompt_id)
        if queued is None or place is None:
            return
        if not self.composer.line.focus_chip(place):
            self.composer.setFocus()
        told = texts.fill(self.tr("“{words}” is not sent."), words=words_of(queued.draft))
        self._ui.notify.undoable(told, lambda: self._queue.insert(where, queued, place))

    def _send_queued(self, prompt_id: str) -> None:
        self._ui.operations.run(self._queue.send_now(self._id, prompt_id), owner=self)
        self.composer.setFocus()

    def _read(self, part: FilePart | ImagePart | AudioPart, words: Words | None = None) -> None:
        """Show something that is attached, or was; what was looked for is marked in it."""
        if isinstance(part, FilePart) and part.text:
            drafted = part in self.composer.draft.attachments
            choose = partial(self.attaching.choose_parts, part) if drafted else None
            tokens = self.attaching.known(part)
            AttachedText(self._ui, part, self.window(), pattern=words, tokens=tokens, choose=choose).open()
        elif isinstance(part, ImagePart | AudioPart):
            AttachedMedia(self._ui, part, self.window()).open()

    async def show_found(self, message_id: str, query: str, attachment: str = "") -> None:
        """Bring a message of the conversation on show into view, what was looked for marked in it, and open what is
        attached under the name ``attachment`` where that was found."""
        if not await self.messages.reach(message_id):
            return
        self.find_bar.leave()
        words, item = Words(parse(query)), self.transcript.item(message_id)
        self.find_bar.finder.look_for(words, only=message_id)
        files = [part for part in item.message.parts if isinstance(part, FilePart)] if item is not None else []
        found = [part for part in files if part.text and attachment and part.name == attachment]
        if found:
            self._read(found[0], words)

    # Answers ----------------------------------------------------------------------------------------------------------

    def ask(self, text: str) -> None:
        """Send a text."""
        self.send(Draft(text))

    def send(self, draft: Draft) -> None:
        """Send a message; what cannot be sent comes back into the box."""
        where, here = self.current, self._id
        self.composer.set_running(True)  # from now on Enter puts what is typed in line
        self.status.set_running(True)
        drafts = self._drafts
        leaving = drafts.leaving(where, draft)

        async def sent() -> None:
            async with leaving as message_id:
                try:
                    await self._ui.services.chat.send(
                        draft.parts,
                        conversation_id=here,
                        new=not where,
                        thinking=thinking,
                        model=model,
                        thinking_budget=budget,
                        message_id=message_id,
                        folder_id=folder,
                        setup=setup,
                        begun=begun,
                    )
                    if setup is not None:
                        drafts.setup_taken(setup)  # the next new chat may be on show by now
                except Exception:
                    self._queue.hold(here)
                    for queued in reversed(self._queue.of(here)) if not where else ():
                        self._queue.remove(here, queued.id)  # it has not become a conversation
                        self._drafts.come_back(where, queued.draft)
                    raise

        self.instructions.flush()
        thinking, model, budget = self._thinking(), self.model, None if where else self._new_budget
        folder = "" if where else self.new_folder
        setup = None if where else self._drafts.setup("")
        begun = self._begun() if not where else None
        work = to_its_end(sent(), "pane.send")  # whatever becomes of this pane
        self._ui.operations.run(work, owner=self, on_error=lambda _: self._show_running())

    # The assistant ----------------------------------------------------------------------------------------------------

    @property
    def assistant(self) -> Assistant | None:
        """What the conversation was begun with, as it is now; None without one, and for one that is gone."""
        name = self._conversation.assistant_id if self._conversation is not None else self._new_assistant
        return self._ui.services.assistants.get(name) if name else None

    def assist(self, assistant_id: str) -> None:
        """Have the conversation go on with an assistant, "" for none."""
        service = self._ui.services.assistants
        entry = service.get(assistant_id) if assistant_id else None
        begun = service.begin(assistant_id) if entry is not None else Begun()
        if self._conversation is not None:
            usual = self._ui.services.preferences.settings.chat.system_prompt.strip()
            begun = structs.replace(begun, system_prompt=begun.system_prompt or usual)
            changed = self._ui.services.history.set_begun(self._conversation.id, begun)
            name = in_words(entry).name if entry is not None else ""
            sentence = self.tr("This chat goes on with {name}.") if name else self.tr("This chat has no assistant now.")
            self._assisted(changed, texts.fill(sentence, name=name))
            return
        self._new_assistant = begun.assistant_id
        self._new_values = entry.defaults if entry is not None else {}
        default = ThinkingMode(self._ui.services.preferences.settings.chat.thinking)
        self._new_thinking = begun.thinking or default
        self._new_budget, self._new_model = begun.thinking_budget, begun.model
        self._show_assistant()
        self._show_setup()
        self._show_model()
        self.setFocus()

    def choose_assistant(self, anchor: QWidget) -> None:
        """Open the menu of the assistants below ``anchor``."""
        entry = self.assistant
        self.assistant_menu.fill(self._ui.services.assistants.list(), entry.id if entry is not None else "")
        self.assistant_menu.open_by(anchor, 0, anchor.height() + 4)

    def _begun(self) -> Begun | None:
        """What a new conversation is begun with; None without an assistant."""
        entry = self.assistant
        return self._ui.services.assistants.begin(entry.id, self._values(entry)) if entry is not None else None

    def _values(self, entry: Assistant) -> Values:
        """What was filled in, as far as its fields are still the same."""
        fitting = {field.name: field for field in entry.asked}
        return {
            name: value
            for name, value in self._new_values.items()
            if name in fitting and (fitting[name].kind is FieldKind.TEXT or set(value) <= set(fitting[name].choices))
        }

    def _fill_fields(self, values: Values) -> None:
        entry = self.assistant
        if entry is None:
            return
        if self._conversation is None:
            self._new_values = values
            return
        prompt = render(entry, values)
        begun = structs.replace(begun_of(self._conversation), system_prompt=prompt)
        if prompt != self._conversation.system_prompt:
            self._assisted(self._ui.services.history.set_begun(self._conversation.id, begun), "")

    def _assisted(self, work: Coroutine[Any, Any, Change], told: str) -> None:
        def done(change: Change) -> None:
            if told:
                undo = partial(self._undo_assistant, change)
                self._ui.notify.undoable(told, undo)

        self._ui.operations.run(work, owner=self, on_done=done)

    def _undo_assistant(self, change: Change) -> None:
        async def undone() -> None:
            await change.undo()

        self._ui.operations.run(undone(), owner=self)

    def _assistants_changed(self, _event: object) -> None:
        if self._conversation is None and self._new_assistant and self.assistant is None:
            self.assist("")  # it was deleted
        self._show_assistant()

    def _show_assistant(self) -> None:
        service, entry = self._ui.services.assistants, self.assistant
        missing = entry.model if entry is not None and service.model_of(entry) is None else ""
        self.empty.set_assistants(service.list(), entry, missing)
        values: Values | None = self._new_values
        if self._conversation is not None and entry is not None:
            values = values_of(entry, self._conversation.system_prompt)
        self.fields.show_fields(entry, values)
        self.changed.emit()

    def stop(self) -> None:
        """Stop the answer that runs here; what waits in line goes on waiting."""
        self._ui.operations.run(self._queue.stop(self._id), owner=self)

    def copy_answer(self) -> None:
        """Copy the last answer."""
        if (last := self.transcript.shown.newest(Role.ASSISTANT)) is not None:
            told = partial(self._ui.notify.toast, self.tr("The answer is copied."))
            self.transcript.copying.message(last, told=told)

    def cycle_thinking(self) -> None:
        """Switch Auto, Think, Direct, where the model can."""
        if self.composer.thinking.isVisible():
            self.composer.thinking.cycle()

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
        from qwen_desktop.ui.chat import diagram_window, saving  # noqa: PLC0415 - rare

        picture = diagrams.find(self.transcript.style_, source)
        if isinstance(picture, diagrams.Picture):
            if wish == "diagram_save":
                saving.save_diagram(self._ui, picture, self.window())
            else:
                diagram_window.DiagramDialog(self._ui, picture, source, self.window()).open()

    def _save(self, block: Block) -> None:
        """Save a table or code."""
        from qwen_desktop.ui.chat.saving import save_block  # noqa: PLC0415 - rare

        save_block(self._ui, block, self)

    def _warm(self) -> None:
        if self.model is None:
            entry, now = self.assistant, self._conversation
            context = now.context if now is not None else entry.context if entry is not None else None
            self._ui.operations.run(self._ui.services.models.warm(context), owner=self)

    # What changed -----------------------------------------------------------------------------------------------------

    def _conversation_changed(self, event: events.ConversationChanged) -> None:
        if event.conversation.id == self._id:  # that of a new chat is told before its first message
            self._conversation = event.conversation
            self._show_setup()
            self._show_assistant()
            self.attaching.show()
            self._show_model()

    def _adopted(self, conversation_id: str) -> None:
        self._drafts.put("", Draft())
        self._drafts.put_setup("", Setup())
        self._keep_draft()  # what was written since is the new conversation's
        self.changed.emit()
        self.shown.emit(conversation_id)

    def _settings_changed(self, event: events.SettingsChanged) -> None:
        self._take_settings(event.after)
        if not self.current:
            self._new_thinking = ThinkingMode(event.after.chat.thinking)
        self._show_thinking()

    def _take_settings(self, settings: Settings) -> None:
        self.composer.set_send_with(settings.chat.send_with)
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

    def _budget_chosen(self, tokens: int | None) -> None:
        if self.current:
            stored, show = self._ui.services.history.set_thinking_budget(self.current, tokens), self._show_budget
            self._ui.operations.run(stored, owner=self, on_done=show, on_error=show, wish=self._budget_wish)
        else:
            self._new_budget = tokens

    # Instructions and values -----------------------------------------------------------------------------------------

    @property
    def _setup(self) -> Setup:
        """How it is answered, or will be."""
        found = self._conversation
        if found is not None and self.current:
            return Setup(found.system_prompt, found.sampling, found.context)
        return self._drafts.setup("").over(self._begun_setup())

    @property
    def system_prompt(self) -> str:
        """The instructions that it has, or will begin with."""
        chosen = self._setup.system_prompt
        return (self._ui.services.preferences.settings.chat.system_prompt if chosen is None else chosen).strip()

    @property
    def context(self) -> int | None:
        """How many tokens the model is to remember here, where that was chosen."""
        return self._setup.context

    def _begun_setup(self) -> Setup:
        """What the assistant of a new chat says."""
        begun = self._begun() or Begun()
        return Setup(begun.system_prompt or None, begun.sampling, begun.context)

    def _show_setup(self, _end: object = None) -> None:
        if not self._ui.operations.pending(self._setup_wish):
            self.instructions.show_setup(self._setup, begun=bool(self.current))

    def _set_up(self, before: Setup, setup: Setup) -> None:
        """Have it answered so from now on; what is as ``before`` is stored already."""
        where = self.current
        if where:
            stored, show = self._store_setup(where, before, setup), self._show_setup
            self._ui.operations.run(stored, owner=self, on_done=show, on_error=show, wish=self._setup_wish)
        else:
            # Only what was chosen here: another assistant may be chosen still.
            self._drafts.put_setup("", setup.apart_from(self._begun_setup()))

    async def _store_setup(self, where: str, before: Setup, after: Setup) -> None:
        history = self._ui.services.history
        if after.system_prompt != before.system_prompt:
            await history.set_system_prompt(where, after.system_prompt or "")
        if after.sampling != before.sampling:
            await history.set_sampling(where, after.sampling)
        if after.context != before.context:
            await history.set_context(where, after.context)

    def _reset_setup(self) -> None:
        """Take all from the settings again, with undo."""
        where, before = self.current, self._setup
        prompt = self._ui.services.preferences.settings.chat.system_prompt.strip()
        wanted = Setup(prompt) if where else Setup()
        if before == wanted:
            return

        def put(then: Setup, now: Setup) -> None:
            if where == self.current:
                self._set_up(then, now)
                self.instructions.show_setup(now, begun=bool(where))
            elif where:
                self._ui.operations.run(self._store_setup(where, then, now), owner=self)

        put(before, wanted)
        told = self.tr("Instructions and values are those of Settings.")
        self._ui.notify.undoable(told, lambda: put(wanted, before))

    def leave(self) -> None:
        """The window closes: what was typed is stored, and nothing is read ahead any more."""
        self.instructions.flush()
        self.feed.leave()

    def _thinking(self) -> ThinkingMode:
        return ThinkingMode(self.composer.thinking.value) if self.current else self._new_thinking

    def _show_thinking(self, _end: object = None) -> None:
        self._show_budget()
        if self._ui.operations.pending(self._thinking_wish):
            return  # the switch says already what is being stored
        info = self.model_state.info
        can = info.capabilities if info is not None else Capabilities()
        mode = self._conversation.thinking if self._conversation is not None else self._new_thinking
        self.composer.set_thinking(can, mode)
        self.instructions.show_defaults(self._ui.services.preferences.settings, info, mode)
        self.messages.thinking_modes = tuple(can.thinking)
        if info is not None:
            self.transcript.set_soft_switches(can.soft_switches)

    def _show_budget(self, _end: object = None) -> None:
        if not self._ui.operations.pending(self._budget_wish):
            own = self._conversation.thinking_budget if self._conversation is not None else self._new_budget
            self.composer.thinking.budget.set_budget(own, self._ui.services.preferences.settings.chat.thinking_budget)

    def _show_model(self, _event: object = None) -> None:
        state = self.model_state
        self.composer.set_model(state)
        self.attaching.show()
        self.status.set_model(state)
        self.empty.set_model(state)
        self._show_thinking()
        self.changed.emit()

    def _show_feed(self) -> None:
        self._stack.setCurrentWidget(self.transcript if self.transcript.items else self.empty)
        self.status.set_run(self.feed.run)
        self.status.set_context(*self.feed.context)
        self.attaching.count_shown(self.transcript)

    @property
    def running(self) -> bool:
        """Whether an answer runs here or is about to, also the next one of those that wait in line."""
        return self.feed.running or self._queue.sending(self._id)

    def _show_running(self, _event: object = None) -> None:
        running = self.running
        self.composer.set_running(running)
        self.status.set_running(running)
        self.changed.emit()

    # Qt ---------------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What is typed over the messages goes into the box."""
        held = event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier)
        if not held and event.text().strip() and event.text().isprintable() and self.transcript.hasFocus():
            self.composer.edit.setFocus()
            QApplication.sendEvent(self.composer.edit, event)
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.composer.set_limit(max(80, int(self.window().height() * _COMPOSER_SHARE)))
        self.templates.place()


class _Pages(QStackedWidget):
    """Needs the room that the page on show needs: hidden ones take none from the composer."""

    def minimumSizeHint(self) -> QSize:
        page = self.currentWidget()
        return QSize() if page is None else page.minimumSizeHint()
