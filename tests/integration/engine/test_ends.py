"""Stopping and crashing: what was shown is kept, and the next message works."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from msgspec import Struct

from qwen_desktop.core.engine import Event, FinishReason, GenerateResult, LiveFigures, LoadRequest, PromptProgress
from qwen_desktop.core.errors import Bug, Environment, Problem
from qwen_desktop.core.packed import pack, unpack
from qwen_desktop.core.parts import PartDelta, PartEvent, PartsBuilder, visible_text
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process import envelope, frames
from qwen_desktop.process.spawn import worker_command, worker_environment

from .conftest import Engine, Files, WithEngine
from .talk import ask


def test_stopping_while_the_prompt_is_read(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        async with engine.engine.generate(ask("x " * 1800, max_tokens=5)) as run:
            stopped = 0.0
            async for event in run:
                if isinstance(event, PromptProgress) and not stopped:
                    stopped = time.monotonic()
                    await run.stop()
            took = time.monotonic() - stopped
        assert run.result.finish_reason is FinishReason.CANCELLED
        assert run.result.stats.completion_tokens == 0
        assert took < 1.0  # 50 ms on a quiet machine; one chunk alone takes longer than this allows
        short = await engine.answer(ask("x", lively=False, max_tokens=3))
        assert short.stats.completion_tokens == 3

    with_engine(files.slow(), test)


def test_what_was_read_before_stopping_is_remembered(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        request = ask("x " * 1800, max_tokens=2)
        async with engine.engine.generate(request) as run:
            async for event in run:
                if isinstance(event, PromptProgress) and event.done >= 128:
                    await run.stop()
        assert run.result.finish_reason is FinishReason.CANCELLED
        again = await engine.answer(request)
        assert 128 <= again.stats.cached_tokens < again.stats.prompt_tokens

    with_engine(files.slow(), test)


@pytest.mark.parametrize("how", ["stop", "break", "cancel"])
def test_stopping_an_answer_keeps_what_there_is(files: Files, with_engine: WithEngine, how: str) -> None:
    async def test(engine: Engine) -> None:
        seen: list[str] = []
        runs = []
        begun = asyncio.Event()

        async def consume() -> None:
            async with engine.engine.generate(ask("talk", lively=False)) as run:
                runs.append(run)
                async for event in run:
                    if isinstance(event, PartDelta):
                        seen.append(event.text)
                        begun.set()
                    if isinstance(event, LiveFigures):
                        if how == "stop":
                            await run.stop()
                        elif how == "break":
                            break
                        else:
                            await asyncio.sleep(60)

        task = asyncio.ensure_future(consume())
        if how == "cancel":
            async with asyncio.timeout(20):
                await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await asyncio.wait_for(task, 20)
        result = runs[0].result
        assert result.finish_reason is FinishReason.CANCELLED
        assert seen
        began = time.monotonic()
        assert (await engine.answer(ask("next", lively=False, max_tokens=3))).stats.completion_tokens == 3
        assert time.monotonic() - began < 5  # nothing runs on behind our back: it would take some thousand tokens

    with_engine(files.long(), test, context=8192)


def test_a_waiting_answer_can_be_stopped(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        generate = engine.engine.generate
        async with generate(ask("x " * 1800, max_tokens=5)) as first, generate(ask("second", max_tokens=5)) as second:
            await second.stop()
            await first.stop()
            async for _ in first:
                pass
            async for _ in second:
                pass
        assert first.result.finish_reason is FinishReason.CANCELLED
        assert second.result.finish_reason is FinishReason.CANCELLED
        assert second.result.stats.completion_tokens == 0

    with_engine(files.slow(), test)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent as on Unix")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_a_killed_worker_costs_one_message_and_nothing_more(files: Files, with_engine: WithEngine, name: str) -> None:
    async def test(engine: Engine) -> None:
        before = engine.engine.pid
        assert before is not None
        told: list[Problem] = []
        engine.engine.on_end(told.append)
        texts: list[str] = []
        with pytest.raises(Environment) as caught:
            async with engine.engine.generate(ask("talk", lively=False)) as run:
                async for event in run:
                    if isinstance(event, PartDelta):
                        texts.append(event.text)
                        if len(texts) == 3:
                            os.kill(before, signal.Signals[name])
        problem = caught.value.problem
        assert len(texts) >= 3  # what had come was given
        assert name in str(problem.what) and problem.action == "retry" and problem.hint is not None
        assert "memory" not in str(problem.what)  # claimed with evidence only
        assert [found.what for found in told] == [problem.what]
        assert engine.engine.info is None and engine.engine.pid is None
        with pytest.raises(Environment, match=name):  # nothing is loaded behind anybody's back; it says why
            await engine.answer(ask("again", lively=False, max_tokens=4))
        with pytest.raises(Environment, match=name):
            await engine.engine.count_tokens(ask("again"))
        async for _ in engine.engine.load(LoadRequest(files.long(), context=1024)):
            pass
        answer = await engine.answer(ask("again", lively=False, max_tokens=4))
        assert answer.stats.completion_tokens == 4
        assert engine.engine.pid not in (None, before)

    with_engine(files.long(), test, context=1024)


def test_closing_while_it_answers_ends_the_answer(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        async with engine.engine.generate(ask("x " * 1800)) as run:
            unloading = asyncio.ensure_future(engine.engine.aclose())
            with pytest.raises(Exception, match="unloaded"):
                async for _ in run:
                    pass
            await unloading
        with pytest.raises(Bug, match="closed"):
            await engine.answer(ask("x"))

    with_engine(files.slow(), test)


def test_leaving_a_load_early_ends_the_worker(files: Files) -> None:
    async def test() -> None:
        engine = LocalWorkerEngine(worker_command("engine"))
        steps = engine.load(LoadRequest(files.qwen3()))
        await anext(steps)
        pid = engine.pid
        await steps.aclose()
        assert engine.info is None
        assert pid is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            await asyncio.to_thread(psutil.Process(pid).wait, 5)
        async for _ in engine.load(LoadRequest(files.small())):
            pass
        assert engine.info is not None
        await engine.aclose()

    asyncio.run(test())


#: A worker that has loaded whatever it is asked for, and crashes.
_LOADS_AND_DIES = """
import os, sys
from qwen_desktop.core.engine import Capabilities, ModelInfo
from qwen_desktop.core.packed import pack
from qwen_desktop.engine.worker import About
from qwen_desktop.process import frames
from qwen_desktop.process.envelope import Hello, Result, packed, read_request
def say(message):
    os.write(1, frames.pack(pack(message)))
