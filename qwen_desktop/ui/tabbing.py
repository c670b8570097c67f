"""Where Tab goes in a window.

Qt's own way ends at each widget that passes the keyboard on to one inside it (a focus proxy): from the rail it would go
into the message box, and never to the list and the header before it.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget


def step(window: QWidget, *, forward: bool) -> bool:
    """Give the keyboard to the next widget of the window that takes it, or to the one before; whether there is one."""
    everything = QGuiApplication.styleHints().tabFocusBehavior() == Qt.TabFocusBehavior.TabFocusAllControls
    wanted = Qt.FocusPolicy.TabFocus if everything else Qt.FocusPolicy.StrongFocus
    here = window.focusWidget() or window
    there: QWidget | None = here
    while there is not None:
        there = there.nextInFocusChain() if forward else there.previousInFocusChain()
        if there is None or there is here:
            break
        takes = there.focusPolicy() & wanted == wanted and there.focusProxy() is None
        if takes and there.isEnabled() and there.isVisibleTo(window) and there.window() is window:
            there.setFocus(Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason)
            return True
    return False
