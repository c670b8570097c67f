"""The chat page: the list of conversations, and beside it the one that the window's commands mean."""

from __future__ import annotations

import asyncio
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from qwen_desktop.core.commands import ABOUT_MESSAGES
from qwen_desktop.core.paths import home
from qwen_desktop.services import events
from qwen_desktop.services.history import gone
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.header import ChatHeader
from qwen_desktop.ui.chat.pane import ConversationPane
from qwen_desktop.ui.chat.sidelist import SideList
from qwen_desktop.ui.list_page import ListPage
from qwen_desktop.ui.local_files import path_of
from qwen_desktop.ui.ui_context import UiContext

#: Wishes of which the last one counts: the chat on show, and what lies in the clipboard.
_SHOWN, _COPIED = "chat.shown", "clipboard"


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
        bus.subscribe(events.RunChanged, self._run_changed, owner=self)
        self.sidelist.view.opened.connect(self.open)
        self.sidelist.view.delete_wanted.connect(self._delete)
        self.sidelist.model.renamed.connect(self._rename)
        self.pane.changed.connect(self._show_pane)
        self.pane.shown.connect(self.sidelist.choose)
        self.pane.model_chosen.connect(self._model_chosen)
        self.pane.messages.opened.connect(self.open)
        self.pane.versions.toggled.connect(self.header.versions_button.setChecked)
        # Whatever is copied meanwhile, here or in another program, is newer than a long chat that is being read.
        QGuiApplication.clipboard().dataChanged.connect(self._forget_copy)
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
        self._ui.operations.withdraw(_SHOWN)
        return self.pane.open(self.sidelist.model.conversation(conversation_id))

    def open_at(self, conversation_id: str, message_id: str, query: str = "", attachment: str = "") -> None:
        """Show a chat where a search has found something: on the branch of that message, what was looked for marked in
        it, or in the text of what is attached to it under the name ``attachment``."""
        work = self._open_at(conversation_id, message_id, query, attachment)
        self._ui.operations.run(work, owner=self, orphaned="quiet", wish=_SHOWN)

    async def _open_at(self, conversation_id: str, message_id: str, query: str, attachment: str) -> None:
        conversation = await self._ui.services.history.get(conversation_id)  # the list may not have it
        if conversation is None:
            raise gone()
        if not self._ui.operations.pending(_SHOWN):
            return  # another one is wanted by now
        opening = self.pane.open(conversation)
        if opening is not None:
            await asyncio.wait({opening})
        if message_id and self.current == conversation_id:
            await self.pane.show_found(message_id, query, attachment)

    def new_chat(self) -> None:
        """Begin a new chat."""
        self.open("")
        self.pane.setFocus()

    def rename(self) -> None:
        """Edit the title of the chosen chat in the list."""
        self.keep_list(True)
        self.sidelist.rename(self.sidelist.target)

    def delete(self) -> None:
        """Delete the chosen chat, with undo."""
        self._delete(self.sidelist.target)

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

    def step(self, step: int) -> None:
        """Open the next (1) or previous (-1) chat of the list."""
        if target := self.sidelist.neighbour(self.current, step):
            self.open(target)

    def show_list(self, shown: bool) -> None:
        """Show or hide the side list."""
        super().show_list(shown)
        self.header.list_button.setVisible(not shown)

    def _rename(self, conversation_id: str, title: str) -> None:
        self._ui.operations.run(self._ui.services.history.rename(conversation_id, title), owner=self)

    def _delete(self, conversation_id: str) -> None:
        found = self.sidelist.model.conversation(conversation_id)
        if found is None:
            return
        title = found.title if len(found.title) <= 40 else found.title[:39] + "…"
        told = texts.fill(self.tr("“{title}” is deleted."), title=title)
        history = self._ui.services.history

        def undo() -> None:
            restored = history.undo_delete(conversation_id)
            self._ui.operations.run(restored, owner=self, on_done=lambda _: self.open(conversation_id), wish=_SHOWN)

        self._ui.operations.run(
            history.delete(conversation_id), owner=self, on_done=lambda _: self._ui.notify.undoable(told, undo)
        )

    def _copy_chat(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self._ui.notify.toast(self.tr("The chat is copied."))

    def _forget_copy(self) -> None:
        self._ui.operations.withdraw(_COPIED)

    # Models -----------------------------------------------------------------------------------------------------------

    def use_guide(self) -> None:
        """Let the guide answer."""
        self._ui.operations.run(self._ui.services.models.use_guide(), owner=self)

    def open_model(self, path: str) -> None:
        """Choose a GGUF file and load it."""
        self._ui.operations.run(self._ui.services.models.open_file(path), owner=self)

    def ask_for_model(self) -> None:
        """Let the user pick a GGUF file."""
        recent = self._ui.services.models.recent()
        start = str(Path(recent[0]).parent) if recent else str(home() or "")
        dialog = QFileDialog(self.window(), self.tr("Open a GGUF file"), start)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([self.tr("GGUF models (*.gguf)"), self.tr("All files (*)")])
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.urlSelected.connect(lambda url: self.model_opened.emit(path_of(url)))
        dialog.open()

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
        beside = self.sidelist.neighbour(gone, 1) or self.sidelist.neighbour(gone, -1)
        self.sidelist.model.remove(gone)
        if gone == self.current:
            self.open(beside if beside != gone else "")

    def _run_changed(self, _event: events.RunChanged) -> None:
        self.sidelist.model.set_running(self._ui.services.chat.running())

    def _show_pane(self) -> None:
        """What the header says and which commands there are follows from the conversation on show."""
        stored, running = bool(self.current), self.pane.running
        self.header.show_chat(self.pane.title, stored=stored, guide=self.pane.model_state.guide)
        self._ui.actions["answer.stop"].setEnabled(running)
        for name in (*ABOUT_MESSAGES, "chat.versions", "find.open", "find.next", "find.previous"):
            self._ui.actions[name].setEnabled(stored and not (running and name.startswith("answer.")))
