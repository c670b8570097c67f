"""The app's icon in Windows' container (.ico), drawn from ``resources/icons/app.svg``."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from pathlib import Path

import drawing

#: What Windows asks for between 100 % and 400 % scaling: title bar, Start menu, taskbar, Explorer's large pictures.
SIZES = (16, 20, 24, 32, 40, 48, 64, 96, 128, 256)


def _bitmap(size: int, rgba: bytes) -> bytes:
    """The form that every reader of icons knows: blue first, bottom row first, then one bit a pixel that masks."""
    colours = bytearray(rgba)
    colours[0::4], colours[2::4] = rgba[2::4], rgba[0::4]
    mask_row = (size + 31) // 32 * 4
    rows, masks = [], []
    for row in reversed(range(size)):
        line = bytes(colours[row * size * 4 : (row + 1) * size * 4])
        bits = int("".join("0" if alpha else "1" for alpha in line[3::4]).ljust(mask_row * 8, "0"), 2)
        rows.append(line)
        masks.append(bits.to_bytes(mask_row, "big"))
    body = b"".join(rows) + b"".join(masks)
    return struct.pack("<IiiHHIIiiII", 40, size, size * 2, 1, 32, 0, len(body), 0, 0, 0, 0) + body


def ico(images: Mapping[int, bytes]) -> bytes:
    """An .ico file of RGBA pictures by size (256 at most). 256 is kept as PNG, as Windows does itself, others plain."""
    entries, bodies = [], []
    offset = 6 + 16 * len(images)
    for size, rgba in sorted(images.items()):
        body = drawing.png(size, rgba) if size >= 256 else _bitmap(size, rgba)
        entries.append(struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(body), offset))
        bodies.append(body)
        offset += len(body)
    return struct.pack("<HHH", 0, 1, len(images)) + b"".join(entries) + b"".join(bodies)


def banner(rgba: bytes, size: int) -> bytes:
    """The picture beside the installer's last page (164 by 314 pixels, a plain BMP): the icon on a calm ground."""
    width, height, ground = 164, 314, (0xF1, 0xEF, 0xFC)
    left, top = (width - size) // 2, height // 5
    rows: list[bytes] = []
    for y in reversed(range(height)):
        row = bytearray(bytes(reversed(ground)) * width)
        if top <= y < top + size:
            for x in range(size):
                red, green, blue, alpha = rgba[((y - top) * size + x) * 4 :][:4]
                mixed = [
                    (part * alpha + under * (255 - alpha)) // 255
                    for part, under in zip((blue, green, red), reversed(ground), strict=True)
                ]
                row[(left + x) * 3 : (left + x) * 3 + 3] = bytes(mixed)
        rows.append(bytes(row))
    body = b"".join(rows)  # 164 pixels of three bytes: no padding
    return struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + len(body), 0, 54, 40, width, height, 1, 24, 0, len(body),
                       3780, 3780, 0, 0) + body  # fmt: skip


def write(target: Path, python: Path | None = None) -> Path:
    """Draw the icon in all sizes into ``target`` (.ico) and return it. ``python`` has PySide6; without, this one.

    Beside it the installer's picture is written, with the ending ``.bmp``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    drawn = drawing.pixels(python or Path(sys.executable), drawing.APP_ICON, SIZES)
    target.write_bytes(ico(drawn))
    target.with_suffix(".bmp").write_bytes(banner(drawn[96], 96))
    return target
