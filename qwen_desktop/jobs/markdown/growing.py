"""A text that still grows: only what can still change is parsed, its last block, or the last item of a list.

``grow`` says all about such an open end in one go, so that it can be asked in the job worker too: a table of hundreds
of rows is one open block, and parsing it thirty times a second would hold the window's thread.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Final

import msgspec

from qwen_desktop.jobs.markdown.parser import Grown, Markdown
from qwen_desktop.jobs.markdown.references import References

#: A last line of marks only ("-", "**", "|") is still being typed: showing it would flash a heading or a rule.
_HALF_TYPED: Final = re.compile(r"(?:^|\n)[ \t]*[-=+*#>|`~_$\\]{1,3}\Z")
#: A table is text until the row of dashes below its head has come.
_HALF_TABLE: Final = re.compile(r"(?:^|\n\n)[ \t]*\|[^\n]*(?:\n[|:\- \t]*)?\Z")
#: The title of an alert, and a definition, while it is being typed.
_HALF_ALERT: Final = re.compile(r"(?:^|\n)[ \t]*>[> \t]*\[!?[A-Za-z]*\]?\Z")
_HALF_DEFINITION: Final = re.compile(r"(?:^|\n) {0,3}\[(?!\^)[^\]\[\n]{1,80}\]:[^\n]*\Z")
_MEMORY: Final = threading.local()


def grow(markdown: Markdown, text: str, number: int | None, known: References) -> Grown:
    """Parse an open end. ``number`` continues the numbering of a list that was cut before it, ``known`` is what the
    text before refers to."""
    grown = markdown.open_tail(text, number, known.copy())
    rest = text[grown.offset :]
    shown = _mended(rest)
    if shown == rest:
        return grown
    again = markdown.open_tail(shown, grown.number, grown.known.copy())
    notes = grown.finished_notes + again.notes
    return grown._replace(opened=again.finished + again.opened, notes=notes, remarks=again.remarks)


def grow_job(text: str, number: int | None, known: Any) -> Any:
    """The job "markdown.grow": ``grow`` as plain data."""
    markdown = getattr(_MEMORY, "markdown", None)
    if markdown is None:  # one a thread: it remembers the inline texts that it has just seen
        markdown = _MEMORY.markdown = Markdown()
    return msgspec.to_builtins(grow(markdown, text, number, msgspec.convert(known, References)))


def as_grown(data: Any) -> Grown:
    """What came over the pipe. Raises ``msgspec.ValidationError`` when it is not that."""
    return msgspec.convert(data, Grown, strict=True)


def _mended(tail: str) -> str:
    """The open part as it should be shown: half-typed marks left out, open emphasis closed."""
    patterns = (_HALF_TYPED, _HALF_TABLE, _HALF_ALERT, _HALF_DEFINITION)
    match = next(filter(None, (pattern.search(tail) for pattern in patterns)), None)
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
