"""Main memory: how much there is and how much is free within the limits of a container; and what this process holds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from qwen_desktop.core.hardware import Memory
from qwen_desktop.hardware import files, limits

_STATUS = Path("/proc/self/status")


def read(root: Path = files.ROOT, platform: str = sys.platform) -> Memory:
    """Total and free bytes; each None when it cannot be read."""
    total, free = _linux(root) if platform.startswith("linux") else _elsewhere()
    limited = False
    if platform.startswith("linux"):
        for limit, left in limits.memory(total if total is not None else 1 << 60, root):
            limited, total = True, limit if total is None else min(total, limit)
            free = left if free is None else min(free, left)
    if total is not None and free is not None:
        free = min(free, total)
    return Memory(total, free, limited)


def _linux(root: Path) -> tuple[int | None, int | None]:
    found: dict[str, int] = {}
    for line in (files.text(root / "proc/meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        value = files.whole(words[0]) if words else None
        if value is not None and 0 <= value < 1 << 50:
            found[name] = value * 1024
    free = found.get("MemAvailable")
    if free is None and "MemFree" in found:  # kernels before 3.14
        free = found["MemFree"] + found.get("Cached", 0)
    return found.get("MemTotal") or None, free


def _elsewhere() -> tuple[int | None, int | None]:
    import psutil  # noqa: PLC0415 - Linux does without

    memory = psutil.virtual_memory()
    return int(memory.total), int(memory.available)


class Resident(NamedTuple):
    """Bytes of main memory that this process holds: its ``own``, and the pages of ``files`` that it has touched.

    The system can take pages of files back at any time, so Linux counts them as free memory. Elsewhere nobody tells
    them apart: they are part of ``own`` and not free.
    """

    own: int
    files: int = 0


def resident() -> Resident:
    """What this process holds now."""
    try:
        words = [line.split() for line in _STATUS.read_text().splitlines() if line.startswith("Rss")]
        held = {name: int(number) * 1024 for name, number, *_unit in words}
        return Resident(held["RssAnon:"] + held.get("RssShmem:", 0), held["RssFile:"])
    except (OSError, ValueError, KeyError):
        import psutil  # noqa: PLC0415 - Linux does without

        return Resident(int(psutil.Process().memory_info().rss))
