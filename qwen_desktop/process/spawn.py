"""Starting a worker and talking with it, the same under qasync, ``asyncio.run`` and on Windows.

``Popen`` with one thread for each pipe: the event loops' own subprocess support has open faults on Windows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from qwen_desktop.process import frames

#: A command that workers are started through.
PREFIX = "QWEN_DESKTOP_WORKER_PREFIX"
#: ggml and llama_cpp would load whatever libraries these name.
_LIBRARY_PATHS = ("GGML_BACKEND_PATH", "LLAMA_CPP_LIB_PATH")
#: On Windows llama_cpp looks for libraries below these too, and does not start where one of the folders is gone.
_TOOLKITS = ("CUDA_PATH", "HIP_PATH")
_STDERR_LINES = 200
_LONGEST_LINE = 2000


def worker_command(kind: str) -> list[str]:
    """The command line of a worker: ``kind`` is "engine", "jobs", or one that answers once (see ``once``).

    In an installed app it is always the console program, whose pipes are real on Windows too. What stands in
    ``QWEN_DESKTOP_WORKER_PREFIX`` comes first: an emulator, a debugger, a sandbox.
    """
    prefix = shlex.split(os.environ.get(PREFIX, ""), posix=os.name != "nt")
    if getattr(sys, "frozen", False):
        program = Path(sys.executable).with_name("qwen-desktop" + Path(sys.executable).suffix)
        return [*prefix, str(program), "--worker", kind]
    return [*prefix, sys.executable, "-m", "qwen_desktop", "--worker", kind]


def worker_environment() -> dict[str, str]:
    """The child's environment: our package importable from anywhere, nothing importable from its folder."""
    environment = dict(os.environ)
    environment["GGML_NO_BACKTRACE"] = "1"  # an abort would attach a debugger otherwise
    environment["PYTHONSAFEPATH"] = "1"
    environment["PYTHONUNBUFFERED"] = "1"
    frozen = getattr(sys, "frozen", False)
    for name in _LIBRARY_PATHS:
        environment.pop(name, None)
    for name in _TOOLKITS:
        root = Path(environment.get(name, ""))
        if frozen or not all((root / folder).is_dir() for folder in ("bin", "lib")):
            environment.pop(name, None)
    if not frozen:
        package_root = str(Path(__file__).resolve().parents[2])
        before = environment.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = package_root + (os.pathsep + before if before else "")
    return environment


class ChildProcess:
    """One child process and its pipes: the one way in which this program starts itself.

    ``on_frame`` gets each payload, and then ``on_end`` the exit code; both are called on the thread that reads.
    ``variables`` join the child's environment.
    """

    def __init__(
        self,
        command: Sequence[str],
        on_frame: Callable[[bytes], None],
        on_end: Callable[[int], None],
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._on_frame = on_frame
        self._on_end = on_end
        self._variables = variables or {}
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: str | None = None
        self._drained = threading.Event()
        self._killed = False

    @property
    def pid(self) -> int | None:
        """The child's process id, None before the start."""
        return self._process.pid if self._process else None

    @property
    def stderr_tail(self) -> str:
        """The last lines the child (and the C code in it) printed: 200 lines at most."""
        return "\n".join(self._stderr.copy())

    def launch(self) -> None:
        """Start the child. Blocks for some milliseconds. Raises ``OSError`` when the system cannot."""
        with contextlib.suppress(OSError):
            self._folder = tempfile.mkdtemp(prefix="qwen-desktop-worker-")
        try:
            self._process = process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                # an empty folder of its own: ggml and the system's loader search the current folder for libraries
                cwd=self._folder or (os.environ.get("SYSTEMROOT") if os.name == "nt" else "/"),
                env={**worker_environment(), **self._variables},
                start_new_session=os.name != "nt",
                # no console of its own, and apart from our Ctrl+C
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0)
                | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except BaseException:
            self._remove_folder()
            raise
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101 - PIPE
        try:
            for name, target, stream in (
                ("out", self._read, process.stdout),
                ("in", self._write, process.stdin),
                ("err", self._drain, process.stderr),
            ):
                threading.Thread(target=target, args=(stream,), name=f"worker-{name}", daemon=True).start()
        except RuntimeError as error:  # the system has no threads left: nobody would ever hear of this child
            process.kill()
            process.wait()
            self._remove_folder()
            raise OSError(errno.EAGAIN, str(error)) from error
        if self._killed:  # while it was being started
            self.kill()

    def send(self, payload: bytes) -> None:
        """Queue one frame for the child; never blocks. A child that is gone does not get it: see ``on_end``."""
        self._out.put(frames.pack(payload))

    def close_input(self) -> None:
        """Close the child's stdin after what is queued: it then ends by itself."""
        self._out.put(None)

    def kill(self) -> None:
        """End the child at once with whatever it has started, also one that is just being started."""
        self._killed = True
        process = self._process
        if process is None or process.returncode is not None:  # else nobody has waited for it: its number is its own
            return
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)

    def _read(self, stream: IO[bytes]) -> None:
        with (
            contextlib.suppress(OSError, frames.FrameError, MemoryError),  # whatever it is, its end must be told
            os.fdopen(os.dup(stream.fileno()), "rb") as buffered,
        ):
            while (payload := frames.read(buffered)) is not None:
                self._on_frame(payload)
        assert self._process is not None  # noqa: S101 - this thread exists only with it
        self._out.put(None)
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:  # it closed its end of the pipe but lives: of no use to anybody
            self.kill()
            code = self._process.wait()
        stream.close()
        self._remove_folder()
        self._drained.wait(0.5)
        self._on_end(code)

    def _write(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError):
            while (data := self._out.get()) is not None:
                view = memoryview(data)
                while view:
                    view = view[stream.write(view) or 0 :]
        with contextlib.suppress(OSError):
            stream.close()

    def _drain(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError), os.fdopen(os.dup(stream.fileno()), "rb") as buffered:
            while line := buffered.readline(_LONGEST_LINE):
                self._stderr.append(line.decode("utf-8", "replace").rstrip())
        stream.close()
        self._drained.set()

    def _remove_folder(self) -> None:
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
