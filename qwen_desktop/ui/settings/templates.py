"""Below the chat settings: the way to the prompt templates."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import MIDDLE, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Paragraph, said
from qwen_desktop.ui.widgets.surface import Card


class TemplatesCard(Card):
    """Says what they are, and opens their dialog."""

    def __init__(self, ui: UiContext, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme, action = ui.theme, ui.actions["prompts.manage"]
        self.title = Paragraph(theme, self.tr("Prompt templates"), self, weight=500)
        self.note = Paragraph(
            theme,
            self.tr("Texts with fields to fill in. Type / at the beginning of a message to use one."),
            self,
            role="small",
            color="text_muted",
        )
        edit = TextButton(theme, self.tr("Edit templates"), self)
        edit.clicked.connect(action.trigger)
        row((said(theme, self, self.title, self.note), 1), (edit, MIDDLE), on=self, gap=16, margins=(18, 13, 18, 13))

    def matches(self, asked: str) -> bool:
        """Whether a search in the settings means this card."""
        text = f"{self.title.text()} {self.note.text()}".casefold()
        return all(word in text for word in asked.casefold().split())
