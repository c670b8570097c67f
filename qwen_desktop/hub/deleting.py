"""Deleting a model's files: into the bin where the drive has one, else for good. Runs in the transfers worker.

Windows' own call deletes for good without a word on network and removable drives and for what is larger than the bin,
and refuses a file that is open or mapped into memory only when others have gone already. Both are found out before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.hub import library_errors as errors
from qwen_desktop.hub import windows_files
from qwen_desktop.hub.inventory import LibraryEntry
from qwen_desktop.hub.manifest import read_manifest

Report = Callable[..., Any]

#: ``winerror`` of a file that a program has open (32, 33) or mapped into memory (5, 1224).
_DENIED = 5
_IN_USE = (_DENIED, 32, 33, 1224)
_REMOVABLE, _NETWORK, _DISC, _MEMORY = 2, 4, 5, 6


class Drive(Struct, frozen=True):
    """What Windows says of a drive: its type as ``GetDriveTypeW`` has it, whether the shell knows a bin there, whether
    the user has turned the bin off, and how many bytes it may hold (None: unknown)."""

    kind: int
    bin: bool
    off: bool = False
    room: int | None = None


def why_no_bin(paths: Sequence[Path]) -> Text | None:
    """Why these files would be deleted for good; None when they go to the bin, as far as can be known before.

    Elsewhere than on Windows the system itself refuses instead of deleting for good. Some milliseconds; never raises.
    """
    if sys.platform == "win32":
        try:
            volume = windows_files.volume_of(paths[0])
            off, room = windows_files.bin_settings(volume)
            drive = Drive(windows_files.drive_type(volume), windows_files.has_bin(volume), off, room)
            return no_bin_on(drive, sum(path.stat().st_size for path in paths if path.exists()))
        except OSError:
            return None
    else:
        return None


def no_bin_on(drive: Drive, size: int) -> Text | None:
    """Why ``size`` bytes would not go to this drive's bin."""
    if drive.kind == _NETWORK:
        return Text("library.no_bin.network", QT_TRANSLATE_NOOP("library", "A network drive has no bin."))
    if drive.kind in (_REMOVABLE, _DISC, _MEMORY) or not drive.bin:
        return Text("library.no_bin.drive", QT_TRANSLATE_NOOP("library", "This drive has no bin."))
    if drive.off:
        return Text("library.no_bin.off", QT_TRANSLATE_NOOP("library", "The bin of this drive is turned off."))
    if drive.room is None or size <= drive.room:
        return None
    return Text("library.no_bin.small", QT_TRANSLATE_NOOP("library", "The model is larger than the bin of its drive."))


def delete_model(entry: dict[str, Any], permanent: bool, report: Report) -> None:
    """The job ``library.delete``: the files of a model of ours, its manifest last, to the bin or for good.

    A folder that holds nothing else goes as a whole. An mmproj that another model of the folder uses stays. Raises
    ``Environment`` with action "delete_permanently" where there is no bin, ``UserFacing`` when a file is in use (then
    nothing has gone), and ``OSError``.
    """
    wanted = msgspec.convert(entry, LibraryEntry)
    root, first = Path(wanted.folder), Path(wanted.path)
    home, going = _going(wanted)
    others = [path for path in home.rglob("*") if path not in going and not path.is_dir()] if home.is_dir() else []
    whole = home != root and not others and home.is_dir()
    if not permanent and going and (reason := why_no_bin(going)) is not None:
        raise errors.no_bin(first.name, reason)
    for path in going:
        with _unless_in_use(path, first.name), contextlib.suppress(FileNotFoundError):
            check_deletable(path)
    if whole and not permanent:
        report(0, len(going))
        _to_bin(home, first.name)
    else:
        for number, path in enumerate(going):
            report(number, len(going))
            (_erase if permanent else _to_bin)(path, first.name)
    inside = sorted(home.rglob("*"), reverse=True) if whole else []
    for folder in (*inside, *(place for place in (home, home.parent) if place != root and root in place.parents)):
        with contextlib.suppress(OSError):
            folder.rmdir()  # only empty ones go


def _going(entry: LibraryEntry) -> tuple[Path, list[Path]]:
    """The model's folder, and what goes with it in the order of going."""
    root, first = Path(entry.folder), Path(entry.path)
    home, manifests, kept = first.parent, [], set()
    for place in (first.parent, *first.parent.parents):
        found = [(path, note) for path in sorted(place.glob("model-*.json")) if (note := read_manifest(path))]
        for path, note in found:
            if any(place / file.path == first for file in note.files):
                manifests.append(path)
                home = place
            else:
                kept |= {place / file.path for file in (*note.files, *note.mmproj)}
        if place == root:
            break
    files = [Path(entry.absolute(file)) for file in entry.all_files]
    return home, [path for path in files if path not in kept and os.path.lexists(path)] + manifests


def is_in_use(error: OSError, path: Path) -> bool:
    """Whether this is Windows' refusal of a file that somebody uses. It says the same (5) of one that is read-only."""
    number = getattr(error, "winerror", None)
    return number in _IN_USE and not (number == _DENIED and path.is_file() and not os.access(path, os.W_OK))


@contextlib.contextmanager
def _unless_in_use(path: Path, shown: str) -> Iterator[None]:
    """Raise the sentence where the system refuses since somebody uses the file."""
    try:
        yield
    except OSError as error:
        if is_in_use(error, path):
            raise errors.in_use(shown) from error
        raise


def check_deletable(path: Path) -> None:
    """Raise the ``OSError`` with which deleting would fail, where the system can tell before."""
    if sys.platform == "win32":
        windows_files.check_deletable(path)


def _erase(path: Path, shown: str) -> None:
    with _unless_in_use(path, shown):
        path.unlink(missing_ok=True)


def _to_bin(path: Path, shown: str) -> None:
    from send2trash import send2trash  # type: ignore[import-untyped]  # noqa: PLC0415 - only when something is deleted

    try:
        with _unless_in_use(path, shown):
            send2trash(str(path))
    except FileNotFoundError:
        if os.path.lexists(path):
            raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EROFS):
            raise
        raise errors.no_bin(shown, details=f"{type(error).__name__} {error.errno}") from error
