"""Dragging chats and folders inside their list: where they would go, what shows that, and what opens on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QCursor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from qwen_desktop.ui.actions import claims_escape
from qwen_desktop.ui.chat.list_nodes import ARCHIVE, PINNED
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.labels import ElidedLabel

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.list_view import ChatsView

#: So near the upper and the lower edge the list scrolls, in px, and so many px each time.
_EDGE, _SPEED, _SCROLL_MS = 28, 12, 25
#: A closed folder opens after so long, in ms.
_OPEN_MS = 700


class Dragged(NamedTuple):
    """What is dragged: ids, and what the row is called that was taken."""

    chats: tuple[str, ...]
    folders: tuple[str, ...]
    title: str


class _Label(QWidget):
    """What is dragged, beside the pointer."""

    def __init__(self, theme: Theme, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        label = ElidedLabel(theme, text, self, role="small", weight=600)
        row(label, on=self, margins=(10, 5, 10, 5))
        label.ensurePolished()
        width = min(theme.grown(200), label.fontMetrics().horizontalAdvance(text) + 24)
        self.resize(width, label.fontMetrics().height() + 12)

    def paintEvent(self, _event: object) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.color("border_strong"), 1))
        painter.setBrush(self._theme.color("surface"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)


class ListDrag(QObject):
    """One drag at a time in ``view``."""

    def __init__(self, theme: Theme, view: ChatsView) -> None:
        super().__init__(view)
        self._theme = theme
        self._view = view
        self._dragged: Dragged | None = None
        self._label: _Label | None = None
        self._place = QPoint()
        #: The home under the pointer that what is dragged can go to; None for none.
        self.home: str | None = None
        self._over = ""
        self._opened: list[str] = []
        self._scroll = QTimer(self, interval=_SCROLL_MS)
        self._scroll.timeout.connect(self._step)
        self._open = QTimer(self, interval=_OPEN_MS, singleShot=True)
        self._open.timeout.connect(self._open_folder)
        view.installEventFilter(self)

    @property
    def active(self) -> bool:
        """Whether something is dragged."""
        return self._dragged is not None

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        return self.active and claims_escape(event)

    def begin(self, dragged: Dragged, place: QPoint) -> None:
        """Drag these; ``place`` is where the pointer is in the view."""
        self._dragged = dragged
        count = len(dragged.chats) + len(dragged.folders)
        text = dragged.title if count == 1 else self.tr("%n thing(s)", "", count)
        if count > 1 and not dragged.folders:
            text = self.tr("%n chat(s)", "", count)
        self._label = _Label(self._theme, text, self._view.window())
        self._label.show()
        if dragged.chats and not dragged.folders:
            self._view.tree.offer_pinned(True)
        self._view.setCursor(QCursor(Qt.CursorShape.ClosedHandCursor))
        self.move(place)

    def move(self, place: QPoint) -> None:
        """The pointer is there now."""
        self._place = place
        view = self._view
        port = view.viewport().rect()
        if self._label is not None:
            at = view.viewport().mapTo(view.window(), place) + QPoint(14, 10)
            room = view.window().rect()
            self._label.move(min(at.x(), room.right() - self._label.width()), min(at.y(), room.bottom() - 30))
            self._label.raise_()
        near = port.contains(place) and (place.y() < _EDGE or place.y() > port.height() - _EDGE)
        if near is not self._scroll.isActive():
            (self._scroll.start if near else self._scroll.stop)()
        self._look()

    def end(self, *, drop: bool) -> tuple[Dragged, str | None]:
        """It is over: what was dragged, and the home that it was dropped on; None for nowhere."""
        dragged, home = self._dragged or Dragged((), (), ""), self.home if drop else None
        self._dragged = self.home = None
        self._scroll.stop()
        self._open.stop()
        if self._label is not None:
            self._label.hide()
            self._label.deleteLater()
            self._label = None
        view = self._view
        view.unsetCursor()
        view.tree.offer_pinned(False)
        way = view.tree.folders.way(home) if home is not None else []
        for folder_id in self._opened:  # those that were opened on the way
            if folder_id not in way and folder_id != home:
                view.tree.set_open(folder_id, False)
        self._opened = []
        view.viewport().update()
        return dragged, home

    def paint(self, painter: QPainter) -> None:
        """Show where it would go."""
        if self.home is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QColor(self._theme.color("accent"))
        ground.setAlphaF(0.10)
        painter.setPen(QPen(self._theme.color("accent"), 2))
        painter.setBrush(ground)
        rect = QRectF(self._rect(self.home)).adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(rect, self._theme.radius("control"), self._theme.radius("control"))

    def _rect(self, home: str) -> QRect:
        view = self._view
        port = view.viewport().rect()
        first, last = view.tree.extent(home)
        if not first.isValid():  # under all rows
            bottom = view.visualRect(view.tree.index(view.tree.rowCount() - 1, 0)).bottom()
            return QRect(0, max(bottom + 4, port.height() - 60), port.width(), 56)
        top, bottom = view.visualRect(first).top(), view.visualRect(last).bottom()
        return QRect(0, max(top, -8), port.width(), min(bottom, port.height() + 8) - max(top, -8) + 1)

    def _look(self) -> None:
        """Find the home under the pointer."""
        view, home = self._view, None
        over = ""
        if view.viewport().rect().contains(self._place):
            index = view.indexAt(self._place)
            meant = view.tree.section(index)
            home = meant if self._can_go(meant) else None
            row = view.tree.row(index)
            over = row.id if view.tree.folder_index(row.id).isValid() and not row.open and row.id else ""
        if over != self._over:
            self._over = over
            (self._open.start if over else self._open.stop)()
        if home != self.home:
            self.home = home
            view.viewport().update()

    def _can_go(self, home: str) -> bool:
        """Whether anything would change."""
        dragged, tree = self._dragged, self._view.tree
        if dragged is None or (dragged.folders and home in (PINNED, ARCHIVE)):
            return False
        if any(folder in tree.folders.way(home) for folder in dragged.folders):
            return False
        chats = any(tree.home(chat) != home for chat in dragged.chats)
        return chats or any(tree.folders.up(folder) != home for folder in dragged.folders)

    def _step(self) -> None:
        bar = self._view.verticalScrollBar()
        up, before = self._place.y() < _EDGE, bar.value()
        bar.setValue(before + (-_SPEED if up else _SPEED))
        if bar.value() == before:
            self._scroll.stop()
        self._look()

    def _open_folder(self) -> None:
        if self._over and self._dragged is not None and self._over not in self._dragged.folders:
            self._opened.append(self._over)
            self._view.tree.set_open(self._over, True)
            self._look()
