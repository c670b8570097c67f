"""The table of commands is consistent: names, keys and menus."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from qwen_desktop.core.commands import COMMANDS, WIDGET_KEYS, command

MENUS = {"app", "chat", "model", "message", ""}


def test_ids_and_titles_are_unique() -> None:
    for what in ("id", "title"):
        counted = Counter(getattr(entry, what) for entry in COMMANDS + WIDGET_KEYS)
        assert [name for name, times in counted.items() if times > 1] == []


def test_no_key_means_two_things() -> None:
    counted = Counter(entry.shortcut for entry in COMMANDS if entry.shortcut)
    assert [key for key, times in counted.items() if times > 1] == []


def test_keys_are_written_as_qt_reads_them() -> None:
    form = re.compile(
        r"^((Ctrl|Shift|Alt)\+)*(F\d\d?|Esc|Enter|Delete|Backspace|Up|Down|Pg(Up|Down)|[A-Z0-9]|[,/+\-])$"
    )
    for entry in COMMANDS + WIDGET_KEYS:
        assert entry.shortcut == "" or form.match(entry.shortcut), entry.shortcut


def test_every_command_can_be_reached() -> None:
    for entry in COMMANDS:
        assert entry.menu in MENUS
        assert entry.menu or entry.shortcut, f"{entry.id} stands in no menu and has no key"
        assert not entry.title.endswith((".", "!"))


def test_a_command_is_found_by_its_id() -> None:
    assert command("chat.new").shortcut == "Ctrl+N" and command("composer.send").shortcut == "Enter"
    with pytest.raises(KeyError):
        command("chat.explode")
