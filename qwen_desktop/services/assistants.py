"""The assistants: those that come with the app and the user's own, and what a conversation is begun with by one.

They are read once and served from memory; each change is on the disk before it is told.
"""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import structs

from qwen_desktop.core import assistant_files
from qwen_desktop.core.assistants import LONGEST_NAME, Assistant, Begun, Values, checked, filled, render
from qwen_desktop.core.chat import new_id
from qwen_desktop.core.engine import Sampling
from qwen_desktop.core.errors import AppError, Failure, UserFacing
from qwen_desktop.core.files import read_file, write_atomic
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.models import CatalogModel, InstalledModel
from qwen_desktop.core.shipped_assistants import ASSISTANTS
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, shown
from qwen_desktop.services.changes import Change, ChangeKind, change, to_its_end
from qwen_desktop.services.events import AssistantsChanged, EventBus
from qwen_desktop.store import assistants as store
from qwen_desktop.store.assistants import Kept
from qwen_desktop.store.database import Database

log = logging.getLogger(__name__)

#: What differs from a name in so many letters is close to it, as a share.
_CLOSE = 0.6

# fmt: off
_gone = Failure(
    UserFacing, "assistant.gone", "", QT_TRANSLATE_NOOP("assistants", "This assistant does not exist any more."),
    QT_TRANSLATE_NOOP("assistants", "Choose another one."),
)
_fixed = Failure(
    UserFacing, "assistant.shipped", "", QT_TRANSLATE_NOOP("assistants", "This assistant comes with the app."),
    QT_TRANSLATE_NOOP("assistants", "Duplicate it, then change the copy."),
)
_unknown = Failure(
    UserFacing, "assistant.unknown", "name names",
    QT_TRANSLATE_NOOP("assistants", "There is no assistant called “{name}”."),
    QT_TRANSLATE_NOOP("assistants", "There are: {names}."),
)
_close = Failure(
    UserFacing, "assistant.close", "name names",
    QT_TRANSLATE_NOOP("assistants", "There is no assistant called “{name}”."),
    QT_TRANSLATE_NOOP("assistants", "Did you mean {names}?"),
)
_several = Failure(
    UserFacing, "assistant.several", "name names",
    QT_TRANSLATE_NOOP("assistants", "“{name}” may mean several assistants."),
    QT_TRANSLATE_NOOP("assistants", "Write one of these names: {names}."),
)
# fmt: on


