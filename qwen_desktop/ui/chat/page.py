"""The chat page: the list of conversations, and beside it the one that the window's commands mean."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from qwen_desktop.core.chat import Folder
from qwen_desktop.core.commands import ABOUT_MESSAGES
from qwen_desktop.core.paths import home
from qwen_desktop.services import events
from qwen_desktop.services.exports import Wanted
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.header import ChatHeader
from qwen_desktop.ui.chat.pane import ConversationPane
from qwen_desktop.ui.chat.sidelist import SideList
from qwen_desktop.ui.chat.transcript_copying import put_text
from qwen_desktop.ui.export_dialog import ExportDialog, words
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
        bus.subscribe(events.ConversationsImported, self._imported, owner=self)
        bus.subscribe(events.RunChanged, self._run_changed, owner=self)
        self.sidelist.view.opened.connect(self.open)
        self.sidelist.view.delete_wanted.connect(self._delete)
        self.sidelist.done.connect(self.pane.setFocus)
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

    def new_chat(self) -> None:
        """Begin a new chat."""
        self.open("")
        self.pane.setFocus()

    def find_chat(self) -> None:
        """Go to the Find field, showing the list when it is hidden."""
        self.keep_list(True)
        self.sidelist.focus_find()

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

    def copy_chat_as(self, *, rich: bool) -> None:
        """Copy the whole chat as Markdown, or as rich text for programs that take it."""
        if target := self.sidelist.target:
            text = self._ui.services.exports.copied(target, words(), rich=rich)
            done = partial(self._copy_text, self.tr("The chat is copied."))
            self._ui.operations.run(text, owner=self, on_done=lambda found: done(*found), wish=_COPIED)

    def export(self) -> None:
        """Export the chosen chat: ask how and where."""
        if target := self.sidelist.target:
            self.export_chats((target,))

    def export_chats(self, ids: tuple[str, ...]) -> None:
        """Export these chats."""
        found = self.sidelist.model.conversation(ids[0]) if len(ids) == 1 else None
        name = found.title if found is not None else self.tr("Chats")
        ExportDialog(self._ui, self.window(), Wanted(ids=ids), len(ids), name).open()

    def export_folder(self, folder: Folder) -> None:
        """Export all chats of a folder and the folders in it."""
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

    def _copy_text(self, told: str, text: str, rich: str) -> None:
        put_text(text, rich)
        self._ui.notify.toast(told)

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

    def _imported(self, event: events.ConversationsImported) -> None:
        """The list is read anew; a chat on show that is gone with it makes room."""
        if event.gone and self.current in event.ids:
            self.open("")
        listed = self._ui.services.history.list()
        self._ui.operations.run(listed, owner=self, on_done=self.sidelist.model.set_all, wish="chat.listed")

    def _run_changed(self, _event: events.RunChanged) -> None:
        self.sidelist.model.set_running(self._ui.services.chat.running())

    def _show_pane(self) -> None:
        """What the header says and which commands there are follows from the conversation on show."""
        stored, running = bool(self.current), self.pane.running
        self.header.show_chat(self.pane.title, stored=stored, guide=self.pane.model_state.guide)
        self._ui.actions["answer.stop"].setEnabled(running)
        for name in (*ABOUT_MESSAGES, "chat.versions", "chat.export"):
            self._ui.actions[name].setEnabled(stored and not (running and name.startswith("answer.")))
