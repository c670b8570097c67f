"""Asking: send, edit, regenerate, go on, run again. ``answers`` has what runs then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from msgspec import structs

from qwen_desktop.core.assistants import Begun
from qwen_desktop.core.chat import (
    LONGEST_MESSAGE,
    Again,
    Conversation,
    Message,
    Provenance,
    Setup,
    Status,
    message_too_long,
    new_id,
)
from qwen_desktop.core.engine import FinishReason, Grammar, Sampling, ThinkingMode
from qwen_desktop.core.errors import Failure, UserFacing, error_of, prompt_empty
from qwen_desktop.core.model_ref import FileRef, GuideRef, ModelRef
from qwen_desktop.core.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    Role,
    TextPart,
    ToolResultPart,
    cleaned,
    text_of,
)
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean
from qwen_desktop.services.answers import Answers, Asked
from qwen_desktop.services.changes import Change, ChangeKind, change, to_its_end
from qwen_desktop.services.events import BranchChanged, ConversationChanged, MessageAdded, MessageChanged, RunChanged
from qwen_desktop.services.turn import reopened
from qwen_desktop.store import rows
from qwen_desktop.store.branches import message_gone

#: The parent of a message that goes to the end of the branch on show.
END = ""

# fmt: off
_at_its_end = Failure(
    UserFacing, "answer.at_its_end", "", QT_TRANSLATE_NOOP("chat", "This answer has come to its end."),
    QT_TRANSLATE_NOOP("chat", "Ask for more in a new message, or regenerate it."),
)
_no_recipe = Failure(
    UserFacing, "answer.no_recipe", "",
    QT_TRANSLATE_NOOP("chat", "How this answer was made is not known well enough to make it again exactly."),
    QT_TRANSLATE_NOOP("chat", "Regenerate it to get another version."),
)
_not_an_answer = Failure(
    UserFacing, "answer.none", "", QT_TRANSLATE_NOOP("chat", "This is not an answer."),
    QT_TRANSLATE_NOOP("chat", "Choose an answer of the model."),
)
_changed_since = Failure(
    UserFacing, "undo.changed", "", QT_TRANSLATE_NOOP("chat", "The answer has changed since then."),
    QT_TRANSLATE_NOOP("chat", "Undo what came later first."),
)
# fmt: on


class Chat(Answers):
    """What one can ask for in a conversation, and the answers that run. Failures raise ``AppError``.

    What changes the tree gives a ``Change``, whose ``undo`` takes it back. While an answer runs in a conversation, no
    other one begins there, nor is anything edited: that raises ``UserFacing``.
    """

    async def send(
        self,
        parts: Sequence[Part],
        *,
        conversation_id: str,
        thinking: ThinkingMode,
        new: bool = False,
        parent_id: str | None = END,
        model: ModelRef | None = None,
        grammar: Grammar | None = None,
        thinking_budget: int | None = None,
        message_id: str = "",
        folder_id: str = "",
        setup: Setup | None = None,
        begun: Begun | None = None,
    ) -> Message:
        """Store the user's message for good, as ``message_id`` where that is given, start its answer and return the
        message.

        ``conversation_id`` is made by the caller (``new_id``) and ``new`` where there may be no such conversation
        yet; then it is given its ``thinking_budget``, stands in the folder ``folder_id``, and is ``begun`` by an
        assistant with all that is not said in ``setup`` or beside it. The budget counts for this answer alone where
        there is one.
        ``parent_id`` is the message to go on from: the last one on show, another one (then ``BranchChanged`` is
        published), or None to begin the conversation anew. ``model`` answers this one message; ``grammar`` is what its
        answer must look like.

        Publishes ``ConversationChanged`` and ``MessageAdded`` for the message and for the (still empty) answer. Raises
        ``UserFacing`` when the message is empty, its parent or an attachment is not there, or an answer is still
        running here, ``Environment`` when the disk refuses; then nothing has changed.
        """
        now = self._history.now()
        question = Message(
            message_id or new_id(conversation_id), conversation_id, parent_id, Role.USER, _asked(parts), now
        )
        fresh = None
        if new:
            setup, begun = setup or Setup(), begun or Begun()
            prompt = begun.system_prompt.strip() or self._preferences.settings.chat.system_prompt
            prompt = (prompt if setup.system_prompt is None else setup.system_prompt).strip()
            fresh = self._history.fresh(
                thinking=thinking,
                system_prompt=prompt,
                conversation_id=conversation_id,
                model=model,
                thinking_budget=thinking_budget,
                folder_id=folder_id,
            )
            fresh = structs.replace(
                fresh,
                assistant_id=begun.assistant_id,
                sampling=begun.sampling if setup.sampling is None else setup.sampling,
                context=begun.context if setup.context is None else setup.context,
                adapters=begun.adapters if setup.adapters is None else setup.adapters,
            )
        work = self._send(question, thinking, model, fresh, thinking_budget=thinking_budget, grammar=grammar)
        return await to_its_end(work, "chat.send")

    async def edit(self, message_id: str, parts: Sequence[Part]) -> Change:
        """Make a version of a message that says ``parts``, beside it. One of the user's is answered; one of the model's
        stands as it is.

        Raises ``UserFacing`` as ``send`` does; then nothing has changed.
        """
        return await to_its_end(self._edit(message_id, tuple(parts)), "chat.edit")

    async def regenerate(
        self,
        message_id: str,
        *,
        model: ModelRef | None = None,
        thinking: ThinkingMode | None = None,
        thinking_budget: int | None = None,
        sampling: Sampling | None = None,
    ) -> Change:
        """Answer again: a new version beside this answer, or one under this question.

        What is given counts for this version alone, and only those values of ``sampling`` that are not None;
        everything else is as the conversation and the settings say.
        """
        work = self._regenerate(message_id, model, thinking, thinking_budget, sampling)
        return await to_its_end(work, "chat.regenerate")

    async def continue_answer(self, message_id: str, *, loop_guard: bool | None = None) -> Change:
        """Have an answer go on that was cut, stopped or interrupted, that failed or was edited: the same message grows.

        Its figures add up. What it says then was made in more than one go, and cannot be run again exactly.
        ``loop_guard`` False lets it repeat itself. Raises ``UserFacing`` for an answer that came to its end by itself.
        """
        return await to_its_end(self._continue(message_id, loop_guard), "chat.continue")

    async def run_again(self, message_id: str) -> Change:
        """Make an answer again exactly, as a new version: with the model, the values and the steps that its recipe
        names. At its end its ``provenance.again`` says whether it is equal, and what differs.

        Raises ``UserFacing`` where there is no recipe for the whole answer.
        """
        return await to_its_end(self._run_again(message_id), "chat.again")

    # Inside ------------------------------------------------------------------------------------------------------

    async def _send(
        self,
        question: Message,
        thinking: ThinkingMode,
        model: ModelRef | None,
        fresh: Conversation | None,
        *,
        thinking_budget: int | None,
        grammar: Grammar | None,
    ) -> Message:
        where, chosen = question.conversation_id, self._models.ref
        with self._reservation(where):
            if fresh is not None and await self._history.get(where) is not None:
                fresh = None  # a message that was sent before this one has stored it meanwhile
            conversation = fresh or await self._conversation(where)
            if question.parent_id == END:
                question = structs.replace(question, parent_id=conversation.leaf_id)
            elsewhere = question.parent_id != conversation.leaf_id
            ref = model or conversation.model or chosen
            placeholder = self._placeholder(where, question.id, ref)
            changed = await self._history.add((question, placeholder), new=fresh)
            self._start(placeholder, changed, Asked(ref, thinking, thinking_budget, grammar=grammar))
        for event in (BranchChanged(where),) if elsewhere else (MessageAdded(question), MessageAdded(placeholder)):
            self._bus.publish(event)
        return question

    async def _edit(self, message_id: str, parts: tuple[Part, ...]) -> Change:
        chosen = self._models.ref
        entry = await self._message(message_id)
        where, now = entry.conversation_id, self._history.now()
        if entry.role is Role.USER:
            question = Message(new_id(where), where, entry.parent_id, Role.USER, _asked(parts), now)
            with self._reservation(where):
                conversation = await self._conversation(where)
                asked = Asked(conversation.model or chosen, conversation.thinking)
                placeholder = self._placeholder(where, question.id, asked.ref)
                return await self._version(ChangeKind.EDIT, conversation, (question, placeholder), asked)
        edited = structs.replace(
            entry,
            id=new_id(entry.id),
            parts=_worded(parts),
            created=now,
            status=Status.DONE,
            finish_reason=None,
            provenance=_edited(entry.provenance),
            stats=None,
            problem=None,
        )
        with self._reservation(where):
            made = await self._version(ChangeKind.EDIT, await self._conversation(where), (edited,))
            del self._reserved[where]
        self._bus.publish(RunChanged(where))
        return made

    async def _regenerate(
        self,
        message_id: str,
        model: ModelRef | None,
        thinking: ThinkingMode | None,
        thinking_budget: int | None,
        sampling: Sampling | None,
    ) -> Change:
        chosen = self._models.ref
        entry = await self._message(message_id)
        question_id = entry.id if entry.role is Role.USER else entry.parent_id
        if question_id is None:
            raise message_gone()
        where = entry.conversation_id
        with self._reservation(where):
            conversation = await self._conversation(where)
            ref = model or conversation.model or chosen
            asked = Asked(ref, thinking or conversation.thinking, thinking_budget, sampling)
            placeholder = self._placeholder(where, question_id, ref)
            return await self._version(ChangeKind.REGENERATE, conversation, (placeholder,), asked)

    async def _run_again(self, message_id: str) -> Change:
        chosen = self._models.ref
        entry = await self._message(message_id, Role.ASSISTANT)
        where = entry.conversation_id
        with self._reservation(where):
            conversation = await self._conversation(where)
            made, question_id = entry.provenance, entry.parent_id
            several = any(isinstance(part, ToolResultPart) for part in entry.parts)
            if made is None or made.recipe is None or made.recipe.go_on or several or question_id is None:
                raise _no_recipe()
            asked = Asked(_made_by(made, conversation.model, chosen), made.recipe.thinking, original=entry)
            placeholder = self._placeholder(where, question_id, asked.ref)
            expected = structs.replace(placeholder.provenance or made, again=Again(entry.id))
            placeholder = structs.replace(placeholder, provenance=expected)
            return await self._version(ChangeKind.AGAIN, conversation, (placeholder,), asked)

    async def _version(
        self, kind: ChangeKind, conversation: Conversation, entries: tuple[Message, ...], asked: Asked | None = None
    ) -> Change:
        """Add a version, and have it answered as ``asked``."""
        where, made = conversation.id, [entry.id for entry in entries]
        changed = await self._history.add(entries, announce=False)
        if asked is not None:
            self._start(entries[-1], changed, asked)
        self._bus.publish(BranchChanged(where))
        self._bus.publish(ConversationChanged(changed))

        async def undo() -> None:
            await self._history.withdraw(made, conversation.leaf_id)
            if (turn := self._answers.get(where)) is not None and turn.id in made:
                await self.stop(where)

        return change(kind, where, made[0], undo)

    async def _continue(self, message_id: str, loop_guard: bool | None) -> Change:
        chosen = self._models.ref
        entry = await self._message(message_id, Role.ASSISTANT)
        where = entry.conversation_id
        with self._reservation(where):
            conversation = await self._conversation(where)
            ref = await _began(entry, conversation.model, chosen) or conversation.model or chosen
            before = await self._message(message_id, Role.ASSISTANT)
            made, ended = before.provenance, before.finish_reason is FinishReason.STOP
            if before.problem is not None and before.problem.what.code == rows.UNREADABLE:
                raise error_of(before.problem)  # what is on the disk may be read by somebody else
            if before.at_its_end:
                raise _at_its_end()
            if made is not None:
                # What ended the answer is not true any more, what closed its thought is.
                made = structs.replace(made, recipe=None, again=None, stopped_loop=made.stopped_loop and not ended)
            begun = structs.replace(before, status=Status.STREAMING, finish_reason=None, problem=None, provenance=made)
            if not await self._saver.put(begun):
                raise message_gone()
            # As it was asked for, whatever the switch says by now: its prompt is the one that it had.
            thinking = made.thinking if made is not None and made.settings else conversation.thinking
            asked = Asked(ref, thinking, loop_guard=loop_guard, grammar=_grammar(made))
            turn = self._start(begun, conversation, asked)
        self._bus.publish(MessageChanged(structs.replace(begun, parts=reopened(begun.parts))))

        async def undo() -> None:
            if self._answers.get(where) is turn:
                await self.stop(where)
            now, running = await self._message(message_id), self._answers.get(where)
            begins = where in self._reserved and (running is None or running.id == message_id)
            if begins or now.parts != turn.parts:
                raise _changed_since()
            if not await self._saver.put(before):
                raise message_gone()
            self._bus.publish(MessageChanged(before))

        return change(ChangeKind.CONTINUE, where, message_id, undo)

    async def _message(self, message_id: str, role: Role | None = None) -> Message:
        entry = await self._history.message(message_id)
        if entry is None:
            raise message_gone()
        if role is not None and entry.role is not role:
            raise _not_an_answer()
        return entry


def _made_by(made: Provenance, *known: ModelRef | None) -> ModelRef:
    """The model that made an answer, loaded as one of those ``known`` says that names the same file."""
    if made.guide:
        return GuideRef()
    return next(
        (ref for ref in known if isinstance(ref, FileRef) and ref.path == made.model_path), FileRef(made.model_path)
    )


async def _began(entry: Message, *known: ModelRef | None) -> ModelRef | None:
    """The model that began an answer, while its file is where it was. None for one that failed, maybe because of it."""
    made = entry.provenance
    if made is None or not made.settings or entry.status is Status.FAILED:
        return None
    ref = _made_by(made, *known)
    return ref if isinstance(ref, GuideRef) or await asyncio.to_thread(Path(ref.path).is_file) else None


def _grammar(made: Provenance | None) -> Grammar | None:
    """The form that an answer keeps to; the words of a person need not."""
    form = made.settings.get("grammar") if made is not None and not made.edited else None
    return Grammar(*form) if form else None


def _edited(made: Provenance | None) -> Provenance:
    """Of an answer whose words a person changed: who said them first, and nothing that is no longer true."""
    made = made or Provenance("", "", "", "", Sampling(), 0, ThinkingMode.AUTO, "")
    return structs.replace(made, recipe=None, again=None, budget_spent=False, stopped_loop=False, edited=True)


def _asked(parts: Sequence[Part]) -> tuple[Part, ...]:
    """A message of the user's, tidy. Raises ``UserFacing`` for one that cannot be sent."""
    return _bounded(tuple(map(_tidy, parts)))


def _worded(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The words of an answer that a person changed, which may hold all that answers can."""
    return _bounded(tuple(_tidy(part) if isinstance(part, TextPart) else cleaned(part) for part in parts))


def _bounded(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    parts = tuple(part for part in parts if not isinstance(part, TextPart) or part.text)
    if not parts:
        raise prompt_empty()
    if sum(len(text_of(part)) for part in parts) > LONGEST_MESSAGE:
        raise message_too_long()
    return parts


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
