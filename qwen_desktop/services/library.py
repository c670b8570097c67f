"""The models on this computer: what is installed or linked, where it lies, and what can be done with it.

All reading of disks happens in the job worker, all reading of gigabytes in the transfers worker. ``models`` is what the
last ``scan`` found; whoever changes something here publishes ``LibraryChanged``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from qwen_desktop.core.errors import AppError, Problem, error_of
from qwen_desktop.core.models import Download, ImportCandidate, InstalledModel
from qwen_desktop.core.paths import Paths, absolute
from qwen_desktop.core.paths import home as user_home
from qwen_desktop.core.text import Text, shown
from qwen_desktop.hub import library_errors as errors
from qwen_desktop.hub.inventory import Entries, Entry, Inventory
from qwen_desktop.hub.manifest import find_manifests
from qwen_desktop.hub.names import is_safe
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.events import (
    CatalogueChanged,
    EventBus,
    ModelChanged,
    ModelStatus,
    Notified,
    SettingsChanged,
)
from qwen_desktop.services.library_move import FolderMove, Report
from qwen_desktop.services.library_notes import Notes, Templates
from qwen_desktop.services.preferences import Preferences

log = logging.getLogger(__name__)

#: A scan during which something was noted is made again, so many times at most.
_LOOKS = 4

#: Of the user's environment only what says where other programs keep models.
_VARIABLES = (
    "OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
    "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA",
)  # fmt: skip


class Library:
    """The models on this computer. ``home``, ``environ`` and ``system`` say where other programs are looked for;
    ``catalog_id`` gives the catalogue's id of a repository, "" for one it does not have.

    Built without reading anything; ``restore`` and ``scan`` come after the window is up.
    """

    def __init__(
        self,
        jobs: JobWorker,
        transfers: JobWorker,
        preferences: Preferences,
        bus: EventBus,
        paths: Paths,
        *,
        home: Path | None = None,
        environ: Mapping[str, str] = os.environ,
        system: str = sys.platform,
        clock: Callable[[], float] = time.time,
        catalog_id: Callable[[str], str] | None = None,
    ) -> None:
        self._jobs = jobs
        self._transfers = transfers
        self._bus = bus
        self._notes = Notes(Inventory(paths.data / "library.json"), bus, catalog_id)
        self._templates = Templates(self._notes, jobs)
        self._move = FolderMove(transfers, preferences, self._notes.inventory, paths)
        self._around = {
            "home": str(home or user_home() or ""),
            "environ": {name: environ[name] for name in _VARIABLES if name in environ},
            "system": system,
        }
        self._clock = clock
        self._offered: dict[str, ImportCandidate] = {}
        self._scanning = asyncio.Lock()
        self._ready = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        bus.subscribe(ModelChanged, self._on_model)
        bus.subscribe(SettingsChanged, self._on_settings)
        bus.subscribe(CatalogueChanged, lambda _event: self._notes.show(self._notes.models))  # with its ids

    # What there is -----------------------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """The models folder: the one of the settings, else the usual one."""
        return self._move.folder

    @property
    def moving(self) -> bool:
        """Whether the models folder is being moved: nothing may be added to it or deleted meanwhile."""
        return self._move.running

    def before_move(self, wait: Callable[[], Awaitable[None]]) -> None:
        """``wait`` is awaited before files move; downloads pause themselves there."""
        self._move.before = wait

    def after_move(self, follow: Callable[[Callable[[str], str]], Awaitable[None]]) -> None:
        """Have ``follow(moved)`` awaited when the models have moved: ``moved`` gives for a path the new one, or the
        same."""
        self._move.after = follow

    def models(self) -> tuple[InstalledModel, ...]:
        """What the last scan found, by name; those that cannot be used now carry a ``problem``."""
        return self._notes.models

    async def has_any(self) -> bool:
        """Whether there is a model, as a glance tells: what is noted, else what lies in the folder. The window's first
        page cannot wait for a scan."""
        return await asyncio.to_thread(_any_model, self._notes.inventory, self.folder)

    def find(self, model_id: str) -> InstalledModel | None:
        """The model with this id or this path."""
        return self._notes.find(model_id)

    def named(self, text: str) -> InstalledModel:
        """The one model that ``text`` means: an id, a path, a file's name, "owner/name[:quant]" or a name.

        Raises ``UserFacing`` when there is none, or more than one.
        """
        wanted = text.strip().lower()
        for spellings in (
            lambda m: (m.id, m.path, Path(m.path).name, shown(m.id, len(m.id)), shown(Path(m.path).name)),
            lambda m: (f"{m.repo}:{m.quant}", f"{m.name}:{m.quant}", f"{m.name} {m.quant}", Path(m.path).stem),
            lambda m: (m.repo, m.name, m.repo.rpartition("/")[2]),
        ):
            found = [
                m for m in self._notes.models if wanted in {spelling.lower() for spelling in spellings(m) if spelling}
            ]
            if len(found) == 1:
                return found[0]
            if found:
                raise errors.several(text, [m.id for m in found])
        raise errors.unknown_model(text)

    def reveal(self, model_id: str) -> Path:
        """The folder of a model's file, for the face to open. Raises ``UserFacing`` for an unknown model."""
        return Path(self._notes.known(model_id).path).parent

    async def scan(self) -> tuple[InstalledModel, ...]:
        """Look at the folder and at the linked models again. Templates that nobody has looked at are examined
        afterwards, in the background. Raises ``AppError`` only when the job worker cannot run."""
        async with self._scanning:
            try:
                await self._notes.set_aside()
            except AppError as error:  # shown all the same
                log.warning("library.aside code=%s", error.problem.what.code)
            for _ in range(_LOOKS):
                changes, folder = self._notes.changes, self.folder
                params = {"folder": str(folder), "file": str(self._notes.inventory.file)}
                found = await self._jobs.call("library.scan", params)
                entries = await self._notes.read()
                if (changes, folder) == (self._notes.changes, self.folder):
                    break  # else it saw the models as they were before a change that is shown already
            self._notes.show(msgspec.convert(found, tuple[InstalledModel, ...]))
        unexamined = self._templates.unexamined(entries)
        if unexamined:
            self._start(lambda: self._examine(unexamined))
        return self._notes.models

    async def restore(self) -> None:
        """At the start: bring an interrupted move of the folder to an end, then scan. A failure is told, not raised."""
        try:
            await self._move.restore()
        except AppError as error:
            self._bus.publish(Notified(error.problem.what, hint=error.problem.hint))
        await self.scan()

    async def aclose(self) -> None:
        """End background work and note the last uses. Safe to call twice."""
        self._closed = self._move.closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._notes.write_uses()

    # Adding ------------------------------------------------------------------------------------------------------

    async def add_download(self, download: Download, *_files: object) -> InstalledModel | None:
        """A download has ended and its manifest is written: list it, its template examined. None when it is not
        there after all."""
        await self.scan()
        model = self.find(download.path) if download.path else None
        if model is None:
            wanted = download.request
            model = next((m for m in self._notes.models if (m.repo, m.quant) == (wanted.repo, wanted.quant)), None)
        if model is None:
            return None
        await self._templates.examine(model.path)
        return self.find(model.path)

    async def find_importable(self) -> tuple[ImportCandidate, ...]:
        """What LM Studio, Ollama, Jan, GPT4All and the Hugging Face cache hold, and GGUFs that somebody put into the
        models folder. Those in the library already are marked ``known``. Raises ``AppError``."""
        known = [path for model in self._notes.models for path in model.files]
        params = {**self._around, "known": known, "folder": str(self.folder)}
        found = await self._jobs.call("library.find_importable", params)
        candidates = msgspec.convert(found, tuple[ImportCandidate, ...])
        self._offered = {candidate.path: candidate for candidate in candidates}
        return candidates

    async def import_files(
        self, paths: Iterable[str | Path], *, copy: bool = False, progress: Report | None = None
    ) -> tuple[InstalledModel, ...]:
        """Add files, or the models inside folders: linked where they lie, or copied into the models folder.

        What ``find_importable`` said of a path (its name, its mmproj) is used. Models known already come back as they
        are. Raises ``AppError`` when nothing can be added; when some can, the others are told by ``Notified``.
        """
        if copy and self.moving:
            raise errors.moving_already()
        wanted = [str(absolute(path)) for path in paths]
        told = {path: _told(self._offered[path]) for path in wanted if path in self._offered}
        found = await self._jobs.call("library.inspect", {"paths": wanted, "told": told})
        problems = [msgspec.convert(result["problem"], Problem) for result in found if "problem" in result]
        entries = [msgspec.convert(result["entry"], Entry) for result in found if "entry" in result]
        if not entries and problems:
            raise error_of(problems[0])
        added = await self._copy_in(entries, progress) if copy else await self._link(entries)
        await self.scan()
        models = [model for path in added if (model := self.find(path)) is not None]
        for model in models:
            await self._templates.examine(model.path)
        for problem in problems[:3]:
            self._bus.publish(Notified(problem.what, hint=problem.hint))
        return tuple(self.find(model.path) or model for model in models)

    async def _link(self, entries: list[Entry]) -> list[str]:
        """Note linked models and return their paths. A file that lies in our folder becomes ours instead."""
        folder = self.folder
        # a name that no manifest can hold stays a link
        ours = [
            e for e in entries if folder in Path(e.path).parents and all(is_safe(Path(f.path).name) for f in e.files)
        ]
        paths = await self._copy_in(ours, None)
        fresh: list[Entry] = []
        parts: dict[str, Entry] = {}
        others = [entry for entry in entries if entry not in ours]
        for entry, there in zip(others, await asyncio.to_thread(_same, others, self._notes.models), strict=True):
            paths.append(there or entry.path)
            if not there:
                fresh.append(entry)
            elif entry.mmproj is not None:
                parts[there] = entry

        def add(current: Entries) -> Entries:
            with_parts = {
                path: structs.replace(known, mmproj=parts[path].mmproj)
                for path, known in current.items()
                if path in parts and not known.owned and known.mmproj is None
            }
            return {**current, **with_parts, **{entry.path: entry for entry in fresh if entry.path not in current}}

        if fresh or parts:
            await self._notes.update(add)
        return paths

    async def _copy_in(self, entries: list[Entry], progress: Report | None) -> list[str]:
        """Copy models into the folder one after the other; returns the first file of each copy."""
        total = sum(entry.size_bytes for entry in entries) * 2
        done = 0
        paths: list[str] = []
        for entry in entries:

            def report(part: int, _of: int, before: int = done, **_detail: Any) -> None:
                if progress is not None:
                    progress(min(total, before + part), total)

            params = {"entry": msgspec.to_builtins(entry), "folder": str(self.folder)}
            paths.append(await self._transfers.call("library.copy", params, progress=report))
            done += entry.size_bytes * 2
        return paths

    # Using -------------------------------------------------------------------------------------------------------

    def touch(self, path: str) -> None:
        """A model was used just now: its last use is noted (written in the background)."""
        if self.find(path) is None or self._closed:
            return
        self._notes.use(path, self._clock())
        self._start(self._notes.write_uses)

    async def verify(self, model_id: str, progress: Report | None = None) -> bool:
        """Read a whole model again and compare its hashes with those it was fetched with; False when it is damaged.

        The first time for a file whose hash nobody knows, its hash is noted. Raises ``AppError``.
        """
        model = self._notes.known(model_id)
        entry = await self._notes.entry(model.path)
        files = [*entry.files, *([entry.mmproj] if entry.mmproj else [])]
        paths = [entry.absolute(file) for file in files]
        report = _plain(progress)
        hashes: list[str] = await self._transfers.call("library.hash", {"paths": paths}, progress=report)
        wrong = tuple(
            file.path for file, found in zip(files, hashes, strict=True) if file.sha256 and file.sha256 != found
        )

        def learned(now: Entry) -> Entry:
            known = [structs.replace(f, sha256=f.sha256 or h) for f, h in zip(files, hashes, strict=True)]
            return structs.replace(
                now,
                files=tuple(known[: len(entry.files)]),
                mmproj=known[-1] if entry.mmproj is not None else None,
                verified_at=0.0 if wrong else self._clock(),
                damaged=wrong,
            )

        await self._notes.change(entry.path, learned)
        return not wrong

    async def why_no_bin(self, model_id: str) -> Text | None:
        """Why deleting this model would be for good; None when its files go to the bin, as far as that can be known
        before, or when only a link is forgotten. Raises ``AppError`` for an unknown one."""
        model = self._notes.known(model_id)
        if not model.owned:
            return None
        from qwen_desktop.hub import deleting  # noqa: PLC0415 - with ctypes, and only when somebody deletes

        return await asyncio.to_thread(deleting.of_model, await self._notes.entry(model.path))

    async def delete(self, model_id: str, *, permanent: bool = False) -> None:
        """Remove a model: the files of ours go to the bin, of a linked one only the link is forgotten.

        Raises ``Environment`` with the action "delete_permanently" where the drive has no bin: then ``permanent``
        deletes for good. Raises ``AppError`` for other failures.
        """
        model = self._notes.known(model_id)
        if model.owned and self.moving:
            raise errors.moving_already()
        entry = await self._notes.entry(model.path)
        if entry.owned and await asyncio.to_thread(Path(entry.folder).is_dir):
            await self._transfers.call("library.delete", {"entry": msgspec.to_builtins(entry), "permanent": permanent})
        await self._notes.update(lambda current: {path: e for path, e in current.items() if path != entry.path})
        await self.scan()

    async def move_folder(self, target: str | Path, progress: Report | None = None) -> None:
        """Move the models folder to ``target``, also on another drive, and go on from there.

        Safe to interrupt anywhere: until all is copied and verified the old folder stays whole, and what was
        interrupted is brought to an end by ``restore`` at the next start. Cancelling takes it back. Raises
        ``AppError``.
        """
        try:
            await self._move.move(absolute(target), progress)
        finally:
            if not self._closed:
                await self.scan()

    # Templates ---------------------------------------------------------------------------------------------------

    def template_override(self, path: str) -> str | None:
        """The repaired chat template of the model at ``path``, None when the file's own is used."""
        return self._templates.override(path)

    async def repair_template(self, model_id: str) -> None:
        """Use our own template for this model from its next load on; the file is not touched. Raises ``AppError``."""
        await self._templates.repair(self._notes.known(model_id).path)

    async def unrepair_template(self, model_id: str) -> None:
        """Use the file's own template again. Raises ``AppError``."""
        await self._templates.unrepair(self._notes.known(model_id).path)

    async def _examine(self, paths: Iterable[str]) -> None:
        for path in paths:
            await self._templates.examine(path)

    # Inside ------------------------------------------------------------------------------------------------------

    def _start(self, work: Callable[[], Awaitable[object]]) -> None:
        if self._closed:
            return
        task = asyncio.get_running_loop().create_task(_quiet(work), name="library")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_model(self, event: ModelChanged) -> None:
        state = event.state
        if state.status is ModelStatus.READY and state.path and state.path != self._ready:
            self.touch(state.path)
        self._ready = state.path if state.status is ModelStatus.READY else ""

    def _on_settings(self, event: SettingsChanged) -> None:
        if "downloads.folder" in event.keys and not self.moving:
            self._start(self.scan)


async def _quiet(work: Callable[[], Awaitable[object]]) -> None:
    try:
        await work()
    except AppError as error:
        log.warning("library.background code=%s", error.problem.what.code)


def _any_model(inventory: Inventory, folder: Path) -> bool:
    if inventory.read():
        return True
    with contextlib.suppress(OSError):
        return next(iter(find_manifests(folder)), None) is not None
    return False


def _same(entries: Iterable[Entry], models: Iterable[InstalledModel]) -> list[str]:
    """For each entry the path of the model that is the same file, or ""."""
    real = {os.path.realpath(model.path): model.path for model in models}
    return [real.get(os.path.realpath(entry.path), "") for entry in entries]


def _told(candidate: ImportCandidate) -> dict[str, str]:
    return {
        "origin": candidate.origin,
        "name": candidate.name,
        "quant": candidate.quant,
        "repo": candidate.repo,
        "mmproj": candidate.mmproj,
    }


def _plain(report: Report | None) -> Callable[..., None] | None:
    if report is None:
        return None
    return lambda done, total, **_detail: report(done, total)
