"""Asking and answering: send, regenerate, stop; answers are saved while they come.

Each answer is a task, made by the model that it was asked of: the conversation's own, else the one chosen at that
moment. A model answers as many conversations at once as its engine works on, the others wait, first come, first served;
one conversation has one answer at a time. What is shown is on the disk at most a second later, or, when the disk
refuses, in memory until it takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from qwen_desktop.core.chat import LONGEST_MESSAGE, Conversation, Message, Provenance, Status, message_too_long, new_id
from qwen_desktop.core.engine import GenerateRequest, LocalEngine, Sampling, ThinkingMode
from qwen_desktop.core.errors import AppError, Cancelled, Problem, UserFacing, problem_of, prompt_empty
from qwen_desktop.core.model_ref import FileRef, ModelRef
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Part, Role, TextPart, cleaned
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean, shown
from qwen_desktop.services.engines import Engines, told_already
from qwen_desktop.services.events import (
    BranchChanged,
    ConversationChanged,
    EventBus,
    MessageAdded,
    MessageChanged,
    RunChanged,
    RunStage,
    RunState,
)
from qwen_desktop.services.history import History, gone
from qwen_desktop.services.models import Models
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.request_messages import answer_messages, asked_sampling, cut_of, request_messages
from qwen_desktop.services.turn import GoOn, Saver, Turn

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A stopped engine has so long to end by itself, then its run is left, in seconds.
STOP_S = 2.0
#: ``aclose``: its time in seconds, and the shares for the answers to end by themselves and for each step of saving.
CLOSE_S = 1.2
_STOP_SHARE, _SAVE_SHARE = 0.4, 0.15
#: No token has more characters than this on average, not even in code full of spaces.
CHARACTERS_A_TOKEN = 12
#: The parent of a message that goes to the end of the branch on show.
END = ""


class Chat:
    """The conversations' answers. All methods run on the event loop; failures raise ``AppError``.

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

    # What one can ask for ----------------------------------------------------------------------------------------

    async def send(
        self,
        parts: Sequence[Part],
        *,
        conversation_id: str,
        thinking: ThinkingMode,
        new: bool = False,
        parent_id: str | None = END,
        model: ModelRef | None = None,
    ) -> Message:
        """Store the user's message for good, start its answer and return the message.

        ``conversation_id`` is made by the caller (``new_id``) and ``new`` where there is no such conversation yet.
        ``parent_id`` is the message to go on from: the last one on show, another one (then ``BranchChanged`` is
        published), or None to begin the conversation anew. ``model`` answers this one message.

        Publishes ``ConversationChanged`` and ``MessageAdded`` for the message and for the (still empty) answer. Raises
        ``UserFacing`` when the message is empty, its parent or an attachment is not there, or an answer is still
        running here, ``Environment`` when the disk refuses; then nothing has changed.
        """
        parts = tuple(part for part in map(_tidy, parts) if not isinstance(part, TextPart) or part.text)
        if not parts:
            raise prompt_empty()
        if sum(len(part.text) for part in parts if isinstance(part, TextPart | FilePart)) > LONGEST_MESSAGE:
            raise message_too_long()
        question = Message(new_id(), conversation_id, parent_id, Role.USER, parts, self._history.now())
        return await _to_its_end(self._send(question, thinking, model, new=new), "chat.send")

    async def regenerate(self, message_id: str) -> None:
        """Answer again: a new version beside this answer, or one under this question.

        Publishes ``BranchChanged``: the new answer has taken the place of what followed its question.
        """
        await _to_its_end(self._regenerate(message_id), "chat.regenerate")

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

    async def _send(self, question: Message, thinking: ThinkingMode, model: ModelRef | None, *, new: bool) -> Message:
        where, chosen = question.conversation_id, self._models.ref
        with self._reservation(where):
            if new:
                prompt = self._preferences.settings.chat.system_prompt.strip()
                conversation = self._history.fresh(
                    thinking=thinking, system_prompt=prompt, conversation_id=where, model=model
                )
            else:
                conversation = await self._conversation(where)
            if question.parent_id == END:
                question = structs.replace(question, parent_id=conversation.leaf_id)
            elsewhere = question.parent_id != conversation.leaf_id
            if elsewhere and question.parent_id is not None:
                parent = await self._history.message(question.parent_id)
                if parent is None or parent.conversation_id != where:
                    raise _no_parent()
            ref = model or conversation.model or chosen
            placeholder = self._placeholder(where, question.id, ref)
            changed = await self._history.add((question, placeholder), new=conversation if new else None)
            self._start(placeholder, changed, thinking, ref)
        for event in (BranchChanged(where),) if elsewhere else (MessageAdded(question), MessageAdded(placeholder)):
            self._bus.publish(event)
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
        turn = Turn(placeholder, self._bus, self._go_on)
        turn.unwanted = self._closing
        self._answers[conversation.id] = turn
        turn.task = asyncio.create_task(self._answer(turn, conversation, thinking, ref), name="chat.answer")

    async def _answer(self, turn: Turn, conversation: Conversation, thinking: ThinkingMode, ref: ModelRef) -> None:
        turn.saving = asyncio.create_task(self._saver.follow(turn), name="chat.save")
        turn.begun = True
        try:
            if turn.unwanted:
                raise asyncio.CancelledError
            await turn.run(
                lambda: self._lease(turn, ref), lambda engine: self._request(engine, turn, conversation, thinking)
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
    async def _lease(self, turn: Turn, ref: ModelRef) -> AsyncIterator[LocalEngine]:
        await self._models.looked_at(ref)
        async with self._engines.lease(
            ref, on_load=lambda ahead: turn.at(RunStage.QUEUED if ahead else RunStage.LOADING, ahead)
        ) as engine:
            turn.at(RunStage.READING)
            yield engine

    async def _request(
        self, engine: LocalEngine, turn: Turn, conversation: Conversation, thinking: ThinkingMode
    ) -> GenerateRequest:
        settings = self._preferences.settings.sampling
        info = engine.info
        # Far more than fits is not even carried to the worker; what fits exactly is the engine's to say.
        characters = CHARACTERS_A_TOKEN * (info.context_size if info is not None else 32_768)
        branch, turn.left_out = await self._history.prompt_messages(turn.question_id, characters)
        messages = request_messages(branch, conversation.system_prompt) + answer_messages(turn.parts, turn.id)
        sampling = asked_sampling(settings)
        if info is not None:
            turn.made_by(info, sampling, thinking, settings.max_tokens)
        return GenerateRequest(
            messages,
            thinking,
            settings.max_tokens,
            sampling,
            cache_key=conversation.id,
            cut_from=turn.cut or cut_of(branch, messages),
        )

    def _tasks(self, turns: Iterable[Turn]) -> set[asyncio.Task[None]]:
        return {turn.task for turn in turns if turn.task is not None}


async def _to_its_end(work: Coroutine[Any, Any, T], name: str) -> T:
    """Do it whole: a caller that goes away must not leave a message without its answer, and hears of no failure."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(told_already)
    return await asyncio.shield(task)


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


def _tidy(part: Part) -> Part:
    """What a person typed or attached. Raises ``UserFacing`` for what only an answer can hold."""
    if isinstance(part, TextPart):
        text = clean(part.text).replace("\r\n", "\n").strip("\r\n").rstrip()
        return TextPart(text if text.strip() else "")
    if isinstance(part, ImagePart | AudioPart | FilePart):
        return cleaned(part)
    raise UserFacing(
        Text("prompt.kind", QT_TRANSLATE_NOOP("chat", "A message can hold text, pictures, sound and files only.")),
        Text("prompt.kind.hint", QT_TRANSLATE_NOOP("chat", "Take out what is none of these, then send it again.")),
    )


def _no_parent() -> UserFacing:
    return UserFacing(
        Text("chat.no_parent", QT_TRANSLATE_NOOP("chat", "The message to go on from is not in this chat.")),
        Text("chat.no_parent.hint", QT_TRANSLATE_NOOP("chat", "Open the chat again, then send the message.")),
    )
