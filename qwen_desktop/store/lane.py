"""A connection and the one thread that uses it: its jobs run one by one, in the order in which they came."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from qwen_desktop.store.failures import closed

T = TypeVar("T")

#: SQLite asks after so many of its steps (about a millisecond) whether what it does is still wanted.
STEPS = 20_000


class Lane:
    """The thread starts with the first job; the connection that it is given is used, and closed, in it alone."""

    def __init__(self, name: str, opened: sqlite3.Connection | None = None) -> None:
        self.opened = opened
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.closing = False

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection, for the lane's jobs."""
        assert self.opened is not None  # noqa: S101 - jobs come after the opening and before the closing
        return self.opened

    def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Have ``work`` run when those before it have ended."""
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def reading(self, work: Callable[[], T]) -> T:
        """Run ``work``, which only reads. When its caller is cancelled, or the lane closed, it does not begin or is
        interrupted; for the closing it then raises ``Cancelled``."""
        given_up = False

        def run() -> T:
            if self.closing:
                raise closed()
            connection = self.connection
            connection.set_progress_handler(lambda: given_up or self.closing, STEPS)
            try:
                return work()
            finally:
                connection.set_progress_handler(None, 0)

        if self.closing:
            raise closed()
        future = self.start(run)
        try:
            # As writes are awaited: of two that end together, the first one's caller must go on first.
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            given_up = True
            future.cancel()
            raise

    async def aclose(self) -> None:
        """Give up what only reads, finish the other jobs, close the connection and let the thread end."""
        self.closing = True
        await asyncio.shield(self.start(self._close))
        self.leave()

    def leave(self) -> None:
        """Let the thread end when nothing is left to do."""
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        if self.opened is not None:
            self.opened.close()
            self.opened = None
