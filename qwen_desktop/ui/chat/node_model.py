"""The nodes of the list of chats as Qt's model: where each stands, and how one comes, goes and moves.

Qt learns of each change as what it is, and knows a node by its number. What stands where, and what it says, is the
subclass's to know.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from operator import attrgetter
from typing import TypeAlias

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QPersistentModelIndex

from qwen_desktop.ui.chat.list_nodes import Key, Kind, Node, below

Index: TypeAlias = QModelIndex | QPersistentModelIndex

_NOWHERE = QModelIndex()
by_key = attrgetter("key")


class NodeModel(QAbstractItemModel):
    """Nodes under one that has no row of its own; those of conversations and folders are found by their ids."""

    def __init__(self) -> None:
        super().__init__()
        self._clear_nodes()

    def _clear_nodes(self) -> None:
        self._root = Node(Kind.HEADING, (0, 0, 0))
        self._nodes: dict[int, Node] = {}
        self._shown: dict[str, Node] = {}
        self._folder_nodes: dict[str, Node] = {}

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

    def hasChildren(self, parent: Index = _NOWHERE) -> bool:
        return bool(self._node(parent).children)

    def columnCount(self, _parent: Index = _NOWHERE) -> int:
        return 1

    # Nodes ------------------------------------------------------------------------------------------------------------

    def _node(self, index: Index) -> Node:
        return self._nodes.get(index.internalId(), self._root)  # an invalid index has the number 0

    def _index(self, node: Node | None) -> QModelIndex:
        if node is None or node.parent is None:
            return QModelIndex()
        return self.createIndex(place_among(node.parent, node.key), 0, node.number)

    def index_of(self, conversation_id: str) -> QModelIndex:
        """Where it is shown; invalid when it is not."""
        return self._index(self._shown.get(conversation_id))

    def folder_index(self, folder_id: str) -> QModelIndex:
        """Where a folder, or ``ARCHIVE``, is shown; invalid when it is not."""
        return self._index(self._folder_nodes.get(folder_id))

    def _insert(self, parent: Node, node: Node) -> None:
        row = place_among(parent, node.key)
        self.beginInsertRows(self._index(parent), row, row)
        self._enter(parent, row, node)
        self.endInsertRows()

    def _enter(self, parent: Node, row: int, node: Node) -> None:
        """Take a node in, with what it holds."""
        parent.children.insert(row, node)
        node.parent = parent
        for each in (node, *below(node)):
            self._nodes[each.number] = each
            if each.conversation is not None:
                self._shown[each.conversation.id] = each
            elif each.kind is Kind.FOLDER:
                self._folder_nodes[each.id] = each

    def _leave(self, node: Node) -> None:
        """Forget a node, with what it holds."""
        for each in (node, *below(node)):
            del self._nodes[each.number]
            if each.conversation is not None:
                del self._shown[each.conversation.id]
            elif each.kind is Kind.FOLDER:
                del self._folder_nodes[each.id]

    def _remove(self, parent: Node, node: Node) -> None:
        """Take a row out, and the heading that nothing is left under."""
        row = place_among(parent, node.key)
        self.beginRemoveRows(self._index(parent), row, row)
        self._leave(node)
        del parent.children[row]
        self.endRemoveRows()
        self._drop_empty(parent)

    def _move(self, parent: Node, node: Node, target: Node, key: Key) -> None:
        """Put a row to where ``key`` stands in ``target``."""
        first, row = place_among(parent, node.key), place_among(target, key)
        if target is parent and row in (first, first + 1):
            node.key = key
            return
        self.beginMoveRows(self._index(parent), first, first, self._index(target), row)
        node.key = key
        del parent.children[first]
        target.children.insert(row - (target is parent and row > first), node)
        node.parent = target
        self.endMoveRows()
        self._drop_empty(parent)

    def _drop_empty(self, group: Node) -> None:
        if group.parent is not None and not group.children and not self._stays(group):
            self._remove(group.parent, group)

    def _say(self, conversation_ids: Iterable[str], roles: list[int]) -> None:
        for conversation_id in conversation_ids:
            index = self.index_of(conversation_id)
            if index.isValid():
                self.dataChanged.emit(index, index, roles)

    def _say_changed(self, node: Node | None) -> None:
        index = self._index(node)
        if index.isValid():
            self.dataChanged.emit(index, index)

    def _stays(self, node: Node) -> bool:
        """Whether a node stays though there is nothing under it."""
        return node.kind is Kind.FOLDER


def place_among(parent: Node, key: Key) -> int:
    """The row of what has this key, or would have it."""
    return bisect_left(parent.children, key, key=by_key)
