"""A display that cannot be reached: one sentence and exit code 1, no abort of Qt's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there the system always has a display")
def test_an_unreachable_display_is_one_sentence(home: Path) -> None:
    environ = {**os.environ, "QT_QPA_PLATFORM": "xcb", "DISPLAY": ":65000", "QWEN_DESKTOP_HOME": str(home)}
    environ.pop("WAYLAND_DISPLAY", None)
    ended = subprocess.run(
        [sys.executable, "-m", "qwen_desktop"], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "qwen-desktop chat" in ended.stderr
