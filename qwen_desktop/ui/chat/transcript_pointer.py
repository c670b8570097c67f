"""The mouse over the transcript: hovering, clicking, selecting with words and paragraphs, scrolling while dragging."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QElapsedTimer, QEvent, QObject, QPointF, QRect, Qt, QTimer
from PySide6.QtGui import QHelpEvent, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QToolTip

from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.selection import END, Place, paragraph_at, word_at
from qwen_desktop.ui.chat.transcript_items import MessageItem

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript import TranscriptView

_AUTOSCROLL_MS: Final = 25


class Pointer(QObject):
    """Takes the mouse events of a view."""

    def __init__(self, view: TranscriptView) -> None:
        super().__init__(view)
        self._view = view
        self._selecting = False
        self._pressed_at = QPointF()
        self._pressed: Target | None = None
        self._since_double = QElapsedTimer()
        self._double_at = QPointF()
        self._last = QPointF()
        self._auto = QTimer(self)
        self._auto.setInterval(_AUTOSCROLL_MS)
        self._auto.timeout.connect(self._autoscroll)

    def _find(self, point: QPointF) -> tuple[MessageItem | None, Target | None]:
        view = self._view
        item = view.item_at(point.y())
        if item is None:
            return None, None
        inside = view.inside(item, point)
        if not 0 <= inside.y() <= item.height:
            return item, None
        return item, item.target_at(inside, view.context(item))

    def place_at(self, point: QPointF) -> Place | None:
        """The place in the text nearest to a point of the viewport."""
        item = self._view.item_at(point.y())
        if item is None:
            return None
        return Place(item.message.id, item.offset_at(self._view.inside(item, point)))

    # Buttons ---------------------------------------------------------------------------------------------------------

    def press(self, event: QMouseEvent) -> None:
        """Press: a target is armed, text begins a selection."""
        view = self._view
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point = event.position()
        self._last = self._pressed_at = point
        view.focus_key = ("", "")
        item, target = self._find(point)
        self._pressed = target
        if item is not None and target is not None:
            view.pressed = (item.message.id, target.key)
            view.viewport().update()
            if target.action != "link":
                return
        place = self.place_at(point)
        if place is None:
            return
        triple = (
            self._since_double.isValid()
            and self._since_double.elapsed() < QApplication.doubleClickInterval()
            and (point - self._double_at).manhattanLength() < QApplication.startDragDistance()
        )
        if triple:
            self._take(place, paragraph_at)
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier and view.selection.anchor is not None:
            view.selection.extend(place)
        else:
            view.selection.start(place)
        self._selecting = True
        view.viewport().update()

    def double(self, event: QMouseEvent) -> None:
        """Double click: the word."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        _, target = self._find(event.position())
        if target is not None and target.action != "link":
            self.press(event)
            return
        place = self.place_at(event.position())
        if place is not None:
            self._take(place, word_at)
            self._selecting = True
            self._since_double.start()
            self._double_at = event.position()
            self._view.viewport().update()

    def _take(self, place: Place, border: object) -> None:
        view = self._view
        item = view.item(place.message_id)
        if item is None:
            return
        text = view.texts.known(item) if item.ready else None
        if text is None:  # where its words stand is not known yet
            view.selection.take(Place(place.message_id, 0), Place(place.message_id, END))
            return
        start, end = word_at(text, place.offset) if border is word_at else paragraph_at(text, place.offset)
        view.selection.take(Place(place.message_id, start), Place(place.message_id, end))

    def move(self, event: QMouseEvent) -> None:
        """Move: extend the selection while the button is down, else show what is under the pointer."""
        self._last = event.position()
        if self._selecting and event.buttons() & Qt.MouseButton.LeftButton:
            self._extend()
            area = QRect(0, 0, self._view.viewport().width(), self._view.viewport().height())
            outside = not area.top() <= self._last.y() <= area.bottom()
            if outside and not self._auto.isActive():
                self._auto.start()
            elif not outside:
                self._auto.stop()
            return
        self._hover(self._last)

    def release(self, event: QMouseEvent) -> None:
        """Release: a target that was pressed and is still under the pointer acts."""
        view = self._view
        if event.button() != Qt.MouseButton.LeftButton:
            return
        self._auto.stop()
        self._selecting = False
        pressed, self._pressed = self._pressed, None
        view.pressed = ("", "")
        view.viewport().update()
        item, target = self._find(event.position())
        dragged = (event.position() - self._pressed_at).manhattanLength() >= QApplication.startDragDistance()
        same = pressed is not None and target is not None and target.key == pressed.key
        clicked = target is not None and (target.action != "link" or (not dragged and view.selection.empty))
        if same and clicked and item is not None and target is not None:
            view.activate(item, target)
            return
        if dragged:
            view.copy_to_primary()

    def _extend(self) -> None:
        height = self._view.viewport().height()
        point = QPointF(self._last.x(), min(max(self._last.y(), 0.0), height - 1.0))
        place = self.place_at(point)
        if place is not None:
            self._view.selection.extend(place)
            self._view.viewport().update()

    def _autoscroll(self) -> None:
        view = self._view
        y, height = self._last.y(), view.viewport().height()
        beyond = y if y < 0 else y - height if y > height else 0.0
        if not self._selecting or not beyond:
            self._auto.stop()
            return
        view.scroll_by(int(max(-60, min(60, beyond / 2))) or (1 if beyond > 0 else -1))
        self._extend()

    # Hovering --------------------------------------------------------------------------------------------------------

    def _hover(self, point: QPointF) -> None:
        view = self._view
        item, target = self._find(point)
        inside = item is not None and 0 <= view.inside(item, point).y() <= item.height
        wanted = (item.message.id if item is not None and inside else "", target.key if target is not None else "")
        if wanted[0] != view.hover[0]:
            view.hover = (wanted[0], "")
            _, target = self._find(point)  # its actions show now, and can be hit
            wanted = (wanted[0], target.key if target is not None else "")
            view.hover = wanted
            view.viewport().update()
        elif wanted != view.hover:
            view.hover = wanted
            view.viewport().update()
        view.viewport().setCursor(self._cursor(item, target, point))

    def _cursor(self, item: MessageItem | None, target: Target | None, point: QPointF) -> Qt.CursorShape:
        if target is not None:
            return Qt.CursorShape.PointingHandCursor
        if item is not None and item.text_at(self._view.inside(item, point)):
            return Qt.CursorShape.IBeamCursor
        return Qt.CursorShape.ArrowCursor

    def leave(self) -> None:
        """The pointer left the viewport."""
        if not self._selecting:
            self._view.hover = ("", "")
            self._view.viewport().update()

    def tooltip(self, event: QEvent) -> bool:
        """Show a link's address or a button's name."""
        if not isinstance(event, QHelpEvent):
            return False
        item, target = self._find(QPointF(event.pos()))
        if item is None or target is None or target.action in ("thinking", "problem", "details"):
            QToolTip.hideText()
            return True
        text = target.value if target.action == "link" else target.label
        area = self._view.rect_of(item, target.rect)
        QToolTip.showText(event.globalPos(), plain_tip(text), self._view.viewport(), area)
        return True

    def wheel(self, event: QWheelEvent) -> bool:
        """Sideways over a wide code card or table scrolls it; anything else is the view's."""
        view = self._view
        delta = event.pixelDelta() if not event.pixelDelta().isNull() else event.angleDelta() / 3
        dx = delta.x()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and not dx:
            dx = delta.y()
        shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if not dx or (abs(dx) < abs(delta.y()) and not shifted):
            return False
        item = view.item_at(event.position().y())
        if item is None or not item.wheel(view.inside(item, event.position()), -float(dx)):
            return False
        view.viewport().update()
        event.accept()
        return True


def plain_tip(text: str) -> str:
    """A tooltip's text that Qt cannot take for rich text, cut where an address is endless."""
    text = text if len(text) <= 300 else text[:299] + "…"
    return f"<span>{html.escape(text)}</span>" if "<" in text else text
