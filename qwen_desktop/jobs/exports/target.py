"""Where an export is written: one file, an archive or a folder, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.files import flush_folder, replacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

#: What archives say of each file's time: the same history gives the same archive.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_STORED = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".zip", ".mp3", ".docx", ".xlsx", ".epub"})

# fmt: off
_not_empty = Failure(
    UserFacing, "export.not_empty", "path",
    QT_TRANSLATE_NOOP("exports", "There is something in the folder {path} already."),
    QT_TRANSLATE_NOOP("exports", "Choose a new name for the folder of the export."),
)
_no_folder = Failure(
    UserFacing, "export.no_folder", "path", QT_TRANSLATE_NOOP("exports", "The folder {path} does not exist."),
    QT_TRANSLATE_NOOP("exports", "Make it first, or choose another place."),
)
# fmt: on


class Target(Protocol):
    """Takes the files of an export by their paths in the manner of an archive ("Work/Ideas.md")."""

    def add(self, path: str, data: bytes) -> None:
        """One file more. Raises ``OSError``."""


def mode() -> int:
    """The mode of a new file, as the user's other programs make them."""
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


@contextlib.contextmanager
def archive(path: Path) -> Iterator[Target]:
    """An archive that replaces ``path`` when the block has ended without an exception."""
    check_parent(path)
    with replacing(path, mode=mode()) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        yield _Archive(made)


class _Archive:
    def __init__(self, made: zipfile.ZipFile) -> None:
        self._made = made

    def add(self, path: str, data: bytes) -> None:
        entry = zipfile.ZipInfo(path, _EPOCH)
        stored = Path(path).suffix.lower() in _STORED
        entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        entry.external_attr = 0o100644 << 16
        self._made.writestr(entry, data)


@contextlib.contextmanager
def folder(path: Path) -> Iterator[Target]:
    """A folder that is there when the block has ended without an exception. Raises ``UserFacing`` where one with
    something in it stands already."""
    check_parent(path)
    if path.exists():
        if not path.is_dir():
            raise NotADirectoryError(20, os.strerror(20), str(path))
        if any(path.iterdir()):
            raise _not_empty(str(path))
    work = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent))
    try:
        yield _Folder(work)
        work.chmod(0o777 & ~(0o666 & ~mode()))
        if path.exists():
            path.rmdir()
        work.rename(path)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    flush_folder(path.parent)


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._mode = mode()

    def add(self, path: str, data: bytes) -> None:
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        place.chmod(self._mode)


def check_parent(path: Path) -> None:
    """Raises a sentence where the folder that ``path`` is to lie in is not there, or ``path`` is a folder's own name
    for a file (``OSError`` of the write says that)."""
    if not path.parent.is_dir():
        raise _no_folder(str(path.parent))
