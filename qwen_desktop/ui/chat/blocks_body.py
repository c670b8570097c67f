"""A message's blocks one below the other, with the offsets of its plain-text projection."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from qwen_desktop.jobs.blocks import (
    Block,
    CodeBlock,
    MathBlock,
    RuleBlock,
    TableBlock,
    TextBlock,
    plain,
    separator,
)
from qwen_desktop.ui.chat.blocks import BlockLayout, PaintContext, Target
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.blocks_flow import At, plain_runs
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.blocks_table import TableLayout
from qwen_desktop.ui.chat.blocks_text import MathLayout, RuleLayout, TextLayoutBlock, paint_quote_bars

_PLAIN_PIECE = 2000


def layout_of(style: Style, block: Block) -> BlockLayout:
    """The layout that shows a block."""
    match block:
        case TextBlock():
            return TextLayoutBlock(style, block)
        case CodeBlock():
            return CodeLayout(style, block)
        case TableBlock():
            return TableLayout(style, block)
        case MathBlock():
            return MathLayout(style, block)
        case RuleBlock():
            return RuleLayout(style, block)


def plain_blocks(text: str) -> Iterator[Block]:
    """Text without Markdown as blocks of some 2,000 characters, cut at line ends; the line ends are dropped."""
    start = 0
    while True:
        if len(text) - start <= _PLAIN_PIECE:
            yield TextBlock(plain_runs(text[start:]))
            return
        cut = text.rfind("\n", start, start + _PLAIN_PIECE)
        if cut < 0:
            cut = text.find("\n", start + _PLAIN_PIECE)
        if cut < 0:
            yield TextBlock(plain_runs(text[start:]))
            return
        yield TextBlock(plain_runs(text[start:cut]))
        start = cut + 1


class Body:
    """Laid-out blocks. ``raw`` bodies hold a user's text as typed: their pieces join with a plain newline."""

    def __init__(self, style: Style, *, raw: bool = False) -> None:
        self.style = style
        self.raw = raw
        self.width = 0.0
        self.height = 0.0
        self.layouts: list[BlockLayout] = []
        self._tops: list[float] = []
        self._starts: list[int] = []
        self._lengths: list[int] = []

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
        pieces: list[str] = []
        for number, layout in enumerate(self.layouts):
            if number:
                pieces.append(self._separator(self.layouts[number - 1].block, layout.block))
            pieces.append(plain(layout.block))
        return "".join(pieces)

    def _separator(self, before: Block, after: Block) -> str:
        return "\n" if self.raw else separator(before, after)

    def steps(self, blocks: Iterable[Block | None], width: float) -> Iterator[None]:
        """Lay out ``blocks`` one a step (None is a pause); the body shows what there was until the last step."""
        fresh: list[BlockLayout] = []
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
            layout = self._renewed(layout, block, width)
            fresh.append(layout)
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
                    self.layouts[number] = self._renewed(self.layouts[number], block, width)
            else:
                self.layouts.append(self._renewed(None, block, width))
        del self.layouts[len(blocks) :]
        self._place(max(0, stable - 1))

    def _renewed(self, layout: BlockLayout | None, block: Block, width: float) -> BlockLayout:
        if layout is not None and layout.update(block):
            return layout
        layout = layout_of(self.style, block)
        layout.set_width(width)
        return layout

    def set_width(self, width: float) -> None:
        """Lay out again for another width."""
        if width != self.width:
            self.width = width
            for layout in self.layouts:
                layout.set_width(width)
            self._place(0)

    def replace_heights(self) -> None:
        """Place the blocks again after one changed its height (a code card that wraps now)."""
        self._place(0)

    def _place(self, first: int) -> None:
        first = min(first, len(self._tops), len(self._starts))
        del self._tops[first:], self._starts[first:], self._lengths[first:]
        for number in range(first, len(self.layouts)):
            layout = self.layouts[number]
            y = 0.0
            start = 0
            if number:
                before = self.layouts[number - 1]
                if self.raw:
                    gap = 0.0
                elif isinstance(before.block, TextBlock) and before.block.level:
                    gap = min(max(before.gap, layout.gap), 8.0) if not _level(layout.block) else layout.gap
                else:
                    follows_item = isinstance(before.block, TextBlock) and before.block.indent > 0
                    gap = layout.gap if follows_item else max(layout.gap, 10.0)
                y = self._tops[-1] + before.height + gap
                start = self._starts[-1] + self._lengths[-1] + len(self._separator(before.block, layout.block))
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

    def paint(
        self,
        painter: QPainter,
        context: PaintContext,
        at: At,
        selected: tuple[int, int] | None,
    ) -> None:
        """Draw the blocks that can be seen."""
        x, y, top, bottom = at
        first = max(0, bisect_right(self._tops, top - y) - 1)
        for number in range(first, len(self.layouts)):
            layout = self.layouts[number]
            if y + layout.y > bottom:
                break
            if y + layout.y + layout.height < top:
                continue
            part = None
            if selected is not None:
                start = self._starts[number]
                part = (selected[0] - start, min(selected[1] - start, self._lengths[number] + 1))
                outside = part[1] <= 0 or part[0] > self._lengths[number]
                part = None if outside else (max(0, part[0]), part[1])
            before = self.layouts[number - 1]
            if number and layout.quotes and before.quotes:
                between = layout.y - before.y - before.height
                depth = min(layout.quotes, before.quotes)
                bars = QRectF(x, y + layout.y - between - 2, 0, between + 4)
                paint_quote_bars(painter, self.style, bars, depth)
            layout.paint(painter, context, at.moved(0, layout.y), part, f"b{number}.")

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

    def code_of(self, key: str) -> CodeLayout | None:
        """The code card that a target's key belongs to."""
        name = key.partition(".")[0].removeprefix("b")
        layout = self.layouts[int(name)] if name.isdecimal() and int(name) < len(self.layouts) else None
        return layout if isinstance(layout, CodeLayout) else None


def _level(block: Block) -> int:
    return block.level if isinstance(block, TextBlock) else 0
