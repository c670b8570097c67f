"""One loaded model with its context: answers, counts, and uses its idle time. Worker side."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from qwen_desktop.core.engine import ChatMessage, Event, GenerateRequest, GenerateResult, ModelInfo, ThinkingMode
from qwen_desktop.core.parts import Part, Role, TextPart, visible_text
from qwen_desktop.engine import prompt, sampling_defaults
from qwen_desktop.engine.autotune import Pace
from qwen_desktop.engine.generation import Generation
from qwen_desktop.engine.llama import Model
from qwen_desktop.engine.llama_context import AbortedError, Context, DecodeError
from qwen_desktop.engine.stream import CLOSE, OPEN
from qwen_desktop.engine.templates import Template
from qwen_desktop.hardware.memory import Resident

log = logging.getLogger(__name__)


class Session:
    """A model that can answer (``load.load`` makes it). ``pace`` is set when the engine chose the threads itself;
    ``base`` is what the process held before the model."""

    def __init__(
        self,
        model: Model,
        context: Context,
        template: Template,
        info: ModelInfo,
        pace: Pace | None,
        *,
        base: Resident,
    ) -> None:
        self.model = model
        self.context = context
        self.info = info
        self._pace = pace
        self._renderer = prompt.Renderer(
            template,
            lambda text, special, begin: model.tokenize(text, special=special, begin=begin),
            model.control_words(),
            model.bos,
        )
        self._marks = (model.single_token(OPEN), model.single_token(CLOSE))
        self._ahead: Callable[[], None] | None = None
        self._base = base
        self._load_s, self._held = (info.local.load_s, info.local.resident_bytes) if info.local else (0.0, 0)
        self._most = 0

    def release(self) -> Model:
        """End the session: free the context and hand its model on. Nobody may be counting with it."""
        self.context.close()
        return self.model

    def count(self, request: GenerateRequest) -> int:
        """Tokens of the prompt, rendered whole. Safe on another thread while an answer runs. Raises ``UserFacing``."""
        return len(self._renderer.tokens(self._renderer.text(request.messages, self._mode(request.thinking))))

    def generate(
        self, request: GenerateRequest, emit: Callable[[tuple[Event, ...]], None], began: float
    ) -> GenerateResult:
        """One answer; ``emit`` gets events as they come; the context's flag ends it early.

        Raises ``UserFacing`` and ``DecodeError``.
        """
        self._ahead = None
        mode = self._mode(request.thinking)
        made = prompt.build(
            self._renderer,
            request.messages,
            mode,
            context=self.context.size,
            max_tokens=request.max_tokens,
            cut_from=request.cut_from,
        )
        if made.cut is not None:
            emit((made.cut,))
        sampling = sampling_defaults.decide(self.model.header, request.sampling, thinking=self._will_think(mode, made))
        answer = Generation(
            self.model,
            self.context,
            made,
            request,
            sampling,
            marks=self._marks,
            pace=self._pace,
            emit=emit,
            began=began,
        )
        result = answer.make()
        self._held = max(self._held, self.model.resident_bytes(self._base))
        self._most = max(self._most, result.stats.context_used)
        stats = msgspec.structs.replace(
            result.stats, load_s=self._load_s, resident_bytes=self._held, context_most=self._most
        )
        result = msgspec.structs.replace(result, stats=stats)
        parts = answer.parts
        self._ahead = lambda: self._prepare(made.messages, mode, parts)
        return result

    def _mode(self, asked: ThinkingMode) -> ThinkingMode:
        return asked if asked in self.info.capabilities.thinking else ThinkingMode.AUTO

    def _will_think(self, mode: ThinkingMode, made: prompt.Prompt) -> bool:
        """Whether the answer is expected to begin with thinking, for the choice of sampling values."""
        if mode is ThinkingMode.DIRECT or not self.info.capabilities.thinking:
            return False
        if mode is ThinkingMode.THINK or made.thinking:
            return True
        close = self._marks[1]
        return close is None or close not in made.tokens[-4:]  # a closed, empty block: the template said no

    def idle(self) -> None:
        """After an answer: evaluate the conversation as the next prompt will render it, where that differs.

        Templates drop the thinking of earlier turns, so the remembered tokens stop matching at the last answer.
        Returns early when the context's flag is set.
        """
        work, self._ahead = self._ahead, None
        if work is None:
            return
        try:
            work()
        except (AbortedError, DecodeError):
            pass
        except Exception as error:  # work ahead must never harm: the next request does it again, properly
            log.info("idle.failed %s", type(error).__name__)

    def _prepare(self, messages: Sequence[ChatMessage], mode: ThinkingMode, parts: tuple[Part, ...]) -> None:
        if not visible_text(parts):
            return
        answer = ChatMessage(Role.ASSISTANT, parts)
        first, second = (
            self._renderer.text((*messages, answer, ChatMessage(Role.USER, (TextPart(word),))), mode, answer=False)
            for word in ("1 a", "2 b")
        )
        common = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), 0)
        tokens = self._renderer.tokens(first[:common])[:-1]
        held = self.context.tokens
        if not tokens or len(tokens) > self.context.size - 8:
            return
        if tokens[: len(held)] == held or held[: len(tokens)] == tokens:
            return  # nothing was dropped: the next prompt goes on from here by itself
        self.context.reuse(tokens)
        self.context.read(tokens, lambda _done: None)
