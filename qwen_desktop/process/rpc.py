"""One client for every worker: keeps its process, calls it, and tells everybody concerned when it has ended.

Calls run beside one another. Each ends with its result or with one error: its own, or that of the worker's end, after
everything that the worker had said before.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from qwen_desktop.core.errors import Environment, Failure, Problem, error_of, problem_of
from qwen_desktop.core.packed import pack, unpack
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.process import envelope
from qwen_desktop.process.endings import End, Ending, classify, oom_kills, problem
from qwen_desktop.process.spawn import ChildProcess

log = logging.getLogger(__name__)

E = TypeVar("E")
R = TypeVar("R")

#: A worker that has not said hello by then never will (a cold start reads libraries from a slow disk).
HELLO_S = 60.0
#: One that was killed is gone by then, or the system cannot end it (a driver stuck in the kernel).
_GONE_S = 5.0

# fmt: off
_not_started = Failure(
    Environment, "worker.start", "",
    QT_TRANSLATE_NOOP("process", "The background process for models could not start."),
    QT_TRANSLATE_NOOP("process", "Close other programs, then try again."), "retry",
)
_late = Failure(
    Environment, "worker.late", "n",
    QT_TRANSLATE_NOOP("process", "There was no answer within %n second(s)."),
    QT_TRANSLATE_NOOP("process", "If it is about a file, see whether its drive is connected; then try again."), "retry",
)
# fmt: on


class RunningCall(Generic[E, R]):
    """One call (see ``Client.open``): iterate it for its events, until it has ended; then ``result`` is there."""

    def __init__(self, number: int, send: Callable[[envelope.Request], None], event: type[E], result: type[R]) -> None:
        self.number = number
        self._send = send
        self._kinds = (event, result)
        self._events: deque[E] = deque()
        self._wake = asyncio.Event()
        self._result: tuple[R] | None = None
        self._problem: Problem | None = None
        self._cancelled = False

    @property
    def over(self) -> bool:
        """Whether it has ended, though perhaps not all its events were taken yet."""
        return self._result is not None or self._problem is not None

    @property
    def result(self) -> R:
        """What it returned. Raises ``AppError`` where it failed, and ``RuntimeError`` before it has ended."""
        if self._problem is not None:
            raise error_of(self._problem)
        if self._result is None:
            raise RuntimeError("the call has not ended")
        return self._result[0]

    def __aiter__(self) -> AsyncIterator[E]:
        """The events, until it has ended. A failure raises ``AppError`` after the last one."""
        return self

    async def __anext__(self) -> E:
        while not self._events:
            if self._problem is not None:
                raise error_of(self._problem)
            if self._result is not None:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._events.popleft()

    async def finish(self, on_event: Callable[[E], None] | None = None, deadline_s: float | None = None) -> R:
        """Wait for its end, ``deadline_s`` seconds at most, and return its result. Raises ``AppError``."""
        try:
            async with asyncio.timeout(deadline_s):
                async for event in self:
                    if on_event is not None:
                        on_event(event)
        except TimeoutError as error:
            raise _late(round(deadline_s or 0)) from error
        return self.result

    def cancel(self) -> None:
        """Ask the worker to end it soon; its last words still arrive. Nothing happens once it has ended."""
        if not self.over and not self._cancelled:
            self._cancelled = True
            self._send(envelope.Cancel(self.number))

    def tell(self, detail: dict[str, Any]) -> None:
        """Pass plain data to the running call."""
        self._send(envelope.Tell(self.number, detail))

    def fail(self, found: Problem) -> None:
        """It has ended with this problem, unless it has ended before."""
        if not self.over:
            self._problem = found
            self._wake.set()

    def read(self, reply: envelope.Event | envelope.Result) -> Callable[[], None] | None:
        """What this reply comes to, to be done on the event loop; called on the thread that reads."""
        event, result = self._kinds
        try:
            if isinstance(reply, envelope.Event):
                return partial(self._happened, unpack(reply.value, event))
            return partial(self._returned, unpack(reply.value, result))
        except (ValueError, RecursionError) as error:
            # A newer worker may tell more than we know. A result, though, somebody waits for.
            found = problem_of(error)
            return None if isinstance(reply, envelope.Event) else partial(self.fail, found)

    def _happened(self, event: E) -> None:
        self._events.append(event)
        self._wake.set()

    def _returned(self, value: R) -> None:
        if not self.over:
            self._result = (value,)
            self._wake.set()


class _Process:
    """One process of a worker: ``ready`` is its greeting, ``ended`` is set when it is gone, ``asked`` says whether
    that was wished."""

    def __init__(self, client: Client) -> None:
        self.loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[envelope.Hello] = self.loop.create_future()
        self.ended = asyncio.Event()
        self.asked = False
        self.oom_before = oom_kills()
        self.transport = ChildProcess(
            client.command,
            lambda payload: client.receive(self, payload),
            lambda code: self.post(lambda: client.gone(self, code)),
            client.variables,
        )

    def post(self, act: Callable[[], None]) -> None:
        """Do it on the event loop; may be called on any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self.loop.call_soon_threadsafe(act)

    def greeted(self, hello: envelope.Hello) -> None:
        """It has said hello; on the event loop."""
        if not self.ready.done():
            self.ready.set_result(hello)

    def ending(self, code: int) -> Ending:
        """How it has ended, by its exit code."""
        tail = self.transport.stderr_tail
        return classify(code, asked=self.asked, oom_before=self.oom_before, oom_after=oom_kills(), tail=tail)


