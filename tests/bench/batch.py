"""Prompts in a batch against the same ones after one another, and an interactive answer beside a batch.

    python -m tests.bench.batch --vocab …/ggml-vocab-qwen2.gguf

Wanted: 16 prompts written 1.7 times as fast with Q4_K_M, 8 prompts 1.9 times with Q8_0: tokens by what whole answers
take longer than their first tokens alone, the best of ``--turns``, in turns. A request sent while a batch writes: its
reading begins within 150 ms, and an answer that is stopped has ended within 50 ms, as the client sees both; the worst
of ``--times`` counts.
``--quick`` takes some two minutes on two cores. On a busy machine the figures say little.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

import psutil
from msgspec.structs import replace

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services import bench_prompts
from tests.bench.random_model import cache_folder, write_model

#: Prompts at once, and how much faster they are to be written, by the kind of file.
WANTED = {"q4_k_m": (16, 1.7), "q8_0": (8, 1.9)}
BEGINS_S, ENDS_S = 0.150, 0.050


class Prompts:
    """Asks questions that nobody asked before."""

    def __init__(self, engine: LocalWorkerEngine) -> None:
        self.engine = engine
        self.number = 0

    async def ask(self, tokens: int, batch: str = "") -> int:
        """One answer of ``tokens`` tokens at most; how many it had."""
        self.number += 1
        asked = bench_prompts.request(bench_prompts.text(self.number, 8), tokens=tokens)
        async with self.engine.generate(replace(asked, batch=batch, cache_key="")) as run:
            async for _ in run:
                pass
        return run.result.stats.completion_tokens

    async def alone(self, count: int, tokens: int) -> tuple[float, int]:
        """Seconds that so many answers take one after another, and the tokens of all."""
        began = time.perf_counter()
        written = sum([await self.ask(tokens) for _ in range(count)])
        return time.perf_counter() - began, written

    async def together(self, count: int, tokens: int) -> tuple[float, int]:
        """The same in a batch."""
        began = time.perf_counter()
        written = await asyncio.gather(*(self.ask(tokens, f"batch {self.number}") for _ in range(count)))
        return time.perf_counter() - began, sum(written)


def speed(short: tuple[float, int], whole: tuple[float, int]) -> float:
    """Tokens written per second: what whole answers take longer than first tokens alone, so that reading is not in it.

    0 where a busy moment made the first tokens slower than whole answers."""
    seconds, tokens = whole[0] - short[0], whole[1] - short[1]
    return tokens / seconds if seconds > 0 else 0.0


async def batches(prompts: Prompts, count: int, wanted: float, args: argparse.Namespace) -> bool:
    """Both ways in turns; whether the batch is as much faster as wanted."""
    alone: list[float] = []
    together: list[float] = []
    for turn in range(args.turns):
        alone.append(speed(await prompts.alone(count, 1), await prompts.alone(count, args.tokens)))
        first, whole = await prompts.together(count, 1), await prompts.together(count, args.tokens)
        together.append(speed(first, whole))
        print(
            f"  {turn + 1}  one after another {alone[-1]:7.2f}  {count} in a batch {together[-1]:7.2f} tokens/s"
            f"  ({whole[1] / whole[0]:.2f} with the prompts' reading)",
            flush=True,
        )
    if not (max(alone) and max(together)):
        raise SystemExit("too busy a machine to measure anything: more --turns or --tokens")
    ratio = max(together) / max(alone)
    print(f"{count} prompts: ratio {ratio:.2f}  {'ok' if ratio >= wanted else 'TOO SLOW'} (wanted {wanted})")
    return ratio >= wanted


async def beside(prompts: Prompts, count: int, args: argparse.Namespace) -> bool:
    """How soon an interactive request is read while a batch writes, and how soon a stopped one has ended."""
    engine = prompts.engine
    context = engine.info.context_size if engine.info is not None else 0
    running = [asyncio.create_task(_write_on(prompts, context // 4)) for _ in range(count)]
    await asyncio.sleep(args.warm)
    begins: list[float] = []
    ends: list[float] = []
    try:
        for index in range(args.times):
            await asyncio.sleep(0.3 + 0.07 * index)  # at another moment of a step each time
            text = (await bench_prompts.of_length(engine, min(300, context // 2), 2000 + index))[0]
            began = time.perf_counter()
            async with engine.generate(replace(bench_prompts.request(text, tokens=32), cache_key="talk")) as run:
                stopped = 0.0
                async for _ in run:  # the first event is that its prompt is being read
                    if len(begins) == index:
                        begins.append(time.perf_counter() - began)
                    if not stopped and index % 2 == 0:  # every other one is stopped while it is read
                        stopped = time.perf_counter()
                        await run.stop()
                if stopped:
                    ends.append(time.perf_counter() - stopped)
        if all(task.done() for task in running):
            raise SystemExit("the batch had ended before: give it a larger --context")
        began = time.perf_counter()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        ends.append(time.perf_counter() - began)
    finally:
        for task in running:
            task.cancel()
    good = max(begins) <= BEGINS_S and max(ends) <= ENDS_S
    for what, found, limit in (("reading begins after", begins, BEGINS_S), ("a stopped one ends after", ends, ENDS_S)):
        print(
            f"{what}: median {statistics.median(found) * 1e3:.0f} ms, worst {max(found) * 1e3:.0f} ms"
            f"  {'ok' if max(found) <= limit else 'TOO SLOW'} (wanted {limit * 1e3:.0f} ms)"
        )
    return good


async def _write_on(prompts: Prompts, tokens: int) -> None:
    """Keep a batch writing until this is cancelled."""
    while True:
        await prompts.ask(tokens, "beside")


async def measure(quant: str, model: Path, args: argparse.Namespace) -> bool:
    count, wanted = WANTED[quant]
    engine = LocalWorkerEngine(worker_command("engine"))
    load = LoadRequest(str(model), context=args.context, threads=args.threads, gpu_layers=0, flash_attention=args.flash)
    try:
        async for _ in engine.load(load):
            pass
        print(f"{model.name}, threads {args.threads}, flash attention {args.flash}")
        prompts = Prompts(engine)
        await prompts.ask(4)  # touches the pages
        good = await batches(prompts, count, wanted, args)
        return await beside(prompts, count, args) and good
    finally:
        await engine.aclose()


async def run(args: argparse.Namespace) -> bool:
    psutil.cpu_percent(None)
    await asyncio.sleep(2)
    print(f"processor taken by others before the run: {psutil.cpu_percent(None):.0f} %")
    good = True
    for quant in args.quants:
        given = args.q8_0 if quant == "q8_0" else args.q4_k_m
        good &= await measure(quant, given or write_model(args.folder, args.vocab, quant), args)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quants", nargs="+", choices=tuple(WANTED), default=list(WANTED))
    parser.add_argument("--q4-k-m", type=Path, help="another file than the random one in the shape of Qwen3-0.6B")
    parser.add_argument("--q8-0", type=Path, help="the same, in Q8_0")
    parser.add_argument("--vocab", type=Path, help="a GGUF to take the random model's vocabulary from")
    parser.add_argument("--folder", type=Path, default=cache_folder())
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flash", choices=("on", "off"), default="off")
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--turns", type=int, help="else 5, or 2 with --quick")
    parser.add_argument("--times", type=int, default=10, help="interactive requests beside the batch")
    parser.add_argument("--warm", type=float, default=6, help="seconds that the batch writes before the first of them")
    parser.add_argument("--quick", action="store_true", help="two turns: some two minutes")
    args = parser.parse_args()
    args.turns = args.turns or (2 if args.quick else 5)
    good = asyncio.run(run(args))
    print(f"verdict: {'ok' if good else 'too slow'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
