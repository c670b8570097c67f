"""The lock of the data folder: only another window keeps this one from opening."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QLockFile

from qwen_desktop.core.paths import find_paths
from qwen_desktop.ui import startup


def test_a_second_window_is_refused_a_full_disk_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = find_paths({"QWEN_DESKTOP_HOME": str(tmp_path)})
    first = startup._lock(paths)
    assert first is not None and first.isLocked()
    assert startup._lock(paths) is None
    first.unlock()
    # What Qt reports when the lock file cannot be written.
    monkeypatch.setattr(QLockFile, "tryLock", lambda *_: False)
    monkeypatch.setattr(QLockFile, "error", lambda *_: QLockFile.LockError.UnknownError)
    assert startup._lock(paths) is not None
