"""Adapters (LoRA) that people choose: what their files say, and whether one fits a model."""

from __future__ import annotations

import hashlib
from typing import Any

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.files import open_file
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.gguf.adapters import check_fits, read_adapter

#: So many bytes are read at a time.
_CHUNK = 1 << 20


def look(path: str) -> dict[str, Any]:
    """The job ``gguf.adapter``: what an adapter says of itself, and the SHA-256 of its file. Raises ``UserFacing``,
    ``OSError``."""
    found = read_adapter(path)
    digest = hashlib.sha256()
    with open_file(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return {
        "name": found.name,
        "architecture": found.architecture,
        "base": found.base,
        "rank": found.rank,
        "alora": bool(found.invocation),
        "size_bytes": found.size_bytes,
        "sha256": digest.hexdigest(),
    }


def fits(path: str, model: str) -> None:
    """The job ``gguf.adapter_fits``: raises ``UserFacing``, with what differs, for an adapter that the model cannot
    be used with. Nothing where that file cannot be read: it is another one's to say so."""
    try:
        header = read_header(model)
    except UserFacing:
        return
    check_fits(read_adapter(path), header)
