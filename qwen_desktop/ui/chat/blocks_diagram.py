"""Mermaid code as the diagram that it describes: a code card that shows a picture once its code is whole.

Until then, where it cannot be drawn, and when the user wants to see it, it is the code card that it would be without
this file.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from qwen_desktop.jobs.markdown.blocks import CodeBlock
from qwen_desktop.ui.chat import diagrams
from qwen_desktop.ui.chat.blocks import PaintContext, is_diagram
from qwen_desktop.ui.chat.blocks_code import CodeLayout, Offer
from qwen_desktop.ui.chat.blocks_draw import card, edge, write
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.diagrams import Picture
from qwen_desktop.ui.chat.drawings import Failed, pixmap
from qwen_desktop.ui.texts import fill, translate

#: Pixels around the picture, and the most that it is high; a larger one is made smaller, and there is Zoom.
_AROUND: Final = 16
_HIGHEST: Final = 620
#: A wide one is made no smaller than this share of the text around it, and is scrolled, up to so many pixels.
_SMALLEST: Final = 0.68
_WIDEST: Final = 2000
#: Tells pictures apart in Qt's cache.
_NUMBERS: Final = count()


def code_layout(style: Style, block: CodeBlock) -> CodeLayout:
    """The layout for a code block."""
    return DiagramLayout(style, block) if is_diagram(block) else CodeLayout(style, block)


class DiagramLayout(CodeLayout):
    """A block of Mermaid."""

    def __init__(self, style: Style, block: CodeBlock) -> None:
        super().__init__(style, block)
        self._as_code = False
        self._found: Picture | Failed | None = None
        self._renderer: QSvgRenderer | None = None
        self._number = 0

    # What it shows ---------------------------------------------------------------------------------------------------

    @property
    def picture(self) -> Picture | None:
        """The picture on show."""
        return self._found if isinstance(self._found, Picture) and not self._as_code else None

    @property
    def remark(self) -> str:
        """Why there is no picture, as a sentence; "" where there is one, or none was to be expected."""
        return _reason(self._found.reason) if isinstance(self._found, Failed) else ""

    def close(self) -> None:
        if not self._closed:
            super().close()
            if self.width:
                self.lay()

    def set_opened(self, opened: Callable[[str], bool]) -> None:
        super().set_opened(opened)
        self._as_code = opened("diagram")

    # Measuring -------------------------------------------------------------------------------------------------------

    def lay(self) -> None:
        found = diagrams.find(self.style, self.block.text) if self._closed else None
        self.waiting = self._closed and found is None and self.style.drawings is not None
        if found is not self._found:
            self._found, self._renderer = found, None
        self.spoken = translate("transcript", "Shown as a diagram") if self.picture is not None else self.remark
        super().lay()

    def _measure(self) -> None:
        super()._measure()
        if self.picture is not None:
            wide, high = self._size
            around = 2 * self.style.px(_AROUND)
            self.height = self._header + around + high + self.widen(wide + around)
        elif self.remark:
            self.height += self._line

    @property
    def _size(self) -> tuple[float, float]:
        """The width and the height of the picture: as large as the text around it, less where there is no room, but not
        so small that nobody could read it."""
        picture = self.picture
        if picture is None:
            return 0.0, 0.0
        around, room = 2 * self.style.px(_AROUND), self.width - self.indentation
        text = self.style.base_font("message").pixelSize() / diagrams.TEXT
        scale = min(text, self.style.px(_HIGHEST) / picture.height)
        least = min(scale, _SMALLEST * text, self.style.px(_WIDEST) / picture.width)
        scale = min(scale, max((room - around) / picture.width, least))
        return picture.width * scale, picture.height * scale

    # Painting --------------------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        style, frame = self.style, self.room.translated(at.x, at.y)
        picture = self.picture
        if picture is None:
            super().paint(painter, context, at)
            if self.remark:
                place = QRectF(frame.left() + 15, frame.bottom() - self._line - 10, frame.width() - 30, self._line)
                write(painter, style, place, self.remark, style.font("small"), align=edge(self.rtl))
            return
        card(painter, frame, style.color("surface"), style.color("border"), 10)
        self._draw_header(painter, context, frame, at)
        wide, high = self._size
        before = style.px(_AROUND) - self.scroll if self.overflow else round((frame.width() - wide) / 2)
        painter.save()
        painter.setClipRect(frame.adjusted(1, self._header, -1, -1), Qt.ClipOperation.IntersectClip)
        place = QRectF(frame.left() + before, frame.top() + self._header + style.px(_AROUND), wide, high)
        painter.drawPixmap(place.topLeft(), self._pixmap(picture, wide, high, context.ratio))
        if context.ranges:
            painter.setOpacity(0.5)
            painter.fillRect(place, style.color(context.ranges[0][2]))
        painter.restore()
        self.paint_bar(painter, QRectF(frame.left() + 15, frame.bottom() - 9, frame.width() - 30, 4))

    def _pixmap(self, picture: Picture, wide: float, high: float, ratio: float) -> QPixmap:
        if self._renderer is None:
            self._renderer, self._number = picture.renderer(self.style), next(_NUMBERS)
        renderer, key = self._renderer, f"diagram/{self._number}/{wide:.1f}/{high:.1f}/{ratio:.3f}"
        return pixmap(key, wide, high, ratio, lambda painter: renderer.render(painter, QRectF(0, 0, wide, high)))

    # Asking ----------------------------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        return super().title if self.picture is None else translate("transcript", "Diagram")

    @property
    def count(self) -> str:
        return super().count if self.picture is None else ""

    def offers(self) -> list[Offer]:
        of_code = super().offers()
        if not isinstance(self._found, Picture):
            return of_code
        if self._as_code:
            said = translate("transcript", "Show the diagram")
            return [Offer("diagram", "", "workflow", translate("transcript", "Diagram"), said), *of_code]
        text = self.block.text
        said = translate("transcript", "Show the code of the diagram")
        zoom, save = translate("transcript", "Zoom in on the diagram"), translate("transcript", "Save the diagram")
        return [
            Offer("diagram", "", "code", translate("transcript", "Code"), said),
            Offer("diagram_zoom", text, "maximize-2", translate("transcript", "Zoom"), zoom),
            Offer("diagram_save", text, "download", translate("transcript", "Save"), save),
            of_code[-1],
        ]

    def offset_at(self, x: float, y: float) -> int:
        if self.picture is None:
            return super().offset_at(x, y)
        return 0 if y < self.height / 2 else len(self.block.text)


def _reason(reason: str) -> str:
    code, _, line = reason.partition(":")
    if code == "syntax" and line not in ("", "0"):
        return fill(translate("transcript", "This cannot be drawn: line {line} is not understood."), line=line)
    sentences = {
        "missing": "",
        "syntax": translate("transcript", "This cannot be drawn: it is not understood."),
        "unknown": translate("transcript", "This cannot be drawn: it is no kind of diagram that is known."),
        "large": translate("transcript", "This cannot be drawn: it is too large."),
        "late": translate("transcript", "This cannot be drawn: it takes too long."),
    }
    return sentences.get(code, translate("transcript", "This cannot be drawn."))
