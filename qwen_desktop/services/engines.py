"""The engines: which models are in memory, whose turn it is, and who must leave when another one needs the room.

Everybody who wants an answer leases the engine of a model by its ``ModelRef``. There is one record a file: two ways of
loading it take turns in one engine, so that no weights lie in memory twice. Within a record turns go by priority, then
first come, first served; so do loads, of which one runs at a time.

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
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from msgspec import structs

from qwen_desktop.core.engine import LoadRequest, LocalEngine, LocalInfo
from qwen_desktop.core.errors import Cancelled, Problem, UserFacing, error_of, problem_of
from qwen_desktop.core.hardware import Memory
from qwen_desktop.core.model_ref import AUTOMATIC, FileRef, GuideRef, LoadOptions, ModelRef, merged
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.core.tuning import filled
from qwen_desktop.hardware import memory
from qwen_desktop.services.events import EngineChanged, EngineState, EventBus, ModelStatus, Notified, SettingsChanged
from qwen_desktop.services.preferences import Preferences

log = logging.getLogger(__name__)

OnLoad: TypeAlias = Callable[[int], None]

_IDLE = EngineState()


def _untold(_ahead: int) -> None:
    """For those who need not know what they wait for."""


class Priority(IntEnum):
    """Who goes first: someone at the window, a program at the API, batches, titles of chats."""

    WINDOW = 0
    API = 1
    BATCH = 2
    TITLE = 3


class _Record:
    """What is known of one model."""

    def __init__(self, ref: ModelRef, path: str) -> None:
        self.ref = ref
        self.path = path
        self.state = _IDLE
        self.engine: LocalEngine | None = None
        #: what ``engine`` was loaded with
        self.request: LoadRequest | None = None
        self.load: asyncio.Task[None] | None = None
        #: whose turn it is
        self.holder: _Ask | None = None
        self.used = 0.0
        #: why the last load failed, or the engine ended
        self.problem: Problem | None = None
        #: the load that failed last: what was asked for, and a number that those who waited for it are below
        self.failed: tuple[LoadRequest, int] | None = None
        self.rest: asyncio.TimerHandle | None = None

    @property
    def local(self) -> LocalInfo | None:
        """The model in memory, None when there is none."""
        info = self.engine.info if self.engine is not None else None
        return info.local if info is not None else None

    @property
    def busy(self) -> bool:
        """Whether somebody works with the engine. Who only waits for a load of it does not need it kept."""
        return self.local is not None and self.holder is not None and self.load is None


class _Ask(NamedTuple):
    """Somebody who wants a turn, to have a lease or only to load or unload. The smallest goes first."""

    priority: Priority
    number: int
    record: _Record
    leases: bool


class Engines:
    """The engines of this computer by their models. All methods run on the event loop.

    ``factory`` makes an engine without a model. ``template`` gives the repaired chat template of a file, None for its
    own; ``options`` how a file is to be loaded whatever the settings say. ``needs`` says how many bytes of main memory
    must be free for a load, and ``free`` how many are; without them one model stays beside the guide. ``tuned`` fills
    in what was measured where a load leaves the choice to the engine: at the load, so that a result that comes while
    the model is in memory never has a conversation read anew. A minute has ``minute_s`` seconds.
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
        self._free = free
        self._clock = clock
        self._minute_s = minute_s
        self._records: dict[str, _Record] = {}
        self._numbers = itertools.count()
        self._asks: list[_Ask] = []
        #: who waits for a load to begin; whose load runs; for whom there is not enough memory yet
        self._loads: list[_Ask] = []
        self._loading: _Ask | None = None
        self._short: _Ask | None = None
        self._sleepers: list[asyncio.Future[None]] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False
        bus.subscribe(SettingsChanged, self._on_settings)

    # Asking ------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def lease(
        self, ref: ModelRef, *, priority: Priority = Priority.WINDOW, on_load: OnLoad = _untold
    ) -> AsyncIterator[LocalEngine]:
        """Wait for the model's turn, have it loaded as it is to be, and keep the engine until the block is left.

        ``on_load`` is told 0 when a load must be waited for, of which ``EngineChanged`` has the progress, and how many
        others must end before it, whenever that is another number: they have their turn of the model before, or there
        is not enough memory for all. Raises ``AppError``. A caller that is
        cancelled does not end a load that runs: the next one finds it further on. Nobody may wait for a lease while
        holding one: there may not be memory for both.
        """
        async with self._turn(ref, priority, on_load) as ask:
            yield await self._ready(ask, _wished(ref), on_load)

    async def load(self, ref: ModelRef) -> None:
        """Have the model in memory. Raises ``AppError``."""
        record = self._record(ref)
        options = _wished(ref)
        if record.request != self._request(record, options) or record.local is None or record.load is not None:
            async with self._turn(ref, Priority.WINDOW, leases=False) as ask:
                await self._ready(ask, options, _untold)

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
        return bool(self._asks)

    def resident(self) -> tuple[str, ...]:
        """Paths of the models in memory, least recently used first."""
        found = [(record.used, path) for path, record in self._records.items() if record.local is not None]
        return tuple(path for _, path in sorted(found))

    def moved(self, where: Callable[[str], str]) -> None:
        """Files lie elsewhere now: ``where`` gives for a path the new one, or the same. Who waits for one of them gets
        it from there; what was loaded from the old place leaves memory as soon as nobody works with it."""
        for path, record in list(self._records.items()):
            there = self._records.get(new := where(path))
            if new == path or (there is not None and (there.engine is not None or self._wanted(there))):
                continue
            self._records[new] = self._records.pop(path)
            state = record.state
            self._tell(record, _IDLE)
            record.ref, record.path = FileRef(new), new
            if record.holder is None and record.load is None:
                self._take_out(record)
            else:
                self._tell(record, state)

    # Ending ------------------------------------------------------------------------------------------------------

    async def unload(self, ref: ModelRef) -> None:
        """Free the memory of a model; its next lease loads it again. Waits for a running answer."""
        async with self._turn(ref, Priority.WINDOW, leases=False) as ask:
            await self._end_load(ask.record)
            await self._evict(ask.record)

    async def drop(self, ref: ModelRef) -> None:
        """Give up the load of a model that nobody waits for: it was chosen, and now another one is."""
        record = self._record(ref)
        if not self._wanted(record):
            await self._end_load(record)

    async def free(self, path: str) -> None:
        """Have the model of a file leave memory unless somebody uses it or waits for it: the file is to be deleted."""
        record = self._records.get(path)
        if record is not None and not self._wanted(record):
            await self._end_load(record)
            if record.local is not None and not self._wanted(record):
                await self._evict(record)

    def refuse(self) -> None:
        """Begin nothing any more, and send away who waits for a turn: each would begin the next load."""
        self._closed = True
        self._wake()

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

    def _record(self, ref: ModelRef) -> _Record:
        path = self._guide if isinstance(ref, GuideRef) else ref.path
        if path not in self._records:
            self._records[path] = _Record(GuideRef() if path == self._guide else FileRef(path), path)
        return self._records[path]

    @contextlib.asynccontextmanager
    async def _turn(
        self, ref: ModelRef, priority: Priority, on_wait: OnLoad = _untold, *, leases: bool = True
    ) -> AsyncIterator[_Ask]:
        record = self._record(ref)
        ask = _Ask(priority, next(self._numbers), record, leases)

        def is_next() -> bool:
            if self._is_next(ask):
                return True
            on_wait(sum(o.leases and o.record is record and (o < ask or o is record.holder) for o in self._asks))
            return False

        self._asks.append(ask)
        try:
            await self._until(is_next)
            record.holder = ask
            yield ask
        finally:
            self._asks.remove(ask)
            if record.holder is ask:
                record.holder = None
                record.used = self._clock()
                self._rest(record)
            self._give_up_unwanted()
            self._wake()

    def _is_next(self, ask: _Ask) -> bool:
        record = ask.record
        if record.holder is not None or ask != min(other for other in self._asks if other.record is record):
            return False
        short = self._short
        if short is None or ask < short or record is self._records.get(self._guide):  # the guide is in nobody's way
            return True
        return record is short.record or record.local is None

    def _wanted(self, record: _Record) -> bool:
        return any(ask.record is record for ask in self._asks)

    async def _until(self, ready: Callable[[], object]) -> None:
        """Wait for something that turns, loads and ends change. Raises ``Cancelled`` when all is being closed."""
        while not ready():
            if self._closed:
                raise _closing()
            sleeper = asyncio.get_running_loop().create_future()
            self._sleepers.append(sleeper)
            try:
                await sleeper
            finally:
                self._sleepers.remove(sleeper)

    def _wake(self) -> None:
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    async def _ready(self, ask: _Ask, options: LoadOptions, on_load: OnLoad) -> LocalEngine:
        """The engine with the model in it, loaded first where it must be."""
        record = ask.record
        loaded: LoadRequest | None = None
        while not self._closed:
            request = self._request(record, options)
            if record.load is None and record.engine is not None and record.local and record.request == request:
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
        raise _closing()

    # Loading -----------------------------------------------------------------------------------------------------

    def _request(self, record: _Record, options: LoadOptions) -> LoadRequest:
        settings, path = self._preferences.settings.engine, record.path
        if path == self._guide:
            # The guide is tiny and trained for one context: of the settings only the threads concern it.
            return LoadRequest(path, threads=settings.threads)
        kept = self._options(path) if self._options is not None else LoadOptions()
        template = self._template(path) if self._template is not None else None
        return LoadRequest(path, **{"kv_type": AUTOMATIC, **merged(settings, kept, options)}, template=template)

    async def _load(self, ask: _Ask, request: LoadRequest, on_load: OnLoad) -> None:
        """Wait for the loads before this one and for memory, then load."""
        record = ask.record
        self._loads.append(ask)
        self._give_up_unwanted()
        self._wake()  # what is to be loaded anew may leave memory
        try:
            await self._until(lambda: self._loading is None and ask == min(self._loads))
            self._loading = ask
            record.problem = record.failed = None
            if request.path != self._guide:
                await self._make_room(ask, request, on_load)
            request = structs.replace(request, path=record.path)  # it may have moved meanwhile
            await self._read(record, request)
        except (Cancelled, asyncio.CancelledError):
            if record.state.status is ModelStatus.LOADING:
                self._tell(record, _IDLE)
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
            self._wake()

    async def _read(self, record: _Record, request: LoadRequest) -> None:
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
            async for progress in engine.load(self._tuned(request)):
                size, seconds = progress.total_bytes or state.size_bytes, self._clock() - began
                state = EngineState(ModelStatus.LOADING, progress.fraction, size, seconds)
                self._tell(record, state)
            if self._closed:
                raise _closing()
            info = engine.info
            if info is None:
                raise error_of(record.problem) if record.problem is not None else RuntimeError("no model is loaded")
        except BaseException:
            await asyncio.shield(self._take_out(record))
            raise
        size = info.local.size_bytes if info.local is not None else state.size_bytes
        seconds = self._clock() - began
        self._tell(record, EngineState(ModelStatus.READY, 1.0, size, seconds, info))
        self._rest(record)
        for notice in info.notices:
            self._bus.publish(Notified(notice))

    def _give_up_unwanted(self) -> None:
        """End the loads that nobody waits for any more: one that runs, only when another one waits for it."""
        for ask in self._loads:
            runs = ask is self._loading and ask is not self._short
            others = any(other.record is not ask.record for other in self._loads)
            if not self._wanted(ask.record) and (others or not runs):
                self._cancel(ask.record)

    def _cancel(self, record: _Record) -> None:
        # once only: the second time it would be disturbed in ending its engine
        if record.load is not None and not record.load.cancelling():
            record.load.cancel()

    async def _end_load(self, record: _Record) -> None:
        self._cancel(record)
        if record.load is not None:
            await asyncio.wait({record.load})

    # Memory ------------------------------------------------------------------------------------------------------

    async def _make_room(self, ask: _Ask, request: LoadRequest, on_load: OnLoad) -> None:
        """Have others leave until the model fits. Alone it is loaded anyway: the engine makes its context smaller."""
        needs: int | None = None

        def tell(ahead: int) -> None:
            if ask in self._asks:  # else its caller has gone away
                on_load(ahead)

        try:
            while True:
                if self._leaving:
                    await asyncio.wait(self._leaving)
                others = self._others(ask.record)
                if not others:
                    return
                if needs is None and self._needs is not None:
                    needs = await self._needs(self._tuned(request))
                # Of models on a graphics card there is one: what cards have free is not ours to foretell.
                on_cards = [record for record in others if record.local is not None and record.local.gpu_layers]
                crowd = on_cards if request.gpu_layers != 0 else []
                if not crowd and needs is not None and await self._fits(ask.record, needs):
                    return
                self._short = ask
                crowd = crowd or others
                if not self._idle(ask, crowd):
                    tell(len(crowd))
                    await self._until(partial(self._idle, ask, crowd))
                    tell(0)
                if idle := self._idle(ask, crowd):
                    await self._evict(min(idle, key=lambda record: record.used))
        finally:
            self._short = None
            self._wake()

    def _idle(self, ask: _Ask, records: list[_Record]) -> list[_Record]:
        """Those whose engine nobody uses, or is to use before ``ask``."""
        before = [other.record for other in self._asks if other < ask and other.record.holder is None]
        return [record for record in records if not record.busy and record not in before]

    def _others(self, own: _Record) -> list[_Record]:
        guide = self._records.get(self._guide)
        return [r for r in self._records.values() if r not in (own, guide) and r.local is not None]

    async def _fits(self, own: _Record, needs: int) -> bool:
        """Whether a model that needs so many bytes fits beside all others. Systems count the pages of files as free
        which these answer from, and what ``own`` takes beside such pages will be free."""
        free = (await asyncio.to_thread(self._free)).free_bytes
        if free is None:
            return False
        mapped = sum(r.local.mapped_bytes for r in self._others(own) if r.local is not None)
        before = own.local
        given = max(0, before.resident_bytes - before.mapped_bytes) if before is not None else 0
        return needs <= free - mapped + given

    async def _evict(self, record: _Record) -> None:
        left = self._take_out(record)
        self._tell(record, _IDLE)  # now: whoever waits here may be cancelled, and the engine goes all the same
        await asyncio.shield(left)

    def _take_out(self, record: _Record) -> asyncio.Future[list[None]]:
        """Take an engine from its model at once; the result is there when its memory is free."""
        engine, record.engine, record.request = record.engine, None, None
        leaving = [asyncio.create_task(engine.aclose(), name="engine.close")] if engine is not None else []
        for task in leaving:
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        return asyncio.gather(*leaving)

    def _on_end(self, record: _Record, engine: LocalEngine, problem: Problem) -> None:
        """The engine's process has ended unasked: the next lease loads the model again, for all to see."""
        if record.engine is engine:
            record.problem = problem
            if record.state.status is ModelStatus.READY:
                self._tell(record, _IDLE)
            self._wake()

    # Idle models -------------------------------------------------------------------------------------------------

    def _rest(self, record: _Record) -> None:
        """Begin to count the minutes after which a model leaves memory."""
        if record.rest is not None:
            record.rest.cancel()
            record.rest = None
        if record.request is not None and record.request.path != record.path and not self._wanted(record):
            self._leave(record)  # its file lies elsewhere now
        minutes = self._preferences.settings.engine.unload_minutes
        if minutes is not None and record.local is not None and not self._closed:
            loop = asyncio.get_running_loop()
            record.rest = loop.call_later(minutes * self._minute_s, self._rested, record)

    def _rested(self, record: _Record) -> None:
        if not self._wanted(record) and record.load is None and record.local is not None:
            log.info("engine.rested")
            self._leave(record)

    def _leave(self, record: _Record) -> None:
        self._take_out(record)
        self._tell(record, _IDLE)

    def _on_settings(self, event: SettingsChanged) -> None:
        if "engine.unload_minutes" in event.keys:
            for record in self._records.values():
                self._rest(record)

    def _tell(self, record: _Record, state: EngineState) -> None:
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


def _closing() -> Cancelled:
    return Cancelled(Text("chat.closing", QT_TRANSLATE_NOOP("chat", "Qwen Desktop is closing.")))
