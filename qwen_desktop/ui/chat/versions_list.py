"""The tree of a conversation's versions as a list: what is indented, what is on show, and how a row looks.

The branch on show is one column, however often it was chosen among others. What is not on show is moved in beside the
message that it is another version of, and further where it parts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyleOptionViewItem

from qwen_desktop.core.chat import Node
from qwen_desktop.core.parts import Role
from qwen_desktop.ui.texts import fill, tip
from qwen_desktop.ui.widgets.labels import draw_line
from qwen_desktop.ui.widgets.row_delegate import RowDelegate, draw_ground

Index: TypeAlias = QModelIndex | QPersistentModelIndex

ID_ROLE: Final = int(Qt.ItemDataRole.UserRole)
DEPTH_ROLE: Final = ID_ROLE + 1
SHOWN_ROLE: Final = ID_ROLE + 2
#: Levels that are drawn.
_LEVELS: Final = 8
#: Rows that are put in order in one turn of the event loop.
_SLICE: Final = 400
_NOWHERE: Final = QModelIndex()


class Row(NamedTuple):
    """A message in the list: how far it is indented, and whether it is on show."""

    node: Node
    depth: int
    shown: bool


async def arranged(nodes: Sequence[Node], leaf_id: str | None) -> list[Row]:
    """The tree from top to bottom; ``leaf_id`` ends the branch on show. All versions of a message stand together, the
    oldest first, each other one with what follows it; then comes what follows the one on show."""
    by_id = {node.id: node for node in nodes}
    below: dict[str | None, list[Node]] = {}
    for node in nodes:
        below.setdefault(node.parent_id, []).append(node)
    shown: set[str] = set()
    here = by_id.get(leaf_id or "")
    while here is not None:
        shown.add(here.id)
        here = by_id.get(here.parent_id or "")
    rows: list[Row] = []
    above: str | None = None
    while versions := below.get(above, ()):
        on_show = next((node.id for node in versions if node.id in shown), "")
        waiting = [(node, int(bool(shown) and node.id != on_show)) for node in reversed(versions)]
        while waiting:
            node, depth = waiting.pop()
            rows.append(Row(node, depth, node.id in shown))
            if not len(rows) % _SLICE:
                await asyncio.sleep(0)
            if node.id == on_show:
                continue
            children = below.get(node.id, ())
            parts = len(children) > 1 or len(below[node.parent_id]) > 1
            waiting += [(child, min(_LEVELS, depth + parts)) for child in reversed(children)]
        above = on_show
    return rows


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many at the beginning are the same."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


class VersionsModel(QAbstractListModel):
    """The rows, from top to bottom."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.rows: list[Row] = []
        self._places: dict[str, int] = {}

    def set_rows(self, rows: list[Row]) -> None:
        """Show these. Messages that were there before and stay are the same rows, but for what is said of them."""
        before, after = [row.node.id for row in self.rows], [row.node.id for row in rows]
        same = _common(before, after)
        below = _common(before[same:][::-1], after[same:][::-1])
        last, end = len(before) - below, len(after) - below
        if last > same:
            self.beginRemoveRows(_NOWHERE, same, last - 1)
            del self.rows[same:last]
            self.endRemoveRows()
        if end > same:
            self.beginInsertRows(_NOWHERE, same, end - 1)
            self.rows[same:same] = rows[same:end]
            self.endInsertRows()
        self.rows = rows
        self._places = {key: place for place, key in enumerate(after)}
        if rows:
            self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))

    def place(self, message_id: str) -> QModelIndex:
        """Where a message stands; invalid when it is not there."""
        found = self._places.get(message_id)
        return QModelIndex() if found is None else self.index(found)

    def row(self, index: Index) -> Row | None:
        """What stands there; None without."""
        return self.rows[index.row()] if index.isValid() else None

    def follow(self, before: Row) -> QModelIndex:
        """Where the keyboard is that was on ``before``: still there, or where that has left the branch on show, on the
        version that has come in its place, if one has; else invalid."""
        index = self.place(before.node.id)
        if index.isValid() and (self.rows[index.row()].shown or not before.shown):
            return index
        parent = before.node.parent_id
        return self.place(next((row.node.id for row in self.rows if row.shown and row.node.parent_id == parent), ""))

    @property
    def parted(self) -> bool:
        """Whether there is more than one branch."""
        return any(not row.shown for row in self.rows)

    @property
    def end(self) -> QModelIndex:
        """The last message on show."""
        found = next((row.node.id for row in reversed(self.rows) if row.shown), "")
        return self.place(found)

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        row = self.rows[index.row()]
        said: dict[int, Callable[[], object]] = {
            int(Qt.ItemDataRole.DisplayRole): lambda: row.node.text or "…",
            int(Qt.ItemDataRole.ToolTipRole): lambda: tip(row.node.text),
            int(Qt.ItemDataRole.AccessibleTextRole): lambda: self._spoken(row),
            ID_ROLE: lambda: row.node.id,
            DEPTH_ROLE: lambda: row.depth,
            SHOWN_ROLE: lambda: row.shown,
        }
        return said[int(role)]() if int(role) in said else None

    def _spoken(self, row: Row) -> str:
        text = row.node.text or "…"
        if row.node.role is Role.USER:
            said = self.tr("You, on show: {text}") if row.shown else self.tr("You: {text}")
        else:
            said = self.tr("Answer, on show: {text}") if row.shown else self.tr("Answer: {text}")
        return fill(said, text=text)


class VersionsDelegate(RowDelegate):
    """A dot and one line: filled, bold and tinted on the branch on show."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme, rect = self._theme, QRectF(option.rect)
        state, flag = option.state, QStyle.StateFlag
        shown, depth = bool(index.data(SHOWN_ROLE)), int(index.data(DEPTH_ROLE))
        focus = bool(state & flag.State_HasFocus) and self._view.hasFocus()
        draw_ground(painter, theme, rect, selected=shown, hover=bool(state & flag.State_MouseOver), focus=focus)
        side, step = theme.grown(9), theme.grown(18)
        start = 10.0 + min(depth * step, rect.width() / 2 - 20)
        ltr = painter.layoutDirection() is Qt.LayoutDirection.LeftToRight
        middle = QPointF(rect.left() + start + side / 2 if ltr else rect.right() - start - side / 2, rect.center().y())
        if shown:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("accent"))
            painter.drawEllipse(middle, side / 2, side / 2)
        else:
            painter.setPen(QPen(theme.color("text_faint"), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(middle, side / 2 - 1, side / 2 - 1)
        begin = start + side + 8
        room = rect.adjusted(begin, 0, -10, 0) if ltr else rect.adjusted(10, 0, -begin, 0)
        painter.setFont(theme.font("small", weight=600 if shown else 400))
        painter.setPen(theme.color("text"))
        draw_line(painter, room, str(index.data()))
        painter.restore()
