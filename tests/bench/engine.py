"""The engine through worker, pipe and client against ``llama-bench``, side by side, the best of each.

Equal settings (same file, threads, flash attention, cache, pieces of prompts, rearranged weights)::

    python -m tests.bench.engine --llama-bench build/bin/llama-bench --vocab …/ggml-vocab-qwen2.gguf

``--sdist llama_cpp_python-….tar.gz`` builds ``llama-bench`` first. ``--quick`` takes some ten minutes on two cores (two
turns, what is long once), the whole run 40. ``--depths 0 75 --prompts 75`` measures only these. ``--tuned`` measures
the app's own settings (a measured run first, then a load as the app does it) against ``llama-bench`` with its defaults.

Equal settings are also equal contexts: without flash attention a larger one is slower (a 0.6B by 5 to 10 % at 2,048
tokens instead of 768), and ``llama-bench`` makes one for each measure, no larger than it must be. So is ours, and a
depth is what our prompt really has: the template is never empty. Both run in slices of a second, one stopped
while the other computes, so that both have the same of a machine whose speed changes all the time.

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
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil

from qwen_desktop.core.engine import LoadRequest, LocalInfo
from qwen_desktop.core.model_ref import FileRef, LoadOptions
from qwen_desktop.core.parts import PartEvent
from qwen_desktop.core.paths import find_paths
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services import bench_prompts
from qwen_desktop.services.services import for_command
from qwen_desktop.store.settings_file import SettingsFile
from tests.bench import llama_bench
from tests.bench.llama_bench import Bench, Measured, Stopped, race
from tests.bench.random_model import cache_folder, write_model

DEPTHS, PROMPTS, WRITTEN = (0, 75, 512, 4096), (75, 700, 4000), (48, 256)
#: From here on a measure takes most of a minute.
LONG = 2048
WRITING, READING, DEEP = 0.97, 0.95, 1.5

Figures = dict[Measured, list[float]]


class Ours:
    """Our engine. ``number`` makes each text another one, so that nothing of it is remembered. ``load`` loads the model
    with a context of so many tokens; without it the model is loaded, and stays."""

    def __init__(self, engine: LocalWorkerEngine, load: Callable[[int], LoadRequest] | None = None) -> None:
        self.engine = engine
        self.number = 100  # so many digits have all of them
        self._load = load

    @property
    def local(self) -> LocalInfo:
        if self.engine.info is None or self.engine.info.local is None:
            raise SystemExit("the engine has ended")
        return self.engine.info.local

    async def ready(self, context: int, prompt: int = 32) -> None:
        """Have a context as ``llama-bench`` makes it for so many tokens, and be warm as it is: it has read a prompt."""
        if self._load is not None:
            async for _ in self.engine.load(self._load(context)):
                pass
        async with self.engine.generate(bench_prompts.request(await self._text(prompt), tokens=2)) as run:
            async for _ in run:
                pass
        await self.rest()

    async def rest(self) -> None:
        """Wait until the worker computes nothing any more."""
        worker = psutil.Process(self.engine.pid)
        used = -1.0
        while (now := sum(worker.cpu_times()[:2])) > used:
            used = now
            await asyncio.sleep(0.25)

    async def measure(self, what: Measured, stopped: Stopped, begun: asyncio.Event) -> float:
        """Tokens per second, of the time that the worker was not ``stopped``. ``begun`` is set when the clock runs."""
        text = await self._text(what.prompt or what.depth)
        tokens, first = what.written or 1, 0.0
        async with self.engine.generate(bench_prompts.request(text, tokens=tokens)) as run:
            if what.prompt:
                begun.set()
            async for event in run:
                if not first and isinstance(event, PartEvent):
                    first = time.perf_counter()
                    begun.set()
        wall, stats = time.perf_counter() - first, run.result.stats
        if stats.prompt_tokens != (what.prompt or what.depth):
            raise SystemExit(f"a prompt has {stats.prompt_tokens} tokens instead of the wanted: another vocabulary")
        if stats.completion_tokens < tokens:
            raise SystemExit(f"an answer has ended after {stats.completion_tokens} tokens: another model")
        if what.prompt:
            return what.prompt / (what.prompt / stats.prompt_tokens_per_s - stopped.seconds)
        return (what.written - 1) / (wall - stopped.seconds)

    async def shortest(self) -> int:
        """Tokens of the shortest prompt."""
        return (await bench_prompts.of_length(self.engine, 0, self.number))[1]

    async def _text(self, tokens: int) -> str:
        self.number += 1
        return (await bench_prompts.of_length(self.engine, tokens, self.number))[0]


@contextlib.asynccontextmanager
async def equal(args: argparse.Namespace) -> AsyncIterator[Ours]:
    """Our engine with the settings that ``llama-bench`` gets too."""
    engine = LocalWorkerEngine(worker_command("engine"))

    def load(context: int) -> LoadRequest:
        return LoadRequest(
            str(args.model),
            context=context,
            threads=args.threads,
            gpu_layers=0,
            flash_attention=args.flash,
            drafts="off",
        )

    ours = Ours(engine, load)
    if args.spin:
        os.environ["GOMP_SPINCOUNT"] = str(args.spin)
    try:
        await ours.ready(256)
        os.environ.pop("GOMP_SPINCOUNT", None)  # it was for our worker, which has begun
        yield ours
    finally:
        await engine.aclose()


@contextlib.asynccontextmanager
async def tuned(args: argparse.Namespace) -> AsyncIterator[Ours]:
    """Our engine as the app loads it, after a measured run whose result it keeps."""
    paths = find_paths()
    context = max((*args.depths, *args.prompts)) + max(WRITTEN) + 128
    async with for_command(paths, history=False, settings_file=SettingsFile(paths.settings_file)) as services:
        ref = FileRef(str(args.model), LoadOptions(context=context))
        async with services.engines.lease(ref) as engine:
            assert isinstance(engine, LocalWorkerEngine)
            yield Ours(engine)


def repacks() -> bool:
    """Whether our engine lets llama.cpp rearrange the weights on this processor."""
    from qwen_desktop.engine.llama import LlamaLibrary  # noqa: PLC0415 - imports llama_cpp

    return LlamaLibrary(lambda _line: None).repacks


async def one_turn(
    ours: Ours, how: list[str], args: argparse.Namespace, turn: int
) -> AsyncIterator[tuple[Measured, float, float]]:
    """Each measure by both, in slices (``race``); with ``--tuned`` one after the other."""

    async def both(what: Measured) -> tuple[Measured, float, float]:
        bench, begun = Bench(args.program, args.model, what, how), asyncio.Event()
        stopped = Stopped(ours.engine.pid or 0)
        if args.tuned:  # our engine watches how fast it is, and begins with what others left free in the last second
            await asyncio.sleep(2)
            alone = await ours.measure(what, stopped, begun)
            await ours.rest()
            await bench.begin()
            bench.stopped.go_on()
            return what, alone, await bench.ended
        await bench.begin()
        mine = asyncio.create_task(ours.measure(what, stopped, begun))
        waits = asyncio.create_task(begun.wait())
        await asyncio.wait((mine, waits), return_when=asyncio.FIRST_COMPLETED)
        await race(mine, stopped, bench)
        return what, await mine, await bench.ended

    long = turn == 0 or not args.quick
    for prompt in args.prompts:
        if prompt < LONG or long:
            await ours.ready(prompt + 2, prompt if prompt <= 512 else 32)
            yield await both(Measured(prompt, 0, 0))
    shortest = await ours.shortest()
    for depth in args.depths:
        if depth < LONG or long:
            for written in WRITTEN:
                what = Measured(0, written, max(depth, shortest))
                await ours.ready(what.depth + written)
                yield await both(what)


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
            async for what, my, their in one_turn(ours, how, args, turn):
                print(f"  {turn + 1}  {_words(what):44} ours {my:8.2f}  llama-bench {their:8.2f}", flush=True)
                ours_best[what].append(my)
                theirs_best[what].append(their)
    good = True
    print(f"best of {args.turns}{', the long ones once' if args.quick else ''}, and the median ratio of a turn:")
    for what, mine in ours_best.items():
        theirs = theirs_best[what]
        ratio = max(mine) / max(theirs)
        turns = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
        wanted = _wanted(what, tuned=args.tuned)
        good &= ratio >= wanted
        print(
            f"{_words(what):44} ours {max(mine):8.2f}  llama-bench {max(theirs):8.2f}  ratio {ratio:.3f} ({turns:.3f})"
            f"  {'ok' if ratio >= wanted else 'TOO SLOW'} (wanted {wanted})"
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
    parser.add_argument("--quick", action="store_true", help="two turns, what is long once: some ten minutes")
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
