"""The one place where SQLite is opened (encryption will sit under it later), and transactions.

``synchronous`` is chosen for each transaction: FULL where the user must never lose what was confirmed (their message,
the end of an answer), NORMAL for the saves while an answer streams, which survive a killed process in WAL mode.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

log = logging.getLogger(__name__)

#: How long a call waits for another program's write, in seconds (commands may run beside the window).
BUSY_S = 5.0


class Connection(sqlite3.Connection):
    """A connection that knows whether its file has a write-ahead log."""

    wal = False


def connect(path: Path | None) -> Connection:
    """Open or create the database file, or one in memory for None. Raises ``sqlite3.Error`` and ``OSError``.

    The file can be read by its owner only. Network file systems refuse WAL: then a truncated rollback journal serves.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create(path)
    connection = sqlite3.connect(
        ":memory:" if path is None else path, timeout=BUSY_S, isolation_level=None, factory=Connection
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        if path is None:  # what SQLite sorts or keeps aside would go to a file of the system's temporary folder
            connection.execute("PRAGMA temp_store = MEMORY")
        else:
            connection.wal = _journal(connection) == "wal"
            # A file that cannot be written is opened without complaint: ask now, not at the first message.
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except BaseException:
        connection.close()
        raise
    return connection


def create(path: Path) -> None:
    """Make an empty file that its owner alone can read, where there is none. Raises ``OSError``.

    One that is there is not even opened: POSIX takes all locks of a process from a file that it closes, and SQLite,
    which has it open elsewhere in this process, would not notice that others believe themselves alone with it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            os.close(os.open(path, os.O_RDWR))  # it fails, and says why


def connect_reader(path: Path) -> sqlite3.Connection:
    """A second connection to a database with a write-ahead log that is open already: it can only read, and what it
    reads keeps nobody from writing. It may be used in another thread than this. Raises ``sqlite3.Error``."""
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open an existing file for reading, on a disk that may refuse even SQLite's lock files."""
    failure: sqlite3.Error | None = None
    for mode in ("mode=ro", "immutable=1"):
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True, timeout=BUSY_S)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure or sqlite3.OperationalError("unreachable")


def _journal(connection: sqlite3.Connection) -> str:
    for wanted in ("wal", "truncate"):
        try:
            given = str(connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0]).lower()
        except sqlite3.OperationalError as error:
            if wanted == "truncate" or error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_READONLY")):
                raise
            given = ""
        if given == wanted:
            return given
        log.warning("journal.refused wanted=%s given=%s", wanted, given)
    return given


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, *, durable: bool) -> Iterator[None]:
    """Everything inside happens, or nothing. ``durable`` survives a power cut once this has returned."""
    safe = durable or not getattr(connection, "wal", False)
    connection.execute(f"PRAGMA synchronous = {'FULL' if safe else 'NORMAL'}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
