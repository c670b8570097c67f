"""Imports: a file's conversations into the history, all of them or none, by the transfers worker."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from qwen_desktop.core.errors import Environment, Failure
from qwen_desktop.core.exchange import Imported, ImportPlace
from qwen_desktop.core.paths import Paths, home
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.events import ConversationsImported, EventBus
from qwen_desktop.services.history import BREATH_S
from qwen_desktop.store import importing
from qwen_desktop.store.database import Database

# fmt: off
_not_kept = Failure(
    Environment, "import.not_kept", "",
    QT_TRANSLATE_NOOP("imports", "The history cannot be written, so nothing can be imported into it."),
    QT_TRANSLATE_NOOP("imports", "Do what the notice about the history says, then start the app again."),
)
# fmt: on


class Imports:
    """One import runs at a time; another waits for it."""

    def __init__(self, db: Database, bus: EventBus, jobs: JobWorker, paths: Paths) -> None:
        self._db = db
        self._bus = bus
        self._jobs = jobs
        self._paths = paths
        self._lock = asyncio.Lock()

    async def run(self, path: Path, *, progress: Callable[..., None] | None = None) -> Imported:
        """Import ``path``; ``progress`` gets (done, total) bytes, of a folder files. Cancelling it leaves nothing of
        it. Raises ``AppError``; nothing has come in then."""
        if not self._db.kept:
            raise _not_kept()
        params = {
            "path": str(path),
            "database": str(self._db.path),
            "blobs": str(self._paths.blobs),
            "staging": str(self._staging),
        }
        async with self._lock:
            found = msgspec.convert(await self._jobs.call("history.import", params, progress=progress), Imported)
        if found.conversations:
            self._bus.publish(ConversationsImported(found.ids))
        return found

    async def places(self) -> tuple[ImportPlace, ...]:
        """Where other programs on this computer keep conversations."""
        if (own := home()) is None:
            return ()
        params = {"home": str(own), "environ": dict(os.environ), "system": sys.platform}
        return tuple(msgspec.convert(await self._jobs.call("history.import_places", params), list[ImportPlace]))

    async def undo(self, imported: Imported) -> None:
        """Take the conversations of an import out of the list again."""
        await self._db.call(importing.hide, imported.ids, time.time())
        self._bus.publish(ConversationsImported(imported.ids, gone=True))

    async def clean(self) -> None:
        """Behind the window's start: remove what a killed import left."""
        from qwen_desktop.jobs.imports.job import clean  # noqa: PLC0415 - not before the first paint

        if await asyncio.to_thread(clean, self._staging):
            while await self._db.call(importing.discard_left):  # noqa: ASYNC110 - what is waited for is the others
                await asyncio.sleep(BREATH_S)

    @property
    def _staging(self) -> Path:
        return self._paths.blobs.with_name("imports")
