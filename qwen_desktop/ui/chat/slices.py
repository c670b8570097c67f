"""Work that would hold the event loop: done in short slices between other events, or awaited."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Iterable, Iterator
from typing import Any, Final

from PySide6.QtCore import QObject, QTimer

from qwen_desktop.ui.operation import end_with

#: Seconds of a slice; one step may add its own time.
SLICE_S: Final = 0.004


class Work(QObject):
    """Jobs made of short steps, done one after the other in slices of some seconds, and tasks of the running loop."""

    def __init__(self, parent: QObject | None = None, seconds: float = SLICE_S) -> None:
        super().__init__(parent)
        self._seconds = seconds
        self._jobs: OrderedDict[Hashable, tuple[Iterator[None], Callable[[], object] | None]] = OrderedDict()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self.run)

    @property
    def busy(self) -> bool:
        """Whether slices are still to be done."""
        return bool(self._jobs)

    def add(self, key: Hashable, steps: Iterator[None], done: Callable[[], object] | None = None) -> None:
        """Do these steps after all others, then call ``done``."""
        self._jobs[key] = steps, done
        self._timer.start()

    def let_go(self, things: list[Any]) -> None:
        """Empty a list that nobody else needs in slices: to delete thousands of items takes its time."""

        def steps() -> Iterator[None]:
            while things:
                del things[-50:]
                yield

        self.add(object(), steps())

    def hurry(self, keys: Iterable[Hashable]) -> None:
        """Do these jobs, where they are still to be done, before all others; the last one first."""
        for key in keys:
            if key in self._jobs:
                self._jobs.move_to_end(key, last=False)

    def remove(self, key: Hashable) -> None:
        """Do this job no more."""
        self._jobs.pop(key, None)

    def clear(self) -> None:
        """Forget all that is to be done."""
        self._jobs.clear()
        for task in tuple(self._tasks):
            task.cancel()

    def run(self, seconds: float = 0.0) -> bool:
        """Work for at most about ``seconds``, 0 for a slice; True when some job is done."""
        end = time.perf_counter() + (seconds or self._seconds)
        some = False
        while self._jobs and (not some or time.perf_counter() <= end):
            key, (steps, done) = next(iter(self._jobs.items()))
            for _ in steps:
                if time.perf_counter() > end:
                    return some
            self._jobs.pop(key, None)
            some = True
            if done is not None:
                done()
        if not self._jobs:
            self._timer.stop()
        return some

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do some work on the running loop, until all is forgotten."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        end_with(self, task)
        return task
