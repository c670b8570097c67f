"""Fonts, formats and measures of the transcript, made once for a theme and a text size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache, partial
from typing import TYPE_CHECKING, Final, Protocol

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QGuiApplication, QPainter, QTextCharFormat

from qwen_desktop.jobs.markdown.blocks import TextRun
from qwen_desktop.ui.theme import FontRole, Theme

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.drawings import Drawings

#: Pixels that an inline code chip stands out beyond its text on both sides.
CHIP_PAD: Final = 4

#: base -> (font role, size factor, weight, colour role, line height as a multiple of the font size)
_BASES: Final[dict[str, tuple[FontRole, float, int, str, float]]] = {
    "message": ("message", 1.0, 400, "text", 1.6),
    "h1": ("message", 1.47, 650, "text", 1.35),
    "h2": ("message", 1.27, 650, "text", 1.4),
    "h3": ("message", 1.13, 650, "text", 1.45),
    "h4": ("message", 1.0, 650, "text", 1.5),
    "cell": ("body", 1.0, 400, "text", 1.5),
    "cell_head": ("small", 1.0, 600, "text_muted", 1.6),
    "thinking": ("body", 1.0, 400, "text_muted", 1.55),
    "note": ("small", 1.0, 400, "text_muted", 1.5),
    "note_warn": ("small", 1.0, 400, "warn", 1.5),
    "what": ("body", 1.0, 600, "text", 1.5),
    "hint": ("body", 1.0, 400, "text", 1.5),
    "details": ("code", 0.92, 400, "text_muted", 1.5),
    "math": ("code", 1.08, 400, "text", 1.6),
    "math_open": ("code", 1.08, 400, "text_muted", 1.6),
}
#: What fonts for code join "!=" and "->" to other signs by; what stands there is to be read as it is written.
_LIGATURES: Final = ("liga", "clig", "calt", "dlig")
#: The character that keeps the place of an inline object in Qt's text.
OBJECT: Final = "—"
#: Characters that an object may stand for: Qt cuts what is longer than 4,096 of one kind. What is longer stays text.
_LONGEST_OBJECT: Final = 2000
#: How many signs (labels of footnotes, sources of pictures) are kept.
_SIGNS: Final = 500


class InlineObject(Protocol):
    """Something that stands on the baseline among words. Another size is another object; equal ones look the same."""

    @property
    def width(self) -> float:
        """Pixels."""

    @property
    def ascent(self) -> float:
        """Pixels above the baseline."""

    @property
    def descent(self) -> float:
        """Pixels below the baseline."""

    def within(self, width: float) -> InlineObject | None:
        """What stands there where there are no more than ``width`` pixels, fewer than its own; None for its text."""

    def paint(self, painter: QPainter, rect: QRectF, role: str) -> None:
        """Draw in ``rect``; ``role`` is that of the range that it is marked by, or ""."""


class Waiting(Enum):
    """An inline object that is not made yet."""

    WAITING = "waiting"


WAITING: Final = Waiting.WAITING


class Style:
    """What block layouts ask. Thrown away and made anew when the theme, its text size, the scale or the direction
    changes."""

    def __init__(self, theme: Theme, scale: float = 1.0) -> None:
        self.theme = theme
        self.scale = scale
        #: Whether the interface runs from right to left; text has a direction of its own.
        self.rtl = QGuiApplication.layoutDirection() == Qt.LayoutDirection.RightToLeft
        #: Where layouts ask for what is drawn from a source; None where nothing is.
        self.drawings: Drawings | None = None
        #: What stands in place of a run that is set in a base: None for its text, ``WAITING`` for its text until then.
        self.inline: Callable[[str, TextRun], InlineObject | Waiting | None] | None = None
        #: The theme's colour of a role, remembered.
        self.color: Callable[[str], QColor] = cache(theme.color)
        self._signs: dict[tuple[str, str, str], InlineObject | None] = {}
        self._metrics: dict[tuple[str, bool, bool], QFontMetricsF] = {}
        self._baselines: dict[str, float] = {}
        self._formats: dict[tuple[object, ...], QTextCharFormat] = {}
        self._fonts: dict[tuple[object, ...], QFont] = {}
        #: Pixels of a word on a quiet button, remembered.
        self.label_width: Callable[[str], float] = cache(partial(text_width, font=self.font("small")))
        self.code_font = self.font("code")
        metrics = QFontMetricsF(self.code_font)
        self.code_cell = metrics.horizontalAdvance("m" * 16) / 16
        self.code_line = round(self.code_font.pixelSize() * 1.6)

    def font(self, role: FontRole, weight: int = 400, factor: float = 1.0) -> QFont:
        """A font of the theme at this style's scale. Painters must not change it."""
        key = (role, weight, factor)
        found = self._fonts.get(key)
        if found is None:
            found = self._fonts[key] = QFont(self.theme.font(role))
            found.setPixelSize(max(8, round(found.pixelSize() * factor * self.scale)))
            found.setWeight(QFont.Weight(weight))
            if role == "code":
                for feature in _LIGATURES:
                    found.setFeature(QFont.Tag(feature), 0)
        return found

    def base_font(self, base: str) -> QFont:
        """The font in which text of ``base`` is set when no run changes it."""
        role, factor, weight, _, _ = _BASES[base]
        return self.font(role, weight, factor)

    def line_height(self, base: str) -> int:
        """Pixels from one line of ``base`` to the next."""
        return round(self.base_font(base).pixelSize() * _BASES[base][4])

    def baseline(self, base: str) -> float:
        """Pixels from the top of a line of ``base`` to where its letters stand."""
        found = self._baselines.get(base)
        if found is None:
            metrics = QFontMetricsF(self.base_font(base))
            found = self._baselines[base] = (self.line_height(base) - metrics.height()) / 2 + metrics.ascent()
        return found

    def px(self, length: float) -> int:
        """A length that grows with the text, in pixels."""
        return round(length * self.scale * self.theme.text_size / 100)

    def format(self, base: str, run: TextRun, spacing: float = 0.0) -> QTextCharFormat:
        """The character format of a run; ``spacing`` is added after each character."""
        key = (base, run.bold, run.italic, run.strike, run.code, run.math, not run.href, spacing)
        found = self._formats.get(key)
        if found is None:
            found = self._formats[key] = self._make_format(base, run, spacing)
        return found

    def advance(self, base: str, run: TextRun) -> float:
        """Pixels that a run takes in one line."""
        key = (base, run.bold, run.italic)
        metrics = self._metrics.get(key)
        if metrics is None:
            metrics = self._metrics[key] = QFontMetricsF(self.format(base, run).font())
        return metrics.horizontalAdvance(run.text)

    def objects(self, base: str, runs: Sequence[TextRun]) -> tuple[dict[int, InlineObject], bool]:
        """The inline objects in place of some of ``runs``, by number, and whether more of them will come."""
        found: dict[int, InlineObject] = {}
        waiting = False
        for number, run in enumerate(runs):
            item: InlineObject | Waiting | None = self._sign(base, run) if run.footnote or run.image else None
            if item is None and self.inline is not None and 0 < len(run.text) <= _LONGEST_OBJECT:
                item = self.inline(base, run)
            if isinstance(item, Waiting):
                waiting = True
            elif item is not None:
                found[number] = item
        return found, waiting

    def _sign(self, base: str, run: TextRun) -> InlineObject | None:
        from qwen_desktop.ui.chat.blocks_signs import sign  # noqa: PLC0415 - it needs styles

        key = (base, run.footnote, run.image)
        if key not in self._signs:
            if len(self._signs) >= _SIGNS:
                self._signs.clear()
            self._signs[key] = sign(self, base, run)
        return self._signs[key]

    def blank(self, base: str, width: float) -> QTextCharFormat:
        """The format in which ``OBJECT`` takes ``width`` pixels and cannot be seen."""
        return _blank(self.base_font(base), OBJECT, width)

    def hidden(self, base: str, run: TextRun) -> QTextCharFormat:
        """The format in which the dollars of a formula take no place and cannot be seen."""
        key = (base, run.bold, "$")
        found = self._formats.get(key)
        if found is None:
            found = self._formats[key] = _blank(self.format(base, run).font(), "$", 0.0)
        return found

    def ink(self, base: str) -> QColor:
        """The colour of text of a base."""
        return self.color(_BASES[base][3])

    def code_format(self, role: str) -> QTextCharFormat:
        """The format of highlighted code with colour ``role``."""
        found = self._formats.get((role,))
        if found is None:
            found = self._formats[(role,)] = QTextCharFormat()
            found.setForeground(QBrush(self.color(role)))
        return found

    def _make_format(self, base: str, run: TextRun, spacing: float) -> QTextCharFormat:
        own = self.base_font(base)
        font = QFont(self.font("code") if run.code or run.math else own)
        if run.code or run.math:
            font.setPixelSize(max(8, round(own.pixelSize() * 0.93)))
        if run.bold:
            font.setWeight(QFont.Weight(max(650, own.weight())))
        font.setItalic(run.italic or run.math)
        font.setStrikeOut(run.strike)
        font.setUnderline(bool(run.href))
        if spacing:
            font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, spacing)
        result = QTextCharFormat()
        result.setFont(font)
        result.setForeground(QBrush(self.color("accent" if run.href else _BASES[base][3])))
        if run.href:
            result.setUnderlineColor(self.color("accent"))
        return result


def _blank(own: QFont, char: str, width: float) -> QTextCharFormat:
    font = QFont(own)
    font.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, width - text_width(char, font))
    result = QTextCharFormat()
    result.setFont(font)
    result.setForeground(QBrush(Qt.GlobalColor.transparent))
    return result


def elided(text: str, font: QFont, width: float) -> str:
    """``text`` cut at its end with an ellipsis so that it fits ``width`` pixels."""
    return QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, width)


def text_width(text: str, font: QFont) -> float:
    """Pixels that one line of ``text`` takes."""
    return QFontMetricsF(font).horizontalAdvance(text)
