"""The chat's header: title, the guide's label, versions, the … menu, and the way back to a hidden side list."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import IconButton
from qwen_desktop.ui.widgets.labels import Chip, ElidedLabel
from qwen_desktop.ui.widgets.select import Menu


class ChatHeader(QWidget):
    """52 px above the transcript."""

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setObjectName("header")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.list_button = IconButton(theme, "panel-left", actions.tooltip("view.sidelist"), self)
        self.list_button.clicked.connect(actions["view.sidelist"].trigger)
        self.list_button.hide()
        self.title = ElidedLabel(theme, "", self, role="message", weight=600)
        self.title.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.chip = Chip(theme, self.tr("Built-in guide"), self, icon="message-circle-question-mark")
        self.chip.setToolTip(self.tr("The guide explains this app. It is not a general assistant."))
        self.find_button = IconButton(theme, "search", actions.tooltip("find.open"), self)
        self.find_button.clicked.connect(actions["find.open"].trigger)
        self.versions_button = IconButton(theme, "list-tree", actions.tooltip("chat.versions"), self)
        self.versions_button.setCheckable(True)
        self.versions_button.clicked.connect(actions["chat.versions"].trigger)
        self.menu_button = IconButton(theme, "ellipsis", self.tr("What to do with this chat"), self)
        self._menu = Menu(self)
        actions.fill(self._menu, "chat")
        self.menu_button.clicked.connect(self._open)
        parts = (
            self.list_button,
            self.title,
            self.chip,
            None,
            self.find_button,
            self.versions_button,
            self.menu_button,
        )
        row(*parts, on=self, gap=10, margins=(20, 0, 20, 0))
        self._fit()
        theme.changed.connect(self._fit)

    def show_chat(self, title: str, *, stored: bool, guide: bool) -> None:
        """Name the chat; the menu is there for one that is stored, the label where the guide answers."""
        self.title.setText(title)
        self.menu_button.setVisible(stored)
        self.versions_button.setVisible(stored)
        self.find_button.setVisible(stored)
        self.chip.setVisible(guide)

    def _fit(self) -> None:
        self.setFixedHeight(self._theme.scaled("control_height") + 18)

    def _open(self) -> None:
        button = self.menu_button
        self._menu.open_by(button, button.width() - self._menu.sizeHint().width(), button.height() + 4)
