"""A text that still grows: only what can still change is parsed, its last block, or the last item of a list.

``grow`` says all about such an open end in one go, so that it can be asked in the job worker too: a table of hundreds
of rows is one open block, and parsing it thirty times a second would hold the window's thread.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from qwen_desktop.jobs.markdown.blocks import Block, MathBlock, TextBlock, TextRun
from qwen_desktop.jobs.markdown.inline import open_formula
from qwen_desktop.jobs.markdown.parser import MATHS, Grown, Markdown, stripped
from qwen_desktop.jobs.markdown.references import References
from qwen_desktop.jobs.markdown.rules import BEGIN

#: A last line of marks only ("-", "**", "|") is still being typed: showing it would flash a heading or a rule.
_HALF_TYPED: Final = re.compile(r"(?:(?:^|\n)[ \t]*[-=+*#>|`~_$\\]{1,3}|\n[ \t]*\d{1,3})\Z")
#: The same behind the marker of a list item, which stays; the box of a task is typed there, too.
_HALF_ITEM: Final = re.compile(
    r"(?:^|\n)[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)+(?P<cut>[-=+*#>|`~_$\\]{1,3}|\[(?:[ xX](?:\][ \t]*)?)?)\Z"
)
#: A table is text until the row of dashes below its head has come.
_HALF_TABLE: Final = re.compile(r"(?:^|\n\n)[ \t]*\|[^\n]*(?:\n[|:\- \t]*)?\Z")
#: The title of an alert, and a definition, while it is being typed.
_HALF_ALERT: Final = re.compile(r"(?:^|\n)[ \t]*>[> \t]*\[!?[A-Za-z]*\]?\Z")
_HALF_DEFINITION: Final = re.compile(r"(?:^|\n) {0,3}\[(?!\^)[^\]\[\n]{1,80}\]:[^\n]*\Z")
#: A footnote, or a link that begins a line.
_HALF_NOTE: Final = re.compile(r"(?:^|\n)\[(?:\^[^\]\n]{0,80}(?:\]:?)?)?\Z")
#: Words one after the other: a dollar before them is one of money, or of a shell.
_PROSE: Final = re.compile(r"(?<![\\{a-zA-Z])[a-zA-Z]{2,}[.,]? [a-z]{2,}(?![}a-z])")
#: Stands for a formula that is still being written, while what is before it is parsed.
_FORMULA: Final = "\ue0f0"
_MEMORY: Final = threading.local()


def grow(markdown: Markdown, text: str, number: int | None, known: References | None = None) -> Grown:
    """Parse an open end. ``number`` continues the numbering of a list that was cut before it, ``known`` is what the
    text before refers to."""
    grown = markdown.open_tail(text, number, known and known.copy())
    rest = text[grown.offset :]
    # What closes a formula may turn out to be a price: "$5-$" may become "$5-$10".
    shown = rest[:-1] if (len(rest) - len(rest.rstrip("$"))) % 2 else rest
    before, formula = _without_formula(shown) if _HALF_TABLE.search(shown) is None else (shown, "")
    if not (
        shown.endswith("$$") and grown.opened and isinstance(grown.opened[-1], MathBlock)
    ):  # a formula's end is no half-typed mark
        shown = _mended(shown)
    if formula:
        again = markdown.open_tail(before, grown.number, grown.known.copy())
        if (opened := _with_formula(again.finished + again.opened, formula)) is not None:
            return _opened(grown, again, opened)
    if shown == rest:
        return grown
    again = markdown.open_tail(shown, grown.number, grown.known.copy())
    return _opened(grown, again, again.finished + again.opened)


def _opened(grown: Grown, again: Grown, opened: tuple[Block, ...]) -> Grown:
    """``grown`` with another open end."""
    footnotes = grown.finished_footnotes + again.footnotes
    return grown._replace(opened=opened, footnotes=footnotes, remarks=again.remarks)


def _without_formula(tail: str) -> tuple[str, str]:
    """The open part with a sign in the place of the formula that is being written at its end, and that formula behind
    the dollars that it will have."""
    last = tail.rfind("\n\n") + 1
    if len(tail) - last > 4000 or "```" in tail or "~~~" in tail:
        return tail, ""
    if BEGIN.match(tail, last + tail.startswith("\n", last)):
        return tail[:last] + ("\n" if last else "") + _FORMULA, "$$" + tail[last:].strip().removesuffix("\\")
    start, mark = open_formula(tail[last:])
    latex = tail[last + start + len(mark) :].rstrip("$" if mark[:1] == "$" else "\\").removesuffix("\\")
    if not mark or (
        mark == "$" and (latex[:1].isdigit() or not MATHS.search(latex.lstrip("/")) or _PROSE.search(latex))
    ):
        return tail, ""
    dollars = "$" if mark in ("$", "\\(") else "$$"
    return tail[: last + start] + _FORMULA, dollars + latex.strip()


def _with_formula(blocks: tuple[Block, ...], formula: str) -> tuple[Block, ...] | None:
    """``blocks`` with the formula that is being written; None where it is in no paragraph."""
    last = blocks[-1] if blocks else None
    if not isinstance(last, TextBlock) or not last.text.endswith(_FORMULA):
        return None
    end = last.runs[-1]
    text = end.text.removesuffix(_FORMULA)
    runs = (*last.runs[:-1], *((replace(end, text=text),) if text else ()))
    if not formula.startswith("$$"):
        return (*blocks[:-1], replace(last, runs=(*runs, TextRun(formula, math=True))))
    words = stripped(runs)
    before = [replace(last, runs=words)] if last.marker or words else []
    made = MathBlock(formula[2:].strip(), last.indent, last.quote, last.alerts, open=True)
    return (*blocks[:-1], *before, made)


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
    patterns = (_HALF_TABLE, _HALF_ITEM, _HALF_TYPED, _HALF_ALERT, _HALF_DEFINITION, _HALF_NOTE)
    match = next(filter(None, (pattern.search(tail) for pattern in patterns)), None)
    if match is not None:
        return tail[: match.start("cut" if match.re is _HALF_ITEM else 0)]
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
