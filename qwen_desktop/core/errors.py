"""One tree of errors, and the form in which a failure is kept and shown.

Only these reach people: ``UserFacing`` (they can mend it), ``Environment`` (the machine failed: disk full, driver,
killed), ``Bug`` (we failed; offer the report) and ``Cancelled``. Each carries one sentence that says what is wrong
and, in ``hint``, what to do.
"""

from __future__ import annotations

import os
from typing import Literal

from msgspec import Struct

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text


class Problem(Struct, frozen=True):
    """A failure as data: kept under its message in the database, sent in frames, drawn as a card.

    ``action`` names the one button that helps: a command id (``core.commands``), "retry" or "".
    """

    kind: Literal["user", "environment", "bug", "cancelled"]
    what: Text
    hint: Text | None = None
    details: str = ""
    action: str = ""

    def sentence(self) -> str:
        """The English sentence with its hint, for the command line."""
        return f"{self.what} {self.hint}" if self.hint else str(self.what)


class AppError(Exception):
    """Base of every failure that is meant for people."""

    kind: Literal["user", "environment", "bug", "cancelled"] = "bug"

    def __init__(self, what: Text, hint: Text | None = None, *, details: str = "", action: str = "") -> None:
        super().__init__(str(what))
        self.problem = Problem(self.kind, what, hint, details, action)


class UserFacing(AppError):  # noqa: N818 - the design's word
    """Something the user can mend: a wrong file, a prompt that is too long."""

    kind = "user"


class Environment(AppError):  # noqa: N818
    """The machine failed: disk full, no permission, a killed process."""

    kind = "environment"


class Bug(AppError):  # noqa: N818
    """We failed. The details go into the report, never the chat text."""

    kind = "bug"


class Cancelled(AppError):  # noqa: N818
    """The user asked to stop."""

    kind = "cancelled"


_KINDS: dict[str, type[AppError]] = {
    "user": UserFacing,
    "environment": Environment,
    "bug": Bug,
    "cancelled": Cancelled,
}


def error_of(problem: Problem) -> AppError:
    """The exception for a problem that arrived as data."""
    return _KINDS[problem.kind](problem.what, problem.hint, details=problem.details, action=problem.action)


def problem_of(error: BaseException) -> Problem:
    """The problem for any exception: an ``AppError``'s own, a sentence for common ``OSError`` and for want of memory,
    else a bug."""
    if isinstance(error, AppError):
        return error.problem
    if isinstance(error, MemoryError):
        return Problem(
            "environment",
            Text("memory.full", QT_TRANSLATE_NOOP("errors", "There is not enough memory for this.")),
            Text(
                "memory.full.hint", QT_TRANSLATE_NOOP("errors", "Close other programs, or try it with a smaller file.")
            ),
        )
    if isinstance(error, OSError):
        return os_problem(error)
    return Problem(
        "bug",
        Text("bug", QT_TRANSLATE_NOOP("errors", "Something went wrong inside Qwen Desktop.")),
        Text("bug.hint", QT_TRANSLATE_NOOP("errors", "Try again; if it happens again, please report it.")),
        details=type(error).__name__,
    )


def os_problem(error: OSError) -> Problem:
    """One sentence for a failure of the file system."""
    import errno  # noqa: PLC0415 - only on this rare path

    from qwen_desktop.core.files import NotAFile  # noqa: PLC0415 - as above

    params: dict[str, str | int | float] = {"path": os.fsdecode(error.filename) if _named(error) else ""}
    if isinstance(error, NotAFile):
        return Problem(
            "environment",
            Text(
                "file.other",
                QT_TRANSLATE_NOOP("errors", "{path} is no file but a pipe, a socket or a device."),
                params,
            ),
            Text("file.missing.hint", QT_TRANSLATE_NOOP("errors", "Check the name, or choose another file.")),
        )
    what, hint = {
        errno.ENOSPC: (
            Text("disk.full", QT_TRANSLATE_NOOP("errors", "The disk is full.")),
            Text("disk.full.hint", QT_TRANSLATE_NOOP("errors", "Free some space, then try again.")),
        ),
        errno.EACCES: (
            Text("file.denied", QT_TRANSLATE_NOOP("errors", "There is no permission to use {path}."), params),
            Text("file.denied.hint", QT_TRANSLATE_NOOP("errors", "Change its permissions or choose another place.")),
        ),
        errno.EROFS: (
            Text("disk.readonly", QT_TRANSLATE_NOOP("errors", "{path} is on a disk that cannot be written."), params),
            Text(
                "disk.readonly.hint",
                QT_TRANSLATE_NOOP("errors", "Set QWEN_DESKTOP_HOME to a folder that can be written."),
            ),
        ),
        errno.ENOENT: (
            Text("file.missing", QT_TRANSLATE_NOOP("errors", "{path} does not exist."), params),
            Text("file.missing.hint", QT_TRANSLATE_NOOP("errors", "Check the name, or choose another file.")),
        ),
        errno.ELOOP: (
            Text("file.loop", QT_TRANSLATE_NOOP("errors", "{path} is a link that leads in a circle."), params),
            Text("file.loop.hint", QT_TRANSLATE_NOOP("errors", "Remove the link, or let it lead to a file.")),
        ),
        errno.ENAMETOOLONG: (
            Text("file.name_long", QT_TRANSLATE_NOOP("errors", "The name {path} is too long for this system."), params),
            Text("file.missing.hint", QT_TRANSLATE_NOOP("errors", "Check the name, or choose another file.")),
        ),
        errno.EISDIR: (
            Text("file.folder", QT_TRANSLATE_NOOP("errors", "{path} is a folder, not a file."), params),
            Text("file.folder.hint", QT_TRANSLATE_NOOP("errors", "Choose a file inside it.")),
        ),
    }.get(
        error.errno or 0,
        (
            Text(
                "file.failed",
                QT_TRANSLATE_NOOP("errors", "Reading or writing {path} failed: {reason}."),
                {**params, "reason": error.strerror or type(error).__name__},
            ),
            Text("file.failed.hint", QT_TRANSLATE_NOOP("errors", "Check the disk, then try again.")),
        ),
    )
    return Problem("environment", what, hint)


def _named(error: OSError) -> bool:
    return isinstance(error.filename, str | bytes | os.PathLike)
