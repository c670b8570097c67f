"""Starting a worker and talking with it, the same under qasync, ``asyncio.run`` and on Windows.

``Popen`` with one thread for each pipe and ``call_soon_threadsafe``: the event loops' own subprocess support has open
faults on Windows. Starting blocks for some milliseconds, so it happens in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Generic, TypeVar

from qwen_desktop.process import frames

T = TypeVar("T")
A = TypeVar("A")

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


def ask(kind: str, seconds: float, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a worker that prints its answer and ends; ``variables`` join its environment. Blocks.

    Raises ``OSError`` when it cannot be started and ``subprocess.TimeoutExpired`` when it takes longer.
    """
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-worker-", ignore_cleanup_errors=True) as folder:
        return subprocess.run(
            worker_command(kind),
            cwd=folder,  # never the user's: libraries, and programs on Windows, are searched there
            env=worker_environment() | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
            creationflags=windows_flags(),
        )


class Transport(Generic[T]):
    """One child process and its pipes. Messages and the ending arrive on the event loop, in order.

    ``decode`` turns a payload into a message on the reader's thread; a payload it refuses (``ValueError``) is passed
    over, since a newer worker may say more than we know. ``on_end`` gets the exit code once all messages were given.
    """

    def __init__(
        self,
        command: Sequence[str],
        decode: Callable[[bytes], T],
        on_message: Callable[[T], None],
        on_end: Callable[[int], None],
    ) -> None:
        self._command = list(command)
        self._decode = decode
        self._on_message = on_message
        self._on_end = on_end
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
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

    async def start(self) -> None:
        """Start the child. Raises ``OSError`` when the system cannot."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._spawn)

    def _spawn(self) -> None:
        with contextlib.suppress(OSError):
            self._folder = tempfile.mkdtemp(prefix="qwen-desktop-worker-")
        self._process = process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            # an empty folder of its own: ggml and the system's loader search the current folder for libraries
            cwd=self._folder or (os.environ.get("SYSTEMROOT") if os.name == "nt" else "/"),
            env=worker_environment(),
            start_new_session=os.name != "nt",
            creationflags=windows_flags(),
        )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101 - PIPE
        for name, target, stream in (
            ("out", self._read, process.stdout),
            ("in", self._write, process.stdin),
            ("err", self._drain, process.stderr),
        ):
            threading.Thread(target=target, args=(stream,), name=f"worker-{name}", daemon=True).start()
        if self._killed:  # while it was being started
            self.kill()

    def send(self, payload: bytes) -> None:
        """Queue one frame for the child; never blocks. A child that is gone does not get it: see ``on_end``."""
        self._out.put(frames.pack(payload))

    def close_input(self) -> None:
        """Close the child's stdin after what is queued: it then ends by itself."""
        self._out.put(None)

    def kill(self) -> None:
        """End the child at once, also one that is just being started."""
        self._killed = True
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()

    def _read(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, frames.FrameError), os.fdopen(os.dup(stream.fileno()), "rb") as buffered:
            while (payload := frames.read(buffered)) is not None:
                try:
                    message = self._decode(payload)
                except ValueError:
                    continue
                self._post(self._on_message, message)
        assert self._process is not None  # noqa: S101 - this thread exists only with it
        self._out.put(None)
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:  # it closed its end of the pipe but lives: of no use to anybody
            self.kill()
            code = self._process.wait()
        stream.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._drained.wait(0.5)
        self._post(self._on_end, code)

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

    def _post(self, function: Callable[[A], None], argument: A) -> None:
        assert self._loop is not None  # noqa: S101 - set before the threads start
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(function, argument)


def windows_flags() -> int:
    """How a worker is started on Windows: without a console of its own and apart from our Ctrl+C; 0 elsewhere."""
    return int(getattr(subprocess, "CREATE_NO_WINDOW", 0)) | int(getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0))
