"""What hybrid models keep, on a model of random weights in the shape of Qwen3.5-0.8B: seconds and tokens.

    python -m tests.bench.hybrid [--tokens 1500] [--rounds 3] [--threads 2]

Prints how long a recurrent state takes to be kept and to be gone back to, and the time to the first token of another
answer, another last question and the next turn, beside that of the same prompts when nothing of them was read.
The best of all rounds; each round asks all of them once, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import defaultdict
from pathlib import Path

from qwen_desktop.core.engine import ChatMessage, GenerateRequest, LoadRequest, Sampling, Stats
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.core.placement import Placement
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests import gguf_shapes
from tests.bench.random_model import cache_folder
from tests.template_forms import FORMS

#: An answer of so many tokens is written each time.
_WRITTEN = 24


def write_model() -> Path:
    """The model, written once."""
    path = cache_folder() / "qwen3.5-0.8b-random-q8_0.gguf"
    if not path.exists():
        print("writing the model …", file=sys.stderr, flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        gguf_shapes.write(part, gguf_shapes.PLANS["Qwen3.5-0.8B"], weights=True, template=FORMS["Qwen3.5"])
        part.rename(path)
    return path


def states(path: Path, threads: int, rounds: int) -> None:
    """Keeping a state and going back to it, in a context of this process."""
    from qwen_desktop.engine.llama import Flag, LlamaLibrary  # noqa: PLC0415 - the other part has a worker for it
    from qwen_desktop.engine.llama_context import Context, ContextShape  # noqa: PLC0415

    model = LlamaLibrary(lambda _line: None).load(read_header(path), Placement(0), lambda _part: True)
    made = Context(model, ContextShape(512, threads, 16, "off", "f16"), Flag())
    sequence, prompt = made.sequences[0], [300 + index for index in range(24)]
    taken, back, size = list[float](), list[float](), 0
    for _ in range(3 * rounds):
        sequence.forget()
        made.read(sequence, prompt[:16])
        began = time.perf_counter()
        kept = made.checkpoint(sequence)
        taken.append(time.perf_counter() - began)
        size = len(kept.state) if kept is not None else 0
        made.read(sequence, prompt)
        began = time.perf_counter()
        sequence.reuse([*prompt[:16], 1, 2])
        back.append(time.perf_counter() - began)
    print(
        f"a state of {size / 1e6:.1f} MB: kept in {min(taken) * 1e3:.1f} ms, gone back to in {min(back) * 1e3:.1f} ms"
    )
    made.close()
    model.close()


def question(text: str, words: int, number: int) -> ChatMessage:
    """A message of some four tokens a word that is another one for each ``number``."""
    return ChatMessage(Role.USER, (TextPart(f"{number} " + " ".join(f"{text}{at % 10}" for at in range(words))),))


async def ask(engine: LocalWorkerEngine, messages: tuple[ChatMessage, ...], key: str) -> Stats:
    """Figures of an answer to these."""
    request = GenerateRequest(messages, sampling=Sampling(temperature=1.0, seed=7), cache_key=key, max_tokens=_WRITTEN)
    async with engine.generate(request) as run:
        async for _ in run:
            pass
    return run.result.stats


async def turns(path: Path, threads: int, tokens: int, rounds: int) -> None:
    """Another answer, another last question and the next turn, with what was read and without."""
    engine = LocalWorkerEngine(worker_command("engine"))
    best: dict[str, list[tuple[float, int]]] = defaultdict(list)

    def keep(name: str, stats: Stats) -> None:
        best[name].append((stats.ttft_s, stats.evaluated_tokens))

    answer = ChatMessage(Role.ASSISTANT, (TextPart("Yes, that is so. " * 4),))
    try:
        async for _ in engine.load(LoadRequest(str(path), context=4096, threads=threads, streams=1)):
            pass
        for number in range(rounds):
            talk = (question("a", tokens // 4, number),)
            prompts = {
                "another answer": talk,
                "the next turn": (*talk, answer, question("n", 8, number)),
                "another last question": (*talk, answer, question("o", 8, number)),
            }
            keep("the first answer", await ask(engine, talk, f"{number}"))
            for name, messages in prompts.items():
                keep(name, await ask(engine, messages, f"{number}"))
            for name, messages in prompts.items():
                await ask(engine, (question("x", 4, number),), "other")  # what was read is forgotten
                keep(f"{name}, nothing read", await ask(engine, messages, f"{number} {name}"))
    finally:
        await engine.aclose()
    for name, found in best.items():
        seconds, evaluated = min(found)
        print(f"{name:>36}: {seconds:7.2f} s to the first token, {evaluated:5} tokens evaluated")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tokens", type=int, default=1500)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--threads", type=int, default=2)
    how = options.parse_args()
    path = write_model()
    states(path, how.threads, how.rounds)
    asyncio.run(turns(path, how.threads, how.tokens, how.rounds))


if __name__ == "__main__":
    main()
