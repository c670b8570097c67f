"""A file behind an address, read by ranges: blocks that grow while they follow each other, bounded in all.

A server that knows no ranges is read from the start as far as needed. Blocking, for one thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qwen_desktop.core.gguf import Damaged
from qwen_desktop.core.models import RemoteFile
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.hub import failures
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.download.sources import Link, Source

if TYPE_CHECKING:
    import httpx2

#: Bytes fetched of one file at most: the headers with the largest vocabularies have some 20 MB.
MOST = 64 << 20
FIRST_BLOCK = 64 << 10
_LARGEST_BLOCK = 4 << 20
_RANGE = re.compile(r"^bytes (\d+)-(\d+)/(\d+)$")


class RangeSource:
    """The bytes at ``url``. ``repo`` and ``path`` are for the sentences; ``fetched`` counts the bytes of bodies.

    Raises ``AppError`` and httpx2's exceptions; ``Damaged`` when more than ``MOST`` bytes would be needed.
    """

    def __init__(self, http: httpx2.Client, url: str, access: Access, *, repo: str, path: str) -> None:
        self._http = http
        self._link = Link(Source("", "", repo, "", {path: RemoteFile(path)}, access), path, url)
        self._tag = ""
        self._block = FIRST_BLOCK
        self._start, self._data = 0, b""
        self._answer: httpx2.Response | None = None  # of a server without ranges
        self._rest: Iterator[bytes] | None = None
        self.size = 0
        self.fetched = 0

    def open(self) -> int:
        """Ask for the beginning; returns the size of the file."""
        self._fetch(0, FIRST_BLOCK)
        return self.size

    def close(self) -> None:
        """Let go of an answer that was not read to its end."""
        if self._answer is not None:
            self._answer.close()

    def read_at(self, start: int, least: int) -> bytes:
        """Bytes from ``start`` on: ``least`` of them and whatever came along, fewer only at the end of the file."""
        parts: list[bytes] = []
        got = 0
        while got < least and start + got < self.size:
            piece = self._piece(start + got, least - got)
            parts.append(piece)
            got += len(piece)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def window(self, start: int, end: int) -> bytes | None:
        """The bytes from ``start`` to ``end``, far ahead of what was read; None where that would fetch all between."""
        if self._rest is not None or start < self._start + len(self._data) or end > self.size:
            return None
        self._fetch(start, end)
        self._block = FIRST_BLOCK
        return self._data

    def _piece(self, start: int, least: int) -> bytes:
        if not self._start <= start < self._start + len(self._data):
            if self._rest is not None:
                self._go_on(start)
            else:
                self._fetch(start, min(self.size, start + max(self._block, least)))
                self._block = min(self._block * 2, _LARGEST_BLOCK)
        return self._data[start - self._start :]

    def _fetch(self, start: int, end: int) -> None:
        if self.fetched + end - start > MOST:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "its header is impossibly long"))
        answer = self._link.open(self._http, start, end)
        if answer.status_code != 206 and start == 0:
            self._take_whole(answer)
            return
        try:
            self._take_range(answer, start, end)
        finally:
            answer.close()

    def _take_range(self, answer: httpx2.Response, start: int, end: int) -> None:
        host = answer.url.host
        found = _RANGE.match(answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != start or answer.headers.get("Content-Encoding", "identity") != "identity":
            raise failures.strange(host, details="Content-Range")
        last, size = int(found[2]), int(found[3])
        tag = answer.headers.get("ETag", "")
        if self.size and (size != self.size or (tag and self._tag and tag != self._tag)):
            raise failures.changed(self._link.path)
        if last >= min(size, end) or last < start:
            raise failures.strange(host, details="Content-Range")
        data = bytearray()
        for chunk in answer.iter_bytes():
            self.fetched += len(chunk)
            data += chunk
            if len(data) > last + 1 - start:
                break
        if len(data) != last + 1 - start:
            raise failures.strange(host, details="length of the body")
        self.size, self._tag = size, tag or self._tag
        self._start, self._data = start, bytes(data)

    def _take_whole(self, answer: httpx2.Response) -> None:
        self._answer = answer
        length = answer.headers.get("Content-Length", "")
        if not length.isdigit():
            answer.close()
            raise failures.strange(answer.url.host, details="Content-Length")
        self.size = int(length)
        self._rest = answer.iter_bytes(FIRST_BLOCK)
        self._start, self._data = 0, b""

    def _go_on(self, start: int) -> None:
        """The piece of the one answer that holds ``start``; what comes before it is thrown away."""
        rest = self._rest or iter(())
        while self._start + len(self._data) <= start:
            if self.fetched > MOST:
                raise Damaged(QT_TRANSLATE_NOOP("gguf", "its header is impossibly long"))
            chunk = next(rest, b"")
            if not chunk:
                raise failures.unreachable(self._link.host, details="short body")
            self.fetched += len(chunk)
            self._start, self._data = self._start + len(self._data), chunk
