"""One conversation: its messages, the box to write in, what answers, and what is to be known of all that.

A page may hold several panes side by side. Each has its own conversation, drafts, thinking mode, model and menus; what
it tells (``changed``) and what is asked of it says its owner, who knows which one is meant by a command of the window.
"""

from __future__ import annotations

import asyncio
from functools import partial

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QStackedWidget, QWidget

from qwen_desktop.core.chat import Conversation, is_temporary
from qwen_desktop.core.drafts import Draft
from qwen_desktop.core.engine import Capabilities
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Role
from qwen_desktop.core.queries import parse
from qwen_desktop.core.settings import Settings
from qwen_desktop.jobs.markdown.blocks import Block
from qwen_desktop.services import events
from qwen_desktop.services.changes import to_its_end
from qwen_desktop.ui.chat import diagrams
from qwen_desktop.ui.chat.assistant_bar import FieldsBar
from qwen_desktop.ui.chat.attached_file import AttachedMedia
from qwen_desktop.ui.chat.attached_text import AttachedText
from qwen_desktop.ui.chat.attaching import Attaching
from qwen_desktop.ui.chat.chat_setup import ChatSetup
from qwen_desktop.ui.chat.composer import Composer
from qwen_desktop.ui.chat.conversation_feed import ConversationFeed
from qwen_desktop.ui.chat.empty_chat import EmptyChat
from qwen_desktop.ui.chat.find_bar import FindBar
from qwen_desktop.ui.chat.finding import Words
from qwen_desktop.ui.chat.instructions_panel import InstructionsPanel
from qwen_desktop.ui.chat.message_commands import MessageCommands
from qwen_desktop.ui.chat.model_menu import ModelMenu
from qwen_desktop.ui.chat.side_panel import SidePanel
from qwen_desktop.ui.chat.status_line import StatusLine
from qwen_desktop.ui.chat.template_menu import TemplateMenu
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.chat.unsent_prompts import UnsentPrompts
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
        #: the folder that a new chat will lie in
        self.new_folder = ""
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
        self.feed = ConversationFeed(ui, self.transcript, self)
        self.messages = MessageCommands(ui, self.transcript, self.feed, self)
        self.versions = VersionsPanel(ui, self.feed, self.transcript, self)
        self.instructions = InstructionsPanel(ui, self)
        self.setup = ChatSetup(
            ui, self.feed, self, composer=self.composer, fields=self.fields, panel=self.instructions, empty=self.empty
        )
        self.attaching = Attaching(ui, self.setup, self.composer, self)
        self._unsent = UnsentPrompts(
            ui, self.feed, self.composer, self.status, self, send=self.send, exchanged=self.attaching.exchanged
        )
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
        self._connect_parts()

    def _connect_parts(self) -> None:
        self.empty.model_wanted.connect(self.model_wanted)
        self.composer.attached.read_wanted.connect(self._read)
        self.composer.begun.connect(self.setup.warm)
        self.composer.stop_wanted.connect(self.stop)
        self.composer.edit.recall_wanted.connect(self.messages.edit_last)
        self.composer.model.clicked.connect(self.choose_model)
        self.model_menu.chosen.connect(self.model_chosen)
        self.setup.changed.connect(self.changed)
        self.setup.model_changed.connect(self._show_model)
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
    def areas(self) -> list[QWidget]:
        """Its parts, in the order in which F6 goes through them."""
        messages = self.transcript if self.transcript.isVisible() else self.empty
        return [messages, self.composer.edit, self.versions.view, self.instructions, self.find_bar.field]

    @property
    def temporary(self) -> bool:
        """Whether it is kept in memory only."""
        return is_temporary(self.current)

    @property
    def begun(self) -> bool:
        """Whether anything was said in it."""
        known = self.setup.known
        return known is not None and known.leaf_id is not None

    @property
    def title(self) -> str:
        """Its title."""
        new = self.tr("Temporary chat") if self.temporary else self.tr("New chat")
        return (self.setup.known.title if self.setup.known is not None else "") or new

    def open(self, conversation: Conversation | None) -> asyncio.Task[None] | None:
        """Show a conversation, None for a new one; what is in the composer stays with the one it was written for. The
        task, if there is one, ends when the end of the conversation is on show."""
        self.setup.forget_wishes()
        where = conversation.id if conversation is not None else ""
        if where and where == self.current:
            return None
        self.setup.leave()
        if not where:
            self.find_bar.leave()
        self.new_folder = ""
        self.setup.open(conversation)
        opening = self.feed.open(where)
        self._unsent.show()
        self.attaching.forget_room()
        self.setup.show_setup()
        self.status.set_run(self.feed.run)
        self.composer.set_dashed(self.temporary)
        self.empty.set_temporary(self.temporary)
        self._show_model()
        self._show_running()
        self.shown.emit(where)
        return opening

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
        where, here, setup = self.current, self.feed.any_id, self.setup
        self.composer.set_running(True)  # from now on Enter puts what is typed in line
        self.status.set_running(True)
        drafts, queue = self._ui.services.drafts, self._ui.services.queue
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
                        setup=new_setup,
                        begun=begun,
                    )
                    if new_setup is not None:
                        drafts.setup_taken(new_setup)  # the next new chat may be on show by now
                except Exception:
                    queue.hold(here)
                    for queued in reversed(queue.of(here)) if not where else ():
                        queue.remove(here, queued.id)  # it has not become a conversation
                        drafts.come_back(where, queued.draft)
                    raise

        self.instructions.flush()
        thinking, model, budget, new_setup = setup.thinking, setup.model, setup.new_budget, setup.new_setup
        folder = "" if where else self.new_folder
        begun = setup.begun if not where else None
        work = to_its_end(sent(), "pane.send")  # whatever becomes of this pane
        self._ui.operations.run(work, owner=self, on_error=lambda _: self._show_running())

    def stop(self) -> None:
        """Stop the answer that runs here; what waits in line goes on waiting."""
        self._ui.operations.run(self._ui.services.queue.stop(self.feed.any_id), owner=self)

    def copy_answer(self) -> None:
        """Copy the last answer."""
        if (last := self.transcript.shown.newest(Role.ASSISTANT)) is not None:
            told = partial(self._ui.notify.toast, self.tr("The answer is copied."))
            self.transcript.copying.message(last, told=told)

    # The model --------------------------------------------------------------------------------------------------------

    def choose_model(self) -> None:
        """Open the model menu."""
        self.model_menu.open_above(self.composer.model, self.setup.model_state, self._ui.services.models.recent())

    def _why_slow(self, message_id: str) -> None:
        """Say why that answer came as slowly as it did."""
        from qwen_desktop.ui.slow_dialog import SlowDialog  # noqa: PLC0415 - rare

        ref = self.setup.model or self._ui.services.models.ref
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

    # What changed -----------------------------------------------------------------------------------------------------

    def _conversation_changed(self, event: events.ConversationChanged) -> None:
        if event.conversation.id == self.feed.any_id:  # that of a new chat is told before its first message
            self.setup.take(event.conversation)
            self.attaching.show()
            self._show_model()

    def _adopted(self, conversation_id: str) -> None:
        self._unsent.adopted()
        self.changed.emit()
        self.shown.emit(conversation_id)

    def _settings_changed(self, event: events.SettingsChanged) -> None:
        self._take_settings(event.after)

    def _take_settings(self, settings: Settings) -> None:
        self.composer.set_send_with(settings.chat.send_with)
        self.status.set_send_with(settings.chat.send_with)
        self.transcript.set_options(show_speed=settings.chat.show_speed, open_thinking=settings.chat.open_thinking)
        self.transcript.set_text_scale(settings.appearance.text_size)
        column = round(self._ui.theme.size("text_column") * max(100, settings.appearance.text_size) / 100)
        self._column.setMaximumWidth(column + 2 * SHADOW)  # as wide as the transcript's column

    def leave(self) -> None:
        """The window closes: what was typed is stored, and nothing is read ahead any more."""
        self.instructions.flush()
        self.feed.leave()

    def _show_model(self, _event: object = None) -> None:
        state = self.setup.model_state
        self.composer.set_model(state)
        self.attaching.show()
        self.status.set_model(state)
        self.empty.set_model(state)
        self.setup.show_thinking()
        if state.info is not None:
            self.transcript.set_soft_switches(state.info.capabilities.soft_switches)
        self.messages.thinking_modes = tuple((state.info.capabilities if state.info else Capabilities()).thinking)
        self.changed.emit()

    def _show_feed(self) -> None:
        self._stack.setCurrentWidget(self.transcript if self.transcript.items else self.empty)
        self.status.set_run(self.feed.run)
        self.status.set_context(*self.feed.context)
        self.attaching.count_shown(self.transcript)

    @property
    def running(self) -> bool:
        """Whether an answer runs here or is about to, also the next one of those that wait in line."""
        return self.feed.running or self._ui.services.queue.sending(self.feed.any_id)

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
