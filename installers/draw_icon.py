"""Draws an SVG in several sizes: ``python draw_icon.py FILE.svg SCALE FOLDER SIZE ...``, by a Python with PySide6.

``FOLDER/SIZE.rgba`` gets the bare pixels, four bytes each from the top left. ``drawing`` runs it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Draw; return the exit code."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from PySide6.QtCore import QRectF, Qt  # noqa: PLC0415 - Qt reads the platform when it is imported
    from PySide6.QtGui import QGuiApplication, QImage, QPainter  # noqa: PLC0415
    from PySide6.QtSvg import QSvgRenderer  # noqa: PLC0415

    app = QGuiApplication([])
    picture = QSvgRenderer(arguments[0])
    if not picture.isValid():
        print(f"{arguments[0]} is no SVG file.", file=sys.stderr)
        return 1
    scale, folder = float(arguments[1]), Path(arguments[2])
    for size in map(int, arguments[3:]):
        image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        margin = size * (1 - scale) / 2
        picture.render(painter, QRectF(margin, margin, size * scale, size * scale))
        painter.end()
        pixels = image.convertToFormat(QImage.Format.Format_RGBA8888)
        (folder / f"{size}.rgba").write_bytes(bytes(pixels.constBits())[: size * size * 4])
    del app
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
