"""Where conversations are at home in the list, in which order, and how many of a home are rows. Without Qt."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

from qwen_desktop.core.chat import Conversation
from qwen_desktop.ui.chat.list_nodes import ALL, ARCHIVE, FIRST, LOOSE, NUMBERS, PINNED, FolderTree, Spot

#: So many of the newest of a home are rows at first, and so many more each time that there are too few.
ROWS = 100


class Homes:
    """All conversations, by the home that each has: pinned, the archive, a folder, or none of them."""

    def __init__(self, folders: FolderTree | None = None) -> None:
        self.folders = folders or FolderTree()
        self.all: dict[str, Conversation] = {}
        self.arrived: dict[str, int] = {}
        #: Whose a place is, by its second half.
        self.whose: dict[float, str] = {}
        self.homes: dict[str, str] = {}
        #: The places of all, in order, by home; the last one that may be a row; and how many are to be.
        self.members: dict[str, list[Spot]] = {}
        self.until: dict[str, Spot] = {}
        self.room: dict[str, int] = {}
        self.in_folder: dict[str, set[str]] = {}

    def _home(self, conversation: Conversation) -> str:
        if conversation.archived:
            return ARCHIVE
        if conversation.pinned:
            return PINNED
        return conversation.folder_id if conversation.folder_id in self.folders else LOOSE

    def take(self, conversation: Conversation, *, sorted_: bool = False) -> str:
        """Note a conversation, in its place where that is ``sorted_``; its home."""
        identity = conversation.id
        self.all[identity] = conversation
        if identity not in self.arrived:
            self.arrived[identity] = number = next(NUMBERS)
            self.whose[number] = identity
        self.homes[identity] = home = self._home(conversation)
        spots = self.members.setdefault(home, [])
        (insort(spots, self.spot(identity)) if sorted_ else spots.append(self.spot(identity)))
        if conversation.folder_id:
            self.in_folder.setdefault(conversation.folder_id, set()).add(identity)
        return home

    def forget(self, conversation_id: str, *, drop: bool = True) -> str | None:
        """Take it out of its home, which is returned; None for one that is not there."""
        known = self.all.get(conversation_id)
        if known is None:
            return None
        home = self.homes.pop(conversation_id)
        spots = self.members[home]
        del spots[bisect_left(spots, self.spot(conversation_id))]
        if known.folder_id and drop:
            self.in_folder[known.folder_id].discard(conversation_id)
        if drop:
            del self.all[conversation_id]
        return home

    def spot(self, conversation_id: str) -> Spot:
        """The newest first, of those of one moment the one that was heard of first."""
        known = self.all.get(conversation_id)
        return FIRST if known is None else (-known.updated, self.arrived[conversation_id])

    def end(self, home: str, count: int) -> Spot:
        """The last place when so many are shown."""
        spots = self.members.get(home, ())
        return spots[count - 1] if len(spots) > count else ALL

    def between(self, home: str, after: Spot, until: Spot) -> Iterator[str]:
        """Those of a home that come after a place and not after the other."""
        spots = self.members.get(home, [])
        for spot in itertools.islice(spots, bisect_right(spots, after), bisect_right(spots, until)):
            yield self.whose[spot[1]]

    def limit(self, home: str) -> Spot:
        """The last place that may be a row."""
        if home == PINNED:
            return ALL
        if home not in self.until:
            self.until[home] = self.end(home, self.room.setdefault(home, ROWS))
        return self.until[home]

    def left(self, home: str) -> int:
        """How many of a home are no rows."""
        spots = self.members.get(home, [])
        return len(spots) - bisect_right(spots, self.limit(home))

    def is_wanted(self, conversation: Conversation) -> bool:
        return self.spot(conversation.id) <= self.limit(self.homes[conversation.id])
