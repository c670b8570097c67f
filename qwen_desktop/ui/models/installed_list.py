"""The models on this computer: painted rows with Use and a … menu."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QObject, QPoint, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QAction, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyleOptionViewItem, QVBoxLayout, QWidget

from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.ui import texts
from qwen_desktop.ui.local_files import shown_path
from qwen_desktop.ui.models import words
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
from qwen_desktop.ui.models.words import put, tr
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.meter import draw_meter
from qwen_desktop.ui.widgets.row_delegate import draw_ground
from qwen_desktop.ui.widgets.select import Menu

#: So many are shown until the user asks for all.
FEW = 4


class InstalledRows(QAbstractListModel):
    """The installed models on show, the last used first; ``busy`` is how far a check of one is, by its id."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[InstalledModel, ...] = ()
        self.busy: dict[str, float] = {}
        self.in_use = ""

    def show_rows(self, rows: Sequence[InstalledModel]) -> None:
        """Show these."""
        self.beginResetModel()
        self.rows = tuple(rows)
        self.endResetModel()

    def refresh(self) -> None:
        """Paint all again."""
        if self.rows:
            self.dataChanged.emit(self.index(0), self.index(len(self.rows) - 1))

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self.rows[index.row()]
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return trouble(row) or shown_path(row.path)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            used = tr("In use") if row.path == self.in_use else ""
            return ", ".join(filter(None, (row.name, row.quant, facts(row), chip(row)[0], used)))
        return None


def facts(row: InstalledModel) -> str:
    """Alias, size, context, last use and origin in one line, and whether it is loaded in a way of its own."""
    alias = put("alias {name}", name=row.alias) if row.alias else ""
    used = put("used {when}", when=words.ago(row.last_used)) if row.last_used else tr("not used yet")
    context = put("{n} context", n=words.context(row.context_train)) if row.context_train else ""
    own = tr("own load options") if row.options != LoadOptions() else ""
    return " · ".join(filter(None, (alias, words.size(row.size_bytes), context, used, words.origin(row.origin), own)))


def chip(row: InstalledModel) -> tuple[str, words.Tone]:
    """What is wrong with a model, in a few words."""
    if row.problem is not None:
        return tr("cannot be used"), "bad"
    if row.template_repaired:
        return tr("chat template repaired"), ""
    if row.template_fault is not None:
        return tr("chat template has a fault"), "warn"
    return "", ""


def trouble(row: InstalledModel) -> str:
    """What is wrong with a model, in whole sentences."""
    if row.problem is not None:
        return texts.problem(row.problem)
    return texts.text(row.template_fault) if row.template_fault is not None else ""


class InstalledDelegate(RowsDelegate):
    """Paints the rows."""

    def __init__(self, theme: Theme, view: RowsView, model: InstalledRows) -> None:
        super().__init__(theme, view)
        self._model = model

    def parts(self, index: Index, room: QRect) -> dict[str, QRect]:
        row = index.data(ROW_ROLE)
        if not isinstance(row, InstalledModel):
            return {}
        use, more = self._places(row, QRectF(room))
        return {"use": use.toRect(), "more": more.toRect()}

    def _word(self, row: InstalledModel) -> tuple[str, str]:
        used = row.path == self._model.in_use
        return (tr("In use"), "check") if used else (tr("Use"), "")

    def _places(self, row: InstalledModel, rect: QRectF) -> tuple[QRectF, QRectF]:
        height = self._theme.scaled("control_height")
        top = rect.center().y() - height / 2
        more = QRectF(rect.right() - 4 - 34, top, 34, height)
        text, icon = self._word(row)
        width = button_width(self._theme, text, icon)
        return QRectF(more.left() - 6 - width, top, width, height), more

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        row = index.data(ROW_ROLE)
        if not isinstance(row, InstalledModel):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme, view = self._theme, self._view
        rect = QRectF(option.rect)
        painter.fillRect(QRectF(rect.left(), rect.bottom() - 1, rect.width(), 1), theme.color("border"))
        focus = bool(option.state & QStyle.StateFlag.State_HasFocus) and view.hasFocus()
        hover = view.hover[0] == index.row()
        if hover or (focus and not view.part):
            draw_ground(
                painter, theme, rect.adjusted(0, 1, 0, -2), selected=False, hover=hover, focus=focus and not view.part
            )
        use, more = self._places(row, rect)
        place = index.row()

        def look(part: str, *, enabled: bool = True) -> Look:
            hot = view.hover == (place, part)
            return Look(
                enabled=enabled,
                hover=hot,
                down=hot and view.down == (place, part),
                focus=focus and view.part == part,
                muted=part == "use" and row.path == self._model.in_use,
            )

        draw_button(painter, theme, use, self._word(row), look("use", enabled=row.problem is None))
        draw_button(painter, theme, more, ("", "ellipsis"), look("more"))
        left = self._paint_chip(painter, rect, row, use.left() - 14)
        self._paint_words(painter, QRectF(rect.left() + 4, rect.top(), left - 16 - rect.left(), rect.height()), row)
        painter.restore()

    def _paint_chip(self, painter: QPainter, rect: QRectF, row: InstalledModel, right: float) -> float:
        theme = self._theme
        if row.id in self._model.busy:
            room = QRectF(right - 130, rect.top(), 130, rect.height())
            share = self._model.busy[row.id]
            painter.setFont(theme.font("small", tabular=True))
            painter.setPen(theme.color("text_muted"))
            said = put("Verifying, {n} %", n=texts.number(int(share * 100)))
            draw_words(painter, room.adjusted(0, 0, 0, -12), said, right=True)
            draw_meter(painter, theme, room.adjusted(0, 22, 0, 0), share, "accent")
            return room.left()
        text, tone = chip(row)
        if not text:
            return right
        width = min(chip_width(theme, text, bold=bool(tone)), max(40.0, rect.width() * 0.3))
        room = QRectF(right - width, rect.top(), width, rect.height())
        draw_chip(painter, theme, room, text, tone)
        return room.left()

    def _paint_words(self, painter: QPainter, room: QRectF, row: InstalledModel) -> None:
        theme = self._theme
        bold = theme.font("body", weight=600)
        upper, lower = QFontMetrics(bold).height(), QFontMetrics(theme.font("small")).height()
        top = room.center().y() - (upper + 3 + lower) / 2
        wide = width_of(bold, row.name)
        tag = chip_width(theme, row.quant) if row.quant else 0.0
        if wide + 10 + tag > room.width():
            tag = 0.0
        painter.setFont(bold)
        painter.setPen(theme.color("text" if row.problem is None else "text_muted"))
        draw_words(painter, QRectF(room.left(), top, min(wide + 2, room.width()), upper), row.name)
        if tag:
            draw_chip(painter, theme, QRectF(room.left() + wide + 10, top - 3, tag, upper + 6), row.quant, "")
        painter.setFont(theme.font("small", tabular=True))
        painter.setPen(theme.color("text_muted"))
        draw_words(painter, QRectF(room.left(), top + upper + 3, room.width(), lower), facts(row))


