"""The engine worker: a process that loads one model and answers. Started as ``--worker engine``.

Three threads with one job each: one reads requests (so that cancelling works while the model computes), one writes
frames (so that a stalled window never stops decoding), and the main thread computes. A fourth counts tokens. The
process ends as soon as its stdin closes.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from qwen_desktop.core.embeddings import EmbedRequest, RerankRequest
from qwen_desktop.core.engine import GenerateRequest, LoadProgress, LoadRequest, ModelInfo
from qwen_desktop.core.errors import Bug, Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.core.tuning import TuneProgress, TuneRequest, Tuning
from qwen_desktop.process.child import Pipes
from qwen_desktop.process.serve import Request, Server, unknown_job, worker_pipes

if TYPE_CHECKING:
    from qwen_desktop.engine.scheduler import Scheduler
    from qwen_desktop.engine.session import Session
    from qwen_desktop.engine.tuning import Tuner
    from qwen_desktop.hardware.memory import Resident

log = logging.getLogger(__name__)

#: What is being written when the process is to end has so long for that, in seconds.
_END_S = 2.0
#: After so many seconds it is tried again to keep what could not be kept.
_AGAIN_S = 0.2

# fmt: off
#: An answer was asked for before a model is loaded.
no_model = Failure(
    Bug, "engine.no_model", "", QT_TRANSLATE_NOOP("engine", "No model is loaded."),
    QT_TRANSLATE_NOOP("engine", "Choose a model first."), "model.choose",
)
#: An answer was asked for of a model that only embeds or reranks.
no_answers = Failure(
    UserFacing, "engine.no_answers", "",
    QT_TRANSLATE_NOOP("engine", "This model only embeds texts or sorts documents: it writes no answers."),
    QT_TRANSLATE_NOOP("engine", "Choose a chat model."), "model.choose",
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
    pipes = worker_pipes()
    try:
        Worker(pipes).run()
    except BaseException:
        log.exception("worker.failed")
        pipes.end(1)  # for the app to see: nobody would be answered any more
    return 0


class Worker:
    """Answers the calls that arrive on ``pipes``.

    ``load`` (``LoadRequest``) tells ``LoadProgress`` and returns ``ModelInfo``; ``generate`` (``GenerateRequest``)
    tells tuples of events, one per 16 ms at most, and returns ``GenerateResult``. Answers are made side by side; a load
    waits for those before it, and those after it wait for it. ``tune`` (``TuneRequest``) tells ``TuneProgress`` and
    returns ``Tuning``; it gives way to everything else. ``embed`` (``EmbedRequest``) and ``rerank``
    (``RerankRequest``) tell ``Embedded``, in the order of the texts, and return ``EmbedEnd``; conversations go first.
    ``count`` (``GenerateRequest``) returns the prompt's tokens, ``count_texts`` (a tuple of texts) those of each, also
    while answers are made.
    ``forget`` (a tuple of cache keys, ``("*",)`` for all) forgets conversations in memory and on the disk; ``limit``
    (bytes) says how much there may be from now on.

    Once stdin is closed, what was evaluated and is to be kept is still written, for ``_END_S`` at most.
    """

    def __init__(self, pipes: Pipes) -> None:
        from qwen_desktop.engine.gate import Gate  # noqa: PLC0415 - after the pipes are safe from prints
        from qwen_desktop.engine.llama import Flag, LlamaLibrary  # noqa: PLC0415 - as above

        self._server = Server(pipes, self._take, self._cancel)
        self._library = LlamaLibrary(lambda line: print(line, file=sys.stderr))
        self._base: Resident | None = None
        self._gate = Gate(Flag())
        self._session: Session | None = None
        self._tuner: Tuner | None = None
        self._scheduler: Scheduler | None = None
        #: Held while something uses the model beside the main thread, and while that frees or makes it.
        self._using = threading.Lock()
        self._arrived: queue.SimpleQueue[tuple[Request, float] | None] = queue.SimpleQueue()
        self._ending, self._ended = threading.Event(), threading.Event()
        pipes.before_end = self._end
        self._counts: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def run(self) -> None:
        """Greet, then work. Never returns: the reader ends the process."""
        threading.Thread(target=self._count_all, name="count", daemon=True).start()
        self._server.start(About(self._library.version, self._library.devices(), self._library.cpu))
        waiting: deque[tuple[Request, float]] = deque()
        while not self._ending.is_set():
            while (arrived := self._next(rests=not waiting)) is not None:
                waiting.append(arrived)
            scheduler = self._scheduler
            while waiting and (waiting[0][0].method != "load" or scheduler is None or not scheduler.busy):
                request, since = waiting.popleft()
                if request.method == "tune":
                    busy = bool(waiting) or (scheduler is not None and scheduler.busy)
                    request.do(partial(self._tune, request, gives_way=busy))
                else:
                    self._begin(request, since)
                scheduler = self._scheduler
            if scheduler is not None and scheduler.busy:
                scheduler.step()
        self._keep_last()
        threading.Event().wait()  # the reader ends the process

    # the reader's thread ---------------------------------------------------------------------------------------------

    def _take(self, request: Request) -> None:
        if request.method in ("count", "count_texts"):
            self._counts.put(request)
            return
        self._gate.arrived()
        self._arrived.put((request, time.monotonic()))

    def _cancel(self, request: Request) -> None:
        self._gate.cancelled(request)

    def _end(self) -> None:
        """Nobody asks any more: give the main thread the time to keep what it has evaluated."""
        session = self._session
        if session is None or session.kept is None:
            return
        self._ending.set()
        self._gate.end()
        self._arrived.put(None)
        self._ended.wait(_END_S)

    # the counter's thread --------------------------------------------------------------------------------------------

    def _count_all(self) -> None:
        while True:
            request = self._counts.get()
            request.do(lambda request=request: self._count(request))  # type: ignore[misc]

    def _count(self, request: Request) -> int | tuple[int, ...]:
        with self._using:  # a load that runs ends first, and one that comes waits: it frees what is used here
            request.check()
            if self._session is None:
                raise no_model()
            if request.method == "count":
                return self._session.count(request.params(GenerateRequest))
            return self._session.count_texts(request.params(tuple[str, ...]))

    # the main thread -------------------------------------------------------------------------------------------------

    def _next(self, *, rests: bool) -> tuple[Request, float] | None:
        """A request that has arrived, None when there is none. With nothing else to do it is waited for."""
        scheduler, session = self._scheduler, self._session
        kept = True
        try:
            if not rests or (scheduler is not None and scheduler.busy):
                found = self._arrived.get_nowait()
            else:
                if session is not None and self._gate.open((), gives_way=True):
                    try:
                        session.idle()
                        kept = session.keep(lambda: self._gate.flag.is_set)
                    finally:
                        self._gate.close()
                linger = scheduler.linger_s if scheduler is not None else None
                found = self._arrived.get(timeout=_AGAIN_S if linger is None and not kept else linger)
        except queue.Empty:
            if rests and scheduler is not None and not scheduler.busy:
                scheduler.rest()
            return None
        if found is not None:
            self._gate.taken()
        return found

    def _begin(self, request: Request, arrived: float) -> None:
        """Begin with a request. Only answers go on after this."""
        if request.method == "load":
            request.do(lambda: self._load(request))
            return
        if request.method == "forget":
            self._forget(request)
            return
        if request.method == "limit":
            request.do(lambda: self._limit(request.params(int)))
            return
        try:
            if request.method not in ("generate", "embed", "rerank"):
                raise unknown_job(request.method)
            if self._scheduler is None or self._session is None:
                raise no_model()
            if request.method == "embed":
                self._scheduler.embedding.embed(request.params(EmbedRequest), request)
            elif request.method == "rerank":
                self._scheduler.embedding.rerank(request.params(RerankRequest), request)
            elif not self._session.info.capabilities.chat:
                raise no_answers()
            else:
                self._scheduler.add(request.params(GenerateRequest), request, arrived)
        except Exception as error:
            request.fail(error)

    def _forget(self, request: Request) -> None:
        try:
            keys = request.params(tuple[str, ...])
            session = self._session
            if self._scheduler is not None:
                self._scheduler.forget(keys)
            if session is not None and session.kept is not None:
                session.kept.forget(keys, lambda: request.do(lambda: None))
            else:
                request.do(lambda: None)
        except Exception as error:
            request.fail(error)

    def _limit(self, budget: int) -> None:
        if self._session is not None and self._session.kept is not None:
            self._session.kept.limit(budget)

    def _keep_last(self) -> None:
        """The process ends: keep what is not, for as long as there is time."""
        try:
            end = time.monotonic() + _END_S
            session = self._session
            if session is not None and session.kept is not None:
                session.keep(lambda: time.monotonic() > end)
                session.kept.writer.wait(end - time.monotonic())
        except Exception:
            log.exception("kept.failed")
        finally:
            self._ended.set()

    def _load(self, request: Request) -> ModelInfo:
        from qwen_desktop.hardware import memory  # noqa: PLC0415 - as above

        self._base = self._base or memory.resident()
        from qwen_desktop.engine.load import load  # noqa: PLC0415 - as above
        from qwen_desktop.engine.scheduler import Scheduler  # noqa: PLC0415 - as above

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
            if self._scheduler is not None:
                self._scheduler.rest()
                self._scheduler = None
            self._session = load(self._library, wanted, self._gate.flag, progress, before, base=self._base)
            self._scheduler = Scheduler(self._session, self._gate)
            return self._session.info

    def _tune(self, request: Request, *, gives_way: bool) -> Tuning:
        from qwen_desktop.engine.llama import Flag  # noqa: PLC0415 - as above
        from qwen_desktop.engine.tuning import Tuner  # noqa: PLC0415 - as above

        if self._session is None:
            raise no_model()
        self._tuner = self._tuner or Tuner()
        stop, opened = self._gate.flag, not gives_way and self._gate.open((request,), gives_way=True)
        if not opened:
            stop = Flag()
            stop.set()
        try:
            return self._tuner.run(
                self._session.model,
                request.params(TuneRequest),
                gpu=self._library.gpu,
                stop=stop,
                progress=lambda fraction: request.emit(TuneProgress(fraction)),
            )
        finally:
            if opened:
                self._gate.close()
