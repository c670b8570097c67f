"""The worker's side of the pipes: what a child does before anything else.

The real stdout is kept for frames and fd 1 is pointed at stderr (C code prints); the process ends as soon as stdin
closes, even while native code runs, because a thread that only reads decides it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from qwen_desktop.process import frames


class Pipes:
    """Frames in and out. ``send`` never blocks the caller: a thread writes.

    ``on_frame`` is called on the reader's thread for each payload, and ``before_end`` when the parent has closed its
    end, before the process ends: it may take as long as the parent waits.
    """

    def __init__(self) -> None:
        self.before_end: Callable[[], None] = lambda: None
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        # Windows: text mode would change bytes, and inherited handles must not leak into grandchildren.
        self._in_fd = os.dup(0)
        self._out_fd = os.dup(1)
        for descriptor in (self._in_fd, self._out_fd):
            os.set_inheritable(descriptor, False)
        if os.name == "nt":
            import msvcrt  # noqa: PLC0415 - Windows only

            for descriptor in (self._in_fd, self._out_fd):
                getattr(msvcrt, "setmode")(descriptor, getattr(os, "O_BINARY"))  # noqa: B009 - unknown elsewhere
        os.dup2(2, 1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        sys.stdout = sys.stderr
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in the terminal belongs to the parent, who ends us
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            faulthandler.enable(all_threads=False)

    def start(self, on_frame: Callable[[bytes], None]) -> None:
        """Start reading and writing."""
        threading.Thread(target=self._read, args=(on_frame,), name="frames-in", daemon=True).start()
        self._writer = threading.Thread(target=self._write, name="frames-out", daemon=True)
        self._writer.start()

    def send(self, payload: bytes) -> None:
        """Queue one frame."""
        self._out.put(frames.pack(payload))

    def end(self, code: int = 0) -> NoReturn:
        """Write what is queued, then end the process at once: drivers crash in what they do at an orderly exit."""
        self._out.put(None)
        if self._writer is not None:
            self._writer.join()
        os._exit(code)

    def _read(self, on_frame: Callable[[bytes], None]) -> None:
        try:
            with os.fdopen(self._in_fd, "rb", buffering=1 << 16) as stream:
                while (payload := frames.read(stream)) is not None:
                    on_frame(payload)
        except (OSError, frames.FrameError):
            pass
        finally:
            with contextlib.suppress(Exception):
                self.before_end()
            os._exit(0)  # the parent closed the pipe or is gone: nothing here outlives it

    def _write(self) -> None:
        try:
            ended = False
            while not ended and (data := self._out.get()) is not None:
                with contextlib.suppress(queue.Empty):  # join what has gathered: one system call
                    for _ in range(64):
                        more = self._out.get_nowait()
                        if more is None:
                            ended = True
                            break
                        data += more
                view = memoryview(data)
                while view:
                    view = view[os.write(self._out_fd, view) :]
        except OSError:
            os._exit(0)
