"""llama.cpp's states cut into rows of tokens, and put together again. Pure: bytes in, bytes out.

The layout of a state is in ``engine.kv_state``, whose states these are: of one stream. A segment's blocks are the
cells' places, then for each layer its keys, then for each layer its values; transposed values stay so: for each element
those of the segment's tokens. Where tokens stand is never taken from a file: it is checked, and each row stands at
its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from msgspec import Struct

from qwen_desktop.core.packed import pack, unpack
from qwen_desktop.engine.prompt_cache.door import Buffer
from qwen_desktop.engine.prompt_cache.index import Segment

_NUMBERS, _ROWS, _COLUMNS = struct.Struct("<II"), struct.Struct("<iQ"), struct.Struct("<iII")
_HEAD = 16  # magic, sequence, streams, cells
#: More is no model of today, in bytes of a token's row of a layer, layers, and bytes of a state.
_MOST_ROW, _MOST_LAYERS, _MOST_STATE = 1 << 20, 4096, 1 << 40


class Layout(Struct, frozen=True):
    """What a row of a state is: the first bytes of each state, how many bytes a cell's place takes, and for each layer
    the type and the bytes of a token's keys, and of its values the type, the bytes of an element and how many elements
    (0 for one whole row of so many bytes: they are not transposed)."""

    magic: bytes
    place: int
    transposed: bool
    keys: tuple[tuple[int, int], ...]
    values: tuple[tuple[int, int, int], ...]

    @property
    def row_bytes(self) -> int:
        """How many bytes a token has."""
        return self.place + sum(row for _, row in self.keys) + sum(map(_value_bytes, self.values))

    def blocks(self) -> list[int]:
        """Bytes of a token in each block of a segment."""
        return [self.place, *(row for _, row in self.keys), *map(_value_bytes, self.values)]

    def pack(self) -> bytes:
        """For ``unpack_layout``."""
        return pack(self)


def _value_bytes(value: tuple[int, int, int]) -> int:
    _, element, width = value
    return element * max(1, width)


def unpack_layout(data: bytes) -> Layout:
    """A packed layout. Raises ``ValueError`` for one that cannot be."""
    layout = unpack(data, Layout)
    possible = (
        len(layout.magic) == 4
        and layout.place in (12, 24)
        and 0 < len(layout.keys) <= _MOST_LAYERS
        and len(layout.values) <= _MOST_LAYERS
        and all(0 < row <= _MOST_ROW and abs(kind) < 1 << 16 for kind, row in layout.keys)
        and all(
            abs(kind) < 1 << 16 and 0 < element <= _MOST_ROW and (width > 0) == layout.transposed
            and 0 <= width <= _MOST_ROW and element * max(1, width) <= _MOST_ROW
            for kind, element, width in layout.values
        )
    )  # fmt: skip
    if not possible:
        raise ValueError("no state has such rows")
    return layout


class State:
    """A taken state of ``count`` tokens. Raises ``ValueError`` when its form is not known, or when its cells are not
    in the order of their tokens."""

    def __init__(self, state: Buffer, count: int) -> None:
        self._view = view = memoryview(state).cast("B")
        if len(view) < _HEAD + _NUMBERS.size or int.from_bytes(view[8:12], "little") != 1:
            raise ValueError("it is no state of one stream")
        if int.from_bytes(view[12:16], "little") != count or not count:
            raise ValueError("it has another number of tokens")
        self.count = count
        found = next(filter(None, (self._parsed(place) for place in (12, 24))), None)
        if found is None:
            raise ValueError("its form is not known")
        self.layout, self._starts = found
        _check_places(view[_HEAD : _HEAD + count * self.layout.place], self.layout.place, 0)

    def rows(self, first: int, end: int) -> Iterator[Buffer]:
        """The blocks of a segment with the rows of these tokens."""
        view, layout, count = self._view, self.layout, self.count
        sizes = layout.blocks()
        whole = len(layout.keys) + 1 if layout.transposed else len(sizes)
        for start, size in zip(self._starts[:whole], sizes[:whole], strict=True):
            yield view[start + first * size : start + end * size]
        for start, (_, element, width) in zip(
            self._starts[whole:], layout.values if layout.transposed else (), strict=True
        ):
            if (first, end) == (0, count):
                yield view[start : start + count * element * width]
                continue
            row, left, right = count * element, start + first * element, start + end * element
            yield b"".join([view[left + row * each : right + row * each] for each in range(width)])

    def _parsed(self, place: int) -> tuple[Layout, list[int]] | None:
        view, count = self._view, self.count
        at = _HEAD + count * place
        if at + _NUMBERS.size > len(view):
            return None
        transposed, layers = _NUMBERS.unpack_from(view, at)
        at += _NUMBERS.size
        if transposed > 1 or not 0 < layers <= _MOST_LAYERS:
            return None
        starts, keys, values = [_HEAD], list[tuple[int, int]](), list[tuple[int, int, int]]()
        for number in range(2 * layers):
            head = _COLUMNS if transposed and number >= layers else _ROWS
            if at + head.size > len(view):
                return None
            numbers = head.unpack_from(view, at)
            at += head.size
            starts.append(at)
            if number < layers:
                keys.append((numbers[0], numbers[1]))
                at += count * numbers[1]
            else:
                values.append((numbers[0], numbers[1], numbers[2] if transposed else 0))
                at += count * _value_bytes(values[-1])
        if at != len(view):
            return None
        layout = Layout(bytes(view[:4]), place, bool(transposed), tuple(keys), tuple(values))
        try:
            return unpack_layout(layout.pack()), starts
        except ValueError:
            return None


class Assembly:
    """A state of ``count`` tokens that is put together from segments' blocks; ``state`` is whole when each block of
    each segment was ``put``. Raises ``ValueError`` for what does not fit."""

    def __init__(self, layout: Layout, count: int) -> None:
        size = _HEAD + _NUMBERS.size + count * layout.row_bytes
        size += _ROWS.size * len(layout.keys)
        size += (_COLUMNS if layout.transposed else _ROWS).size * len(layout.values)
        if not 0 < count < 1 << 31 or size > _MOST_STATE:
            raise ValueError("it is too large")
        self._layout, self._count = layout, count
        self._blocks = layout.blocks()
        self.state = bytearray(size)
        self._view = memoryview(self.state)
        at = _HEAD + count * layout.place
        self.state[:_HEAD] = layout.magic + struct.pack("<III", 0, 1, count)
        _NUMBERS.pack_into(self.state, at, layout.transposed, len(layout.keys))
        at += _NUMBERS.size
        self._starts = [_HEAD]
        for kind, row in layout.keys:
            _ROWS.pack_into(self.state, at, kind, row)
            self._starts.append(at + _ROWS.size)
            at += _ROWS.size + count * row
        for kind, element, width in layout.values:
            if layout.transposed:
                _COLUMNS.pack_into(self.state, at, kind, element, width)
                at += _COLUMNS.size
            else:
                _ROWS.pack_into(self.state, at, kind, element)
                at += _ROWS.size
            self._starts.append(at)
            at += count * _value_bytes((kind, element, width))

    def put(self, segment: Segment, first: int, number: int, block: Buffer) -> None:
        """Block ``number`` of a segment whose first token is ``first``."""
        if number >= len(self._blocks):
            raise ValueError("a segment has too many blocks")
        size, start, count = self._blocks[number], self._starts[number], self._count
        if len(block) != size * segment.rows:
            raise ValueError("a block has another size")
        used = min(segment.used, count - first)
        source, view = memoryview(block).cast("B"), self._view
        column = number - 1 - len(self._layout.keys)
        if number == 0:
            _check_places(source[: used * size], size, first)
        if column < 0 or not self._layout.transposed:
            view[start + first * size : start + (first + used) * size] = source[: used * size]
            return
        _, element, width = self._layout.values[column]
        if used == count == segment.rows:
            view[start : start + count * size] = source
            return
        to, row, rows, length = start + first * element, count * element, segment.rows * element, used * element
        for each in range(width):
            view[to + row * each : to + row * each + length] = source[rows * each : rows * each + length]

    @property
    def blocks(self) -> int:
        """How many blocks a segment has."""
        return len(self._blocks)


def _check_places(places: memoryview, size: int, first: int) -> None:
    """Cells stand in the order of their tokens, each of one sequence. Raises ``ValueError``."""
    words, step = places.cast("I"), size // 4
    if words[::step].tolist() != list(range(first, first + len(words) // step)):
        raise ValueError("cells stand elsewhere")
    if words[1::step].tolist().count(1) != len(words) // step:
        raise ValueError("cells belong to several")
