"""Below the engine's settings: the way to why answers are as fast as they are."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Paragraph, said
from qwen_desktop.ui.widgets.surface import Card


class SpeedCard(Card):
    """One sentence and a button."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme, command = ui.theme, ui.actions["help.slow"]
        self.title, self.note = (
            self.tr("Speed"),
            self.tr("What answers reach on this computer, and what slows them down."),
        )
        words = said(theme, self, Paragraph(theme, self.title, self, weight=500), self.note)
        self.why = TextButton(theme, command.text(), self, icon="gauge")
        self.why.clicked.connect(command.trigger)
        row((words, 1), (self.why, MIDDLE), on=self, gap=16, margins=(18, 13, 18, 13))

    def matches(self, words: str) -> bool:
        """Whether all ``words`` stand in it."""
        text = f"{self.title} {self.note} {self.why.text()}".casefold()
        return all(word in text for word in words.casefold().split())
