"""The job worker's process: runs jobs from the table. Started as ``--worker jobs``.

Jobs that only compute have two threads: a long one does not hold up the short ones behind it, and more would only
share one interpreter lock. All others (files, networks) have threads of their own, for a drive that does not answer
holds a thread for ever. The process ends as soon as its stdin closes. Its memory is limited: a job that asks for more
fails with a sentence.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from qwen_desktop.jobs.table import AT_ONCE, COMPUTES, JOBS
from qwen_desktop.process import memory_limit
from qwen_desktop.process.child import Pipes
from qwen_desktop.process.serve import Request, Server, unknown_job, worker_pipes

log = logging.getLogger(__name__)

#: Threads of either kind, all made at the start: later, at the limit of memory, there might be no room for one.
_COMPUTING, _WAITING = 2, 8


def main() -> int:
    """Run until stdin closes."""
    pipes = worker_pipes()
    if not memory_limit.limit():
        log.info("memory.unlimited")
    Jobs(pipes, JOBS).run()
    return 0


class Jobs:
    """Runs the jobs of ``table`` that are called on ``pipes``."""

    def __init__(self, pipes: Pipes, table: Mapping[str, str]) -> None:
        self._server = Server(pipes, self._take)
        self._table = table
        self._computing: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def run(self) -> None:
        """Greet, then work. Never returns: the reader ends the process."""
        for calls in (*[self._computing] * (_COMPUTING - 1), *[self._waiting] * _WAITING):
            threading.Thread(target=self._work, args=(calls,), name="job", daemon=True).start()
        self._server.start()
        self._work(self._computing)

    def _take(self, request: Request) -> None:
        if request.method in AT_ONCE:
            self._do(request)
        else:
            (self._computing if request.method in COMPUTES else self._waiting).put(request)

    def _work(self, calls: queue.SimpleQueue[Request]) -> None:
        while True:
            self._do(calls.get())

    def _do(self, request: Request) -> None:
        request.do(lambda: self._run(request))

    def _run(self, request: Request) -> Any:
        request.check()
        place = self._table.get(request.method)
        if place is None:
            raise unknown_job(request.method)
        module, _, name = place.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        params = request.params(dict[str, Any])
        if "report" in inspect.signature(function).parameters:
            params["report"] = _reporter(request)
        return function(**params)


def _reporter(request: Request) -> Callable[..., dict[str, Any]]:
    def report(done: int, total: int, **detail: Any) -> dict[str, Any]:
        request.check()
        request.emit((done, total, detail))
        return request.told

    return report
