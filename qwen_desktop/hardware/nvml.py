"""NVIDIA's own word about its cards: free memory that other programs leave, and cards that ggml does not see.

Only in the child that may crash.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from qwen_desktop.core.hardware import Gpu


def list_cards(library: Any = None) -> tuple[Gpu, ...]:
    """The cards, none where there is no driver. ``library`` takes pynvml's place in tests. Raises what NVML raises
    when its driver is there but does not answer."""
    if library is None:  # it has no types, and takes milliseconds that only the child pays
        library = importlib.import_module("pynvml")
    try:
        library.nvmlInit()
    except (library.NVMLError_LibraryNotFound, library.NVMLError_DriverNotLoaded, library.NVMLError_NoPermission):
        return ()
    count = library.nvmlDeviceGetCount()
    return tuple(card for index in range(count) if (card := _card(library, index)) is not None)


def _card(library: Any, index: int) -> Gpu | None:
    try:
        handle = library.nvmlDeviceGetHandleByIndex(index)
        name = library.nvmlDeviceGetName(handle)
    except library.NVMLError:  # a card that has fallen off the bus: the others are still there
        return None
    total = free = None
    place = ""
    with contextlib.suppress(library.NVMLError):  # cards without memory of their own do not tell
        memory = library.nvmlDeviceGetMemoryInfo(handle)
        total, free = int(memory.total), int(memory.free)
    with contextlib.suppress(library.NVMLError):
        place = _text(library.nvmlDeviceGetPciInfo(handle).busId)
    return Gpu(name=_text(name), total_bytes=total, free_bytes=free, unified=total is None, id=place)


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
