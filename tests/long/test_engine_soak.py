"""An engine in long use: six chats that are begun, gone on with, edited, made again, broken off and forgotten, side by
side, with and without adapters, forms and other models, beside batches and embeddings, through restarts and kills.

No leak, no crash, no answer that never comes, and none from what was read for another prompt: a sample of answers is
what a fresh engine says, but for near ties.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct, structs

from qwen_desktop.core.engine import (
    Adapter,
    ChatMessage,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    Grammar,
    LoadRequest,
    Sampling,
)
from qwen_desktop.core.parts import Part, PartEvent, PartsBuilder, Role, TextPart, ThinkingPart, visible_text
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests import adapter_files, gguf_shapes
from tests.integration.engine.in_process import Steps
from tests.long.conftest import TOTAL
from tests.near_ties import Fresh
from tests.smollm2 import model_path
from tests.template_forms import FORMS

#: A run ends after so many answers where its time is not over; some of them are compared with a fresh engine's.
_ANSWERS, _SAMPLES = 2000, 100
#: Shorter runs have one model.
_SHORT_S = 20.0
#: A process's memory is judged over so many answers behind the first ones.
_WARM, _JUDGED = 60, 150
#: Bytes that it may grow an answer, and in all, which is noise.
_GROWS, _NOISE = 4_000, 8 << 20
#: The first process of a model lives for so many answers, later ones for some of these numbers.
_LIVES, _SHORT_LIVES = 450, (8, 25, 60, 120)
#: What is done takes less than so many seconds, on a computer that does other things as well.
_HANGS_S = 180.0
_CONTEXT = 1024
#: Less than the conversations take together.
_KEPT_BYTES = 40 << 20
_WORDS = ("the", "river", "holds", "seven", "old", "boats", "and", "nobody", "knows", "which", "is", "called", "Marta")
_FORMS = (
    Grammar("gbnf", 'root ::= [a-z]+ (" " [a-z]+)* "."'),
    Grammar("json_schema", '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'),
)


class Talk(Struct):
    """A chat. ``earlier`` are other versions of it, to which it may go back; one that ``repeats`` asks for what was
    said already."""

    key: str
    repeats: bool = False
    messages: tuple[ChatMessage, ...] = ()
    adapters: dict[str, tuple[Adapter, ...]] = {}
    earlier: list[tuple[ChatMessage, ...]] = []


class Answer(Struct):
    """What was said to a request to the model of ``file``, in a context of ``size`` tokens."""

    file: str
    size: int
    request: GenerateRequest
    parts: tuple[Part, ...]
    result: GenerateResult


class Worker:
    """The engine of one file, and what its processes took: for each pairs of answers and bytes, right after the model
    was loaded anew. In between the heap holds some tens of MB that are free, now more and now less."""

    def __init__(self, file: str, folder: Path) -> None:
        self.file, self.folder = file, folder
        self.engine: LocalWorkerEngine | None = None
        self.answers, self.life = 0, _LIVES
        self.memory: list[list[tuple[int, int]]] = []
        self.texts: dict[str, list[float]] = {}

    async def ready(self) -> LocalWorkerEngine:
        if self.engine is None:
            self.engine = LocalWorkerEngine(worker_command("engine"))
            self.answers = 0
            self.memory.append([])
            await self.load(_CONTEXT)
        return self.engine

    async def load(self, context: int) -> None:
        assert self.engine is not None
        request = LoadRequest(
            self.file,
            context=context,
            streams=3,
            threads=1,
            read_threads=1,
            kv_type="f16",
            flash_until=random.choice((0, 200)),
            cache_folder=str(self.folder),
            cache_bytes=_KEPT_BYTES,
        )
        async for _ in self.engine.load(request):
            pass
        if self.engine.pid is not None:
            held = psutil.Process(self.engine.pid).memory_info()
            self.memory[-1].append((self.answers, held.rss - getattr(held, "shared", 0)))

    async def close(self, *, kill: bool = False) -> None:
        if self.engine is not None:
            pid = self.engine.pid
            if kill and pid is not None:
                psutil.Process(pid).kill()
            elif self.answers >= _WARM:
                await self.load(_CONTEXT)
            await self.engine.aclose()
            self.engine, self.life = None, random.choice(_SHORT_LIVES)

    def growth(self) -> list[tuple[int, float]]:
        """For each process that lived long enough: answers, and bytes that it grew an answer."""
        found = []
        for samples in self.memory:
            warm = [(at, held) for at, held in samples if at >= _WARM]
            if warm and (answers := warm[-1][0] - warm[0][0]) >= _JUDGED:
                found.append((answers, (warm[-1][1] - warm[0][1]) / answers))
        return found


def words(count: int) -> str:
    return " ".join(random.choices(_WORDS, k=count))


def user(text: str) -> ChatMessage:
    return ChatMessage(Role.USER, (TextPart(text),))


def _asks(talk: Talk) -> bool:
    return bool(talk.messages) and talk.messages[-1].role is Role.USER


def _text(parts: tuple[Part, ...]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart | ThinkingPart))


async def _ask(engine: LocalWorkerEngine, request: GenerateRequest, patience: float | None) -> tuple[Any, Any]:
    """Ask, and go away after ``patience`` seconds; what was said until then, and how it ended."""
    said = PartsBuilder(request.messages[-1].parts if request.go_on else ())

    async def listen() -> None:
        async for event in run:
            if isinstance(event, PartEvent):
                said.take(event)

    async with engine.generate(request) as run:
        try:
            async with asyncio.timeout(patience):
                await listen()
        except TimeoutError:
            await run.stop()
            if random.random() < 0.5:  # else it is left at once
                await listen()
    return said.parts(), run.result


class Soak:
    """Six chats in random use until a deadline."""

    def __init__(self, files: list[str], adapters: dict[str, list[str]], folder: Path) -> None:
        self.workers = {file: Worker(file, folder) for file in files}
        self.adapters = adapters
        self.talks = [Talk(f"chat{number}", number % 3 == 0) for number in range(5)] + [Talk("t" + "0" * 32)]
        self.file = self.slow = files[0]
        self.done: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.asked = 0
        self.sample: list[Answer] = []
        self.before: dict[str, str] = {}
        self.began = time.monotonic()

    async def run(self, deadline: float) -> None:
        try:
            while self.done["answer"] < _ANSWERS and (time.monotonic() < deadline or not self.done["compared"]):
                async with asyncio.timeout(_HANGS_S):
                    await self.step()
        finally:
            await asyncio.gather(*(worker.close() for worker in self.workers.values()))

    async def step(self) -> None:
        """Some chats at once, and what goes on beside them."""
        worker = self.workers[self.file]
        await worker.ready()
        talks = random.sample(self.talks, random.choices((1, 2, 3, 5), (66, 20, 10, 4))[0])
        work: list[Coroutine[Any, Any, None]] = [self._turn(worker, talk) for talk in talks]
        chance = random.random()
        if chance < 0.04:
            work.append(self._embed(worker))
        elif chance < 0.08:
            work.append(self._batch(worker))
        await asyncio.gather(*work)
        for answer in self.sample:
            await asyncio.to_thread(self._compare, answer)
        self.sample.clear()
        await self._between(worker)

    # What is asked ---------------------------------------------------------------------------------------------------

    async def _turn(self, worker: Worker, talk: Talk) -> None:
        self._change(talk)
        request = GenerateRequest(
            talk.messages,
            max_tokens=random.choice((4, 12, 24, 40)),
            sampling=Sampling(temperature=0.0) if random.random() < 0.9 else Sampling(temperature=0.8, seed=5),
            cache_key=talk.key,
            keep=not talk.key.startswith("t"),
            adapters=talk.adapters.get(worker.file, ()),
            grammar=random.choice(_FORMS) if random.random() < 0.06 else None,
        )
        if random.random() < 0.15:
            parts, _ = await self._answer(worker, request, random.random() * 0.3)
            if visible_text(parts) and random.random() < 0.5:
                talk.messages = (*talk.messages, ChatMessage(Role.ASSISTANT, parts))
            return
        parts, result = await self._answer(worker, request)
        if result.finish_reason is FinishReason.LENGTH and request.grammar is None and random.random() < 0.2:
            self.done["gone on"] += 1
            more = (*talk.messages, ChatMessage(Role.ASSISTANT, parts))
            request = structs.replace(request, messages=more, go_on=True)
            parts, result = await self._answer(worker, request)
        elif result.recipe is not None and result.recipe.alone and random.random() < 0.05:
            same, then = await self._answer(worker, structs.replace(request, again=result.recipe, keep=False))
            self.done[f"made again {', '.join(each.code for each in then.differs) or 'exactly'}"] += 1
            assert then.differs or _text(same) == _text(parts), f"{_text(same)!r} in the place of {_text(parts)!r}"
        talk.messages = (*talk.messages, ChatMessage(Role.ASSISTANT, parts or (TextPart("…"),)))

    async def _answer(
        self, worker: Worker, request: GenerateRequest, patience: float | None = None
    ) -> tuple[tuple[Part, ...], GenerateResult]:
        assert worker.engine is not None and worker.engine.info is not None
        size = worker.engine.info.context_size
        parts, result = await _ask(worker.engine, request, patience)
        if result.finish_reason is FinishReason.CANCELLED:
            assert patience is not None
            self.done["broken off"] += 1
            return parts, result
        self.done["answer"] += 1
        worker.answers += 1
        stats = result.stats
        for name in ("prompt", "cached", "restored", "drafted", "accepted"):
            self.tokens[name] += (tokens := getattr(stats, f"{name}_tokens"))
            self.done[name] += tokens > 0
        for name, is_so in (
            ("with adapters", request.adapters),
            ("in a form", request.grammar),
            ("thinking", stats.thinking_tokens),
        ):
            self.done[name] += bool(is_so)
        self.asked += 1
        comparable = request.sampling.temperature == 0.0 and not request.go_on and request.again is None
        if comparable and self.asked >= _ANSWERS // _SAMPLES * (self.done["compared"] + len(self.sample)):
            self.sample.append(Answer(worker.file, size, request, parts, result))
        return parts, result

    async def _batch(self, worker: Worker) -> None:
        """A few requests that begin alike and share their steps."""
        self.done["batch"] += 1
        name, first = f"batch{random.randrange(3)}", words(random.choice((3, 80)))
        adapters = random.choice(self.talks).adapters.get(worker.file, ())
        requests = [
            GenerateRequest(
                (user(f"{first} {words(random.randint(1, 20))}"),),
                max_tokens=random.choice((4, 12)),
                sampling=Sampling(temperature=0.0),
                batch=name,
                adapters=adapters if random.random() < 0.5 else (),
            )
            for _ in range(random.randint(2, 6))
        ]
        ends = [random.random() * 0.3 if random.random() < 0.1 else None for _ in requests]
        await asyncio.gather(*(self._answer(worker, each, end) for each, end in zip(requests, ends, strict=True)))

    async def _embed(self, worker: Worker) -> None:
        """Vectors of some texts, which are what they were before."""
        assert worker.engine is not None
        self.done["embedded"] += 1
        texts = [" ".join(_WORDS[: 1 + number]) for number in random.sample(range(len(_WORDS)), 4)]
        for text, vector in zip(texts, await worker.engine.embed(texts), strict=True):
            known = worker.texts.setdefault(text, list(vector))
            alike = sum(a * b for a, b in zip(known, vector, strict=True))
            assert alike > 0.99, f"the vector of {text!r} is another one: {alike}"

    def _change(self, talk: Talk) -> None:
        """What is asked next."""
        chance = random.random()
        if _asks(talk):
            if chance < 0.5:
                talk.messages = (*talk.messages[:-1], user(words(random.randint(2, 60))))  # it was broken off: edited
            return
        if not talk.messages or len(str(talk.messages)) > 2800 or chance < 0.03:
            talk.earlier.clear()
            talk.messages = (user(words(random.choice((3, 40, 100)))),)
        elif chance < 0.2 and talk.repeats:
            said = visible_text(talk.messages[0].parts)
            talk.messages = (*talk.messages[-4:], user(f"Say this again, word by word: {said}"))
            self.done["repeated"] += 1
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
            known = self.adapters[self.file]
            some = random.sample(known, random.randint(0, len(known)))
            talk.adapters[self.file] = tuple(Adapter(path, random.choice((0.5, 1.0))) for path in some)
            self.done["adapters"] += 1

    async def _between(self, worker: Worker) -> None:
        chance, engine = random.random(), worker.engine
        assert engine is not None
        if worker.answers >= worker.life:
            kill = random.random() < 0.4
            self.done["killed" if kill else "restart"] += 1
            await worker.close(kill=kill)
        elif chance < 0.01 or (worker.answers >= _WARM and len(worker.memory[-1]) == 1):
            self.done["reload"] += 1
            await worker.load(random.choice((_CONTEXT, _CONTEXT + 256)))
        elif chance < 0.02:
            self.done["forgotten"] += 1
            keys = tuple({random.choice(self.talks).key for _ in range(2)})
            await engine.forget(keys if random.random() < 0.8 else ("*",))
        elif chance < 0.03:
            self.done["limit"] += 1
            await engine.limit(random.choice((_KEPT_BYTES // 4, _KEPT_BYTES)))
        if random.random() < (0.2 if self.file == self.slow else 0.03) and len(self.workers) > 1:
            self.file = random.choice([file for file in self.workers if file != self.file])
            self.done["model"] += 1

    # What was said ---------------------------------------------------------------------------------------------------

    def _compare(self, answer: Answer) -> None:
        """See that a fresh engine says the same, or parts from it at a near tie."""
        said, name = _text(answer.parts), Path(answer.file).name
        steps = Steps(answer.file, size=answer.size)
        try:
            fresh = Fresh(steps, structs.replace(answer.request, keep=False, cache_key="", batch=""))
        finally:
            steps.close()
        then, now = answer.result.recipe, fresh.call.result and fresh.call.result.recipe
        assert then is not None and now is not None and then.prompt_sha256 == now.prompt_sha256
        whole = _text(fresh.call.parts)
        self.done["compared"] += 1
        if whole != said:
            assert fresh.could_say(said), f"{name}: {said!r} in the place of {whole!r}; {answer}"
        self.done["same" if whole == said else "near tie"] += 1
        other = self.before.get(answer.file, said)
        if said != other:  # the rule tells answers apart
            self.done["told apart" if not fresh.could_say(other) else "like another"] += 1
        self.before[answer.file] = said
        if self.done["compared"] % 5 == 0:
            self.tell()

    def tell(self) -> None:
        if TOTAL in os.environ:
            growth = {Path(worker.file).name: worker.growth() for worker in self.workers.values()}
            held = {Path(worker.file).name: worker.memory for worker in self.workers.values()}
            print(round(time.monotonic() - self.began), dict(self.done), dict(self.tokens), growth, held, flush=True)


def test_an_engine_in_long_use(seconds: float, tmp_path: Path) -> None:
    shapes = {
        "Qwen3": gguf_shapes.Plan("qwen3", 4, 128, 4, 2, 32, 256, vocab=600, tied=False),
        "Qwen3.5": gguf_shapes.Plan(
            "qwen35", 4, 128, 4, 2, 32, 256, groups=2, ranks=4, state=32, vocab=600, tied=False
        ),
    }
    short = seconds < _SHORT_S
    files = [] if short else [str(model_path())]
    for name, plan in list(shapes.items())[: 1 if short else None]:
        file = gguf_shapes.write(
            tmp_path / f"{name}.gguf", plan, weights=True, sharp=30.0, seed=1, template=FORMS[name]
        )
        files.append(str(file))
    adapters = {
        file: [adapter_files.write(tmp_path / f"{at}-{seed}.gguf", file, seed=seed, strength=0.3) for seed in range(2)]
        for at, file in enumerate(files)
    }
    soak = Soak(files, adapters, tmp_path / "kept")
    with contextlib.ExitStack() as end:
        end.callback(soak.tell)
        asyncio.run(soak.run(time.monotonic() + seconds))
    done = soak.done
    assert done["compared"] > 0
    if done["answer"] >= 500:
        assert done["restored"] > 0 and done["accepted"] > 0 and done["told apart"] > 0
    for worker in soak.workers.values():
        for answers, slope in worker.growth():
            most = _GROWS + _NOISE / answers
            assert slope < most, f"{Path(worker.file).name} grew {slope:.0f} bytes an answer over {answers}"
