"""The side list's model: pinned conversations, folders that hold others, the days, and the archive, as one tree.

Each change is said as what it is (a row inserted, moved or removed, another title), so that whatever a view holds on to
stays where it belongs: a rename in place, the selection, how far it is scrolled.

Of thousands of conversations only the newest are rows, until a view comes to their end or somebody asks for more of a
folder, and what lies in a closed folder is none: a ``QTreeView`` asks for all rows again after each change (75 ms for
10,000). So a view has everything open that there is.
"""

from __future__ import annotations

import asyncio
import datetime
import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from PySide6.QtCore import QModelIndex, Qt, Signal

from qwen_desktop.core.chat import Conversation, Folder, is_temporary
from qwen_desktop.ui.chat import list_homes
from qwen_desktop.ui.chat.list_homes import Homes
from qwen_desktop.ui.chat.list_nodes import (
    ALL,
    ARCHIVE,
    CHAT_KEY,
    FIRST,
    LOOSE,
    PINNED,
    TAIL_KEY,
    FolderTree,
    Key,
    Kind,
    Node,
    Row,
    Spot,
    below,
)
from qwen_desktop.ui.chat.list_words import sort, spoken, tip
from qwen_desktop.ui.chat.node_model import Index, NodeModel, by_key, place_among

#: So many of a long history are taken in one turn of the event loop.
_SLICE = 200
#: Data roles: the conversation's id ("" for other rows), and whether an answer runs in it.
ID_ROLE = int(Qt.ItemDataRole.UserRole)
RUNNING_ROLE = ID_ROLE + 1
#: The order of what stands beside each other at the top; the days have the places between.
_TEMPORARY_RANK, _PINNED_RANK, _FOLDERS_RANK, _ARCHIVE_RANK = -1, 0, 1, 99
_TEXT, _EDIT = int(Qt.ItemDataRole.DisplayRole), int(Qt.ItemDataRole.EditRole)
_TIP = int(Qt.ItemDataRole.ToolTipRole)  # what it says is made by texts.tip()
_NAME, _SAID = int(Qt.ItemDataRole.AccessibleTextRole), int(Qt.ItemDataRole.AccessibleDescriptionRole)

_ENABLED = Qt.ItemFlag.ItemIsEnabled
_CHOSEN = _ENABLED | Qt.ItemFlag.ItemIsSelectable
_NONE = Qt.ItemFlag.NoItemFlags
_FLAGS = {
    Kind.CHAT: _CHOSEN | Qt.ItemFlag.ItemIsEditable | Qt.ItemFlag.ItemNeverHasChildren,
    Kind.FOLDER: _CHOSEN | Qt.ItemFlag.ItemIsEditable,
    Kind.MORE: _ENABLED | Qt.ItemFlag.ItemNeverHasChildren,
}
_ARCHIVE_FLAGS = _FLAGS[Kind.FOLDER] & ~Qt.ItemFlag.ItemIsEditable


