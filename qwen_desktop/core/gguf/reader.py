"""The bytes of a GGUF header, read with bounds: no count, length or offset of the file is believed unchecked."""

from __future__ import annotations

import hashlib
import struct
import sys
import time
from typing import Any, BinaryIO

from msgspec import Struct

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Source, Text

_CHUNK = 1 << 20
_DEADLINE_S = 10.0
#: Longer arrays are stepped over and only their place is kept.
_KEPT_ITEMS = 1024
_KEPT_STRINGS = 64
#: A key, and a tensor's name; the longest text that is kept. Chat templates have some hundred kilobytes, while some
#: files hold their whole tokenizer a second time as one text of many megabytes.
LONGEST_KEY = 65_535
_LONGEST_TEXT = 2 << 20
#: What is kept of a header in all, in bytes of memory, and what an item of an array takes there at most.
_MOST_KEPT = 32 << 20
_ITEM_BYTES = 40
#: No vocabulary and no list of a model is longer; texts of all lists together (each is looked at to step over it).
MOST_ITEMS = 1 << 24
_MOST_TEXTS = 1 << 22

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_SCALARS: dict[int, struct.Struct] = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: _U32,
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: _U64,
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_STRING, _ARRAY = 8, 9


class Damaged(Exception):  # noqa: N818 - read as "the file is damaged"
    """The header contradicts itself or the size of the file; ``reason`` says how."""

    def __init__(self, reason: Source, **places: Param) -> None:
        self.reason = Text("gguf.reason", reason, places)
        super().__init__(str(self.reason))


class ArrayInfo(Struct, frozen=True):
    """A long array that was stepped over: ``count`` items of GGUF type ``type`` at ``offset`` in the file; or a long
    text of ``count`` bytes, which has type 8 as well."""

    type: int
    count: int
    offset: int


class Reader:
    """A cursor over the first ``limit`` bytes of a file. Running over the end raises ``EOFError``, and taking longer
    than ``seconds`` raises ``Damaged``."""

    def __init__(self, file: BinaryIO, limit: int, seconds: float = _DEADLINE_S) -> None:
        self._file = file
        self.limit = limit
        self._buffer = b""
        self._start = 0  # of the buffer in the file
        self._at = 0  # in the buffer
        self._deadline = time.monotonic() + seconds
        self._kept = 0
        self._texts = 0

    @property
    def position(self) -> int:
        """Offset of the next byte in the file."""
        return self._start + self._at

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        self._need(count)
        taken = self._buffer[self._at : self._at + count]
        self._at += count
        return taken

    def u32(self) -> int:
        """The next 32-bit number."""
        return int(_U32.unpack(self.take(4))[0])

    def u64(self) -> int:
        """The next 64-bit number."""
        return int(_U64.unpack(self.take(8))[0])

    def text(self, longest: int = _LONGEST_TEXT) -> str:
        """The next string of at most ``longest`` bytes; bytes that are not UTF-8 become U+FFFD."""
        length = self.u64()
        if length > self.limit - self.position:
            raise EOFError
        if length > longest:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "a text is impossibly long"))
        text = self.take(length).decode("utf-8", "replace")
        self._keep(sys.getsizeof(text))
        return text

    def _keep(self, size: int) -> None:
        """Take note of ``size`` bytes of memory that what was read holds."""
        self._kept += size
        if self._kept > _MOST_KEPT:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "its entries are impossibly large"))

    def check_count(self, count: int, smallest: int) -> None:
        """Refuse a ``count`` of things of ``smallest`` bytes each that cannot fit into the rest of the file."""
        if count > MOST_ITEMS:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "a count is impossibly large"))
        if count * smallest > self.limit - self.position:
            raise EOFError

    def value(self, kind: int) -> Any:
        """The next value of GGUF type ``kind``; a long array or text comes back as ``ArrayInfo``."""
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            return scalar.unpack(self.take(scalar.size))[0]
        if kind == _STRING:
            return self._text_or_place()
        if kind == _ARRAY:
            return self._array()
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "an entry has an unknown type"))

    def _text_or_place(self) -> str | ArrayInfo:
        self._need(8)
        length = int(_U64.unpack_from(self._buffer, self._at)[0])
        if length <= _LONGEST_TEXT:
            return self.text()
        place = ArrayInfo(_STRING, length, self.position + 8)
        self._skip(8 + length)
        return place

    def _array(self) -> Any:
        kind, count = self.u32(), self.u64()
        place = ArrayInfo(kind, count, self.position)
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            self.check_count(count, scalar.size)
            if count > _KEPT_ITEMS:
                self._skip(count * scalar.size)
                return place
            data = self.take(count * scalar.size)
            self._keep(count * _ITEM_BYTES)
            return [scalar.unpack_from(data, i * scalar.size)[0] for i in range(count)]
        if kind == _STRING:
            self.check_count(count, 8)
            self._texts += count
            if self._texts > _MOST_TEXTS:
                raise Damaged(QT_TRANSLATE_NOOP("gguf", "its lists are impossibly long"))
            if count > _KEPT_STRINGS:
                self._skip_strings(count)
                return place
            return [self.text() for _ in range(count)]
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "an array has an unknown type"))  # of arrays too: llama.cpp reads none

    def _skip(self, count: int) -> None:
        if count > self.limit - self.position:
            raise EOFError
        at = self._at + count
        if at <= len(self._buffer):
            self._at = at
        else:
            self._start += at
            self._file.seek(self._start)
            self._buffer, self._at = b"", 0

    def _skip_strings(self, count: int) -> None:
        buffer, at, end = self._buffer, self._at, len(self._buffer)
        number = int.from_bytes
        for index in range(count):
            if at + 8 > end:
                self._at = at
                self._need(8)
                buffer, at, end = self._buffer, self._at, len(self._buffer)
            at += 8 + number(buffer[at : at + 8], "little")
            if at > end:
                self._at = end
                self._skip(at - end)
                buffer, at, end = self._buffer, self._at, len(self._buffer)
            if index & 0xFFFF == 0xFFFF:
                self._in_time()
        self._at = at

    def _need(self, count: int) -> None:
        missing = count - (len(self._buffer) - self._at)
        if missing <= 0:
            return
        self._in_time()
        if count > self.limit - self.position:
            raise EOFError
        more = self._more(missing, self.limit - self._start - len(self._buffer))
        if len(more) < missing:
            raise EOFError
        self._buffer = self._buffer[self._at :] + more
        self._start += self._at
        self._at = 0

    def _more(self, missing: int, most: int) -> bytes:
        """What follows the buffer: ``missing`` bytes at least where there are so many, ``most`` at most."""
        return self._file.read(max(missing, min(_CHUNK, most)))

    def _in_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "its header takes too long to read"))

    def digest(self, length: int, size: int) -> str:
        """The sha256 of the first ``length`` bytes and of ``size`` as a decimal number, in hex."""
        hashed = hashlib.sha256()
        self._file.seek(0)
        left = length
        while left > 0:
            chunk = self._file.read(min(_CHUNK, left))
            if not chunk:
                raise EOFError
            hashed.update(chunk)
            left -= len(chunk)
        hashed.update(str(size).encode())
        return hashed.hexdigest()
