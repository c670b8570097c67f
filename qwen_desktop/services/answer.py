"""One answer in the making: what was shown so far, as the message it will be."""

from __future__ import annotations

import asyncio

from msgspec import structs

from qwen_desktop.core.chat import Message, Provenance, Status
from qwen_desktop.core.engine import (
    ContextCut,
    Event,
    FinishReason,
    GenerateResult,
    Live,
    ModelInfo,
    PromptProgress,
    Run,
    Sampling,
    TextDelta,
    TextWasThinking,
    ThinkingDelta,
    ThinkingDone,
    ThinkingMode,
)
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.parts import Part, TextPart, ThinkingPart
from qwen_desktop.core.text import clean
from qwen_desktop.services.events import (
    AnswerCut,
    AnswerDelta,
    AnswerLive,
    AnswerPrompt,
    AnswerThinkingDone,
    AnswerWasThinking,
    EventBus,
)

#: What of a local model's loading is kept with its answers.
_LOADED_WITH = ("threads", "gpu_layers", "flash_attention", "kv_type")


class _Piece:
    """Some thinking or text, collected in chunks that are joined when somebody looks."""

    def __init__(self, thinking: bool) -> None:
        self.thinking = thinking
        self.chunks: list[str] = []
        self.seconds: float | None = None
        self.tokens: int | None = None

    def part(self) -> Part:
        if len(self.chunks) > 1:
            self.chunks = ["".join(self.chunks)]
        text = self.chunks[0] if self.chunks else ""
        return ThinkingPart(text, self.seconds, self.tokens) if self.thinking else TextPart(text)


class Answer:
    """Collects an answer's events, publishes them and knows whether all of it has been saved.

    ``placeholder`` is the stored, still empty message. Everything here runs on the loop's thread.
    """

    def __init__(self, placeholder: Message, question_id: str, bus: EventBus) -> None:
        self.id = placeholder.id
        self.conversation_id = placeholder.conversation_id
        self.question_id = question_id
        self.task: asyncio.Task[None] | None = None
        self.saving: asyncio.Task[None] | None = None
        self.run: Run | None = None
        #: its task has taken its first step; a task cancelled before that would end without a word
        self.begun = False
        self.unwanted = False
        #: it has ended; only its saving may still go on
        self.over = False
        self.cut: str | None = None
        #: messages that were not even given to the engine, see ``Chat``
        self.left_out = 0
        self._bus = bus
        self._message = placeholder
        self._pieces: list[_Piece] = []
        self._changes = 0
        self._saved = 0
        self.changed = asyncio.Event()

    @property
    def changes(self) -> int:
        """Grows with everything that should be saved."""
        return self._changes

    @property
    def unsaved(self) -> bool:
        """Whether something was shown that is not on the disk."""
        return self._changes != self._saved

    def saved(self, changes: int) -> None:
        """What was there at ``changes`` is on the disk."""
        self._saved = max(self._saved, changes)

    def message(self) -> Message:
        """The message with everything shown so far."""
        parts = tuple(piece.part() for piece in self._pieces)
        return structs.replace(self._message, parts=parts, context_cut=self.cut)

    def made_by(self, info: ModelInfo, sampling: Sampling, thinking: ThinkingMode, max_tokens: int | None) -> None:
        """Keep what makes this answer, so that it can be run again."""
        settings = {"context": info.context_size, "max_tokens": max_tokens}
        if info.local is not None:
            settings |= {name: getattr(info.local, name) for name in _LOADED_WITH}
        self._message = structs.replace(
            self._message,
            provenance=Provenance(
                model_path=info.local.path if info.local else info.endpoint,
                model_name=info.name,
                model_sha256=info.local.sha256 if info.local else "",
                template_sha256=info.local.template_sha256 if info.local else "",
                sampling=sampling,
                seed=sampling.seed or 0,
                thinking=thinking,
                engine=info.engine,
                settings=settings,
                guide=info.local is not None and info.local.guide,
            ),
        )
        self._touch()

    def take(self, event: Event) -> None:
        """One event of the engine: collect it and tell it."""
        if isinstance(event, TextDelta):
            self._add(clean(event.text), thinking=False)
        elif isinstance(event, ThinkingDelta):
            self._add(clean(event.text), thinking=True)
        elif isinstance(event, ThinkingDone):
            for piece in reversed(self._pieces):
                if piece.thinking:
                    piece.seconds, piece.tokens = event.seconds, event.tokens
                    break
            self._touch()
            self._bus.publish(AnswerThinkingDone(self.conversation_id, self.id, event.seconds, event.tokens))
        elif isinstance(event, TextWasThinking):
            self._become_thinking(event)
        elif isinstance(event, PromptProgress):
            self._bus.publish(AnswerPrompt(self.conversation_id, self.id, event.done, event.total, event.seconds_left))
        elif isinstance(event, ContextCut):
            self.cut_at(event.first_kept_id, event.dropped + self.left_out)
        elif isinstance(event, Live):
            self._bus.publish(
                AnswerLive(
                    self.conversation_id,
                    self.id,
                    event.completion_tokens,
                    event.decode_tokens_per_s,
                    event.context_used,
                    event.context_size,
                )
            )

    def cut_at(self, first_kept_id: str, dropped: int) -> None:
        """Messages before this one were not sent."""
        self.cut = first_kept_id
        self._touch()
        self._bus.publish(AnswerCut(self.conversation_id, self.id, first_kept_id, dropped))

    def ended(self, result: GenerateResult) -> None:
        """The engine has ended by itself or was stopped."""
        if self._pieces and self._pieces[-1].thinking and self._pieces[-1].seconds is None:
            self._pieces[-1].seconds = result.thinking_s  # it ended in mid-thought
            self._pieces[-1].tokens = result.stats.thinking_tokens
        provenance = self._message.provenance
        if provenance is not None:
            provenance = structs.replace(provenance, sampling=result.sampling, seed=result.seed)
        self._end(
            status=Status.STOPPED if result.finish_reason is FinishReason.CANCELLED else Status.DONE,
            finish_reason=result.finish_reason,
            stats=result.stats,
            provenance=provenance,
        )

    def stopped(self) -> None:
        """It was stopped before the engine could say so."""
        self._end(status=Status.STOPPED, finish_reason=FinishReason.CANCELLED)

    def failed(self, problem: Problem) -> None:
        """It ends with a card; what was shown stays."""
        self._end(status=Status.FAILED, finish_reason=FinishReason.ERROR, problem=problem)

    def _end(self, **changes: object) -> None:
        self._message = structs.replace(self._message, **changes)
        self._touch()

    def _add(self, text: str, *, thinking: bool) -> None:
        if not text:
            return
        if not self._pieces or self._pieces[-1].thinking is not thinking:
            self._pieces.append(_Piece(thinking))
        self._pieces[-1].chunks.append(text)
        self._touch()
        self._bus.publish(
            AnswerDelta(self.conversation_id, self.id, text="" if thinking else text, thinking=text if thinking else "")
        )

    def _become_thinking(self, event: TextWasThinking) -> None:
        thought = _Piece(thinking=True)
        thought.chunks = ["".join(chunk for piece in self._pieces for chunk in piece.chunks).strip()]
        thought.seconds, thought.tokens = event.seconds, event.tokens
        self._pieces = [thought]
        self._touch()
        self._bus.publish(AnswerWasThinking(self.conversation_id, self.id, event.seconds, event.tokens))

    def _touch(self) -> None:
        self._changes += 1
        self.changed.set()
