"""The unfinished file on the disk: room for it, writing at any place from several threads, what may go wrong, and the
lock, since two windows (or a window and a command) must not fetch the same file at the same time."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from qwen_desktop.core.errors import AppError, Environment, Failure, error_of, os_problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.hub import windows_files
from qwen_desktop.hub.locks import held

#: Left free on the disk, in bytes: a full system disk harms everything.
SPARE = 128 << 20
#: More buffers than this are joined before one system call.
_MOST_BUFFERS = 512
_LOOK_S = 0.25

_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


_ROOM = QT_TRANSLATE_NOOP(
    "downloads", "Free some space and go on, or choose another models folder. What is there stays."
)

# fmt: off
_no_space = Failure(
    Environment, "download.space", "path size",
    QT_TRANSLATE_NOOP("downloads", "The disk of {path} lacks {size} GB for this."), _ROOM, "retry",
)
_full = Failure(
    Environment, "download.full", "path", QT_TRANSLATE_NOOP("downloads", "The disk of {path} is full."), _ROOM, "retry",
)
_gone = Failure(
    Environment, "download.gone", "path",
    QT_TRANSLATE_NOOP("downloads", "The unfinished file in {path} has disappeared."),
    QT_TRANSLATE_NOOP("downloads", "If it is on a drive that was removed, connect it again, then go on."), "retry",
)
_too_large = Failure(
    Environment, "download.large", "path",
    QT_TRANSLATE_NOOP("downloads", "The disk of {path} cannot hold so large a file."),
    QT_TRANSLATE_NOOP("downloads", "Choose a models folder on another disk; drives formatted as FAT32 end at 4 GB."),
)
_read_only = Failure(
    Environment, "download.readonly", "path",
    QT_TRANSLATE_NOOP("downloads", "Nothing can be written into {path}."),
    QT_TRANSLATE_NOOP("downloads", "Change its permissions, or choose another models folder in Settings."),
    "view.settings",
)
#: What a download leaves that is cancelled, and what it cannot replace when it ends.
left_behind = Failure(
    Environment, "download.left", "path",
    QT_TRANSLATE_NOOP("downloads", "The unfinished file {path} cannot be removed."),
    QT_TRANSLATE_NOOP(
        "downloads", "Another program has it open. Delete it later, or get the model: that goes on from there."
    ),
)
in_use = Failure(
    Environment, "download.in_use", "path",
    QT_TRANSLATE_NOOP("downloads", "{path} is in use and cannot be replaced."),
    QT_TRANSLATE_NOOP("downloads", "Choose another model, then go on."), "retry",
)
#: Another window or command has the lock.
other_at_work = Failure(
    Environment, "download.other", "",
    QT_TRANSLATE_NOOP("downloads", "Another window or command is fetching the same file."), action="retry",
)
# fmt: on


class Handle:
    """One thread's own way into the file: nobody else closes it or moves its place."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises ``OSError``."""
        self._file = os.open(path, _FLAGS)

    def write(self, place: int, buffers: Sequence[bytes]) -> None:
        """Write ``buffers`` one after the other from byte ``place`` on. Raises ``OSError``."""
        written = 0
        if hasattr(os, "pwritev") and len(buffers) <= _MOST_BUFFERS:
            written = os.pwritev(self._file, buffers, place)
            if written == sum(map(len, buffers)):
                return
        place += written
        data = memoryview(b"".join(buffers))[written:]
        while data:
            if hasattr(os, "pwrite"):
                written = os.pwrite(self._file, data, place)
            else:
                os.lseek(self._file, place, os.SEEK_SET)
                written = os.write(self._file, data)
            data = data[written:]
            place += written

    def read(self, place: int, buffer: memoryview) -> int:
        """Fill ``buffer`` from byte ``place`` on; returns how many bytes there were. Raises ``OSError``."""
        if hasattr(os, "preadv"):
            count: int = os.preadv(self._file, [buffer], place)
            return count
        os.lseek(self._file, place, os.SEEK_SET)
        data = os.read(self._file, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def flush(self) -> None:
        """Have everything on the disk. Raises ``OSError``."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close it."""
        os.close(self._file)


class PartFile:
    """The file that is being filled. ``size`` is what it will have."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self._inode = 0

    def present(self) -> int:
        """Bytes that the file has now, -1 when there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return -1

    def open(self, others: int = 0) -> None:
        """Create it and take its room on the disk, beside ``others`` more bytes that will be needed.

        Raises ``AppError`` when there is too little room, the folder cannot be written or the file system cannot hold
        so large a file.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, _FLAGS | os.O_CREAT, 0o644)
        except OSError as error:
            raise of_disk(error, self.path) from error
        try:
            check_space(self.path.parent, self.size - min(self.size, allocated(self.path)) + others)
            _allocate(file, self.size)
            if os.fstat(file).st_size != self.size:
                set_size(file, self.size)
            self._inode = os.fstat(file).st_ino
        except OSError as error:
            raise of_disk(error, self.path) from error
        finally:
            os.close(file)

    def handle(self) -> Handle:
        """A way into it for one thread. Raises ``OSError``."""
        return Handle(self.path)

    def watch(self) -> None:
        """Raise ``Environment`` when the file is gone, or the disk so full that what is missing will not fit."""
        folder = self.path.parent
        try:
            same = self.path.stat().st_ino == self._inode
            missing = self.size - allocated(self.path)
        except OSError as error:
            raise _gone(str(folder)) from error
        if not same:
            raise _gone(str(folder))
        if missing > SPARE:
            check_space(folder, missing)


def check_space(folder: Path, needed: int) -> None:
    """Raise ``Environment`` when ``needed`` more bytes would not leave ``SPARE`` free in ``folder``."""
    if needed <= 0:
        return
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise _no_space(str(folder), (needed + SPARE - free) / 1e9)


def of_disk(error: OSError, path: Path) -> AppError:
    """The sentence for a failure of the disk under a download."""
    folder = str(path.parent)
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1)) or getattr(error, "winerror", 0) == 112:
        return _full(folder)
    if error.errno == errno.EFBIG:
        return _too_large(folder)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return _read_only(folder)
    if not error.filename:
        error.filename = str(path)
    return error_of(os_problem(error))


def patiently(work: Callable[[], object], until: float) -> None:
    """Do what Windows refuses while somebody has the file open: a thread that has been stopped, a virus scanner.

    Raises ``PermissionError`` when that is still so at ``until`` (by ``time.monotonic``).
    """
    while True:
        try:
            work()
        except PermissionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


def allocated(path: Path) -> int:
    """Bytes of the disk that the file takes already. Raises ``OSError``."""
    if sys.platform == "win32":
        return windows_files.allocated(path)
    else:  # noqa: RET505 - mypy knows platforms by branches
        return path.stat().st_blocks * 512


def set_size(file: int, size: int) -> None:
    """Make the open file so long; nothing is written for what is missing. Raises ``OSError``."""
    if sys.platform == "win32":
        windows_files.set_size(file, size)
    else:
        os.ftruncate(file, size)


def _allocate(file: int, size: int) -> None:
    """Take the room now, where the file system can do that at once.

    ``os.posix_fallocate`` would write zeros to every block where it cannot (network disks, FAT): minutes for nothing.
    """
    if sys.platform.startswith("linux"):
        try:
            fallocate = ctypes.CDLL(None, use_errno=True).fallocate
        except (OSError, AttributeError):
            return
        fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
        if fallocate(file, 0, 0, size) != 0 and ctypes.get_errno() in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def lock_path(target: Path) -> Path:
    """The lock of the file that becomes ``target``."""
    return target.with_name(target.name + ".lock")


@contextmanager
def locked(targets: Sequence[Path], waiting: Callable[[], None]) -> Iterator[None]:
    """Have ``targets`` to oneself. ``waiting`` is called four times a second while another process has one of them,
    and may raise. Raises ``AppError`` for a folder that cannot be written."""
    with ExitStack() as stack:
        for target in sorted(targets):  # in one order, so that two never wait for each other
            try:
                stack.enter_context(held(lock_path(target), waiting, _LOOK_S))
            except OSError as error:
                raise of_disk(error, lock_path(target)) from error
        yield


def remove_lock(target: Path) -> None:
    """Remove the lock's file while it is held, when nobody will need it again."""
    with contextlib.suppress(OSError):
        lock_path(target).unlink(missing_ok=True)
