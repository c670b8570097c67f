"""A context that is deep without having read: a state of one real token, repeated. Worker side only.

How fast a token is written depends on how much stands before it, not on what. llama.cpp restores 4,096 tokens in a
second or two that would take a minute to be read. ``kv_state`` has the layout of a state; in hybrids the recurrent
state follows (``llama-memory-recurrent.cpp``): of fixed size, and it begins with the number of cells (one) and its
position.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator

from msgspec import Struct

from qwen_desktop.engine.kv_state import COLUMNS, NUMBERS, PLACES, ROWS

#: Magic, sequence, streams, tokens.
_HEAD = struct.Struct("<IiII")
_CELL = struct.Struct("<II")


class UnknownLayoutError(Exception):
    """The state does not look as this module knows it."""


class OneToken(Struct, frozen=True):
    """The state of one token: its ``place``, for each layer the keys' and values' ``heads`` and ``rows``, and what
    follows. ``element`` is the bytes of one value where they are transposed, 0 where they are rows."""

    head: bytes
    place: bytes
    transposed: bytes
    parts: tuple[tuple[bytes, bytes, int], ...]
    rest: bytes

    @property
    def token_bytes(self) -> int:
        """What each token takes."""
        return len(self.place) + sum(len(row) for _, row, _ in self.parts)


def parse(state: bytes, *, recurrent: bool) -> OneToken:
    """Read the state of a sequence of exactly one token. Raises ``UnknownLayoutError``."""
    for length in PLACES:
        try:
            found = _parse(state, length)
        except (struct.error, UnknownLayoutError):
            continue
        if recurrent == bool(found.rest):
            return found
    raise UnknownLayoutError


def _parse(state: bytes, place: int) -> OneToken:
    if sys.byteorder != "little":
        raise UnknownLayoutError
    _, _, streams, tokens = _HEAD.unpack_from(state)
    at = _HEAD.size + place
    transposed, layers = NUMBERS.unpack_from(state, at)
    position, sequences = _CELL.unpack_from(state, _HEAD.size)
    if (streams, tokens, position, sequences) != (1, 1, 0, 1) or transposed > 1 or not 0 < layers < 10_000:
        raise UnknownLayoutError
    middle = state[at : at + NUMBERS.size]
    at += NUMBERS.size
    parts: list[tuple[bytes, bytes, int]] = []
    for number in range(2 * layers):
        element = 0
        if number < layers or not transposed:
            _, size = ROWS.unpack_from(state, at)
            begin = at + ROWS.size
        else:
            _, element, count = COLUMNS.unpack_from(state, at)
            size, begin = element * count, at + COLUMNS.size
            if not element:
                raise UnknownLayoutError
        if not 0 < size <= len(state) - begin:
            raise UnknownLayoutError
        parts.append((state[at:begin], state[begin : begin + size], element))
        at = begin + size
    rest = state[at:]
    if rest and _CELL.unpack_from(rest) != (1, 0):
        raise UnknownLayoutError
    return OneToken(state[: _HEAD.size], state[_HEAD.size : _HEAD.size + place], middle, tuple(parts), rest)


def repeated(one: OneToken, tokens: int) -> Iterator[bytes]:
    """The state of ``tokens`` such tokens, in pieces of a layer's keys or values at most. ``b"".join`` makes it."""
    yield one.head[:-4] + struct.pack("<I", tokens)
    tail = one.place[4:]
    yield b"".join(struct.pack("<i", position) + tail for position in range(tokens))
    yield one.transposed
    for head, row, element in one.parts:
        yield head
        if element:
            yield b"".join(row[at : at + element] * tokens for at in range(0, len(row), element))
        else:
            yield row * tokens
    if one.rest:
        yield one.rest[:4] + struct.pack("<i", tokens - 1) + one.rest[8:]
