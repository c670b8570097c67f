"""One answer in the making: read the prompt, choose tokens, hand on text as it becomes certain. Worker side."""

from __future__ import annotations

import time
from collections.abc import Callable

from qwen_desktop.core.engine import (
    Event,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    LiveFigures,
    PromptProgress,
    Sampling,
    Stats,
)
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import Part
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine.autotune import Pace
from qwen_desktop.engine.llama import Model
from qwen_desktop.engine.llama_context import AbortedError, Context, NotNumbersError, Sampler
from qwen_desktop.engine.prompt import Prompt
from qwen_desktop.engine.stream import AnswerStream
from qwen_desktop.hardware import memory

#: One frame to the app per this many seconds at most.
_FRAME_S = 0.016
_LIVE_S = 0.25
_PROGRESS_S = 0.1
_WATCH_S = 0.25


class Generation:
    """Makes one answer to a built prompt. ``began`` is when the request arrived (``time.monotonic``).

    ``marks`` are the ids of the tokens that open and close thinking, None where the vocabulary has none.
    """

    def __init__(
        self,
        model: Model,
        context: Context,
        prompt: Prompt,
        request: GenerateRequest,
        sampling: Sampling,
        *,
        marks: tuple[int | None, int | None],
        pace: Pace | None,
        emit: Callable[[tuple[Event, ...]], None],
        began: float,
    ) -> None:
        self._model = model
        self._context = context
        self._prompt = prompt
        self._emit = emit
        self._began = began
        self._pace = pace
        self._open, self._close = marks
        self._sampling = sampling
        self._seed = sampling.seed or 0
        room = context.size - len(prompt.tokens)
        self._limit = room if request.max_tokens is None else min(room, request.max_tokens)
        self._stream = AnswerStream(thinking=prompt.thinking, stop=request.stop, clock=time.monotonic)
        self._cached = 0
        self._read_s = 0.0
        self._first = self._last = 0.0
        self._tokens = 0

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was said so far."""
        return self._stream.parts

    def make(self) -> GenerateResult:
        """Make it. The context's flag ends it early, with what there is.

        Raises ``DecodeError``, and ``UserFacing`` when the model computes no numbers.
        """
        sampler = Sampler(self._model, self._sampling, self._seed)
        try:
            self._read()
            reason = self._write(sampler)
        except AbortedError:
            reason = FinishReason.CANCELLED
        except NotNumbersError:
            self._context.forget()  # what is remembered is no better
            self._stream.finish()
            self._flush()
            raise _not_numbers() from None
        finally:
            sampler.close()
        self._stream.finish()
        self._flush()
        return self._result(reason)

    def _read(self) -> None:
        tokens = self._prompt.tokens
        total = len(tokens)
        began = told = measured = time.monotonic()
        self._cached = at = self._context.reuse(tokens)
        if total - at > self._context.shape.chunk:
            self._emit((PromptProgress(at, total),))

        def progress(done: int) -> None:
            nonlocal told, measured, at
            now = time.monotonic()
            if done < total and now - told >= _PROGRESS_S:
                told = now
                left = (now - began) / max(1, done - self._cached) * (total - done)
                self._emit((PromptProgress(done, total, round(left, 1)),))
            if self._pace is not None and done - at == self._context.shape.chunk:  # whole chunks compare
                self._context.set_threads(read=self._pace.read.done(done - at, now - measured))
            measured, at = now, done

        try:
            self._context.read(tokens, progress)
        finally:
            self._read_s = time.monotonic() - began

    def _write(self, sampler: Sampler) -> FinishReason:
        model, context, stream = self._model, self._context, self._stream
        piece, step = model.piece, context.step
        flushed = lived = measured = 0.0
        count = 0
        while self._tokens < self._limit:
            token = sampler.next(context)
            now = time.monotonic()
            if not self._tokens:
                self._first = flushed = lived = measured = now
            self._tokens += 1
            self._last = now
            if model.is_end(token):
                return FinishReason.STOP
            if not ((token == self._open and stream.mark(True)) or (token == self._close and stream.mark(False))):
                stream.piece(piece(token) or self._written(token))
            if stream.stopped:
                return FinishReason.STOP
            if now - flushed >= _FRAME_S or self._tokens == 1:
                flushed = now
                live = now - lived >= _LIVE_S
                lived = now if live else lived
                self._flush(live=live)
            count += 1
            if self._pace is not None and now - measured >= _WATCH_S:
                context.set_threads(write=self._pace.write.done(count, now - measured))
                count, measured = 0, now
            if self._tokens < self._limit:
                step(token)
        return FinishReason.LENGTH

    def _written(self, token: int) -> bytes:
        """A thinking mark in the middle of an answer is text; other control tokens have none."""
        return self._model.special_text(token).encode() if token in (self._open, self._close) else b""

    def _flush(self, *, live: bool = False) -> None:
        events: tuple[Event, ...] = self._stream.events()
        if live:
            events += (
                LiveFigures(self._tokens, round(self._speed(), 2), len(self._context.tokens), self._context.size),
            )
        if events:
            self._emit(events)

    def _speed(self) -> float:
        seconds = self._last - self._first
        return (self._tokens - 1) / seconds if seconds > 0 and self._tokens > 1 else 0.0

    def _result(self, reason: FinishReason) -> GenerateResult:
        stream, total = self._stream, len(self._prompt.tokens)
        read = max(0, min(total, len(self._context.tokens)) - self._cached)
        stats = Stats(
            prompt_tokens=total,
            cached_tokens=self._cached,
            completion_tokens=self._tokens,
            thinking_tokens=stream.thinking_tokens,
            ttft_s=round(self._first - self._began, 4) if self._first else 0.0,
            prompt_tokens_per_s=round(read / self._read_s, 2) if self._read_s > 0 else 0.0,
            decode_tokens_per_s=round(self._speed(), 2),
            memory_bytes=memory_bytes(),
            thinking_s=round(stream.thinking_s, 3),
            context_used=len(self._context.tokens),
            context_size=self._context.size,
        )
        return GenerateResult(
            finish_reason=reason,
            stats=stats,
            sampling=self._sampling,
            seed=self._seed,
        )


def _not_numbers() -> UserFacing:
    return UserFacing(
        Text(
            "answer.not_numbers",
            QT_TRANSLATE_NOOP(
                "engine", "This model cannot go on: what it computes for the next word are no longer numbers."
            ),
        ),
        Text(
            "answer.not_numbers.hint",
            QT_TRANSLATE_NOOP(
                "engine", "Its file is most likely damaged or badly converted; get it again, or choose another one."
            ),
        ),
        action="model.choose",
    )


def memory_bytes() -> int:
    """Memory that this process holds, in bytes."""
    return sum(memory.resident())
