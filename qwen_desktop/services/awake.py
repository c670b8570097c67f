"""The computer does not go to sleep while a download or an answer runs, or a model is made smaller. The display may.

Best effort: where the system offers no way, it sleeps as it always did.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from qwen_desktop.core.models import DownloadStatus
from qwen_desktop.services.events import DownloadChanged, EventBus, QuantizationChanged, RunChanged

log = logging.getLogger(__name__)

_BUSY = (DownloadStatus.RUNNING, DownloadStatus.CHECKING)
#: The computer is held awake until this is called.
Release = Callable[[], None]
#: Windows: until further notice, and not only for the idle time so far; the system, the display apart.
_CONTINUOUS, _SYSTEM = 0x80000000, 0x00000001


class Awake:
    """Listens for downloads and answers, and holds the computer awake while there is one."""

    def __init__(self, bus: EventBus, hold: Callable[[], Release | None] | None = None) -> None:
        self._make = hold or hold_awake
        self._release: Release | None = None
        self._changing = threading.Lock()
        self._reasons: set[str] = set()
        self._leave = [
            bus.subscribe(DownloadChanged, self._on_download),
            bus.subscribe(QuantizationChanged, self._on_quantization),
            bus.subscribe(
                RunChanged, lambda event: (self.begin if event.run is not None else self.end)(event.conversation_id)
            ),
        ]

    @property
    def held(self) -> bool:
        """Whether something runs that keeps the computer awake."""
        return bool(self._reasons)

    def begin(self, reason: str) -> None:
        """Something that must not be interrupted has begun; ``reason`` is its id."""
        first = not self._reasons
        self._reasons.add(reason)
        if first:
            self._apply()

    def end(self, reason: str) -> None:
        """It is over. Unknown ids are passed over."""
        held = self.held
        self._reasons.discard(reason)
        if held and not self._reasons:
            self._apply()

    def _apply(self) -> None:
        # starting a program takes some milliseconds, which the window does not have
        threading.Thread(target=self._change, name="awake-change", daemon=True).start()

    def _change(self) -> None:
        with self._changing:
            if self.held and self._release is None:
                self._release = self._make()
            elif not self.held and self._release is not None:
                self._release()
                self._release = None

    def close(self) -> None:
        """Let go, at once."""
        for leave in self._leave:
            leave()
        self._reasons.clear()
        self._change()

    def _on_download(self, event: DownloadChanged) -> None:
        if event.download.status in _BUSY:
            self.begin(event.download.id)
        else:
            self.end(event.download.id)

    def _on_quantization(self, event: QuantizationChanged) -> None:
        if event.run is not None:
            (self.end if event.run.stage.over else self.begin)(event.run.id)


def hold_awake() -> Release | None:
    """Hold the computer awake by the means of this system; None when it has none."""
    try:
        if sys.platform == "win32":
            return _hold_windows()
        command = _command()
        return None if command is None else _hold_by(command)
    except OSError as error:
        log.info("awake.impossible kind=%s", type(error).__name__)
        return None


def _command() -> Sequence[str] | None:
    """A program that keeps the computer awake until its input is closed (or we are gone)."""
    if sys.platform == "darwin":
        return ("caffeinate", "-i", "-w", str(os.getpid()))
    inhibit = shutil.which("systemd-inhibit")
    if inhibit is None or not os.path.isdir("/run/systemd/system"):  # noqa: PTH112
        return None
    return (
        inhibit, "--what=sleep:idle", "--who=Qwen Desktop", "--why=A download or an answer is running", "--mode=block",
        "cat",
    )  # fmt: skip


def _hold_by(command: Sequence[str]) -> Release:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def release() -> None:
        """End the program; waits for it in a thread, so that none is left behind."""
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
            process.terminate()
        threading.Thread(target=process.wait, name="awake-end", daemon=True).start()

    return release


def _hold_windows() -> Release:
    """``SetThreadExecutionState`` belongs to a thread, which must live as long as it should hold."""
    over = threading.Event()

    def run() -> None:
        import ctypes  # noqa: PLC0415

        kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - unknown elsewhere
        kernel.SetThreadExecutionState(_CONTINUOUS | _SYSTEM)
        over.wait()
        kernel.SetThreadExecutionState(_CONTINUOUS)

    threading.Thread(target=run, name="awake", daemon=True).start()
    return over.set
