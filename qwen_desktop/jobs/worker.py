"""The job worker's process: runs jobs from the table in two threads. Started as ``--worker jobs``.

Two, so that a long job does not hold up the short ones behind it; more would only share one interpreter lock. The
process ends as soon as its stdin closes. Its memory is limited: a job that asks for more fails with a sentence.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from qwen_desktop.core.errors import AppError, Bug, Cancelled, problem_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs import wire
from qwen_desktop.jobs.table import AT_ONCE, JOBS
from qwen_desktop.process import memory_limit
from qwen_desktop.process.child import Pipes
from qwen_desktop.process.frames import PROTOCOL, FrameError

log = logging.getLogger(__name__)

_THREADS = 2


def main() -> int:
    """Run until stdin closes."""
    pipes = Pipes()  # before anything can print
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    if not memory_limit.limit():
        log.info("memory.unlimited")
    Jobs(pipes, JOBS).run()
    return 0


class Jobs:
    """Runs the jobs of ``table`` that are called on ``pipes``."""

    def __init__(self, pipes: Pipes, table: Mapping[str, str]) -> None:
        self._pipes = pipes
        self._table = table
        self._calls: queue.SimpleQueue[wire.Call] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._open: set[int] = set()
        self._told: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def run(self) -> None:
        """Greet, then work. Never returns: the reader ends the process."""
        self._send(wire.Hello(PROTOCOL))
        for index in range(_THREADS - 1):
            threading.Thread(target=self._work, name=f"job-{index}", daemon=True).start()
        self._pipes.start(self._receive)
        self._work()

    def _receive(self, payload: bytes) -> None:
        try:
            request = wire.decode_request(payload)
        except ValueError:
            log.warning("request.unknown")
            return
        if isinstance(request, wire.Call) and request.name in AT_ONCE:
            self._do(request)
            return
        with self._lock:
            if isinstance(request, wire.Call):
                self._open.add(request.id)
                self._calls.put(request)
            elif request.id not in self._open:
                return
            elif isinstance(request, wire.Tell):
                self._told[request.id] = {**self._told.get(request.id, {}), **request.detail}
            else:
                self._cancelled.add(request.id)

    def _work(self) -> None:
        while True:
            self._do(self._calls.get())

    def _do(self, call: wire.Call) -> None:
        try:
            self._send(wire.Returned(call.id, self._run(call)))
        except Exception as error:  # each failure belongs to its call; the worker goes on
            if not isinstance(error, AppError | OSError | MemoryError):
                log.exception("job.failed name=%s", call.name)
            self._send(wire.Failed(call.id, problem_of(error)))
        finally:
            with self._lock:
                self._open.discard(call.id)
                self._cancelled.discard(call.id)
                self._told.pop(call.id, None)

    def _run(self, call: wire.Call) -> Any:
        if call.id in self._cancelled:
            raise _cancelled()
        function = self._function(call.name)
        params = dict(call.params)
        if "report" in inspect.signature(function).parameters:
            params["report"] = self._reporter(call.id)
        return function(**params)

    def _function(self, name: str) -> Callable[..., Any]:
        place = self._table.get(name)
        if place is None:
            raise Bug(
                Text("job.unknown", QT_TRANSLATE_NOOP("jobs", "There is no background job {name}."), {"name": name})
            )
        module, _, function = place.partition(":")
        found: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return found

    def _reporter(self, number: int) -> Callable[..., dict[str, Any]]:
        def report(done: int, total: int, **detail: Any) -> dict[str, Any]:
            if number in self._cancelled:
                raise _cancelled()
            self._send(wire.Progress(number, done, total, detail))
            return self._told.get(number, {})

        return report

    def _send(self, reply: wire.Reply) -> None:
        try:
            self._pipes.send(wire.encode(reply))
        except (TypeError, FrameError, ValueError, OverflowError) as error:  # a result that no frame can carry
            log.error("job.result %s", type(error).__name__)
            if isinstance(reply, wire.Returned):
                self._pipes.send(wire.encode(wire.Failed(reply.id, problem_of(error))))


def _cancelled() -> Cancelled:
    return Cancelled(Text("job.cancelled", QT_TRANSLATE_NOOP("jobs", "The job was stopped.")))
