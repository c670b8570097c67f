"""Draws an SVG file as PNGs: ``render_icon.py SVG SIZE=PNG ...``. Runs in an environment with PySide6."""

from __future__ import annotations

import sys

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer


def main(source: str, targets: list[str]) -> int:
    """Draw; 1 when the file is no picture or a target cannot be written."""
    application = QGuiApplication([])
    renderer = QSvgRenderer(source)
    if not renderer.isValid():
        print(f"{source} is no SVG file", file=sys.stderr)
        return 1
    for target in targets:
        size, _, path = target.partition("=")
        image = QImage(int(size), int(size), QImage.Format.Format_ARGB32)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        renderer.render(painter, QRectF(0, 0, int(size), int(size)))
        painter.end()
        if not image.save(path, quality=0):
            print(f"{path} cannot be written", file=sys.stderr)
            return 1
    del application
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
