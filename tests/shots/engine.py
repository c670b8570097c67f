"""An engine that stops where it is to be drawn: in the middle of a load, of the prompt, of a thought, of an answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec import Struct, structs

from qwen_desktop.core.engine import (
    Capabilities,
    Event,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    LiveFigures,
    LoadProgress,
    LoadRequest,
    Sampling,
    Stats,
    ThinkingMode,
)
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.parts import PartBegun, PartDelta, PartDone, TextPart, ThinkingPart
from tests.scripted_engine import ScriptedEngine
from tests.shots.still import CLOCK

CONTEXT = 16_384
FIGURES = Stats(
    prompt_tokens=412,
    completion_tokens=318,
    ttft_s=0.42,
    prompt_tokens_per_s=310.0,
    decode_tokens_per_s=18.4,
    context_used=2_140,
    context_size=CONTEXT,
)


class Answer(Struct, frozen=True):
    """What a run tells. ``held``: it then goes on until it is stopped. ``error`` is raised at its end."""

    events: tuple[Event, ...] = ()
    held: bool = False
    error: AppError | None = None


def said(text: str, *, thinking: str = "", seconds: float = 6.0, held: bool = False) -> Answer:
    """An answer with a thought before it; ``held`` in the middle of its last part."""
    events: list[Event] = []
    parts = [part for part in (ThinkingPart(thinking), TextPart(text)) if part.text]
    for number, part in enumerate(parts):
        events += [PartBegun(number, type(part)("")), PartDelta(number, part.text)]
        if not held or number + 1 < len(parts):
            thought = isinstance(part, ThinkingPart)
            events.append(PartDone(number, seconds, len(part.text) // 4) if thought else PartDone(number))
    if parts:
        events.append(LiveFigures(96, 18.4, 2_140, CONTEXT))
    return Answer(tuple(events), held=held)


class Scene:
    """What the engines of a state do. ``load_at``: loads stop there, of 0 to 1, after ``load_s`` seconds;
    ``load_error`` is raised by them."""

    def __init__(self) -> None:
        self.answer: Callable[[GenerateRequest], Answer] = lambda _request: said("A short answer.")
        self.load_at: float | None = None
        self.load_s = 3.0
        self.load_error: AppError | None = None
        self.name = "Qwen3 4B"
        self.can = Capabilities(thinking=tuple(ThinkingMode))


class SceneEngine(ScriptedEngine):
    """One engine of a scene."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(context=CONTEXT)
        self._scene = scene
        self.can = scene.can

    async def load(self, request: LoadRequest) -> AsyncIterator[LoadProgress]:
        """Load, as far as the scene says."""
        if self._scene.load_error is not None:
            raise self._scene.load_error
        if self._scene.load_at is not None:
            CLOCK.advance(self._scene.load_s)
            yield LoadProgress(self._scene.load_at, 2_497_280_480)
            await asyncio.Event().wait()
        async for progress in super().load(request):
            yield progress
        info = self._info
        assert info is not None and info.local is not None
        local = structs.replace(
            info.local, quant="Q4_K_M", threads=8, size_bytes=2_497_280_480, flash_attention=True, load_s=1.4
        )
        name = info.name if local.guide else self._scene.name
        self._info = structs.replace(info, name=name, local=local, context_size=CONTEXT)

    async def count_tokens(self, request: GenerateRequest) -> tuple[int, bool]:
        """Four letters a token, exactly."""
        texts = (getattr(part, "text", "") for message in request.messages for part in message.parts)
        return 40 + sum((len(text) + 3) // 4 for text in texts), True

    async def count_texts(self, texts: Sequence[str]) -> tuple[tuple[int, ...], bool]:
        """As ``count_tokens``."""
        return tuple((len(text) + 3) // 4 for text in texts), True

    @contextlib.asynccontextmanager
    async def generate(self, request: GenerateRequest) -> AsyncIterator[_Run]:  # type: ignore[override] # another run
        """Say what the scene says."""
        self.requests.append(request)
        yield _Run(self._scene.answer(request))


class _Run:
    """A run of an answer; see ``core.engine.Run``."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._stopped = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events()

    async def stop(self) -> None:
        self._stopped.set()

    @property
    def result(self) -> GenerateResult:
        reason = FinishReason.CANCELLED if self._stopped.is_set() else FinishReason.STOP
        return GenerateResult(reason, FIGURES, Sampling(temperature=0.7), 7)

    async def _events(self) -> AsyncIterator[Event]:
        for event in self._answer.events:
            await asyncio.sleep(0)
            yield event
        if self._answer.error is not None:
            raise self._answer.error
        if self._answer.held:
            await self._stopped.wait()
