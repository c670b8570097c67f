"""The list of chats: New chat, Find, the conversations by day, and the promise at the bottom."""

from __future__ import annotations

from PySide6.QtCore import QItemSelectionModel, QPoint, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from qwen_desktop.core.commands import command
from qwen_desktop.ui.actions import Actions, native_keys, pressed
from qwen_desktop.ui.chat.conversations import ID_ROLE, RUNNING_ROLE, ConversationList, Index
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Paragraph
from qwen_desktop.ui.widgets.row_delegate import draw_ground
from qwen_desktop.ui.widgets.search_field import SearchField
from qwen_desktop.ui.widgets.select import Menu

#: How often the groups are checked against the clock, in milliseconds.
_REGROUP_MS = 10 * 60 * 1000


class _Rows(QStyledItemDelegate):
    """Paints headings and titles; a dot marks a chat in which an answer runs."""

    def __init__(self, theme: Theme, view: QListView) -> None:
        super().__init__(view)
        self._theme = theme
        self._view = view

    def sizeHint(self, _option: QStyleOptionViewItem, index: Index) -> QSize:
        height = self._theme.scaled("row_height")
        if not index.data(ID_ROLE):
            height -= 6 if index.row() == 0 else 7
        return QSize(60, height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(option.rect)
        state = option.state
        title = str(index.data())
        if not index.data(ID_ROLE):
            painter.setFont(self._theme.font("small", weight=600))
            painter.setPen(self._theme.color("text_faint"))
            low = rect.adjusted(10, 0, -10, -4)
            painter.drawText(low, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, title)
            painter.restore()
            return
        selected = bool(state & QStyle.StateFlag.State_Selected)
        hover = bool(state & QStyle.StateFlag.State_MouseOver)
        focus = bool(state & QStyle.StateFlag.State_HasFocus) and self._view.hasFocus()
        draw_ground(painter, self._theme, rect, selected=selected, hover=hover, focus=focus)
        painter.setFont(self._theme.font("body", weight=600 if selected else 400))
        painter.setPen(self._theme.color("text"))
        room = rect.adjusted(10, 0, -10, 0)
        if index.data(RUNNING_ROLE):
            room.setRight(room.right() - 14)
            painter.save()
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color("accent"))
            painter.drawEllipse(QRectF(room.right() + 6, rect.center().y() - 3, 7, 7))
            painter.restore()
        shown = painter.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
        painter.restore()

    def createEditor(self, parent: QWidget, _option: QStyleOptionViewItem, _index: Index) -> QWidget:
        field = QLineEdit(parent)
        field.setObjectName("rename")
        field.setAccessibleName(self.tr("New title"))
        field.setMaxLength(200)
        return field


class _View(QListView):
    """The list itself: Enter and click open, Delete deletes, the menu key opens the menu."""

    opened = Signal(str)
    delete_wanted = Signal(str)
    menu_wanted = Signal(str, QPoint)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        chosen = str(self.currentIndex().data(ID_ROLE) or "")
        if self.state() == QAbstractItemView.State.EditingState or not chosen:
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
    """The side list. It tells what the user wants by signals and shows what ``model`` holds."""

    opened = Signal(str)
    delete_wanted = Signal(str)
    done = Signal()

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._chosen = ""
        self._menu_for = ""
        self.setObjectName("sidelist")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(200)
        self.model = ConversationList()
        self.new_button = TextButton(theme, actions["chat.new"].text(), self, icon="square-pen", kind="new")
        self.new_button.setToolTip(actions.tooltip("chat.new"))
        self.new_button.clicked.connect(actions["chat.new"].trigger)
        keys = native_keys(command("chat.find").keys_on()[0]).replace("+", " ")
        self.field = SearchField(theme, self.tr("Find"), self, keys=keys)
        self.field.setToolTip(actions.tooltip("chat.find"))
        self.field.textChanged.connect(self._filtered)
        self.field.left.connect(self._leave_find)
        self.view = _View(self)
        self.view.setAccessibleName(self.tr("Chats"))
        self.view.setProperty("ownFocus", True)
        self.view.setModel(self.model)
        self.view.setItemDelegate(_Rows(theme, self.view))
        self.view.setMouseTracking(True)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.opened.connect(self.opened)
        self.view.delete_wanted.connect(self.delete_wanted)
        self.view.menu_wanted.connect(self._open_menu)
        self._build_notes(theme, actions)

    def _build_notes(self, theme: Theme, actions: Actions) -> None:
        self._nothing = Paragraph(theme, "", self, role="small", color="text_muted")
        self._nothing.setContentsMargins(10, 8, 10, 0)
        self._nothing.hide()
        self.model.modelReset.connect(self._after_reset)
        self._menu = Menu(self)
        actions.fill(self._menu, "chat")
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(10)
        column.addWidget(self.new_button)
        column.addWidget(self.field)
        column.addWidget(self._nothing)
        column.addWidget(self.view, 1)
        self._notes = QVBoxLayout()
        column.addLayout(self._notes)
        foot = QHBoxLayout()
        foot.setContentsMargins(10, 6, 10, 8)
        foot.setSpacing(8)
        foot.addWidget(IconLabel(theme, "lock", self))
        promise = Paragraph(theme, self.tr("Private and offline"), self, role="small", color="text_muted")
        promise.setToolTip(self.tr("Chats stay on this disk. Nothing is sent anywhere."))
        foot.addWidget(promise, 1)
        column.addLayout(foot)
        theme.changed.connect(self.view.scheduleDelayedItemsLayout)
        timer = QTimer(self)
        timer.timeout.connect(self.model.regroup)
        timer.start(_REGROUP_MS)

    def add_note(self, note: QWidget) -> None:
        """Put something below the chats that is shown while there is something to tell."""
        self._notes.addWidget(note)

    def sizeHint(self) -> QSize:
        return QSize(self._theme.size("sidebar_width"), 400)

    @property
    def target(self) -> str:
        """The chat that rename, delete and copy mean: the context menu's while it is open, else the chosen one."""
        return self._menu_for or self._chosen

    def choose(self, conversation_id: str) -> None:
        """Show this one as chosen; "" for none."""
        self._chosen = conversation_id
        index = self.model.index_of(conversation_id)
        selection = self.view.selectionModel()
        if not index.isValid():
            selection.clear()
            return
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
        return ids[place] if 0 <= place < len(ids) else ""

    def focus_find(self) -> None:
        """Go to the Find field with its text selected."""
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def _filtered(self, words: str) -> None:
        self.model.set_filter(words)

    def _leave_find(self) -> None:
        ids = self.model.ids()
        if self.field.text() and ids:
            self.view.setFocus(Qt.FocusReason.TabFocusReason)
            if self._chosen not in ids:
                self.opened.emit(ids[0])
        else:
            self.done.emit()

    def _after_reset(self) -> None:
        self.choose(self._chosen)
        empty = self.model.rowCount() == 0
        if empty and len(self.model):
            self._nothing.setText(self.tr("No chat has that in its title."))
        elif empty:
            self._nothing.setText(self.tr("Your chats will stand here."))
        self._nothing.setVisible(empty)

    def _open_menu(self, conversation_id: str, place: QPoint) -> None:
        self._menu_for = conversation_id
        # The menu hides before its action triggers, so the target is forgotten one turn of the loop later.
        self._menu.aboutToHide.connect(
            lambda: QTimer.singleShot(0, self, self._forget_menu), Qt.ConnectionType.SingleShotConnection
        )
        self._menu.popup(place)

    def _forget_menu(self) -> None:
        self._menu_for = ""
