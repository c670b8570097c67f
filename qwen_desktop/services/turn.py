"""A turn: what is said to one question, by one generation or by several with tools between them, as one message.

``Turn`` collects and tells, ``Saver`` brings it to the disk: about twice a second while it comes, durably at its end,
and again and again when the disk refuses (full, in use): meanwhile it stays in memory, and the user is told once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from msgspec import structs

from qwen_desktop.core.chat import Again, Message, Provenance, Status
from qwen_desktop.core.engine import (
    ContextCut,
    Event,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    LocalEngine,
    ModelInfo,
    PromptProgress,
    Run,
    Stats,
)
from qwen_desktop.core.errors import AppError, Problem
from qwen_desktop.core.parts import (
    Part,
    PartBegun,
    PartDelta,
    PartDone,
    PartEvent,
    PartsBuilder,
    Role,
    ThinkingPart,
    cleaned,
    text_of,
)
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean
from qwen_desktop.services.events import AnswerEvent, EventBus, Notified, RunChanged, RunStage, RunState
from qwen_desktop.services.history import History

log = logging.getLogger(__name__)

#: From the begin of one save to the begin of the next while an answer comes, in seconds. Shown text must be on the
#: disk within 1 s; the rest is for a slow disk.
EVERY_S = 0.4
#: Between attempts when the disk refuses, in seconds.
AGAIN_S = 2.0

#: What of a local model's loading is kept with its answers.
_LOADED_WITH = ("threads", "gpu_layers", "experts_on_cpu", "flash_attention", "kv_type", "yarn_factor")
#: What of a request is kept with its answer, beside what has a place of its own.
_ASKED_WITH = ("max_tokens", "thinking_budget", "loop_guard")
#: Gives an engine for one generation.
Lease: TypeAlias = Callable[[], AbstractAsyncContextManager[LocalEngine]]
#: Told the answer's parts after each generation that ended by itself; what it gives (results of tools) is added to
#: them, and the model goes on. Nothing, and the turn has ended.
GoOn: TypeAlias = Callable[[tuple[Part, ...]], Awaitable[tuple[Part, ...]]]


class Turn:
    """One answer in the making. ``placeholder`` is its stored message: empty, or what it goes on from. ``original`` is
    the answer that it makes again.

    Everything here runs on the loop's thread.
    """

    def __init__(
        self, placeholder: Message, bus: EventBus, go_on: GoOn | None = None, original: Message | None = None
    ) -> None:
        self.id = placeholder.id
        self.conversation_id = placeholder.conversation_id
        self.question_id = placeholder.parent_id or ""
        self.task: asyncio.Task[None] | None = None
        self.saving: asyncio.Task[None] | None = None
        #: why it failed
        self.error: Exception | None = None
        #: its task has taken its first step; a task cancelled before that would end without a word
        self.begun = False
        self.unwanted = False
        #: it has ended; only its saving may still go on
        self.over = False
        #: messages that were not even given to the engine, see ``Chat``
        self.left_out = 0
        #: set when there is something new to save
        self.changed = asyncio.Event()
        #: where it stands, for whoever looks only now
        self.state = RunState(placeholder.id)
        self._bus = bus
        self._go_on = go_on
        self._run: Run | None = None
        self._original = original
        self._message = placeholder
        self._parts = PartsBuilder(placeholder.parts)
        self._first = 0  # of this generation's parts

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was said so far."""
        return self._parts.parts()

    @property
    def cut(self) -> str | None:
        """The message from which on the model has read the chat, None where it has read all of it."""
        return self._message.context_cut

    def message(self) -> Message:
        """The message with everything shown so far."""
        return structs.replace(self._message, parts=self.parts)

    def made_by(self, info: ModelInfo, request: GenerateRequest) -> None:
        """Keep what makes this answer, so that it can be run again."""
        local, sampling, before = info.local, request.sampling, self._message.provenance
        settings: dict[str, Any] = {"context": info.context_size}
        settings |= {name: getattr(request, name) for name in _ASKED_WITH}
        if local is not None:
            settings |= {name: getattr(local, name) for name in _LOADED_WITH}
        if request.grammar is not None:  # an answer that goes on keeps to its form
            settings["grammar"] = (request.grammar.kind, request.grammar.text)
        self._update(
            provenance=Provenance(
                model_path=local.path if local is not None else info.endpoint,
                model_name=info.name,
                model_sha256=local.sha256 if local is not None else "",
                template_sha256=local.template_sha256 if local is not None else "",
                sampling=sampling,
                seed=sampling.seed or 0,
                thinking=request.thinking,
                engine=info.engine,
                settings=settings,
                guide=local is not None and local.guide,
                # what is true of what was said before this generation
                budget_spent=before is not None and before.budget_spent,
                stopped_loop=before is not None and before.stopped_loop,
                edited=before is not None and before.edited,
                again=before.again if before is not None else None,
                adapters=before.adapters if before is not None else (),
            )
        )

    async def run(self, lease: Lease, request: Callable[[LocalEngine], Awaitable[GenerateRequest]]) -> None:
        """Have it said: one generation, and another one as long as ``go_on`` says so. The engine is leased for each,
        since approval of a tool may take its time. Raises what the engine, or a tool, raises."""
        while True:
            async with lease() as engine:
                asked = await request(engine)
                self._first = len(self._parts) - (len(asked.messages[-1].parts) if asked.go_on else 0)
                self._parts = PartsBuilder(reopened(self.parts))
                async with engine.generate(asked) as run:
                    self._run = run
                    async for event in run:
                        self._take(event)
            self._run = None
            if self.left_out and self._message.context_cut is None:
                first = next(message for message in asked.messages if message.role is not Role.SYSTEM)
                self._take(ContextCut(first.id, 0))
            self._count(run.result)
            more: tuple[Part, ...] = ()
            if self._go_on is not None and run.result.finish_reason is FinishReason.STOP:
                more = await self._go_on(self._parts.parts())
            if not more:
                return self._end(run.result.finish_reason)
            self._first = len(self._parts)
            for number, part in enumerate(more):
                self._take(PartBegun(number, part))
                self._take(PartDone(number))

    def at(self, stage: RunStage, ahead: int = 0) -> None:
        """It has come so far; ``ahead`` others come first."""
        self._stands(stage=stage, ahead=ahead, read=None)

    def stopped(self) -> None:
        """It was stopped before the engine could say so."""
        self._keep_context()
        self._end(FinishReason.CANCELLED)

    def failed(self, error: Exception, problem: Problem) -> None:
        """It ends with a card; what was shown stays."""
        self.error = error
        self._keep_context()
        self._update(status=Status.FAILED, finish_reason=FinishReason.ERROR, problem=problem)

    async def ask_to_stop(self) -> None:
        """Have the engine end; where it does not run yet or any more, leave at once."""
        if self._run is None:
            self.leave()  # it waits for its turn, for the model, or for a tool
            return
        try:
            await self._run.stop()
        except AppError as error:
            log.warning("answer.stop code=%s", error.problem.what.code)

    def leave(self) -> None:
        """Break it off, unless it has ended and is only being saved."""
        if not self.begun:
            self.unwanted = True
        elif self.task is not None and not self.over:
            self.task.cancel()

    def _take(self, event: Event) -> None:
        """One event of the engine: collect it, and pass it on."""
        if isinstance(event, PartBegun):
            event = PartBegun(event.index, cleaned(event.part))
        elif isinstance(event, PartDelta):
            event = PartDelta(event.index, clean(event.text))
            if not event.text:
                return
        if isinstance(event, PartEvent):
            if self._first:
                event = structs.replace(event, index=event.index + self._first)
            self._parts.take(event)
            self.changed.set()
            if not isinstance(event, PartDelta):
                thinks = isinstance(event, PartBegun) and isinstance(event.part, ThinkingPart)
                self._stands(stage=RunStage.SPEAKING, thinking_since=time.monotonic() if thinks else None)
            elif self.state.stage is not RunStage.SPEAKING:  # it goes on in a part that has begun before
                before = self._message.parts[event.index] if event.index < len(self._message.parts) else None
                since = time.monotonic() - (before.seconds or 0.0) if isinstance(before, ThinkingPart) else None
                self._stands(stage=RunStage.SPEAKING, thinking_since=since)
        elif isinstance(event, ContextCut):
            event = ContextCut(event.first_kept_id, event.dropped + self.left_out)
            self._update(context_cut=event.first_kept_id)
            self._stands(cut=event.first_kept_id)
        else:
            self._stands(**{"read" if isinstance(event, PromptProgress) else "figures": event})
        self._bus.publish(AnswerEvent(self.conversation_id, self.id, event))

    def _stands(self, **changes: object) -> None:
        """Keep where it stands, and say so where that is another place."""
        before, self.state = self.state, structs.replace(self.state, **changes)
        if self.state != before:
            self._bus.publish(RunChanged(self.conversation_id, self.state))

    def _count(self, result: GenerateResult) -> None:
        """Add a generation's figures, and keep how its words were really chosen."""
        made, before = self._message.provenance, self._message.stats
        if made is not None:
            made = structs.replace(
                made,
                sampling=result.sampling,
                seed=result.seed,
                # One that went on makes the rest only: nothing makes all of it again.
                recipe=None if result.recipe is not None and result.recipe.go_on else result.recipe,
                again=self._again(result),
                adapters=result.adapters,
                budget_spent=made.budget_spent or result.budget_spent,
                stopped_loop=made.stopped_loop or result.stopped_loop,
            )
        self._update(provenance=made, stats=result.stats if before is None else _added(before, result.stats))

    def _again(self, result: GenerateResult) -> Again | None:
        if self._original is None:
            return None
        equal = None if result.finish_reason is FinishReason.CANCELLED else same_words(self._original, self.parts)
        return Again(self._original.id, equal, result.differs)

    def _keep_context(self) -> None:
        """Keep how full the context was when a generation broke off, which then has no figures of its own. Its speed
        is not kept: it would be that of a part."""
        told, before = self.state.figures, self._message.stats or Stats()
        if told is not None and told.context_used > before.context_used:
            self._update(stats=structs.replace(before, context_used=told.context_used, context_size=told.context_size))

    def _end(self, reason: FinishReason) -> None:
        status = Status.STOPPED if reason is FinishReason.CANCELLED else Status.DONE
        self._update(status=status, finish_reason=reason)

    def _update(self, **changes: object) -> None:
        self._message = structs.replace(self._message, **changes)
        self.changed.set()


