"""Bringing the window to the front when a second start asks for it.

Each system keeps programs from pushing themselves forward in its own way. The second start comes from a click and so
has the right to; it passes that on.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMainWindow

from qwen_desktop.core.paths import APP

#: Wayland's proof that a click was behind it. Qt takes it from the environment at the next ``activateWindow``.
_PROOF = "XDG_ACTIVATION_TOKEN"
#: Time in milliseconds for an event to come back from the X server.
_ROUND_TRIP_MS = 30
_numbers = itertools.count(1)


def passed_on() -> str:
    """In the second start: let the first come forward. Returns the proof that it needs, "" where there is none."""
    if sys.platform == "win32":
        ctypes.windll.user32.AllowSetForegroundWindow(-1)  # any process, until the next input
    return os.environ.get(_PROOF, "")


def bring(window: QMainWindow, proof: str = "") -> None:
    """In the first start: show the window in front of the others, with the keyboard."""
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.show()
    window.raise_()
    if proof:
        os.environ[_PROOF] = proof
    if QGuiApplication.platformName() == "xcb":
        # Qt stamps its request with the last event it has seen, and a window manager ignores one that is older than
        # the user's last click elsewhere. A changed property makes the server send an event of now.
        window.setWindowIconText(f"{APP} {next(_numbers)}")
        QTimer.singleShot(_ROUND_TRIP_MS, window, window.activateWindow)
    else:
        window.activateWindow()
