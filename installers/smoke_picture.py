"""A picture of the screen, as far as the smoke test looks at it: how many colours, how much has changed, as a PNG."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

#: A window that shows letters has hundreds of colours (their edges are smoothed), an empty frame has three.
_COLOURS = 40
#: With this much of one colour there is no content: a frame with its title, 0.98, may come before the first painting.
_MOST = 0.96


@dataclass(frozen=True)
class Picture:
    """``pixels`` are blue, green, red and a byte without meaning, from the top left."""

    width: int
    height: int
    pixels: bytes

    def _values(self) -> memoryview:
        return memoryview(self.pixels).cast("I")

    def colours(self) -> Counter[int]:
        """How often each colour occurs."""
        return Counter(value & 0xFFFFFF for value in self._values())

    def painted(self) -> bool:
        """Whether there is content, and not only a frame or one colour."""
        found = self.colours()
        return len(found) >= _COLOURS and max(found.values()) < _MOST * self.width * self.height

    def changed(self, other: Picture) -> float:
        """Which share of the pixels differs from ``other`` (1.0 for another size)."""
        if (self.width, self.height) != (other.width, other.height):
            return 1.0
        pairs = zip(self._values(), other._values(), strict=True)
        return sum(a != b for a, b in pairs) / max(1, self.width * self.height)

    def save(self, path: Path) -> None:
        """Write it as a PNG."""
        count = self.width * self.height
        colours = bytearray(3 * count)
        for place in range(3):
            colours[place::3] = self.pixels[2 - place :: 4]
        line = 3 * self.width
        rows = b"".join(b"\0" + colours[at * line : (at + 1) * line] for at in range(self.height))
        head = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def from_xwd(data: bytes) -> Picture:
    """The screen of an Xvfb, as it keeps it in a file (``-fbdir``): XWD with 32 bits for each pixel.

    Raises ``ValueError`` for another form.
    """
    if len(data) < 100:
        raise ValueError("no XWD picture")
    head = struct.unpack(">25I", data[:100])
    size, version, form, width, height, order = head[0], head[1], head[2], head[4], head[5], head[7]
    bits, line, colours = head[11], head[12], head[19]
    if version != 7 or form != 2 or bits != 32 or order != 0:
        raise ValueError("an XWD picture of another form")
    begin = size + 12 * colours
    if len(data) < begin + line * height:
        raise ValueError("an XWD picture that ends early")
    rows = (data[begin + at * line : begin + at * line + 4 * width] for at in range(height))
    return Picture(width, height, b"".join(rows))


def from_bmp(data: bytes) -> Picture:
    """A Windows bitmap with 24 or 32 bits for each pixel, uncompressed. Raises ``ValueError`` for another form."""
    if len(data) < 54 or data[:2] != b"BM":
        raise ValueError("no bitmap")
    begin, size, width, height = struct.unpack("<IIii", data[10:26])
    bits = struct.unpack("<H", data[28:30])[0]
    if bits not in (24, 32) or size < 40 or width <= 0:
        raise ValueError("a bitmap of another form")
    step = bits // 8
    line = (width * step + 3) // 4 * 4
    if len(data) < begin + line * abs(height):
        raise ValueError("a bitmap that ends early")
    rows = [data[begin + at * line : begin + at * line + step * width] for at in range(abs(height))]
    if height > 0:  # from the bottom up
        rows.reverse()
    found = b"".join(rows)
    if step == 3:
        wide = bytearray(4 * width * abs(height))
        for place in range(3):
            wide[place::4] = found[place::3]
        found = bytes(wide)
    return Picture(width, abs(height), found)
