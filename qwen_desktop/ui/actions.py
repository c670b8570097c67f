"""One QAction a command of ``core.commands``, with its shortcut; menus and tooltips are built from the same table."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping

from PySide6.QtCore import QEvent, QKeyCombination, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from qwen_desktop.core.commands import COMMANDS
from qwen_desktop.core.commands import command as find
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.ui import texts

#: Keys in a sentence: "Ctrl+Enter".
_KEYS = re.compile(r"(?:(?:Ctrl|Shift|Alt|Meta)\+)+\w+")
_ROLES = {
    "app.quit": QAction.MenuRole.QuitRole,
    "view.settings": QAction.MenuRole.PreferencesRole,
    "help.about": QAction.MenuRole.AboutRole,
}
#: Where menus have a line between groups: before these commands.
_BREAKS = frozenset({"view.chat", "view.sidelist", "view.larger", "view.fullscreen", "help.shortcuts", "app.quit",
                     "chat.copy", "chat.delete"})  # fmt: skip
#: What menus in menus are called.
_INNER = {"chat.copy": QT_TRANSLATE_NOOP("commands", "Copy")}
#: Keys that count only in the page that adds the action: elsewhere they mean something else.
_LOCAL = frozenset({"answer.stop"})


class Actions(QObject):
    """The actions of a window by command id."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._actions: dict[str, QAction] = {}
        for command in COMMANDS:
            action = QAction(texts.marked(command.title), self)
            action.setObjectName(command.id)
            action.setShortcuts([QKeySequence(key) for key in command.keys_on()])
            action.setMenuRole(_ROLES.get(command.id, QAction.MenuRole.NoRole))
            if command.id in _LOCAL:
                action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            else:
                window.addAction(action)
            self._actions[command.id] = action

    def __getitem__(self, command_id: str) -> QAction:
        return self._actions[command_id]

    def connect_all(self, slots: Mapping[str, Callable[[], object]]) -> None:
        """Do what stands in ``slots`` when a command is given; raises ``KeyError`` for one that is missing there."""
        for command_id, action in self._actions.items():
            action.triggered.connect(lambda _checked=False, slot=slots[command_id]: slot())

    def trigger(self, command_id: str) -> None:
        """Give a command, as its key would; unknown and disabled ones do nothing."""
        action = self._actions.get(command_id)
        if action is not None:
            action.trigger()

    def fill(self, menu: QMenu, name: str) -> None:
        """Add the commands of the menu ``name`` of the table, and of the menus in it."""
        inner: dict[str, QMenu] = {}
        for command in COMMANDS:
            if command.menu.startswith(f"{name}."):
                if command.menu not in inner:
                    if command.id in _BREAKS and not menu.isEmpty():
                        menu.addSeparator()
                    inner[command.menu] = below = type(menu)(menu)
                    below.setTitle(texts.marked(_INNER[command.menu]))
                    menu.addMenu(below)
                inner[command.menu].addAction(self._actions[command.id])
            elif command.menu == name:
                if command.id in _BREAKS and not menu.isEmpty():
                    menu.addSeparator()
                menu.addAction(self._actions[command.id])

    def tooltip(self, command_id: str) -> str:
        """The command's name with its key: "New chat (Ctrl+N)"."""
        action = self._actions[command_id]
        keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        return f"{action.text()} ({texts.isolated(keys)})" if keys else action.text()


def native_keys(shortcut: str) -> str:
    """A shortcut of the table as this system writes it: "Ctrl+N", on macOS "⌘N"."""
    # The Enter that Qt knows by that name is the one of the number pad.
    native = QKeySequence(shortcut.replace("Enter", "Return")).toString(QKeySequence.SequenceFormat.NativeText)
    return native if sys.platform == "darwin" else shortcut


def with_native_keys(text: str) -> str:
    """A sentence with the keys that it names as this system writes them."""
    return _KEYS.sub(lambda found: native_keys(found[0]), text)


def pressed(event: QKeyEvent, command_id: str) -> bool:
    """Whether this is a key of a command that the focused widget handles itself (``WIDGET_KEYS``)."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    keys = QKeySequence(QKeyCombination(modifiers, Qt.Key(event.key())))
    return any(keys == QKeySequence(key) for key in find(command_id).keys_on())


def is_escape(event: QKeyEvent) -> bool:
    """Whether this is Esc alone."""
    return event.key() == Qt.Key.Key_Escape and not event.modifiers()


def claims_escape(event: QEvent) -> bool:
    """Accept Esc alone where it is asked whether it is a shortcut: the widget has a use for it, and it would stop an
    answer. Whether this was that question."""
    claimed = event.type() is QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and is_escape(event)
    if claimed:
        event.accept()
    return claimed
