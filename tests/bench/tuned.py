"""What tuning gains: the tuned settings against llama.cpp's defaults, at several depths, writing and reading.

Writes the random-weight model of ``random_model`` (or takes ``--model``), tunes it as the app does, then times
both ways on the same weights in turns: llama.cpp's defaults (flash attention, all cores, a 16-bit cache) and what was
chosen. Depths are made up, so that a run takes a minute or two. The best of all turns counts. Run it on a quiet
machine (it says how much of the processors it got)::

    python -m tests.bench.tuned

The verdict is "ok" where answers are at least 1.5 times as fast at 4,096 tokens, and nowhere below 0.97. Where the
kernels of the processor make flash attention faster in short conversations and slower in long ones, no one way can be
both; the figures then say what is gained and lost.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from qwen_desktop.core import memory
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.placement import Placement
from qwen_desktop.core.tuning import DEFAULT_WAY, TuneRequest, Tuning, Way
from qwen_desktop.engine.llama import Flag, LlamaLibrary, Model
from qwen_desktop.engine.timed import Timed
from qwen_desktop.engine.tuning import Tuner
from tests.bench.random_model import cache_folder, write_model

DEEP, DEEP_TARGET, TARGET = 4096, 1.5, 0.97
#: Tokens written, and read, in one turn.
_WRITTEN = 8


class Side:
    """One way of running the model, at the depth that it is filled to."""

    def __init__(self, model: Model, way: Way, write: int, read: int, *, size: int) -> None:
        self.write_threads, self.read_threads = write, read
        self.chunk = memory.chunk(model.parameters)
        self.context = Timed(model, way, Flag(), size=size, threads=write, chunk=self.chunk)
        self.one = self.context.one_token()
        self.best: dict[tuple[str, int], float] = {}

    def turn(self, depth: int) -> None:
        """Write some tokens and read a chunk after ``depth`` tokens; the best of each stays."""
        for _ in range(_WRITTEN):
            self._note("write", depth, 1 / self.context.write(self.write_threads))
        self._note("read", depth, self.chunk / self.context.read(self.read_threads, self.chunk))

    def fill(self, depth: int) -> None:
        """Be ``depth`` tokens deep."""
        if depth:
            self.context.fill(self.one, depth)
        else:
            self.context.empty()

    def _note(self, work: str, depth: int, reached: float) -> None:
        self.best[work, depth] = max(self.best.get((work, depth), 0.0), reached)


def tuned(model: Model, seconds: float) -> Tuning:
    """As the app does it."""
    result = Tuner().run(
        model, TuneRequest(depth=DEEP, seconds=seconds), gpu=False, stop=Flag(), progress=lambda _part: None
    )
    on_off = "on" if result.flash_attention else f"for the first {result.flash_until} tokens"
    print(
        f"tuned in {result.seconds:.1f} s: flash attention {on_off}, {result.kv_type}, {result.threads} threads to "
        f"write, {result.read_threads} to read, batches of {result.batch_rows}; {result.share:.0%} of the processors, "
        f"{'whole' if result.whole else 'NOT WHOLE'}"
    )
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="another file")
    parser.add_argument("--folder", type=Path, default=cache_folder())
    parser.add_argument("--seconds", type=float, default=20.0, help="for tuning")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--depth", type=int, nargs="*", default=[0, 512, DEEP])
    args = parser.parse_args()
    path = args.model or write_model(args.folder, None)
    model = LlamaLibrary(lambda _line: None).load(read_header(str(path)), Placement(), lambda _part: True)
    result = tuned(model, args.seconds)
    size = memory.padded(max(args.depth) + 1024)
    theirs = Side(model, DEFAULT_WAY, result.cores, result.cores, size=size)
    ours = Side(model, result.way, result.threads, result.read_threads, size=size)
    busy, began = time.process_time(), time.perf_counter()
    begins = Side(model, DEFAULT_WAY, result.threads, result.read_threads, size=size)
    sides = {depth: begins if depth < result.flash_until else ours for depth in args.depth}
    for depth, mine in sides.items():
        for side in (theirs, mine):
            side.fill(depth)
        for turn in range(args.turns):
            for side in (theirs, mine) if turn % 2 else (mine, theirs):
                side.turn(depth)
    share = (time.process_time() - busy) / ((time.perf_counter() - began) * result.cores)
    print(f"{'':24}{'llama.cpp':>12}{'tuned':>12}{'ratio':>8}")
    ok = True
    for work in ("write", "read"):
        for depth in args.depth:
            a, b = theirs.best[work, depth], sides[depth].best[work, depth]
            ok = ok and (work == "read" or b / a >= (DEEP_TARGET if depth >= DEEP else TARGET))
            print(f"{work + ' at ' + str(depth):24}{a:>12.2f}{b:>12.2f}{b / a:>8.2f}")
    print(f"got {share:.0%} of {result.cores} cores; verdict (writing): {'ok' if ok else 'too slow'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
