"""The models that can be fetched: the list that comes with the app or its refreshed copy, and any other repository."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.models import Catalog, CatalogModel
from qwen_desktop.core.paths import Paths
from qwen_desktop.hub import catalog
from qwen_desktop.hub.names import Reference, normal_quant, parse_reference
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services.events import CatalogueChanged, EventBus
from qwen_desktop.services.hub_access import hub_access
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.secrets import Secrets

log = logging.getLogger(__name__)

#: The longest piece of work on the loop while a list is read, in seconds.
_SLICE_S = 0.002

Progress = Callable[[int, int], None]


class Catalogue:
    """The list, read once: by ``load`` in slices, or whole at the first question before that (some milliseconds)."""

    def __init__(
        self,
        paths: Paths,
        transfers: JobWorker,
        preferences: Preferences,
        bus: EventBus,
        secrets: Secrets | None = None,
    ) -> None:
        self._paths = paths
        self._transfers = transfers
        self._preferences = preferences
        self._bus = bus
        self._secrets = secrets
        self._catalog: Catalog | None = None
        self._by_id: dict[str, CatalogModel] = {}
        self._looked_up: dict[str, CatalogModel] | None = None
        self._loading = asyncio.Lock()
        self._refreshing = asyncio.Lock()

    def models(self) -> tuple[CatalogModel, ...]:
        """All models of the list; nothing when the app's own file is damaged (``load`` says so)."""
        return self._whole().models

    @property
    def updated_at(self) -> float:
        """When a hub was asked last, in seconds since 1970; 0 for the list as it came with the app."""
        return self._whole().updated_at

    def find(self, model_id: str) -> CatalogModel | None:
        """The model with this id, of the list or looked up once."""
        self._whole()
        return self._by_id.get(model_id) or self._others().get(model_id)

    def by_repo(self, repo: str) -> CatalogModel | None:
        """The model whose files come from ``repo``: its own repository, an alternative, or the original weights'."""
        wanted = repo.lower()
        models = (*self.models(), *self._others().values())
        return (
            next((m for m in models if m.repo.lower() == wanted), None)
            or next((m for m in models if wanted in map(str.lower, m.alternatives)), None)
            or next((m for m in models if m.base_repo.lower() == wanted), None)
        )

    async def load(self) -> None:
        """Read the list without holding the loop. Raises ``Environment`` when the app's own file is damaged."""
        async with self._loading:
            if self._catalog is not None and self._catalog.models:
                return
            if not await self._load_kept():
                shipped, made_from = catalog.read_shipped(self._paths.resources)  # 3 ms
                self._use(shipped)
                if (self._paths.cache / catalog.HUB_FILE).is_file():  # the app was updated since the last refresh
                    await self._merge(made_from)

    async def refresh(self, progress: Progress | None = None) -> dict[str, int]:
        """Ask the hub about every repository of the list and for new models. Some seconds.

        Returns how many repositories ``answered``, ``failed``, and how many models are ``new``. Raises ``AppError``
        when no hub can be reached; the list stays as it was then.
        """
        async with self._refreshing:
            params = {**await self._params(), "cache": str(self._paths.cache)}
            said: dict[str, int] = await self._transfers.call("hub.refresh", params, progress=progress)
            async with self._loading:
                await self._load_kept()
            self._bus.publish(CatalogueChanged())
        return said

    async def lookup(self, reference: str) -> CatalogModel:
        """The entry for any text that names a model (see ``hub.names.parse_reference``), with its quants as the hub
        has them now; a quant that the text names is the recommended one. A model's own name or id will do, too.

        Raises ``AppError`` with a sentence: no such repository, no GGUF in it, no such quant, terms to be accepted, no
        connection (a model of the list is then answered as it is known).
        """
        wanted = self._named(reference) or parse_reference(reference)
        params = {
            **await self._params(),
            "cache": str(self._paths.cache),
            "reference": msgspec.to_builtins(wanted),
        }
        found = msgspec.convert(await self._transfers.call("hub.lookup", params), CatalogModel)
        if found.id not in self._by_id:
            self._others()[found.id] = found
        return found

    def _named(self, text: str) -> Reference | None:
        """A reference for a model's id or name ("qwen3-4b", "Qwen3 4B:Q8_0")."""
        name, _, quant = text.strip().partition(":")
        if "/" in name:
            return None
        wanted = "-".join(name.lower().split())
        model = self.find(wanted) or next((m for m in self.models() if m.name.lower() == name.strip().lower()), None)
        return None if model is None else Reference(model.repo, normal_quant(quant) if quant else "")

    async def _params(self) -> dict[str, Any]:
        access = await hub_access(self._preferences, self._secrets)
        return {"access": access.as_params(), "resources": str(self._paths.resources)}

    # Reading ---------------------------------------------------------------------------------------------------------

    def _whole(self) -> Catalog:
        if self._catalog is None:
            try:
                shipped, made_from = catalog.read_shipped(self._paths.resources)
            except AppError as error:
                log.warning("catalog.damaged %s", error.problem.details)
                self._use(Catalog(catalog.SCHEMA, ()))
            else:
                self._use(catalog.read_kept(self._paths.cache, made_from) or shipped)
        assert self._catalog is not None  # noqa: S101 - just set
        return self._catalog

    def _others(self) -> dict[str, CatalogModel]:
        """What was looked up, read at the first question that the list cannot answer (some milliseconds at most)."""
        if self._looked_up is None:
            self._looked_up = catalog.read_looked_up(self._paths.cache)
        return self._looked_up

    def _use(self, found: Catalog) -> None:
        self._catalog = found
        self._by_id = {model.id: model for model in found.models}

    async def _load_kept(self) -> bool:
        """Read the refreshed list in slices; whether there is a whole one."""
        made_from = await asyncio.to_thread(catalog.shipped_hash, self._paths.resources)
        found = await asyncio.to_thread(catalog.kept_lines, self._paths.cache, made_from)
        if found is None:
            return False
        updated_at, lines = found
        models = []
        end = time.perf_counter() + _SLICE_S
        for line in lines:
            try:
                models.append(catalog.decode_model(line))
            except ValueError as error:
                log.warning("catalog.unreadable kind=%s", type(error).__name__)
                return False
            if time.perf_counter() > end:
                await asyncio.sleep(0)
                end = time.perf_counter() + _SLICE_S
        self._use(Catalog(catalog.SCHEMA, tuple(models), updated_at))
        return True

    async def _merge(self, made_from: str) -> None:
        params = {"resources": str(self._paths.resources), "cache": str(self._paths.cache)}
        try:
            if await self._transfers.call("hub.merge", params) and await self._load_kept():
                self._bus.publish(CatalogueChanged())
        except AppError as error:  # the shipped list does, until the next refresh
            log.warning("catalog.merge code=%s from=%s", error.problem.what.code, made_from[:8])
