"""JSON that is larger than memory, one element of its lists after the other."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import BinaryIO

#: So much is read at a time, in bytes.
_CHUNK = 1 << 20
#: No single element is larger, in characters: an attachment of 128 MB in base64, and room.
LONGEST = 200_000_000
#: A number at the end of what was read may go on, behind so many characters that are none yet ("1e-").
_GOES_ON = 3
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)


class TooLongError(ValueError):
    """An element is longer than ``LONGEST``."""


class _Stream:
    """The part of a file that is read and not used yet, from ``at`` on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self.text = ""
        self.at = 0
        self.read = 0
        self.ended = False

    def more(self) -> bool:
        """Forget what was used and read on, twice as much each time: what was looked at is looked at twice at most.
        False at the end."""
        if self.ended:
            return False
        self.text = self.text[self.at :]
        self.at = 0
        if len(self.text) > LONGEST:
            raise TooLongError
        chunk = self._file.read(max(_CHUNK, len(self.text)))
        self.read += len(chunk)
        self.ended = not chunk
        self.text += self._decoder.decode(chunk, final=self.ended)
        return not self.ended

    def peek(self) -> str:
        """The next character that is no white space, "" at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found is not None else self.at
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def take(self, signs: str) -> str:
        """Pass over one of these characters."""
        sign = self.peek()
        if not sign or sign not in signs:
            raise ValueError("the file ends too early, or something else stands there")
        self.at += 1
        return sign

    def value(self) -> tuple[object, str]:
        """Pass over the next whole value: what it is, and as it stands there."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError:
                if not self.more():  # else it may not be all there yet
                    raise
                continue
            except RecursionError as error:
                raise ValueError("nested too deeply") from error
            if end + _GOES_ON <= len(self.text) or self.ended:
                text, self.at = self.text[self.at : end], end
                return value, text
            self.more()


def elements(file: BinaryIO) -> Iterator[tuple[str, bytes, int]]:
    """What stands in the JSON of ``file``: a list's elements with the key "", or, of an object, its values by their
    keys, where a list as a value comes element by element. Each with its bytes and how many bytes of the file were
    read. Raises ``ValueError`` for what is no JSON of this form or ends too early."""
    stream = _Stream(file)
    if stream.peek() == "[":
        yield from _list("", stream)
    else:
        yield from _object(stream)
    if stream.peek():
        raise ValueError("something stands behind the end")


def _object(stream: _Stream) -> Iterator[tuple[str, bytes, int]]:
    stream.take("{")
    if stream.peek() == "}":
        stream.take("}")
        return
    while True:
        key, _ = stream.value()
        if not isinstance(key, str):
            raise ValueError("a key is missing")
        stream.take(":")
        if stream.peek() == "[":
            yield from _list(key, stream)
        else:
            yield key, stream.value()[1].encode("utf-8", "replace"), stream.read
        if stream.take(",}") == "}":
            return


def _list(key: str, stream: _Stream) -> Iterator[tuple[str, bytes, int]]:
    stream.take("[")
    if stream.peek() == "]":
        stream.take("]")
        return
    while True:
        yield key, stream.value()[1].encode("utf-8", "replace"), stream.read
        if stream.take(",]") == "]":
            return
