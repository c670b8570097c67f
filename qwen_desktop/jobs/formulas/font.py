"""ziamath's font with bounds: time for one formula, and signs that it has not."""

from __future__ import annotations

import importlib.resources
import time
import unicodedata
from typing import Final

from ziafont.fonttypes import BBox
from ziafont.glyph import SimpleGlyph
from ziamath.mathfont import MathFont
from ziamath.styles import MathVariant

from qwen_desktop.jobs.formulas.latex import Unsupported

#: The size at which ziamath sets formulas: its lengths are divided by it.
EM: Final = 16.0
_FILE: Final = "STIXTwoMath-Regular.ttf"


class TooLong(Exception):  # noqa: N818 - no fault, an answer
    """The formula takes too long."""


class Foreign(SimpleGlyph):
    """A letter that the font has not: it keeps its place, and the window sets it in a font of its own."""

    def __init__(self, char: str, font: Font) -> None:
        units = font.info.layout.unitsperem
        wide = unicodedata.east_asian_width(char) in ("W", "F")
        mark = unicodedata.category(char) in ("Mn", "Me", "Cf")
        self.text = char
        share = 1.0 if wide else 0.0 if mark else 0.56 if char.islower() else 0.64
        self.wide = int(units * share)
        top, bottom = (0.86, -0.14) if wide else (0.72, -0.2)
        super().__init__(0, [], BBox(0, self.wide, round(bottom * units), round(top * units)), font)

    def advance(self, nextchr: SimpleGlyph | None = None) -> int:
        """Its width in units."""
        return self.wide


class Font(MathFont):
    """The font of formulas. ``until`` is the thread's processor time at which one takes too long."""

    def __init__(self) -> None:
        with importlib.resources.as_file(importlib.resources.files("ziamath.fonts") / _FILE) as path:
            super().__init__(str(path), EM)
        self.until = 0.0
        #: What is known of the heights of rows in the formula that is being set.
        self.heights: dict[object, tuple[float, float]] = {}

    def findglyph(self, char: str, variant: MathVariant) -> SimpleGlyph:
        """The sign of a character; raises ``TooLong``. Every sign of a formula is asked for here."""
        if time.thread_time() > self.until:
            raise TooLong
        found = super().findglyph(char, variant)
        if isinstance(found, Foreign) and found.text != char:  # it has the letter, but not in this look
            return self.glyph(char)
        return found

    def glyph(self, char: str) -> SimpleGlyph:
        """The sign of a character, a ``Foreign`` one where there is none."""
        if self.glyphindex(char):
            return super().glyph(char)
        if unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs"):
            raise Unsupported  # no font has it
        return Foreign(char, self)
