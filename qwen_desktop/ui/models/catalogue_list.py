"""The list of all models: one painted row a model with its verdict, its size and one button."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QObject, QRect, QRectF, Qt
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyleOptionViewItem

from qwen_desktop.core.models import DownloadStatus
from qwen_desktop.services.events import DownloadChanged
from qwen_desktop.ui.models import words
from qwen_desktop.ui.models.board import Board, Row
from qwen_desktop.ui.models.row_paint import (
    Look,
    button_width,
    chip_width,
    draw_button,
    draw_chip,
    draw_words,
    width_of,
)
from qwen_desktop.ui.models.rows_view import ROW_ROLE, Index, RowsDelegate, RowsView
from qwen_desktop.ui.models.words import tr
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.meter import draw_meter
from qwen_desktop.ui.widgets.row_delegate import draw_ground
from qwen_desktop.ui.widgets.skeleton import draw_bar

#: Rows of a skeleton.
_WAITING = 6
#: Under this width, in px, a row leaves out its size; under the second one the word of its button.
_NARROW, _TIGHT = 640, 500


class CatalogueModel(QAbstractListModel):
    """The rows on show. ``None`` instead of rows is a skeleton."""

    def __init__(self, board: Board, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.board = board
        self._rows: tuple[Row | None, ...] = (None,) * _WAITING

    def show_rows(self, rows: Sequence[Row] | None) -> None:
        """Show other rows."""
        self.beginResetModel()
        self._rows = (None,) * _WAITING if rows is None else tuple(rows)
        self.endResetModel()

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows on show, without those of a skeleton."""
        return tuple(row for row in self._rows if row is not None)

    def refresh(self, _event: object = None) -> None:
        """What is installed or fetched has changed: paint all again."""
        if self._rows:
            self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1))

    def moved_on(self, event: DownloadChanged) -> None:
        """A download moved on: paint its row again."""
        repo = event.download.request.repo
        for place, row in enumerate(self._rows):
            if row is not None and repo in (row.model.repo, *row.model.alternatives):
                self.dataChanged.emit(self.index(place), self.index(place))

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) if self._rows[index.row()] is not None else Qt.ItemFlag.NoItemFlags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self._rows[index.row()] if index.isValid() else None
        if row is None:
            return None
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.model.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return words.fit_sentence(row.fit) if row.fit is not None else None
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ", ".join(filter(None, spoken(row, self.board)))
        return None


def chip(row: Row) -> tuple[str, words.Tone]:
    """What the verdict's chip says."""
    if not row.usable:
        return tr("not usable here yet"), ""
    return words.verdict(row.fit)


def label(row: Row, board: Board) -> tuple[str, str]:
    """The word and the icon of a row's button."""
    return {
        "download": (tr("Download"), "download"),
        "installed": (tr("Installed"), "check"),
        "why": (tr("Why?"), ""),
        "running": (tr("Downloading"), "download"),
        "none": (tr("Details"), ""),
    }[board.action(row)]


def second_line(row: Row) -> str:
    """What a model is, in a few words."""
    return row.model.strengths or row.model.best_use or row.model.repo


def spoken(row: Row, board: Board) -> list[str]:
    """A row for a screen reader."""
    purposes = [words.purpose_chip(p) for p in row.model.purposes[:1]]
    size = words.size(row.quant.size_bytes) if row.quant is not None else ""
    download = board.download(row.model)
    state = words.percent(download) if download is not None else ""
    return [row.model.name, *purposes, second_line(row), chip(row)[0], size, label(row, board)[0], state]


