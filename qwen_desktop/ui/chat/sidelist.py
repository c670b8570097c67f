"""The list of chats: New chat, New folder, Search, the conversations, and the promise at the bottom."""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, QPoint, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.chat import is_temporary
from qwen_desktop.core.commands import COMMANDS, command
from qwen_desktop.ui.actions import Actions, native_keys
from qwen_desktop.ui.chat.conversations import ConversationTree
from qwen_desktop.ui.chat.list_nodes import ARCHIVE
from qwen_desktop.ui.chat.list_view import ChatsView, Picked
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import IconButton, TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Paragraph
from qwen_desktop.ui.widgets.search_field import SearchButton
from qwen_desktop.ui.widgets.select import Menu

#: How often the groups are checked against the clock, in milliseconds.
_REGROUP_MS = 10 * 60 * 1000
#: In a list of more chats not each row is asked for its height: headings are then as high as the rows.
_LONG = 500


#: Commands that mean chats, those of them that are for one, and those that mean folders.
_ONE_CHAT = ("chat.rename", *(entry.id for entry in COMMANDS if entry.menu == "chat.copy"))
_CHATS = ("chat.pin", "chat.move", "chat.tags", "chat.archive", "chat.delete", "chat.export")
#: What can be done with temporary ones, too.
_OF_ANY = ("chat.delete", "chat.export")
_FOLDERS = tuple(entry.id for entry in COMMANDS if entry.menu == "folder")
_ONE = QItemSelectionModel.SelectionFlag.ClearAndSelect


