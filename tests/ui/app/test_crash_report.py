"""After a crash the next start offers the report; after a clean end it does not."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from qwen_desktop.core.paths import find_paths
from qwen_desktop.ui.crash_report import CrashWatch

PREPARE = """
import ctypes, os, signal, sys
from qwen_desktop.core.paths import find_paths
from qwen_desktop.ui.crash_report import CrashWatch
watch = CrashWatch(find_paths())
watch.begin()
secret = "what the user typed"
"""


def run(home: Path, ending: str) -> None:
    """One run of the app in a process of its own, ending as ``ending`` says."""
    environ = {**os.environ, "QWEN_DESKTOP_HOME": str(home)}
    code = PREPARE + textwrap.dedent(ending)
    subprocess.run([sys.executable, "-c", code], env=environ, timeout=30, check=False)


def test_a_clean_end_leaves_nothing_to_report(home: Path) -> None:
    run(home, "watch.end()")
    assert CrashWatch(find_paths()).begin() is None


def test_a_native_crash_is_reported_with_its_stack(home: Path) -> None:
    run(home, "os.kill(os.getpid(), signal.SIGSEGV)")
    watch = CrashWatch(find_paths())
    report = watch.begin()
    assert report is not None
    assert "Segmentation fault" in report
    assert "what the user typed" not in report
    watch.end()
    assert CrashWatch(find_paths()).begin() is None


def test_a_killed_process_is_reported_without_one(home: Path) -> None:
    run(home, "os.kill(os.getpid(), signal.SIGKILL)")
    watch = CrashWatch(find_paths())
    report = watch.begin()
    assert report is not None
    assert "killed" in report
    watch.end()


def test_an_unexpected_error_is_kept_without_its_message(home: Path) -> None:
    run(
        home,
        """
        try:
            raise RuntimeError(secret)
        except RuntimeError:
            watch.note(*sys.exc_info())
        os._exit(1)
        """,
    )
    watch = CrashWatch(find_paths())
    report = watch.begin()
    assert report is not None
    assert "RuntimeError" in report
    assert "what the user typed" not in report
    watch.end()
