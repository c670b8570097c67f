"""The app's icon and that of GGUF files, in all sizes of the hicolor theme."""

from __future__ import annotations

import shutil
from pathlib import Path

import drawing
import product

from linux import texts

SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512)
FILE_ICON = texts.DATA / "gguf.svg"


def install(share: Path, python: Path, *, name: str = product.ID, file_name: str = texts.MIME_ICON) -> None:
    """Write ``share/icons/hicolor/<size>/{apps,mimetypes}/…``; ``python`` must have PySide6.

    ``name`` and ``file_name`` are the icons' names without an ending.
    """
    hicolor = share / "icons" / "hicolor"
    for source, context, icon in ((drawing.APP_ICON, "apps", name), (FILE_ICON, "mimetypes", file_name)):
        scalable = hicolor / "scalable" / context / f"{icon}.svg"
        scalable.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, scalable)
        render(source, {size: hicolor / f"{size}x{size}" / context / f"{icon}.png" for size in SIZES}, python)


def render(source: Path, targets: dict[int, Path], python: Path) -> None:
    """Draw ``source`` as one PNG for each size in pixels."""
    for size, rgba in drawing.pixels(python, source, list(targets)).items():
        targets[size].parent.mkdir(parents=True, exist_ok=True)
        targets[size].write_bytes(drawing.png(size, rgba))
