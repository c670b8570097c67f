"""One tree of errors, and the form in which a failure is kept and shown.

Only these reach people: ``UserFacing`` (they can mend it), ``Environment`` (the machine failed: disk full, driver,
killed), ``Bug`` (we failed; offer the report) and ``Cancelled``. Each carries one sentence that says what is wrong
and, in ``hint``, what to do.
"""

from __future__ import annotations

import errno
import os
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Source, Text


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


_E = TypeVar("_E", bound=AppError)


class Failure(Struct, Generic[_E], frozen=True):
    """A row of a table of failures: what is said, what to do, and the one button that helps.

    Called with the values of its ``places`` (names separated by spaces, in that order) it makes the error. ``what`` and
    ``hint`` are marked for translation where they are written: ``QT_TRANSLATE_NOOP("hub", "{host} is silent.")``.
    """

    kind: type[_E]
    code: str
    places: str
    what: Source
    hint: Source | None = None
    action: str = ""

    def __call__(self, *values: Param, details: str = "") -> _E:
        """The error. Raises ``ValueError`` when there are more or fewer ``values`` than places."""
        params = dict(zip(self.places.split(), values, strict=True))
        return self.kind(
            self._text(self.code, self.what, params),
            self._text(f"{self.code}.hint", self.hint, params) if self.hint else None,
            details=details,
            action=self.action,
        )

    @staticmethod
    def _text(code: str, source: Source, params: dict[str, Param]) -> Text:
        used = {name: value for name, value in params.items() if name == "n" or f"{{{name}}}" in source}
        return Text(code, source, used)


_CHECK_NAME = QT_TRANSLATE_NOOP("errors", "Check the name, or choose another file.")

# fmt: off
bug = Failure(
    Bug, "bug", "", QT_TRANSLATE_NOOP("errors", "Something went wrong inside Qwen Desktop."),
    QT_TRANSLATE_NOOP("errors", "Try again; if it happens again, please report it."),
)
memory_full = Failure(
    Environment, "memory.full", "", QT_TRANSLATE_NOOP("errors", "There is not enough memory for this."),
    QT_TRANSLATE_NOOP("errors", "Close other programs, or try it with a smaller file."),
)
disk_full = Failure(
    Environment, "disk.full", "", QT_TRANSLATE_NOOP("errors", "The disk is full."),
    QT_TRANSLATE_NOOP("errors", "Free some space, then try again."),
)
not_a_file = Failure(
    Environment, "file.other", "path",
    QT_TRANSLATE_NOOP("errors", "{path} is no file but a pipe, a socket or a device."), _CHECK_NAME,
)
_file_failed = Failure(
    Environment, "file.failed", "path reason",
    QT_TRANSLATE_NOOP("errors", "Reading or writing {path} failed: {reason}."),
    QT_TRANSLATE_NOOP("errors", "Check the disk, then try again."),
)
#: A message without anything in it.
prompt_empty = Failure(
    UserFacing, "prompt.empty", "", QT_TRANSLATE_NOOP("errors", "The message is empty."),
    QT_TRANSLATE_NOOP("errors", "Write something first."),
)
_BY_NUMBER = {
    errno.EACCES: Failure(
        Environment, "file.denied", "path", QT_TRANSLATE_NOOP("errors", "There is no permission to use {path}."),
        QT_TRANSLATE_NOOP("errors", "Change its permissions or choose another place."),
    ),
    errno.EROFS: Failure(
        Environment, "disk.readonly", "path",
        QT_TRANSLATE_NOOP("errors", "{path} is on a disk that cannot be written."),
        QT_TRANSLATE_NOOP(
            "errors", "Choose another place; where the app keeps its own files is set by QWEN_DESKTOP_HOME."
        ),
    ),
    errno.ENOENT: Failure(
        Environment, "file.missing", "path", QT_TRANSLATE_NOOP("errors", "{path} does not exist."), _CHECK_NAME,
    ),
    errno.ELOOP: Failure(
        Environment, "file.loop", "path", QT_TRANSLATE_NOOP("errors", "{path} is a link that leads in a circle."),
        QT_TRANSLATE_NOOP("errors", "Remove the link, or let it lead to a file."),
    ),
    errno.ENAMETOOLONG: Failure(
        Environment, "file.name_long", "path",
        QT_TRANSLATE_NOOP("errors", "The name {path} is too long for this system."), _CHECK_NAME,
    ),
    errno.EISDIR: Failure(
        Environment, "file.folder", "path", QT_TRANSLATE_NOOP("errors", "{path} is a folder, not a file."),
        QT_TRANSLATE_NOOP("errors", "Choose a file inside it."),
    ),
}
# fmt: on


#: What Python says where there is no memory for a thread.
_NO_THREAD = "can't start new thread"
_KINDS: dict[str, type[AppError]] = {kind.kind: kind for kind in (UserFacing, Environment, Bug, Cancelled)}


def error_of(problem: Problem) -> AppError:
    """The exception for a problem that arrived as data."""
    return _KINDS[problem.kind](problem.what, problem.hint, details=problem.details, action=problem.action)


def problem_of(error: BaseException) -> Problem:
    """The problem for any exception: an ``AppError``'s own, a sentence for common ``OSError`` and for want of memory,
    else a bug."""
    if isinstance(error, AppError):
        return error.problem
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == _NO_THREAD):
        return memory_full().problem
    if isinstance(error, OSError):
        return os_problem(error)
    return bug(details=type(error).__name__).problem


def os_problem(error: OSError) -> Problem:
    """One sentence for a failure of the file system."""
    from qwen_desktop.core.files import NotAFile  # noqa: PLC0415 - only on this rare path

    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    if isinstance(error, NotAFile):
        return not_a_file(path).problem
    if error.errno == errno.ENOSPC:
        return disk_full().problem
    if error.errno in _BY_NUMBER:
        return _BY_NUMBER[error.errno](path).problem
    return _file_failed(path, error.strerror or type(error).__name__).problem
