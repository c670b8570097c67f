"""Which messages are shown, in which order, and what follows from that. Nobody else keeps it. No Qt here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from qwen_desktop.core.chat import Message, Versions
from qwen_desktop.core.parts import Role

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript_items import MessageItem


class ShownMessages:
    """A branch of a conversation from some message on to its end, each message once.

    What changes it returns the entries about which something else is true than before: versions, ``cut_above`` (the
    model sees the chat from here on), ``last`` (it is the last answer). All of them but the growing parts of
    ``message`` is written here alone.
    """

    def __init__(self, make: Callable[[Message], MessageItem]) -> None:
        self._make = make
        self._by_id: dict[str, MessageItem] = {}
        self._versions: dict[str, Versions] = {}
        self._cut: MessageItem | None = None
        self._last: MessageItem | None = None
        self._cut_said_by: MessageItem | None = None
        self.items: list[MessageItem] = []
        #: There are older messages that can be asked for.
        self.more_above = False

    # Questions -------------------------------------------------------------------------------------------------------

    def get(self, message_id: str) -> MessageItem | None:
        """The entry of a message, None when it is not among these."""
        return self._by_id.get(message_id)

    def newest(self, role: Role) -> MessageItem | None:
        """The last message of the user or of the assistant."""
        return next((entry for entry in reversed(self.items) if entry.message.role is role), None)

    def fork(self, branch: Sequence[Message]) -> tuple[str | None, Sequence[Message]] | None:
        """Where a branch, of which this is the end, leaves what is shown: the id of the first message that is not in it
        (None when all are) and those that come instead. None when it does so further up."""
        for place in range(len(branch), -1, -1):
            above = branch[place - 1].id if place else branch[0].parent_id if branch else None
            entry = self._by_id.get(above or "")
            if entry is not None or (branch and not place and above is None):
                after = 0 if entry is None else entry.index + 1
                return self.items[after].message.id if after < len(self.items) else None, branch[place:]
        return None

    # Changes ---------------------------------------------------------------------------------------------------------

    def open(self, messages: Sequence[Message], *, more_above: bool) -> list[MessageItem]:
        """Show these and no others. An entry stays that shows one of them as it is."""
        before = self._by_id
        self._by_id, self._versions, self.items, self.more_above = {}, {}, [], more_above
        for message in messages:
            entry = before.get(message.id)
            self._take(entry if entry is not None and entry.message == message else self._make(message))
        return self._follow(0, self.items)

    def prepend(self, messages: Sequence[Message], *, more_above: bool) -> list[MessageItem]:
        """Older ones come above."""
        below, self.items, self.more_above = self.items, [], more_above
        for message in messages:
            if message.id not in self._by_id:
                self._take(self._make(message))
        fresh = self.items
        self.items = fresh + below
        return self._follow(0, fresh)

    def replace_tail(self, from_id: str | None, messages: Sequence[Message]) -> list[MessageItem]:
        """These come instead of the message ``from_id`` and all below it; None: below the last one. From the first
        one on nothing is left above."""
        first = self._by_id.get(from_id or "")
        place = len(self.items) if first is None else first.index
        for entry in self.items[place:]:
            del self._by_id[entry.message.id]
        del self.items[place:]
        if first is not None and not self.items:
            self.more_above = False
        for message in messages:
            self._take(self._make(message))
        return self._follow(place, self.items[place:])

    def replace(self, message: Message) -> list[MessageItem]:
        """A message that is among these has become another one."""
        entry = self._by_id[message.id]
        entry.message = message
        return self._follow(entry.index, [entry])

    def set_versions(self, versions: Mapping[str, Versions], asked: Sequence[str] = ()) -> list[MessageItem]:
        """Some of these, by id, have other versions: those have the same ones. The others that were ``asked`` for have
        none."""
        alone = [key for key in asked if key not in versions and self._versions.pop(key, None) is not None]
        self._versions |= {
            key: Versions(found.ids, place) for found in versions.values() for place, key in enumerate(found.ids)
        }
        told = [self._by_id[key] for key in (*versions, *alone) if key in self._by_id]
        return self._follow(len(self.items), told)

    def _take(self, entry: MessageItem) -> None:
        self.items.append(entry)
        self._by_id[entry.message.id] = entry

    def _follow(self, place: int, entries: Sequence[MessageItem]) -> list[MessageItem]:
        """Bring onto the entries what follows from the order: their numbers from ``place`` on, versions only onto
        ``entries``, which are new or others than before."""
        for index, entry in enumerate(self.items[place:], place):
            entry.index = index
        changed = []
        for entry in entries:
            versions = self._versions.get(entry.message.id)
            if entry.versions != versions:
                entry.versions = versions
                changed.append(entry)
        cut, last = self._first_kept(entries), self.newest(Role.ASSISTANT)
        for marked in (self._cut, cut, self._last, last):
            if marked is not None and (marked.cut_above, marked.last) != (marked is cut, marked is last):
                marked.cut_above, marked.last = marked is cut, marked is last
                changed.append(marked)
        self._cut, self._last = cut, last
        return changed

    def _first_kept(self, entries: Sequence[MessageItem]) -> MessageItem | None:
        """The message from which on the model sees the chat: the last answer that was cut says it, and the next will
        keep to it (``services.request_messages.cut_of``). Above the very first message nothing is cut off."""
        said = self._cut_said_by
        if said is not None and (said.message.context_cut is None or self._by_id.get(said.message.id) is not said):
            said, entries = None, self.items
        newest = next((entry for entry in reversed(entries) if entry.message.context_cut is not None), None)
        if newest is not None and (said is None or said.index < newest.index):
            said = newest
        self._cut_said_by = said
        kept = None if said is None else self._by_id.get(said.message.context_cut or "")
        return kept if kept is not None and (kept.index > 0 or self.more_above) else None
