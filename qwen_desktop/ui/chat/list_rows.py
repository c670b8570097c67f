"""How the rows of the list of chats look: headings, folders, and chats, which can be renamed in place."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import QLineEdit, QStyle, QStyleOptionViewItem, QTreeView, QWidget

from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.chat.conversations import ConversationTree
from qwen_desktop.ui.chat.list_nodes import ARCHIVE, Kind, Row
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.labels import draw_line
from qwen_desktop.ui.widgets.row_delegate import RowDelegate, draw_ground

#: How far what lies in a folder is moved in, and levels that are drawn.
_STEP, _LEVELS = 16, 6
#: Longest name of a folder and of a chat, in characters.
_LONGEST = {Kind.FOLDER: 80, Kind.CHAT: 200}
#: Tags of a row that are hinted at, and the side of a hint in px.
_HINTS, _DOT = 3, 5


class ListRows(RowDelegate):
    """A dot marks a chat in which an answer runs, a pencil one in which something is written and not sent, small rings
    its tags. ``chosen`` is the chat on show: it, or the closed folder that it lies in (``within``), is bold."""

    def __init__(self, theme: Theme, view: QTreeView, model: ConversationTree) -> None:
        super().__init__(theme, view)
        self._tree = view
        self._model = model
        self.chosen = ""
        self.within: frozenset[str] = frozenset()
        #: Several rows are selected: then the one on show is tinted only where it is one of them.
        self.many = False

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        size = super().sizeHint(option, index)
        if self._model.is_heading(index) and not self._tree.uniformRowHeights():
            size.setHeight(size.height() - (6 if index.row() == 0 else 7))
        return size

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        row = self._model.row(index)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if row.kind is Kind.HEADING:
            painter.setFont(self._theme.font("small", weight=600))
            painter.setPen(self._theme.color("text_faint"))
            low = QRectF(option.rect).adjusted(10, 0, -10, -4)
            draw_line(painter, low, row.title, at=Qt.AlignmentFlag.AlignBottom)
        else:
            self._paint(painter, option, row)
        painter.restore()

    def _paint(self, painter: QPainter, option: QStyleOptionViewItem, row: Row) -> None:
        rect, state, flag = QRectF(option.rect), option.state, QStyle.StateFlag
        shown = row.kind is Kind.CHAT and row.id == self.chosen
        selected = bool(state & flag.State_Selected) or (shown and not self.many)
        focus = bool(state & flag.State_HasFocus) and self._view.hasFocus()
        hover = bool(state & flag.State_MouseOver) and row.kind is not Kind.NOTE
        draw_ground(painter, self._theme, rect, selected=selected, hover=hover, focus=focus)
        room = _Room(painter, rect.adjusted(10, 0, -10, 0))
        room.start(min(row.depth, _LEVELS) * self._theme.grown(_STEP))
        if row.kind is Kind.FOLDER:
            self._paint_folder(painter, room, row)
            return
        if row.kind is Kind.CHAT and row.depth:
            room.start(self._theme.grown(2))
        if row.running:
            place = room.end(14)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color("accent"))
            painter.drawEllipse(
                QRectF(place.right() - 8 if room.ltr else place.left() + 1, rect.center().y() - 3, 7, 7)
            )
        if row.unsent and not shown:
            self._sign(painter, room.end(self._theme.grown(13) + 4), "pencil", 13, room.ltr)
        for _ in row.tags[:_HINTS]:
            place = room.end(_DOT + 4)
            painter.setPen(self._theme.color("text_faint"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QRectF(place.center().x() - _DOT / 2, rect.center().y() - _DOT / 2, _DOT, _DOT))
        quiet = row.kind is not Kind.CHAT
        bold = 600 if shown else 400
        painter.setFont(self._theme.font("small" if quiet else "body", weight=bold))
        ink = {Kind.MORE: "accent", Kind.NOTE: "text_faint"}.get(row.kind, "text")
        painter.setPen(self._theme.color(ink))
        draw_line(painter, room.rect, row.title)

    def _paint_folder(self, painter: QPainter, room: _Room, row: Row) -> None:
        chevron = "chevron-down" if row.open else "chevron-right" if room.ltr else "chevron-left"
        self._sign(painter, room.start(self._theme.grown(14) + 4), chevron, 14, not room.ltr)
        icon = "archive" if row.id == ARCHIVE else "folder-open" if row.open else "folder"
        self._sign(painter, room.start(self._theme.grown(16) + 8), icon, 16, not room.ltr)
        if row.chats:
            painter.setFont(self._theme.font("small", tabular=True))
            painter.setPen(self._theme.color("text_faint"))
            count = texts.number(row.chats)
            place = room.end(QFontMetrics(painter.font()).horizontalAdvance(count) + 2)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, count)
            room.end(4)
        held = row.id in self.within and not row.open
        painter.setFont(self._theme.font("body", weight=600 if held else 400))
        painter.setPen(self._theme.color("text"))
        draw_line(painter, room.rect, row.title)

    def _sign(self, painter: QPainter, place: QRectF, icon: str, size: int, at_right: bool) -> None:
        side = self._theme.grown(size)
        left = place.right() - side if at_right else place.left()
        drawn = icons.pixmap(icon, self._theme.color("text_muted"), side, self._view.devicePixelRatioF())
        painter.drawPixmap(round(left), round(place.center().y() - side / 2), drawn)

    def createEditor(
        self, parent: QWidget, _option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QWidget:
        row = self._model.row(index)
        field = QLineEdit(parent, maxLength=_LONGEST.get(row.kind, 80))
        field.setObjectName("rename")
        field.setAccessibleName(self.tr("New name of the folder") if row.kind is Kind.FOLDER else self.tr("New title"))
        return field

    def setEditorData(self, editor: QWidget, index: QModelIndex | QPersistentModelIndex) -> None:
        """Once: what was typed since stays, whatever happens to the chat meanwhile."""
        if not (isinstance(editor, QLineEdit) and editor.isModified()):
            super().setEditorData(editor, index)


class _Room:
    """The room of a row that is left, from both ends, in the painter's direction."""

    def __init__(self, painter: QPainter, rect: QRectF) -> None:
        self.ltr = painter.layoutDirection() is Qt.LayoutDirection.LeftToRight
        self.rect = rect

    def start(self, width: float) -> QRectF:
        """Take so much at the start."""
        return self._take(width, left=self.ltr)

    def end(self, width: float) -> QRectF:
        """Take so much at the end."""
        return self._take(width, left=not self.ltr)

    def _take(self, width: float, *, left: bool) -> QRectF:
        rect = self.rect
        width = min(width, rect.width())
        at = rect.left() if left else rect.right() - width
        self.rect = rect.adjusted(width, 0, 0, 0) if left else rect.adjusted(0, 0, -width, 0)
        return QRectF(at, rect.top(), width, rect.height())
