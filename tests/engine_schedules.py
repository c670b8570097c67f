"""Leases, cancels, crashes, choices and unloads in random order, and what must always hold of the engines: who shares
one, that it is not loaded meanwhile, that nobody is overtaken and everybody served."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.model_ref import FileRef, GuideRef, LoadOptions, ModelRef
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.events import EventBus, ModelStatus
from qwen_desktop.services.leases import Ask, Priority
from qwen_desktop.services.models import Models
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile
from tests.app import any_file
from tests.small_computer import Computer, Heavy

FILES = ("a-300.gguf", "b-400.gguf", "c-600.gguf", "d-2000.gguf", "bad-100.gguf")


class App:
    """As much of the app as chooses and loads models."""

    def __init__(self, computer: Computer) -> None:
        self.paths = find_paths()
        bus = EventBus()
        self.preferences = Preferences(SettingsFile(self.paths.settings_file), bus)
        self.engines = Engines(
            computer, self.preferences, bus, self.paths, needs=computer.needs, free=computer.free, minute_s=0.0005
        )
        self.models = Models(self.engines, self.preferences, bus, self.paths, check=any_file)

    def model_file(self, name: str) -> str:
        """A file that passes for a model, by its path."""
        path = self.paths.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return str(path)


@contextlib.asynccontextmanager
async def joined(computer: Computer) -> AsyncIterator[App]:
    """The app, closed in the end."""
    app = App(computer)
    try:
        yield app
    finally:
        await app.models.aclose()
        await app.engines.aclose()


def has(ask: Ask) -> bool:
    """Whether somebody's turn has begun."""
    return ask is ask.record.alone or ask in ask.record.sharing


class Waiting(NamedTuple):
    """Who waits for a file, for which all who come later wait who are of no higher priority."""

    name: str
    priority: Priority


