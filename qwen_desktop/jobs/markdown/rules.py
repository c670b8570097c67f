"""Our rules for markdown-it-py, beside those for running text (``inline``).

- Tables of pipes, as people and models write them: a pipe inside code or a formula parts no cells, and a row that has
  more cells than the head keeps them in its last one. Nothing that was written is left out.
- Fenced code, for whole texts and for growing ones. One rule goes beyond CommonMark: in a block of Markdown, fences
  with a language open blocks of their own, and the bare fence after them closes these, not the whole. Models write
  Markdown about code so, with three backticks all along.
- Formulas between dollars, found in a time that grows with the text and not with its square: the plugin looks from each
  ``$$`` through all lines below for the closing one, and without one again at the next ``$$``, and again; a text of
  40,000 characters took 13 seconds. And formulas in ``\\( \\)`` and ``\\[ \\]``.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.dollarmath.index import math_block_dollar

_FENCE = re.compile(r"( {0,3})(`{3,}|~{3,})[ \t]*(|.*[^ \t])[ \t]*\Z")
_NESTING = ("markdown", "md")
_RULER = re.compile(r"(?!-[ \t])\|?[ \t]*:?-+:?[ \t]*+(?:\|[ \t]*:?-+:?[ \t]*+)*+(?:\|[ \t]*)?\Z")
_PIPE = re.compile(r"(?<!\\)((?:\\\\)*)\|")
#: What is longer than this hides no pipe: to look for the end of each would take the square of a row's length.
_CODE = re.compile(r"(?<!`)(`{1,9})(?!`).{1,500}?(?<!`)\1(?!`)")
_MATH = re.compile(r"(?<![\\$])\$(?![\s$]).{1,500}?(?<![\s\\])\$(?![\d$])|\\\(.{1,500}?\\\)")
#: What may hide a pipe, most trusted first: the first reading that gives a row as many cells as the head has is right.
_READINGS = ((_CODE, _MATH), (_CODE,), ())
_KNOWN: Final = "lines that end a formula"


# Tables ---------------------------------------------------------------------------------------------------------------


def table_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The block rule "table": one token whose ``meta`` holds "rows" (lists of cells, the head first) and "align"."""
    if start + 2 > end or _outside(state, start) or _outside(state, start + 1):
        return False
    align = _alignment(_line(state, start + 1))
    head = _line(state, start)
    if not align or "|" not in head:
        return False
    cells = row_cells(head, len(align))
    if len(cells) != len(align) or _begins_another(state, start, end):
        return False
    if silent:
        return True
    rows = [cells]
    line = start + 2
    while line < end and _line(state, line).strip() and not _outside(state, line):
        if _begins_another(state, line, end):
            break
        cells = row_cells(_line(state, line), len(align))
        cells[len(align) - 1 :] = [" | ".join(cells[len(align) - 1 :])]
        rows.append(cells + [""] * (len(align) - len(cells)))
        line += 1
    token = state.push("table", "table", 0)
    token.meta = {"rows": rows, "align": align}
    token.map = [start, line]
    state.line = line
    return True


def row_cells(line: str, columns: int) -> list[str]:
    """The cells of one row, read so that there are ``columns`` of them where that can be."""
    first: list[str] | None = None
    for hiding in _READINGS:
        cells = _cells(line, hiding)
        if len(cells) == columns:
            return cells
        first = first or cells
    return first or []


def _cells(line: str, hiding: tuple[re.Pattern[str], ...]) -> list[str]:
    line = line.strip()
    hidden = bytearray(len(line))  # one for each character inside code or a formula
    for pattern in hiding:
        for first, end in (found.span() for found in pattern.finditer(line)):
            if not any(hidden[first:end]):
                hidden[first:end] = b"\1" * (end - first)
    cells: list[str] = []
    start = 0
    for pipe in _PIPE.finditer(line):
        place = pipe.end() - 1
        if hidden[place]:
            continue
        if place:  # the pipe before the first cell parts nothing
            cells.append(line[start:place])
        start = place + 1
    if start < len(line):  # nor does the one behind the last
        cells.append(line[start:])
    return [cell.strip().replace("\\|", "|") for cell in cells]


def _alignment(line: str) -> list[str]:
    """The alignment of each column from the row of dashes, empty when it is not one (or the line under a heading)."""
    if _RULER.match(line) is None or not ("|" in line or ":" in line):
        return []
    marks = [mark.strip() for mark in line.strip().removeprefix("|").removesuffix("|").split("|")]
    ends = {(True, True): "center", (True, False): "left", (False, True): "right", (False, False): ""}
    return [ends[mark.startswith(":"), mark.endswith(":")] for mark in marks]


def _begins_another(state: StateBlock, line: int, end: int) -> bool:
    """Whether a list, a quotation, a heading … begins at ``line``, as it would after an empty one."""
    parent, state.parentType = state.parentType, "table"  # the library forgets to take "paragraph" back
    try:
        return any(rule(state, line, end, True) for rule in state.md.block.ruler.getRules("blockquote"))
    finally:
        state.parentType = parent


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _outside(state: StateBlock, line: int) -> bool:
    return state.sCount[line] < state.blkIndent or state.is_code_block(line)


# Code -----------------------------------------------------------------------------------------------------------------


