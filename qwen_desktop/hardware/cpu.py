"""The processor. Each system says it in its own place; what none of them says stays unknown."""

from __future__ import annotations

import contextlib
import os
import platform as standard
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from qwen_desktop.core.hardware import Cpu
from qwen_desktop.core.packed import unpack
from qwen_desktop.core.speed import usual_threads
from qwen_desktop.core.text import clean
from qwen_desktop.hardware import cpu_linux, files, limits
from qwen_desktop.process import one_shot
from qwen_desktop.process.spawn import worker_command

#: What people call it -> what Linux, macOS (sysctl) and py-cpuinfo call it.
FEATURES: dict[str, tuple[str, ...]] = {
    "SSE4.2": ("sse4_2", "sse42"),
    "AVX": ("avx", "avx1_0"),
    "AVX2": ("avx2", "avx2_0"),
    "FMA": ("fma", "fma3"),
    "F16C": ("f16c",),
    "AVX-VNNI": ("avx_vnni",),
    "AVX-512": ("avx512f",),
    "AVX-512 VNNI": ("avx512_vnni", "avx512vnni"),
    "AVX-512 BF16": ("avx512_bf16", "avx512bf16"),
    "AMX": ("amx_tile", "amx_int8", "amx_bf16"),
    "NEON": ("asimd", "neon", "advsimd"),
    "FP16": ("asimdhp", "feat_fp16"),
    "DotProd": ("asimddp", "feat_dotprod"),
    "I8MM": ("i8mm", "feat_i8mm"),
    "BF16": ("bf16", "feat_bf16"),
    "SVE": ("sve",),
    "SVE2": ("sve2",),
    "SME": ("sme", "feat_sme"),
    "RVV": ("rvv",),
    "LSX": ("lsx",),
    "LASX": ("lasx",),
}

#: py-cpuinfo takes over a second; it is only asked what nobody else told.
_CPUINFO_S = 6.0
_LONGEST_NAME = 120


def read(root: Path = files.ROOT, platform: str = sys.platform) -> Cpu:
    """The processor, with what this process may use of it. Takes milliseconds, seconds where nobody else tells."""
    found = _told(root, platform)
    if not found.model or not found.flags:
        told = _cpuinfo()
        model, flags = told.get("brand_raw"), told.get("flags")
        found.model = found.model or (model if isinstance(model, str) else "")
        found.flags |= {flag for flag in flags if isinstance(flag, str)} if isinstance(flags, list) else set()
    return Cpu(
        model=_name(found.model),
        architecture=standard.machine(),
        physical=found.physical,
        logical=found.logical,
        usable=usable(root, found.logical),
        performance=found.performance,
        efficiency=found.efficiency,
        features=names(found.flags),
    )


def _told(root: Path, platform: str) -> cpu_linux.CpuFound:
    """The processor as its system tells it. Takes milliseconds."""
    if platform.startswith("linux"):
        return cpu_linux.read(root)
    if platform == "darwin":
        from qwen_desktop.hardware import cpu_macos as own  # noqa: PLC0415 - one system never needs the other

        return own.read()
    if platform == "win32":
        from qwen_desktop.hardware import cpu_windows as windows  # noqa: PLC0415

        return windows.read()
    return cpu_linux.CpuFound()


def again(cpu: Cpu, root: Path = files.ROOT) -> Cpu:
    """``cpu`` with what may have changed since it was read: how many processors we may use."""
    return replace(cpu, usable=usable(root, cpu.logical))


def names(flags: Iterable[str]) -> tuple[str, ...]:
    """The features that people know among a system's own flags."""
    known = {flag.lower() for flag in flags}
    return tuple(name for name, ways in FEATURES.items() if known.intersection(ways))


def usable(root: Path, logical: int | None) -> int | None:
    """Logical processors that this process may use: affinity and a container's share of time counted in."""
    bound = limits.affinity()
    counts = (logical, os.cpu_count(), limits.processors(root), len(bound) if bound else None)
    return min((count for count in counts if count), default=None)


class Places(NamedTuple):
    """Where this process may compute; each number is at least 1.

    ``usable`` cores it can keep busy: a container's share of time may be less than the ``physical`` cores that it runs
    on, which have ``logical`` processors. ``performance`` of the physical ones are fast, all where there is one kind.
    """

    usable: int
    physical: int
    logical: int
    performance: int

    @property
    def usual(self) -> int:
        """How many threads an answer gets where nobody asked for a number."""
        return usual_threads(self.usable, self.performance if self.performance < self.physical else None)


def cores(root: Path = files.ROOT, platform: str = sys.platform) -> int:
    """Physical cores that this process may use, at least 1: those that it is bound to, and no more than a container's
    share of time keeps busy. Takes milliseconds."""
    return places(root, platform).usable


def places(root: Path = files.ROOT, platform: str = sys.platform) -> Places:
    """Where this process may compute. Takes milliseconds."""
    bound = limits.affinity()
    if platform.startswith("linux"):
        physical, performance = cpu_linux.cores(root, bound)
        logical = len(bound) if bound else None
    else:
        found = _told(root, platform)
        physical, performance, logical = found.physical, found.performance, found.logical
    most = usable(root, None)
    logical = logical or os.cpu_count()
    few = min((count for count in (physical, most) if count), default=1)
    physical = max(physical or logical or 1, few)
    return Places(few, physical, max(logical or 1, physical), min(performance or physical, physical))


def _name(model: str) -> str:
    return " ".join(clean(model).split())[:_LONGEST_NAME]


def _cpuinfo() -> dict[str, Any]:
    """What py-cpuinfo finds out, in a process of its own: it runs machine code that it brings along."""
    for payload in one_shot.ask(worker_command("cpuinfo"), _CPUINFO_S).payloads:
        with contextlib.suppress(ValueError):
            return unpack(payload, dict[str, Any])
    return {}
