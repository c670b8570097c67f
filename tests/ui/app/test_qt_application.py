"""macOS tells by an event which file was opened: before the window is ready and after."""

from __future__ import annotations

import subprocess
import sys

CODE = """
from PySide6.QtGui import QFileOpenEvent
from qwen_desktop.ui.qt_application import Application

app = Application(["test"])
app.postEvent(app, QFileOpenEvent("/models/early.gguf"))
app.postEvent(app, QFileOpenEvent("/models/second.gguf"))
app.processEvents()
print(app.take())
told = []
app.file_opened.connect(told.append)
app.postEvent(app, QFileOpenEvent("/models/late.gguf"))
app.processEvents()
print(told, app.take())
"""


def test_files_that_finder_opens_are_kept_until_the_window_listens() -> None:
    """In a process of its own: there is one application object in a process, and the tests have theirs."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, encoding="utf-8", check=True, timeout=60)
    assert done.stdout.splitlines() == [
        "('/models/early.gguf', '/models/second.gguf')",
        "['/models/late.gguf'] ()",
    ]
