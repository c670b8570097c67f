"""The settings in force: read once, changed here, told through ``SettingsChanged``, written to the file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from qwen_desktop.core.errors import UserFacing, os_problem
from qwen_desktop.core.settings import Settings, changed_keys, declared, replaced, setting
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean
from qwen_desktop.services.events import EventBus, Notified, SettingsChanged
from qwen_desktop.store.settings_file import SettingsFile
from qwen_desktop.store.settings_text import complaint

log = logging.getLogger(__name__)


class Preferences:
    """The settings. The file is read in the constructor (some milliseconds, before the window opens)."""

    def __init__(self, file: SettingsFile, bus: EventBus) -> None:
        self._file = file
        self._bus = bus
        loaded = file.load()
        self._settings = loaded.settings
        #: What is wrong with the file, to be told once the window is open.
        self.problems: tuple[Text, ...] = loaded.problems
        self._unwritten: dict[str, Any] = {}
        self._writing = asyncio.Lock()
        self._told = ""

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    async def set(self, key: str, value: Any) -> None:
        """Set ``section.name``; listeners hear of it before this returns, then it is written.

        Raises ``UserFacing`` with a sentence for a value that is not allowed, ``KeyError`` for an unknown key. When
        the file cannot be written the change holds in memory, the user is told once, and the next change tries again.
        """
        await self.set_many({key: value})

    async def set_many(self, values: Mapping[str, Any]) -> None:
        """Set several at once: all of them or, when one is not allowed, none."""
        await self.change(values)

    def change(self, values: Mapping[str, Any]) -> Coroutine[Any, Any, None]:
        """As ``set_many``, but refused or in force when this returns; what is returned waits for the file."""
        after = self._settings
        written: dict[str, Any] = {}
        for key, value in values.items():
            entry = setting(key)
            wanted = _cleaned(value)
            try:
                after = replaced(after, key, wanted)
            except (msgspec.ValidationError, ValueError, TypeError, OverflowError) as error:
                raise UserFacing(complaint(entry, wanted)) from error
            written[key] = wanted
        self._apply(after)
        self._unwritten.update(written)
        return self._written()

    def reset(self, key: str) -> Coroutine[Any, Any, None]:
        """Set one back to its default; in force at once, as with ``change``."""
        return self.change({key: setting(key).default})

    def reset_section(self, section: str) -> Coroutine[Any, Any, None]:
        """Set a whole section back, but for what the app remembers there by itself (hidden settings)."""
        return self.change({e.key: e.default for e in declared() if e.section == section and not e.info.hidden})

    def _apply(self, after: Settings) -> None:
        before, self._settings = self._settings, after
        keys = tuple(changed_keys(before, after))
        if keys:
            self._bus.publish(SettingsChanged(before, after, keys))

    async def _written(self) -> None:
        # A caller that goes away must not let a later change overtake this one on its way to the file.
        await asyncio.shield(asyncio.create_task(self._write(), name="settings.write"))

    async def _write(self) -> None:
        async with self._writing:
            changes, self._unwritten = self._unwritten, {}
            if not changes:
                return
            try:
                kept = await asyncio.to_thread(self._file.write, changes)
            except OSError as error:
                self._unwritten = {**changes, **self._unwritten}
                self._tell_unwritten(error)
                return
        self._told = ""
        if kept is not None:
            self._bus.publish(
                Notified(
                    Text(
                        "settings.kept",
                        QT_TRANSLATE_NOOP("settings", "The settings file with the error is kept as {path}."),
                        {"path": clean(str(kept))},
                    )
                )
            )

    def _tell_unwritten(self, error: OSError) -> None:
        problem = os_problem(error)
        log.warning("settings.unwritten code=%s", problem.what.code)
        if self._told == problem.what.code:
            return
        self._told = problem.what.code
        full = problem.what.code == "disk.full"
        self._bus.publish(
            Notified(
                Text(
                    "settings.unwritten.full",
                    QT_TRANSLATE_NOOP(
                        "settings", "Settings cannot be saved: the disk is full. Changes hold until the app is closed."
                    ),
                )
                if full
                else Text(
                    "settings.unwritten",
                    QT_TRANSLATE_NOOP(
                        "settings",
                        "Settings cannot be saved: {path} cannot be written. Changes hold until the app is closed.",
                    ),
                    {"path": clean(str(self._file.path))},
                )
            )
        )


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list | tuple):
        return tuple(_cleaned(entry) for entry in value)
    return value
