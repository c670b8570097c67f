"""A chat without messages: who will answer, in one sentence, and with the guide the way to a real model."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.assistants import Assistant
from qwen_desktop.services.events import ModelState
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.assistants.looks import AssistantTile, in_words
from qwen_desktop.ui.chat.assistant_bar import AssistantRow
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import MIDDLE, column, row
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.labels import Chip, Paragraph


class EmptyChat(QWidget):
    """Stands in the transcript's place. ``model_wanted`` carries the name of a model that is to be got."""

    model_wanted = Signal(str)

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._chip = Chip(theme, self.tr("Built-in guide"), self, icon="message-circle-question-mark", kind="accent")
        self._temporary = False
        self._state: ModelState | None = None
        self._title = Paragraph(theme, "", self, role="heading", weight=600)
        self._text = Paragraph(theme, "", self, color="text_muted")
        for label in (self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setMaximumWidth(480)
        self._buttons = QWidget(self)
        #: The assistants that a new chat can be begun with.
        self.assistants = AssistantRow(theme, self)
        self.assistants.setMaximumWidth(theme.grown(620))
        self._tile = AssistantTile(theme, self, side=44)
        self._lacking = ""
        self._missing = QWidget(self)
        self._lacks = Paragraph(theme, "", self._missing, role="small", color="text_muted")
        self._get = TextButton(theme, self.tr("Get it"), self._missing, kind="link")
        self._get.clicked.connect(lambda: self.model_wanted.emit(self._lacking))
        row(None, (self._lacks, MIDDLE), (self._get, MIDDLE), None, on=self._missing, gap=2)
        self._assistant: Assistant | None = None
        get = TextButton(theme, self.tr("Get a model"), self._buttons, icon="download", kind="primary")
        open_ = TextButton(theme, actions["model.open"].text(), self._buttons, icon="file-up")
        for button, command in ((get, "model.get"), (open_, "model.open")):
            button.setToolTip(actions.tooltip(command))
            button.clicked.connect(actions[command].trigger)
        row(get, open_, on=self._buttons, gap=10)
        chip, title, text, buttons = (
            (part, Qt.AlignmentFlag.AlignHCenter) for part in (self._chip, self._title, self._text, self._buttons)
        )
        tile = (self._tile, Qt.AlignmentFlag.AlignHCenter)
        offers = row((None, 1), (self.assistants, 1000), (None, 1), gap=0)
        parts = ((None, 3), chip, tile, 4, title, text, 12, buttons, offers, 4, self._missing, (None, 4))
        column(*parts, on=self, gap=8, margins=(24, 24, 24, 24))
        self._say()

    def set_model(self, state: ModelState) -> None:
        """Say who answers."""
        self._state = state
        self._say()

    def set_assistants(self, assistants: Sequence[Assistant], chosen: Assistant | None, missing: str) -> None:
        """Offer these; ``chosen`` is who answers. It would like the model ``missing``, "" where that is here."""
        self._assistant, self._lacking = chosen, missing
        self.assistants.show_assistants(assistants, chosen.id if chosen is not None else "")
        self._say()

    def set_temporary(self, temporary: bool) -> None:
        """Say that this chat leaves nothing behind, or not."""
        if temporary != self._temporary:
            self._temporary = temporary
            self._say()

    def _say(self) -> None:
        state, chosen = self._state, self._assistant
        guide = state is not None and state.guide
        self._chip.setVisible(guide and not self._temporary)
        self._buttons.setVisible(guide and not self._temporary)
        # The guide is trained for questions about the app: instructions mean nothing to it.
        self.assistants.setVisible(not guide and bool(self.assistants.buttons))
        # The offers stay under the pointer that chooses one of them.
        for part in (self._tile, self._missing):
            policy = part.sizePolicy()
            policy.setRetainSizeWhenHidden(not self.assistants.isHidden())
            part.setSizePolicy(policy)
        self._tile.setVisible(chosen is not None and not guide)
        if chosen is not None:
            self._tile.show_assistant(in_words(chosen))
        self._missing.setVisible(chosen is not None and bool(self._lacking) and not guide)
        if state is None:
            return
        lacks = self.tr("{model} would suit it best and is not installed. {name} answers instead.")
        self._lacks.setText(texts.fill(lacks, model=self._lacking, name=state.name))
        if self._temporary:
            self._title.setText(self.tr("A chat that leaves nothing behind"))
            self._text.setText(
                self.tr(
                    "It is in memory only: not on the disk, not in the search, in no backup. It is gone when you delete"
                    " it or close Qwen Desktop."
                )
            )
        elif chosen is not None and not guide:
            shown = in_words(chosen)
            self._title.setText(shown.name)
            self._text.setText(shown.description)
        elif state.guide:
            self._title.setText(self.tr("Ask how this app works"))
            self._text.setText(
                self.tr("This tiny model only knows Qwen Desktop. Get a larger one to talk about anything.")
            )
        else:
            self._title.setText(state.name)
            self._text.setText(self.tr("Runs on this computer. Nothing you write leaves it."))
