"""Text, source code, Markdown and tables of text: kept as they stand, decoded, with what can serve as sections."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeAlias

from qwen_desktop.core import amounts
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.documents import encodings
from qwen_desktop.jobs.documents.draft import Draft

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*$")
#: Rows of a table that make a section.
_ROWS = 200
#: What stands between two fields, the likelier first.
_DELIMITERS = ",;\t|"
_Split: TypeAlias = Callable[[Iterator[str]], Iterator[tuple[str, str]]]


def read_text(file: BinaryIO, size: int, draft: Draft) -> None:
    """Plain text and code."""
    _add(draft, *_decoded(file, size, draft))


def read_markdown(file: BinaryIO, size: int, draft: Draft) -> None:
    """Markdown: its headings begin sections."""
    text, note = _decoded(file, size, draft)
    _add(draft, text, note, _headings)


def read_table(file: BinaryIO, size: int, draft: Draft) -> None:
    """CSV and TSV, as they stand: some rows at a time are a section."""
    text, note = _decoded(file, size, draft)
    delimiter = sniffed(text[:65_536]) or ","

    def blocks(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        held: list[str] = []
        first, count, columns, quoted = 1, 0, 0, False
        for line in lines:
            held.append(line)
            quoted ^= line.count('"') % 2 == 1
            if not quoted or len(held) > 50 * _ROWS:  # a quote that is never closed
                quoted = False
                columns = columns or _columns(held, delimiter)
                count += 1
                if count % _ROWS == 0:
                    yield f"Rows {first}–{count}", "".join(held)
                    first, held = count + 1, []
        if held:
            yield f"Rows {first}–{max(first, count)}", "".join(held)
        draft.note(
            Text(
                "document.rows",
                QT_TRANSLATE_NOOP("documents", "A table of %n row(s); columns: {columns}."),
                {"n": count, "columns": columns},
            )
        )

    _add(draft, text, note, blocks)


def _columns(lines: list[str], delimiter: str) -> int:
    try:
        return len(next(csv.reader(lines, delimiter=delimiter), ()))
    except csv.Error:  # a field that is longer than any
        return 1


def sniffed(sample: str) -> str:
    """What separates the fields of a table, "" when it cannot be told: it stands in each of the first lines equally
    often."""
    lines = [line for line in re.sub(r'"[^"]*"', "", sample).splitlines() if line.strip()][:50]
    if len(lines) > 2 and len(sample) == 65_536:
        lines.pop()
    best, points = "", 0.0
    for delimiter in _DELIMITERS:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count, default=0)
        if usual and (found := counts.count(usual) / len(counts) + min(usual, 20) / 1000) > points:
            best, points = delimiter, found
    return best


def _decoded(file: BinaryIO, size: int, draft: Draft) -> tuple[str, Text | None]:
    most = 4 * draft.limits.characters + 4
    data = file.read(most)
    text, note = encodings.decoded(data, cut=len(data) == most)
    if len(data) == most or len(text) > draft.limits.characters:
        text = text[: draft.limits.characters]
        read = len(text.encode("utf-8", "replace"))
        draft.cut = True
        draft.note(
            Text(
                "document.beginning",
                QT_TRANSLATE_NOOP("documents", "Only the first {read} of {size} were read."),
                {
                    "read": amounts.size(read),
                    "size": amounts.size(max(size, len(data))),
                },
            )
        )
    return text, note


def _add(draft: Draft, text: str, note: Text | None, split: _Split | None = None) -> None:
    """Add ``text`` in the pieces that ``split`` makes of its lines, each with the title of its section."""
    if note is not None:
        draft.note(note)
    if split is None:
        draft.add(text)
        return
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for title, piece in split(io.StringIO(text, newline="\n")):
        draft.check()
        draft.mark(title)
        draft.add(piece)


def _headings(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    held: list[str] = []
    title = fence = ""
    for line in lines:
        found = _FENCE.match(line)
        if found and (not fence or (found[1].startswith(fence) and not line.strip(f" \t\n{fence[0]}"))):
            fence = "" if fence else found[1]
        heading = None if fence else _HEADING.match(line.rstrip("\n"))
        if heading and held:
            yield title, "".join(held)
            held = []
        if heading:
            title = heading[1]
        held.append(line)
    yield title, "".join(held)
