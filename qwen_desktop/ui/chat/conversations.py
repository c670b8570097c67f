"""The side list's model: a tree of conversations in groups by day, filtered by title.

Headings and conversations are nodes of one kind, so that a group may hold groups too. Each change is said as what it
is (a row inserted, moved or removed, another title), so that whatever a view holds on to stays where it belongs: a
rename in place, the selection, how far it is scrolled.

Of thousands of conversations only the newest are rows, until a view comes to their end: a ``QTreeView`` asks for all
rows again after each change (75 ms for 10,000).
"""

from __future__ import annotations

import datetime
import itertools
import math
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, TypeAlias

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPersistentModelIndex, Qt, Signal

from qwen_desktop.core.chat import Conversation, is_temporary

Index: TypeAlias = QModelIndex | QPersistentModelIndex

#: With so many rows that come or go at once it is quicker that views begin anew.
_MANY = 200
#: So many of the newest are rows at first, and so many more each time that there are too few.
ROWS = 200
#: Before and behind the keys of all.
_FIRST, _ALL = (-math.inf, 0.0), (math.inf, 0.0)
#: Data roles: the conversation's id ("" for a heading), and whether an answer runs in it.
ID_ROLE = int(Qt.ItemDataRole.UserRole)
RUNNING_ROLE = ID_ROLE + 1
_TEXT, _EDIT = int(Qt.ItemDataRole.DisplayRole), int(Qt.ItemDataRole.EditRole)
_SAID = int(Qt.ItemDataRole.AccessibleDescriptionRole)

_NOWHERE = QModelIndex()
_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable
_FLAGS |= Qt.ItemFlag.ItemNeverHasChildren
_KEY = attrgetter("key")
_NUMBERS = itertools.count(1)


