"""The list of chats: New chat, Search, the conversations by day, and the promise at the bottom."""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QAbstractItemView, QLineEdit, QStyleOptionViewItem, QTreeView, QWidget

from qwen_desktop.core.commands import command
from qwen_desktop.ui.actions import Actions, native_keys, pressed
from qwen_desktop.ui.chat.conversations import ID_ROLE, RUNNING_ROLE, ConversationTree, Index
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Paragraph
from qwen_desktop.ui.widgets.row_delegate import RowDelegate
from qwen_desktop.ui.widgets.search_field import SearchButton
from qwen_desktop.ui.widgets.select import Menu

#: How often the groups are checked against the clock, in milliseconds.
_REGROUP_MS = 10 * 60 * 1000
#: In a list of more chats not each row is asked for its height: headings are then as high as the rows.
_LONG = 500
_TOP = QModelIndex()


class _Rows(RowDelegate):
    """Headings, and titles that can be edited in place; a dot marks a chat in which an answer runs."""

    def __init__(self, theme: Theme, view: QTreeView, model: ConversationTree) -> None:
        super().__init__(theme, view)
        self._tree = view
        self._model = model

    def has_dot(self, index: Index) -> bool:
        return bool(index.data(RUNNING_ROLE))

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        size = super().sizeHint(option, index)
        if self._model.is_heading(index) and not self._tree.uniformRowHeights():
            size.setHeight(size.height() - (6 if index.row() == 0 else 7))
        return size

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        if not self._model.is_heading(index):
            super().paint(painter, option, index)
            return
        painter.save()
        painter.setFont(self._theme.font("small", weight=600))
        painter.setPen(self._theme.color("text_faint"))
        low = QRectF(option.rect).adjusted(10, 0, -10, -4)
        painter.drawText(low, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, str(index.data()))
        painter.restore()

    def createEditor(self, parent: QWidget, _option: QStyleOptionViewItem, _index: Index) -> QWidget:
        field = QLineEdit(parent, maxLength=200)
        field.setObjectName("rename")
        field.setAccessibleName(self.tr("New title"))
        return field

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Once: what was typed since stays, whatever happens to the chat meanwhile."""
        if not (isinstance(editor, QLineEdit) and editor.isModified()):
            super().setEditorData(editor, index)


class _View(QTreeView):
    """The list itself: Enter and click open, Delete deletes, the menu key opens the menu. All groups are open."""

    opened = Signal(str)
    delete_wanted = Signal(str)
    menu_wanted = Signal(str, QPoint)

    def __init__(self, theme: Theme, model: ConversationTree, parent: QWidget) -> None:
        super().__init__(parent, headerHidden=True, rootIsDecorated=False, indentation=0, itemsExpandable=False)
        self.setModel(model)
        self.setItemDelegate(_Rows(theme, self, model))
        self.setProperty("ownFocus", True)
        self.setExpandsOnDoubleClick(False)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalScrollBar().valueChanged.connect(lambda value: self._near_end(model, value))
        model.modelReset.connect(self._open_groups)
        model.rowsInserted.connect(self._open_groups)

    @property
    def editing(self) -> bool:
        """Whether a title is being edited."""
        return self.state() == QAbstractItemView.State.EditingState

    def _near_end(self, model: ConversationTree, value: int) -> None:
        if value > self.verticalScrollBar().maximum() - 2 * self.viewport().height():
            model.show_more()

    def _open_groups(self, parent: Index = _TOP) -> None:
        if not parent.isValid():
            for row in range(self.model().rowCount()):
                self.expand(self.model().index(row, 0))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        chosen = str(self.currentIndex().data(ID_ROLE) or "")
        if self.editing or not chosen:
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(chosen)
        elif pressed(event, "list.delete"):
            self.delete_wanted.emit(chosen)
        else:
            super().keyPressEvent(event)
            now = str(self.currentIndex().data(ID_ROLE) or "")
            if now and now != chosen:
                self.opened.emit(now)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.data(ID_ROLE):
            self.opened.emit(str(index.data(ID_ROLE)))

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        place = self.viewport().mapFromGlobal(event.globalPos())
        index = self.indexAt(place)
        if not index.isValid():
            index = self.currentIndex()
            place = self.visualRect(index).center()
        if index.data(ID_ROLE):
            self.menu_wanted.emit(str(index.data(ID_ROLE)), self.viewport().mapToGlobal(place))
        event.accept()


class SideList(QWidget):
    """The side list. It shows what ``model`` holds; what the user wants is told by the signals of ``view``."""

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._actions = actions
        self._chosen = ""
        self.setObjectName("sidelist")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(200)
        self.model = ConversationTree()
        self.new_button = TextButton(theme, actions["chat.new"].text(), self, icon="square-pen", kind="new")
        self.new_button.setToolTip(actions.tooltip("chat.new"))
        self.new_button.clicked.connect(actions["chat.new"].trigger)
        keys = native_keys(command("chat.find").keys_on()[0]).replace("+", " ")
        self.search = SearchButton(theme, actions["chat.find"].text(), self, keys=keys)
        self.search.setToolTip(actions.tooltip("chat.find"))
        self.search.clicked.connect(actions["chat.find"].trigger)
        self.view = _View(theme, self.model, self)
        self.view.setAccessibleName(self.tr("Chats"))
        # Not before the click that ended it has found its row.
        self.view.itemDelegate().closeEditor.connect(self._mark, Qt.ConnectionType.QueuedConnection)
        self.view.menu_wanted.connect(self._open_menu)
        self._nothing = Paragraph(theme, self.tr("Your chats will stand here."), self, role="small", color="text_muted")
        self._nothing.setContentsMargins(10, 8, 10, 0)
        self._nothing.hide()
        self.model.arranged.connect(self._arranged)
        self._menu = Menu(self)
        actions.fill(self._menu, "chat")
        self._aim("")
        promise = Paragraph(theme, self.tr("Private and offline"), self, role="small", color="text_muted")
        promise.setToolTip(self.tr("Chats stay on this disk. Nothing is sent anywhere."))
        foot = row(IconLabel(theme, "lock", self), (promise, 1), margins=(10, 6, 10, 8))
        #: What stands below the chats while there is something to tell.
        self.notes = column(gap=10)
        parts = (self.new_button, self.search, self._nothing, (self.view, 1), self.notes, foot)
        column(*parts, on=self, gap=10, margins=(12, 12, 12, 12))
        timer = QTimer(self)
        timer.timeout.connect(self.model.regroup)
        timer.start(_REGROUP_MS)

    @property
    def target(self) -> str:
        """The chat that rename, delete and copy mean: the context menu's while it is open, else the chosen one."""
        return self._menu_for or self._chosen

    def choose(self, conversation_id: str) -> None:
        """Show this one as chosen; "" for none."""
        self._chosen = conversation_id
        self._aim(self._menu_for)
        self._mark()

    def _mark(self) -> None:
        if self.view.editing:
            return  # another current row would end it
        self.model.reveal(self._chosen)
        index = self.model.index_of(self._chosen)
        selection = self.view.selectionModel()
        if not index.isValid():
            selection.clear()
        elif index != selection.currentIndex() or not selection.isSelected(index):
            selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self.view.scrollTo(index)

    def rename(self, conversation_id: str) -> None:
        """Edit the title in place."""
        index = self.model.index_of(conversation_id)
        if index.isValid():
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
        self.view.setUniformRowHeights(len(self.model) > _LONG)
        self._mark()
        self._nothing.setVisible(self.model.rowCount() == 0)

    def _open_menu(self, conversation_id: str, place: QPoint) -> None:
        self._aim(conversation_id)
        # The menu hides before its action triggers, so the target is forgotten one turn of the loop later.
        self._menu.aboutToHide.connect(
            lambda: QTimer.singleShot(0, self, lambda: self._aim("")), Qt.ConnectionType.SingleShotConnection
        )
        self._menu.open_at(place)

    def _aim(self, menu_for: str) -> None:
        """Commands that mean a chat are there while one is meant: with an open menu that is ``menu_for``."""
        self._menu_for = menu_for
        for name in ("chat.rename", "chat.delete", "chat.copy", "chat.copy_thoughts"):
            self._actions[name].setEnabled(bool(self.target))
