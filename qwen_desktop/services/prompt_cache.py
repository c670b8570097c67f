"""What models have read of conversations, kept on the disk so that the next run need not read it again: where it lies,
how much of it there may be, and that it goes with the conversations whose text it holds.

The engines' workers write it (``engine.prompt_cache``). It is removed here too, since a conversation may be deleted
while no model is in memory, or by a command beside the window.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, structs

from qwen_desktop.core.chat import is_temporary, kept_id
from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.errors import Environment, Failure, os_problem
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine.prompt_cache.files import DISK_RESERVE, Folder
from qwen_desktop.services.events import (
    ConversationChanged,
    ConversationRemoved,
    ConversationsImported,
    EventBus,
    PromptCacheChanged,
    SettingsChanged,
)
from qwen_desktop.services.preferences import Preferences

log = logging.getLogger(__name__)

#: Names all conversations, where others are named by their ids.
ALL = ("*",)
SETTING = "storage.prompt_cache_gb"
GB = 1_000_000_000
#: Automatic: so much at most, and this share of what could be free.
AUTOMATIC, SHARE = 4 * GB, 0.1
#: Conversations that are deleted within this time are forgotten together, in seconds.
TOGETHER_S = 0.02
#: Programs that make backups leave a folder out that has this file (bford.info/cachedir).
TAG = "CACHEDIR.TAG"
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# What Qwen Desktop can make again.\n"


# fmt: off
_not_cleared = Failure(
    Environment, "prompt_cache.not_cleared", "",
    QT_TRANSLATE_NOOP("storage", "Not all of it could be removed: its folder cannot be written, or a file is in use."),
    QT_TRANSLATE_NOOP("storage", "Close other windows and commands of the app, then try again."), "retry",
)
# fmt: on


class Kept(Struct, frozen=True):
    """How much is kept of how many conversations, and how much there may be: 0 where nothing is to be kept, or no more
    fits on the disk (``full``). ``usable`` is False where the folder cannot be written."""

    size_bytes: int = 0
    conversations: int = 0
    budget_bytes: int = 0
    full: bool = False
    usable: bool = True


def budget(chosen_gb: int | None, kept: int, free: int) -> int:
    """Bytes that may be kept, of which ``kept`` are there and beside which ``free`` are free. Some of the disk stays
    free whatever was chosen."""
    room = max(0, kept + free)
    wanted = int(min(AUTOMATIC, room * SHARE)) if chosen_gb is None else chosen_gb * GB
    return max(0, min(wanted, room - DISK_RESERVE))


class Keeping(Protocol):
    """The engines, as far as they keep something (``services.engines.Engines``)."""

    async def forget(self, keys: tuple[str, ...]) -> None:
        """Forget these conversations. When this returns none is being written any more."""

    async def limit(self, cache_bytes: int) -> None:
        """Keep so many bytes at most from now on."""


class PromptCache:
    """What is kept for the conversations of one run. All methods run on the event loop. Without ``keeps`` this run
    neither uses nor writes it: nothing that is said in it is saved."""

    def __init__(
        self,
        preferences: Preferences,
        bus: EventBus,
        paths: Paths,
        *,
        keeps: bool = True,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self._preferences = preferences
        self._paths = paths
        self._keeps = keeps
        self._free = free
        self._bus = bus
        self._folder = Folder(paths.prompt_cache)
        self._engines: Keeping | None = None
        #: deleted conversations that nobody was told of yet, and those of which not everybody has confirmed it
        self._gone: set[str] = set()
        self._told: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        #: the conversation that was told of last
        self._changed = ""
        bus.subscribe(ConversationChanged, self._on_change)
        bus.subscribe(ConversationRemoved, self._on_removal)
        bus.subscribe(ConversationsImported, lambda event: self.forget(event.ids) if event.gone else None)
        bus.subscribe(SettingsChanged, self._on_settings)

    @property
    def on(self) -> bool:
        """Whether anything is to be kept."""
        return self._keeps and self._preferences.settings.storage.prompt_cache_gb != 0

    def tells(self, engines: Keeping) -> None:
        """Have these told what they are to forget, and how much they may keep."""
        self._engines = engines

    async def filled(self, request: LoadRequest) -> LoadRequest:
        """``request`` with the place where the engine keeps what it has read. Without one where the disk refuses: all
        works as well, and is only read again."""
        if not self.on:
            return request
        kept = await asyncio.to_thread(self._look, make=True)
        if not kept.usable or not kept.budget_bytes:
            return request
        return structs.replace(request, cache_folder=str(self._paths.prompt_cache), cache_bytes=kept.budget_bytes)

    async def state(self) -> Kept:
        """How it stands now."""
        return await asyncio.to_thread(self._look, make=False)

    # Forgetting ------------------------------------------------------------------------------------------------------

    def forget(self, ids: Iterable[str]) -> None:
        """These conversations are deleted: remove what is kept of them, soon. One that comes back is read again."""
        begun = bool(self._gone)
        if self._keeps:
            self._gone.update(ids)
        if self._gone and not begun:
            self._begin(self._forget_gone())

    async def clear(self) -> None:
        """Remove all that is kept, in memory too. Raises ``AppError`` where files cannot be removed."""
        await self._forget(ALL)
        if (await self.state()).conversations:
            raise _not_cleared()

    async def clean(self) -> None:
        """Behind the window's start: remove what is more than there may be, by settings that were changed in their file
        or where the disk has become full."""
        kept = await self.state()
        if kept.usable and kept.size_bytes > kept.budget_bytes:
            await (self._resize() if self.on else self._forget(ALL))

    async def restored(self) -> None:
        """Before any model is loaded: other conversations have taken the place of those that there were."""
        await asyncio.to_thread(self._remove, ALL)

    async def aclose(self) -> None:
        """The engines have ended: remove what they wrote before they were told, or had confirmed it."""
        keys = tuple(self._gone | self._told)
        self._gone.clear()
        for task in self._tasks:
            task.cancel()
        if keys:
            await asyncio.to_thread(self._remove, ALL if ALL[0] in keys else keys)

    async def _forget_gone(self) -> None:
        await asyncio.sleep(TOGETHER_S)
        keys, self._gone = tuple(self._gone), set()
        if keys:
            await self._forget(keys)

    async def _forget(self, keys: tuple[str, ...]) -> None:
        """Tell the engines, remove the files, and do that once more when no engine writes any: one of them may have
        been at it."""
        self._told.update(keys)
        told = asyncio.ensure_future(self._engines.forget(keys)) if self._engines is not None else None
        try:
            if told is not None:
                await asyncio.to_thread(self._remove, keys)
                await told
            await asyncio.to_thread(self._remove, keys)
            self._told.difference_update(keys)
            self._bus.publish(PromptCacheChanged())
        finally:
            if told is not None:
                told.cancel()

    async def _resize(self) -> None:
        kept = await self.state()
        if kept.usable:
            if self._engines is not None:
                await self._engines.limit(kept.budget_bytes)
            await asyncio.to_thread(self._folder.sweep, kept.budget_bytes)
        self._bus.publish(PromptCacheChanged())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="prompt_cache")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("prompt_cache.not_forgotten kind=%s", type(error).__name__)

    def _on_change(self, event: ConversationChanged) -> None:
        self._changed = event.conversation.id

    def _on_removal(self, event: ConversationRemoved) -> None:
        removed = event.conversation_id
        if not (is_temporary(removed) and kept_id(removed) == self._changed):  # else it goes on under another name
            self.forget((removed,))

    def _on_settings(self, event: SettingsChanged) -> None:
        if SETTING in event.keys and self._keeps:
            self._begin(self._resize() if self.on else self._forget(ALL))

    # In a thread -----------------------------------------------------------------------------------------------------

    def _remove(self, keys: tuple[str, ...]) -> None:
        try:
            if keys == ALL:
                self._folder.clear()
            else:
                self._folder.forget([key for key in keys if not is_temporary(key)])  # those are in memory alone
        except OSError as error:
            log.warning("prompt_cache.not_removed code=%s", os_problem(error).what.code)

    def _look(self, *, make: bool) -> Kept:
        """How it stands; with ``make`` the folder is made, for nobody else to read."""
        path = self._paths.prompt_cache
        try:
            if make:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.chmod(0o700)
                if not (tag := self._paths.cache / TAG).exists():
                    tag.write_text(_TAG, encoding="ascii")
            nearest = next(place for place in (path, *path.parents) if place.exists())
            if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(nearest))
            size, count = self._folder.size()
            free = self._free(nearest)
        except OSError as error:
            log.warning("prompt_cache.unusable code=%s", os_problem(error).what.code)
            return Kept(usable=False)
        room = budget(self._preferences.settings.storage.prompt_cache_gb, size, free) if self.on else 0
        return Kept(size, count, room, full=self.on and not room)
