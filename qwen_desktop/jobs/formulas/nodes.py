"""What ziamath sets otherwise than TeX: lines in tables, boxes, arrows with something above, scripts behind brackets,
and rows that are measured twice. Each class takes the place of ziamath's for its element as soon as it is imported."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, tostring

from ziafont.fonttypes import BBox
from ziamath.drawable import Box, HLine, VLine
from ziamath.mathfont import MathFont
from ziamath.nodes import msubsup
from ziamath.nodes.menclose import Menclose
from ziamath.nodes.mnode import Mnode
from ziamath.nodes.mrow import Mrow
from ziamath.nodes.mtable import Mtable

#: Ems between a box and what is in it, and what an arrow is longer than its label.
_PAD = 0.28
_TIPS = 0.7
_CLOSING = ")]}⟩⌉⌋|‖"


_place_super, _place_sub = msubsup.place_super, msubsup.place_sub


def _bracket(base: Mnode) -> bool:
    """Whether it is a closing bracket that is not stretched: TeX takes it for a letter."""
    element = base.element
    return (element.text or " ") in _CLOSING and element.get("stretchy") == "false" and "minsize" not in element.attrib


def _exponent(base: Mnode, script: Mnode, font: MathFont) -> tuple[float, float, float]:
    x, y, advance = _place_super(base, script, font)
    if _bracket(base):
        first = script.firstglyph()
        lowest = font.math.consts.superscriptBottomMin - first.bbox.ymin if first else 0
        y = -base.units_to_points(max(font.math.consts.superscriptShiftUp, lowest))
    return x, y, advance


def _index(base: Mnode, script: Mnode, font: MathFont) -> tuple[float, float, float]:
    x, y, advance = _place_sub(base, script, font)
    return x, base.units_to_points(font.math.consts.subscriptShiftDown) if _bracket(base) else y, advance


msubsup.place_super = _exponent  # type: ignore[assignment]
msubsup.place_sub = _index  # type: ignore[assignment]


class Row(Mrow, tag="mrow"):
    """Each row is set twice, once to know its height without what is stretched: in rows in rows that is twice as much
    work a level. What it knows of a child it keeps."""

    def _get_height_nostretch(self, line: list[Element], **kwargs: Any) -> tuple[float, float]:
        known = self.font.heights  # type: ignore[attr-defined]
        key = (
            b"".join(map(tostring, line)), self.size, self.glyphsize, repr(self.style),
            *((name, kwargs.get(name)) for name in ("sup", "sub", "frac", "height", "width")),
        )  # fmt: skip
        if key not in known:
            known[key] = super()._get_height_nostretch(line, **kwargs)
        found: tuple[float, float] = known[key]
        return found


class Table(Mtable, tag="mtable"):
    """With lines: "columns" says how its columns stand, with lines between and around them, "rows" which rows, and the
    table's end, have one above."""

    def _setup(self, **kwargs: Any) -> None:
        super()._setup(**kwargs)
        columns, rows = self.element.get("columns", ""), self.element.get("rows", "").split()
        if not columns and not rows:
            return
        thick = self.units_to_points(self.font.math.consts.fractionRuleThickness)
        pad = 0.2 * self.glyphsize
        shift = pad if columns.startswith("|") else 0.0
        self.nodexy = [(x + shift, y) for x, y in self.nodexy]
        left, right = 0.0, self.bbox.xmax + shift + (pad if columns.endswith("|") else 0.0)
        low, high = self.bbox.ymin - pad, self.bbox.ymax + pad
        cells = list(zip(self.nodexy, self.nodes, strict=True))
        lines: list[list[tuple[tuple[float, float], Any]]] = []
        for row in self.element:
            lines.append(cells[: len(row)])
            del cells[: len(row)]
        edges = [left, *self._between(lines), right]
        number = 0
        for sign in columns:
            if sign == "|":
                self._add(
                    VLine(high - low, thick, style=self.style, **kwargs), edges[min(number, len(edges) - 1)], -high
                )
            else:
                number += 1
        tops = [max((node.bbox.ymax - y for (_, y), node in line), default=0.0) for line in lines]
        ends = [min((node.bbox.ymin - y for (_, y), node in line), default=0.0) for line in lines]
        heights = [high, *((end + top) / 2 for end, top in zip(ends, tops[1:], strict=False)), low]
        for height, line in zip(heights, rows, strict=False):
            if line == "solid":
                self._add(HLine(right - left, thick, style=self.style, **kwargs), left, -height - thick / 2)
        self.bbox = BBox(left, right, low, high)

    def _between(self, lines: list[list[tuple[tuple[float, float], Any]]]) -> list[float]:
        """The middles between columns."""
        count = max(map(len, lines), default=0)
        found = []
        for column in range(1, count):
            before = [x + node.bbox.xmax for line in lines for (x, _), node in line[column - 1 : column]]
            behind = [x + node.bbox.xmin for line in lines for (x, _), node in line[column : column + 1]]
            found.append((max(before) + min(behind)) / 2)
        return found

    def _add(self, line: Any, x: float, y: float) -> None:
        self.nodes.append(line)
        self.nodexy.append((x, y))


class Enclosed(Menclose, tag="menclose"):
    """With air in boxes, and its true height."""

    def _setup(self, **kwargs: Any) -> None:
        base = self.base.bbox
        if self.notation != ["box"]:
            super()._setup(**kwargs)
            inner = self.nodexy[-1][0]
            self.bbox = BBox(0, max(self.bbox.xmax - inner, base.xmax + inner), self.bbox.ymin, base.ymax)
            return
        pad = _PAD * self.glyphsize
        thick = self.units_to_points(self.font.math.consts.radicalRuleThickness)
        width, height = base.xmax - base.xmin + 2 * pad, base.ymax - base.ymin + 2 * pad
        self.nodes = [Box(width, height, thick, style=self.style, **kwargs), self.base]
        self.nodexy = [(0, -base.ymin + pad), (pad - base.xmin, 0)]
        self.bbox = BBox(0, width, base.ymin - pad, base.ymax + pad)


class Arrow(Mnode, tag="arrow"):
    """An arrow as long as what stands above and below it: its children are the arrow, the one and the other."""

    def __init__(self, element: Element, parent: Mnode, **kwargs: Any) -> None:
        super().__init__(element, parent, **kwargs)
        for child in element[1:]:
            self.increase_child_scriptlevel(child)
        above, below = (Mnode.fromelement(child, parent=self) for child in element[1:])
        wide = max(above.bbox.xmax, below.bbox.xmax) + _TIPS * self.glyphsize
        arrow = Mnode.fromelement(element[0], parent=self, width=wide)
        wide = max(wide, arrow.bbox.xmax)
        self.nodes = [arrow]
        self.nodexy = [(0.0, 0.0)]
        low, high = arrow.bbox.ymin, arrow.bbox.ymax
        gap = 0.12 * self.glyphsize
        if above.nodes:
            self.nodes.append(above)
            self.nodexy.append(((wide - above.bbox.xmax) / 2, -(high + gap - above.bbox.ymin)))
            high += gap + above.bbox.ymax - above.bbox.ymin
        if below.nodes:
            self.nodes.append(below)
            self.nodexy.append(((wide - below.bbox.xmax) / 2, -low + gap + below.bbox.ymax))
            low -= gap + below.bbox.ymax - below.bbox.ymin
        self.bbox = BBox(0, wide, low, high)
