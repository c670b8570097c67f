"""A part of a message that is text: its blocks one below the other."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from qwen_desktop.core.parts import Part, code_text
from qwen_desktop.jobs.markdown.blocks import (
    AlertBlock,
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
from qwen_desktop.ui.chat.blocks import AIR, Layout, PaintContext, Target, WideLayout
from qwen_desktop.ui.chat.blocks_alert import AlertLayout
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.blocks_diagram import code_layout
from qwen_desktop.ui.chat.blocks_flow import At, Sources
from qwen_desktop.ui.chat.blocks_math import MathLayout
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.blocks_table import TableLayout
from qwen_desktop.ui.chat.blocks_text import RuleLayout, TextLayoutBlock
from qwen_desktop.ui.chat.section import Section

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript_items import MessageItem


_LAYOUTS: dict[type[Block], Callable[[Style, Any], Layout]] = {
    TextBlock: TextLayoutBlock, MathBlock: MathLayout, CodeBlock: code_layout, TableBlock: TableLayout,
    RuleBlock: RuleLayout,
    AlertBlock: AlertLayout,
}  # fmt: skip


#: More than any alert goes on below its last block, in pixels: most are one in another at most.
_BELOW = 80.0
#: What is seen on both sides of what is scrolled to sideways, in pixels.
_BESIDE = 48.0


class TextSection(Section):
    """The text of a part: laid-out blocks and the offsets of their plain-text projection. What it looks like follows
    from the blocks, the width and which code is wrapped alone: layouts of earlier blocks are used again where that
    gives the same, however they came about.
    """

    def __init__(self, item: MessageItem, name: str, kind: type[Part]) -> None:
        super().__init__(item, name)
        self.kind = kind
        self.layouts: list[Layout] = []
        self._starts: list[int] = []
        self._lengths: list[int] = []
        self._text: str | None = None
        self._joints: WeakKeyDictionary[Layout, tuple[tuple[object, ...], tuple[float, int]]] = WeakKeyDictionary()

    def take(self, part: Part) -> bool:
        if type(part) is not self.kind:
            return False
        if (code := code_text(part)) is not None:
            self.set_blocks([CodeBlock(code)])
        return True

    @property
    def blocks(self) -> list[Block]:
        """The blocks on show."""
        return [layout.block for layout in self.layouts]

    @property
    def length(self) -> int:
        return self._starts[-1] + self._lengths[-1] if self._starts else 0

    def projection(self) -> str:
        if self._text is None:
            self._text = projection_of(self.blocks)
        return self._text

    def prepared(self, blocks: Iterable[Block | None], width: float) -> Generator[None, None, list[Layout]]:
        """Lay out ``blocks`` one a step (None is a pause), for ``show``: until then there is on show what there was."""
        fresh: list[Layout] = []
        old = list(self.layouts) if width == self.width else []
        for block in blocks:
            if block is not None:
                number = len(fresh)
                before = old[number] if number < len(old) else None
                same = before is not None and before.block == block
                kept = before if before is not None and before.update(block) else None
                if kept is None:
                    kept = self._new(block, number)
                    yield from kept.steps(width)
                fresh.append(kept)
                if number:
                    self._joint(fresh[-2], kept)  # known when it is shown: of thousands that would take long
                if same:  # the caller's step ends only after real work
                    continue
            yield
        return fresh

    def show(self, layouts: list[Layout], width: float) -> None:
        """Show what was prepared."""
        self.width = width
        self.layouts = layouts
        for layout in layouts:
            layout.redraw()  # it may have been prepared some time ago
        self._place(0)

    def redraw(self, y: float, sources: Sources = None) -> float | None:
        number = self._at(y)
        held = self.layouts[number] if self.layouts else None
        before = held.y + held.height if held is not None else 0.0
        changed = [number for number, layout in enumerate(self.layouts) if layout.redraw(sources)]
        if held is None or not changed:
            return None
        self._place(changed[0])
        return held.y + held.height - before if y >= 0 else 0.0

    def set_blocks(self, blocks: Sequence[Block], stable: int = 0) -> float:
        """Show ``blocks`` at once; the first ``stable`` are known to be unchanged. Gives the y from which it may look
        different: what was open may have turned into something else."""
        stable = min(stable, len(self.layouts))
        before = [(layout, layout.y, layout.height) for layout in self.layouts[max(0, stable - 1) :]]
        if stable:
            self.layouts[stable - 1].fresh = math.inf
        old, new = self.layouts[stable:], list(blocks[stable:])
        # Footnotes stand below what grows: they are not laid out again for moving on by a block.
        end, below = _before_footnotes([layout.block for layout in old]), _before_footnotes(new)
        self.layouts[stable:] = [
            *self._renewed(old[:end], new[:below], stable),
            *self._renewed(old[end:], new[below:], stable + below, moved=below != end),
        ]
        self._place(max(0, stable - 1))
        return self._fresh(stable, before)

    def _renewed(
        self, layouts: list[Layout], blocks: Sequence[Block], first: int, *, moved: bool = False
    ) -> Iterator[Layout]:
        """Layouts for ``blocks``, of which the ``first`` has that number: those that there are, where they can show
        them. Code that has ``moved`` may be wrapped by another number than it was."""
        for number, block in enumerate(blocks):
            known = layouts[number] if number < len(layouts) else None
            keeps = known is not None and not (moved and isinstance(known, CodeLayout)) and known.update(block)
            yield known if known is not None and keeps else self._made(block, first + number, self.width)

    def _fresh(self, stable: int, before: Sequence[tuple[Layout, float, float]]) -> float:
        """The y from which it looks different. ``before`` are the layouts from the last of the ``stable`` on as they
        were; of that one only the height can have changed."""
        first = number = max(0, stable - 1)
        while number < len(self.layouts):
            layout = self.layouts[number]
            was, y, height = before[number - first] if number - first < len(before) else (None, 0.0, 0.0)
            if was is not layout or y != layout.y:
                break
            if layout.fresh == 0.0 or (number < stable and height != layout.height):
                break  # what stands between it and the one above is another, too
            if layout.fresh < math.inf:
                return y + layout.fresh
            number += 1
        above = self.layouts[number - 1] if number else None
        return max(0.0, above.y + above.height - AIR) if above is not None else 0.0  # with an alert's corners

    def _made(self, block: Block, number: int, width: float) -> Layout:
        layout = self._new(block, number)
        layout.set_width(width)
        return layout

    def _new(self, block: Block, number: int) -> Layout:
        layout = _LAYOUTS[type(block)](self.style, block)
        if isinstance(layout, CodeLayout):
            layout.set_opened(lambda key: self.opened(f"b{number}.{key}"))
        return layout

    def lay(self, width: float) -> None:
        if width != self.width:
            self.width = width
            for layout in self.layouts:
                layout.set_width(width)
            self._place(0)

    def toggle(self, key: str) -> None:
        prefix = key.partition(".")[0]
        layout = self.layouts[int(prefix.removeprefix("b"))]
        if isinstance(layout, CodeLayout):
            super().toggle(key)
            layout.set_opened(lambda key: self.opened(f"{prefix}.{key}"))
            layout.lay()
            self._place(0)

    def _place(self, first: int) -> None:
        self._text = None
        first = min(first, len(self._starts))
        del self._starts[first:], self._lengths[first:]
        for number in range(first, len(self.layouts)):
            layout = self.layouts[number]
            if number + 1 < len(self.layouts) or not self.item.streaming:
                layout.close()
            layout.follow(self._direction(number))
            layout.y, start = 0.0, 0
            if number:
                before = self.layouts[number - 1]
                gap, between = self._joint(before, layout)
                layout.y = before.y + before.height + gap
                start = self.length + between
            self._starts.append(start)
            self._lengths.append(len(plain(layout.block)))
        last = self.layouts[-1] if self.layouts else None
        self.height = last.y + last.height + _air(last, None) if last else 0.0
        self.spoken = "\n".join(filter(None, (layout.spoken for layout in self.layouts)))

    def _direction(self, number: int) -> bool:
        """Whether a block without letters runs from right to left: as the one before it, the title of an alert as its
        first words."""
        for words in self.layouts[number + 1 :] if isinstance(self.layouts[number].block, AlertBlock) else ():
            if not isinstance(words.block, AlertBlock):
                if words.block.quote and words.direction is not None:
                    return words.direction
                break
        return self.layouts[number - 1].rtl if number else self.style.rtl

    def _joint(self, before: Layout, layout: Layout) -> tuple[float, int]:
        """Pixels, and characters of the projection, between two layouts: kept, for of footnotes all stand below what
        grows in each frame."""
        key = before.block, layout.block, before.quotes, layout.quotes, layout.gap
        known = self._joints.get(layout)
        if known is None or any(a is not b and a != b for a, b in zip(known[0], key, strict=True)):
            known = key, (_gap(before, layout), len(separator(before.block, layout.block)))
            self._joints[layout] = known
        return known[1]

    @property
    def natural(self) -> float:
        return max((x.flow.natural for x in self.layouts if isinstance(x, TextLayoutBlock)), default=0.0)

    def hug(self, width: float) -> float:
        directions = {layout.rtl for layout in self.layouts}
        if directions == {True}:  # all of it stands at the right: nothing is to be laid out again
            return width - self.width
        if True in directions:
            self.lay(width)
        return 0.0

    # Painting and asking ---------------------------------------------------------------------------------------------

    def paint(self, painter: QPainter, context: PaintContext, at: At) -> None:
        _, y, top, bottom = at
        for number in range(self._at(top - y), len(self.layouts)):
            layout = self.layouts[number]
            if y + layout.y > bottom:
                break
            if y + layout.y + layout.height + _BELOW < top:
                continue
            place = at.moved(0, layout.y)
            if layout.quotes:
                self._paint_sides(painter, place, number)
            place = place.moved(layout.x, 0)
            layout.paint(painter, context.of(f"b{number}.", self._starts[number], self._lengths[number]), place)

    def _paint_sides(self, painter: QPainter, place: At, number: int) -> None:
        """What quotations draw beside a block, between it and the one before, and below the last."""
        layout, before = self.layouts[number], self.layouts[number - 1] if number else None
        after = self.layouts[number + 1] if number + 1 < len(self.layouts) else None
        above, below = _shared(before, layout), _shared(layout, after)
        if before is not None and above:
            between = layout.y - before.y - before.height - _air(before, layout)
            layout.paint_sides(painter, place.moved(0, -between), between, above)
        height = layout.height + _air(layout, after)
        layout.paint_sides(painter, place, height, layout.quotes, (above, below))

    def _at(self, y: float) -> int:
        return max(0, bisect_right(self.layouts, y, key=attrgetter("y")) - 1)

    def offset_at(self, x: float, y: float) -> int:
        if not self.layouts:
            return 0
        number = self._at(y)
        layout = self.layouts[number]
        inside = min(max(0, layout.offset_at(x - layout.x, y - layout.y)), self._lengths[number])
        return self._starts[number] + inside

    def bring(self, start: int, end: int) -> None:
        number = max(0, bisect_right(self._starts, start) - 1)
        layout = self.layouts[number] if self.layouts else None
        if not isinstance(layout, WideLayout) or not layout.overflow:
            return
        y, wanted = self.band(start, end)[0] + 2 - layout.y, start - self._starts[number]
        left, right = -layout.wide, 2 * layout.wide
        while right - left > 1:
            middle = (left + right) / 2
            if (layout.offset_at(middle, y) > wanted) is not layout.from_right:
                right = middle
            else:
                left = middle
        layout.reveal(QRectF(left - _BESIDE, y, 2 * _BESIDE, 1))

    def formula_at(self, x: float, y: float) -> str:
        if not self.layouts:
            return ""
        layout = self.layouts[self._at(y)]
        return layout.formula_at(x - layout.x, y - layout.y) if 0 <= y - layout.y < layout.height else ""

    def wheel(self, x: float, y: float, dx: float) -> bool:
        return bool(self.layouts) and self.layouts[self._at(y)].wheel(dx)

    def _layout_of(self, key: str) -> Layout:
        return self.layouts[int(key.partition(".")[0].removeprefix("b"))]

    def block_of(self, key: str) -> Block:
        """The block that a target belongs to."""
        block: Block = self._layout_of(key).block
        return block

    def footnote_text(self, label: str) -> str:
        """What the footnote with a label says first, "" where it is not there."""
        found = (
            block.text
            for block in reversed(self.blocks)
            if isinstance(block, TextBlock)
            and block.marker.startswith("[^")
            and block.footnote.casefold() == label.casefold()
        )
        return next(found, "")

    def reveal(self, key: str) -> None:
        """Scroll the block that a target belongs to sideways so that it is in view."""
        layout = self._layout_of(key)
        target = next((each for each in layout.targets() if key.partition(".")[2] == each.key), None)
        if target is not None:
            layout.reveal(target.rect)

    def scroll_target(self, key: str, dx: float) -> bool:
        """Scroll the block that a target belongs to sideways; False when there is nothing to scroll."""
        return self._layout_of(key).wheel(dx)

    def targets(self) -> list[Target]:
        each = enumerate(self.layouts)
        return [target.moved(layout.x, layout.y, f"b{n}.") for n, layout in each for target in layout.targets()]

    def targets_at(self, x: float, y: float) -> list[Target]:
        if not self.layouts:
            return []
        number = self._at(y)
        layout = self.layouts[number]
        found = layout.targets_at(x - layout.x, y - layout.y)
        return [target.moved(layout.x, layout.y, f"b{number}.") for target in found]


def _shared(before: Layout | None, layout: Layout | None) -> int:
    """How many quotations go on from one block to the next."""
    if before is None or layout is None:
        return 0
    most = min(before.quotes, layout.quotes)
    if isinstance(layout.block, AlertBlock):
        most = min(most, layout.block.quote - 1)
    pairs = zip(
        zip(before.alerts, before.bars, strict=True), zip(layout.alerts, layout.bars, strict=True), strict=False
    )
    return min(most, next((level for level, (a, b) in enumerate(pairs) if a != b), most))


def _air(layout: Layout, after: Layout | None) -> float:
    """Pixels that the grounds of alerts go on below a block with which they end."""
    ending = layout.alerts[_shared(layout, after) :].replace("-", "")
    return float(len(ending) * layout.style.px(AIR))


def _before_footnotes(blocks: Sequence[Block]) -> int:
    """How many blocks stand above the footnotes."""
    return next((n for n, block in enumerate(blocks) if isinstance(block, RuleBlock) and block.footnotes), len(blocks))


def _gap(before: Layout, layout: Layout) -> float:
    """Pixels between two blocks: what follows a heading belongs to it, items of a list stand close."""
    if follows_verbatim(before.block, layout.block):
        return 0.0
    px = layout.style.px
    above, below = (each.block if isinstance(each.block, TextBlock) else None for each in (before, layout))
    air = _air(before, layout)
    if above and above.level and not (below and below.level):
        return px(8) + air
    if isinstance(before.block, AlertBlock):
        return float(px(4))
    if isinstance(layout, TableLayout) or (above and (above.level or above.indent)):
        return layout.gap + air
    return max(layout.gap, px(10)) + air
