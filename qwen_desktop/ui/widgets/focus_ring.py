"""The focus ring: 2 px of the focus colour, 2 px away from whatever the keyboard has reached.

One object for the whole app: it follows ``QApplication.focusChanged`` and lies in the nearest ancestor with room for
it, so that it scrolls and is cut off with the widget. Widgets that show their focus themselves (fields with a caret,
lists, the transcript) set the property ``ownFocus``.
"""

from __future__ import annotations

import shiboken6
from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QPlainTextEdit, QWidget

from qwen_desktop.ui.theme import Theme

_ROOM = 4
_MOVES = (QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.Hide)


class _Ring(QWidget):
    def __init__(self, theme: Theme, holder: QWidget, *, round_: bool) -> None:
        super().__init__(holder)
        self._theme = theme
        self._round = round_
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setObjectName("focusRing")

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.color("focus"), 2))
        radius = self._theme.radius("control") + 3
        side = min(self.width(), self.height())
        corner = side / 2 if self._round else min(radius, side / 2)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), corner, corner)


class FocusRing(QObject):
    """Shows the ring where the keyboard leads, and not where the mouse has clicked."""

    def __init__(self, app: QApplication, theme: Theme) -> None:
        super().__init__(app)
        self._theme = theme
        self._ring: _Ring | None = None
        self._target: QWidget | None = None
        self._watched: list[QWidget] = []
        app.focusChanged.connect(self._changed)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() in _MOVES:
            self._place()
        return False

    def _changed(self, _old: QWidget | None, new: QWidget | None) -> None:
        self._leave()
        if new is None or new.property("ownFocus") or isinstance(new, QLineEdit | QPlainTextEdit | QComboBox):
            return
        if QGuiApplication.mouseButtons() == Qt.MouseButton.NoButton:
            self._show_at(new)

    def _leave(self) -> None:
        for widget in self._watched:
            if shiboken6.isValid(widget):
                widget.removeEventFilter(self)
        self._watched = []
        self._target = None
        # Made anew for each stop: a ring that waited in a closed window would be gone with it.
        if self._ring is not None and shiboken6.isValid(self._ring):
            self._ring.hide()
            self._ring.deleteLater()
        self._ring = None

    def _show_at(self, target: QWidget) -> None:
        holder = target.parentWidget()
        watched = [target]
        while holder is not None and not holder.isWindow():
            rect = QRect(target.mapTo(holder, QPoint(0, 0)), target.size()).adjusted(-_ROOM, -_ROOM, _ROOM, _ROOM)
            if holder.rect().contains(rect) or holder.objectName() == "qt_scrollarea_viewport":
                break
            watched.append(holder)
            holder = holder.parentWidget()
        if holder is None:
            return
        self._target = target
        self._watched = watched
        for widget in watched:
            widget.installEventFilter(self)
        self._ring = _Ring(self._theme, holder, round_=bool(target.property("round")))
        self._place()

    def _place(self) -> None:
        target, ring = self._target, self._ring
        if target is None or ring is None or not shiboken6.isValid(target) or not shiboken6.isValid(ring):
            return
        holder = ring.parentWidget()
        if holder is None:
            return
        corner = target.mapTo(holder, QPoint(0, 0))
        ring.setGeometry(QRect(corner, target.size()).adjusted(-_ROOM, -_ROOM, _ROOM, _ROOM))
        ring.setVisible(target.isVisible())
        ring.raise_()
