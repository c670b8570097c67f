"""The focus ring: 2 px of the focus colour, 2 px away from whatever the keyboard has reached.

One object for the whole app: it follows ``QApplication.focusChanged`` with a ``QFocusFrame``, which scrolls and is cut
off with the widget. Widgets that show their focus themselves (fields with a caret, lists, the transcript) set the
property ``ownFocus``.
"""

from __future__ import annotations

import shiboken6
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QFocusFrame,
    QLineEdit,
    QPlainTextEdit,
    QProxyStyle,
    QStyle,
    QStyleHintReturn,
    QStyleOption,
    QWidget,
)

_ROOM = 4


class _Around(QProxyStyle):
    """A frame that lies around its widget and above all others; what it looks like says the style sheet."""

    def pixelMetric(
        self, metric: QStyle.PixelMetric, option: QStyleOption | None = None, widget: QWidget | None = None
    ) -> int:
        if metric in (QStyle.PixelMetric.PM_FocusFrameHMargin, QStyle.PixelMetric.PM_FocusFrameVMargin):
            return _ROOM
        return super().pixelMetric(metric, option, widget)

    def styleHint(
        self,
        hint: QStyle.StyleHint,
        option: QStyleOption | None = None,
        widget: QWidget | None = None,
        returned: QStyleHintReturn | None = None,
    ) -> int:
        if hint is QStyle.StyleHint.SH_FocusFrame_AboveWidget:
            return 1
        if hint is QStyle.StyleHint.SH_FocusFrame_Mask:
            return 0
        return super().styleHint(hint, option, widget, returned)


class FocusRing(QObject):
    """Shows the ring where the keyboard leads, and not where the mouse has clicked."""

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._style = _Around()
        self._style.setParent(self)
        self._frame: QFocusFrame | None = None
        app.focusChanged.connect(self._changed)

    def _changed(self, _old: QWidget | None, new: QWidget | None) -> None:
        # Made anew for each stop: a frame that waited in a closed window would be gone with it.
        if self._frame is not None and shiboken6.isValid(self._frame):
            self._frame.hide()
            self._frame.deleteLater()
        self._frame = None
        if new is None or new.property("ownFocus") or isinstance(new, QLineEdit | QPlainTextEdit | QComboBox):
            return
        if QGuiApplication.mouseButtons() == Qt.MouseButton.NoButton:
            self._frame = frame = QFocusFrame(new.window())
            frame.setObjectName("focusRing")
            frame.setProperty("round", new.property("round"))
            frame.setStyle(self._style)
            frame.setWidget(new)
