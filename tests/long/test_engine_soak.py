"""An engine in long use: chats that are begun, gone on with, edited, made again, broken off and forgotten, with and
without adapters, in turns with other models and after restarts.

No leak, no crash, and no answer from what was read for another prompt: a sample of answers is the one of a fresh
engine, but for near ties.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections import Counter
from pathlib import Path

import psutil
from msgspec import Struct, structs

from qwen_desktop.core.engine import Adapter, ChatMessage, GenerateRequest, LoadRequest, Sampling
from qwen_desktop.core.parts import PartEvent, PartsBuilder, Role, TextPart, thinking_text, visible_text
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests import adapter_files, gguf_files
from tests.integration.engine.conftest import Files
from tests.integration.engine.in_process import Steps, gap, logits
from tests.long.conftest import TOTAL
from tests.near_ties import NEAR
from tests.smollm2 import model_path

#: A run ends after so many answers where its time is not over.
_ANSWERS = 2000
#: Of so many answers one is compared with a fresh engine's.
_SAMPLE = 20
#: A worker's memory is looked at after so many answers of it, and judged from so many on.
_LOOK, _WARM = 10, 300
#: Bytes that it may grow an answer, all else being noise.
_GROWS = 12_000
_CONTEXT = 1024
_WORDS = ("the", "river", "holds", "seven", "old", "boats", "and", "nobody", "knows", "which", "is", "called", "Marta")


class Talk(Struct):
    """A chat. ``earlier`` are other versions of it, to which it may go back."""

    key: str
    file: str
    messages: tuple[ChatMessage, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    earlier: list[tuple[ChatMessage, ...]] = []


class Worker:
    """The engine of one file, and what its process took."""

    def __init__(self, file: str, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.engine: LocalWorkerEngine | None = None
        self.answers = 0
        self.memory: dict[int, list[tuple[int, int]]] = {}

    async def ready(self) -> LocalWorkerEngine:
        if self.engine is None:
            self.engine = LocalWorkerEngine(worker_command("engine"))
            await self.load(_CONTEXT)
        return self.engine

    async def load(self, context: int) -> None:
        assert self.engine is not None
        request = LoadRequest(
            self.file, context=context, streams=3, threads=1, cache_folder=str(self.folder), cache_bytes=400 << 20
        )
        async for _ in self.engine.load(request):
            pass

    async def close(self) -> None:
        if self.engine is not None:
            await self.engine.aclose()
            self.engine = None

    def look(self) -> None:
        self.answers += 1
        pid = self.engine.pid if self.engine is not None else None
        if pid is not None and self.answers % _LOOK == 0:
            held = psutil.Process(pid).memory_info()
            self.memory.setdefault(pid, []).append((self.answers, held.rss - held.shared))

    def growth(self) -> list[tuple[int, float]]:
        """For each process that was looked at long enough: answers, and bytes it grew an answer (Theil and Sen)."""
        found = []
        for samples in self.memory.values():
            first = samples[0][0]
            kept = [(at, held) for at, held in samples if at - first >= _WARM]
            if len(kept) >= 20:
                half = len(kept) // 2
                slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in zip(kept[:half], kept[-half:], strict=True)]
                found.append((kept[-1][0] - first, statistics.median(slopes)))
        return found


def words(count: int) -> str:
    return " ".join(random.choices(_WORDS, k=count))


def user(text: str) -> ChatMessage:
    return ChatMessage(Role.USER, (TextPart(text),))


def request_of(talk: Talk, tokens: int) -> GenerateRequest:
    return GenerateRequest(
        talk.messages,
        max_tokens=tokens,
        sampling=Sampling(temperature=0.0),
        cache_key=talk.key,
        keep=not talk.key.startswith("t"),
        adapters=talk.adapters,
    )


def as_fresh(file: str, request: GenerateRequest, said: str) -> bool:
    """Whether a fresh engine says the same; it may part from it at a near tie. False where it cannot be told."""
    fresh = Steps(file, size=_CONTEXT)
    gaps: list[float] = []
    pieces: list[str] = []
    try:
        call = fresh.ask(structs.replace(request, keep=False, cache_key=""))
        while fresh.scheduler.busy:
            fresh.scheduler.step()
            jobs = fresh.scheduler._jobs
            if jobs and jobs[0].generation is not None:
                gaps.append(gap(logits(fresh.session.context)))
                pieces.append(call.text)
        if call.error is not None:
            raise call.error
        whole = call.text
        if whole == said:
            return True
        # The text after each step is told at most a frame late: near the first difference some step is a near tie.
        same = next(
            (i for i, (a, b) in enumerate(zip(whole, said, strict=False)) if a != b), min(len(whole), len(said))
        )
        at = next((i for i, text in enumerate(pieces) if len(text) > same), len(pieces) - 1)
        near = gaps[max(0, at - 40) : at + 1]
        assert near and min(near) <= NEAR, f"{said!r} in the place of {whole!r}"
        return False
    finally:
        fresh.close()


async def broken_off(engine: LocalWorkerEngine, request: GenerateRequest) -> None:
    """Ask, and go away at some moment."""
    async with engine.generate(request) as run:
        wait = random.random() * 0.3
        try:
            async with asyncio.timeout(wait):
                async for _ in run:
                    pass
        except TimeoutError:
            await run.stop()


async def answered(engine: LocalWorkerEngine, request: GenerateRequest) -> tuple[str, str]:
    parts = PartsBuilder()
    async with engine.generate(request) as run:
        async for event in run:
            if isinstance(event, PartEvent):
                parts.take(event)
    return visible_text(parts.parts()), thinking_text(parts.parts())


class Soak:
    """Six chats in random use until a deadline."""

    def __init__(self, files: list[str], adapters: dict[str, list[str]], folder: Path) -> None:
        self.workers = {file: Worker(file, folder) for file in files}
        self.adapters = adapters
        self.talks = [Talk(f"chat{number}", random.choice(files)) for number in range(5)]
        self.talks.append(Talk("t" + "0" * 32, random.choice(files)))
        self.done: Counter[str] = Counter()

    async def run(self, deadline: float) -> None:
        try:
            while time.monotonic() < deadline and self.done["answer"] < _ANSWERS:
                await self.step(random.choice(self.talks))
        finally:
            await asyncio.gather(*(worker.close() for worker in self.workers.values()))

    async def step(self, talk: Talk) -> None:
        self._change(talk)
        worker = self.workers[talk.file]
        engine = await worker.ready()
        request = request_of(talk, random.choice((4, 12, 24, 40)))
        chance = random.random()
        if chance < 0.15:
            self.done["broken off"] += 1
            await broken_off(engine, request)
            return
        if chance < 0.25:  # another chat beside it, if it is one of the same model
            other = random.choice(self.talks)
            if other is not talk and other.file == talk.file and other.messages[-1:] and _asks(other):
                self.done["beside"] += 1
                (said, thought), _ = await asyncio.gather(
                    answered(engine, request), broken_off(engine, request_of(other, 24))
                )
            else:
                said, thought = await answered(engine, request)
        else:
            said, thought = await answered(engine, request)
        self.done["answer"] += 1
        worker.look()
        if self.done["answer"] % _SAMPLE == 1 and not thought:
            self.done["same" if await asyncio.to_thread(as_fresh, talk.file, request, said) else "near tie"] += 1
        talk.messages = (*talk.messages, ChatMessage(Role.ASSISTANT, (TextPart(said or "…"),)))
        await self._between(worker)

    def _change(self, talk: Talk) -> None:
        """What is asked next."""
        chance = random.random()
        if _asks(talk):
            if chance < 0.5:
                talk.messages = (*talk.messages[:-1], user(words(random.randint(2, 60))))  # it was broken off: edited
            return
        if not talk.messages or len(str(talk.messages)) > 2500 or chance < 0.03:
            talk.earlier.clear()
            talk.messages = (user(words(random.choice((3, 40, 150)))),)
        elif chance < 0.55:
            talk.messages = (*talk.messages, user(words(random.choice((2, 10, 60)))))
        elif chance < 0.7:
            talk.earlier = [*talk.earlier[-3:], talk.messages]
            talk.messages = talk.messages[:-1]  # made again
            self.done["again"] += 1
        elif chance < 0.85:
            talk.earlier = [*talk.earlier[-3:], talk.messages]
            talk.messages = (*talk.messages[:-2], user(words(12)))  # the question was edited
            self.done["edited"] += 1
        elif chance < 0.93 and talk.earlier:
            talk.messages = (*random.choice(talk.earlier), user(words(5)))  # another version
            self.done["version"] += 1
        else:
            talk.messages = (*talk.messages, user(words(5)))
        if random.random() < 0.1:
            known = self.adapters[talk.file]
            some = random.sample(known, random.randint(0, len(known)))
            talk.adapters = tuple(Adapter(path, random.choice((0.5, 1.0))) for path in some)
            self.done["adapters"] += 1
        if random.random() < 0.03:
            talk.file, talk.adapters = random.choice(list(self.workers)), ()
            self.done["model"] += 1

    async def _between(self, worker: Worker) -> None:
        chance, engine = random.random(), worker.engine
        if engine is None:
            return
        if chance < 0.003:
            self.done["restart"] += 1
            await worker.close()
        elif chance < 0.01:
            self.done["reload"] += 1
            await worker.load(random.choice((_CONTEXT, _CONTEXT + 256)))
        elif chance < 0.02:
            self.done["forgotten"] += 1
            await engine.forget((random.choice(self.talks).key,))


def _asks(talk: Talk) -> bool:
    return bool(talk.messages) and talk.messages[-1].role is Role.USER


def test_an_engine_in_long_use(seconds: float, tmp_path: Path) -> None:
    written = Files(tmp_path)
    small = written.get("soak", vocab=600, tied=False, width=128, prefer=gguf_files.NEVER_ENDS)
    files = [str(model_path()), small, written.hybrid()]
    adapters = {
        file: [adapter_files.write(tmp_path / f"{at}-{seed}.gguf", file, seed=seed, strength=0.05) for seed in range(2)]
        for at, file in enumerate(files)
    }
    soak = Soak(files, adapters, tmp_path / "kept")
    asyncio.run(soak.run(time.monotonic() + seconds))
    growth = {Path(worker.file).name: worker.growth() for worker in soak.workers.values()}
    if TOTAL in os.environ:
        print(dict(soak.done), growth)
    assert soak.done["answer"] > 0
    for name, found in growth.items():
        for answers, slope in found:
            assert slope < _GROWS, f"{name} grew {slope:.0f} bytes an answer over {answers}"
