"""What a picture or a sound is, from the first bytes of its file: its media type, and its size or length where that
stands in the header. Pure, and bounded by the bytes that it is given; nothing is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from msgspec import Struct

#: So many bytes of a file are enough.
HEAD = 262_144


class Media(Struct, frozen=True):
    """A picture (``width`` and ``height`` in pixels) or a sound (``seconds``); 0 is not known."""

    media_type: str
    width: int = 0
    height: int = 0
    seconds: float = 0.0

    @property
    def picture(self) -> bool:
        """Whether it is a picture."""
        return self.media_type.startswith("image/")


def media_of(head: bytes, size: int) -> Media | None:
    """What a file of ``size`` bytes with this beginning is; None for one that is neither picture nor sound."""
    for marks, read in _READERS:
        if any(head.startswith(mark) for mark in marks):
            try:
                return read(head, size)
            except (struct.error, IndexError):
                return read(b"", 0)
    if head.startswith(b"BM") and head[6:10] == bytes(4) and len(head) >= 26:  # two letters alone may begin a text
        return _bmp(head, size)
    brand = head[8:12]
    if head[4:8] == b"ftyp" and brand in _BRANDS:
        return Media(_BRANDS[brand])
    return None


def _png(head: bytes, _size: int) -> Media:
    width, height = struct.unpack_from(">II", head, 16) if head[12:16] == b"IHDR" else (0, 0)
    return _picture("image/png", width, height)


def _gif(head: bytes, _size: int) -> Media:
    return _picture("image/gif", *(struct.unpack_from("<HH", head, 6) if head else (0, 0)))


def _bmp(head: bytes, _size: int) -> Media:
    width, height = struct.unpack_from("<ii", head, 18) if head else (0, 0)
    return _picture("image/bmp", width, abs(height))


def _jpeg(head: bytes, _size: int) -> Media:
    place = 2
    while place + 9 < len(head):
        if head[place] != 0xFF:
            break
        marker = head[place + 1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", head, place + 5)
            return _picture("image/jpeg", width, height)
        if marker == 0xDA:
            break
        place += 2 + max(2, struct.unpack_from(">H", head, place + 2)[0])
    return Media("image/jpeg")


def _riff(head: bytes, size: int) -> Media | None:
    if head[8:12] == b"WAVE" or not head:
        return _wave(head, size)
    if head[8:12] != b"WEBP":
        return None
    kind, width, height = head[12:16], 0, 0
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8 ":
        width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", head, 26))
    elif kind == b"VP8L":
        bits = struct.unpack_from("<I", head, 21)[0]
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _picture("image/webp", width, height)


def _wave(head: bytes, size: int) -> Media:
    place, rate = 12, 0
    while place + 8 <= len(head):
        name, length = head[place : place + 4], struct.unpack_from("<I", head, place + 4)[0]
        if name == b"fmt ":
            rate = struct.unpack_from("<I", head, place + 16)[0]  # bytes per second
        elif name == b"data":
            length = min(length, max(0, size - place - 8))
            return _sound("audio/wav", length / rate if rate else 0.0)
        place += 8 + length + length % 2
    return Media("audio/wav")


def _flac(head: bytes, _size: int) -> Media:
    if not head:
        return Media("audio/flac")
    rate = int.from_bytes(head[18:21], "big") >> 4
    samples = int.from_bytes(head[21:26], "big") & 0xFFFFFFFFF
    return _sound("audio/flac", samples / rate if rate else 0.0)


def _plain(media_type: str) -> Callable[[bytes, int], Media]:
    return lambda _head, _size: Media(media_type)


def _picture(media_type: str, width: int, height: int) -> Media:
    sane = 0 < width <= 1_000_000 and 0 < height <= 1_000_000
    return Media(media_type, width, height) if sane else Media(media_type)


def _sound(media_type: str, seconds: float) -> Media:
    return Media(media_type, seconds=seconds if 0 < seconds < 1e6 else 0.0)


_READERS: tuple[tuple[tuple[bytes, ...], Callable[[bytes, int], Media | None]], ...] = (
    ((b"\x89PNG\r\n\x1a\n",), _png),
    ((b"\xff\xd8\xff",), _jpeg),
    ((b"GIF87a", b"GIF89a"), _gif),
    ((b"RIFF",), _riff),
    ((b"fLaC",), _flac),
    ((b"OggS",), _plain("audio/ogg")),
    ((b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"), _plain("audio/mpeg")),
    ((b"II*\x00", b"MM\x00*"), _plain("image/tiff")),
)
_BRANDS = {
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"M4A ": "audio/mp4",
}
