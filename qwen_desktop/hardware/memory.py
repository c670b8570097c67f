"""Main memory: how much there is and how much is free, within the limits of a container."""

from __future__ import annotations

import sys
from pathlib import Path

from qwen_desktop.core.hardware import Memory
from qwen_desktop.hardware import cgroups, files

_LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes")
_USED = ("memory.current", "memory.usage_in_bytes")
#: Counted as used by a cgroup although the kernel gives it up when memory is asked for: pages of files.
_GIVEN_UP = ("inactive_file", "active_file", "slab_reclaimable")


def read(root: Path = files.ROOT, platform: str = sys.platform) -> Memory:
    """Total and free bytes; each None when it cannot be read."""
    total, free = _linux(root) if platform.startswith("linux") else _elsewhere()
    limited = False
    physical = total if total is not None else 1 << 60
    if platform.startswith("linux"):
        for folder in cgroups.folders("memory", root):
            limit = min((n for name in _LIMITS if (n := files.number(folder / name)) is not None and n > 0), default=0)
            if not limit or limit >= physical:
                continue
            limited, total = True, limit if total is None else min(total, limit)
            # an outer group may have room for less than ours: others in it use memory too
            left = max(0, limit - _used(folder))
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


def _used(folder: Path) -> int:
    used = next((n for name in _USED if (n := files.number(folder / name)) is not None), 0)
    stat: dict[str, int] = {}
    for line in (files.text(folder / "memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if (count := files.whole(value)) is not None:
            stat[name] = count
    # version 1 counts its children under names of their own
    return max(0, used - sum(stat.get(f"total_{name}", stat.get(name, 0)) for name in _GIVEN_UP))
