"""Running a service's coroutine from a Qt slot: kept, cancellable, its failure shown once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.errors import AppError, Cancelled, problem_of
from qwen_desktop.ui.notify import Notify

log = logging.getLogger(__name__)

T = TypeVar("T")


class Operations(QObject):
    """Starts coroutines on the running loop and holds them until they end (the loop itself keeps weak ones)."""

    def __init__(self, notify: Notify, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._notify = notify
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(
        self,
        work: Coroutine[Any, Any, T],
        *,
        busy: QWidget | None = None,
        on_done: Callable[[T], object] | None = None,
        on_error: Callable[[BaseException], bool | None] | None = None,
    ) -> asyncio.Task[T]:
        """Run ``work``. ``busy`` is disabled meanwhile; ``on_done`` gets the result.

        A failure goes to ``on_error``, which returns True when it showed it; otherwise it is shown as a toast (what
        the user or the machine can mend) or a dialog (our own faults). Cancelling the task shows nothing.
        """
        task: asyncio.Task[T] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        if busy is not None:
            busy.setEnabled(False)
        task.add_done_callback(partial(self._ended, busy=busy, on_done=on_done, on_error=on_error))
        return task

    async def settle(self, seconds: float) -> None:
        """Wait until nothing else runs (the caller's own operation aside), ``seconds`` at most."""
        own = asyncio.current_task()
        deadline = asyncio.get_running_loop().time() + seconds
        while others := {task for task in self._tasks if task is not own}:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.wait(others, timeout=left)
            await asyncio.sleep(0)

    def _ended(
        self,
        task: asyncio.Task[T],
        *,
        busy: QWidget | None,
        on_done: Callable[[T], object] | None,
        on_error: Callable[[BaseException], bool | None] | None,
    ) -> None:
        self._tasks.discard(task)
        if busy is not None:
            busy.setEnabled(True)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            if on_done is not None:
                on_done(task.result())
            return
        if isinstance(error, Cancelled):
            return
        if on_error is not None and on_error(error):
            return
        if not isinstance(error, AppError | OSError):
            log.error("operation.failed type=%s", type(error).__name__, exc_info=error)
        self._notify.problem(problem_of(error))
