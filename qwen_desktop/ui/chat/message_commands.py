"""What a user does with messages of a conversation on show, and takes back: edits, versions, forks, deletions.

Each change is kept with where the reader was, so that undoing it shows again what was on screen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from PySide6.QtCore import QObject, Signal

from qwen_desktop.core.chat import Conversation, Message
from qwen_desktop.core.commands import ABOUT_MESSAGES
from qwen_desktop.core.engine import Sampling, ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.parts import Part, Role, visible_text
from qwen_desktop.services.changes import Change, ChangeKind
from qwen_desktop.services.history import fork_title
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.conversation_feed import ConversationFeed
from qwen_desktop.ui.chat.edit_section import Editing
from qwen_desktop.ui.chat.message_menu import fill_menu
from qwen_desktop.ui.chat.transcript import Reading, TranscriptView
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.texts import fill
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.select import Menu
from qwen_desktop.ui.widgets.toast import Toast

if TYPE_CHECKING:
    from qwen_desktop.services.services import Services

#: What can be done with a message that is not on show.
_OF_ANY = ("message.fork", "message.delete")
#: Changes that can be taken back.
_PAST = 50
#: How long a message is waited for that is still to be read from the history, and the pause between two looks, in
#: seconds.
_READ_S, _LOOK_S = 10.0, 0.02


class _Past(NamedTuple):
    """A change, the conversations that it can be taken back in, where the reader was, and when it was made."""

    change: Change
    conversations: tuple[str, ...]
    reading: Reading | None
    when: float


class MessageCommands(QObject):
    """Does what a transcript's messages, menus and the window's commands ask for."""

    #: The id of a conversation that is to be shown.
    opened = Signal(str)
    #: The versions of a message are to be shown.
    versions_wanted = Signal(str)

    def __init__(self, ui: UiContext, view: TranscriptView, feed: ConversationFeed, parent: QObject) -> None:
        super().__init__(parent)
        self._ui = ui
        self._view = view
        self._feed = feed
        self._past: list[_Past] = []
        self._offers: list[tuple[_Past, Toast]] = []
        self._differs: dict[str, int | None] = {}
        #: The id of a message that has the keyboard elsewhere, in the panel of versions; "" without.
        self.pointed: Callable[[], str] = lambda: ""
        #: The ways of thinking of the model that answers here.
        self.thinking_modes: tuple[ThinkingMode, ...] = ()
        self.editing = Editing(view, self)
        self.editing.send = self._send_edit
        view.options.differs_at = self._differs_at
        view.regenerate_requested.connect(self.regenerate)
        view.version_requested.connect(self.select)
        view.message_wanted.connect(self._wanted)
        view.menu_opens.connect(self._fill)

    @property
    def services(self) -> Services:
        """What is behind the window."""
        return self._ui.services

    @property
    def running(self) -> bool:
        """Whether an answer runs here."""
        return self._feed.running

    # Which message ----------------------------------------------------------------------------------------------------

    @property
    def _focused(self) -> MessageItem | None:
        """The message that has the keyboard, also in the box in which it is edited."""
        view, box = self._view, self._view.window().focusWidget()
        here = view.hasFocus() or (box is not None and view.viewport().isAncestorOf(box))
        return view.item(view.interaction.focus[0]) if here else None

    def meant(self, command: str) -> MessageItem | None:
        """The message that a command of the window is about: the one that has the keyboard, else the last one. Some are
        about answers, and editing begins with what the user has said last."""
        answers = command.startswith("answer.")
        focused = self._focused
        if focused is not None and not (answers and focused.user):
            return focused
        role = Role.ASSISTANT if answers else Role.USER
        if answers or command == "message.edit":
            return self._view.shown.newest(role)
        return self._view.items[-1] if self._view.items else None

    def do(self, command: str) -> None:
        """Give a command of the window about a message."""
        does: dict[str, Callable[[str], object]] = {
            "answer.regenerate": self.regenerate,
            "answer.continue": self.go_on,
            "answer.again": self.run_again,
            "message.edit": self.edit,
            "message.fork": self.fork,
            "message.delete": self.delete,
        }
        if command in _OF_ANY and (elsewhere := self.pointed()):
            does[command](elsewhere)
        elif (item := self.meant(command)) is not None:
            does[command](item.message.id)

    def can(self, command: str) -> bool:
        """Whether there is a message that a command could mean; True for commands about other things."""
        if command in ("message.previous", "message.next"):
            return self._version(1 if command == "message.next" else -1) is not None
        if command == "answer.continue":
            item = self.meant(command)
            return item is not None and not (item.user or item.streaming or item.message.at_its_end)
        if command.startswith("find."):
            return bool(self._view.items)
        return command not in (*ABOUT_MESSAGES, "answer.copy") or self.meant(command) is not None

    def step(self, step: int) -> None:
        """Go to the next (1) or previous (-1) version of the message that has the keyboard, else of the last one that
        has any."""
        if (version := self._version(step)) is not None:
            self.select(version)

    def _version(self, step: int) -> str | None:
        focused = self._focused
        items = [focused] if focused is not None else self._view.items[::-1]
        versions = next((item.versions for item in items if item.versions is not None), None)
        if versions is None or not 0 <= versions.index + step < len(versions.ids):
            return None
        return versions.ids[versions.index + step]

    def _wanted(self, action: str, message_id: str) -> None:
        does: dict[str, Callable[[str], object]] = {
            "edit": self.edit,
            "fork": self.fork,
            "versions": self.versions_wanted.emit,
            "continue": self.go_on,
            "go_on": self.go_on_anyway,
        }
        does[action](message_id)

    def _fill(self, menu: Menu, message_id: str) -> None:
        item = self._view.item(message_id)
        if item is not None:
            fill_menu(menu, item, self)

    # Changes ----------------------------------------------------------------------------------------------------------

    def edit(self, message_id: str) -> None:
        """Edit a message where it stands."""
        self.editing.open(message_id)

    def edit_last(self) -> None:
        """Edit the user's last message."""
        last = self._view.shown.newest(Role.USER)
        if last is not None:
            self.edit(last.message.id)

    def _send_edit(
        self, message: Message, parts: tuple[Part, ...], done: Callable[[], None], failed: Callable[[], None]
    ) -> None:
        self._change(self.services.chat.edit(message.id, parts), on_done=lambda _: done(), on_error=failed)

    def regenerate(
        self,
        message_id: str,
        *,
        model: ModelRef | None = None,
        thinking: ThinkingMode | None = None,
        sampling: Sampling | None = None,
    ) -> None:
        """Answer again, perhaps with another model or in another way."""
        chat = self.services.chat
        self._change(chat.regenerate(message_id, model=model, thinking=thinking, sampling=sampling))

    def go_on(self, message_id: str) -> None:
        """Let an answer that ended early go on."""
        item = self._view.item(message_id)
        if item is None or item.user or item.streaming or item.message.at_its_end:
            self._ui.notify.toast(self.tr("This answer is at its end."))
            return
        made = item.message.provenance
        if made is not None and made.stopped_loop:
            self.go_on_anyway(message_id)
        else:
            self._change(self.services.chat.continue_answer(message_id))

    def go_on_anyway(self, message_id: str) -> None:
        """Let an answer that repeated itself go on, and repeat itself."""
        self._change(self.services.chat.continue_answer(message_id, loop_guard=False))

    def run_again(self, message_id: str) -> None:
        """Make the answer again, exactly."""
        self._change(self.services.chat.run_again(message_id))

    def select(self, message_id: str) -> None:
        """Show another version."""
        self._change(self.services.history.select_version(message_id))

    def delete(self, message_id: str) -> None:
        """Delete a message with all that follows it, with undo."""
        self._change(
            self.services.history.delete_message(message_id),
            on_done=lambda past: self._tell(self.tr("The message is deleted."), past),
        )

    def fork(self, message_id: str) -> None:
        """Go on in a new chat with all up to a message."""
        origin = self._feed.id

        def done(made: tuple[Conversation, Change]) -> None:
            conversation, change = made
            self.opened.emit(conversation.id)
            past = self._keep(change, (origin, conversation.id), reading)
            self._tell(fill(self.tr("“{title}” is a new chat from here on."), title=conversation.title), past)

        async def work() -> tuple[Conversation, Change]:
            history = self.services.history
            source = await history.get(origin)
            title = source.title if source is not None else ""
            return await history.fork(message_id, texts.text(fork_title(title)) if title else "")

        reading = self._view.reading()
        self._ui.operations.run(work(), owner=self, on_done=done)

    def _change(
        self,
        work: Coroutine[Any, Any, Change],
        *,
        on_done: Callable[[_Past], object] = lambda _: None,
        on_error: Callable[[], object] = lambda: None,
    ) -> None:
        reading, where = self._view.reading(), self._feed.id
        self._view.go_back(None)

        def done(change: Change) -> None:
            on_done(self._keep(change, (where,), reading))

        def failed(_error: BaseException) -> None:
            on_error()

        self._ui.operations.run(work, owner=self, on_done=done, on_error=failed)

    def _keep(self, change: Change, conversations: tuple[str, ...], reading: Reading | None) -> _Past:
        past = _Past(change, conversations, reading, time.monotonic())
        self._past = [*self._past, past][-_PAST:]
        return past

    def _tell(self, text: str, past: _Past) -> None:
        toast = self._ui.notify.toast(text, action=self.tr("Undo"), act=lambda: self._undo(past))
        self._offers = [(of, shown) for of, shown in self._offers if shown in self._ui.notify.toasts.shown]
        self._offers.append((past, toast))

    # Undo -------------------------------------------------------------------------------------------------------------

    @property
    def _newest(self) -> _Past | None:
        here = self._feed.id
        return next((past for past in reversed(self._past) if here in past.conversations), None)

    @property
    def undoable(self) -> ChangeKind | None:
        """What would be taken back next; None without."""
        newest = self._newest
        return None if newest is None else newest.change.kind

    @property
    def changed_at(self) -> float:
        """When what would be taken back next was done, by the monotonic clock; 0 without."""
        newest = self._newest
        return 0.0 if newest is None else newest.when

    def undo(self) -> None:
        """Take the newest change of the conversation on show back."""
        if (newest := self._newest) is not None:
            self._undo(newest)

    def _undo(self, past: _Past) -> None:
        if past not in self._past:
            return
        self._past.remove(past)
        for of, toast in self._offers:
            if of is past and toast in self._ui.notify.toasts.shown:
                toast.leave()  # it would offer what has been done
        origin = past.conversations[0]

        def failed(error: BaseException) -> None:
            self._view.go_back(None)
            if not isinstance(error, UserFacing):
                self._past.append(past)  # the disk may take it the next time

        here, where = self._feed.id == origin, self._feed.id

        async def work() -> None:
            await past.change.undo()
            if past.change.kind is ChangeKind.FORK and where == past.change.conversation_id:
                self.opened.emit(origin)  # not before: a fork that has gone on stays, and on show
            await self._feed.settled()

        if here:
            self._view.go_back(past.reading)
        self._ui.operations.run(work(), owner=self, on_done=lambda _: self._view.go_back(None), on_error=failed)

    # Places -----------------------------------------------------------------------------------------------------------

    def show(self, message_id: str) -> None:
        """Bring the branch of a message on show, and the message to the top of the window."""
        self._ui.operations.run(self.reach(message_id), owner=self, orphaned="quiet", wish="chat.branch")

    async def reach(self, message_id: str) -> bool:
        """The same, done when this returns; False where another conversation is on show by then."""
        reading, where, view = self._view.reading(), self._feed.id, self._view
        view.go_back(None)
        if view.item(message_id) is None and not await self._is_above(message_id):
            self._keep(await self.services.history.select_version(message_id), (where,), reading)
            await self._feed.settled()
        until, self._feed.hurry = time.monotonic() + _READ_S, True
        try:
            while self._feed.id == where and view.item(message_id) is None and view.shown.more_above:
                if time.monotonic() > until:
                    break
                await asyncio.sleep(_LOOK_S)  # what is above is being read
        finally:
            self._feed.hurry = False
        item = view.item(message_id) if self._feed.id == where else None
        if item is not None:
            view.hold(item, 0.0, 16.0)
        return item is not None

    async def _is_above(self, message_id: str) -> bool:
        """Whether a message is above those that are read already."""
        if not self._view.shown.more_above or not self._view.items:
            return False
        parents = {node.id: node.parent_id for node in await self.services.history.tree(self._feed.id)}
        above: str | None = self._view.items[0].message.id
        while above is not None and above != message_id:
            above = parents.get(above)
        return above is not None

    # Answers made again -----------------------------------------------------------------------------------------------

    def _differs_at(self, message: Message) -> int | None:
        """The first word, counted from 1, in which an answer is another one than that which it repeats."""
        again = message.provenance.again if message.provenance is not None else None
        if again is not None and message.id not in self._differs:
            self._differs[message.id] = None
            self._ui.operations.run(self._compare(message, again.of), owner=self, orphaned="quiet")
        return self._differs.get(message.id)

    async def _compare(self, message: Message, of: str) -> None:
        before = await self.services.history.message(of)
        if before is None:
            return
        pairs = zip_longest(visible_text(before.parts).split(), visible_text(message.parts).split())
        self._differs[message.id] = next((n for n, (one, other) in enumerate(pairs, 1) if one != other), None)
        if (item := self._view.item(message.id)) is not None:
            self._view.renew(item)
