"""The engine worker: a process that loads one model and answers. Started as ``--worker engine``.

Three threads with one job each: one reads requests (so that cancelling and figures work while the model computes),
one writes frames (so that a stalled window never stops decoding), and the main thread computes. A fourth counts
tokens. The process ends as soon as its stdin closes.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, TypeAlias

from qwen_desktop.core.engine import Event, FinishReason, GenerateResult, Stats
from qwen_desktop.core.errors import AppError, Bug, Environment, Problem, problem_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine import wire
from qwen_desktop.process.child import Pipes
from qwen_desktop.process.frames import PROTOCOL

if TYPE_CHECKING:
    from qwen_desktop.engine.session import Session

log = logging.getLogger(__name__)

Work: TypeAlias = wire.Load | wire.Generate


def main() -> int:
    """Run until stdin closes."""
    pipes = Pipes()  # before anything can print
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    Worker(pipes).run()
    return 0


class Worker:
    """Answers the requests that arrive on ``pipes``."""

    def __init__(self, pipes: Pipes) -> None:
        from qwen_desktop.engine.llama import Flag, Library  # noqa: PLC0415 - after the pipes are safe from prints

        self._pipes = pipes
        self._library = Library(lambda line: print(line, file=sys.stderr))
        self._base = 0
        self._flag = Flag()
        self._session: Session | None = None
        self._work: queue.SimpleQueue[tuple[Work, float]] = queue.SimpleQueue()
        self._counts: queue.SimpleQueue[wire.Count] = queue.SimpleQueue()
        # which request computes, which are cancelled: read and written by the reader and the main thread
        self._lock = threading.Lock()
        self._current: int | None = None
        self._idle = False
        self._cancelled: set[int] = set()
        self._waiting: set[int] = set()

    def run(self) -> None:
        """Greet, then work. Never returns: the reader ends the process."""
        threading.Thread(target=self._count_all, name="count", daemon=True).start()
        self._send(wire.Hello(PROTOCOL, self._library.version, self._library.devices()))
        self._pipes.start(self._receive)
        while True:
            self._use_idle_time()
            request, arrived = self._work.get()
            self._do(request, arrived)

    # the reader's thread ---------------------------------------------------------------------------------------------

    def _receive(self, payload: bytes) -> None:
        try:
            request = wire.decode_request(payload)
        except ValueError:
            log.warning("request.unknown")
            return
        if isinstance(request, wire.Cancel):
            self._cancel(request.id)
        elif isinstance(request, wire.Count):
            self._counts.put(request)
        elif isinstance(request, wire.Ask):
            self._send(self._figures(request.id))
        else:
            with self._lock:
                self._waiting.add(request.id)
                if self._idle:
                    self._flag.set()  # work ahead gives way at once
            self._work.put((request, time.monotonic()))

    def _cancel(self, number: int) -> None:
        with self._lock:
            if number == self._current:
                self._cancelled.add(number)
                self._flag.set()
            elif number in self._waiting:
                self._cancelled.add(number)

    def _figures(self, number: int) -> wire.Figures:
        from qwen_desktop.engine.answer import memory_bytes  # noqa: PLC0415 - as above

        session = self._session
        context = session.context if session else None
        return wire.Figures(
            number,
            memory_bytes(),
            len(context.tokens) if context else 0,
            context.size if context else 0,
            context.threads if context else 0,
            self._current is not None,
            self._library.cpu,
        )

    # the counter's thread --------------------------------------------------------------------------------------------

    def _count_all(self) -> None:
        while True:
            request = self._counts.get()
            try:
                session = self._session
                if session is None:
                    raise _no_model()
                self._send(wire.Counted(request.id, session.count(request.request)))
            except Exception as error:  # each failure belongs to its request; the worker goes on
                self._failed(request.id, error)

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

    def _do(self, request: Work, arrived: float) -> None:
        with self._lock:
            self._waiting.discard(request.id)
            self._current = request.id
            self._flag.clear()
            cancelled = request.id in self._cancelled
        try:
            if isinstance(request, wire.Load):
                self._load(request)
            elif cancelled:
                self._send(wire.Done(request.id, _nothing()))
            else:
                self._generate(request, arrived)
        except Exception as error:  # each failure belongs to its request; the worker goes on
            self._failed(request.id, error)
        finally:
            with self._lock:
                self._current = None
                self._cancelled.discard(request.id)

    def _load(self, request: wire.Load) -> None:
        from qwen_desktop.engine.held import held_bytes  # noqa: PLC0415 - as above

        self._base = self._base or held_bytes()
        from qwen_desktop.engine.load import load  # noqa: PLC0415 - as above

        told = 0.0

        def progress(fraction: float, total: int) -> bool:
            nonlocal told
            now = time.monotonic()
            if now - told >= 0.05 or fraction >= 1:
                told = now
                self._send(wire.Progress(request.id, fraction, total))
            return request.id not in self._cancelled

        before, self._session = self._session, None
        self._session = load(self._library, request.request, self._flag, progress, before, base=self._base)
        self._send(wire.Loaded(request.id, self._session.info))

    def _generate(self, request: wire.Generate, arrived: float) -> None:
        if self._session is None:
            raise _no_model()

        def emit(events: tuple[Event, ...]) -> None:
            self._send(wire.Events(request.id, events))

        self._send(wire.Done(request.id, self._session.generate(request.request, emit, arrived)))

    # anywhere --------------------------------------------------------------------------------------------------------

    def _send(self, reply: wire.Reply) -> None:
        self._pipes.send(wire.encode(reply))

    def _failed(self, number: int, error: Exception) -> None:
        if not isinstance(error, AppError):
            log.exception("request.failed")
        self._send(wire.Failed(number, _problem(error)))


def _problem(error: Exception) -> Problem:
    code = getattr(error, "code", None)
    if type(error).__name__ == "DecodeError":
        return Environment(
            Text("decode.failed", QT_TRANSLATE_NOOP("engine", "The model engine could not go on computing.")),
            Text(
                "decode.failed.hint", QT_TRANSLATE_NOOP("engine", "Send again; if it fails again, load the model anew.")
            ),
            details=f"llama_decode {code}",
            action="retry",
        ).problem
    return problem_of(error)


def _no_model() -> Bug:
    return Bug(
        Text("engine.no_model", QT_TRANSLATE_NOOP("engine", "No model is loaded.")),
        Text("engine.no_model.hint", QT_TRANSLATE_NOOP("engine", "Choose a model first.")),
        action="model.choose",
    )


def _nothing() -> GenerateResult:
    return GenerateResult(FinishReason.CANCELLED, Stats())
