"""The engine through worker, pipe and client against ``llama-bench``, in turns, the best of each.

Equal settings (same file, threads, flash attention, cache, pieces of prompts, rearranged weights)::

    python -m tests.bench.engine --llama-bench build/bin/llama-bench --vocab …/ggml-vocab-qwen2.gguf

``--sdist llama_cpp_python-….tar.gz`` builds ``llama-bench`` first. ``--quick`` takes some six minutes on two cores (two
turns, what is long once), the whole run 25. ``--depths 0 75 --prompts 75`` measures only these. ``--tuned`` measures
the app's own settings (a measured run first, then a load as the app does it) against ``llama-bench`` with its defaults.

Wanted: writing 0.97 at every depth, reading 0.95; with ``--tuned`` writing 1.5 at 4,096 tokens and nothing below 0.97.
Writing is timed by the client, from the first token to the end; reading by the worker, from the first piece of the
prompt to the last: ``llama-bench`` has no template and no text. What other programs take is told: on a busy machine
the figures say little.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psutil

from qwen_desktop.core.engine import LoadRequest, LocalEngine, LocalInfo
from qwen_desktop.core.model_ref import FileRef, LoadOptions
from qwen_desktop.core.paths import find_paths
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services import bench_prompts
from qwen_desktop.services.services import for_command
from qwen_desktop.store.settings_file import SettingsFile
from tests.bench import llama_bench
from tests.bench.llama_bench import Measured
from tests.bench.random_model import cache_folder, write_model

DEPTHS, PROMPTS, WRITTEN = (0, 75, 512, 4096), (75, 700, 4000), (48, 256)
#: From here on a measure takes most of a minute.
LONG = 2048
WRITING, READING, DEEP = 0.97, 0.95, 1.5

Figures = dict[Measured, list[float]]


class Ours:
    """Our engine, loaded. ``number`` makes each text another one, so that nothing of it is remembered."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine
        self.number = 0

    @property
    def local(self) -> LocalInfo:
        if self.engine.info is None or self.engine.info.local is None:
            raise SystemExit("the engine has ended")
        return self.engine.info.local

    async def warm(self) -> None:
        """As ``llama-bench`` does before it measures."""
        await self._say(await self._text(32), 2)

    async def read(self, tokens: int) -> float:
        """Tokens of a prompt per second."""
        text = await self._text(tokens)
        async with self.engine.generate(bench_prompts.request(text, tokens=1)) as run:
            async for _ in run:
                pass
        stats = run.result.stats
        if stats.prompt_tokens != tokens:
            raise SystemExit(f"a prompt has {stats.prompt_tokens} tokens instead of {tokens}: take another vocabulary")
        return stats.prompt_tokens_per_s

    async def write(self, depth: int, written: Sequence[int]) -> dict[Measured, float]:
        """Tokens written per second as the client sees it, after a prompt of ``depth`` tokens, read once."""
        for _ in range(4):  # an answer of random weights may end early
            text = await self._text(depth)
            found = {Measured(0, tokens, depth): await self._say(text, tokens) for tokens in written}
            if all(found.values()):
                return found
        raise SystemExit(f"the model ends its answers before {max(written)} tokens: take another one")

    async def _text(self, tokens: int) -> str:
        self.number += 1
        return (await bench_prompts.of_length(self.engine, tokens, self.number))[0]

    async def _say(self, text: str, tokens: int) -> float:
        began = time.perf_counter()
        async with self.engine.generate(bench_prompts.request(text, tokens=tokens)) as run:
            async for _ in run:
                pass
        wall, stats = time.perf_counter() - began, run.result.stats
        return (tokens - 1) / (wall - stats.ttft_s) if stats.completion_tokens == tokens else 0.0


@contextlib.asynccontextmanager
async def equal(args: argparse.Namespace) -> AsyncIterator[Ours]:
    """Our engine with the settings that ``llama-bench`` gets too."""
    engine = LocalWorkerEngine(worker_command("engine"))
    load = LoadRequest(
        str(args.model), context=_context(args), threads=args.threads, gpu_layers=0, flash_attention=args.flash
    )
    if args.spin:
        os.environ["GOMP_SPINCOUNT"] = str(args.spin)
    try:
        async for _ in engine.load(load):
            pass
        os.environ.pop("GOMP_SPINCOUNT", None)  # it was for our worker, which has begun
        yield Ours(engine)
    finally:
        await engine.aclose()


@contextlib.asynccontextmanager
async def tuned(args: argparse.Namespace) -> AsyncIterator[Ours]:
    """Our engine as the app loads it, after a measured run whose result it keeps."""
    paths = find_paths()
    async with for_command(paths, history=False, settings_file=SettingsFile(paths.settings_file)) as services:
        ref = FileRef(str(args.model), LoadOptions(context=_context(args)))
        async with services.engines.lease(ref) as engine:
            yield Ours(engine)


def repacks() -> bool:
    """Whether our engine lets llama.cpp rearrange the weights on this processor."""
    from qwen_desktop.engine.llama import LlamaLibrary  # noqa: PLC0415 - imports llama_cpp

    return LlamaLibrary(lambda _line: None).repacks


