"""The table of commands is consistent: names, keys and menus."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from qwen_desktop.core.commands import COMMANDS, WIDGET_KEYS, command

PLATFORMS = ("linux", "win32", "darwin")
MENUS = {"app", "chat", "chat.copy", "shown", "folder", "model", "message", ""}


def test_ids_and_titles_are_unique() -> None:
    for what in ("id", "title"):
        counted = Counter(getattr(entry, what) for entry in COMMANDS + WIDGET_KEYS)
        assert [name for name, times in counted.items() if times > 1] == []


#: What macOS itself does with a key, whatever program is in front: it never gets there.
OF_MACOS = {
    "Ctrl+Tab", "Ctrl+Shift+Tab", "Ctrl+`", "Ctrl+Space", "Ctrl+H", "Ctrl+M", "Ctrl+Alt+D", "Ctrl+Alt+Esc",
    "Ctrl+Shift+3", "Ctrl+Shift+4", "Ctrl+Shift+5", "Ctrl+Shift+Q", "Meta+Up", "Meta+Down", "Meta+Left", "Meta+Right",
    "Meta+Space", "F11", "F12",
}  # fmt: skip


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_key_means_two_things(platform: str) -> None:
    counted = Counter(key for entry in COMMANDS for key in entry.keys_on(platform))
    assert [key for key, times in counted.items() if times > 1] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_keys_are_written_as_qt_reads_them(platform: str) -> None:
    form = re.compile(
        r"^((Ctrl|Shift|Alt|Meta)\+)*"
        r"(F\d\d?|Esc|Enter|Home|End|Tab|Delete|Backspace|Up|Down|Left|Right|Pg(Up|Down)|[A-Z0-9]|[,/+=\-])$"
    )
    for entry in COMMANDS + WIDGET_KEYS:
        assert all(form.match(key) for key in entry.keys_on(platform)), entry


def test_no_key_belongs_to_the_system() -> None:
    for entry in COMMANDS + WIDGET_KEYS:
        assert not OF_MACOS.intersection(entry.keys_on("darwin")), entry
        assert not any(key.startswith("Meta+") for platform in ("linux", "win32") for key in entry.keys_on(platform))


def test_every_command_has_a_key_everywhere_or_nowhere() -> None:
    for entry in COMMANDS + WIDGET_KEYS:
        assert len({bool(entry.keys_on(platform)) for platform in PLATFORMS}) == 1
        assert entry.keys_on("linux")[:1] == ((entry.shortcut,) if entry.shortcut else ())
    assert command("list.delete").keys_on("darwin")[0] == "Backspace"


def test_every_command_can_be_reached() -> None:
    for entry in COMMANDS:
        assert entry.menu in MENUS
        assert entry.menu or entry.shortcut, f"{entry.id} stands in no menu and has no key"
        assert not entry.title.endswith((".", "!"))


def test_a_command_is_found_by_its_id() -> None:
    assert command("chat.new").shortcut == "Ctrl+N" and command("composer.send").shortcut == "Enter"
    with pytest.raises(KeyError):
        command("chat.explode")
