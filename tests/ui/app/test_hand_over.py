"""One window per data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from qwen_desktop.core.paths import find_paths
from qwen_desktop.ui import startup
from qwen_desktop.ui.hand_over import HandOver, Listener, hand_over
from qwen_desktop.ui.startup import _lock
from qwen_desktop.ui.widgets.dialog import Dialog


def start_second(runtime: Path, file: str, **environment: str) -> subprocess.Popen[str]:
    """A second start in a process of its own, as a double click on a file makes it."""
    code = f"""
        from pathlib import Path
        from PySide6.QtCore import QCoreApplication
        from qwen_desktop.ui.hand_over import HandOver, hand_over
        app = QCoreApplication([])
        print(hand_over(Path({str(runtime)!r}), HandOver(files=({file!r},))), flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_a_second_start_hands_its_file_to_the_first(qtbot: QtBot, tmp_path: Path) -> None:
    first = Listener(tmp_path)
    with qtbot.waitSignal(first.heard, timeout=15_000) as heard:
        second = start_second(tmp_path, "/models/модель 4B.gguf")
    assert heard.args == [HandOver(files=("/models/модель 4B.gguf",))]
    out, _ = second.communicate(timeout=15)
    assert out.strip() == "True"
    first.close()


def spellings(folder: Path, elsewhere: Path) -> list[Path]:
    """Other names of one folder."""
    link = elsewhere / "a link"
    link.symlink_to(folder)
    over = elsewhere / "over"
    over.symlink_to(folder.parent)
    return [link, over / folder.name, folder / ".." / folder.name, Path(os.path.relpath(folder)), folder / "."]


def test_a_folder_by_any_other_name_has_the_same_window(qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "run"
    folder.mkdir(parents=True)
    first = Listener(folder)
    for number, other in enumerate(spellings(folder, tmp_path)):
        with qtbot.waitSignal(first.heard, timeout=15_000) as heard:
            # also when its temporary folder, where Qt would look for the socket, is another one
            second = start_second(other, f"{number}.gguf", TMPDIR=str(tmp_path))
        assert heard.args == [HandOver(files=(f"{number}.gguf",))]
        assert second.communicate(timeout=15)[0].strip() == "True"
    first.close()
    assert not list(folder.iterdir())


def test_each_window_hears_under_a_new_name(qtbot: QtBot, tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        listener = Listener(tmp_path)
        names.add((tmp_path / "window.socket").read_text())
        listener.close()
    assert len(names) == 3


@pytest.mark.parametrize("left", [b"", b"\xff\xfe", b"/nowhere/at/all", b"x" * 5000])
def test_a_damaged_note_of_where_it_hears_keeps_nobody_waiting_for_ever(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "window.socket").write_bytes(left)
    assert hand_over(tmp_path, HandOver(), wait_ms=100) is False


def test_a_failed_hand_over_is_told_where_there_is_no_terminal(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the windowed build Python has no standard error; on Linux it leads into a log when started from a menu."""
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(startup.QGuiApplication, "platformName", staticmethod(lambda: "windows"))
    assert startup._needs_box()
    seen: list[str] = []

    def read() -> None:
        (box,) = [w for w in QApplication.topLevelWidgets() if isinstance(w, Dialog) and w.isVisible()]
        seen.append(box.accessibleDescription())
        box.accept()

    QTimer.singleShot(50, read)
    startup._tell(find_paths(), "It does not answer.")
    assert seen == ["It does not answer."]


def test_only_one_window_holds_a_data_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = _lock(find_paths())
    assert held is not None
    code = """
        from qwen_desktop.core.paths import find_paths
        from qwen_desktop.ui.startup import _lock
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
        from qwen_desktop.ui.startup import _lock
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
