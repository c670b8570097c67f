"""Formulas as the transcript draws them: outlines filled with the text's colour, at its size, on its baseline."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen, QTransform

from qwen_desktop.jobs.formulas.data import Formula, Outline, Rule, Words, from_builtins
from qwen_desktop.jobs.markdown.blocks import TextRun, formula_of
from qwen_desktop.ui.chat.blocks_style import WAITING, InlineObject, Style, Waiting
from qwen_desktop.ui.chat.drawings import Drawings, Failed, Kind, pixmap

#: The name of this kind of drawing.
FORMULA: Final = "formula"
#: Height of the small letters of formulas, in ems: they are set as tall as the text's.
_X_HEIGHT: Final = 0.473
_LARGEST: Final = 1.25
#: A formula among words that is wider than its line is made smaller, down to this; below that its source is shown.
_SMALLEST: Final = 0.6
#: Pixels of a screen that a picture of one may have.
_PICTURE: Final = 500_000
_NUMBERS: Final = itertools.count()


class Ink(NamedTuple):
    """How a formula is painted: pixels of its em, its colour, and the font of words that it has no outlines of."""

    em: float
    color: QColor
    font: QFont


class FormulaDrawing:
    """A formula of no size: what its outlines enclose, in ems."""

    def __init__(self, formula: Formula) -> None:
        self.formula = formula
        self._number = next(_NUMBERS)

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        return 500 + 150 * len(self.formula.signs) + 10 * sum(len(one.points) for one in self.formula.outlines)

    def path(self) -> QPainterPath:
        """All signs of it, in ems from the start of its baseline."""
        formula, path = self.formula, QPainterPath()
        outlines = [_path(outline) for outline in formula.outlines]
        for sign in formula.signs:
            scale = sign.size / formula.units
            path.addPath(QTransform(scale, 0, 0, scale, sign.x, sign.y).map(outlines[sign.outline]))
        path.setFillRule(Qt.FillRule.WindingFill)
        return path

    def paint(self, painter: QPainter, x: float, baseline: float, ink: Ink) -> None:
        """Draw it from a place of its baseline on, moved to whole pixels as Qt does with the text beside it."""
        formula, ratio = self.formula, painter.device().devicePixelRatioF()
        x, baseline = _whole(x, ratio), _whole(baseline, ratio)
        # Signs may reach over the formula's own bounds.
        around = math.ceil(0.4 * ink.em)
        wide = math.ceil(formula.width * ink.em) + 2 * around
        above = math.ceil(formula.ascent * ink.em) + around
        tall = above + math.ceil(formula.descent * ink.em) + around
        if wide * tall * ratio * ratio > _PICTURE:
            self._fill(painter, x, baseline, ink)
            return
        key = f"formula {self._number} {ink.em} {ink.color.rgba()} {ink.font.key()} {ratio}"
        picture = pixmap(key, wide, tall, ratio, lambda inside: self._fill(inside, around, above, ink))
        painter.drawPixmap(QPointF(x - around, baseline - above), picture)

    def _fill(self, painter: QPainter, x: float, baseline: float, ink: Ink) -> None:
        em, color, _ = ink
        formula, ratio = self.formula, painter.device().devicePixelRatioF()
        before = painter.transform()
        painter.translate(x, baseline)
        painter.scale(em, em)
        painter.fillPath(self.path(), color)
        painter.setTransform(before)
        for rule in formula.rules:
            painter.fillRect(_rule(rule, x, baseline, em, ratio), color)
        for stroke in formula.strokes:
            painter.setPen(QPen(color, max(1 / ratio, stroke.thickness * em)))
            ends = [(stroke.x1, stroke.y1), (stroke.x2, stroke.y2)]
            painter.drawLine(*(QPointF(x + dx * em, baseline + dy * em) for dx, dy in ends))
        painter.setPen(color)
        for words in formula.words:
            _write(painter, words, QPointF(x + words.x * em, baseline + words.y * em), ink)


def _path(outline: Outline) -> QPainterPath:
    path, points, at = QPainterPath(), outline.points, 0
    for number, step in enumerate(outline.steps):
        if step == "M":
            if number:
                path.closeSubpath()
            path.moveTo(points[at], points[at + 1])
            at += 2
        elif step == "L":
            path.lineTo(points[at], points[at + 1])
            at += 2
        elif step == "Q":
            path.quadTo(*points[at : at + 4])
            at += 4
        else:
            path.cubicTo(*points[at : at + 6])
            at += 6
    path.closeSubpath()
    return path


def _whole(length: float, ratio: float) -> float:
    return round(length * ratio) / ratio


def _rule(rule: Rule, x: float, baseline: float, em: float, ratio: float) -> QRectF:
    """Where a rule is painted: its thin side in whole pixels, so that it is sharp, where no sign has to meet it."""
    left, top, wide, tall = x + rule.x * em, baseline + rule.y * em, rule.width * em, rule.height * em
    if rule.joined:
        pass
    elif tall < wide:
        tall = max(1 / ratio, _whole(tall, ratio))
        top = _whole(top, ratio)
    else:
        wide = max(1 / ratio, _whole(wide, ratio))
        left = _whole(left, ratio)
    return QRectF(left, top, wide, tall)


def _write(painter: QPainter, words: Words, at: QPointF, ink: Ink) -> None:
    """Words in the window's own font, made to fit the place that they were given."""
    em, own = ink.em, QFont(ink.font)
    # The formula's em is larger than the text's where that has tall small letters.
    own.setPixelSize(max(1, round(words.size * em * 0.92)))
    own.setItalic(words.italic)
    if words.bold:
        own.setWeight(QFont.Weight.Bold)
    painter.setFont(own)
    wide = QFontMetricsF(own).horizontalAdvance(words.text)
    before = painter.transform()
    painter.translate(at)
    if wide > words.width * em:
        painter.scale(words.width * em / wide, 1.0)
        wide = words.width * em
    painter.drawText(QPointF((words.width * em - wide) / 2, 0), words.text)
    painter.setTransform(before)


