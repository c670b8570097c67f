"""Calling jobs: the worker starts with the first call and again after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qwen_desktop.core.errors import Bug, Problem, error_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs import wire
from qwen_desktop.process.endings import End, Ending, problem
from qwen_desktop.process.supervisor import Supervisor


class Channel:
    """A way to tell a running job something new (a speed limit), handed to ``JobWorker.call``."""

    def __init__(self) -> None:
        self._send: Callable[[dict[str, Any]], None] | None = None

    def tell(self, **detail: Any) -> None:
        """Pass plain data to the job; it comes out of the job's next ``report``. Lost when no job runs."""
        if self._send is not None:
            self._send(detail)

    def bind(self, send: Callable[[dict[str, Any]], None] | None) -> None:
        """Called by ``JobWorker`` when the job starts and ends."""
        self._send = send


class JobWorker:
    """The job worker as the app sees it. ``command`` starts the process."""

    def __init__(self, command: Sequence[str]) -> None:
        self._supervisor: Supervisor[wire.Reply] = Supervisor(
            command, wire.decode_reply, lambda m: isinstance(m, wire.Hello), self._message, self._ended
        )
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._progress: dict[int, Callable[..., None]] = {}
        self._numbers = 0
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The worker's process id, None when none runs."""
        return self._supervisor.pid

    @property
    def started(self) -> bool:
        """Whether a worker runs, or is being started for a call."""
        return self._supervisor.running or self._starting.locked()

    async def call(
        self,
        name: str,
        params: Mapping[str, Any],
        *,
        progress: Callable[..., None] | None = None,
        channel: Channel | None = None,
    ) -> Any:
        """Run the job ``name`` (see ``jobs.table``) and return its result; ``progress`` gets (done, total), and what
        else the job reports as keyword arguments. ``channel`` reaches the job while it runs.

        Cancelling the task stops the job where it can be stopped. Raises ``AppError``: the job's own, or
        ``Environment`` when the worker crashed under it.
        """
        async with self._starting:
            if self._closed:
                raise Bug(Text("jobs.closed", QT_TRANSLATE_NOOP("jobs", "Background jobs have ended.")))
            if not self._supervisor.running:
                await self._supervisor.start()
        self._numbers += 1
        number = self._numbers
        self._calls[number] = future = asyncio.get_running_loop().create_future()
        if progress is not None:
            self._progress[number] = progress
        if channel is not None:
            channel.bind(lambda detail: self._supervisor.send(wire.encode(wire.Tell(number, detail))))
        try:
            self._supervisor.send(wire.encode(wire.Call(number, name, dict(params))))
            return await future
        except asyncio.CancelledError:
            self._supervisor.send(wire.encode(wire.Cancel(number)))
            raise
        finally:
            self._calls.pop(number, None)
            self._progress.pop(number, None)
            if channel is not None:
                channel.bind(None)

    async def aclose(self) -> None:
        """End the worker. Safe to call twice; waiting calls fail."""
        self._closed = True
        await self._supervisor.stop(0.5)

    def _message(self, message: wire.Reply) -> None:
        if isinstance(message, wire.Progress):
            report = self._progress.get(message.id)
            if report is not None:
                report(message.done, message.total, **message.detail)
            return
        future = self._calls.get(message.id) if not isinstance(message, wire.Hello) else None
        if future is None or future.done():
            return
        if isinstance(message, wire.Returned):
            future.set_result(message.value)
        elif isinstance(message, wire.Failed):
            future.set_exception(error_of(message.problem))

    def _ended(self, ending: Ending) -> None:
        found = problem(ending) if ending.end is not End.ASKED else _closing()
        for future in self._calls.values():
            if not future.done():
                future.set_exception(error_of(found))


def _closing() -> Problem:
    return Problem("cancelled", Text("jobs.closing", QT_TRANSLATE_NOOP("jobs", "The app is closing.")))