class InstalledList(QWidget):
    """The section. Signals carry the ``InstalledModel``."""

    use_wanted = Signal(object)
    details_wanted = Signal(object)
    verify_wanted = Signal(object)
    reveal_wanted = Signal(object)
    delete_wanted = Signal(object)
    repair_wanted = Signal(object)
    unrepair_wanted = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._all = False
        self._models: tuple[InstalledModel, ...] = ()
        self._words = ""
        self.model = InstalledRows(self)
        self.view = RowsView(theme, tr("Installed models"), self)
        self.view.setItemDelegate(InstalledDelegate(theme, self.view, self.model))
        self.view.setModel(self.model)
        self.view.part_clicked.connect(self._clicked)
        self.view.menu_wanted.connect(self.open_menu)
        self.menu = Menu(self)
        self.more = TextButton(theme, "", self, kind="link")
        self.more.clicked.connect(self._show_all)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.view)
        column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)

    def show_models(self, models: Sequence[InstalledModel], words_: str = "") -> None:
        """Show the models whose names hold ``words_``."""
        self._models, self._words = tuple(models), words_
        wanted = words_.casefold().split()
        found = [
            model
            for model in self._models
            if all(word in f"{model.name} {model.quant} {model.repo} {model.path}".casefold() for word in wanted)
        ]
        found.sort(key=lambda m: (-m.last_used, -m.added, m.name))
        few = found if self._all or wanted or len(found) <= FEW + 1 else found[:FEW]
        self.model.show_rows(few)
        self.more.setText(put("Show all {n}", n=texts.number(len(found))))
        self.more.setVisible(len(few) < len(found))
        self.setVisible(bool(found))

    def _show_all(self) -> None:
        self._all = True
        self.show_models(self._models, self._words)

    def set_in_use(self, path: str) -> None:
        """Mark the model that answers."""
        if path != self.model.in_use:
            self.model.in_use = path
            self.model.refresh()

    def set_busy(self, model_id: str, share: float | None) -> None:
        """Show how far the check of a model is; None ends it."""
        if share is None:
            self.model.busy.pop(model_id, None)
        else:
            self.model.busy[model_id] = share
        self.model.refresh()

    def _clicked(self, row: int, part: str) -> None:
        model = self.model.rows[row]
        if part == "use":
            self.use_wanted.emit(model)
        elif part == "more":
            place = self.view.parts_of(row)["more"]
            self.open_menu(row, self.view.viewport().mapToGlobal(place.bottomRight() + QPoint(0, 4)), right=True)
        else:
            self.details_wanted.emit(model)

    def open_menu(self, row: int, place: QPoint, *, right: bool = False) -> None:
        """Open the … menu of a row with its upper left (or right) corner at ``place``."""
        self.fill_menu(self.model.rows[row])
        self.menu.popup(place - QPoint(self.menu.sizeHint().width(), 0) if right else place)

    def fill_menu(self, model: InstalledModel) -> None:
        """The entries for one model."""
        self.menu.clear()
        busy = model.id in self.model.busy
        usable = model.problem is None
        for name, signal, enabled in (
            (tr("Use"), self.use_wanted, usable and model.path != self.model.in_use),
            (tr("Details"), self.details_wanted, True),
            (tr("Verify"), self.verify_wanted, usable and not busy),
            (tr("Show in folder"), self.reveal_wanted, True),
        ):
            self._entry(name, signal, model, enabled=enabled)
        if model.template_repaired:
            self._entry(tr("Undo the template's repair"), self.unrepair_wanted, model)
        elif model.template_fault is not None:
            self._entry(tr("Repair the chat template"), self.repair_wanted, model)
        self.menu.addSeparator()
        self._entry(tr("Delete"), self.delete_wanted, model, enabled=not busy)

    def _entry(self, name: str, signal: Any, model: InstalledModel, *, enabled: bool = True) -> None:
        action = QAction(name, self.menu)
        action.setEnabled(enabled)
        action.triggered.connect(lambda _checked=False: signal.emit(model))
        self.menu.addAction(action)
