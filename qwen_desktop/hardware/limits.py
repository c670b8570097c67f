"""What this process may use of the machine: the limits of its container or service (cgroup v1 and v2, the nested ones
too), and the processors that it is bound to. Everything that asks how much memory or how many cores there are for us
asks ``memory`` and ``cpu``, which count these in.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from qwen_desktop.hardware import files

#: Where they are mounted when the kernel does not say.
_USUAL = (("cgroup2", "", "/", "/sys/fs/cgroup"), ("cgroup2", "", "/", "/sys/fs/cgroup/unified"))
_DEEPEST = 64
_LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes")
_USED = ("memory.current", "memory.usage_in_bytes")
#: Counted as used by a cgroup although the kernel gives it up when memory is asked for: pages of files.
_GIVEN_UP = ("inactive_file", "active_file", "slab_reclaimable")


def memory(physical: int, root: Path = files.ROOT) -> Iterator[tuple[int, int]]:
    """Bytes that each group around this process may use (where that is less than ``physical``), and how many of them
    are left: an outer group may have room for less than ours, since others in it use memory too."""
    for folder in _folders("memory", root):
        limit = min((n for name in _LIMITS if (n := files.number(folder / name)) is not None and n > 0), default=0)
        if 0 < limit < physical:
            yield limit, max(0, limit - _used(folder))


def _used(folder: Path) -> int:
    used = next((n for name in _USED if (n := files.number(folder / name)) is not None), 0)
    stat: dict[str, int] = {}
    for line in (files.text(folder / "memory.stat") or "").splitlines():
        name, _, value = line.partition(" ")
        if (count := files.whole(value)) is not None:
            stat[name] = count
    # version 1 counts its children under names of their own
    return max(0, used - sum(stat.get(f"total_{name}", stat.get(name, 0)) for name in _GIVEN_UP))


def processors(root: Path = files.ROOT) -> int | None:
    """How many processors' worth of time the limits leave, at least 1; None without a limit."""
    least: float | None = None
    for folder in _folders("cpu", root):
        words = (files.text(folder / "cpu.max") or "").split()
        if len(words) == 2:
            quota, period = files.whole(words[0]) or 0, files.whole(words[1]) or 0
        else:
            quota = files.number(folder / "cpu.cfs_quota_us") or 0
            period = files.number(folder / "cpu.cfs_period_us") or 0
        if quota > 0 and period > 0:
            least = min(quota / period, least if least is not None else math.inf)
    return None if least is None else max(1, math.ceil(least))


def affinity() -> frozenset[int] | None:
    """The logical processors that this process may run on; None where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        with contextlib.suppress(OSError):
            return frozenset(os.sched_getaffinity(0))
    return None


def _folders(controller: str, root: Path = files.ROOT) -> list[Path]:
    """The folders whose limits bind this process, the innermost first; empty without cgroups."""
    paths: dict[str, str] = {}
    for line in (files.text(root / "proc/self/cgroup") or "").splitlines():
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for name in controllers.split(","):
            paths[name] = path
    found: list[Path] = []
    for kind, options, mounted, place in _mounts(controller, root):
        if kind == "cgroup2":
            own = paths.get("")
        else:
            own = paths.get(controller) if controller in options.split(",") else None
        if own is not None:
            found += _chain(root / place.lstrip("/"), _below(own, mounted))
    return found


def _mounts(controller: str, root: Path) -> list[tuple[str, str, str, str]]:
    """(file system, options, what of the hierarchy is mounted, where) of each cgroup mount."""
    found = [
        (last[0], last[2], unescaped(first[3]), unescaped(first[4]))
        for first, last in mounts(root)
        if last[0] in ("cgroup", "cgroup2") and len(last) > 2
    ]
    return found or [*_USUAL, ("cgroup", controller, "/", f"/sys/fs/cgroup/{controller}")]


def mounts(root: Path) -> Iterator[tuple[list[str], list[str]]]:
    """The fields of each line of mountinfo, before its dash (number, parent, device, what is mounted, where, …) and
    behind it (file system, source, options)."""
    for line in (files.text(root / "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        first, last = before.split(), after.split()
        if len(first) >= 5 and len(last) >= 2:
            yield first, last


def unescaped(field: str) -> str:
    r"""A path of mountinfo, in which "\040" stands for a space."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), field)


def _below(path: str, mounted: str) -> str:
    """Our group as seen from the mount point. In a container the mount shows a part of the hierarchy only."""
    inside = PurePosixPath(path)
    if ".." in inside.parts:  # outside of what our namespace may see
        return ""
    if mounted not in ("/", ""):
        return str(inside.relative_to(mounted)) if inside.is_relative_to(mounted) else ""
    return str(inside).lstrip("/")


def _chain(top: Path, below: str) -> list[Path]:
    chain = [top]
    for part in PurePosixPath(below).parts[:_DEEPEST]:
        chain.append(chain[-1] / part)
    return chain[::-1]
