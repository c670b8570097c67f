"""The line above the list: title, filters, and how many models there are."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.models import CatalogModel, Purpose
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.models.state import Wanted, size_of
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.filter_chip import FilterChip
from qwen_desktop.ui.widgets.flow import FlowLayout


class Filters(QWidget):
    """``changed`` tells that something else is wanted; ``wanted`` says what."""

    changed = Signal()

    def __init__(self, theme: Theme, title: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = FlowLayout(self)
        row.addWidget(title)
        self.fits = FilterChip(theme, self.tr("Fits this computer"), self)
        self.fits.set_value("on")
        self.family = FilterChip(theme, self.tr("Family"), self, menu=True)
        self.purpose = FilterChip(theme, self.tr("Purpose"), self, menu=True)
        self.size_ = FilterChip(theme, self.tr("Size"), self, menu=True)
        self.licence = FilterChip(theme, self.tr("Licence"), self, menu=True)
        self.chips = (self.fits, self.family, self.purpose, self.size_, self.licence)
        for chip in self.chips:
            chip.changed.connect(lambda _: self.changed.emit())
            row.addWidget(chip)

    def offer(self, models: Iterable[CatalogModel]) -> None:
        """Offer the families, purposes, sizes and licences that there are; what is chosen stays where it can."""
        models = tuple(models)
        families = dict.fromkeys(model.family for model in sorted(models, key=lambda m: m.released, reverse=True))
        self.family.set_choices([(name, name) for name in families], self.tr("All families"))
        there = {purpose for model in models for purpose in model.purposes}
        purposes = [(purpose.value, model_texts.purpose(purpose)) for purpose in Purpose if purpose in there]
        self.purpose.set_choices(purposes, self.tr("All purposes"))
        names = {
            "tiny": self.tr("Up to 2B"),
            "small": self.tr("3B to 9B"),
            "middle": self.tr("10B to 39B"),
            "large": self.tr("40B and more"),
        }
        sizes = {size_of(model) for model in models}
        kinds = [(key, name) for key, name in names.items() if key in sizes]
        self.size_.set_choices(kinds, self.tr("All sizes"))
        licences = sorted({model.licence for model in models if model.licence})
        self.licence.set_choices([(name, name) for name in licences], self.tr("All licences"))

    def wanted(self, search: str = "") -> Wanted:
        """What is asked for, with the words of the search field."""
        fits, family, purpose, size, licence = (chip.value for chip in self.chips)
        return Wanted(bool(fits), family, purpose, size, licence, search)

    def narrowed(self) -> bool:
        """Whether anything but "Fits this computer" narrows the list."""
        return any(chip.value for chip in self.chips[1:])

    def clear(self) -> None:
        """Ask for everything, also for what does not fit."""
        for chip in self.chips:
            chip.set_value("")
        self.changed.emit()
