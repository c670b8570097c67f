"""The transcript for screen readers: a list of messages, each with its text as the name and its buttons as children.

Qt asks the factory for an interface when an assistive program looks. The interfaces are kept by the view, since Qt
does not own what Python made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from PySide6.QtCore import QObject, QPoint, QRect
from PySide6.QtGui import QAccessible, QAccessibleActionInterface, QAccessibleInterface, QWindow

from qwen_desktop.ui.chat.blocks import Target, translate
from qwen_desktop.ui.chat.transcript_items import MessageItem

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript import TranscriptView

_ATTRIBUTE = "_accessible_interface"
#: A name is spoken in one go; the rest of a very long message is reached by copying it.
_LONGEST = 20_000


class _Part(QAccessibleInterface):
    """What messages and their targets share."""

    def __init__(self, view: TranscriptView, owner: QAccessibleInterface) -> None:
        super().__init__()
        self._view = view
        self._owner = owner

    def isValid(self) -> bool:
        return True

    def object(self) -> QObject:
        return cast("QObject", None)

    def window(self) -> QWindow:
        return self._view.window().windowHandle()

    def parent(self) -> QAccessibleInterface:
        return self._owner

    def child(self, index: int) -> QAccessibleInterface:
        return cast("QAccessibleInterface", None)

    def childCount(self) -> int:
        return 0

    def childAt(self, x: int, y: int) -> QAccessibleInterface:
        for index in range(self.childCount()):
            child = self.child(index)
            if child.rect().contains(x, y):
                return child
        return cast("QAccessibleInterface", None)

    def indexOfChild(self, child: QAccessibleInterface) -> int:
        return next((i for i in range(self.childCount()) if self.child(i) is child), -1)

    def setText(self, kind: QAccessible.Text, text: str) -> None:
        return None

    def on_screen(self, rect: QRect) -> QRect:
        """A rectangle of the viewport in the screen's coordinates."""
        return rect.translated(self._view.viewport().mapToGlobal(QPoint(0, 0)))


class _Press(QAccessibleActionInterface):
    """Lets an assistive program press a target."""

    def __init__(self, owner: TargetInterface) -> None:
        super().__init__()
        self._owner = owner

    def actionNames(self) -> list[str]:
        return [QAccessibleActionInterface.pressAction()]

    def doAction(self, action: str) -> None:
        if action == QAccessibleActionInterface.pressAction():
            self._owner.press()

    def keyBindingsForAction(self, action: str) -> list[str]:
        return ["Return"]


class TargetInterface(_Part):
    """A button or a link of a message."""

    def __init__(self, view: TranscriptView, owner: MessageInterface, item: MessageItem, target: Target) -> None:
        super().__init__(view, owner)
        self._item = item
        self.target = target
        self._press = _Press(self)

    def press(self) -> None:
        """Do what a click does."""
        self._view.activate(self._item, self.target)

    def role(self) -> QAccessible.Role:
        return QAccessible.Role.Link if self.target.action == "link" else QAccessible.Role.Button

    def text(self, kind: QAccessible.Text) -> str:
        if kind == QAccessible.Text.Name:
            return self.target.label
        return self.target.value if kind == QAccessible.Text.Description and self.target.action == "link" else ""

    def rect(self) -> QRect:
        return self.on_screen(self._view.rect_of(self._item, self.target.rect))

    def state(self) -> QAccessible.State:
        state = QAccessible.State()
        state.focusable = True
        state.focused = self._view.focus_key == (self._item.message.id, self.target.key)
        return state

    def interface_cast(self, kind: QAccessible.InterfaceType) -> Any:
        return self._press if kind == QAccessible.InterfaceType.ActionInterface else None


