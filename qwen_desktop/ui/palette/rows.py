"""The rows of the palette: headings, what was found, what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct
from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt

from qwen_desktop.core.queries import Hit
from qwen_desktop.ui.palette.completing import Completion

Index: TypeAlias = QModelIndex | QPersistentModelIndex
Kind: TypeAlias = Literal["heading", "chat", "hit", "action", "new", "completion", "note"]
ROW_ROLE = int(Qt.ItemDataRole.UserRole)
_NOWHERE = QModelIndex()


class Row(Struct, frozen=True):
    """One row. ``key`` tells it from others; ``note`` stands behind the title, ``marks`` are ranges in ``snippet``.

    ``what`` is what it stands for: a conversation's id, a hit, a command's id, a completion.
    """

    kind: Kind
    key: str
    title: str
    note: str = ""
    snippet: str = ""
    marks: tuple[tuple[int, int], ...] = ()
    icon: str = ""
    keys: str = ""
    what: str | Hit | Completion = ""

    @property
    def takes(self) -> bool:
        """Whether it can be chosen."""
        return self.kind not in ("heading", "note")

    @property
    def said(self) -> str:
        """What a screen reader says of it."""
        return ", ".join(filter(None, (self.title, self.note, self.snippet, self.keys)))


class PaletteModel(QAbstractListModel):
    """What stands in the palette now."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: Sequence[Row] = ()

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these; where they are as many, of the same kinds, the view does not begin anew."""
        if len(rows) == len(self.rows):
            changed = [n for n, (old, new) in enumerate(zip(self.rows, rows, strict=True)) if old != new]
            self.rows = rows
            for number in changed:
                self.dataChanged.emit(self.index(number), self.index(number))
            return
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def first(self, start: int = 0, way: int = 1) -> int:
        """The nearest row from ``start`` on that can be chosen; -1 without."""
        while 0 <= start < len(self.rows):
            if self.rows[start].takes:
                return start
            start += way
        return -1

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        if not 0 <= index.row() < len(self.rows):
            return None
        found = self.rows[index.row()]
        if role == ROW_ROLE:
            return found
        if role == Qt.ItemDataRole.DisplayRole:
            return found.title
        return found.said if role == Qt.ItemDataRole.AccessibleTextRole else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        takes = 0 <= index.row() < len(self.rows) and self.rows[index.row()].takes
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable if takes else Qt.ItemFlag.NoItemFlags
