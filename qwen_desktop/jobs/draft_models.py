"""Whether a small model may guess for a large one, and what it takes."""

from __future__ import annotations

from typing import Any

from qwen_desktop.core import memory
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.gguf.draft_models import check_pair, may_pay
from qwen_desktop.core.memory import Use
from qwen_desktop.core.shape import shape_of


def look(path: str, draft: str) -> dict[str, Any]:
    """The job ``gguf.draft_model``: what the model at ``draft`` takes when it guesses for the one at ``path``, and
    whether it is small enough to be offered. Raises ``UserFacing`` where it cannot."""
    header, small = read_header(path), read_header(draft)
    check_pair(header, small)
    use = Use(context=memory.DRAFT_CONTEXT, batch=memory.DRAFT_CHUNK)
    return {"offered": may_pay(header, small), "bytes": memory.estimate(shape_of(small), use).total_bytes}
