"""One window per data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from qwen_desktop.core.paths import find_paths
from qwen_desktop.ui.application import _lock
from qwen_desktop.ui.hand_over import HandOver, Listener


def start_second(runtime: Path, file: str) -> subprocess.Popen[str]:
    """A second start in a process of its own, as a double click on a file makes it."""
    code = f"""
        from pathlib import Path
        from PySide6.QtCore import QCoreApplication
        from qwen_desktop.ui.hand_over import HandOver, hand_over
        app = QCoreApplication([])
        print(hand_over(Path({str(runtime)!r}), HandOver(files=({file!r},))), flush=True)
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)


def test_a_second_start_hands_its_file_to_the_first(qtbot: QtBot, tmp_path: Path) -> None:
    first = Listener(tmp_path)
    with qtbot.waitSignal(first.heard, timeout=15_000) as heard:
        second = start_second(tmp_path, "/models/модель 4B.gguf")
    assert heard.args == [HandOver(files=("/models/модель 4B.gguf",))]
    out, _ = second.communicate(timeout=15)
    assert out.strip() == "True"
    first.close()


def test_only_one_window_holds_a_data_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = _lock(find_paths())
    assert held is not None
    code = """
        from qwen_desktop.core.paths import find_paths
        from qwen_desktop.ui.application import _lock
        print(_lock(find_paths()) is not None)
    """

    def second() -> str:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout.strip()

    assert second() == "False"
    monkeypatch.setenv("QWEN_DESKTOP_HOME", str(home / "other"))
    assert second() == "True"
    monkeypatch.setenv("QWEN_DESKTOP_HOME", str(home))
    held.unlock()
    assert second() == "True"


@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
def test_a_killed_window_does_not_keep_the_next_one_out(qtbot: QtBot, home: Path) -> None:
    code = """
        import os, signal
        from PySide6.QtCore import QCoreApplication
        from qwen_desktop.core.paths import find_paths
        from qwen_desktop.ui.application import _lock
        from qwen_desktop.ui.hand_over import Listener
        app = QCoreApplication([])
        assert _lock(find_paths()) is not None
        listener = Listener(find_paths().runtime)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=30, check=False)
    assert ended.returncode == -signal.SIGKILL
    following = _lock(find_paths())
    assert following is not None
    listener = Listener(find_paths().runtime)
    with qtbot.waitSignal(listener.heard, timeout=15_000):
        second = start_second(find_paths().runtime, "x.gguf")
    second.communicate(timeout=15)
    listener.close()
    following.unlock()
