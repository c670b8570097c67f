"""The history's database: threads that write, read and search without being in each other's way; all others await.

``call`` writes. ``read`` is for what is short and shown: its answer stands in order with those of ``call``, as if one
thread did all. ``scan`` is for what may take long (a search, an export). Each has a connection of its own where the
file has a write-ahead log; else one connection does all.

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
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from qwen_desktop.core.errors import AppError, Problem
from qwen_desktop.store import failures, migrations
from qwen_desktop.store.connection import Connection, connect, connect_read_only, connect_reader
from qwen_desktop.store.failures import app_error, is_broken
from qwen_desktop.store.lane import Lane

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: How a history without a file is called in a sentence.
_NO_FILE = Path(":memory:")
#: A larger history is not copied into memory when its disk cannot be written, in bytes.
COPY_AT_MOST = 512 * 1024 * 1024
#: A read waits so long for the writes before it, in seconds; one that hangs longer (a slow disk, another program that
#: writes) keeps nobody from reading.
PATIENCE_S = 0.25
#: A read during which something is written is made again, so often; then it stands in line with the writes.
ATTEMPTS = 3


class _Lanes:
    """Who does what: each by itself, or one for those that have none of their own."""

    def __init__(self, write: Lane, read: Lane | None = None, scan: Lane | None = None) -> None:
        self.write = write
        self.read = read or write
        self.scan = scan or self.read


class Database:
    """The open history. ``path`` is its file, None for one in memory; ``backups`` copies are kept from before changes
    of its form."""

    def __init__(self, path: Path | None, *, backups: int = 3) -> None:
        self.path = path
        self.problems: tuple[Problem, ...] = ()
        self.kept = path is not None
        self._backups = backups
        self._lanes: _Lanes | None = None
        #: the newest write that was asked for, and how many were answered
        self._last: asyncio.Future[Any] | None = None
        self._answered = 0

    async def open(self, *, fallback: bool = True) -> None:
        """Open, create or migrate the file.

        With ``fallback`` this never raises for what the user's disk does: look at ``problems`` and ``kept``. Without
        it, a file that cannot be used raises ``AppError`` (a command that must save says so and ends).
        """
        writer = Lane("database")
        self._lanes = _Lanes(writer)  # what is asked for from now on waits for the opening

        def opening() -> dict[str, sqlite3.Connection]:
            writer.opened, readers = self._open(fallback)
            return readers

        try:
            readers = await writer.start(opening)
        except BaseException:
            self._lanes = None
            writer.leave()
            raise
        if writer.closing:
            for reader in readers.values():
                reader.close()
        else:
            self._lanes = _Lanes(writer, *(Lane(name, reader) for name, reader in readers.items()))

    async def call(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``function(connection, ...)`` in the writer's thread. Calls run in the order in which they were made.

        A call that has begun to wait is carried out even when the caller is cancelled: what was to be written is
        written. Raises ``AppError`` for what SQLite reports, ``RuntimeError`` when the database is not open.
        """
        writer = self._opened().write
        self._last = future = writer.start(lambda: self._told(lambda: function(writer.connection, *args, **kwargs)))
        future.add_done_callback(self._count)
        return await asyncio.shield(future)

    async def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``function(connection, ...)``, which only reads, and shortly.

        It sees what ``call`` was asked for before, and when this returns nothing newer has been answered: who hears
        of changes and reads never puts an old state over a new one. Of a write that hangs it shows the state before.
        It may run more than once, and is given up when the caller is cancelled. Raises as ``call``.
        """
        lanes = self._opened()
        for _ in range(ATTEMPTS if lanes.read is not lanes.write else 0):
            last = self._last
            in_time = await _ended(last)
            answered = self._answered
            found = await self._reading(lanes.read, function, *args, **kwargs)
            if self._answered == answered and (self._last is last or not in_time):
                return found
        return await self._reading(lanes.write, function, *args, **kwargs)

    async def scan(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As ``read``, for what may take long: it shows the history of one moment after this was asked, and what is
        written meanwhile may be answered before."""
        lanes = self._opened()
        await _ended(self._last)
        return await self._reading(lanes.scan, function, *args, **kwargs)

    async def glance(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As ``scan``, without waiting for anything: what is being written just now may be missing."""
        return await self._reading(self._opened().scan, function, *args, **kwargs)

    async def aclose(self) -> None:
        """Finish the waiting calls, give up what is being read, and close. Safe to call twice."""
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            for lane in dict.fromkeys((lanes.scan, lanes.read, lanes.write)):
                await lane.aclose()

    # Inside ------------------------------------------------------------------------------------------------------

    def _opened(self) -> _Lanes:
        if self._lanes is None:
            raise RuntimeError("The database is not open.")
        return self._lanes

    async def _reading(
        self,
        lane: Lane,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        def work() -> T:
            connection = lane.connection
            return _in_one_moment(connection, lambda: function(connection, *args, **kwargs))

        return await lane.reading(lambda: self._told(work))

    def _count(self, future: asyncio.Future[Any]) -> None:
        self._answered += 1
        if not future.cancelled():
            future.exception()  # heard, also where whoever asked was cancelled and went away

    # In the database's threads -----------------------------------------------------------------------------------

    def _told(self, work: Callable[[], T]) -> T:
        """``work`` with SQLite's errors as ours."""
        try:
            return work()
        except (sqlite3.Error, OSError) as error:
            if is_broken(error):
                self._remember_damage()
            raise app_error(error, self.path or _NO_FILE) from error

    def _remember_damage(self) -> None:
        # Checking a whole large file takes seconds: only a start after reported damage does it.
        if self.path is not None:
            with contextlib.suppress(OSError):
                _damage_mark(self.path).touch()

    def _open(self, fallback: bool) -> tuple[sqlite3.Connection, dict[str, sqlite3.Connection]]:
        """The connection that writes, and those that only read where there can be some."""
        if self.path is None:
            return _in_memory(None), {}
        try:
            try:
                writer = self._open_file(self.path)
            except sqlite3.Error as error:
                if not is_broken(error):
                    raise
                self._set_aside(self.path, error)
                writer = self._open_file(self.path)
        except (sqlite3.Error, OSError, AppError) as error:
            failure = error if isinstance(error, AppError) else app_error(error, self.path)
            if not fallback:
                raise failure from error
        else:
            return writer, _readers(writer, self.path)
        log.warning("history.memory code=%s", failure.problem.what.code)
        self.kept = False
        self.problems += (failure.problem, failures.in_memory().problem)
        return _in_memory(self.path), {}

    def _open_file(self, path: Path) -> Connection:
        connection = connect(path)
        try:
            mark = _damage_mark(path)
            if mark.exists():
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise _damaged()
                mark.unlink(missing_ok=True)
            migrations.migrate(connection, path, backups=self._backups)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self, path: Path, error: sqlite3.Error) -> None:
        number = 1
        while (kept := path.with_name(f"{path.stem}.broken-{number}{path.suffix}")).exists():
            number += 1
        path.replace(kept)
        for ending in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{path}{ending}").replace(f"{kept}{ending}")
        _damage_mark(path).unlink(missing_ok=True)
        log.warning("history.broken code=%s number=%d", error.sqlite_errorname, number)
        told = failures.set_aside(str(kept), str(path.parent / "backups"), details=error.sqlite_errorname)
        self.problems += (told.problem,)


