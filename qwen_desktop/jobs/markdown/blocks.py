"""A rendered message as data: flat blocks with runs of text, and the plain text that is selected and copied.

Blocks are flat on purpose: a list item or a quotation is a block with a depth, so that each one is laid out, kept and
thrown away by itself. The same data crosses the pipe from the job worker, so it holds no Qt. ``gc=False``: there are
many of them, none can be part of a cycle, and each that the collector need not look at shortens its pauses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

_VERBATIM_PIECE: Final = 2000


class TextRun(Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """Some text of one look. ``href`` is set for http, https and mailto links only.

    ``footnote`` is the label of a footnote that the run refers to. ``image`` marks the sign that stands for a picture,
    which is never loaded: it is the computer that has it, or "-". A formula has its dollars, as it is copied: what has
    none at its end is still being written.
    """

    text: str
    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False
    math: bool = False
    href: str = ""
    footnote: str = ""
    image: str = ""


Runs: TypeAlias = tuple[TextRun, ...]


class TextBlock(Struct, frozen=True, tag="text", omit_defaults=True, gc=False):
    """A paragraph, or a heading when ``level`` is 1..6.

    ``indent`` counts enclosing lists, ``quote`` enclosing quotations; ``marker`` ("•", "3.", "☐", "☑", "3. ☑") stands
    before the first paragraph of a list item, "[^1]:" before that of a footnote. ``alerts`` has a letter for each
    enclosing quotation: that of its ``ALERTS``, or "-", and before it a "." for each list around it that the one before
    is not in; it is empty where no quotation is an alert or stands in a list. A line break is a newline inside
    a run. ``verbatim`` blocks are pieces of one text without Markdown: each stands on the line after the one before.
    ``footnote`` is the label of the footnote that the block belongs to.
    """

    runs: Runs
    level: int = 0
    indent: int = 0
    quote: int = 0
    marker: str = ""
    verbatim: bool = False
    alerts: str = ""
    footnote: str = ""

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
    alerts: str = ""


class TableBlock(Struct, frozen=True, tag="table", omit_defaults=True, gc=False):
    """A table: ``rows[0]`` is the header; ``align`` holds "left", "center", "right" or "" for each column."""

    rows: tuple[tuple[Runs, ...], ...]
    align: tuple[str, ...]
    indent: int = 0
    quote: int = 0
    alerts: str = ""


class MathBlock(Struct, frozen=True, tag="math", omit_defaults=True, gc=False):
    """A displayed formula, as its LaTeX source; ``open`` while it is still being written."""

    text: str
    indent: int = 0
    quote: int = 0
    alerts: str = ""
    open: bool = False

    @property
    def lead(self) -> str:
        """What stands before its source when it is copied."""
        return "$$\n" if "\n" in self.text else "$$"


class RuleBlock(Struct, frozen=True, tag="rule", omit_defaults=True, gc=False):
    """A thematic break, or the line above footnotes (``footnotes``)."""

    indent: int = 0
    quote: int = 0
    alerts: str = ""
    footnotes: bool = False


class AlertBlock(Struct, frozen=True, tag="alert", omit_defaults=True, gc=False):
    """The title of an alert, which is the quotation that it begins; ``kind`` is one of ``ALERTS``."""

    kind: str
    indent: int = 0
    quote: int = 0
    alerts: str = ""


#: The kinds of alerts and the letter of each in ``alerts``.
ALERTS: Final = {"note": "n", "tip": "t", "important": "i", "warning": "w", "caution": "c"}

Block: TypeAlias = TextBlock | CodeBlock | TableBlock | MathBlock | RuleBlock | AlertBlock


def runs_text(runs: Runs) -> str:
    """The text of ``runs`` without its look."""
    return "".join(run.text for run in runs)


def formula_of(run: TextRun) -> tuple[str, bool] | None:
    """The LaTeX of a run that is a whole formula, and whether it asks to be displayed."""
    for mark in ("$$", "$") if run.math else ():
        if run.text.startswith(mark):
            whole = len(run.text) > 2 * len(mark) and run.text.endswith(mark)
            return (run.text[len(mark) : -len(mark)], mark == "$$") if whole else None
    return None


def lead(block: Block) -> str:
    """What stands before a block's own text when it is copied: indentation and the list marker."""
    if not isinstance(block, TextBlock) or not block.indent:
        return ""
    space = "  " * (block.indent - 1)
    if not block.marker:
        return space + "  "
    number, box = block.marker[:-1].strip() or "-", block.marker[-1]
    return space + {"•": "-", "☐": f"{number} [ ]", "☑": f"{number} [x]"}.get(box, block.marker) + " "


def plain(block: Block) -> str:
    """A block as clean text: code verbatim, tables with tabs, list items with their marker."""
    if isinstance(block, TextBlock):
        return lead(block) + block.text
    if isinstance(block, TableBlock):
        return "\n".join("\t".join(runs_text(cell).replace("\n", " ") for cell in row) for row in block.rows)
    if isinstance(block, RuleBlock):
        return "---"
    if isinstance(block, AlertBlock):
        return f"[!{block.kind.upper()}]"
    if isinstance(block, MathBlock):
        return block.lead + block.text + ("" if block.open else block.lead[::-1])
    return block.text


def verbatim(text: str) -> Iterator[TextBlock]:
    """Text without Markdown as blocks of some 2,000 characters, cut at line ends; their projection is ``text``."""
    start = 0
    while True:
        cut = -1
        if len(text) - start > _VERBATIM_PIECE:
            cut = text.rfind("\n", start, start + _VERBATIM_PIECE)
            if cut < 0:
                cut = text.find("\n", start + _VERBATIM_PIECE)
        piece = text[start:] if cut < 0 else text[start:cut]
        yield TextBlock((TextRun(piece),) if piece else (), verbatim=True)
        if cut < 0:
            return
        start = cut + 1


def follows_verbatim(before: Block, after: Block) -> bool:
    """Whether two blocks are neighbouring pieces of one verbatim text."""
    return isinstance(before, TextBlock) and isinstance(after, TextBlock) and before.verbatim and after.verbatim


def separator(before: Block, after: Block) -> str:
    """What stands between two blocks in copied text: list items follow each other without an empty line."""
    listed = isinstance(before, TextBlock) and isinstance(after, TextBlock) and before.indent and after.marker
    close = listed or isinstance(before, AlertBlock) or follows_verbatim(before, after)
    return "\n" if close else "\n\n"


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
