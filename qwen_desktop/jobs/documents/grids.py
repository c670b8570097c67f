"""Rows of cells as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

_ESCAPES = {ord("|"): "\\|", ord("\n"): " ", ord("\r"): " "}


def row(cells: Sequence[str], columns: int) -> str:
    """One line of a table with so many columns."""
    texts = [cell.strip().translate(_ESCAPES) if cell else "" for cell in cells]
    return f"| {' | '.join([*texts, *[''] * (columns - len(texts))])} |"


def rule(columns: int) -> str:
    """The line below the first row."""
    return f"|{' --- |' * columns}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A whole table, whose first row is its head; "" where no cell has text. One cell alone is a paragraph."""
    filled = [found for found in rows if any(cell.strip() for cell in found)]
    columns = max((len(found) for found in filled), default=0)
    if not filled:
        return ""
    if columns == 1 and len(filled) == 1:
        return filled[0][0].strip()
    first, *others = (row(found, columns) for found in filled)
    return "\n".join((first, rule(columns), *others))
