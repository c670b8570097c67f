"""The worker's side of calls: what comes in, and how it is answered."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from qwen_desktop.core.errors import AppError, Bug, Cancelled, Failure, problem_of
from qwen_desktop.core.packed import pack, unpack
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.process import envelope
from qwen_desktop.process.child import Pipes
from qwen_desktop.process.frames import PROTOCOL

log = logging.getLogger(__name__)

T = TypeVar("T")

_stopped = Failure(Cancelled, "job.cancelled", "", QT_TRANSLATE_NOOP("process", "The job was stopped."))
#: A worker does not have the method that is called.
unknown_job = Failure(Bug, "job.unknown", "name", QT_TRANSLATE_NOOP("process", "There is no background job {name}."))


def worker_pipes() -> Pipes:
    """A worker's pipes and its log, which goes to standard error. To be called before anything can print."""
    pipes = Pipes()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    return pipes


class Request:
    """A call that has come in. ``do`` answers it, on whatever thread.

    ``method`` is what to do. ``cancelled`` is True once nobody waits for it; ``told`` is what the caller has said since
    it came.
    """

    def __init__(self, server: Server, call: envelope.Call) -> None:
        self._server = server
        self._call = call
        self.method = call.method
        self.cancelled = False
        self.told: dict[str, Any] = {}

    def params(self, kind: type[T]) -> T:
        """With what. Raises ``ValueError`` when it is not of this type."""
        return unpack(self._call.params, kind)

    def emit(self, value: Any) -> None:
        """Tell the caller that something has happened."""
        self._server.send(envelope.Event(self._call.id, envelope.packed(value)))

    def check(self) -> None:
        """Raise ``Cancelled`` once nobody waits any more."""
        if self.cancelled:
            raise _stopped()

    def do(self, work: Callable[[], Any]) -> None:
        """Answer with what ``work`` returns or how it fails: each failure belongs to its call, the worker goes on."""
        number = self._call.id
        try:
            self._server.send(envelope.Result(number, envelope.packed(work())))
        except Exception as error:
            if not isinstance(error, AppError | OSError | MemoryError):
                log.exception("call.failed method=%s", self.method)
            self._server.send(envelope.Failed(number, problem_of(error)))
        finally:
            self._server.forget(number)

    def fail(self, error: Exception) -> None:
        """Answer that it failed with ``error``."""

        def work() -> None:
            raise error

        self.do(work)


class Server:
    """Reads calls from ``pipes`` and hands each to ``take``, on the reader's thread. ``cancel`` is called there, too,
    when a call that is still open was cancelled."""

    def __init__(
        self, pipes: Pipes, take: Callable[[Request], None], cancel: Callable[[Request], None] = lambda _request: None
    ) -> None:
        self._pipes = pipes
        self._take = take
        self._cancel = cancel
        self._open: dict[int, Request] = {}
        self._lock = threading.Lock()

    def start(self, about: Any = None) -> None:
        """Greet, with ``about`` this worker, and read from now on."""
        self.send(envelope.Hello(PROTOCOL, envelope.packed(about)))
        self._pipes.start(self._receive)

    def send(self, reply: envelope.Reply) -> None:
        """Queue one message. Raises ``frames.TooLarge``."""
        self._pipes.send(pack(reply))

    def forget(self, number: int) -> None:
        """Call ``number`` is answered."""
        with self._lock:
            self._open.pop(number, None)

    def _receive(self, payload: bytes) -> None:
        try:
            message = envelope.read_request(payload)
        except ValueError:
            log.warning("request.unknown")
            return
        if isinstance(message, envelope.Call):
            request = Request(self, message)
            with self._lock:
                self._open[message.id] = request
            self._take(request)
            return
        with self._lock:
            found = self._open.get(message.id)
        if found is None:
            return
        if isinstance(message, envelope.Tell):
            found.told = {**found.told, **message.detail}
        else:
            found.cancelled = True
            self._cancel(found)
