"""Notifications outside the window, as each system shows them. Where none can, nothing happens."""

from __future__ import annotations

import sys

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from qwen_desktop.core.paths import APP
from qwen_desktop.ui.freedesktop import Freedesktop

#: The icon in the tray, which a notification needs there, goes after so long, in milliseconds.
_TRAY_MS = 60_000


class DesktopNotices(QObject):
    """``activated`` tells the key of a notification that was clicked, and the system's proof of the click or ""."""

    activated = Signal(str, str)
    #: From another thread: key, title, text.
    _failed = Signal(str, str, str)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._tray: QSystemTrayIcon | None = None
        self._shown = ""
        self._failed.connect(self._in_tray)
        self._bus: Freedesktop | None = None
        if sys.platform == "linux" and Freedesktop.there():
            program = QGuiApplication.desktopFileName()
            self._bus = bus = Freedesktop(program, activated=self.activated.emit, failed=self._failed.emit)
            self.destroyed.connect(bus.close)

    def show(self, key: str, title: str, text: str) -> None:
        """Show one, in the place of the one with the same key, and mark the window in the task bar."""
        QApplication.alert(self._window)
        if self._bus is not None:
            self._bus.show(key, APP, title, text, self.tr("Show"))
        else:
            self._in_tray(key, title, text)

    def withdraw(self, key: str) -> None:
        """What it tells is seen: take it away, if it is still there."""
        if self._bus is not None:
            self._bus.withdraw(key)
        if key == self._shown:  # also where the bus has failed
            self._leave_tray()

    def _in_tray(self, key: str, title: str, text: str) -> None:
        if not (QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()):
            return
        self._leave_tray()
        self._shown = key
        self._tray = tray = QSystemTrayIcon(QApplication.windowIcon(), self)
        tray.setToolTip(APP)
        tray.messageClicked.connect(lambda: self._clicked(key))
        tray.activated.connect(lambda _reason: self._clicked(key))
        tray.show()
        tray.showMessage(title, text, QApplication.windowIcon())
        QTimer.singleShot(_TRAY_MS, tray, self._leave_tray)

    def _clicked(self, key: str) -> None:
        self._leave_tray()
        self.activated.emit(key, "")

    def _leave_tray(self) -> None:
        self._shown = ""
        if self._tray is not None:
            self._tray.hide()
            self._tray.deleteLater()
            self._tray = None
