"""What the palette offers to do: the commands of the window that can be given now."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    "chat.new": "square-pen", "chat.temporary": "message-circle-dashed", "chat.keep": "arrow-down-to-line",
    "find.open": "search", "chat.rename": "pencil", "chat.pin": "pin", "chat.move": "folder-input",
    "chat.tags": "tag", "chat.archive": "archive", "chat.delete": "trash-2", "chat.copy": "copy",
    "chat.copy_thoughts": "copy", "chat.copy_markdown": "copy", "chat.copy_rich": "copy", "chat.export": "share",
    "chat.versions": "list-tree", "chat.instructions": "sliders-horizontal", "chat.assistant": "bot",
    "chat.adapters": "sliders-horizontal",
    "chat.attach": "plus", "chat.next": "arrow-down", "chat.previous": "arrow-up", "folder.new": "folder-plus",
    "folder.chat": "square-pen", "folder.inside": "folder-plus", "folder.rename": "pencil",
    "folder.move": "folder-input", "folder.export": "share", "folder.delete": "trash-2", "answer.copy": "copy",
    "answer.regenerate": "refresh-cw", "answer.continue": "play", "answer.again": "repeat", "message.edit": "pencil",
    "message.previous": "chevron-left", "message.next": "chevron-right", "message.fork": "git-branch",
    "message.delete": "trash-2", "answer.stop": "stop", "composer.focus": "text-cursor-input",
    "thinking.cycle": "brain", "model.open": "folder-open", "model.choose": "cpu", "model.get": "download",
    "model.guide": "message-circle-question-mark", "help.slow": "gauge", "prompts.manage": "slash",
    "view.chat": "message-square", "view.models": "boxes", "view.assistants": "bot", "view.settings": "settings",
    "view.sidelist": "panel-left", "view.larger": "zoom-in", "view.smaller": "zoom-out", "view.normal": "rotate-ccw",
    "view.fullscreen": "maximize-2", "chats.import": "arrow-down-to-line", "chats.export": "share",
    "network.online": "globe", "help.shortcuts": "text-cursor-input", "help.welcome": "sparkles",
    "help.about": "info", "app.quit": "x",
}  # fmt: skip


def action_rows(actions: Actions, words: str, can: Callable[[str], bool]) -> Iterator[Row]:
    """The commands that can be given now, as far as ``can`` knows, and have all ``words`` in their names: where a name
    begins so, first."""
    patterns = [TextPattern(word) for word in words.split()]
    found: list[tuple[bool, Row]] = []
    for command in COMMANDS:
        action = actions[command.id]
        if command.id in _LEFT_OUT or not (action.isEnabled() and action.isVisible() and can(command.id)):
            continue
        places = [pattern.ranges(action.text()) for pattern in patterns]
        if all(places):
            begins = bool(places) and places[0][0][0] == 0
            found.append((not begins, _row(actions, command.id)))
    yield from (row for _, row in sorted(found, key=lambda each: each[0]))


def useful_rows(actions: Actions, can: Callable[[str], bool]) -> Iterator[Row]:
    """What many want."""
    for name in USEFUL:
        if actions[name].isEnabled() and actions[name].isVisible() and can(name):
            yield _row(actions, name)


def _row(actions: Actions, name: str) -> Row:
    keys = next((c.keys_on()[0] for c in COMMANDS if c.id == name and c.keys_on()), "")
    shown = native_keys(keys).replace("+", " ") if keys else ""
    if keys.endswith("++"):
        shown = native_keys(keys)[:-2].replace("+", " ") + " +"
    return Row("action", f"action:{name}", actions[name].text(), icon=_ICONS.get(name, ""), keys=shown, what=name)
