"""The client of all workers, against real processes that do as workers do, or worse."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import psutil
import pytest

from qwen_desktop.core.errors import AppError, Bug, Cancelled, Environment, Problem, UserFacing
from qwen_desktop.core.text import Text
from qwen_desktop.process import rpc
from qwen_desktop.process.endings import End, Ending
from qwen_desktop.process.rpc import Client
from tests.app import run

ASKED = Problem("cancelled", Text("test.asked", "It was asked to end."))

#: A worker made by hand: ``say`` writes one message at once, ``hear`` waits for the next one, ``die`` is a crash.
_RAW = """
import os, signal, sys, time
from qwen_desktop.core.packed import pack
from qwen_desktop.process import frames
from qwen_desktop.process.envelope import Call, Cancel, Event, Failed, Hello, Result, packed, read_request
def say(*messages):
    os.write(1, b"".join(frames.pack(pack(message)) for message in messages))
def hear():
    payload = frames.read(sys.stdin.buffer)
    if payload is None:
        os._exit(0)
    return read_request(payload)
def die():
    if os.name == "nt":
        os._exit(9)
    os.kill(os.getpid(), signal.SIGKILL)
hello = Hello(2, packed({"who": "raw"}))
"""

#: A worker as ours are made. "stream" tells ``count`` numbers, one in ``pause`` seconds, and returns how many.
_SERVED = """
import threading, time
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.text import Text
from qwen_desktop.process.serve import Server, unknown_job, worker_pipes
pipes = worker_pipes()
def work(request):
    count, pause = request.params(tuple[int, float])
    if request.method == "fail":
        raise UserFacing(Text("test.failed", "It failed."))
    if request.method == "odd":
        return object()
    if request.method == "name":
        request.emit("\\udce4")
        return "\\udce4" * count
    if request.method != "stream":
        raise unknown_job(request.method)
    for number in range(count):
        request.check()
        request.emit(number)
        time.sleep(pause)
    return count
def take(request):
    threading.Thread(target=lambda: request.do(lambda: work(request)), daemon=True).start()
