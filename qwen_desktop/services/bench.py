"""How fast a model answers on this computer, with the settings chosen for it beside llama.cpp's own defaults.

Everything is asked of the engine as the window asks it, in turns: a depth is measured with the one settings, then with
the other, then again, and the best of each counts, so that a busy moment spoils no comparison. A depth is made by
reading a text of that length, which is also the figure for prompts. Both sides read prompts in the engine's own pieces.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core.engine import ChatMessage, GenerateRequest, GenerateResult, LocalEngine, LocalInfo
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.model_ref import FileRef, LoadOptions
from qwen_desktop.core.parts import PartEvent, PartsBuilder, Role, TextPart
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine.worker import no_model
from qwen_desktop.hardware import cpu
from qwen_desktop.services import bench_prompts as prompts
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.leases import Priority

#: Depths in tokens that are measured where none is named, as far as the context allows.
DEPTHS = (0, 512, 4096)
ROUNDS = 3
#: What a run without named depths may take about, in seconds.
SECONDS = 180.0
#: Tokens that an answer writes, and after how many seconds it is stopped before that.
_WRITTEN, _WRITE_S = 48, 12.0
#: Fewer written tokens than this say little: another answer is asked for.
_ENOUGH = 24
#: The conversation of the first words' figures, in tokens.
_TALK = 256
_TALK_WRITTEN = 16

# fmt: off
_too_deep = Failure(
    UserFacing, "bench.too_deep", "n context",
    QT_TRANSLATE_NOOP("bench", "A depth of %n token(s) does not fit into the context, which holds {context}."),
    QT_TRANSLATE_NOOP("bench", "Name a smaller --depth or a larger --context."),
)
_silent = Failure(
    UserFacing, "bench.silent", "",
    QT_TRANSLATE_NOOP("bench", "The speed of writing cannot be measured: this model ends every answer at once."),
    QT_TRANSLATE_NOOP("bench", "Measure a model to chat with (Instruct)."),
)
# fmt: on


class Speeds(Struct, frozen=True):
    """The best figures at a depth, of ``rounds`` measurements. ``prompt_tokens`` is how long the prompt really was: a
    template has some tokens of its own, so depth 0 is the shortest question."""

    depth: int
    prompt_tokens: int
    prompt_tokens_per_s: float
    decode_tokens_per_s: float
    rounds: int = 1


class Used(Struct, frozen=True):
    """What a side was really loaded with. Without ``flash_attention`` the first ``flash_until`` tokens of a chat are
    computed with it all the same."""

    context: int
    threads: int
    flash_attention: bool
    flash_until: int
    kv_type: str
    gpu_layers: int
    batch: int


class Side(Struct, frozen=True):
    """One side of the comparison."""

    results: tuple[Speeds, ...]
    memory_bytes: int
    settings: Used


class Ratio(Struct, frozen=True):
    """The chosen settings' speeds divided by the defaults'."""

    depth: int
    prompt: float
    decode: float


class FirstWords(Struct, frozen=True):
    """Seconds from a question to the first token of its answer: the first question to a new process, the next one of
    the same conversation, and the one after it when the model was unloaded in between (the load itself not counted)."""

    cold: float
    warm: float
    restart: float


class Report(Struct, frozen=True):
    """What was measured. ``left_out`` are depths that would have taken longer than was allowed."""

    model: str
    chosen: Side
    defaults: Side
    ttft_s: FirstWords
    ttft_prompt_tokens: int
    load_s: float
    left_out: tuple[int, ...]

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        """The gain at each depth that both sides have."""
        return ratios(self.chosen.results, self.defaults.results)


class Wanted(Struct, frozen=True):
    """What is to be measured. No ``depths``: the usual ones; ``seconds`` None: no limit where depths are named."""

    path: str
    depths: tuple[int, ...] = ()
    context: int | None = None
    rounds: int = ROUNDS
    seconds: float | None = None


class Progress(Struct, frozen=True):
    """What is being measured: ``depth`` None for the first words; ``round`` counts from 1."""

    depth: int | None = None
    round: int = 1
    rounds: int = 1
    chosen: bool = True


def best(before: Speeds | None, now: Speeds) -> Speeds:
    """The better of both in each figure."""
    if before is None:
        return now
    return replace(
        now,
        prompt_tokens_per_s=max(before.prompt_tokens_per_s, now.prompt_tokens_per_s),
        decode_tokens_per_s=max(before.decode_tokens_per_s, now.decode_tokens_per_s),
        rounds=before.rounds + now.rounds,
    )


def ratios(chosen: Iterable[Speeds], defaults: Iterable[Speeds]) -> tuple[Ratio, ...]:
    """One side's speeds divided by the other's, at the depths that both have."""
    others = {speeds.depth: speeds for speeds in defaults}
    return tuple(
        Ratio(
            mine.depth,
            round(mine.prompt_tokens_per_s / other.prompt_tokens_per_s, 3),
            round(mine.decode_tokens_per_s / other.decode_tokens_per_s, 3),
        )
        for mine in chosen
        if (other := others.get(mine.depth)) and other.prompt_tokens_per_s and other.decode_tokens_per_s
    )


def foreseen(depth: int, speeds: Iterable[Speeds]) -> float:
    """Seconds that one measurement at ``depth`` will take, by what was measured at lesser ones; 0 with nothing known.

    Reading and writing get slower with depth, so that this is a little too short.
    """
    known = list(speeds)
    if not known:
        return 0.0
    last = max(known, key=lambda found: found.prompt_tokens)
    written = min(_WRITTEN / last.decode_tokens_per_s if last.decode_tokens_per_s else _WRITE_S, _WRITE_S)
    return (depth / last.prompt_tokens_per_s if last.prompt_tokens_per_s else 0.0) + written


class Bench:
    """Measures one model. ``told`` hears what is being done."""

    def __init__(
        self,
        engines: Engines,
        wanted: Wanted,
        told: Callable[[Progress], None] = lambda _progress: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engines = engines
        self._wanted = wanted
        self._told = told
        self._clock = clock
        self._ref = FileRef(wanted.path, LoadOptions(context=wanted.context))
        self._number = 0
        self._memory = {True: 0, False: 0}
        self._used: dict[bool, Used] = {}

    async def run(self) -> Report:
        """Measure everything. Raises ``AppError``: the file is no model to chat with, a depth does not fit."""
        began = self._clock()
        self._told(Progress())
        async with self._engine(chosen=True) as engine:
            info, local = engine.info, _local(engine)
            name, size = info.name if info is not None else "", info.context_size if info is not None else 0
            depths, left = self._depths(size), []
            talk, length = await self._talk(engine, size)
            first, talk = await self._say(engine, talk)
            second, talk = await self._say(engine, talk)
        defaults = _defaults(local, size, await asyncio.to_thread(cpu.cores))
        speeds: dict[bool, dict[int, Speeds]] = {True: {}, False: {}}
        # a user who names depths wants them all
        seconds = self._wanted.seconds or (None if self._wanted.depths else SECONDS)
        for depth in depths:
            cost = sum(foreseen(depth, side.values()) for side in speeds.values())
            if seconds is not None and self._clock() + cost > began + seconds and speeds[True]:
                left.append(depth)
                continue
            for number in range(1, self._wanted.rounds + 1):
                since = self._clock()
                for chosen in (True, False):
                    self._told(Progress(depth, number, self._wanted.rounds, chosen))
                    async with self._engine(chosen=chosen, defaults=defaults) as engine:
                        found = await self._measure(engine, depth, chosen=chosen)
                    speeds[chosen][depth] = best(speeds[chosen].get(depth), found)
                now = self._clock()
                if seconds is not None and now + (now - since) > began + seconds:
                    break
        self._told(Progress())
        await self._engines.unload(self._ref)
        async with self._engine(chosen=True) as engine:
            load = _local(engine).load_s
            third, _ = await self._say(engine, talk)
        return Report(
            model=name,
            chosen=Side(tuple(speeds[True].values()), self._memory[True], self._used[True]),
            defaults=Side(tuple(speeds[False].values()), self._memory[False], self._used[False]),
            ttft_s=FirstWords(first, second, third),
            ttft_prompt_tokens=length,
            load_s=load,
            left_out=tuple(left),
        )

    def _depths(self, size: int) -> tuple[int, ...]:
        """The depths to measure, smallest first, in a context of ``size`` tokens."""
        room = size - _WRITTEN
        named = tuple(sorted(set(self._wanted.depths)))
        if named and named[-1] > room:
            raise _too_deep(named[-1], size)
        return named or tuple(depth for depth in DEPTHS if depth <= room)

    @asynccontextmanager
    async def _engine(self, *, chosen: bool, defaults: LoadOptions | None = None) -> AsyncIterator[LocalEngine]:
        ref = self._ref if chosen or defaults is None else FileRef(self._ref.path, defaults)
        async with self._engines.lease(ref, priority=Priority.BATCH) as engine:
            info = _local(engine)
            size = engine.info.context_size if engine.info is not None else 0
            flash = info.flash_attention, info.flash_until
            self._used[chosen] = Used(size, info.threads, *flash, info.kv_type, info.gpu_layers, info.batch)
            yield engine

    async def _measure(self, engine: LocalEngine, depth: int, *, chosen: bool) -> Speeds:
        self._number += 1
        number, read, length = self._number, 0.0, 0
        tokens, seconds = 0, 0.0
        for task in range(len(prompts.TASKS)):  # a model may end an answer early
            made, found = await prompts.of_length(engine, depth, number, task=task)
            stats = (await self._answer(engine, prompts.request(made, tokens=_WRITTEN), limit=_WRITE_S)).stats
            self._memory[chosen] = max(self._memory[chosen], stats.memory_bytes)
            if not task:
                read, length = stats.prompt_tokens_per_s, found
            if stats.decode_tokens_per_s:
                tokens += stats.completion_tokens - 1
                seconds += (stats.completion_tokens - 1) / stats.decode_tokens_per_s
            if tokens >= _ENOUGH or seconds >= _WRITE_S / 2:
                break
        if not seconds:
            raise _silent()
        return Speeds(depth, length, read, round(tokens / seconds, 2))

    async def _talk(self, engine: LocalEngine, size: int) -> tuple[tuple[ChatMessage, ...], int]:
        made, length = await prompts.of_length(engine, min(_TALK, size // 4), 0)
        return (ChatMessage(Role.USER, (TextPart(made),)),), length

    async def _say(self, engine: LocalEngine, talk: tuple[ChatMessage, ...]) -> tuple[float, tuple[ChatMessage, ...]]:
        """Seconds to the first token of an answer to ``talk``, and the conversation with it and the next question."""
        said = PartsBuilder()
        result = await self._answer(engine, prompts.asking(talk, tokens=_TALK_WRITTEN), said)
        self._memory[True] = max(self._memory[True], result.stats.memory_bytes)
        answer = said.parts() or (TextPart("."),)
        return result.stats.ttft_s, (
            *talk,
            ChatMessage(Role.ASSISTANT, answer),
            ChatMessage(Role.USER, (TextPart("Go on."),)),
        )

    async def _answer(
        self,
        engine: LocalEngine,
        request: GenerateRequest,
        said: PartsBuilder | None = None,
        *,
        limit: float = math.inf,
    ) -> GenerateResult:
        """One answer, stopped when it has been written for ``limit`` seconds."""
        end: float | None = None
        async with engine.generate(request) as run:
            async for event in run:
                if not isinstance(event, PartEvent):
                    continue
                if said is not None:
                    said.take(event)
                if end is None:
                    end = self._clock() + limit
                elif self._clock() > end:
                    end = math.inf  # once is enough
                    await run.stop()
        return run.result


def _local(engine: LocalEngine) -> LocalInfo:
    """What the loaded model says of itself. Raises ``AppError`` when its worker has just ended."""
    if engine.info is None or engine.info.local is None:
        raise no_model()
    return engine.info.local


def _defaults(local: LocalInfo, size: int, cores: int) -> LoadOptions:
    """llama.cpp's own: a thread for each core, the cache in f16, and flash attention, which it always takes on the
    processor. The context and the share of the graphics card are as the other side has them."""
    flash = "auto" if local.gpu_layers else "on"
    return LoadOptions(context=size, threads=cores, flash_attention=flash, kv_type="f16")
