"""Reading a document in this process, as its own process does it in the app."""

from __future__ import annotations

from pathlib import Path

import msgspec

from qwen_desktop.core.documents import Document, Limits
from qwen_desktop.jobs.documents.readers import read_document


def read(folder: Path, name: str, data: bytes, limits: Limits | None = None) -> Document:
    """The document ``data``, called ``name``. Raises as the job does."""
    path = folder / "document"
    path.write_bytes(data)
    return msgspec.convert(read_document(str(path), name, limits or Limits()), Document)


def sections(document: Document) -> list[tuple[str, str]]:
    """The sections with their texts; together they are the whole text."""
    found = [(section.title, document.text[section.start : section.end]) for section in document.sections]
    assert not found or "".join(text for _, text in found) == document.text
    return found


def notes(document: Document) -> str:
    """All that is said beside it."""
    return " ".join(map(str, document.notes))
