"""JSON that is larger than memory, one element of its lists after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

#: So much is read at a time, in bytes.
_CHUNK = 1 << 20
#: No single element is larger, in bytes: an attachment of 128 MB in base64, and room.
LONGEST = 200_000_000
#: What matters between elements: strings are passed over whole (their end may be in the next chunk).
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb'|["\[\]{},]|[^\s"\[\]{},]+', re.DOTALL)
#: What matters inside of a list or an object.
_INSIDE = re.compile(_STRING + rb'|["\[\]{}]', re.DOTALL)


class TooLongError(ValueError):
    """An element is longer than ``LONGEST``."""


class _Stream:
    """Bytes of a file of which the front is dropped as it is used."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.data = bytearray()
        self.read = 0
        self.ended = False

    def more(self) -> bool:
        """Read on; False at the end."""
        if len(self.data) > LONGEST:
            raise TooLongError
        chunk = self._file.read(max(_CHUNK, len(self.data)))  # doubling: what was scanned is scanned twice at most
        self.read += len(chunk)
        self.data += chunk
        self.ended = not chunk
        return bool(chunk)

    def drop(self, count: int) -> None:
        del self.data[:count]


def elements(file: BinaryIO) -> Iterator[tuple[str, bytes, int]]:
    """What stands in the JSON of ``file``: a list's elements with the key "", or, of an object, its values by their
    keys, where a list as a value comes element by element. Each with its bytes and how many bytes of the file were
    read. Raises ``ValueError`` for what is no JSON of this form or ends too early."""
    stream = _Stream(file)
    stream.more()
    if stream.data.startswith(b"\xef\xbb\xbf"):
        stream.drop(3)
    opened = _next(stream)
    if opened == b"[":
        yield from _list("", stream)
    elif opened == b"{":
        yield from _object(stream)
    else:
        raise ValueError("neither a list nor an object")
    if _next(stream):
        raise ValueError("something stands behind the end")


def _object(stream: _Stream) -> Iterator[tuple[str, bytes, int]]:
    token = _next(stream)
    while token != b"}":
        if not token.startswith(b'"'):
            raise ValueError("a key is missing")
        key = msgspec.json.decode(token, type=str)
        if (colon := _next(stream)) != b":":
            # a plain value may stand right behind its colon, as one token
            if not colon.startswith(b":"):
                raise ValueError("a colon is missing")
            yield key, colon[1:], stream.read
        elif _peek(stream) == b"[":
            _next(stream)
            yield from _list(key, stream)
        else:
            yield key, _value(stream), stream.read
        token = _next(stream)
        if token == b",":
            token = _next(stream)
            if token == b"}":
                raise ValueError("nothing stands behind a comma")
        elif token != b"}":
            raise ValueError("a comma is missing")


def _list(key: str, stream: _Stream) -> Iterator[tuple[str, bytes, int]]:
    if _peek(stream) == b"]":
        _next(stream)
        return
    while True:
        yield key, _value(stream), stream.read
        token = _next(stream)
        if token == b"]":
            return
        if token != b",":
            raise ValueError("a comma is missing")


def _find(stream: _Stream, start: int, tokens: re.Pattern[bytes] = _TOKEN) -> re.Match[bytes]:
    """The first token from ``start`` on, whole. Raises ``ValueError`` at the end of the file."""
    while True:
        found = tokens.search(stream.data, start)
        if found is None:
            if not stream.more():
                raise EOFError
        elif found[0] == b'"' or (found.end() == len(stream.data) and found[0][:1] not in b'"[]{},'):
            if not stream.more():
                if found[0] == b'"':
                    raise ValueError("a text does not end")
                return found
        else:
            return found
        found = None  # it keeps the buffer from growing


def _peek(stream: _Stream) -> bytes:
    try:
        return bytes(_find(stream, 0)[0])
    except EOFError:
        raise ValueError("the file ends too early") from None


def _next(stream: _Stream) -> bytes:
    """The next token, b"" at the end of the file."""
    try:
        found = _find(stream, 0)
    except EOFError:
        return b""
    token, end = bytes(found[0]), found.end()
    del found
    stream.drop(end)
    return token


def _value(stream: _Stream) -> bytes:
    """The next whole value."""
    depth = at = 0
    while True:
        try:
            found = _find(stream, at, _INSIDE if depth else _TOKEN)
        except EOFError:
            raise ValueError("the file ends too early") from None
        first, at = found[0][0], found.end()
        del found
        if first in b"[{":
            depth += 1
        elif first in b"]}":
            depth -= 1
        if depth < 0 or (depth == 0 and first == ord(",")):
            raise ValueError("a value is missing")
        if depth == 0:
            value = bytes(stream.data[:at]).strip()
            stream.drop(at)
            return value
