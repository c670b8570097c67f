"""XLSX: each sheet a section with one table, of values as they were last computed, not of formulas."""

from __future__ import annotations

import datetime
import io
import re
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

import defusedxml
import openpyxl

from qwen_desktop.core import amounts
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.documents import failures, grids
from qwen_desktop.jobs.documents.draft import Draft, Full
from qwen_desktop.jobs.documents.package import Package

#: What openpyxl holds as a whole (texts, styles), in bytes when unpacked.
_HELD = 160 << 20
_WIDEST = 1_000
_LONGEST_CELL = 32_767
#: A formula whose value was never saved, as it stands in a sheet.
_UNSAVED = re.compile(rb"<f\b[^>]*(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>")
_OVERLAP = 9_000


def read_xlsx(file: BinaryIO, size: int, draft: Draft) -> None:
    """A workbook."""
    package = Package(file, draft.name, draft.limits.members)
    if package.encrypted():
        raise failures.password(draft.name)
    sheets = package.sizes("xl/worksheets/")
    held = min(_HELD, draft.limits.unpacked)
    if package.sizes("xl/") - sheets - package.sizes("xl/media/") - package.sizes("xl/embeddings/") > held:
        raise failures.bomb(draft.name, amounts.size(held))
    if sheets > 4 * draft.limits.unpacked:
        raise failures.bomb(draft.name, amounts.size(4 * draft.limits.unpacked))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _read(file, draft)
    except AppError:
        raise
    except Exception as error:  # openpyxl has no errors of its own for what is broken: it stumbles
        _say(error, package, draft)
    _unsaved(package, draft)


_broken = Text("document.broken", failures.BROKEN_OFF)


def _say(error: Exception, package: Package, draft: Draft) -> None:
    """Raise what is behind an error of openpyxl, which wraps whatever ends its reading."""
    behind: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in behind:
        behind.append(found)
        found = found.__cause__
    for cause in behind:
        if isinstance(cause, Full | MemoryError):
            raise cause
        if isinstance(cause, OSError):
            raise package.broken(cause) from error
        if isinstance(cause, defusedxml.DefusedXmlException):
            raise failures.entities(draft.name) from error
    if draft.length:
        draft.stop(_broken)
    raise failures.damaged(draft.name, details=type(error).__name__) from error


class _Checked(io.RawIOBase):
    """The file as openpyxl gets it: each read looks at the time."""

    def __init__(self, file: BinaryIO, draft: Draft) -> None:
        self._file, self._draft = file, draft

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self._draft.check()
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _read(file: BinaryIO, draft: Draft) -> None:
    file.seek(0)
    book = openpyxl.load_workbook(_Checked(file, draft), read_only=True, data_only=True, keep_links=False)
    hidden: list[str] = []
    left = draft.limits.cells
    for number, sheet in enumerate(book.worksheets):
        draft.check(number, len(book.worksheets))
        away = sheet.sheet_state != "visible"
        if away:
            hidden.append(sheet.title)
            _note_hidden(draft, hidden)
        draft.section(sheet.title)
        draft.block(f"## Sheet: {sheet.title}{' (hidden)' if away else ''}")
        sheet.reset_dimensions()  # what a file says of its size may be anything
        left = _add(sheet.iter_rows(values_only=True), left, draft)


def _note_hidden(draft: Draft, hidden: list[str]) -> None:
    draft.note(
        Text(
            "document.hidden_sheets",
            QT_TRANSLATE_NOOP("documents", "Hidden sheets were read, too: {names}."),
            {"names": ", ".join(hidden[:10]) + (" …" if len(hidden) > 10 else "")},
        ),
        again=True,
    )


def _add(rows: Iterator[tuple[Any, ...]], left: int, draft: Draft) -> int:
    """Add the rows of a sheet that are not empty, as far as there are cells ``left``; returns how many are then."""
    columns = 0
    for row in rows:
        draft.check()
        cells = [_shown(value) for value in row[:_WIDEST]]
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        if not columns:
            columns = len(cells)
            draft.add(f"{draft.gap()}{grids.row(cells, columns)}\n{grids.rule(columns)}\n")
        else:
            draft.add(f"{grids.row(cells, columns)}\n")
        left -= len(cells)
        if left <= 0:
            draft.stop(
                Text(
                    "document.cells",
                    QT_TRANSLATE_NOOP("documents", "Only the first %n cell(s) were read."),
                    {"n": draft.limits.cells},
                )
            )
    return left


def _shown(value: Any) -> str:
    """A value as people read it."""
    if value is None or isinstance(value, str):
        return (value or "")[:_LONGEST_CELL]
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        plain = value.time() == datetime.time()
        return value.date().isoformat() if plain else value.isoformat(" ", "seconds" if not value.second else "auto")
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)[:_LONGEST_CELL]


def _unsaved(package: Package, draft: Draft) -> None:
    """Say how many formulas have no value: programs that do not compute write such files."""
    count = 0
    for member in sorted(package.names):
        if not member.startswith("xl/worksheets/") or not member.endswith(".xml"):
            continue
        tail = b""
        for chunk in package.chunks(member, draft):
            text = tail + chunk
            last = 0
            for found in _UNSAVED.finditer(text):
                count, last = count + 1, found.end()
            tail = text[max(last, len(text) - _OVERLAP) :]
    if count:
        draft.note(
            Text(
                "document.formulas",
                QT_TRANSLATE_NOOP(
                    "documents",
                    "%n formula(s) (has|have) no saved value and (is|are) shown empty: open and save the file in a "
                    "spreadsheet program to have (it|them) computed.",
                ),
                {"n": count},
            )
        )
