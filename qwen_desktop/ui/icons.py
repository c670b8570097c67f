"""Icons: Lucide's SVG files, coloured when asked and drawn at the pixels of the screen.

``pixmap`` is for painters (exact size and device ratio), ``themed`` for controls.
Adding one: copy the file from Lucide into ``resources/icons`` with its stroke width set to 1.75.
"""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QIconEngine, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

from qwen_desktop.core.paths import resources_folder
from qwen_desktop.ui.theme import Theme


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


def themed(
    theme: Theme,
    name: str,
    role: str,
    *,
    over: str = "",
    on: str = "",
    off: str = "disabled_text",
    behind: bool = False,
) -> QIcon:
    """Return a ``QIcon`` in a colour role of the theme as it is when it is drawn, sharp on every screen.

    ``over`` is its role under the mouse (of a tool button), ``on`` that of a checked button, ``off`` of a disabled one.
    In a rectangle wider than high the rest is the gap to its words: those that follow, or with ``behind`` the ones
    before it.
    """
    roles = {QIcon.Mode.Disabled: off, QIcon.Mode.Active: over or role}
    return QIcon(_Engine(theme, name, roles, (role, on or role), behind))


class _Engine(QIconEngine):
    def __init__(
        self, theme: Theme, name: str, modes: dict[QIcon.Mode, str], roles: tuple[str, str], behind: bool
    ) -> None:
        super().__init__()
        self._drawn = (theme, name, modes, roles, behind)

    def clone(self) -> QIconEngine:
        return _Engine(*self._drawn)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        theme, name, modes, (role, on), behind = self._drawn
        checked = state is QIcon.State.On and mode is not QIcon.Mode.Disabled
        color = theme.color(on if checked else modes.get(mode, role))
        side = min(rect.width(), rect.height())
        ltr = QGuiApplication.layoutDirection() is Qt.LayoutDirection.LeftToRight
        inset = min(1, rect.width() - side)  # strokes begin a little inside of a letter's edge
        left = rect.left() + inset if ltr is not behind else rect.right() + 1 - inset - side
        ratio = painter.device().devicePixelRatio()
        painter.drawPixmap(left, rect.top() + (rect.height() - side) // 2, pixmap(name, color, side, ratio))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        drawn = QPixmap(size)
        drawn.fill(Qt.GlobalColor.transparent)
        painter = QPainter(drawn)
        self.paint(painter, drawn.rect(), mode, state)
        painter.end()
        return drawn
