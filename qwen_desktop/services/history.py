"""Conversations and their messages: what the side list and the transcript read, and where answers are saved.

An answer that is still being written, or that a full disk keeps from being saved, is served from memory by every
method here (``hold``), so that a reader never sees less than what was shown.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from msgspec import structs

from qwen_desktop.core.assistants import Begun
from qwen_desktop.core.chat import (
    Conversation,
    Message,
    Names,
    Node,
    Status,
    Versions,
    is_temporary,
    kept_id,
    new_id,
    new_temporary_id,
)
from qwen_desktop.core.drafts import pasted_texts
from qwen_desktop.core.engine import Adapter, Sampling, Stats, ThinkingMode
from qwen_desktop.core.errors import Problem, UserFacing
from qwen_desktop.core.exchange import Record
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.parts import AudioPart, FilePart, ImagePart, Part, Role, search_text, thinking_text, visible_text
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean
from qwen_desktop.core.titles import title_of
from qwen_desktop.services.changes import Change, ChangeKind, change, to_its_end
from qwen_desktop.services.events import BranchChanged, ConversationChanged, ConversationRemoved, EventBus
from qwen_desktop.store import branches, conversations, exporting, forks, messages, search
from qwen_desktop.store.database import Database, TemporaryDatabase

log = logging.getLogger(__name__)

#: A whole chat is read in pages of so many messages, so that others can read between them.
PAGE = 500
#: Between two slices of work behind the window, in seconds.
BREATH_S = 0.05


def first_title(parts: Sequence[Part]) -> str:
    """What a conversation is called that begins with this message, until somebody calls it otherwise."""
    return title_of(visible_text(parts) or _attached(parts))


def fork_title(title: str) -> Text:
    """What a fork of a conversation with this title is called where nobody chooses another title."""
    return Text("fork.title", QT_TRANSLATE_NOOP("history", "{title} (fork)"), {"title": title})


class History:
    """The conversations. Failures of the disk raise ``AppError``; an unknown conversation raises ``UserFacing``
    where something should be changed, and reads as None or empty otherwise.

    Temporary ones live in ``temporary``, which is found by the id; everything can be done with them as with others.
    """

    def __init__(
        self,
        db: Database,
        bus: EventBus,
        *,
        clock: Callable[[], float] = time.time,
        temporary: TemporaryDatabase | None = None,
    ) -> None:
        self._db = db
        self._temporary = temporary or TemporaryDatabase()
        self._bus = bus
        self._clock = clock
        self._held: dict[str, Callable[[], Message]] = {}
        self._before_delete: list[Callable[[str], Awaitable[None]]] = []
        self._on_purge: list[Callable[[Sequence[str]], None]] = []

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong with the file when it was opened."""
        return self._db.problems

    # Conversations -----------------------------------------------------------------------------------------------

    async def list(self) -> tuple[Conversation, ...]:
        """All conversations on the disk: pinned first, then the newest."""
        return await self._db.read(conversations.listed)

    async def recent(self, count: int) -> tuple[Conversation, ...]:
        """The ``count`` conversations that were changed last, without those in the archive."""
        return await self._db.read(conversations.recent, count)

    async def names(self) -> Names:
        """What conversations can be told apart by."""
        return await self._db.read(conversations.names)

    async def get(self, conversation_id: str) -> Conversation | None:
        """One conversation, None when it is unknown or deleted."""
        return await self._of(conversation_id).read(conversations.get, conversation_id)

    async def create(
        self, title: str = "", thinking: ThinkingMode = ThinkingMode.AUTO, system_prompt: str = ""
    ) -> Conversation:
        """Add an empty conversation. Without a title it gets one from its first message."""
        entry = self.fresh(title=title, thinking=thinking, system_prompt=system_prompt)
        await self._of(entry.id).call(conversations.create, entry)
        self._bus.publish(ConversationChanged(entry))
        return entry

    async def create_temporary(
        self, thinking: ThinkingMode = ThinkingMode.AUTO, system_prompt: str = ""
    ) -> Conversation:
        """Add an empty conversation that is in memory alone, as are its messages, its draft and its forks. It is gone
        when the app ends; ``keep`` brings it to the disk."""
        await self._temporary.call(conversations.purge)  # what was deleted cannot be brought back for ever
        entry = self.fresh(thinking=thinking, system_prompt=system_prompt, conversation_id=new_temporary_id())
        await self._temporary.call(conversations.create, entry)
        self._bus.publish(ConversationChanged(entry))
        return entry

    def fresh(
        self,
        *,
        title: str = "",
        thinking: ThinkingMode = ThinkingMode.AUTO,
        system_prompt: str = "",
        conversation_id: str = "",
        model: ModelRef | None = None,
        thinking_budget: int | None = None,
        folder_id: str = "",
    ) -> Conversation:
        """A conversation that is not stored yet (``add`` stores it with its first message)."""
        now = self._clock()
        title = " ".join(clean(title).split())
        return Conversation(
            conversation_id or new_id(),
            title,
            now,
            now,
            titled=bool(title),
            thinking=thinking,
            system_prompt=clean(system_prompt),
            model=model,
            thinking_budget=thinking_budget,
            folder_id=folder_id,
        )

    async def rename(self, conversation_id: str, title: str) -> None:
        """Give it a title. Raises ``UserFacing`` for an empty one."""
        title = " ".join(clean(title).split())
        if not title:
            raise UserFacing(
                Text("title.empty", QT_TRANSLATE_NOOP("history", "A chat needs a title.")),
                Text("title.empty.hint", QT_TRANSLATE_NOOP("history", "Type at least one letter.")),
            )
        self._changed(await self._of(conversation_id).call(conversations.rename, conversation_id, title))

    async def untitled(self, conversation_id: str) -> tuple[Conversation, bool] | None:
        """A conversation whose title no person has chosen, and whether a model has; None where there is none."""
        return await self._of(conversation_id).read(conversations.untitled, conversation_id)

    async def title(self, conversation_id: str, before: str, title: str) -> bool:
        """Give it a title that a model wrote. False where its title is not ``before`` any more, or a person's."""
        changed = await self._of(conversation_id).call(conversations.title, conversation_id, before, title)
        if changed is not None:
            self._bus.publish(ConversationChanged(changed))
        return changed is not None

    async def set_thinking(self, conversation_id: str, mode: ThinkingMode) -> None:
        """Set the mode of its next answers."""
        self._changed(await self._of(conversation_id).call(conversations.set_thinking, conversation_id, mode))

    async def set_thinking_budget(self, conversation_id: str, tokens: int | None) -> None:
        """Set how many tokens a thought of its next answers may have: None as the settings say, ``NO_BUDGET`` for as
        many as it likes."""
        self._changed(await self._of(conversation_id).call(conversations.set_thinking_budget, conversation_id, tokens))

    async def set_system_prompt(self, conversation_id: str, text: str) -> None:
        """Set the instructions of its next answers."""
        self._changed(
            await self._of(conversation_id).call(conversations.set_system_prompt, conversation_id, clean(text))
        )

    async def set_sampling(self, conversation_id: str, sampling: Sampling | None) -> None:
        """Set how the tokens of its next answers are chosen: what is None in it, or all of it, as the settings say."""
        own = None if sampling == Sampling() else sampling
        self._changed(await self._of(conversation_id).call(conversations.set_sampling, conversation_id, own))

    async def set_context(self, conversation_id: str, tokens: int | None) -> None:
        """Set how many tokens the model is to remember here; None as the settings say."""
        self._changed(await self._of(conversation_id).call(conversations.set_context, conversation_id, tokens))

    async def set_adapters(self, conversation_id: str, adapters: tuple[Adapter, ...]) -> None:
        """Set the adapters that its next answers are made with."""
        self._changed(await self._of(conversation_id).call(conversations.set_adapters, conversation_id, adapters))

    async def set_model(self, conversation_id: str, model: ModelRef | None) -> None:
        """Set what makes its next answers; None is the model that is chosen for the app."""
        self._changed(await self._of(conversation_id).call(conversations.set_model, conversation_id, model))

    async def set_begun(self, conversation_id: str, begun: Begun) -> Change:
        """Have it go on as an assistant begins one: with its instructions, sampling, mode, budget, context, model and
        adapters; one of no assistant (``Begun()``) takes them away. What an assistant says nothing about is as in a new
        chat, but for the mode, which stays."""
        return await to_its_end(self._set_begun(conversation_id, begun), "history.begun")

    async def _set_begun(self, conversation_id: str, begun: Begun) -> Change:
        before = await self.get(conversation_id)
        if before is None:
            raise gone()
        after = structs.replace(
            before,
            assistant_id=begun.assistant_id,
            system_prompt=begun.system_prompt,
            sampling=begun.sampling,
            thinking=begun.thinking or before.thinking,
            thinking_budget=begun.thinking_budget,
            context=begun.context,
            model=begun.model,
            adapters=begun.adapters,
        )
        self._changed(await self._of(conversation_id).call(conversations.set_begun, after))

        async def undo() -> None:
            self._changed(await self._of(conversation_id).call(conversations.set_begun, before))

        return change(ChangeKind.ASSISTANT, conversation_id, "", undo)

    async def models_moved(self, moved: Callable[[str], str]) -> None:
        """Model files, and adapters, have other places now: ``moved`` gives for each path the new one, or the same."""
        for db in (self._db, *((self._temporary,) if self._temporary.used else ())):
            for entry in await db.call(conversations.move_models, moved):
                self._changed(entry)

    async def keep(self, conversation_id: str) -> Conversation:
        """Bring a temporary conversation to the disk with all its branches; as a temporary one it is gone then.

        What it names as attached must be there already (``Blobs.keep``). Raises ``UserFacing`` while an answer runs in
        it.
        """
        return await to_its_end(self._keep(conversation_id), "history.keep")

    async def _keep(self, conversation_id: str) -> Conversation:
        found = await self.get(conversation_id)
        if found is None or not is_temporary(conversation_id):
            raise gone()
        said = await self._temporary.call(messages.living, conversation_id)
        if any(entry.id in self._held or entry.status is Status.STREAMING for entry in said):
            raise _still_answered()
        kept = _kept_conversation(found)
        await self._db.call(forks.insert, kept, tuple(map(_kept, said)))
        await self._temporary.call(conversations.delete, conversation_id, self._clock())
        self._bus.publish(ConversationChanged(kept))
        self._bus.publish(ConversationRemoved(conversation_id))
        return kept

    async def delete(self, conversation_id: str) -> None:
        """Take it out of the list; ``undo_delete`` brings it back until the app starts again. An answer that runs
        in it is stopped first."""
        await self.stop_in(conversation_id)
        if await self._of(conversation_id).call(conversations.delete, conversation_id, self._clock()):
            self._bus.publish(ConversationRemoved(conversation_id))

    async def undo_delete(self, conversation_id: str) -> None:
        """Bring a deleted conversation back, with everything in it."""
        self._changed(await self._of(conversation_id).call(conversations.undo_delete, conversation_id))

    def before_delete(self, stop: Callable[[str], Awaitable[None]]) -> None:
        """Have ``stop(conversation_id)`` awaited before a conversation is deleted."""
        self._before_delete.append(stop)

    async def stop_in(self, conversation_id: str) -> None:
        """Stop what runs in a conversation that is about to be deleted."""
        for stop in tuple(self._before_delete):
            await stop(conversation_id)

    def on_purge(self, forget: Callable[[Sequence[str]], None]) -> None:
        """Have ``forget(conversation_ids)`` called when messages of these are removed for good, or all."""
        self._on_purge.append(forget)

    async def recover(self) -> int:
        """At the window's start: mark answers that a killed app left unfinished as interrupted and return how many
        they were; remove what was deleted in the last session for good. Not for commands: a window may be running."""
        interrupted = await self._db.call(messages.recover)
        touched = await self._db.call(branches.with_deleted)
        purged = await self._db.call(conversations.purge)
        pruned = await self._db.call(branches.purge)
        if touched:
            for forget in self._on_purge:
                forget(touched)
        if interrupted or purged or pruned:
            log.info("history.recovered interrupted=%d purged=%d pruned=%d", len(interrupted), purged, pruned)
        return len(interrupted)

    async def prepare_search(self, breath: float | None = None) -> None:
        """Behind the window: have all be found that is stored, and forgotten what has gone, in slices with time for
        others between them (``breath``, in seconds)."""
        while await self._db.call(search.catch_up):  # noqa: ASYNC110 - what is waited for is the others
            await asyncio.sleep(BREATH_S if breath is None else breath)

    # Messages ----------------------------------------------------------------------------------------------------

    async def tail(self, conversation_id: str, count: int) -> tuple[Message, ...]:
        """The last ``count`` messages of the branch on show, oldest first."""
        return self._live(await self._of(conversation_id).read(messages.tail, conversation_id, count))

    async def before(self, message_id: str, count: int) -> tuple[Message, ...]:
        """The nearest ``count`` messages above this one, oldest first."""
        return self._live(await self._of(message_id).read(messages.before, message_id, count))

    async def message(self, message_id: str) -> Message | None:
        """One message, None when it is unknown or deleted."""
        found = await self._of(message_id).read(messages.get, message_id)
        return None if found is None else self._live((found,))[0]

    async def recent_stats(self, count: int) -> tuple[Stats, ...]:
        """The figures of the newest ``count`` answers of all conversations, newest first."""
        return await self._db.read(messages.recent_stats, count)

    async def plain_text(
        self, conversation_id: str, *, you: str = "You", assistant: str = "Assistant", thoughts: str = ""
    ) -> str:
        """The branch on show as text, for copying: speakers' names and what they said. Thoughts are left out where
        there is no name for them.

        ``assistant`` names answers of which no model is known.
        """
        pages: list[tuple[Message, ...]] = [await self.tail(conversation_id, PAGE)]
        while pages[-1]:
            pages.append(await self.before(pages[-1][0].id, PAGE))
        blocks: list[str] = []
        for page in reversed(pages):
            for entry in page:
                text = "\n\n".join((*pasted_texts(entry.parts), visible_text(entry.parts))).strip("\n").rstrip()
                if thoughts and (thought := thinking_text(entry.parts).strip()):
                    text = "\n\n".join(filter(None, (f"{thoughts}\n{thought}", text)))
                if text:
                    made_by = entry.provenance.model_name if entry.provenance is not None else assistant
                    blocks.append(f"{you if entry.role is Role.USER else made_by or assistant}:\n{text}")
        return "\n\n".join(blocks)

    # Branches ----------------------------------------------------------------------------------------------------

    async def versions(self, ids: Sequence[str]) -> dict[str, Versions]:
        """For those of the messages that have other versions: their ids and the place among them."""
        return await self._of(ids[0]).read(branches.versions, tuple(ids)) if ids else {}

    async def tree(self, conversation_id: str) -> tuple[Node, ...]:
        """All messages of a conversation, whatever branch they are on, oldest first."""
        found = await self._of(conversation_id).read(branches.tree, conversation_id)
        return tuple(map(self._live_node, found)) if self._held else found

    async def record(self, conversation_id: str) -> Record | None:
        """All of a conversation, as it is exported; None where it is gone. A temporary one has the ids that it would
        have on the disk."""
        found = await self._of(conversation_id).scan(exporting.record, conversation_id)
        if found is None or not is_temporary(conversation_id):
            return found
        return structs.replace(
            found, conversation=_kept_conversation(found.conversation), messages=tuple(map(_kept, found.messages))
        )

    async def select_version(self, message_id: str) -> Change:
        """Show the branch of this version: its newest descendant becomes the end of the conversation."""
        return await to_its_end(self._select_version(message_id), "history.select")

    async def delete_message(self, message_id: str) -> Change:
        """Delete a message with all below it; it can be brought back until the app starts again. An answer that runs
        in it is stopped. Where it was on show, another version of it is now, else the branch ends above it."""
        return await to_its_end(self._delete_message(message_id), "history.delete")

    async def fork(self, message_id: str, title: str = "") -> tuple[Conversation, Change]:
        """Copy the way down to this message as a conversation of its own, called ``title`` or as ``fork_title`` says in
        English. An answer that runs is copied as it is now."""
        return await to_its_end(self._fork(message_id, " ".join(clean(title).split())), "history.fork")

    async def withdraw(self, made: Sequence[str], leaf: str | None) -> None:
        """Take the version back that consists of the messages ``made``, the topmost one first, and have the branch on
        show that ended at ``leaf``. Raises ``UserFacing`` where more than them would go, or ``leaf`` is gone."""
        self._switched(await self._of(made[0]).call(branches.withdraw, tuple(made), leaf, self._clock()))

    async def _select_version(self, message_id: str) -> Change:
        found = await self._of(message_id).call(branches.select_version, message_id)
        if found is None:
            raise branches.message_gone()
        changed, leaf = found
        self._switched(changed)

        async def undo() -> None:
            self._switched(await self._of(changed.id).call(branches.show_again, leaf or ""))

        return change(ChangeKind.SWITCH, changed.id, message_id, undo)

    async def _delete_message(self, message_id: str) -> Change:
        found = await self._of(message_id).call(branches.delete, message_id, self._clock())
        if found is None:
            raise branches.message_gone()
        changed, leaf = found
        self._switched(changed)
        if await self._of(message_id).call(branches.answering, message_id):
            await self.stop_in(changed.id)

        async def undo() -> None:
            self._switched(await self._of(message_id).call(branches.restore, message_id, leaf))

        return change(ChangeKind.DELETE, changed.id, "", undo)

    async def _fork(self, message_id: str, title: str) -> tuple[Conversation, Change]:
        entry = await self.message(message_id)
        source = None if entry is None else await self.get(entry.conversation_id)
        if source is None:
            raise branches.message_gone()
        now = self._clock()
        fork = structs.replace(
            source,
            id=new_id(source.id),
            title=title or (str(fork_title(source.title)) if source.title else ""),
            titled=bool(title),
            created=now,
            updated=now,
            leaf_id=None,
            pinned=False,
            archived=False,
        )
        current = {identity: message() for identity, message in self._held.items()}
        made = await self._of(message_id).call(forks.fork, message_id, fork, current)
        if made is None:
            raise branches.message_gone()
        copied = await self.tree(made.id)
        self._bus.publish(ConversationChanged(made))

        async def undo() -> None:
            if await self.tree(made.id) != copied:
                raise _went_on()
            await self.delete(made.id)

        return made, change(ChangeKind.FORK, made.id, made.leaf_id or "", undo)

    def _switched(self, conversation: Conversation) -> None:
        self._bus.publish(BranchChanged(conversation.id))
        self._bus.publish(ConversationChanged(conversation))

    # For the services that answer --------------------------------------------------------------------------------

    async def prompt_messages(self, message_id: str, characters: int) -> tuple[tuple[Message, ...], int]:
        """A message and those above it until their text passes ``characters``, oldest first; and how many more
        there are."""
        found, left_out = await self._of(message_id).read(messages.recent_text, message_id, characters)
        return self._live(found), left_out

    async def add(
        self, entries: Sequence[Message], *, new: Conversation | None = None, announce: bool = True
    ) -> Conversation:
        """Add messages to the end of the branch on show, all or none, and on the disk when this returns.

        ``new`` is their conversation when it is not stored yet. An untitled conversation gets its title from the
        first of them. Raises ``UserFacing`` when the conversation, or the message above them, is gone.
        """
        first = entries[0]
        title = first_title(first.parts) if first.role is Role.USER else ""
        changed = await self._of(first.conversation_id).call(messages.add, tuple(entries), new=new, title=title)
        if changed is None:
            raise gone()
        if announce:
            self._bus.publish(ConversationChanged(changed))
        return changed

    async def save(self, entry: Message, *, durable: bool) -> bool:
        """Write an answer as it is now; ``durable`` survives a power cut. False when it was removed meanwhile."""
        return await self._of(entry.conversation_id).call(messages.save, entry, durable=durable)

    def hold(self, message_id: str, current: Callable[[], Message]) -> None:
        """Serve this message from memory until ``release``."""
        self._held[message_id] = current

    def release(self, message_id: str) -> None:
        """Serve it from the database again."""
        self._held.pop(message_id, None)

    def now(self) -> float:
        """The time for new messages, seconds since the epoch."""
        return self._clock()

    def is_kept(self, conversation_id: str) -> bool:
        """Whether what is said in it reaches the disk."""
        return self._of(conversation_id).kept

    def _of(self, identity: str) -> Database:
        """Where a conversation lies, or a message, by its id."""
        return self._temporary if is_temporary(identity) else self._db

    def _live(self, found: tuple[Message, ...]) -> tuple[Message, ...]:
        if not self._held:
            return found
        return tuple(self._held[entry.id]() if entry.id in self._held else entry for entry in found)

    def _live_node(self, node: Node) -> Node:
        if node.id not in self._held:
            return node
        entry = self._held[node.id]()
        return structs.replace(node, text=branches.node_text(search_text(entry.parts)), status=entry.status)

    def _changed(self, conversation: Conversation | None) -> None:
        if conversation is None:
            raise gone()
        self._bus.publish(ConversationChanged(conversation))