class Client:
    """A worker as the app sees it: one process at a time, and the calls that it answers.

    ``command`` starts it, with ``variables`` in its environment. ``asked`` is what calls are told that were cut off by
    an end that was wished; ``model`` says that it runs one, for the sentence about an end that was not.
    """

    def __init__(
        self,
        command: Sequence[str],
        asked: Problem,
        *,
        model: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.command, self.variables = tuple(command), variables
        self._asked = asked
        self._model = model
        self._process: _Process | None = None
        #: killed, and still giving back what they held
        self._dying: set[_Process] = set()
        self._why_ended = asked
        self._calls: dict[int, RunningCall[Any, Any]] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[Callable[[Ending], None]] = []
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process id, None when none runs."""
        return self._process.transport.pid if self._process else None

    @property
    def started(self) -> bool:
        """Whether a worker runs, or is being started."""
        return self._process is not None

    def on_end(self, listener: Callable[[Ending], None]) -> None:
        """Have ``listener`` told, on the event loop, when a worker has ended, also by a wish; before its calls are."""
        self._listeners.append(listener)

    async def start(self) -> envelope.Hello:
        """See that a worker runs, and return its greeting.

        Raises ``Environment`` when it cannot start or ends at once, and what was ``asked`` for after ``aclose``.
        """
        async with self._starting:
            if self._closed:
                raise error_of(self._asked)
            if self._process is not None:  # it has greeted: else whoever starts it would still hold the lock
                return self._process.ready.result()
            process = self._process = _Process(self)
            try:
                await asyncio.to_thread(process.transport.launch)
                async with asyncio.timeout(HELLO_S):
                    await asyncio.shield(process.ready)
            except (OSError, TimeoutError) as error:
                self._leave(process)
                tail = process.transport.stderr_tail[-4000:]
                raise _not_started(details=f"{type(error).__name__}: {error}\n{tail}") from error
            except BaseException:
                self._leave(process)
                raise
            finally:
                if process.ready.done():
                    process.ready.exception()  # seen, even when the waiting was cancelled
            if process.asked:  # it greeted while it was being ended
                raise error_of(self._asked)
            if self._process is not process:  # it greeted and ended
                raise error_of(self._why_ended)
            return process.ready.result()

    @contextlib.contextmanager
    def open(self, method: str, params: Any, event: type[E], result: type[R]) -> Iterator[RunningCall[E, R]]:
        """Call ``method`` for as long as the context is open; leaving it early cancels the call.

        ``event`` and ``result`` are the types of what it tells and returns (``object``: any plain data). Raises
        ``AppError`` when no worker runs and when ``params`` are too much for one.
        """
        process = self._process
        if process is None or not process.ready.done():
            raise error_of(self._why_ended)
        call = RunningCall(next(self._numbers), self._send, event, result)
        self._calls[call.number] = call
        try:
            process.transport.send(pack(envelope.Call(call.number, method, envelope.packed(params))))
            yield call
        finally:
            call.cancel()
            del self._calls[call.number]

    async def stop(self, grace_s: float = 1.0) -> None:
        """End the worker: in order within ``grace_s`` seconds, else at once. When it returns, the memory of this worker
        and of those that were killed before is free, as far as the system can end them."""
        process = self._process
        if process is not None:
            process.asked = True
            process.transport.close_input()
            try:
                async with asyncio.timeout(grace_s):
                    await process.ended.wait()
            except BaseException as error:
                if self._process is process:
                    self.kill()
                if not isinstance(error, TimeoutError):
                    raise
        dying = tuple(self._dying)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GONE_S):
                for left in dying:
                    await left.ended.wait()
        self._dying.difference_update(dying)

    async def aclose(self, grace_s: float = 1.0) -> None:
        """End the worker for good. Safe to call twice; waiting calls fail."""
        self._closed = True
        await self.stop(grace_s)

    def kill(self) -> None:
        """End the worker at once, as asked. Its calls have failed when this returns; a new one may start at once."""
        process = self._process
        if process is not None:
            self._leave(process)
            self._tell(Ending(End.ASKED, 0))

    def receive(self, process: _Process, payload: bytes) -> None:
        """One message of the worker, on the thread that reads. What cannot be read is passed over: a newer worker may
        say more than we know."""
        try:
            reply = envelope.read_reply(payload)
        except (ValueError, RecursionError):
            return
        if isinstance(reply, envelope.Hello):
            process.post(lambda: process.greeted(reply))
            return
        call = self._calls.get(reply.id)
        if call is None:
            return
        act = (lambda: call.fail(reply.problem)) if isinstance(reply, envelope.Failed) else call.read(reply)
        if act is not None:
            process.post(act)

    def gone(self, process: _Process, code: int) -> None:
        """The process has ended and said all it had to say; on the event loop."""
        process.ended.set()
        self._dying.discard(process)
        if process is not self._process:
            return
        ending = process.ending(code)
        log.info("worker.ended end=%s code=%d", ending.end, code)
        self._process = None
        self._tell(ending)
        if not process.ready.done():
            process.ready.set_exception(error_of(self._why_ended))

    def _leave(self, process: _Process) -> None:
        """What it still says or how it ends is of no interest any more."""
        process.asked = True
        process.transport.kill()
        if process.transport.pid is None:
            process.ended.set()
        elif not process.ended.is_set():
            self._dying.add(process)
        if not process.ready.done():  # somebody may wait for its greeting
            process.ready.set_exception(error_of(self._asked))
        if self._process is process:
            self._process = None

    def _tell(self, ending: Ending) -> None:
        self._why_ended = self._asked if ending.end is End.ASKED else problem(ending, model=self._model)
        for listener in self._listeners:
            listener(ending)
        for call in self._calls.values():
            call.fail(self._why_ended)

    def _send(self, message: envelope.Request) -> None:
        if self._process is not None:
            self._process.transport.send(pack(message))
