"""The transcript for screen readers: a list of messages, each with its text as the name and its buttons as children.

Qt's cache points at every interface that it was told of, and hands it out by its number until that is taken back;
Python deletes what nothing in Python holds. So Qt is told of an interface when it is first asked for; it is kept here
as long as its message is on show, and then taken back: a number that somebody still knows finds nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any, Final, cast

from PySide6.QtCore import QObject, QPoint, QPointF, QRect, QRectF, QTimer
from PySide6.QtGui import QAccessible, QAccessibleActionInterface, QAccessibleEvent, QAccessibleInterface, QWindow

from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.interaction import NOWHERE, Spot
from qwen_desktop.ui.chat.transcript_canvas import TranscriptCanvas
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.texts import translate

_ATTRIBUTE: Final = "accessible_tree"
#: A name is spoken in one go; the rest of a very long message is reached by copying it.
_LONGEST: Final = 20_000

_NOTHING: Final = cast("QAccessibleInterface", None)


def _state(**facts: bool) -> QAccessible.State:
    """A state in which these are so."""
    state = QAccessible.State()
    for name, value in facts.items():
        setattr(state, name, value)
    return state


class _Tree:
    """The interfaces of a canvas that Qt knows, with the number that it gave them: a message's by its id and "", that
    of a target by its key too."""

    def __init__(self, canvas: TranscriptCanvas) -> None:
        self._canvas = weakref.ref(canvas)  # PySide keeps what a factory made, and that would keep the canvas
        self._known: dict[Spot, tuple[int, _Part]] = {}
        self._focus = NOWHERE

    @property
    def canvas(self) -> TranscriptCanvas:
        """Raises ``ReferenceError`` when it is gone: then Qt has no interface of ours to ask any more."""
        canvas = self._canvas()
        if canvas is None:
            raise ReferenceError
        return canvas

    def interface(self, item: MessageItem, key: str = "") -> QAccessibleInterface:
        """That of a message or of a target; a target that is a widget has its own."""
        if (widget := item.widget_of(key)) is not None:
            return QAccessible.queryAccessibleInterface(widget)
        spot = (item.message.id, key)
        known = self._known.get(spot)
        if known is None or known[1].item is not item:
            self._take_back([spot])
            made = TargetInterface(self, item, key) if key else MessageInterface(self, item)
            known = self._known[spot] = QAccessible.registerAccessibleInterface(made), made
        return known[1]

    def _take_back(self, spots: Iterable[Spot]) -> None:
        for spot in spots:
            number, _held = self._known.pop(spot, (0, None))
            if number:
                QAccessible.deleteAccessibleInterface(number)

    def take_back_invalid(self) -> None:
        """Other messages are on show."""
        self._take_back([spot for spot, (_, interface) in self._known.items() if not interface.isValid()])

    def take_back_all(self) -> None:
        """The canvas goes."""
        self._take_back(list(self._known))

    def focused(self) -> QAccessibleInterface:
        """What of the messages has the keyboard, if anything."""
        message_id, key = self.canvas.interaction.focus
        item = self.canvas.item(message_id)
        return _NOTHING if item is None or item.targets().named(key) is None else self.interface(item, key)

    def tell_name(self, message_id: str) -> None:
        """A screen reader that was given a message's text as it is stored can have it as it reads now."""
        item = self.canvas.item(message_id)
        if item is not None and QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleEvent(self.interface(item), QAccessible.Event.NameChanged))

    def tell_focus(self) -> None:
        """Say where the keyboard has gone."""
        before, self._focus = self._focus, self.canvas.interaction.focus
        if self._focus not in (before, NOWHERE) and QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleEvent(self.focused(), QAccessible.Event.Focus))


class _Interface(QAccessibleInterface):
    """What all interfaces here share. Without children, as it is."""

    def __init__(self, tree: _Tree) -> None:
        super().__init__()
        self.tree = tree

    @property
    def canvas(self) -> TranscriptCanvas:
        """What the messages stand on."""
        return self.tree.canvas

    def child_at(self, point: QPointF) -> QAccessibleInterface:
        """The child at a point of the viewport."""
        return _NOTHING

    def childAt(self, x: int, y: int) -> QAccessibleInterface:
        return self.child_at(QPointF(self.canvas.viewport().mapFromGlobal(QPoint(x, y))))

    def childCount(self) -> int:
        return 0

    def child(self, index: int) -> QAccessibleInterface:
        return _NOTHING

    def indexOfChild(self, child: QAccessibleInterface) -> int:
        return -1

    def window(self) -> QWindow:
        return self.canvas.window().windowHandle()

    def setText(self, kind: QAccessible.Text, text: str) -> None:
        return None

    def on_screen(self, rect: QRect) -> QRect:
        """A rectangle of the viewport in the screen's coordinates."""
        return rect.translated(self.canvas.viewport().mapToGlobal(QPoint(0, 0)))


class TranscriptInterface(_Interface):
    """The list of messages that are loaded."""

    def isValid(self) -> bool:
        return True

    def object(self) -> QObject:
        return self.canvas

    def parent(self) -> QAccessibleInterface:
        above: QObject | None = self.canvas.parentWidget()
        return _NOTHING if above is None else QAccessible.queryAccessibleInterface(above)

    def role(self) -> QAccessible.Role:
        return QAccessible.Role.List

    def text(self, kind: QAccessible.Text) -> str:
        return self.canvas.accessibleName() if kind == QAccessible.Text.Name else ""

    def rect(self) -> QRect:
        return self.on_screen(self.canvas.viewport().rect())

    def state(self) -> QAccessible.State:
        return _state(focusable=True, focused=self.canvas.hasFocus())

    def childCount(self) -> int:
        return len(self.canvas.items)

    def child(self, index: int) -> QAccessibleInterface:
        items = self.canvas.items
        return self.tree.interface(items[index]) if 0 <= index < len(items) else _NOTHING

    def indexOfChild(self, child: QAccessibleInterface) -> int:
        return child.item.index if isinstance(child, MessageInterface) and child.isValid() else -1

    def child_at(self, point: QPointF) -> QAccessibleInterface:
        item = self.canvas.hit(point)[0]
        return _NOTHING if item is None else self.tree.interface(item)

    def focusChild(self) -> QAccessibleInterface:
        return self.tree.focused()


