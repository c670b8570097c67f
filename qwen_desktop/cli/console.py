"""What a command prints: answers to stdout, everything about them to stderr, control characters never to a terminal.

A model's text is not trusted: an escape sequence in it could move the cursor, change the title or fake a prompt.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill

#: C0 but tab and newline, DEL, C1, and the marks that turn the direction of text around.
_UNSAFE = dict.fromkeys(
    [*(n for n in range(32) if n not in (9, 10)), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)


def harmless(text: str) -> str:
    """``text`` without what could control a terminal."""
    return text.translate(_UNSAFE)


class Console:
    """The streams of this process. ``quiet`` hides thinking, progress and notes (for ``--json``)."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        for stream in (self._out, self._err):
            if isinstance(stream, io.TextIOWrapper):
                # Redirected on Windows the encoding would be that of an old code page.
                stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")
        self._out_terminal = self._out.isatty()
        self._err_terminal = self._err.isatty()
        self._talks = self._err_terminal and not quiet
        # The old Windows console prints such codes instead of obeying them.
        plain = os.environ.get("TERM") == "dumb" or (sys.platform == "win32" and "WT_SESSION" not in os.environ)
        self._dim, self._normal = ("", "") if plain else ("\x1b[2m", "\x1b[22m")
        self._progress = 0
        self._thinking = False
        self._line_open = False

    def answer(self, text: str) -> None:
        """Some more of the answer, at once."""
        if not text:
            return
        self._end_thinking()
        self._clear_progress()
        self._out.write(harmless(text) if self._out_terminal else text)
        self._out.flush()
        self._line_open = not text.endswith("\n")

    def thinking(self, text: str) -> None:
        """Some more of the thinking: dim on a terminal, dropped where the output is a file or a pipe."""
        if not (self._talks and self._out_terminal and text):
            return
        self._clear_progress()
        if not self._thinking:
            self._err.write(self._dim)
            self._thinking = True
        self._err.write(harmless(text))
        self._err.flush()

    def end(self) -> None:
        """The answer is over: what follows begins on a line of its own."""
        self._end_thinking()
        self._clear_progress()
        if self._line_open:
            self._out.write("\n")
            self._line_open = False
        self._out.flush()

    def line(self, text: str) -> None:
        """One line of a result, or a JSON object."""
        self._clear_progress()
        self._out.write(text + "\n")
        self._out.flush()

    def progress(self, text: str) -> None:
        """One line on stderr that is replaced by the next; only on a terminal."""
        if not self._talks:
            return
        text = harmless(text)
        self._err.write("\r" + text.ljust(self._progress))
        self._err.flush()
        self._progress = len(text)

    def note(self, text: str) -> None:
        """A sentence beside the answer, dim, on stderr; only on a terminal."""
        if self._talks:
            self.end()
            self._err.write(f"{self._dim}{harmless(text)}{self._normal}\n")
            self._err.flush()

    def warn(self, text: str) -> None:
        """A sentence that must be read, on stderr wherever that leads."""
        self.end()
        self._err.write(harmless(text) + "\n")
        self._err.flush()

    def loading(self, name: str, fraction: float) -> None:
        """How far a model has been read."""
        template = QT_TRANSLATE_NOOP("cli", "Loading {name} … {percent} %")
        self.progress(fill(template, {"name": name, "percent": round(100 * fraction)}))

    def reading(self, done: int, total: int, seconds_left: float | None) -> None:
        """How far a long prompt has been read."""
        template = QT_TRANSLATE_NOOP("cli", "Reading the prompt … {done} of {total} tokens")
        text = fill(template, {"done": done, "total": total})
        if seconds_left is not None and seconds_left >= 1:
            text += fill(QT_TRANSLATE_NOOP("cli", ", {seconds} s left"), {"seconds": round(seconds_left)})
        self.progress(text)

    def _clear_progress(self) -> None:
        if self._progress:
            self._err.write("\r" + " " * self._progress + "\r")
            self._err.flush()
            self._progress = 0

    def _end_thinking(self) -> None:
        if self._thinking:
            self._err.write(f"{self._normal}\n\n")
            self._err.flush()
            self._thinking = False


def silence_broken_pipe() -> None:
    """The reader of stdout is gone (``| head``): give Python another stdout so that its exit does not complain."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
