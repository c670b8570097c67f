"""What it costs to keep what conversations have evaluated, and what it saves: a return after a restart.

    python -m tests.bench.prompt_cache [--model FILE] [--tokens 4000] [--rounds 3]

Without ``--model`` a random one in the shape of a 0.6B is written. Told are

- the time to the first token of a long prompt in a worker of its own, cold and then in another worker with what the
  first one left (turn by turn, the best of each): wanted is 1/20;
- for a state of so many tokens (made up), how long the thread that computes is held up by taking it and by giving it
  back, how long writing and reading it take beside that, and how much slower answers are written meanwhile;
- how much 200 conversations take on the disk, of the budget that was given.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import statistics
import sys
import tempfile
import time
from array import array
from pathlib import Path

from qwen_desktop.core.engine import ChatMessage, GenerateRequest, LoadRequest, Sampling
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.engine import kv_state
from qwen_desktop.engine.llama_context import Context, Piece
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.engine.made_up import parse, repeated
from qwen_desktop.engine.prompt_cache.cache import PromptCache
from qwen_desktop.engine.prompt_cache.files import Folder
from qwen_desktop.process.spawn import worker_command
from tests import gguf_files
from tests.bench.random_model import cache_folder, write_model
from tests.integration.engine.in_process import context

WANTED = 20
#: Written while nothing and while a state is written, and in pieces of.
_WRITTEN = 10
_TALKS, _BUDGET = 200, 20_000_000


async def first_token(model: str, folder: Path, request: GenerateRequest, size: int) -> tuple[float, int, int]:
    """Seconds to the first token in a worker of its own, tokens of the prompt, and those that came from the disk."""
    engine = LocalWorkerEngine(worker_command("engine"))
    try:
        async for _ in engine.load(
            LoadRequest(model, context=size, cache_folder=str(folder), cache_bytes=8_000_000_000)
        ):
            pass
        async with engine.generate(request) as run:
            async for _ in run:
                pass
        stats = run.result.stats
        for _ in range(600):  # as somebody who reads the answer before ending the app
            if Folder(folder).size()[1]:
                break
            await asyncio.sleep(0.1)
        return stats.ttft_s, stats.prompt_tokens, stats.restored_tokens
    finally:
        await engine.aclose()


async def returns(model: str, tokens: int, rounds: int, work: Path) -> float:
    """Cold and restored in turn; returns the ratio of the best."""
    cold, restored = list[float](), list[float]()
    for number in range(rounds):
        dice = random.Random(number)
        words = " ".join(f"{dice.randrange(10)}" for _ in range(tokens // 2))
        request = GenerateRequest(
            (ChatMessage(Role.USER, (TextPart(words),)),),
            max_tokens=1, sampling=Sampling(temperature=0.0), cache_key="talk", keep=True,
        )  # fmt: skip
        folder = work / f"round {number}"
        for figures in (cold, restored):
            seconds, prompt, from_disk = await first_token(model, folder, request, tokens * 5 // 4)
            figures.append(seconds)
            if figures is restored and from_disk != prompt - 1:
                raise SystemExit(f"only {from_disk} of {prompt} tokens came from the disk")
        size, _ = Folder(folder).size()
        print(
            f"  {prompt} tokens: cold {cold[-1]:7.2f} s, restored {restored[-1]:6.3f} s"
            f" (1/{cold[-1] / restored[-1]:.0f}), {size / 1e6:.0f} MB",
            flush=True,
        )
        Folder(folder).clear()
    ratio = min(cold) / min(restored)
    print(f"best: cold {min(cold):.2f} s, restored {min(restored):.3f} s: 1/{ratio:.0f} (wanted 1/{WANTED})")
    return ratio


def fill(made: Context, tokens: int) -> None:
    """Have the first sequence hold a made-up state."""
    sequence = made.sequences[0]
    made.evaluate((Piece(sequence, (1,)),))
    state = b"".join(repeated(parse(bytes(kv_state.take(sequence)), recurrent=False), tokens))
    sequence.forget()
    if not kv_state.give(sequence, state):
        raise SystemExit("llama.cpp does not take the state")
    sequence.took([1] * tokens, alone=True, threads=1, flash=made.flash)
    sequence.key, sequence.keep = "talk", True


def write(made: Context) -> float:
    """Seconds for a token, written in the first sequence."""
    spent = []
    for _ in range(_WRITTEN):
        began = time.perf_counter()
        made.evaluate((Piece(made.sequences[0], (2,)),))
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def taking(model: str, tokens: int, rounds: int, work: Path, threads: int) -> None:
    """How long who computes is held up, and for how long others work beside."""
    figures: dict[str, list[float]] = {}

    def timed(name: str, began: float) -> None:
        figures.setdefault(name, []).append(time.perf_counter() - began)

    made = context(model, size=tokens + 4 * _WRITTEN + 8, threads=threads, chunk=256)
    try:
        fill(made, tokens)
        sequence = made.sequences[0]
        for number in range(rounds):
            cache = PromptCache(work / f"state {number}", 8_000_000_000, b"bench")
            began = time.perf_counter()
            cache.save(sequence)
            timed("taken", began)
            cache.writer.wait(120)
            timed("written", began)
            size = cache.folder.size()[0]
            plain = write(made)
            sequence.on_disk, sequence.files = 0, None
            cache.save(sequence)  # once more, all of it
            figures.setdefault("slower", []).append(write(made) / plain)
            cache.writer.wait(120)
            made.cut(sequence, tokens)
            found = cache.find("talk", made, (made.flash,), with_adapters=(), tokens=[1] * (tokens + 1), have=0)
            if found is None:
                raise SystemExit("it was not kept")
            began = time.perf_counter()
            read = cache.read(found, lambda: True).result()
            timed("read", began)
            sequence.forget()
            began = time.perf_counter()
            if read is None or not cache.give(read, sequence, ()):
                raise SystemExit("it did not come back")
            timed("given", began)
            made.cut(sequence, tokens)
            sequence.on_disk, sequence.files = 0, None
            cache.folder.clear()
    finally:
        made.close()
    best = {name: min(values) for name, values in figures.items()}
    print(
        f"a state of {size / 1e6:.0f} MB: taken in {best['taken'] * 1000:.0f} ms, written in {best['written']:.2f} s, a"
        f" token meanwhile takes {best['slower']:.2f} as long; read in {best['read']:.2f} s, given in"
        f" {best['given'] * 1000:.0f} ms",
        flush=True,
    )


def budget(work: Path) -> None:
    """Many conversations of a small shape under a budget."""
    path = work / "small.gguf"
    gguf_files.write(path, vocab=600, tied=False)
    made = context(str(path), size=1200)
    cache = PromptCache(work / "many", _BUDGET, b"bench")
    dice = random.Random(1)
    most = 0
    try:
        for number in range(_TALKS):
            sequence = made.sequences[0]
            sequence.forget()
            made.read(sequence, array("i", [dice.randrange(300, 600) for _ in range(dice.randrange(100, 1100))]))
            sequence.key, sequence.keep = f"talk {number}", True
            cache.save(sequence)
            cache.writer.wait(60)
            most = max(most, cache.folder.size()[0])
    finally:
        made.close()
    size, conversations = cache.folder.size()
    print(
        f"{_TALKS} conversations in {_BUDGET / 1e6:.0f} MB: {most / 1e6:.2f} MB at most, now {size / 1e6:.2f} MB of"
        f" {conversations}"
    )
    if most > _BUDGET:
        raise SystemExit("the budget was not held")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="a GGUF file; without one a 0.6B is written")
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    model = str(args.model or write_model(cache_folder(), None))
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        taking(model, args.tokens, max(3, args.rounds), work, args.threads)
        budget(work)
        ratio = asyncio.run(returns(model, args.tokens, args.rounds, work))
    return 0 if ratio >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
