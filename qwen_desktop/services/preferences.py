"""The settings in force: read once, changed here, told through ``SettingsChanged``, written to the file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from qwen_desktop.core.errors import AppError, UserFacing, os_problem
from qwen_desktop.core.files import linked_to
from qwen_desktop.core.paths import possible
from qwen_desktop.core.settings import Settings, changed_keys, declared, replaced, setting
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text, clean
from qwen_desktop.services.events import EventBus, Notified, SettingsChanged
from qwen_desktop.store.settings_file import SettingsFile, kept_as
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
        self.problems = loaded.problems
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
        await self.change({key: value})

    def change(self, values: Mapping[str, Any]) -> Coroutine[Any, Any, None]:
        """Set several at once: all of them or, when one is not allowed, none. Refused or in force when this returns;
        what is returned waits for the file."""
        after = self._settings
        written: dict[str, Any] = {}
        for key, value in values.items():
            entry = setting(key)
            wanted = _cleaned(value, path=entry.info.path)
            try:
                after = replaced(after, key, wanted)
            except (msgspec.ValidationError, ValueError, TypeError, OverflowError) as error:
                raise UserFacing(complaint(entry, wanted)) from error
            written[key] = wanted
        self._unwritten.update(written)  # first: who hears of it may change the same one, and is the later one then
        self._apply(after)
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
            except AppError as error:  # these can be written by hand only: they are not tried again with each change
                log.warning("settings.unwritten code=%s", error.problem.what.code)
                self._bus.publish(Notified(error.problem.what, hint=error.problem.hint))
                return
        self._told = ""
        if kept is not None:
            self._bus.publish(Notified(kept_as(kept)))

    def _tell_unwritten(self, error: OSError) -> None:
        problem = os_problem(error)
        log.warning("settings.unwritten code=%s", problem.what.code)
        if self._told == problem.what.code:
            return
        self._told = problem.what.code
        self._bus.publish(Notified(_unwritten(problem.what.code, self._file.path)))


# fmt: off
_UNWRITTEN = {
    "settings.unwritten": QT_TRANSLATE_NOOP(
        "settings", "Settings cannot be saved: {path} cannot be written. Changes hold until the app is closed."
    ),
    "settings.unwritten.full": QT_TRANSLATE_NOOP(
        "settings", "Settings cannot be saved: the disk is full. Changes hold until the app is closed."
    ),
    "settings.unwritten.link": QT_TRANSLATE_NOOP(
        "settings",
        "Settings cannot be saved: {path} is a link to {target}, which cannot be written there. Changes hold until "
        "the app is closed.",
    ),
    "settings.unwritten.loop": QT_TRANSLATE_NOOP(
        "settings",
        "Settings cannot be saved: {path} is a link that leads nowhere. Remove it or mend it. Changes hold until the "
        "app is closed.",
    ),
}
# fmt: on


def _unwritten(code: str, path: Path) -> Text:
    """Why the settings are not saved, and what to mend."""
    places: dict[str, Param] = {"path": str(path)}
    try:
        target = linked_to(path)
        why = "" if target == path else ".link"
        places["target"] = str(target)
    except OSError:
        why = ".loop"
    why = "settings.unwritten" + (".full" if code == "disk.full" else why)
    return Text(why, _UNWRITTEN[why], places)


def _cleaned(value: Any, *, path: bool) -> Any:
    """``value`` as it can be kept; the name of a file may be no text."""
    if isinstance(value, str):
        return possible(value) if path else clean(value)
    if isinstance(value, list | tuple):
        return tuple(_cleaned(entry, path=path) for entry in value)
    return value
