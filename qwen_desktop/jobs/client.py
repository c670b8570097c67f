"""Calling jobs: the worker starts with the first call and again after a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.table import DEADLINES_S
from qwen_desktop.process.rpc import Client


class Channel:
    """A way to tell a running job something new (a speed limit), handed to ``JobWorker.call``."""

    def __init__(self) -> None:
        #: Leads to the job while it runs; ``JobWorker`` sets it.
        self.send: Callable[[dict[str, Any]], None] | None = None

    def tell(self, **detail: Any) -> None:
        """Pass plain data to the job; it comes out of the job's next ``report``. Lost when no job runs."""
        if self.send is not None:
            self.send(detail)


class JobWorker(Client):
    """The job worker as the app sees it. ``command`` starts the process."""

    def __init__(self, command: Sequence[str]) -> None:
        closing = Text("jobs.closing", QT_TRANSLATE_NOOP("jobs", "The app is closing."))
        super().__init__(command, Problem("cancelled", closing))

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
        ``Environment`` when the worker crashed under it or the job's time is over, and ``Cancelled`` when the app ends.
        """

        def report(step: tuple[int, int, dict[str, Any]]) -> None:
            if progress is not None:
                done, total, detail = step
                progress(done, total, **detail)

        await self.start()
        with self.open(name, dict(params), tuple[int, int, dict[str, Any]], object) as call:
            if channel is not None:
                channel.send = call.tell
            try:
                return await call.finish(report, DEADLINES_S.get(name))
            finally:
                if channel is not None:
                    channel.send = None

    async def aclose(self, grace_s: float = 0.5) -> None:
        """End the worker. Safe to call twice; waiting calls fail, and later ones too."""
        await super().aclose(grace_s)
