"""Big files: hashing them, copying them into the models folder. Runs in the transfers worker.

A copy is hashed while it is read, flushed to the disk, read back and compared, and only then gets its name. ``report``
is called often: it raises ``Cancelled`` when nobody waits any more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from qwen_desktop.core.errors import Cancelled
from qwen_desktop.core.files import flush_folder, open_raw
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.hub import library_errors as errors
from qwen_desktop.hub.installed import COPYING, lies_in
from qwen_desktop.hub.inventory import LibraryEntry
from qwen_desktop.hub.manifest import Manifest, ManifestFile, manifest_name, read_manifest, write_manifest
from qwen_desktop.hub.names import is_gguf, is_repo, safe_name

Report = Callable[..., Any]
_CHUNK = 4 << 20
_TELL_S = 0.1
#: Left free on a disk after a copy, in bytes: a full system disk harms everything.
_SPARE = 256 << 20


class CopyMeter:
    """Adds up bytes over several files and reports them ten times a second.

    Who cannot leave before the job has ended tells it ``stop`` (see ``jobs.client.Channel``).
    """

    def __init__(self, report: Report, total: int, done: int = 0) -> None:
        self._report = report
        self.total = total
        self.done = done
        self._told = 0.0

    def add(self, count: int) -> None:
        """``count`` more bytes are done. Raises ``Cancelled``."""
        self.done += count
        now = time.monotonic()
        if now - self._told >= _TELL_S:
            self._told = now
            told = self._report(min(self.done, self.total), self.total)
            if told and told.get("stop"):
                raise Cancelled(Text("job.cancelled", QT_TRANSLATE_NOOP("jobs", "The job was stopped.")))


def hash_files(paths: list[str], report: Report) -> list[str]:
    """The job ``library.hash``: the SHA-256 of each file. Raises ``OSError`` and ``Cancelled``."""
    meter = CopyMeter(report, sum(Path(path).stat().st_size for path in paths))
    hashes = [sha256_of(Path(path), meter.add) for path in paths]
    report(meter.total, meter.total)
    return hashes


def sha256_of(path: Path, add: Callable[[int], object]) -> str:
    """The SHA-256 of a file. ``add`` is told of each piece's bytes and may raise. Raises ``OSError``."""
    hashed = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    with open_raw(path) as file:
        while count := file.readinto(buffer):
            hashed.update(buffer[:count])
            add(count)
    return hashed.hexdigest()