def read(data: Any) -> FormulaDrawing | Failed:
    """A formula as the worker gave it."""
    return Failed() if data is None else FormulaDrawing(from_builtins(data))


KIND: Final = Kind("formula", "qwen_desktop.jobs.formulas.rendering:render", read, batch=10, patience=40.0)


def formula_em(style: Style, base: str) -> float:
    """Pixels of a formula's em among text of a base: small letters of both are as tall."""
    font = style.base_font(base)
    size = font.pixelSize()
    return size * min(_LARGEST, max(1.0, QFontMetricsF(font).xHeight() / size / _X_HEIGHT))


@dataclass(frozen=True)
class InlineFormula:
    """A formula among words."""

    drawing: FormulaDrawing
    style: Style
    base: str
    em: float
    #: Whether it is part of a link, or struck out.
    linked: bool = False
    struck: bool = False

    @property
    def width(self) -> float:
        """Pixels."""
        return self.drawing.formula.width * self.em

    @property
    def ascent(self) -> float:
        """Pixels above the baseline."""
        return self.drawing.formula.ascent * self.em

    @property
    def descent(self) -> float:
        """Pixels below the baseline."""
        return self.drawing.formula.descent * self.em

    def within(self, width: float) -> InlineFormula | None:
        """The same where there are no more than ``width`` pixels; None where it would be too small."""
        share = width / self.width
        return replace(self, em=self.em * share) if share >= _SMALLEST else None

    def paint(self, painter: QPainter, rect: QRectF, role: str) -> None:
        """Draw in ``rect``; ``role`` is that of the range that it is marked by, or ""."""
        if role:
            painter.fillRect(rect, self.style.color(role))
        font, baseline = self.style.base_font(self.base), rect.top() + self.ascent
        color = self.style.color("accent") if self.linked else self.style.ink(self.base)
        self.drawing.paint(painter, rect.left(), baseline, Ink(self.em, color, font))
        metrics = QFontMetricsF(font)
        for drawn, y in ((self.linked, metrics.underlinePos()), (self.struck, -metrics.strikeOutPos())):
            if drawn:
                painter.fillRect(QRectF(rect.left(), round(baseline + y), rect.width(), metrics.lineWidth()), color)


class Formulas:
    """Finds what stands in place of formulas among words, in one style."""

    def __init__(self, style: Style, drawings: Drawings) -> None:
        self._style = style
        self._drawings = drawings
        self._ems: dict[str, float] = {}

    def __call__(self, base: str, run: TextRun) -> InlineObject | Waiting | None:
        formula = formula_of(run)
        if formula is None:
            return None
        drawing = self._drawings.drawing(FORMULA, formula[0], display=False)
        if drawing is None:
            return WAITING
        if not isinstance(drawing, FormulaDrawing):
            return None
        if base not in self._ems:
            self._ems[base] = formula_em(self._style, base)
        return InlineFormula(drawing, self._style, base, self._ems[base], bool(run.href), run.strike)
