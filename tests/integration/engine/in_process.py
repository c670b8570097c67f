"""llama.cpp in the test's own process: contexts and schedulers that a test steps itself."""

from __future__ import annotations

import ctypes
import functools
import time
from array import array
from collections.abc import Callable
from typing import Any

from qwen_desktop.core.engine import Capabilities, Event, GenerateRequest, GenerateResult, LocalInfo, ModelInfo
from qwen_desktop.core.gguf import MODELS, read_header
from qwen_desktop.core.parts import Part, PartEvent, PartsBuilder, visible_text
from qwen_desktop.core.placement import Placement
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.gate import Gate
from qwen_desktop.engine.generation import Generation
from qwen_desktop.engine.llama import Flag, LlamaLibrary, Model
from qwen_desktop.engine.llama_context import Context, ContextShape
from qwen_desktop.engine.prompt_cache.cache import PromptCache
from qwen_desktop.engine.scheduler import Scheduler
from qwen_desktop.engine.session import Session
from qwen_desktop.engine.templates import Template
from qwen_desktop.hardware import memory


@functools.cache
def library() -> LlamaLibrary:
    """llama.cpp; it stays for the life of the process, as its log callback must."""
    return LlamaLibrary(lambda _line: None)


@functools.cache
def model(path: str) -> Model:
    """A loaded model, kept for the other tests."""
    return library().load(read_header(path, kinds=MODELS), Placement(0), lambda _part: True)


def context(path: str, **shape: Any) -> Context:
    """A small context on a model."""
    usual = {"size": 512, "threads": 1, "chunk": 32, "flash": "off", "kv_type": "f16"}
    return Context(model(path), ContextShape(**(usual | shape)), Flag())


def logits(made: Context, row: int = -1) -> bytes:
    """What was computed for the next token, bit for bit."""
    values = api.llama_get_logits_ith(made.pointer, row)
    return ctypes.string_at(values, 4 * made.model.vocab_size)


def gap(values: bytes) -> float:
    """How far the best token is before the second best."""
    second, best = sorted(array("f", values))[-2:]
    return best - second


class Call:
    """Somebody who waits for an answer."""

    def __init__(self) -> None:
        self.cancelled = False
        self.events: list[Event] = []
        self.result: GenerateResult | None = None
        self.error: Exception | None = None
        self.made: Generation | None = None

    @property
    def tokens(self) -> list[int]:
        """The answer's tokens."""
        assert self.made is not None
        return self.made.tokens[len(self.made.prompt.tokens) :]

    @property
    def over(self) -> bool:
        return self.result is not None or self.error is not None

    @property
    def parts(self) -> tuple[Part, ...]:
        parts = PartsBuilder()
        for event in self.events:
            if isinstance(event, PartEvent):
                parts.take(event)
        return parts.parts()

    @property
    def text(self) -> str:
        return visible_text(self.parts)

    def emit(self, value: Any) -> None:
        assert not self.over
        self.events.extend(value)

    def do(self, work: Callable[[], GenerateResult]) -> None:
        assert not self.over
        self.result = work()

    def fail(self, error: Exception) -> None:
        assert not self.over
        self.error = error


class Steps:
    """A session that is stepped by the test."""

    def __init__(
        self,
        path: str,
        *,
        streams: int = 1,
        cells: int = 0,
        border: int = 0,
        kept: PromptCache | None = None,
        **shape: Any,
    ) -> None:
        held = context(path, **shape)
        header = held.model.header
        template = Template(header.chat_template)
        template.set_tokens(bos=held.model.bos, eos=held.model.eos)
        how = held.shape
        local = LocalInfo(
            path, header.architecture, header.quant, 0, 0, 0, 1, 0, how.flash == "on", how.kv_type, header.fingerprint,
            "", "file", False, 0.0, 0,
        )  # fmt: skip
        info = ModelInfo("test", held.size, Capabilities(thinking=template.thinking), library().version, local=local)
        self.session = Session(
            held.model,
            held,
            template,
            info,
            None,
            base=memory.resident(),
            streams=lambda: streams,
            cells=lambda _sequences: cells,
            border=border,
            kept=kept,
        )
        generation = self.session.generation

        def remembered(request: GenerateRequest, emit: Any, *how: Any) -> Generation:
            made = generation(request, emit, *how)
            if isinstance(call := getattr(emit, "__self__", None), Call):
                call.made = made
            return made

        self.session.generation = remembered  # type: ignore[method-assign]
        self.gate = Gate(held.flag)
        self.scheduler = Scheduler(self.session, self.gate)

    def ask(self, request: GenerateRequest) -> Call:
        call = Call()
        self.scheduler.add(request, call, time.monotonic())
        return call

    def run(self, steps: int = 100_000) -> None:
        """Step until nothing is left to do."""
        while self.scheduler.busy:
            steps -= 1
            assert steps > 0, "it does not come to an end"
            self.scheduler.step()

    def answer(self, request: GenerateRequest) -> GenerateResult:
        call = self.ask(request)
        self.run()
        if call.error is not None:
            raise call.error
        assert call.result is not None
        return call.result

    def keep(self) -> None:
        """As when nothing else is to do: have all that is to be kept written."""
        self.session.idle()
        while not self.session.keep(lambda: False):
            pass
        if self.session.kept is not None:
            assert self.session.kept.writer.wait(30)

    def close(self) -> None:
        self.scheduler.rest()
        self.session.sequences.close()
        self.session.drop_draft_model()
