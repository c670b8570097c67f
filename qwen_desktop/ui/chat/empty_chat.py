"""A chat without messages: who will answer, in one sentence, and with the guide the way to a real model."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from qwen_desktop.services.events import ModelState
from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Chip, Paragraph


class EmptyChat(QWidget):
    """Stands in the transcript's place."""

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._chip = Chip(theme, self.tr("Built-in guide"), self, icon="message-circle-question-mark", kind="accent")
        self._kind = Chip(theme, self.tr("Temporary"), self, icon="message-circle-dashed", kind="accent")
        self._kind.hide()
        self._temporary = False
        self._state: ModelState | None = None
        self._title = Paragraph(theme, "", self, role="heading", weight=600)
        self._text = Paragraph(theme, "", self, color="text_muted")
        for label in (self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setMaximumWidth(480)
        self._buttons = QWidget(self)
        get = TextButton(theme, self.tr("Get a model"), self._buttons, icon="download", kind="primary")
        open_ = TextButton(theme, actions["model.open"].text(), self._buttons, icon="file-up")
        for button, command in ((get, "model.get"), (open_, "model.open")):
            button.setToolTip(actions.tooltip(command))
            button.clicked.connect(actions[command].trigger)
        row(get, open_, on=self._buttons, gap=10)
        kind, chip, title, text, buttons = (
            (part, Qt.AlignmentFlag.AlignHCenter)
            for part in (self._kind, self._chip, self._title, self._text, self._buttons)
        )
        column((None, 3), kind, chip, 4, title, text, 12, buttons, (None, 4), on=self, gap=8, margins=(24, 24, 24, 24))

    def set_temporary(self, temporary: bool) -> None:
        """Say that this chat leaves nothing behind, or not."""
        if temporary != self._temporary:
            self._temporary = temporary
            if self._state is not None:
                self.set_model(self._state)

    def set_model(self, state: ModelState) -> None:
        """Say who answers."""
        self._state = state
        self._kind.setVisible(self._temporary)
        self._chip.setVisible(state.guide and not self._temporary)
        self._buttons.setVisible(state.guide and not self._temporary)
        if self._temporary:
            self._title.setText(self.tr("A chat that leaves nothing behind"))
            self._text.setText(
                self.tr(
                    "It is in memory only: not on the disk, not in the search, in no backup. It is gone when you delete"
                    " it or close Qwen Desktop."
                )
            )
        elif state.guide:
            self._title.setText(self.tr("Ask how this app works"))
            self._text.setText(
                self.tr("This tiny model only knows Qwen Desktop. Get a larger one to talk about anything.")
            )
        else:
            self._title.setText(state.name)
            self._text.setText(self.tr("Runs on this computer. Nothing you write leaves it."))
