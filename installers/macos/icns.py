"""The app's icon in macOS's container (.icns), drawn from ``resources/icons/app.svg``."""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from pathlib import Path

import drawing

#: Entry -> pixels. A PNG each; the names with a doubled size are for Retina screens ("16 pt at 2x" is 32 pixels).
ENTRIES = {
    "ic11": 32,  # 16 pt at 2x
    "ic12": 64,  # 32 pt at 2x
    "ic07": 128,
    "ic13": 256,  # 128 pt at 2x
    "ic08": 256,
    "ic14": 512,  # 256 pt at 2x
    "ic09": 512,
    "ic10": 1024,  # 512 pt at 2x
}
#: Apple's grid has 824 of 1024 pixels for the tile, the drawing 112 of 128.
SCALE = (824 / 1024) / (112 / 128)


def icns(images: Mapping[int, bytes]) -> bytes:
    """An .icns file of RGBA pictures by size; every size of ``ENTRIES`` must be there."""
    packed = {size: drawing.png(size, images[size]) for size in sorted(set(ENTRIES.values()))}
    body = b"".join(
        kind.encode() + struct.pack(">I", len(packed[size]) + 8) + packed[size] for kind, size in ENTRIES.items()
    )
    return b"icns" + struct.pack(">I", len(body) + 8) + body


def write(target: Path, python: Path | None = None) -> Path:
    """Draw the icon in all sizes into ``target`` (.icns) and return it. ``python`` has PySide6; without, this one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sizes = sorted(set(ENTRIES.values()))
    target.write_bytes(icns(drawing.pixels(python or Path(sys.executable), drawing.APP_ICON, sizes, SCALE)))
    return target
