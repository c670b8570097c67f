"""A message's blocks one below the other, with the offsets of its plain-text projection."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from PySide6.QtGui import QPainter

from qwen_desktop.jobs.markdown.blocks import (
    Block,
    CodeBlock,
    MathBlock,
    RuleBlock,
    TableBlock,
    TextBlock,
    follows_verbatim,
    plain,
    separator,
)
from qwen_desktop.jobs.markdown.blocks import projection as projection_of
from qwen_desktop.ui.chat.blocks import Layout, PaintContext, Target
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.blocks_flow import At
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.blocks_table import TableLayout
from qwen_desktop.ui.chat.blocks_text import RuleLayout, TextLayoutBlock


def layout_of(style: Style, block: Block) -> Layout:
    """The layout that shows a block."""
    match block:
        case TextBlock() | MathBlock():
            return TextLayoutBlock(style, block)
        case CodeBlock():
            return CodeLayout(style, block)
        case TableBlock():
            return TableLayout(style, block)
        case RuleBlock():
            return RuleLayout(style, block)


class Body:
    """Laid-out blocks. What it looks like follows from the blocks, the width and which code is wrapped alone: layouts
    of earlier blocks are used again where that gives the same, however they came about.
    """

    def __init__(self, style: Style, wrapped: set[int] | None = None) -> None:
        self.style = style
        #: Numbers of the blocks whose long lines of code are broken; outlives the layouts where the caller keeps it.
        self.wrapped = set() if wrapped is None else wrapped
        self.width = 0.0
        self.height = 0.0
        self.layouts: list[Layout] = []
        self._tops: list[float] = []
        self._starts: list[int] = []
        self._lengths: list[int] = []
        self._text: str | None = None

    @property
    def blocks(self) -> list[Block]:
        """The blocks on show."""
        return [layout.block for layout in self.layouts]

    @property
    def length(self) -> int:
        """Characters of the projection."""
        return self._starts[-1] + self._lengths[-1] if self._starts else 0

    def projection(self) -> str:
        """The plain text that selections count in."""
        if self._text is None:
            self._text = projection_of(self.blocks)
        return self._text

    def steps(self, blocks: Iterable[Block | None], width: float) -> Iterator[None]:
        """Lay out ``blocks`` one a step (None is a pause); the body shows what there was until the last step."""
        fresh: list[Layout] = []
        old = list(self.layouts) if width == self.width else []
        for block in blocks:
            if block is None:
                yield
                continue
            layout = old[len(fresh)] if len(fresh) < len(old) else None
            # A block that is already laid out is kept; the caller's step ends only after real work.
            if layout is not None and layout.block == block:
                fresh.append(layout)
                continue
            fresh.append(self._renewed(layout, block, width, len(fresh)))
            yield
        self.width = width
        self.layouts = fresh
        self._place(0)

    def set_blocks(self, blocks: Sequence[Block], width: float, stable: int = 0) -> None:
        """Show ``blocks`` at once; the first ``stable`` are known to be unchanged."""
        if width != self.width:
            stable = 0
            self.width = width
            for layout in self.layouts:
                layout.set_width(width)
        stable = min(stable, len(self.layouts))
        for number in range(stable, len(blocks)):
            block = blocks[number]
            if number < len(self.layouts):
                if self.layouts[number].block != block:
                    self.layouts[number] = self._renewed(self.layouts[number], block, width, number)
            else:
                self.layouts.append(self._renewed(None, block, width, number))
        del self.layouts[len(blocks) :]
        self._place(max(0, stable - 1))

    def _renewed(self, layout: Layout | None, block: Block, width: float, number: int) -> Layout:
        if layout is not None and layout.update(block):
            return layout
        layout = layout_of(self.style, block)
        if isinstance(layout, CodeLayout):
            layout.wrap = number in self.wrapped
        layout.set_width(width)
        return layout

    def set_width(self, width: float) -> None:
        """Lay out again for another width."""
        if width != self.width:
            self.width = width
            for layout in self.layouts:
                layout.set_width(width)
            self._place(0)

    def toggle_wrap(self, key: str) -> None:
        """Break the long lines of the code card that a target's key belongs to, or stop doing so."""
        number = int(key.partition(".")[0].removeprefix("b"))
        layout = self.layouts[number]
        if isinstance(layout, CodeLayout):
            layout.toggle_wrap()
            self.wrapped.symmetric_difference_update((number,))
            self._place(0)

    def _place(self, first: int) -> None:
        self._text = None
        first = min(first, len(self._tops), len(self._starts))
        del self._tops[first:], self._starts[first:], self._lengths[first:]
        for number in range(first, len(self.layouts)):
            layout = self.layouts[number]
            layout.follow(self.layouts[number - 1].rtl if number else self.style.rtl)
            y = 0.0
            start = 0
            if number:
                before = self.layouts[number - 1]
                if follows_verbatim(before.block, layout.block):
                    gap = 0.0
                elif isinstance(before.block, TextBlock) and before.block.level:
                    gap = min(max(before.gap, layout.gap), 8.0) if not _level(layout.block) else layout.gap
                else:
                    follows_item = isinstance(before.block, TextBlock) and before.block.indent > 0
                    gap = layout.gap if follows_item else max(layout.gap, 10.0)
                y = self._tops[-1] + before.height + gap
                start = self._starts[-1] + self._lengths[-1] + len(separator(before.block, layout.block))
            layout.y = y
            self._tops.append(y)
            self._starts.append(start)
            self._lengths.append(len(plain(layout.block)))
        self.height = self._tops[-1] + self.layouts[-1].height if self.layouts else 0.0

    @property
    def natural(self) -> float:
        """Pixels of the widest line, for bubbles that hug their text."""
        return max((x.flow.natural for x in self.layouts if isinstance(x, TextLayoutBlock)), default=0.0)

    # Painting and asking ---------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        """Draw the blocks that can be seen."""
        x, y, top, bottom = at
        first = max(0, bisect_right(self._tops, top - y) - 1)
        for number in range(first, len(self.layouts)):
            layout = self.layouts[number]
            if y + layout.y > bottom:
                break
            if y + layout.y + layout.height < top:
                continue
            before = self.layouts[number - 1]
            if number and layout.quotes and before.quotes:
                between = layout.y - before.y - before.height
                depth = min(layout.quotes, before.quotes)
                layout.paint_bars(painter, At(x, y + layout.y - between - 2, top, bottom), between + 4, depth)
            inner = context.of(f"b{number}.", self._starts[number], self._lengths[number])
            layout.paint(painter, inner, at.moved(0, layout.y))

    def index_at(self, y: float) -> int:
        """Number of the block at height ``y``."""
        return max(0, bisect_right(self._tops, y) - 1)

    def offset_at(self, x: float, y: float) -> int:
        """Offset in the projection nearest to a point."""
        if not self.layouts:
            return 0
        number = self.index_at(y)
        layout = self.layouts[number]
        inside = min(max(0, layout.offset_at(x, y - layout.y)), self._lengths[number])
        return self._starts[number] + inside

    def targets(self) -> list[Target]:
        """Everything that can be clicked, in reading order."""
        return [
            target.moved(0, layout.y, f"b{number}.")
            for number, layout in enumerate(self.layouts)
            for target in layout.targets()
        ]


def _level(block: Block) -> int:
    return block.level if isinstance(block, TextBlock) else 0
