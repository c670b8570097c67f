"""The library over real workers, in a home folder of the test's own."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from qwen_desktop.core.paths import find_paths
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.draft_models import DraftModels
from qwen_desktop.services.events import EventBus, LibraryChanged, Notified
from qwen_desktop.services.library import Library
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile


class Rig:
    """What the assembly joins; ``changes`` counts ``LibraryChanged``, ``told`` are the notices."""

    def __init__(self, user: Path, transfers: JobWorker | None = None, **more: Any) -> None:
        self.paths = find_paths()
        self.bus = EventBus()
        self.preferences = Preferences(SettingsFile(self.paths.settings_file), self.bus)
        self.jobs = JobWorker(worker_command("jobs"))
        self.transfers = transfers or JobWorker(worker_command("jobs"))
        where: dict[str, Any] = {"home": user, "environ": {}, "system": "linux", **more}
        self.library = Library(self.jobs, self.transfers, self.preferences, self.bus, self.paths, **where)
        self.draft_models = DraftModels(self.jobs, self.library.models)
        self.changes = 0
        self.told: list[str] = []
        self.bus.subscribe(LibraryChanged, self._count)
        self.bus.subscribe(Notified, lambda event: self.told.append(str(event.text)))

    def _count(self, _event: LibraryChanged) -> None:
        self.changes += 1

    def notes(self) -> dict[str, Any]:
        """``library.json`` as it is on the disk."""
        found: dict[str, Any] = json.loads((self.paths.data / "library.json").read_text())["models"]
        return found


@contextlib.asynccontextmanager
async def running(user: Path, transfers: JobWorker | None = None, **more: Any) -> AsyncIterator[Rig]:
    """One run of the app's library; ``more`` are keywords of ``Library``."""
    rig = Rig(user, transfers, **more)
    try:
        yield rig
    finally:
        await rig.library.aclose()
        await rig.jobs.aclose()
        await rig.transfers.aclose()
