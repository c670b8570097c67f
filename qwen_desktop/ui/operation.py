"""Running a service's coroutine from a Qt slot: kept, cancellable, its failure shown once.

What was wished for last counts: of operations with the same ``wish`` only the newest one's end is told. Whoever asked
may close while the work runs: an operation has an owner, and nothing of that owner is called once it is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

import shiboken6
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.errors import AppError, Cancelled, problem_of
from qwen_desktop.ui.notify import Notify

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")

#: What becomes of work whose owner is gone. It goes on and a failure is "told" (the user asked for it to be done), it
#: goes on and a failure is "quiet" (only the owner wanted to know), or it is "cancelled".
Orphaned: TypeAlias = Literal["told", "quiet", "cancelled"]


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
        owner: QObject,
        orphaned: Orphaned = "told",
        busy: QWidget | None = None,
        on_done: Callable[[T], object] | None = None,
        on_error: Callable[[BaseException], bool | None] | None = None,
        on_end: Callable[[], object] | None = None,
        wish: str = "",
    ) -> asyncio.Task[T]:
        """Run ``work`` for ``owner``. ``busy`` is disabled meanwhile; ``on_done`` gets the result, ``on_end`` is called
        last, whatever the end was. None of it happens once the owner is deleted; ``orphaned`` says what does. Work that
        reports its progress to the owner reports it through ``while_alive``.

        A later ``run`` with the same ``wish``, or ``withdraw``, makes this one old news: it goes on, but its end is
        told to nobody (``on_end`` aside).

        A failure goes to ``on_error``, which returns True when it showed it; otherwise it is shown as a toast (what
        the user or the machine can mend) or a dialog (our own faults). Cancelling the task shows nothing.
        """
        task: asyncio.Task[T] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        if wish:
            self._wishes[wish] = task
        if busy is not None:
            busy.setEnabled(False)

        def ended(_: object) -> None:
            self._tasks.discard(task)
            old = bool(wish) and self._wishes.get(wish) is not task
            if wish and not old:
                del self._wishes[wish]
            error = None if task.cancelled() else task.exception()  # looked at, or asyncio complains of it
            if self._closed or not shiboken6.isValid(self):
                return
            alive = shiboken6.isValid(owner)
            if busy is not None and shiboken6.isValid(busy):
                busy.setEnabled(True)
            try:
                if task.cancelled() or old:
                    pass
                elif error is not None:
                    self._failed(error, on_error if alive else None, quiet=not alive and orphaned != "told")
                elif alive and on_done is not None:
                    on_done(task.result())
            finally:
                if alive and on_end is not None:
                    on_end()

        if orphaned == "cancelled":
            end_with(owner, task)
        task.add_done_callback(ended)
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

    def _failed(
        self, error: BaseException, on_error: Callable[[BaseException], bool | None] | None, *, quiet: bool
    ) -> None:
        if isinstance(error, Cancelled) or (on_error is not None and on_error(error)):
            return
        if not isinstance(error, AppError | OSError):
            log.error("operation.failed type=%s", type(error).__name__, exc_info=error)
        elif quiet:
            log.info("operation.failed type=%s", type(error).__name__)
        if not quiet:
            self._notify.problem(problem_of(error))


def end_with(owner: QObject, task: asyncio.Future[Any]) -> None:
    """Cancel ``task`` when ``owner`` is deleted."""

    def cancel() -> None:
        task.cancel()

    def ended(_: object) -> None:
        if shiboken6.isValid(owner):
            owner.destroyed.disconnect(cancel)

    owner.destroyed.connect(cancel)
    task.add_done_callback(ended)


def while_alive(owner: QObject, call: Callable[P, object]) -> Callable[P, None]:
    """``call``, for somebody who may outlive ``owner``: it does nothing once the owner is deleted."""

    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        if shiboken6.isValid(owner):
            call(*args, **kwargs)

    return guarded
