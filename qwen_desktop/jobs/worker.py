"""The job worker's process: runs jobs from the table. Started as ``--worker jobs``.

Jobs that only compute have two threads: a long one does not hold up the short ones behind it, and more would only
share one interpreter lock. All others (files, networks) have threads of their own, for a drive that does not answer
holds a thread for ever: it gets a successor when nobody waits for its job any more. The process ends as soon as its
stdin closes. Its memory is limited: a job that asks for more fails with a sentence.
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
#: So many may be lost to jobs that do not end. Each reserves address space.
_MOST_LOST = 16


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
        self._server = Server(pipes, self._take, self._cancel)
        self._table = table
        self._computing: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
        #: what threads for files and networks do now, and of that what nobody waits for any more
        self._doing: set[Request] = set()
        self._lost: set[Request] = set()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Greet, then work. Never returns: the reader ends the process."""
        for work in (*[self._compute] * (_COMPUTING - 1), *[self._wait] * _WAITING):
            threading.Thread(target=work, name="job", daemon=True).start()
        self._server.start()
        self._compute()

    def _take(self, request: Request) -> None:
        if request.method in AT_ONCE:
            self._do(request)
        else:
            (self._computing if request.method in COMPUTES else self._waiting).put(request)

    def _cancel(self, request: Request) -> None:
        with self._lock:
            if request not in self._doing or len(self._lost) >= _MOST_LOST:
                return
            self._lost.add(request)
        try:
            threading.Thread(target=self._wait, name="job", daemon=True).start()
        except RuntimeError:  # the system has no room for one
            with self._lock:
                self._lost.discard(request)

    def _compute(self) -> None:
        while True:
            self._do(self._computing.get())

    def _wait(self) -> None:
        lost = False
        while not lost:
            request = self._waiting.get()
            with self._lock:
                self._doing.add(request)
            self._do(request)
            with self._lock:
                self._doing.discard(request)
                lost = request in self._lost  # its successor is there already
                self._lost.discard(request)

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
