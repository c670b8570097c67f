"""The unfinished file on the disk: room for it, writing at any place from several threads, and what may go wrong."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from qwen_desktop.core.errors import AppError, Environment, error_of, os_problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean
from qwen_desktop.hub import windows_files

#: Left free on the disk, in bytes: a full system disk harms everything.
SPARE = 128 << 20
#: More buffers than this are joined before one system call.
_MOST_BUFFERS = 512

_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Handle:
    """One thread's own way into the file: nobody else closes it or moves its place."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises ``OSError``."""
        self._file = os.open(path, _FLAGS)

    def write(self, place: int, buffers: Sequence[bytes]) -> None:
        """Write ``buffers`` one after the other from byte ``place`` on. Raises ``OSError``."""
        if hasattr(os, "pwritev") and len(buffers) <= _MOST_BUFFERS:
            left = sum(map(len, buffers))
            written = os.pwritev(self._file, buffers, place)
            if written == left:
                return
            place += written
            data = memoryview(b"".join(buffers))[written:]
        else:
            data = memoryview(b"".join(buffers))
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
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


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
        try:
            status = self.path.stat()
        except OSError as error:
            raise gone(self.path.parent) from error
        if status.st_ino != self._inode:
            raise gone(self.path.parent)
        try:
            missing = self.size - allocated(self.path)
        except OSError as error:
            raise gone(self.path.parent) from error
        if missing > SPARE:
            check_space(self.path.parent, missing)


def check_space(folder: Path, needed: int) -> None:
    """Raise ``Environment`` when ``needed`` more bytes would not leave ``SPARE`` free in ``folder``."""
    if needed <= 0:
        return
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise no_space(folder, needed + SPARE - free)


def no_space(folder: Path, missing: int) -> AppError:
    """The disk is too small by ``missing`` bytes (0: unknown)."""
    params: dict[str, str | int | float] = {"path": clean(str(folder)), "size": f"{missing / 1e9:.1f}"}
    what = (
        Text("download.space", QT_TRANSLATE_NOOP("downloads", "The disk of {path} lacks {size} GB for this."), params)
        if missing
        else Text("download.full", QT_TRANSLATE_NOOP("downloads", "The disk of {path} is full."), params)
    )
    return Environment(
        what,
        Text(
            "download.space.hint",
            QT_TRANSLATE_NOOP(
                "downloads", "Free some space and go on, or choose another models folder. What is there stays."
            ),
        ),
        action="retry",
    )


def gone(folder: Path) -> AppError:
    """The folder (or the drive that it was on) has disappeared."""
    return Environment(
        Text(
            "download.gone",
            QT_TRANSLATE_NOOP("downloads", "The unfinished file in {path} has disappeared."),
            {"path": clean(str(folder))},
        ),
        Text(
            "download.gone.hint",
            QT_TRANSLATE_NOOP("downloads", "If it is on a drive that was removed, connect it again, then go on."),
        ),
        action="retry",
    )


def of_disk(error: OSError, path: Path) -> AppError:
    """The sentence for a failure of the disk under a download."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1)) or getattr(error, "winerror", 0) == 112:
        return no_space(path.parent, 0)
    if error.errno == errno.EFBIG:
        return Environment(
            Text(
                "download.large",
                QT_TRANSLATE_NOOP("downloads", "The disk of {path} cannot hold so large a file."),
                {"path": clean(str(path.parent))},
            ),
            Text(
                "download.large.hint",
                QT_TRANSLATE_NOOP(
                    "downloads", "Choose a models folder on another disk; drives formatted as FAT32 end at 4 GB."
                ),
            ),
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Environment(
            Text(
                "download.readonly",
                QT_TRANSLATE_NOOP("downloads", "Nothing can be written into {path}."),
                {"path": clean(str(path.parent))},
            ),
            Text(
                "download.readonly.hint",
                QT_TRANSLATE_NOOP("downloads", "Change its permissions, or choose another models folder in Settings."),
            ),
            action="view.settings",
        )
    if not error.filename:
        error.filename = str(path)
    return error_of(os_problem(error))


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