def has_size(path: Path, size: int) -> bool:
    """Whether a file is there and has so many bytes."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def copy_file(source: Path, target: Path, meter: CopyMeter) -> str:
    """Copy ``source`` to ``target`` and return its SHA-256. ``target`` appears only when it is whole and verified.

    Counts each byte twice: once for writing, once for reading it back. Raises ``OSError``, ``Cancelled`` and
    ``Environment`` when what can be read back differs.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + COPYING)
    hashed = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    try:
        with open_raw(source) as reading, part.open("wb", buffering=0) as writing:
            while count := reading.readinto(buffer):
                hashed.update(buffer[:count])
                left = buffer[:count]
                while left:
                    left = left[writing.write(left) :]
                meter.add(count)
            os.fsync(writing.fileno())
            if sys.platform == "linux":  # else the reading back would only see the memory
                os.posix_fadvise(writing.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if sha256_of(part, meter.add) != hashed.hexdigest():
            raise errors.copy_differs(source.name)
        status = source.stat()
        os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns))
        part.replace(target)
        flush_folder(target.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return hashed.hexdigest()


def check_space(folder: Path, needed: int) -> None:
    """Raise ``Environment`` when ``folder`` (or where it will be) has too little room for ``needed`` bytes."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed and free < needed + _SPARE:
        raise errors.no_space(needed + _SPARE, free, str(folder))


# Importing by copying ------------------------------------------------------------------------------------------------


def copy_in(entry: dict[str, Any], folder: str, report: Report) -> str:
    """The job ``library.copy``: copy a linked model's files into the models folder, write its manifest, and return the
    first file's path. A copy that lies there already is taken as it is. Raises ``AppError`` and ``OSError``."""
    wanted = msgspec.convert(entry, LibraryEntry)
    sources = wanted.all_files
    root = Path(folder)
    if lies_in(wanted, root):
        _adopt(wanted)
        return wanted.path
    sizes = {file.path: Path(file.path).stat().st_size for file in sources}
    meter = CopyMeter(report, sum(sizes.values()) * 2)
    home, there = _home(root, wanted, meter)
    check_space(home, sum(size for path, size in sizes.items() if path not in there))
    done: list[ManifestFile] = []
    made: list[Path] = []
    try:
        for file in sources:
            target = home / _target_name(wanted, Path(file.path))
            sha256 = there.get(file.path, "")
            if not sha256:
                made.append(target)
                sha256 = copy_file(Path(file.path), target, meter)
            done.append(ManifestFile(target.name, sizes[file.path], sha256))
        count = len(wanted.files)
        _write(home, wanted, done[:count], done[count:])
        return str(home / done[0].path)
    except BaseException:
        for target in made:
            with contextlib.suppress(OSError):
                target.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            home.rmdir()
            home.parent.rmdir()
        raise


def _home(root: Path, entry: LibraryEntry, meter: CopyMeter) -> tuple[Path, dict[str, str]]:
    """The folder for the copy, and the hashes of files that lie in it already: by repository, else by name; a number
    is added where other files have the names."""
    repo = entry.repo if is_repo(entry.repo) else f"local/{_stem(entry.name)}"
    sources = [Path(file.path) for file in entry.all_files]
    for number in range(1, 1000):
        home = root.joinpath(*(repo if number == 1 else f"{repo}-{number}").split("/"))
        there: dict[str, str] = {}
        for source in sources:
            target = home / _target_name(entry, source)
            if not os.path.lexists(target):
                continue
            sha256 = sha256_of(target, meter.add) if has_size(target, source.stat().st_size) else ""
            if not sha256 or sha256 != sha256_of(source, meter.add):
                break
            there[str(source)] = sha256
        else:
            return home, there
    raise errors.target_taken(sources[0].name)


def _stem(name: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:80]
    return stem if is_repo(f"local/{stem}") else "model"


def _target_name(entry: LibraryEntry, source: Path) -> str:
    """The copy's file name. A blob without an ending is named after its model."""
    if is_gguf(source.name):
        return safe_name(source.name)
    stem = _stem(entry.name)
    if entry.mmproj is not None and str(source) == entry.mmproj.path:
        return f"mmproj-{stem}.gguf"
    return f"{stem}-{entry.quant}.gguf" if entry.quant else f"{stem}.gguf"


def _adopt(entry: LibraryEntry) -> None:
    """A file that lies in the models folder already gets its manifest."""
    home = Path(entry.path).parent
    if entry.mmproj is not None and Path(entry.mmproj.path).parent != home:
        entry = structs.replace(entry, mmproj=None)
    files = [ManifestFile(Path(f.path).name, Path(f.path).stat().st_size, f.sha256) for f in entry.files]
    mmproj = [ManifestFile(Path(m.path).name, m.size_bytes, m.sha256) for m in (entry.mmproj,) if m]
    _write(home, entry, files, mmproj)


def _write(home: Path, entry: LibraryEntry, files: Sequence[ManifestFile], mmproj: Sequence[ManifestFile]) -> None:
    write_manifest(
        home,
        Manifest(
            repo=entry.repo,
            quant=_free_quant(home, entry.quant or Path(files[0].path).stem, files[0].path),
            files=tuple(files),
            mmproj=tuple(mmproj),
            licence=entry.licence,
            source=entry.origin,
            time=time.time(),
            title=entry.name,
            origin="imported",
        ),
    )


def _free_quant(home: Path, quant: str, file: str) -> str:
    """The quant as the manifest's name has it; with the file's name where another model of the folder has that."""
    other = read_manifest(home / manifest_name(quant))
    return quant if other is None or other.files[0].path == file else Path(file).stem