def _attached(parts: Sequence[Part]) -> str:
    """What a message without words is called by: the name of what is attached, else how that begins."""
    attached = (part for part in parts if isinstance(part, ImagePart | AudioPart | FilePart))
    names = (part.name or (part.text[:1000] if isinstance(part, FilePart) else "") for part in attached)
    return next(filter(None, names), "")


def _kept_conversation(entry: Conversation) -> Conversation:
    """A temporary conversation as one on the disk."""
    return structs.replace(entry, id=kept_id(entry.id), leaf_id=entry.leaf_id and kept_id(entry.leaf_id))


def _kept(entry: Message) -> Message:
    """A message of a temporary conversation as one on the disk."""
    made = entry.provenance
    if made is not None and made.again is not None:
        made = structs.replace(made, again=structs.replace(made.again, of=kept_id(made.again.of)))
    if made is not None and made.recipe is not None and made.recipe.cut_from is not None:
        made = structs.replace(made, recipe=structs.replace(made.recipe, cut_from=kept_id(made.recipe.cut_from)))
    return structs.replace(
        entry,
        id=kept_id(entry.id),
        conversation_id=kept_id(entry.conversation_id),
        parent_id=entry.parent_id and kept_id(entry.parent_id),
        context_cut=entry.context_cut and kept_id(entry.context_cut),
        provenance=made,
    )


def _still_answered() -> UserFacing:
    return UserFacing(
        Text("keep.answered", QT_TRANSLATE_NOOP("history", "An answer is still being written in this chat.")),
        Text("keep.answered.hint", QT_TRANSLATE_NOOP("history", "Keep the chat when the answer has ended.")),
    )


def gone() -> UserFacing:
    """The conversation is not there any more."""
    return UserFacing(
        Text("chat.gone", QT_TRANSLATE_NOOP("history", "This chat does not exist any more.")),
        Text("chat.gone.hint", QT_TRANSLATE_NOOP("history", "Start a new chat.")),
    )


def _went_on() -> UserFacing:
    return UserFacing(
        Text("fork.went_on", QT_TRANSLATE_NOOP("history", "The new chat has gone on since it was made.")),
        Text("fork.went_on.hint", QT_TRANSLATE_NOOP("history", "Delete the chat if you do not want it any more.")),
    )
