"""What an adapter's file says of itself, for who chooses one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from qwen_desktop.core.files import open_raw
from qwen_desktop.core.gguf.adapters import read_adapter
from qwen_desktop.core.gguf.refusals import unreadable


def look(path: str) -> dict[str, Any]:
    """The job ``gguf.adapter``: its name, the architecture and the model (``base``, "" where it does not say) that it
    was made for, its rank, whether words in a chat activate it (``alora``), its bytes and its fingerprint. Raises
    ``UserFacing`` for a file that is none."""
    found = read_adapter(path)
    try:
        with open_raw(path) as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(Path(path), error) from error
    return {
        "name": found.name,
        "architecture": found.architecture,
        "base": found.base,
        "rank": found.rank,
        "alora": bool(found.invocation),
        "size_bytes": found.size_bytes,
        "sha256": sha256,
    }
