"""This computer in one line, and how large a model it runs comfortably."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.hardware import Machine
from qwen_desktop.core.models import CatalogModel
from qwen_desktop.ui import texts
from qwen_desktop.ui.models import model_texts
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import IconLabel, Label, Paragraph
from qwen_desktop.ui.widgets.skeleton import SkeletonBars
from qwen_desktop.ui.widgets.surface import Card

#: Under this width, in px, the comfortable size stands below the facts.
_NARROW = 700


class MachineCard(Card):
    """``details_wanted``: the user wants to see everything that was found."""

    details_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.title = Label(theme, self.tr("This computer"), self, weight=600)
        self.line = Paragraph(theme, "", self, role="small", color="text_muted")
        self._bars = SkeletonBars(theme, (0.7,), self)
        self.comfort = Label(theme, "", self, role="small", weight=600)
        self.with_context = Label(theme, "", self, role="small", color="text_muted")
        self.button = TextButton(theme, self.tr("Details"), self, icon="gauge")
        self.button.setAccessibleName(self.tr("Details of this computer"))
        self.button.clicked.connect(self.details_wanted)
        for label in (self.comfort, self.with_context):
            label.setAlignment(Qt.AlignmentFlag.AlignRight)
        beside = column(None, self.comfort, self.with_context, None, gap=2)
        self._below = Paragraph(theme, "", self, role="small", weight=600)
        text = column(None, self.title, self.line, self._below, self._bars, None, gap=2)
        sign = (IconLabel(theme, "cpu", self, color="text", size=26), MIDDLE)
        row(sign, (text, 1), beside, (self.button, MIDDLE), on=self, gap=18, margins=(16, 14, 16, 14))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.setMinimumWidth(320)  # what stands beside moves below where the room is small
        self.show_machine(None)

    def show_machine(self, machine: Machine | None) -> None:
        """Show what was found; None while it is being looked at."""
        self.line.setVisible(machine is not None)
        self._bars.setVisible(machine is None)
        if machine is not None:
            self.line.setText(model_texts.machine_line(machine) or self.tr("Little could be read about this computer."))

    def show_comfort(self, found: tuple[CatalogModel, int] | None) -> None:
        """Say how large a model runs comfortably, and with what context; None says nothing."""
        size = context = ""
        if found is not None:
            size = texts.fill(self.tr("Comfortable up to {size}"), size=model_texts.size_word(found[0]))
            context = texts.fill(self.tr("at 4-bit, {n} context"), n=texts.context(found[1]))
        self.comfort.setText(size)
        self.with_context.setText(context)
        self._below.setText(f"{size} {context}".strip())
        self._fit()

    def _fit(self) -> None:
        known = bool(self.comfort.text())
        narrow = self.width() < _NARROW * (0.5 + self._theme.text_size / 200)
        self.comfort.setVisible(known and not narrow)
        self.with_context.setVisible(known and not narrow)
        self._below.setVisible(known and narrow)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()
