"""What the smoke test asks of a system: the steps that differ, behind one class, and the waiting that they share.

``smoke_linux``, ``smoke_windows`` and ``smoke_macos`` each have one ``Platform``; the checks in ``smoke_story`` know
none of them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

from dev_console import Failed  # noqa: E402 - tools/ is on the path only now
from smoke_picture import Picture  # noqa: E402

T = TypeVar("T")

#: Every process of the app inherits it, so that none is forgotten and nobody else's is touched.
MARK = "QWEN_DESKTOP_SMOKE"
_PATIENCE = 1.0


def set_patience(factor: float) -> None:
    """Multiply every time limit: for machines that do other work meanwhile."""
    global _PATIENCE  # noqa: PLW0603 - one number for the whole run
    _PATIENCE = factor


def limit(seconds: float) -> float:
    """``seconds`` times the patience of this run."""
    return seconds * _PATIENCE


def until(what: str, look: Callable[[], T | None], seconds: float, *, every: float = 0.05) -> T:
    """Look again and again until there is something (neither None nor False); fails after ``seconds``."""
    deadline = time.monotonic() + limit(seconds)
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not happen within {limit(seconds):.0f} s.")
        time.sleep(every)


@dataclass
class Installed:
    """A program that was installed. ``folder`` is where nothing may change while it runs (None: not one folder)."""

    window: list[str]
    console: list[str]
    folder: Path | None
    size: int
    #: What a double click on a .gguf goes through: "system" (installed by the artefact), "session" (entered by this
    #: test as a helper program would) or "" where the artefact brings no association.
    association: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float


class Room:
    """The private folders of one run: home, temporary files, documents, the place to install to, pictures."""

    def __init__(self) -> None:
        # A short path: the socket of the hand-over lies below it, and the system allows 107 bytes.
        self.top = Path(tempfile.mkdtemp(prefix="qds-")).resolve()
        self.home = self._made("home")
        self.tmp = self._made("tmp")
        self.run = self._made("run")
        self.documents = self._made("home/My models, Модели")
        self.prefix = self._made("Ein Ördner")
        self.pictures = self._made("pictures")
        self.logs = self._made("logs")

    def _made(self, name: str) -> Path:
        folder = self.top / name
        folder.mkdir(mode=0o700, parents=True)
        return folder

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.top, ignore_errors=True)


class Platform(ABC):
    """One system. ``prepare`` is called first and ``close`` always, whatever happened in between."""

    def __init__(self, artefact: Path, room: Room, *, replace: bool = False, options: Mapping[str, str] = {}) -> None:
        self.artefact = artefact
        self.room = room
        self.replace = replace
        self.options = dict(options)
        self.environment = self._environment()
        self._files: list[IO[bytes]] = []

    def _environment(self) -> dict[str, str]:
        """A user's environment that has nothing of this session: no display, no data folders, no Python."""
        unwanted = ("QWEN_DESKTOP_", "XDG_", "PYTHON", "QT_", "LD_", "_PYI_", "VIRTUAL_ENV", "GGML_", "DBUS_", "WAY")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        return kept | {MARK: self.room.top.name}

    # The artefact -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def prepare(self) -> None:
        """Open the screen. Raises ``Failed`` when this machine lacks something, before anything is changed."""

    @abstractmethod
    def install(self) -> Installed:
        """Install the artefact as its users do."""

    @abstractmethod
    def uninstall(self) -> list[str]:
        """Take it away as its users do; return what it left behind outside the user's data."""

    @abstractmethod
    def close(self) -> None:
        """Take back everything that this class did: processes, packages, screen. Never raises."""

    # The window -------------------------------------------------------------------------------------------------------

    @abstractmethod
    def windows(self) -> list[tuple[str, int]]:
        """The app's main windows that are on the screen now, each with its process."""

    def window(self) -> tuple[str, int] | None:
        """The first of them, None while there is none."""
        return next(iter(self.windows()), None)

    @abstractmethod
    def picture(self) -> Picture:
        """What the screen shows now."""

    @abstractmethod
    def focus(self, window: str) -> None:
        """Give a new window the keyboard, as a click on it does."""

    @abstractmethod
    def type(self, text: str) -> None:
        """Type a line and press Enter, into whatever has the keyboard."""

    @abstractmethod
    def press(self, key: str) -> None:
        """Press one of "quit", "message box", "palette"."""

    @abstractmethod
    def close_window(self, window: str) -> bool:
        """Close it by its frame's button; False where this machine has no way to."""

    @abstractmethod
    def cover(self) -> bool:
        """Put a window of another program over everything; False where there is none."""

    @abstractmethod
    def in_front(self, window: str) -> bool:
        """Whether the window has the keyboard and lies above the cover."""

    @abstractmethod
    def uncover(self) -> None:
        """Take the cover away."""

    @abstractmethod
    def double_click(self, file: Path) -> None:
        """Open a file through the system's own association."""

    @abstractmethod
    def memory(self, process: int) -> dict[str, int]:
        """Bytes of memory of one process: "rss", and "pss" or "private" where the system tells."""

    @abstractmethod
    def processes(self) -> list[int]:
        """Every process of the app that runs now."""

    @abstractmethod
    def mapped(self, process: int) -> list[str]:
        """Files mapped into a process; empty where the system does not tell."""

    def data_folders(self) -> list[Path]:
        """The folders below the private home that belong to the app."""
        return [self.room.home / "qwen-desktop"]

    def database(self) -> Path:
        """The app's history."""
        return self.room.home / "qwen-desktop" / "history.sqlite3"

    def settings(self) -> Path:
        """The app's settings."""
        return self.room.home / "qwen-desktop" / "settings.toml"

    def log_folder(self) -> Path:
        """The app's logs."""
        return self.room.home / "qwen-desktop" / "logs"

    # Shared -----------------------------------------------------------------------------------------------------------

    def start(self, command: Sequence[str], name: str, *, folder: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program of the app; what it prints goes to ``logs/<name>.txt``."""
        output = (self.room.logs / f"{name}.txt").open("ab")
        self._files.append(output)
        return subprocess.Popen(
            command,
            cwd=folder or self.room.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def run(self, command: Sequence[str], seconds: float = 60, *, folder: Path | None = None) -> Done:
        """Run a command of the app to its end."""
        return run(command, seconds, folder=folder or self.room.home, environment=self.environment)

    def close_files(self) -> None:
        """Close what ``start`` opened."""
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()


def run(
    command: Sequence[str], seconds: float, *, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Done:
    """Run a command to its end. Raises ``Failed`` when it does not end or cannot start."""
    started = time.monotonic()
    try:
        done = subprocess.run(
            list(command), cwd=folder, env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
            timeout=limit(seconds), check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(command)[:200]} did not end within {limit(seconds):.0f} s.") from error
    except OSError as error:
        raise Failed(f"{command[0]} cannot be started: {error.strerror or error}.") from error
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - started)


def kill(process: int) -> None:
    """End a process of the app at once, wherever it hangs; one that is gone is none to end. Not for Windows."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)


def ended(process: subprocess.Popen[bytes], what: str, seconds: float) -> int:
    """Wait for a process to end by itself; its exit code."""
    try:
        return process.wait(limit(seconds))
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{what} did not end within {limit(seconds):.0f} s.") from error