class CatalogueDelegate(RowsDelegate):
    """Paints the rows."""

    def __init__(self, theme: Theme, view: RowsView, board: Board) -> None:
        super().__init__(theme, view)
        self._board = board

    def parts(self, index: Index, room: QRect) -> dict[str, QRect]:
        row = index.data(ROW_ROLE)
        if not isinstance(row, Row):
            return {}
        return {"button": self._button(row, QRectF(room)).toRect()}

    def _button(self, row: Row, rect: QRectF) -> QRectF:
        text, icon = label(row, self._board)
        running = self._board.action(row) == "running"
        if running:
            text = tr("Download")  # its progress takes no more room than the button did
        if rect.width() < self._theme.grown(_TIGHT) and icon:
            text = ""
        width = max(button_width(self._theme, text, icon), 48 if running else 34)
        height = self._theme.scaled("control_height")
        return QRectF(rect.right() - 4 - width, rect.center().y() - height / 2, width, height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(option.rect)
        painter.fillRect(QRectF(rect.left(), rect.bottom() - 1, rect.width(), 1), self._theme.color("border"))
        row = index.data(ROW_ROLE)
        if isinstance(row, Row):
            self._paint_row(painter, option, index, row)
        else:
            self._paint_skeleton(painter, rect, index.row())
        painter.restore()

    def _paint_skeleton(self, painter: QPainter, rect: QRectF, row: int) -> None:
        middle = rect.center().y()
        draw_bar(painter, self._theme, QRectF(rect.left() + 4, middle - 16, 110 + 23 * (row % 3), 13))
        draw_bar(painter, self._theme, QRectF(rect.left() + 4, middle + 6, 240 - 31 * (row % 4), 10))
        draw_bar(painter, self._theme, QRectF(rect.right() - 124, middle - 14, 120, 28))

    def _paint_row(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, row: Row) -> None:
        theme, view = self._theme, self._view
        rect = QRectF(option.rect)
        focus = bool(option.state & QStyle.StateFlag.State_HasFocus) and view.hasFocus()
        hover = view.hover[0] == index.row()
        if hover or (focus and not view.part):
            inner = rect.adjusted(-0, 1, 0, -2)
            draw_ground(painter, theme, inner, selected=False, hover=hover, focus=focus and not view.part)
        button = self._button(row, rect)
        right = self._paint_state(painter, index.row(), row, button, focus=focus)
        right = self._paint_verdict(painter, rect, row, min(right, button.left()))
        self._paint_words(
            painter, QRectF(rect.left() + 4, rect.top(), right - 16 - rect.left() - 4, rect.height()), row
        )

    def _paint_state(self, painter: QPainter, place: int, row: Row, button: QRectF, *, focus: bool) -> float:
        """The button, or how far the download is; returns where the room left of it ends."""
        theme, view = self._theme, self._view
        hot = view.hover == (place, "button")
        look = Look(
            hover=hot,
            down=view.down == (place, "button") and hot,
            focus=focus and view.part == "button",
            muted=self._board.action(row) == "why",
        )
        text, icon = label(row, self._board)
        if button.width() < 60 and icon:
            text = ""
        download = self._board.download(row.model)
        if download is None:
            draw_button(painter, theme, button, (text, icon), look)
            return button.left()
        draw_button(painter, theme, button, (" ", ""), look)
        failed = download.status is DownloadStatus.FAILED
        painter.setFont(theme.font("small", weight=500, tabular=True))
        painter.setPen(theme.color("bad" if failed else "text"))
        said = tr("stopped") if failed else words.percent(download)
        if download.status is DownloadStatus.PAUSED:
            said = tr("paused")
        inner = button.adjusted(8, 2, -8, -2)
        if button.width() < 60:
            inner = button.adjusted(3, 2, -3, -2)
            said = words.percent(download)
        painter.drawText(inner.adjusted(0, 1, 0, -9), Qt.AlignmentFlag.AlignCenter, said)
        bar = QRectF(inner.left(), inner.bottom() - 9, inner.width(), 6)
        draw_meter(painter, theme, bar, download.fraction, "bad" if failed else "accent")
        return button.left()

    def _paint_verdict(self, painter: QPainter, rect: QRectF, row: Row, right: float) -> float:
        theme = self._theme
        if rect.width() >= theme.grown(_NARROW):
            font = theme.font("small", tabular=True)
            column = max(78.0, width_of(font, "888.8 GB") + 12)
            # Sizes stand in one column: as far from the edge as the widest button needs.
            edge = rect.right() - 4 - button_width(theme, tr("Download"), "download") - 22
            room = QRectF(edge - column, rect.top(), column, rect.height())
            painter.setFont(font)
            painter.setPen(theme.color("text_muted"))
            draw_words(painter, room, words.size(row.quant.size_bytes) if row.quant is not None else "", right=True)
            right = min(right, room.left())
        text, tone = chip(row)
        if not text:
            return right
        width = min(chip_width(theme, text, bold=bool(tone)), max(60.0, rect.width() * 0.42))
        gap = 0 if rect.width() >= theme.grown(_NARROW) else 12
        room = QRectF(right - width - gap, rect.top(), width, rect.height())
        draw_chip(painter, theme, room, text, tone)
        return room.left()

    def _paint_words(self, painter: QPainter, room: QRectF, row: Row) -> None:
        theme = self._theme
        bold = theme.font("body", weight=600)
        upper, lower = QFontMetrics(bold).height(), QFontMetrics(theme.font("small")).height()
        top = room.center().y() - (upper + 3 + lower) / 2
        name = row.model.name
        purpose = words.purpose_chip(row.model.purposes[0]) if row.model.purposes else ""
        tag = chip_width(theme, purpose) if purpose else 0.0
        wide = width_of(bold, name)
        if wide + 10 + tag > room.width():
            purpose, tag = "", 0.0
        painter.setFont(bold)
        painter.setPen(theme.color("text"))
        draw_words(painter, QRectF(room.left(), top, min(wide + 2, room.width()), upper), name)
        if purpose:
            spot = QRectF(room.left() + wide + 10, top - 3, tag, upper + 6)
            draw_chip(painter, theme, spot, purpose, "")
        painter.setFont(theme.font("small"))
        painter.setPen(theme.color("text_muted"))
        draw_words(painter, QRectF(room.left(), top + upper + 3, room.width(), lower), second_line(row))
