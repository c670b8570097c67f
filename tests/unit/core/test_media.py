"""Pictures and sounds by their first bytes, and what is none."""

from __future__ import annotations

import random
import struct
import wave
from io import BytesIO

import pytest

from qwen_desktop.core.media import HEAD, Media, media_of


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(9)


def jpeg(width: int, height: int) -> bytes:
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\x00" + bytes(9)
    return b"\xff\xd8" + app0 + b"\xff\xc2" + struct.pack(">HBHH", 17, 8, height, width) + bytes(12)


def wav(seconds: int) -> bytes:
    made = BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(4 * 8000 * seconds))
    return made.getvalue()


GIF = b"GIF89a" + struct.pack("<HH", 320, 200) + bytes(10)
BMP = b"BM" + struct.pack("<IIIIii", 70, 0, 54, 40, 64, -48) + bytes(20)
WEBP = (
    b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\x7f\x07\x00\x37\x04\x00" + bytes(9)
)
FLAC = b"fLaC" + bytes(14) + (44_100 << 44 | 1 << 41 | 15 << 36 | 441_000).to_bytes(8, "big") + bytes(16)
FILES = {
    "png": (png(1920, 1080), Media("image/png", 1920, 1080)),
    "jpeg": (jpeg(640, 480), Media("image/jpeg", 640, 480)),
    "gif": (GIF, Media("image/gif", 320, 200)),
    "bmp": (BMP, Media("image/bmp", 64, 48)),
    "webp": (WEBP, Media("image/webp", 1920, 1080)),
    "wav": (wav(3), Media("audio/wav", seconds=3.0)),
    "flac": (FLAC, Media("audio/flac", seconds=10.0)),
    "mp3": (b"ID3\x03" + bytes(40), Media("audio/mpeg")),
    "ogg": (b"OggS" + bytes(40), Media("audio/ogg")),
    "m4a": (bytes(4) + b"ftypM4A " + bytes(20), Media("audio/mp4")),
    "heic": (bytes(4) + b"ftypheic" + bytes(20), Media("image/heic")),
}


@pytest.mark.parametrize("kind", FILES)
def test_media_are_told_by_their_first_bytes(kind: str) -> None:
    data, expected = FILES[kind]
    assert media_of(data[:HEAD], len(data)) == expected


@pytest.mark.parametrize(
    "data", [b"", b"BM is a bookmark", b"RIFF and raff", b"%PDF-1.7", b"PK\x03\x04", b"GIF is a form"]
)
def test_what_is_neither_picture_nor_sound_is_none(data: bytes) -> None:
    assert media_of(data, len(data)) is None


def test_broken_headers_never_raise_and_never_tell_nonsense() -> None:
    chance = random.Random(7)
    for _ in range(4000):
        data = bytearray(chance.choice([data for data, _ in FILES.values()])[:400])
        for _ in range(chance.randint(0, 12)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found = media_of(bytes(data[: chance.randint(0, len(data))]), len(data))
        assert found is None or (0 <= found.width <= 1_000_000 and 0 <= found.seconds < 1e6)
