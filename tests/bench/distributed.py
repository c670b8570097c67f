"""Speed of the distributed engine (every processor in one build) against the one built for this processor.

Both workers answer the same request on the same file in turns; the best of each counts. ``--program`` is the console
program of a frozen folder; without it nothing is measured::

    python -m tests.bench.distributed --program dist/qwen-desktop/qwen-desktop

Wanted: 0.95 for the prompt and for the answer. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from qwen_desktop.core.engine import ChatMessage, GenerateRequest, LoadRequest, Sampling
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests.bench.random_model import cache_folder, write_model

#: Of the prompt and of the answer.
TARGET = 0.95
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Side:
    """One of the two engines, kept loaded: the process's own start and the file's first reading do not count."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self.engine = LocalWorkerEngine(command)
        self.prompt: list[float] = []
        self.decode: list[float] = []

    async def load(self, model: Path, threads: int) -> None:
        request = LoadRequest(str(model), context=2048, threads=threads, gpu_layers=0, flash_attention="off")
        async for _ in self.engine.load(request):
            pass

    @property
    def cpu(self) -> str:
        info = self.engine.info
        return info.local.cpu if info and info.local else ""

    async def turn(self, turn: int, prompt: int, tokens: int) -> None:
        words = " ".join(_WORDS[(i * i + turn) % 10] for i in range(prompt))
        message = ChatMessage(Role.USER, (TextPart(f"{turn} {words}"),))  # another start: nothing is remembered
        request = GenerateRequest((message,), max_tokens=tokens, sampling=Sampling(temperature=0.0))
        async with self.engine.generate(request) as run:
            async for _ in run:
                pass
        self.prompt.append(run.result.stats.prompt_tokens_per_s)
        self.decode.append(run.result.stats.decode_tokens_per_s)


async def compare(args: argparse.Namespace, model: Path) -> bool:
    program = str(args.program.absolute())  # workers start in a folder of their own
    ours, native = Side("distributed", [program, "--worker", "engine"]), Side("native", worker_command("engine"))
    for side in (ours, native):
        await side.load(model, args.threads)
        print(f"{side.name}: {side.cpu}", flush=True)
    for turn in range(args.turns + 1):
        for side in (ours, native) if turn % 2 else (native, ours):
            await side.turn(turn, args.prompt, args.tokens)
            await asyncio.sleep(args.pause)
            if turn == 0:  # touches the pages
                side.prompt.clear()
                side.decode.clear()
            else:
                print(f"{turn} {side.name:12} prompt {side.prompt[-1]:7.1f}  decode {side.decode[-1]:6.2f}", flush=True)
    for side in (ours, native):
        await side.engine.aclose()
    prompt, decode = max(ours.prompt) / max(native.prompt), max(ours.decode) / max(native.decode)
    print(f"best of {args.turns}: prompt {max(ours.prompt):.1f} to {max(native.prompt):.1f} tokens/s: {prompt:.3f}")
    print(f"best of {args.turns}: decode {max(ours.decode):.2f} to {max(native.decode):.2f} tokens/s: {decode:.3f}")
    return min(prompt, decode) >= TARGET


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--program", type=Path, help="the console program of a frozen folder")
    parser.add_argument("--model", type=Path, help="another file than the random one in the shape of Qwen3-0.6B")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=400, help="words of the prompt")
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--pause", type=float, default=2, help="seconds: threads of the other side go to sleep")
    args = parser.parse_args()
    if args.program is None:
        print("nothing to measure: name a frozen folder's console program with --program")
        return 0
    good = asyncio.run(compare(args, args.model or write_model(cache_folder(), None)))
    print(f"verdict: {'ok' if good else 'too slow'} (wanted {TARGET})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
