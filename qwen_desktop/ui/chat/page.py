"""The chat page: joins side list, header, transcript, composer and status line with the services."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.paths import home
from qwen_desktop.core.settings import Settings
from qwen_desktop.services import events
from qwen_desktop.ui.chat.composer import Composer, Draft
from qwen_desktop.ui.chat.empty import EmptyChat
from qwen_desktop.ui.chat.header import ChatHeader
from qwen_desktop.ui.chat.model_menu import ModelMenu
from qwen_desktop.ui.chat.opened import OpenedConversation
from qwen_desktop.ui.chat.sidelist import SideList
from qwen_desktop.ui.chat.status import StatusLine
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.local_files import path_of
from qwen_desktop.ui.shell import Shell
from qwen_desktop.ui.widgets.surface import SHADOW

#: Wishes of which the last one counts: the chat on show, how it thinks, and what lies in the clipboard.
_SHOWN, _THINKING, _COPIED = "chat.shown", "chat.thinking", "clipboard"
#: Share of the window's height that the message box may take.
_COMPOSER_SHARE = 0.40


class ChatPage(QWidget):
    """Everything about chats. Its public methods are the commands of the menus "chat", "model" and "message"."""

    command_wanted = Signal(str)
    list_shown = Signal(bool)
    #: The path of a model file that was chosen here.
    model_opened = Signal(object)  # a path
    #: The id of the conversation that is on show now, "" for a new one.
    conversation_shown = Signal(str)

    def __init__(self, shell: Shell) -> None:
        super().__init__()
        services, theme, actions = shell.services, shell.theme, shell.actions
        self._services = services
        self._theme = theme
        self._actions = actions
        self._notify = shell.notify
        self._operations = shell.operations
        self._drafts: dict[str, Draft] = {}
        self._new_thinking = ThinkingMode(services.preferences.settings.chat.thinking)
        self._dialog: QFileDialog | None = None
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.sidelist = SideList(theme, actions, self)
        self.header = ChatHeader(theme, actions, self)
        self.transcript = TranscriptView(theme, self)
        self.transcript.setAccessibleName(self.tr("Messages"))
        self.transcript.setProperty("ownFocus", True)
        self.transcript.set_renderer(
            lambda text: services.jobs.call("markdown.render", {"text": text}),
            lambda texts: services.jobs.call("markdown.plain", {"texts": texts}),
            lambda text, number: services.jobs.call("markdown.grow", {"text": text, "number": number}),
        )
        self.empty = EmptyChat(theme, actions, self)
        self.composer = Composer(theme, self)
        self.status = StatusLine(theme, self)
        self.model_menu = ModelMenu(actions, self)
        self.opened = OpenedConversation(shell, self.transcript, self)
        self._lay_out()
        self._connect()
        self._align()
        self._take_settings(services.preferences.settings)
        self._model_changed(events.ModelChanged(services.models.state))
        self.open("")

    def _lay_out(self) -> None:
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.setHandleWidth(1)
        self.splitter.setChildrenCollapsible(False)
        main = QWidget(self.splitter)
        self._stack = QStackedWidget(main)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.transcript)
        self._column = QWidget(main)
        self._column.setMinimumWidth(320)
        inner = QVBoxLayout(self._column)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(0)
        inner.addWidget(self.composer)
        inner.addWidget(self.status)
        foot = QHBoxLayout()
        self._foot = foot
        foot.addStretch(1)
        foot.addWidget(self._column, 1000)
        foot.addStretch(1)
        column = QVBoxLayout(main)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self._stack, 1)
        column.addLayout(foot)
        self.splitter.addWidget(self.sidelist)
        self.splitter.addWidget(main)
        self.splitter.setStretchFactor(0, 0)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([self._theme.size("sidebar_width"), 800])
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.splitter)

    def _connect(self) -> None:
        services = self._services
        bus = services.bus
        bus.subscribe(events.ConversationChanged, self._conversation_changed, owner=self)
        bus.subscribe(events.ConversationRemoved, self._conversation_removed, owner=self)
        bus.subscribe(events.ModelChanged, self._model_changed, owner=self)
        bus.subscribe(events.SettingsChanged, self._settings_changed, owner=self)
        bus.subscribe(events.RunChanged, self._run_changed, owner=self)
        self.sidelist.opened.connect(self.open)
        self.sidelist.delete_wanted.connect(self._delete)
        self.sidelist.done.connect(self.focus_composer)
        self.sidelist.model.renamed.connect(self._rename)
        self.composer.sent.connect(self.send)
        self.composer.begun.connect(self._warm)
        self.composer.stop_wanted.connect(self.stop)
        self.composer.recall_wanted.connect(self._recall)
        self.composer.model_wanted.connect(self.choose_model)
        self.composer.thinking_chosen.connect(self._thinking_chosen)
        self.model_menu.chosen.connect(self.model_opened)
        self.opened.shown.connect(lambda: self._stack.setCurrentWidget(self.transcript))
        self.opened.emptied.connect(lambda: self._stack.setCurrentWidget(self.empty))
        self.opened.adopted.connect(self._adopted)
        self.opened.changed.connect(self._show_run)
        view = self.transcript
        view.verticalScrollBar().rangeChanged.connect(self._align)
        self._stack.currentChanged.connect(self._align)
        view.regenerate_requested.connect(self._regenerate)
        view.retry_requested.connect(self._regenerate)
        view.version_requested.connect(
            lambda message_id: self._operations.run(self._services.history.select_version(message_id), owner=self)
        )
        view.action_requested.connect(self.command_wanted)
        view.link_activated.connect(self._notify.link)
        # Whatever is copied meanwhile, here or in another program, is newer than a long chat that is being read.
        QGuiApplication.clipboard().dataChanged.connect(self._forget_copy)

    def _align(self) -> None:
        """Keep the composer under the transcript's column: its scroll bar takes room at the right."""
        bar = self.transcript.verticalScrollBar()
        taken = bar.sizeHint().width() if bar.maximum() > 0 and self._stack.currentWidget() is self.transcript else 0
        self._foot.setContentsMargins(18, 4, 18 + taken, 0)

    def show_list_of(self, chats: Iterable[Conversation]) -> None:
        """Show these chats in the side list."""
        self.sidelist.model.set_all(chats)

    async def start(self) -> None:
        """Look after the chosen model: the guide is loaded at once, since it is tiny, a large model when the user
        begins to write."""
        await self._services.models.start()
        if self._services.models.state.guide:
            self._warm()

    def _warm(self) -> None:
        self._operations.run(self._services.models.warm(), owner=self)

    def leave(self) -> None:
        """The window closes: stop reading ahead."""
        self.opened.leave()

    # Chats ------------------------------------------------------------------------------------------------------------

    @property
    def current(self) -> str:
        """The id of the chat on show, "" for a new one."""
        return self.opened.id

    def open(self, conversation_id: str) -> asyncio.Task[None] | None:
        """Show a chat, "" for a new one; what is in the composer stays with the chat it was written for. The task, if
        there is one, ends when the end of the chat is on show."""
        self._operations.withdraw(_SHOWN)
        self._operations.withdraw(_THINKING)
        self._keep_draft()
        if conversation_id and conversation_id == self.current:
            return None
        opening = self.opened.open(conversation_id)
        self.sidelist.choose(conversation_id)
        self.composer.set_draft(self._drafts.get(conversation_id, Draft()))
        self.status.set_run(self.opened.run)
        self._show_conversation()
        self._show_running()
        self.conversation_shown.emit(conversation_id)
        return opening

    def new_chat(self) -> None:
        """Begin a new chat."""
        self._new_thinking = ThinkingMode(self._services.preferences.settings.chat.thinking)
        self.open("")
        self.focus_composer()

    def find_chat(self) -> None:
        """Go to the Find field, showing the list when it is hidden."""
        if self.sidelist.isHidden():
            self.list_shown.emit(True)
            self.show_list(True)
        self.sidelist.focus_find()

    def rename(self) -> None:
        """Edit the title of the chosen chat in the list."""
        if self.sidelist.isHidden():
            self.list_shown.emit(True)
            self.show_list(True)
        self.sidelist.rename(self.sidelist.target)

    def _rename(self, conversation_id: str, title: str) -> None:
        self._operations.run(self._services.history.rename(conversation_id, title), owner=self)

    def delete(self) -> None:
        """Delete the chosen chat, with undo."""
        self._delete(self.sidelist.target)

    def copy_chat(self) -> None:
        """Copy the whole chat as text."""
        if self.sidelist.target:
            self._operations.run(
                self._services.history.plain_text(
                    self.sidelist.target, you=self.tr("You"), assistant=self.tr("Assistant")
                ),
                owner=self,
                on_done=lambda text: self._copy(text, self.tr("The chat is copied.")),
                wish=_COPIED,
            )

    def step(self, step: int) -> None:
        """Open the next (1) or previous (-1) chat of the list."""
        target = self.sidelist.neighbour(self.current, step)
        if target:
            self.open(target)

    def show_list(self, shown: bool) -> None:
        """Show or hide the side list."""
        self.sidelist.setVisible(shown)
        self.header.list_button.setVisible(not shown)

    def _delete(self, conversation_id: str) -> None:
        found = self.sidelist.model.conversation(conversation_id)
        if found is None:
            return
        title = found.title if len(found.title) <= 40 else found.title[:39] + "…"
        history = self._services.history

        def undo() -> None:
            restored = history.undo_delete(conversation_id)
            self._operations.run(restored, owner=self, on_done=lambda _: self.open(conversation_id), wish=_SHOWN)

        self._operations.run(
            history.delete(conversation_id),
            owner=self,
            on_done=lambda _: self._notify.undoable(self.tr("“{title}” is deleted.").replace("{title}", title), undo),
        )

    # Answers ----------------------------------------------------------------------------------------------------------

    def ask(self, text: str) -> None:
        """Send a text in the chat on show."""
        self.send(Draft(text))

    def send(self, draft: Draft) -> None:
        """Send a message in the chat on show; what cannot be sent comes back into the box."""
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
        self._operations.run(
            self._services.chat.send(
                draft.parts,
                conversation_id=where or self.opened.next_id,
                new=not where,
                thinking=self._thinking(),
            ),
            owner=self,
            on_error=failed,
        )

    def stop(self) -> None:
        """Stop the answer of the chat on show."""
        if self.current:
            self._operations.run(self._services.chat.stop(self.current), owner=self)

    def copy_answer(self) -> None:
        """Copy the last answer."""
        last = self.transcript.last_answer_id()
        item = self.transcript.item(last) if last else None
        if item is not None:
            self.transcript.copy_message(item, told=lambda: self._notify.toast(self.tr("The answer is copied.")))

    def regenerate(self) -> None:
        """Answer the last question again."""
        last = self.transcript.last_answer_id()
        if last:
            self._regenerate(last)

    def cycle_thinking(self) -> None:
        """Switch Auto, Think, Direct, where the model can."""
        if self.composer.thinking.isVisible():
            self.composer.thinking.cycle()

    def focus_composer(self) -> None:
        """Go to the message box."""
        self.composer.edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def _regenerate(self, message_id: str) -> None:
        self._operations.run(self._services.chat.regenerate(message_id), owner=self)

    def _recall(self) -> None:
        if self.opened.last_own:
            self.composer.set_draft(Draft())
            self.composer.restore(Draft.of(self.opened.last_own))

    def _forget_copy(self) -> None:
        self._operations.withdraw(_COPIED)

    def _copy(self, text: str, told: str = "") -> None:
        QGuiApplication.clipboard().setText(text)
        if told:
            self._notify.toast(told)

    # Models -----------------------------------------------------------------------------------------------------------

    def choose_model(self) -> None:
        """Open the model menu."""
        models = self._services.models
        self.model_menu.open_above(self.composer.model, models.state, models.recent())

    def use_guide(self) -> None:
        """Let the guide answer."""
        self._operations.run(self._services.models.use_guide(), owner=self)

    def open_model(self, path: str) -> None:
        """Choose a GGUF file and load it."""
        self._operations.run(self._services.models.open_file(path), owner=self)

    def ask_for_model(self) -> None:
        """Let the user pick a GGUF file."""
        recent = self._services.models.recent()
        start = str(Path(recent[0]).parent) if recent else str(home() or "")
        dialog = QFileDialog(self.window(), self.tr("Open a GGUF file"), start)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([self.tr("GGUF models (*.gguf)"), self.tr("All files (*)")])
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.urlSelected.connect(lambda url: self.model_opened.emit(path_of(url)))
        dialog.open()
        self._dialog = dialog

    # What changed -----------------------------------------------------------------------------------------------------

    def _conversation_changed(self, event: events.ConversationChanged) -> None:
        self.sidelist.model.put(event.conversation)
        if event.conversation.id == self.current:
            self.sidelist.choose(self.current)
            self._show_conversation()

    def _conversation_removed(self, event: events.ConversationRemoved) -> None:
        gone = event.conversation_id
        beside = self.sidelist.neighbour(gone, 1) or self.sidelist.neighbour(gone, -1)
        self.sidelist.model.remove(gone)
        if gone == self.current:
            self.open(beside if beside != gone else "")

    def _adopted(self, conversation_id: str) -> None:
        self._drafts.pop("", None)
        self.sidelist.choose(conversation_id)
        self._show_conversation()
        self.conversation_shown.emit(conversation_id)

    def _run_changed(self, _event: events.RunChanged) -> None:
        self._show_running()

    def _model_changed(self, event: events.ModelChanged) -> None:
        self.composer.set_model(event.state)
        self.status.set_model(event.state)
        self.empty.set_model(event.state)
        self.header.set_guide(event.state.guide)
        self._show_thinking()

    def _settings_changed(self, event: events.SettingsChanged) -> None:
        self._take_settings(event.after)

    def _take_settings(self, settings: Settings) -> None:
        self.composer.edit.send_with = settings.chat.send_with
        self.status.set_send_with(settings.chat.send_with)
        self.transcript.set_show_speed(settings.chat.show_speed)
        self.transcript.set_open_thinking(settings.chat.open_thinking)
        self.transcript.set_text_scale(settings.appearance.text_size)
        column = round(self._theme.size("text_column") * max(100, settings.appearance.text_size) / 100)
        self._column.setMaximumWidth(column + 2 * SHADOW)  # as wide as the transcript's column
        if not self.current:
            self._new_thinking = ThinkingMode(settings.chat.thinking)
            self._show_thinking()

    def _thinking_chosen(self, value: str) -> None:
        mode = ThinkingMode(value)
        if self.current:
            self._operations.run(
                self._services.history.set_thinking(self.current, mode),
                owner=self,
                on_done=lambda _: self._show_thinking(),
                on_error=lambda _: self._show_thinking(),
                wish=_THINKING,
            )
        else:
            self._new_thinking = mode

    def _thinking(self) -> ThinkingMode:
        if not self.current:
            return self._new_thinking
        return ThinkingMode(self.composer.thinking.value or ThinkingMode.AUTO)

    def _show_thinking(self) -> None:
        if self._operations.pending(_THINKING):
            return  # the switch says already what is being stored
        info = self._services.models.state.info
        found = self._conversation()
        mode = found.thinking if found is not None else self._new_thinking
        self.composer.set_thinking(info.capabilities.thinking if info is not None else (), mode)

    def _conversation(self) -> Conversation | None:
        return self.sidelist.model.conversation(self.current)

    def _show_conversation(self) -> None:
        found = self._conversation()
        self.header.show_title(found.title if found is not None else self.tr("New chat"), stored=bool(self.current))
        self._show_thinking()
        for name in ("chat.rename", "chat.delete", "chat.copy"):
            self._actions[name].setEnabled(bool(self.current))

    def _show_run(self) -> None:
        self.status.set_run(self.opened.run)
        self.status.set_context(*self.opened.context)

    def _show_running(self) -> None:
        self.sidelist.model.set_running(self._services.chat.running())
        here = self.opened.running
        self.composer.set_running(here)
        self.status.set_running(here)
        self._actions["answer.stop"].setEnabled(here)
        self._actions["answer.regenerate"].setEnabled(bool(self.current) and not here)

    def _keep_draft(self) -> None:
        draft = self.composer.draft
        if any(draft):
            self._drafts[self.current] = draft
        else:
            self._drafts.pop(self.current, None)

    # Qt ---------------------------------------------------------------------------------------------------------------

    def minimumSizeHint(self) -> QSize:
        return QSize(360, 320)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.composer.edit.set_limit(max(80, int(self.window().height() * _COMPOSER_SHARE)))
