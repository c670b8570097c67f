"""Writing ahead against writing token by token: two engines side by side, their answers one after the other.

The real small model (``QWEN_DESKTOP_TEST_MODEL``) copies and corrects texts, and writes texts that do not repeat::

    python -m tests.bench.drafts [--model PATH] [--draft PATH|random] [--rounds 5] [--threads 2] [--cpu]

Told are the best speeds of each kind and their ratio, and how many guesses were made and were right. Wanted: 1.3 on
copied texts, 0.99 on others. ``--cpu`` counts the processor's seconds instead of the clock's, with one thread: the only
figures that say anything where other programs compute. In the end both write the same in this process, where each
token is compared: where they part, the two best must be within 1.0 of each other. With ``--draft`` a second model
guesses beside the text: one at a path, or "random", one with the same tokens that is never right and must cost nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from qwen_desktop.core.engine import ChatMessage, GenerateRequest, LoadRequest, Sampling, Stats
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.parts import PartEvent, Role, TextPart
from qwen_desktop.engine.drafting import draft_model
from qwen_desktop.engine.llama_context import Context
from qwen_desktop.engine.llama_sampler import Sampler
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests import gguf_files
from tests.integration.engine.in_process import Steps, gap, library, logits

COPIED, OTHERS, TIE = 1.3, 0.99, 1.0

PIER = (
    "The old lighthouse at the end of the pier had not been lit for thirty years. Every evening the keeper's daughter"
    " walked out along the stones, carrying a lantern and a small notebook in which she wrote down the names of the"
    " ships that passed. Most of them were fishing boats from the village, but now and then a large grey freighter"
    " would come by, slow and silent, and she would wave at it until it vanished behind the headland. Nobody ever"
    " waved back. One autumn night, when the wind had dropped and the sea lay flat as glass, she saw a light blinking"
    " far out on the water, three short flashes and one long, again and again. She ran back to the village to tell"
    " her father, who shook his head and said that it was only the moon between the clouds."
)
GARDEN = (
    "A garden needs less work than most people think, if the work is done at the right time. In early spring the soil"
    " is loosened with a fork, never turned over, so that the worms stay where they are. Seeds of peas and spinach can"
    " be sown as soon as the ground is no longer frozen; beans and pumpkins must wait for warm nights. Water in the"
    " morning, close to the roots, and not a little each day but a lot twice a week. What grows too thickly is thinned"
    " out early, which feels cruel and saves the harvest."
)
COPIES = (
    f"Copy this text word for word:\n\n{PIER}",
    f"Repeat the following text exactly as it is, and correct spelling mistakes:\n\n{GARDEN}",
)
STORIES = (
    "Write a story about a dog and a river.",
    "Explain how rain forms.",
    "Describe the history of the bicycle.",
)


class Side:
    """An engine, and the best speed of each text by its number."""

    def __init__(self, drafts: str) -> None:
        self.drafts = drafts
        self.engine = LocalWorkerEngine(worker_command("engine"))
        self.worker: psutil.Process | None = None
        self.best: dict[str, float] = {}
        self.stats: dict[str, Stats] = {}

    async def load(self, model: str, threads: int, draft: str) -> None:
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        how = LoadRequest(
            model,
            context=2048,
            threads=threads,
            gpu_layers=0,
            drafts=self.drafts,
            draft_model=draft,  # type: ignore[arg-type]
        )
        async for _ in self.engine.load(how):
            pass
        for notice in self.engine.info.notices if self.engine.info is not None else ():
            print(notice)
        new = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
        self.worker = max(new, key=lambda child: child.memory_info().rss)

    def _clock(self, *, cpu: bool) -> float:
        if not cpu or self.worker is None:
            return time.perf_counter()
        times = self.worker.cpu_times()
        return float(times.user + times.system)

    async def write(self, text: str, tokens: int, *, cpu: bool) -> None:
        began = 0.0
        async with self.engine.generate(request(text, tokens)) as run:
            async for event in run:
                if not began and isinstance(event, PartEvent):
                    began = self._clock(cpu=cpu)
        seconds, stats = self._clock(cpu=cpu) - began, run.result.stats
        self.best[text] = max(self.best.get(text, 0.0), (stats.completion_tokens - 1) / max(seconds, 1e-9))
        self.stats[text] = stats


def request(text: str, tokens: int) -> GenerateRequest:
    return GenerateRequest(
        (ChatMessage(Role.USER, (TextPart(text),)),), sampling=Sampling(temperature=0.0), max_tokens=tokens
    )


async def speeds(args: argparse.Namespace) -> bool:
    sides = [Side("off"), Side("auto")]
    good = True
    try:
        for side in sides:
            await side.load(args.model, args.threads, args.draft if side.drafts == "auto" else "")
        plain, ahead = sides
        for name, texts, wanted in (("copied", COPIES, COPIED), ("others", STORIES, OTHERS)):
            for number in range(args.rounds + 1):
                for text in texts:
                    for side in sides if number % 2 else sides[::-1]:
                        await side.write(text, args.tokens, cpu=args.cpu)
                if not number:  # the first round touches the pages
                    for side in sides:
                        side.best.clear()
            ratios = [ahead.best[text] / plain.best[text] for text in texts]
            for text, ratio in zip(texts, ratios, strict=True):
                stats = ahead.stats[text]
                print(
                    f"{name}: {plain.best[text]:.1f} -> {ahead.best[text]:.1f} tokens/s, ratio {ratio:.3f};"
                    f" {stats.completion_tokens} tokens, {stats.accepted_tokens} of {stats.drafted_tokens} right"
                )
            middle = statistics.geometric_mean(ratios)
            print(f"{name}: {middle:.3f}  {'ok' if middle >= wanted else 'TOO SLOW'} (wanted {wanted})")
            good = good and middle >= wanted
    finally:
        for side in sides:
            await side.engine.aclose()
    return good


def written(model: str, text: str, tokens: int, outputs: int, draft: str = "") -> list[tuple[bytes, int]]:
    """Row and token of each choice."""
    seen: list[tuple[bytes, int]] = []
    chosen = Sampler.next

    def choose(sampler: Sampler, made: Context, row: int, refused: int | None = None) -> int:
        if made is not steps.session.context:
            return chosen(sampler, made, row, refused)
        values = logits(made, row)
        token = chosen(sampler, made, row, refused)
        seen.append((values, token))
        return token

    steps = Steps(model, size=2048, chunk=128, outputs=outputs)
    if draft and outputs > 1 and steps.session.costs is not None:
        session = steps.session
        session.guesses_with(
            draft_model.load(library(), draft, session.context, steps.gate.flag, session.costs)  # type: ignore[arg-type]
        )
    Sampler.next = choose  # type: ignore[method-assign, assignment]
    try:
        steps.answer(request(text, tokens))
    finally:
        Sampler.next = chosen  # type: ignore[method-assign]
        steps.close()
    return seen


def same(args: argparse.Namespace) -> bool:
    good = True
    for text in (*COPIES, *STORIES):
        plain, ahead = (written(args.model, text, args.tokens, outputs, args.draft) for outputs in (1, 16))
        parted = next((n for n, (a, b) in enumerate(zip(plain, ahead, strict=False)) if a[1] != b[1]), None)
        apart = gap(plain[parted][0]) if parted is not None else 0.0
        where = "the same" if parted is None else f"parts at token {parted}, where the best two are {apart:.3f} apart"
        print(f"{text[:40]!r}: {where}")
        good = good and apart < TIE
    return good


def never_right(model: Path, folder: Path) -> str:
    """A small model with the same tokens and random weights."""
    pre = str(read_header(model).metadata["tokenizer.ggml.pre"])
    shape = {"layers": 4, "width": 128, "hidden": 384}
    return str(gguf_files.write(folder / "random.gguf", vocab_from=model, pre=pre, **shape))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=lambda path: str(Path(path).absolute()))
    parser.add_argument("--draft", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=180)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", action="store_true")
    args = parser.parse_args()
    args.model = args.model or os.environ.get("QWEN_DESKTOP_TEST_MODEL")
    if not args.model:
        parser.error("which model? --model, or QWEN_DESKTOP_TEST_MODEL")
    if args.cpu:
        args.threads = 1
    psutil.cpu_percent(None)
    time.sleep(1)
    print(f"processor taken by others before the run: {psutil.cpu_percent(None):.0f} %")
    with tempfile.TemporaryDirectory() as folder:
        if args.draft == "random":
            args.draft = never_right(Path(args.model), Path(folder))
        good = asyncio.run(speeds(args))
        return 0 if same(args) and good else 1


if __name__ == "__main__":
    sys.exit(main())
