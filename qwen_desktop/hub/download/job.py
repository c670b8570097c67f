"""The job that fetches a model: all files of a quant and its companions, whole and verified, or a part to go on with.

Layout: ``<models folder>/<owner>/<name>/<file>``; unfinished ``<file>.part`` with ``<file>.journal`` beside it. When
every file is there and verified they get their names, and the manifest is written last: only then is it a model.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.models import DownloadRequest, RemoteFile
from qwen_desktop.hub import failures, library_errors
from qwen_desktop.hub.access import Access, access_from
from qwen_desktop.hub.download.file import FileDownload, Limiter
from qwen_desktop.hub.download.finish import already_there, finish, is_whole
from qwen_desktop.hub.download.journal import (
    Identity,
    Journal,
    JournalHead,
    journal_path,
    part_path,
    read_journal,
    remove_journal,
)
from qwen_desktop.hub.download.part_file import PartFile, left_behind, locked, other_at_work, patiently, remove_lock
from qwen_desktop.hub.download.sources import Seeker, Source, agree, candidates, identity
from qwen_desktop.hub.names import local_path

log = logging.getLogger(__name__)

Report = Callable[..., Any]
#: The speed is that of the last so many seconds.
_SPEED_S = 5.0
#: A model that changes at the hub while it is fetched is begun anew so many times.
_BEGINNINGS = 3
#: A download that was just stopped lets go of its files within this time, in seconds.
_DISCARD_S = 5.0
#: Places where drives appear: a folder there is not made when it is missing, since the drive is.
_DRIVES = ("/media/", "/run/media/", "/mnt/", "/Volumes/")


class DownloadOptions(Struct, frozen=True):
    """``limit`` in bytes a second; ``patience_s`` how long hubs may answer with nothing but trouble; ``create`` that a
    missing models folder is made (it is the app's own)."""

    limit: float | None = None
    patience_s: float = 600.0
    create: bool = True


def fetch(
    request: dict[str, Any], folder: str, access: dict[str, Any], options: dict[str, Any], report: Report
) -> dict[str, Any]:
    """The job ``hub.download``: fetch ``request`` (a ``DownloadRequest``) into the models folder.

    ``report(done, total, state=, note=, source=, speed=, fetched=)`` is called ten times a second, bytes over all
    files; what it returns may have ``limit``. Returns ``{"files", "mmproj", "manifest", "source", "size_bytes",
    "fetched_bytes"}``. Raises ``AppError``; ``Cancelled`` when stopped: then what is there stays.
    """
    job = _Download(
        msgspec.convert(request, DownloadRequest),
        Path(folder),
        access_from(access),
        msgspec.convert(options, DownloadOptions),
        report,
    )
    return job.run()


def state(request: dict[str, Any], folder: str) -> dict[str, int]:
    """The job ``hub.download_state``: bytes that are there and, where known, bytes in all. Never raises."""
    done = total = 0
    with contextlib.suppress(AppError):
        for target, file in _targets(msgspec.convert(request, DownloadRequest), Path(folder)).items():
            head = read_journal(journal_path(target))
            if head is not None and part_path(target).exists():
                done += head.bytes_done
                total += head.file.size
            elif target.exists() and file.size_bytes and target.stat().st_size == file.size_bytes:
                done += file.size_bytes
                total += file.size_bytes
            else:
                total += file.size_bytes
    return {"done": done, "total": total}


def discard(request: dict[str, Any], folder: str) -> None:
    """The job ``hub.download_discard``: remove the unfinished files, once nobody works on them.

    Raises ``AppError`` for names that cannot be files, and for a file that cannot be removed; its journal stays then,
    so that getting the model goes on from there.
    """
    targets = _targets(msgspec.convert(request, DownloadRequest), Path(folder))
    if not Path(folder).exists():
        return
    until = time.monotonic() + _DISCARD_S

    def waiting() -> None:
        if time.monotonic() > until:
            raise other_at_work()

    begun = [t for t in targets if t.parent.exists()]
    stays: list[OSError] = []
    for target in begun:
        with contextlib.suppress(AppError), locked([target], waiting):  # one that another download shares is left to it
            try:
                patiently(partial(part_path(target).unlink, missing_ok=True), until)
            except OSError as error:
                stays.append(error)
                continue
            remove_journal(target)
            remove_lock(target)
    for target in begun:
        for place in target.parents:
            if place == Path(folder) or Path(folder) not in place.parents:
                break
            with contextlib.suppress(OSError):
                place.rmdir()  # only an empty one goes
    if stays:
        raise left_behind(str(stays[0].filename)) from stays[0]


class _Download:
    """One call of ``fetch``."""

    def __init__(
        self, request: DownloadRequest, folder: Path, access: Access, options: DownloadOptions, report: Report
    ) -> None:
        self.request = request
        self.folder = folder
        self.access = access
        self.options = options
        self.targets = _targets(request, folder)
        self._report = report
        self._limit = options.limit
        self._done_before = 0
        self._received_before = 0
        self._fetched_before = 0
        self._total = sum(file.size_bytes for file in self.targets.values())
        self._speeds: deque[tuple[float, int]] = deque()
        self._last: dict[str, Any] = {"source": "", "speed": 0.0, "fetched": 0}
        self._sources: list[Source] = []
        self._used: set[str] = set()

    def run(self) -> dict[str, Any]:
        if not self.folder.exists():
            away = str(self.folder).startswith(_DRIVES) or library_errors.drive_missing(self.folder)
            if away or not self.options.create:
                raise library_errors.folder_away(str(self.folder))
        done = already_there(self.request, self.targets, self.folder)
        if done is None:
            with locked(list(self.targets), self._wait_for_other):
                # Perhaps the other one has brought it.
                done = already_there(self.request, self.targets, self.folder) or self._run_locked()
                for target in self.targets:
                    remove_lock(target)
        return done

    def _run_locked(self) -> dict[str, Any]:
        for left in reversed(range(_BEGINNINGS)):
            heads = {target: read_journal(journal_path(target)) for target in self.targets}
            try:
                return self._fetch_all(
                    {t: h for t, h in heads.items() if h is not None and not h.repaired and part_path(t).exists()}
                )
            except failures.Changed as error:
                # What the hub has now is another version: the old one cannot be completed any more.
                if not left:
                    raise
                log.info("download.changed left=%d", left)
                self._tell("waiting", error)
        raise AssertionError  # the loop returns or raises

    def _fetch_all(self, heads: Mapping[Path, JournalHead]) -> dict[str, Any]:
        known = {self.targets[target].path: head.file for target, head in heads.items()}
        commit = next((file.commit for file in known.values() if file.commit), "")
        seeker = Seeker(candidates(self.request, self.access, commit))
        try:
            self._sources = seeker.wait(self.request, known, lambda: self._tell_seeking(seeker, heads))
            identities = {t: identity(self._sources[0], file.path) for t, file in self.targets.items()}
            self._total = sum(i.size for i in identities.values())
            self._done_before = self._fetched_before = 0
            hashes = {t: self._fetch_one(t, identities, heads.get(t), seeker) for t in identities}
            self._tell("checking")
            sources, fetched = sorted(self._used), self._fetched_before
            return finish(self.request, self.folder, identities, hashes, sources, fetched=fetched)
        finally:
            seeker.stop()

    def _fetch_one(
        self, target: Path, all_of_them: Mapping[Path, Identity], head: JournalHead | None, seeker: Seeker
    ) -> str:
        """Have ``target``'s part whole and verified; returns its SHA-256."""
        file = all_of_them[target]
        if is_whole(target, file, lambda: self._tell("checking")):
            self._done_before += file.size
            return file.sha256
        part = PartFile(part_path(target), file.size)
        if head is not None and not head.file.same_bytes(file):
            log.info("download.other_version")
            head = None
        present = part.present()
        to_come = [t for t in all_of_them if t != target and not part_path(t).exists() and not t.exists()]
        part.open(sum(all_of_them[t].size for t in to_come))
        journal = Journal(journal_path(target), file, head)
        try:
            if 0 <= present < file.size:
                journal.forget(present, file.size)
            if journal.rebooted:
                _drop_unwritten(part, journal)
            journal.save()
            if not journal.head.verified:
                limiter = Limiter(self._limit)
                download = FileDownload(
                    part, journal, self._sources, self.access, limiter=limiter, patience_s=self.options.patience_s
                )
                download.run(lambda d: self._tick(d, seeker))
                self._received_before += download.received
        finally:
            journal.close()  # open, it could not be removed on Windows
        self._used |= journal.used()
        self._done_before += file.size
        self._fetched_before += journal.head.fetched
        return file.sha256 or journal.digest

    # Telling -----------------------------------------------------------------------------------------------------

    def _tick(self, download: FileDownload, seeker: Seeker) -> None:
        for source in seeker.late():
            if agree(self._sources[0], source):
                self._sources.append(source)
                download.add(source)
            else:
                log.info("download.source_differs kind=%s", source.kind)
        now = time.monotonic()
        received = self._received_before + download.received
        self._speeds.append((now, received))
        while now - self._speeds[0][0] > _SPEED_S:
            self._speeds.popleft()
        first = self._speeds[0]
        told = self._tell(
            download.state,
            download.waiting,
            done=self._done_before + download.journal.done,
            source=", ".join(download.source_names),
            speed=(received - first[1]) / (now - first[0]) if now > first[0] else 0.0,
            fetched=self._fetched_before + download.journal.head.fetched,
        )
        if "limit" in told:
            self._limit = told["limit"]
            download.limiter.set(self._limit)

    def _tell_seeking(self, seeker: Seeker, heads: Mapping[Path, JournalHead]) -> None:
        error = seeker.error
        done = sum(head.bytes_done for head in heads.values())
        self._tell("starting" if error is None else "waiting", error, done=done)

    def _wait_for_other(self) -> None:
        heads = [read_journal(journal_path(target)) for target in self.targets]
        self._total = max(self._total, sum(head.file.size for head in heads if head))
        self._tell("waiting", other_at_work(), done=sum(head.bytes_done for head in heads if head))

    def _tell(self, state: str, why: AppError | None = None, *, done: int | None = None, **more: Any) -> dict[str, Any]:
        """Report; ``why`` nothing comes at the moment. Returns what is told in turn."""
        note = None if why is None else msgspec.to_builtins(why.problem.what)
        self._last = {**self._last, **more, "state": state, "note": note}
        told = self._report(self._done_before if done is None else done, self._total, **self._last)
        return told if isinstance(told, dict) else {}


def _targets(request: DownloadRequest, folder: Path) -> dict[Path, RemoteFile]:
    """Where each file will lie. Raises ``UserFacing`` for names that must not become paths, or fall together."""
    targets: dict[Path, RemoteFile] = {}
    for file in (*request.files, *request.mmproj):
        target = local_path(folder, request.repo, file.path)
        targets.setdefault(target, file)
    if not request.files:
        raise failures.no_file(request.repo, request.quant or "*.gguf", "?")
    return targets


def _drop_unwritten(part: PartFile, journal: Journal) -> None:
    """After a power cut: what had not reached the disk reads as zeros there. Such blocks are fetched again."""
    block = 64 * 1024
    zeros = bytes(block)
    buffer = memoryview(bytearray(block))
    lost = 0
    with closing(part.handle()) as handle:
        for start, end, _ in journal.unproven():
            for place in range(start, end, block):
                count = handle.read(place, buffer[: min(block, end - place)])
                if buffer[:count] == zeros[:count]:
                    journal.drop(place, min(end, place + block))
                    lost += min(end, place + block) - place
    journal.head.verified = journal.head.verified and not lost
    log.info("download.rebooted lost=%d", lost)
