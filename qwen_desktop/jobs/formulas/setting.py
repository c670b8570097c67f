"""Sets MathML with ziamath and takes what it would draw: signs, rules, strokes and words."""

from __future__ import annotations

import functools
import time
from typing import Any, Final
from xml.etree.ElementTree import Element

from ziafont.svgpath import Lineto, Moveto, Quad
from ziamath import drawable, zmath
from ziamath.mathtable import AssembledGlyph
from ziamath.nodes.mnode import Mnode
from ziamath.nodes.mroot import Mroot
from ziamath.nodes.mrow import Merror
from ziamath.nodes.mspace import Mspace

from qwen_desktop.jobs.formulas.data import Formula, Outline, Rule, Sign, Stroke, Words
from qwen_desktop.jobs.formulas.font import EM, Font, Foreign
from qwen_desktop.jobs.formulas.latex import Unsupported
from qwen_desktop.jobs.formulas.nodes import Arrow, Enclosed, Row, Table

_FONT: Final = "qwen-desktop"
#: They are ziamath's for their elements now.
_OURS: Final = (Arrow, Enclosed, Row, Table)
#: What one formula may have, and how far it may reach, in ems.
_MOST: Final = 6000
_WIDEST: Final = 2000.0
_TALLEST: Final = 200.0
#: A rule is a line: it is not thicker than this.
_THICKEST: Final = 2.0


@functools.cache
def _font() -> Font:
    font = Font()
    zmath.loadedfonts[_FONT] = font
    return font


def outlined(mathml: Element, tag: str, limit_s: float) -> Formula:
    """A formula as data. Raises ``Unsupported``, and what the library raises."""
    font = _font()
    font.until = time.thread_time() + limit_s
    font.heights.clear()
    drawn = zmath.Math(mathml, size=EM, font=_FONT)
    return _Walk(font).formula(drawn.node, tag)