class Assistants:
    """All of them. Failures raise ``AppError``.

    ``installed`` and ``catalogued`` give the models that are here, and the catalogue's entry of a model. ``elsewhere``
    is a history that is only read, for a command that keeps nothing.
    """

    def __init__(
        self,
        db: Database,
        bus: EventBus,
        *,
        installed: Callable[[], Sequence[InstalledModel]] = tuple,
        catalogued: Callable[[str], CatalogModel | None] = lambda _id: None,
        elsewhere: Path | None = None,
    ) -> None:
        self._db = db
        self._bus = bus
        self._installed = installed
        self._catalogued = catalogued
        self._elsewhere = elsewhere
        self._own: dict[str, Assistant] = {}
        self._hidden: frozenset[str] = frozenset()

    async def load(self) -> None:
        """Read what is kept, once, before anybody asks."""
        try:
            if self._elsewhere is not None:
                kept = await asyncio.to_thread(store.load_file, self._elsewhere)
            else:
                kept = await self._db.read(store.load)
        except AppError as error:  # those that come with the app are there all the same
            log.warning("assistants.unread code=%s", error.problem.what.code)
            return
        self._own = {name: structs.replace(k.assistant, id=name) for name, k in kept.items() if k.assistant is not None}
        self._hidden = frozenset(name for name, entry in kept.items() if entry.hidden)

    # Which there are --------------------------------------------------------------------------------------------------

    def list(self, *, hidden: bool = False) -> tuple[Assistant, ...]:
        """Those that come with the app, then the user's own, the oldest first; with those that are ``hidden``, too."""
        shipped = (entry for entry in ASSISTANTS if hidden or entry.id not in self._hidden)
        return (*shipped, *self._own.values())

    def get(self, assistant_id: str) -> Assistant | None:
        """One by its id, hidden or not; None when there is none."""
        return self._own.get(assistant_id) or next((entry for entry in ASSISTANTS if entry.id == assistant_id), None)

    def is_hidden(self, assistant_id: str) -> bool:
        """Whether one that comes with the app is hidden."""
        return assistant_id in self._hidden

    def named(self, text: str) -> Assistant:
        """The one that ``text`` means: its name or the beginning of it, or its id. Raises ``UserFacing`` with the names
        that are close."""
        wanted, everyone = " ".join(text.split()).casefold(), self.list(hidden=True)
        short = [(entry, entry.id.rpartition(".")[2]) for entry in everyone]
        exact = [entry for entry, id_ in short if wanted in (entry.name.casefold(), entry.id, id_)]
        fitting = exact or [entry for entry in everyone if wanted and entry.name.casefold().startswith(wanted)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise _several(shown(text), ", ".join(entry.name for entry in fitting))
        names = {entry.name.casefold(): entry.name for entry in everyone}
        close = difflib.get_close_matches(wanted, names, 3, _CLOSE)
        if close:
            raise _close(shown(text), ", ".join(names[name] for name in close))
        raise _unknown(shown(text), ", ".join(entry.name for entry in everyone))

    # Changing ---------------------------------------------------------------------------------------------------------

    async def save(self, assistant: Assistant) -> Assistant:
        """Keep one of the user's own, a new one where it has no id yet. Returns it as it is kept. Raises ``UserFacing``
        for what cannot be kept, and for one that comes with the app."""
        if assistant.shipped:
            raise _fixed()
        tidy = checked(assistant)
        return (await self._put((tidy if tidy.id else structs.replace(tidy, id=new_id()),)))[0]

    async def duplicate(self, assistant: Assistant) -> Assistant:
        """A copy of the user's own, with all that ``assistant`` says: one that comes with the app is copied as it is
        shown, in the language of the window. It gets a name that no other has."""
        tidy = checked(structs.replace(assistant, id=""))
        return (await self._put((structs.replace(tidy, id=new_id(), name=self._free(tidy.name)),)))[0]

    async def delete(self, assistant_id: str) -> Change:
        """Take one away; one that comes with the app is hidden. Conversations keep what they were begun with."""
        entry = self.get(assistant_id)
        if entry is None:
            raise _gone()
        if entry.shipped:
            await self._hide(assistant_id, hide=True)
            return change(ChangeKind.DELETE, "", "", lambda: self._hide(assistant_id, hide=False))
        order = tuple(self._own)

        async def undo() -> None:
            await self._put((entry,), order)

        await to_its_end(self._remove((assistant_id,)), "assistants.delete")
        return change(ChangeKind.DELETE, "", "", undo)

    async def show(self, assistant_id: str) -> None:
        """Show one again that comes with the app and was hidden."""
        await self._hide(assistant_id, hide=False)

    async def models_moved(self, moved: Callable[[str], str]) -> None:
        """Files in the folder of models have other places now, adapters among them: ``moved`` gives for each path the
        new one, or the same."""
        changed = []
        for entry in self._own.values():
            adapters = tuple(structs.replace(each, path=moved(each.path)) for each in entry.adapters)
            if adapters != entry.adapters:
                changed.append(structs.replace(entry, adapters=adapters))
        if changed:
            await self._put(changed)

    # Files ------------------------------------------------------------------------------------------------------------

    async def export(self, assistants: Iterable[Assistant], path: Path) -> None:
        """Write these as a file, whole or not at all."""
        chosen = tuple(assistants)
        await asyncio.to_thread(lambda: write_atomic(path, assistant_files.as_file(chosen), mode=0o644))

    async def import_file(self, path: Path) -> tuple[Assistant, ...]:
        """Add all that a file holds, or, where one of them cannot be read, none. Those whose names are taken get a
        number."""

        def read() -> tuple[Assistant, ...]:
            return assistant_files.read(read_file(path, assistant_files.LARGEST + 1), shown(path.name))

        found = await asyncio.to_thread(read)
        made: list[Assistant] = []
        for entry in found:
            name = self._free(entry.name, made)
            made.append(structs.replace(entry, id=new_id(), name=name))
        return await self._put(made)

    # Beginning --------------------------------------------------------------------------------------------------------

    def begin(self, assistant_id: str, values: Values | None = None) -> Begun:
        """What a conversation is begun with: copied, so that later changes of the assistant do not reach it. Raises
        ``UserFacing`` where there is no such assistant, or for values that its fields do not allow."""
        entry = self.get(assistant_id)
        if entry is None:
            raise _gone()
        model = self.model_of(entry)
        return Begun(
            assistant_id=entry.id,
            system_prompt=render(entry, filled(entry, values or {})),
            sampling=entry.sampling if entry.sampling != Sampling() else None,
            thinking=entry.thinking,
            thinking_budget=entry.thinking_budget,
            context=entry.context,
            model=FileRef(model.path) if model is not None else None,
            adapters=entry.adapters,
            missing="" if model is not None else entry.model,
        )

    def model_of(self, assistant: Assistant) -> InstalledModel | None:
        """The installed model that it would like to answer, the one used last where there are several quants; None
        where there is none, or it wants none in particular."""
        wanted = assistant.model.casefold()
        if not wanted:
            return None
        usable = [model for model in self._installed() if model.problem is None and model.chats]
        fitting = [model for model in usable if wanted in self._names(model)]
        return max(fitting, key=lambda model: (model.last_used, model.added), default=None)

    def _names(self, model: InstalledModel) -> set[str]:
        entry = self._catalogued(model.catalog_id) if model.catalog_id else None
        listed = (entry.name, entry.id) if entry is not None else ()
        return {name.casefold() for name in (model.alias, model.name, f"{model.name} {model.quant}", *listed) if name}

    # Inside -----------------------------------------------------------------------------------------------------------

    def _free(self, name: str, more: Sequence[Assistant] = ()) -> str:
        """``name``, with a number behind it where there is one of that name."""
        taken = {entry.name.casefold() for entry in (*self.list(hidden=True), *more)}
        number, found = 2, name
        while found.casefold() in taken:
            behind = f" ({number})"
            found = name[: LONGEST_NAME - len(behind)].rstrip() + behind
            number += 1
        return found

    async def _put(self, entries: Sequence[Assistant], order: Sequence[str] = ()) -> tuple[Assistant, ...]:
        async def put() -> None:
            await self._db.call(store.save, [(entry.id, Kept(entry)) for entry in entries])
            kept = {**self._own, **{entry.id: entry for entry in entries}}
            first = [name for name in order if name in kept]
            self._own = {name: kept[name] for name in (*first, *(name for name in kept if name not in first))}
            self._bus.publish(AssistantsChanged())

        await to_its_end(put(), "assistants.save")
        return tuple(entries)

    async def _remove(self, identities: Sequence[str]) -> None:
        await self._db.call(store.delete, identities)
        self._own = {name: entry for name, entry in self._own.items() if name not in identities}
        self._bus.publish(AssistantsChanged())

    async def _hide(self, assistant_id: str, *, hide: bool) -> None:
        async def put() -> None:
            if hide:
                await self._db.call(store.save, [(assistant_id, Kept(hidden=True))])
            else:
                await self._db.call(store.delete, [assistant_id])
            self._hidden = self._hidden | {assistant_id} if hide else self._hidden - {assistant_id}
            self._bus.publish(AssistantsChanged())

        await to_its_end(put(), "assistants.hide")
