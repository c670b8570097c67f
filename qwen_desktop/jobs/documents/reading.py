"""The job ``document.read``: one short-lived process a document.

What reads strangers' files may crash (PDFium is C++), hang in native code where nothing can stop it, or take all
memory. In a process of its own it costs one sentence: it is ended when its time is over, and neither other jobs nor
the next document hear of it. It starts within a tenth of a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import msgspec

from qwen_desktop.core.documents import Limits
from qwen_desktop.core.errors import AppError, Problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, shown
from qwen_desktop.jobs.documents import failures
from qwen_desktop.process.endings import End, Ending
from qwen_desktop.process.rpc import Client
from qwen_desktop.process.spawn import worker_command

log = logging.getLogger(__name__)

#: Seconds between two looks at whether anybody still waits.
_LOOK_S = 0.1
_closing = Problem("cancelled", Text("jobs.closing", QT_TRANSLATE_NOOP("jobs", "The app is closing.")))


def read(
    path: str, name: str = "", limits: dict[str, Any] | None = None, report: Callable[..., Any] = lambda *_: None
) -> Any:
    """Read a document: ``core.documents.Document`` as plain data. ``name`` is the one by which the user knows it,
    ``limits`` fields of ``Limits`` that are to be others. Raises ``AppError`` and ``OSError`` for what cannot be
    read."""
    name = shown(name or PurePath(path).name)
    return asyncio.run(_read(path, name, msgspec.convert(limits or {}, Limits), report))


async def _read(path: str, name: str, limits: Limits, report: Callable[..., Any]) -> Any:
    endings: list[Ending] = []
    client = Client(worker_command("documents"), _closing)
    client.on_end(endings.append)
    step = (0, 0)

    def reached(found: tuple[int, int]) -> None:
        nonlocal step
        step = found
        report(*step)

    async def watch() -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            report(*step)

    async def ask() -> Any:
        await client.start()
        params = {"path": path, "name": name, "limits": msgspec.to_builtins(limits)}
        with client.open("read", params, tuple[int, int], object) as call:
            return await call.finish(reached)

    watching, asking = asyncio.ensure_future(watch()), asyncio.ensure_future(ask())
    try:
        seconds = limits.seconds + limits.grace_s
        done, _ = await asyncio.wait({watching, asking}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if watching in done:
            watching.result()  # nobody waits any more: it raises
        if asking not in done:
            log.warning("document.late")
            raise failures.late(round(seconds), name)
        return asking.result()
    except AppError as error:
        ended = next((ending for ending in endings if ending.end is not End.ASKED), None)
        if ended is None:
            raise
        log.warning("document.crashed end=%s code=%d", ended.end, ended.code)
        if ended.end is End.OUT_OF_MEMORY:
            raise failures.heavy(name) from error
        raise failures.crashed(name, details=f"{ended.end} code={ended.code} {ended.signal}".strip()) from error
    finally:
        client.kill()
        for task in (watching, asking):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        await client.aclose(0)