class Schedule:
    """One run of random steps on a computer with room for some of the files. ``moves``: files are moved too, after
    which two waits for one name may be for two files."""

    def __init__(self, app: App, computer: Computer, chance: random.Random, *, moves: bool) -> None:
        self.app = app
        self.computer = computer
        self.chance = chance
        self.moves = moves
        self.tasks: list[asyncio.Task[None]] = []
        self.held: dict[Heavy, list[Priority]] = {}
        self.waiting: list[Waiting] = []
        self.folders = dict.fromkeys(FILES, "")
        #: what is asked for, be it few or many things
        self.names = chance.choice((FILES, FILES[:2], FILES[1:4]))
        self.contexts = chance.choice(((None, None, 1024, 2048), (None, None, None, None, None, 1024)))
        self.served = 0
        #: the most leases that one engine had at a time
        self.most = 0
        self.crowded = asyncio.Event()

    def ref(self) -> ModelRef:
        """A model, often with options of its own."""
        if self.chance.random() < 0.2:
            return GuideRef()
        options = LoadOptions(context=self.chance.choice(self.contexts))
        name = self.chance.choice(self.names)
        return FileRef(self.app.model_file(self.folders[name] + name), options)

    async def pause(self) -> None:
        """Some steps of the loop, or some time."""
        await asyncio.sleep(self.chance.choice((0.0, 0.0, 0.0005, 0.002)))

    async def lease(self, ref: ModelRef, priority: Priority) -> None:
        """Have an engine for a while and look at it."""
        path = ref.path if isinstance(ref, FileRef) else str(self.app.paths.guide_file)
        me = Waiting(Path(path).name, priority)
        with self.waits(me):
            before = len(self.computer.loads)
            async with self.app.engines.lease(ref, priority=priority) as engine:
                assert isinstance(engine, Heavy)
                self.comes(me, engine, loaded=len(self.computer.loads) > before)
                try:
                    await self.look(engine, ref, Path(path).name)
                finally:
                    self.held[engine].remove(priority)

    @contextlib.contextmanager
    def waits(self, me: Waiting) -> Iterator[None]:
        """Somebody wants something; when it comes, it does not wait any more."""
        self.waiting.append(me)
        try:
            yield
        finally:
            self.waiting[:] = [other for other in self.waiting if other is not me]

    def comes(self, me: Waiting, engine: Heavy, *, loaded: bool) -> None:
        """Somebody gets an engine: nobody was overtaken, and it is not too much for the engine."""
        place = next(number for number, other in enumerate(self.waiting) if other is me)
        if not self.moves:
            passed = [o for o in self.waiting[:place] if o.name == me.name and o.priority <= me.priority]
            assert not passed, f"{me} before {passed}"
        del self.waiting[place]
        others = self.held.setdefault(engine, [])
        if me.priority is Priority.TITLE:
            assert not others, "a title disturbs"
            working = [priority for held in self.held.values() for priority in held]
            assert loaded or {*working} <= {Priority.TITLE}, "a title disturbs elsewhere"
        others.append(me.priority)
        batches = others.count(Priority.BATCH)
        assert batches <= 1, "two batches"
        assert len(others) - batches <= self.computer.parallel, f"{len(others)} answers at once"
        self.most = max(self.most, len(others))

    async def look(self, engine: Heavy, ref: ModelRef, name: str) -> None:
        """Use an engine for a while: it stays what it is until it crashes."""
        await self.crowded.wait()
        loads = len(engine.loads)
        for _ in range(self.chance.randint(0, 4)):
            assert engine in self.computer.made
            info = engine.info
            if info is None:  # it crashed, of which its answer would tell
                return
            assert len(engine.loads) == loads, "it is loaded while somebody uses it"
            assert info.local is not None and Path(info.local.path).name == name
            if isinstance(ref, FileRef) and ref.options.context is not None:
                assert info.context_size == ref.options.context
            await self.pause()
        self.served += 1

    async def crowd(self) -> None:
        """As many share a model as may, and what comes next finds them at it."""
        ref = FileRef(self.app.model_file(FILES[0]))
        for _ in range(self.computer.parallel):
            self.tasks.append(asyncio.create_task(self.lease(ref, Priority.WINDOW)))
        while self.most < self.computer.parallel:  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0)
        self.crowded.set()

    async def unload(self, ref: ModelRef) -> None:
        """Have a model leave, for which all who come later wait too."""
        path = ref.path if isinstance(ref, FileRef) else str(self.app.paths.guide_file)
        with self.waits(Waiting(Path(path).name, Priority.WINDOW)):
            await self.app.engines.unload(ref)

    async def choose(self) -> None:
        """Choose a model for the app."""
        ref = self.ref()
        await (self.app.models.open_file(ref.path) if isinstance(ref, FileRef) else self.app.models.use_guide())

    def move(self) -> None:
        """Move a file to the other folder, while there is something of it in memory, on the way there, or nothing."""
        name = self.chance.choice(FILES)
        old = self.app.model_file(self.folders[name] + name)
        self.folders[name] = "" if self.folders[name] else "other/"
        new = self.app.model_file(self.folders[name] + name)
        Path(old).unlink()
        self.app.engines.moved(lambda path: new if path == old else path)

    async def nobody_sleeps(self) -> None:
        """Who may begin does so at once: nothing is to wake it."""
        leases = self.app.engines._leases
        ready = set(leases.asks)
        for _ in range(6):
            ready = {ask for ask in ready.intersection(leases.asks) if not has(ask) and leases.is_next(ask)}
            await asyncio.sleep(0)
        assert not ready, f"{[ask.priority for ask in ready]} could have begun"

    async def step(self) -> None:
        """One thing of many."""
        what = self.chance.choices(
            ("lease", "cancel", "crash", "choose", "unload", "warm", "settings", "move"),
            (12, 3, 2, 3, 1, 1, 1, self.moves),
        )[0]
        if what == "lease":
            self.tasks.append(asyncio.create_task(self.lease(self.ref(), self.chance.choice(list(Priority)))))
        elif what == "cancel" and self.tasks:
            self.chance.choice(self.tasks).cancel()
        elif what == "crash" and self.computer.made:
            engine = self.chance.choice(self.computer.made)
            if not engine.closed:
                engine.crash()
        elif what == "choose":
            self.tasks.append(asyncio.create_task(self.choose()))
        elif what == "unload":
            self.tasks.append(asyncio.create_task(self.unload(self.ref())))
        elif what == "warm":
            self.tasks.append(asyncio.create_task(self.app.models.warm()))
        elif what == "move":
            self.move()
        elif what == "settings":
            changes = {"engine.threads": (1, 2), "engine.unload_minutes": (None, None, 1)}
            await self.app.preferences.change({key: self.chance.choice(values) for key, values in changes.items()})
        await self.nobody_sleeps()
        await self.pause()


async def random_schedule(seed: int, parallel: int = 1) -> None:
    """Everybody is served or told, nothing waits for ever, and memory holds what it can."""
    chance = random.Random(seed)
    computer = Computer(1000, mapped=chance.choice((0.0, 0.8)), load_s=chance.choice((0.0, 0.002)))
    computer.cards = chance.choice((0, 0, 10))
    computer.parallel = parallel
    computer.refusals.add("bad-100.gguf")
    async with joined(computer) as app:
        schedule = Schedule(app, computer, chance, moves=chance.random() < 0.5)
        await schedule.crowd()
        for _ in range(40):
            await schedule.step()
        for result in await asyncio.gather(*schedule.tasks, return_exceptions=True):
            told = result is None or isinstance(result, AppError | asyncio.CancelledError)
            assert told, f"seed {seed}: {result!r}"
        assert not app.engines.busy and not any(schedule.held.values()) and not schedule.waiting, f"seed {seed}"
        assert not any(record.held for record in app.engines._records.values()), f"seed {seed}"
        assert computer.most <= computer.total, f"seed {seed}: {computer.most}"
        assert schedule.served, f"seed {seed}"
        loaded = [engine for engine in computer.made if engine.info is not None]
        assert len(loaded) == len(app.engines.resident()), f"seed {seed}"  # no engine is forgotten
        state = app.models.state
        if state.status is ModelStatus.READY and state.info is not None and state.info.local is not None:
            assert Path(state.info.local.path).name == (Path(state.path).name or "guide.gguf"), f"seed {seed}"
    assert all(engine.closed or not engine.loads or engine.info is None for engine in computer.made), f"seed {seed}"
