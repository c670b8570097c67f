"""The app's icon as PNG and as Windows' container (.ico), drawn from ``resources/icons/app.svg``."""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import product
from dev_console import Failed

SOURCE = product.ROOT / "resources" / "icons" / "app.svg"
#: What Windows asks for between 100 % and 400 % scaling: title bar, Start menu, taskbar, Explorer's large pictures.
SIZES = (16, 20, 24, 32, 40, 48, 64, 96, 128, 256)
_DRAW = Path(__file__).resolve().with_name("draw_icon.py")


def pixels(python: Path, sizes: Sequence[int], scale: float = 1.0) -> dict[int, bytes]:
    """The icon in each of ``sizes`` as RGBA bytes; ``python`` must have PySide6. ``scale`` below 1 leaves a margin."""
    with tempfile.TemporaryDirectory(prefix="icon-") as name:
        command = [str(python), str(_DRAW), str(SOURCE), str(scale), name, *map(str, sizes)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            raise Failed(f"The icon could not be drawn ({said[-1]}): {python} must have PySide6.")
        drawn = {size: (Path(name) / f"{size}.rgba").read_bytes() for size in sizes}
    for size, data in drawn.items():
        if len(data) != size * size * 4:
            raise Failed(f"The icon in {size} pixels has {len(data)} bytes: draw_icon.py must write four a pixel.")
    return drawn


def png(size: int, rgba: bytes) -> bytes:
    """The same pixels as a PNG file; the same input gives the same bytes wherever it runs."""
    rows = b"".join(b"\0" + rgba[start : start + size * 4] for start in range(0, len(rgba), size * 4))
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


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
        body = png(size, rgba) if size >= 256 else _bitmap(size, rgba)
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
    drawn = pixels(python or Path(sys.executable), SIZES)
    target.write_bytes(ico(drawn))
    target.with_suffix(".bmp").write_bytes(banner(drawn[96], 96))
    return target
