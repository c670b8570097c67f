"""The text of a document while it is put together, and the limits that it keeps to."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable

from qwen_desktop.core import amounts
from qwen_desktop.core.documents import Document, Kind, Limits, Section
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean, shown

#: Seconds between two reports of how far a reader is.
_REPORT_S = 0.2
_LONGEST_TITLE = 120
_ENDS = re.compile(r"\r\n?")


class Full(Exception):  # noqa: N818 - no error: the reader ends here, and what is there counts
    """A limit is reached; the note that says which is in the draft already."""


class Draft:
    """Gathers text, sections and notes. Whatever adds to it past a limit, or calls ``check`` too late, ends in
    ``Full``."""

    def __init__(self, name: str, limits: Limits, report: Callable[[int, int], None] = lambda _done, _total: None):
        self.name = name
        self.limits = limits
        self.pages = 0
        self.cut = False
        self.length = 0
        self._report = report
        self._pieces: list[str] = []
        self._sections: list[tuple[str, int]] = []
        self._notes: dict[str, Text] = {}
        self._until = time.monotonic() + limits.seconds
        self._next = 0.0
        self._unpacked = 0
        self._tail = ""
        self._item = False

    def check(self, done: int = 0, total: int = 0) -> None:
        """To be called between steps, however small: ends the reading in time, and reports now and then."""
        now = time.monotonic()
        if now > self._until:
            self.stop(
                Text(
                    "document.slow",
                    QT_TRANSLATE_NOOP("documents", "Reading took longer than %n second(s): the rest was left out."),
                    {"n": round(self.limits.seconds)},
                )
            )
        if total and now >= self._next:
            self._next = now + _REPORT_S
            self._report(done, total)

    def unpacked(self, count: int) -> None:
        """``count`` more bytes have come out of an archive."""
        self._unpacked += count
        if self._unpacked > self.limits.unpacked:
            self.stop(
                Text(
                    "document.unpacked",
                    QT_TRANSLATE_NOOP("documents", "It unpacks to more than {size}: the rest was left out."),
                    {"size": amounts.size(self.limits.unpacked)},
                )
            )
        self.check()

    def add(self, text: str) -> None:
        """Append text: ends of lines become "\\n", and what cannot be stored goes."""
        if not text:
            return
        text = clean(text)
        if "\r" in text:
            text = _ENDS.sub("\n", text)
        room = self.limits.characters - self.length
        piece = text[:room]
        self._pieces.append(piece)
        self._tail = (self._tail + piece[-2:])[-2:]
        self.length += len(piece)
        if len(text) > room:
            self.stop(
                Text(
                    "document.long",
                    QT_TRANSLATE_NOOP("documents", "Only the first %n character(s) were read."),
                    {"n": self.limits.characters},
                )
            )

    def block(self, text: str, *, item: bool = False) -> None:
        """A paragraph: after an empty line, unless it is the first. Items of a list stand close to each other."""
        text = text.strip("\n")
        if text.strip():
            self.add(f"{'' if item and self._item and self.length else self.gap()}{text}\n")
            self._item = item

    def gap(self) -> str:
        """What has to come before the next paragraph."""
        if not self.length:
            return ""
        return "" if self._tail == "\n\n" else "\n" if self._tail.endswith("\n") else "\n\n"

    def section(self, title: str) -> None:
        """A section begins here, after an empty line."""
        self.add(self.gap())
        self.mark(title)

    def mark(self, title: str) -> None:
        """A section begins here, in the middle of the text as it stands."""
        if len(self._sections) < self.limits.sections:
            self._sections.append((shown(" ".join(title.split()), _LONGEST_TITLE), self.length))

    def note(self, text: Text, *, again: bool = False) -> None:
        """Say this beside the document, once; ``again``: instead of what it said before."""
        if again or text.code not in self._notes:
            self._notes[text.code] = text

    def stop(self, why: Text) -> None:
        """Leave out the rest. Raises ``Full``."""
        self.cut = True
        self.note(why)
        raise Full(why.code)

    def finished(self, kind: Kind, media_type: str) -> Document:
        """What there is."""
        text = "".join(self._pieces)
        text = text.rstrip() + "\n" if kind not in (Kind.TEXT, Kind.CODE, Kind.MARKDOWN, Kind.TABLE) else text
        return Document(
            media_type,
            kind,
            text,
            self.pages,
            _ranges(self._sections, len(text)),
            self.cut,
            tuple(self._notes.values()),
        )


def _ranges(begun: list[tuple[str, int]], length: int) -> tuple[Section, ...]:
    """Sections from where they begin: each ends where the next begins, and empty ones go. What comes before the first
    is one without a title."""
    if not begun:
        return ()
    starts = [*begun, ("", length)] if begun[0][1] == 0 else [("", 0), *begun, ("", length)]
    return tuple(
        Section(title, start, min(after, length))
        for (title, start), (_, after) in itertools.pairwise(starts)
        if start < min(after, length)
    )
