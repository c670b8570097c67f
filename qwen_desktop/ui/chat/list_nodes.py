"""What the list of chats consists of: the rows, where conversations are at home, and the tree of folders."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from qwen_desktop.core.chat import Conversation, Folder

#: Where a conversation is at home: pinned, in the archive, under the days; else its home is the id of a folder.
PINNED, ARCHIVE, LOOSE = "*pinned", "*archive", ""
#: Before and behind the places of all.
FIRST, ALL = (-math.inf, 0.0), (math.inf, 0.0)
NUMBERS: Final = itertools.count(1)

#: The order among siblings: folders by name, conversations the newest first, then what stands below them.
Key: TypeAlias = tuple[int, Any, Any]
Spot: TypeAlias = tuple[float, float]
FOLDER_KEY, CHAT_KEY, TAIL_KEY = 0, 1, 2


class Kind(StrEnum):
    """What a row is. ``MORE`` shows more of a long folder, ``NOTE`` says that there is nothing in one."""

    HEADING = "heading"
    FOLDER = "folder"
    CHAT = "chat"
    MORE = "more"
    NOTE = "note"


class Row(NamedTuple):
    """What a row shows. ``id`` is that of a conversation, a folder or ``ARCHIVE``; ``chats`` those in a
    folder, however deep, or what is left of them for ``MORE``; ``folder`` is the path of the
    one that a conversation lies in where it is at home elsewhere."""

    kind: Kind
    id: str = ""
    title: str = ""
    depth: int = 0
    open: bool = False
    chats: int = 0
    running: bool = False
    unsent: bool = False
    tags: tuple[str, ...] = ()
    folder: str = ""


class Node:
    """A row. Siblings stand in the order of their keys. Qt knows a node by its number, which is never used again: an
    index of one that is gone finds nothing."""

    __slots__ = ("children", "conversation", "id", "key", "kind", "number", "parent")

    def __init__(self, kind: Kind, key: Key, identity: str = "", conversation: Conversation | None = None) -> None:
        self.kind, self.key, self.id, self.conversation = kind, key, identity, conversation
        self.number = next(NUMBERS)
        self.parent: Node | None = None
        self.children: list[Node] = []

    @property
    def depth(self) -> int:
        """In how many folders it lies."""
        above = self.parent
        return 0 if above is None or above.kind is not Kind.FOLDER else above.depth + 1


def below(node: Node) -> Iterator[Node]:
    """All nodes under this one, from top to bottom."""
    for child in node.children:
        yield child
        yield from below(child)


class FolderTree:
    """The folders by their ids and names. What lies in one that is not there, or in itself, lies beside all others."""

    def __init__(self, folders: Iterable[Folder] = ()) -> None:
        self.all = {folder.id: folder for folder in folders}
        self._up: dict[str, str] = {}
        for folder_id in self.all:
            self._up[folder_id] = self._parent(folder_id)
        self.inside: dict[str, list[str]] = {}
        for folder_id in sorted(self.all, key=self.key):
            self.inside.setdefault(self._up[folder_id], []).append(folder_id)

    def _parent(self, folder_id: str) -> str:
        parent = self.all[folder_id].parent_id
        seen, above = {folder_id}, parent
        while above in self.all and above not in seen:
            seen.add(above)
            above = self.all[above].parent_id
        return parent if parent in self.all and above != folder_id else ""

    def __contains__(self, folder_id: str) -> bool:
        return folder_id in self.all

    def up(self, folder_id: str) -> str:
        """The folder that it lies in, "" for none."""
        return self._up.get(folder_id, "")

    def key(self, folder_id: str) -> Key:
        """Its place among its siblings."""
        return FOLDER_KEY, self.all[folder_id].name.casefold(), folder_id

    def way(self, folder_id: str) -> list[str]:
        """The folder and those that it lies in, the innermost one first."""
        found = []
        while folder_id in self.all and folder_id not in found:
            found.append(folder_id)
            folder_id = self._up[folder_id]
        return found

    def path(self, folder_id: str) -> str:
        """Its name after those that it lies in: "Work / 2026"."""
        return " / ".join(self.all[each].name for each in reversed(self.way(folder_id)))

    def under(self, folder_id: str) -> Iterator[str]:
        """A folder ("" for all) and those that lie in it, each before what lies in that."""
        waiting = [folder_id]
        while waiting:
            here = waiting.pop()
            if here:
                yield here
            waiting += reversed(self.inside.get(here, ()))
