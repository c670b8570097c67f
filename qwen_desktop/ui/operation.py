"""Running a service's coroutine from a Qt slot: kept, cancellable, its failure shown once.

What was wished for last counts: of operations with the same ``wish`` only the newest one's end is told, and whoever
has been deleted meanwhile is told nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import shiboken6
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
        self._wishes: dict[str, asyncio.Task[Any]] = {}
        self._closed = False

    def run(
        self,
        work: Coroutine[Any, Any, T],
        *,
        busy: QWidget | None = None,
        on_done: Callable[[T], object] | None = None,
        on_error: Callable[[BaseException], bool | None] | None = None,
        wish: str = "",
    ) -> asyncio.Task[T]:
        """Run ``work``. ``busy`` is disabled meanwhile; ``on_done`` gets the result.

        A later ``run`` with the same ``wish``, or ``withdraw``, makes this one old news: it goes on, but its end is
        told to nobody.

        A failure goes to ``on_error``, which returns True when it showed it; otherwise it is shown as a toast (what
        the user or the machine can mend) or a dialog (our own faults). Cancelling the task shows nothing.
        """
        task: asyncio.Task[T] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        if wish:
            self._wishes[wish] = task
        if busy is not None:
            busy.setEnabled(False)
        task.add_done_callback(partial(self._ended, busy=busy, on_done=on_done, on_error=on_error, wish=wish))
        return task

    def pending(self, wish: str) -> bool:
        """Whether what was wished for last is still on its way."""
        return wish in self._wishes

    def withdraw(self, wish: str) -> None:
        """Something else is wished for now, and it is there already."""
        self._wishes.pop(wish, None)

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

    def close(self) -> None:
        """The window ends: nobody is told any more. What still runs is left to the services, which end in order."""
        self._closed = True

    def _ended(
        self,
        task: asyncio.Task[T],
        *,
        busy: QWidget | None,
        on_done: Callable[[T], object] | None,
        on_error: Callable[[BaseException], bool | None] | None,
        wish: str,
    ) -> None:
        self._tasks.discard(task)
        if self._closed:
            if not task.cancelled():
                task.exception()  # looked at, so that nobody complains of one that was never
            return
        asked = [receiver for receiver in (busy, *map(_owner, (on_done, on_error))) if isinstance(receiver, QObject)]
        gone = not all(map(shiboken6.isValid, asked))
        if wish:
            gone = gone or self._wishes.get(wish) is not task
            if not gone:
                del self._wishes[wish]
        if busy is not None and shiboken6.isValid(busy):
            busy.setEnabled(True)
        if task.cancelled():
            return
        error = task.exception()
        if gone:
            return
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


def _owner(call: Callable[..., object] | None) -> object:
    """Whose method this is."""
    return getattr(call, "__self__", None)
