"""The answers that run: one a conversation, each a task, made by the model that it was asked of.

A model answers as many conversations at once as its engine works on, the others wait, first come, first served. What is
shown is on the disk at most a second later, or, when the disk refuses, in memory until it takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from qwen_desktop.core.chat import Conversation, Message, Provenance, Status, new_id
from qwen_desktop.core.engine import GenerateRequest, Grammar, LocalEngine, Sampling, ThinkingMode
from qwen_desktop.core.errors import AppError, Cancelled, Problem, UserFacing, problem_of
from qwen_desktop.core.model_ref import FileRef, ModelRef, with_context
from qwen_desktop.core.parts import Role
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, shown
from qwen_desktop.services.adapters import COMMAND, check_there
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.events import EventBus, MessageChanged, RunChanged, RunStage, RunState
from qwen_desktop.services.history import History, gone
from qwen_desktop.services.models import Models
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.request_messages import (
    adapters_asked,
    answer_messages,
    as_then,
    asked_sampling,
    cut_of,
    request_messages,
    thought_budget,
)
from qwen_desktop.services.turn import GoOn, Saver, Turn

log = logging.getLogger(__name__)

#: A stopped engine has so long to end by itself, then its run is left, in seconds.
STOP_S = 2.0
#: ``aclose``: its time in seconds, and the shares for the answers to end by themselves and for each step of saving.
CLOSE_S = 1.2
_STOP_SHARE, _SAVE_SHARE = 0.4, 0.15
#: No token has more characters than this on average, not even in code full of spaces.
CHARACTERS_A_TOKEN = 12


@dataclass(frozen=True, slots=True)
class Asked:
    """How an answer is to be made: by which model, and what is asked for this answer alone. None is as the conversation
    says, and the settings. ``original`` is an answer that this one makes again by its recipe."""

    ref: ModelRef
    thinking: ThinkingMode
    thinking_budget: int | None = None
    sampling: Sampling | None = None
    loop_guard: bool | None = None
    grammar: Grammar | None = None
    original: Message | None = None


class Answers:
    """The running answers. All methods run on the event loop.

    ``go_on`` decides after each generation whether the answer goes on with another one.
    """

    def __init__(
        self,
        history: History,
        engines: Engines,
        models: Models,
        preferences: Preferences,
        bus: EventBus,
        *,
        go_on: GoOn | None = None,
    ) -> None:
        self._go_on = go_on
        self._history = history
        self._engines = engines
        self._models = models
        self._preferences = preferences
        self._bus = bus
        self._saver = Saver(history, bus)
        #: conversations in which an answer runs or is about to; the event says that it is in ``_answers`` or failed
        self._reserved: dict[str, asyncio.Event] = {}
        self._answers: dict[str, Turn] = {}
        self._closing = False
        history.before_delete(self.stop)

    async def stop(self, conversation_id: str) -> None:
        """End the answer of this conversation and keep what there is; returns when it has ended and is saved."""
        starting = self._reserved.get(conversation_id)
        if starting is not None:
            await starting.wait()
        answer = self._answers.get(conversation_id)
        if answer is None or answer.task is None:
            return
        await answer.ask_to_stop()
        _, pending = await asyncio.wait({answer.task}, timeout=STOP_S)
        if pending:
            log.warning("answer.stop_late")
            answer.leave()
            await asyncio.wait({answer.task})

    # What is going on --------------------------------------------------------------------------------------------

    def running(self) -> frozenset[str]:
        """Ids of the conversations with an answer that runs or waits for its turn."""
        return frozenset(self._reserved)

    def run(self, conversation_id: str) -> RunState | None:
        """Where the answer of this conversation stands, None when none runs or it is only about to."""
        turn = self._answers.get(conversation_id)
        return None if turn is None else turn.state

    async def ended(self, conversation_id: str) -> None:
        """Wait until the answer of this conversation has ended and is saved; called at once after ``send``, it raises
        what the answer failed with."""
        turn = self._answers.get(conversation_id)
        if turn is not None and turn.task is not None:
            await asyncio.wait({turn.task})
            if turn.error is not None:
                raise turn.error

    async def idle(self) -> None:
        """Wait until no answer runs."""
        while tasks := self._tasks(self._answers.values()):
            await asyncio.wait(tasks)

    async def aclose(self, seconds: float = CLOSE_S) -> None:
        """Refuse new messages, stop the answers and save them, in ``seconds`` at most, whatever the engine does."""
        self._closing = True
        save_s = seconds * _SAVE_SHARE
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(e.wait() for e in self._reserved.values())), save_s)
        answers = list(self._answers.values())
        tasks = self._tasks(answers)
        if tasks:
            stops = {asyncio.create_task(answer.ask_to_stop()) for answer in answers}
            await asyncio.wait(tasks, timeout=seconds * _STOP_SHARE)
            for answer in answers:
                answer.leave()
            for stop in stops:
                stop.cancel()
            await asyncio.wait({*tasks, *stops}, timeout=save_s)
            # Where an engine does not even let go, what was shown is saved without it.
            with contextlib.suppress(TimeoutError):
                stuck = (self._give_up(answer) for answer in answers if not answer.over)
                await asyncio.wait_for(asyncio.gather(*stuck), save_s)
        await self._saver.aclose(save_s)

    # Inside ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _reservation(self, conversation_id: str) -> Iterator[None]:
        """Keep the conversation for one answer; given back when the block fails, else when the answer has ended."""
        if self._closing:
            raise UserFacing(
                Text("chat.closing", QT_TRANSLATE_NOOP("chat", "Qwen Desktop is closing.")),
                Text("chat.closing.hint", QT_TRANSLATE_NOOP("chat", "Send the message after the next start.")),
            )
        if conversation_id in self._reserved:
            raise UserFacing(
                Text("chat.busy", QT_TRANSLATE_NOOP("chat", "An answer is still running in this chat.")),
                Text("chat.busy.hint", QT_TRANSLATE_NOOP("chat", "Wait for it, or stop it first.")),
                action="answer.stop",
            )
        started = self._reserved[conversation_id] = asyncio.Event()
        self._bus.publish(RunChanged(conversation_id))
        try:
            yield
        except BaseException:
            del self._reserved[conversation_id]
            self._bus.publish(RunChanged(conversation_id))
            raise
        finally:
            started.set()

    async def _conversation(self, conversation_id: str) -> Conversation:
        conversation = await self._history.get(conversation_id)
        if conversation is None:
            raise gone()
        return conversation

    def _placeholder(self, conversation_id: str, question_id: str, ref: ModelRef) -> Message:
        return Message(
            new_id(conversation_id),
            conversation_id,
            question_id,
            Role.ASSISTANT,
            (),
            self._history.now(),
            Status.STREAMING,
            provenance=self._expected(ref),
        )

    def _expected(self, ref: ModelRef) -> Provenance:
        """What will most likely make the next answer, so that it carries a name from its first moment; ``made_by``
        replaces it by what really does once the model is loaded."""
        info, path = self._engines.state(ref).info, ref.path if isinstance(ref, FileRef) else ""
        local = info.local if info is not None else None
        chosen = self._models.state
        return Provenance(
            model_path=path,
            model_name=info.name
            if info is not None
            else chosen.name
            if chosen.path == path
            else shown(Path(path).stem),
            model_sha256=local.sha256 if local is not None else "",
            template_sha256=local.template_sha256 if local is not None else "",
            sampling=Sampling(),
            seed=0,
            thinking=ThinkingMode.AUTO,
            engine=info.engine if info is not None else "",
            guide=not path,
        )

    def _start(self, placeholder: Message, conversation: Conversation, asked: Asked) -> Turn:
        turn = Turn(placeholder, self._bus, self._go_on, asked.original)
        turn.unwanted = self._closing
        self._answers[conversation.id] = turn
        turn.task = asyncio.create_task(self._answer(turn, conversation, asked), name="chat.answer")
        return turn

    async def _answer(self, turn: Turn, conversation: Conversation, asked: Asked) -> None:
        turn.saving = asyncio.create_task(self._saver.follow(turn), name="chat.save")
        turn.begun = True
        try:
            if turn.unwanted:
                raise asyncio.CancelledError
            await turn.run(
                lambda: self._lease(turn, asked.ref, conversation.context),
                lambda engine: self._request(engine, turn, conversation, asked),
            )
        except asyncio.CancelledError:
            # Only stop() and aclose() cancel this task: the answer ends here, its saving does not.
            turn.stopped()
        except Cancelled:
            turn.stopped()
        except Exception as error:
            turn.failed(error, _card(error))
            _log_failure(error)
        if turn.over:
            return  # given up: the app is closing and has saved it already
        turn.over = True
        turn.saving.cancel()
        await self._saver.finish(turn)
        self._answers.pop(conversation.id, None)
        self._reserved.pop(conversation.id, None)
        self._bus.publish(MessageChanged(turn.message()))
        self._bus.publish(RunChanged(conversation.id))

    async def _give_up(self, turn: Turn) -> None:
        turn.over = True
        turn.stopped()
        if turn.saving is not None:
            turn.saving.cancel()
        await self._saver.finish(turn)

    @contextlib.asynccontextmanager
    async def _lease(self, turn: Turn, ref: ModelRef, context: int | None) -> AsyncIterator[LocalEngine]:
        await self._models.looked_at(ref)
        async with self._engines.lease(
            with_context(ref, context),
            on_load=lambda ahead: turn.at(RunStage.QUEUED if ahead else RunStage.LOADING, ahead),
        ) as engine:
            turn.at(RunStage.READING)
            yield engine

    async def _request(
        self, engine: LocalEngine, turn: Turn, conversation: Conversation, asked: Asked
    ) -> GenerateRequest:
        settings = self._preferences.settings
        info = engine.info
        adapters = adapters_asked(conversation.adapters, asked.ref)
        if adapters and asked.original is None:
            await asyncio.to_thread(check_there, adapters)
        chosen = asked_sampling(settings.sampling, conversation.sampling)
        # Far more than fits is not even carried to the worker; what fits exactly is the engine's to say.
        characters = CHARACTERS_A_TOKEN * (info.context_size if info is not None else 32_768)
        branch, turn.left_out = await self._history.prompt_messages(turn.question_id, characters)
        so_far = answer_messages(turn.parts, turn.id)
        messages = request_messages(branch, conversation.system_prompt) + so_far
        request = GenerateRequest(
            messages,
            asked.thinking,
            settings.sampling.max_tokens,
            asked_sampling(chosen, asked.sampling),
            cache_key=conversation.id,
            cut_from=turn.cut or cut_of(branch, messages),
            thinking_budget=thought_budget(
                asked.thinking_budget, conversation.thinking_budget, settings.chat.thinking_budget
            ),
            loop_guard=settings.chat.loop_guard if asked.loop_guard is None else asked.loop_guard,
            grammar=asked.grammar,
            go_on=bool(so_far) and so_far[-1].role is Role.ASSISTANT,
            adapters=adapters,
            keep=settings.storage.prompt_cache_gb != 0 and self._history.is_kept(conversation.id),
        )
        if asked.original is not None:
            request = as_then(request, asked.original)
        if info is not None:
            turn.made_by(info, request)
        return request

    def _tasks(self, turns: Iterable[Turn]) -> set[asyncio.Task[None]]:
        return {turn.task for turn in turns if turn.task is not None}


def _card(error: Exception) -> Problem:
    problem = problem_of(error)
    if problem.what.code.startswith("adapter.") and problem.action in ("", "model.open"):
        return structs.replace(problem, action=COMMAND)  # where another one is chosen, or none
    return problem if problem.action or problem.kind == "user" else structs.replace(problem, action="retry")


def _log_failure(error: Exception) -> None:
    # Codes and places only: the words of an exception may hold chat text.
    if isinstance(error, AppError):
        log.warning("answer.failed code=%s", error.problem.what.code)
        return
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("answer.bug kind=%s at=%s:%s", type(error).__name__, place.name, place.lineno)
