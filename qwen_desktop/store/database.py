"""The history's database: one thread owns the connection, everybody else awaits ``call``.

Opening never leaves the user without an app: a damaged file is kept aside and a new one started; where the file cannot
be used (read-only, full disk, newer version, in use) the history lives in memory, filled from the file where it can be
read. ``problems`` says in sentences what happened and ``kept`` whether new messages reach the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from qwen_desktop.core.errors import AppError, Problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.store import migrations
from qwen_desktop.store.connection import connect, connect_read_only
from qwen_desktop.store.failures import app_error, is_broken, shown

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: How a history without a file is called in a sentence.
_NO_FILE = Path(":memory:")
#: A larger history is not copied into memory when its disk cannot be written, in bytes.
COPY_AT_MOST = 512 * 1024 * 1024


class Database:
    """The open history. ``path`` is its file, None for one in memory; ``backups`` copies are kept from before changes
    of its form."""

    def __init__(self, path: Path | None, *, backups: int = 3) -> None:
        self.path = path or _NO_FILE
        self.problems: tuple[Problem, ...] = ()
        self.kept = path is not None
        self._backups = backups
        self._connection: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self, *, fallback: bool = True) -> None:
        """Open, create or migrate the file.

        With ``fallback`` this never raises for what the user's disk does: look at ``problems`` and ``kept``. Without
        it, a file that cannot be used raises ``AppError`` (a command that must save says so and ends).
        """
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")
        try:
            self._connection = await asyncio.get_running_loop().run_in_executor(self._thread, self._open, fallback)
        except BaseException:
            self._thread.shutdown(wait=False)
            self._thread = None
            raise

    async def call(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``function(connection, ...)`` in the database's thread. Calls run in the order in which they were made.

        A call that has begun to wait is carried out even when the caller is cancelled: what was to be written is
        written. Raises ``AppError`` for what SQLite reports, ``RuntimeError`` when the database is not open.
        """
        if self._thread is None:
            raise RuntimeError("The database is not open.")

        def run() -> T:
            assert self._connection is not None  # noqa: S101 - set by open(), which ended before any call
            try:
                return function(self._connection, *args, **kwargs)
            except (sqlite3.Error, OSError) as error:
                if is_broken(error):
                    self._remember_damage()
                raise app_error(error, self.path) from error

        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, run))

    async def aclose(self) -> None:
        """Finish the waiting calls and close. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(thread, self._close))
        thread.shutdown(wait=False)

    # In the database's thread ------------------------------------------------------------------------------------

    @property
    def _damage_mark(self) -> Path:
        return self.path.with_name(self.path.name + ".check")

    def _remember_damage(self) -> None:
        # Checking a whole large file takes seconds: only a start after reported damage does it.
        with contextlib.suppress(OSError):
            self._damage_mark.touch()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self, fallback: bool) -> sqlite3.Connection:
        if not self.kept:
            return self._open_memory()
        try:
            try:
                return self._open_file()
            except sqlite3.Error as error:
                if not is_broken(error):
                    raise
                self._set_aside(error)
                return self._open_file()
        except (sqlite3.Error, OSError) as error:
            failure = app_error(error, self.path)
            if not fallback:
                raise failure from error
        except AppError as error:
            failure = error
            if not fallback:
                raise
        log.warning("history.memory code=%s", failure.problem.what.code)
        self.kept = False
        self.problems += (failure.problem, _in_memory_problem())
        return self._open_memory()

    def _open_file(self) -> sqlite3.Connection:
        connection = connect(self.path)
        try:
            if self._damage_mark.exists():
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise _damaged()
                self._damage_mark.unlink(missing_ok=True)
            migrations.migrate(connection, self.path, backups=self._backups)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: sqlite3.Error) -> None:
        number = 1
        while (kept := self.path.with_name(f"{self.path.stem}.broken-{number}{self.path.suffix}")).exists():
            number += 1
        self.path.replace(kept)
        for ending in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{ending}").replace(f"{kept}{ending}")
        self._damage_mark.unlink(missing_ok=True)
        log.warning("history.broken code=%s number=%d", error.sqlite_errorname, number)
        self.problems += (
            Problem(
                "environment",
                Text(
                    "history.set_aside",
                    QT_TRANSLATE_NOOP("errors", "The history was damaged. It is kept as {path}, and a new one began."),
                    {"path": shown(kept)},
                ),
                Text(
                    "history.set_aside.hint",
                    QT_TRANSLATE_NOOP("errors", "Older copies, if any, lie in the folder {folder}."),
                    {"folder": shown(self.path.parent / "backups")},
                ),
                details=error.sqlite_errorname,
            ),
        )

    def _open_memory(self) -> sqlite3.Connection:
        memory: sqlite3.Connection = connect(None)
        try:
            if self.path != _NO_FILE and self.path.is_file() and 0 < self.path.stat().st_size <= COPY_AT_MOST:
                with contextlib.closing(connect_read_only(self.path)) as source:
                    if migrations.version(source) <= len(migrations.MIGRATIONS):
                        source.backup(memory)
            migrations.migrate(memory, None, backups=0)
        except (sqlite3.Error, OSError) as error:
            log.warning("history.unreadable kind=%s", type(error).__name__)
            memory.close()
            memory = connect(None)
            migrations.migrate(memory, None, backups=0)
        return memory


def _damaged() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("quick_check")
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


def _in_memory_problem() -> Problem:
    return Problem(
        "environment",
        Text(
            "history.memory",
            QT_TRANSLATE_NOOP("errors", "New messages are not saved: they are kept only until the app is closed."),
        ),
        Text("history.memory.hint", QT_TRANSLATE_NOOP("errors", "Copy what you want to keep.")),
    )
