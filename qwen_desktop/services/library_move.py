"""Moving the models folder: the order of its steps, and bringing an interrupted move to an end at the next start."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.paths import Paths, expanded
from qwen_desktop.hub import library_errors as errors
from qwen_desktop.hub import moving
from qwen_desktop.hub.inventory import Inventory
from qwen_desktop.jobs.client import Channel, JobWorker
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile

log = logging.getLogger(__name__)

Report = Callable[[int, int], None]


class FolderMove:
    """Moves the models folder. ``before`` is awaited first: downloads pause themselves there. ``after`` is given where
    each file is now, once the setting names the new folder and that is written; ``switched`` as soon as it does."""

    def __init__(self, transfers: JobWorker, preferences: Preferences, inventory: Inventory, paths: Paths) -> None:
        self._transfers = transfers
        self._preferences = preferences
        self._inventory = inventory
        self._paths = paths
        self._journal = paths.data / "models-move.json"
        self.running = False
        self.closing = False
        self.before: Callable[[], Awaitable[None]] | None = None
        self.switched: Callable[[Callable[[str], str]], None] | None = None
        self.after: Callable[[Callable[[str], str]], Awaitable[None]] | None = None

    @property
    def folder(self) -> Path:
        """The models folder by the settings."""
        chosen = self._preferences.settings.downloads.folder.strip()
        place = expanded(chosen) if chosen else self._paths.models
        return place if place.is_absolute() else self._paths.models

    async def move(self, target: Path, report: Report | None) -> None:
        """Move everything to ``target`` and switch the setting. Cancelled or failed, the old folder is as it was.

        Raises ``AppError``.
        """
        async with self._alone():
            await self._go_on()  # an earlier move that was interrupted comes first
            if self.before is not None:
                await self.before()
            await self._run(str(self.folder), str(target), report)

    async def restore(self) -> None:
        """At the start: bring an interrupted move to an end, or take it back where that cannot be. Raises ``AppError``
        when it failed (the old folder is as it was then)."""
        if await asyncio.to_thread(moving.read_move, self._journal) is not None:
            async with self._alone():
                await self._go_on()

    async def _go_on(self) -> None:
        state = await asyncio.to_thread(moving.read_move, self._journal)
        if state is None:
            return
        log.info("library.move restored phase=%s", state.phase)
        here = str(self.folder)
        if state.phase == "undoing" or (state.phase != "switched" and here not in (state.source, state.target)):
            await self._undo()
        elif state.phase == "copying":
            await self._run(state.source, state.target, None)
        elif state.phase == "switched" and here not in (state.source, state.target):
            await self._transfers.call("library.move_finish", {"journal": str(self._journal)})
        else:
            await self._switch(state)

    async def _run(self, source: str, target: str, report: Report | None) -> None:
        params = {"source": source, "target": target, "journal": str(self._journal)}
        channel = Channel()
        job = asyncio.ensure_future(self._transfers.call("library.move", params, progress=report, channel=channel))
        try:
            await asyncio.shield(job)
        except asyncio.CancelledError:
            channel.tell(stop=True)  # taking back must not begin while the job still copies
            with contextlib.suppress(AppError):
                await job
            await self._undo()
            raise
        except AppError:
            await self._undo()
            raise
        state = await asyncio.to_thread(moving.read_move, self._journal)
        if state is not None:
            await self._switch(state)

    async def _switch(self, state: moving.Move) -> None:
        settings = self._preferences.settings
        folder = "" if state.target == str(self._paths.models) else state.target
        moved = partial(moving.moved_path, state=state)
        written = self._preferences.change(
            {
                "downloads.folder": folder,
                "engine.model": moved(settings.engine.model),
                "storage.recent_models": tuple(map(moved, settings.storage.recent_models)),
            }
        )
        if self.switched is not None:
            self.switched(moved)
        await written
        saved = await asyncio.to_thread(SettingsFile(self._paths.settings_file).load)
        if saved.settings.downloads.folder != folder:
            raise errors.not_switched(state.target)
        await asyncio.to_thread(
            self._inventory.update, lambda entries: moving.rehomed(entries, state.source, state.target)
        )
        if self.after is not None:
            await self.after(moved)
        left = await self._transfers.call("library.move_finish", {"journal": str(self._journal)})
        if left:
            log.info("library.move left=%d", left)

    async def _undo(self) -> None:
        """Take the move back. When the app is closing the journal stays, and the next start goes on."""
        if self.closing:
            return
        try:
            await self._transfers.call("library.move_undo", {"journal": str(self._journal)})
        except AppError as error:
            log.warning("library.move_undo code=%s", error.problem.what.code)

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One move at a time, over all processes of this user. Raises ``UserFacing`` for the second."""
        if self.running:
            raise errors.moving_already()
        self.running = True
        lock = FileLock(self._journal.with_suffix(".lock"), timeout=0, thread_local=False)
        try:
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            try:
                await asyncio.to_thread(lock.acquire)
            except Timeout as error:
                raise errors.moving_already() from error
            try:
                yield
            finally:
                await asyncio.to_thread(lock.release)
        finally:
            self.running = False
