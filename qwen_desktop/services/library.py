"""The models on this computer: what is installed or linked, where it lies, and what can be done with it.

All reading of disks happens in the job worker, all reading of gigabytes in the transfers worker. ``models`` is what the
last ``scan`` found, and ``library.json`` notes what is known of each besides: the two are changed together.
``LibraryChanged`` is published whenever the list becomes another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import structs

from qwen_desktop.core.errors import AppError, Environment, Failure, Problem, UserFacing, error_of, os_problem
from qwen_desktop.core.model_ref import FileRef, LoadOptions
from qwen_desktop.core.models import Download, ImportCandidate, InstalledModel
from qwen_desktop.core.paths import Paths, absolute
from qwen_desktop.core.paths import home as user_home
from qwen_desktop.core.quality import Quality
from qwen_desktop.core.settings import setting
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean, shown
from qwen_desktop.hub import library_errors as errors
from qwen_desktop.hub.installed import lies_in
from qwen_desktop.hub.installed import shown as shown_model
from qwen_desktop.hub.inventory import DOCTOR, Inventory, LibraryEntries, LibraryEntry, TemplateNote
from qwen_desktop.hub.manifest import find_manifests
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.events import (
    CatalogueChanged,
    EngineChanged,
    EventBus,
    LibraryChanged,
    ModelChanged,
    ModelStatus,
    Notified,
    SettingsChanged,
)
from qwen_desktop.services.library_move import FolderMove, Report
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_text import complaint

log = logging.getLogger(__name__)

#: A name for commands: it needs no quotes in a shell, is no option, no path and no address.
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: A scan during which something was noted is made again, so many times at most.
_LOOKS = 4

#: Of the user's environment only what says where other programs keep models.
_VARIABLES = (
    "OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
    "XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA",
)  # fmt: skip

# fmt: off
_alias_impossible = Failure(
    UserFacing, "library.alias", "name", QT_TRANSLATE_NOOP("library", "A model cannot be called {name}."),
    QT_TRANSLATE_NOOP("library", "Use up to 64 letters, digits, dots, - and _, beginning with a letter or digit."),
)
_alias_taken = Failure(
    UserFacing, "library.alias_taken", "name model",
    QT_TRANSLATE_NOOP("library", "{name} is a name of {model} already."),
    QT_TRANSLATE_NOOP("library", "Choose another name."),
)
# fmt: on


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
        self._inventory = Inventory(paths.data / "library.json")
        self._catalog_id = catalog_id
        self._models: tuple[InstalledModel, ...] = ()
        #: Grows with each change: who read before and shows after one would show the past.
        self._changes = 0
        self._noting = asyncio.Lock()
        self._used: dict[str, float] = {}
        self._examining = asyncio.Lock()
        self._template_wishes: dict[str, int] = {}
        self._move = FolderMove(transfers, preferences, self._inventory, paths)
        self._free: Callable[[str], Awaitable[None]] | None = None
        self._around = {
            "home": str(home or user_home() or ""),
            "environ": {name: environ[name] for name in _VARIABLES if name in environ},
            "system": system,
        }
        self._clock = clock
        self._offered: dict[str, ImportCandidate] = {}
        self._scanning = asyncio.Lock()
        self._chosen = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        bus.subscribe(EngineChanged, self._on_engine)
        bus.subscribe(ModelChanged, self._on_model)
        bus.subscribe(SettingsChanged, self._on_settings)
        bus.subscribe(CatalogueChanged, lambda _event: self._show(self._models))  # with its ids

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

    def on_move(self, follow: Callable[[Callable[[str], str]], None]) -> None:
        """Have ``follow(moved)``, see ``after_move``, called in the moment from which the new folder is the one of the
        settings; the files lie in the old one too until what comes after the move has ended."""
        self._move.switched = follow

    def after_move(self, follow: Callable[[Callable[[str], str]], Awaitable[None]]) -> None:
        """Have ``follow(moved)`` awaited when the models have moved: ``moved`` gives for a path the new one, or the
        same."""
        self._move.after = follow

    def before_delete(self, free: Callable[[str], Awaitable[None]]) -> None:
        """``free`` is awaited with the path of a model whose files are to go: it may still be in memory."""
        self._free = free

    def models(self) -> tuple[InstalledModel, ...]:
        """What the last scan found, by name; those that cannot be used now carry a ``problem``."""
        return self._models

    async def has_any(self) -> bool:
        """Whether there is a model, as a glance tells: what is noted, else what lies in the folder. The window's first
        page cannot wait for a scan."""
        return await asyncio.to_thread(_any_model, self._inventory, self.folder)

    def find(self, model_id: str) -> InstalledModel | None:
        """The model with this id or this path."""
        return next((model for model in self._models if model_id in (model.id, model.path)), None)

    def _known(self, model_id: str) -> InstalledModel:
        model = self.find(model_id)
        if model is None:
            raise errors.unknown_model(model_id)
        return model

    def named(self, text: str) -> InstalledModel:
        """The one model that ``text`` means: an alias, an id, a path, a file's name, "owner/name[:quant]" or a name.

        Raises ``UserFacing`` when there is none, or more than one.
        """
        wanted = text.strip().lower()
        for rank in range(4):
            found = [m for m in self._models if wanted in _names(m)[rank]]
            if len(found) == 1:
                return found[0]
            if found:
                raise errors.several(text, [m.id for m in found])
        raise errors.unknown_name(text, [m.alias or f"{m.name} {m.quant}".strip() for m in self._models])

    async def scan(self) -> tuple[InstalledModel, ...]:
        """Look at the folder and at the linked models again. Templates that nobody has looked at are examined
        afterwards, in the background. Raises ``AppError`` only when the job worker cannot run."""
        async with self._scanning:
            try:
                await self._set_aside()
            except AppError as error:  # shown all the same
                log.warning("library.aside code=%s", error.problem.what.code)
            for _ in range(_LOOKS):
                changes, folder = self._changes, self.folder
                params = {"folder": str(folder), "file": str(self._inventory.file)}
                found = await self._jobs.call("library.scan", params)
                entries = await self._read()
                if (changes, folder) == (self._changes, self.folder):
                    break  # else it saw the models as they were before a change that is shown already
            self._show(msgspec.convert(found, tuple[InstalledModel, ...]))
        usable = (model.path for model in self._models if model.problem is None)
        unexamined = [path for path in usable if path in entries and not _examined(entries[path])]
        if unexamined:
            self._start(lambda: self._examine(unexamined))
        return self._models

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
        await self._write_uses()

    # Adding ------------------------------------------------------------------------------------------------------

    async def add_download(self, download: Download) -> InstalledModel | None:
        """A download has ended and its manifest is written: list it, its template examined. None when it is not
        there after all."""
        await self.scan()
        model = self.find(download.path) if download.path else None
        if model is None:
            wanted = download.request
            model = next((m for m in self._models if (m.repo, m.quant) == (wanted.repo, wanted.quant)), None)
        if model is None:
            return None
        await self._examine([model.path])
        return self.find(model.path)

    async def find_importable(self) -> tuple[ImportCandidate, ...]:
        """What LM Studio, Ollama, Jan, GPT4All and the Hugging Face cache hold, and GGUFs that somebody put into the
        models folder. Those in the library already are marked ``known``. Raises ``AppError``."""
        known = [path for model in self._models for path in model.files]
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
        entries = [msgspec.convert(result["entry"], LibraryEntry) for result in found if "entry" in result]
        if not entries and problems:
            raise error_of(problems[0])
        added = await self._copy_in(entries, progress) if copy else await self._link(entries)
        await self.scan()
        models = [model for path in added if (model := self.find(path)) is not None]
        await self._examine(model.path for model in models)
        for problem in problems[:3]:
            self._bus.publish(Notified(problem.what, hint=problem.hint))
        return tuple(self.find(model.path) or model for model in models)

    async def _link(self, entries: list[LibraryEntry]) -> list[str]:
        """Note linked models and return their paths. A file that lies in our folder becomes ours instead."""
        ours = [entry for entry in entries if lies_in(entry, self.folder)]
        paths = await self._copy_in(ours, None)
        fresh: list[LibraryEntry] = []
        parts: dict[str, LibraryEntry] = {}
        others = [entry for entry in entries if entry not in ours]
        for entry, there in zip(others, await asyncio.to_thread(_same, others, self._models), strict=True):
            paths.append(there or entry.path)
            if not there:
                fresh.append(entry)
            elif entry.mmproj is not None:
                parts[there] = entry

        def add(current: LibraryEntries) -> LibraryEntries:
            with_parts = {
                path: structs.replace(known, mmproj=parts[path].mmproj)
                for path, known in current.items()
                if path in parts and not known.owned and known.mmproj is None
            }
            return {**current, **with_parts, **{entry.path: entry for entry in fresh if entry.path not in current}}

        if fresh or parts:
            await self._note(add)
        return paths

    async def _copy_in(self, entries: list[LibraryEntry], progress: Report | None) -> list[str]:
        """Copy models into the folder one after the other; returns the first file of each copy."""
        total = sum(entry.size_bytes for entry in entries) * 2
        done = 0
        paths: list[str] = []
        for entry in entries:

            def report(part: int, _of: int, before: int = done) -> None:
                if progress is not None:
                    progress(min(total, before + part), total)

            params = {"entry": msgspec.to_builtins(entry), "folder": str(self.folder)}
            paths.append(await self._transfers.call("library.copy", params, progress=report))
            done += entry.size_bytes * 2
        return paths

    async def add_made(self, path: str, made_from: str) -> InstalledModel | None:
        """A model was made here: it is listed, with what it was made from. One that it took the place of is forgotten
        but for its alias and how it is loaded. None when it is not there after all. Raises ``AppError``."""
        before: list[LibraryEntry] = []

        def forget(current: LibraryEntries) -> LibraryEntries:
            real = os.path.realpath(path)
            before.extend(entry for key, entry in current.items() if os.path.realpath(key) == real)
            return {key: entry for key, entry in current.items() if entry not in before}

        if any(await asyncio.to_thread(_same_file, path, self._models)):
            await self._note(forget)
            gone = {entry.path for entry in before}
            self._models = tuple(model for model in self._models if model.path not in gone)  # shown by the scan
        added = await self.import_files([path])
        if not added:
            return None

        def note(entry: LibraryEntry) -> LibraryEntry:
            kept = {"alias": before[0].alias, "options": before[0].options} if before else {}
            return structs.replace(entry, made_from=shown(made_from), quality=None, **kept)

        await self._change(added[0].path, note)
        return self.find(added[0].path)

    async def let_go(self, path: str) -> None:
        """The file of a model is to be replaced: have it leave memory, unless somebody uses it."""
        if self._free is not None:
            await self._free(path)

    async def set_quality(self, path: str, quality: Quality) -> None:
        """Note what was measured of the model at ``path``. Raises ``AppError``."""
        await self._change(path, lambda entry: structs.replace(entry, quality=quality))

    # Using -------------------------------------------------------------------------------------------------------

    def touch(self, path: str) -> None:
        """A model was used just now: its last use is noted (written in the background)."""
        if self.find(path) is None or self._closed:
            return
        self._used[path] = self._clock()
        self._show(self._models)
        self._start(self._write_uses)

    async def verify(self, model_id: str, progress: Report | None = None) -> bool:
        """Read a whole model again and compare its hashes with those it was fetched with; False when it is damaged.

        The first time for a file whose hash nobody knows, its hash is noted. Raises ``AppError``.
        """
        model = self._known(model_id)
        entry = await self._entry(model.path)
        files = entry.all_files
        paths = [entry.absolute(file) for file in files]
        hashes: list[str] = await self._transfers.call("library.hash", {"paths": paths}, progress=progress)
        wrong = tuple(
            file.path for file, found in zip(files, hashes, strict=True) if file.sha256 and file.sha256 != found
        )

        def learned(now: LibraryEntry) -> LibraryEntry:
            known = [structs.replace(f, sha256=f.sha256 or h) for f, h in zip(files, hashes, strict=True)]
            return structs.replace(
                now,
                files=tuple(known[: len(entry.files)]),
                mmproj=known[-1] if entry.mmproj is not None else None,
                verified_at=0.0 if wrong else self._clock(),
                damaged=wrong,
            )

        await self._change(entry.path, learned)
        return not wrong

    async def why_no_bin(self, model_id: str) -> Text | None:
        """Why deleting this model would be for good; None when its files go to the bin, as far as that can be known
        before, or when only a link is forgotten. Raises ``AppError`` for an unknown one."""
        model = self._known(model_id)
        if not model.owned:
            return None
        from qwen_desktop.hub import deleting  # noqa: PLC0415 - with ctypes, and only when somebody deletes

        entry = await self._entry(model.path)
        files = [Path(entry.absolute(file)) for file in entry.all_files]
        return await asyncio.to_thread(deleting.why_no_bin, files)

    async def delete(self, model_id: str, *, permanent: bool = False) -> None:
        """Remove a model: the files of ours go to the bin, of a linked one only the link is forgotten.

        Raises ``Environment`` with the action "delete_permanently" where the drive has no bin: then ``permanent``
        deletes for good. Raises ``AppError`` for other failures.
        """
        model = self._known(model_id)
        if model.owned and self.moving:
            raise errors.moving_already()
        entry = await self._entry(model.path)
        if entry.owned and await asyncio.to_thread(Path(entry.folder).is_dir):
            if self._free is not None:
                await self._free(model.path)
            await self._transfers.call("library.delete", {"entry": msgspec.to_builtins(entry), "permanent": permanent})
        await self._note(lambda current: {path: e for path, e in current.items() if path != entry.path})
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
        entry = self._inventory.read().get(path)
        return (entry.template.override or None) if entry is not None and entry.template is not None else None

    async def repair_template(self, model_id: str) -> None:
        """Use our own template for this model from its next load on, unless something else is wished before it is
        made; the file is not touched. Raises ``AppError``."""
        path = self._known(model_id).path
        wish = self._wish(path)
        source = str(await self._jobs.call("template.repair", {"path": path}))
        if wish == self._template_wishes[path]:
            await self._use_template(path, source)

    async def unrepair_template(self, model_id: str) -> None:
        """Use the file's own template again. Raises ``AppError``."""
        path = self._known(model_id).path
        self._wish(path)
        await self._use_template(path, "")

    def _wish(self, path: str) -> int:
        number = self._template_wishes[path] = self._template_wishes.get(path, 0) + 1
        return number

    async def _use_template(self, path: str, source: str) -> None:
        def change(entry: LibraryEntry) -> LibraryEntry:
            return structs.replace(entry, template=structs.replace(entry.template or TemplateNote(), override=source))

        await self._change(path, change)

    async def _examine(self, paths: Iterable[str]) -> None:
        """Have the doctor look at models, unless it has. What it finds is noted. Raises ``AppError`` when it cannot be
        noted."""
        for path in paths:
            async with self._examining:
                entry = (await self._read()).get(path)
                if entry is None or _examined(entry):
                    continue
                try:
                    found = await self._jobs.call("template.check", {"path": path})
                except AppError as error:  # the model itself cannot be read: the scan says so
                    log.info("template.unchecked code=%s", error.problem.what.code)
                    continue
                note = msgspec.convert(found, TemplateNote)
                await self._change(path, functools.partial(_with_template, note))

    # Wishes for one model ----------------------------------------------------------------------------------------

    def options(self, path: str) -> LoadOptions:
        """How the model at ``path`` is to be loaded in the place of the settings; nothing for one that is not known.
        What this version does not allow is left out."""
        entry = self._inventory.read().get(path)
        if entry is None:
            return LoadOptions()
        values = structs.asdict(entry.options)
        return LoadOptions(**{name: value for name, value in values.items() if _complaint(name, value) is None})

    async def set_options(self, model_id: str, options: LoadOptions | None = None, *, alias: str | None = None) -> None:
        """Load this model so from its next load on, and let commands know it by ``alias`` too ("" for none); None
        leaves what there is. Raises ``UserFacing`` for what the settings would not allow, and for an alias that cannot
        be a name or that another model is called by; then neither is changed."""
        model = self._known(model_id)
        for name, value in structs.asdict(options).items() if options is not None else ():
            wrong = _complaint(name, value)
            if wrong is not None:
                raise UserFacing(wrong)
        wanted = None if alias is None else clean(alias).strip()
        if wanted and not _ALIAS.fullmatch(wanted):
            raise _alias_impossible(wanted)
        for other in self._models:
            if wanted and other.id != model.id and any(wanted.lower() in names for names in _names(other)):
                raise _alias_taken(wanted, other.name)

        def change(now: LibraryEntry) -> LibraryEntry:
            return structs.replace(
                now,
                options=now.options if options is None else options,
                alias=now.alias if wanted is None else wanted,
            )

        await self._change(model.path, change)

    # Noting ------------------------------------------------------------------------------------------------------

    def _show(self, models: tuple[InstalledModel, ...]) -> None:
        """These are the models now."""
        if self._catalog_id is not None:
            models = tuple(structs.replace(m, catalog_id=self._catalog_id(m.repo) if m.repo else "") for m in models)
        # A use that is being written is true already; a scan that ran meanwhile may not know it.
        models = tuple(structs.replace(m, last_used=max(m.last_used, self._used.get(m.path, 0.0))) for m in models)
        if models != self._models:
            self._models = models
            self._bus.publish(LibraryChanged())

    async def _read(self) -> LibraryEntries:
        return await asyncio.to_thread(self._inventory.read)

    async def _entry(self, path: str) -> LibraryEntry:
        """What is noted of the model at ``path``. Raises ``UserFacing`` when another process has just removed it."""
        found = (await self._read()).get(path)
        if found is None:
            raise errors.unknown_model(path)
        return found

    async def _change(self, path: str, change: Callable[[LibraryEntry], LibraryEntry]) -> None:
        """Change what is noted of one model, and what is shown of it. Raises ``AppError``."""

        def apply(current: LibraryEntries) -> LibraryEntries:
            return {key: change(entry) if key == path else entry for key, entry in current.items()}

        def show(entries: LibraryEntries) -> None:
            if (entry := entries.get(path)) is not None:
                changed = (shown_model(entry, _lasting(m.problem)) if m.path == path else m for m in self._models)
                self._show(tuple(changed))

        await self._note(apply, show)

    async def _note(
        self, change: Callable[[LibraryEntries], LibraryEntries], show: Callable[[LibraryEntries], None] | None = None
    ) -> LibraryEntries:
        """Change the notes, then what is shown. Changes are made in the order in which they are asked for, also when a
        caller goes away. Raises ``AppError``."""
        return await asyncio.shield(asyncio.create_task(self._note_next(change, show), name="library.note"))

    async def _note_next(
        self, change: Callable[[LibraryEntries], LibraryEntries], show: Callable[[LibraryEntries], None] | None
    ) -> LibraryEntries:
        async with self._noting:
            self._changes += 1
            try:
                entries = await asyncio.to_thread(self._inventory.update, change)
            except OSError as error:
                problem = os_problem(error)
                raise Environment(problem.what, problem.hint) from error
            finally:
                for kept in self._inventory.kept():
                    self._bus.publish(Notified(errors.notes_kept(str(kept))))
            self._changes += 1
            if show is not None:
                show(entries)
            return entries

    async def _set_aside(self) -> None:
        """Keep what is damaged in the file and tell where, before anybody writes it anew. Raises ``AppError``."""
        await self._read()
        if self._inventory.spoilt:
            await self._note(lambda current: current)

    async def _write_uses(self) -> None:
        """Note the last uses. A failure is logged: the models are no worse for it."""
        used = dict(self._used)
        if not used:
            return

        def apply(current: LibraryEntries) -> LibraryEntries:
            return {
                path: structs.replace(entry, last_used=max(entry.last_used, used.get(path, 0.0)))
                for path, entry in current.items()
            }

        try:
            await self._note(apply)
        except AppError as error:
            log.warning("library.unwritten code=%s", error.problem.what.code)
        for path, when in used.items():
            if self._used.get(path) == when:
                del self._used[path]

    # Inside ------------------------------------------------------------------------------------------------------

    def _start(self, work: Callable[[], Awaitable[object]]) -> None:
        if self._closed:
            return
        task = asyncio.get_running_loop().create_task(_quiet(work), name="library")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_engine(self, event: EngineChanged) -> None:
        if event.state.status is ModelStatus.READY and isinstance(event.ref, FileRef):
            self.touch(event.ref.path)

    def _on_model(self, event: ModelChanged) -> None:
        state = event.state
        if state.status is ModelStatus.READY and state.path != self._chosen:  # it was in memory already
            self.touch(state.path)
        self._chosen = state.path

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


