"""Texts as vectors, one after the other and many at once, against llama.cpp's own reading of as many tokens.

    python -m tests.bench.embed MODEL [--texts N] [--words N] [--rounds N]

Prints texts and tokens per second of each way, the best of ``--rounds`` in turns. Wanted: together at least as fast as
0.7 of llama.cpp's reading (vectors of every token need the whole vocabulary's matrix, which reading a prompt spares),
and a text that is cancelled has ended within 50 ms. On a busy machine the figures say little.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests.integration.engine.talk import ask

_WORDS = (
    "river",
    "stone",
    "quiet",
    "market",
    "open",
    "window",
    "letter",
    "garden",
    "yellow",
    "train",
    "bread",
    "light",
)


def texts(count: int, words: int, seed: int) -> list[str]:
    """Different ones of about so many tokens."""
    dice = random.Random(seed)
    return [" ".join(dice.choice(_WORDS) for _ in range(words)) for _ in range(count)]


async def embedded(engine: LocalWorkerEngine, wanted: list[str], *, together: bool) -> tuple[float, int]:
    """Seconds and tokens of all."""
    began = time.perf_counter()
    parts = [wanted] if together else [[text] for text in wanted]
    tokens = [sum((await engine.embed(part)).tokens) for part in parts]
    return time.perf_counter() - began, sum(tokens)


async def read(engine: LocalWorkerEngine, tokens: int, seed: int) -> tuple[float, int]:
    """The same number of tokens as a question, until its answer begins."""
    question = " ".join(texts(1, int(tokens * 0.9), seed))
    began = time.perf_counter()
    async with engine.generate(ask(question, max_tokens=1, cache_key=f"{seed}")) as run:
        async for _ in run:
            pass
    return time.perf_counter() - began, run.result.stats.prompt_tokens


async def cancelled(engine: LocalWorkerEngine, wanted: list[str]) -> float:
    """Seconds from giving a list up to the next text's vector, less what that takes by itself."""
    begun = asyncio.Event()
    task = asyncio.create_task(engine.embed(wanted, lambda _done: begun.set()))
    await begun.wait()
    began = time.perf_counter()
    task.cancel()
    await engine.embed(["one"])
    both = time.perf_counter() - began
    began = time.perf_counter()
    await engine.embed(["one"])
    return both - (time.perf_counter() - began)


async def measure(model: str, *, count: int, words: int, rounds: int) -> None:
    """Load, measure in turns, print."""
    engine = LocalWorkerEngine(worker_command("engine"))
    try:
        async for _ in engine.load(LoadRequest(model, context=8192)):
            pass
        await engine.embed(texts(4, words, 0))
        best: dict[str, tuple[float, float]] = {}
        ends: list[float] = []
        for turn in range(rounds):
            wanted = texts(count, words, turn)
            for name, together in (("alone", False), ("together", True)):
                seconds, tokens = await embedded(engine, wanted, together=together)
                best[name] = max(best.get(name, (0, 0)), (tokens / seconds, count / seconds))
            seconds, tokens = await read(engine, min(4000, count * words), turn + 100)
            best["reading"] = max(best.get("reading", (0, 0)), (tokens / seconds, 0))
            ends.append(await cancelled(engine, wanted))
        for name, (tokens_s, texts_s) in best.items():
            print(f"{name:10} {tokens_s:8.1f} tokens/s {texts_s:8.1f} texts/s")
        print(f"together / reading: {best['together'][0] / best['reading'][0]:.2f}")
        print(f"together / alone:   {best['together'][0] / best['alone'][0]:.2f}")
        print(f"given up within:    {1000 * statistics.median(ends):.0f} ms (worst {1000 * max(ends):.0f})")
    finally:
        await engine.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--words", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    asyncio.run(measure(chosen.model, count=chosen.texts, words=chosen.words, rounds=chosen.rounds))


if __name__ == "__main__":
    main()
