"""What the palette offers to do: the commands of the window that can be given now."""

from __future__ import annotations

from collections.abc import Iterator

from qwen_desktop.core.commands import COMMANDS
from qwen_desktop.core.find_text import TextPattern
from qwen_desktop.ui.actions import Actions, native_keys
from qwen_desktop.ui.palette.rows import Row

#: Those that the palette itself does, and those that only a key can mean.
_LEFT_OUT = frozenset({"chat.find", "palette.actions", "find.next", "find.previous", "view.next_area",
                       "view.previous_area"})  # fmt: skip
#: What is offered before anything is typed.
USEFUL = ("chat.new", "model.choose", "find.open", "view.models", "view.settings")
_ICONS = {
    "chat.new": "square-pen", "find.open": "search", "chat.rename": "pencil", "chat.copy": "copy",
    "chat.copy_thoughts": "copy", "chat.versions": "list-tree", "answer.copy": "copy",
    "answer.regenerate": "refresh-cw", "answer.continue": "play", "answer.again": "repeat", "message.edit": "pencil",
    "message.fork": "git-branch", "answer.stop": "stop", "composer.focus": "text-cursor-input",
    "thinking.cycle": "brain", "model.open": "folder-open", "model.choose": "cpu", "model.get": "download",
    "model.guide": "message-circle-question-mark", "help.slow": "gauge", "view.chat": "message-square",
    "view.models": "boxes", "view.settings": "settings", "view.sidelist": "panel-left", "view.larger": "zoom-in",
    "view.smaller": "zoom-out", "view.fullscreen": "maximize-2", "help.shortcuts": "text-cursor-input",
    "help.welcome": "sparkles", "help.about": "info", "chat.next": "arrow-down", "chat.previous": "arrow-up",
    "message.previous": "chevron-left", "message.next": "chevron-right", "chat.delete": "trash-2",
    "message.delete": "trash-2", "chat.temporary": "message-circle-dashed", "chat.pin": "pin",
    "chat.move": "folder-input", "chat.tags": "tag", "chat.archive": "archive", "chat.keep": "arrow-down-to-line",
    "chat.copy_markdown": "copy", "chat.copy_rich": "copy", "chat.export": "share",
    "chat.instructions": "sliders-horizontal", "chat.assistant": "bot", "chat.attach": "plus",
    "folder.new": "folder-plus", "folder.chat": "square-pen", "folder.inside": "folder-plus",
    "folder.rename": "pencil", "folder.move": "folder-input", "folder.delete": "trash-2", "prompts.manage": "slash",
    "view.assistants": "bot", "view.normal": "rotate-ccw", "chats.import": "arrow-down-to-line",
    "chats.export": "share", "network.online": "globe", "app.quit": "x",
}  # fmt: skip


def action_rows(actions: Actions, words: str) -> Iterator[Row]:
    """The commands that can be given now and have all ``words`` in their names: where a name begins so, first."""
    patterns = [TextPattern(word) for word in words.split()]
    found: list[tuple[bool, Row]] = []
    for command in COMMANDS:
        action = actions[command.id]
        if command.id in _LEFT_OUT or not (action.isEnabled() and action.isVisible()):
            continue
        places = [pattern.ranges(action.text()) for pattern in patterns]
        if all(places):
            begins = bool(places) and places[0][0][0] == 0
            found.append((not begins, _row(actions, command.id)))
    yield from (row for _, row in sorted(found, key=lambda each: each[0]))


def useful_rows(actions: Actions) -> Iterator[Row]:
    """What many want."""
    for name in USEFUL:
        if actions[name].isEnabled() and actions[name].isVisible():
            yield _row(actions, name)


def _row(actions: Actions, name: str) -> Row:
    keys = next((c.keys_on()[0] for c in COMMANDS if c.id == name and c.keys_on()), "")
    shown = native_keys(keys).replace("+", " ") if keys else ""
    if keys.endswith("++"):
        shown = native_keys(keys)[:-2].replace("+", " ") + " +"
    return Row("action", f"action:{name}", actions[name].text(), icon=_ICONS.get(name, ""), keys=shown, what=name)