Server(pipes, take).start("served")
threading.Event().wait()
"""


def raw(body: str) -> Client:
    return Client([sys.executable, "-c", _RAW + body], ASKED)


def served() -> Client:
    return Client([sys.executable, "-c", _SERVED], ASKED)


async def stream(client: Client, count: int = 5, pause: float = 0.0) -> tuple[list[int], int]:
    """All that "stream" tells, and its result."""
    seen: list[int] = []
    with client.open("stream", (count, pause), int, int) as call:
        return seen, await call.finish(seen.append)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nothing tells of; 5 s at most."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(pids: set[int]) -> None:
    """Wait until none of these processes is left."""
    await until(lambda: not any(alive(pid) for pid in pids))


def with_client(client: Callable[[], Client], test: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        made = client()
        try:
            await test(made)
        finally:
            await made.aclose()

    run(main(), seconds=30)


# What workers do ---------------------------------------------------------------------------------------------------


def test_calls_run_beside_one_another_and_end_in_what_belongs_to_them() -> None:
    async def test(client: Client) -> None:
        with pytest.raises(Cancelled):
            await stream(client)  # nothing runs yet
        hello = await client.start()
        assert hello == await client.start()  # the same process
        slow, quick = stream(client, 20, 0.01), stream(client, 3)
        assert await asyncio.gather(slow, quick) == [(list(range(20)), 20), ([0, 1, 2], 3)]
        with client.open("fail", (1, 0.0), object, object) as call, pytest.raises(UserFacing, match="It failed"):
            await call.finish()
        with client.open("nothing", (1, 0.0), object, object) as call, pytest.raises(Bug, match="job nothing"):
            await call.finish()
        with client.open("stream", "not what it takes", object, object) as call, pytest.raises(Bug):
            await call.finish()
        with client.open("name", (2, 0.0), str, str) as call:
            names: list[str] = []
            assert await call.finish(names.append) == "\udce4\udce4" and names == ["\udce4"]
        assert (await stream(client))[1] == 5  # it lives on after all that

    with_client(served, test)


@pytest.mark.parametrize("method", ["odd", "stream"])
def test_a_result_that_cannot_be_sent_or_read_fails_the_call(method: str) -> None:
    async def test(client: Client) -> None:
        await client.start()
        with client.open(method, (1, 0.0), int, str) as call, pytest.raises(Bug):
            await call.finish()

    with_client(served, test)


def test_all_that_was_said_before_an_end_arrives_before_it() -> None:
    body = (
        "say(hello); number = hear().id\n"
        "say(*(Event(number, packed(n)) for n in range(1000)), Result(number, packed(1000))); die()"
    )

    async def test(client: Client) -> None:
        await client.start()
        assert await stream(client) == (list(range(1000)), 1000)

    with_client(lambda: raw(body), test)


def test_what_nobody_waits_for_is_cancelled_in_the_worker() -> None:
    body = "say(hello)\nfirst = hear(); then = hear(); last = hear()\nsay(Result(last.id, packed(type(then).__name__)))"

    async def test(client: Client) -> None:
        await client.start()
        waiting = asyncio.ensure_future(stream(client))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with client.open("what came?", None, object, str) as call:
            assert await call.finish() == "Cancel"

    with_client(lambda: raw(body), test)


def test_a_call_that_is_not_answered_in_time_is_given_up_alone() -> None:
    async def test(client: Client) -> None:
        await client.start()
        with (
            client.open("stream", (10_000, 0.01), int, int) as call,
            pytest.raises(Environment, match="no answer within 0 seconds"),
        ):
            await call.finish(deadline_s=0.05)
        assert (await stream(client))[1] == 5

    with_client(served, test)


# How they end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("die()", None),
        ("os.close(1); die()", None),
        ("say(hello); die()", None),
        ("say(hello); hear(); die()", []),
        ("say(hello); n = hear().id; say(Event(n, packed(0)), Event(n, packed(1))); die()", [0, 1]),
        ("say(hello); n = hear().id; os.write(1, b'nonsense' * 100); die()", []),
        ("say(hello); n = hear().id; say(Event(n, packed(0))); os.write(1, b'\\0\\0\\0\\x09half'); die()", [0]),
        ("say(hello); hear(); os._exit(0)", []),
    ],
)
def test_a_worker_that_dies_at_any_point_is_one_clear_error(body: str, told: list[int] | None) -> None:
    ends: list[Ending] = []
    seen: list[int] = []

    async def test(client: Client) -> None:
        client.on_end(ends.append)
        with pytest.raises(Environment) as caught:
            await client.start()
            with client.open("stream", None, int, int) as call:
                await call.finish(seen.append)
        assert "ended" in str(caught.value.problem.what) and caught.value.problem.action == "retry"
        assert client.pid is None and not client.started
        assert seen == (told or [])
        assert [ending.end is End.ASKED for ending in ends] == [False]

    with_client(lambda: raw(body), test)


def test_a_worker_that_dies_right_after_its_greeting_keeps_nobody_waiting() -> None:
    """The loop is busy while it greets and ends, so that both are heard of in one go."""

    async def test(client: Client) -> None:
        def busy() -> bool:
            return client.pid is None or any(thread.name == "worker-out" for thread in threading.enumerate())

        async def hold() -> None:
            deadline = time.monotonic() + 10
            while busy() and time.monotonic() < deadline:
                time.sleep(0.01)  # noqa: ASYNC251 - just that: it holds the loop

        holding = asyncio.ensure_future(hold())
        with pytest.raises(Environment, match="ended"):
            await client.start()
            await stream(client)
        await holding

    with_client(lambda: raw("say(hello); die()"), test)


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_time_every_call_ends_and_the_next_worker_works(seed: int) -> None:
    chance = random.Random(seed)
    pids: set[int] = set()
    ends: list[Ending] = []

    async def call(client: Client) -> int:
        await client.start()
        pids.add(client.pid or 0)
        seen, count = await stream(client, chance.randrange(30), chance.random() * 0.01)
        assert seen == list(range(count))
        return count

    async def test(client: Client) -> None:
        client.on_end(ends.append)
        calls = [asyncio.ensure_future(call(client)) for _ in range(4)]
        await until(lambda: client.pid is not None)
        await asyncio.sleep(chance.random() * 0.5)
        assert client.pid is not None
        psutil.Process(client.pid).kill()
        for found in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(found, int | Environment)
        await until(lambda: len(ends) > 0)
        assert await call(client) >= 0
        await client.aclose()
        await gone(pids - {0})
        assert ends and ends[-1].end is End.ASKED

    with_client(served, test)


def test_an_asked_end_is_told_as_that_and_nothing_starts_after_the_last() -> None:
    ends: list[Ending] = []

    async def test(client: Client) -> None:
        client.on_end(ends.append)
        for end in (client.stop, client.kill, client.aclose):
            await client.start()
            pid = client.pid
            assert pid is not None
            waiting = asyncio.ensure_future(stream(client, 10_000, 0.01))
            await asyncio.sleep(0)
            ending = end()
            if ending is not None:
                await ending
            with pytest.raises(Cancelled, match="asked"):
                await waiting
            await gone({pid})
        assert [ending.end for ending in ends] == [End.ASKED] * 3
        with pytest.raises(Cancelled, match="asked"):
            await client.start()

    with_client(served, test)


@pytest.mark.parametrize("how", ["late", "cancelled"])
def test_a_worker_that_cannot_be_ended_is_given_up_and_the_next_one_works(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that a driver holds in the kernel: it neither hears nor dies, and its calls must not wait for it."""
    monkeypatch.setattr(rpc, "_GONE_S", 0.1)
    ends: list[Ending] = []

    async def test(client: Client) -> None:
        client.on_end(ends.append)
        await client.start()
        stuck, pid = client._process, client.pid
        assert stuck is not None and pid is not None
        monkeypatch.setattr(stuck.transport, "close_input", lambda: None)
        kill = stuck.transport.kill
        monkeypatch.setattr(stuck.transport, "kill", lambda: None)
        waiting = asyncio.ensure_future(stream(client, 10_000, 0.01))
        await asyncio.sleep(0)
        stopping = asyncio.ensure_future(client.stop(0.05))
        await asyncio.sleep(0.01)
        if how == "cancelled":
            stopping.cancel()
        await asyncio.wait({stopping})
        with pytest.raises(Cancelled, match="asked"):
            await asyncio.wait_for(waiting, 1)
        await client.start()
        assert client.pid != pid and (await stream(client))[1] == 5
        kill()
        await gone({pid})
        assert [ending.end for ending in ends] == [End.ASKED] and client.pid is not None

    with_client(served, test)


