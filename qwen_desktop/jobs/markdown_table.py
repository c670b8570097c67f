"""Tables of pipes, as people and models write them: a pipe inside code or a formula parts no cells, and a row that has
more cells than the head keeps them in its last one. Nothing that was written is left out.
"""

from __future__ import annotations

import re

from markdown_it.rules_block import StateBlock

_RULER = re.compile(r"(?!-[ \t])\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\Z")
_PIPE = re.compile(r"(?<!\\)((?:\\\\)*)\|")
_CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)")
_MATH = re.compile(r"(?<![\\$])\$(?![\s$]).+?(?<![\s\\])\$(?![\d$])|\\\(.+?\\\)")
#: What may hide a pipe, most trusted first: the first reading that gives a row as many cells as the head has is right.
_READINGS = ((_CODE, _MATH), (_CODE,), ())


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
    hidden: list[tuple[int, int]] = []
    for pattern in hiding:
        for found in pattern.finditer(line):
            if not any(a < found.end() and found.start() < b for a, b in hidden):
                hidden.append(found.span())
    cells: list[str] = []
    start = 0
    for pipe in _PIPE.finditer(line):
        place = pipe.end() - 1
        if any(a <= place < b for a, b in hidden):
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
