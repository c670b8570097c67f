"""Recommended for: what the user wants to do."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.models import Purpose
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.labels import Label
from qwen_desktop.ui.widgets.select import Select
from qwen_desktop.ui.widgets.switch import SegmentedControl


class PurposeBar(QWidget):
    """``chosen`` carries the purpose; where the room is small a choice field stands for the buttons."""

    chosen = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        #: What is chosen.
        self.purpose = Purpose.EVERYDAY
        self._offered: tuple[Purpose, ...] = ()
        self.title = Label(theme, self.tr("Recommended for"), self, weight=600, role="message")
        self.select = Select(theme, self.tr("Recommended for"), self)
        self.select.activated.connect(lambda place: self._choose(str(self.select.itemData(place))))
        self.buttons: SegmentedControl
        self._row = row(self.title, self.select, None, on=self, gap=10)
        self.offer(Purpose)
        theme.changed.connect(self._fit)

    def offer(self, purposes: Iterable[Purpose]) -> None:
        """Offer these, in the order of ``Purpose``."""
        offered = tuple(sorted(set(purposes), key=list(Purpose).index))
        if offered == self._offered or not offered:
            return
        if self._offered:
            self._row.removeWidget(self.buttons)
            self.buttons.deleteLater()
        self._offered = offered
        if self.purpose not in offered:
            self.purpose = offered[0]
        options = [(purpose.value, model_texts.purpose(purpose), "") for purpose in offered]
        self.buttons = SegmentedControl(self._theme, self.tr("Recommended for"), options, self)
        self.buttons.chosen.connect(self._choose)
        self._row.insertWidget(1, self.buttons)
        self.select.clear()
        for value, name, _ in options:
            self.select.addItem(name, value)
        self._show()
        self._fit()

    def _choose(self, value: str) -> None:
        purpose = Purpose(value)
        if purpose is not self.purpose:
            self.purpose = purpose
            self._show()
            self.chosen.emit(purpose)

    def _show(self) -> None:
        self.buttons.set_value(self.purpose.value)
        self.select.setCurrentIndex(self.select.findData(self.purpose.value))

    def _fit(self) -> None:
        room = self.width() - self.title.sizeHint().width() - 2 * self._row.spacing()
        fits = self.buttons.sizeHint().width() <= room
        self.buttons.setVisible(fits)
        self.select.setVisible(not fits)

    def minimumSizeHint(self) -> QSize:
        # The buttons give way to the choice field, so they do not hold the page wide.
        return QSize(self.title.sizeHint().width() + 140, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()
