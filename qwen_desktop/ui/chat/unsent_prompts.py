"""What is written in a pane and not sent yet: the draft in its message box, and the prompts that wait in line.

The services keep both; this shows them, and takes over what is typed and what is done to the line.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject

from qwen_desktop.core.chat import Setup, new_id
from qwen_desktop.core.drafts import Draft, QueuedPrompt
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.composer import Composer
from qwen_desktop.ui.chat.conversation_feed import ConversationFeed
from qwen_desktop.ui.chat.prompt_line import words_of
from qwen_desktop.ui.chat.status_line import StatusLine
from qwen_desktop.ui.ui_context import UiContext


class UnsentPrompts(QObject):
    """``send`` gets what is to be sent at once; ``exchanged`` is called after the draft has changed under the box."""

    def __init__(
        self,
        ui: UiContext,
        feed: ConversationFeed,
        composer: Composer,
        status: StatusLine,
        parent: QObject,
        *,
        send: Callable[[Draft], None],
        exchanged: Callable[[], None],
    ) -> None:
        super().__init__(parent)
        self._ui = ui
        self._feed = feed
        self._composer = composer
        self._status = status
        self._send_now = send
        self._exchanged = exchanged
        self._drafts, self._queue = ui.services.drafts, ui.services.queue
        #: where a prompt stood that was taken back into the box
        self._place: int | None = None
        composer.sent.connect(self._send)
        composer.edited.connect(self._keep_draft)
        composer.go_on_wanted.connect(self._go_on)
        line = composer.line
        line.edit_wanted.connect(self._edit)
        line.remove_wanted.connect(self._remove)
        line.send_wanted.connect(self._send_first)
        line.move_wanted.connect(lambda prompt_id, place: self._queue.move(feed.any_id, prompt_id, place))
        ui.services.bus.subscribe(events.DraftChanged, self._draft_changed, owner=self)
        ui.services.bus.subscribe(events.QueueChanged, self._queue_changed, owner=self)

    def show(self) -> None:
        """Another conversation is on show: show what was written for that."""
        self._composer.change_to(self._drafts.of(self._feed.id))
        self._place = None
        self._show_queue()

    def adopted(self) -> None:
        """The new chat on show has become a conversation."""
        self._drafts.put("", Draft())
        self._drafts.put_setup("", Setup())
        self._keep_draft()  # what was written since is the new conversation's

    def _keep_draft(self) -> None:
        self._drafts.put(self._feed.id, self._composer.draft)
        self._show_waits()

    def _draft_changed(self, event: events.DraftChanged) -> None:
        if event.conversation_id == self._feed.id:
            self._composer.set_draft(self._drafts.of(self._feed.id))
            self._show_waits()
            self._exchanged()

    def _send(self, draft: Draft) -> None:
        """Send what was written, after what is said and waits already."""
        if self._composer.running:
            self._queue.add(self._feed.any_id, draft, self._place)
            self._composer.line.tell(draft)
        else:
            self._send_now(draft)
        self._place = None

    # The line ---------------------------------------------------------------------------------------------------------

    def _queue_changed(self, event: events.QueueChanged) -> None:
        if event.conversation_id == self._feed.any_id:
            self._show_queue()

    def _show_queue(self) -> None:
        where = self._feed.any_id
        self._composer.show_queue(self._queue.of(where), waits=self._queue.waits(where))
        self._show_waits()

    def _show_waits(self) -> None:
        self._status.set_waits(self._queue.waits(self._feed.any_id) and not self._composer.draft)

    def _go_on(self) -> None:
        if self._queue.waits(self._feed.any_id):
            self._queue.go_on(self._feed.any_id)

    def _taken(self, prompt_id: str) -> tuple[QueuedPrompt, int] | None:
        """Take a prompt out of the line: it, and where it stood; None for one that is gone."""
        where = self._feed.any_id
        queued = next((queued for queued in self._queue.of(where) if queued.id == prompt_id), None)
        place = self._queue.remove(where, prompt_id)
        return (queued, place) if queued is not None and place is not None else None

    def _edit(self, prompt_id: str) -> None:
        """Take a prompt back into the box; what stood there waits in its place."""
        if (taken := self._taken(prompt_id)) is None:
            return
        queued, place = taken
        before, self._place = self._composer.draft, place
        if before.parts:
            where = self._feed.any_id
            self._queue.insert(where, QueuedPrompt(new_id(where), before), place)
            self._place = None
        self._composer.take(queued.draft)

    def _remove(self, prompt_id: str) -> None:
        where = self._feed.any_id
        if (taken := self._taken(prompt_id)) is None:
            return
        queued, place = taken
        if not self._composer.line.focus_chip(place):
            self._composer.setFocus()
        told = texts.fill(self.tr("“{words}” is not sent."), words=words_of(queued.draft))
        self._ui.notify.undoable(told, lambda: self._queue.insert(where, queued, place))

    def _send_first(self, prompt_id: str) -> None:
        self._ui.operations.run(self._queue.send_now(self._feed.any_id, prompt_id), owner=self)
        self._composer.setFocus()
