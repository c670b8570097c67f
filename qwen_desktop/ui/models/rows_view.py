"""A list of painted rows that is as tall as its rows, inside a page that scrolls.

A row has parts ("button", "more"; "" is the row itself). The mouse clicks them; with the keyboard Up and Down walk
through rows, Right and Left through the parts, Enter and Space do what the part does, the menu key opens the menu.
"""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QContextMenuEvent, QFocusEvent, QFontMetrics, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from qwen_desktop.ui.theme import Theme

Index = QModelIndex | QPersistentModelIndex
#: The row's data as the delegate wants it.
ROW_ROLE = Qt.ItemDataRole.UserRole + 1


class RowsDelegate(QStyledItemDelegate):
    """What a delegate of these lists must be able to say beside painting. Its rows have two lines of text."""

    def __init__(self, theme: Theme, view: RowsView) -> None:
        super().__init__(view)
        self._theme = theme
        self._view = view

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        lines = QFontMetrics(self._theme.font("body", weight=600)).height()
        lines += QFontMetrics(self._theme.font("small")).height()
        return QSize(200, max(56, lines + 22))

    def parts(self, index: Index, room: QRect) -> dict[str, QRect]:
        """The places of a row's parts, in the order in which the keyboard reaches them."""
        raise NotImplementedError


class RowsView(QListView):
    """``part_clicked`` carries (row, part); ``menu_wanted`` (row, place on the screen); ``reached`` the rectangle, in
    this view, that the keyboard has come to."""

    part_clicked = Signal(int, str)
    menu_wanted = Signal(int, QPoint)
    reached = Signal(QRect)

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.part = ""
        self.hover: tuple[int, str] = (-1, "")
        self.down: tuple[int, str] = (-1, "")
        self.setAccessibleName(name)
        self.setProperty("ownFocus", True)
        self.setMouseTracking(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self._dressed)

    def setModel(self, model: QAbstractItemModel | None) -> None:
        super().setModel(model)
        if model is not None:
            model.modelReset.connect(self.fit)
        self.fit()

    def _dressed(self) -> None:
        self.scheduleDelayedItemsLayout()
        self.fit()

    def fit(self) -> None:
        """Be as tall as the rows."""
        model = self.model()
        rows = model.rowCount() if model is not None else 0
        self.setFixedHeight(rows * self.sizeHintForRow(0) if rows else 0)
        self.hover = self.down = (-1, "")

    def parts_of(self, row: int) -> dict[str, QRect]:
        """The places of the parts of a row, in this view's coordinates."""
        index = self.model().index(row, 0)
        delegate = self.itemDelegate()
        return delegate.parts(index, self.visualRect(index)) if isinstance(delegate, RowsDelegate) else {}

    def _at(self, place: QPoint) -> tuple[int, str]:
        index = self.indexAt(place)
        if not index.isValid():
            return -1, ""
        found = next((name for name, rect in self.parts_of(index.row()).items() if rect.contains(place)), "")
        return index.row(), found

    # The mouse --------------------------------------------------------------------------------------------------------

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        found = self._at(event.position().toPoint())
        if found != self.hover:
            self.hover = found
            self.setCursor(Qt.CursorShape.PointingHandCursor if found[0] >= 0 else Qt.CursorShape.ArrowCursor)
            self.viewport().update()

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.hover = (-1, "")
        self.viewport().update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self.part = ""
        if event.button() == Qt.MouseButton.LeftButton:
            self.down = self._at(event.position().toPoint())
            self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        down, self.down = self.down, (-1, "")
        self.viewport().update()
        left = event.button() == Qt.MouseButton.LeftButton
        if left and down[0] >= 0 and self._at(event.position().toPoint()) == down:
            self.part_clicked.emit(*down)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        place = self.viewport().mapFromGlobal(event.globalPos())
        index = self.indexAt(place)
        if event.reason() == QContextMenuEvent.Reason.Keyboard or not index.isValid():
            index = self.currentIndex()
            place = self.visualRect(index).center()
        if index.isValid():
            self.menu_wanted.emit(index.row(), self.viewport().mapToGlobal(place))
        event.accept()

    # The keyboard -----------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self.currentIndex().row()
        key = event.key()
        if row < 0:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Right, Qt.Key.Key_Left):
            self._step(row, 1 if key == Qt.Key.Key_Right else -1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.part_clicked.emit(row, self.part)
        elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and not self._in_range(row, key):
            event.ignore()
        else:
            super().keyPressEvent(event)

    def _in_range(self, row: int, key: int) -> bool:
        target = row + (1 if key == Qt.Key.Key_Down else -1)
        return 0 <= target < self.model().rowCount()

    def _step(self, row: int, step: int) -> None:
        names = ["", *self.parts_of(row)]
        place = names.index(self.part) if self.part in names else 0
        self.part = names[max(0, min(len(names) - 1, place + step))]
        self.viewport().update()

    def currentChanged(self, current: Index, previous: Index) -> None:
        super().currentChanged(current, previous)
        if current.isValid() and self.part not in self.parts_of(current.row()):
            self.part = ""
        if current.isValid() and self.hasFocus():
            self.reached.emit(self.visualRect(current))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        by_key = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        if by_key and self.model().rowCount():
            if not self.currentIndex().isValid():
                self.setCurrentIndex(self.model().index(0, 0))
            self.reached.emit(self.visualRect(self.currentIndex()))
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.part = ""
        self.viewport().update()
