"""The side list's model: a tree of conversations in groups by day, filtered by title.

Headings and conversations are nodes of one kind, so that a group may hold groups too. Each change is said as what it
is (rows inserted, moved or removed, another title), so that whatever a view holds on to stays where it belongs: a
rename in place, the selection, how far it is scrolled.
"""

from __future__ import annotations

import datetime
import itertools
import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, TypeAlias

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPersistentModelIndex, Qt, Signal

from qwen_desktop.core.chat import Conversation

Index: TypeAlias = QModelIndex | QPersistentModelIndex

#: Data roles: the conversation's id ("" for a heading), and whether an answer runs in it.
ID_ROLE = int(Qt.ItemDataRole.UserRole)
RUNNING_ROLE = ID_ROLE + 1

_NOWHERE = QModelIndex()
_NO_FLAGS = Qt.ItemFlag.NoItemFlags
_FLAGS = (
    Qt.ItemFlag.ItemIsEnabled
    | Qt.ItemFlag.ItemIsSelectable
    | Qt.ItemFlag.ItemIsEditable
    | Qt.ItemFlag.ItemNeverHasChildren
)
_KEY = attrgetter("key")


class _Node:
    """A heading or a conversation. Siblings stand in the order of their keys; Qt knows a node by its number, which is
    never used again: an index of one that is gone finds nothing."""

    __slots__ = ("children", "conversation", "key", "number", "parent", "title")

    def __init__(self, number: int, key: tuple[float, str], title: str, conversation: Conversation | None) -> None:
        self.number = number
        self.key = key
        self.title = title
        self.conversation = conversation
        self.parent: _Node | None = None
        self.children: list[_Node] = []


