"""The view of the list of chats: what keys, clicks and drags in it mean."""

from __future__ import annotations

from typing import NamedTuple

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication, QTreeView, QWidget

from qwen_desktop.core.chat import is_temporary
from qwen_desktop.ui.actions import is_escape, pressed
from qwen_desktop.ui.chat.conversations import ConversationTree
from qwen_desktop.ui.chat.list_drag import Dragged, ListDrag
from qwen_desktop.ui.chat.list_nodes import ARCHIVE, Kind
from qwen_desktop.ui.chat.list_rows import ListRows
from qwen_desktop.ui.chat.node_model import Index
from qwen_desktop.ui.theme import Theme

_TOP = QModelIndex()
_HELD = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.MetaModifier
_ONE = QItemSelectionModel.SelectionFlag.ClearAndSelect


class Picked(NamedTuple):
    """What is selected: ids of chats and of folders, from top to bottom."""

    chats: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def many(self) -> bool:
        """Whether it is more than one thing."""
        return len(self.chats) + len(self.folders) > 1


class ChatsView(QTreeView):
    """Enter and click open, with Ctrl and Shift they select; Delete deletes; the menu key opens the menu; Left and
    Right close and open a folder. All that the model has is open."""

    opened = Signal(str)
    delete_wanted = Signal()
    #: Where on the screen; what is meant is ``picked``.
    menu_wanted = Signal(QPoint)
    #: The user has gone to another row, or selected others.
    touched = Signal()
    #: Chats and folders, and the home to which they go.
    dropped = Signal(object, str)
    #: The keyboard came here or went elsewhere.
    focused = Signal()

    def __init__(self, theme: Theme, model: ConversationTree, parent: QWidget) -> None:
        super().__init__(parent, headerHidden=True, rootIsDecorated=False, indentation=0, itemsExpandable=False)
        self.tree = model
        self.setModel(model)
        self.rows = ListRows(theme, self, model)
        self.setItemDelegate(self.rows)
        self.setProperty("ownFocus", True)
        self.setExpandsOnDoubleClick(False)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.drag = ListDrag(theme, self)
        self._press: QPoint | None = None
        self._late = False
        self.verticalScrollBar().valueChanged.connect(self._near_end)
        self.selectionModel().selectionChanged.connect(self._selected)
        model.modelReset.connect(self._open_all)
        model.rowsInserted.connect(self._open)
        model.rowsRemoved.connect(self._close)

    @property
    def editing(self) -> bool:
        """Whether a title is being edited."""
        return self.state() == QAbstractItemView.State.EditingState

    @property
    def picked(self) -> Picked:
        """What is selected."""
        rows = [self.tree.row(index) for index in self.selectionModel().selectedIndexes()]
        chats = {row.id for row in rows if row.kind is Kind.CHAT}
        folders = tuple(row.id for row in rows if row.kind is Kind.FOLDER and row.id != ARCHIVE)
        return Picked(tuple(each for each in self.tree.ids() if each in chats) if chats else (), folders)

    def _selected(self) -> None:
        self.rows.many = len(self.selectionModel().selectedIndexes()) > 1
        self.viewport().update()

    def _near_end(self, value: int) -> None:
        if value > self.verticalScrollBar().maximum() - 2 * self.viewport().height():
            self.tree.show_more()

    def _open_all(self) -> None:
        self._open(_TOP, 0, self.tree.rowCount() - 1)

    def _open(self, parent: Index, first: int, last: int) -> None:
        """Expand what has come. (Qt's own ways for whole trees lay them out at once.)"""
        if parent.isValid() and not self.isExpanded(parent):
            self.expand(parent)
        for row in range(first, last + 1):
            index = self.tree.index(row, 0, parent)
            shown = self.tree.row(index)
            if shown.kind is Kind.HEADING or shown.open:  # others may move there
                self.expand(index)
                self._open(index, 0, self.tree.rowCount(index) - 1)

    def _close(self, parent: Index, _first: int, _last: int) -> None:
        """A folder that was closed: each one that a view has expanded makes each change of the model slower."""
        if (
            parent.isValid()
            and not self.tree.rowCount(parent)
            and self.isExpanded(parent)
            and not self.tree.row(parent).open
        ):
            self.collapse(parent)

    # Keys -------------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self.tree.row(self.currentIndex())
        held = event.modifiers() & _HELD
        if self.drag.active and is_escape(event):
            self._end_drag(drop=False)
        elif self.editing or not self.currentIndex().isValid():
            super().keyPressEvent(event)
            self._after_key(row.id, opens=not held)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._press_row(self.currentIndex())
        elif pressed(event, "list.delete"):
            self.delete_wanted.emit()
        elif event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right) and not held:
            ltr = self.layoutDirection() is Qt.LayoutDirection.LeftToRight
            self._fold(forward=(event.key() == Qt.Key.Key_Right) is ltr)
        else:
            super().keyPressEvent(event)
            self._after_key(row.id, opens=not held)

    def _after_key(self, before: str, *, opens: bool) -> None:
        if self.editing:
            return
        row = self.tree.row(self.currentIndex())
        self.touched.emit()
        if opens and row.kind is Kind.CHAT and row.id != before:
            self.opened.emit(row.id)

    def _fold(self, *, forward: bool) -> None:
        """Open a closed folder, go into an open one; or close an open one, go to the one that this lies in."""
        index = self.currentIndex()
        row = self.tree.row(index)
        if row.kind is Kind.FOLDER and row.open is not forward:
            self.tree.set_open(row.id, forward)
            return
        target = self.tree.index(0, 0, index) if forward else self.tree.parent(index)
        if target.isValid() and target.flags() & Qt.ItemFlag.ItemIsSelectable:
            self.setCurrentIndex(target)
            self._after_key(row.id, opens=True)

    def _press_row(self, index: QModelIndex) -> None:
        row = self.tree.row(index)
        if row.kind is Kind.CHAT:
            self.opened.emit(row.id)
        elif row.kind is Kind.FOLDER:
            self.tree.set_open(row.id, not row.open)
        elif row.kind is Kind.MORE:
            place, parent = index.row(), self.tree.parent(index)
            self.tree.show_more(row.id)
            self.setCurrentIndex(self.tree.index(place, 0, parent))
            self.touched.emit()

    # The mouse --------------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = event.position().toPoint()
        index = self.indexAt(place)
        plain = event.button() == Qt.MouseButton.LeftButton and not event.modifiers() & _HELD
        self._press, self._late = None, False
        if plain and not index.isValid():
            return  # the selection stays
        if plain and index.flags() & Qt.ItemFlag.ItemIsSelectable:
            self._press = place
            if self.selectionModel().isSelected(index) and self.picked.many:
                self._late = True  # perhaps all of them are dragged
                return
        if event.button() == Qt.MouseButton.RightButton:
            return  # what the menu means, it finds itself
        super().mousePressEvent(event)
        self.touched.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = event.position().toPoint()
        if self.drag.active:
            self.drag.move(place)
            return
        if not event.buttons() & Qt.MouseButton.LeftButton:
            super().mouseMoveEvent(event)
            return
        if self._press is None or self.editing:
            return
        if (place - self._press).manhattanLength() >= QApplication.startDragDistance():
            self._begin_drag(place)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self.drag.active:
            self.drag.move(event.position().toPoint())
            self._end_drag(drop=True)
            return
        late, self._late, self._press = self._late, False, None
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        if event.button() != Qt.MouseButton.LeftButton or event.modifiers() & _HELD or not index.isValid():
            return
        if late:
            self.selectionModel().setCurrentIndex(index, _ONE)
            self.touched.emit()
        self._press_row(index)

    def _begin_drag(self, place: QPoint) -> None:
        chats, folders = self.picked
        picked = Picked(tuple(chat for chat in chats if not is_temporary(chat)), folders)  # those are in no folder
        if not picked.chats and not picked.folders:
            return
        first = self.tree.row(self.indexAt(self._press)).title if self._press is not None else ""
        self.drag.begin(Dragged(picked.chats, picked.folders, first), place)

    def _end_drag(self, *, drop: bool) -> None:
        self._press = None
        dragged, home = self.drag.end(drop=drop)
        if home is not None:
            self.dropped.emit(dragged, home)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if self.drag.active:
            self._end_drag(drop=False)
        super().focusOutEvent(event)
        self.focused.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focused.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.drag.active:
            painter = QPainter(self.viewport())
            self.drag.paint(painter)
            painter.end()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        place = self.viewport().mapFromGlobal(event.globalPos())
        index = self.indexAt(place)
        if event.reason() == QContextMenuEvent.Reason.Keyboard or not index.isValid():
            index = self.currentIndex()
            place = self.visualRect(index).center()
        event.accept()
        if not index.flags() & Qt.ItemFlag.ItemIsSelectable:
            return
        if not self.selectionModel().isSelected(index):
            self.selectionModel().setCurrentIndex(index, _ONE)
            self.touched.emit()
        self.menu_wanted.emit(self.viewport().mapToGlobal(place))
