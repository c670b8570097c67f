"""The rail at the left: the pages that exist, the app menu, and Settings at the bottom."""

from __future__ import annotations

import sys

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QButtonGroup, QVBoxLayout, QWidget

from qwen_desktop.ui.actions import Actions
from qwen_desktop.ui.pages import PAGES, PageRow
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import column
from qwen_desktop.ui.widgets.buttons import RailButton
from qwen_desktop.ui.widgets.select import Menu


class Rail(QWidget):
    """Buttons give the commands of the pages; ``mark`` shows which one is open."""

    def __init__(self, theme: Theme, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, RailButton] = {}
        buttons = column(on=self, gap=4, margins=(6, 12, 6, 12))
        for row in PAGES:
            if row.icon and not row.at_end:
                self._add(buttons, theme, actions, row)
        buttons.addStretch(1)
        self._menu = Menu(self)
        if sys.platform != "darwin":  # there it is in the bar of the screen
            actions.fill(self._menu, "app")
            button = self.menu_button = RailButton(theme, "menu", self.tr("Menu"), self)
            button.clicked.connect(lambda: self._open_menu(button))
            buttons.addWidget(button)
        for row in PAGES:
            if row.icon and row.at_end:
                self._add(buttons, theme, actions, row)
        theme.follow(self._fit)

    def _fit(self) -> None:
        """As wide as the longest label needs, and all buttons alike."""
        buttons = self.findChildren(RailButton)
        width = max(button.sizeHint().width() for button in buttons)
        for button in buttons:
            button.setFixedWidth(width)
        self.setFixedWidth(width + 12)

    def _add(self, column: QVBoxLayout, theme: Theme, actions: Actions, row: PageRow) -> None:
        button = RailButton(theme, row.icon, actions[row.command].text(), self)
        button.setToolTip(actions.tooltip(row.command))
        button.setCheckable(True)
        button.clicked.connect(actions[row.command].trigger)
        self._group.addButton(button)
        self._buttons[row.command] = button
        column.addWidget(button)

    def mark(self, command: str) -> None:
        """Show the page of this command as the open one; one that is not here belongs to the first."""
        self._buttons.get(command, next(iter(self._buttons.values()))).setChecked(True)

    def button(self, command: str) -> RailButton:
        """The button of a page."""
        return self._buttons[command]

    def _open_menu(self, button: RailButton) -> None:
        self._menu.open_by(button, button.width() + 6, button.height() - self._menu.sizeHint().height())
