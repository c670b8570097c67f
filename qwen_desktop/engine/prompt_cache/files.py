"""The files of what conversations have evaluated. Pure: knows no llama.cpp, so that the app may use it, too.

A folder a conversation, named by a hash of its key; in it a folder for all that the rows depend on (``key``: model,
template, attention, precision, adapters …); in that:

- ``….rows``: a **segment**, the rows of some tokens that follow each other. It is written once and never changed.
- ``….mark``: a checkpoint, the recurrent part of a state.
- ``….index``: the tokens that were evaluated, how, and the segments that hold their rows, with how many of the rows
  of each count, and their SHA-256. Written beside and put in place, so there is a whole one or none.

So a save appends rows, a conversation that went back and on differently is one more index, and its versions share what
they begin with. A process that is killed leaves files that no index names, which are swept. Nothing is used unless all
checks hold: the form's version, the key, sizes, bounds and every checksum. What does not hold is removed.

Several processes use one folder at once, without locks: segments and indices are never changed, a file that somebody
has removed is not used, and what is not named yet is left alone while it is young. ``forget`` leaves a note with the
time, and whoever has evaluated something before that does not write it any more.

Everything that is written goes through ``door.seal`` and comes back through ``unseal``.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import secrets
import shutil
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core.files import open_file
from qwen_desktop.engine.prompt_cache import door
from qwen_desktop.engine.prompt_cache.door import Buffer
from qwen_desktop.engine.prompt_cache.index import (
    FORM,
    NAME,
    Index,
    Mark,
    Segment,
    index_bytes,
    merged,
    read_index,
)

log = logging.getLogger(__name__)

_ROWS = b"QDKVR%03d" % FORM
_LENGTH = struct.Struct("<I")
#: So many versions of a conversation are kept, those that were used last.
_MOST_INDICES = 6
#: A file that no index names may be one that is being written, for so long, in seconds.
_YOUNG_S = 600.0
#: For so long, in seconds, it is remembered that a conversation was forgotten.
_GONE_S = 2 * 86_400.0
#: The time of a note is as exact as this, but on disks of FAT and other old ones, which count by two seconds; in
#: nanoseconds.
_TICK_NS, _FAT_NS = 1_000_000, 2_000_000_000
#: What files have besides, in bytes, is less than this.
_OVERHEAD = 1 << 10
#: So much of the disk stays free, in bytes.
DISK_RESERVE = 1 << 30
#: Seconds; conversations whose ages differ by less than twice are dropped by what it costs to read them again.
_AGE_S = 600.0


class NotKept(Exception):  # noqa: N818 - it is no mistake
    """It is not written: there is no room, or it was forgotten meanwhile."""


class Content(Struct, frozen=True):
    """What is to be written. ``rows(first, end)`` gives the rows of these tokens as blocks of bytes, ``row_bytes`` is
    about how many a token has. ``known`` are segments that hold the first tokens' rows already. ``marks`` are the
    checkpoints, by their positions."""

    index: Index
    rows: Callable[[int, int], Iterable[Buffer]]
    row_bytes: int
    known: tuple[Segment, ...] = ()
    marks: tuple[tuple[int, bytes], ...] = ()


class Found(Struct, frozen=True):
    """An index and its file."""

    path: Path
    index: Index


class Folder:
    """A folder of kept conversations; need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def place(self, cache_key: str, key: str) -> Place:
        """Where what a conversation has evaluated under ``key`` (32 hexadecimal digits) is kept."""
        return Place(self, _name(cache_key), key)

    def forget(self, cache_keys: Iterable[str]) -> None:
        """Remove what is kept of conversations, whatever models wrote it. What another process evaluated of them
        before this is never written after it."""
        for name in map(_name, cache_keys):
            if self.path.is_dir():
                self._gone(name)
            _remove(self.path / name)

    def clear(self) -> None:
        """Remove everything that is kept; as ``forget``."""
        if not self.path.is_dir():
            return
        self._gone("all")
        for folder in self._conversations():
            _remove(folder)

    def size(self) -> tuple[int, int]:
        """Bytes and conversations that are kept."""
        size = conversations = 0
        for folder in self._conversations():
            places = [_look(place) for place in _folders(folder)]
            size += sum(place.size for place in places)
            conversations += any(place.used for place in places)
        return size, conversations

    def sweep(self, budget: int, *, spare: Path | None = None, tidy: bool = False) -> None:
        """Remove until all together have at most ``budget`` bytes: what was used long ago first, and of what is about
        equally old what is soonest read again. Not what is in the folder ``spare``, and nothing of a process that just
        writes it. To ``tidy`` looks at each file whether it is of any use; costs some milliseconds a conversation."""
        now = time.time()
        found: list[_Look] = []
        for conversation in self._conversations():
            for folder in _folders(conversation):
                if tidy and NAME.fullmatch(folder.name):
                    Place(self, conversation.name, folder.name).tidy(now)
                look = _look(folder)
                if not look.used and now - look.newest > _YOUNG_S and folder != spare:
                    _remove(folder)
                else:
                    found.append(look)
            with contextlib.suppress(OSError):
                conversation.rmdir()  # only when it is empty
        total = sum(look.size for look in found)
        for look in sorted(found, key=lambda look: look.worth(now)):
            if total <= budget:
                break
            if look.folder != spare and look.used:
                _remove(look.folder)
                with contextlib.suppress(OSError):
                    look.folder.parent.rmdir()
                total -= look.size
        with contextlib.suppress(OSError):
            for note in self.path.glob("*.gone"):
                if now - note.stat().st_mtime > _GONE_S:
                    note.unlink(missing_ok=True)

    def gone(self, conversation: str) -> float:
        """When a conversation (its folder's name) was forgotten last (``time.time``); 0.0 for never."""
        times = [0.0]
        for name in (conversation, "all"):
            with contextlib.suppress(OSError):
                times.append(os.stat(self.path / f"{name}.gone").st_mtime)  # noqa: PTH116 - a third of the time
        return max(times)

    def _gone(self, name: str) -> None:
        """Note that it is forgotten now. Before anything is removed: who writes looks for this when he has written."""
        note = self.path / f"{name}.gone"
        with contextlib.suppress(OSError):
            os.close(os.open(note, os.O_CREAT | os.O_WRONLY, 0o600))
            os.utime(note)  # creating it takes the time of the last tick
            now = time.time_ns()
            os.utime(note, ns=(now, now))
            if now - note.stat().st_mtime_ns > _TICK_NS:  # FAT counts by two seconds, downwards
                os.utime(note, ns=(now + _FAT_NS, now + _FAT_NS))

    def _conversations(self) -> Iterator[Path]:
        return (folder for folder in _folders(self.path) if NAME.fullmatch(folder.name))


