"""A formula as data: outlines and lines to be filled with the text's colour, and words for the window's own fonts.

All lengths are in ems of the text around it, x from the formula's start, y downwards from its baseline. The same data
crosses the pipe from the job worker, so it holds no Qt.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class Outline(Struct, frozen=True, array_like=True, gc=False):
    """A sign's outline in units of its font, y downwards: for each letter of ``steps`` (M, L, Q, C) the coordinates of
    its points. Each M begins a closed line; what they enclose is filled by winding."""

    steps: str
    points: tuple[int, ...]


class Sign(Struct, frozen=True, array_like=True, gc=False):
    """An outline by its number, at a place, ``size`` ems tall."""

    outline: int
    x: float
    y: float
    size: float


class Rule(Struct, frozen=True, array_like=True, gc=False):
    """A filled rectangle: a fraction's line, a side of a box. ``joined`` to a sign, as a root's line is."""

    x: float
    y: float
    width: float
    height: float
    joined: bool = False


class Stroke(Struct, frozen=True, array_like=True, gc=False):
    """A slanted line of some thickness: something is crossed out."""

    x1: float
    y1: float
    x2: float
    y2: float
    thickness: float


class Words(Struct, frozen=True, array_like=True, gc=False):
    """Text in a script that the formula's font has not, to be set in ``width`` ems on the baseline ``y``."""

    text: str
    x: float
    y: float
    size: float
    width: float
    bold: bool = False
    italic: bool = False


class Formula(Struct, frozen=True, array_like=True, gc=False):
    """One formula. ``tag`` is its number as written, without brackets, if it has one; ``units`` are those of the
    outlines that make an em."""

    width: float
    ascent: float
    descent: float
    units: int
    outlines: tuple[Outline, ...]
    signs: tuple[Sign, ...]
    rules: tuple[Rule, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    words: tuple[Words, ...] = ()
    tag: str = ""


def from_builtins(data: Any) -> Formula:
    """A formula from what came over the pipe. Raises ``msgspec.ValidationError`` when it is not that."""
    return msgspec.convert(data, Formula, strict=True)
