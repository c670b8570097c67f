"""Commands that are ended from outside: what there is is printed and saved, and the exit code names the signal."""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from qwen_desktop.core.paths import find_paths
from tests.integration.cli.test_chat_command import PROGRAM
from tests.smollm2 import model_path

if sys.platform == "win32":
    pytest.skip("Windows has no such signals", allow_module_level=True)

import pty
import termios

LIMIT_S = 3.0
STORY = ("--max-tokens", "4000", "Write a very long story.")


class Running:
    """A command on a terminal of its own, as a user has it, or on pipes."""

    def __init__(self, *arguments: str, terminal: bool = False) -> None:
        def begin() -> None:
            for number in (signal.SIGINT, signal.SIGHUP):  # whoever runs the tests may ignore them
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            if terminal:
                import fcntl  # noqa: PLC0415 - in the child

                fcntl.ioctl(self._theirs, termios.TIOCSCTTY, 0)

        self.ours, self._theirs = pty.openpty() if terminal else os.pipe()
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=self._theirs if terminal else subprocess.DEVNULL,
            stdout=self._theirs,
            stderr=self._theirs,
            preexec_fn=begin,  # noqa: PLW1509 - no threads here
        )
        os.close(self._theirs)
        self.seen = ""

    def until(self, words: str) -> None:
        """Wait until it has printed ``words``."""
        deadline = time.monotonic() + 60
        while words not in self.seen:
            assert time.monotonic() < deadline and self.process.poll() is None, self.seen
            self._read()

    def _read(self) -> bool:
        if not select.select([self.ours], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            data = os.read(self.ours, 4096)
        except OSError:  # the other end of a terminal has gone
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def end(self, number: signal.Signals | None) -> int:
        """Send the signal (None: take the terminal away) and return the exit code."""
        begun = time.monotonic()
        if number is None:
            os.close(self.ours)
        else:
            self.process.send_signal(number)
            while self._read():
                pass
            os.close(self.ours)
        code = self.process.wait(20)
        assert time.monotonic() - begun < LIMIT_S
        assert "Traceback" not in self.seen
        return code


def stored() -> list[tuple[str, str]]:
    """The answers of the history: status and parts."""
    with closing(sqlite3.connect(find_paths().database_file)) as history:
        return history.execute("SELECT status, parts FROM messages WHERE role = 'assistant'").fetchall()


def test_a_closed_terminal_and_sigterm_keep_the_answer(home: Path) -> None:
    gone = Running("chat", "--save", "--model", str(model_path()), "--temperature", "0", *STORY, terminal=True)
    gone.until(" a ")
    assert gone.end(None) == 128 + signal.SIGHUP
    asked = Running("chat", "--save", "--model", str(model_path()), "--temperature", "0", *STORY)
    asked.until(" a ")
    assert asked.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert asked.seen.endswith("\n")
    (first, parts), (second, _) = stored()
    assert first == second == "stopped"
    assert " a " in parts


def test_sigterm_while_a_model_loads(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEN_DESKTOP_WORKER_PREFIX", "sh -c 'exec sleep 600'")
    waiting = Running("chat", "--save", "--model", str(find_paths().guide_file), "Hello", terminal=True)
    waiting.until("Loading")
    assert waiting.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert [status for status, _ in stored()] == ["stopped"]


def test_a_question_on_the_terminal_ends_with_the_first_signal(home: Path) -> None:
    model = home / "models" / "owner" / "Tiny-GGUF" / "tiny-Q8_0.gguf"
    model.parent.mkdir(parents=True)
    model.write_bytes(find_paths().guide_file.read_bytes())
    added = subprocess.run([*PROGRAM, "models", "import", str(model)], capture_output=True, check=True, timeout=60)
    name = added.stdout.decode().split("  ")[0]
    for number in (signal.SIGINT, signal.SIGTERM):
        asking = Running("models", "remove", name, terminal=True)
        asking.until("[y/N]")
        assert asking.end(number) == 128 + number
        assert model.exists()
