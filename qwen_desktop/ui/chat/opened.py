"""The conversation on show: opening it tail first, the rest off the loop, and keeping it true while answers run."""

from __future__ import annotations

import asyncio

from PySide6.QtCore import QObject, Signal

from qwen_desktop.core.chat import Message, Status, Versions, new_id
from qwen_desktop.core.engine import ContextCut, LiveFigures, PromptProgress, Stats
from qwen_desktop.core.parts import Role, visible_text
from qwen_desktop.services import events
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.shell import Shell

#: Messages read before anything is shown, and then in one go.
TAIL = 30
CHUNK = 200
#: Pause between two chunks, in seconds, so that typing and painting come first.
_BREATH_S = 0.02


class OpenedConversation(QObject):
    """Feeds the transcript. ``shown`` fires when a conversation's end is on show, ``emptied`` for a new chat."""

    shown = Signal()
    emptied = Signal()
    adopted = Signal(str)
    figures = Signal(int, int)
    speed = Signal(float)
    #: Where an answer waits, None when it has come so far that it speaks.
    stage = Signal(object)
    running_changed = Signal()

    def __init__(self, shell: Shell, transcript: TranscriptView, parent: QObject) -> None:
        super().__init__(parent)
        self._services = shell.services
        self._operations = shell.operations
        self._transcript = transcript
        self._task: asyncio.Task[None] | None = None
        self._older: asyncio.Task[None] | None = None
        self._ids: list[str] = []
        self._more = False
        self._versions: dict[str, Versions] = {}
        self._last_own = ""
        self._cut: str | None = None
        self._loading = False
        self._meanwhile: list[Message] = []
        self._turn = 0
        self.id = ""
        #: what the conversation will be called that a new chat becomes with its first message
        self.next_id = new_id()
        bus = shell.services.bus
        bus.subscribe(events.MessageAdded, self._on_added, owner=self)
        bus.subscribe(events.MessageChanged, self._on_changed, owner=self)
        bus.subscribe(events.BranchChanged, self._on_branch, owner=self)
        bus.subscribe(events.AnswerEvent, self._on_answer, owner=self)
        transcript.older_wanted.connect(self._on_older_wanted)

    @property
    def last_own(self) -> str:
        """The user's last message here, for bringing it back into the box."""
        return self._last_own

    @property
    def empty(self) -> bool:
        """Whether nothing was said yet."""
        return not self._ids

    def open(self, conversation_id: str) -> asyncio.Task[None] | None:
        """Show a conversation, "" for a new chat. The task ends when the end of it is on show."""
        self._cancel()
        self._turn += 1
        self.id = conversation_id
        self.next_id = new_id()
        self._forget()
        if not conversation_id:
            self._transcript.clear()
            self.figures.emit(0, 0)
            self.emptied.emit()
            return None
        self._loading = True
        self._task = self._operations.run(self._load(conversation_id, self._turn), owner=self, orphaned="cancelled")
        return self._task

    def leave(self) -> None:
        """Stop reading ahead."""
        self._cancel()

    # Opening ----------------------------------------------------------------------------------------------------------

    async def _load(self, conversation_id: str, turn: int) -> None:
        try:
            messages = await self._services.history.tail(conversation_id, TAIL)
        finally:
            # The same conversation may have been opened again meanwhile (another branch): that turn reads it.
            if self._turn == turn:
                self._loading = False
        if self._turn != turn:
            return
        known = {m.id for m in messages}
        late = {m.id: m for m in self._meanwhile}
        self._meanwhile = []
        # What was read is never older than what was told meanwhile, and has the words that came since.
        shown = [*messages, *(m for m in late.values() if m.id not in known)]
        self._ids = [m.id for m in shown]
        self._more = bool(shown) and shown[0].parent_id is not None
        self._transcript.set_messages(shown, more_above=self._more)
        for message in shown:
            self._learn(message)
        if self._cut is not None:
            self._show_cut()
        if shown:
            self.shown.emit()
        else:
            self.emptied.emit()
        self.running_changed.emit()
        self._older = self._operations.run(self._fill(turn), owner=self, orphaned="cancelled")

    async def _fill(self, turn: int) -> None:
        """Read the versions of what is shown, then everything above it, with pauses."""
        await self._learn_versions(turn, tuple(self._ids))
        while self._more and self._turn == turn:
            await asyncio.sleep(_BREATH_S)
            first = self._ids[0]
            chunk = await self._services.history.before(first, CHUNK)
            if self._turn != turn or self._ids[0] != first:
                return
            self._more = bool(chunk) and chunk[0].parent_id is not None
            self._ids[:0] = [m.id for m in chunk]
            if not self._last_own:
                own = next((m for m in reversed(chunk) if m.role is Role.USER), None)
                self._last_own = visible_text(own.parts) if own is not None else ""
            self._transcript.prepend(chunk, more_above=self._more)
            await self._learn_versions(turn, tuple(m.id for m in chunk))
        if self._cut is not None and self._turn == turn:
            self._show_cut()

    async def _learn_versions(self, turn: int, ids: tuple[str, ...]) -> None:
        found = await self._services.history.versions(ids)
        if found and self._turn == turn:
            self._versions.update(found)
            self._transcript.set_versions(dict(self._versions))

    def _on_older_wanted(self, _first: str) -> None:
        if self.id and self._more and not self._loading and (self._older is None or self._older.done()):
            self._older = self._operations.run(self._fill(self._turn), owner=self, orphaned="cancelled")

    def _cancel(self) -> None:
        for task in (self._task, self._older):
            if task is not None:
                task.cancel()
        self._task = self._older = None

    def _forget(self) -> None:
        self._ids = []
        self._more = False
        self._versions = {}
        self._last_own = ""
        self._cut = None
        self._meanwhile = []
        self._loading = False

    # Events -----------------------------------------------------------------------------------------------------------

    def _on_added(self, event: events.MessageAdded) -> None:
        message = event.message
        if self.next_id == message.conversation_id and not self.id:
            self.id = message.conversation_id
            self.adopted.emit(self.id)
        self.running_changed.emit()
        if message.conversation_id != self.id:
            return
        if self._loading:
            self._meanwhile.append(message)
            return
        if message.id in self._ids:
            return
        first = not self._ids
        self._ids.append(message.id)
        self._transcript.append(message)
        self._learn(message)
        if first:
            self.shown.emit()

    def _on_changed(self, event: events.MessageChanged) -> None:
        message = event.message
        self.running_changed.emit()
        if message.conversation_id != self.id:
            return
        self.speed.emit(0.0)  # also of an answer that is being read, or stands in another branch
        self.stage.emit(None)
        if self._loading:
            self._meanwhile.append(message)
            return
        if message.id in self._ids:
            self._transcript.replace(message)
            self._learn(message)

    def _on_branch(self, event: events.BranchChanged) -> None:
        self.running_changed.emit()
        if event.conversation_id == self.id:
            self.open(self.id)

    def _on_answer(self, told: events.AnswerEvent) -> None:
        if told.conversation_id != self.id:
            return
        event = told.event
        match event:
            case events.Queued() | events.Loading() | events.Reading():
                self.stage.emit(event)
            case LiveFigures():
                self.figures.emit(event.context_used, event.context_size)
                self.speed.emit(event.decode_tokens_per_s)
                self.stage.emit(None)
            case _ if self._loading:  # what is being read has it
                pass
            case ContextCut():
                self._cut = event.first_kept_id
                self._transcript.set_cut(event.first_kept_id, event.dropped)
            case PromptProgress():
                self._transcript.prompt_progress(told.message_id, event.done, event.total, event.seconds_left)
            case _:
                self._transcript.take(told.message_id, event)

    def _learn(self, message: Message) -> None:
        """Take over what the page shows elsewhere about a message."""
        if message.role is Role.USER:
            self._last_own = visible_text(message.parts)
            return
        if message.context_cut is not None:
            self._cut = message.context_cut
        stats = message.stats
        if isinstance(stats, Stats) and stats.context_size and message.status is not Status.STREAMING:
            self.figures.emit(stats.context_used, stats.context_size)

    def _show_cut(self) -> None:
        """Mark the last answer's cut; how many messages lie above it is known once they are read."""
        if self._cut in self._ids and not self._more:
            self._transcript.set_cut(self._cut, self._ids.index(self._cut))
        elif self._cut is not None:
            self._transcript.set_cut(self._cut, 0)
