"""The most memory that this process ever held."""

from __future__ import annotations

import sys

import psutil


def peak_bytes() -> int:
    """Bytes, so far."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415 - not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
