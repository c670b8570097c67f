"""The engines: which models are in memory, and who must leave when another one needs the room.

Everybody who wants an answer leases the engine of a model by its ``ModelRef``. There is one record a file: two ways of
loading it take turns in one engine, so that no weights lie in memory twice. Whose turn it is, and who shares an engine,
``leases`` says. Loads go in the order of those who wait for them, one at a time.

What fits into memory stays. When the next model does not fit, those that nobody uses leave, the one used least recently
first; one that answers never leaves: the load waits for its end, and meanwhile nobody who came later gets a turn. The
guide is so small that it stays beside all others.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import structs

from qwen_desktop.core.engine import LoadRequest, LocalEngine
from qwen_desktop.core.errors import AppError, Cancelled, Problem, UserFacing, error_of, problem_of
from qwen_desktop.core.hardware import Memory
from qwen_desktop.core.model_ref import FileRef, GuideRef, LoadOptions, ModelRef, merged
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.profile import USUAL, Profile, profiled
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.core.tuning import filled
from qwen_desktop.hardware import memory
from qwen_desktop.services.events import EngineChanged, EngineState, EventBus, ModelStatus, Notified, SettingsChanged
from qwen_desktop.services.leases import IDLE, Ask, Leases, OnWait, Priority, Record, closing
from qwen_desktop.services.preferences import Preferences

log = logging.getLogger(__name__)

#: The context of a model that only embeds, in tokens; what it needs for that it makes beside it.
SMALLEST = 256


def _untold(_ahead: int) -> None:
    """For those who need not know what they wait for."""


class Engines:
    """The engines of this computer by their models. All methods run on the event loop.

    ``factory`` makes an engine without a model. ``template`` gives the repaired chat template of a file, None for its
    own; ``options`` how a file is to be loaded whatever the settings say; ``profile`` what "automatic" means on this
    computer. ``needs`` says how many bytes of main memory must be free for a load, and ``free`` how many are; without
    them one model stays beside the guide. ``tuned`` fills in what was measured where a load leaves the choice to the
    engine: at the load, so that a result that comes while the model is in memory never has a conversation read anew.
    ``kept`` says then where it keeps what it has read, ``guessing`` which small model guesses for it. A minute has
    ``minute_s`` seconds.
    """

    def __init__(
        self,
        factory: Callable[[], LocalEngine],
        preferences: Preferences,
        bus: EventBus,
        paths: Paths,
        *,
        template: Callable[[str], str | None] | None = None,
        options: Callable[[str], LoadOptions] | None = None,
        needs: Callable[[LoadRequest], Awaitable[int]] | None = None,
        tuned: Callable[[LoadRequest], LoadRequest] | None = None,
        kept: Callable[[LoadRequest], Awaitable[LoadRequest]] | None = None,
        guessing: Callable[[LoadRequest], Awaitable[LoadRequest]] | None = None,
        profile: Callable[[], Profile] = lambda: USUAL,
        free: Callable[[], Memory] = memory.read,
        clock: Callable[[], float] = time.monotonic,
        minute_s: float = 60.0,
    ) -> None:
        self._factory = factory
        self._preferences = preferences
        self._bus = bus
        self._guide = str(paths.guide_file)
        self._template = template
        self._options = options
        self._needs = needs
        self._tuned = tuned or partial(filled, tuning=None)
        self._kept = kept
        self._guessing = guessing
        self._profile = profile
        self._free = free
        self._clock = clock
        self._minute_s = minute_s
        self._records: dict[str, Record] = {}
        self._numbers = itertools.count()
        #: the guide is so small that it is in nobody's way
        self._leases = Leases(lambda record: record.path == self._guide)
        #: who waits for a load to begin; whose load runs
        self._loads: list[Ask] = []
        self._loading: Ask | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        bus.subscribe(SettingsChanged, self._on_settings)

    # Asking ------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lease(
        self,
        ref: ModelRef,
        *,
        priority: Priority = Priority.WINDOW,
        on_load: OnWait = _untold,
        embeds: bool = False,
    ) -> AsyncIterator[LocalEngine]:
        """Wait for the model's turn, have it loaded as it is to be, and keep the engine until the block is left; others
        may have it at the same time.

        ``on_load`` is told 0 when a load must be waited for, of which ``EngineChanged`` has the progress, and how many
        others must end before it, whenever that is another number: they have their turn of the model before and it
        cannot be shared with them, or there is not enough memory for all. Raises ``AppError``. A caller that is
        cancelled does not end a load that runs: the next one finds it further on. Nobody may wait for a lease while
        holding one: there may not be memory for both. Who only ``embeds`` takes the model as it is loaded, or has it
        loaded without a conversation's context.
        """
        async with self._turn(ref, priority, on_load, embeds=embeds) as ask:
            yield await self._ready(ask, on_load)

    async def load(self, ref: ModelRef) -> None:
        """Have the model in memory. Raises ``AppError``."""
        record = self._record(ref)
        if not record.is_loaded_as(self._request(record, _wished(ref))):
            async with self._turn(ref, Priority.WINDOW, leases=False) as ask:
                await self._ready(ask, _untold)

    def state(self, ref: ModelRef) -> EngineState:
        """What the model is doing."""
        return self._record(ref).state

    def loaded(self, ref: ModelRef) -> LocalEngine | None:
        """The engine with the model in it, None when it is not in memory: for work that gives way to everybody, in the
        worker itself, and may end with the engine at any time."""
        record = self._record(ref)
        return record.engine if record.local is not None and record.load is None else None

    @property
    def busy(self) -> bool:
        """Whether somebody has a turn or waits for one, with whatever model."""
        return bool(self._leases.asks)

    @property
    def wanted(self) -> bool:
        """Whether somebody has a turn or waits for one who does not only write a title."""
        return any(ask.priority < Priority.TITLE for ask in self._leases.asks)

    def resident(self) -> tuple[str, ...]:
        """Paths of the models in memory, least recently used first."""
        found = [(record.used, path) for path, record in self._records.items() if record.local is not None]
        return tuple(path for _, path in sorted(found))

    def moved(self, where: Callable[[str], str]) -> None:
        """Files lie elsewhere now: ``where`` gives for a path the new one, or the same. Who waits for one of them gets
        it from there; what was loaded from the old place leaves memory as soon as nobody works with it."""
        for path, record in list(self._records.items()):
            there = self._records.get(new := where(path))
            if new == path or (there is not None and (there.engine is not None or self._leases.wanted(there))):
                continue
            self._records[new] = self._records.pop(path)
            state = record.state
            self._tell(record, IDLE)
            record.ref, record.path = FileRef(new), new
            if not record.held and record.load is None:
                self._take_out(record)
            else:
                self._tell(record, state)

    # Ending ------------------------------------------------------------------------------------------------------

    async def unload(self, ref: ModelRef) -> None:
        """Free the memory of a model; its next lease loads it again. Waits for a running answer."""
        async with self._turn(ref, Priority.WINDOW, leases=False, loads=False) as ask:
            await self._end_load(ask.record)
            await self._evict(ask.record)

    async def drop(self, ref: ModelRef) -> None:
        """Give up the load of a model that nobody waits for: it was chosen, and now another one is."""
        record = self._record(ref)
        if not self._leases.wanted(record):
            await self._end_load(record)

    async def free(self, path: str) -> None:
        """Have the model of a file leave memory unless somebody uses it or waits for it: the file is to be deleted."""
        record = self._records.get(path)
        if record is not None and not self._leases.wanted(record):
            await self._end_load(record)
            if record.local is not None and not self._leases.wanted(record):
                await self._evict(record)

    async def forget(self, keys: tuple[str, ...]) -> None:
        """Have all engines forget what they have read under these cache keys. When this returns none of them writes
        any of it to the disk, also none that was leaving memory."""
        records, leaving = tuple(self._records.values()), tuple(self._leaving)
        await asyncio.gather(*(self._forget(record, keys) for record in records), return_exceptions=True)
        if leaving:
            await asyncio.wait(leaving)

    async def limit(self, cache_bytes: int) -> None:
        """Have the engines with a model keep so many bytes of what they have read, at most, from now on."""
        engines = [record.engine for record in self._records.values() if record.engine is not None and record.local]
        await asyncio.gather(*(engine.limit(cache_bytes) for engine in engines), return_exceptions=True)

    async def _forget(self, record: Record, keys: tuple[str, ...]) -> None:
        if record.load is not None:  # it reads nothing yet; what it had read before may just be written
            await asyncio.wait({record.load})
        engine = record.engine
        try:
            if engine is not None:
                await engine.forget(keys)
        except AppError as error:  # its process has ended, or is about to
            log.info("engine.not_told code=%s", error.problem.what.code)
            if self._leaving:
                await asyncio.wait(self._leaving)

    def refuse(self) -> None:
        """Begin nothing any more, and send away who waits for a turn: each would begin the next load."""
        self._leases.closed = True
        self._leases.wake()

    async def aclose(self) -> None:
        """End all engines at once, also one that is loading and hangs. Cancelled, it kills them. Safe to call twice."""
        self.refuse()
        for record in self._records.values():
            if record.rest is not None:
                record.rest.cancel()
            self._cancel(record)
        engines = [record.engine.aclose() for record in self._records.values() if record.engine is not None]
        loads = [record.load for record in self._records.values() if record.load is not None]
        for result in await asyncio.gather(*engines, *self._leaving, *loads, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, Cancelled):
                log.warning("engine.close kind=%s", type(result).__name__)

    # Turns -------------------------------------------------------------------------------------------------------

    def _record(self, ref: ModelRef) -> Record:
        path = self._guide if isinstance(ref, GuideRef) else ref.path
        if path not in self._records:
            self._records[path] = Record(GuideRef() if path == self._guide else FileRef(path), path)
        return self._records[path]

    @contextlib.asynccontextmanager
    async def _turn(
        self,
        ref: ModelRef,
        priority: Priority,
        on_wait: OnWait = _untold,
        *,
        leases: bool = True,
        loads: bool = True,
        embeds: bool = False,
    ) -> AsyncIterator[Ask]:
        record, began = self._record(ref), False
        request = self._request_to_embed if embeds else self._request
        wanted = partial(request, record, _wished(ref)) if loads else None
        ask = Ask(priority, next(self._numbers), record, leases, wanted)
        try:
            async with self._leases.turn(ask, on_wait):
                began = True
                yield ask
        finally:
            if began:
                record.used = self._clock()
                self._rest(record)
            self._give_up_unwanted()
            self._leases.wake()

    async def _ready(self, ask: Ask, on_load: OnWait) -> LocalEngine:
        """The engine with the model in it, loaded first where it must be; from then on others may share it."""
        record, wanted = ask.record, ask.wanted
        loaded: LoadRequest | None = None
        while not self._leases.closed and wanted is not None:
            request = wanted()
            shared = ask in record.sharing
            if record.engine is not None and (shared or record.is_loaded_as(request)):
                self._leases.share(ask)
                return record.engine
            failed = record.failed is not None and record.failed[0] == request and ask.number < record.failed[1]
            if record.problem is not None and (failed or loaded == request):
                raise error_of(record.problem)  # that load failed, or its engine ended as soon as it was there
            on_load(0)
            if record.load is None:
                record.load = asyncio.create_task(self._load(ask, request, on_load), name="engine.load")
                record.load.add_done_callback(told_already)
                loaded = request
            await asyncio.wait({record.load})
        raise closing()

    # Loading -----------------------------------------------------------------------------------------------------

    def _request(self, record: Record, options: LoadOptions) -> LoadRequest:
        settings, path = self._preferences.settings.engine, record.path
        if path == self._guide:
            # The guide is tiny and trained for one context: of the settings only how it computes concerns it.
            return LoadRequest(path, threads=settings.threads, priority=settings.priority, drafts=settings.drafts)
        kept = self._options(path) if self._options is not None else LoadOptions()
        template = self._template(path) if self._template is not None else None
        loaded = profiled(merged(settings, kept, options), self._profile())
        return LoadRequest(path, **loaded, template=template, priority=settings.priority, drafts=settings.drafts)

    def _request_to_embed(self, record: Record, options: LoadOptions) -> LoadRequest:
        """As it is loaded already; else with no more of a context than must be."""
        if record.local is not None and record.request is not None and record.request.path == record.path:
            return record.request
        request = self._request(record, options)
        lean = {
            "context": SMALLEST,
            "streams": 1,
            "template": None,
            "cache_folder": "",
            "drafts": "off",
            "draft_model": "",
        }
        return structs.replace(request, purpose="embed", **lean)

    async def _load(self, ask: Ask, request: LoadRequest, on_load: OnWait) -> None:
        """Wait for the loads before this one and for memory, then load."""
        record = ask.record
        self._loads.append(ask)
        self._give_up_unwanted()
        self._leases.wake()  # what is to be loaded anew may leave memory
        try:
            await self._leases.until(
                lambda: self._loading is None and ask is min(self._loads, key=self._leases.urgency)
            )
            self._loading = ask
            record.problem = record.failed = None
            if request.path != self._guide:
                await self._make_room(ask, request, on_load)
            request = structs.replace(request, path=record.path)  # it may have moved meanwhile
            await self._read(record, request)
        except (Cancelled, asyncio.CancelledError):
            if record.state.status is ModelStatus.LOADING:
                self._tell(record, IDLE)
            raise
        except Exception as error:
            record.problem = problem_of(error)
            record.failed = request, next(self._numbers)
            log.warning("model.failed code=%s", record.problem.what.code)
            self._tell(record, EngineState(ModelStatus.FAILED, problem=record.problem))
            raise
        finally:
            self._loads.remove(ask)
            if self._loading is ask:
                self._loading = None
            record.load = None
            self._leases.wake()

    async def _read(self, record: Record, request: LoadRequest) -> None:
        began = self._clock()
        state = EngineState(ModelStatus.LOADING)
        self._tell(record, state)
        try:
            await look_for(request.path)
            engine = record.engine
            if engine is None:
                engine = record.engine = self._factory()
                engine.on_end(partial(self._on_end, record, engine))
            record.request = request
            asked = self._tuned(await self._with_draft_model(request))
            if self._kept is not None and request.path != self._guide:  # which reads so fast that nothing need be kept
                asked = await self._kept(asked)
            async for progress in engine.load(asked):
                size, seconds = progress.total_bytes or state.size_bytes, self._clock() - began
                state = EngineState(ModelStatus.LOADING, progress.fraction, size, seconds)
                self._tell(record, state)
            if self._leases.closed:
                raise closing()
            info = engine.info
            if info is None:
                raise error_of(record.problem) if record.problem is not None else RuntimeError("no model is loaded")
        except BaseException:
            await asyncio.shield(self._take_out(record))
            raise
        size = info.local.size_bytes if info.local is not None else state.size_bytes
        record.parallel = max(1, info.local.parallel) if info.local is not None else 1
        seconds = self._clock() - began
        self._tell(record, EngineState(ModelStatus.READY, 1.0, size, seconds, info))
        self._rest(record)
        for notice in info.notices:
            self._bus.publish(Notified(notice))

    async def _with_draft_model(self, request: LoadRequest) -> LoadRequest:
        """``request`` with the file of the model that guesses for it, "" for none."""
        if self._guessing is None or request.path == self._guide:
            return structs.replace(request, draft_model="")
        return await self._guessing(request)

    def _give_up_unwanted(self) -> None:
        """End the loads that nobody waits for any more: one that runs, only when another one waits for it."""
        for ask in self._loads:
            runs = ask is self._loading and ask is not self._leases.short
            others = any(other.record is not ask.record for other in self._loads)
            if not self._leases.wanted(ask.record) and (others or not runs):
                self._cancel(ask.record)

    def _cancel(self, record: Record) -> None:
        # once only: the second time it would be disturbed in ending its engine
        if record.load is not None and not record.load.cancelling():
            record.load.cancel()

    async def _end_load(self, record: Record) -> None:
        self._cancel(record)
        if record.load is not None:
            await asyncio.wait({record.load})

    # Memory ------------------------------------------------------------------------------------------------------

    async def _make_room(self, ask: Ask, request: LoadRequest, on_load: OnWait) -> None:
        """Have others leave until the model fits. Alone it is loaded anyway: the engine makes its context smaller."""
        needs: int | None = None

        def tell(ahead: int) -> None:
            if ask in self._leases.asks:  # else its caller has gone away
                on_load(ahead)

        try:
            while True:
                if self._leaving:
                    await asyncio.wait(self._leaving)
                others = self._others(ask.record)
                if not others:
                    return
                if needs is None and self._needs is not None:
                    needs = await self._needs(self._tuned(await self._with_draft_model(request)))
                # Of models on a graphics card there is one: what cards have free is not ours to foretell.
                on_cards = [record for record in others if record.local is not None and record.local.gpu_layers]
                crowd = on_cards if request.gpu_layers != 0 else []
                if not crowd and needs is not None and await self._fits(ask.record, needs):
                    return
                self._leases.short = ask
                crowd = crowd or others
                if not self._idle(ask, crowd):
                    await self._leases.until(partial(self._idle_or_told, ask, crowd, tell))
                    tell(0)
                if idle := self._idle(ask, crowd):
                    await self._evict(min(idle, key=lambda record: record.used))
        finally:
            self._leases.short = None
            self._leases.wake()

    def _idle(self, ask: Ask, records: list[Record]) -> list[Record]:
        """Those whose engine nobody uses, or is to use before ``ask``."""
        first, asks = self._leases.urgency(ask), self._leases.asks
        before = [o.record for o in asks if o < first and not o.record.held and self._leases.is_next(o)]
        return [record for record in records if not record.busy and record not in before]

    def _idle_or_told(self, ask: Ask, records: list[Record], tell: OnWait) -> list[Record]:
        idle = self._idle(ask, records)
        if not idle:
            tell(sum(max(1, len(record.sharing)) for record in records))
        return idle

    def _others(self, own: Record) -> list[Record]:
        guide = self._records.get(self._guide)
        return [r for r in self._records.values() if r not in (own, guide) and r.local is not None]

    async def _fits(self, own: Record, needs: int) -> bool:
        """Whether a model that needs so many bytes fits beside all others. Systems count the pages of files as free
        which these answer from, and what ``own`` takes beside such pages will be free."""
        free = (await asyncio.to_thread(self._free)).free_bytes
        if free is None:
            return False
        mapped = sum(r.local.mapped_bytes for r in self._others(own) if r.local is not None)
        before = own.local
        given = max(0, before.resident_bytes - before.mapped_bytes) if before is not None else 0
        return needs <= free - mapped + given

    async def _evict(self, record: Record) -> None:
        left = self._take_out(record)
        self._tell(record, IDLE)  # now: whoever waits here may be cancelled, and the engine goes all the same
        await asyncio.shield(left)

    def _take_out(self, record: Record) -> asyncio.Future[list[None]]:
        """Take an engine from its model at once; the result is there when its memory is free."""
        engine, record.engine, record.request = record.engine, None, None
        leaving = [asyncio.create_task(engine.aclose(), name="engine.close")] if engine is not None else []
        for task in leaving:
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        self._leases.wake()  # who was to let it go first need not any more
        return asyncio.gather(*leaving)

    def _on_end(self, record: Record, engine: LocalEngine, problem: Problem) -> None:
        """The engine's process has ended unasked: the next lease loads the model again, for all to see."""
        if record.engine is engine:
            record.problem = problem
            if record.state.status is ModelStatus.READY:
                self._tell(record, IDLE)
            self._leases.wake()

    # Idle models -------------------------------------------------------------------------------------------------

    def _rest(self, record: Record) -> None:
        """Begin to count the minutes after which a model leaves memory."""
        if record.rest is not None:
            record.rest.cancel()
            record.rest = None
        if record.request is not None and record.request.path != record.path and not self._leases.wanted(record):
            self._leave(record)  # its file lies elsewhere now
        minutes = self._preferences.settings.engine.unload_minutes or self._profile().unload_minutes
        if minutes is not None and record.local is not None and not self._leases.closed:
            loop = asyncio.get_running_loop()
            record.rest = loop.call_later(minutes * self._minute_s, self._rested, record)

    def _rested(self, record: Record) -> None:
        if not self._leases.wanted(record) and record.load is None and record.local is not None:
            log.info("engine.rested")
            self._leave(record)

    def _leave(self, record: Record) -> None:
        self._take_out(record)
        self._tell(record, IDLE)

    def _on_settings(self, event: SettingsChanged) -> None:
        if {"engine.unload_minutes", "engine.profile"} & set(event.keys):
            for record in self._records.values():
                self._rest(record)
        self._leases.wake()  # what is loaded may be just what somebody wants now

    def _tell(self, record: Record, state: EngineState) -> None:
        if state != record.state:
            record.state = state
            self._bus.publish(EngineChanged(record.ref, state))


def _wished(ref: ModelRef) -> LoadOptions:
    return ref.options if isinstance(ref, FileRef) else LoadOptions()


async def look_for(path: str) -> None:
    """Raise ``UserFacing`` when a model's file is gone."""
    if await asyncio.to_thread(Path(path).exists):
        return
    raise UserFacing(
        Text("model.missing", QT_TRANSLATE_NOOP("models", "There is no model file {path}."), {"path": path}),
        Text("model.missing.hint", QT_TRANSLATE_NOOP("models", "Open another GGUF file, or use the guide.")),
        action="model.open",
    )


def told_already(task: asyncio.Task[Any]) -> None:
    """For a task that has ended: whoever waited for it may have gone away, and need not hear that it failed."""
    if not task.cancelled():
        task.exception()
