"""The engine worker: a process that loads one model and answers. Started as ``--worker engine``.

Three threads with one job each: one reads requests (so that cancelling works while the model computes), one writes
frames (so that a stalled window never stops decoding), and the main thread computes. A fourth counts tokens. The
process ends as soon as its stdin closes.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from qwen_desktop.core.engine import (
    FinishReason,
    GenerateRequest,
    GenerateResult,
    LoadProgress,
    LoadRequest,
    ModelInfo,
    Stats,
)
from qwen_desktop.core.errors import Bug, Environment, Failure
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.core.tuning import TuneProgress, TuneRequest, Tuning
from qwen_desktop.process.child import Pipes
from qwen_desktop.process.serve import Request, Server, unknown_job, worker_pipes

if TYPE_CHECKING:
    from qwen_desktop.engine.session import Session
    from qwen_desktop.engine.tuning import Tuner
    from qwen_desktop.hardware.memory import Resident

# fmt: off
#: An answer was asked for before a model is loaded.
no_model = Failure(
    Bug, "engine.no_model", "", QT_TRANSLATE_NOOP("engine", "No model is loaded."),
    QT_TRANSLATE_NOOP("engine", "Choose a model first."), "model.choose",
)
_stuck = Failure(
    Environment, "decode.failed", "",
    QT_TRANSLATE_NOOP("engine", "The model engine could not go on computing."),
    QT_TRANSLATE_NOOP("engine", "Send again; if it fails again, load the model anew."), "retry",
)
# fmt: on


class About(Struct, frozen=True):
    """What the engine worker says of itself in its greeting: ``engine`` is llama-cpp-python's version, ``devices`` what
    it can compute on, ``cpu`` the kind of processor that its library was built for ("native" where there is one)."""

    engine: str
    devices: tuple[str, ...] = ()
    cpu: str = ""


def main() -> int:
    """Run until stdin closes."""
    Worker(worker_pipes()).run()
    return 0


class Worker:
    """Answers the calls that arrive on ``pipes``.

    ``load`` (``LoadRequest``) tells ``LoadProgress`` and returns ``ModelInfo``; ``generate`` (``GenerateRequest``)
    tells tuples of events, one per 16 ms at most, and returns ``GenerateResult``: these wait for one another.
    ``tune`` (``TuneRequest``) tells ``TuneProgress`` and returns ``Tuning``, and ends when anything else comes.
    ``count`` (``GenerateRequest``) returns the prompt's tokens, also while an answer runs.
    """

    def __init__(self, pipes: Pipes) -> None:
        from qwen_desktop.engine.llama import Flag, LlamaLibrary  # noqa: PLC0415 - after the pipes are safe from prints

        self._server = Server(pipes, self._take, self._cancel)
        self._library = LlamaLibrary(lambda line: print(line, file=sys.stderr))
        self._base: Resident | None = None
        self._flag = Flag()
        self._session: Session | None = None
        self._tuner: Tuner | None = None
        #: Held while something uses the model beside the main thread, and while that frees or makes it.
        self._using = threading.Lock()
        self._work: queue.SimpleQueue[tuple[Request, float]] = queue.SimpleQueue()
        self._counts: queue.SimpleQueue[Request] = queue.SimpleQueue()
        # which request computes, how many wait: read and written by the reader and the main thread
        self._lock = threading.Lock()
        self._current: Request | None = None
        self._idle = False
        self._waiting = 0

    def run(self) -> None:
        """Greet, then work. Never returns: the reader ends the process."""
        threading.Thread(target=self._count_all, name="count", daemon=True).start()
        self._server.start(About(self._library.version, self._library.devices(), self._library.cpu))
        while True:
            self._use_idle_time()
            self._do(*self._work.get())

    # the reader's thread ---------------------------------------------------------------------------------------------

    def _take(self, request: Request) -> None:
        if request.method == "count":
            self._counts.put(request)
            return
        with self._lock:
            self._waiting += 1
            if self._idle:
                self._flag.set()  # work ahead gives way at once
        self._work.put((request, time.monotonic()))

    def _cancel(self, request: Request) -> None:
        with self._lock:
            if request is self._current:
                self._flag.set()

    # the counter's thread --------------------------------------------------------------------------------------------

    def _count_all(self) -> None:
        while True:
            request = self._counts.get()
            request.do(lambda request=request: self._count(request))  # type: ignore[misc]

    def _count(self, request: Request) -> int:
        with self._using:  # a load that runs ends first, and one that comes waits: it frees what is used here
            request.check()
            if self._session is None:
                raise no_model()
            return self._session.count(request.params(GenerateRequest))

    # the main thread -------------------------------------------------------------------------------------------------

    def _use_idle_time(self) -> None:
        if self._session is None:
            return
        with self._lock:
            if self._waiting:
                return
            self._idle = True
            self._flag.clear()
        try:
            self._session.idle()
        finally:
            with self._lock:
                self._idle = False

    def _do(self, request: Request, arrived: float) -> None:
        with self._lock:
            self._waiting -= 1
            self._current = request
            self._flag.clear()
        try:
            if request.method == "tune":
                request.do(lambda: self._tune(request))
                return
            request.do(lambda: self._load(request) if request.method == "load" else self._generate(request, arrived))
        finally:
            with self._lock:
                self._current = None

    def _load(self, request: Request) -> ModelInfo:
        from qwen_desktop.hardware import memory  # noqa: PLC0415 - as above

        self._base = self._base or memory.resident()
        from qwen_desktop.engine.load import load  # noqa: PLC0415 - as above

        told = 0.0

        def progress(fraction: float, total: int) -> bool:
            nonlocal told
            now = time.monotonic()
            if now - told >= 0.05 or fraction >= 1:
                told = now
                request.emit(LoadProgress(fraction, total))
            return not request.cancelled

        wanted = request.params(LoadRequest)
        if self._tuner is not None:
            self._tuner.settle()  # what is left of a run still uses the model
        with self._using:
            before, self._session = self._session, None
            self._session = load(self._library, wanted, self._flag, progress, before, base=self._base)
            return self._session.info

    def _tune(self, request: Request) -> Tuning:
        from qwen_desktop.engine.tuning import Tuner  # noqa: PLC0415 - as above

        if self._session is None:
            raise no_model()
        self._tuner = self._tuner or Tuner()
        with self._lock:
            self._idle = True  # whoever comes sets the flag
            if self._waiting or request.cancelled:
                self._flag.set()
        try:
            return self._tuner.run(
                self._session.model,
                request.params(TuneRequest),
                gpu=self._library.gpu,
                stop=self._flag,
                progress=lambda fraction: request.emit(TuneProgress(fraction)),
            )
        finally:
            with self._lock:
                self._idle = False

    def _generate(self, request: Request, arrived: float) -> GenerateResult:
        from qwen_desktop.engine.llama_context import DecodeError  # noqa: PLC0415 - as above

        if request.method != "generate":
            raise unknown_job(request.method)
        if request.cancelled:
            return GenerateResult(FinishReason.CANCELLED, Stats())
        if self._session is None:
            raise no_model()
        try:
            return self._session.generate(request.params(GenerateRequest), request.emit, arrived)
        except DecodeError as error:
            raise _stuck(details=f"llama_decode {error.code}") from error
