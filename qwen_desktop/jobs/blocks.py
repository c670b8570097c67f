"""A rendered message as data: flat blocks with runs of text, and the plain text that is selected and copied.

Blocks are flat on purpose: a list item or a quotation is a block with a depth, so that each one is laid out, kept and
thrown away by itself. The same data crosses the pipe from the job worker, so it holds no Qt. ``gc=False``: there are
many of them, none can be part of a cycle, and each that the collector need not look at shortens its pauses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct


class Run(Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """Some text of one look. ``href`` is set for http, https and mailto links only."""

    text: str
    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False
    math: bool = False
    href: str = ""


Runs: TypeAlias = tuple[Run, ...]


class TextBlock(Struct, frozen=True, tag="text", omit_defaults=True, gc=False):
    """A paragraph, or a heading when ``level`` is 1..6.

    ``indent`` counts enclosing lists, ``quote`` enclosing quotations; ``marker`` ("•", "3.", "☐", "☑") stands
    before the first paragraph of a list item. A line break is a newline inside a run.
    """

    runs: Runs
    level: int = 0
    indent: int = 0
    quote: int = 0
    marker: str = ""

    @property
    def text(self) -> str:
        """The text of all runs."""
        return "".join(run.text for run in self.runs)


class Span(Struct, frozen=True, array_like=True, gc=False):
    """A coloured stretch of code: characters ``start`` .. ``start + length`` have the look of ``role``."""

    start: int
    length: int
    role: str


class CodeBlock(Struct, frozen=True, tag="code", omit_defaults=True, gc=False):
    """A code block. ``spans`` is None until somebody highlighted it; roles are colour roles of the theme."""

    text: str
    language: str = ""
    spans: tuple[Span, ...] | None = None
    indent: int = 0
    quote: int = 0


class TableBlock(Struct, frozen=True, tag="table", omit_defaults=True, gc=False):
    """A table: ``rows[0]`` is the header; ``align`` holds "left", "center", "right" or "" for each column."""

    rows: tuple[tuple[Runs, ...], ...]
    align: tuple[str, ...]
    indent: int = 0
    quote: int = 0


class MathBlock(Struct, frozen=True, tag="math", omit_defaults=True, gc=False):
    """A displayed formula, as its LaTeX source."""

    text: str
    indent: int = 0
    quote: int = 0


class RuleBlock(Struct, frozen=True, tag="rule", omit_defaults=True, gc=False):
    """A thematic break."""

    indent: int = 0
    quote: int = 0


Block: TypeAlias = TextBlock | CodeBlock | TableBlock | MathBlock | RuleBlock


def runs_text(runs: Runs) -> str:
    """The text of ``runs`` without its look."""
    return "".join(run.text for run in runs)


def lead(block: Block) -> str:
    """What stands before a block's own text when it is copied: indentation and the list marker."""
    if not isinstance(block, TextBlock) or not block.indent:
        return ""
    space = "  " * (block.indent - 1)
    if not block.marker:
        return space + "  "
    return space + {"•": "-", "☐": "- [ ]", "☑": "- [x]"}.get(block.marker, block.marker) + " "


def plain(block: Block) -> str:
    """A block as clean text: code verbatim, tables with tabs, list items with their marker."""
    if isinstance(block, TextBlock):
        return lead(block) + block.text
    if isinstance(block, TableBlock):
        return "\n".join("\t".join(runs_text(cell).replace("\n", " ") for cell in row) for row in block.rows)
    if isinstance(block, RuleBlock):
        return "---"
    return block.text


def separator(before: Block, after: Block) -> str:
    """What stands between two blocks in copied text: list items follow each other without an empty line."""
    listed = isinstance(before, TextBlock) and isinstance(after, TextBlock) and before.indent and after.marker
    return "\n" if listed else "\n\n"


def projection(blocks: Sequence[Block]) -> str:
    """The pure plain text of a rendered message: what selections count in and what copying gives."""
    pieces: list[str] = []
    for number, block in enumerate(blocks):
        if number:
            pieces.append(separator(blocks[number - 1], block))
        pieces.append(plain(block))
    return "".join(pieces)


def from_builtins(data: Any) -> tuple[Block, ...]:
    """Blocks from what came over the pipe. Raises ``msgspec.ValidationError`` when it is not that."""
    return msgspec.convert(data, tuple[Block, ...], strict=True)


_MARKS = re.compile(r"(\*\*|__|~~|`+|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w))")
_LINKS = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*\)")
_HEADS = re.compile(r"^#{1,6}\s+", re.MULTILINE)
_FENCES = re.compile(r"^[ \t]*(```|~~~).*\n?", re.MULTILINE)


def quick_plain(text: str) -> str:
    """Clean text of a message that was never rendered, for copying thousands of them at once."""
    if not any(mark in text for mark in "*_`[#~"):
        return text
    parts = _FENCES.split(text)
    # split() keeps the fence marks: prose, mark, code, mark, prose ... so every second piece of text is code.
    texts = parts[::2]
    for place in range(0, len(texts), 2):
        texts[place] = _MARKS.sub("", _LINKS.sub(r"\1", _HEADS.sub("", texts[place])))
    return "".join(texts).strip()
