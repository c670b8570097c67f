"""How fast main memory can be read: what writing an answer is mostly bound by.

Measured as an answer reads its weights: each thread over a block of its own, far larger than caches. The C library's
``memcmp`` of a block's equal halves does nothing but read, in two streams, and ctypes releases the interpreter's lock
meanwhile. Copying would be a fourth of the truth: it writes too, and new pages are slower than memory.

Other programs only ever make it slower, so of several short windows the best counts. On a calm machine a few agree at
once; on a busy one it goes on, with pauses, until some windows were undisturbed and agree, or until its time is over.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from typing import Any

from qwen_desktop.hardware import memory
from qwen_desktop.hardware.wire import Measured

#: All blocks together: more than the largest caches of desktop processors (128 MB).
_BYTES = 256 << 20
_LEAST_BYTES = 32 << 20
_STEP = 4 << 20
#: Time for touching the blocks, in which a slow machine gets smaller ones; then windows. In seconds; on a calm machine
#: under one with the start of the process.
_FILL_S = 0.35
_WINDOW_S = 0.06
_WINDOWS = 5
_PAUSE_S = 0.04
_MOST_S = 2.5
#: The best windows that must agree, within so much of the best.
_AGREEING, _WITHIN = 3, 0.96
#: A thread that had the processor for less of a window was disturbed; the clock of some systems has steps of 16 ms.
_UNDISTURBED = 0.7


def measure(
    threads: int, *, window_s: float = _WINDOW_S, most_bytes: int = _BYTES, most_s: float = _MOST_S
) -> Measured:
    """What ``threads`` threads read together. Takes 0.7 s where memory is healthy and the machine calm, else up to
    ``most_s`` more.

    Raises ``MemoryError`` when too little is free, ``OSError`` without a C library.
    """
    free = memory.read().free_bytes
    size = most_bytes if free is None else min(most_bytes, free // 8)
    if size < min(_LEAST_BYTES, most_bytes):
        raise MemoryError
    windows = Windows(most_s)
    readers = [_Reader(size // max(1, threads)) for _ in range(max(1, threads))]

    def settle() -> None:
        """After each window, by one of the threads while the others wait."""
        if readers[0].windows:
            windows.add(sum(r.rate for r in readers), min(r.share for r in readers))
        if windows.pause and not windows.over:
            time.sleep(_PAUSE_S)

    gate = threading.Barrier(len(readers), action=settle)
    workers = [threading.Thread(target=r.run, args=(gate, window_s, windows), daemon=True) for r in readers]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return Measured(windows.best, windows.calm)


class Windows:
    """The windows so far: bytes per second of all threads, and the least share of the time that a thread had the
    processor. ``over`` when they say enough, ``pause`` while the machine does not let them."""

    def __init__(self, most_s: float = _MOST_S) -> None:
        self._until = time.perf_counter() + most_s
        self._rates: list[float] = []
        self._undisturbed: list[float] = []
        self.over = False

    @property
    def best(self) -> float:
        """Bytes per second, 0 without a window."""
        return max(self._rates, default=0.0)

    @property
    def calm(self) -> bool:
        """Whether the best windows agree and nobody disturbed them."""
        top = sorted(self._undisturbed)[-_AGREEING:]
        return len(top) == _AGREEING and top[0] >= _WITHIN * self.best

    @property
    def pause(self) -> bool:
        """Whether so many windows without agreement mean a busy machine: what comes in bursts is waited out."""
        return len(self._rates) >= _WINDOWS and not self.calm

    def add(self, rate: float, share: float) -> None:
        """Another window."""
        self._rates.append(rate)
        if share >= _UNDISTURBED:
            self._undisturbed.append(rate)
        enough = len(self._rates) >= _WINDOWS and self.calm
        self.over = enough or time.perf_counter() >= self._until


class _Reader:
    """One thread's block, how fast it read it in the last window, and how much of that time it had the processor."""

    def __init__(self, size: int) -> None:
        self._size = max(_STEP // 64, size)
        self.windows = 0
        self.rate = self.share = 0.0

    def run(self, gate: threading.Barrier, window_s: float, windows: Windows) -> None:
        """Fill the block, then read it window by window, together with the others at ``gate``."""
        try:
            self._run(gate, window_s, windows)
        except Exception:
            gate.abort()  # the others do not wait for this one
            raise

    def _run(self, gate: threading.Barrier, window_s: float, windows: Windows) -> None:
        compare = _memcmp()
        block = (ctypes.c_char * self._size)()
        start_of = ctypes.addressof(block)
        filled, end = 0, time.perf_counter() + _FILL_S
        while filled < self._size and (not filled or time.perf_counter() < end):
            step = min(_STEP, self._size - filled)
            ctypes.memset(start_of + filled, 1, step)  # pages exist only once they are written
            filled += step
        half = filled // 2
        while True:
            gate.wait(5)
            if windows.over:
                return
            computed, start = time.thread_time(), time.perf_counter()
            now, done = start, 0
            while now - start < window_s:
                compare(start_of, start_of + half, half)
                done += 2 * half
                now = time.perf_counter()
            self.rate, self.share = done / (now - start), (time.thread_time() - computed) / (now - start)
            self.windows += 1


def _memcmp() -> Any:
    library = ctypes.CDLL("vcruntime140" if sys.platform == "win32" else None)
    function = library.memcmp
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    function.restype = ctypes.c_int
    return function
