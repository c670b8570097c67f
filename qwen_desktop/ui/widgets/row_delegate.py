"""Paints plain one-line rows of a list as the side lists show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QPainter, QPen
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.labels import draw_line
from qwen_desktop.ui.widgets.surface import draw_rounded

Line: TypeAlias = tuple[str, QFont, str, Qt.AlignmentFlag]


class RowDelegate(QStyledItemDelegate):
    """Chosen rows are tinted and bold; the keyboard's row has the focus ring inside."""

    def __init__(self, theme: Theme, view: QAbstractItemView) -> None:
        super().__init__(view)
        self._theme = theme
        self._view = view
        theme.changed.connect(view.scheduleDelayedItemsLayout)

    def has_dot(self, _index: QModelIndex | QPersistentModelIndex) -> bool:
        """Whether the row ends in a dot: something goes on there."""
        return False

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(60, self._theme.scaled("row_height"))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(option.rect)
        state, flag = option.state, QStyle.StateFlag
        selected, hover = bool(state & flag.State_Selected), bool(state & flag.State_MouseOver)
        focus = bool(state & flag.State_HasFocus) and self._view.hasFocus()
        draw_ground(painter, self._theme, rect, selected=selected, hover=hover, focus=focus)
        room = rect.adjusted(10, 5, -10, -5)
        if self.has_dot(index):
            ltr = painter.layoutDirection() is Qt.LayoutDirection.LeftToRight
            room.adjust(0 if ltr else 14, 0, -14 if ltr else 0, 0)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.color("accent"))
            painter.drawEllipse(QRectF(room.right() + 6 if ltr else room.left() - 13, rect.center().y() - 3, 7, 7))
        for text, font, color, place in self.lines(index, selected=selected):
            painter.setFont(font)
            painter.setPen(self._theme.color(color))
            draw_line(painter, room, text, at=place)
        painter.restore()

    def lines(self, index: QModelIndex | QPersistentModelIndex, *, selected: bool) -> Sequence[Line]:
        """What the row says: text, font, colour role and place of each line."""
        font = self._theme.font("body", weight=600 if selected else 400)
        return ((str(index.data()), font, "text", Qt.AlignmentFlag.AlignVCenter),)


def draw_ground(painter: QPainter, theme: Theme, rect: QRectF, *, selected: bool, hover: bool, focus: bool) -> None:
    """The background of a row in its state."""
    radius = theme.radius("control")
    if selected or hover:
        draw_rounded(painter, rect, radius, theme.color("accent_soft" if selected else "hover"))
    if focus:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.color("focus"), 2))
        painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), radius - 1, radius - 1)
