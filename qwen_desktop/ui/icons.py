"""Icons: Lucide's SVG files, coloured when asked and drawn at the pixels of the screen.

``pixmap`` is for painters (exact size and device ratio), ``icon`` for the places where Qt wants a ``QIcon``.
Adding one: copy the file from Lucide into ``resources/icons`` with its stroke width set to 1.75.
"""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

from qwen_desktop.core.paths import resources_folder

#: Physical sizes put into a ``QIcon``: 16 and 20 px at 100, 125, 150, 200 and 300 %.
_SIZES = (16, 20, 24, 25, 30, 32, 40, 48, 60)


@lru_cache(maxsize=256)
def _source(name: str) -> str:
    """The SVG text of an icon; raises ``FileNotFoundError`` for a name that is not in ``resources/icons``."""
    return (resources_folder() / "icons" / f"{name}.svg").read_text(encoding="utf-8")


def pixmap(name: str, color: QColor, size: int, device_ratio: float = 1.0) -> QPixmap:
    """Return the icon ``size`` logical pixels wide in ``color``, sharp on a screen with ``device_ratio``.

    Pixmaps are kept in Qt's own cache, so asking in every paint event is cheap.
    """
    physical = max(1, round(size * device_ratio))
    key = f"icon/{name}/{color.rgba():08x}/{physical}/{device_ratio:.3f}"
    found = QPixmap()
    if QPixmapCache.find(key, found):
        return found
    text = _source(name).replace("currentColor", color.name(QColor.NameFormat.HexRgb))
    drawn = QPixmap(physical, physical)
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    painter.setOpacity(color.alphaF())
    QSvgRenderer(QByteArray(text.encode())).render(painter, QRectF(0, 0, physical, physical))
    painter.end()
    drawn.setDevicePixelRatio(device_ratio)
    QPixmapCache.insert(key, drawn)
    return drawn


def icon(name: str, color: QColor) -> QIcon:
    """Return a ``QIcon`` in ``color`` with the usual sizes; "app" keeps its own colours."""
    result = QIcon()
    sizes = (16, 24, 32, 48, 64, 128, 256) if name == "app" else _SIZES
    for size in sizes:
        result.addPixmap(pixmap(name, color, size))
    return result
