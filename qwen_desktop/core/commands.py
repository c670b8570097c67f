"""Everything the user can command from the window: name, shortcut and the menu it stands in. Declared once, here.

Adding a command: add a row to ``COMMANDS``, connect its id in ``ui/main_window.py`` (a test fails until both exist).
The shortcuts page, the menus and the tooltips read this table, and so does the test that keeps the guide's facts true.
"Ctrl" means the Command key on macOS, as everywhere in Qt, and "Meta" its Control key.
"""

from __future__ import annotations

import sys

from msgspec import Struct

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source


class Command(Struct, frozen=True):
    """One command. ``menu`` is the menu that lists it: "app" (the menu button of the rail and, on macOS, the menu
    bar), "chat" (the ... menu of a conversation, in the list too), "chat.copy" (a menu in that one), "shown" (the ...
    menu of the conversation on show alone), "folder" (the menu of a folder in the list), "model" (the model selector),
    "message" (the row under an answer) or "" for a key only. ``also`` are further keys, for keyboards where the first
    is awkward; ``mac`` are all keys on macOS where the others belong to the system."""

    id: str
    title: Source
    shortcut: str = ""
    menu: str = ""
    also: tuple[str, ...] = ()
    mac: tuple[str, ...] = ()

    def keys_on(self, platform: str = sys.platform) -> tuple[str, ...]:
        """The keys on this system; the first is the one to show."""
        if platform == "darwin" and self.mac:
            return self.mac
        return (self.shortcut, *self.also) if self.shortcut else ()


