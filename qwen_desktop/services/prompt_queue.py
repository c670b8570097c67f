"""Prompts that wait in line: each is sent when the answer before it has ended by itself, whatever is on show.

Where an answer was stopped or failed, a prompt could not be sent, or the app was started anew, the line waits until the
user says that it is to go on. The prompts themselves are kept with the drafts.
"""

from __future__ import annotations

import asyncio
import logging

from qwen_desktop.core.chat import Status, new_id
from qwen_desktop.core.drafts import Draft, QueuedPrompt
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.parts import Role
from qwen_desktop.services.chat import Chat
from qwen_desktop.services.drafts import Drafts
from qwen_desktop.services.events import EventBus, MessageChanged, Notified, QueueChanged, RunChanged
from qwen_desktop.services.history import History

log = logging.getLogger(__name__)


class PromptQueue:
    """The lines of all conversations. Everything runs on the loop's thread."""

    def __init__(self, drafts: Drafts, chat: Chat, history: History, bus: EventBus) -> None:
        self._drafts = drafts
        self._chat = chat
        self._history = history
        self._bus = bus
        #: conversations whose line goes on by itself
        self._going: set[str] = set()
        #: how the last answer of a conversation ended
        self._ended: dict[str, Status] = {}
        #: what is being sent, by the conversation
        self._sending: dict[str, asyncio.Task[None]] = {}
        #: the prompts that are on their way to be messages: nobody can take them out any more
        self._leaving: set[str] = set()
        #: where the answer to what is being sent has ended already
        self._at_once: set[str] = set()
        self._closed = False
        bus.subscribe(MessageChanged, self._message_changed)
        bus.subscribe(RunChanged, self._run_changed)

    # What there is ----------------------------------------------------------------------------------------------------

    def of(self, conversation_id: str) -> tuple[QueuedPrompt, ...]:
        """What waits in line, the next one first."""
        return self._drafts.queue(conversation_id)

    def waits(self, conversation_id: str) -> bool:
        """Whether the line waits for the user: it does not go on by itself."""
        return bool(self.of(conversation_id)) and conversation_id not in self._going

    def sending(self, conversation_id: str) -> bool:
        """Whether the next one is about to be sent: between two answers, nothing runs for a moment."""
        return conversation_id in self._sending

    # Changing it ------------------------------------------------------------------------------------------------------

    def add(self, conversation_id: str, draft: Draft, place: int | None = None) -> QueuedPrompt:
        """An answer runs or is about to: put what is to follow it at ``place``, else at the end."""
        queued = QueuedPrompt(new_id(conversation_id), draft)
        if not self.of(conversation_id):
            self._going.add(conversation_id)
        self.insert(conversation_id, queued, place)
        return queued

    def insert(self, conversation_id: str, queued: QueuedPrompt, place: int | None = None) -> None:
        """Put one back at ``place``, else at the end."""
        queue = list(self.of(conversation_id))
        queue.insert(len(queue) if place is None else place, queued)
        self._drafts.put_queue(conversation_id, tuple(queue))

    def remove(self, conversation_id: str, prompt_id: str) -> int | None:
        """Take one out; where it stood, None where it is not there, or is being sent."""
        queue = self.of(conversation_id)
        free = prompt_id not in self._leaving
        place = next((number for number, queued in enumerate(queue) if free and queued.id == prompt_id), None)
        if place is not None:
            self._drafts.put_queue(conversation_id, queue[:place] + queue[place + 1 :])
        return place

    def move(self, conversation_id: str, prompt_id: str, place: int) -> None:
        """Let one stand at ``place``."""
        queue = list(self.of(conversation_id))
        moved = next((queued for queued in queue if queued.id == prompt_id), None)
        if moved is not None:
            queue.remove(moved)
            queue.insert(max(0, place), moved)
            self._drafts.put_queue(conversation_id, tuple(queue))

    # Sending ----------------------------------------------------------------------------------------------------------

    def hold(self, conversation_id: str) -> None:
        """Wait for the user from now on."""
        self._going.discard(conversation_id)
        if self.of(conversation_id):
            self._bus.publish(QueueChanged(conversation_id))

    def go_on(self, conversation_id: str) -> None:
        """Send the first one, and the others after it."""
        self._going.add(conversation_id)
        self._bus.publish(QueueChanged(conversation_id))
        self._start(conversation_id)

    async def stop(self, conversation_id: str) -> None:
        """Stop the answer that runs, also one that is just about to, and have the line wait for the user."""
        self.hold(conversation_id)
        if (sending := self._sending.get(conversation_id)) is not None:
            await asyncio.wait({sending})
        await self._chat.stop(conversation_id)

    async def send_now(self, conversation_id: str, prompt_id: str) -> None:
        """Stop the answer that runs, send this one, and the others after it."""
        self.move(conversation_id, prompt_id, 0)
        await self.stop(conversation_id)
        if any(queued.id == prompt_id for queued in self.of(conversation_id)):
            self.move(conversation_id, prompt_id, 0)
            self.go_on(conversation_id)

    async def aclose(self) -> None:
        """Send nothing any more."""
        self._closed = True
        if self._sending:
            await asyncio.wait(self._sending.values())

    # Inside -----------------------------------------------------------------------------------------------------------

    def _message_changed(self, event: MessageChanged) -> None:
        if event.message.role is Role.ASSISTANT:
            self._ended[event.message.conversation_id] = event.message.status

    def _run_changed(self, event: RunChanged) -> None:
        where = event.conversation_id
        if event.run is not None:
            return
        status = self._ended.pop(where, None)  # none at the begin, or where it never began
        if where in self._chat.running() or where not in self._going:
            return
        if status is Status.DONE:
            self._start(where)
        elif status is not None or where not in self._sending:
            self.hold(where)

    def _start(self, conversation_id: str) -> None:
        if not self.of(conversation_id):
            self._going.discard(conversation_id)
        elif conversation_id in self._sending:
            self._at_once.add(conversation_id)
        elif not self._closed:
            task = asyncio.get_running_loop().create_task(self._try(conversation_id), name="queue.send")
            self._sending[conversation_id] = task
            task.add_done_callback(lambda _: self._sent(conversation_id))

    def _sent(self, conversation_id: str) -> None:
        del self._sending[conversation_id]
        if conversation_id in self._at_once:
            self._at_once.discard(conversation_id)
            if conversation_id in self._going:
                self._start(conversation_id)
        self._bus.publish(RunChanged(conversation_id))  # where nothing was sent, nothing is about to run any more

    async def _try(self, conversation_id: str) -> None:
        try:
            await self._send(conversation_id)
        except AppError as error:
            if conversation_id in self._chat.running():
                return  # faster than this
            self.hold(conversation_id)
            if not self._closed and error.problem.what.code != "chat.gone":  # the user has deleted it
                log.warning("queue.unsent code=%s", error.problem.what.code)
                self._bus.publish(Notified(error.problem.what, hint=error.problem.hint))

    async def _send(self, conversation_id: str) -> None:
        """Send the first one; it leaves the line when it is on the disk. Its message has its id: a start finds out
        which of both has been kept."""
        conversation = await self._history.get(conversation_id)
        queue = self.of(conversation_id)
        if conversation_id in self._chat.running() or not queue or self._closed:
            return  # somebody was faster: the end of that answer brings the next one
        if conversation_id not in self._going or conversation is None:  # stopped, or the chat was deleted
            self.hold(conversation_id)
            return
        first = queue[0]
        self._leaving.add(first.id)
        try:
            await self._chat.send(
                first.draft.parts,
                conversation_id=conversation_id,
                thinking=conversation.thinking,
                message_id=first.id,
            )
        finally:
            self._leaving.discard(first.id)
        self.remove(conversation_id, first.id)
        await self._drafts.save(durable=True)
