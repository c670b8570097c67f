"""Choosing parts of a file that is too long for the model: its sections with their tokens, ticked by hand or by what
the question is about, the sum against the room there is, and the text of each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QRectF,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyleOptionViewItem, QWidget

from qwen_desktop.core.chosen_parts import Choice, choices, chosen_text, found_again, touched
from qwen_desktop.core.documents import Document, Kind
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.parts import FilePart, TextPart
from qwen_desktop.services.token_counts import Count, estimate
from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.chat.attached_text import in_pieces
from qwen_desktop.ui.chat.attachment_chips import tokens
from qwen_desktop.ui.texts import fill
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import Dialog, ReadOnlyText
from qwen_desktop.ui.widgets.labels import ElidedLabel, Label, draw_line
from qwen_desktop.ui.widgets.row_delegate import RowDelegate, draw_ground
from qwen_desktop.ui.widgets.search_field import SearchField

Index: TypeAlias = QModelIndex | QPersistentModelIndex

TOKENS_ROLE: Final = int(Qt.ItemDataRole.UserRole)
_NOWHERE: Final = QModelIndex()
#: After the last tick, in milliseconds, until what is chosen is counted as it will be sent.
_COUNT_AFTER_MS = 150
#: So many tokens are looked for where it is not known how many there is room for.
_WANTED = 4_000
#: Of a question, in characters.
_QUESTION = 500


class PartsModel(QAbstractListModel):
    """The parts, in the order of the text, each with a tick. ``ticked`` tells that other ones are chosen."""

    ticked = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.parts: tuple[Choice, ...] = ()
        self.chosen: frozenset[int] = frozenset()
        self.counts: list[Count] = []

    def set_parts(self, parts: tuple[Choice, ...], chosen: Iterable[int], counts: Iterable[Count]) -> None:
        """Show these."""
        self.beginResetModel()
        self.parts, self.chosen, self.counts = parts, frozenset(chosen), list(counts)
        self.endResetModel()
        self.ticked.emit()

    def set_counts(self, counts: Iterable[Count]) -> None:
        """Show how many tokens each has."""
        self.counts = list(counts)
        self._changed()

    def choose(self, numbers: Iterable[int]) -> None:
        """Tick these and no others."""
        self.chosen = frozenset(numbers)
        self._changed()
        self.ticked.emit()

    def toggle(self, numbers: Iterable[int]) -> None:
        """Tick these where one of them is not ticked, else take their ticks away."""
        wanted = frozenset(numbers)
        self.choose(self.chosen - wanted if wanted <= self.chosen else self.chosen | wanted)

    def _changed(self) -> None:
        if self.parts:
            self.dataChanged.emit(self.index(0), self.index(len(self.parts) - 1))

    def title(self, number: int) -> str:
        """What a part is called: its section's title, with its number where that has several parts."""
        part = self.parts[number]
        return fill(self.tr("{title}, part {n}"), title=part.title, n=part.piece) if part.piece else part.title

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.parts)

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsUserCheckable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        number = index.row()
        if not index.isValid() or number >= len(self.parts):
            return None
        state = Qt.CheckState.Checked if number in self.chosen else Qt.CheckState.Unchecked
        said: dict[int, Callable[[], object]] = {
            int(Qt.ItemDataRole.DisplayRole): lambda: self.title(number),
            int(Qt.ItemDataRole.CheckStateRole): lambda: state,
            int(Qt.ItemDataRole.ToolTipRole): lambda: texts.tip(self.title(number)),
            int(Qt.ItemDataRole.AccessibleTextRole): lambda: f"{self.title(number)}, {self._tokens(number)}",
            TOKENS_ROLE: lambda: self._tokens(number),
        }
        return said[int(role)]() if int(role) in said else None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if int(role) != int(Qt.ItemDataRole.CheckStateRole):  # that is how a screen reader ticks
            return False
        number, on = index.row(), Qt.CheckState(value) is Qt.CheckState.Checked
        self.choose(self.chosen | {number} if on else self.chosen - {number})
        return True

    def _tokens(self, number: int) -> str:
        return tokens(self.counts[number]) if number < len(self.counts) else ""