# fmt: off
COMMANDS: tuple[Command, ...] = (
    Command("chat.new", QT_TRANSLATE_NOOP("commands", "New chat"), "Ctrl+N", "app"),
    Command("chat.temporary", QT_TRANSLATE_NOOP("commands", "New temporary chat"), "Ctrl+Shift+T", "app"),
    Command("chat.find", QT_TRANSLATE_NOOP("commands", "Search"), "Ctrl+K", "app"),
    Command("palette.actions", QT_TRANSLATE_NOOP("commands", "All actions"), "Ctrl+Shift+P", "app"),
    Command("find.open", QT_TRANSLATE_NOOP("commands", "Find in this chat"), "Ctrl+F"),
    Command("find.next", QT_TRANSLATE_NOOP("commands", "Next place found"), "F3", also=("Ctrl+G",),
            mac=("Ctrl+G", "F3")),
    Command("find.previous", QT_TRANSLATE_NOOP("commands", "Previous place found"), "Shift+F3", also=("Ctrl+Shift+G",),
            mac=("Ctrl+Shift+G", "Shift+F3")),
    Command("chat.rename", QT_TRANSLATE_NOOP("commands", "Rename chat"), "F2", "chat"),
    Command("chat.pin", QT_TRANSLATE_NOOP("commands", "Pin or unpin chat"), "Ctrl+D", "chat"),
    Command("chat.move", QT_TRANSLATE_NOOP("commands", "Move to folder…"), "Ctrl+Shift+O", "chat"),
    Command("chat.tags", QT_TRANSLATE_NOOP("commands", "Tags…"), "Ctrl+Shift+L", "chat"),
    Command("chat.archive", QT_TRANSLATE_NOOP("commands", "Archive chat"), "Ctrl+Shift+A", "chat"),
    Command("chat.keep", QT_TRANSLATE_NOOP("commands", "Keep this chat"), "", "chat"),
    Command("chat.copy", QT_TRANSLATE_NOOP("commands", "Copy whole chat"), "", "chat.copy"),
    Command("chat.copy_thoughts", QT_TRANSLATE_NOOP("commands", "Copy whole chat with thoughts"), "", "chat.copy"),
    Command("chat.copy_markdown", QT_TRANSLATE_NOOP("commands", "Copy whole chat as Markdown"), "", "chat.copy"),
    Command("chat.copy_rich", QT_TRANSLATE_NOOP("commands", "Copy whole chat as rich text"), "", "chat.copy"),
    Command("chat.export", QT_TRANSLATE_NOOP("commands", "Export…"), "Ctrl+S", "chat"),
    Command("chat.delete", QT_TRANSLATE_NOOP("commands", "Delete chat"), "Ctrl+Shift+Backspace", "chat"),
    Command("chat.versions", QT_TRANSLATE_NOOP("commands", "Show versions"), "Ctrl+Shift+H", "shown"),
    Command("chat.instructions", QT_TRANSLATE_NOOP("commands", "Instructions"), "Ctrl+I", "shown"),
    Command("chat.adapters", QT_TRANSLATE_NOOP("commands", "Adapters"), "", "shown"),
    Command("chat.assistant", QT_TRANSLATE_NOOP("commands", "Choose an assistant"), "Ctrl+Shift+I", "shown"),
    Command("chat.next", QT_TRANSLATE_NOOP("commands", "Next chat"), "Ctrl+PgDown",
            also=("Ctrl+Tab",), mac=("Meta+Tab", "Ctrl+PgDown")),
    Command("chat.previous", QT_TRANSLATE_NOOP("commands", "Previous chat"), "Ctrl+PgUp",
            also=("Ctrl+Shift+Tab",), mac=("Meta+Shift+Tab", "Ctrl+PgUp")),
    Command("folder.new", QT_TRANSLATE_NOOP("commands", "New folder"), "", "app"),
    Command("folder.chat", QT_TRANSLATE_NOOP("commands", "New chat in this folder"), "", "folder"),
    Command("folder.inside", QT_TRANSLATE_NOOP("commands", "New folder in this folder"), "", "folder"),
    Command("folder.rename", QT_TRANSLATE_NOOP("commands", "Rename folder"), "", "folder"),
    Command("folder.move", QT_TRANSLATE_NOOP("commands", "Move folder…"), "", "folder"),
    Command("folder.export", QT_TRANSLATE_NOOP("commands", "Export folder…"), "", "folder"),
    Command("folder.delete", QT_TRANSLATE_NOOP("commands", "Delete folder…"), "", "folder"),
    Command("answer.copy", QT_TRANSLATE_NOOP("commands", "Copy answer"), "Ctrl+Shift+C", "message"),
    Command("answer.regenerate", QT_TRANSLATE_NOOP("commands", "Regenerate answer"), "Ctrl+R", "message"),
    Command("answer.continue", QT_TRANSLATE_NOOP("commands", "Continue answer"), "Ctrl+J", "message"),
    Command("answer.again", QT_TRANSLATE_NOOP("commands", "Run again exactly"), "", "message"),
    Command("message.edit", QT_TRANSLATE_NOOP("commands", "Edit message"), "Ctrl+Shift+E", "message"),
    Command("message.previous", QT_TRANSLATE_NOOP("commands", "Previous version"), "Alt+Left", "message",
            mac=("Ctrl+Alt+Left",)),
    Command("message.next", QT_TRANSLATE_NOOP("commands", "Next version"), "Alt+Right", "message",
            mac=("Ctrl+Alt+Right",)),
    Command("message.fork", QT_TRANSLATE_NOOP("commands", "Fork from here"), "Ctrl+Shift+N", "message"),
    Command("message.delete", QT_TRANSLATE_NOOP("commands", "Delete message"), "Ctrl+Shift+Delete", "message",
            mac=("Ctrl+Alt+Backspace",)),
    Command("answer.stop", QT_TRANSLATE_NOOP("commands", "Stop the answer"), "Esc"),
    Command("composer.focus", QT_TRANSLATE_NOOP("commands", "Go to the message box"), "Ctrl+L"),
    Command("chat.attach", QT_TRANSLATE_NOOP("commands", "Attach files…"), "Ctrl+U"),
    Command("thinking.cycle", QT_TRANSLATE_NOOP("commands", "Switch Auto, Think, Direct"), "Ctrl+T"),
    Command("model.open", QT_TRANSLATE_NOOP("commands", "Open GGUF…"), "Ctrl+O", "model"),
    Command("model.choose", QT_TRANSLATE_NOOP("commands", "Choose a model"), "Ctrl+M", mac=("Ctrl+Shift+M",)),
    Command("model.get", QT_TRANSLATE_NOOP("commands", "Get more models…"), "", "model"),
    Command("model.guide", QT_TRANSLATE_NOOP("commands", "Use the guide"), "", "model"),
    Command("help.slow", QT_TRANSLATE_NOOP("commands", "Why is it slow?"), "", "model"),
    Command("prompts.manage", QT_TRANSLATE_NOOP("commands", "Prompt templates…"), "", "app"),
    Command("view.chat", QT_TRANSLATE_NOOP("commands", "Chat"), "Ctrl+1", "app"),
    Command("view.models", QT_TRANSLATE_NOOP("commands", "Models"), "Ctrl+2", "app"),
    Command("view.assistants", QT_TRANSLATE_NOOP("commands", "Assistants"), "Ctrl+3", "app"),
    Command("view.settings", QT_TRANSLATE_NOOP("commands", "Settings"), "Ctrl+,", "app"),
    Command("view.sidelist", QT_TRANSLATE_NOOP("commands", "Show or hide the list"), "Ctrl+B", "app"),
    Command("view.next_area", QT_TRANSLATE_NOOP("commands", "Next part of the window"), "F6"),
    Command("view.previous_area", QT_TRANSLATE_NOOP("commands", "Previous part of the window"), "Shift+F6"),
    Command("view.larger", QT_TRANSLATE_NOOP("commands", "Larger text"), "Ctrl++", "app", also=("Ctrl+=",)),
    Command("view.smaller", QT_TRANSLATE_NOOP("commands", "Smaller text"), "Ctrl+-", "app"),
    Command("view.normal", QT_TRANSLATE_NOOP("commands", "Normal text size"), "Ctrl+0", "app"),
    Command("view.fullscreen", QT_TRANSLATE_NOOP("commands", "Full screen"), "F11", "app", mac=("Meta+Ctrl+F",)),
    Command("chats.import", QT_TRANSLATE_NOOP("commands", "Import chats…"), "", "app"),
    Command("chats.export", QT_TRANSLATE_NOOP("commands", "Export all chats…"), "", "app"),
    Command("network.online", QT_TRANSLATE_NOOP("commands", "Go online"), "", "app"),
    Command("help.shortcuts", QT_TRANSLATE_NOOP("commands", "Keyboard shortcuts"), "Ctrl+/", "app"),
    Command("help.welcome", QT_TRANSLATE_NOOP("commands", "Welcome page"), "F1", "app"),
    Command("help.about", QT_TRANSLATE_NOOP("commands", "About Qwen Desktop"), "", "app"),
    Command("app.quit", QT_TRANSLATE_NOOP("commands", "Quit"), "Ctrl+Q", "app"),
)

