"""Asking and answering: send, regenerate, stop; answers are saved while they come.

Each answer is a task, made by the model that it was asked of: the conversation's own, else the one chosen at that
moment. Answers of one model take turns, first come, first served; one conversation has one answer at a time. What is
shown is on the disk at most a second later, or, when the disk refuses, in memory until it takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from msgspec import structs

from qwen_desktop.core.chat import LONGEST_MESSAGE, Conversation, Message, Provenance, Status, message_too_long
from qwen_desktop.core.engine import GenerateRequest, LocalEngine, Sampling, ThinkingMode
from qwen_desktop.core.errors import AppError, Cancelled, Problem, UserFacing, problem_of, prompt_empty
from qwen_desktop.core.model_ref import FileRef, ModelRef
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean, shown
from qwen_desktop.services.answer import Answer
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.events import (
    AnswerStage,
    BranchChanged,
    ConversationChanged,
    EventBus,
    MessageAdded,
    MessageChanged,
    ModelStatus,
)
from qwen_desktop.services.history import History, gone, new_id
from qwen_desktop.services.models import Models
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.prompt import asked_sampling, cut_of, request_messages
from qwen_desktop.services.saver import Saver

log = logging.getLogger(__name__)

#: A stopped engine has so long to end by itself, then its run is left, in seconds.
STOP_S = 2.0
#: ``aclose``: its time in seconds, and the shares for the answers to end by themselves and for each step of saving.
CLOSE_S = 1.2
_STOP_SHARE, _SAVE_SHARE = 0.4, 0.15
#: No token has more characters than this on average, not even in code full of spaces.
CHARACTERS_A_TOKEN = 12


class Chat:
    """The conversations' answers. All methods run on the event loop; failures raise ``AppError``."""

    def __init__(
        self, history: History, engines: Engines, models: Models, preferences: Preferences, bus: EventBus
    ) -> None:
        self._history = history
        self._engines = engines
        self._models = models
        self._preferences = preferences
        self._bus = bus
        self._saver = Saver(history, bus)
        #: conversations in which an answer runs or is about to; the event says that it is in ``_answers`` or failed
        self._reserved: dict[str, asyncio.Event] = {}
        self._answers: dict[str, Answer] = {}
        self._closing = False
        history.before_delete(self.stop)

    # What one can ask for ----------------------------------------------------------------------------------------

    async def send(
        self, text: str, *, conversation_id: str | None, thinking: ThinkingMode, made_as: str = ""
    ) -> Message:
        """Store the user's message for good, start its answer and return the message.

        Without a ``conversation_id`` a conversation is made, with the id ``made_as`` if one is given. Publishes
        ``ConversationChanged`` and ``MessageAdded`` for the message and for the (still empty) answer. Raises
        ``UserFacing`` when the text is empty or an answer is still running here, ``Environment`` when the disk
        refuses; then nothing has changed.
        """
        text = clean(text).replace("\r\n", "\n").strip("\r\n").rstrip()
        if not text.strip():
            raise prompt_empty()
        if len(text) > LONGEST_MESSAGE:
            raise message_too_long()
        # A caller that goes away must not leave a message without its answer.
        return await asyncio.shield(
            asyncio.create_task(self._send(text, conversation_id, thinking, made_as), name="chat.send")
        )

    async def regenerate(self, message_id: str) -> None:
        """Answer again: a new version beside this answer, or one under this question.

        Publishes ``BranchChanged``: the new answer has taken the place of what followed its question.
        """
        await asyncio.shield(asyncio.create_task(self._regenerate(message_id), name="chat.regenerate"))

    async def stop(self, conversation_id: str) -> None:
        """End the answer of this conversation and keep what there is; returns when it has ended and is saved."""
        starting = self._reserved.get(conversation_id)
        if starting is not None:
            await starting.wait()
        answer = self._answers.get(conversation_id)
        if answer is None or answer.task is None:
            return
        await self._ask_to_stop(answer)
        _, pending = await asyncio.wait({answer.task}, timeout=STOP_S)
        if pending:
            log.warning("answer.stop_late")
            self._leave(answer)
            await asyncio.wait({answer.task})

    async def stop_all(self) -> None:
        """End all answers, those that wait for their turn first."""
        await asyncio.gather(*(self.stop(conversation_id) for conversation_id in reversed(list(self._answers))))

    # What is going on --------------------------------------------------------------------------------------------

    def running(self) -> frozenset[str]:
        """Ids of the conversations with an answer that runs or waits for its turn."""
        return frozenset(self._reserved)

    def live(self, message_id: str) -> Message | None:
        """The message of a running answer with all that was shown so far; None when it does not run."""
        for answer in self._answers.values():
            if answer.id == message_id:
                return answer.message()
        return None

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
            stops = {asyncio.create_task(self._ask_to_stop(answer)) for answer in answers}
            await asyncio.wait(tasks, timeout=seconds * _STOP_SHARE)
            for answer in answers:
                self._leave(answer)
            for stop in stops:
                stop.cancel()
            await asyncio.wait({*tasks, *stops}, timeout=save_s)
            # Where an engine does not even let go, what was shown is saved without it.
            with contextlib.suppress(TimeoutError):
                stuck = (self._give_up(answer) for answer in answers if not answer.over)
                await asyncio.wait_for(asyncio.gather(*stuck), save_s)
        await self._saver.aclose(save_s)

    # Inside ------------------------------------------------------------------------------------------------------

    async def _send(self, text: str, conversation_id: str | None, thinking: ThinkingMode, made_as: str) -> Message:
        new: Conversation | None = None
        chosen = self._models.ref
        if conversation_id is None:
            prompt = self._preferences.settings.chat.system_prompt.strip()
            new = self._history.fresh(thinking=thinking, system_prompt=prompt, conversation_id=made_as)
            conversation_id = new.id
        with self._reservation(conversation_id):
            conversation = new or await self._conversation(conversation_id)
            ref = conversation.model or chosen
            now = self._history.now()
            question = Message(new_id(), conversation_id, conversation.leaf_id, Role.USER, (TextPart(text),), now)
            placeholder = self._placeholder(conversation_id, question.id, ref)
            changed = await self._history.add((question, placeholder), new=new)
            self._start(placeholder, changed, thinking, ref)
        self._bus.publish(MessageAdded(question))
        self._bus.publish(MessageAdded(placeholder))
        return question

    async def _regenerate(self, message_id: str) -> None:
        chosen = self._models.ref
        entry = await self._history.message(message_id)
        question_id = None if entry is None else entry.id if entry.role is Role.USER else entry.parent_id
        if entry is None or question_id is None:
            raise gone()
        with self._reservation(entry.conversation_id):
            ref = (await self._conversation(entry.conversation_id)).model or chosen
            placeholder = self._placeholder(entry.conversation_id, question_id, ref)
            changed = await self._history.add((placeholder,), announce=False)
            self._start(placeholder, changed, changed.thinking, ref)
        self._bus.publish(BranchChanged(entry.conversation_id))
        self._bus.publish(ConversationChanged(changed))

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
        try:
            yield
        except BaseException:
            del self._reserved[conversation_id]
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
            new_id(),
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

    def _start(self, placeholder: Message, conversation: Conversation, thinking: ThinkingMode, ref: ModelRef) -> None:
        answer = Answer(placeholder, placeholder.parent_id or "", self._bus)
        answer.unwanted = self._closing
        self._answers[conversation.id] = answer
        answer.task = asyncio.create_task(self._answer(answer, conversation, thinking, ref), name="chat.answer")

    async def _answer(self, answer: Answer, conversation: Conversation, thinking: ThinkingMode, ref: ModelRef) -> None:
        answer.saving = asyncio.create_task(self._saver.follow(answer), name="chat.save")
        answer.begun = True
        try:
            if answer.unwanted:
                raise asyncio.CancelledError
            await self._generate(answer, conversation, thinking, ref)
        except asyncio.CancelledError:
            # Only stop() and aclose() cancel this task: the answer ends here, its saving does not.
            answer.stopped()
        except Cancelled:
            answer.stopped()
        except Exception as error:
            answer.failed(_card(error))
            _log_failure(error)
        if answer.over:
            return  # given up: the app is closing and has saved it already
        answer.over = True
        answer.saving.cancel()
        await self._saver.finish(answer)
        self._answers.pop(conversation.id, None)
        self._reserved.pop(conversation.id, None)
        self._bus.publish(MessageChanged(answer.message()))

    async def _give_up(self, answer: Answer) -> None:
        answer.over = True
        answer.stopped()
        if answer.saving is not None:
            answer.saving.cancel()
        await self._saver.finish(answer)

    async def _generate(
        self, answer: Answer, conversation: Conversation, thinking: ThinkingMode, ref: ModelRef
    ) -> None:
        if ahead := self._engines.ahead(ref):
            self._tell_stage(answer, "queued", ahead)
        elif self._engines.state(ref).status is not ModelStatus.READY:
            self._tell_stage(answer, "loading")
        await self._models.looked_at(ref)

        def on_load(ahead: int) -> None:
            self._tell_stage(answer, "queued" if ahead else "loading", ahead)

        async with self._engines.lease(ref, on_load=on_load) as engine:
            self._tell_stage(answer, "reading")
            request = await self._request(engine, answer, conversation, thinking)
            async with engine.generate(request) as run:
                answer.run = run
                async for event in run:
                    answer.take(event)
            if answer.left_out and answer.cut is None:
                first = next(message for message in request.messages if message.role is not Role.SYSTEM)
                answer.cut_at(first.id, answer.left_out)
            answer.ended(run.result)

    async def _request(
        self, engine: LocalEngine, answer: Answer, conversation: Conversation, thinking: ThinkingMode
    ) -> GenerateRequest:
        settings = self._preferences.settings.sampling
        info = engine.info
        # Far more than fits is not even carried to the worker; what fits exactly is the engine's to say.
        characters = CHARACTERS_A_TOKEN * (info.context_size if info is not None else 32_768)
        branch, answer.left_out = await self._history.prompt_messages(answer.question_id, characters)
        messages = request_messages(branch, conversation.system_prompt)
        sampling = asked_sampling(settings)
        if info is not None:
            answer.made_by(info, sampling, thinking, settings.max_tokens)
        return GenerateRequest(
            messages,
            thinking,
            settings.max_tokens,
            sampling,
            cache_key=conversation.id,
            cut_from=cut_of(branch, messages),
        )

    def _tell_stage(self, answer: Answer, stage: Literal["queued", "loading", "reading"], ahead: int = 0) -> None:
        self._bus.publish(AnswerStage(answer.conversation_id, answer.id, stage, ahead))

    async def _ask_to_stop(self, answer: Answer) -> None:
        if answer.run is None:
            self._leave(answer)  # it waits for its turn, or for the model
            return
        try:
            await answer.run.stop()
        except AppError as error:
            log.warning("answer.stop code=%s", error.problem.what.code)

    def _leave(self, answer: Answer) -> None:
        """Break an answer off, unless it has ended and is only being saved."""
        if not answer.begun:
            answer.unwanted = True
        elif answer.task is not None and not answer.over:
            answer.task.cancel()

    def _tasks(self, answers: Iterable[Answer]) -> set[asyncio.Task[None]]:
        return {answer.task for answer in answers if answer.task is not None}


def _card(error: Exception) -> Problem:
    problem = problem_of(error)
    return problem if problem.action or problem.kind == "user" else structs.replace(problem, action="retry")


def _log_failure(error: Exception) -> None:
    # Codes and places only: the words of an exception may hold chat text.
    if isinstance(error, AppError):
        log.warning("answer.failed code=%s", error.problem.what.code)
        return
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("answer.bug kind=%s at=%s:%s", type(error).__name__, place.name, place.lineno)
