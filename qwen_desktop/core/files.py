"""The one atomic write, the one way to open a file that somebody else named, and copies of what is set aside."""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: Links that lead to links: more than this many are a circle.
_MOST_LINKS = 40
#: How much of a name goes into that of its temporary file: no name may have more than 255 bytes.
_PREFIX = 48


class NotAFile(OSError):  # noqa: N818 - what is wrong, as the built-in ones are called
    """A pipe, socket, device or folder stands where a file should be."""


def open_file(path: str | Path) -> BinaryIO:
    """Open a file for reading. ``open`` would wait for ever for the writer of a pipe, and a device has no end.

    Raises ``NotAFile`` for what is no file (``IsADirectoryError`` for a folder) and ``OSError``.
    """
    return io.BufferedReader(open_raw(path))


def open_raw(path: str | Path) -> io.FileIO:
    """As ``open_file``, without a buffer."""
    _refuse_others(os.stat(path).st_mode, path)  # noqa: PTH116 - some devices do things when they are opened
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | _CLOEXEC)
    try:
        _refuse_others(os.fstat(descriptor).st_mode, path)
        if sys.platform != "win32":
            os.set_blocking(descriptor, True)
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


_CLOEXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)


def read_file(path: str | Path, most: int = -1) -> bytes:
    """The content of a file, ``most`` bytes of it at most. Raises as ``open_file``."""
    with open_file(path) as file:
        return file.read(most)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace ``path`` by ``data``; see ``replacing``."""
    with replacing(path, mode=mode) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Replace ``path`` by what is written into the file that this gives, so that a reader or a power cut sees the old
    or the new content, never a part. Nothing has happened where an exception leaves the block.

    The temporary file lies in the same folder (replace works only within a file system); file and folder are flushed
    to the disk. A link stays one: what it leads to is replaced. A file that exists keeps its mode, and its owner and
    group where the system lets us; ``mode`` is that of a new one. On Windows a virus scanner may hold the target for a
    moment: tried for 1 s. Raises ``OSError``, whose ``filename`` is the place where a link leads.
    """
    import tempfile  # noqa: PLC0415 - only writes need it, and the first paint reads

    target = linked_to(path)
    if target == path:
        path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=temporary_prefix(target.name), dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            _as_before(file.fileno(), target, mode)
            os.fsync(file.fileno())
        _replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    flush_folder(target.parent)


def temporary_prefix(name: str) -> str:
    """How the names of temporary files begin while the file ``name`` is written; a killed process leaves one."""
    return f".{name[:_PREFIX]}."


def linked_to(path: Path) -> Path:
    """Where a write to ``path`` goes: itself, or the end of the links that begin there (which need not exist).

    Raises ``OSError`` for links in a circle, and for one that another user has put there.
    """
    place = path
    for _ in range(_MOST_LINKS):
        try:
            status = os.lstat(place)
        except OSError:  # nothing there, or a folder that cannot be looked into: the write says which
            return place
        if not stat.S_ISLNK(status.st_mode):
            return place
        if sys.platform != "win32" and status.st_uid not in (0, os.geteuid()):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        place = place.parent / os.readlink(place)  # noqa: PTH115 - one step, as it is written
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def set_aside(path: Path, data: bytes, word: str) -> Path:
    """Keep ``data``, which stood in ``path``, beside it as ``<name>.<word>-<number>`` and return where.

    Nothing that was kept before is overwritten; the same bytes are kept once. Raises ``OSError``.
    """
    for number in itertools.count(1):
        kept = path.with_name(f"{path.name[:200]}.{word}-{number}")
        try:
            handle = os.open(kept, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:
            with contextlib.suppress(OSError):
                if read_file(kept, len(data) + 1) == data:
                    return kept
            continue
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                kept.unlink()
            raise
        break
    flush_folder(kept.parent)
    return kept


def _refuse_others(mode: int, path: str | Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise NotAFile(errno.EINVAL, os.strerror(errno.EINVAL), str(path))


def _as_before(descriptor: int, target: Path, mode: int) -> None:
    """Give the new file the mode, owner and group of the one that it replaces; refuse to replace what is no file."""
    before: os.stat_result | None = None
    with contextlib.suppress(FileNotFoundError):
        before = target.stat()
    if before is not None:
        _refuse_others(before.st_mode, target)
        mode = stat.S_IMODE(before.st_mode)
    if sys.platform != "win32":
        if before is not None:
            mine = os.fstat(descriptor)
            if mine.st_uid != before.st_uid:
                with contextlib.suppress(OSError):
                    os.fchown(descriptor, before.st_uid, -1)
            if mine.st_gid != before.st_gid:
                try:
                    os.fchown(descriptor, -1, before.st_gid)
                except OSError:
                    mode &= ~stat.S_IRWXG  # what that group was allowed is not for another one
        os.fchmod(descriptor, mode)


def _replace(source: Path, target: Path) -> None:
    deadline = time.monotonic() + 1.0
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if sys.platform == "win32" and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            raise


def flush_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut, where the system can (some network file systems cannot)."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
