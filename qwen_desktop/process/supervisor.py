"""Keeps one worker: starts it, waits for its greeting, tells how it ended, and ends it in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from qwen_desktop.core.errors import Environment
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.process.endings import End, Ending, classify, oom_kills, problem
from qwen_desktop.process.spawn import Transport

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A worker that has not said hello by then never will (a cold start reads libraries from a slow disk).
HELLO_S = 60.0


class Supervisor(Generic[T]):
    """One worker process at a time. After it has ended, ``start`` starts the next one.

    ``is_hello`` recognises the greeting, which is not passed on. ``on_message`` and ``on_end`` are called on the
    event loop; ``on_end`` also for endings that were asked for.
    """

    def __init__(
        self,
        command: Sequence[str],
        decode: Callable[[bytes], T],
        is_hello: Callable[[T], bool],
        on_message: Callable[[T], None],
        on_end: Callable[[Ending], None],
    ) -> None:
        self._command = tuple(command)
        self._decode = decode
        self._is_hello = is_hello
        self._on_message = on_message
        self._on_end = on_end
        self._transport: Transport[T] | None = None
        self._ready: asyncio.Future[T] | None = None
        self._ended: asyncio.Event | None = None
        self._asked = False
        self._oom_before = 0

    @property
    def pid(self) -> int | None:
        """The running worker's process id, None when none runs."""
        return self._transport.pid if self._transport else None

    @property
    def running(self) -> bool:
        """Whether a worker runs and has said hello."""
        return self._transport is not None and self._ready is not None and self._ready.done()

    async def start(self) -> T:
        """Start a worker and return its greeting. Raises ``Environment`` when it cannot start or ends at once."""
        loop = asyncio.get_running_loop()
        self._asked = False
        self._oom_before = oom_kills()
        self._ready = ready = loop.create_future()
        self._ended = asyncio.Event()
        transport: Transport[T] = Transport(
            self._command, self._decode, lambda m: self._message(transport, m), lambda c: self._over(transport, c)
        )
        self._transport = transport
        try:
            await transport.start()
            async with asyncio.timeout(HELLO_S):
                return await asyncio.shield(ready)
        except (OSError, TimeoutError) as error:
            transport.kill()
            self._transport = None
            raise Environment(
                Text(
                    "worker.start", QT_TRANSLATE_NOOP("process", "The background process for models could not start.")
                ),
                Text("worker.start.hint", QT_TRANSLATE_NOOP("process", "Close other programs, then try again.")),
                details=f"{type(error).__name__}: {error}\n{transport.stderr_tail[-4000:]}",
                action="retry",
            ) from error
        except asyncio.CancelledError:
            self._asked = True
            transport.kill()
            raise
        finally:
            if ready.done() and not ready.cancelled():
                ready.exception()  # seen, even when the waiting was cancelled

    def send(self, payload: bytes) -> None:
        """Send one message; it is lost when the worker has just ended (``on_end`` tells)."""
        if self._transport is not None:
            self._transport.send(payload)

    async def stop(self, grace_s: float = 1.0) -> None:
        """End the worker: in order within ``grace_s`` seconds, else at once. Does nothing when none runs."""
        transport, ended = self._transport, self._ended
        if transport is None or ended is None:
            return
        self._asked = True
        transport.close_input()
        try:
            async with asyncio.timeout(grace_s):
                await ended.wait()
        except TimeoutError:
            transport.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await ended.wait()
        except asyncio.CancelledError:
            transport.kill()
            raise

    def kill(self) -> None:
        """End the worker at once, as asked. ``on_end`` is called before this returns; a new one may start at once."""
        transport, ended = self._transport, self._ended
        if transport is None:
            return
        self._asked = True
        self._transport = None  # what it still says or how it ends is of no interest any more
        transport.kill()
        if ended is not None:
            ended.set()
        self._on_end(Ending(End.ASKED, 0))

    def _message(self, transport: Transport[T], message: T) -> None:
        if transport is not self._transport:
            return
        if self._ready is not None and not self._ready.done() and self._is_hello(message):
            self._ready.set_result(message)
            return
        self._on_message(message)

    def _over(self, transport: Transport[T], code: int) -> None:
        if transport is not self._transport:
            return
        ending = classify(
            code, asked=self._asked, oom_before=self._oom_before, oom_after=oom_kills(), tail=transport.stderr_tail
        )
        log.info("worker.ended end=%s code=%d", ending.end, code)
        self._transport = None
        if self._ready is not None and not self._ready.done():
            found = problem(ending)
            self._ready.set_exception(Environment(found.what, found.hint, details=found.details, action=found.action))
        if self._ended is not None:
            self._ended.set()
        self._on_end(ending)
