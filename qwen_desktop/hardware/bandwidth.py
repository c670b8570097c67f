"""How fast main memory can be read: what writing an answer is mostly bound by.

Measured as an answer reads its weights: each thread over a block of its own, far larger than caches. The C library's
``memcmp`` of a block's equal halves does nothing but read, in two streams, and ctypes releases the interpreter's lock
meanwhile. Copying would be a fourth of the truth: it writes too, and new pages are slower than memory.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from typing import Any

from qwen_desktop.hardware import memory

#: All blocks together: more than the largest caches of desktop processors (128 MB).
_BYTES = 256 << 20
_LEAST_BYTES = 32 << 20
_STEP = 4 << 20
#: Time for touching the blocks, in which a slow machine gets smaller ones; then windows, of which the best counts,
#: since other programs only ever make it slower. In seconds; with the start of the process under one.
_FILL_S = 0.35
_WINDOW_S = 0.06
_WINDOWS = 5


def measure(threads: int, *, window_s: float = _WINDOW_S, most_bytes: int = _BYTES) -> float:
    """Bytes per second that ``threads`` threads read together. Takes 0.7 s at most where memory is healthy.

    Raises ``MemoryError`` when too little is free, ``OSError`` without a C library.
    """
    free = memory.read().free_bytes
    size = most_bytes if free is None else min(most_bytes, free // 8)
    if size < min(_LEAST_BYTES, most_bytes):
        raise MemoryError
    readers = [_Reader(size // max(1, threads)) for _ in range(max(1, threads))]
    gate = threading.Barrier(len(readers))
    best = 0.0
    workers = [threading.Thread(target=reader.run, args=(gate, window_s), daemon=True) for reader in readers]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for rates in zip(*(reader.rates for reader in readers), strict=True):
        best = max(best, sum(rates))
    return best


class _Reader:
    """One thread's block and how fast it read it in each window."""

    def __init__(self, size: int) -> None:
        self._size = max(_STEP // 64, size)
        self.rates: list[float] = []

    def run(self, gate: threading.Barrier, window_s: float) -> None:
        """Fill the block, then read it window by window, together with the others at ``gate``."""
        try:
            self._run(gate, window_s)
        except Exception:
            gate.abort()  # the others do not wait for this one
            raise

    def _run(self, gate: threading.Barrier, window_s: float) -> None:
        compare = _memcmp()
        block = (ctypes.c_char * self._size)()
        start_of = ctypes.addressof(block)
        filled, end = 0, time.perf_counter() + _FILL_S
        while filled < self._size and (not filled or time.perf_counter() < end):
            step = min(_STEP, self._size - filled)
            ctypes.memset(start_of + filled, 1, step)  # pages exist only once they are written
            filled += step
        half = filled // 2
        for _ in range(_WINDOWS):
            gate.wait(5)
            start = now = time.perf_counter()
            done = 0
            while now - start < window_s:
                compare(start_of, start_of + half, half)
                done += 2 * half
                now = time.perf_counter()
            self.rates.append(done / (now - start))


def _memcmp() -> Any:
    library = ctypes.CDLL("vcruntime140" if sys.platform == "win32" else None)
    function = library.memcmp
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    function.restype = ctypes.c_int
    return function
