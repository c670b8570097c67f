"""A worker that answers once and ends: for questions that crash or hang on some machines (drivers).

The caller waits in a thread of its own. Neither a child that the system cannot end (a driver stuck in the kernel) nor
one that leaves its pipe to somebody else holds it longer than it was willing to wait.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast

from qwen_desktop.process import frames
from qwen_desktop.process.spawn import windows_flags, worker_environment

#: No question has more answers: what goes on talking is broken.
_MOST_FRAMES = 64


class Answers(NamedTuple):
    """What a child said before it ended: ``how`` says whether it came to its end, in time and without an error."""

    payloads: tuple[bytes, ...]
    how: Literal["done", "crashed", "late", "garbled", "not started"]
    code: int | None = None


def ask(command: Sequence[str], seconds: float) -> Answers:
    """Start ``command``, read the frames it sends, ``seconds`` long at most, and see that it ends. Never raises."""
    folder = ""
    try:
        folder = tempfile.mkdtemp(prefix="qwen-desktop-worker-")
    except OSError:
        folder = ""
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # as for every worker: libraries are searched in the current folder
            cwd=folder or (os.environ.get("SYSTEMROOT") if os.name == "nt" else "/"),
            env=worker_environment(),
            start_new_session=os.name != "nt",
            creationflags=windows_flags(),
        )
    except (OSError, ValueError):
        _remove(folder)
        return Answers((), "not started")
    payloads: list[bytes] = []
    garbled = threading.Event()
    reader = threading.Thread(target=_read, args=(process, payloads, garbled), name="once", daemon=True)
    reader.start()
    reader.join(seconds)
    late = reader.is_alive()
    if late or garbled.is_set():
        _kill(process)
    code = _code(process)
    with contextlib.suppress(OSError):
        cast("BinaryIO", process.stdin).close()
    if code is None:  # it closed its pipe and stays, or cannot be ended
        _kill(process)
        late = True
    if not reader.is_alive():
        with contextlib.suppress(OSError):
            cast("BinaryIO", process.stdout).close()
    _remove(folder)
    how: Literal["done", "crashed", "late", "garbled"] = "crashed" if code else "done"
    if late:
        how = "late"
    elif garbled.is_set():
        how = "garbled"
    return Answers(tuple(payloads), how, code)


def _read(process: subprocess.Popen[bytes], payloads: list[bytes], garbled: threading.Event) -> None:
    try:
        while (payload := frames.read(cast("BinaryIO", process.stdout))) is not None:
            payloads.append(payload)
            if len(payloads) > _MOST_FRAMES:
                garbled.set()
                return
    except (OSError, ValueError, frames.FrameError):
        garbled.set()


def _code(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(1)
    except subprocess.TimeoutExpired:
        return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:  # with whatever it has started: its group is its own
            os.killpg(process.pid, signal.SIGKILL)


def _remove(folder: str) -> None:
    if folder and Path(folder).is_dir():
        shutil.rmtree(folder, ignore_errors=True)
