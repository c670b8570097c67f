"""An engine that says what a script tells it, at a known rate: for tests of timing and of failures only.

It implements ``core.engine.LocalEngine`` without a process and without a model.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from msgspec import Struct, structs

from qwen_desktop.core.engine import (
    Capabilities,
    ContextCut,
    Event,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    LiveFigures,
    LoadProgress,
    LoadRequest,
    LocalInfo,
    ModelInfo,
    PromptProgress,
    Recipe,
    Sampling,
    Stats,
    ThinkingMode,
    UsedAdapter,
)
from qwen_desktop.core.errors import AppError, Problem, error_of
from qwen_desktop.core.parts import (
    Part,
    PartBegun,
    PartDelta,
    PartDone,
    PartWasThinking,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from qwen_desktop.core.text import Text
from qwen_desktop.core.tuning import TuneProgress, TuneRequest, Tuning


class Script(Struct, frozen=True):
    """One answer: thinking and text, or ``parts`` of these and of tool calls. ``rate`` is deltas per second (0: as fast
    as the loop turns), ``piece`` characters a delta.

    ``unopened``: the thinking comes as text, and only then it shows that it was none. ``error`` is raised after
    ``fail_after`` deltas. A ``deaf`` run never obeys ``stop``. ``first_s`` passes before the first delta. Where
    the answer goes on, the first part continues its last one of that kind. ``reason`` is why it ends by itself;
    ``recipe`` makes it again, ``differs`` is said then.
    """

    text: str = "Hello."
    thinking: str = ""
    parts: tuple[Part, ...] = ()
    unopened: bool = False
    rate: float = 0.0
    piece: int = 4
    first_s: float = 0.0
    prompt_tokens: int = 10
    cut: ContextCut | None = None
    error: Exception | None = None
    fail_after: int = 0
    deaf: bool = False
    budget_spent: bool = False
    stopped_loop: bool = False
    reason: FinishReason = FinishReason.STOP
    recipe: Recipe | None = None
    differs: tuple[Text, ...] = ()


class ScriptedRun:
    """A run of a script; see ``core.engine.Run``."""

    def __init__(self, script: Script, request: GenerateRequest, check: Callable[[], None]) -> None:
        self._script = script
        self._check = check
        self._request = request
        self._stopped = asyncio.Event()
        self._result: GenerateResult | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events()

    async def stop(self) -> None:
        """Ask to end."""
        self._stopped.set()

    @property
    def result(self) -> GenerateResult:
        """How it ended."""
        if self._result is None:
            raise RuntimeError("The run has not ended.")
        return self._result

    async def _events(self) -> AsyncIterator[Event]:
        script = self._script
        yield PromptProgress(script.prompt_tokens, script.prompt_tokens, 0.0)
        if script.cut is not None:
            yield script.cut
        if script.first_s:
            await self._pause(script.first_s)
        parts = script.parts or tuple(p for p in (ThinkingPart(script.thinking), TextPart(script.text)) if p.text)
        so_far = self._request.messages[-1].parts if self._request.go_on else ()
        if so_far and isinstance(so_far[-1], ThinkingPart) and not isinstance(parts[0], ThinkingPart):
            yield PartDone(len(so_far) - 1, 1.0, 1)
        first = len(so_far) - bool(so_far and type(so_far[-1]) is type(parts[0]))
        pieces = [(number, piece) for number, part in enumerate(parts) for piece in _split(_said(part), script.piece)]
        started = time.monotonic()
        thought = tokens = 0
        begun = -1 if first == len(so_far) else 0

        def ended() -> Event:
            if not isinstance(parts[begun], ThinkingPart):
                return PartDone(first + begun)
            done = PartWasThinking if script.unopened else PartDone
            return done(first + begun, time.monotonic() - started, thought)

        for count, (number, piece) in enumerate(pieces):
            if script.error is not None and count >= script.fail_after:
                raise script.error
            await self._step(started, count + 1)
            self._check()
            if self._stopped.is_set() and not script.deaf:
                break
            if number != begun:
                if begun >= 0:
                    yield ended()
                begun = number
                yield PartBegun(first + number, TextPart("") if script.unopened else _empty(parts[number]))
            tokens += 1
            thought += isinstance(parts[number], ThinkingPart)
            yield PartDelta(first + number, piece)
            if tokens % 20 == 0:
                yield self._figures(tokens, time.monotonic() - started)
        else:
            if script.error is not None:
                raise script.error
        if begun >= 0:
            yield ended()
        seconds = max(time.monotonic() - started, 1e-6)
        yield self._figures(tokens, seconds)
        self._result = GenerateResult(
            FinishReason.CANCELLED if self._stopped.is_set() else script.reason,
            Stats(
                prompt_tokens=script.prompt_tokens,
                completion_tokens=tokens,
                thinking_tokens=thought,
                decode_tokens_per_s=tokens / seconds,
                context_used=script.prompt_tokens + tokens,
                context_size=4096,
            ),
            structs.replace(self._request.sampling, temperature=self._request.sampling.temperature or 0.0),
            seed=self._request.sampling.seed or 7,
            budget_spent=script.budget_spent,
            stopped_loop=script.stopped_loop,
            recipe=structs.replace(script.recipe, go_on=self._request.go_on) if script.recipe is not None else None,
            differs=script.differs if self._request.again is not None else (),
            adapters=tuple(
                UsedAdapter(each.path, each.scale, each.path, Path(each.path).stem) for each in self._request.adapters
            ),
        )

    def _figures(self, tokens: int, seconds: float) -> LiveFigures:
        return LiveFigures(tokens, tokens / max(seconds, 1e-6), self._script.prompt_tokens + tokens, 4096)

    async def _step(self, started: float, count: int) -> None:
        """Wait until so many deltas may have been said."""
        if self._script.rate:
            await self._pause(started + count / self._script.rate - time.monotonic())
        else:
            await asyncio.sleep(0)

    async def _pause(self, seconds: float) -> None:
        if self._script.deaf:
            await asyncio.sleep(max(0.0, seconds))
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), max(0.0, seconds))


def _said(part: Part) -> str:
    assert isinstance(part, TextPart | ThinkingPart | ToolCallPart)
    return part.arguments if isinstance(part, ToolCallPart) else part.text


def _empty(part: Part) -> Part:
    return ToolCallPart(part.call_id, part.name, "") if isinstance(part, ToolCallPart) else type(part)("")  # type: ignore[call-arg]  # of text


def _split(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


class ScriptedEngine:
    """``script`` is one answer for all requests or makes one for each. Everything asked of it is kept in lists.

    ``load_s`` is how long a load takes, in ten steps; ``load_error`` is raised at its end. ``crash`` ends its "worker".
    ``parallel`` is how many answers it says it works on at once; ``most`` how many it had to, without those of batches.
    """

    def __init__(
        self,
        script: Script | Callable[[GenerateRequest], Script] | None = None,
        *,
        load_s: float = 0.0,
        load_error: AppError | None = None,
        context: int = 4096,
        guide: bool = False,
        parallel: int = 1,
    ) -> None:
        self._script = script or Script()
        self._load_s = load_s
        self._load_error = load_error
        self._context = context
        self._guide = guide
        self._info: ModelInfo | None = None
        self._on_end: list[Callable[[Problem], None]] = []
        self._crashed: Problem | None = None
        self.resident_bytes = self.mapped_bytes = self.gpu_layers = 0
        self.requests: list[GenerateRequest] = []
        self.forgotten: tuple[str, ...] = ()
        self.limits: list[int] = []
        self.loads: list[LoadRequest] = []
        self.tunes: list[TuneRequest] = []
        self.tuned: Tuning | None = None
        self.tune_gate = asyncio.Event()
        self.closed = False
        self.parallel = parallel
        #: what the next model that it loads can do
        self.can = Capabilities(thinking=tuple(ThinkingMode))
        self.running = self.most = 0
        self._answering: list[GenerateRequest] = []

    @property
    def info(self) -> ModelInfo | None:
        """The "loaded" model."""
        return self._info

    async def load(self, request: LoadRequest) -> AsyncIterator[LoadProgress]:
        """Pretend to load."""
        self.loads.append(request)
        self._info = self._crashed = None
        for step in range(1, 11):
            await asyncio.sleep(self._load_s / 10)
            self._check()
            yield LoadProgress(step / 10, 1_000_000)
        if self._load_error is not None:
            raise self._load_error
        guide = self._guide or request.path.endswith("guide.gguf")
        local = LocalInfo(
            path=request.path,
            architecture="qwen3",
            quant="Q8_0",
            size_bytes=1_000_000,
            parameters=1_000_000,
            context_train=self._context,
            threads=request.threads or 2,
            gpu_layers=request.gpu_layers or self.gpu_layers,
            flash_attention=request.flash_attention == "on",
            kv_type=request.kv_type,
            sha256="ab" * 32,
            template_sha256="cd" * 32,
            template_source="file",
            guide=guide,
            load_s=self._load_s,
            memory_bytes=2_000_000,
            resident_bytes=self.resident_bytes,
            mapped_bytes=self.mapped_bytes,
            parallel=self.parallel,
        )
        self._info = ModelInfo(
            name=request.path.rsplit("/", 1)[-1].removesuffix(".gguf"),
            context_size=request.context or self._context,
            capabilities=self.can,
            engine="scripted 1",
            local=local,
        )

    @contextlib.asynccontextmanager
    async def generate(self, request: GenerateRequest) -> AsyncIterator[ScriptedRun]:
        """Say what the script says."""
        self._check()
        if self._info is None:
            raise RuntimeError("no model is loaded")
        self.requests.append(request)
        self.running += 1
        self._answering.append(request)
        self.most = max(self.most, sum(not asked.batch for asked in self._answering))
        try:
            yield ScriptedRun(self._script(request) if callable(self._script) else self._script, request, self._check)
        finally:
            self.running -= 1
            self._answering.remove(request)

    async def count_tokens(self, request: GenerateRequest) -> tuple[int, bool]:
        """A guess."""
        return sum(len(str(part)) for message in request.messages for part in message.parts) // 4, False

    async def count_texts(self, texts: Sequence[str]) -> tuple[tuple[int, ...], bool]:
        """A guess."""
        return tuple(len(text) // 4 for text in texts), False

    def on_end(self, callback: Callable[[Problem], None]) -> None:
        """Have ``callback`` told by ``crash``."""
        self._on_end.append(callback)

    def crash(self, problem: Problem) -> None:
        """End as a worker does that was killed."""
        self._info, self._crashed = None, problem
        for callback in self._on_end:
            callback(problem)

    def _check(self) -> None:
        if self._crashed is not None:
            raise error_of(self._crashed)

    async def tune(self, request: TuneRequest, progress: Callable[[TuneProgress], None]) -> Tuning:
        """Find out what ``tuned`` says, once ``tune_gate`` is open."""
        self.tunes.append(request)
        progress(TuneProgress(0.5))
        await self.tune_gate.wait()
        assert self.tuned is not None
        return self.tuned

    async def forget(self, keys: tuple[str, ...]) -> None:
        """Keep what was to be forgotten."""
        self.forgotten += keys

    async def limit(self, cache_bytes: int) -> None:
        """Keep what the limit was to be."""
        self.limits.append(cache_bytes)

    async def aclose(self) -> None:
        """Forget everything."""
        self._info = None
        self.closed = True


GREEDY = Sampling(temperature=0.0)
