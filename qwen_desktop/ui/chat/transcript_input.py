"""Mouse and keys over a transcript. What they do to the picture is done here, on the canvas and its ``Interaction``;
what they ask for goes out as an intent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QContextMenuEvent, QFocusEvent, QHelpEvent, QKeyEvent, QKeySequence, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QToolTip

from qwen_desktop.core.addresses import visible
from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.interaction import NOWHERE
from qwen_desktop.ui.chat.selection import END, Place, paragraph_at, word_at
from qwen_desktop.ui.chat.transcript_canvas import TranscriptCanvas
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.texts import tip

_AUTOSCROLL_MS: Final = 25
_LINE: Final = 40
#: Pixels that an arrow key scrolls a table or code sideways whose button or link has the keyboard.
_ASIDE: Final = 60
#: Targets that say all in the picture, and need no tooltip.
_SPEAKING: Final = ("thinking", "problem", "details")

_LEFT: Final = Qt.MouseButton.LeftButton
_SHIFT: Final = Qt.KeyboardModifier.ShiftModifier


class Input(QObject):
    """Takes the events of a canvas and of its viewport."""

    copy_wanted = Signal()
    select_all_wanted = Signal()
    #: Something was selected by dragging.
    dragged = Signal()
    #: A place on the screen, and the item and the target there; each may be None.
    menu_wanted = Signal(object, object, object)

    def __init__(self, canvas: TranscriptCanvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._now = canvas.interaction
        self._selecting = False
        self._pressed_at = QPointF()
        self._double_at, self._double_until = QPointF(), 0.0
        self._last = QPointF()
        self._auto = QTimer(self, interval=_AUTOSCROLL_MS)
        self._auto.timeout.connect(self._autoscroll)
        kind = QEvent.Type
        self._of_viewport: dict[QEvent.Type, Callable[[Any], bool]] = {
            kind.MouseButtonPress: self._press,
            kind.MouseMove: self._move,
            kind.MouseButtonRelease: self._release,
            kind.MouseButtonDblClick: self._press,
            kind.Leave: self._leave,
            kind.ToolTip: self._tooltip,
            kind.Wheel: self._wheel,
            kind.ContextMenu: self._menu,
        }
        self._of_canvas: dict[QEvent.Type, Callable[[Any], bool]] = {
            kind.ContextMenu: self._menu,
            kind.ShortcutOverride: self._override,
            kind.KeyPress: self._key,
            kind.FocusIn: self._focus_in,
            kind.FocusOut: self._focus_out,
        }

        canvas.installEventFilter(self)
        canvas.viewport().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take an event of the canvas or of its viewport; False leaves it to others."""
        taker = (self._of_canvas if watched is self._canvas else self._of_viewport).get(event.type())
        return taker is not None and taker(event)

    # Points ----------------------------------------------------------------------------------------------------------

    def _find(self, point: QPointF) -> tuple[MessageItem | None, Target | None]:
        """The message at the height of a point, and the target under it."""
        item, inside = self._canvas.hit(point)
        return item, None if item is None else item.target_at(inside, self._canvas.context(item))

    def _place_at(self, point: QPointF) -> Place | None:
        """The place in the text nearest to a point."""
        item, inside = self._canvas.hit(point)
        return None if item is None else Place(item.message.id, item.offset_at(inside))

    # Buttons ---------------------------------------------------------------------------------------------------------

    def _press(self, event: QMouseEvent) -> bool:
        """A target is armed, text begins a selection: with the second press a word, with the third a paragraph."""
        if event.button() != _LEFT:
            return True
        point = event.position()
        self._last = self._pressed_at = point
        self._now.focus = NOWHERE
        item, target = self._find(point)
        place = self._place_at(point) if target is None or target.action == "link" else None
        double = place is not None and event.type() is QEvent.Type.MouseButtonDblClick
        if item is not None and target is not None and not double:
            self._now.pressed = (item.message.id, target.key)
        if place is None:
            return True
        near = (point - self._double_at).manhattanLength() < QApplication.startDragDistance()
        if double:
            self._take_around(place, word_at)
            self._double_at, self._double_until = point, time.monotonic() + QApplication.doubleClickInterval() / 1000
        elif near and time.monotonic() < self._double_until:
            self._take_around(place, paragraph_at)
        elif event.modifiers() & _SHIFT and self._now.selection.anchor is not None:
            self._now.selection.extend(place)
        else:
            self._now.selection.take(place, place)
        self._selecting = True
        return True

    def _take_around(self, place: Place, around: Callable[[str, int], tuple[int, int]]) -> None:
        item = self._canvas.item(place.message_id)
        start, end = 0, END  # all of it, while it is not known where its words stand
        if item is not None and item.ready:
            start, end = around(item.projection(), place.offset)
        self._now.selection.take(Place(place.message_id, start), Place(place.message_id, end))

    def _move(self, event: QMouseEvent) -> bool:
        """Extend the selection while the button is down, else show what is under the pointer."""
        self._last = event.position()
        if not (self._selecting and event.buttons() & _LEFT):
            self._hover(self._last)
            return True
        self._extend()
        if 0 <= self._last.y() < self._canvas.viewport().height():
            self._auto.stop()
        elif not self._auto.isActive():
            self._auto.start()
        return True

    def _release(self, event: QMouseEvent) -> bool:
        """A target that was pressed and is still under the pointer acts."""
        if event.button() != _LEFT:
            return True
        self._auto.stop()
        self._selecting = False
        pressed, self._now.pressed = self._now.pressed, NOWHERE
        item, target = self._find(event.position())
        dragged = (event.position() - self._pressed_at).manhattanLength() >= QApplication.startDragDistance()
        same = item is not None and target is not None and pressed == (item.message.id, target.key)
        if same and target is not None and (target.action != "link" or (not dragged and self._now.selection.empty)):
            self._canvas.activated.emit(item, target)
        elif dragged:
            self.dragged.emit()
        return True

    def _extend(self) -> None:
        lowest = self._canvas.viewport().height() - 1.0
        place = self._place_at(QPointF(self._last.x(), min(max(self._last.y(), 0.0), lowest)))
        if place is not None:
            self._now.selection.extend(place)

    def _autoscroll(self) -> None:
        y, height = self._last.y(), self._canvas.viewport().height()
        beyond = y if y < 0 else y - height if y > height else 0.0
        if not self._selecting or not beyond:
            self._auto.stop()
            return
        self._canvas.scroll_by(int(max(-60, min(60, beyond / 2))) or (1 if beyond > 0 else -1))
        self._extend()

    def _menu(self, event: QContextMenuEvent) -> bool:
        item, target = self._focused()
        if event.reason() is QContextMenuEvent.Reason.Keyboard and item is not None and target is not None:
            place = self._canvas.rect_of(item, target.rect)
            self.menu_wanted.emit(self._canvas.viewport().mapToGlobal(place.bottomLeft()), item, target)
            return True
        self.menu_wanted.emit(event.globalPos(), *self._find(QPointF(event.pos())))
        return True

    # Hovering --------------------------------------------------------------------------------------------------------

    def _hover(self, point: QPointF) -> None:
        item, inside = self._canvas.hit(point)
        message_id = item.message.id if item is not None and 0 <= inside.y() <= item.height else ""
        if message_id != self._now.hover[0]:
            self._now.hover = (message_id, "")  # its actions show now, and can be hit
        target = self._find(point)[1] if message_id else None
        self._now.hover = (message_id, target.key if target is not None else "")
        shape = Qt.CursorShape.ArrowCursor
        if target is not None:
            shape = Qt.CursorShape.PointingHandCursor
        elif item is not None and item.text_at(inside):
            shape = Qt.CursorShape.IBeamCursor
        self._canvas.viewport().setCursor(shape)

    def _leave(self, _event: QEvent) -> bool:
        if not self._selecting:
            self._now.hover = NOWHERE
        return False

    def _tooltip(self, event: QHelpEvent) -> bool:
        """Show a link's address, what a footnote says, or a button's name."""
        item, target = self._find(QPointF(event.pos()))
        if item is None or target is None or target.action in _SPEAKING:
            QToolTip.hideText()
            return True
        text = visible(target.value) if target.action == "link" else target.label
        if target.action == "footnote":
            text = item.footnote_text(target) or text
        area = self._canvas.rect_of(item, target.rect)
        QToolTip.showText(event.globalPos(), tip(text), self._canvas.viewport(), area)
        return True

    def _wheel(self, event: QWheelEvent) -> bool:
        """Sideways over what is wider than the column scrolls it; anything else is the canvas's."""
        delta = event.pixelDelta() if not event.pixelDelta().isNull() else event.angleDelta() / 3
        shifted = bool(event.modifiers() & _SHIFT)
        dx = delta.x() or (delta.y() if shifted else 0)
        if not dx or (abs(dx) < abs(delta.y()) and not shifted):
            return False
        item, inside = self._canvas.hit(event.position())
        if item is None or not item.wheel(inside, -float(dx)):
            return False
        self._canvas.viewport().update()
        event.accept()
        return True

    # Keys ------------------------------------------------------------------------------------------------------------

    def _override(self, event: QKeyEvent) -> bool:
        """Esc lets a selection go before it is anything else's."""
        if event.key() != Qt.Key.Key_Escape or event.modifiers() or self._now.selection.empty:
            return False
        event.accept()
        return True

    def _key(self, event: QKeyEvent) -> bool:
        key, modifiers = Qt.Key(event.key()), event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_wanted.emit()
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self.select_all_wanted.emit()
        else:
            control = modifiers == Qt.KeyboardModifier.ControlModifier
            return (control or not modifiers) and self._plain_key(key, control=control)
        return True

    def _plain_key(self, key: Qt.Key, *, control: bool) -> bool:
        page = max(_LINE, self._canvas.viewport().height() - _LINE)
        steps = {
            Qt.Key.Key_PageUp: -page,
            Qt.Key.Key_PageDown: page,
            Qt.Key.Key_Up: -_LINE,
            Qt.Key.Key_Down: _LINE,
        }
        item, target = self._focused()
        sideways = {Qt.Key.Key_Left: -_ASIDE, Qt.Key.Key_Right: _ASIDE}.get(key, 0)
        if sideways and not control:
            if item is None or target is None or not item.scroll_target(target.key, sideways):
                return False
            self._canvas.viewport().update()
        elif key in steps and not control:
            self._canvas.scroll_by(steps[key])
        elif key is Qt.Key.Key_Home:
            self._canvas.verticalScrollBar().setValue(0)
        elif key is Qt.Key.Key_End:
            self._canvas.scroll_to_end()
        elif target is not None and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._canvas.activated.emit(item, target)
        elif key is Qt.Key.Key_Escape and not self._now.selection.empty:
            self._now.selection.clear()
        else:
            return False
        return True

    def _focused(self) -> tuple[MessageItem | None, Target | None]:
        """What the keyboard is on."""
        item = self._canvas.item(self._now.focus[0])
        return item, None if item is None else item.targets().named(self._now.focus[1])

    def _focus_in(self, event: QFocusEvent) -> bool:
        """The canvas got the keyboard: with Tab its first visible target is taken."""
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self._now.focus = NOWHERE
            self._first(forward=event.reason() is Qt.FocusReason.TabFocusReason)
        return self._focus_out(event)

    def _focus_out(self, _event: QFocusEvent) -> bool:
        self._canvas.viewport().update()  # the ring is painted only while it is here
        return False

    def _first(self, *, forward: bool) -> bool:
        height = self._canvas.viewport().height()
        visible = self._canvas.visible_items()
        for item in visible if forward else reversed(visible):
            top = -self._canvas.top_of(item)
            for target in item.targets().between(top, top + height)[:: 1 if forward else -1]:
                if 0 <= self._canvas.top_of(item) + target.rect.center().y() <= height:
                    self._focus(item, target)
                    return True
        return False

    def step(self, *, forward: bool) -> bool:
        """Tab: go to the next target; False when there is none and the focus should leave."""
        item, target = self._focused()
        if item is None or target is None:
            return self._first(forward=forward)
        place = (item.targets().place(target.key) or 0) + (1 if forward else -1)
        if 0 <= place < len(item.targets()):
            self._focus(item, item.targets()[place])
            return True
        items = self._canvas.items
        for following in items[item.index + 1 :] if forward else reversed(items[: item.index]):
            if not following.laid_out:  # bring it into view first, which lays it out
                self._canvas.make_visible(following, following.rect)
                self._canvas.arrange(0.02)
            targets = following.targets()
            if targets:
                self._focus(following, targets[0 if forward else -1])
            if targets or not following.laid_out:  # that comes in a moment; the next Tab finds it
                return True
        self._now.focus = NOWHERE
        return False

    def _focus(self, item: MessageItem, target: Target) -> None:
        item.reveal(target.key)
        self._canvas.make_visible(item, target.rect)
        self._canvas.give_focus(item, target.key)
