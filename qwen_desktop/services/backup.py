"""Backups of the history, and restoring them: at once where nobody has it open, else when the window starts next."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from qwen_desktop import __version__
from qwen_desktop.core.errors import Environment, Failure
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.store import backup
from qwen_desktop.store.backup import Made, Prepared
from qwen_desktop.store.connection import connect_read_only
from qwen_desktop.store.database import Database
from qwen_desktop.store.failures import app_error

log = logging.getLogger(__name__)
T = TypeVar("T")

#: ``done`` and all bytes.
Report = Callable[[int, int], None]

#: Told when the window shows a backup that was restored.
RESTORED = Text(
    "backup.restored",
    QT_TRANSLATE_NOOP("backup", "The backup was restored. What was there before is kept as a backup."),
)

# fmt: off
_not_kept = Failure(
    Environment, "backup.not_kept", "",
    QT_TRANSLATE_NOOP("backup", "Your chats are kept in memory only at the moment."),
    QT_TRANSLATE_NOOP("backup", "Start the app again when its folder can be written, then try again."),
)
# fmt: on


class Backups:
    """Makes backups of ``db`` and restores them. All work is done in threads; cancelling leaves nothing behind."""

    def __init__(self, db: Database, paths: Paths, *, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._place = backup.Place(paths.data, paths.database_file, paths.blobs)
        self._clock = clock

    @property
    def default_name(self) -> str:
        """What a backup of now is called."""
        return backup.default_name(self._clock())

    async def make(self, target: Path, report: Report | None = None, *, replace: bool = False) -> Made:
        """Put all conversations with what is attached into one file: ``target``, or one in the folder ``target``.
        Raises ``AppError``."""
        if not self._db.kept or self._db.path is None:
            raise _not_kept()
        path = self._db.path
        await self._db.read(lambda _connection: None)  # what was said before is in it

        def work(progress: Report) -> Made:
            with contextlib.closing(connect_read_only(path)) as source:
                return backup.make(
                    source, self._place, target, app=__version__, now=self._clock(), progress=progress, replace=replace
                )

        made = await self._work(work, report)
        log.info("backup.made size=%d missing=%d", made.size, made.missing)
        return made

    async def prepare(self, source: Path, report: Report | None = None) -> Prepared:
        """Check a backup and have it restored when the window starts the next time. Raises ``AppError``."""
        if not self._db.kept:
            raise _not_kept()

        def work(progress: Report) -> Prepared:
            return backup.prepare(source, self._place, now=self._clock(), progress=progress, pending=True)

        return await self._work(work, report)

    async def pending(self) -> bool:
        """Whether a restore waits for the window's start."""
        return await asyncio.to_thread(backup.is_pending, self._place)

    async def give_up(self) -> None:
        """Have the backup not restored that waits. Raises ``AppError``."""
        await self._work(lambda _progress: backup.forget_pending(self._place), None)

    async def restore(self, source: Path, report: Report | None = None) -> tuple[Prepared, Path | None]:
        """Restore at once, for a command whose history is not open. Returns also where the history is kept that was
        there. Raises ``AppError``; nothing has changed then."""

        def work(progress: Report) -> tuple[Prepared, Path | None]:
            now = self._clock()
            prepared = backup.prepare(source, self._place, now=now, progress=progress)
            try:
                kept = backup.finish(prepared, self._place, app=__version__, now=now, progress=progress)
            finally:
                backup.discard(prepared)
            return prepared, kept

        return await self._work(work, report)

    async def finish_pending(self) -> bool:
        """At the window's start, before the history is opened: carry out the restore that waits. False where none does.
        Raises ``AppError``; it waits on then."""

        def work(_progress: Report) -> bool:
            return backup.finish_pending(self._place, app=__version__, now=self._clock())

        return await self._work(work, None)

    async def _work(self, work: Callable[[Report], T], report: Report | None) -> T:
        """In a thread; when its caller is cancelled, the next step of the work ends it, and it is waited for."""
        loop = asyncio.get_running_loop()
        ended = threading.Event()
        last = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal last
            if ended.is_set():
                raise backup.given_up()
            now = time.monotonic()
            if report is not None and (now - last > 0.1 or done == total):
                last = now
                loop.call_soon_threadsafe(report, done, total)

        def run() -> T:
            try:
                return work(progress)
            except (sqlite3.Error, OSError) as error:
                raise app_error(error, self._place.database) from error

        task = asyncio.ensure_future(asyncio.to_thread(run))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            ended.set()
            with contextlib.suppress(Exception):
                await task
            raise
