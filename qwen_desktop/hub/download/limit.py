"""The speed limit: one for all streams of a download, changed while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Never more than this many seconds' worth at once after a pause.
_BURST_S = 0.1


class Limiter:
    """Lets bytes pass at no more than ``rate`` bytes a second; None is without a limit."""

    def __init__(self, rate: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._due = 0.0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stopped = False

    @property
    def rate(self) -> float | None:
        """Bytes a second, None for no limit."""
        return self._rate

    def set(self, rate: float | None) -> None:
        """Another limit from now on, for those who wait too."""
        with self._lock:
            if rate != self._rate:
                self._rate = rate
                self._due = self._clock()
                self._changed.notify_all()

    def take(self, count: int) -> None:
        """Wait until ``count`` bytes may pass."""
        with self._lock:
            rate = self._rate
            if rate is None:
                return
            mine = self._due = max(self._due, self._clock() - _BURST_S) + count / rate
            while rate == self._rate and not self._stopped and (left := mine - self._clock()) > 0:
                self._changed.wait(left)

    def stop(self) -> None:
        """Let everybody pass: the download ends."""
        with self._lock:
            self._stopped = True
            self._changed.notify_all()
