"""``qwen-desktop models pull``: fetch a model, with progress; Ctrl+C leaves a part that the next pull goes on with.

The JSON object of ``--json``: ``status`` (done, failed, interrupted), ``reference``, ``repo``, ``quant``, ``path`` of
the first file ("" unless done), ``files``, ``mmproj``, ``size_bytes``, ``done_bytes``, ``fetched_bytes`` (received for
it, earlier runs included), ``seconds``, ``source``, ``problem`` (null or a sentence).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from qwen_desktop.cli.chat import DONE, FAILED
from qwen_desktop.cli.console import Console, exact_size
from qwen_desktop.cli.interrupt import Interrupt, asked
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.amounts import size
from qwen_desktop.core.errors import AppError, Environment, Failure, Problem, UserFacing, problem_of
from qwen_desktop.core.gguf import Kind, NotChat
from qwen_desktop.core.models import CatalogModel, Download, DownloadRequest, DownloadStatus, Quant
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill
from qwen_desktop.hub.access import offline_problem
from qwen_desktop.hub.names import find_quant
from qwen_desktop.services import network
from qwen_desktop.services.events import DownloadChanged

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services

SOURCES = ("huggingface", "modelscope")
_ENDED = (DownloadStatus.DONE, DownloadStatus.FAILED, DownloadStatus.PAUSED)
#: Where no source can be reached at all, the command gives up after this many seconds.
FIRST_BYTE_S = 30.0

_AGAIN = QT_TRANSLATE_NOOP("pull", "Check the network, then call the command again; what has arrived is kept.")
# fmt: off
_unreachable = Failure(
    Environment, "pull.unreachable", "", QT_TRANSLATE_NOOP("pull", "No source can be reached."), _AGAIN,
)
_unknown_source = Failure(
    UserFacing, "pull.source", "name names", QT_TRANSLATE_NOOP("pull", "There is no source {name}."),
    QT_TRANSLATE_NOOP("pull", "Choose one of: {names}."),
)
_no_quant = Failure(
    UserFacing, "pull.quant", "repo name names", QT_TRANSLATE_NOOP("pull", "{repo} has no quant {name}."),
    QT_TRANSLATE_NOOP("pull", "It has {names}."),
)
_metered = Failure(
    UserFacing, "pull.metered", "",
    QT_TRANSLATE_NOOP("pull", "Nothing was fetched, since this network is metered."),
    QT_TRANSLATE_NOOP("pull", "Add --yes to fetch all the same."),
)
# fmt: on


class PullOptions(Struct, frozen=True):
    """What was asked for on the command line; ``yes`` answers the question about a metered network."""

    reference: str
    quant: str = ""
    source: str = ""
    yes: bool = False


class _Pull:
    """The download that was asked for, and how it ended."""

    def __init__(self, wanted: PullOptions, console: Console, patience_s: float) -> None:
        self.wanted = wanted
        self.patience_s = patience_s
        self.download: Download | None = None
        self.problem: Problem | None = None
        self.began = time.monotonic()
        self._console = console
        self._ended = asyncio.Event()

    async def work(self, services: Services, interrupt: Interrupt) -> None:
        console, wanted = self._console, self.wanted
        problem = offline_problem(services.preferences.settings.downloads)
        if problem is not None:
            raise problem
        console.progress(QT_TRANSLATE_NOOP("pull", "Looking for the model …"))
        await _metered_or_asked(services, console, yes=wanted.yes)
        model = await services.catalogue.lookup(wanted.reference)
        request = DownloadRequest.of(model, _quant(model, wanted.quant), wanted.source)
        if not model.usable:
            console.note(fill(_not_served(model), {"name": model.name}))
        if not model.open_licence:
            template = QT_TRANSLATE_NOOP("pull", "The licence of {name} is {licence}. {url}")
            console.note(
                fill(template, {"name": model.name, "licence": model.licence, "url": model.licence_url}).rstrip()
            )
        services.bus.subscribe(DownloadChanged, self._on_change)
        self.download = await services.downloads.start(request)
        number = self.download.id

        async def stop() -> None:
            await services.downloads.pause(number)

        interrupt.stop_with(stop)
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), 1.0)
            if self._hopeless():
                gone = _unreachable().problem
                waited = self.download.note
                await services.downloads.pause(number)
                raise Environment(waited or gone.what, gone.hint)
        found = services.library.find(self.download.path)
        if found is not None and not found.chats:
            console.warn(NotChat(Path(found.path), Kind(found.kind)).problem.sentence())

    def _on_change(self, event: DownloadChanged) -> None:
        self.download = download = event.download
        self.problem = download.problem
        if download.status in _ENDED:
            self._ended.set()
            return
        self._console.progress(progress_line(download))

    def _hopeless(self) -> bool:
        """Whether nothing at all could be reached since the start. A script must not wait for a network for long; a
        download that has begun is waited for, as in the window."""
        found = self.download
        waits = found is not None and found.note is not None and not found.fetched_bytes
        return waits and time.monotonic() - self.began > self.patience_s

    @property
    def done(self) -> bool:
        """Whether the model is there."""
        return self.download is not None and self.download.status is DownloadStatus.DONE

    def as_object(self, status: str) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        found = self.download
        request = found.request if found is not None else None
        folder = found.path.rpartition(request.files[0].path)[0] if found and request and found.path else ""
        return {
            "status": status,
            "reference": self.wanted.reference,
            "repo": request.repo if request else "",
            "quant": request.quant if request else self.wanted.quant,
            "path": found.path if found else "",
            "files": [folder + file.path for file in request.files] if request and folder else [],
            "mmproj": [folder + file.path for file in request.mmproj] if request and folder else [],
            "size_bytes": found.total_bytes if found else 0,
            "done_bytes": found.done_bytes if found else 0,
            "fetched_bytes": found.fetched_bytes if found else 0,
            "seconds": round(time.monotonic() - self.began, 2),
            "source": found.source if found else "",
            "problem": self.problem.sentence() if self.problem else None,
        }


async def pull(run: CommandRun, wanted: PullOptions, *, patience_s: float = FIRST_BYTE_S) -> int:
    """Fetch a model and print where it is. Returns 0, 1 when it failed or cannot be used (with one sentence), or the
    code of the signal that ended it (130 after Ctrl+C)."""
    if wanted.source and wanted.source not in SOURCES:
        raise _unknown_source(wanted.source[:60], ", ".join(SOURCES))
    console = run.console
    this = _Pull(wanted, console, patience_s)
    error: BaseException | None = None
    with Interrupt() as interrupt:
        try:
            async with run.services() as services:
                await this.work(services, interrupt)
        except (Exception, asyncio.CancelledError) as ending:
            if not interrupt.ended(ending):
                error, this.problem = ending, problem_of(ending)
    console.end()
    stopped = not this.done and interrupt.pressed
    if run.as_json:
        console.object(this.as_object("done" if this.done else "interrupted" if stopped else "failed"), indent=None)
    if error is not None and not isinstance(error, AppError | OSError):
        raise error  # the caller's guard keeps the details
    if stopped:
        if this.download is not None and this.download.done_bytes:
            console.note(QT_TRANSLATE_NOOP("pull", "What has arrived is kept: the same command goes on from there."))
        return interrupt.code
    if not this.done or this.download is None:
        if this.problem is not None:
            console.warn(this.problem.sentence())
        return FAILED
    if not run.as_json:
        console.line(this.download.path)
    if this.problem is not None:  # whole, and yet no model to chat with
        console.warn(this.problem.sentence())
        return FAILED
    return DONE


def progress_line(download: Download) -> str:
    """Where a download is, for a line of the terminal: share, bytes, speed, time left, source, or why it waits."""
    name = " ".join(part for part in (download.request.title or download.request.repo, download.request.quant) if part)
    if download.total_bytes:
        template = QT_TRANSLATE_NOOP("pull", "{name}: {percent} % of {size}")
        line = fill(
            template, {"name": name, "percent": int(100 * download.fraction), "size": size(download.total_bytes)}
        )
    else:
        line = name
    if download.note is not None:
        return line + fill(QT_TRANSLATE_NOOP("pull", " · {reason} Waiting …"), {"reason": str(download.note)})
    if download.status is DownloadStatus.CHECKING:
        return line + QT_TRANSLATE_NOOP("pull", " · checking …")
    if download.speed > 0:
        line += f" · {exact_size(download.speed)}/s"
    if download.seconds_left is not None:
        line += fill(QT_TRANSLATE_NOOP("pull", " · {time} left"), {"time": _time(download.seconds_left)})
    return f"{line} · {download.source}" if download.source else line


def _not_served(model: CatalogModel) -> str:
    if model.supported:
        return QT_TRANSLATE_NOOP(
            "pull",
            "What {name} is made for is not in this version yet. It can be downloaded, but not used for that.",
        )
    return QT_TRANSLATE_NOOP(
        "pull", "The engine of this version cannot load {name}. It can be downloaded, but not used here."
    )


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _quant(model: CatalogModel, name: str) -> Quant:
    quant = find_quant(model.quants, name) if name else model.recommended_quant
    if quant is not None:
        return quant
    raise _no_quant(model.repo, name[:60], ", ".join(q.name for q in model.quants) or "-")


async def _metered_or_asked(services: Services, console: Console, *, yes: bool) -> None:
    """Ask on a terminal whether to go on where data costs money. Raises ``UserFacing`` when not."""
    if yes or not services.preferences.settings.downloads.ask_metered or not await network.metered():
        return
    if not asked(QT_TRANSLATE_NOOP("pull", "This network is metered: data may cost money. Go on?"), console):
        raise _metered()
