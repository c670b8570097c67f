"""The SHA-256 of a file while it arrives: a thread that follows the first gap.

A hash state cannot be kept over a restart, so it begins at the first byte then; reading again costs seconds, not bytes
from the network. Each whole segment also gets a CRC-32, kept in the journal: what the disk lost or changed since is
found by it and fetched again alone.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import zlib

from qwen_desktop.core.errors import AppError
from qwen_desktop.hub.download.journal import SEGMENT, Journal
from qwen_desktop.hub.download.part_file import PartFile, of_disk

log = logging.getLogger(__name__)

_BUFFER = 1 << 20


class Hasher(threading.Thread):
    """Hashes ``part`` as far as it is there. ``digest`` is "" until the whole file has been read."""

    def __init__(self, part: PartFile, journal: Journal) -> None:
        super().__init__(name="download-hash", daemon=True)
        self.digest = ""
        self.error: AppError | None = None
        #: Set when ``digest`` or ``error`` has come: somebody should look.
        self.ready = threading.Event()
        self._part = part
        self._journal = journal
        self._wake = journal.moved
        self._stopped = False
        self._again = False
        self._lock = threading.Lock()

    def again(self) -> None:
        """Begin at the first byte."""
        with self._lock:
            self._again = True
            self.digest = ""
            self.ready.clear()
        self._wake.set()

    def stop(self) -> None:
        """End soon; ``join`` then waits for it."""
        self._stopped = True
        self._wake.set()

    def run(self) -> None:
        try:
            self._follow()
        except OSError as error:
            self.error = of_disk(error, self._part.path)
            self.ready.set()

    def _follow(self) -> None:
        handle = self._part.handle()
        buffer = memoryview(bytearray(_BUFFER))
        try:
            state, at_segment, crc, place = hashlib.sha256(), hashlib.sha256(), 0, 0
            while not self._stopped:
                with self._lock:
                    if self._again:
                        self._again = False
                        state, at_segment, crc, place = hashlib.sha256(), hashlib.sha256(), 0, 0
                reach = self._journal.reach()
                if place >= self._part.size or place >= reach:
                    if place >= self._part.size:
                        self._finish(state.hexdigest())
                    self._wake.wait(0.05)
                    self._wake.clear()
                    continue
                segment = place // SEGMENT
                border = min(self._part.size, (segment + 1) * SEGMENT)
                count = handle.read(place, buffer[: min(_BUFFER, min(reach, border) - place)])
                if count == 0:
                    raise EOFError
                state.update(buffer[:count])
                crc = zlib.crc32(buffer[:count], crc)
                place += count
                if place == border:
                    if not self._right(segment, crc):
                        state, place = at_segment.copy(), segment * SEGMENT
                    at_segment, crc = state.copy(), 0
        except EOFError:  # somebody has cut the file
            self._journal.forget(place, self._part.size)
            raise OSError(5, "the file has become shorter") from None
        finally:
            handle.close()

    def _right(self, segment: int, crc: int) -> bool:
        known = self._journal.head.sums.setdefault(segment, crc)
        if known == crc:
            return True
        end = min(self._part.size, (segment + 1) * SEGMENT)
        log.warning("download.segment_lost number=%d", segment)
        self._journal.forget(segment * SEGMENT, end)
        return False

    def _finish(self, digest: str) -> None:
        with self._lock:
            if not self._again and not self.digest:
                self.digest = digest
                self.ready.set()