def _context(args: argparse.Namespace) -> int:
    return int(max((*args.depths, *args.prompts))) + max(WRITTEN) + 128


async def one_turn(
    ours: Ours, how: list[str], args: argparse.Namespace, turn: int
) -> AsyncIterator[tuple[Measured, float, float]]:
    """Each measure by both, one directly after the other."""

    async def theirs(**what: tuple[int, ...]) -> dict[Measured, float]:
        return await asyncio.to_thread(llama_bench.speeds, args.program, args.model, **what, how=how)

    long = turn == 0 or not args.quick
    for prompt in args.prompts:
        if prompt < LONG or long:
            mine = await ours.read(prompt)
            (other,) = (await theirs(prompts=(prompt,))).values()
            yield Measured(prompt, 0, 0), mine, other
    for depth in args.depths:
        if depth < LONG or long:
            written = await ours.write(depth, WRITTEN)
            others = await theirs(written=WRITTEN, depths=(depth,))
            for what, mine in written.items():
                yield what, mine, others[what]


async def compare(args: argparse.Namespace) -> bool:
    """Run both in turns, print the ratios, and say whether all are as wanted."""
    ours_best: Figures = defaultdict(list)
    theirs_best: Figures = defaultdict(list)
    psutil.cpu_percent(None)
    await asyncio.sleep(2)
    print(f"processor taken by others before the run: {psutil.cpu_percent(None):.0f} %")
    for turn in range(args.turns):
        async with (tuned if args.tuned else equal)(args) as ours:
            how: list[str] = []
            if not args.tuned:
                batch = str(ours.local.batch)
                how = ["-t", str(args.threads), "-fa", args.flash, "--repack", str(int(repacks())), "-ngl", "0"]
                how += ["-b", batch, "-ub", batch]
            if not turn:
                local = ours.local
                print(
                    f"ours: threads {local.threads}, flash attention {local.flash_attention}, cache {local.kv_type},"
                    f" pieces of {local.batch}; llama-bench: {' '.join(how) or 'its defaults'}"
                )
            await ours.warm()
            async for what, mine, theirs in one_turn(ours, how, args, turn):
                print(f"  {turn + 1}  {_words(what):44} ours {mine:8.2f}  llama-bench {theirs:8.2f}", flush=True)
                ours_best[what].append(mine)
                theirs_best[what].append(theirs)
    good = True
    print(f"best of {args.turns}{', the long ones once' if args.quick else ''}:")
    for what, each in ours_best.items():
        ratio = max(each) / max(theirs_best[what])
        wanted = _wanted(what, tuned=args.tuned)
        good &= ratio >= wanted
        print(
            f"{_words(what):44} ours {max(each):8.2f}  llama-bench {max(theirs_best[what]):8.2f}"
            f"  ratio {ratio:.3f}  {'ok' if ratio >= wanted else 'TOO SLOW'} (wanted {wanted})"
        )
    return good


def _wanted(what: Measured, *, tuned: bool) -> float:
    if tuned:
        return DEEP if what.depth >= LONG else WRITING
    return READING if what.prompt else WRITING


def _words(what: Measured) -> str:
    if what.prompt:
        return f"reading {what.prompt} tokens"
    return f"writing {what.written} tokens at a depth of {what.depth}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--llama-bench", type=Path, help="a built llama-bench")
    parser.add_argument("--sdist", type=Path, help="llama-cpp-python's sdist, to build llama-bench from")
    parser.add_argument("--model", type=Path, help="another file than the random one in the shape of Qwen3-0.6B")
    parser.add_argument("--vocab", type=Path, help="a GGUF to take the random model's vocabulary from")
    parser.add_argument("--folder", type=Path, default=cache_folder())
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flash", choices=("on", "off"), default="off")
    parser.add_argument("--spin", type=int, help="rounds that our worker's threads spin before they sleep (Linux)")
    parser.add_argument("--depths", type=int, nargs="*", default=list(DEPTHS))
    parser.add_argument("--prompts", type=int, nargs="*", default=list(PROMPTS))
    parser.add_argument("--turns", type=int, help="else 5, or 2 with --quick")
    parser.add_argument("--quick", action="store_true", help="two turns, what is long once: some six minutes")
    parser.add_argument("--tuned", action="store_true", help="the app's own settings against llama.cpp's defaults")
    args = parser.parse_args()
    args.turns = args.turns or (2 if args.quick else 5)
    program = args.llama_bench or (llama_bench.build(args.sdist, args.folder) if args.sdist else None)
    if program is None:
        parser.error("name --llama-bench or --sdist")
    args.program = program.absolute()
    args.model = (args.model or write_model(args.folder, args.vocab)).absolute()
    with tempfile.TemporaryDirectory() as home:
        os.environ["QWEN_DESKTOP_HOME"] = home  # what is tuned here stays here
        if args.tuned:
            command = [sys.executable, "-m", "qwen_desktop", "tune", "--model", str(args.model), "--depth", "4096"]
            subprocess.run(command, check=True)
        good = asyncio.run(compare(args))
    print(f"verdict: {'ok' if good else 'too slow'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