class SideList(QWidget):
    """The side list. It shows what ``model`` holds; what the user wants is told by the signals of ``view``."""

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._actions = actions
        self._chosen = ""
        #: What an open menu means.
        self._aimed: Picked | None = None
        #: Where the user is: Qt goes elsewhere when a row goes away.
        self._at = ""
        self.setObjectName("sidelist")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(200)
        self.model = ConversationTree()
        self.new_button = TextButton(theme, actions["chat.new"].text(), self, icon="square-pen", kind="new")
        self.new_button.setToolTip(actions.tooltip("chat.new"))
        self.new_button.clicked.connect(actions["chat.new"].trigger)
        self.folder_button = IconButton(theme, "folder-plus", actions.tooltip("folder.new"), self, side=36)
        self.folder_button.setProperty("bordered", True)
        self.folder_button.clicked.connect(actions["folder.new"].trigger)
        keys = native_keys(command("chat.find").keys_on()[0]).replace("+", " ")
        self.search = SearchButton(theme, actions["chat.find"].text(), self, keys=keys)
        self.search.setToolTip(actions.tooltip("chat.find"))
        self.search.clicked.connect(actions["chat.find"].trigger)
        self.view = ChatsView(theme, self.model, self)
        self.view.setAccessibleName(self.tr("Chats"))
        # Not before the click that ended it has found its row.
        self.view.itemDelegate().closeEditor.connect(self._mark, Qt.ConnectionType.QueuedConnection)
        self.view.menu_wanted.connect(self._open_menu)
        self.view.touched.connect(self._touched)
        self.view.focused.connect(lambda: self._aim(self._aimed))
        self._nothing = Paragraph(theme, "", self, role="small", color="text_muted")
        self._nothing.setContentsMargins(10, 8, 10, 0)
        self._nothing.hide()
        self.model.arranged.connect(self._arranged)
        self._menu = Menu(self)
        actions.fill(self._menu, "chat")
        self._folder_menu = Menu(self)
        actions.fill(self._folder_menu, "folder")
        self._aim(None)
        promise = Paragraph(theme, self.tr("Private and offline"), self, role="small", color="text_muted")
        promise.setToolTip(self.tr("Chats stay on this disk. Nothing is sent anywhere."))
        foot = row(IconLabel(theme, "lock", self), (promise, 1), margins=(10, 6, 10, 8))
        #: What stands below the chats while there is something to tell.
        self.notes = column(gap=10)
        top = row((self.new_button, 1), self.folder_button)
        parts = (top, self.search, self._nothing, (self.view, 1), self.notes, foot)
        column(*parts, on=self, gap=10, margins=(12, 12, 12, 12))
        theme.changed.connect(self._fit)
        timer = QTimer(self)
        timer.timeout.connect(self.model.regroup)
        timer.start(_REGROUP_MS)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """With large text in a narrow list the words of New chat come first; a folder is made by menus, too."""
        both = (self.new_button, self.folder_button)
        room = sum(button.sizeHint().expandedTo(button.minimumSize()).width() for button in both) + 32
        self.folder_button.setVisible(room <= self.width())

    @property
    def picked(self) -> Picked:
        """What commands mean: what an open menu was opened for; while the keyboard is in the list, what is selected
        there; else the chat on show."""
        if self._aimed is not None:  # some may be gone since
            chats = (chat for chat in self._aimed.chats if chat == self._chosen or self.model.conversation(chat))
            return Picked(tuple(chats), tuple(each for each in self._aimed.folders if each in self.model.folders))
        if self.view.hasFocus() and (picked := self.view.picked) != Picked():
            return picked
        return Picked((self._chosen,)) if self._chosen else Picked()

    @property
    def target(self) -> str:
        """The one chat that commands mean that are for one, "" for none."""
        return next(iter(self.picked.chats), "")

    def choose(self, conversation_id: str) -> None:
        """Show this one as chosen; "" for none. The folders open in which it lies."""
        self._chosen = conversation_id
        self.model.reveal(conversation_id)
        self._at = conversation_id
        self.view.rows.chosen = conversation_id
        self.view.viewport().update()
        self._aim(self._aimed)
        self._mark()

    def _touched(self) -> None:
        self._at = self.model.row(self.view.currentIndex()).id
        self._aim(self._aimed)

    def _mark(self) -> None:
        """Show what is chosen; where the user is stays, and so does a selection of several."""
        view = self.view
        within = frozenset(self.model.folders.way(self.model.home(self._chosen)) if self._chosen else ())
        if within != view.rows.within:
            view.rows.within = within
            view.viewport().update()
        if view.editing or view.drag.active:
            return  # another current row would end it
        selection = view.selectionModel()
        if view.rows.many:
            return
        index = self.model.index_of(self._at)
        if not index.isValid():
            index = self.model.folder_index(self._at)
        if not index.isValid() and self._at != self._chosen:
            self._at = self._chosen
            index = self.model.index_of(self._chosen)
        if not index.isValid():
            selection.clear()
        elif index != selection.currentIndex() or not selection.isSelected(index):
            selection.setCurrentIndex(index, _ONE)
            view.scrollTo(index)

    def rename(self, conversation_id: str) -> None:
        """Edit the title in place."""
        self.model.reveal(conversation_id, archive=True)
        self._edit(conversation_id)

    def rename_folder(self, folder_id: str) -> None:
        """Edit the name of a folder in place, with those open in which it lies."""
        for above in reversed(self.model.folders.way(self.model.folders.up(folder_id))):
            self.model.set_open(above, True)
        self._edit(folder_id)

    def _edit(self, row_id: str) -> None:
        index = self.model.index_of(row_id)
        if not index.isValid():
            index = self.model.folder_index(row_id)
        if index.isValid():
            self._at = row_id
            self.view.scrollTo(index)
            self.view.setCurrentIndex(index)
            self.view.edit(index)

    def neighbour(self, conversation_id: str, step: int) -> str:
        """The shown chat ``step`` rows further, "" at the ends; from none it is the first."""
        ids = self.model.ids()
        if conversation_id not in ids:
            return ids[0] if ids else ""
        place = ids.index(conversation_id) + step
        if place == len(ids) and self.model.show_more():
            ids = self.model.ids()
        return ids[place] if 0 <= place < len(ids) else ""

    def _arranged(self) -> None:
        self.view.setUniformRowHeights(len(self.model) + len(self.model.folders.all) > _LONG)
        self._mark()
        self._nothing.setText(self.tr("Your chats will appear here."))
        self._nothing.setVisible(self.model.rowCount() == 0)

    def _open_menu(self, place: QPoint) -> None:
        picked = self.view.picked
        row = self.model.row(self.view.currentIndex())
        if picked == Picked() and row.id == ARCHIVE:
            return
        self.aim_by(self._folder_menu if not picked.chats else self._menu, picked)
        (self._menu if picked.chats else self._folder_menu).open_at(place)

    def aim_by(self, menu: Menu, picked: Picked) -> None:
        """Commands mean these while a menu is open that is about to be."""
        self._aim(picked)
        menu.aboutToHide.connect(self.release, Qt.ConnectionType.SingleShotConnection)

    def hold(self, picked: Picked | None = None) -> None:
        """Commands go on meaning these, or what they mean now, wherever the keyboard goes, until ``release``."""
        self._aim(self.picked if picked is None else picked)

    def release(self) -> None:
        """A menu, or what else commands were held for, closes. It does so before its action triggers, so the target is
        forgotten one turn of the loop later."""
        QTimer.singleShot(0, self, lambda: self._aim(None))

    def _aim(self, picked: Picked | None) -> None:
        """Commands that mean chats or folders are there while some are meant, and say what they would do."""
        self._aimed = picked
        meant = self.picked
        kept = bool(meant.chats) and not any(map(is_temporary, meant.chats))
        for name in _CHATS:
            self._actions[name].setEnabled(bool(meant.chats) if name in _OF_ANY else kept)
        for name in _ONE_CHAT:
            self._actions[name].setEnabled(len(meant.chats) == 1 and not meant.folders)
        for name in _FOLDERS:
            self._actions[name].setEnabled(bool(meant.folders))
        for name in ("folder.chat", "folder.inside", "folder.rename", "folder.export"):
            self._actions[name].setEnabled(len(meant.folders) == 1)
        self._actions["chat.keep"].setVisible(is_temporary(self.target))
        alone = len(meant.chats) + len(meant.folders) == 1
        self._actions["chat.rename"].setEnabled(alone)  # its key renames a folder, too
        chats = [chat for each in meant.chats if (chat := self.model.conversation(each)) is not None]
        count = len(chats)
        pinned, archived = all(chat.pinned for chat in chats) and count, all(chat.archived for chat in chats) and count
        words = {
            "chat.pin": self.tr("Unpin %n chat(s)", "", count) if pinned else self.tr("Pin %n chat(s)", "", count),
            "chat.archive": self.tr("Take %n chat(s) out of the archive", "", count)
            if archived
            else self.tr("Archive %n chat(s)", "", count),
            "chat.delete": self.tr("Delete %n chat(s)", "", count),
        }
        single = {
            "chat.pin": self.tr("Unpin chat") if pinned else self.tr("Pin chat"),
            "chat.archive": self.tr("Take out of the archive") if archived else self.tr("Archive chat"),
            "chat.delete": self.tr("Delete chat"),
        }
        for name, text in (words if count > 1 else single).items():
            self._actions[name].setText(text)
