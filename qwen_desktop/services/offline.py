"""The offline switch reaches what runs: the worker of transfers is told, and cuts what is open.

What begins later carries the switch in its access; downloads stop and go on by themselves (``Downloads``).
"""

from __future__ import annotations

import asyncio
import logging

from qwen_desktop.core.errors import AppError
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.events import EventBus, SettingsChanged

log = logging.getLogger(__name__)


class OfflineSwitch:
    """Listens to the setting for as long as the app runs."""

    def __init__(self, transfers: JobWorker, bus: EventBus) -> None:
        self._transfers = transfers
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Lock()
        bus.subscribe(SettingsChanged, self._changed)

    def _changed(self, event: SettingsChanged) -> None:
        if "downloads.offline" not in event.keys or not self._transfers.started:
            return  # a worker that starts later hears of it with each job
        task = asyncio.get_running_loop().create_task(self._tell(offline=event.after.downloads.offline))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, *, offline: bool) -> None:
        async with self._turns:  # in the order of the clicks
            try:
                await self._transfers.call("hub.switch", {"offline": offline})
            except AppError as error:
                log.info("offline.untold code=%s", error.problem.what.code)  # it has ended, and its connections too
