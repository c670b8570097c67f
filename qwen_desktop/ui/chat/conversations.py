"""The side list's model: conversations in groups by day, filtered by title."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, Signal

from qwen_desktop.core.chat import Conversation

Index: TypeAlias = QModelIndex | QPersistentModelIndex

#: Data roles: the conversation's id ("" for a heading), and whether an answer runs in it.
ID_ROLE = int(Qt.ItemDataRole.UserRole)
RUNNING_ROLE = ID_ROLE + 1

_NOWHERE = QModelIndex()


class ConversationList(QAbstractListModel):
    """Rows are headings (a ``str``) and conversations. ``renamed`` carries id and new title after inline editing."""

    renamed = Signal(str, str)

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._all: dict[str, Conversation] = {}
        self._rows: list[str | Conversation] = []
        self._places: dict[str, int] = {}
        self._filter = ""
        self._running: frozenset[str] = frozenset()

    # Content ----------------------------------------------------------------------------------------------------------

    def set_all(self, conversations: Iterable[Conversation]) -> None:
        """Replace the content."""
        self._all = {c.id: c for c in conversations}
        self._rebuild()

    def put(self, conversation: Conversation) -> None:
        """Add a conversation or take over its change."""
        old = self._all.get(conversation.id)
        self._all[conversation.id] = conversation
        row = self._places.get(conversation.id)
        if old is not None and row is not None and self._stays(old, conversation, row):
            self._rows[row] = conversation
            index = self.index(row, 0)
            self.dataChanged.emit(index, index)
        else:
            self._rebuild()

    def remove(self, conversation_id: str) -> None:
        """Take one out."""
        if self._all.pop(conversation_id, None) is not None:
            self._rebuild()

    def set_filter(self, words: str) -> None:
        """Keep only titles that contain every one of ``words``."""
        if words != self._filter:
            self._filter = words
            self._rebuild()

    def set_running(self, ids: frozenset[str]) -> None:
        """Mark the conversations in which an answer runs."""
        changed, self._running = self._running ^ ids, ids
        for conversation_id in changed:
            index = self.index_of(conversation_id)
            if index.isValid():
                self.dataChanged.emit(index, index, [RUNNING_ROLE])

    def regroup(self) -> None:
        """Group again, since a new day may have begun."""
        self._rebuild()

    # Questions --------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._all)

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation as last heard of."""
        return self._all.get(conversation_id)

    def ids(self) -> list[str]:
        """The shown conversations from top to bottom."""
        return [row.id for row in self._rows if isinstance(row, Conversation)]

    def index_of(self, conversation_id: str) -> QModelIndex:
        """Where it is shown; invalid when it is not."""
        row = self._places.get(conversation_id)
        return QModelIndex() if row is None else self.index(row, 0)

    # Qt's model -------------------------------------------------------------------------------------------------------

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        if not 0 <= index.row() < len(self._rows):
            return None
        row = self._rows[index.row()]
        heading = isinstance(row, str)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return row if isinstance(row, str) else row.title or self.tr("New chat")
        if role == ID_ROLE:
            return "" if isinstance(row, str) else row.id
        if role == RUNNING_ROLE:
            return not isinstance(row, str) and row.id in self._running
        if role == Qt.ItemDataRole.AccessibleDescriptionRole:
            return self.tr("Heading") if heading else self.tr("Chat")
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not 0 <= index.row() < len(self._rows) or isinstance(self._rows[index.row()], str):
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable

    def setData(self, index: Index, value: Any, role: int = int(Qt.ItemDataRole.EditRole)) -> bool:
        row = self._rows[index.row()] if 0 <= index.row() < len(self._rows) else ""
        title = str(value).strip()
        if role != Qt.ItemDataRole.EditRole or isinstance(row, str) or not title or title == row.title:
            return False
        self.renamed.emit(row.id, title)
        return True

    # Inside -----------------------------------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        self.beginResetModel()
        words = self._filter.casefold().split()
        shown = [c for c in self._all.values() if all(word in c.title.casefold() for word in words)]
        shown.sort(key=lambda c: c.updated, reverse=True)
        bounds = self._bounds()
        groups: dict[str, list[str | Conversation]] = {name: [] for name, _ in bounds}
        for conversation in shown:
            groups[self._group(conversation, bounds)].append(conversation)
        self._rows = []
        for name, members in groups.items():
            if members:
                self._rows.append(name)
                self._rows += members
        self._places = {row.id: n for n, row in enumerate(self._rows) if isinstance(row, Conversation)}
        self.endResetModel()

    def _bounds(self) -> list[tuple[str, float]]:
        """The groups in order, each with the time from which a conversation belongs to it."""
        today = datetime.datetime.fromtimestamp(self._clock()).replace(hour=0, minute=0, second=0, microsecond=0)
        return [
            (self.tr("Pinned"), float("inf")),
            (self.tr("Today"), today.timestamp()),
            (self.tr("Yesterday"), (today - datetime.timedelta(days=1)).timestamp()),
            (self.tr("Previous 7 days"), (today - datetime.timedelta(days=7)).timestamp()),
            (self.tr("Older"), float("-inf")),
        ]

    @staticmethod
    def _group(conversation: Conversation, bounds: list[tuple[str, float]]) -> str:
        if conversation.pinned:
            return bounds[0][0]
        return next(name for name, start in bounds[1:] if conversation.updated >= start)

    def _stays(self, old: Conversation, new: Conversation, row: int) -> bool:
        """Whether a change leaves the row where it is: same title, and still the first of its group or as old."""
        if self._filter or old.pinned != new.pinned:
            return False
        bounds = self._bounds()
        if self._group(old, bounds) != self._group(new, bounds):
            return False
        return new.updated <= old.updated or (row > 0 and isinstance(self._rows[row - 1], str))
