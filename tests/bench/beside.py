"""Answers beside busy programs: the threads that the engine chooses against every fixed number, and how it follows.

First, with ``--loops`` busy loops running, each fixed number of threads and the engine's own choice read a prompt and
write an answer in turns. Then one long answer is written while the loops start and end. Run it on a quiet machine; on
one with more cores bind it to two (``taskset -c 0,1``)::

    python -m tests.bench.beside [--model FILE] [--loops 1] [--rounds 5]

Without ``--model`` it takes a file with random weights in the shape of Qwen3-0.6B. The verdict is "ok" where the choice
reaches 0.95 of the best fixed number in reading and in writing, has its speed beside the loops a second after their
start, and the speed of before five seconds after their end.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from qwen_desktop.core.engine import ChatMessage, GenerateRequest, LiveFigures, LoadRequest, Sampling
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.hardware import cpu
from qwen_desktop.process.spawn import worker_command
from tests.bench import random_model

NEAR = 0.95
DOWN_S, UP_S = 1.0, 5.0
_CONTEXT = 4096
#: Of the long answer, in seconds: before the loops, beside them, after them.
_ALONE_S, _BESIDE_S, _AFTER_S = 8.0, 10.0, 10.0
_WINDOW_S = 1.0

#: When so many tokens had been written.
Times = list[tuple[float, int]]


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Programs that want a core each, as a user would have started them."""
    started = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(loops)
    ]
    try:
        yield
    finally:
        for program in started:
            program.kill()
            program.wait()


async def loaded(stack: AsyncExitStack, model: Path, threads: int | None) -> LocalWorkerEngine:
    """A worker with the model, closed with ``stack``."""
    engine = LocalWorkerEngine(worker_command("engine"))
    stack.push_async_callback(engine.aclose)
    async for _ in engine.load(LoadRequest(str(model), context=_CONTEXT, threads=threads, gpu_layers=0)):
        pass
    return engine


def request(words: int, tokens: int, first: str) -> GenerateRequest:
    """A prompt that nothing is remembered of."""
    text = " ".join([first, *(("one", "two", "three", "four")[i % 4] for i in range(words))])
    message = ChatMessage(Role.USER, (TextPart(text),))
    return GenerateRequest((message,), max_tokens=tokens, sampling=Sampling(temperature=1.0, top_k=0, seed=1))


async def speeds(engine: LocalWorkerEngine, words: int, tokens: int, first: str) -> tuple[float, float]:
    """Tokens read and written a second."""
    async with engine.generate(request(words, tokens, first)) as run:
        async for _ in run:
            pass
    stats = run.result.stats
    if stats.completion_tokens < tokens:
        print(f"  (an answer ended after {stats.completion_tokens} tokens: take --model with another file)")
    return stats.prompt_tokens_per_s, stats.decode_tokens_per_s


async def beside(model: Path, args: argparse.Namespace) -> bool:
    """Every number of threads and the engine's choice in turns, beside the loops."""
    ways: list[int | None] = [*range(1, cpu.places().usual + 1), None]
    read: dict[int | None, list[float]] = {way: [] for way in ways}
    write: dict[int | None, list[float]] = {way: [] for way in ways}
    async with AsyncExitStack() as stack:
        engines = {way: await loaded(stack, model, way) for way in ways}
        with busy(args.loops):
            await asyncio.sleep(2.5)  # an answer begins with what it saw in the last second
            for turn in range(args.rounds):
                for way in ways if turn % 2 == 0 else reversed(ways):
                    reading, writing = await speeds(engines[way], args.words, args.tokens, f"{turn}")
                    read[way].append(reading)
                    write[way].append(writing)
    good = True
    for name, found in (("read", read), ("write", write)):
        middle = {way: statistics.median(values) for way, values in found.items()}
        best = max(speed for way, speed in middle.items() if way is not None)
        ratio = (middle[None] or 0.0) / best if best else 0.0
        good &= ratio >= NEAR
        told = "  ".join(f"{way or 'chosen'}: {speed:.1f}" for way, speed in middle.items())
        print(f"{name:5} tokens/s by threads  {told}  ratio {ratio:.3f}", flush=True)
    return good


async def long_answer(engine: LocalWorkerEngine, seconds: float, began: float, times: Times) -> None:
    """Write until ``seconds`` after ``began``; where an answer ends, the next one begins."""
    before, turn = 0, 0
    while time.monotonic() - began < seconds:
        done = 0
        async with engine.generate(request(1, _CONTEXT // 2, f"{turn}")) as run:
            async for event in run:
                if isinstance(event, LiveFigures):
                    done = event.completion_tokens
                    times.append((time.monotonic() - began, before + done))
                if time.monotonic() - began >= seconds:
                    break
        before += done
        turn += 1


def speed(times: Times, start: float, end: float) -> float:
    """Tokens a second between two moments."""
    inside = [(at, count) for at, count in times if start <= at <= end]
    if len(inside) < 2:
        return 0.0
    (first, few), (last, many) = inside[0], inside[-1]
    return (many - few) / (last - first) if last > first else 0.0


def reached(times: Times, start: float, end: float, wanted: float) -> float:
    """Seconds after ``start`` from when on the speed of the following second was ``wanted``; ``end`` if never."""
    return next(
        (at - start for at, _ in times if start <= at < end and speed(times, at, at + _WINDOW_S) >= wanted), end - start
    )


async def follow(model: Path, args: argparse.Namespace) -> bool:
    """One long answer while the loops start and end."""
    downs: list[float] = []
    ups: list[float] = []
    async with AsyncExitStack() as stack:
        engine = await loaded(stack, model, None)
        for _ in range(args.rounds):
            times: Times = []
            began = time.monotonic()
            came, went = _ALONE_S, _ALONE_S + _BESIDE_S
            task = asyncio.create_task(long_answer(engine, went + _AFTER_S, began, times))
            await asyncio.sleep(came)
            with busy(args.loops):
                came = time.monotonic() - began
                await asyncio.sleep(_BESIDE_S)
                went = time.monotonic() - began
            await task
            alone = speed(times, 2.0, came)
            settled = speed(times, came + 4.0, went)
            downs.append(reached(times, came, went, NEAR * settled))
            ups.append(reached(times, went, went + _AFTER_S - 1, NEAR * alone))
            print(
                f"alone {alone:.1f}, beside {speed(times, came, came + 1):.1f}, then {settled:.1f} tokens/s; "
                f"follows after {downs[-1]:.2f} s, back at {NEAR} after {ups[-1]:.2f} s",
                flush=True,
            )
    down, up = statistics.median(downs), statistics.median(ups)
    print(f"median: down after {down:.2f} s (wanted {DOWN_S}), up after {up:.2f} s (wanted {UP_S})")
    return down <= DOWN_S and up <= UP_S


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="a GGUF file; its answers should be long")
    parser.add_argument("--loops", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--words", type=int, default=400, help="of the prompts that are read")
    parser.add_argument("--tokens", type=int, default=96, help="of the answers that are written")
    args = parser.parse_args()
    model = args.model or random_model.write_model(random_model.cache_folder(), None)
    use = cpu.places()
    print(f"cores {use.usable} of {use.physical}, processors {use.logical}, loops {args.loops}")
    good = asyncio.run(beside(model, args))
    good &= asyncio.run(follow(model, args))
    print(f"verdict: {'ok' if good else 'too slow'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
