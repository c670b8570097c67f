"""What the set-up script says: headings, times, one progress line, and the one way to fail."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Failed(Exception):  # noqa: N818 - it reads as what happened
    """The set-up cannot go on. The message is one sentence for people that names what to do."""


def say(text: str) -> None:
    """Print one line at once, also into a pipe."""
    print(text, flush=True)


def heading(text: str) -> None:
    """Print the title of a step."""
    say(f"\n== {text} ==")


def duration(seconds: float) -> str:
    """``seconds`` as people say it: "0.4 s", "12 s", "4 min 05 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


class ProgressLine:
    """One line that changes on a terminal; elsewhere a new line at most every 15 s."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._last = 0.0
        self._width = 0

    def show(self, text: str) -> None:
        """Show ``text`` now, or drop it when it comes too soon after the last one."""
        now = time.monotonic()
        if now - self._last < (0.2 if self._terminal else 15):
            return
        self._last = now
        if self._terminal:
            sys.stdout.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._width:
            sys.stdout.write("\n")
            sys.stdout.flush()


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> int:
    """Run a command that talks to the user's terminal; return its exit code (130 after Ctrl+C)."""
    sys.stdout.flush()
    try:
        return subprocess.run([str(part) for part in command], cwd=cwd, env=_environment(env), check=False).returncode
    except FileNotFoundError as error:
        raise Failed(f"{command[0]} is missing: run `python3 tools/dev.py setup` again.") from error


def quiet() -> list[str]:
    """pip's options: its progress bars on a terminal; in a log nothing but errors."""
    return [] if sys.stdout.isatty() else ["-qq"]


def output(command: Sequence[str | Path], *, timeout: float = 120, cwd: Path = ROOT) -> tuple[int, str]:
    """Run a command quietly; return its exit code and everything it printed. A time-out or a missing program is 1."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, type(error).__name__
    return done.returncode, done.stdout


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, **(extra or {})}
