"""The side of a conversation: one panel at a time stands there."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from qwen_desktop.ui.actions import claims_escape, is_escape
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import IconButton
from qwen_desktop.ui.widgets.labels import Label

#: A panel's largest share of the room, what the messages keep beside it, and what a panel has at least, in px.
_SHARE, _BESIDE, _LEAST = 0.4, 380, 220


class Panel(QWidget):
    """What can stand at the side, with the width of its ``sizeHint``. Hidden until it is asked for; Esc hides it."""

    closed = Signal()
    #: It is on show now, or not any more.
    toggled = Signal(bool)

    def __init__(self, theme: Theme, parent: QWidget, *, name: str, width: int) -> None:
        super().__init__(parent)
        self._theme = theme
        self._width = width
        self.setObjectName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

    def head(self, title: str) -> QHBoxLayout:
        """The first row: the title, and the way out."""
        self.close_button = IconButton(self._theme, "x", self.tr("Close"), self, side=28, icon_size=16)
        self.close_button.clicked.connect(self.leave)
        return row((Label(self._theme, title, self, role="body", weight=600), 1), self.close_button)

    def sizeHint(self) -> QSize:
        return QSize(self._theme.grown(self._width), 400)

    def open(self) -> None:
        """Show it."""
        if self.isHidden():
            self.show()
            self.toggled.emit(True)

    def leave(self) -> None:
        """Hide it."""
        if not self.isHidden():
            self.hide()
            self.toggled.emit(False)
            self.closed.emit()

    def toggle(self) -> None:
        """Show or hide it."""
        if self.isHidden():
            self.open()
        else:
            self.leave()

    def event(self, event: QEvent) -> bool:
        return claims_escape(event) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if is_escape(event):
            self.leave()
        else:
            super().keyPressEvent(event)


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