class Place:
    """What a conversation has evaluated under one key. ``folder`` need not exist."""

    def __init__(self, home: Folder, conversation: str, key: str) -> None:
        if not NAME.fullmatch(key):
            raise ValueError("a key has 32 hexadecimal digits")
        self._home = home
        self._conversation = conversation
        self.key = key
        self.folder = home.path / conversation / key

    @property
    def gone(self) -> float:
        """When the conversation was forgotten last."""
        return self._home.gone(self._conversation)

    def indices(self) -> list[Found]:
        """What is kept, what was used last first. What is damaged, of another form or forgotten is removed."""
        found: list[tuple[float, Found]] = []
        gone = self.gone
        for path in _files(self.folder, ".index"):
            try:
                index = read_index(path, self.key)
                if index.born <= gone:
                    raise ValueError("it was forgotten")
                found.append((path.stat().st_mtime, Found(path, index)))
            except FileNotFoundError:
                continue
            except (ValueError, RecursionError) as error:
                log.info("kept.removed %s", type(error).__name__)
                _unlink(path)
            except OSError:
                continue
        return [each for _, each in sorted(found, key=lambda each: -each[0])]

    def used(self, found: Found) -> None:
        """It is used now."""
        with contextlib.suppress(OSError):
            os.utime(found.path)

    def drop(self, found: Found) -> None:
        """It is of no use; neither are those that share files with it."""
        _unlink(found.path)
        names = found.index.names
        for other in self.indices():
            if names & other.index.names:
                _unlink(other.path)
        for path in _files(self.folder, ".rows", ".mark"):
            if path.stem in names:
                _unlink(path)

    def read(
        self, found: Found, rows: int, use: Callable[[Segment, int, int, Buffer], None], check: Callable[[], None]
    ) -> None:
        """Give the blocks of the first ``rows`` tokens' segments to ``use(segment, first, number, block)``: ``first``
        is the segment's first token, ``number`` counts its blocks. They are only known to be right when this returns.
        ``check`` may end it by raising.

        Raises ``ValueError`` when something does not hold, ``OSError`` when something is missing.
        """
        first = 0
        for segment in found.index.segments:
            if first >= rows:
                return
            with _opened(self.folder / f"{segment.name}.rows", segment.size) as file:
                digest, number = hashlib.sha256(head := file.read(len(_ROWS))), 0
                left = segment.size - len(head)
                if head != _ROWS:
                    raise ValueError("it is no segment")
                while left:
                    check()
                    length = file.read(_LENGTH.size)
                    size = _LENGTH.unpack(length)[0] if len(length) == _LENGTH.size else left
                    if size + _LENGTH.size > left:
                        raise ValueError("a block is too long")
                    block = file.read(size)
                    if len(block) != size:
                        raise ValueError("it is too short")
                    digest.update(length)
                    digest.update(block)
                    left -= size + _LENGTH.size
                    use(segment, first, number, door.unseal(block))
                    number += 1
            if digest.digest() != segment.sha256:
                raise ValueError("a segment is damaged")
            first += segment.used

    def read_mark(self, mark: Mark) -> bytes:
        """A checkpoint's bytes. Raises ``ValueError`` and ``OSError``."""
        with _opened(self.folder / f"{mark.name}.mark", mark.size) as file:
            data = file.read(mark.size)
        if len(data) != mark.size or hashlib.sha256(data).digest() != mark.sha256:
            raise ValueError("a checkpoint is damaged")
        return bytes(door.unseal(data))

    def write(self, content: Content, budget: int, check: Callable[[], None]) -> tuple[Segment, ...]:
        """Keep ``content``; returns the segments that hold its rows then. ``check`` may end it by raising, at any time.

        Raises ``NotKept`` and ``OSError``; then nothing of it is used.
        """
        index = content.index
        self._check_gone(index)
        there = self._there(content.known)
        known = merged(there, index.count - sum(segment.used for segment in there))
        marks = self._known_marks(content)
        if not self._has_room(content, known, marks, budget):
            _remove(self.folder)  # its other versions
            known, marks = (), {}
            if not self._has_room(content, known, marks, budget):
                raise NotKept
        start = sum(segment.used for segment in known)
        new = [(position, data) for position, data in content.marks if position not in marks]
        made: list[Path] = []
        try:
            self._home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.parent.mkdir(exist_ok=True, mode=0o700)
            self.folder.mkdir(exist_ok=True, mode=0o700)
            segments = known
            if start < index.count:
                path = self._new(".rows")
                made.append(path)
                digest, size = _write_blocks(path, content.rows(start, index.count), check)
                rows = index.count - start
                segments = (*known, Segment(path.stem, digest, rows, rows, size))
            for position, data in new:
                path, sealed = self._new(".mark"), door.seal(data)
                made.append(path)
                _write(path, (sealed,))
                marks[position] = Mark(path.stem, hashlib.sha256(sealed).digest(), position, len(sealed))
            check()
            written = replace(index, segments=segments, marks=tuple(marks[position] for position, _ in content.marks))
            path = self._new(f"-{max(0, min(10**9, int(index.cost_s * 1000)))}.index")
            part = path.with_suffix(".part")
            made += (part, path)
            _write(part, (index_bytes(written),))
            part.replace(path)
            self._check_gone(index)
        except BaseException:
            for path in reversed(made):
                _unlink(path)
            for folder in (self.folder, self.folder.parent):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            raise
        self._replaced(Found(path, written))
        return segments

    def tidy(self, now: float) -> None:
        """Remove what no index names, unless it may just be written."""
        named = {name for found in self.indices() for name in found.index.names}
        for path in _files(self.folder, ".rows", ".mark", ".part"):
            with contextlib.suppress(OSError):
                if path.stem not in named and abs(now - path.stat().st_mtime) > _YOUNG_S:
                    path.unlink()

    def _replaced(self, written: Found) -> None:
        """Remove the indices that the new one makes useless, and the oldest, and what only they named: that is of
        earlier saves, so nobody writes it."""
        others = [each for each in self.indices() if each.path != written.path]
        ours = written.index.tokens
        over = [each for each in others if ours.startswith(each.index.tokens)]
        rest = [each for each in others if each not in over]
        over += rest[_MOST_INDICES - 1 :]
        rest = rest[: _MOST_INDICES - 1]
        for each in over:
            _unlink(each.path)
        named = {name for found in (written, *rest) for name in found.index.names}
        for each in over:
            for segment in each.index.segments:
                if segment.name not in named:
                    _unlink(self.folder / f"{segment.name}.rows")
            for mark in each.index.marks:
                if mark.name not in named:
                    _unlink(self.folder / f"{mark.name}.mark")
        self.tidy(time.time())

    def _there(self, segments: Iterable[Segment]) -> tuple[Segment, ...]:
        """Those of ``segments`` whose files are there, up to the first one that is not."""
        found: list[Segment] = []
        for segment in segments:
            try:
                if (self.folder / f"{segment.name}.rows").stat().st_size != segment.size:
                    break
            except OSError:
                break
            found.append(segment)
        return tuple(found)

    def _known_marks(self, content: Content) -> dict[int, Mark]:
        """The checkpoints that are written already, by their positions: those of the versions that have the same
        beginning, and the same bytes."""
        found: dict[int, Mark] = {}
        if content.marks:
            wanted = {position: hashlib.sha256(door.seal(data)).digest() for position, data in content.marks}
            for each in self.indices():
                for mark in each.index.marks:
                    there = (self.folder / f"{mark.name}.mark").exists()
                    if there and wanted.get(mark.position) == mark.sha256:
                        found[mark.position] = mark
        return found

    def _has_room(self, content: Content, known: tuple[Segment, ...], marks: dict[int, Mark], budget: int) -> bool:
        """Whether what is new may be written, after what others have was swept."""
        rows = content.index.count - sum(segment.used for segment in known)
        index = content.index
        need = len(index.tokens) + len(index.layout) + 16 * len(index.steps) + _OVERHEAD
        need += rows * content.row_bytes + sum(len(data) for position, data in content.marks if position not in marks)
        if need > budget:
            return False
        self._home.sweep(budget - need, spare=self.folder)
        if self._home.size()[0] + need > budget:
            return False
        place = self._home.path
        while not place.exists() and place != place.parent:
            place = place.parent
        return shutil.disk_usage(place).free - need >= DISK_RESERVE

    def _check_gone(self, index: Index) -> None:
        if index.born <= self.gone:
            raise NotKept

    def _new(self, end: str) -> Path:
        return self.folder / f"{secrets.token_hex(16)}{end}"


