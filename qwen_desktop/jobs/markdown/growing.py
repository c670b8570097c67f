"""A text that still grows: only what can still change is parsed, its last block, or the last item of a list.

``grow`` says all about such an open end in one go, so that it can be asked in the job worker too: a table of hundreds
of rows is one open block, and parsing it thirty times a second would hold the window's thread.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Final, NamedTuple

import msgspec

from qwen_desktop.jobs.markdown.blocks import Block, from_builtins
from qwen_desktop.jobs.markdown.parser import Markdown

#: A last line of marks only ("-", "**", "|") is still being typed: showing it would flash a heading or a rule.
_HALF_TYPED: Final = re.compile(r"(?:^|\n)[ \t]*[-=+*#>|`~_$\\]{1,3}\Z")
#: A table is text until the row of dashes below its head has come.
_HALF_TABLE: Final = re.compile(r"(?:^|\n\n)[ \t]*\|[^\n]*(?:\n[|:\- \t]*)?\Z")
_MEMORY: Final = threading.local()


class Grown(NamedTuple):
    """An open end as blocks: those that are ``finished``, those ``opened`` that may still change, the ``offset`` where
    the latter begin in the text, and the ``number`` of the list item they begin with, if they do."""

    finished: tuple[Block, ...]
    opened: tuple[Block, ...]
    offset: int
    number: int | None


def grow(markdown: Markdown, text: str, number: int | None) -> Grown:
    """Parse an open end. ``number`` continues the numbering of a list that was cut before it."""
    finished, opened, offset, following = markdown.open_tail(text, number)
    if not finished:
        offset, following = 0, number
    rest = text[offset:]
    shown = _mended(rest)
    if shown != rest:
        again = markdown.open_tail(shown, following)
        opened = again[0] + again[1]
    return Grown(tuple(finished), tuple(opened), offset, following)


def grow_job(text: str, number: int | None) -> list[Any]:
    """The job "markdown.grow": ``grow`` as plain data."""
    markdown = getattr(_MEMORY, "markdown", None)
    if markdown is None:  # one a thread: it remembers the inline texts that it has just seen
        markdown = _MEMORY.markdown = Markdown()
    finished, opened, offset, following = grow(markdown, text, number)
    return [*([msgspec.to_builtins(block) for block in blocks] for blocks in (finished, opened)), offset, following]


def as_grown(data: Any) -> Grown:
    """What came over the pipe. Raises ``ValueError`` or ``TypeError`` when it is not that."""
    finished, opened, offset, number = data
    return Grown(from_builtins(finished), from_builtins(opened), int(offset), None if number is None else int(number))


def _mended(tail: str) -> str:
    """The open part as it should be shown: half-typed marks left out, open emphasis closed."""
    match = _HALF_TYPED.search(tail) or _HALF_TABLE.search(tail)
    if match is not None:
        return tail[: match.start()]
    if "```" in tail or "~~~" in tail:
        return tail
    last = tail[tail.rfind("\n\n") + 1 :] if "\n\n" in tail else tail
    if len(last) > 4000:
        return tail
    if last.count("`") % 2:
        return tail[:-1] if tail.endswith("`") else tail + "`"
    if last.count("**") % 2:
        bare = tail.rstrip()
        return bare[:-2] if bare.endswith("**") else bare.removesuffix("*") + "**"
    return tail
