"""``--worker qt``: what Qt says of itself, for ``qwen-desktop doctor``. A process of its own, since Qt aborts where it
cannot find its platform."""

from __future__ import annotations

import json


def main() -> int:
    """Print one line: "QT " and an object with ``version``, ``families`` (of fonts) and ``cjk`` (three of those that
    can show Chinese). Returns the exit code."""
    from PySide6.QtCore import qVersion  # noqa: PLC0415 - may abort the process
    from PySide6.QtGui import QFontDatabase, QGuiApplication  # noqa: PLC0415

    application = QGuiApplication([])
    cjk = QFontDatabase.families(QFontDatabase.WritingSystem.SimplifiedChinese)
    print("QT " + json.dumps({"version": qVersion(), "families": QFontDatabase.families(), "cjk": cjk[:3]}))
    del application
    return 0
