"""The cards of the assistants, as many side by side as there is room for."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QPushButton, QSizePolicy, QWidget

from qwen_desktop.core.assistants import Assistant
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import pressed
from qwen_desktop.ui.assistants import looks
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import IconButton
from qwen_desktop.ui.widgets.labels import ElidedLabel, Paragraph

#: The least width of a card at normal text size, and the room between cards, in px.
_LEAST, _GAP = 236, 14
_LINES = 2


class Excerpt(Paragraph):
    """Text of so many lines at most, with … where there is more."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        self._whole = ""
        super().__init__(theme, "", parent, role="small", color="text_muted")
        self.setAlignment(Qt.AlignmentFlag.AlignTop | self.alignment() & ~Qt.AlignmentFlag.AlignVCenter)

    def show_text(self, text: str) -> None:
        """Show as much of this as there is room for."""
        self._whole = text
        self._cut()

    @property
    def cut(self) -> bool:
        """Whether there is more of it than can be seen."""
        return self.text() != self._whole

    def _dress(self) -> None:
        super()._dress()
        self.setFixedHeight(self._pitch() * _LINES)
        self._cut()

    def _cut(self) -> None:
        self.setText(self._whole)
        room = self._pitch() * _LINES
        if self.heightForWidth(self.width()) <= room:
            return
        low, high = 0, len(self._whole)
        while low < high:  # the longest beginning that fits
            middle = (low + high + 1) // 2
            self.setText(self._whole[:middle].rstrip() + "…")
            low, high = (middle, high) if self.heightForWidth(self.width()) <= room else (low, middle - 1)
        self.setText(self._whole[:low].rstrip() + "…")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._cut()


class AssistantCard(QPushButton):
    """One of them. It is chosen by a click, by Enter or Space, or by the arrows."""

    menu_wanted = Signal(QPoint)
    delete_wanted = Signal()
    opened = Signal()

    def __init__(self, theme: Theme, assistant: Assistant, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setProperty("kind", "card")
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.tile = looks.AssistantTile(theme, self)
        self.name = ElidedLabel(theme, "", self, weight=600)
        self.description = Excerpt(theme, self)
        self.facts = ElidedLabel(theme, "", self, role="caption", color="text_muted")
        for part in (self.tile, self.name, self.description, self.facts):
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.more = IconButton(theme, "ellipsis", "", self, side=28, icon_size=16)
        self.more.clicked.connect(lambda: self.menu_wanted.emit(self.more.mapToGlobal(self.more.rect().bottomLeft())))
        head = row(self.tile, (self.name, 1), (self.more, MIDDLE), gap=10)
        column(head, 8, self.description, None, 6, self.facts, on=self, margins=(16, 14, 12, 14))
        self.show_assistant(assistant)

    def show_assistant(self, assistant: Assistant) -> None:
        """Show it as it is now."""
        self.assistant = assistant
        shown = looks.in_words(assistant)
        self.tile.show_assistant(shown)
        self.name.setText(shown.name)
        self.description.show_text(shown.description)
        facts = looks.facts(shown)
        self.facts.setText(facts)
        self.setAccessibleName(shown.name)
        self.setAccessibleDescription(f"{shown.description} {facts}".strip())
        self.setToolTip(texts.tip(shown.description) if self.description.cut else "")
        self.more.set_icon("ellipsis", texts.fill(self.tr("What to do with {name}"), name=shown.name))

    def sizeHint(self) -> QSize:
        layout = self.layout()
        return QSize(self._theme.grown(_LEAST), layout.totalMinimumSize().height() if layout is not None else 0)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.setToolTip(texts.tip(looks.in_words(self.assistant).description) if self.description.cut else "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
            self.opened.emit()
        elif pressed(event, "list.delete"):
            self.delete_wanted.emit()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        keyboard = event.reason() is QContextMenuEvent.Reason.Keyboard
        self.menu_wanted.emit(self.mapToGlobal(self.rect().center()) if keyboard else event.globalPos())


class CardGrid(QWidget):
    """``chosen`` carries an assistant's id, ``opened`` too where it is to be seen in full."""

    chosen = Signal(str)
    opened = Signal(str)
    menu_wanted = Signal(str, QPoint)
    delete_wanted = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._columns = 0
        self.cards: dict[str, AssistantCard] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(_GAP)
        theme.changed.connect(self._arrange)

    def show_assistants(self, assistants: Sequence[Assistant]) -> None:
        """Show these in their order; the cards of those that are there already stay."""
        wanted = {assistant.id: assistant for assistant in assistants}
        for gone in [name for name in self.cards if name not in wanted]:
            card = self.cards.pop(gone)
            self._grid.removeWidget(card)
            card.hide()
            card.deleteLater()
        for name, assistant in wanted.items():
            if name not in self.cards:
                self.cards[name] = self._card(assistant)
            elif self.cards[name].assistant != assistant:
                self.cards[name].show_assistant(assistant)
        self.cards = {name: self.cards[name] for name in wanted}
        self._columns = 0
        self._arrange()

    def choose(self, assistant_id: str) -> None:
        """Mark one as chosen."""
        if assistant_id in self.cards:
            self.cards[assistant_id].setChecked(True)

    def _card(self, assistant: Assistant) -> AssistantCard:
        card, name = AssistantCard(self._theme, assistant, self), assistant.id
        card.toggled.connect(lambda on: self.chosen.emit(name) if on else None)
        card.clicked.connect(lambda: self.opened.emit(name))
        card.menu_wanted.connect(lambda place: self.menu_wanted.emit(name, place))
        card.delete_wanted.connect(lambda: self.delete_wanted.emit(name))
        card.show()
        return card

    def _arrange(self) -> None:
        columns = max(1, (self.width() + _GAP) // (self._theme.grown(_LEAST) + _GAP))
        room = self.width() - _GAP * (columns - 1)
        for number, card in enumerate(self.cards.values()):  # all alike, also where a row is not full
            place = number % columns
            card.setFixedWidth(max(1, room * (place + 1) // columns - room * place // columns))
        if columns == self._columns:
            return
        self._grid.setColumnStretch(self._columns, 0)
        self._grid.setColumnStretch(columns, 1)
        self._columns = columns
        before: QWidget | None = None
        for number, card in enumerate(self.cards.values()):
            self._grid.addWidget(card, number // columns, number % columns)
            for stop in (card, card.more):
                if before is not None:
                    QWidget.setTabOrder(before, stop)
                before = stop

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.grown(_LEAST), super().minimumSizeHint().height())
