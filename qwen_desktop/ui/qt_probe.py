"""``--worker qt``: what Qt says of itself, for ``qwen-desktop doctor``. A process of its own, since Qt aborts where it
cannot find its platform."""

from __future__ import annotations

import os

from qwen_desktop.core.packed import pack
from qwen_desktop.process import frames


def main() -> int:
    """Send one frame with ``version``, ``families`` (of fonts) and ``cjk`` (three of those that can show Chinese).
    Returns the exit code."""
    from PySide6.QtCore import qVersion  # noqa: PLC0415 - may abort the process
    from PySide6.QtGui import QFontDatabase, QGuiApplication  # noqa: PLC0415

    application = QGuiApplication([])
    cjk = QFontDatabase.families(QFontDatabase.WritingSystem.SimplifiedChinese)
    found = {"version": qVersion(), "families": QFontDatabase.families(), "cjk": cjk[:3]}
    with os.fdopen(1, "wb", closefd=False) as stream:
        stream.write(frames.pack(pack(found)))
    del application
    return 0
