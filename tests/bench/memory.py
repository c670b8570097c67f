"""Predicted against measured memory: real workers, files in real shapes with random weights, contexts filled.

For each case a file is written, loaded by the engine's own worker and given one prompt that fills the context; then
the worker's own memory and touched pages (``RssAnon`` + ``RssFile``, Linux), less what it held before the load, are
held against the plain estimate and against the one that has learned from the first case of that model. The verdict is
"ok" within 8 % and, after one load, within 4 %::

    python -m tests.bench.memory                      # all cases; a long run (some hours on two cores)
    python -m tests.bench.memory --only 2048 --only 0.5B
    python -m tests.bench.memory --only 2048 --chats 2   # as many conversations, each with its whole context
    python -m tests.bench.memory --list

Results are kept after each case, so an interrupted run goes on where it was; ``--again`` measures anew.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from qwen_desktop.core import corrections
from qwen_desktop.core.engine import ChatMessage, GenerateRequest, LoadRequest, Sampling
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.memory import Correction, Use, estimate
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.core.shape import shape_of
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests import gguf_shapes

FIRST, AFTER_ONE = 0.08, 0.04
CONTEXTS = (2048, 8192, 16384)
#: Model, type of its weights (Q4_K is rearranged for most processors), type of the KV cache.
MODELS = (
    ("Qwen2.5-0.5B", "Q8_0", "f16"),
    ("Qwen3-0.6B", "Q8_0", "f16"),
    ("Qwen3-0.6B", "Q4_K", "f16"),
    ("small MoE", "Q8_0", "f16"),
    ("small hybrid", "Q8_0", "f16"),
    ("Qwen3-0.6B", "Q8_0", "q8_0"),
    ("Qwen3-0.6B", "Q8_0", "k_q8_0"),
    ("Qwen3-1.7B", "Q8_0", "f16"),
)
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_ANSWER = 4


class Result(Struct, frozen=True):
    """One case. ``measured`` is seen from outside the worker, ``told`` by the worker itself; ``full`` is the estimate
    for the whole context, ``predicted`` for the tokens that were used."""

    model: str
    kind: str
    kv_type: str
    context: int
    filled: int
    weights: int
    predicted: int
    full: int
    measured: int
    told: int
    decode: float
    prompt: float
    seconds: float
    chats: int = 1

    @property
    def name(self) -> str:
        return case_name(self.model, self.kind, self.kv_type, self.context, self.chats)


def case_name(model: str, kind: str, kv_type: str, context: int, chats: int = 1) -> str:
    return f"{model} {kind} {kv_type} {context}{f' x{chats}' if chats > 1 else ''}"


def folder_for(argument: str) -> Path:
    """Where files and results are kept."""
    if argument:
        return Path(argument)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "qwen-desktop" / "bench-memory"


def write_model(folder: Path, model: str, kind: str) -> Path:
    """The file, written once."""
    path = folder / f"{model.replace(' ', '-')}-{kind}.gguf"
    if not path.exists():
        part = path.with_suffix(".part")
        gguf_shapes.write(part, gguf_shapes.PLANS[model], kind=gguf_shapes.Kind[kind], weights=True)
        part.replace(path)
    return path


def rss(pid: int) -> int:
    """RssAnon + RssFile of a process, in bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    return sum(int(kib) for kib in re.findall(r"^Rss(?:Anon|File|Shmem):\s+(\d+)", text, re.MULTILINE)) * 1024


