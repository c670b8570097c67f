"""One field of an assistant as a chip: what it is filled with, and the little window in which that is chosen."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QHideEvent, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QSizePolicy,
    QStyle,
    QStyleOptionViewItem,
    QWidget,
)

from qwen_desktop.core.assistants import LONGEST_VALUE, Assistant, AssistantField, FieldKind
from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.assistants import looks
from qwen_desktop.ui.theme import Theme, mark
from qwen_desktop.ui.widgets.boxes import column
from qwen_desktop.ui.widgets.buttons import MenuButton
from qwen_desktop.ui.widgets.labels import Label
from qwen_desktop.ui.widgets.row_delegate import Line, RowDelegate
from qwen_desktop.ui.widgets.search_field import SearchField

#: More choices than this can be searched; so many rows are seen at once.
_MANY, _ROWS = 12, 9
_WIDTH = 240
#: The role of a choice's place among those that are chosen, from 1 on, 0 for none.
_PLACE = Qt.ItemDataRole.UserRole + 1
#: A chip is no wider, in px at normal text size.
_CHIP = 280


class FieldChip(MenuButton):
    """``changed`` carries what the field is filled with from now on."""

    changed = Signal(object)

    def __init__(
        self,
        theme: Theme,
        assistant: Assistant,
        field: AssistantField,
        values: tuple[str, ...],
        parent: QWidget,
        *,
        label: str = "",
    ) -> None:
        super().__init__(theme, "", parent, kind="field")
        self._assistant = assistant
        self._label = label or field.label
        self.field = field
        self.values = values
        self.popup: FieldPopup | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.clicked.connect(self.open_popup)
        theme.follow(self._say)

    def show_values(self, values: tuple[str, ...]) -> None:
        """Show what it is filled with now."""
        if values != self.values:
            self.values = values
            self._say()

    def open_popup(self) -> None:
        """Open the window above or below, where there is room."""
        self.popup = popup = FieldPopup(self._theme, self._assistant, self.field, self.values, self.window())
        popup.changed.connect(self._take)
        popup.open_by(self)

    def _take(self, values: tuple[str, ...]) -> None:
        if values != self.values:
            self.values = values
            self._say()
            self.changed.emit(values)

    def _say(self) -> None:
        said = looks.filling(self._assistant, self.field, self.values)
        name = texts.fill(self.tr("{label}: {value}"), label=self._label, value=said) if said else self._label
        self.setAccessibleName(name)
        self.setToolTip(texts.tip(name))
        room = self._theme.grown(_CHIP) - self._theme.grown(16) - 24
        shown = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, room)
        self.setText(shown.replace("&", "&&"))
        mark(self, "empty", not said)


class _ChoiceDelegate(RowDelegate):
    """A row with a tick at its end where it is chosen, or the number of its place among several."""

    def __init__(self, theme: Theme, view: QListWidget, *, several: bool) -> None:
        super().__init__(theme, view)
        self._several = several

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(60, self._theme.grown(28))

    def lines(self, index: QModelIndex | QPersistentModelIndex, *, selected: bool) -> Sequence[Line]:
        chosen = bool(index.data(_PLACE))
        font = self._theme.font("body", weight=600 if chosen else 400)
        return ((str(index.data()), font, "accent" if chosen else "text", Qt.AlignmentFlag.AlignVCenter),)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        place = index.data(_PLACE)
        if not place:
            return
        painter.save()
        side = self._theme.grown(16)
        spot = QRect(option.rect.width() - side - 8, (option.rect.height() - side) // 2, side, side)
        spot = QStyle.visualRect(option.direction, QRect(QPoint(0, 0), option.rect.size()), spot)
        spot.translate(option.rect.topLeft())
        if self._several:
            painter.setFont(self._theme.font("caption", weight=600, tabular=True))
            painter.setPen(self._theme.color("accent"))
            painter.drawText(spot.adjusted(-8, -4, 4, 4), Qt.AlignmentFlag.AlignCenter, texts.number(place))
        else:
            drawn = icons.pixmap("check", self._theme.color("accent"), side, painter.device().devicePixelRatioF())
            painter.drawPixmap(spot.topLeft(), drawn)
        painter.restore()


class FieldPopup(QFrame):
    """Choices to pick from, or a box to write in; it closes by Esc, Enter or a click elsewhere."""

    changed = Signal(object)

    def __init__(
        self, theme: Theme, assistant: Assistant, field: AssistantField, values: tuple[str, ...], parent: QWidget
    ) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("popup")
        self._theme = theme
        self._assistant = assistant
        self._field = field
        self._values = list(values)
        title = Label(theme, field.label, self, role="small", weight=600)
        self.search: SearchField | None = None
        self.list: QListWidget | None = None
        self.edit: QPlainTextEdit | None = None
        if field.kind is FieldKind.TEXT:
            self.edit = QPlainTextEdit("\n".join(values), self)
            self.edit.setAccessibleName(field.label)
            self.edit.setTabChangesFocus(True)
            self.edit.setFixedHeight(theme.grown(96))
            self.edit.textChanged.connect(self._written)
            column(title, self.edit, on=self, gap=6, margins=(10, 8, 10, 10))
            self.setFocusProxy(self.edit)
        else:
            self._build_list(title)
        self.setFixedWidth(theme.grown(_WIDTH + (60 if self.edit is not None else 0)))

    def _build_list(self, title: Label) -> None:
        self.list = QListWidget(self)
        self.list.setAccessibleName(self._field.label)
        self.list.setProperty("ownFocus", True)
        self.list.setObjectName("choices")
        for value in self._field.choices:
            item = QListWidgetItem(looks.choice(self._assistant, value))
            item.setData(Qt.ItemDataRole.UserRole, value)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            self.list.addItem(item)
            if value in self._values and self.list.currentRow() < 0:
                self.list.setCurrentItem(item)
        several = self._field.kind is FieldKind.CHOICES
        self.list.setItemDelegate(_ChoiceDelegate(self._theme, self.list, several=several))
        self.list.setMouseTracking(True)
        self._number()
        self.list.itemClicked.connect(self._pick)
        self.list.itemActivated.connect(self._activated)
        line = max(28, self.list.sizeHintForRow(0))
        self.list.setFixedHeight(line * min(_ROWS, self.list.count()) + 4)
        parts: list[QWidget] = [title]
        if self.list.count() > _MANY:
            self.search = SearchField(self._theme, self.tr("Search"), self)
            self.search.textChanged.connect(self._filter)
            self.search.left.connect(self._to_list)
            parts.append(self.search)
        column(*parts, self.list, on=self, gap=6, margins=(10, 8, 10, 10))
        self.setFocusProxy(self.search or self.list)

    def _number(self) -> None:
        """Tick what is chosen; of several, say in which order."""
        assert self.list is not None  # noqa: S101 - there are choices
        several = self._field.kind is FieldKind.CHOICES
        for number in range(self.list.count()):
            item = self.list.item(number)
            value = str(item.data(Qt.ItemDataRole.UserRole))
            words = looks.choice(self._assistant, value)
            place = self._values.index(value) + 1 if value in self._values else 0
            item.setData(_PLACE, place)
            item.setText(words)
            chosen = texts.fill(self.tr("{value}, number {n}"), value=words, n=place) if several else words
            item.setData(Qt.ItemDataRole.AccessibleTextRole, chosen if place else words)

    def open_by(self, anchor: QWidget) -> None:
        """Open above ``anchor``, or below where there is more room."""
        self.ensurePolished()
        self.adjustSize()
        size, screen = self.sizeHint().expandedTo(self.minimumSize()), anchor.screen().availableGeometry()
        above = anchor.mapToGlobal(QPoint(0, 0)).y() - screen.top() >= size.height() + 8
        place = QRect(
            QPoint(0, -size.height() - 4 if above else anchor.height() + 4), QSize(self.width(), size.height())
        )
        shown = QStyle.visualRect(QGuiApplication.layoutDirection(), anchor.rect(), place)
        corner = anchor.mapToGlobal(shown.topLeft())
        corner.setX(max(screen.left(), min(corner.x(), screen.right() + 1 - self.width())))
        self.move(corner)
        self.show()
        self.setFocus()
        if self.list is not None and self.list.currentItem() is not None:
            self.list.scrollToItem(self.list.currentItem(), QListWidget.ScrollHint.PositionAtCenter)

    def _filter(self, words: str) -> None:
        assert self.list is not None  # noqa: S101 - there is a field to search in
        wanted, first = words.strip().casefold(), None
        for number in range(self.list.count()):
            item = self.list.item(number)
            item.setHidden(wanted not in item.text().casefold())
            first = item if first is None and not item.isHidden() else first
        if first is not None:
            self.list.setCurrentItem(first)

    def _to_list(self) -> None:
        if self.list is not None:
            self.list.setFocus(Qt.FocusReason.TabFocusReason)
            if self.list.currentRow() < 0:
                self.list.setCurrentRow(0)

    def _activated(self, item: QListWidgetItem) -> None:
        self._pick(item)
        self.close()

    def _pick(self, item: QListWidgetItem) -> None:
        value = str(item.data(Qt.ItemDataRole.UserRole))
        if self._field.kind is FieldKind.CHOICE:
            self._values = [value]
            self.changed.emit((value,))
            self.close()
            return
        if value in self._values:
            self._values.remove(value)
        else:
            self._values.append(value)
        self._number()
        self.changed.emit(tuple(self._values))

    def _written(self) -> None:
        assert self.edit is not None  # noqa: S101 - it has told
        text = self.edit.toPlainText()
        if len(text) > LONGEST_VALUE:
            self.edit.setPlainText(text[:LONGEST_VALUE])
            return
        self._values = [text.strip()] if text.strip() else []

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and self.list is not None and self.list.hasFocus():
            if self.list.currentItem() is not None:
                self._pick(self.list.currentItem())
        elif event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if self.edit is not None:
            self.changed.emit(tuple(self._values))
