"""Whose turn it is: who may have the engine of a model now, alone or with others, and who waits for how many.

Asks go by priority, then first come, first served. Leases that want the model loaded just as it is are held at the same
time, as many as the engine works on at once (``LocalInfo.parallel``), and one batch beside them, which gives way to
them in the engine. All else (another way of loading, an unload) is done alone: it waits until all holders have left,
and nobody who comes after it in that order is let in before it. So neither a stream of short leases nor one of reloads
keeps anybody waiting for ever whose priority is theirs; titles alone wait until nobody else wants anything, of any
model. Who has a lease keeps it as long as it likes, whoever waits.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from qwen_desktop.core.engine import LoadRequest, LocalEngine, LocalInfo
from qwen_desktop.core.errors import Cancelled, Problem
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services.events import EngineState

#: Told how many others must end before somebody's turn.
OnWait: TypeAlias = Callable[[int], None]

IDLE = EngineState()


class Priority(IntEnum):
    """Who goes first: someone at the window, a program at the API, batches, titles of chats.

    A batch asks the engine for many answers during one lease. It begins beside others only where the engine works on
    several answers at once; others begin beside it everywhere. It should lease again for each part of its work, since
    an unload, another way of loading and other models' memory wait for its end. A title is short: whoever comes while
    one is written shares the engine with it, or waits for its end where the engine works on one answer only.
    """

    WINDOW = 0
    API = 1
    BATCH = 2
    TITLE = 3


class Record:
    """What is known of one model."""

    def __init__(self, ref: ModelRef, path: str) -> None:
        self.ref = ref
        self.path = path
        self.state = IDLE
        self.engine: LocalEngine | None = None
        #: what ``engine`` was loaded with
        self.request: LoadRequest | None = None
        self.load: asyncio.Task[None] | None = None
        #: who has it alone, and has it loaded or unloaded
        self.alone: Ask | None = None
        #: who answers with it
        self.sharing: list[Ask] = []
        #: how many answers its engine works on at once, since it was loaded last; 0 before that, when nobody knows
        self.parallel = 0
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
    def held(self) -> bool:
        """Whether somebody has it."""
        return self.alone is not None or bool(self.sharing)

    @property
    def busy(self) -> bool:
        """Whether somebody works with the engine. Who only waits for a load of it does not need it kept."""
        return self.local is not None and self.held and self.load is None

    def is_loaded_as(self, request: LoadRequest) -> bool:
        """Whether the engine can answer as it is to be."""
        return self.load is None and self.local is not None and self.request == request


class Ask(NamedTuple):
    """Somebody who wants a model, to have a lease or only to load or unload it. The smallest goes first.

    ``wanted`` says how it is to be loaded, as of now; None for whoever wants it unloaded.
    """

    priority: Priority
    number: int
    record: Record
    leases: bool
    wanted: Callable[[], LoadRequest] | None


class Leases:
    """The turns of all models. ``unweighty`` says of a model that it is in nobody's way."""

    def __init__(self, unweighty: Callable[[Record], bool]) -> None:
        self._unweighty = unweighty
        #: everybody who has a turn or waits for one
        self.asks: list[Ask] = []
        #: for whose load there is not enough memory yet: nobody who comes after it begins with what is in memory
        self.short: Ask | None = None
        self.closed = False
        self._sleepers: list[asyncio.Future[None]] = []

    @contextlib.asynccontextmanager
    async def turn(self, ask: Ask, on_wait: OnWait) -> AsyncIterator[None]:
        """Wait for the turn and have it while the block runs: beside others where the model is loaded as it is to be
        (then ``ask`` is in ``record.sharing``), else alone. Raises ``Cancelled`` when all is being closed."""
        record = ask.record

        def begins() -> bool:
            if self.is_next(ask):
                return True
            on_wait(self._ahead(ask))
            return False

        self.asks.append(ask)
        try:
            await self.until(begins)
            if record.held:
                record.sharing.append(ask)
                self.wake()  # there may be a place for the next one too
            else:
                record.alone = ask
            yield
        finally:
            self.asks.remove(ask)
            if record.alone is ask:
                record.alone = None
            elif ask in record.sharing:
                record.sharing.remove(ask)

    def share(self, ask: Ask) -> None:
        """Whoever has a model alone has it as it is to be, and lets others in."""
        if ask.record.alone is ask:
            ask.record.alone = None
            ask.record.sharing.append(ask)
            self.wake()

    def is_next(self, ask: Ask) -> bool:
        """Whether somebody who waits may begin now."""
        record = ask.record
        if ask != min(other for other in self.asks if other.record is record and not _has(other)):
            return False
        if record.held and not self._joins(ask):
            return False
        if ask.priority is Priority.TITLE and (record.held or any(o.priority < ask.priority for o in self.asks)):
            return False
        return not self._held_back(ask)

    def wanted(self, record: Record) -> bool:
        """Whether anybody has a model or waits for it."""
        return any(ask.record is record for ask in self.asks)

    def urgency(self, ask: Ask) -> Ask:
        """In whose place a load goes: that of the first who waits for it."""
        return min((other for other in self.asks if other.record is ask.record), default=ask)

    async def until(self, ready: Callable[[], object]) -> None:
        """Wait for something that turns, loads and ends change. Raises ``Cancelled`` when all is being closed."""
        while not ready():
            if self.closed:
                raise closing()
            sleeper = asyncio.get_running_loop().create_future()
            self._sleepers.append(sleeper)
            try:
                await sleeper
            finally:
                self._sleepers.remove(sleeper)

    def wake(self) -> None:
        """Something has changed: all who wait look again."""
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    # Inside ------------------------------------------------------------------------------------------------------

    def _joins(self, ask: Ask) -> bool:
        """Whether the engine can work for one more beside those who have it."""
        record = ask.record
        if record.alone is not None or ask.wanted is None or not record.is_loaded_as(ask.wanted()):
            return False
        batches, answers = _counted(record.sharing)
        if ask.priority is Priority.BATCH:
            return not batches and record.parallel > 1
        return not ask.leases or answers < record.parallel

    def _held_back(self, ask: Ask) -> bool:
        """Whether the model has to leave memory first, for a load that waits for that."""
        short, record = self.short, ask.record
        if short is None or ask < self.urgency(short) or self._unweighty(record):
            return False
        return record is not short.record and record.local is not None

    def _ahead(self, ask: Ask) -> int:
        """How many leases must end before this one begins, as far as that is known."""
        record, batch = ask.record, ask.priority is Priority.BATCH
        others = [o for o in self.asks if o is not ask and (_has(o) or o < ask)]
        if ask.priority is Priority.TITLE:
            return sum(o.leases and (o.record is record or o.priority < ask.priority) for o in others)
        before = sorted((o for o in others if o.record is record), key=lambda o: (not _has(o), o))
        if ask.wanted is None or self._held_back(ask) or (batch and record.parallel == 1):
            return sum(o.leases for o in before)
        wanted = ask.wanted()
        beside: list[Ask] = []  # the last ones before it, with whom it can share the engine
        for other in before:
            request = record.request if other in record.sharing else other.wanted and other.wanted()
            beside = [*beside, other] if request == wanted else []
        batches, answers = _counted(beside)
        more = answers - (record.parallel or answers + 1)
        more = batches + max(0, more) if batch else max(0, more + 1)
        return sum(o.leases for o in before) - batches - answers + more


def _has(ask: Ask) -> bool:
    return ask is ask.record.alone or ask in ask.record.sharing


def _counted(asks: Iterable[Ask]) -> tuple[int, int]:
    """The leases for batches, and the others."""
    leases = [ask.priority is Priority.BATCH for ask in asks if ask.leases]
    return sum(leases), len(leases) - sum(leases)


def closing() -> Cancelled:
    """What all who wait are told at the end."""
    return Cancelled(Text("chat.closing", QT_TRANSLATE_NOOP("chat", "Qwen Desktop is closing.")))