def test_an_app_without_memory_for_what_a_worker_says_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: Client) -> None:
        await client.start()

        def no_memory(_payload: bytes) -> None:
            raise MemoryError

        monkeypatch.setattr(rpc.envelope, "read_reply", no_memory)
        with pytest.raises(Environment, match="ended"):
            await asyncio.wait_for(stream(client, 10_000, 0.01), 8)

    with_client(served, test)


def test_who_listens_for_the_end_hears_of_it_before_who_waits_for_a_call() -> None:
    order: list[str] = []

    async def test(client: Client) -> None:
        client.on_end(lambda _ending: order.append("ended"))
        await client.start()
        with pytest.raises(AppError):
            await stream(client)
        order.append("failed")

    with_client(lambda: raw("say(hello); hear(); die()"), test)
    assert order == ["ended", "failed"]


# How they start ----------------------------------------------------------------------------------------------------


class _Slow:
    """``Popen`` that stops just before and just after it makes a process, until told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: set[int] = set()
        self.before, self.after = threading.Event(), threading.Event()
        self.reached = [threading.Event(), threading.Event()]
        real = subprocess.Popen

        def popen(*args: Any, **more: Any) -> subprocess.Popen[bytes]:
            self.reached[0].set()
            self.before.wait(10)
            process = real(*args, **more)
            self.made.add(process.pid)
            self.reached[1].set()
            self.after.wait(10)
            return process

        monkeypatch.setattr(subprocess, "Popen", popen)


@pytest.mark.parametrize("point", [0, 1])
@pytest.mark.parametrize("how", ["cancel", "kill", "aclose"])
def test_a_start_that_is_given_up_leaves_no_process(how: str, point: int, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = _Slow(monkeypatch)

    async def test(client: Client) -> None:
        starting = asyncio.ensure_future(client.start())
        if point == 1:
            slow.before.set()
        await asyncio.to_thread(slow.reached[point].wait, 10)
        closing: list[asyncio.Future[None]] = []
        if how == "cancel":
            starting.cancel()
        elif how == "kill":
            client.kill()
        else:
            closing.append(asyncio.ensure_future(client.aclose(0.1)))
        await asyncio.sleep(0)
        slow.before.set()
        slow.after.set()
        with pytest.raises((asyncio.CancelledError, Cancelled)):
            await starting
        for close in closing:
            await close
        await gone(slow.made)

    with_client(lambda: raw("say(hello); time.sleep(60)"), test)


def test_a_system_without_threads_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = _Slow(monkeypatch)
    slow.before.set()
    slow.after.set()
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "worker-err":
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)

    async def test(client: Client) -> None:
        with pytest.raises(Environment, match="could not start"):
            await client.start()
        assert len(slow.made) == 1
        await gone(slow.made)

    with_client(lambda: raw("say(hello); time.sleep(60)"), test)


@pytest.mark.skipif(os.name == "nt", reason="process groups are another matter there")
def test_what_a_worker_has_started_ends_with_it() -> None:
    body = (
        "import subprocess\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "say(hello); number = hear().id; say(Result(number, packed(child.pid))); time.sleep(60)"
    )

    async def test(client: Client) -> None:
        await client.start()
        with client.open("pid", None, object, int) as call:
            pid = await call.finish()
        client.kill()
        try:
            await gone({pid})
        finally:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)

    with_client(lambda: raw(body), test)