class _Part(_Interface):
    """A message, or something in it."""

    def __init__(self, tree: _Tree, item: MessageItem) -> None:
        super().__init__(tree)
        self.item = item

    def isValid(self) -> bool:
        try:
            return self.canvas.item(self.item.message.id) is self.item
        except ReferenceError:
            return False

    def object(self) -> QObject:
        return cast("QObject", None)

    def area(self, rect: QRectF) -> QRect:
        """A rectangle of the message on the screen; empty when it is not on show any more."""
        return self.on_screen(self.canvas.rect_of(self.item, rect)) if self.isValid() else QRect()


class MessageInterface(_Part):
    """One message: its name is who speaks and what is said."""

    def parent(self) -> QAccessibleInterface:
        return QAccessible.queryAccessibleInterface(self.canvas)

    def role(self) -> QAccessible.Role:
        return QAccessible.Role.ListItem

    def text(self, kind: QAccessible.Text) -> str:
        if kind != QAccessible.Text.Name:
            return ""
        who = translate("transcript", "You") if self.item.user else self.item.name
        text = self.canvas.texts.known(self.item)
        if text is None:
            text = self.item.source  # whole, with its marks, until it is known how it reads
            self.canvas.texts.want(self.item)
        return "\n".join([f"{who}: {text[:_LONGEST]}", *self.item.spoken()])

    def rect(self) -> QRect:
        return self.area(self.item.rect)

    def state(self) -> QAccessible.State:
        return _state(readOnly=True, busy=self.item.streaming)

    def childCount(self) -> int:
        return len(self.item.targets())

    def child(self, index: int) -> QAccessibleInterface:
        targets = self.item.targets()
        return self.tree.interface(self.item, targets[index].key) if 0 <= index < len(targets) else _NOTHING

    def indexOfChild(self, child: QAccessibleInterface) -> int:
        place = self.item.targets().place(child.key) if isinstance(child, TargetInterface) else None
        return -1 if place is None else place

    def child_at(self, point: QPointF) -> QAccessibleInterface:
        target = self.item.target_at(self.canvas.hit(point)[1])
        return _NOTHING if target is None else self.tree.interface(self.item, target.key)


class TargetInterface(_Part):
    """A button or a link of a message."""

    def __init__(self, tree: _Tree, item: MessageItem, key: str) -> None:
        super().__init__(tree, item)
        self.key = key
        self._press = _Press(self)

    @property
    def target(self) -> Target | None:
        """What it is in the layout on show."""
        return self.item.targets().named(self.key)

    def press(self) -> None:
        """Do what a click does."""
        if self.isValid():
            self.canvas.activated.emit(self.item, self.target)

    def isValid(self) -> bool:
        return super().isValid() and self.target is not None

    def parent(self) -> QAccessibleInterface:
        return self.tree.interface(self.item)

    def role(self) -> QAccessible.Role:
        link, menu = QAccessible.Role.Link, QAccessible.Role.ButtonMenu
        roles = {"link": link, "footnote": link, "menu": menu}
        return roles.get(self.target.action if self.target is not None else "", QAccessible.Role.Button)

    def text(self, kind: QAccessible.Text) -> str:
        target = self.target
        if target is not None and kind == QAccessible.Text.Name:
            return target.label
        link = target is not None and target.action == "link" and kind == QAccessible.Text.Description
        return target.value if target is not None and link else ""

    def rect(self) -> QRect:
        return QRect() if self.target is None else self.area(self.target.rect)

    def state(self) -> QAccessible.State:
        return _state(focusable=True, focused=self.canvas.interaction.focus == (self.item.message.id, self.key))

    def interface_cast(self, kind: QAccessible.InterfaceType) -> Any:
        return self._press if kind == QAccessible.InterfaceType.ActionInterface else None


class _Press(QAccessibleActionInterface):
    """Lets an assistive program press a target."""

    def __init__(self, owner: TargetInterface) -> None:
        super().__init__()
        self._owner = weakref.proxy(owner)

    def actionNames(self) -> list[str]:
        return [QAccessibleActionInterface.pressAction()]

    def doAction(self, action: str) -> None:
        # Not now: what is pressed may take this very interface back while Qt is in it.
        if action == QAccessibleActionInterface.pressAction():
            QTimer.singleShot(0, self._owner.press)

    def keyBindingsForAction(self, action: str) -> list[str]:
        return ["Return"]


def _factory(key: str, thing: QObject) -> QAccessibleInterface | None:
    tree: _Tree | None = getattr(thing, _ATTRIBUTE, None)
    return None if tree is None else TranscriptInterface(tree)


def attach(canvas: TranscriptCanvas) -> None:
    """Make Qt ask for our interfaces when an assistive program looks at ``canvas``."""
    tree = _Tree(canvas)
    setattr(canvas, _ATTRIBUTE, tree)
    canvas.items_changed.connect(tree.take_back_invalid)
    canvas.interaction.changed.connect(tree.tell_focus)
    canvas.texts.found.connect(tree.tell_name)
    canvas.destroyed.connect(lambda: tree.take_back_all())  # noqa: PLW0108 - keeps the interfaces until then
    QAccessible.installFactory(_factory)
