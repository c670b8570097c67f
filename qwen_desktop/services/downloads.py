"""Downloads: a queue of which one runs at a time, in the transfers worker, resumed from where it was.

A download ends when its model is in the library. Whatever stops it before (pause, a failure, the app's end, a killed
worker) leaves a part that the next run goes on with. The list is kept as a file, so that it comes back after a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from qwen_desktop.core.errors import AppError, Cancelled, Failure, Problem, UserFacing, problem_of
from qwen_desktop.core.files import read_file, set_aside, write_atomic
from qwen_desktop.core.models import Download, DownloadRequest, DownloadStatus
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.hub.access import is_offline, offline_problem
from qwen_desktop.jobs.client import Channel, JobWorker
from qwen_desktop.services import network
from qwen_desktop.services.events import DownloadChanged, DownloadsChanged, EventBus, Notified, SettingsChanged
from qwen_desktop.services.hub_access import hub_access
from qwen_desktop.services.library import Library
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.secrets import Secrets

log = logging.getLogger(__name__)

SCHEMA = 1
_LONGEST = 16 << 20
#: A download is told of at most so often, in seconds.
TELL_S = 0.25
#: A download whose worker crashed is tried again so many times, with a pause in seconds.
CRASHES = 3
_CRASH_PAUSE_S = 1.0
_MOVING_S = 0.3
#: Where a running download goes when it is stopped, and where only the user's wish makes one go on.
_ACTIVE = (DownloadStatus.RUNNING, DownloadStatus.CHECKING)
_HELD = (DownloadStatus.PAUSED, DownloadStatus.FAILED)

#: Why nothing moves while the network is switched off; stands in one line with figures, so it has no full stop.
OFFLINE_NOTE = Text("download.offline", QT_TRANSLATE_NOOP("downloads", "Waits: the network is switched off"))
_REPAIRING = Text("download.repairing", QT_TRANSLATE_NOOP("downloads", "What came is damaged; it is fetched again."))
# fmt: off
#: Why a download that nobody asked for just now waits.
_metered_network = Failure(
    UserFacing, "download.metered", "",
    QT_TRANSLATE_NOOP("downloads", "The download waits, since this network says that data costs money."),
    QT_TRANSLATE_NOOP("downloads", "Resume it to go on all the same."),
)
_unknown = Failure(
    UserFacing, "download.unknown", "", QT_TRANSLATE_NOOP("downloads", "This download is not in the list any more."),
)
# fmt: on


class Kept(Struct, frozen=True):
    """One download as it is kept: what for, and where it was."""

    request: DownloadRequest
    status: DownloadStatus
    done_bytes: int = 0
    total_bytes: int = 0
    problem: Problem | None = None


class _File(Struct, frozen=True):
    items: tuple[Kept, ...]
    schema: int = SCHEMA


def read(path: Path) -> tuple[tuple[Kept, ...], Path | None]:
    """The kept downloads in order, none when there is no file; and where a damaged file was set aside, if it was.

    Raises ``OSError``: what cannot be read or set aside must not be written over.
    """
    try:
        data = read_file(path)
    except FileNotFoundError:
        return (), None
    try:
        found = from_json(data, _File) if len(data) <= _LONGEST else None
    except ValueError as error:
        log.warning("downloads.queue kind=%s", type(error).__name__)
        found = None
    if found is not None and found.schema == SCHEMA:
        return found.items, None
    return (), set_aside(path, data, "damaged")


def write(path: Path, items: Sequence[Kept]) -> None:
    """Keep ``items``. Raises ``OSError``."""
    write_atomic(path, to_json(_File(tuple(items))))


def identifier(request: DownloadRequest) -> str:
    """The same for the same files of the same repository, in every process."""
    names = [request.repo, request.quant, *sorted(file.path for file in request.files)]
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:16]


class _Item:
    """One download and what runs for it. ``agreed``: on a metered network too; ``stopping``: it was told to stop, and
    ``after`` is its status then."""

    def __init__(self, download: Download, *, agreed: bool) -> None:
        self.download = download
        self.agreed = agreed
        self.task: asyncio.Task[None] | None = None
        self.channel = Channel()
        self.stopping = False
        self.after = DownloadStatus.WAITING
        self.told_at = 0.0
        self.crashes = 0


class Downloads:
    """The queue. ``restore`` brings back what an earlier run left; without it nothing is kept over a restart."""

    def __init__(  # noqa: PLR0917 - all of them are always given
        self,
        transfers: JobWorker,
        library: Library,
        preferences: Preferences,
        secrets: Secrets,
        bus: EventBus,
        paths: Paths,
        *,
        metered: Callable[[], Awaitable[bool]] = network.metered,
        patience_s: float = 600.0,
    ) -> None:
        self._transfers = transfers
        self._library = library
        self._preferences = preferences
        self._secrets = secrets
        self._bus = bus
        self._file = paths.data / "downloads.json"
        self._metered = metered
        self._patience_s = patience_s
        self._items: list[_Item] = []
        self._running: _Item | None = None
        self._keeps = False
        self._closed = False
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        bus.subscribe(SettingsChanged, self._on_settings)

    # The list ----------------------------------------------------------------------------------------------------

    def items(self) -> tuple[Download, ...]:
        """All of them in their order; those that are done stay until they are cancelled or the app ends."""
        return tuple(item.download for item in self._items)

    async def start(self, request: DownloadRequest) -> Download:
        """Add a download at the end of the queue; one that is there already goes on, or is returned as it is.

        The caller has asked about a metered network (``network.metered``), licence and size. Raises ``UserFacing``
        while the network is switched off.
        """
        self._need_network()
        number = identifier(request)
        known = self._known(number)
        if known is not None and known.download.status is DownloadStatus.DONE:
            self._items.remove(known)  # wanted again: it was deleted, or there is a newer version
            known = None
        if known is not None:
            if known.download.status in _HELD:
                await self.resume(number)
            return known.download
        total = sum(file.size_bytes for file in (*request.files, *request.mmproj))
        item = _Item(Download(number, request, DownloadStatus.WAITING, total_bytes=total), agreed=True)
        self._items.append(item)
        self._bus.publish(DownloadsChanged())
        await self._keep_and_kick()
        return item.download

    async def pause(self, download_id: str) -> None:
        """Stop one for now; what is there stays. The next in the queue begins."""
        item = self._find(download_id)
        if item.download.status in (DownloadStatus.DONE, *_HELD):
            return
        await self._stop(item, DownloadStatus.PAUSED)
        await self._keep()

    async def resume(self, download_id: str) -> None:
        """Let a paused or failed one go on when its turn comes, on a metered network too. Raises ``UserFacing`` while
        the network is switched off."""
        item = self._find(download_id)
        self._need_network()
        if item.stopping:
            item.after = DownloadStatus.WAITING  # it is being paused just now: what was asked for last counts
        if item.download.status not in _HELD:
            return
        item.agreed = True
        item.crashes = 0
        self._set(item, status=DownloadStatus.WAITING, problem=None, note=None)
        await self._keep_and_kick()

    async def cancel(self, download_id: str) -> None:
        """End one, take it off the list and remove its unfinished files. Of one that is done only the line goes."""
        item = self._find(download_id)
        done = item.download.status is DownloadStatus.DONE
        if not done:
            await self._stop(item, DownloadStatus.PAUSED)
            done = item.download.status is DownloadStatus.DONE  # it ended at that very moment
        if item in self._items:
            self._items.remove(item)
        self._bus.publish(DownloadsChanged())
        await self._keep()
        for left in reversed(range(0 if done else CRASHES)):
            try:
                await self._transfers.call("hub.download_discard", self._place(item.download.request))
                break
            except AppError as error:  # it stands in no list any more: nothing would remove its files later
                if not left or not error.problem.what.code.startswith("worker."):
                    raise

    async def move(self, download_id: str, index: int) -> None:
        """Give one another place in the list (0 is the first). One that comes before the running one takes its turn."""
        item = self._find(download_id)
        self._items.remove(item)
        self._items.insert(max(0, min(index, len(self._items))), item)
        self._bus.publish(DownloadsChanged())
        running = self._running
        first = next((i for i in self._items if i is running or i.download.status is DownloadStatus.WAITING), None)
        if running is not None and first is not running:
            await self._stop(running)
        await self._keep_and_kick()

    async def restore(self) -> None:
        """After a restart: list what was unfinished. What ran or waited goes on, but asks on a metered network. A list
        that is damaged is kept and told; one that cannot be read stays as it is, and nothing is kept in this run."""
        try:
            before, aside = await asyncio.to_thread(read, self._file)
        except OSError as error:
            log.warning("downloads.unread kind=%s", type(error).__name__)
            return
        if aside is not None:
            template = QT_TRANSLATE_NOOP(
                "downloads", "The list of downloads was damaged. It is kept as {path}; start the downloads again."
            )
            self._bus.publish(Notified(Text("downloads.kept", template, {"path": str(aside)})))
        for kept in before:
            number = identifier(kept.request)
            if kept.status is DownloadStatus.DONE or self._known(number) is not None:
                continue
            status = kept.status if kept.status in _HELD else DownloadStatus.WAITING
            done, total = kept.done_bytes, kept.total_bytes
            download = Download(number, kept.request, status, done, total, problem=kept.problem)
            self._items.append(_Item(download, agreed=False))
        self._keeps = True
        if not self._items:
            return
        self._bus.publish(DownloadsChanged())
        for item in tuple(self._items):
            with contextlib.suppress(AppError):  # only the progress bar is the poorer for it
                there = await self._transfers.call("hub.download_state", self._place(item.download.request))
                if item.download.status is not DownloadStatus.RUNNING:
                    self._set(item, done_bytes=there["done"], total_bytes=there["total"] or item.download.total_bytes)
        self._kick()

    async def still(self) -> None:
        """Stop what runs until the models folder has been moved (see ``Library.before_move``)."""
        if self._running is not None:
            await self._stop(self._running)

    async def aclose(self) -> None:
        """Stop; what runs or waits goes on after the next start. Safe to call twice."""
        self._closed = True
        if self._running is not None:
            await self._stop(self._running)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._keep()

    # Running -----------------------------------------------------------------------------------------------------

    def _kick(self) -> None:
        """Start the next one when none runs; while the network is switched off they wait."""
        if self._running is not None or self._closed:
            return
        if is_offline(self._preferences.settings.downloads):
            for other in self._items:
                if other.download.status is DownloadStatus.WAITING:
                    self._set(other, note=OFFLINE_NOTE)
            return
        item = next((i for i in self._items if i.download.status is DownloadStatus.WAITING), None)
        if item is None:
            return
        self._running = item
        item.after = DownloadStatus.WAITING
        item.stopping = False
        item.task = asyncio.get_running_loop().create_task(self._work(item), name="download")
        self._tasks.add(item.task)
        item.task.add_done_callback(partial(self._over, item))

    async def _stop(self, item: _Item, after: DownloadStatus | None = None) -> None:
        """End the run of ``item``, which then has the status ``after`` (unless it was done at that very moment).
        Without one it waits for its next turn, unless the user is pausing it just now."""
        item.after = after or item.after
        task = item.task
        if task is not None and not task.done():
            if not item.stopping:
                item.stopping = True
                task.cancel()
            await asyncio.wait({task})
        elif item.download.status is not DownloadStatus.DONE and after is not None:
            self._set(item, status=after)

    async def _work(self, item: _Item) -> None:
        try:
            await self._run(item)
        except Cancelled:  # the worker is ending, and the app with it
            self._rest(item, DownloadStatus.WAITING)
        except Exception as error:
            problem = problem_of(error)
            if not isinstance(error, AppError | OSError):
                log.error("download.failed kind=%s", type(error).__name__, exc_info=error)
            log.warning("download.failed code=%s", problem.what.code)
            problem = structs.replace(problem, action=problem.action or "retry")
            self._rest(item, DownloadStatus.FAILED, problem)

    def _over(self, item: _Item, task: asyncio.Task[None]) -> None:
        """A run has ended, perhaps stopped before its first step; the next one begins."""
        self._tasks.discard(task)
        item.task = None
        item.stopping = False
        if task.cancelled():
            self._rest(item, item.after)
        if self._running is item:
            self._running = None
        if not self._closed:
            following = asyncio.get_running_loop().create_task(self._keep_and_kick(), name="downloads.next")
            self._tasks.add(following)
            following.add_done_callback(self._tasks.discard)

    async def _keep_and_kick(self) -> None:
        await self._keep()
        self._kick()

    async def _run(self, item: _Item) -> None:
        while self._library.moving:  # noqa: ASYNC110 - it tells that a move begins, not that it is over
            await asyncio.sleep(_MOVING_S)
        settings = self._preferences.settings.downloads
        if not item.agreed and settings.ask_metered and await self._metered():
            self._set(item, status=DownloadStatus.PAUSED, problem=_metered_network().problem)
            return
        self._set(item, status=DownloadStatus.RUNNING, problem=None, note=None)
        result = await self._call(item)
        size = int(result["size_bytes"])
        fetched = max(item.download.fetched_bytes, int(result["fetched_bytes"]))
        path, source = result["files"][0], result["source"]
        self._set(item, done_bytes=size, total_bytes=size, path=path, source=source, fetched_bytes=fetched)
        done = structs.replace(
            item.download, status=DownloadStatus.DONE, speed=0.0, seconds_left=None, note=None, problem=None
        )
        model = await asyncio.shield(self._library.add_download(done))
        # What came is what the hub has, to the byte; whether it is a model to chat with is another matter.
        item.download = done = structs.replace(done, problem=model.problem if model is not None else None)
        self._bus.publish(DownloadChanged(done))

    async def _call(self, item: _Item) -> Any:
        """Run the job, again when its worker crashes."""
        while True:
            item.channel = Channel()
            try:
                return await self._transfers.call(
                    "hub.download",
                    await self._params(item.download.request),
                    progress=lambda done, total, **detail: self._progress(item, done, total, detail),
                    channel=item.channel,
                )
            except AppError as error:
                code = error.problem.what.code
                # A worker may hear of the switch that was turned back only after it hears of the download.
                late = code == "hub.offline" and not is_offline(self._preferences.settings.downloads)
                if not (late or code.startswith("worker.")) or item.crashes >= CRASHES or self._closed:
                    raise
                item.crashes += 1
                log.warning("download.again code=%s times=%d", code, item.crashes)
                await asyncio.sleep(_CRASH_PAUSE_S)

    def _place(self, request: DownloadRequest) -> dict[str, Any]:
        """What every job about a download is told."""
        return {"request": msgspec.to_builtins(request), "folder": str(self._library.folder)}

    async def _params(self, request: DownloadRequest) -> dict[str, Any]:
        settings = self._preferences.settings.downloads
        chosen = request.source or ("" if settings.source == "auto" else settings.source)
        return {
            **self._place(structs.replace(request, source=chosen)),
            "access": (await hub_access(self._preferences, self._secrets)).as_params(),
            "options": {
                "limit": _bytes_a_second(settings.speed_limit),
                "patience_s": self._patience_s,
                "create": not settings.folder,
            },
        }

    def _progress(self, item: _Item, done: int, total: int, detail: dict[str, Any]) -> None:
        if self._running is not item or item.download.status not in _ACTIVE:
            return
        if done > item.download.done_bytes:
            item.crashes = 0
        state, speed = detail.get("state"), float(detail.get("speed", 0.0))
        checking = state in ("checking", "repairing")
        note = msgspec.convert(detail["note"], Text) if detail.get("note") else None
        if state == "repairing":
            note = note or _REPAIRING
        status = DownloadStatus.CHECKING if checking else DownloadStatus.RUNNING
        now = time.monotonic()
        quiet = status is item.download.status and note == item.download.note and now - item.told_at < TELL_S
        item.download = structs.replace(
            item.download,
            status=status,
            done_bytes=done,
            total_bytes=total or item.download.total_bytes,
            speed=speed,
            seconds_left=max(0, total - done) / speed if speed > 0 and not checking else None,
            source=detail.get("source") or item.download.source,
            fetched_bytes=int(detail.get("fetched") or item.download.fetched_bytes),
            note=note,
        )
        if not quiet:
            item.told_at = now
            self._bus.publish(DownloadChanged(item.download))

    def _need_network(self) -> None:
        problem = offline_problem(self._preferences.settings.downloads)
        if problem is not None:
            raise problem

    # Inside ------------------------------------------------------------------------------------------------------

    def _find(self, download_id: str) -> _Item:
        item = self._known(download_id)
        if item is None:
            raise _unknown()
        return item

    def _known(self, download_id: str) -> _Item | None:
        return next((item for item in self._items if item.download.id == download_id), None)

    def _set(self, item: _Item, **changes: Any) -> None:
        after = structs.replace(item.download, **changes)
        if after != item.download:
            item.download = after
            item.told_at = time.monotonic()
            self._bus.publish(DownloadChanged(after))

    def _rest(self, item: _Item, status: DownloadStatus, problem: Problem | None = None) -> None:
        problem = problem or item.download.problem
        self._set(item, status=status, speed=0.0, seconds_left=None, note=None, problem=problem)

    async def _keep(self) -> None:
        """Write the list; a failure costs only the list after a restart."""
        if not self._keeps:
            return
        async with self._writing:
            kept = [
                Kept(d.request, d.status, d.done_bytes, d.total_bytes, d.problem)
                for d in self.items()
                if d.status is not DownloadStatus.DONE
            ]
            try:
                await asyncio.to_thread(write, self._file, kept)
            except OSError as error:
                log.warning("downloads.unwritten kind=%s", type(error).__name__)

    def _on_settings(self, event: SettingsChanged) -> None:
        if "downloads.offline" in event.keys and not event.after.downloads.offline:
            for other in self._items:
                self._set(other, note=None)
            self._kick()
        item = self._running
        if item is None:
            return
        if "downloads.speed_limit" in event.keys:
            item.channel.tell(limit=_bytes_a_second(event.after.downloads.speed_limit))
        stops = "downloads.offline" in event.keys and event.after.downloads.offline
        if (stops or "downloads.folder" in event.keys) and item.task is not None and not item.stopping:
            item.stopping = True
            item.task.cancel()  # it goes on where the parts are then, once it may


def _bytes_a_second(megabytes: float | None) -> float | None:
    return None if megabytes is None else megabytes * 1e6