say(Hello(2, packed(About("1"))))
number = read_request(frames.read(sys.stdin.buffer)).id
say(Result(number, packed(ModelInfo("x", 4096, Capabilities(), "1"))))
os._exit(9)
"""


def test_a_worker_that_dies_when_it_has_just_loaded_has_no_model() -> None:
    """The loop is busy meanwhile, so that the load's end and the worker's are heard of in one go."""

    async def test() -> None:
        engine = LocalWorkerEngine([sys.executable, "-c", _LOADS_AND_DIES])
        await engine.about()

        async def hold() -> None:
            deadline = time.monotonic() + 10
            while any(thread.name == "worker-out" for thread in threading.enumerate()):
                assert time.monotonic() < deadline
                time.sleep(0.01)  # noqa: ASYNC251 - just that: it holds the loop

        async def load() -> None:
            async for _ in engine.load(LoadRequest("x.gguf")):
                pass

        loading = asyncio.ensure_future(load())
        await asyncio.sleep(0)  # it has asked
        await hold()
        with pytest.raises(Environment, match="ended"):
            await loading
        assert engine.info is None and engine.pid is None
        await engine.aclose()

    asyncio.run(test())


def test_a_load_that_was_left_has_given_back_its_memory_when_the_engine_is_closed() -> None:
    body = _LOADS_AND_DIES.partition("number =")[0] + "held = bytearray(b'x') * (1 << 28); sys.stdin.read()"

    async def test() -> None:
        engine = LocalWorkerEngine([sys.executable, "-c", body])
        await engine.about()
        pid = engine.pid
        assert pid is not None
        process = psutil.Process(pid)
        deadline = time.monotonic() + 10
        while process.memory_info().rss < 1 << 28:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        loading = asyncio.ensure_future(anext(engine.load(LoadRequest("x.gguf"))))
        await asyncio.sleep(0)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        await engine.aclose()
        assert not psutil.pid_exists(pid)

    asyncio.run(test())


def test_a_command_that_cannot_start_is_one_sentence() -> None:
    async def test(command: list[str]) -> None:
        engine = LocalWorkerEngine(command)
        with pytest.raises(Environment):
            async for _ in engine.load(LoadRequest("x.gguf")):
                pass
        await engine.aclose()

    asyncio.run(test(["/nonexistent/program"]))
    asyncio.run(test([sys.executable, "-c", "raise SystemExit(3)"]))


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        worker_command("engine"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=worker_environment(),
        start_new_session=os.name != "nt",
    )


def _call(child: subprocess.Popen[bytes], number: int, method: str, params: Struct) -> None:
    assert child.stdin is not None
    child.stdin.write(frames.pack(pack(envelope.Call(number, method, envelope.packed(params)))))
    child.stdin.flush()


def _reply(child: subprocess.Popen[bytes]) -> envelope.Reply:
    assert child.stdout is not None
    return envelope.read_reply(frames.read(child.stdout) or b"")  # type: ignore[arg-type]  # a raw pipe reads too


def test_the_worker_dies_with_its_stdin_even_when_busy(files: Files) -> None:
    child = _start()
    try:
        assert child.stdin is not None
        _call(child, 1, "load", LoadRequest(files.slow()))
        _call(child, 2, "generate", ask("x " * 1800))
        replies = [_reply(child)]
        while not (isinstance(replies[-1], envelope.Event) and replies[-1].id == 2):
            replies.append(_reply(child))
        assert isinstance(replies[0], envelope.Hello)
        assert [reply.id for reply in replies if isinstance(reply, envelope.Result)] == [1]
        child.stdin.close()
        began = time.monotonic()
        assert child.wait(5) == 0
        assert time.monotonic() - began < 2
    finally:
        child.kill()
        child.wait()


def test_a_stalled_reader_does_not_stop_decoding(files: Files) -> None:
    """Nobody reads the pipe; the worker goes on and everything arrives later."""
    child = _start()
    try:
        _call(child, 1, "load", LoadRequest(files.qwen3()))
        _call(child, 2, "generate", ask("talk", max_tokens=1500))
        time.sleep(1)
        process = psutil.Process(child.pid)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:  # it finishes by itself: then it uses no time any more
            before = sum(process.cpu_times()[:2])
            time.sleep(0.3)
            if sum(process.cpu_times()[:2]) - before < 0.03:
                break
        said = PartsBuilder()
        while not (isinstance(reply := _reply(child), envelope.Result) and reply.id == 2):
            if isinstance(reply, envelope.Event) and reply.id == 2:
                for event in unpack(reply.value, tuple[Event, ...]):
                    if isinstance(event, PartEvent):
                        said.take(event)
        result = unpack(reply.value, GenerateResult)
        assert result.stats.completion_tokens == 1500 and len(visible_text(said.parts())) > 1500
    finally:
        child.kill()
        child.wait()


def test_nonsense_on_the_pipe_is_passed_over(files: Files) -> None:
    child = _start()
    try:
        assert child.stdin is not None
        for payload in (b"", b"\xc1", b"\x81\xa1t\xa7unknown", b"\x01"):
            child.stdin.write(frames.pack(payload))
        _call(child, 4, "no such", ask("x"))
        _call(child, 5, "generate", LiveFigures(1, 2.0, 3, 4))  # not what it takes
        _call(child, 6, "count", ask("x"))
        hello, *replies = [_reply(child) for _ in range(4)]
        assert isinstance(hello, envelope.Hello)
        codes = {reply.id: reply.problem.what.code for reply in replies if isinstance(reply, envelope.Failed)}
        assert codes == {4: "job.unknown", 5: "engine.no_model", 6: "engine.no_model"}
    finally:
        child.kill()
        child.wait()
