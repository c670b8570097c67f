"""A page with a list at its side that can be hidden: the window hides it where there is no room for both."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QWidget


class ListPage(QWidget):
    """Its parts are set by ``split``, once. ``list_wanted`` asks the window to show the list."""

    list_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

    def split(self, sidelist: QWidget, main: QWidget, width: int) -> None:
        """Put the list, ``width`` px wide, beside what takes the rest."""
        self._sidelist = sidelist
        self.splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.splitter.setHandleWidth(1)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(sidelist)
        self.splitter.addWidget(main)
        self.splitter.setStretchFactor(0, 0)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setSizes([width, 800])
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.splitter)

    @property
    def list_hidden(self) -> bool:
        """Whether the list is not shown."""
        return self._sidelist.isHidden()

    def show_list(self, shown: bool) -> None:
        """Show or hide the list."""
        self._sidelist.setVisible(shown)

    def minimumSizeHint(self) -> QSize:
        return QSize(360, 320)
