"""Where chats and folders shall go: all folders, found by their names, and a new one."""

from __future__ import annotations

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter
from PySide6.QtWidgets import QLineEdit, QListView, QStyle, QStyleOptionViewItem, QWidget

from qwen_desktop.services.arranging import NAME_LENGTH
from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.chat.list_nodes import FolderTree
from qwen_desktop.ui.chat.list_view import Picked
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.dialog import Dialog
from qwen_desktop.ui.widgets.labels import draw_line
from qwen_desktop.ui.widgets.row_delegate import RowDelegate, draw_ground

#: Data roles: icon, depth, and what a choice means.
_ICON = int(Qt.ItemDataRole.UserRole)
_DEPTH, _CHOICE = _ICON + 1, _ICON + 2
_NOWHERE = QModelIndex()
_NEW = "*new"
_STEP = 16


class _Choices(QAbstractListModel):
    """Icon, words, depth, whole path, and what is chosen by it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: list[tuple[str, str, int, str, str]] = []

    def show_rows(self, rows: list[tuple[str, str, int, str, str]]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = 0) -> object:
        if not index.isValid():
            return None
        icon, words, depth, path, choice = self.rows[index.row()]
        said = {
            int(Qt.ItemDataRole.DisplayRole): words,
            int(Qt.ItemDataRole.AccessibleTextRole): path,
            int(Qt.ItemDataRole.ToolTipRole): texts.tip(path),
            _ICON: icon,
            _DEPTH: depth,
            _CHOICE: choice,
        }
        return said.get(int(role))


class _Drawn(RowDelegate):
    """An icon and a name, moved in as far as the folder lies in others."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect, flag = QRectF(option.rect), QStyle.StateFlag
        selected, hover = bool(option.state & flag.State_Selected), bool(option.state & flag.State_MouseOver)
        focus = bool(option.state & flag.State_HasFocus) and self._view.hasFocus()
        draw_ground(painter, self._theme, rect, selected=selected, hover=hover, focus=focus)
        ltr = painter.layoutDirection() is Qt.LayoutDirection.LeftToRight
        side = self._theme.grown(16)
        begin = 10 + min(int(index.data(_DEPTH)), 8) * self._theme.grown(_STEP)
        left = rect.left() + begin if ltr else rect.right() - begin - side
        ink = self._theme.color("accent" if index.data(_CHOICE) == _NEW else "text_muted")
        sign = icons.pixmap(str(index.data(_ICON)), ink, side, self._view.devicePixelRatioF())
        painter.drawPixmap(round(left), round(rect.center().y() - side / 2), sign)
        taken = begin + side + 8
        room = rect.adjusted(taken, 0, -10, 0) if ltr else rect.adjusted(10, 0, -taken, 0)
        painter.setFont(self._theme.font("body", weight=600 if selected else 400))
        painter.setPen(self._theme.color("text"))
        draw_line(painter, room, str(index.data()))
        painter.restore()


class _Field(QLineEdit):
    """Up and Down go through the list below."""

    stepped = Signal(int)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.stepped.emit(-1 if event.key() == Qt.Key.Key_Up else 1)
        else:
            super().keyPressEvent(event)


class MoveDialog(Dialog):
    """``chosen`` carries the id of a folder, "" for none; ``made`` the name of a new one and the folder for it."""

    chosen = Signal(str)
    made = Signal(str, str)

    def __init__(self, theme: Theme, folders: FolderTree, picked: Picked, parent: QWidget) -> None:
        count = len(picked.chats) + len(picked.folders)
        title = self.tr("Move %n chat(s)", "", count) if not picked.folders else self.tr("Move %n thing(s)", "", count)
        super().__init__(theme, title, "", parent, width=420)
        self._folders = folders
        self._only_chats = not picked.folders
        self._barred = {each for folder in picked.folders for each in folders.under(folder)}
        self.field = _Field(self, maxLength=NAME_LENGTH)
        self.field.setAccessibleName(self.tr("Find a folder, or name a new one"))
        self.field.setPlaceholderText(self.field.accessibleName())
        self._choices = _Choices(self)
        self.view = QListView(self)
        self.view.setObjectName("choices")
        self.view.setProperty("ownFocus", True)
        self.view.setAccessibleName(self.tr("Folders"))
        self.view.setModel(self._choices)
        self.view.setItemDelegate(_Drawn(theme, self.view))
        self.view.setUniformItemSizes(True)
        self.view.setMouseTracking(True)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setFixedHeight(min(9, max(4, len(folders.all) + 2)) * theme.scaled("row_height") + 8)
        self.view.doubleClicked.connect(lambda _: self._take())
        self.field.textChanged.connect(self._fill)
        self.field.stepped.connect(self._step)
        self.body.addWidget(self.field)
        self.body.addWidget(self.view)
        self.add_button(self.tr("Cancel"))
        self.move_button = self.add_button(self.tr("Move"), self._take, kind="primary", default=True, closes=False)
        self._fill("")
        self.field.setFocus()

    def _fill(self, text: str) -> None:
        words = text.casefold().split()
        rows: list[tuple[str, str, int, str, str]] = []
        if not words:
            rows.append(("message-square", self.tr("No folder"), 0, self.tr("No folder"), ""))
        for folder_id in self._folders.under(""):
            path = self._folders.path(folder_id)
            if folder_id not in self._barred and all(word in path.casefold() for word in words):
                depth = 0 if words else len(self._folders.way(folder_id)) - 1
                name = self._folders.all[folder_id].name
                if words and (above := self._folders.path(self._folders.up(folder_id))):
                    name = f"{name} · {above}"
                rows.append(("folder", name, depth, path, folder_id))
        if words and self._only_chats:
            new = texts.fill(self.tr("New folder “{name}”"), name=" ".join(text.split()))
            rows.append(("folder-plus", new, 0, new, _NEW))
        self._choices.show_rows(rows)
        self.view.setCurrentIndex(self._choices.index(0))
        self.move_button.setEnabled(bool(rows))

    def _step(self, step: int) -> None:
        row = max(0, min(len(self._choices.rows) - 1, self.view.currentIndex().row() + step))
        self.view.setCurrentIndex(self._choices.index(row))

    def _take(self) -> None:
        choice = self.view.currentIndex().data(_CHOICE)
        if choice is None:
            return
        self.accept()
        if choice == _NEW:
            self.made.emit(" ".join(self.field.text().split()), "")
        else:
            self.chosen.emit(str(choice))
