"""How fast main memory can be read: what writing an answer is mostly bound by.

Measured as an answer reads its weights: each thread over a block of its own, far larger than caches. numpy's maximum
of 32-bit integers does nothing but read (measured: within 5 % of the fastest of ten ways) and releases the
interpreter's lock. Copying would be a fourth of the truth: it writes too, and new pages are slower than memory.
"""

from __future__ import annotations

import threading
import time

from qwen_desktop.hardware import memory

#: All blocks together: more than the largest caches of desktop processors (128 MB).
_BYTES = 256 << 20
_LEAST_BYTES = 32 << 20
_STEP_INTS = 1 << 20
#: Time for touching the blocks, in which a slow machine gets smaller ones; then windows, of which the best counts,
#: since other programs only ever make it slower. In seconds; with the start of the process under one.
_FILL_S = 0.35
_WINDOW_S = 0.06
_WINDOWS = 5


def measure(threads: int, *, window_s: float = _WINDOW_S, most_bytes: int = _BYTES) -> float:
    """Bytes per second that ``threads`` threads read together. Takes 0.7 s at most where memory is healthy.

    Raises ``MemoryError`` when too little is free, ``ImportError`` without numpy.
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
        self._ints = max(_STEP_INTS // 64, size // 4)
        self.rates: list[float] = []

    def run(self, gate: threading.Barrier, window_s: float) -> None:
        """Fill the block, then read it window by window, together with the others at ``gate``."""
        try:
            self._run(gate, window_s)
        except Exception:
            gate.abort()  # the others do not wait for this one
            raise

    def _run(self, gate: threading.Barrier, window_s: float) -> None:
        import numpy as np  # noqa: PLC0415 - 70 ms that only the child pays

        block = np.empty(self._ints, dtype=np.int32)
        filled, end = 0, time.perf_counter() + _FILL_S
        while filled < self._ints and (not filled or time.perf_counter() < end):
            block[filled : filled + _STEP_INTS] = 1  # pages exist only once they are written
            filled = min(self._ints, filled + _STEP_INTS)
        block = block[:filled]
        for _ in range(_WINDOWS):
            gate.wait(5)
            start = now = time.perf_counter()
            done = 0
            while now - start < window_s:
                block.max()
                done += block.nbytes
                now = time.perf_counter()
            self.rates.append(done / (now - start))
