"""Every setting is declared once, and declared whole."""

from __future__ import annotations

import sys

import msgspec
import pytest

from qwen_desktop.core.settings import (
    SECTION_TITLES,
    Settings,
    changed_keys,
    declared,
    replaced,
    setting,
    value,
)


def test_every_default_is_allowed_and_described() -> None:
    keys = [entry.key for entry in declared()]
    assert len(keys) == len(set(keys)) > 20
    for entry in declared():
        assert replaced(Settings(), entry.key, entry.default) == Settings()
        assert entry.section in SECTION_TITLES
        assert entry.info.title and not entry.info.title.endswith(".")
        assert entry.info.help is None or entry.info.help.endswith(".")
        assert (entry.default is None) <= entry.optional


def test_every_choice_is_allowed_and_every_allowed_word_is_a_choice() -> None:
    for entry in declared():
        for choice in (*entry.info.offers, *(word for word, _ in entry.choices)):
            assert value(replaced(Settings(), entry.key, choice), entry.key) == choice
        assert all(label for _, label in entry.choices)
        if entry.kind == "choice":
            words = {choice for choice, _ in entry.choices}
            schema = msgspec.json.schema(entry.type)
            assert set(schema["enum"]) == words


def test_the_limits_that_people_read_are_the_limits_that_hold() -> None:
    for entry in declared():
        if entry.kind not in ("int", "float"):
            continue
        assert entry.minimum is not None and entry.maximum is not None, f"{entry.key} has no limits"
        replaced(Settings(), entry.key, type(entry.maximum)(entry.maximum))
        for bad in (entry.minimum - 1, entry.maximum + 1, *([entry.minimum] if entry.above else [])):
            with pytest.raises(msgspec.ValidationError):
                replaced(Settings(), entry.key, bad)


def test_unknown_keys_are_errors_of_ours() -> None:
    for key in ("engine.nothing", "nothing.context", "context", ""):
        with pytest.raises(KeyError):
            setting(key)
        with pytest.raises(KeyError):
            replaced(Settings(), key, 1)


def test_what_changed_is_named() -> None:
    after = replaced(replaced(Settings(), "engine.context", 4096), "chat.thinking", "think")
    assert list(changed_keys(Settings(), after)) == ["chat.thinking", "engine.context"]
    assert list(changed_keys(after, after)) == []


@pytest.mark.parametrize(("platform", "shown"), [("win32", True), ("linux", False), ("darwin", False)])
def test_what_only_one_system_can_do_is_shown_there_alone(
    monkeypatch: pytest.MonkeyPatch, platform: str, shown: bool
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    found = {entry.key: entry.shown for entry in declared()}
    assert found["engine.priority"] is shown
    assert found["engine.threads"] and not found["engine.model"]