def reopened(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts of an answer that goes on: a thought at their end has not come to its own yet."""
    last = parts[-1] if parts else None
    return (*parts[:-1], structs.replace(last, seconds=None)) if isinstance(last, ThinkingPart) else parts


def same_words(original: Message, parts: tuple[Part, ...]) -> bool:
    """Whether an answer was made again letter for letter; see ``Again``."""
    then, now = ([(type(part), text_of(part)) for part in found] for found in (original.parts, parts))
    if original.status is Status.STOPPED and then and len(then) <= len(now):
        (kind, text), (kind_now, text_now) = then[-1], now[len(then) - 1]
        return then[:-1] == now[: len(then) - 1] and kind is kind_now and text_now.startswith(text)
    return then == now


def _added(first: Stats, then: Stats) -> Stats:
    """The figures of two generations as those of one answer: what was said adds up, the rest is the last one's."""
    tokens = first.completion_tokens + then.completion_tokens
    seconds = sum(s.completion_tokens / s.decode_tokens_per_s for s in (first, then) if s.decode_tokens_per_s > 0)
    return structs.replace(
        then,
        completion_tokens=tokens,
        thinking_tokens=first.thinking_tokens + then.thinking_tokens,
        thinking_s=first.thinking_s + then.thinking_s,
        drafted_tokens=first.drafted_tokens + then.drafted_tokens,
        accepted_tokens=first.accepted_tokens + then.accepted_tokens,
        ttft_s=first.ttft_s,
        decode_tokens_per_s=round(tokens / seconds, 2) if seconds else 0.0,
    )


class Saver:
    """Brings answers to the disk and never raises for what the disk does."""

    def __init__(self, history: History, bus: EventBus) -> None:
        self._history = history
        self._bus = bus
        self._kept: dict[str, Message] = {}
        self._again: asyncio.Task[None] | None = None
        #: the answers that the disk does not take now
        self._refused: set[str] = set()

    async def follow(self, turn: Turn) -> None:
        """Save a streaming answer as it grows, until cancelled. It is served from memory meanwhile."""
        self._history.hold(turn.id, turn.message)
        while True:
            await turn.changed.wait()
            turn.changed.clear()
            started = time.monotonic()
            try:
                await self._history.save(turn.message(), durable=False)
            except AppError as error:
                self._tell(turn.id, error)
                turn.changed.set()
                await asyncio.sleep(AGAIN_S)
            else:
                self._works(turn.id)
                await asyncio.sleep(max(0.0, started + EVERY_S - time.monotonic()))

    async def finish(self, turn: Turn) -> None:
        """Save an ended answer for good, or keep it until that works."""
        message = turn.message()
        self._history.hold(message.id, lambda: message)
        try:
            await self._history.save(message, durable=True)
        except AppError as error:
            self._tell(message.id, error)
            self._keep(message)
        else:
            self._history.release(message.id)
            self._works(message.id)

    async def put(self, message: Message) -> bool:
        """Write an answer that is not being made, for good, in the place of what could not be saved of it. False when
        it is no longer there. Raises ``AppError``, and nothing has changed."""
        kept = self._kept.pop(message.id, None)  # it must not be saved over this
        try:
            found = await self._history.save(message, durable=True)
        except AppError:
            if kept is not None:
                self._keep(kept)
            raise
        if kept is not None:
            self._history.release(message.id)
            self._works(message.id)
        return found

    async def aclose(self, seconds: float) -> None:
        """Try once more what could not be saved, in ``seconds`` at most."""
        if self._again is not None:
            self._again.cancel()
        if self._kept:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._save_kept(), seconds)
        if self._kept:
            log.warning("answers.unsaved count=%d", len(self._kept))

    def _keep(self, message: Message) -> None:
        self._kept[message.id] = message
        if self._again is None or self._again.done():
            self._again = asyncio.create_task(self._try_again(), name="saver.again")

    async def _try_again(self) -> None:
        while self._kept:
            await asyncio.sleep(AGAIN_S)
            await self._save_kept()

    async def _save_kept(self) -> None:
        for message in tuple(self._kept.values()):
            if self._kept.get(message.id) is not message:
                continue  # something else was put in its place
            try:
                await self._history.save(message, durable=True)
            except AppError as error:
                self._tell(message.id, error)
                return
            if self._kept.get(message.id) is message:
                del self._kept[message.id]
                self._history.release(message.id)
                self._works(message.id)

    def _tell(self, message_id: str, error: AppError) -> None:
        told = bool(self._refused)
        self._refused.add(message_id)
        if told:
            return
        log.warning("answer.unsaved code=%s", error.problem.what.code)
        full = error.problem.what.code == "disk.full"
        self._bus.publish(
            Notified(
                Text(
                    "answer.unsaved.full",
                    QT_TRANSLATE_NOOP(
                        "chat", "The disk is full. The answer is kept in memory; free some space to have it saved."
                    ),
                )
                if full
                else Text(
                    "answer.unsaved",
                    QT_TRANSLATE_NOOP(
                        "chat", "The answer cannot be saved now. It is kept in memory and saved as soon as possible."
                    ),
                )
            )
        )

    def _works(self, message_id: str) -> None:
        if message_id not in self._refused:
            return
        self._refused.remove(message_id)
        if self._refused:
            return
        self._bus.publish(Notified(Text("answer.saved_again", QT_TRANSLATE_NOOP("chat", "Everything is saved again."))))
