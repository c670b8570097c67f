"""The end of a process whose orderly end hangs."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

#: What no thread of Python could end by then, the system's alarm does, in seconds after the limit.
_GRACE_S = 0.1


class LastResort:
    """Ends this process at a certain time, whatever holds it: a thread that is joined, the event loop.

    Where the system has such a clock, also what holds the interpreter itself.
    """

    def __init__(self) -> None:
        self._until: float | None = None
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()  # a signal's handler may interrupt it in the same thread

    @property
    def armed(self) -> bool:
        """Whether the process's end is set."""
        return self._until is not None

    def arm(self, seconds: float, code: int = 1) -> None:
        """End the process in ``seconds`` with this exit code. A later wish can only bring that forward. Any thread may
        call it."""
        until = time.monotonic() + seconds
        with self._lock:
            if self._until is not None and self._until <= until:
                return
            self._until = until
            if sys.platform != "win32":  # first: it needs nothing of Python's, not even a new thread
                signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE_S)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(seconds, os._exit, (code,))
            self._timer.daemon = True
            self._timer.start()
