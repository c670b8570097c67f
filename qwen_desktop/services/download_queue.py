"""What the download queue is made of: its items, and the list as a file, so that it comes back after a restart."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.files import read_file, set_aside, write_atomic
from qwen_desktop.core.models import Download, DownloadRequest, DownloadStatus, InstalledModel
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.client import Channel

log = logging.getLogger(__name__)

SCHEMA = 1
_LONGEST = 16 << 20


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


class Library(Protocol):
    """What downloads need of the library."""

    @property
    def folder(self) -> Path: ...
    @property
    def moving(self) -> bool: ...
    async def add_download(self, download: Download, /, *files: Any) -> InstalledModel | None: ...


class Item:
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


def plain(request: DownloadRequest) -> dict[str, Any]:
    """The form in which a request goes to a job."""
    found: dict[str, Any] = msgspec.to_builtins(request)
    return found


def limit_of(megabytes: float | None) -> float | None:
    """The speed limit of the settings in bytes a second."""
    return None if megabytes is None else megabytes * 1e6


def metered_problem() -> Problem:
    """Why a download that nobody asked for just now waits."""
    return Problem(
        "user",
        Text(
            "download.metered",
            QT_TRANSLATE_NOOP("downloads", "The download waits, since this network says that data costs money."),
        ),
        Text("download.metered.hint", QT_TRANSLATE_NOOP("downloads", "Resume it to go on all the same.")),
    )


def offline_note() -> Text:
    """Why nothing moves while the network is switched off; stands in one line with figures, so it has no full stop."""
    return Text("download.offline", QT_TRANSLATE_NOOP("downloads", "Waits: the network is switched off"))
