"""The note beside an unfinished file: which bytes are there. It survives whatever ends the download.

``<file>.journal`` begins with one line of JSON, replaced atomically every few seconds; between two replacements each
written piece is added as a line ``[start,end,source]`` without waiting for the disk. A killed process loses nothing of
that (the system keeps the page). After a power cut the computer's start time is another one, and what may not have
reached the disk is looked at again (``Journal.unproven``); the hash at the end catches the rest.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import glob
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

from qwen_desktop.core.files import read_file, temporary_prefix, write_atomic

log = logging.getLogger(__name__)

SCHEMA = 1
#: Checksums are kept for pieces of this size, in bytes; runs end at its borders.
SEGMENT = 8 << 20
#: The clock may be set while the computer runs; less than this is no new start.
_SAME_START_S = 60.0
_LONGEST = 64 << 20

#: First byte, byte after the last one, number of the source.
Piece = tuple[int, int, int]


class Identity(Struct, frozen=True):
    """Which file this is. ``sha256`` "" when no hub tells it; then ``commit`` must agree."""

    repo: str
    path: str
    size: int
    sha256: str = ""
    commit: str = ""

    def same_bytes(self, other: Identity) -> bool:
        """Whether what is there of the one belongs to the other."""
        if (self.size, self.path) != (other.size, other.path):
            return False
        return self.sha256 == other.sha256 if self.sha256 or other.sha256 else self.commit == other.commit


class JournalHead(Struct):
    """The first line. ``sources`` are names by number, ``sums`` are CRC-32 of whole segments by number, ``boot`` when
    the computer started, ``verified`` that the SHA-256 was right and the file flushed to the disk, ``repaired`` that
    fetching it again did not help, ``fetched`` bytes ever received."""

    file: Identity
    done: tuple[Piece, ...] = ()
    sources: list[str] = []
    sums: dict[int, int] = {}
    boot: float = 0.0
    verified: bool = False
    repaired: bool = False
    fetched: int = 0
    schema: int = SCHEMA

    @property
    def bytes_done(self) -> int:
        """How many bytes are there."""
        return sum(end - start for start, end, _ in self.done)

    def may_hold(self, piece: Piece) -> bool:
        """Whether ``piece`` lies in the file and comes from a source that is named."""
        start, end, source = piece
        return 0 <= start < end <= self.file.size and 0 <= source < max(1, len(self.sources))


_DECODE = msgspec.json.Decoder(JournalHead)
_PIECE = msgspec.json.Decoder(tuple[int, int, int])


def journal_path(target: Path) -> Path:
    """The journal of the file that becomes ``target``."""
    return target.with_name(target.name + ".journal")


def remove_journal(target: Path) -> None:
    """Remove the journal, and what a process that was killed while replacing it may have left beside it."""
    path = journal_path(target)
    with contextlib.suppress(OSError):
        for old in (path, *path.parent.glob(f"{glob.escape(temporary_prefix(path.name))}*")):
            old.unlink(missing_ok=True)


def part_path(target: Path) -> Path:
    """Where its bytes are until it is whole."""
    return target.with_name(target.name + ".part")


def read_journal(path: Path) -> JournalHead | None:
    """What a journal says, its added lines included; None when there is none that can be used. Never raises."""
    try:
        data = read_file(path, _LONGEST)
    except OSError:
        return None
    first, _, rest = data.partition(b"\n")
    try:
        head = _DECODE.decode(first)
    except (ValueError, RecursionError):
        return None
    if head.schema != SCHEMA or head.file.size <= 0 or not all(map(head.may_hold, head.done)):
        return None
    done = Ranges(head.done)
    for line in rest.splitlines():
        try:
            piece = _PIECE.decode(line)
        except ValueError:
            break  # the rest was being written when the process ended
        if not head.may_hold(piece):
            break
        done.add(*piece)
    return msgspec.structs.replace(head, done=tuple(done))


class Ranges:
    """Which bytes are there: sorted pieces without overlaps; neighbours of one source are joined. Not thread-safe."""

    def __init__(self, pieces: Iterable[Piece] = ()) -> None:
        self._pieces: list[Piece] = []
        for piece in pieces:
            self.add(*piece)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._pieces)

    @property
    def total(self) -> int:
        """How many bytes are there."""
        return sum(end - start for start, end, _ in self._pieces)

    def add(self, start: int, end: int, source: int = 0) -> None:
        """``start`` to ``end`` are there now, from ``source``."""
        if start >= end:
            return
        self.remove(start, end)
        place = bisect.bisect_left(self._pieces, (start, end, source))
        if place < len(self._pieces) and self._pieces[place][0] == end and self._pieces[place][2] == source:
            end = self._pieces.pop(place)[1]
        if place and self._pieces[place - 1][1] == start and self._pieces[place - 1][2] == source:
            place -= 1
            start = self._pieces.pop(place)[0]
        self._pieces.insert(place, (start, end, source))

    def remove(self, start: int, end: int) -> None:
        """``start`` to ``end`` are not there (any more)."""
        if start >= end:
            return
        first = max(0, bisect.bisect_right(self._pieces, (start, start, 0)) - 1)
        last = bisect.bisect_left(self._pieces, (end, 0, 0))
        kept: list[Piece] = []
        for piece_start, piece_end, source in self._pieces[first:last]:
            if piece_start < start:
                kept.append((piece_start, min(piece_end, start), source))
            if piece_end > end:
                kept.append((max(piece_start, end), piece_end, source))
        self._pieces[first:last] = kept

    def reach(self) -> int:
        """The first byte that is missing."""
        reached = 0
        for start, end, _ in self._pieces:
            if start != reached:
                break
            reached = end
        return reached

    def gaps(self, size: int, first: int = 0) -> Iterator[tuple[int, int]]:
        """What is missing of ``size`` bytes, in order, from byte ``first`` on."""
        place = first
        for number in range(max(0, bisect.bisect_right(self._pieces, (first, first, 0)) - 1), len(self._pieces)):
            start, end, _ = self._pieces[number]
            if start >= size:
                break
            if start > place:
                yield place, start
            place = max(place, end)
        if place < size:
            yield place, size


class Journal:
    """One file's journal while it is fetched. Thread-safe. ``moved`` is set when the first gap has moved."""

    def __init__(self, path: Path, file: Identity, found: JournalHead | None = None) -> None:
        """Go on from ``found`` (of the same file), or begin anew. Nothing is written yet."""
        #: What the next ``save`` writes; ``done`` in it is that of the last one.
        self.head = msgspec.structs.replace(found, file=file) if found else JournalHead(file, boot=psutil.boot_time())
        self.path = path
        self.file = file
        self.moved = threading.Event()
        #: What the bytes hash to, once that is known.
        self.digest = ""
        #: The computer was started anew since: what it had not flushed by then is lost.
        self.rebooted = abs(self.head.boot - psutil.boot_time()) > _SAME_START_S
        self._done = Ranges(self.head.done)
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._lines = -1
        self._since: list[bytes] | None = None

    # What is there -----------------------------------------------------------------------------------------------

    @property
    def done(self) -> int:
        """How many bytes are there."""
        with self._lock:
            return self._done.total

    @property
    def complete(self) -> bool:
        """Whether all bytes are there (right or wrong)."""
        return self.done >= self.file.size

    def reach(self) -> int:
        """How many bytes are there without a gap from the first on."""
        with self._lock:
            return self._done.reach()

    def gaps(self, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
        """What is missing, between ``start`` and ``end`` where these are given."""
        with self._lock:
            return list(self._done.gaps(self.file.size if end is None else end, start))

    def pieces(self) -> list[Piece]:
        """What is there, by source number."""
        with self._lock:
            return list(self._done)

    def unproven(self) -> list[Piece]:
        """What is there, less the segments whose checksum is known (and will be compared when they are read)."""
        with self._lock:
            proven = Ranges()
            for number in self.head.sums:
                proven.add(number * SEGMENT, min(self.file.size, (number + 1) * SEGMENT))
            return [
                (max(start, first), min(end, last), source)
                for start, end, source in self._done
                for first, last in proven.gaps(self.file.size)
                if first < end and last > start
            ]

    def source_number(self, name: str) -> int:
        """The number under which pieces of this source are noted. A new one is written to the disk first."""
        with self._lock:
            known = name in self.head.sources
            if not known:
                self.head.sources.append(name)
            number = self.head.sources.index(name)
        if not known:
            self.save()
        return number

    def used(self) -> set[str]:
        """Names of the sources that what is there came from."""
        names = self.head.sources
        return {names[number] for _, _, number in self.pieces() if number < len(names)}

    # Changing it -------------------------------------------------------------------------------------------------

    def wrote(self, start: int, end: int, source: int) -> None:
        """These bytes are in the file now."""
        with self._lock:
            before = self._done.reach()
            self._done.add(start, end, source)
            self.head.fetched += end - start
            self._append(b"[%d,%d,%d]\n" % (start, end, source))
            if self._done.reach() != before:
                self.moved.set()

    def wasted(self, count: int) -> None:
        """So many bytes were received that were there already."""
        with self._lock:
            self.head.fetched += count

    def forget(self, start: int, end: int) -> None:
        """These bytes are wrong. Written to the disk before this returns."""
        self.drop(start, end)
        self.moved.set()
        self.save()

    def drop(self, start: int, end: int) -> None:
        """These bytes are wrong; written with the next ``save``."""
        with self._lock:
            self._done.remove(start, end)
            self.head.verified = False
            for number in range(start // SEGMENT, -(-end // SEGMENT)):
                self.head.sums.pop(number, None)

    def _append(self, line: bytes) -> None:
        if self._since is not None:
            self._since.append(line)
        if self._lines >= 0:
            with contextlib.suppress(OSError):  # a full disk shows itself at the file's own bytes
                os.write(self._lines, line)

    # Writing -----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Replace the file by its present state. Raises ``OSError``, also when the folder has gone: it is not made."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path.parent))
        with self._saving:
            with self._lock:
                self.head.done, self.head.boot = tuple(self._done), psutil.boot_time()
                data = msgspec.json.encode(self.head) + b"\n"
                self._since = []
                if os.name == "nt" and self._lines >= 0:  # an open file cannot be replaced there
                    os.close(self._lines)
                    self._lines = -1
            flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
            try:
                write_atomic(self.path, data, mode=0o644)
                lines = os.open(self.path, flags)
            except OSError:
                with self._lock:
                    self._since = None
                raise
            with self._lock:
                before, self._lines = self._lines, lines
                since, self._since = self._since or [], None
                for line in since:  # what was added while the new file was written went into the old one
                    self._append(line)
            if before >= 0:
                os.close(before)

    def close(self) -> None:
        """Let go of the file, keeping it."""
        with self._lock:
            if self._lines >= 0:
                os.close(self._lines)
                self._lines = -1
