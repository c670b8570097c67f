"""A layout of lines: parts of their own width from the start, or in the middle, and on in the next line."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLayout, QLayoutItem, QStyle, QWidget


class FlowLayout(QLayout):
    """From the start to the end, and on in the next line where the room ends."""

    def __init__(self, parent: QWidget | None = None, *, gap: int = 8, centred: bool = False) -> None:
        super().__init__(parent)
        self._centred = centred
        self._items: list[QLayoutItem] = []
        self._gap = gap
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._arrange(QRect(0, 0, width, 0), place=False)

    def sizeHint(self) -> QSize:
        shown = [item.sizeHint() for item in self._items if not item.isEmpty()]
        width = sum(size.width() + self._gap for size in shown) - (self._gap if shown else 0)
        return QSize(width, max((size.height() for size in shown), default=0))

    def minimumSize(self) -> QSize:
        shown = [item.minimumSize() for item in self._items if not item.isEmpty()]
        width = max((size.width() for size in shown), default=0)
        return QSize(width, max((size.height() for size in shown), default=0))

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._arrange(rect, place=True)

    def _size(self, item: QLayoutItem, room: int) -> QSize:
        """As large as it likes; one that is wider than a whole line gets narrower, if it can."""
        size = item.sizeHint()
        return QSize(min(size.width(), max(room, item.minimumSize().width())), size.height())

    def _arrange(self, rect: QRect, *, place: bool) -> int:
        left, top, line = rect.left(), rect.top(), 0
        row: list[tuple[QLayoutItem, int]] = []
        widget = self.parentWidget()
        direction = QGuiApplication.layoutDirection() if widget is None else widget.layoutDirection()

        def settle() -> None:
            aside = (rect.right() + 1 + self._gap - left) // 2 if self._centred else 0
            for item, x in row if place else ():
                size = self._size(item, rect.width())
                spot = QRect(QPoint(x + aside, top + (line - size.height()) // 2), size)
                item.setGeometry(QStyle.visualRect(direction, rect, spot))

        for item in self._items:
            if item.isEmpty():
                continue
            size = self._size(item, rect.width())
            if left + size.width() > rect.right() + 1 and row:
                settle()
                left, top, line, row = rect.left(), top + line + self._gap, 0, []
            row.append((item, left))
            left += size.width() + self._gap
            line = max(line, size.height())
        settle()
        return top + line - rect.top()
