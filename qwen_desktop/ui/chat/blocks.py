"""What all block layouts share: the interface, targets (what can be clicked) and the painting of quiet buttons.

A layout knows its size and paints itself at a place; it is no widget. Offsets are those of the block's plain text
(``jobs.markdown.blocks.plain``).
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Final

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from qwen_desktop.jobs.markdown.blocks import Block
from qwen_desktop.ui.chat.blocks_flow import At, Ranges, within
from qwen_desktop.ui.chat.blocks_style import Style, text_width
from qwen_desktop.ui.icons import pixmap

#: Pixels that a list level and a quotation level move their content to the right.
INDENT: Final = 26
QUOTE: Final = 18
#: Smallest side of something that can be clicked.
TARGET: Final = 28
ICON: Final = 16


def translate(context: str, source: str) -> str:
    """Translate a text of the window. The context stands at each call, since that is where lupdate looks for it."""
    return QCoreApplication.translate(context, source)


@dataclass(frozen=True, slots=True)
class Target:
    """Something that can be clicked or reached with Tab. ``rect`` is relative to whoever returned it.

    ``key`` is unique in its message; ``action`` says what happens, with ``value`` (an address, a message id, a text).
    """

    key: str
    action: str
    value: str
    rect: QRectF
    label: str
    extra: tuple[QRectF, ...] = ()

    def moved(self, dx: float, dy: float, prefix: str = "") -> Target:
        """The same target in the coordinates of an owner."""
        return replace(
            self,
            key=prefix + self.key,
            rect=self.rect.translated(dx, dy),
            extra=tuple(rect.translated(dx, dy) for rect in self.extra),
        )

    def contains(self, point: QPointF) -> bool:
        """Whether a point is on it (a wrapped link has several rectangles)."""
        if self.extra:
            return any(rect.contains(point) for rect in self.extra)
        return self.rect.contains(point)


@dataclass(slots=True)
class PaintContext:
    """What painting needs beside the layout. Keys name targets of what is being painted, ranges count in its text."""

    style: Style
    ratio: float = 1.0
    hover: str = ""
    pressed: str = ""
    focus: str = ""
    copied: frozenset[str] = field(default_factory=frozenset)
    message_hover: bool = False
    ranges: Ranges = ()

    def of(self, prefix: str, start: int = 0, length: int = sys.maxsize - 1) -> PaintContext:
        """What a child needs whose target keys begin with ``prefix`` and whose text are ``length`` characters from
        ``start`` on."""
        return PaintContext(
            self.style,
            self.ratio,
            _inner(self.hover, prefix),
            _inner(self.pressed, prefix),
            _inner(self.focus, prefix),
            self.copied and frozenset(key[len(prefix) :] for key in self.copied if key.startswith(prefix)),
            self.message_hover,
            within(self.ranges, start, length),
        )


def _inner(key: str, prefix: str) -> str:
    return key[len(prefix) :] if key.startswith(prefix) else ""


def mirrored(rect: QRectF, width: float) -> QRectF:
    """A rectangle at the same distance from the other edge of something ``width`` pixels wide."""
    return QRectF(width - rect.right(), rect.top(), rect.width(), rect.height())


class Directed:
    """Something with a start and an end edge: left and right, or right and left where ``rtl``. Rectangles are computed
    from the start edge and turned into those on screen by ``placed``, here and nowhere else."""

    width = 0.0
    rtl = False

    def placed(self, rect: QRectF) -> QRectF:
        """Where a rectangle, given from the start edge, is on screen (relative to the left edge)."""
        return mirrored(rect, self.width) if self.rtl else rect


class BlockLayout(Directed, ABC):
    """One laid-out block."""

    #: Pixels wanted above it when it is not the first.
    gap = 10.0

    def __init__(self, style: Style, block: Block) -> None:
        self.style = style
        self.block = block
        self.height = 0.0
        self.y = 0.0

    @property
    def quotes(self) -> int:
        """How many enclosing quotations are drawn. Depth takes half of the width at most, quotations before lists; what
        is deeper is drawn as the last that fits."""
        return min(self.block.quote, int(self.width / 2 / self.style.px(QUOTE))) if self.width else self.block.quote

    @property
    def indentation(self) -> float:
        """Pixels taken by enclosing lists and quotations."""
        quotes, indent = self.quotes * self.style.px(QUOTE), self.style.px(INDENT)
        lists = min(self.block.indent, int((self.width / 2 - quotes) / indent)) if self.width else self.block.indent
        return float(quotes + max(0, lists) * indent)

    @abstractmethod
    def set_width(self, width: float) -> None:
        """Lay out in ``width`` pixels (the column's; the block takes off its own indentation)."""

    @abstractmethod
    def update(self, block: Block) -> bool:
        """Show another state of the block in place (it grew, or got its colours); False when it is another block."""

    @abstractmethod
    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """Draw at ``at``."""

    @abstractmethod
    def offset_at(self, x: float, y: float) -> int:
        """Offset in the block's plain text nearest to a point."""

    def targets(self) -> list[Target]:
        """What can be clicked in it."""
        return []

    def wheel(self, dx: float) -> bool:
        """Scroll sideways by ``dx`` pixels; False when there is nothing to scroll."""
        return False


def focus_ring(painter: QPainter, context: PaintContext, rect: QRectF, radius: float = 8) -> None:
    """The 2 px ring, 2 px away, around what has the keyboard."""
    painter.setPen(QPen(context.style.color("focus"), 2))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(rect.adjusted(-2, -2, 2, 2), radius + 1, radius + 1)


def card(painter: QPainter, rect: QRectF, fill: QColor, border: QColor, radius: float) -> None:
    """A rounded surface with a 1 px border on whole pixels."""
    painter.setPen(QPen(border, 1))
    painter.setBrush(fill)
    painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)


