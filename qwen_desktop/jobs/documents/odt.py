"""ODT (OpenDocument text): paragraphs, headings, lists, tables and notes; text that was deleted in a tracked change
stands apart in such files and is left out."""

from __future__ import annotations

from typing import BinaryIO

from qwen_desktop.jobs.documents import failures, grids
from qwen_desktop.jobs.documents.draft import Draft
from qwen_desktop.jobs.documents.package import Package, Visitor

_SKIPPED = frozenset(("text:tracked-changes", "office:annotation", "text:note-citation", "office:forms"))
_WIDEST = 200
_DEEPEST = 9


def read_odt(file: BinaryIO, size: int, draft: Draft) -> None:
    """A text document of LibreOffice and others."""
    package = Package(file, draft.name, draft.limits.members)
    locks = _Manifest()
    package.walk("META-INF/manifest.xml", locks, draft)
    if locks.locked:
        raise failures.password(draft.name)
    if "content.xml" not in package.names:
        raise failures.damaged(draft.name, details="no content")
    body = _Body(draft)
    package.walk("content.xml", body, draft)
    for number, text in enumerate(body.notes, 1):
        draft.block(f"[^{number}]: {text}", item=number > 1)


class _Manifest(Visitor):
    locked = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.locked |= tag == "encryption-data"


class _Body(Visitor):
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._depth = 0
        self._skipping = 0
        self._lines: list[list[str]] = []  # paragraphs that are open: a note stands inside of one
        self._levels: list[int] = []
        self._lists = 0
        self._fresh = False  # the next paragraph begins an item
        self._sinks: list[list[str]] = []
        self._tables: list[list[list[str]]] = []
        self.notes: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._skipping:
            return
        if tag in _SKIPPED:
            self._skipping = self._depth
        elif tag in ("text:p", "text:h"):
            level = attributes.get("text:outline-level", "1")
            self._levels.append(int(level) if tag == "text:h" and level in tuple("123456789") else 0)
            self._lines.append([])
        elif tag == "text:list":
            self._lists += 1
        elif tag in ("text:list-item", "text:list-header"):
            self._fresh = True
        elif tag in ("text:note-body", "table:table-cell"):
            self._sinks.append([])
        elif tag == "table:table":
            self._tables.append([])
        elif tag == "table:table-row" and self._tables:
            self._tables[-1].append([])
        elif self._lines:
            self._sign(tag, attributes)

    def _sign(self, tag: str, attributes: dict[str, str]) -> None:
        line = self._lines[-1]
        if tag == "text:s":
            count = attributes.get("text:c", "1")
            line.append(" " * (int(count) if count.isascii() and count.isdecimal() and len(count) < 4 else 1))
        elif tag == "text:tab":
            line.append("\t")
        elif tag == "text:line-break":
            line.append("\n")

    def end(self, tag: str) -> None:
        self._depth -= 1
        if self._skipping:
            if self._depth < self._skipping:
                self._skipping = 0
            return
        if tag in ("text:p", "text:h") and self._lines:
            self._end_paragraph("".join(self._lines.pop()), self._levels.pop())
        elif tag == "text:list":
            self._lists = max(0, self._lists - 1)
        elif tag == "text:note-body" and self._sinks:
            self.notes.append(" ".join(" ".join(self._sinks.pop()).split()))
            if self._lines:
                self._lines[-1].append(f"[^{len(self.notes)}]")
        elif tag == "table:table-cell" and self._sinks:
            text = " ".join(self._sinks.pop())
            if self._tables and self._tables[-1] and len(self._tables[-1][-1]) < _WIDEST:
                self._tables[-1][-1].append(text)
        elif tag == "table:table" and self._tables:
            self._put(grids.table(self._tables.pop()))

    def data(self, text: str) -> None:
        if self._lines and not self._skipping:
            self._lines[-1].append(" ".join(text.split("\n")) if "\n" in text else text)

    def _end_paragraph(self, text: str, level: int) -> None:
        if not text.strip():
            return
        if level:
            text = " ".join(text.split())
            if not self._sinks:
                self._draft.section(text)
            self._put(f"{'#' * min(level, 6)} {text}")
        elif self._lists and not self._sinks:
            indent = "  " * (min(self._lists, _DEEPEST) - 1)
            self._put(f"{indent}{'- ' if self._fresh else '  '}{text.strip()}", item=True)
            self._fresh = False
        else:
            self._put(text)

    def _put(self, text: str, *, item: bool = False) -> None:
        if self._sinks:
            if text.strip():
                self._sinks[-1].append(text)
        else:
            self._draft.block(text, item=item)
