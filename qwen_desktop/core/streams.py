"""The three standard streams, which a service, cron or ``>&-`` may leave closed, and whose reader may go away.

``ensure`` runs before anything else opens a file: a closed stream's number would be given to the next file or pipe, and
what is printed would land in it. A closed standard output is no place where an answer can go: writing to it fails, as
it does on a full disk, and the command says so.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO, cast

from qwen_desktop.core.errors import Environment, Failure
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# fmt: off
_closed = Failure(
    Environment, "output.closed", "",
    QT_TRANSLATE_NOOP("cli", "The output is closed, so nothing can be printed."),
    QT_TRANSLATE_NOOP("cli", "Let it go to the screen, to a file or into a pipe."),
)
_lost = Failure(
    Environment, "output.lost", "reason", QT_TRANSLATE_NOOP("cli", "The output cannot be written: {reason}."),
    QT_TRANSLATE_NOOP("cli", "Let it go to the screen, or to a file or pipe that takes it."),
)
# fmt: on


def ensure() -> None:
    """Open what is closed: input and messages lead nowhere, output refuses. For the start of the process only."""
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)  # the lowest number that is free: this one
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = _stream(0, "r")
    if sys.stdout is None:
        sys.stdout = _stream(1, "w")
    if sys.stderr is None or not sys.stderr.isatty():
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Messages(2, "w", closefd=False)),
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )


class _Messages(io.FileIO):
    """Standard error where it is no terminal: what cannot be written there (a full disk, a reader that has gone) can be
    told to nobody, and is no reason to fail."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def finish(code: int) -> int:
    """Write out what waits, and return the process's exit code: 1 instead of 0 when the output cannot be written."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = code or 1
    except (OSError, ValueError) as error:
        code = code or 1
        say(output_lost(error).problem.sentence())
    silence(sys.stdout)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    silence(sys.stderr)
    return code


def say(sentence: str) -> None:
    """Print a sentence on standard error, wherever that leads."""
    with contextlib.suppress(OSError, ValueError):
        print(sentence, file=sys.stderr, flush=True)


def output_lost(error: Exception) -> Environment:
    """The sentence for an output that cannot be written."""
    if getattr(error, "errno", None) == errno.EBADF:
        return _closed()
    return _lost(getattr(error, "strerror", None) or type(error).__name__)


def silence(stream: TextIO) -> None:
    """From now on nothing that ``stream`` still holds can fail: Python writes it at its end, and would complain."""
    with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
        lead_nowhere(stream.fileno())


def lead_nowhere(number: int) -> None:
    """From now on what is written to the stream of this ``number`` is dropped. For signal handlers too."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)


def _stream(number: int, mode: str) -> TextIO:
    errors = "replace" if mode == "w" else "surrogateescape"
    # it stays open as long as the process lives
    return cast("TextIO", open(number, mode, encoding="utf-8", errors=errors, closefd=False))