class ConversationTree(NodeModel):
    """``renamed`` and ``folder_renamed`` carry id and new name after inline editing; ``folded`` says that another set
    of folders is ``opened``; ``arranged`` follows each change of what is shown or where."""

    renamed = Signal(str, str)
    folder_renamed = Signal(str, str)
    folded = Signal()
    arranged = Signal()

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._kept = Homes()
        self._running: frozenset[str] = frozenset()
        self._unsent: frozenset[str] = frozenset()
        self._days: list[tuple[float, str]] = []
        self._offered = False
        #: The folders that are open, and ``ARCHIVE`` where that is.
        self.opened: frozenset[str] = frozenset()
        self._gone: set[str] | None = None
        self._clear()

    # Content ----------------------------------------------------------------------------------------------------------

    def set_all(self, conversations: Iterable[Conversation], folders: Sequence[Folder] | None = None) -> None:
        """Replace the content."""
        known = self.folders if folders is None else FolderTree(folders)
        self._kept = Homes(known)
        for conversation in conversations:
            self._kept.take(conversation)
        for spots in self._kept.members.values():
            spots.sort()
        self._rebuild()

    async def load(self, conversations: Sequence[Conversation], folders: Sequence[Folder]) -> None:
        """As ``set_all``, the first ones at once and thousands more in turns. Of what is put or removed meanwhile that
        counts."""
        self.set_all(conversations[:_SLICE], folders)
        gone: set[str] = set()
        self._gone = gone
        for first in range(_SLICE, len(conversations), _SLICE):
            await asyncio.sleep(0)
            if self._gone is not gone:
                return  # all anew
            slice_ = [
                c for c in conversations[first : first + _SLICE] if c.id not in self._kept.all and c.id not in gone
            ]
            homes = {home for conversation in slice_ if (home := self._kept.take(conversation)) != PINNED}
            for home in homes:
                self._kept.members[home].sort()
                if self._kept.until.get(home) == ALL:
                    self._kept.until[home] = self._kept.end(home, self._kept.room.get(home, list_homes.ROWS))
            self._arrange([c.id for c in slice_ if self._kept.is_wanted(c)], homes)
        self._gone = None

    def put(self, conversation: Conversation) -> None:
        """Add a conversation or take over its change."""
        self.regroup()
        before = self._kept.forget(conversation.id)
        home = self._kept.take(conversation, sorted_=True)
        self._arrange((conversation.id,), {before or home, home})

    def remove(self, conversation_id: str) -> None:
        """Take one out."""
        if self._gone is not None:
            self._gone.add(conversation_id)
        before = self._kept.forget(conversation_id)
        if before is not None:
            del self._kept.whose[self._kept.arrived.pop(conversation_id)]
            self._arrange((conversation_id,), {before})

    def set_folders(self, folders: Sequence[Folder]) -> None:
        """These are all folders now."""
        before, after = self.folders, FolderTree(folders)
        self._kept.folders = after
        came, went = after.all.keys() - before.all.keys(), before.all.keys() - after.all.keys()
        other = {key for key in after.all if key in came or self._differs(before, key)}
        homes = {before.up(key) for key in other | went} | {after.up(key) for key in other} | other
        if other:  # above before below: what a folder is moved into stands where it belongs already
            for folder_id in after.under(""):
                if folder_id in other:
                    self._place_folder(folder_id)
        loose = [key for folder in came | went for key in self._kept.in_folder.get(folder, ())]
        for conversation_id in loose:
            homes.add(self._kept.forget(conversation_id, drop=False) or LOOSE)
            homes.add(self._kept.take(self._kept.all[conversation_id], sorted_=True))
        self._arrange(loose, (), tell=False)
        for folder_id in went:
            self._kept.members.pop(folder_id, None)
            node = self._folder_nodes.get(folder_id)
            if node is not None and node.parent is not None:
                self._remove(node.parent, node)
        if went & self.opened:
            self.opened -= went
            self.folded.emit()
        self._arrange((), homes - went)

    def _differs(self, before: FolderTree, folder_id: str) -> bool:
        return (
            before.up(folder_id) != self.folders.up(folder_id)
            or before.all[folder_id].name != self.folders.all[folder_id].name
        )

    def set_open(self, folder_id: str, opened: bool) -> None:
        """Open or close a folder, or the archive."""
        if opened is (folder_id in self.opened) or not (folder_id == ARCHIVE or folder_id in self.folders):
            return
        self.opened = self.opened | {folder_id} if opened else self.opened - {folder_id}
        node = self._folder_nodes.get(folder_id)
        if node is not None and opened:
            self._kept.until.pop(folder_id, None)
            made = self._made(node)
            if made:
                self.beginInsertRows(self._index(node), 0, len(made) - 1)
                for child in made:
                    self._enter(node, len(node.children), child)
                self.endInsertRows()
        elif node is not None and node.children:
            self.beginRemoveRows(self._index(node), 0, len(node.children) - 1)
            for child in node.children:
                self._leave(child)
            node.children = []
            self.endRemoveRows()
        self._say_changed(node)
        self.folded.emit()
        self.arranged.emit()

    def show_more(self, home: str = LOOSE) -> bool:
        """Let more of a folder, or of those without one, be rows; False when all are."""
        before = self._kept.until.get(home, ALL)
        if before == ALL:
            return False
        self._kept.room[home] = bisect_right(self._kept.members[home], before) + list_homes.ROWS
        self._kept.until[home] = self._kept.end(home, self._kept.room[home])
        self._show_between(home, before)
        return True

    def _show_between(self, home: str, before: Spot) -> None:
        """Let those be rows, in as few steps as there are headings, that come after the last one until now."""
        runs: dict[int, tuple[Node, list[Node]]] = {}
        for conversation_id in self._kept.between(home, before, self._kept.until[home]):
            parent = self._parent_of(self._kept.all[conversation_id])
            if parent is not None and conversation_id not in self._shown:
                runs.setdefault(parent.number, (parent, []))[1].append(self._made_chat(conversation_id))
        for parent, nodes in runs.values():
            row = place_among(parent, nodes[0].key)
            self.beginInsertRows(self._index(parent), row, row + len(nodes) - 1)
            for number, node in enumerate(nodes):
                self._enter(parent, row + number, node)
            self.endInsertRows()
        self._settle(home)
        self.arranged.emit()

    def reveal(self, conversation_id: str, *, archive: bool = False) -> None:
        """Let this one be a row, with the folders open in which it lies; the archive only where that is asked for."""
        conversation, home = self._kept.all.get(conversation_id), self._kept.homes.get(conversation_id)
        if conversation is None or home is None or (home == ARCHIVE and not archive):
            return
        if home == ARCHIVE:
            self.set_open(ARCHIVE, True)
        for folder_id in reversed(self.folders.way(home)):
            self.set_open(folder_id, True)
        self.let_be_row(conversation_id)

    def let_be_row(self, conversation_id: str) -> None:
        """Let this one be a row where what it lies in is open."""
        home = self._kept.homes.get(conversation_id, PINNED)
        before, spot = self._kept.until.get(home, ALL), self._kept.spot(conversation_id)
        if home != PINNED and spot > before:
            self._kept.until[home] = spot
            self._kept.room[home] = bisect_right(self._kept.members[home], spot)
            self._show_between(home, before)

    def set_running(self, ids: frozenset[str]) -> None:
        """Mark the conversations in which an answer runs."""
        changed, self._running = self._running ^ ids, ids
        self._say(changed, [RUNNING_ROLE])

    def set_unsent(self, ids: frozenset[str]) -> None:
        """Mark the conversations in which something was written and not sent."""
        changed, self._unsent = self._unsent ^ ids, ids
        self._say(changed, [])

    def offer_pinned(self, offered: bool) -> None:
        """Have a heading for pinned conversations though there may be none: something is dragged."""
        self._offered = offered
        group = self._group(_PINNED_RANK, create=offered)
        if group is not None:
            self._drop_empty(group)

    def regroup(self) -> None:
        """Move what belongs to another day by now, where a new one has begun."""
        days = self._today()
        if days != self._days:
            self._days = days
            groups = [(group.key[0], node.conversation) for group in self._root.children for node in group.children]
            loose = [
                c.id
                for rank, c in groups
                if c is not None and self._kept.homes[c.id] == LOOSE and self._rank(c) != rank
            ]
            self._arrange(loose, set())

    # Questions --------------------------------------------------------------------------------------------------------

    @property
    def folders(self) -> FolderTree:
        """All folders."""
        return self._kept.folders

    def __len__(self) -> int:
        return len(self._kept.all)

    def conversations(self) -> tuple[Conversation, ...]:
        """All of them, whether they are rows or not."""
        return tuple(self._kept.all.values())

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation as last heard of."""
        return self._kept.all.get(conversation_id)

    def home(self, conversation_id: str) -> str:
        """Where it is at home."""
        return self._kept.homes.get(conversation_id, LOOSE)

    def ids(self) -> list[str]:
        """The shown conversations from top to bottom."""
        return [node.conversation.id for node in below(self._root) if node.conversation is not None]

    def count(self, folder_id: str) -> int:
        """How many conversations there are in a folder, however deep, or in ``ARCHIVE``."""
        if folder_id == ARCHIVE:
            return len(self._kept.members.get(ARCHIVE, ()))
        return sum(len(self._kept.members.get(each, ())) for each in self.folders.under(folder_id))

    def is_heading(self, index: Index) -> bool:
        """Whether this row is a heading."""
        return self._node(index).kind is Kind.HEADING

    def row(self, index: Index) -> Row:
        """What this row shows."""
        node = self._node(index)
        conversation = node.conversation
        if conversation is not None:
            new = self.tr("Temporary chat") if is_temporary(conversation.id) else self.tr("New chat")
            title = conversation.title or new
            running, unsent = conversation.id in self._running, conversation.id in self._unsent
            folder = conversation.folder_id
            elsewhere = folder in self.folders and self._kept.homes[conversation.id] != folder
            path = self.folders.path(folder) if elsewhere else ""
            return Row(
                node.kind, conversation.id, title, node.depth, False, 0, running, unsent, conversation.tags, path
            )
        if node.kind is Kind.FOLDER:
            found = self.folders.all.get(node.id)
            title = self.tr("Archived") if node.id == ARCHIVE else found.name if found is not None else ""
            return Row(node.kind, node.id, title, node.depth, node.id in self.opened, self.count(node.id))
        if node.kind is Kind.MORE:
            left = self._kept.left(node.id)
            return Row(
                node.kind, node.id, self.tr("Show %n more", "", min(left, list_homes.ROWS)), node.depth, chats=left
            )
        if node.kind is Kind.NOTE:
            return Row(node.kind, node.id, self.tr("Nothing in here"), node.depth)
        if node is self._root:
            return Row(node.kind)
        rank = node.key[0]
        titles = {
            _TEMPORARY_RANK: self.tr("Temporary"),
            _PINNED_RANK: self.tr("Pinned"),
            _FOLDERS_RANK: self.tr("Folders"),
        }
        return Row(node.kind, "", titles[rank] if rank in titles else self._days[rank - _FOLDERS_RANK - 1][1])

    def section(self, index: Index) -> str:
        """The home that is meant by a place in the list; invalid is what is below all rows."""
        node: Node | None = self._node(index)
        while node is not None and node.kind is not Kind.FOLDER:
            if node.kind is Kind.HEADING and node is not self._root:
                return PINNED if node.key[0] == _PINNED_RANK else LOOSE
            node = node.parent
        return node.id if node is not None else LOOSE

    def extent(self, home: str) -> tuple[QModelIndex, QModelIndex]:
        """The first and the last row of what stands there; invalid where there is none."""
        if home in (PINNED, LOOSE):
            groups = [g for g in self._root.children if (g.key[0] == _PINNED_RANK) is (home == PINNED)]
            nodes = [g for g in groups if g.key[0] not in (_FOLDERS_RANK, _ARCHIVE_RANK)]
        else:
            nodes = [node] if (node := self._folder_nodes.get(home)) is not None else []
        if not nodes:
            return QModelIndex(), QModelIndex()
        last = nodes[-1]
        while last.children:
            last = last.children[-1]
        return self._index(nodes[0]), self._index(last)

    # Qt's model -------------------------------------------------------------------------------------------------------

    def data(self, index: Index, role: int = _TEXT) -> Any:
        node = self._node(index)
        if node is self._root:
            return None
        if role == ID_ROLE:
            return node.conversation.id if node.conversation is not None else ""
        said: dict[int, Callable[[Row], Any]] = {
            _TEXT: lambda row: row.title,
            _EDIT: lambda row: row.title,
            _TIP: tip,
            _NAME: spoken,
            _SAID: lambda row: sort(row.kind),
            RUNNING_ROLE: lambda row: row.running,
        }
        return said[int(role)](self.row(index)) if int(role) in said else None

    def headerData(self, _section: int, _way: Qt.Orientation, role: int = _TEXT) -> Any:
        """What a screen reader says where there would be a header."""
        return self.tr("Chats") if role == _TEXT else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        node = self._node(index)
        # A view asks for all rows after each change.
        archive = node.id == ARCHIVE and node.kind is Kind.FOLDER
        return _ARCHIVE_FLAGS if archive else _FLAGS.get(node.kind, _NONE)

    def setData(self, index: Index, value: Any, role: int = _EDIT) -> bool:
        row, name = self.row(index), str(value).strip()
        if role != _EDIT or row.kind not in (Kind.CHAT, Kind.FOLDER) or row.id == ARCHIVE:
            return False
        if row.kind is Kind.CHAT and name not in ("", self._kept.all[row.id].title):
            self.renamed.emit(row.id, name)
            return True
        if row.kind is Kind.FOLDER and name not in ("", row.title):
            self.folder_renamed.emit(row.id, name)
            return True
        return False

    # What is shown, and where -----------------------------------------------------------------------------------------

    def _stays(self, node: Node) -> bool:
        return super()._stays(node) or (self._offered and node.key[0] == _PINNED_RANK)

    def _clear(self) -> None:
        self._clear_nodes()
        self._days = self._today()

    def _rebuild(self) -> None:
        """Show all anew: views begin anew, too."""
        self._gone = None
        self.beginResetModel()
        self._clear()
        groups: dict[int, list[Node]] = {}
        for home in (PINNED, LOOSE):
            for conversation_id in self._kept.between(home, FIRST, self._kept.limit(home)):
                rank = self._rank(self._kept.all[conversation_id])
                groups.setdefault(rank, []).append(self._made_chat(conversation_id))
        if tops := self._made_folders(""):
            groups[_FOLDERS_RANK] = tops
        if self._offered:
            groups.setdefault(_PINNED_RANK, [])
        for rank in sorted(groups):
            group = Node(Kind.HEADING, (rank, 0, 0))
            for node in groups[rank]:
                group.children.append(node)
                node.parent = group
            self._enter(self._root, len(self._root.children), group)
        if self._kept.members.get(ARCHIVE):
            self._enter(self._root, len(self._root.children), self._made_folder(ARCHIVE))
        self.endResetModel()
        self.arranged.emit()

    def _made_chat(self, conversation_id: str) -> Node:
        return Node(Kind.CHAT, (CHAT_KEY, *self._kept.spot(conversation_id)), "", self._kept.all[conversation_id])

    def _made_folder(self, folder_id: str) -> Node:
        key: Key = (_ARCHIVE_RANK, 0, 0) if folder_id == ARCHIVE else self.folders.key(folder_id)
        node = Node(Kind.FOLDER, key, folder_id)
        if folder_id in self.opened:
            node.children = self._made(node)
            for child in node.children:
                child.parent = node
        return node

    def _made_folders(self, folder_id: str) -> list[Node]:
        return [self._made_folder(each) for each in self.folders.inside.get(folder_id, ())]

    def _made(self, node: Node) -> list[Node]:
        """All that stands in an open folder."""
        inside = [] if node.id == ARCHIVE else self._made_folders(node.id)
        found = [*inside, *map(self._made_chat, self._kept.between(node.id, FIRST, self._kept.limit(node.id)))]
        tail = self._tail(node.id, empty=not found)
        return found if tail is None else [*found, Node(tail, (TAIL_KEY, 0, 0), node.id)]

    def _tail(self, home: str, *, empty: bool) -> Kind | None:
        """What stands under all others in an open folder."""
        if self._kept.left(home):
            return Kind.MORE
        return Kind.NOTE if empty else None

    def _settle(self, home: str) -> None:
        """After changes: what a folder says of itself, its last row, and that there are neither too many rows nor too
        few."""
        self._trim(home)
        if home in (PINNED, LOOSE):
            return
        for above in self.folders.way(home) if home != ARCHIVE else (ARCHIVE,):
            self._say_changed(self._folder_nodes.get(above))
        node = self._folder_nodes.get(home)
        if home == ARCHIVE:
            if node is None and self._kept.members.get(ARCHIVE):
                self._insert(self._root, self._made_folder(ARCHIVE))
                return
            if node is not None and not self._kept.members.get(ARCHIVE):
                self._remove(self._root, node)
                return
        if node is None or home not in self.opened:
            return
        last = node.children[-1] if node.children else None
        old = last if last is not None and last.kind in (Kind.MORE, Kind.NOTE) else None
        wanted = self._tail(home, empty=len(node.children) == (old is not None))
        if old is not None and old.kind is wanted:
            self._say_changed(old)
            return
        if old is not None:
            self._remove(node, old)
        if wanted is not None:
            self._insert(node, Node(wanted, (TAIL_KEY, 0, 0), home))

    def _trim(self, home: str) -> None:
        if home == PINNED:
            return
        limit, spots = self._kept.limit(home), self._kept.members.get(home, [])
        rows, room = bisect_right(spots, limit), self._kept.room[home]
        if rows > room + list_homes.ROWS:  # many have come: the oldest of those that are rows are none any more
            self._kept.until[home] = self._kept.end(home, room)
            runs: dict[int, tuple[Node, int]] = {}
            for conversation_id in self._kept.between(home, self._kept.until[home], limit):
                node = self._shown.get(conversation_id)
                if node is not None and node.parent is not None:
                    parent, count = runs.get(node.parent.number, (node.parent, 0))
                    runs[parent.number] = parent, count + 1
            for parent, count in runs.values():
                row = bisect_right(parent.children, (CHAT_KEY, *self._kept.until[home]), key=by_key)
                self.beginRemoveRows(self._index(parent), row, row + count - 1)
                for gone in parent.children[row : row + count]:
                    self._leave(gone)
                del parent.children[row : row + count]
                self.endRemoveRows()
                self._drop_empty(parent)
        elif home == LOOSE and rows < list_homes.ROWS / 2:
            self.show_more()

    def _arrange(self, ids: Iterable[str], homes: Collection[str], *, tell: bool = True) -> None:
        """Show these as they are now, where they belong now, or not at all; ``homes`` are where any came or went."""
        for conversation_id in ids:
            node, conversation = self._shown.get(conversation_id), self._kept.all.get(conversation_id)
            group = (
                self._parent_of(conversation)
                if conversation is not None and self._kept.is_wanted(conversation)
                else None
            )
            if group is None or conversation is None:
                if node is not None and node.parent is not None:
                    self._remove(node.parent, node)
                continue
            if node is None or node.parent is None:
                self._insert(group, self._made_chat(conversation_id))
                continue
            node.conversation = conversation
            self._move(node.parent, node, group, (CHAT_KEY, *self._kept.spot(conversation_id)))
            self._say_changed(node)
        for home in homes:
            self._settle(home)
        if tell:
            self.arranged.emit()

    def _parent_of(self, conversation: Conversation) -> Node | None:
        """What it stands under, a new heading where there is none yet; None while that is closed."""
        home = self._kept.homes[conversation.id]
        if home in (PINNED, LOOSE):
            return self._group(self._rank(conversation))
        return self._folder_nodes.get(home) if home in self.opened else None

    def _place_folder(self, folder_id: str) -> None:
        """Show a folder where it belongs now, or not at all."""
        if folder_id not in self._folder_nodes:
            for each in self.folders.under(folder_id):  # what moves into it comes with it
                inner = self._folder_nodes.get(each)
                if inner is not None and inner.parent is not None:
                    self._remove(inner.parent, inner)
        up, node = self.folders.up(folder_id), self._folder_nodes.get(folder_id)
        parent = self._group(_FOLDERS_RANK) if not up else self._folder_nodes.get(up) if up in self.opened else None
        if node is None or node.parent is None:
            if parent is not None:
                self._insert(parent, self._made_folder(folder_id))
        elif parent is None:
            self._remove(node.parent, node)
        else:
            self._move(node.parent, node, parent, self.folders.key(folder_id))
            self._say_changed(node)

    def _rank(self, conversation: Conversation) -> int:
        """Which of those without a folder it belongs to; a temporary one is above all others, since it goes with the
        app."""
        if is_temporary(conversation.id):
            return _TEMPORARY_RANK
        if self._kept.homes[conversation.id] == PINNED:
            return _PINNED_RANK
        return _FOLDERS_RANK + 1 + bisect_left(self._days, (-conversation.updated,), 0, len(self._days) - 1)

    def _group(self, rank: int, *, create: bool = True) -> Node | None:
        """The heading with this rank; a new one only with ``create``."""
        for group in self._root.children:
            if group.key[0] == rank and group.kind is Kind.HEADING:
                return group
        if not create:
            return None
        group = Node(Kind.HEADING, (rank, 0, 0))
        self._insert(self._root, group)
        return group

    def _today(self) -> list[tuple[float, str]]:
        """The days in order, each with minus the time from which a conversation belongs to it."""
        today = datetime.datetime.fromtimestamp(self._clock()).replace(hour=0, minute=0, second=0, microsecond=0)
        titles = {0: self.tr("Today"), 1: self.tr("Yesterday"), 7: self.tr("Previous 7 days")}
        days = [(-(today - datetime.timedelta(days=ago)).timestamp(), title) for ago, title in titles.items()]
        return [*days, (math.inf, self.tr("Older"))]