async def _ended(write: asyncio.Future[Any] | None) -> bool:
    """Wait for a write, and say whether it has ended in time; those before it have then too."""
    return write is None or write.done() or bool((await asyncio.wait({write}, timeout=PATIENCE_S))[0])


def _in_one_moment(connection: sqlite3.Connection, work: Callable[[], T]) -> T:
    """Reads that see one state, though somebody writes between them."""
    if connection.in_transaction:
        return work()
    connection.execute("BEGIN")
    try:
        return work()
    finally:
        connection.rollback()  # nothing to keep; does nothing where SQLite has done it already


def _readers(writer: Connection, path: Path) -> dict[str, sqlite3.Connection]:
    """Connections for reading, by the names of their lanes."""
    found: dict[str, sqlite3.Connection] = {}
    if not writer.wal:  # with a rollback journal a long read would keep the writer from its commit
        return found
    try:
        for name in ("database.read", "database.scan"):
            found[name] = connect_reader(path)
    except sqlite3.Error as error:
        log.warning("history.fewer_connections code=%s", error.sqlite_errorname)
    return found


def _in_memory(path: Path | None) -> sqlite3.Connection:
    """A history in memory, with what can be read in the file ``path``."""
    memory: sqlite3.Connection = connect(None)
    try:
        if path is not None and path.is_file() and 0 < path.stat().st_size <= COPY_AT_MOST:
            with contextlib.closing(connect_read_only(path)) as source:
                if migrations.version(source) <= len(migrations.MIGRATIONS):
                    source.backup(memory)
        migrations.migrate(memory, None, backups=0)
    except (sqlite3.Error, OSError) as error:
        log.warning("history.unreadable kind=%s", type(error).__name__)
        memory.close()
        memory = connect(None)
        migrations.migrate(memory, None, backups=0)
    return memory


def _damage_mark(path: Path) -> Path:
    return path.with_name(path.name + ".check")


def _damaged() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("quick_check")
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error
