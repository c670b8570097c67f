"""The most memory that this process has held."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import psutil


def peak_bytes() -> int:
    """Bytes, so far."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415 - not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget() -> int:
    """Let what other tests held before not count, where the system can forget it. Returns the bytes so far."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()