class MessageInterface(_Part):
    """One message: its name is who speaks and what is said."""

    def __init__(self, view: TranscriptView, owner: QAccessibleInterface, item: MessageItem) -> None:
        super().__init__(view, owner)
        self.item = item
        self._children: dict[str, TargetInterface] = {}

    def _targets(self) -> Sequence[Target]:
        return self.item.targets()

    def role(self) -> QAccessible.Role:
        return QAccessible.Role.ListItem

    def text(self, kind: QAccessible.Text) -> str:
        if kind != QAccessible.Text.Name:
            return ""
        who = translate("transcript", "You") if self.item.user else self.item.name
        text = self._view.texts.known(self.item)
        if text is None:
            text = self.item.source  # whole, with its marks, until it is known how it reads
            self._view.texts.want(self.item)
        return "\n".join([f"{who}: {text[:_LONGEST]}", *self.item.spoken()])

    def rect(self) -> QRect:
        return self.on_screen(self._view.rect_of(self.item, self.item.rect))

    def state(self) -> QAccessible.State:
        state = QAccessible.State()
        state.readOnly = True
        state.busy = self.item.streaming
        return state

    def childCount(self) -> int:
        return len(self._targets())

    def child(self, index: int) -> QAccessibleInterface:
        targets = self._targets()
        if not 0 <= index < len(targets):
            return cast("QAccessibleInterface", None)
        target = targets[index]
        widget = self.item.widget_of(target.key)
        if widget is not None:
            return QAccessible.queryAccessibleInterface(widget)
        known = self._children.get(target.key)
        if known is None:
            known = self._children[target.key] = TargetInterface(self._view, self, self.item, target)
        known.target = target
        return known


class TranscriptInterface(_Part):
    """The list of messages that are loaded."""

    def __init__(self, view: TranscriptView) -> None:
        super().__init__(view, cast("QAccessibleInterface", None))
        self._messages: dict[str, MessageInterface] = {}

    def object(self) -> QObject:
        return self._view

    def parent(self) -> QAccessibleInterface:
        above: QObject | None = self._view.parentWidget()
        found = QAccessible.queryAccessibleInterface(above) if above is not None else None
        return cast("QAccessibleInterface", found)

    def role(self) -> QAccessible.Role:
        return QAccessible.Role.List

    def text(self, kind: QAccessible.Text) -> str:
        return self._view.accessibleName() if kind == QAccessible.Text.Name else ""

    def rect(self) -> QRect:
        return self.on_screen(self._view.viewport().rect())

    def state(self) -> QAccessible.State:
        state = QAccessible.State()
        state.focusable = True
        state.focused = self._view.hasFocus()
        return state

    def childCount(self) -> int:
        return len(self._view.items)

    def child(self, index: int) -> QAccessibleInterface:
        if not 0 <= index < len(self._view.items):
            return cast("QAccessibleInterface", None)
        item = self._view.items[index]
        known = self._messages.get(item.message.id)
        if known is None or known.item is not item:
            known = self._messages[item.message.id] = MessageInterface(self._view, self, item)
        return known

    def childAt(self, x: int, y: int) -> QAccessibleInterface:
        point = self._view.viewport().mapFromGlobal(QPoint(x, y))
        item = self._view.item_at(point.y())
        return cast("QAccessibleInterface", None) if item is None else self.child(item.index)

    def focusChild(self) -> QAccessibleInterface:
        message_id, key = self._view.focus_key
        index = self._view.index_of(message_id)
        if index is None:
            return cast("QAccessibleInterface", None)
        message = self.child(index)
        for number in range(message.childCount()):
            child = message.child(number)
            if isinstance(child, TargetInterface) and child.target.key == key:
                return child
        return cast("QAccessibleInterface", None)


def _factory(key: str, thing: QObject) -> QAccessibleInterface | None:
    make = getattr(thing, _ATTRIBUTE, None)
    return make() if make is not None else None


def attach(view: TranscriptView) -> None:
    """Make Qt ask for our interface when an assistive program looks at ``view``."""
    kept: list[TranscriptInterface] = []

    def interface() -> TranscriptInterface:
        if not kept:
            kept.append(TranscriptInterface(view))
        return kept[0]

    setattr(view, _ATTRIBUTE, interface)
    QAccessible.installFactory(_factory)