class Fence:
    """An open code block. Ask ``ends`` for each line after the first, in their order."""

    def __init__(self, indent: int, mark: str, info: str) -> None:
        self.indent = indent
        self.mark = mark
        self.info = info
        self._inner = 0

    @property
    def language(self) -> str:
        """The first word behind the opening fence."""
        words = self.info.split(maxsplit=1)
        return words[0] if words else ""

    def ends(self, line: str) -> bool:
        """Whether ``line`` (without what its list or quotation puts before it) closes the block."""
        found = _FENCE.match(line)
        if found is None or found[2][0] != self.mark[0] or len(found[2]) < len(self.mark):
            return False
        if not found[3]:
            self._inner -= 1
            return self._inner < 0
        if self.language.lower() in _NESTING and fence_of(line) is not None:
            self._inner += 1
        return False

    def part(self, line: str) -> str:
        """A line of the code: as much of its indentation as the fence has belongs to the fence."""
        column = place = 0
        while column < self.indent and line[place : place + 1] in (" ", "\t"):
            column += 4 - column % 4 if line[place] == "\t" else 1
            place += 1
        return " " * (column - self.indent) + line[place:]  # a tab may reach further than the fence


def fence_of(line: str) -> Fence | None:
    """The code block that ``line`` opens, None when it opens none."""
    found = _FENCE.match(line)
    if found is None or (found[2][0] == "`" and "`" in found[3]):
        return None
    return Fence(len(found[1]), found[2], found[3])


def fence_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The block rule "fence"."""
    if state.is_code_block(start):
        return False
    fence = fence_of(_line(state, start))
    if fence is None:
        return False
    if silent:
        return True
    line, closed = start + 1, False
    while line < end and not closed:
        text = _line(state, line)
        if text and state.sCount[line] < state.blkIndent:
            break  # the list that the block stands in has ended
        closed = not state.is_code_block(line) and fence.ends(text)
        line += 1
    state.line = line
    token = state.push("fence", "code", 0)
    token.info = fence.info
    token.markup = fence.mark
    end = line - closed
    # Behind the text's last line no line end can be kept; the library looks for its indentation there, past the text.
    more = state.eMarks[end - 1] < len(state.src)
    token.content = state.getLines(start + 1, end, state.sCount[start], more)
    token.map = [start, line]
    return True


# Formulas -------------------------------------------------------------------------------------------------------------


def bound_dollar_blocks(md: MarkdownIt, *, blank_lines: bool) -> None:
    """Put the bounded rule into the place of the plugin's "math_block", without labels and with the same results.

    ``blank_lines`` says whether a formula may hold them.
    """
    find = math_block_dollar(allow_labels=False, allow_blank_lines=blank_lines)

    def rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        first = state.bMarks[start] + state.tShift[start]
        if state.src[first : first + 2] != "$$":
            return False
        own = state.src[first : state.eMarks[start]].strip()
        if len(own) <= 3 or not own.endswith("$$"):
            last = _first_from(state, "$$", start + 1)
            if last >= end or (not blank_lines and _first_from(state, "", start) < last):
                return False
        return bool(find(state, start, end, silent))

    md.block.ruler.at("math_block", rule)


def _first_from(state: StateBlock, closing: str, line: int) -> int:
    """The first line of the whole text from ``line`` on that ends with ``closing``, or, for "", that is empty; the
    number of lines where there is none."""
    known: dict[str, list[int]] = state.env.setdefault(_KNOWN, {})
    if closing not in known:
        lines = enumerate(state.src[a:b].rstrip() for a, b in zip(state.bMarks, state.eMarks, strict=True))
        known[closing] = [number for number, text in lines if (text.endswith(closing) if closing else not text)]
    place = bisect_left(known[closing], line)
    return known[closing][place] if place < len(known[closing]) else len(state.bMarks)


def bracket_math_rule(state: StateInline, silent: bool) -> bool:
    """The inline rule "bracket_math": \\( \\) and \\[ \\] in running text. Its "markup" says what they would be in
    dollars: "\\\\$" is a single one that stands for no price."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in ("\\(", "\\["):
        return False
    end = state.src.find("\\)" if opening == "\\(" else "\\]", state.pos + 2)
    if end < 0:
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.markup = "\\$" if opening == "\\(" else "$$"
        token.content = state.src[state.pos + 2 : end].strip()
    state.pos = end + 2
    return True


#: Begins a displayed formula without any other mark.
BEGIN = re.compile(r"\\begin\{((?:equation|align|alignat|flalign|gather|multline|eqnarray)\*?)\}")


def bracket_math_block_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The block rule "bracket_math_block": \\[ … \\], or an environment that displays what is in it, in lines of their
    own."""
    if state.is_code_block(start):
        return False
    first = _line(state, start)
    environment = BEGIN.match(first)
    if environment is None and not first.startswith("\\["):
        return False
    closing = f"\\end{{{environment[1]}}}" if environment is not None else "\\]"
    last = _first_from(state, closing, start)
    if last >= end or _first_from(state, "", start) < last:
        return False
    lines = [first]
    for line in range(start + 1, last + 1):
        outside = state.sCount[line] < state.blkIndent
        if state.isEmpty(line) or (outside and _begins_another(state, line, end)):
            return False  # as the next item of a list does
        lines.append(_line(state, line))
    if not silent:
        token = state.push("bracket_math_block", "math", 0)
        content = "\n".join(lines).rstrip()
        token.content = content if environment is not None else content[2:-2]
        token.map = [start, last + 1]
        state.line = last + 1
    return True