def draw_icon(painter: QPainter, context: PaintContext, name: str, color: QColor, rect: QRectF, *, size: int) -> None:
    """An icon of ``size`` pixels in the middle of ``rect``."""
    picture = pixmap(name, color, size, context.ratio)
    x = round((rect.center().x() - size / 2) * context.ratio) / context.ratio
    y = round((rect.center().y() - size / 2) * context.ratio) / context.ratio
    painter.drawPixmap(QPointF(x, y), picture)


def button_width(style: Style, label: str) -> float:
    """Pixels of a quiet button with an icon and perhaps a word."""
    if not label:
        return float(style.px(TARGET))
    return 8 + style.px(ICON) + 6 + text_width(label, style.font("small")) + 8


def quiet_button(
    painter: QPainter,
    context: PaintContext,
    rect: QRectF,
    key: str,
    icon: str,
    *,
    label: str = "",
    enabled: bool = True,
) -> None:
    """An icon, perhaps with a word, that shows a surface only under the pointer."""
    color = context.style.color("text_muted" if enabled else "disabled_text")
    if enabled and key in (context.hover, context.pressed):
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(context.style.color("pressed" if key == context.pressed else "hover"))
        painter.drawRoundedRect(rect, 7, 7)
        color = context.style.color("text")
    if key in context.copied:
        icon, color = "check", context.style.color("good")
    size = context.style.px(ICON)
    if label:
        draw_icon(painter, context, icon, color, QRectF(rect.left() + 8, rect.top(), size, rect.height()), size=size)
        painter.setFont(context.style.font("small"))
        painter.setPen(color)
        painter.drawText(rect.adjusted(8 + size + 6, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, label)
    else:
        draw_icon(painter, context, icon, color, rect, size=size)
    if key == context.focus:
        focus_ring(painter, context, rect.adjusted(2, 2, -2, -2), 6)


def draw_line_of_text(
    painter: QPainter, rect: QRectF, text: str, *, align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft
) -> None:
    """One line of text in the middle of ``rect``'s height, never wrapped."""
    flags = int(align | Qt.AlignmentFlag.AlignVCenter) | int(Qt.TextFlag.TextSingleLine)
    painter.drawText(rect, flags, text)
