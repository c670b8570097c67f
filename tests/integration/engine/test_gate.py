"""Between the reader's thread and the one that computes: nothing is missed, and nothing is ended for nobody."""

from __future__ import annotations

import asyncio
import random
import threading
import time

import pytest

from qwen_desktop.core.engine import FinishReason, GenerateRequest, LoadRequest
from qwen_desktop.core.errors import AppError, Cancelled
from qwen_desktop.engine.gate import Gate
from qwen_desktop.engine.llama import Flag

from .conftest import Engine, Files, WithEngine
from .talk import ask


class _Call:
    cancelled = False


def test_a_cancel_ends_the_step_of_its_call_whenever_it_comes() -> None:
    """Steps that end only by the flag, and a reader who cancels at any moment: none hangs, and no step is ended that
    has nothing to do with it."""
    gate, calls = Gate(Flag()), [_Call() for _ in range(100)]
    others = [_Call() for _ in range(100)]
    begun = threading.Semaphore(0)

    def read() -> None:
        dice = random.Random(1)
        for call, other in zip(calls, others, strict=True):
            begun.acquire()
            for _ in range(dice.randrange(3)):
                gate.arrived()  # a step of a conversation does not give way
                gate.taken()
            other.cancelled = True
            gate.cancelled(other)
            if dice.random() < 0.5:
                time.sleep(dice.random() * 0.0005)
            call.cancelled = True
            gate.cancelled(call)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for call in calls:
        begun.release()
        deadline = time.monotonic() + 10
        if gate.open((call,)):
            while not gate.flag.is_set:
                assert time.monotonic() < deadline
                time.sleep(0)
        gate.close()
        assert call.cancelled
    reader.join(10)


def test_who_comes_ends_a_step_that_gives_way_whenever_that_is() -> None:
    gate, begun, dice = Gate(Flag()), threading.Semaphore(0), random.Random(2)

    def read() -> None:
        for _ in range(100):
            begun.acquire()
            if dice.random() < 0.5:
                time.sleep(dice.random() * 0.0005)
            gate.arrived()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for _ in range(100):
        begun.release()
        deadline = time.monotonic() + 10
        if gate.open((), gives_way=True):
            while not gate.flag.is_set:
                assert time.monotonic() < deadline
                time.sleep(0)
        gate.close()
        while gate.open((), gives_way=True):  # until it is taken nothing that gives way begins
            gate.close()
            assert time.monotonic() < deadline
        gate.taken()
        assert gate.open((), gives_way=True)
        gate.close()
    reader.join(10)


@pytest.mark.parametrize("seed", range(2))
def test_each_call_of_a_real_worker_is_answered_whatever_is_stopped_when(
    files: Files, with_engine: WithEngine, seed: int
) -> None:
    """Conversations, batches, counting and loads at once; some are stopped at a random moment, some left."""
    dice = random.Random(seed)

    async def one(engine: Engine, request: GenerateRequest, stop_after: float | None) -> FinishReason | None:
        await asyncio.sleep(dice.random() * 0.2)
        try:
            async with engine.engine.generate(request) as run:
                stopper = asyncio.get_running_loop().call_later(
                    stop_after or 1e6, lambda: asyncio.ensure_future(run.stop())
                )
                async for _ in run:
                    pass
                stopper.cancel()
            return run.result.finish_reason
        except Cancelled:
            return None

    async def test(engine: Engine) -> None:
        tasks = []
        for number in range(20):
            stopped = dice.random() * 0.5 if dice.random() < 0.6 else None
            request = ask(
                "x " * dice.randrange(1, 200),
                max_tokens=dice.randrange(1, 60),
                batch=dice.choice(("", "", "a", "b")),
                cache_key=str(number % 5),
            )
            tasks.append((stopped, asyncio.ensure_future(one(engine, request, stopped))))
        counts = [asyncio.ensure_future(engine.engine.count_tokens(ask("x " * number))) for number in range(1, 9)]
        async with asyncio.timeout(60):
            for stopped, task in tasks:
                reason = await task
                assert reason in {FinishReason.STOP, FinishReason.LENGTH} or (
                    stopped is not None and reason is FinishReason.CANCELLED
                )
            assert all(number > 0 for number, _ in await asyncio.gather(*counts))
            again = [one(engine, ask(str(n), max_tokens=200, lively=False), None) for n in range(3)]
            load = asyncio.ensure_future(_load(engine, files.small()))  # waits for those before it
            found = await asyncio.gather(*again, load, return_exceptions=True)
            assert all(reason is FinishReason.LENGTH or isinstance(reason, AppError) for reason in found[:-1])
            assert found[-1] is None
            assert await one(engine, ask("after", max_tokens=4, lively=False), None) is FinishReason.LENGTH

    with_engine(files.small(), test, context=1024)


async def _load(engine: Engine, path: str) -> None:
    async for _ in engine.engine.load(LoadRequest(path, context=512)):
        pass
