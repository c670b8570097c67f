"""The chat page: the list of conversations, and beside it the one that the window's commands mean."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.chat import Conversation, Folder, is_temporary
from qwen_desktop.core.commands import ABOUT_MESSAGES
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import problem_of
from qwen_desktop.services import events
from qwen_desktop.services.exports import Wanted
from qwen_desktop.services.history import gone
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.header import ChatHeader
from qwen_desktop.ui.chat.list_commands import SHOWN, ListCommands
from qwen_desktop.ui.chat.list_view import Picked
from qwen_desktop.ui.chat.pane import ConversationPane
from qwen_desktop.ui.chat.sidelist import SideList
from qwen_desktop.ui.chat.transcript_copying import put_text
from qwen_desktop.ui.export_dialog import ExportDialog, words
from qwen_desktop.ui.file_dialogs import ask_for_file
from qwen_desktop.ui.list_page import ListPage
from qwen_desktop.ui.ui_context import UiContext

#: The wish for something in the clipboard: the last one counts.
_COPIED = "clipboard"


class ChatPage(ListPage):
    """Everything about chats. Its public methods, and those of its ``pane``, are the commands of the menus "chat",
    "model" and "message"."""

    #: The path of a model file that was chosen here.
    model_opened = Signal(object)  # a path

    def __init__(self, ui: UiContext) -> None:
        super().__init__(ui, setting="appearance.sidelist")
        self.sidelist = SideList(ui.theme, ui.actions, self)
        self.header = ChatHeader(ui.theme, ui.actions, self)
        self.pane = ConversationPane(ui, header=self.header, parent=self)
        self.split(self.sidelist, self.pane, ui.theme.size("sidebar_width"))
        self.setFocusProxy(self.pane)
        # From other pages, where nobody sees the answer, the key does not stop it.
        self.addAction(ui.actions["answer.stop"])
        bus = ui.services.bus
        bus.subscribe(events.ConversationChanged, self._conversation_changed, owner=self)
        bus.subscribe(events.ConversationRemoved, self._conversation_removed, owner=self)
        bus.subscribe(events.ConversationsImported, self._imported, owner=self)
        bus.subscribe(events.RunChanged, self._run_changed, owner=self)
        bus.subscribe(events.FoldersChanged, self._folders_changed, owner=self)
        bus.subscribe(events.DraftChanged, self._show_unsent, owner=self)
        bus.subscribe(events.QueueChanged, self._show_unsent, owner=self)
        #: The temporary chat that is being brought to the disk.
        self._kept = ""
        self.lists = ListCommands(ui, self.sidelist, self)
        self.lists.leaving.connect(self._leave)
        self.lists.restored.connect(self._restored)
        self.header.menu_opened.connect(lambda menu: self.sidelist.aim_by(menu, Picked((self.current,))))
        self.header.wanted.connect(self._do_here)
        self.sidelist.view.opened.connect(self.open)
        self.sidelist.view.delete_wanted.connect(self.delete)
        self.sidelist.model.renamed.connect(self._rename)
        self.sidelist.model.folder_renamed.connect(self.lists.rename_folder)
        self.pane.changed.connect(self._show_pane)
        self.pane.shown.connect(self.sidelist.choose)
        self.pane.shown.connect(self._show_unsent)
        self.pane.model_chosen.connect(self._model_chosen)
        self.pane.messages.opened.connect(self.open)
        self.pane.instructions.toggled.connect(self.header.instructions_button.setChecked)
        # Whatever is copied meanwhile, here or in another program, is newer than a long chat that is being read.
        QGuiApplication.clipboard().dataChanged.connect(self._forget_copy)
        self.header.assistant_clicked.connect(self.choose_assistant)
        self._show_pane()

    async def start(self) -> None:
        """Look after the chosen model: the guide is loaded at once, since it is tiny, a large model when the user
        begins to write."""
        await self._ui.services.models.start()
        if self._ui.services.models.state.guide:
            self._ui.operations.run(self._ui.services.models.warm(), owner=self)

    @property
    def areas(self) -> list[QWidget]:
        return [self.sidelist.view, *self.pane.areas]

    # Chats ------------------------------------------------------------------------------------------------------------

    @property
    def current(self) -> str:
        """The id of the chat on show, "" for a new one."""
        return self.pane.current

    def open(self, conversation_id: str) -> asyncio.Task[None] | None:
        """Show a chat, "" for a new one. The task, if there is one, ends when the end of the chat is on show."""
        self._ui.operations.withdraw(SHOWN)
        return self.pane.open(self.sidelist.model.conversation(conversation_id))

    async def load(self, conversations: Sequence[Conversation], opened: Sequence[str]) -> None:
        """Fill the list, with these folders open: the first chats are there when this returns, thousands of others
        follow."""
        model = self.sidelist.model
        model.opened = frozenset(opened)
        folders: tuple[Folder, ...] = await self._ui.services.arranging.folders()
        self._ui.operations.run(model.load(conversations, folders), owner=self, orphaned="cancelled")
        await asyncio.sleep(0)
        self._show_unsent()

    def open_at(self, conversation_id: str, message_id: str, query: str = "", attachment: str = "") -> None:
        """Show a chat where a search has found something: on the branch of that message, what was looked for marked in
        it, or in the text of what is attached to it under the name ``attachment``."""
        work = self._open_at(conversation_id, message_id, query, attachment)
        self._ui.operations.run(work, owner=self, orphaned="quiet", wish=SHOWN)

    async def _open_at(self, conversation_id: str, message_id: str, query: str, attachment: str) -> None:
        conversation = await self._ui.services.history.get(conversation_id)  # the list may not have it
        if conversation is None:
            raise gone()
        if not self._ui.operations.pending(SHOWN):
            return  # another one is wanted by now
        opening = self.pane.open(conversation)
        if opening is not None:
            await asyncio.wait({opening})
        if message_id and self.current == conversation_id:
            await self.pane.show_found(message_id, query, attachment)

    def new_chat(self, folder_id: str = "") -> None:
        """Begin a new chat, in this folder."""
        self.open("")
        self.pane.new_folder = folder_id
        self._show_pane()
        self.pane.setFocus()

    def new_temporary_chat(self) -> None:
        """Begin a chat that leaves nothing on the disk; one that is on show and empty already is it."""
        if self.pane.temporary and not self.pane.transcript.items:
            self.pane.setFocus()
            return
        chat = self._ui.services.preferences.settings.chat
        made = self._ui.services.history.create_temporary(ThinkingMode(chat.thinking), chat.system_prompt.strip())

        def begun(conversation: Conversation) -> None:
            self.open(conversation.id)
            self.pane.setFocus()

        self._ui.operations.run(made, owner=self, on_done=begun, wish=SHOWN)

    def keep_chat(self, chat: str = "") -> None:
        """Bring a temporary chat to the disk, the chosen one where none is named."""
        services, where = self._ui.services, chat or self.sidelist.target
        if not is_temporary(where):
            return

        async def kept() -> Conversation:
            self._kept = where
            try:
                await services.blobs.keep(where, services.drafts.attached(where))
                return await services.history.keep(where)
            finally:
                self._kept = ""

        def done(conversation: Conversation) -> None:
            services.drafts.keep(where)
            if where == self.current:
                self.open(conversation.id)
                self.pane.setFocus()
            self._ui.notify.toast(self.tr("The chat is kept from now on."))

        self._ui.operations.run(kept(), owner=self, on_done=done)

    def rename(self) -> None:
        """Edit the title of the chosen chat, or the name of the folder that has the keyboard, in the list."""
        self.keep_list(True)
        picked = self.sidelist.picked
        if len(picked.folders) == 1 and not picked.chats:
            self.sidelist.rename_folder(picked.folders[0])
        elif picked.chats:
            self.sidelist.rename(self.sidelist.target)

    def delete(self) -> None:
        """Delete the chosen chats, with undo; folders after a question."""
        self.lists.delete()

    def copy_chat(self, *, thoughts: bool = False) -> None:
        """Copy the whole chat as text, perhaps with what the models thought."""
        if target := self.sidelist.target:
            text = self._ui.services.history.plain_text(
                target,
                you=self.tr("You"),
                assistant=self.tr("Assistant"),
                thoughts=self.tr("Thoughts:") if thoughts else "",
            )
            self._ui.operations.run(text, owner=self, on_done=self._copy_chat, wish=_COPIED)

    def choose_assistant(self) -> None:
        """Choose with which assistant the chat goes on."""
        self.pane.setup.choose_assistant(
            self.header.assistant if self.header.assistant.isVisible() else self.header.title
        )

    def copy_chat_as(self, *, rich: bool) -> None:
        """Copy the whole chat as Markdown, or as rich text for programs that take it."""
        if target := self.sidelist.target:
            text = self._ui.services.exports.copied(target, words(), rich=rich)
            done = partial(self._copy_text, self.tr("The chat is copied."))
            self._ui.operations.run(text, owner=self, on_done=lambda found: done(*found), wish=_COPIED)

    def export(self) -> None:
        """Export the chosen chats: ask how and where."""
        if chats := self.sidelist.picked.chats:
            self.export_chats(chats)

    def export_chats(self, ids: tuple[str, ...]) -> None:
        """Export these chats."""
        found = self.sidelist.model.conversation(ids[0]) if len(ids) == 1 else None
        name = found.title if found is not None else self.tr("Chats")
        ExportDialog(self._ui, self.window(), Wanted(ids=ids), len(ids), name).open()

    def export_folder(self) -> None:
        """Export all chats of the chosen folder and the folders in it."""
        for folder_id in self.sidelist.picked.folders[:1]:
            folder = self.sidelist.model.folders.all[folder_id]
            self._export_counted(Wanted(folder=folder.id), folder.name, self.window())

    def export_all(self, window: QWidget) -> None:
        """Export all chats."""
        self._export_counted(Wanted(), self.tr("Chats"), window)

    def _export_counted(self, wanted: Wanted, name: str, window: QWidget) -> None:
        def ask(count: int) -> None:
            if count:
                ExportDialog(self._ui, window, wanted, count, name).open()
            else:
                self._ui.notify.toast(self.tr("There is no chat to export."))

        self._ui.operations.run(self._ui.services.exports.count(wanted), owner=self, on_done=ask)

    def can(self, command: str) -> bool:
        """Whether a command that is enabled would do anything now."""
        if command in ("chat.next", "chat.previous"):
            return bool(self.sidelist.neighbour(self.current, 1 if command == "chat.next" else -1))
        if command == "thinking.cycle":
            return not self.pane.composer.thinking.switch.isHidden()
        return self.pane.messages.can(command)

    def step(self, step: int) -> None:
        """Open the next (1) or previous (-1) chat of the list."""
        if target := self.sidelist.neighbour(self.current, step):
            self.open(target)

    def show_list(self, shown: bool) -> None:
        """Show or hide the side list."""
        super().show_list(shown)
        self.header.list_button.setVisible(not shown)

    def _do_here(self, command: str) -> None:
        """Give a command for the chat on show."""
        self.sidelist.hold(Picked((self.current,)))
        self._ui.actions.trigger(command)
        self.sidelist.release()

    def _rename(self, conversation_id: str, title: str) -> None:
        self._ui.operations.run(self._ui.services.history.rename(conversation_id, title), owner=self)

    def _leave(self, gone: frozenset[str]) -> None:
        """These are about to be deleted: where the chat on show is one of them, show the nearest that is not."""
        if self.current not in gone:
            return
        ids = self.sidelist.model.ids()
        here = ids.index(self.current) if self.current in ids else 0
        others = (*ids[here + 1 :], *reversed(ids[:here]))
        self.open(next((chat for chat in others if chat not in gone), ""))

    def _restored(self, conversation_id: str) -> None:
        self.open(conversation_id)

    def _copy_chat(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self._ui.notify.toast(self.tr("The chat is copied."))

    def _copy_text(self, told: str, text: str, rich: str) -> None:
        put_text(text, rich)
        self._ui.notify.toast(told)

    def _forget_copy(self) -> None:
        self._ui.operations.withdraw(_COPIED)

    # Models -----------------------------------------------------------------------------------------------------------

    def use_guide(self) -> None:
        """Let the guide answer."""
        self._forget_model()
        self._ui.operations.run(self._ui.services.models.use_guide(), owner=self)

    def open_model(self, path: str) -> None:
        """Choose a GGUF file and load it; of one that is an adapter say so, and offer to use it in the chat on show."""

        def failed(error: BaseException) -> bool:
            problem = problem_of(error)
            if problem.what.code == "gguf.adapter":
                add = partial(self.pane.instructions.add_adapter, path)
                use = self.tr("Use in this chat")
                self._ui.notify.toast(texts.text(problem.what), kind="bad", action=use, act=add, stays=True)
                return True
            return False

        self._forget_model()
        self._ui.operations.run(self._ui.services.models.open_file(path), owner=self, on_error=failed)

    def _forget_model(self) -> None:
        """What is chosen now counts here too, not the model that the chat's assistant would like."""
        if self.pane.setup.model is not None:
            self.pane.setup.set_model(None)

    def ask_for_model(self) -> None:
        """Let the user pick a GGUF file."""
        recent = self._ui.services.models.recent()
        start = str(Path(recent[0]).parent) if recent else ""
        title, kinds = self.tr("Open a GGUF file"), [self.tr("GGUF models (*.gguf)")]
        ask_for_file(self.window(), title, kinds, self.model_opened.emit, start=start)

    def _model_chosen(self, path: str) -> None:
        if path:
            self.model_opened.emit(path)
        else:
            self.use_guide()

    # What changed -----------------------------------------------------------------------------------------------------

    def _conversation_changed(self, event: events.ConversationChanged) -> None:
        self.sidelist.model.put(event.conversation)

    def _conversation_removed(self, event: events.ConversationRemoved) -> None:
        gone = event.conversation_id
        if gone == self._kept:
            self.sidelist.model.remove(gone)
            return  # it is shown as the one that it has become
        here = gone == self.current
        # Of thousands that go no other has its neighbours looked for among all rows.
        beside = (self.sidelist.neighbour(gone, 1) or self.sidelist.neighbour(gone, -1)) if here else ""
        self.sidelist.model.remove(gone)
        if here:
            self.open(beside if beside != gone else "")

    def _folders_changed(self, event: events.FoldersChanged) -> None:
        self.sidelist.model.set_folders(event.folders)
        if self.pane.new_folder and self.pane.new_folder not in self.sidelist.model.folders:
            self.pane.new_folder = ""  # the new chat will be in none
        self._show_pane()

    def _show_unsent(self, _event: object = None) -> None:
        self.sidelist.model.set_unsent(self._ui.services.drafts.unsent() - {self.current})

    def _imported(self, event: events.ConversationsImported) -> None:
        """The list is read anew; a chat on show that is gone with it makes room."""
        if event.gone and self.current in event.ids:
            self.open("")
        model = self.sidelist.model

        async def listed() -> None:
            found = await self._ui.services.history.list()
            temporary = [chat for chat in model.conversations() if is_temporary(chat.id)]
            await self.load((*temporary, *found), tuple(model.opened))

        self._ui.operations.run(listed(), owner=self, wish="chat.listed")

    def _run_changed(self, _event: events.RunChanged) -> None:
        self.sidelist.model.set_running(self._ui.services.chat.running())

    def _show_pane(self) -> None:
        """What the header says and which commands there are follows from the conversation on show."""
        stored, running = bool(self.current), self.pane.running
        title = self.pane.title
        if not stored and (folder := self.sidelist.model.folders.all.get(self.pane.new_folder)) is not None:
            title = texts.fill(self.tr("New chat in {folder}"), folder=folder.name)
        temporary, guide = self.pane.temporary, self.pane.setup.model_state.guide
        self.header.show_chat(
            title,
            stored=stored,
            guide=guide,
            temporary=temporary,
            begun=self.pane.begun,
            assistant=self.pane.setup.assistant,
            adapters=self.pane.setup.adapters if not guide else (),
        )
        self._ui.actions["answer.stop"].setEnabled(running)
        for name in (*ABOUT_MESSAGES, "chat.versions", "find.open", "find.next", "find.previous"):
            self._ui.actions[name].setEnabled(stored and not (running and name.startswith("answer.")))
