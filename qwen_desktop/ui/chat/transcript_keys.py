"""The keyboard in the transcript: scrolling, copying, and Tab from one button or link to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent, QKeyEvent, QKeySequence

from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.transcript_items import MessageItem

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript import TranscriptView

_LINE: Final = 40
_BY_TAB: Final = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)


class Keys:
    """Takes the key events of a view."""

    def __init__(self, view: TranscriptView) -> None:
        self._view = view

    def press(self, event: QKeyEvent) -> bool:
        """Handle a key; False leaves it to others."""
        view = self._view
        if event.matches(QKeySequence.StandardKey.Copy):
            view.copy()
            return True
        if event.matches(QKeySequence.StandardKey.SelectAll):
            view.select_all()
            return True
        page = max(_LINE, view.viewport().height() - _LINE)
        bar = view.verticalScrollBar()
        key = Qt.Key(event.key())
        if event.modifiers() & ~(Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.KeypadModifier):
            return False
        steps = {
            Qt.Key.Key_PageUp: -page,
            Qt.Key.Key_PageDown: page,
            Qt.Key.Key_Up: -_LINE,
            Qt.Key.Key_Down: _LINE,
        }
        if key in steps and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            view.scroll_by(steps[key])
        elif key == Qt.Key.Key_Home:
            bar.setValue(0)
        elif key == Qt.Key.Key_End:
            view.scroll_to_end()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            return self._activate()
        elif key == Qt.Key.Key_Escape and not view.selection.empty:
            view.selection.clear()
            view.viewport().update()
        else:
            return False
        return True

    def _activate(self) -> bool:
        found = self.focused()
        if found is None:
            return False
        self._view.activate(*found)
        return True

    def focused(self) -> tuple[MessageItem, Target] | None:
        """What the keyboard is on."""
        view = self._view
        item = view.item(view.focus_key[0])
        if item is None:
            return None
        target = next((t for t in item.targets() if t.key == view.focus_key[1]), None)
        return None if target is None else (item, target)

    def entered(self, reason: Qt.FocusReason) -> None:
        """The view got the keyboard: with Tab its first visible target is taken."""
        if reason in _BY_TAB:
            self._view.focus_key = ("", "")
            self._first(forward=reason is Qt.FocusReason.TabFocusReason)
        self._view.viewport().update()

    def _first(self, *, forward: bool) -> bool:
        view = self._view
        visible = view.visible_items()
        height = view.viewport().height()
        for item in visible if forward else reversed(visible):
            targets = item.targets()
            for target in targets if forward else reversed(targets):
                y = view.top_of(item) + target.rect.center().y()
                if 0 <= y <= height:
                    self._set(item, target)
                    return True
        return False

    def step(self, *, forward: bool) -> bool:
        """Tab: go to the next target; False when there is none and the focus should leave."""
        view = self._view
        found = self.focused()
        if found is None:
            return self._first(forward=forward)
        item, target = found
        targets = item.targets()
        place = next((i for i, t in enumerate(targets) if t.key == target.key), 0) + (1 if forward else -1)
        if 0 <= place < len(targets):
            self._set(item, targets[place])
            return True
        index = item.index
        while 0 <= (index := index + (1 if forward else -1)) < len(view.items):
            following = view.items[index]
            if not following.laid_out:
                # Not laid out yet: bring it into view first, which lays it out.
                view.make_visible(following, following.rect)
                view.arrange(0.02)
            targets = following.targets()
            if targets:
                self._set(following, targets[0 if forward else -1])
                return True
            if not following.laid_out:
                return True  # it comes in a moment; the next Tab finds it
        view.focus_key = ("", "")
        view.viewport().update()
        return False

    def _set(self, item: MessageItem, target: Target) -> None:
        view = self._view
        view.make_visible(item, target.rect)
        view.give_focus(item, target.key)
        view.viewport().update()
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleEvent(view, QAccessible.Event.Focus))