class _Walk:
    """Goes through what ziamath has set."""

    def __init__(self, font: Font) -> None:
        self._units = font.info.layout.unitsperem
        self._known: dict[int, int] = {}
        self._alive: list[object] = []
        self._outlines: list[Outline] = []
        self._signs: list[Sign] = []
        self._rules: list[Rule] = []
        self._strokes: list[Stroke] = []
        self._words: list[Words] = []
        #: Where words may go on: behind the last letter, in which node.
        self._open: tuple[float, object] = (0.0, None)

    def formula(self, node: Mnode, tag: str) -> Formula:
        """All of it."""
        box = node.bbox
        left = min(0.0, box.xmin)
        self._node(node, -left, 0.0)
        width = max(box.xmax, node.xadvance()) - left
        ascent, descent = box.ymax, -box.ymin
        # Also where one of them is no number.
        if not (self._signs or self._words) or not (
            0 < width < _WIDEST * EM and abs(ascent) + abs(descent) < _TALLEST * EM
        ):
            raise Unsupported
        return Formula(
            _ems(width), _ems(max(0.0, ascent)), _ems(max(0.0, descent)), self._units, tuple(self._outlines),
            tuple(self._signs), tuple(self._rules), tuple(self._strokes), tuple(self._words), tag,
        )  # fmt: skip

    def _node(self, node: Any, x: float, y: float) -> None:
        if isinstance(node, Merror):
            raise Unsupported
        if isinstance(node, Mspace) and node.style.mathbackground not in ("none", None):
            self._rule(x, y - node.height, node.width, node.height + node.depth)
        if isinstance(node, Mnode):
            for (dx, dy), child in zip(node.nodexy, node.nodes, strict=False):
                self._child(node, child, x + dx, y + dy)
        else:
            self._child(node, node, x, y)

    def _child(self, parent: object, child: Any, x: float, y: float) -> None:
        if len(self._signs) + len(self._rules) + len(self._words) > _MOST:
            raise Unsupported
        if isinstance(child, Mnode):
            self._node(child, x, y)
        elif getattr(child, "phantom", False):
            return
        elif isinstance(child, drawable.Glyph):
            self._glyph(parent, child, x, y)
        elif isinstance(child, drawable.HLine):
            self._rule(x, y, child.length, child.lw, joined=isinstance(parent, Mroot))
        elif isinstance(child, drawable.VLine):
            self._rule(x - child.lw / 2, y, child.lw, child.height)
        elif isinstance(child, drawable.Box):
            thick, wide, tall, top = child.lw, child.width, child.height, y - child.height
            for each in (
                (x, top, wide, thick),
                (x, y - thick, wide, thick),
                (x, top + thick, thick, tall - 2 * thick),
                (x + wide - thick, top + thick, thick, tall - 2 * thick),
            ):
                self._rule(*each)
        elif isinstance(child, drawable.Diagonal) and not child.arrow:
            x1, y1, x2, y2 = map(_ems, (x, y - child.height, x + child.width, y))
            self._strokes.append(Stroke(x1, y1, x2, y2, _ems(child.lw)))
        else:
            raise Unsupported

    def _rule(self, x: float, y: float, width: float, height: float, *, joined: bool = False) -> None:
        if min(width, height) > _THICKEST * EM:
            raise Unsupported
        if width > 0 and height > 0:
            self._rules.append(Rule(_ems(x), _ems(y), _ems(width), _ems(height), joined))

    def _glyph(self, parent: object, child: drawable.Glyph, x: float, y: float) -> None:
        glyph = child.glyph
        if isinstance(glyph, Foreign):
            self._letter(parent, child, glyph, x, y)
            return
        pieces = [(glyph, 0.0)]
        if isinstance(glyph, AssembledGlyph):
            pieces = list(zip(glyph.glyphs, glyph.offsets, strict=True))
        upright = getattr(glyph, "vert", True)
        for piece, offset in pieces:
            if not piece.operators:
                continue
            if piece.index == 0:
                raise Unsupported  # the font's box for what it has not
            number = self._known.get(id(piece))
            if number is None:
                number = self._known[id(piece)] = len(self._outlines)
                self._outlines.append(_outline(piece.operators))
                self._alive.append(piece)
            off = child.funit_to_points(offset)
            dx, dy = (0.0, -off) if upright else (off, 0.0)
            self._signs.append(Sign(number, _ems(x + dx), _ems(y + dy), _ems(child.size)))

    def _letter(self, parent: object, child: drawable.Glyph, glyph: Foreign, x: float, y: float) -> None:
        """Letters that follow each other are one text: so they are joined and ordered as their script asks."""
        size = _ems(child.size)
        end, last = self._open
        wide = _ems(child.funit_to_points(glyph.wide))
        variant = child.style.mathvariant
        before = self._words[-1] if self._words else None
        # A space of the font between two letters is a part of the text.
        gap = _ems(x) - end
        if before is not None and last is parent and before.size == size and -0.01 < gap < 0.6 * size:
            text = before.text + (" " if gap > 0.1 * size else "") + glyph.text
            self._words[-1] = Words(
                text, before.x, before.y, size, _ems(x) + wide - before.x, before.bold, before.italic
            )
        else:
            self._words.append(Words(glyph.text, _ems(x), _ems(y), size, wide, variant.bold, variant.italic))
        self._open = _ems(x) + wide, parent


def _outline(operators: Any) -> Outline:
    steps: list[str] = []
    points: list[int] = []
    for each in operators:
        steps.append(
            "M"
            if isinstance(each, Moveto)
            else "L"
            if isinstance(each, Lineto)
            else "Q"
            if isinstance(each, Quad)
            else "C"
        )
        for point in each.points()[0]:
            points += (round(point.x), -round(point.y))
    return Outline("".join(steps), tuple(points))


def _ems(length: float) -> float:
    return round(length / EM, 4)
