"""What a crash leaves behind, and the offer to see it at the next start.

A marker file says "running" from start to clean end; ``faulthandler`` writes the stacks of a native crash beside it.
A marker found at start means that the last run ended without saying so. Neither file holds chat text.
"""

from __future__ import annotations

import contextlib
import faulthandler
import platform
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import IO

from qwen_desktop import __version__
from qwen_desktop.core.paths import Paths

_LIMIT = 64 * 1024


class CrashWatch:
    """Watches this run and knows how the last one ended."""

    def __init__(self, paths: Paths) -> None:
        self._marker = paths.runtime / "running"
        self._crash = paths.crash_file
        self._file: IO[bytes] | None = None

    def begin(self) -> str | None:
        """Start watching. Returns what the user may read, copy and send of the last run when it ended without saying
        so. Never raises."""
        report = self._last_run()
        with contextlib.suppress(OSError, RuntimeError):
            self._marker.parent.mkdir(parents=True, exist_ok=True)
            self._crash.parent.mkdir(parents=True, exist_ok=True)
            self._marker.write_text(f"{__version__} {time.strftime('%Y-%m-%d %H:%M:%S')}\n", encoding="utf-8")
            self._file = self._crash.open("wb", buffering=0)
            faulthandler.enable(self._file)
        return report

    def leaving(self) -> None:
        """The system wants the run to end: however that goes, it is no crash. Any thread may call it."""
        with contextlib.suppress(OSError):
            self._marker.unlink(missing_ok=True)

    def end(self) -> None:
        """The run ended as it should."""
        faulthandler.disable()
        if self._file is not None:
            self._file.close()
            self._file = None
        for path in (self._crash, self._marker):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def note(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Keep an unexpected Python error for the report: places and types, never the message (it may hold text)."""
        if self._file is None:
            return
        lines = [f"{kind.__name__}\n"]
        lines += [f"  {Path(f.filename).name}:{f.lineno} {f.name}\n" for f in traceback.extract_tb(trace)]
        with contextlib.suppress(OSError):
            self._file.write("".join(lines).encode("utf-8", "replace"))

    def _last_run(self) -> str | None:
        try:
            begun = self._marker.read_text(encoding="utf-8", errors="replace").strip()[:200]
        except OSError:
            return None
        stacks = ""
        with contextlib.suppress(OSError), self._crash.open("rb") as file:
            stacks = file.read(_LIMIT).decode("utf-8", "replace")
        return "\n".join(
            [
                f"Qwen Desktop {begun} ended unexpectedly.",
                f"Now: Qwen Desktop {__version__}, Python {platform.python_version()}, {platform.platform()}",
                f"Program: {Path(sys.executable).name}",
                "",
                stacks.strip() or "No stack was written (the process was killed, or the computer went off).",
            ]
        )
