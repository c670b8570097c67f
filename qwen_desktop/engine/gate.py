"""Between the thread that reads requests and the one that computes: ends a computation that somebody waits for."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Protocol

from qwen_desktop.engine.llama import Flag


class Call(Protocol):
    """A request, as far as computing for it goes."""

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for it any more."""


class Gate:
    """What computes, for whom, and whether it gives way to whoever comes.

    ``flag`` ends the computation. A step belongs to its calls: when one of them is cancelled it ends, and the others
    repeat it. One that gives way ends also when a call arrives.
    """

    def __init__(self, flag: Flag) -> None:
        self.flag = flag
        self._lock = threading.Lock()
        self._calls: Collection[Call] = ()
        self._gives_way = self._repeats = False
        self._waiting = 0
        self._ended = False

    # the reader's thread ---------------------------------------------------------------------------------------------

    def arrived(self) -> None:
        """A call has come that must be looked at."""
        with self._lock:
            self._waiting += 1
            if self._gives_way:
                self.flag.set()

    def cancelled(self, call: Call) -> None:
        """Nobody waits for ``call`` any more."""
        with self._lock:
            if call in self._calls:
                self.flag.set()

    def interrupt(self) -> None:
        """End the step that runs, if it can be repeated, since another way of computing it is faster."""
        with self._lock:
            if self._repeats:
                self.flag.set()

    def end(self) -> None:
        """Nothing is computed any more."""
        with self._lock:
            self._ended = True
            self.flag.set()

    # the computing thread --------------------------------------------------------------------------------------------

    def taken(self) -> None:
        """A call that had arrived is looked at."""
        with self._lock:
            self._waiting -= 1

    def open(self, calls: Collection[Call], *, gives_way: bool = False, repeats: bool = False) -> bool:
        """Begin a step for ``calls``; False when one of them was cancelled, or when it gives way and somebody waits.
        One that ``repeats`` may also be ended for its own good. ``close`` it in any case."""
        with self._lock:
            if self._ended:
                return False
            self.flag.clear()
            if any(call.cancelled for call in calls) or (gives_way and self._waiting):
                return False
            self._calls, self._gives_way, self._repeats = calls, gives_way, repeats
            return True

    def close(self) -> None:
        """The step has ended."""
        with self._lock:
            self._calls, self._gives_way, self._repeats = (), False, False
