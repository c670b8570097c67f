"""What SQLite and the file system report, as sentences for people."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from qwen_desktop.core.errors import (
    AppError,
    Cancelled,
    Environment,
    Failure,
    UserFacing,
    bug,
    disk_full,
    error_of,
    os_problem,
)
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

#: A data folder with less free space than this is called full when SQLite only says "I/O error", in bytes.
FULL_BELOW = 1_000_000


def is_broken(error: BaseException) -> bool:
    """Whether SQLite says that the file is damaged or no database at all."""
    return isinstance(error, sqlite3.Error) and _name(error).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


# fmt: off
_readonly = Failure(
    Environment, "history.readonly", "path", QT_TRANSLATE_NOOP("errors", "The history {path} cannot be written."),
    QT_TRANSLATE_NOOP("errors", "Make its folder writable, or set QWEN_DESKTOP_HOME to a folder that can be written."),
)
_locked = Failure(
    Environment, "history.locked", "path",
    QT_TRANSLATE_NOOP("errors", "Another program is using the history {path}."),
    QT_TRANSLATE_NOOP("errors", "Close the other program, then try again."),
)
_broken = Failure(
    Environment, "history.broken", "path", QT_TRANSLATE_NOOP("errors", "The history {path} is damaged."),
    QT_TRANSLATE_NOOP("errors", "Start the app again: it keeps the damaged file and starts a new history."),
)
_io = Failure(
    Environment, "history.io", "path",
    QT_TRANSLATE_NOOP("errors", "Reading or writing the history {path} failed."),
    QT_TRANSLATE_NOOP("errors", "Check the disk, then try again."),
)
#: A file of a newer version, which is left as it is.
newer = Failure(
    UserFacing, "history.newer", "path",
    QT_TRANSLATE_NOOP("errors", "The history {path} was written by a newer version of Qwen Desktop."),
    QT_TRANSLATE_NOOP("errors", "Update the app, or start with another data folder (set QWEN_DESKTOP_HOME)."),
)
#: What was done about a damaged file: it is kept at ``path``, the backups lie in ``folder``.
set_aside = Failure(
    Environment, "history.set_aside", "path folder",
    QT_TRANSLATE_NOOP("errors", "The history was damaged. It is kept as {path}, and a new one began."),
    QT_TRANSLATE_NOOP("errors", "Older copies, if any, lie in the folder {folder}."),
)
#: What comes after the reason why the file cannot be used.
in_memory = Failure(
    Environment, "history.memory", "",
    QT_TRANSLATE_NOOP("errors", "New messages are not saved: they are kept only until the app is closed."),
    QT_TRANSLATE_NOOP("errors", "Copy what you want to keep."),
)
#: Nothing is read any more: the app ends.
closed = Failure(Cancelled, "history.closed", "", QT_TRANSLATE_NOOP("errors", "The history is closed."))
# fmt: on
#: By what SQLite's codes begin with.
_BY_CODE = (
    (("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"), _readonly),
    (("SQLITE_BUSY", "SQLITE_LOCKED"), _locked),
    (("SQLITE_CORRUPT", "SQLITE_NOTADB"), _broken),
    (("SQLITE_IOERR",), _io),
)


def app_error(error: sqlite3.Error | OSError, path: Path) -> AppError:
    """The failure for people. ``path`` is the database file."""
    if isinstance(error, OSError):
        if error.filename is None:
            error.filename = str(path)
        return error_of(os_problem(error))
    name = _name(error)
    if name.startswith("SQLITE_FULL") or (name.startswith("SQLITE_IOERR") and _no_space(path)):
        return disk_full()
    if name == "SQLITE_INTERRUPT":
        return closed()
    for starts, failure in _BY_CODE:
        if name.startswith(starts):
            return failure(str(path), details=name)
    return bug(details=name)


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", None) or type(error).__name__


def _no_space(path: Path) -> bool:
    try:
        return shutil.disk_usage(os.fspath(path.parent)).free < FULL_BELOW
    except OSError:
        return False
