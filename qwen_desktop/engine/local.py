"""The engine on this computer, as the app uses it: one worker process for a loaded model.

A crash of the worker ends the answer with one clear error after everything that had arrived, and ``on_end`` tells of
it; a model is loaded only when somebody calls ``load``.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from qwen_desktop.core.engine import (
    Event,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    LoadProgress,
    LoadRequest,
    ModelInfo,
    Stats,
)
from qwen_desktop.core.errors import AppError, Bug, Cancelled, Failure, Problem, error_of
from qwen_desktop.core.packed import unpack
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.core.tuning import TuneProgress, TuneRequest, Tuning
from qwen_desktop.engine.pages import huge_pages
from qwen_desktop.engine.worker import About, no_model
from qwen_desktop.process.endings import End, Ending, problem
from qwen_desktop.process.rpc import Client, RunningCall

log = logging.getLogger(__name__)

#: After asking a run to stop, its last words are waited for this long, in seconds.
_LAST_WORDS_S = 2.0

# fmt: off
_closed = Failure(Bug, "engine.closed", "", QT_TRANSLATE_NOOP("engine", "The engine is closed."))
_unloaded = Failure(
    Cancelled, "engine.unloaded", "",
    QT_TRANSLATE_NOOP("engine", "The model was unloaded while it was answering."),
    QT_TRANSLATE_NOOP("engine", "Send again to load it."), "retry",
)
# fmt: on


class _Run:
    """One answer in the making (``core.engine.Run``)."""

    def __init__(self, call: RunningCall[tuple[Event, ...], GenerateResult]) -> None:
        self._call = call
        self._left = False

    @property
    def result(self) -> GenerateResult:
        try:
            return self._call.result
        except (AppError, RuntimeError):
            if not self._left:
                raise
            return GenerateResult(FinishReason.CANCELLED, Stats())

    async def stop(self) -> None:
        self._call.cancel()

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for events in self._call:
            for event in events:
                yield event

    async def leave(self) -> None:
        """The context is left: end what still runs and make ``result`` valid."""
        if self._call.over:
            return
        self._left = True
        self._call.cancel()
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                async for _ in self._call:
                    pass
        except (AppError, TimeoutError):
            log.warning("run.silent")


class LocalWorkerEngine:
    """A ``core.engine.LocalEngine`` whose model lives in a worker process. ``command`` starts the worker."""

    def __init__(self, command: Sequence[str]) -> None:
        self._client = Client(command, _unloaded().problem, model=True, variables=huge_pages(os.environ))
        self._client.on_end(self._ended)
        self._listeners: list[Callable[[Problem], None]] = []
        #: The loaded model, or None: none was loaded, or its worker has ended.
        self.info: ModelInfo | None = None
        self._crash: Problem | None = None
        self._path = ""
        self._loading = asyncio.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The worker's process id, None when none runs."""
        return self._client.pid

    def on_end(self, listener: Callable[[Problem], None]) -> None:
        """Have ``listener`` told, on the event loop, when the worker has ended and nobody had asked for that."""
        self._listeners.append(listener)

    async def about(self) -> About:
        """See that a worker runs, with or without a model, and return what it says of itself. Raises ``AppError``."""
        return unpack((await self._client.start()).about, About)

    async def load(self, request: LoadRequest) -> AsyncGenerator[LoadProgress, None]:
        """Load a model, yielding progress. The process stays for the same file with other options; the worker keeps
        the weights where it can. Leaving the iteration early ends the worker. Raises ``AppError``."""
        async with self._loading:
            if self._closed:
                raise _closed()
            if self._path not in ("", request.path):
                await self._client.stop()
            self.info, self._crash, self._path = None, None, request.path
            try:
                await self._client.start()
                with self._client.open("load", request, LoadProgress, ModelInfo) as call:
                    async for step in call:
                        yield step
                    info = call.result
                self._check(info)  # it may have ended since
                self.info = info
            except AppError:  # the worker's own word: it goes on, without a model
                raise
            except BaseException:
                self._client.kill()
                raise

    @asynccontextmanager
    async def generate(self, request: GenerateRequest) -> AsyncGenerator[_Run, None]:
        """Start an answer; several are made at once, as far as the worker can. Raises ``AppError``, also when no model
        is loaded; after a crash that says so.

        Leaving the context early (also by a cancelled task) stops the answer.
        """
        self._check(self.info)
        with self._client.open("generate", request, tuple[Event, ...], GenerateResult) as call:
            run = _Run(call)
            try:
                yield run
            finally:
                await run.leave()

    async def count_tokens(self, request: GenerateRequest) -> tuple[int, bool]:
        """Tokens of the rendered prompt; always exact. Works while an answer runs. Raises ``AppError``."""
        self._check(self.info)
        with self._client.open("count", request, object, int) as call:
            return await call.finish(), True

    async def count_texts(self, texts: Sequence[str]) -> tuple[tuple[int, ...], bool]:
        """Tokens of each text as a piece of a message; always exact. Works while an answer runs. Raises
        ``AppError``."""
        self._check(self.info)
        with self._client.open("count_texts", tuple(texts), object, tuple[int, ...]) as call:
            return await call.finish(), True

    async def tune(self, request: TuneRequest, progress: Callable[[TuneProgress], None]) -> Tuning:
        """Measure how the loaded model runs best here; ends early (``whole`` False) when something else is wanted of
        the worker. A caller that is cancelled ends the run. Raises ``AppError``."""
        self._check(self.info)
        with self._client.open("tune", request, TuneProgress, Tuning) as call:
            return await call.finish(progress)

    async def forget(self, keys: tuple[str, ...]) -> None:
        """Forget what was evaluated under these ``cache_key``s, ``("*",)`` for all: in memory, what is being written,
        and on the disk. Raises ``AppError``."""
        self._check(self.info)
        with self._client.open("forget", keys, object, object) as call:
            await call.finish()

    async def aclose(self) -> None:
        """End everything. Safe to call twice, and while a model loads."""
        self._closed = True
        self.info = None
        await self._client.aclose()

    def _check(self, info: ModelInfo | None) -> None:
        if self._closed:
            raise _closed()
        if self._crash is not None:
            raise error_of(self._crash)
        if info is None:
            raise no_model()

    def _ended(self, ending: Ending) -> None:
        self.info = None
        if ending.end is not End.ASKED:
            self._crash = problem(ending, model=True)
            for listener in self._listeners:
                listener(self._crash)
