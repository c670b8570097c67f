"""Pages of memory: large ones for what is computed with, and model files' and freed ones given back to the system, so
that nobody counts them twice. Worker side."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import mmap
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from qwen_desktop.core.gguf import GgufHeader

log = logging.getLogger(__name__)

_MAPS = Path("/proc/self/maps")
_MADV_DONTNEED = 4
_TUNABLES = "GLIBC_TUNABLES"


def huge_pages(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to a worker's ``environment`` so that its large blocks come in pages of 2 MB where the system has
    some for who asks ("madvise", the usual setting of Linux distributions).

    The weights that llama.cpp rearranges and the caches are read whole for each token; with pages of 4 kB the
    processor looks 100,000 of them up meanwhile. Linux with glibc 2.35 or later; elsewhere it does nothing. What the
    user has set stays.
    """
    before = environment.get(_TUNABLES, "")
    if not sys.platform.startswith("linux") or "glibc.malloc.hugetlb" in before:
        return {}
    return {_TUNABLES: ":".join(filter(None, (before, "glibc.malloc.hugetlb=1")))}


def files_of(header: GgufHeader) -> tuple[tuple[int, ...], ...]:
    """What tells whether the files are still those that were loaded; empty when one of them is gone."""
    try:
        found = [Path(path).stat() for path in header.parts]
    except OSError:
        return ()
    return tuple((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found)


def trim() -> None:
    """Give freed memory back to the system: small blocks stay with the C library otherwise, some MB at each change."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # a C library of another kind
            ctypes.CDLL(None).malloc_trim(0)


def can_have(size: int) -> bool:
    """Whether the system would give so much memory, at once: nothing of it is touched."""
    try:
        mmap.mmap(-1, max(1, size)).close()
    except (OSError, ValueError, OverflowError, MemoryError):
        return False
    return True


def let_go(paths: tuple[str, ...]) -> None:
    """Take the pages of mapped model files out of this process: those that are used come back when they are touched.

    llama.cpp maps a file whole, so weights that it keeps elsewhere (rearranged for the processor, on a graphics card)
    would be counted twice by everybody who looks at this process: system monitors, the system when it is short of
    memory and chooses what to end, our own measurements. Linux only; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    names = {os.path.realpath(path) for path in paths}
    try:
        advise = ctypes.CDLL(None).madvise
        advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for line in os.fsdecode(_MAPS.read_bytes()).split("\n"):
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[1].startswith("r-") and fields[5] in names:
                first, _, last = fields[0].partition("-")
                advise(int(first, 16), int(last, 16) - int(first, 16), _MADV_DONTNEED)
    except (OSError, ValueError, AttributeError) as error:
        log.info("let_go.failed kind=%s", type(error).__name__)