class ConversationTree(QAbstractItemModel):
    """``renamed`` carries id and new title after inline editing; ``arranged`` follows each change of what is shown or
    where."""

    renamed = Signal(str, str)
    arranged = Signal()

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._numbers = itertools.count(1)
        self._all: dict[str, Conversation] = {}
        self._filter: list[str] = []
        self._running: frozenset[str] = frozenset()
        self._clear()

    def _clear(self) -> None:
        self._root = _Node(0, (0, ""), "", None)
        self._nodes: dict[int, _Node] = {}
        self._shown: dict[str, _Node] = {}
        self._groups: dict[int, _Node] = {}
        self._set_bounds(self._days())

    # Content ----------------------------------------------------------------------------------------------------------

    def set_all(self, conversations: Iterable[Conversation]) -> None:
        """Replace the content: the only change that views begin anew for."""
        self.beginResetModel()
        self._all = {c.id: c for c in conversations}
        self._clear()
        for rank, fresh in self._grouped(filter(self._is_wanted, self._all.values())):
            group = self._new_group(rank, fresh)
            self._root.children.append(group)
            self._enter(group, self._root)
        self.endResetModel()
        self.arranged.emit()

    def put(self, conversation: Conversation) -> None:
        """Add a conversation or take over its change."""
        self._follow_clock()
        self._all[conversation.id] = conversation
        node = self._shown.get(conversation.id)
        if node is not None and self._is_wanted(conversation):
            self._change(node, conversation)
        else:
            self._arrange((conversation.id,))

    def remove(self, conversation_id: str) -> None:
        """Take one out."""
        if self._all.pop(conversation_id, None) is not None:
            self._arrange((conversation_id,))

    def set_filter(self, words: str) -> None:
        """Keep only titles that contain every one of ``words``."""
        wanted = words.casefold().split()
        if wanted != self._filter:
            self._filter = wanted
            self._arrange(self._all)

    def set_running(self, ids: frozenset[str]) -> None:
        """Mark the conversations in which an answer runs."""
        changed, self._running = self._running ^ ids, ids
        for conversation_id in changed:
            index = self.index_of(conversation_id)
            if index.isValid():
                self.dataChanged.emit(index, index, [RUNNING_ROLE])

    def regroup(self) -> None:
        """Group again, since a new day may have begun."""
        if self._follow_clock():
            self.arranged.emit()

    # Questions --------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._all)

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation as last heard of."""
        return self._all.get(conversation_id)

    def ids(self) -> list[str]:
        """The shown conversations from top to bottom."""
        return [node.conversation.id for node in _below(self._root) if node.conversation is not None]

    def index_of(self, conversation_id: str) -> QModelIndex:
        """Where it is shown; invalid when it is not."""
        node = self._shown.get(conversation_id)
        return QModelIndex() if node is None else self._index(node)

    def is_heading(self, index: Index) -> bool:
        """Whether this row is a heading."""
        return self._node(index).conversation is None

    # Qt's model -------------------------------------------------------------------------------------------------------

    def index(self, row: int, column: int, parent: Index = _NOWHERE) -> QModelIndex:
        children = self._node(parent).children
        if 0 <= row < len(children) and column == 0:
            return self.createIndex(row, 0, children[row].number)
        return QModelIndex()

    def parent(self, index: Index) -> QModelIndex:  # type: ignore[override] # not QObject.parent()
        parent = self._node(index).parent
        return QModelIndex() if parent is None else self._index(parent)

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return len(self._node(parent).children)

    def columnCount(self, _parent: Index = _NOWHERE) -> int:
        return 1

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        node = self._node(index)
        if node is self._root:
            return None
        conversation = node.conversation
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return node.title if conversation is None else conversation.title or self.tr("New chat")
        if role == ID_ROLE:
            return "" if conversation is None else conversation.id
        if role == RUNNING_ROLE:
            return conversation is not None and conversation.id in self._running
        if role == Qt.ItemDataRole.AccessibleDescriptionRole:
            return self.tr("Heading") if conversation is None else self.tr("Chat")
        return None

    def headerData(self, _section: int, _way: Qt.Orientation, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """What a screen reader says where there would be a header."""
        return self.tr("Chats") if role == Qt.ItemDataRole.DisplayRole else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        return _NO_FLAGS if self.is_heading(index) else _FLAGS

    def setData(self, index: Index, value: Any, role: int = int(Qt.ItemDataRole.EditRole)) -> bool:
        conversation = self._node(index).conversation
        title = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or conversation is None or title in ("", conversation.title):
            return False
        self.renamed.emit(conversation.id, title)
        return True

    # Nodes ------------------------------------------------------------------------------------------------------------

    def _node(self, index: Index) -> _Node:
        return self._nodes.get(index.internalId(), self._root) if index.isValid() else self._root

    def _index(self, node: _Node) -> QModelIndex:
        if node.parent is None:
            return QModelIndex()
        return self.createIndex(_place(node.parent, node.key), 0, node.number)

    def _enter(self, node: _Node, parent: _Node) -> None:
        node.parent = parent
        self._nodes[node.number] = node
        if node.conversation is not None:
            self._shown[node.conversation.id] = node
        for child in node.children:
            self._enter(child, node)

    def _leave(self, node: _Node) -> None:
        del self._nodes[node.number]
        if node.conversation is not None:
            del self._shown[node.conversation.id]
        for child in node.children:
            self._leave(child)

    def _new_group(self, rank: int, children: list[_Node]) -> _Node:
        group = self._groups[rank] = _Node(next(self._numbers), (rank, ""), self._bounds[rank][1], None)
        group.children = children
        return group

    def _insert(self, parent: _Node, nodes: list[_Node]) -> None:
        """Show nodes that stand side by side."""
        row = _place(parent, nodes[0].key)
        self.beginInsertRows(self._index(parent), row, row + len(nodes) - 1)
        parent.children[row:row] = nodes
        for node in nodes:
            self._enter(node, parent)
        self.endInsertRows()

    def _remove(self, parent: _Node, first: int, end: int) -> None:
        """Take out the rows from ``first`` to before ``end``, and the heading that nothing is left under."""
        if parent is not self._root and end - first == len(parent.children):
            del self._groups[int(parent.key[0])]
            first = _place(self._root, parent.key)
            parent, end = self._root, first + 1
        self.beginRemoveRows(self._index(parent), first, end - 1)
        for node in parent.children[first:end]:
            self._leave(node)
        del parent.children[first:end]
        self.endRemoveRows()

    def _move(self, parent: _Node, first: int, end: int, rank: int, key: tuple[float, str]) -> None:
        """Put the rows from ``first`` to before ``end`` where ``key`` stands in the group ``rank``."""
        target = self._groups.get(rank)
        if target is None:
            target = self._new_group(rank, [])
            self._insert(self._root, [target])
        row = _place(target, key)
        if target is parent and first <= row <= end:
            return
        self.beginMoveRows(self._index(parent), first, end - 1, self._index(target), row)
        moved = parent.children[first:end]
        del parent.children[first:end]
        if target is parent and row > first:
            row -= len(moved)
        target.children[row:row] = moved
        for node in moved:
            node.parent = target
        if len(moved) == 1:
            moved[0].key = key
        self.endMoveRows()
        if not parent.children:
            row = _place(self._root, parent.key)
            del self._groups[int(parent.key[0])]
            self._remove(self._root, row, row + 1)

    # What is shown, and where -----------------------------------------------------------------------------------------

    def _is_wanted(self, conversation: Conversation) -> bool:
        title = conversation.title.casefold() if self._filter else ""
        return all([word in title for word in self._filter])  # noqa: C419 - a list is quicker, and all are asked

    def _change(self, node: _Node, conversation: Conversation) -> None:
        """Take over another title, time or pin of one that is shown."""
        parent, key = node.parent, _key(conversation)
        assert parent is not None and node.conversation is not None  # noqa: S101 - it is shown
        row = _place(parent, node.key)
        node.conversation = conversation
        self._move(parent, row, row + 1, self._rank(conversation), key)
        node.key = key
        index = self._index(node)
        self.dataChanged.emit(index, index)
        self.arranged.emit()

    def _arrange(self, ids: Iterable[str]) -> None:
        """Take out those that are not wanted and show those that are."""
        gone: set[_Node] = set()
        fresh: list[Conversation] = []
        for conversation_id in ids:
            node, conversation = self._shown.get(conversation_id), self._all.get(conversation_id)
            if conversation is not None and self._is_wanted(conversation):
                if node is None:
                    fresh.append(conversation)
            elif node is not None:
                gone.add(node)
        for group in {node.parent for node in gone if node.parent is not None}:
            for out, first, end in reversed(_runs([node in gone for node in group.children])):
                if out:
                    self._remove(group, first, end)
        for rank, nodes in self._grouped(fresh):
            known = self._groups.get(rank)
            if known is None:
                self._insert(self._root, [self._new_group(rank, nodes)])
                continue
            # Those with the same place among the ones that are shown stand side by side.
            for _, first, end in _runs([_place(known, node.key) for node in nodes]):
                self._insert(known, nodes[first:end])
        self.arranged.emit()

    def _grouped(self, conversations: Iterable[Conversation]) -> list[tuple[int, list[_Node]]]:
        """New nodes by their groups, in order."""
        found: dict[int, list[_Node]] = {}
        for conversation in conversations:
            node = _Node(next(self._numbers), _key(conversation), "", conversation)
            found.setdefault(self._rank(conversation), []).append(node)
        return [(rank, sorted(found[rank], key=_KEY)) for rank in sorted(found)]

    def _follow_clock(self) -> bool:
        """Move what belongs to another day by now; whether a new one has begun."""
        bounds = self._days()
        if bounds == self._bounds:
            return False
        self._set_bounds(bounds)
        for old, group in tuple(self._groups.items()):
            # Neighbours go together: each group is a stretch of time.
            for rank, first, end in reversed(_runs([self._rank(self._all[node.key[1]]) for node in group.children])):
                if rank != old:
                    self._move(group, first, end, rank, group.children[first].key)
        return True

    def _set_bounds(self, bounds: list[tuple[float, str]]) -> None:
        self._bounds = bounds
        self._starts = [start for start, _ in bounds]

    def _days(self) -> list[tuple[float, str]]:
        """The groups in order, each with minus the time from which a conversation belongs to it."""
        today = datetime.datetime.fromtimestamp(self._clock()).replace(hour=0, minute=0, second=0, microsecond=0)
        starts = (today - datetime.timedelta(days=days) for days in (0, 1, 7))
        titles = (self.tr("Today"), self.tr("Yesterday"), self.tr("Previous 7 days"))
        days = [(-start.timestamp(), title) for start, title in zip(starts, titles, strict=True)]
        return [(-math.inf, self.tr("Pinned")), *days, (math.inf, self.tr("Older"))]

    def _rank(self, conversation: Conversation) -> int:
        """Which group it belongs to."""
        return 0 if conversation.pinned else bisect_left(self._starts, -conversation.updated)


def _key(conversation: Conversation) -> tuple[float, str]:
    """The newest first; which of two of one moment, their ids decide."""
    return -conversation.updated, conversation.id


def _place(parent: _Node, key: tuple[float, str]) -> int:
    return bisect_left(parent.children, key, key=_KEY)


def _below(node: _Node) -> Iterator[_Node]:
    """All nodes under this one, from top to bottom."""
    for child in node.children:
        yield child
        yield from _below(child)


def _runs(kinds: Iterable[Any]) -> list[tuple[Any, int, int]]:
    """Neighbours of one kind: the kind, the first row, and the row after the last."""
    found, row = [], 0
    for kind, members in itertools.groupby(kinds):
        end = row + sum(1 for _ in members)
        found.append((kind, row, end))
        row = end
    return found
