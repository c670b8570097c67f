"""The chosen model: the built-in guide or a GGUF file, and what it is doing (``ModelState``, ``ModelChanged``).

Answers and loads take turns through one lock, first come, first served: a model is never taken out of memory under
a running answer. Choices are wishes: the last one that can be fulfilled wins, however long the file of an earlier one
takes to be looked at, and until then the state names what is wished for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct, structs

from qwen_desktop.core.engine import LoadProgress, LoadRequest, LocalEngine
from qwen_desktop.core.errors import AppError, Cancelled, UserFacing, error_of, problem_of
from qwen_desktop.core.paths import Paths, absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, shown
from qwen_desktop.services.events import EventBus, ModelChanged, ModelState, ModelStatus, Notified, SettingsChanged
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.sessions import Sessions

log = logging.getLogger(__name__)

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
    """The chosen model. ``check`` reads a file's header off the loop and raises ``AppError`` for a bad one;
    ``template`` gives the repaired chat template of a file, None for its own."""

    def __init__(
        self,
        sessions: Sessions,
        preferences: Preferences,
        bus: EventBus,
        paths: Paths,
        *,
        check: FileCheck,
        template: Callable[[str], str | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._preferences = preferences
        self._bus = bus
        self._guide = str(paths.guide_file)
        self._check = check
        self._template = template
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._closed = False
        self._load: asyncio.Task[LocalEngine] | None = None
        self._load_request: LoadRequest | None = None
        #: what was chosen for good; ``state`` shows the last wish before it
        self._state = self._chosen(preferences.settings.engine.model)
        self._told = self._state
        self._wishes: dict[int, _Wish] = {}
        self._wished = 0
        self._fulfilled = 0
        bus.subscribe(SettingsChanged, self._on_settings)

    # What is chosen ----------------------------------------------------------------------------------------------

    @property
    def state(self) -> ModelState:
        """The chosen model and what it is doing. A file that is still being looked at counts as chosen and loading."""
        return next(reversed(self._wishes.values())).state if self._wishes else self._state

    @property
    def waiting(self) -> int:
        """How many answers and loads hold or wait for the engine."""
        return self._waiting

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
            await self._look_for(path)
            found = await self._check(Path(path))
        except (AppError, OSError) as error:
            problem = problem_of(error)
            if self._state.path == path and self._state.status is ModelStatus.IDLE:
                self._set(
                    structs.replace(
                        self._state,
                        status=ModelStatus.FAILED,
                        problem=structs.replace(problem, action=problem.action or "model.open"),
                    )
                )
            return
        if self._state.path == path and self._state.status is ModelStatus.IDLE:
            self._set(structs.replace(self._state, name=found.name or self._state.name, size_bytes=found.size_bytes))

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
        self._set(self._kept(path) or self._named(path, found))
        if remember:
            recent = (path, *(entry for entry in self.recent() if entry != path))[:RECENT]
            await self._preferences.set_many({"engine.model": path, "storage.recent_models": recent})
        await self._load_in_turn(path)

    async def use_guide(self, *, remember: bool = True) -> None:
        """Choose the built-in guide and load it."""
        self._wished += 1
        self._fulfil(self._wished)
        self._set(self._chosen(""))
        if remember:
            await self._preferences.set("engine.model", "")
        await self._load_in_turn("")

    # What is loaded ----------------------------------------------------------------------------------------------

    async def ensure(self) -> LocalEngine:
        """The engine with the chosen model, loaded first when it is not, or when settings of loading have changed.

        Waits for a file that is being looked at, and raises what is wrong with it. Raises ``AppError``. A cancelled
        caller does not end the load: the next one finds it further on.
        """
        return await self._ensure(asked=True)

    async def _ensure(self, *, asked: bool) -> LocalEngine:
        """``asked``: for a message, which was meant for the file that is being looked at and for no other."""
        while True:
            problem = await self._wishes_ended()
            if problem is not None and asked:
                raise problem
            if self._closed:
                raise Cancelled(Text("chat.closing", QT_TRANSLATE_NOOP("chat", "Qwen Desktop is closing.")))
            request = self._request()
            ready = self._sessions.find(request)
            if ready is not None:
                self._is_ready(ready)
                return ready
            if self._load is None or self._load.done() or self._load_request != request:
                await self._end_load()
                self._load_request = request
                self._load = asyncio.create_task(self._run_load(request, self._state), name="model.load")
            load = self._load
            try:
                return await asyncio.shield(load)
            except asyncio.CancelledError:
                me = asyncio.current_task()
                if self._closed or not load.cancelled() or (me is not None and me.cancelling()):
                    raise
                # Another model was chosen while this one was loading: that one is wanted now.

    @contextlib.asynccontextmanager
    async def lease(self) -> AsyncIterator[LocalEngine]:
        """Wait for the engine's turn, have the chosen model loaded, and keep it until the block is left."""
        async with self.turn():
            yield await self.ensure()

    async def warm(self) -> None:
        """Have the chosen model loaded ahead of the next message. A failure shows in the state and is not raised."""
        if self._state.status is ModelStatus.IDLE and not self._waiting and not self._wishes:
            with contextlib.suppress(AppError, OSError):
                async with self.lease():
                    pass

    async def unload(self) -> None:
        """Free the memory of the chosen model; the next message loads it again. Waits for a running answer."""
        async with self.turn():
            await self._end_load()
            await self._sessions.unload(self._request().path)
            if self._state.status in (ModelStatus.READY, ModelStatus.LOADING):
                self._set(structs.replace(self._state, status=ModelStatus.IDLE, fraction=0.0, info=None))

    def refuse(self) -> None:
        """Begin no load any more: everybody who waits for one would begin the next, one after the other."""
        self._closed = True

    async def aclose(self) -> None:
        """Give up a load that runs; the sessions are closed by their owner."""
        self.refuse()
        await self._end_load()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the engine's turn and have it to oneself until the block is left."""
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    # Wishes ------------------------------------------------------------------------------------------------------

    async def _look_at(self, path: str) -> tuple[int, ModelFile]:
        """Have a file checked; its wish stands first until another one comes or it proves to be no good."""
        self._wished += 1
        number = self._wished
        state = self._kept(path) or ModelState(ModelStatus.LOADING, path, shown(Path(path).stem), guide=False)
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

    async def _wishes_ended(self) -> Exception | None:
        """Wait until no file is being looked at; returns what is wrong with the last one, None for nothing."""
        problem = None
        while self._wishes:
            problem = await asyncio.shield(next(reversed(self._wishes.values())).ended)
        return problem

    def _kept(self, path: str) -> ModelState | None:
        """The state as it is, where this file is chosen and loaded or being loaded already."""
        busy = self._state.status in (ModelStatus.READY, ModelStatus.LOADING)
        return self._state if busy and self._state.path == path else None

    def _named(self, path: str, found: ModelFile) -> ModelState:
        name = shown(found.name or Path(path).stem)
        return ModelState(ModelStatus.IDLE, path, name, guide=False, size_bytes=found.size_bytes)

    # Inside ------------------------------------------------------------------------------------------------------

    async def _load_in_turn(self, path: str) -> None:
        if self._state.path != path:
            return  # another choice came meanwhile, whose load may run already
        if self._load_request is not None and self._load_request.path != (path or self._guide):
            await self._end_load()  # a large model that is not wanted any more would keep everybody waiting
        async with self.turn():
            if self._state.path == path:  # else another choice came meanwhile
                await self._ensure(asked=False)

    async def _end_load(self) -> None:
        load, self._load, self._load_request = self._load, None, None
        if load is not None and not load.done():
            load.cancel()
            await asyncio.wait({load})

    async def _run_load(self, request: LoadRequest, chosen: ModelState) -> LocalEngine:
        started = self._clock()
        state = structs.replace(chosen, status=ModelStatus.LOADING, fraction=0.0, seconds=0.0, info=None, problem=None)

        def tell(new: ModelState) -> None:
            if self._state.path == chosen.path:
                self._set(structs.replace(new, seconds=self._clock() - started))

        def on_progress(progress: LoadProgress) -> None:
            tell(
                structs.replace(state, fraction=progress.fraction, size_bytes=progress.total_bytes or state.size_bytes)
            )

        tell(state)
        try:
            await self._look_for(chosen.path)
            engine = await self._sessions.load(request, guide=chosen.guide, on_progress=on_progress)
        except asyncio.CancelledError:
            tell(structs.replace(state, status=ModelStatus.IDLE))
            raise
        except Exception as error:
            problem = problem_of(error)
            log.warning("model.failed code=%s", problem.what.code)
            tell(structs.replace(state, status=ModelStatus.FAILED, problem=problem))
            if isinstance(error, AppError):
                raise
            raise error_of(problem) from error
        info = engine.info
        tell(
            structs.replace(
                state,
                status=ModelStatus.READY,
                fraction=1.0,
                info=info,
                name=GUIDE_NAME if chosen.guide or info is None else shown(info.name) or chosen.name,
                size_bytes=state.size_bytes if info is None else info.size_bytes,
            )
        )
        for notice in info.notices if info is not None else ():
            self._bus.publish(Notified(notice))
        return engine

    def _request(self) -> LoadRequest:
        engine = self._preferences.settings.engine
        if self._state.guide:
            # The guide is tiny and trained for one context: of the settings only the threads concern it.
            return LoadRequest(self._guide, threads=engine.threads)
        return LoadRequest(
            path=self._state.path,
            context=engine.context,
            threads=engine.threads,
            gpu_layers=engine.gpu_layers,
            flash_attention=engine.flash_attention,
            kv_type=engine.kv_type,
            template=self._template(self._state.path) if self._template is not None else None,
        )

    def _on_settings(self, event: SettingsChanged) -> None:
        """The chosen file has moved (with the models folder): the next load finds it there."""
        path = event.after.engine.model
        if "engine.model" in event.keys and path and self._state.path == event.before.engine.model != path:
            self._set(structs.replace(self._state, status=ModelStatus.IDLE, path=path, info=None, problem=None))

    def _chosen(self, path: str) -> ModelState:
        if not path:
            return ModelState(ModelStatus.IDLE, "", GUIDE_NAME, guide=True)
        return ModelState(ModelStatus.IDLE, path, shown(Path(path).stem), guide=False)

    def _is_ready(self, engine: LocalEngine) -> None:
        if self._state.status is not ModelStatus.READY:
            self._set(
                structs.replace(self._state, status=ModelStatus.READY, fraction=1.0, info=engine.info, problem=None)
            )

    def _set(self, state: ModelState) -> None:
        self._state = state
        self._tell()

    def _tell(self) -> None:
        if self.state != self._told:
            self._told = self.state
            self._bus.publish(ModelChanged(self._told))

    async def _look_for(self, path: str) -> None:
        """Raise ``UserFacing`` and tell it when the chosen file is gone."""
        if not path or await asyncio.to_thread(Path(path).exists):
            return
        error = UserFacing(
            Text(
                "model.missing",
                QT_TRANSLATE_NOOP("models", "There is no model file {path}."),
                {"path": path},
            ),
            Text("model.missing.hint", QT_TRANSLATE_NOOP("models", "Open another GGUF file, or use the guide.")),
            action="model.open",
        )
        if self._state.path == path:
            self._set(structs.replace(self._state, status=ModelStatus.FAILED, problem=error.problem))
        raise error
