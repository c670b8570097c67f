"""Icons drawn from their SVG files: as bare pixels, and as PNG.

The drawing is done by Qt's own SVG renderer in the Python of the build's environment, so that no picture of another
program's making lies in the repository and the icons look as the window shows them.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import product
from dev_console import Failed

APP_ICON = product.ROOT / "resources" / "icons" / "app.svg"
_DRAW = Path(__file__).resolve().with_name("draw_icon.py")


def pixels(python: Path, source: Path, sizes: Sequence[int], scale: float = 1.0) -> dict[int, bytes]:
    """An SVG file in each of ``sizes`` as RGBA bytes; ``scale`` below 1 leaves a margin. ``python`` has PySide6."""
    with tempfile.TemporaryDirectory(prefix="icon-") as name:
        command = [str(python), "-I", str(_DRAW), str(source), str(scale), name, *map(str, sizes)]
        try:
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=120
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failed(f"The icons cannot be drawn: {python} does not run ({type(error).__name__}).") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
            raise Failed(f"The icons cannot be drawn with {python}, which must have PySide6: {said[-1]}")
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
