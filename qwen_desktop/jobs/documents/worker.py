"""The process that reads documents: ``--worker documents``, for one document each (see ``reading``).

Its memory is limited, it leaves no core file, and it ends when its standard input closes.
"""

from __future__ import annotations

import logging
import queue
import sys
from functools import partial
from typing import Any, NoReturn

import msgspec

from qwen_desktop.core.documents import Limits
from qwen_desktop.jobs.documents import failures
from qwen_desktop.process import memory_limit
from qwen_desktop.process.serve import Request, Server, unknown_job, worker_pipes

log = logging.getLogger(__name__)

#: What openpyxl would load where it finds them: large, native, and of no use for text.
_NOT_NEEDED = ("numpy", "lxml", "pandas", "PIL")


class _Asked(msgspec.Struct):
    path: str
    name: str
    limits: Limits


def main() -> NoReturn:
    """Read what is asked for until standard input closes."""
    pipes = worker_pipes()
    modules: dict[str, Any] = sys.modules
    for name in _NOT_NEEDED:
        modules[name] = None  # importing it fails, as where it is not installed
    _no_core()
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
    Server(pipes, requests.put).start()
    while True:
        request = requests.get()
        request.do(partial(_answer, request))


def _answer(request: Request) -> Any:
    from qwen_desktop.jobs.documents.readers import read_document  # noqa: PLC0415 - after numpy and others are barred

    if request.method != "read":
        raise unknown_job(request.method)
    asked = request.params(_Asked)
    if not memory_limit.in_force() and not memory_limit.limit(asked.limits.memory):
        log.info("memory.unlimited")
    try:
        return read_document(asked.path, asked.name, asked.limits, lambda done, total: request.emit((done, total)))
    except MemoryError as error:
        raise failures.heavy(asked.name) from error


def _no_core() -> None:
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what a crash leaves would hold the document