class _Delegate(RowDelegate):
    """A tick box, the title, and the tokens at the end."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme, area = self._theme, option.rect
        state, flag = option.state, QStyle.StateFlag
        focus = bool(state & flag.State_HasFocus) and self._view.hasFocus()
        selected, hover = bool(state & flag.State_Selected), bool(state & flag.State_MouseOver)
        draw_ground(painter, theme, QRectF(area), selected=selected, hover=hover, focus=focus)
        way = self._view.layoutDirection()

        def place(x: int, width: int) -> QRect:
            return QStyle.visualRect(way, area, QRect(area.left() + x, area.top(), width, area.height()))

        side = theme.grown(16)
        box = place(10, side).adjusted(0, (area.height() - side) // 2, 0, -(area.height() - side + 1) // 2)
        on = index.data(Qt.ItemDataRole.CheckStateRole) is Qt.CheckState.Checked
        painter.setPen(QPen(theme.color("accent" if on else "border_strong"), 1))
        painter.setBrush(theme.color("accent" if on else "surface"))
        painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        if on:
            sign = icons.pixmap("check", theme.color("on_accent"), side - 2, self._view.devicePixelRatioF())
            painter.drawPixmap(box.left() + 1, box.top() + 1, sign)
        small = theme.font("small", tabular=True)
        count = str(index.data(TOKENS_ROLE) or "")
        wide = QFontMetrics(small).horizontalAdvance(count) + 2
        painter.setFont(small)
        painter.setPen(theme.color("text_muted"))
        draw_line(painter, QRectF(place(area.width() - 10 - wide, wide)), count)
        painter.setFont(theme.font("small", weight=500 if on else 400))
        painter.setPen(theme.color("text"))
        begin = 10 + side + 8
        draw_line(painter, QRectF(place(begin, max(0, area.width() - begin - wide - 20))), str(index.data()))
        painter.restore()


class _PartsView(QListView):
    """Space or a click on the box ticks, for all selected rows; Shift selects a range."""

    def __init__(self, theme: Theme, model: PartsModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._parts = model
        self.setModel(model)
        self.setItemDelegate(_Delegate(theme, self))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setProperty("ownFocus", True)

    def selected(self) -> list[int]:
        """The numbers of the selected rows."""
        return sorted(index.row() for index in self.selectionModel().selectedRows())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space and self.currentIndex().isValid():
            self._parts.toggle(self.selected() or [self.currentIndex().row()])
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.ignore()  # the dialog's own button
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = event.position().toPoint()
        index = self.indexAt(place)
        held = event.modifiers() & (Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier)
        if index.isValid() and not held and event.button() is Qt.MouseButton.LeftButton and self._on_box(place):
            rows = self.selected()
            self._parts.toggle(rows if index.row() in rows else [index.row()])
            if index.row() not in rows:
                self.setCurrentIndex(index)
            return
        super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if index.isValid():
            self._parts.toggle([index.row()])

    def _on_box(self, place: Any) -> bool:
        wide = 10 + self._theme.grown(16) + 6
        ltr = self.layoutDirection() is Qt.LayoutDirection.LeftToRight
        return bool(place.x() < wide if ltr else place.x() > self.viewport().width() - wide)


class PartsDialog(Dialog):
    """``chosen`` carries the part with the text that was chosen. ``left`` is how many tokens there is room for, None
    where that is not known; ``question`` is what stands in the message box."""

    chosen = Signal(object)  # a FilePart

    def __init__(
        self,
        ui: UiContext,
        part: FilePart,
        parent: QWidget | None,
        *,
        ref: ModelRef,
        left: int | None = None,
        question: str = "",
    ) -> None:
        theme = ui.theme
        super().__init__(theme, self._title(part), "", parent, width=860)
        self._ui = ui
        self._part = part
        self._ref = ref
        self._left = left
        self._document = Document(part.media_type, Kind.TEXT)
        self.search = SearchField(theme, self.tr("What is it about?"), self)
        self.search.setText(" ".join(question.split())[:_QUESTION])
        self.search.left.connect(self.look)
        self.find_button = TextButton(theme, self.tr("Find parts"), self, icon="search")
        self.find_button.setAutoDefault(False)
        self.find_button.clicked.connect(self.look)
        self.model = PartsModel(self)
        self.view = _PartsView(theme, self.model, self)
        self.view.setAccessibleName(self.tr("Parts"))
        self.view.setAccessibleDescription(self.tr("Space ticks a part, Shift with the arrow keys selects several."))
        self.view.setMinimumHeight(theme.grown(300))
        self.preview = ReadOnlyText("", self.tr("Text of the part"), self)
        self.all_button = TextButton(theme, self.tr("All"), self, kind="link")
        self.none_button = TextButton(theme, self.tr("None"), self, kind="link")
        for button in (self.all_button, self.none_button):
            button.setAutoDefault(False)
        self.all_button.clicked.connect(lambda: self.model.choose(range(len(self.model.parts))))
        self.none_button.clicked.connect(lambda: self.model.choose(()))
        self.sum = Label(theme, "", self, role="small", tabular=True, weight=500)
        self.note = ElidedLabel(theme, "", self, role="small", color="text_muted")
        self.body.addLayout(row((self.search, 1), self.find_button, gap=8))
        self.body.addLayout(row(self.note, None, self.all_button, self.none_button, gap=8))
        self.body.addLayout(row((self.view, 5), (self.preview, 6), gap=12))
        self.body.addLayout(column(self.sum, margins=(0, 4, 0, 0)))
        self.add_button(self.tr("Cancel"))
        self.use = self.add_button(self.tr("Use these parts"), self._use, kind="primary", default=True, closes=False)
        self.use.setEnabled(False)
        self._soon = QTimer(self, singleShot=True, interval=_COUNT_AFTER_MS)
        self._soon.timeout.connect(self._count)
        self.model.ticked.connect(self._ticked)
        self.view.selectionModel().currentChanged.connect(self._show_text)
        self._wish = f"parts.{id(self)}"
        self.search.setFocus()

    def _title(self, part: FilePart) -> str:
        name = part.name or texts.translate("PartsDialog", "the pasted text")
        return fill(texts.translate("PartsDialog", "Choose parts of {name}"), name=texts.isolated(name))

    def open(self) -> None:
        super().open()
        self.note.setText(self.tr("Reading…"))
        self._ui.operations.run(self._read(), owner=self, orphaned="cancelled", on_error=self._failed)

    def _failed(self, _error: BaseException) -> bool:
        self.reject()
        return False

    # What there is ----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Read the whole text, show its parts, tick those that the part has, and count them."""
        services = self._ui.services
        document = await services.attachments.document(self._part)
        spans = tuple((section.title, section.start, section.end) for section in document.sections)
        parts = await asyncio.to_thread(choices, document.text, spans)
        had = frozenset[int]()
        if not self._part.whole:
            had = await asyncio.to_thread(found_again, document.text, parts, self._part.text)
        self._document = document
        said = [document.text[part.start : part.end] for part in parts]
        self.model.set_parts(parts, had, [estimate(TextPart(text)) for text in said])
        self.view.setCurrentIndex(self.model.index(min(had, default=0)))
        if not had and self.search.text().strip():
            self.look()
        self.model.set_counts(await services.tokens.texts(self._ref, said))
        self._ticked()

    def look(self) -> None:
        """Tick the parts that have to do with what stands in the field, as many as there is room for."""
        query = self.search.text().strip()
        if not self.model.parts:
            return
        whole = sum(count.tokens for count in self.model.counts) or 1
        room = self._left if self._left is not None else _WANTED
        characters = int(room * len(self._document.text) / whole)

        async def passages() -> frozenset[int]:
            found = await self._ui.services.attachments.passages(self._document, query, max(1, characters))
            taken, numbers = 0, set[int]()
            for passage in found:
                for number in sorted(touched(self.model.parts, passage.start, passage.end) - numbers):
                    count = self.model.counts[number].tokens
                    if taken + count <= room or not numbers:
                        numbers.add(number)
                        taken += count
            return frozenset(numbers)

        def done(numbers: frozenset[int]) -> None:
            self.model.choose(numbers)
            if numbers:
                self.view.setCurrentIndex(self.model.index(min(numbers)))
                self.view.scrollTo(self.model.index(min(numbers)), QAbstractItemView.ScrollHint.PositionAtTop)

        self._ui.operations.run(
            passages(), owner=self, orphaned="cancelled", busy=self.find_button, on_done=done, wish=f"{self._wish}.find"
        )

    # What is chosen ---------------------------------------------------------------------------------------------------

    def _ticked(self) -> None:
        self.use.setEnabled(bool(self.model.chosen))
        self.note.setText(
            texts.fill(
                self.tr("{chosen} of %n part(s) chosen", "", len(self.model.parts)), chosen=len(self.model.chosen)
            )
        )
        counts = [self.model.counts[number] for number in self.model.chosen if number < len(self.model.counts)]
        self._show_sum(Count(sum(count.tokens for count in counts), exact=False))
        self._soon.start()

    def _count(self) -> None:
        """Count what is chosen as it will be sent, with its marks."""
        chosen = self.model.chosen

        async def count() -> Count:
            made = await self._part_of(chosen)
            return (await self._ui.services.tokens.parts(self._ref, (made,)))[0]

        if chosen:
            self._ui.operations.run(
                count(), owner=self, orphaned="cancelled", on_done=self._show_sum, wish=f"{self._wish}.count"
            )
        else:
            self._ui.operations.withdraw(f"{self._wish}.count")
            self._show_sum(Count(0, exact=True))

    def _show_sum(self, count: Count) -> None:
        over = count.tokens - self._left if self._left is not None else 0
        if self._left is None:
            said = tokens(count)
        elif over > 0:
            said = self.tr("{tokens}: {over} too many for the {left} that are left")
            said = fill(said, tokens=tokens(count), over=over, left=self._left)
        else:
            said = fill(self.tr("{tokens} of the {left} that are left"), tokens=tokens(count), left=self._left)
        self.sum.setText(said)
        self.sum.set_color("warn" if over > 0 else "text")

    async def _part_of(self, chosen: frozenset[int]) -> FilePart:
        parts = self.model.parts
        text = await asyncio.to_thread(chosen_text, self._document.text, parts, tuple(chosen))
        return self._ui.services.attachments.chosen(self._part, text, whole=len(chosen) == len(parts))

    def _show_text(self, index: QModelIndex) -> None:
        if index.isValid() and index.row() < len(self.model.parts):
            part = self.model.parts[index.row()]
            self.preview.setPlainText("".join(in_pieces(self._document.text[part.start : part.end].strip("\n"))))

    def _use(self) -> None:
        self._ui.operations.run(self._part_of(self.model.chosen), owner=self, on_done=self._give)

    def _give(self, made: FilePart) -> None:
        self.chosen.emit(made)
        self.accept()