def request(words: int, chat: int = 0) -> GenerateRequest:
    text = " ".join(_WORDS[(i * i + i // 7 + chat) % 10] for i in range(words))
    message = ChatMessage(Role.USER, (TextPart(text),))
    return GenerateRequest((message,), max_tokens=_ANSWER, sampling=Sampling(temperature=0.0), cache_key=str(chat))


async def filling(engine: LocalWorkerEngine, tokens: int, chat: int = 0) -> GenerateRequest:
    """A request whose prompt has ``tokens`` tokens at most, and nearly that. Counting takes memory in the worker too,
    so it is done on short texts, and on the long one only to be sure."""
    few, more = 50, 150
    first, second = [(await engine.count_tokens(request(words, chat)))[0] for words in (few, more)]
    words = int(few + (tokens - first) / ((second - first) / (more - few)))
    while (await engine.count_tokens(request(words, chat)))[0] > tokens:
        words -= max(1, words // 500)
    return request(words, chat)


async def measure(path: Path, model: str, kind: str, kv_type: str, context: int, *, chats: int = 1) -> Result:
    """Load, fill the context, and hold the memory against the estimate."""
    began = time.monotonic()
    shape = shape_of(read_header(path))
    engine = LocalWorkerEngine(worker_command("engine"))
    try:
        # a worker without a model, as it is before a load
        await engine.about()
        pid = engine.pid
        assert pid is not None
        await asyncio.sleep(0.5)
        before = rss(pid)
        how = LoadRequest(str(path), context=context, kv_type=kv_type, gpu_layers=0, streams=chats)
        async for _ in engine.load(how):
            pass
        info = engine.info
        assert info is not None and info.local is not None
        if info.context_size < context:
            raise SystemExit(f"only a context of {info.context_size} fits here: free some memory")
        for chat in range(chats):
            async with engine.generate(await filling(engine, context - _ANSWER - 2, chat)) as run:
                async for _ in run:
                    pass
        measured = rss(pid) - before
        stats = run.result.stats
        if stats.streams != chats:
            raise SystemExit(f"only {stats.streams} contexts fit here: free some memory")
    finally:
        await engine.aclose()
    flash = "on" if info.local.flash_attention else "off"
    use = Use(context=context, kv_type=kv_type, batch=info.local.batch, flash_attention=flash, streams=chats)
    return Result(
        model=model,
        kind=kind,
        kv_type=kv_type,
        context=context,
        filled=stats.context_used,
        weights=shape.weights_bytes,
        predicted=estimate(shape, use, filled=stats.context_used).total_bytes,
        full=estimate(shape, use).total_bytes,
        measured=measured,
        told=stats.resident_bytes,
        decode=stats.decode_tokens_per_s,
        prompt=stats.prompt_tokens_per_s,
        seconds=round(time.monotonic() - began, 1),
        chats=chats,
    )


def after_one_load(results: dict[str, Result], result: Result) -> float | None:
    """The error of the estimate that has learned from another load of the same file (None: there was none)."""
    same = [
        r
        for r in results.values()
        if (r.model, r.kind, r.kv_type, r.chats) == (result.model, result.kind, result.kv_type, result.chats)
        and r.context != result.context
    ]
    if not same:
        return None
    first = min(same, key=lambda r: r.context)
    known = corrections.Measurement(
        key="file",
        machine="here",
        context=first.context,
        kv_type=first.kv_type,
        filled=first.filled,
        weights_bytes=first.weights,
        resident_bytes=first.told,
        predicted_bytes=first.predicted,
    )
    learned: Correction = corrections.correction((known,), "here", key="file", context=result.context)
    return (result.full + learned.extra_bytes) / result.measured - 1


def table(results: dict[str, Result]) -> bool:
    """Print the figures; whether all are within the targets."""
    good = True
    print(f"\n{'case':36}{'filled':>8}{'weights':>9}{'predicted':>11}{'measured':>10}{'error':>8}{'learned':>9}")
    for result in results.values():
        error = result.full / result.measured - 1
        learned = after_one_load(results, result)
        fine = abs(error) <= FIRST and (learned is None or abs(learned) <= AFTER_ONE)
        good = good and fine
        print(
            f"{result.name:36}{result.filled:8}{mib(result.weights):9}{mib(result.full):11}{mib(result.measured):10}"
            f"{error:8.1%}{'' if learned is None else f'{learned:.1%}':>9}  {'ok' if fine else 'TOO FAR'}"
            f"   told {mib(result.told)} MiB, {result.prompt:.0f} and {result.decode:.1f} tokens/s, {result.seconds} s"
        )
    return good


def mib(count: int) -> str:
    return f"{count / 2**20:.0f}"


def cases(only: list[str]) -> list[tuple[str, str, str, int]]:
    found = [(model, kind, kv, context) for context in CONTEXTS for model, kind, kv in MODELS]
    return [case for case in found if all(word in case_name(*case) for word in only)]


def main() -> int:
    """Run, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="cases whose name holds each WORD")
    parser.add_argument("--again", action="store_true", help="measure what was measured before, too")
    parser.add_argument("--chats", type=int, default=1, help="conversations in memory")
    parser.add_argument("--list", action="store_true", help="the names of the cases")
    parser.add_argument("--folder", default="", help="for the files (some 4 GB) and the results")
    args = parser.parse_args()
    chosen = cases(args.only)
    if args.list:
        print("\n".join(case_name(*case) for case in chosen))
        return 0
    if not sys.platform.startswith("linux"):
        raise SystemExit("touched pages are counted on Linux only")
    folder = folder_for(args.folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    results: dict[str, Result] = msgspec.json.decode(kept.read_bytes(), type=dict[str, Result]) if kept.exists() else {}
    for case in chosen:
        name = case_name(*case, args.chats)
        if name in results and not args.again:
            continue
        print(f"{name} …", flush=True)
        path = write_model(folder, case[0], case[1])
        results[name] = asyncio.run(measure(path, *case, chats=args.chats))
        kept.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    good = table({name: results[name] for case in chosen if (name := case_name(*case, args.chats)) in results})
    print("\nverdict:", "ok" if good else "not within the targets")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
