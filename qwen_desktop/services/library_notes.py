"""The models that are shown, and what is noted of each in ``library.json``: the two are changed together here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec
from msgspec import structs

from qwen_desktop.core.errors import AppError, Environment, Problem, os_problem
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.hub import library_errors as errors
from qwen_desktop.hub.installed import shown
from qwen_desktop.hub.inventory import DOCTOR, Entries, Entry, Inventory, TemplateNote
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.events import EventBus, LibraryChanged, Notified

log = logging.getLogger(__name__)


class Notes:
    """The list of models. ``LibraryChanged`` is published whenever it becomes another one. ``catalog_id`` gives the
    catalogue's id of a repository, "" for one it does not have."""

    def __init__(self, inventory: Inventory, bus: EventBus, catalog_id: Callable[[str], str] | None = None) -> None:
        self.inventory = inventory
        self._catalog_id = catalog_id
        self._bus = bus
        self.models: tuple[InstalledModel, ...] = ()
        #: Grows with each change: who read before and shows after one would show the past.
        self.changes = 0
        self._turn = asyncio.Lock()
        self._used: dict[str, float] = {}

    def find(self, model_id: str) -> InstalledModel | None:
        """The model with this id or this path."""
        return next((model for model in self.models if model_id in (model.id, model.path)), None)

    def known(self, model_id: str) -> InstalledModel:
        """As ``find``; raises ``UserFacing`` when there is none."""
        model = self.find(model_id)
        if model is None:
            raise errors.unknown_model(model_id)
        return model

    def show(self, models: tuple[InstalledModel, ...]) -> None:
        """These are the models now."""
        if self._catalog_id is not None:
            models = tuple(structs.replace(m, catalog_id=self._catalog_id(m.repo) if m.repo else "") for m in models)
        # A use that is being written is true already; a scan that ran meanwhile may not know it.
        models = tuple(structs.replace(m, last_used=max(m.last_used, self._used.get(m.path, 0.0))) for m in models)
        if models != self.models:
            self.models = models
            self._bus.publish(LibraryChanged())

    async def read(self) -> Entries:
        """All notes as they are now."""
        return await asyncio.to_thread(self.inventory.read)

    async def entry(self, path: str) -> Entry:
        """What is noted of the model at ``path``. Raises ``UserFacing`` when another process has just removed it."""
        found = (await self.read()).get(path)
        if found is None:
            raise errors.unknown_model(path)
        return found

    async def change(self, path: str, change: Callable[[Entry], Entry]) -> None:
        """Change what is noted of one model, and what is shown of it. Changes are made in the order in which they are
        asked for, also when a caller goes away. Raises ``AppError``."""

        def apply(current: Entries) -> Entries:
            return {key: change(entry) if key == path else entry for key, entry in current.items()}

        def show(entries: Entries) -> None:
            self.show(
                tuple(
                    shown(entries[m.path], _lasting(m.problem)) if m.path == path and path in entries else m
                    for m in self.models
                )
            )

        await asyncio.shield(asyncio.create_task(self._update(apply, show), name="library.note"))

    async def update(self, change: Callable[[Entries], Entries]) -> Entries:
        """Change the notes of all. Raises ``AppError``."""
        return await asyncio.shield(asyncio.create_task(self._update(change), name="library.note"))

    async def set_aside(self) -> None:
        """Keep what is damaged in the file and tell where, before anybody writes it anew. Raises ``AppError``."""
        await self.read()
        if self.inventory.spoilt:
            await self.update(lambda current: current)

    async def _update(
        self, change: Callable[[Entries], Entries], show: Callable[[Entries], None] | None = None
    ) -> Entries:
        async with self._turn:
            self.changes += 1
            try:
                entries = await asyncio.to_thread(self.inventory.update, change)
            except OSError as error:
                problem = os_problem(error)
                raise Environment(problem.what, problem.hint) from error
            finally:
                for kept in self.inventory.kept():
                    self._bus.publish(Notified(errors.notes_kept(str(kept))))
            self.changes += 1
            if show is not None:
                show(entries)
            return entries

    def use(self, path: str, now: float) -> None:
        """The model at ``path`` was used: shown at once, noted by ``write_uses``."""
        self._used[path] = now
        self.show(self.models)

    async def write_uses(self) -> None:
        """Note the last uses. A failure is logged: the models are no worse for it."""
        used = dict(self._used)
        if not used:
            return

        def apply(current: Entries) -> Entries:
            return {
                path: structs.replace(entry, last_used=max(entry.last_used, used.get(path, 0.0)))
                for path, entry in current.items()
            }

        try:
            await self.update(apply)
        except AppError as error:
            log.warning("library.unwritten code=%s", error.problem.what.code)
        for path, when in used.items():
            if self._used.get(path) == when:
                del self._used[path]


class Templates:
    """The chat templates of the models: examined once each, and what is used instead of a faulty one."""

    def __init__(self, notes: Notes, jobs: JobWorker) -> None:
        self._notes = notes
        self._jobs = jobs
        self._turn = asyncio.Lock()
        self._wished: dict[str, int] = {}

    def override(self, path: str) -> str | None:
        """The repaired template of the model at ``path``, None when the file's own is used."""
        entry = self._notes.inventory.read().get(path)
        return (entry.template.override or None) if entry is not None and entry.template is not None else None

    def unexamined(self, entries: Entries) -> list[str]:
        """Paths of usable models whose template this edition of the doctor has not seen."""
        usable = [model.path for model in self._notes.models if model.problem is None]
        return [path for path in usable if (entry := entries.get(path)) is not None and not _examined(entry)]

    async def examine(self, path: str) -> None:
        """Have the doctor look at one model, unless it has. What it finds is noted. Raises ``AppError`` when it cannot
        be noted."""
        async with self._turn:
            entry = (await self._notes.read()).get(path)
            if entry is None or _examined(entry):
                return
            try:
                found = await self._jobs.call("template.check", {"path": path})
            except AppError as error:  # the model itself cannot be read: the scan says so
                log.info("template.unchecked code=%s", error.problem.what.code)
                return
            note = msgspec.convert(found, TemplateNote)

            def noted(now: Entry) -> Entry:
                # What is used instead may have been chosen while the doctor looked.
                chosen = now.template.override if now.template is not None and note.faults else ""
                return structs.replace(now, template=structs.replace(note, override=chosen))

            await self._notes.change(path, noted)

    async def repair(self, path: str) -> None:
        """Use our own template for this model, unless something else is wished before it is made. Raises
        ``AppError``."""
        wish = self._wish(path)
        source = str(await self._jobs.call("template.repair", {"path": path}))
        if wish == self._wished[path]:
            await self._use(path, source)

    async def unrepair(self, path: str) -> None:
        """Use the file's own template. Raises ``AppError``."""
        self._wish(path)
        await self._use(path, "")

    def _wish(self, path: str) -> int:
        number = self._wished[path] = self._wished.get(path, 0) + 1
        return number

    async def _use(self, path: str, source: str) -> None:
        def change(entry: Entry) -> Entry:
            return structs.replace(entry, template=structs.replace(entry.template or TemplateNote(), override=source))

        await self._notes.change(path, change)


def _examined(entry: Entry) -> bool:
    return entry.template is not None and entry.template.checked.startswith(f"{DOCTOR}:")


def _lasting(problem: Problem | None) -> Problem | None:
    """The problem without "damaged", which the entry itself knows."""
    return None if problem is not None and problem.what.code == "library.damaged" else problem
