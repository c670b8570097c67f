"""The engine on this computer, as the app uses it: one worker process for a loaded model.

A crash of the worker ends the answer with one clear error after everything that had arrived; the next answer starts
a new worker and loads the same model again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType

from qwen_desktop.core.engine import (
    Capabilities,
    Event,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    LoadProgress,
    LoadRequest,
    ModelInfo,
    Stats,
)
from qwen_desktop.core.errors import Bug, Problem, UserFacing, error_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine import wire
from qwen_desktop.process.endings import End, Ending, problem
from qwen_desktop.process.supervisor import Supervisor

log = logging.getLogger(__name__)

#: After asking a run to stop, its last words are waited for this long, in seconds.
_LAST_WORDS_S = 2.0


class _Channel:
    """Replies to one request, in order; ended by ``Done``, ``Loaded``, ``Counted``, ``Failed`` or the worker's end."""

    def __init__(self) -> None:
        self._replies: deque[wire.Reply] = deque()
        self._wake = asyncio.Event()

    def put(self, reply: wire.Reply) -> None:
        self._replies.append(reply)
        self._wake.set()

    async def get(self) -> wire.Reply:
        while not self._replies:
            self._wake.clear()
            await self._wake.wait()
        return self._replies.popleft()


class _Run:
    """One answer in the making (``core.engine.Run``)."""

    def __init__(self, engine: LocalWorkerEngine, number: int, channel: _Channel) -> None:
        self._engine = engine
        self._number = number
        self._channel = channel
        self._result: GenerateResult | None = None
        self._problem: Problem | None = None
        self._stopping = False

    @property
    def result(self) -> GenerateResult:
        if self._result is None:
            raise RuntimeError("the answer has not ended")
        return self._result

    async def stop(self) -> None:
        self._cancel()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events()

    async def _events(self) -> AsyncIterator[Event]:
        while not self._over:
            for event in self._take(await self._channel.get()):
                yield event
        if self._problem is not None:
            raise error_of(self._problem)

    @property
    def _over(self) -> bool:
        return self._result is not None or self._problem is not None

    def _take(self, reply: wire.Reply) -> tuple[Event, ...]:
        if isinstance(reply, wire.Events):
            return reply.events
        if isinstance(reply, wire.Done):
            self._result = reply.result
        elif isinstance(reply, wire.Failed):
            self._problem = reply.problem
        return ()

    def _cancel(self) -> None:
        if not self._over and not self._stopping:
            self._stopping = True
            self._engine.cancel(self._number)

    async def leave(self) -> None:
        """The context is left: end what still runs and make ``result`` valid."""
        if self._over:
            return
        self._cancel()
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                while not self._over:
                    self._take(await self._channel.get())
        except TimeoutError:
            log.warning("run.silent")
        finally:
            if self._result is None:
                self._result = GenerateResult(FinishReason.CANCELLED, Stats())


