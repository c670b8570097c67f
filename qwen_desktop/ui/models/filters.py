"""The line above the list: title, filters, and how many models there are."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget

from qwen_desktop.core.models import CatalogModel, Purpose
from qwen_desktop.ui.models import words
from qwen_desktop.ui.models.board import SIZES, Wanted
from qwen_desktop.ui.models.words import tr
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.filter_chip import FilterChip


class FlowLayout(QLayout):
    """From left to right, and on in the next line where the room ends."""

    def __init__(self, parent: QWidget | None = None, *, gap: int = 8) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._gap = gap
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._arrange(QRect(0, 0, width, 0), place=False)

    def sizeHint(self) -> QSize:
        shown = [item.sizeHint() for item in self._items if not item.isEmpty()]
        width = sum(size.width() + self._gap for size in shown) - (self._gap if shown else 0)
        return QSize(width, max((size.height() for size in shown), default=0))

    def minimumSize(self) -> QSize:
        shown = [item.minimumSize() for item in self._items if not item.isEmpty()]
        width = max((size.width() for size in shown), default=0)
        return QSize(width, max((size.height() for size in shown), default=0))

    def setGeometry(self, rect: QRect) -> None:
        super().setGeometry(rect)
        self._arrange(rect, place=True)

    def _arrange(self, rect: QRect, *, place: bool) -> int:
        left, top, line = rect.left(), rect.top(), 0
        row: list[tuple[QLayoutItem, int]] = []

        def settle() -> None:
            for item, x in row if place else ():
                size = item.sizeHint()
                item.setGeometry(QRect(QPoint(x, top + (line - size.height()) // 2), size))

        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint()
            if left + size.width() > rect.right() + 1 and row:
                settle()
                left, top, line, row = rect.left(), top + line + self._gap, 0, []
            row.append((item, left))
            left += size.width() + self._gap
            line = max(line, size.height())
        settle()
        return top + line - rect.top()


class Filters(QWidget):
    """``changed`` tells that something else is wanted; ``wanted`` says what."""

    changed = Signal()

    def __init__(self, theme: Theme, title: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = FlowLayout(self)
        row.addWidget(title)
        self.fits = FilterChip(theme, tr("Fits this computer"), self)
        self.fits.set_value("on")
        self.family = FilterChip(theme, tr("Family"), self, menu=True)
        self.purpose = FilterChip(theme, tr("Purpose"), self, menu=True)
        self.size_ = FilterChip(theme, tr("Size"), self, menu=True)
        self.licence = FilterChip(theme, tr("Licence"), self, menu=True)
        self.chips = (self.fits, self.family, self.purpose, self.size_, self.licence)
        for chip in self.chips:
            chip.changed.connect(lambda _value: self.changed.emit())
            row.addWidget(chip)

    def offer(self, models: Iterable[CatalogModel]) -> None:
        """Offer the families, purposes, sizes and licences that there are; what is chosen stays where it can."""
        models = tuple(models)
        families = list(dict.fromkeys(model.family for model in sorted(models, key=lambda m: m.released, reverse=True)))
        self.family.set_choices([(name, name) for name in families], tr("All families"))
        there = {purpose for model in models for purpose in model.purposes}
        self.purpose.set_choices([(p.value, words.purpose(p)) for p in Purpose if p in there], tr("All purposes"))
        names = {
            "tiny": tr("Up to 2B"),
            "small": tr("3B to 9B"),
            "middle": tr("10B to 39B"),
            "large": tr("40B and more"),
        }
        kinds = [
            (key, names[key])
            for key, (low, high) in SIZES.items()
            if any(low <= model.parameters < high for model in models)
        ]
        self.size_.set_choices(kinds, tr("All sizes"))
        licences = sorted({model.licence for model in models if model.licence})
        self.licence.set_choices([(name, name) for name in licences], tr("All licences"))

    def wanted(self, search: str = "") -> Wanted:
        """What is asked for, with the words of the search field."""
        return Wanted(
            fits=bool(self.fits.value),
            family=self.family.value,
            purpose=self.purpose.value,
            size=self.size_.value,
            licence=self.licence.value,
            words=search,
        )

    def narrowed(self) -> bool:
        """Whether anything but "Fits this computer" narrows the list."""
        return any(chip.value for chip in self.chips[1:])

    def clear(self) -> None:
        """Ask for everything, also for what does not fit."""
        for chip in self.chips:
            chip.set_value("")
        self.changed.emit()
