"""A page with a list at its side. The list can be hidden, and gives way where the window has no room for both."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QWidget

from qwen_desktop.core.settings import value
from qwen_desktop.ui.ui_context import UiContext
from qwen_desktop.ui.widgets.boxes import row

#: Under this width of the window, in px, the list gives way to the page.
NARROW = 1000


class ListPage(QWidget):
    """Its parts are set by ``split``, once. ``setting`` keeps whether the list is shown, "" where that is not kept."""

    def __init__(self, ui: UiContext, *, setting: str = "") -> None:
        super().__init__()
        self._ui = ui
        self._setting = setting
        self._narrow: bool | None = None
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

    def split(self, sidelist: QWidget, main: QWidget, width: int) -> None:
        """Put the list, ``width`` px wide, beside what takes the rest."""
        self._list, self._main = sidelist, main
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.setHandleWidth(1)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(sidelist)
        self.splitter.addWidget(main)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([width, 800])
        row(self.splitter, on=self)

    @property
    def areas(self) -> list[QWidget]:
        """Its parts, in the order in which F6 goes through them."""
        return [self._list, self._main]

    @property
    def list_hidden(self) -> bool:
        """Whether the list is not shown."""
        return self._list.isHidden()

    def show_list(self, shown: bool) -> None:
        """Show or hide the list, for now."""
        self._list.setVisible(shown)

    def keep_list(self, shown: bool) -> None:
        """Show or hide the list, also at the next start; in a narrow window only for now."""
        self.show_list(shown)
        if self._setting and not self._narrow and shown is not self._wanted():
            self._ui.operations.run(self._ui.services.preferences.change({self._setting: shown}), owner=self)

    def _wanted(self) -> bool:
        return not self._setting or bool(value(self._ui.services.preferences.settings, self._setting))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = self.window().width() < NARROW
        if narrow is not self._narrow:
            self._narrow = narrow
            self.show_list(not narrow and self._wanted())

    def minimumSizeHint(self) -> QSize:
        return QSize(360, 320)
