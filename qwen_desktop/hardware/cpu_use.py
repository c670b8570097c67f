"""What is done on the processors that this process may run on, by itself and by everybody else."""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from qwen_desktop.hardware import files, limits

_STAT = "proc/stat"
#: Longer than any line, and all lines, of the processors that a machine has.
_LONGEST = 1 << 20


class CpuUse(NamedTuple):
    """Seconds of processor time, counted from some moment on, over all processors that this process may run on.

    ``at`` is the moment of reading (``time.monotonic``). ``busy`` is what everybody used, this process too; ``stolen``
    what a hypervisor gave to other machines; ``idle`` what nobody used; ``own`` what this process used.
    """

    at: float
    busy: float
    stolen: float
    idle: float
    own: float

    def others(self, before: CpuUse) -> float:
        """Seconds that others (programs, the system, the hypervisor) took since ``before``.

        On many virtual machines a process's own time includes what was stolen from it, so that is counted apart.
        """
        busy = max(0.0, self.busy - before.busy)
        return max(0.0, busy - max(0.0, self.own - before.own)) + max(0.0, self.stolen - before.stolen)


def read(allowed: frozenset[int] | None = None, root: Path = files.ROOT, platform: str = sys.platform) -> CpuUse | None:
    """The counters of the processors ``allowed`` (None: all) now; None where the system does not tell.

    Takes 0.03 ms on Linux with two processors, a millisecond with hundreds.
    """
    at, own = time.monotonic(), time.process_time()
    times = _linux(allowed, root) if platform.startswith("linux") else _elsewhere(allowed)
    return CpuUse(at, *times, own) if times is not None else None


def _linux(allowed: frozenset[int] | None, root: Path) -> tuple[float, float, float] | None:
    """Busy, stolen and idle seconds from /proc/stat, whose fields are user, nice, system, idle, waiting for disks,
    interrupts (two) and stolen; what follows is in the first two already."""
    try:
        with (root / _STAT).open("rb", buffering=0) as file:
            lines = file.read(_LONGEST).split(b"\n")
    except OSError:
        return None
    busy = stolen = idle = found = 0
    for line in lines[1:]:
        if not line.startswith(b"cpu"):
            break
        fields = line.split()
        try:
            if allowed is not None and int(fields[0][3:]) not in allowed:
                continue
            counts = [int(field) for field in fields[1:9]]
        except ValueError:
            return None
        if len(counts) < 4:
            return None
        counts += [0] * (8 - len(counts))
        busy += counts[0] + counts[1] + counts[2] + counts[5] + counts[6]
        stolen += counts[7]
        idle += counts[3] + counts[4]
        found += 1
    if not found:
        return None
    second = float(os.sysconf("SC_CLK_TCK")) if hasattr(os, "sysconf") else 100.0
    return busy / second, stolen / second, idle / second


def _elsewhere(allowed: frozenset[int] | None) -> tuple[float, float, float] | None:
    import psutil  # noqa: PLC0415 - Linux does without

    try:
        each = psutil.cpu_times(percpu=True)
    except (OSError, RuntimeError):
        return None
    counted = [times for number, times in enumerate(each) if allowed is None or number in allowed]
    if not counted:
        return None
    busy = sum(times.user + times.system + getattr(times, "nice", 0.0) for times in counted)
    return busy, 0.0, sum(times.idle for times in counted)


class Watch:
    """The last readings, so that it is known at any moment what was going on shortly before.

    ``look`` reads now. By itself it looks once a second, four times while this process computes (``wants``), and every
    five seconds when nobody has asked for a minute: two wakes in ten seconds, of 0.1 ms each. Threads may share one.
    ``take`` and ``clock`` are there for tests. ``on_look`` is called, on a thread of its own, after each look while
    this process computes.
    """

    _WORK_S, _STEP_S, _RARE_S, _LONG_S = 0.25, 1.0, 5.0, 60.0
    #: Clocks of systems tick up to 64 times a second: less says nothing.
    _LEAST_S = 0.1
    _KEPT = 64

    def __init__(
        self,
        take: Callable[[], CpuUse | None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        by_itself: bool = True,
    ) -> None:
        allowed = limits.affinity()
        self.on_look: Callable[[], None] | None = None
        self._take = take or (lambda: read(allowed))
        self._clock = clock
        self._woken = threading.Event()
        self._threads = 0
        self._since = clock()
        self._lock = threading.Lock()
        self._seen: list[tuple[CpuUse, float]] = []
        self._wanted = 0.0
        self._asked = clock()
        self._add()
        if by_itself and self._seen:
            arguments = (weakref.ref(self), self._woken)
            threading.Thread(target=_look_again, args=arguments, name="cpu-use", daemon=True).start()

    def look(self) -> None:
        """Read now."""
        self._asked = self._clock()
        self._add()

    def wants(self, threads: int) -> None:
        """From now on this process computes with so many threads that never wait, 0: it rests."""
        with self._lock:
            rested = self._clock() - self._since if not self._threads else 0.0
            self._count()
            self._threads = threads
        if threads and rested > self._WORK_S:
            self._woken.set()  # it sleeps long

    @property
    def at(self) -> float:
        """When the last reading was made (``time.monotonic``)."""
        with self._lock:
            return self._seen[-1][0].at if self._seen else self._clock()

    def taken(self, seconds: float) -> float | None:
        """Processors that others would have used in the last ``seconds`` if they had got all that they wanted; None
        while nothing is known. With rare readings the time may be longer.

        Where no processor was idle, others got less than they wanted: in the measure in which this process did.
        """
        with self._lock:
            if len(self._seen) < 2:
                return None
            last, wanted_then = self._seen[-1]
            first, wanted_before = self._seen[0]
            for use, wanted in reversed(self._seen[:-1]):
                if last.at - use.at >= seconds - 0.01:
                    first, wanted_before = use, wanted
                    break
        passed = last.at - first.at
        if passed < self._LEAST_S:
            return None
        others, own, idle = last.others(first), last.own - first.own, max(0.0, last.idle - first.idle)
        wanted = wanted_then - wanted_before
        if wanted > 0.0 and idle < 0.08 * (idle + others + own):
            others /= min(1.0, max(0.25, own / wanted))
        return others / passed

    def _count(self) -> None:
        now = self._clock()
        self._wanted += self._threads * (now - self._since)
        self._since = now

    def _add(self) -> None:
        with self._lock:
            self._count()
            use = self._take()
            if use is None or (self._seen and use.at - self._seen[-1][0].at < self._LEAST_S):
                return
            self._seen.append((use, self._wanted))
            del self._seen[: -self._KEPT]

    def _rest(self) -> float:
        """Look if nobody did, and say in how many seconds to look again."""
        now = self._clock()
        rare = now - self._asked > self._LONG_S
        step = self._WORK_S if self._threads else self._RARE_S if rare else self._STEP_S
        late = step - (now - self._seen[-1][0].at)
        if late <= 0.05:
            self._add()
            late = step
        if self._threads and self.on_look is not None:
            self.on_look()
        return late


def _look_again(found: weakref.ref[Watch], woken: threading.Event) -> None:
    while (watch := found()) is not None:
        wait = watch._rest()
        del watch
        woken.wait(wait)
        woken.clear()