class _Node:
    """A heading or a conversation. Siblings stand in the order of their keys: the rank of a heading, minus the time
    of a conversation. Qt knows a node by its number, which is never used again: an index of one that is gone
    finds nothing."""

    __slots__ = ("children", "conversation", "key", "number", "parent")

    def __init__(self, key: tuple[float, float], conversation: Conversation | None = None) -> None:
        self.key, self.conversation = key, conversation
        self.number = next(_NUMBERS)
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
        self._all: dict[str, Conversation] = {}
        self._arrived: dict[str, int] = {}
        #: The keys of all, in order, and whose they are, by the second half.
        self._order: list[tuple[float, float]] = []
        self._whose: dict[float, str] = {}
        self._filter: list[str] = []
        self._running: frozenset[str] = frozenset()
        self._days: list[tuple[float, str]] = []
        #: The key of the last conversation that may be a row; those pinned always are.
        self._until = _ALL
        self._clear()

    # Content ----------------------------------------------------------------------------------------------------------

    def set_all(self, conversations: Iterable[Conversation]) -> None:
        """Replace the content."""
        self._all = {c.id: c for c in conversations}
        self._arrived = {conversation_id: next(_NUMBERS) for conversation_id in self._all}
        self._whose = {number: conversation_id for conversation_id, number in self._arrived.items()}
        self._order = sorted(map(self._key, self._all.values()))
        self._until = self._end()
        self._rebuild()

    def put(self, conversation: Conversation) -> None:
        """Add a conversation or take over its change."""
        self.regroup()
        self._forget(conversation.id)
        self._all[conversation.id] = conversation
        self._whose[self._arrived.setdefault(conversation.id, next(_NUMBERS))] = conversation.id
        insort(self._order, self._key(conversation))
        self._arrange((conversation.id,))

    def remove(self, conversation_id: str) -> None:
        """Take one out."""
        if self._forget(conversation_id):
            del self._all[conversation_id], self._whose[self._arrived.pop(conversation_id)]
            self._arrange((conversation_id,))
            if len(self._shown) < ROWS / 2:
                self.show_more()

    def _forget(self, conversation_id: str) -> bool:
        """Take its key out of the order; False for one that is not there."""
        known = self._all.get(conversation_id)
        if known is not None:
            del self._order[bisect_left(self._order, self._key(known))]
        return known is not None

    def set_filter(self, words: str) -> None:
        """Keep only titles that contain every one of ``words``."""
        wanted = words.casefold().split()
        if wanted == self._filter:
            return
        self._filter = wanted
        self._until = self._end()
        rows = {conversation.id for conversation in self._wanted()}
        self._change([*self._shown.keys() - rows, *rows - self._shown.keys()])

    def show_more(self) -> bool:
        """Let more of them be rows; False when all are."""
        if self._until == _ALL:
            return False
        before, self._until = self._until, self._end(self._until)
        self._arrange([conversation.id for conversation in self._between(before, self._until)])
        return True

    def reveal(self, conversation_id: str) -> None:
        """Let this one be a row, if it has the words that are looked for."""
        conversation = self._all.get(conversation_id)
        if conversation is not None and self._has_words(conversation) and not self._is_wanted(conversation):
            before, self._until = self._until, self._key(conversation)
            self._change([conversation.id for conversation in self._between(before, self._until)])

    def _change(self, ids: list[str]) -> None:
        if len(ids) > _MANY:
            self._rebuild()
        else:
            self._arrange(ids)

    def set_running(self, ids: frozenset[str]) -> None:
        """Mark the conversations in which an answer runs."""
        changed, self._running = self._running ^ ids, ids
        for conversation_id in changed:
            index = self.index_of(conversation_id)
            if index.isValid():
                self.dataChanged.emit(index, index, [RUNNING_ROLE])

    def regroup(self) -> None:
        """Move what belongs to another day by now, where a new one has begun."""
        days = self._today()
        if days != self._days:
            self._days = days
            groups = [(group.key[0], node.conversation) for group in self._root.children for node in group.children]
            self._arrange([c.id for rank, c in groups if c is not None and self._rank(c) != rank])

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
        return self._index(self._shown.get(conversation_id))

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
        return self._index(self._node(index).parent)

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return len(self._node(parent).children)

    def columnCount(self, _parent: Index = _NOWHERE) -> int:
        return 1

    def data(self, index: Index, role: int = _TEXT) -> Any:
        node = self._node(index)
        conversation = node.conversation
        facts: dict[int, Any] = {}
        if conversation is not None:
            new = self.tr("Temporary chat") if is_temporary(conversation.id) else self.tr("New chat")
            title = conversation.title or new
            facts = {_TEXT: title, _EDIT: title, _SAID: self.tr("Chat"), ID_ROLE: conversation.id}
            facts[RUNNING_ROLE] = conversation.id in self._running
        elif node is not self._root:
            rank = int(node.key[0])
            title = self.tr("Temporary") if rank < 0 else self._days[rank][1]
            facts = {_TEXT: title, _SAID: self.tr("Heading"), ID_ROLE: ""}
        return facts.get(role)

    def headerData(self, _section: int, _way: Qt.Orientation, role: int = _TEXT) -> Any:
        """What a screen reader says where there would be a header."""
        return self.tr("Chats") if role == _TEXT else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        return Qt.ItemFlag.NoItemFlags if self.is_heading(index) else _FLAGS

    def setData(self, index: Index, value: Any, role: int = _EDIT) -> bool:
        conversation = self._node(index).conversation
        title = str(value).strip()
        if role != _EDIT or conversation is None or title in ("", conversation.title):
            return False
        self.renamed.emit(conversation.id, title)
        return True

    # Nodes ------------------------------------------------------------------------------------------------------------

    def _node(self, index: Index) -> _Node:
        return self._nodes.get(index.internalId(), self._root)  # an invalid index has the number 0

    def _index(self, node: _Node | None) -> QModelIndex:
        if node is None or node.parent is None:
            return QModelIndex()
        return self.createIndex(_place(node.parent, node.key), 0, node.number)

    def _insert(self, parent: _Node, node: _Node) -> None:
        row = _place(parent, node.key)
        self.beginInsertRows(self._index(parent), row, row)
        self._enter(parent, row, node)
        self.endInsertRows()

    def _enter(self, parent: _Node, row: int, node: _Node) -> None:
        parent.children.insert(row, node)
        node.parent = parent
        self._nodes[node.number] = node
        if node.conversation is not None:
            self._shown[node.conversation.id] = node

    def _remove(self, parent: _Node, node: _Node) -> None:
        """Take a row out, and the heading that nothing is left under."""
        row = _place(parent, node.key)
        self.beginRemoveRows(self._index(parent), row, row)
        del parent.children[row], self._nodes[node.number]
        if node.conversation is not None:
            del self._shown[node.conversation.id]
        self.endRemoveRows()
        self._drop_empty(parent)

    def _move(self, parent: _Node, node: _Node, target: _Node, key: tuple[float, float]) -> None:
        """Put a row to where ``key`` stands in ``target``."""
        first, row = _place(parent, node.key), _place(target, key)
        node.key = key
        if target is parent and row in (first, first + 1):
            return
        self.beginMoveRows(self._index(parent), first, first, self._index(target), row)
        del parent.children[first]
        target.children.insert(row - (target is parent and row > first), node)
        node.parent = target
        self.endMoveRows()
        self._drop_empty(parent)

    def _drop_empty(self, group: _Node) -> None:
        if group.parent is not None and not group.children:
            self._remove(group.parent, group)

    # What is shown, and where -----------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self._root = _Node((0, 0))
        self._nodes: dict[int, _Node] = {}
        self._shown: dict[str, _Node] = {}
        self._days = self._today()

    def _rebuild(self) -> None:
        """Show all anew: views begin anew, too."""
        self.beginResetModel()
        self._clear()
        for conversation in sorted(self._wanted(), key=self._key):
            group = self._group(conversation, lambda node: self._enter(self._root, _place(self._root, node.key), node))
            self._enter(group, len(group.children), _Node(self._key(conversation), conversation))
        self.endResetModel()
        self.arranged.emit()

    def _arrange(self, ids: Iterable[str]) -> None:
        """Show these as they are now, where they belong now, or not at all."""
        for conversation_id in ids:
            node, conversation = self._shown.get(conversation_id), self._all.get(conversation_id)
            if conversation is None or not self._is_wanted(conversation):
                if node is not None and node.parent is not None:
                    self._remove(node.parent, node)
                continue
            group = self._group(conversation, lambda node: self._insert(self._root, node))
            if node is None or node.parent is None:
                self._insert(group, _Node(self._key(conversation), conversation))
                continue
            node.conversation = conversation
            self._move(node.parent, node, group, self._key(conversation))
            index = self._index(node)
            self.dataChanged.emit(index, index)
        self.arranged.emit()

    def _between(self, after: tuple[float, float], until: tuple[float, float]) -> Iterator[Conversation]:
        """Those with the words, without those pinned, whose keys come after one and not after the other."""
        for key in itertools.islice(self._order, bisect_right(self._order, after), bisect_right(self._order, until)):
            conversation = self._all[self._whose[key[1]]]
            if not conversation.pinned and self._has_words(conversation):
                yield conversation

    def _end(self, after: tuple[float, float] = _FIRST) -> tuple[float, float]:
        """The key of the last row when so many more are shown that come after that key."""
        more = list(itertools.islice(self._between(after, _ALL), ROWS + 1))
        return self._key(more[-2]) if len(more) > ROWS else _ALL

    def _wanted(self) -> list[Conversation]:
        pinned = [c for c in self._all.values() if c.pinned and self._has_words(c)]
        return [*pinned, *self._between(_FIRST, self._until)]

    def _is_wanted(self, conversation: Conversation) -> bool:
        shown = conversation.pinned or self._key(conversation) <= self._until
        return shown and self._has_words(conversation)

    def _has_words(self, conversation: Conversation) -> bool:
        title = conversation.title.casefold() if self._filter else ""
        return all([word in title for word in self._filter])  # noqa: C419 - a list is quicker, and all are asked

    def _key(self, conversation: Conversation) -> tuple[float, float]:
        """The newest first, of those of one moment the one that was heard of first."""
        return -conversation.updated, self._arrived[conversation.id]

    def _rank(self, conversation: Conversation) -> int:
        """Which group it belongs to."""
        if is_temporary(conversation.id):
            return -1  # above all others: it is gone when the app is closed
        return 0 if conversation.pinned else bisect_left(self._days, (-conversation.updated,))

    def _group(self, conversation: Conversation, add: Callable[[_Node], None]) -> _Node:
        """The group that it belongs to, new ones by ``add``."""
        rank = self._rank(conversation)
        for group in self._root.children:
            if group.key[0] == rank:
                return group
        group = _Node((rank, 0))
        add(group)
        return group

    def _today(self) -> list[tuple[float, str]]:
        """The groups in order, each with minus the time from which a conversation belongs to it."""
        today = datetime.datetime.fromtimestamp(self._clock()).replace(hour=0, minute=0, second=0, microsecond=0)
        titles = {0: self.tr("Today"), 1: self.tr("Yesterday"), 7: self.tr("Previous 7 days")}
        days = [(-(today - datetime.timedelta(days=ago)).timestamp(), title) for ago, title in titles.items()]
        return [(-math.inf, self.tr("Pinned")), *days, (math.inf, self.tr("Older"))]


def _place(parent: _Node, key: tuple[float, float]) -> int:
    return bisect_left(parent.children, key, key=_KEY)


def _below(node: _Node) -> Iterator[_Node]:
    """All nodes under this one, from top to bottom."""
    for child in node.children:
        yield child
        yield from _below(child)
