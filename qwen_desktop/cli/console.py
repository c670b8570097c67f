"""What a command prints: answers to stdout, everything about them to stderr, control characters never to a terminal.

A model's text is not trusted: an escape sequence in it could move the cursor, change the title or fake a prompt.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import locale
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from qwen_desktop.core.packed import to_json
from qwen_desktop.core.streams import output_lost, silence
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean, fill

#: C0 but tab and newline, DEL, C1, and the marks that turn the direction of text around.
_UNSAFE = dict.fromkeys(
    [*(n for n in range(32) if n not in (9, 10)), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)


def harmless(text: str) -> str:
    """``text`` without what could control a terminal."""
    return text.translate(_UNSAFE)


def exact_size(count: float) -> str:
    """Bytes for a table: "312.0 MB", "4.93 GB"."""
    return f"{count / 1e6:,.1f} MB" if count < 999.5e6 else f"{count / 1e9:,.{1 if count >= 99.95e9 else 2}f} GB"


def _terminal_encoding() -> str | None:
    """What this terminal reads, as its user's locale says; None as Python has chosen. The locale "C" says nothing."""
    if sys.platform != "win32" and codecs.lookup(locale.getencoding()).name != "ascii":
        return locale.getencoding()
    return None


class Console:
    """The streams of this process. ``quiet`` hides thinking, progress and notes (for ``--json``)."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        for stream in (self._out, self._err):
            if isinstance(stream, io.TextIOWrapper):
                # Redirected on Windows the encoding would be that of an old code page.
                # To a program a path is its bytes, to people it is text.
                stream.reconfigure(
                    encoding=_terminal_encoding() if stream.isatty() else "utf-8",
                    errors="replace" if stream.isatty() or stream is self._err else "surrogateescape",
                )
        self._out_terminal = self._out.isatty()
        self._err_terminal = self._err.isatty()
        self._talks = self._err_terminal and not quiet
        # The old Windows console prints such codes instead of obeying them.
        plain = os.environ.get("TERM") == "dumb" or (sys.platform == "win32" and "WT_SESSION" not in os.environ)
        self._dim, self._normal = ("", "") if plain else ("\x1b[2m", "\x1b[22m")
        self._progress = 0
        self._thinking = False
        self._line_open = False
        self._lost: Exception | None = None

    def check(self) -> None:
        """Raise ``Environment``, or ``BrokenPipeError`` where the reader has gone, once something could not be written
        to the output. Until then what follows is dropped: an answer that is being saved goes on."""
        if isinstance(self._lost, BrokenPipeError):
            raise self._lost
        if self._lost is not None:
            raise output_lost(self._lost) from self._lost

    @property
    def lost(self) -> bool:
        """Whether something could not be written to the output."""
        return self._lost is not None

    def answer(self, text: str) -> None:
        """Some more of the answer, at once."""
        if not text:
            return
        self._end_thinking()
        self._clear_progress()
        self._print(harmless(text) if self._out_terminal else text)
        self._line_open = not text.endswith("\n")

    def thinking(self, text: str) -> None:
        """Some more of the thinking: dim on a terminal, dropped where the output is a file or a pipe."""
        if not (self._talks and self._out_terminal and text):
            return
        self._clear_progress()
        if not self._thinking:
            self._tell(self._dim)
            self._thinking = True
        self._tell(harmless(text))

    def end(self) -> None:
        """The answer is over: what follows begins on a line of its own."""
        self._end_thinking()
        self._clear_progress()
        if self._line_open:
            self._print("\n")
            self._line_open = False

    def line(self, text: str) -> None:
        """One line of a result, or a JSON object."""
        self._clear_progress()
        self._print(text + "\n")

    def table(self, rows: Iterable[Sequence[tuple[str, str]]]) -> None:
        """Rows in columns, for a terminal: each cell is a text with its look, as ``rich`` names it; the last wraps."""
        from rich.console import Console as Rich  # noqa: PLC0415 - 40 ms that only a terminal needs
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text as Words  # noqa: PLC0415

        grid = Table.grid(padding=(0, 2))
        for *first, last in rows:
            if not grid.columns:
                for _ in first:
                    grid.add_column(no_wrap=True)
                grid.add_column(overflow="fold")
            grid.add_row(*(Words(harmless(text), style=style) for text, style in (*first, last)))
        self.end()
        Rich().print(grid)

    def object(self, value: Any, *, indent: int | None = 1) -> None:
        """One JSON object. Names of files that are no text come as JSON's escapes for their bytes."""
        self.line(to_json(value, indent=indent).decode())

    def progress(self, text: str) -> None:
        """One line on stderr that is replaced by the next; only on a terminal."""
        if not self._talks:
            return
        text = harmless(text)
        self._tell("\r" + text.ljust(self._progress))
        self._progress = len(text)

    def note(self, text: str) -> None:
        """A sentence beside the answer, dim, on stderr; only on a terminal."""
        if self._talks:
            self.end()
            self._tell(f"{self._dim}{harmless(text)}{self._normal}\n")

    def warn(self, text: str) -> None:
        """A sentence that must be read, on stderr wherever that leads."""
        self.end()
        self._tell(harmless(text) + "\n")

    def loading(self, name: str, fraction: float) -> None:
        """How far a model has been read."""
        template = QT_TRANSLATE_NOOP("cli", "Loading {name} … {percent} %")
        self.progress(fill(template, {"name": name, "percent": round(100 * fraction)}))

    def reading(self, done: int, total: int, seconds_left: float | None) -> None:
        """How far a long prompt has been read."""
        template = QT_TRANSLATE_NOOP("cli", "Reading the prompt … {done} of %n token(s)")
        text = fill(template, {"done": done, "n": total})
        if seconds_left is not None and seconds_left >= 1:
            text += fill(QT_TRANSLATE_NOOP("cli", ", {seconds} s left"), {"seconds": round(seconds_left)})
        self.progress(text)

    def _clear_progress(self) -> None:
        if self._progress:
            self._tell("\r" + " " * self._progress + "\r")
            self._progress = 0

    def _end_thinking(self) -> None:
        if self._thinking:
            self._tell(f"{self._normal}\n\n")
            self._thinking = False

    def _print(self, text: str) -> None:
        if self._lost is not None:
            return
        try:
            try:
                self._out.write(text)
            except UnicodeEncodeError:
                self._out.write(clean(text))
            self._out.flush()
        except (OSError, ValueError) as error:
            self._lost = error
            silence(self._out)

    def _tell(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody is there who could be told
            self._err.write(text)
            self._err.flush()