def _names(model: InstalledModel) -> tuple[set[str], ...]:
    """What a model can be called by, in lower case, the most exact first."""
    path = Path(model.path)
    ranked = (
        (model.alias,),
        (model.id, model.path, path.name, shown(model.id, len(model.id)), shown(path.name)),
        (f"{model.repo}:{model.quant}", f"{model.name}:{model.quant}", f"{model.name} {model.quant}", path.stem),
        (model.repo, model.name, model.repo.rpartition("/")[2]),
    )
    return tuple({name.lower() for name in names if name} for names in ranked)


def _complaint(name: str, value: int | str | None) -> Text | None:
    """What is wrong with the load option ``name``, whose limits are those of the setting of the same name."""
    entry = setting(f"engine.{name}")
    if name == "draft_model" and isinstance(value, str) and Path(value).is_absolute():  # a file
        return None
    try:
        if value is not None:
            msgspec.convert(value, entry.type, strict=True)
    except msgspec.ValidationError:
        return complaint(entry, value)
    return None


def _same(entries: Iterable[LibraryEntry], models: Iterable[InstalledModel]) -> list[str]:
    """For each entry the path of the model that is the same file, or ""."""
    real = {os.path.realpath(model.path): model.path for model in models}
    return [real.get(os.path.realpath(entry.path), "") for entry in entries]


def _same_file(path: str, models: Iterable[InstalledModel]) -> list[bool]:
    real = os.path.realpath(path)
    return [os.path.realpath(model.path) == real for model in models]


def _told(candidate: ImportCandidate) -> dict[str, str]:
    return {name: getattr(candidate, name) for name in ("origin", "name", "quant", "repo", "mmproj")}


def _examined(entry: LibraryEntry) -> bool:
    return entry.template is not None and entry.template.checked.startswith(f"{DOCTOR}:")


def _with_template(note: TemplateNote, now: LibraryEntry) -> LibraryEntry:
    """``now`` with what the doctor found. What is used instead may have been chosen while it looked."""
    chosen = now.template.override if now.template is not None and note.faults else ""
    return structs.replace(now, template=structs.replace(note, override=chosen))


def _lasting(problem: Problem | None) -> Problem | None:
    """The problem without "damaged", which the entry itself knows."""
    return None if problem is not None and problem.what.code == "library.damaged" else problem
