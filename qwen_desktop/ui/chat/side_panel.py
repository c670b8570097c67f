"""The side of a conversation: one panel at a time stands there."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from qwen_desktop.ui.theme import Theme

#: A panel's largest share of the room, what the messages keep beside it, and what a panel has at least, in px.
_SHARE, _BESIDE, _LEAST = 0.4, 380, 220


class Panel(Protocol):
    """What can stand at the side; its width is that of its ``sizeHint``."""

    #: It is on show now, or not any more.
    toggled: Any

    def leave(self) -> None:
        """Hide it."""

    def setParent(self, parent: QWidget, /) -> None: ...
    def hide(self) -> None: ...
    def raise_(self) -> None: ...
    def isHidden(self) -> bool: ...
    def sizeHint(self) -> QSize: ...
    def setGeometry(self, place: QRect, /) -> None: ...


class SidePanel(QWidget):
    """Messages with a panel at their end. Where there is no room for both the panel covers them."""

    def __init__(self, theme: Theme, main: QWidget, panels: tuple[Panel, ...], parent: QWidget) -> None:
        super().__init__(parent)
        self._main = main
        self._panels = panels
        main.setParent(self)
        for panel in panels:
            panel.setParent(self)
            panel.hide()
            panel.toggled.connect(partial(self._toggled, panel))
        theme.changed.connect(self._place)

    def _toggled(self, panel: Panel, shown: bool) -> None:
        for other in self._panels if shown else ():
            if other is not panel:
                other.leave()
        self._place()

    def _place(self) -> None:
        room = self.rect()
        panel = next((each for each in self._panels if not each.isHidden()), None)
        wide = 0 if panel is None else min(panel.sizeHint().width(), max(_LEAST, int(room.width() * _SHARE)))
        beside = room.width() - wide >= _BESIDE
        ltr = self.layoutDirection() is Qt.LayoutDirection.LeftToRight
        start, end = (0, wide) if ltr else (wide, 0)
        self._main.setGeometry(room.adjusted(start, 0, -end, 0) if beside else room)
        if panel is not None:
            left = room.right() + 1 - wide if ltr else room.left()
            panel.setGeometry(QRect(left, room.top(), wide, room.height()))
            panel.raise_()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def sizeHint(self) -> QSize:
        return self._main.sizeHint()

    def minimumSizeHint(self) -> QSize:
        return self._main.minimumSizeHint()
