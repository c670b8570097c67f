"""What is kept of a conversation, written as the engine does, and looked for on the disk."""

from __future__ import annotations

import contextlib
import os
import time
from array import array
from pathlib import Path

from qwen_desktop.engine.prompt_cache.files import Content, Folder
from qwen_desktop.engine.prompt_cache.index import Index

KEY = "ab" * 16


def write(folder: Path, conversation_id: str, *, rows: int = 64, row: bytes = b"", born: float | None = None) -> bytes:
    """Keep ``rows`` tokens of a conversation; returns a row of it, which stands nowhere else."""
    row = row or conversation_id.encode().ljust(64, b".")
    tokens = array("i", range(rows)).tobytes()
    born = time.time() if born is None else born
    index = Index(KEY, tokens, ((rows, rows, 1),), True, (2,), 0, born, b"layout", ())
    content = Content(index, lambda first, end: [row * (end - first)], len(row))
    Folder(folder).place(conversation_id, KEY).write(content, 1 << 40, lambda: None)
    return row


def is_kept(folder: Path, conversation_id: str) -> bool:
    """Whether something is kept of it that can be used."""
    return bool(Folder(folder).place(conversation_id, KEY).indices())


def stands_in(folder: Path, row: bytes) -> bool:
    """Whether any file holds these bytes."""
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # it has just been removed
                if row in Path(place, name).read_bytes():
                    return True
    return False
