"""Settings in force, told, written; and what happens when they cannot be written."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.settings import Settings
from qwen_desktop.services.events import EventBus, Notified, SettingsChanged
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile
from tests.app import run


class Listener:
    """Preferences over the test's own file, and what they published."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bus = bus = EventBus()
        self.changes: list[SettingsChanged] = []
        self.told: list[str] = []
        bus.subscribe(SettingsChanged, self.changes.append)
        bus.subscribe(Notified, lambda event: self.told.append(str(event.text)))
        self.preferences = Preferences(SettingsFile(path), bus)


def test_a_change_is_in_force_told_and_on_the_disk(home: Path) -> None:
    async def main() -> None:
        one = Listener(home / "settings.toml")
        await one.preferences.set("sampling.temperature", 0.3)
        assert one.preferences.settings.sampling.temperature == 0.3
        (event,) = one.changes
        assert event.keys == ("sampling.temperature",)
        assert (event.before.sampling.temperature, event.after.sampling.temperature) == (None, 0.3)
        await one.preferences.set("sampling.temperature", 0.3)
        assert len(one.changes) == 1  # nothing has changed, nobody is told
        assert Listener(home / "settings.toml").preferences.settings == one.preferences.settings
        await one.preferences.reset("sampling.temperature")
        assert Listener(home / "settings.toml").preferences.settings == Settings()

    run(main())


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("engine.context", 5, "engine.context is 5; it must be a whole number from 512 to 1,048,576."),
        ("engine.context", "many", 'engine.context is "many"; it must be a whole number'),
        ("appearance.theme", None, "appearance.theme is None; it must be one of"),
        ("sampling.temperature", float("nan"), "sampling.temperature is nan; it must be a number from 0 to 2."),
        ("chat.open_thinking", 1, "chat.open_thinking is 1; it must be true or false."),
    ],
)
def test_a_bad_value_is_refused_with_a_sentence(home: Path, key: str, value: Any, sentence: str) -> None:
    async def main() -> None:
        one = Listener(home / "settings.toml")
        with pytest.raises(UserFacing) as caught:
            await one.preferences.change({"appearance.text_size": 150, key: value})
        assert str(caught.value.problem.what).startswith(sentence)
        assert one.preferences.settings == Settings() and one.changes == []
        assert not one.path.exists()

    run(main())


def test_a_section_is_reset_but_for_what_the_app_remembers(home: Path) -> None:
    async def main() -> None:
        one = Listener(home / "settings.toml")
        await one.preferences.change({"engine.threads": 2, "engine.model": "/m.gguf", "engine.kv_type": "q8_0"})
        await one.preferences.reset_section("engine")
        engine = Listener(home / "settings.toml").preferences.settings.engine
        assert (engine.threads, engine.kv_type, engine.model) == (None, "auto", "/m.gguf")
        assert one.changes[-1].keys == ("engine.threads", "engine.kv_type")

    run(main())


def test_many_changes_at_once_all_arrive(home: Path) -> None:
    async def main() -> None:
        one = Listener(home / "settings.toml")
        await asyncio.gather(*(one.preferences.set("appearance.text_size", 80 + n) for n in range(30)))
        await asyncio.gather(one.preferences.set("engine.threads", 3), one.preferences.set("engine.context", 1024))
        found = Listener(home / "settings.toml").preferences.settings
        assert found.appearance.text_size == 109
        assert (found.engine.threads, found.engine.context) == (3, 1024)

    run(main())


def test_an_unwritable_place_keeps_changes_in_memory_and_says_so_once(home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    home.write_text("a file where the folder should be")

    async def main() -> None:
        one = Listener(home / "settings.toml")
        await one.preferences.set("engine.threads", 3)
        await one.preferences.set("engine.context", 1024)
        assert one.preferences.settings.engine.threads == 3
        assert one.told == [
            f"Settings cannot be saved: {one.path} cannot be written. Changes hold until the app is closed."
        ]
        remove(home)
        await one.preferences.set("appearance.theme", "dark")  # the next write takes all of them
        found = Listener(home / "settings.toml").preferences.settings
        assert (found.engine.threads, found.engine.context, found.appearance.theme) == (3, 1024, "dark")

    run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_link_that_leads_nowhere_is_said_and_left(home: Path) -> None:
    home.mkdir(parents=True)
    link, other = home / "settings.toml", home / "other"
    cases = {
        "away/settings.toml": (
            f"Settings cannot be saved: {link} is a link to {home / 'away/settings.toml'}, which cannot be written "
            "there. Changes hold until the app is closed."
        ),
        "other": (
            f"Settings cannot be saved: {link} is a link that leads nowhere. Remove it or mend it. Changes hold until "
            "the app is closed."
        ),
    }
    other.symlink_to("settings.toml")

    async def main() -> None:
        for target, sentence in cases.items():
            link.symlink_to(target)
            one = Listener(link)
            await one.preferences.set("engine.threads", 3)
            assert one.preferences.settings.engine.threads == 3 and one.told == [sentence]
            assert link.is_symlink()
            remove(link)

    run(main())


def remove(path: Path) -> None:
    path.unlink()


def test_a_broken_file_is_reported_and_kept(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "settings.toml").write_text("[engine\nthreads = 3\n")

    async def main() -> None:
        one = Listener(home / "settings.toml")
        assert len(one.preferences.problems) == 1 and one.preferences.settings == Settings()
        await one.preferences.set("engine.threads", 2)
        assert one.told == [f"The settings file with the error is kept as {home / 'settings.toml.broken-1'}."]

    run(main())


def test_what_no_text_can_hold_is_cleaned(home: Path) -> None:
    async def main() -> None:
        one = Listener(home / "settings.toml")
        await one.preferences.set("chat.system_prompt", "a\x00b\udcffc")
        await one.preferences.set("storage.recent_models", ["x\ud800"])
        found = Listener(home / "settings.toml").preferences.settings
        assert found.chat.system_prompt == "ab\ufffdc" and found.storage.recent_models == ("x\ufffd",)

    run(main())


def test_the_last_of_several_changes_is_what_the_file_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow each write is, and when whoever asked for an earlier one has gone away meanwhile."""
    write = SettingsFile.write

    def slow(file: SettingsFile, changes: Any) -> Path | None:
        time.sleep(0.02 if changes.get("appearance.text_size") == 110 else 0.0)
        return write(file, changes)

    monkeypatch.setattr(SettingsFile, "write", slow)

    async def main() -> None:
        one = Listener(home / "settings.toml")
        first = asyncio.create_task(one.preferences.set("appearance.text_size", 110))
        await asyncio.sleep(0.005)
        first.cancel()
        await asyncio.sleep(0)
        await one.preferences.set("appearance.text_size", 120)
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert one.preferences.settings.appearance.text_size == 120
        assert Listener(home / "settings.toml").preferences.settings.appearance.text_size == 120

    run(main())


def test_who_changes_back_what_was_just_changed_has_the_last_word_in_the_file_too(home: Path) -> None:
    async def main() -> None:
        one = Listener(home / "settings.toml")
        answers: list[asyncio.Task[None]] = []

        def answer(event: SettingsChanged) -> None:
            if event.after.downloads.offline:
                answers.append(asyncio.ensure_future(one.preferences.change({"downloads.offline": False})))

        one.bus.subscribe(SettingsChanged, answer)
        await one.preferences.set("downloads.offline", True)
        await asyncio.gather(*answers)
        assert not one.preferences.settings.downloads.offline
        assert not Listener(home / "settings.toml").preferences.settings.downloads.offline

    run(main())
