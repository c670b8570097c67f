"""Progress in the system's taskbar, where Qt's own parts reach it.

On Linux the launchers that know Unity's protocol (GNOME's and KDE's docks among them) are told over D-Bus; on macOS
the Dock's badge shows the percentage. Windows' taskbar would need its COM interface, which Qt 6 does not bring.
"""

from __future__ import annotations

import logging
import os
import sys

from PySide6.QtGui import QGuiApplication

log = logging.getLogger(__name__)

_PATH = "/com/canonical/unity/launcherentry/1"
_INTERFACE = "com.canonical.Unity.LauncherEntry"


class Taskbar:
    """Tells only what has changed, and never raises."""

    def __init__(self) -> None:
        self._shown: int | None = None

    def show(self, share: float | None) -> None:
        """Show ``share`` (0..1) of the downloads as done; None takes it away."""
        percent = None if share is None else round(share * 100)
        if percent == self._shown:
            return
        self._shown = percent
        if sys.platform == "darwin":
            app = QGuiApplication.instance()
            if isinstance(app, QGuiApplication):
                app.setBadgeNumber(percent or 0)
        elif sys.platform.startswith("linux") and os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
            _tell_launcher(percent)


def _tell_launcher(percent: int | None) -> None:
    try:
        from PySide6.QtDBus import QDBusConnection, QDBusMessage  # noqa: PLC0415 - only with a download
    except ImportError:  # a build without it
        return
    message = QDBusMessage.createSignal(_PATH, _INTERFACE, "Update")
    name = QGuiApplication.desktopFileName()
    state = {"progress": (percent or 0) / 100, "progress-visible": percent is not None}
    message.setArguments([f"application://{name}.desktop", state])
    if not QDBusConnection.sessionBus().send(message):
        log.info("taskbar.not_told")
