"""The app's chosen model: the built-in guide or a GGUF file, and what it is doing (``ModelState``, ``ModelChanged``).

Choices are wishes: the last one that can be fulfilled wins, however long the file of an earlier one takes to be looked
at, and until then the state names what is wished for. What is in memory, and who has it, ``Engines`` knows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, structs

from qwen_desktop.core.errors import AppError, problem_of
from qwen_desktop.core.model_ref import FileRef, GuideRef, ModelRef, with_context
from qwen_desktop.core.paths import Paths, absolute
from qwen_desktop.core.text import shown
from qwen_desktop.services.engines import Engines, look_for, told_already
from qwen_desktop.services.events import (
    EngineChanged,
    EngineState,
    EventBus,
    ModelChanged,
    ModelState,
    ModelStatus,
    SettingsChanged,
)
from qwen_desktop.services.preferences import Preferences

#: Files remembered in "recently opened".
RECENT = 8
GUIDE_NAME = "Guide"


class ModelFile(Struct, frozen=True):
    """What a file's header says: a name for people and the file's size in bytes."""

    name: str
    size_bytes: int


FileCheck = Callable[[Path], Awaitable[ModelFile]]


class _Wish(NamedTuple):
    """A file that was chosen and is being looked at. ``ended`` gets what is wrong with it, None for nothing."""

    state: ModelState
    ended: asyncio.Future[Exception | None]


class Models:
    """The chosen model. ``check`` reads a file's header off the loop and raises ``AppError`` for a bad one."""

    def __init__(
        self, engines: Engines, preferences: Preferences, bus: EventBus, paths: Paths, *, check: FileCheck
    ) -> None:
        self._engines = engines
        self._preferences = preferences
        self._bus = bus
        self._guide = str(paths.guide_file)
        self._check = check
        #: the load of the chosen model, for those who chose it
        self._load: asyncio.Task[None] | None = None
        self._loads = ""
        #: what was chosen for good; ``state`` shows the last wish before it
        self._state = self._chosen(preferences.settings.engine.model)
        self._told = self._state
        self._wishes: dict[int, _Wish] = {}
        self._wished = 0
        self._fulfilled = 0
        bus.subscribe(EngineChanged, self._on_engine)
        bus.subscribe(SettingsChanged, self._on_settings)

    @property
    def state(self) -> ModelState:
        """The chosen model and what it is doing. A file that is still being looked at counts as chosen and loading."""
        return next(reversed(self._wishes.values())).state if self._wishes else self._state

    def state_of(self, ref: ModelRef | None) -> ModelState:
        """Any model and what it is doing, None for the chosen one."""
        if ref is None or ref == self.ref:
            return self.state
        return _joined(self._chosen(ref.path if isinstance(ref, FileRef) else ""), self._engines.state(ref))

    @property
    def ref(self) -> ModelRef:
        """The chosen model, for a lease of it: ``looked_at`` first."""
        return _ref(self.state.path)

    def recent(self) -> tuple[str, ...]:
        """Paths of the files opened last, newest first."""
        return self._preferences.settings.storage.recent_models

    async def start(self) -> None:
        """After the window is up: look at the chosen file, so that its name is right and the window can say what is
        wrong with it before the first message."""
        path = self._state.path
        if not path:
            return
        try:
            await look_for(path)
            found = await self._check(Path(path))
        except (AppError, OSError) as error:
            problem = problem_of(error)
            problem = structs.replace(problem, action=problem.action or "model.open")
            changes = {"status": ModelStatus.FAILED, "problem": problem}
        else:
            changes = {"name": found.name or self._state.name, "size_bytes": found.size_bytes}
        if self._state.path == path and self._state.status is ModelStatus.IDLE:
            self._set(structs.replace(self._state, **changes))

    async def open_file(self, path: str | Path, *, remember: bool = True) -> None:
        """Choose a GGUF file and load it; returns when it is ready, or when a later choice has taken its place. Without
        ``remember`` (a command's ``--model``) the settings stay as they are.

        Raises ``AppError`` with a sentence when the file is no good (the choice stays as it was) or does not load
        (it stays chosen, its state is FAILED).
        """
        path = str(absolute(path))
        if path == self._guide:
            await self.use_guide(remember=remember)
            return
        number, found = await self._look_at(path)
        if not self._fulfil(number):
            return
        name = shown(found.name or Path(path).stem)
        self._choose(ModelState(ModelStatus.IDLE, path, name, guide=False, size_bytes=found.size_bytes))
        if remember:
            recent = (path, *(entry for entry in self.recent() if entry != path))[:RECENT]
            await self._preferences.change({"engine.model": path, "storage.recent_models": recent})
        await self._load_chosen(path)

    async def use_guide(self, *, remember: bool = True) -> None:
        """Choose the built-in guide and load it."""
        self._wished += 1
        self._fulfil(self._wished)
        self._choose(self._chosen(""))
        if remember:
            await self._preferences.set("engine.model", "")
        await self._load_chosen("")

    async def looked_at(self, ref: ModelRef) -> None:
        """Wait for a file that was chosen and is being looked at, and raise what is wrong with it: what is asked of it
        was meant for no other."""
        for wish in reversed(tuple(self._wishes.values())):
            if wish.state.path == (ref.path if isinstance(ref, FileRef) else ""):
                problem = await asyncio.shield(wish.ended)
                if problem is not None:
                    raise problem
                return

    async def warm(self, context: int | None = None) -> None:
        """Have the chosen model loaded ahead of the next message, with ``context`` tokens where that is given. A
        failure shows in the state and is not raised."""
        if self._state.status is ModelStatus.IDLE and not self._engines.busy and not self._wishes:
            with contextlib.suppress(AppError):
                await self._engines.load(with_context(self.ref, context))

    async def aclose(self) -> None:
        """Wait for no load any more; the engines are closed by their owner."""
        if self._load is not None:
            self._load.cancel()
            await asyncio.wait({self._load})

    # Wishes ------------------------------------------------------------------------------------------------------

    async def _look_at(self, path: str) -> tuple[int, ModelFile]:
        """Have a file checked; its wish stands first until another one comes or it proves to be no good."""
        self._wished += 1
        number = self._wished
        busy = self._state.path == path and self._state.status in (ModelStatus.READY, ModelStatus.LOADING)
        state = self._state if busy else ModelState(ModelStatus.LOADING, path, shown(Path(path).stem), guide=False)
        self._wishes[number] = _Wish(state, asyncio.get_running_loop().create_future())
        self._tell()
        try:
            return number, await self._check(Path(path))
        except Exception as error:
            self._drop(number, error)
            self._tell()
            raise
        except asyncio.CancelledError:
            self._drop(number)
            self._tell()
            raise

    def _fulfil(self, number: int) -> bool:
        """This wish can be fulfilled: earlier ones are void. False when it is void itself."""
        if number < self._fulfilled:
            return False
        self._fulfilled = number
        for earlier in [known for known in self._wishes if known <= number]:
            self._drop(earlier)
        return True

    def _drop(self, number: int, problem: Exception | None = None) -> None:
        wish = self._wishes.pop(number, None)
        if wish is not None and not wish.ended.done():
            wish.ended.set_result(problem)

    # Inside ------------------------------------------------------------------------------------------------------

    def _choose(self, new: ModelState) -> None:
        """Make it the chosen one, as far on as it is."""
        now = self._engines.state(_ref(new.path))
        going = now.status in (ModelStatus.READY, ModelStatus.LOADING)
        self._set(_joined(new, now) if going else new)

    async def _load_chosen(self, path: str) -> None:
        if self._load is not None and self._loads != path and self._state.path == path:
            self._load.cancel()
            await asyncio.wait({self._load})
            await self._engines.drop(_ref(self._loads))  # a large one that is not wanted would keep all waiting
        if self._state.path != path:
            return  # another choice came meanwhile, whose load may run already
        if self._load is None or self._load.done() or self._loads != path:
            self._load, self._loads = asyncio.create_task(self._engines.load(_ref(path)), name="model.load"), path
            self._load.add_done_callback(told_already)
        load = self._load
        await asyncio.wait({load})  # whoever chose it may go away without ending it
        if not load.cancelled():  # else another one was chosen meanwhile
            load.result()

    def _on_engine(self, event: EngineChanged) -> None:
        if event.ref == _ref(self._state.path):
            self._set(_joined(self._state, event.state))

    def _on_settings(self, event: SettingsChanged) -> None:
        """The chosen file has moved (with the models folder): the next load finds it there."""
        path, before = event.after.engine.model, event.before.engine.model
        if "engine.model" in event.keys and path and self._state.path == before != path:
            self._set(structs.replace(self._state, status=ModelStatus.IDLE, path=path, info=None, problem=None))

    def _chosen(self, path: str) -> ModelState:
        if path in ("", self._guide):
            return ModelState(ModelStatus.IDLE, "", GUIDE_NAME, guide=True)
        return ModelState(ModelStatus.IDLE, path, shown(Path(path).stem), guide=False)

    def _set(self, state: ModelState) -> None:
        self._state = state
        self._tell()

    def _tell(self) -> None:
        if self.state != self._told:
            self._told = self.state
            self._bus.publish(ModelChanged(self._told))


def _ref(path: str) -> ModelRef:
    return FileRef(path) if path else GuideRef()


def _joined(chosen: ModelState, now: EngineState) -> ModelState:
    """The chosen model, doing what its engine does."""
    name = shown(now.info.name) if now.info is not None and not chosen.guide else ""
    return structs.replace(
        chosen,
        status=now.status,
        name=name or chosen.name,
        fraction=now.fraction,
        size_bytes=now.size_bytes or chosen.size_bytes,
        seconds=now.seconds,
        info=now.info,
        problem=now.problem,
    )