class _Look(NamedTuple):
    """What the files of one place have together. ``used`` is when its index was used last, 0.0 without any;
    ``newest`` when the last file was written; ``cost`` is in milliseconds."""

    folder: Path
    size: int
    used: float
    newest: float
    cost: int

    def worth(self, now: float) -> tuple[int, int, float]:
        """The least is dropped first."""
        age = int(math.log2(max(0.0, now - self.used) / _AGE_S + 1))
        return -age, self.cost, self.used


def _look(folder: Path) -> _Look:
    size, used, newest, cost = 0, 0.0, 0.0, 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                size += status.st_size
                newest = max(newest, status.st_mtime)
                if entry.name.endswith(".index"):
                    used = max(used, status.st_mtime)
                    told = entry.name[:-6].rpartition("-")[2]
                    cost = max(cost, int(told) if told.isascii() and told.isdecimal() and len(told) < 11 else 0)
    if not newest:  # it has just been made
        with contextlib.suppress(OSError):
            newest = folder.stat().st_mtime
    return _Look(folder, size, used, newest, cost)


def _name(cache_key: str) -> str:
    """The name of a conversation's folder."""
    return hashlib.sha256(b"conversation\0" + cache_key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _write_blocks(path: Path, blocks: Iterable[Buffer], check: Callable[[], None]) -> tuple[bytes, int]:
    """Write a segment; returns its SHA-256 and its size."""
    digest, size = hashlib.sha256(), 0

    def parts() -> Iterator[Buffer]:
        nonlocal size
        yield _ROWS
        for block in blocks:
            check()
            sealed = door.seal(block)
            yield _LENGTH.pack(len(sealed))
            yield sealed

    def counted() -> Iterator[Buffer]:
        nonlocal size
        for part in parts():
            digest.update(part)
            size += len(part)
            yield part

    _write(path, counted())
    return digest.digest(), size


def _write(path: Path, parts: Iterable[Buffer]) -> None:
    """Write a new file that only its owner may read. It need not survive a power cut: checksums tell."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    with open(os.open(path, flags, 0o600), "wb", buffering=0) as file:  # noqa: PTH123 - it is open
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[file.write(view) or 0 :]


@contextlib.contextmanager
def _opened(path: Path, size: int) -> Iterator[BinaryIO]:
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size != size:
            raise ValueError("it has another size")
        yield file


def _files(folder: Path, *ends: str) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.name.endswith(ends)]
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Remove a folder; indices first, so that nobody begins to use what goes."""
    for path in _files(folder, ".index"):
        _unlink(path)
    shutil.rmtree(folder, ignore_errors=True)
