"""The conversation on show: opening it tail first, the rest off the loop, and keeping it true while answers run.

Which messages are shown the transcript knows, and where an answer stands ``Chat`` does: both are asked, never kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from qwen_desktop.core.chat import Message, Status, new_id
from qwen_desktop.core.engine import Stats
from qwen_desktop.services import events
from qwen_desktop.ui.chat.transcript import TranscriptView
from qwen_desktop.ui.ui_context import UiContext

#: Messages read before anything is shown, and then in one go.
TAIL = 30
CHUNK = 200
#: Pause between two chunks, in seconds, so that typing and painting come first.
_BREATH_S = 0.02


class ConversationFeed(QObject):
    """Feeds the transcript. ``adopted`` gives the id of the conversation that the new chat on show has become."""

    adopted = Signal(str)
    #: Other messages may be on show, or ``run`` and ``context`` others than before.
    changed = Signal()

    def __init__(self, ui: UiContext, transcript: TranscriptView, parent: QObject) -> None:
        super().__init__(parent)
        self._history = ui.services.history
        self._chat = ui.services.chat
        self._operations = ui.operations
        self._transcript = transcript
        self._task: asyncio.Task[None] | None = None
        self._older: asyncio.Task[None] | None = None
        #: something came while it was read
        self._again = False
        #: messages of which it is not known yet whether there are other versions
        self._unasked: list[str] = []
        self.id = ""
        #: somebody waits for what is above
        self.hurry = False
        #: what the conversation will be called that a new chat becomes with its first message
        self.next_id = new_id()
        bus = ui.services.bus
        bus.subscribe(events.MessageAdded, self._on_added, owner=self)
        bus.subscribe(events.MessageChanged, self._on_changed, owner=self)
        bus.subscribe(events.BranchChanged, self._on_branch, owner=self)
        bus.subscribe(events.RunChanged, self._on_run, owner=self)
        # An answer's words go where they are shown at once; what is followed there has an id that nothing else has.
        bus.subscribe(events.AnswerEvent, transcript.live.take, owner=transcript.live)
        transcript.older_wanted.connect(self._on_older_wanted)

    # What there is to know ---------------------------------------------------------------------------------------

    @property
    def any_id(self) -> str:
        """What the conversation is called, or will be with its first message."""
        return self.id or self.next_id

    @property
    def running(self) -> bool:
        """Whether an answer runs here or is about to."""
        return self.any_id in self._chat.running()

    @property
    def run(self) -> events.RunState | None:
        """How the answer is getting on that runs here."""
        return self._chat.run(self.id)

    @property
    def context(self) -> tuple[int, int]:
        """Tokens of the context that are used, and its size: of the answer that runs, else of the last one that has
        figures; 0 where nothing is known."""
        run = self.run
        if run is not None and run.figures is not None:
            return run.figures.context_used, run.figures.context_size
        for item in reversed(self._transcript.items):
            stats = item.message.stats
            if isinstance(stats, Stats) and stats.context_size and not item.streaming:
                return stats.context_used, stats.context_size
        return 0, 0

    # Opening -----------------------------------------------------------------------------------------------------

    def open(self, conversation_id: str) -> asyncio.Task[None] | None:
        """Show a conversation, "" for a new chat. The task ends when the end of it is on show."""
        self.leave()
        self.id = conversation_id
        self.next_id = new_id()
        if not conversation_id:
            self._transcript.clear()
            self.changed.emit()
            return None
        self._task = self._operations.run(
            self._read(anew=True), owner=self, orphaned="cancelled", on_error=lambda _: self._transcript.clear()
        )
        return self._task

    def leave(self) -> None:
        """Stop reading ahead."""
        for task in (self._task, self._older):
            if task is not None:
                task.cancel()
        self._task = self._older = None
        self._unasked = []

    async def settled(self) -> None:
        """Wait until what is known of the conversation is on show."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    @property
    def _loading(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _read(self, *, anew: bool) -> None:
        """Read and show: ``anew`` the end alone, else from there up to where the branch leaves what is shown. Once more
        when something has come meanwhile."""
        shown = self._transcript.shown
        self._again = True
        while self._again:
            self._again = False
            read = above = await self._history.tail(self.id, TAIL)
            while not anew and (fork := shown.fork(read)) is None and above:
                above = await self._history.before(read[0].id, CHUNK)
                read = (*above, *read)
            # Between reading and showing the last message nothing is awaited: the words that came then would be lost.
            if anew or fork is None:
                self._transcript.set_messages(read, more_above=bool(read) and read[0].parent_id is not None)
            else:
                await self._replace(read, *fork)
            anew = False
            self._unasked += [message.id for message in read]  # beside one that stays there may be others now
            self._transcript.set_run(self.run)
            self.changed.emit()
            self._read_on()

    async def _replace(self, read: Sequence[Message], from_id: str | None, fresh: Sequence[Message]) -> None:
        """Show what was ``read``, of which ``fresh`` is new; in pieces where that is much."""
        for message in read[: len(read) - len(fresh)]:
            item = self._transcript.item(message.id)
            if item is not None and item.message != message and message.status is not Status.STREAMING:
                self._transcript.replace(message)
        for start in range(0, max(1, len(fresh)), CHUNK):
            part = fresh[start : start + CHUNK]
            if start:
                await asyncio.sleep(_BREATH_S)
            if len(read) > TAIL and start + CHUNK >= len(fresh) and part:
                part = (*part[:-1], await self._history.message(part[-1].id) or part[-1])
            self._transcript.replace_tail(from_id if not start else None, part)

    def _read_on(self) -> None:
        if self._older is None or self._older.done():
            self._older = self._operations.run(self._fill(), owner=self, orphaned="cancelled")

    async def _fill(self) -> None:
        """Read the versions of what is shown, then everything above it, with pauses."""
        shown = self._transcript.shown
        while True:
            if self._unasked:
                ids = tuple(self._unasked)
                self._transcript.set_versions(await self._history.versions(ids), ids)
                del self._unasked[: len(ids)]
            elif shown.more_above:
                await asyncio.sleep(0 if self.hurry else _BREATH_S)
                first = shown.items[0].message.id if shown.items else ""  # nothing may be left meanwhile
                chunk = await self._history.before(first, CHUNK) if first else ()
                if shown.items and shown.items[0].message.id == first:
                    more = bool(chunk) and chunk[0].parent_id is not None
                    self._transcript.prepend(chunk, more_above=more)
                    self._unasked += [message.id for message in chunk]
            else:
                return

    def _on_older_wanted(self, _first: str) -> None:
        if self.id and not self._loading:
            self._read_on()

    # Events ----------------------------------------------------------------------------------------------------------

    def _now(self, conversation_id: str) -> bool:
        """Whether what came is to be shown at once. While its conversation is read it may come too late for that: then
        it is read once more."""
        here = conversation_id == self.id
        self._again |= here and self._loading
        return here and not self._loading

    def _on_added(self, event: events.MessageAdded) -> None:
        message = event.message
        if self.next_id == message.conversation_id and not self.id:
            self.id = message.conversation_id
            self.adopted.emit(self.id)
        if self._now(message.conversation_id):
            items = self._transcript.items
            if message.parent_id == (items[-1].message.id if items else None):
                self._transcript.append(message)
                self.changed.emit()
            else:  # another branch was chosen just then, or another program has written here
                self._read_branch()

    def _on_changed(self, event: events.MessageChanged) -> None:
        if self._now(event.message.conversation_id):
            self._transcript.replace(event.message)
            self.changed.emit()

    def _on_branch(self, event: events.BranchChanged) -> None:
        if self._now(event.conversation_id):
            self._read_branch()

    def _read_branch(self) -> None:
        items = self._transcript.items
        self._unasked += [item.message.id for item in items if item.versions is not None]  # some may be gone
        self._task = self._operations.run(self._read(anew=False), owner=self, orphaned="cancelled")

    def _on_run(self, event: events.RunChanged) -> None:
        if event.conversation_id == self.id:
            self._transcript.set_run(self.run)
            self.changed.emit()
