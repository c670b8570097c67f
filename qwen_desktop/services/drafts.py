"""What is written and not sent yet, kept per conversation and over a restart.

Everybody reads and writes it in memory; the disk has it at most a second later. What is being sent stays on the disk
until its message is there, by whose id a start knows whether it is, and comes back into the draft where it cannot be
sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from msgspec import structs

from qwen_desktop.core.chat import Setup, is_temporary, kept_id, new_id
from qwen_desktop.core.drafts import Draft, QueuedPrompt, Unsent
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.parts import Part
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services.events import DraftChanged, EventBus, Notified, QueueChanged
from qwen_desktop.store import drafts
from qwen_desktop.store.database import Database

log = logging.getLogger(__name__)

#: From a change to its save, in seconds; what is typed meanwhile goes with it.
SAVE_AFTER_S = 0.5
#: A save that took long is followed by a pause of so many times that.
_PAUSE = 4
#: Between attempts when the disk refuses, in seconds.
AGAIN_S = 3.0


class Drafts:
    """The drafts and queues of all conversations, "" being the next new chat; those of temporary ones are in memory
    alone. Never raises for what the disk does."""

    def __init__(self, db: Database, bus: EventBus) -> None:
        self._db = db
        self._bus = bus
        self._unsent: dict[str, Unsent] = {}
        #: being sent, not yet on the disk as messages
        self._leaving: dict[str, list[QueuedPrompt]] = {}
        self._changed: set[str] = set()
        self._saving: asyncio.Task[None] | None = None
        self._refused = self._closed = False

    async def load(self) -> None:
        """Read what was kept, once, before anybody asks."""
        try:
            kept = await self._db.call(drafts.load)
        except AppError as error:
            log.warning("drafts.unread code=%s", error.problem.what.code)
        else:
            self._unsent = {**kept, **self._unsent}

    # The draft --------------------------------------------------------------------------------------------------------

    def of(self, conversation_id: str) -> Draft:
        """What stands in the box of this conversation."""
        return self._of(conversation_id).draft

    def put(self, conversation_id: str, draft: Draft) -> None:
        """This stands in the box now."""
        self._put(conversation_id, structs.replace(self._of(conversation_id), draft=draft))

    def setup(self, conversation_id: str) -> Setup:
        """What was chosen for a chat that is not begun yet."""
        return self._of(conversation_id).setup

    def put_setup(self, conversation_id: str, setup: Setup) -> None:
        """This is chosen for it now."""
        self._put(conversation_id, structs.replace(self._of(conversation_id), setup=setup))

    def setup_taken(self, setup: Setup) -> None:
        """A new chat is begun with this: it is chosen for the next one no more."""
        if setup and self.setup("") == setup:
            self.put_setup("", Setup())
            self._bus.publish(DraftChanged(""))

    def come_back(self, conversation_id: str, draft: Draft) -> None:
        """Put what was to leave before what stands in the box, and tell it."""
        self.put(conversation_id, draft.before(self.of(conversation_id)))
        self._bus.publish(DraftChanged(conversation_id))

    def exchange(self, old: Part, new: Part | None) -> bool:
        """Put ``new``, or nothing, where ``old`` is attached, in whatever box or line, and tell it; False where it is
        nowhere any more."""
        found = False
        for where, unsent in list(self._unsent.items()):
            draft = unsent.draft.exchanged(old, new)
            queue = tuple(QueuedPrompt(prompt.id, prompt.draft.exchanged(old, new)) for prompt in unsent.queue)
            if (draft, queue) == (unsent.draft, unsent.queue):
                continue
            found = True
            self._put(where, structs.replace(unsent, draft=draft, queue=queue))
            self._bus.publish(DraftChanged(where) if draft != unsent.draft else QueueChanged(where))
        return found

    def leaving(self, conversation_id: str, draft: Draft) -> AbstractAsyncContextManager[str]:
        """For sending ``draft``, which has left the box, as the message whose id the block gets: it is kept until the
        block has ended, and comes back if that fails. What is killed meanwhile has the one or the other."""
        prompt = QueuedPrompt(new_id(conversation_id), draft)
        self._leaving.setdefault(conversation_id, []).append(prompt)
        self._touch(conversation_id)
        return self._left(conversation_id, prompt)

    @contextlib.asynccontextmanager
    async def _left(self, conversation_id: str, prompt: QueuedPrompt) -> AsyncIterator[str]:
        leaving = self._leaving[conversation_id]
        await self.save()  # before the message is there, else a kill in between leaves both
        try:
            yield prompt.id
        except Exception:
            leaving.remove(prompt)
            self.come_back(conversation_id, prompt.draft)
            raise
        leaving.remove(prompt)
        self._touch(conversation_id)
        await self.save(durable=True)

    def attached(self, conversation_id: str) -> tuple[Part, ...]:
        """What is attached to all that is written there and not sent."""
        return self._of(conversation_id).all.attachments

    # The queue --------------------------------------------------------------------------------------------------------

    def queue(self, conversation_id: str) -> tuple[QueuedPrompt, ...]:
        """What waits in line there, the next one first."""
        return self._of(conversation_id).queue

    def put_queue(self, conversation_id: str, queue: tuple[QueuedPrompt, ...]) -> None:
        """This waits in line now; told, where it is another thing than before."""
        if queue != self.queue(conversation_id):
            self._put(conversation_id, structs.replace(self._of(conversation_id), queue=queue))
            self._bus.publish(QueueChanged(conversation_id))

    def waiting(self) -> frozenset[str]:
        """The conversations in which something waits in line."""
        return frozenset(name for name, unsent in self._unsent.items() if unsent.queue)

    def unsent(self) -> frozenset[str]:
        """The conversations in which something is written, or waits in line, and is not sent."""
        return frozenset(name for name, unsent in self._unsent.items() if name and (unsent.draft or unsent.queue))

    # Saving -----------------------------------------------------------------------------------------------------------

    async def save(self, *, durable: bool = False) -> bool:
        """Bring what has changed to the disk now. False when it refuses: then it is tried again later."""
        changed, self._changed = self._changed, set()
        if not changed:
            return True
        try:
            await self._db.call(drafts.save, {name: self._kept(name) for name in changed}, durable=durable)
        except AppError as error:
            self._changed |= changed
            self._tell(error)
            return False
        self._refused = False
        return True

    async def aclose(self) -> None:
        """Save what is left; nothing is taken any more."""
        self._closed = True
        if self._saving is not None:
            self._saving.cancel()
        await self.save(durable=True)

    def _of(self, conversation_id: str) -> Unsent:
        return self._unsent.get(conversation_id, Unsent())

    def _put(self, conversation_id: str, unsent: Unsent) -> None:
        if unsent != self._of(conversation_id):
            if unsent:
                self._unsent[conversation_id] = unsent
            else:
                self._unsent.pop(conversation_id, None)
            self._touch(conversation_id)

    def _kept(self, conversation_id: str) -> Unsent:
        """What the disk is to hold: with what is being sent."""
        leaving = tuple(self._leaving.get(conversation_id, ()))
        return structs.replace(self._of(conversation_id), leaving=leaving)

    def keep(self, conversation_id: str) -> None:
        """A temporary conversation is kept on the disk: what is written there goes along."""
        unsent = self._unsent.pop(conversation_id, Unsent())
        queue = tuple(structs.replace(queued, id=kept_id(queued.id)) for queued in unsent.queue)
        kept = kept_id(conversation_id)
        self._put(kept, structs.replace(unsent, queue=queue))
        self._bus.publish(DraftChanged(kept))
        self._bus.publish(QueueChanged(kept))

    def _touch(self, conversation_id: str) -> None:
        if is_temporary(conversation_id):
            return
        self._changed.add(conversation_id)
        if not self._closed and (self._saving is None or self._saving.done()):
            self._saving = asyncio.get_running_loop().create_task(self._save_soon(), name="drafts.save")

    async def _save_soon(self) -> None:
        pause = SAVE_AFTER_S
        while self._changed:
            await asyncio.sleep(pause)
            started = time.monotonic()
            saved = await self.save()
            pause = max(SAVE_AFTER_S, _PAUSE * (time.monotonic() - started)) if saved else AGAIN_S

    def _tell(self, error: AppError) -> None:
        if not self._refused and not self._closed:
            self._refused = True
            log.warning("draft.unsaved code=%s", error.problem.what.code)
            source = QT_TRANSLATE_NOOP("chat", "What you write cannot be saved now. It is kept while the app is open.")
            self._bus.publish(Notified(Text("draft.unsaved", source)))