#: What is done with one message of a chat.
ABOUT_MESSAGES = (
    "answer.regenerate",
    "answer.continue",
    "answer.again",
    "message.edit",
    "message.fork",
    "message.delete",
)

#: Keys inside the message box, the prompts in line and the transcript; not commands: the focused widget handles them.
WIDGET_KEYS: tuple[Command, ...] = (
    Command("composer.send", QT_TRANSLATE_NOOP("commands", "Send the message"), "Enter"),
    Command("composer.newline", QT_TRANSLATE_NOOP("commands", "New line"), "Shift+Enter"),
    Command("composer.edit_last", QT_TRANSLATE_NOOP("commands", "Edit the last message"), "Up"),
    Command("templates.open", QT_TRANSLATE_NOOP("commands", "In an empty box: prompt templates"), "/"),
    Command("templates.next", QT_TRANSLATE_NOOP("commands", "Next field of a prompt template"), "Tab"),
    Command("templates.previous", QT_TRANSLATE_NOOP("commands", "Previous field of a prompt template"), "Shift+Tab"),
    Command("queue.add", QT_TRANSLATE_NOOP("commands", "While an answer runs: put the prompt in line"), "Enter"),
    Command("queue.go_on", QT_TRANSLATE_NOOP("commands", "In an empty box: go on with the line"), "Enter"),
    Command("queue.edit", QT_TRANSLATE_NOOP("commands", "Take the prompt back into the box"), "Enter"),
    Command("queue.send", QT_TRANSLATE_NOOP("commands", "Stop the answer and send the prompt"), "Ctrl+Enter"),
    Command("queue.up", QT_TRANSLATE_NOOP("commands", "Send the prompt sooner"), "Alt+Up"),
    Command("queue.down", QT_TRANSLATE_NOOP("commands", "Send the prompt later"), "Alt+Down"),
    Command("queue.remove", QT_TRANSLATE_NOOP("commands", "Take the prompt out of the line"), "Delete",
            mac=("Backspace", "Delete")),
    Command("transcript.next", QT_TRANSLATE_NOOP("commands", "Next button or link"), "Tab"),
    Command("transcript.press", QT_TRANSLATE_NOOP("commands", "Press the button or link"), "Enter"),
    Command("transcript.page", QT_TRANSLATE_NOOP("commands", "Scroll by a page"), "PgUp", also=("PgDown",)),
    Command("transcript.ends", QT_TRANSLATE_NOOP("commands", "Go to the first or last message"), "Home", also=("End",)),
    Command("transcript.copy", QT_TRANSLATE_NOOP("commands", "Copy the selection"), "Ctrl+C"),
    Command("transcript.select_all", QT_TRANSLATE_NOOP("commands", "Select the whole chat"), "Ctrl+A"),
    Command("list.select", QT_TRANSLATE_NOOP("commands", "Select several chats in the list"), "Shift+Down",
            also=("Shift+Up",)),
    Command("list.select_all", QT_TRANSLATE_NOOP("commands", "Select all chats of the list"), "Ctrl+A"),
    Command("list.fold", QT_TRANSLATE_NOOP("commands", "Open or close the folder"), "Right", also=("Left",)),
    # The key that a Mac's keyboard calls Delete is Backspace.
    Command("list.delete", QT_TRANSLATE_NOOP("commands", "Delete the chosen chat"), "Delete",
            mac=("Backspace", "Delete")),
    Command("message.save", QT_TRANSLATE_NOOP("commands", "Send the edited message"), "Ctrl+Enter"),
    Command("toast.undo", QT_TRANSLATE_NOOP("commands", "Undo"), "Ctrl+Z"),
)
# fmt: on


def command(command_id: str) -> Command:
    """Return the command with this id; raises ``KeyError`` for an unknown one."""
    for entry in COMMANDS + WIDGET_KEYS:
        if entry.id == command_id:
            return entry
    raise KeyError(command_id)
