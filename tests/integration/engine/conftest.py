"""Random-weight models of real shape, written once a run, and an engine whose worker is ended after each test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from msgspec import structs

from qwen_desktop.core.engine import Event, GenerateRequest, GenerateResult, LoadRequest, ThinkingMode
from qwen_desktop.core.parts import Part, PartEvent, PartsBuilder, thinking_text, visible_text
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests import gguf_files, gguf_shapes
from tests.template_forms import FORMS


class Files:
    """Model files by kind, written when first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, file: str, **how: Any) -> str:
        """The path of the model ``file``, written with ``how``."""
        path = self.folder / f"{file}.gguf"
        if not path.exists():
            gguf_files.write(path, **how)
        return str(path)

    def qwen3(self) -> str:
        """Qwen3 with the full vocabulary and a thinking template."""
        return self.get("qwen3-full", vocab=gguf_files.FULL_VOCABULARY)

    def small(self) -> str:
        """Qwen3 with 600 tokens: loads in a moment; its greedy answers never end by themselves."""
        return self.get("qwen3-small", vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS)

    def hybrid(self, architecture: str = "qwen35", template: str = "") -> str:
        """Qwen3.5 (or its mixture of experts "qwen35moe", or "qwen3next") with 600 tokens: most layers have a recurrent
        state, which cannot go back a part of the way. ``template`` is a name in ``tests.template_forms.FORMS``."""
        path = self.folder / f"{architecture}{template}-small.gguf"
        if not path.exists():
            sizes: dict[str, Any] = {"groups": 2, "ranks": 4, "state": 32, "vocab": 600, "tied": False}
            if architecture != "qwen35":
                sizes |= {"experts": 4, "experts_used": 2, "expert_hidden": 64, "shared_hidden": 64}
            plan = gguf_shapes.Plan(architecture, 4, 128, 4, 2, 32, 256, **sizes)
            gguf_shapes.write(path, plan, weights=True, sharp=30.0, template=FORMS.get(template))
        return str(path)

    def long(self) -> str:
        """The full vocabulary and a long context; its greedy answers never end by themselves."""
        full = gguf_files.FULL_VOCABULARY
        return self.get("qwen3-long", vocab=full, context=32_768, tied=False, prefer=gguf_files.NEVER_ENDS)

    def slow(self) -> str:
        """Deep enough that reading a long prompt takes seconds."""
        shape = {"layers": 8, "width": 384, "heads": 6, "hidden": 1024, "quant": "f16", "context": 4096}
        return self.get("qwen3-slow", vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS, **shape)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("models"))


class Answered(GenerateResult, frozen=True, kw_only=True):
    """How an answer ended, and what it said."""

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        return visible_text(self.parts)

    @property
    def thinking(self) -> str:
        return thinking_text(self.parts)


class Engine:
    """A loaded engine and short ways to use it."""

    def __init__(self, engine: LocalWorkerEngine) -> None:
        self.engine = engine
        self.events: list[Event] = []

    @property
    def thinking(self) -> tuple[ThinkingMode, ...]:
        """The modes of thinking that the loaded model has."""
        return self.engine.info.capabilities.thinking if self.engine.info else ()

    async def answer(self, request: GenerateRequest) -> Answered:
        """The whole answer, with what it had said where it goes on; its events are kept in ``events``."""
        self.events = []
        said = PartsBuilder(request.messages[-1].parts if request.go_on else ())
        async with self.engine.generate(request) as run:
            async for event in run:
                self.events.append(event)
                if isinstance(event, PartEvent):
                    said.take(event)
        result = run.result
        return Answered(**structs.asdict(result), parts=said.parts())


WithEngine: TypeAlias = Callable[..., None]


@contextlib.asynccontextmanager
async def loaded(path: str, *, command: Sequence[str] = (), **how: Any) -> AsyncIterator[Engine]:
    engine = LocalWorkerEngine(command or worker_command("engine"))
    try:
        async for _ in engine.load(LoadRequest(path, **how)):
            pass
        yield Engine(engine)
    finally:
        await engine.aclose()


@pytest.fixture
def with_engine() -> WithEngine:
    """``with_engine(path, test, **load)`` loads a model and runs the coroutine function ``test`` with it."""

    def use(path: str, test: Callable[[Engine], Awaitable[None]], **how: Any) -> None:
        async def run() -> None:
            async with loaded(path, **how) as engine:
                await test(engine)

        asyncio.run(run())

    return use
