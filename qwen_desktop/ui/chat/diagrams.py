"""Diagrams as ``Drawings`` keeps them: an SVG without colours, which takes on the theme's when shown or saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, cast

import msgspec
from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QRectF, QSizeF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.drawings import Failed, Kind

#: The kind of drawing.
DIAGRAM: Final = "diagram"
#: The theme's role for each colour of a diagram (see ``jobs.diagram_svg``); what is not named is text.
_ROLES: Final = {
    "bg": "surface", "muted": "text_muted", "line": "text_muted", "surface": "sunken", "surface-alt": "hover",
    "border": "text_faint", "accent": "accent", "critical": "bad", "series-1": "accent", "series-2": "code_number",
    "series-3": "good", "series-4": "bad", "series-5": "code_keyword", "series-6": "code_function", "series-7": "warn",
    "series-8": "text_muted",
}  # fmt: skip
_VARIABLE: Final = re.compile(r'"var\(--([a-z0-9-]+)\)"')
#: The text's size in a diagram that is not scaled, in pixels.
TEXT: Final = 16.0
#: Pixels around a diagram in a file.
_MARGIN: Final = 16
#: The longest side of a picture in a file, in pixels.
_LONGEST_SIDE: Final = 16_000
#: From here on characters are as wide as high: nobody need measure thousands of them.
_SQUARE: Final = "\u2e80"


class Picture(msgspec.Struct, frozen=True):
    """What the job gives for a diagram that can be drawn: ``width`` and ``height`` in pixels at a text of ``TEXT``."""

    svg: str
    width: float
    height: float
    type: str

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        return 2 * len(self.svg)

    def colored(self, style: Style) -> str:
        """The SVG in the theme's colours and font."""

        def value(found: re.Match[str]) -> str:
            name = found[1]
            return f'"{_family(style)}"' if name == "font" else f'"{style.color(_ROLES.get(name, "text")).name()}"'

        return _VARIABLE.sub(value, self.svg)

    def renderer(self, style: Style) -> QSvgRenderer:
        """What paints it in the theme's colours."""
        renderer = QSvgRenderer(QByteArray(self.colored(style).encode()))
        renderer.setAspectRatioMode(Qt.AspectRatioMode.KeepAspectRatio)
        return renderer

    def as_svg(self, style: Style) -> bytes:
        """A file: as it is on screen, on the theme's ground."""
        wide, high = self.width + 2 * _MARGIN, self.height + 2 * _MARGIN
        ground = f'<rect width="{wide:g}" height="{high:g}" fill="{style.color("surface").name()}"/>'
        size = f'xmlns="http://www.w3.org/2000/svg" width="{wide:g}" height="{high:g}" viewBox="0 0 {wide:g} {high:g}"'
        inner = self.colored(style).replace("<svg ", f'<svg x="{_MARGIN}" y="{_MARGIN}" ', 1)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<svg {size}>{ground}{inner}</svg>\n'.encode()

    def as_png(self, style: Style, scale: float = 2.0) -> bytes:
        """A file: the same ``scale`` times as large in pixels. Takes long for a large one: not for the event loop."""
        size = QSizeF(self.width + 2 * _MARGIN, self.height + 2 * _MARGIN)
        scale = min(scale, _LONGEST_SIDE / max(size.width(), size.height()))
        image = QImage((size * scale).toSize(), QImage.Format.Format_RGB32)
        image.fill(style.color("surface"))
        painter = QPainter(image)
        painter.scale(scale, scale)
        self.renderer(style).render(painter, QRectF(_MARGIN, _MARGIN, self.width, self.height))
        painter.end()
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        image.save(buffer, cast("bytes", "PNG"))  # the stub asks for bytes, Qt takes none
        return bytes(buffer.data().data())


def options(style: Style, source: str) -> dict[str, Any]:
    """What the job must know beside a source: how wide its characters are in the font that draws them."""
    family = _family(style)
    return {"widths": tuple((char, *_widths(family, char)) for char in sorted(set(source)) if " " <= char < _SQUARE)}


def find(style: Style, source: str) -> Picture | Failed | None:
    """The picture of a source, None while it is being made, or where nothing is drawn."""
    if style.drawings is None:
        return None
    found = style.drawings.drawing(DIAGRAM, source, **options(style, source))
    return found if isinstance(found, (Picture, Failed)) else None


def _family(style: Style) -> str:
    return style.font("message").family().replace('"', "").replace("&", "").replace("<", "")


@lru_cache(maxsize=4000)
def _widths(family: str, char: str) -> tuple[int, int]:
    regular, bold = (round(metrics.horizontalAdvance(char) * 10) for metrics in _metrics(family))
    return regular, bold


@lru_cache(maxsize=4)
def _metrics(family: str) -> tuple[QFontMetricsF, ...]:
    def each() -> Iterator[QFontMetricsF]:
        for weight in (400, 600):
            font = QFont(family)
            font.setPixelSize(100)
            font.setWeight(QFont.Weight(weight))
            yield QFontMetricsF(font)

    return tuple(each())


def _read(data: dict[str, Any]) -> Picture | Failed:
    if "failed" in data:
        return Failed(f"{data['failed']}:{data.get('line', 0)}")
    return msgspec.convert(data, Picture)


#: A job call draws a few, each with a limit of its own (``jobs.diagrams``).
KIND: Final = Kind(DIAGRAM, "qwen_desktop.jobs.diagrams:render", _read, 4, 30.0)
