"""What all block layouts share: the interface, targets (what can be clicked) and what painting is told.

A layout knows its size and paints itself at a place; it is no widget. Offsets are those of the block's plain text
(``jobs.markdown.blocks.plain``).
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar, cast

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from qwen_desktop.jobs.markdown.blocks import Block, CodeBlock, TextBlock
from qwen_desktop.ui.chat.blocks_flow import At, Ranges, Sources, within
from qwen_desktop.ui.chat.blocks_style import Style

B = TypeVar("B", bound=Block)
#: Pixels that a list level and a quotation level move their content away from the start edge.
INDENT: Final = 26
QUOTE: Final = 18
#: Pixels that an alert keeps free at its end edge, above and below.
AIR: Final = 10
#: Letter of an alert -> colour role of its bar; with "_soft" that of its ground.
TONES: Final = {"n": "note", "t": "good", "i": "accent", "w": "warn", "c": "bad"}
_SAID: Final = frozenset({"runs", "text", "spans", "rows"})
_ALL: Final = 1000
#: Pixels around what is brought into view.
_MARGIN: Final = 16
#: Smallest side of something that can be clicked.
TARGET: Final = 28


class Target(NamedTuple):
    """Something that can be clicked or reached with Tab. Its rectangles are relative to whoever returned it.

    ``key`` is unique in its message; ``action`` says what happens, with ``value`` (an address, a message id, a text).
    ``place`` may find the rectangles when they are asked for: a text of a thousand links is not measured for one.
    """

    key: str
    action: str
    value: str
    place: QRectF | Callable[[], list[QRectF]]
    label: str
    x: float = 0.0
    y: float = 0.0

    def moved(self, dx: float, dy: float, prefix: str = "") -> Target:
        """The same target in the coordinates of an owner."""
        return Target(prefix + self.key, self.action, self.value, self.place, self.label, self.x + dx, self.y + dy)

    @property
    def rects(self) -> list[QRectF]:
        """Where it is: a wrapped link has several rectangles."""
        found = [self.place] if isinstance(self.place, QRectF) else self.place()
        return [rect.translated(self.x, self.y) for rect in found]

    @property
    def rect(self) -> QRectF:
        """The first of ``rects``."""
        return next(iter(self.rects), QRectF())

    def contains(self, point: QPointF) -> bool:
        """Whether a point is on it."""
        return any(rect.contains(point) for rect in self.rects)


@dataclass(frozen=True, slots=True)
class PaintContext:
    """What painting needs beside the layout. Keys name targets of what is being painted, ranges count in its text."""

    style: Style
    ratio: float = 1.0
    hover: str = ""
    pressed: str = ""
    focus: str = ""
    copied: frozenset[str] = frozenset()
    message_hover: bool = False
    ranges: Ranges = ()

    def of(self, prefix: str, start: int = 0, length: int = sys.maxsize - 1) -> PaintContext:
        """What a child needs whose target keys begin with ``prefix`` and whose text are ``length`` characters from
        ``start`` on."""
        if not (self.hover or self.pressed or self.focus or self.copied or self.ranges):
            return self  # as nearly always: each block of each frame asks
        cut, keys = len(prefix), (self.hover, self.pressed, self.focus)
        hover, pressed, focus = (key[cut:] if key.startswith(prefix) else "" for key in keys)
        copied = self.copied and frozenset(key[cut:] for key in self.copied if key.startswith(prefix))
        ranges = within(self.ranges, start, length)
        return PaintContext(self.style, self.ratio, hover, pressed, focus, copied, self.message_hover, ranges)


def exhaust(steps: Iterator[None]) -> None:
    """Do all steps at once."""
    for _ in steps:
        pass


def inside(rect: QRectF, start: float, width: float, *, rtl: bool) -> QRectF:
    """What begins ``start`` pixels after the start edge of ``rect``, as tall as that."""
    left = rect.right() - start - width if rtl else rect.left() + start
    return QRectF(left, rect.top(), width, rect.height())


class Directed:
    """Something with a start and an end edge: left and right, or right and left where ``rtl``. Rectangles are computed
    from the start edge and turned into those on screen by ``placed``, here and nowhere else."""

    style: Style
    width = 0.0

    @property
    def rtl(self) -> bool:
        """Whether it starts at the right: as the interface does."""
        return self.style.rtl

    def placed(self, rect: QRectF) -> QRectF:
        """Where a rectangle, given from the start edge, is on screen (relative to the left edge)."""
        left = self.width - rect.right() if self.rtl else rect.left()
        return QRectF(left, rect.top(), rect.width(), rect.height())

    def box(self, at: At, x: float, y: float, width: float, height: float) -> QRectF:
        """A rectangle, given from the start edge, where it is to be painted."""
        return self.placed(QRectF(x, y, width, height)).translated(at.x, at.y)


class BlockLayout(Directed, ABC, Generic[B]):
    """One laid-out block."""

    #: Pixels wanted above it when it is not the first.
    gap = 10.0
    #: Whether its own text runs from right to left, None when it has no direction.
    direction: bool | None = None
    #: Where the bars of quotations begin, in pixels from the start edge.
    bars: Sequence[float] = ()
    #: How many enclosing quotations are drawn, and the pixels that they and enclosing lists take at the start edge.
    quotes = 0
    indentation = 0.0
    #: Pixels that are kept free at the end edge; they are no part of ``width``.
    inset = 0.0
    y = height = 0.0
    #: The y from which it looks different since ``update``; infinite where nothing changed.
    fresh = 0.0
    #: What a screen reader says of it after the message's text.
    spoken = ""
    #: Whether something in it is still being drawn; ``lay`` sets it.
    waiting = False

    def __init__(self, style: Style, block: B) -> None:
        self.style = style
        self.block = block
        #: Whether the block before it runs from right to left.
        self.before = style.rtl

    @property
    def rtl(self) -> bool:
        """The direction of its text; a block without letters runs as the one before it."""
        return self.before if self.direction is None else self.direction

    @property
    def alerts(self) -> str:
        """A letter for each enclosing quotation that is drawn: that of an alert, or "-"."""
        return getattr(self.block, "alerts", "").replace(".", "")[: self.quotes].ljust(self.quotes, "-")

    @property
    def rule(self) -> QColor:
        """The colour of thin lines in it: on the ground of an alert a usual one could not be seen."""
        return self.style.color("border_strong" if self.alerts.strip("-") else "border")

    def _around(self) -> list[int]:
        """For each quotation that is drawn how many lists are around it."""
        path = getattr(self.block, "alerts", "") or "-" * self.quotes
        ends = [place for place, letter in enumerate(path) if letter != "."]
        return [path.count(".", 0, end) for end in ends[: self.quotes]]

    @property
    def x(self) -> float:
        """Where its own left edge is in its column."""
        return self.inset if self.rtl else 0.0

    def hang(self) -> float:
        """Further pixels that its marker takes at the start edge."""
        return 0.0

    def end_hang(self) -> float:
        """Further pixels that something of it takes at the end edge."""
        return 0.0

    @property
    def left(self) -> float:
        """The left edge of its content."""
        return 0.0 if self.rtl else self.indentation

    @property
    def room(self) -> QRectF:
        """The rectangle that is left for its content."""
        return QRectF(self.left, 0, self.width - self.indentation, self.height)

    def set_width(self, width: float) -> None:
        """Lay out in ``width`` pixels (the column's; the block takes off its own indentation)."""
        exhaust(self.steps(width))

    def steps(self, width: float) -> Iterator[None]:
        """The same in small steps: a long block would hold the event loop.

        Depth takes half of the width at most, quotations before lists; what is deeper is drawn as the last that fits.
        """
        quote, indent = self.style.px(QUOTE), self.style.px(INDENT)
        self.quotes = min(self.block.quote, int(width / 2 / quote))
        lists = max(0, min(self.block.indent, int((width / 2 - self.quotes * quote) / indent)))
        self.bars = [float(level * quote + min(n, lists) * indent) for level, n in enumerate(self._around())]
        self.indentation = float(self.quotes * quote + lists * indent) + self.hang()
        self.inset = float(self.style.px(AIR) * min(2, len(self.alerts.replace("-", "")))) + self.end_hang()
        self.width = width - self.inset
        yield from self.lay_steps()

    def lay_steps(self) -> Iterator[None]:
        """``lay`` in small steps, where a block may be long."""
        self.lay()
        yield

    @abstractmethod
    def lay(self) -> None:
        """Lay out in ``width`` pixels, of which ``indentation`` are taken."""

    def update(self, block: Block) -> bool:
        """Show another state of the block in place (it grew, or got its colours); False when it is another block."""
        self.fresh = math.inf
        if block == self.block:
            return True
        if _kind(block) != _kind(self.block):
            return False
        old, self.block = self.block, cast("B", block)
        self.sync()
        if self.width:
            self.set_width(self.width + self.inset)
        if self.fresh == math.inf or look(old) != look(block):  # not known, or more than what it says has changed
            self.fresh = 0.0
        return True

    def redraw(self, sources: Sources = None) -> bool:
        """Lay out again with what has been drawn since, of these ``sources`` where that is known; False where it waited
        for nothing of that."""
        waited = self.waits_for(sources)
        if waited:
            self.lay()
        return waited

    def waits_for(self, sources: Sources) -> bool:
        """Whether something in it may have been drawn now."""
        return self.waiting

    def close(self) -> None:
        """It grows no more: what follows it has begun, or the message is whole."""

    def sync(self) -> None:
        """Take over what the block says now; ``lay`` follows."""

    def follow(self, rtl: bool) -> None:
        """Run as the block before it does, if it has no direction of its own."""
        if rtl != self.before:
            self.before = rtl
            if self.direction is None and self.width:
                self.lay()
                self.fresh = 0.0

    def paint_sides(
        self, painter: QPainter, at: At, height: float, depth: int, beyond: tuple[int, int] = (_ALL, _ALL)
    ) -> None:
        """The thin bars at the start of quotations, and the grounds of those that are alerts. ``beyond`` are the
        numbers of quotations that go on above and below; the others have their corners."""
        above, below = beyond
        painter.setPen(Qt.PenStyle.NoPen)
        column = QRectF(at.x, at.y, self.width + self.inset, height)
        air, alerts = self.style.px(AIR), 0
        for level, letter in enumerate(self.alerts[:depth]):
            start = self.bars[level]
            beside = inside(column, start, column.width() - start, rtl=self.rtl)
            tone = TONES.get(letter, "border_strong")
            if letter not in TONES:
                painter.setBrush(self.style.color(tone))
                bar = inside(beside, 0, 3, rtl=self.rtl)  # it reaches over the round ends of those it goes on in
                bar.adjust(0, -2 if level < above else 0, 0, 2 if level < below else 0)
                painter.drawRoundedRect(bar, 1.5, 1.5)
                continue
            # One in another keeps away from its end edge, and from its lower one where both end.
            outer = len(self.alerts[below:level].replace("-", ""))
            ground = inside(beside, 0, beside.width() - air * min(1, alerts), rtl=self.rtl).adjusted(
                0, 0, 0, -air * outer
            )
            alerts += 1
            whole = ground.adjusted(0, -20 if level < above else 0, 0, 20 if level < below else 0)
            painter.save()
            painter.setClipRect(ground, Qt.ClipOperation.IntersectClip)
            painter.setBrush(self.style.color(f"{tone}_soft"))
            painter.drawRoundedRect(whole, 6, 6)
            painter.setBrush(self.style.color(tone))
            painter.drawRoundedRect(inside(whole, 0, 3, rtl=self.rtl), 1.5, 1.5)
            painter.restore()

    @abstractmethod
    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """Draw at ``at``, without the bars of quotations."""

    @abstractmethod
    def offset_at(self, x: float, y: float) -> int:
        """Offset in the block's plain text nearest to a point."""

    def formula_at(self, x: float, y: float) -> str:
        """The LaTeX of the formula at a point, "" where there is none."""
        return ""

    def targets(self) -> list[Target]:
        """What can be clicked in it."""
        return []

    def targets_at(self, x: float, y: float) -> list[Target]:
        """At least those of ``targets`` that hold a point, found in the layout where there may be many."""
        return self.targets()

    def wheel(self, dx: float) -> bool:
        """Scroll sideways by ``dx`` pixels; False when there is nothing to scroll."""
        return False

    def reveal(self, rect: QRectF) -> None:
        """Bring a rectangle of it into view, where it scrolls."""

    def draw_focus(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """The ring around the link that has the keyboard."""
        for target in self.targets() if context.focus else ():
            if target.key == context.focus:
                for rect in target.rects:
                    focus_ring(painter, context, rect.translated(at.x, at.y), 4)


Layout: TypeAlias = BlockLayout[Any]


def is_diagram(block: CodeBlock) -> bool:
    """Whether it is code of a language that is drawn."""
    return block.language.lower() == "mermaid"


def look(block: Block) -> list[object]:
    """What a block looks like apart from what it says."""
    return [getattr(block, name) for name in block.__struct_fields__ if name not in _SAID]


def _kind(block: Block) -> tuple[object, ...]:
    """What a block must have in common with the one that a layout was made for."""
    look: tuple[object, ...] = ()
    if isinstance(block, TextBlock):
        look = (block.level, bool(block.marker), bool(block.footnote))
    elif isinstance(block, CodeBlock):
        look = (is_diagram(block),)
    return (type(block), block.indent, block.quote, *look)


class WideLayout(BlockLayout[B]):
    """A block whose content may be wider than it is, and scrolls sideways then."""

    #: Pixels of the content, and how far it is scrolled from its start.
    wide = 0.0
    scroll = 0.0
    #: Whether the content starts at the right edge.
    from_right = False

    def widen(self, wide: float) -> float:
        """Take ``wide`` pixels for the content; the pixels that its bar needs below it."""
        self.wide = wide
        self.scroll = min(self.scroll, self.overflow)
        return 8.0 if self.overflow > 0 else 0.0

    @property
    def overflow(self) -> float:
        """Pixels that do not fit."""
        return max(0.0, self.wide - (self.width - self.indentation))

    def wheel(self, dx: float) -> bool:
        overflow = self.overflow
        self.scroll = min(overflow, max(0.0, self.scroll + (-dx if self.from_right else dx)))
        return overflow > 0

    def reveal(self, rect: QRectF) -> None:
        """Scroll so that a rectangle of the content is in view."""
        room = self.room
        beyond = max(0.0, rect.right() - room.right()) - max(0.0, room.left() - rect.left())
        if beyond:
            self.wheel(beyond + (_MARGIN if beyond > 0 else -_MARGIN))

    def paint_bar(self, painter: QPainter, track: QRectF) -> None:
        """The bar that shows which part of the content is seen."""
        overflow = self.overflow
        if overflow > 0:
            seen = self.width - self.indentation
            length = max(30.0, track.width() * seen / (seen + overflow))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.style.color("scrollbar"))
            start = (track.width() - length) * self.scroll / overflow
            painter.drawRoundedRect(inside(track, start, length, rtl=self.from_right), 2, 2)


def focus_ring(painter: QPainter, context: PaintContext, rect: QRectF, radius: float = 8) -> None:
    """The 2 px ring, 2 px away, around what has the keyboard."""
    painter.setPen(QPen(context.style.color("focus"), 2))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(rect.adjusted(-2, -2, 2, 2), radius + 1, radius + 1)
