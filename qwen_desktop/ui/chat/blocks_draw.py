"""The small things that are drawn by hand in messages: cards, icons, lines of text and quiet buttons."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

from qwen_desktop.ui.chat.blocks import TARGET, PaintContext, Target, focus_ring, inside
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.icons import pixmap

ICON: Final = 16
#: How a line of text stands in its rectangle, in the middle of its height. As numbers: enums are slow to join.
_LINE: Final = int(Qt.AlignmentFlag.AlignVCenter) | int(Qt.TextFlag.TextSingleLine)
_FIXED: Final = int(Qt.AlignmentFlag.AlignAbsolute) | _LINE
_LEFT: Final = int(Qt.AlignmentFlag.AlignLeft)
_RIGHT: Final = int(Qt.AlignmentFlag.AlignRight)
START: Final = _LEFT | _LINE
CENTRED: Final = int(Qt.AlignmentFlag.AlignHCenter) | _LINE


def card(painter: QPainter, rect: QRectF, fill: QColor, border: QColor, radius: float) -> None:
    """A rounded surface with a 1 px border on whole pixels."""
    painter.setPen(QPen(border, 1))
    painter.setBrush(fill)
    painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)


def draw_icon(painter: QPainter, context: PaintContext, rect: QRectF, name: str, role: str, *, size: int) -> None:
    """An icon of ``size`` pixels in the middle of ``rect``."""
    picture = pixmap(name, context.style.color(role), size, context.ratio)
    corner = (rect.center() - QPointF(size / 2, size / 2)) * context.ratio
    painter.drawPixmap(QPointF(round(corner.x()), round(corner.y())) / context.ratio, picture)


def button_width(style: Style, label: str) -> float:
    """Pixels of a quiet button with an icon and perhaps a word."""
    if not label:
        return float(style.px(TARGET))
    return 8 + style.px(ICON) + 6 + style.label_width(label) + 8


def quiet_button(
    painter: QPainter,
    context: PaintContext,
    at: At,
    target: Target,
    icon: str,
    *,
    label: str = "",
    enabled: bool = True,
) -> None:
    """An icon, perhaps with a word, that shows a surface only under the pointer."""
    style, key, rect = context.style, target.key, target.rect.translated(at.x, at.y)
    role = "text_muted" if enabled else "disabled_text"
    if enabled and key in (context.hover, context.pressed):
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(style.color("pressed" if key == context.pressed else "hover"))
        painter.drawRoundedRect(rect, 7, 7)
        role = "text"
    if key in context.copied:
        icon, role = "check", "good"
    size, mark = style.px(ICON), rect
    if label:
        mark, before = inside(rect, 8, size, rtl=style.rtl), 8 + size + 6
        words = inside(rect, before, rect.width() - before, rtl=style.rtl)
        write(painter, style, words, label, style.font("small"), role=role, align=edge(style.rtl))
    draw_icon(painter, context, mark, icon, role, size=size)
    if key == context.focus:
        focus_ring(painter, context, rect.adjusted(2, 2, -2, -2), 6)


def framed_button(
    painter: QPainter, context: PaintContext, at: At, target: Target, font: QFont, *, role: str = "text"
) -> None:
    """A button with a border, and its target's label in the middle."""
    style, rect = context.style, target.rect.translated(at.x, at.y)
    hot = target.key in (context.hover, context.pressed)
    card(painter, rect, style.color("hover" if hot else "surface"), style.color("border_strong"), 8)
    write(painter, style, rect, target.label, font, role=role, align=CENTRED)
    if context.focus == target.key:
        focus_ring(painter, context, rect)


def edge(rtl: bool) -> int:
    """The alignment of text that begins at the start edge, whatever direction the painter and the text have."""
    return (_RIGHT if rtl else _LEFT) | _FIXED


def write(
    painter: QPainter,
    style: Style,
    rect: QRectF,
    text: str,
    font: QFont,
    *,
    role: str = "text_muted",
    align: int = START,
) -> None:
    """One line of text in the middle of ``rect``'s height, never wrapped."""
    painter.setFont(font)
    painter.setPen(style.color(role))
    painter.drawText(rect, align, text)
