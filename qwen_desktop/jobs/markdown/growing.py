"""A text that still grows: only what can still change is parsed, its last block, or the last item of a list.

``grow`` says all about such an open end in one go, so that it can be asked in the job worker too: a table of hundreds
of rows is one open block, and parsing it thirty times a second would hold the window's thread.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from qwen_desktop.jobs.markdown.blocks import Block, MathBlock, TextBlock, TextRun, from_builtins
from qwen_desktop.jobs.markdown.inline import open_formula
from qwen_desktop.jobs.markdown.parser import MATHS, Markdown, stripped

#: A last line of marks only ("-", "**", "|") is still being typed: showing it would flash a heading or a rule.
_HALF_TYPED: Final = re.compile(r"(?:^|\n)[ \t]*[-=+*#>|`~_$\\]{1,3}\Z")
#: A table is text until the row of dashes below its head has come.
_HALF_TABLE: Final = re.compile(r"(?:^|\n\n)[ \t]*\|[^\n]*(?:\n[|:\- \t]*)?\Z")
#: Words one after the other: a dollar before them is one of money, or of a shell.
_PROSE: Final = re.compile(r"(?<![\\{a-zA-Z])[a-zA-Z]{2,}[.,]? [a-z]{2,}(?![}a-z])")
#: Stands for a formula that is still being written, while what is before it is parsed.
_FORMULA: Final = "\ue0f0"
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
    # What closes a formula may turn out to be a price: "$5-$" may become "$5-$10".
    shown = rest[:-1] if (len(rest) - len(rest.rstrip("$"))) % 2 else rest
    before, formula = _without_formula(shown)
    if not (
        shown.endswith("$$") and opened and isinstance(opened[-1], MathBlock)
    ):  # a formula's end is no half-typed mark
        shown = _mended(shown)
    if formula and (with_formula := _with_formula(_parsed(markdown, before, following), formula)) is not None:
        opened = with_formula
    elif shown != rest:
        opened = _parsed(markdown, shown, following)
    return Grown(tuple(finished), tuple(opened), offset, following)


def _parsed(markdown: Markdown, text: str, number: int | None) -> list[Block]:
    finished, opened, _, _ = markdown.open_tail(text, number)
    return finished + opened


def _without_formula(tail: str) -> tuple[str, str]:
    """The open part with a sign in the place of the formula that is being written at its end, and that formula behind
    the dollars that it will have."""
    last = tail.rfind("\n\n") + 1
    if len(tail) - last > 4000 or "```" in tail or "~~~" in tail:
        return tail, ""
    start, mark = open_formula(tail[last:])
    latex = tail[last + start + len(mark) :].rstrip("$" if mark[:1] == "$" else "\\").removesuffix("\\")
    if not mark or (mark == "$" and (latex[:1].isdigit() or not MATHS.search(latex) or _PROSE.search(latex))):
        return tail, ""
    dollars = "$" if mark in ("$", "\\(") else "$$"
    return tail[: last + start] + _FORMULA, dollars + latex.strip()


def _with_formula(blocks: list[Block], formula: str) -> list[Block] | None:
    """``blocks`` with the formula that is being written; None where it is in no paragraph."""
    last = blocks[-1] if blocks else None
    if not isinstance(last, TextBlock) or not last.text.endswith(_FORMULA):
        return None
    end = last.runs[-1]
    text = end.text.removesuffix(_FORMULA)
    runs = (*last.runs[:-1], *((replace(end, text=text),) if text else ()))
    if not formula.startswith("$$"):
        return [*blocks[:-1], replace(last, runs=(*runs, TextRun(formula, math=True)))]
    words = stripped(runs)
    before = [replace(last, runs=words)] if last.marker or words else []
    return [*blocks[:-1], *before, MathBlock(formula[2:].strip(), last.indent, last.quote, open=True)]


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
