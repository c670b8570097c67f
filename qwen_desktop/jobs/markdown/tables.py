"""A table as other programs take it: tab-separated, HTML, Markdown and CSV.

A CSV file is as RFC 4180 has it, with a byte order mark, without which Excel takes UTF-8 for something else. What a
spreadsheet would carry out as a formula (a cell that begins with =, +, - or @ and is no number) gets an apostrophe in
front, which makes text of it: a model's words, or those of a page that it has read, must not run anything. So does what
would be one behind a semicolon, a tab or a line end in a cell: where the comma is for decimals, Excel parts cells at
semicolons, and heeds no quotation mark behind a comma. On the clipboard cells stand as they are written.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final

from qwen_desktop.jobs.markdown.blocks import TableBlock, plain, runs_text

_FORMULA: Final = re.compile(r"[\s\x00]*[=+\-@\t\r＝＋－＠]")
_PART: Final = re.compile(r"[^;\t\n]+")
_NUMBER: Final = re.compile(r"[+\-]?[.,\u00a0\u202f' ]*+\d[\d.,\u00a0\u202f' ]*+(?:[eE][+\-]?\d+)?\s?[%‰€$£¥]?\Z")
_MARK: Final = "\ufeff"
_SIDES: Final = {"": "---", "left": ":--", "center": ":-:", "right": "--:"}


def _cells(table: TableBlock) -> list[list[str]]:
    return [[runs_text(cell) for cell in row] for row in table.rows]


def tabbed(table: TableBlock) -> str:
    """Cells with tabs between them, rows in lines."""
    return plain(table)


def as_html(table: TableBlock) -> str:
    """An HTML table, its words escaped."""
    rows = []
    for number, row in enumerate(_cells(table)):
        kind = "td" if number else "th"
        cells = (html.escape(cell).replace("\n", "<br>") for cell in row)
        rows.append("<tr>" + "".join(f"<{kind}>{cell}</{kind}>" for cell in cells) + "</tr>")
    return '<meta charset="utf-8"><table>' + "".join(rows) + "</table>"


def as_markdown(table: TableBlock) -> str:
    """A table of pipes."""
    rows = [[cell.replace("|", "\\|").replace("\n", "<br>") for cell in row] for row in _cells(table)]
    sides = [_SIDES[side] for side in table.align]
    return "\n".join("| " + " | ".join(row) + " |" for row in [*rows[:1], sides, *rows[1:]]) + "\n"


def as_csv(table: TableBlock) -> bytes:
    """A CSV file."""
    lines = (",".join(map(_field, row)) for row in _cells(table))
    return (_MARK + "".join(f"{line}\r\n" for line in lines)).encode("utf-8", "replace")


def _field(cell: str) -> str:
    cell = _PART.sub(_harmless, cell)
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\r\n') else cell


def _harmless(part: re.Match[str]) -> str:
    runs = _FORMULA.match(part[0]) is not None and _NUMBER.match(part[0].strip()) is None
    return f"'{part[0]}" if runs else part[0]


#: What the button with a key copies.
COPIED: Final[dict[str, Callable[[TableBlock], str]]] = {"table_copy": tabbed, "table_markdown": as_markdown}