class LocalWorkerEngine:
    """A ``core.engine.LocalEngine`` whose model lives in a worker process.

    ``command`` starts the worker. ``on_reload`` is told about the progress when a model is loaded again after a crash.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_folder: Path | None = None,
        on_reload: Callable[[LoadProgress], None] | None = None,
    ) -> None:
        self._log_folder = log_folder
        self._on_reload = on_reload
        self._supervisor: Supervisor[wire.Reply] = Supervisor(
            command, wire.decode_reply, lambda m: isinstance(m, wire.Hello), self._message, self._ended
        )
        self._channels: dict[int, _Channel] = {}
        self._numbers = 0
        self._info: ModelInfo | None = None
        self._loaded = False
        self._request: LoadRequest | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def info(self) -> ModelInfo | None:
        """The loaded model, or None. It stays after a crash: the model comes back with the next request."""
        return self._info

    @property
    def pid(self) -> int | None:
        """The worker's process id, None when none runs."""
        return self._supervisor.pid

    def capabilities(self) -> Capabilities:
        """What the loaded model can do."""
        return Capabilities(thinking=self._info.thinking if self._info else ())

    async def load(self, request: LoadRequest) -> AsyncGenerator[LoadProgress, None]:
        """Load a model, yielding progress. Leaving the iteration early ends the worker. Raises ``AppError``."""
        async with self._starting:
            if self._request is not None and self._request.path != request.path:
                await self._stop()
            self._request = request
            async with contextlib.aclosing(self._load(request)) as progress:
                async for step in progress:
                    yield step

    async def _load(self, request: LoadRequest) -> AsyncGenerator[LoadProgress, None]:
        if self._closed:
            raise _closed()
        self._info, self._loaded = None, False
        finished = False
        try:
            if not self._supervisor.running:
                await self._supervisor.start()
            with self._channel() as (number, channel):
                self._supervisor.send(wire.encode(wire.Load(number, request)))
                while not self._loaded:
                    reply = await channel.get()
                    if isinstance(reply, wire.Progress):
                        yield LoadProgress(reply.fraction, reply.total)
                    elif isinstance(reply, wire.Loaded):
                        self._info, self._loaded = reply.info, True
                    elif isinstance(reply, wire.Failed):
                        finished = True
                        raise error_of(reply.problem)
            finished = True
        finally:
            if not finished:
                self._supervisor.kill()
            if not self._loaded:
                self._request = None

    @asynccontextmanager
    async def generate(self, request: GenerateRequest) -> AsyncGenerator[_Run, None]:
        """Start an answer; several wait for one another in the worker. Raises ``AppError``.

        Leaving the context early (also by a cancelled task) stops the answer.
        """
        await self._ready()
        with self._channel() as (number, channel):
            self._supervisor.send(wire.encode(wire.Generate(number, request)))
            run = _Run(self, number, channel)
            try:
                yield run
            finally:
                await run.leave()

    async def count_tokens(self, request: GenerateRequest) -> tuple[int, bool]:
        """Tokens of the rendered prompt; always exact. Works while an answer runs. Raises ``AppError``."""
        await self._ready()
        reply = await self._ask(lambda number: wire.Count(number, request))
        assert isinstance(reply, wire.Counted)  # noqa: S101 - the protocol's only other answer
        return reply.tokens, True

    async def figures(self) -> wire.Figures | None:
        """The worker's memory and context at this moment, None when none runs."""
        if not self._supervisor.running:
            return None
        reply = await self._ask(wire.Ask)
        return reply if isinstance(reply, wire.Figures) else None

    async def embed(self, texts: tuple[str, ...]) -> tuple[tuple[float, ...], ...]:
        """Always raises ``UserFacing``: chat models give no embeddings here."""
        raise UserFacing(
            Text("engine.no_embeddings", QT_TRANSLATE_NOOP("engine", "This model gives no embeddings.")),
            Text("engine.no_embeddings.hint", QT_TRANSLATE_NOOP("engine", "Choose an embedding model.")),
        )

    async def unload(self) -> None:
        """End the worker (its memory is free afterwards): in order within a second, else at once."""
        async with self._starting:
            self._request = None
            await self._stop()

    async def aclose(self) -> None:
        """End everything. Safe to call twice, and while a model loads."""
        self._closed = True
        self._request = None
        await self._stop()

    def cancel(self, number: int) -> None:
        """Ask the worker to end a request."""
        self._supervisor.send(wire.encode(wire.Cancel(number)))

    async def _stop(self) -> None:
        self._info, self._loaded = None, False
        await self._supervisor.stop()

    async def _ready(self) -> None:
        """A worker with the model in it, starting and loading again after a crash."""
        if self._loaded and self._supervisor.running:
            return
        async with self._starting:
            if self._loaded and self._supervisor.running:
                return
            if self._closed or self._request is None:
                raise _closed() if self._closed else _no_model()
            request = self._request
            try:
                async with contextlib.aclosing(self._load(request)) as progress:
                    async for step in progress:
                        if self._on_reload is not None:
                            self._on_reload(step)
            finally:
                if not self._closed:
                    self._request = request  # a reload that failed may be tried again

    async def _ask(self, make: Callable[[int], wire.Request]) -> wire.Reply:
        with self._channel() as (number, channel):
            self._supervisor.send(wire.encode(make(number)))
            reply = await channel.get()
            if isinstance(reply, wire.Failed):
                raise error_of(reply.problem)
            return reply

    def _channel(self) -> _Open:
        self._numbers += 1
        return _Open(self._channels, self._numbers)

    def _message(self, message: wire.Reply) -> None:
        channel = self._channels.get(message.id) if not isinstance(message, wire.Hello) else None
        if channel is not None:
            channel.put(message)

    def _ended(self, ending: Ending) -> None:
        self._loaded = False
        found = problem(ending) if ending.end is not End.ASKED else _unloaded()
        for number, channel in list(self._channels.items()):
            channel.put(wire.Failed(number, found))


class _Open:
    """Registers a channel for as long as its request is open."""

    def __init__(self, channels: dict[int, _Channel], number: int) -> None:
        self._channels = channels
        self._number = number

    def __enter__(self) -> tuple[int, _Channel]:
        channel = self._channels[self._number] = _Channel()
        return self._number, channel

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channels.pop(self._number, None)


def _no_model() -> Bug:
    return Bug(
        Text("engine.no_model", QT_TRANSLATE_NOOP("engine", "No model is loaded.")),
        Text("engine.no_model.hint", QT_TRANSLATE_NOOP("engine", "Choose a model first.")),
        action="model.choose",
    )


def _closed() -> Bug:
    return Bug(Text("engine.closed", QT_TRANSLATE_NOOP("engine", "The engine is closed.")))


def _unloaded() -> Problem:
    return Problem(
        "cancelled",
        Text("engine.unloaded", QT_TRANSLATE_NOOP("engine", "The model was unloaded while it was answering.")),
        Text("engine.unloaded.hint", QT_TRANSLATE_NOOP("engine", "Send again to load it.")),
        action="retry",
    )
