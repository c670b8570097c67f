"""Text in lines: directions that mix, objects among the words, and text that grows."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontDatabase, QImage, QPainter, QTextCharFormat, QTextLayout

from qwen_desktop.jobs.markdown.blocks import TextRun
from qwen_desktop.ui.chat.blocks_flow import At, Range, TextFlow
from qwen_desktop.ui.chat.blocks_style import Style

LATIN = (
    "heap",
    "queue",
    "x = 1",
    "A",
    "merge(a, b)",
    "naïve",
    "e\u0301t\u00e9",
    "10",
    "3.14",
    "C:\\temp",
    "(see)",
    "漢字",
    "😀",
    "👩‍👩‍👧",
)
ARABIC = ("مرحبا", "بالعالم", "لا", "كُتُب", "١٢٣", "النص", "(هنا)", "שלום", "עברית", "،")
BLUE = QColor("#0000ff")


@dataclass(frozen=True)
class Box:
    """A picture of one colour."""

    width: float
    ascent: float
    descent: float = 0.0

    def paint(self, painter: QPainter, rect: QRectF, role: str) -> None:
        painter.fillRect(rect, QColor("#ff00ff") if role else BLUE)


@pytest.fixture
def style(theme):
    style = Style(theme)
    style.inline = lambda base, run: Box(*map(float, run.href.split())) if run.math and run.href else None
    return style


def box(width: float, ascent: float, descent: float = 0.0, text: str = "picture") -> TextRun:
    """A run in whose place a box stands."""
    return TextRun(text, math=True, href=f"{width} {ascent} {descent}")


def words(chance: random.Random, count: int, *, boxes: bool = True) -> tuple[TextRun, ...]:
    """Runs of words in both directions, with code and objects among them."""
    runs = []
    share = chance.choice((0.0, 0.2, 0.5, 0.8, 1.0))
    for _ in range(count):
        kinds = ARABIC if chance.random() < share else LATIN
        text = " ".join(chance.choice(kinds) for _ in range(chance.randint(1, 5)))
        kind = chance.random()
        if boxes and kind < 0.12:
            runs.append(box(chance.choice((0.5, 6, 30.25, 90)), chance.randint(1, 60), chance.choice((0, 3, 25))))
        elif kind < 0.3:
            runs.append(TextRun(text, code=True))
        else:
            runs.append(TextRun(text + chance.choice((" ", ", ", "\n", "")), bold=chance.random() < 0.2))
        if chance.random() < 0.6:
            runs.append(TextRun(" "))
    return tuple(runs)


def laid(style: Style, runs: tuple[TextRun, ...], width: float) -> TextFlow:
    flow = TextFlow(style, "message")
    flow.set_runs(runs, width)
    return flow


def clusters(flow: TextFlow) -> list[tuple[int, int]]:
    """Start and end of what a cursor cannot stand in the middle of."""
    ends = []
    for number, run in enumerate(flow.runs):
        start, end = flow.run_starts[number : number + 2]
        if flow.style.inline(flow.base, run):
            ends.append((start, end))
            continue
        probe = QTextLayout(run.text)
        units = [0]
        for char in run.text:
            units.append(units[-1] + (2 if char > "\uffff" else 1))
        places = [
            offset
            for offset, unit in enumerate(units)
            if probe.isValidCursorPosition(unit) and run.text[offset - 1 : offset + 1] != "لا"  # always written as one
        ]
        ends += [(start + a, start + b) for a, b in itertools.pairwise(places)]
    return ends


def inside(outer: list[QRectF], rect: QRectF) -> bool:
    """Whether the middle of a rectangle lies in one of others."""
    return any(o.contains(rect.center()) for o in outer if o.width() > 3)


@pytest.mark.parametrize("seed", range(40))
def test_each_character_is_where_it_is_said_to_be(style, seed):
    chance = random.Random(seed)
    flow = laid(style, words(chance, chance.randint(1, 30)), chance.choice((90.0, 300.0, 700.0)))
    places = clusters(flow)
    for start, end in places:
        rects = flow.rects(start, end)
        assert len(rects) == 1, "a character is in one piece"
        rect = rects[0]
        if rect.width() <= 3:  # a line's end, and a space before it
            continue
        at = [flow.offset_at(rect.left() + rect.width() * part, rect.center().y()) for part in (0.2, 0.8)]
        if not flow.text[start:end].isspace():  # beside the last character of a line is its end
            assert sorted(at) == [start, end], flow.text[start:end]
        for other in range(start + 1, end):
            assert flow.rects(other, end) == rects, "a part of a character is marked as all of it"
    for _ in range(20):
        (start, _), (_, end) = sorted((chance.choice(places), chance.choice(places)))
        asked = flow.rects(start, end)
        for a, b in places:
            rect = flow.rects(a, b)[0]
            if rect.width() > 3:
                assert inside(asked, rect) == (start <= a < end), (flow.text[a:b], flow.text[start:end])


def test_a_character_is_never_pointed_into_whatever_the_font(style, monkeypatch):
    for family in QFontDatabase.families():
        font = QFont(family)
        font.setPixelSize(16)
        monkeypatch.setattr(style, "base_font", lambda base, font=font: font)
        text = "heap A " + "👩‍👩‍👧 e\u0301 नि 🇩🇪 한 👍🏽 漢 " * 3
        flow = laid(style, (TextRun(text), TextRun(text, code=True)), 300.0)
        whole = {end for place in clusters(flow) for end in place}
        for y in range(0, int(flow.height), 20):
            assert {flow.offset_at(x, y) for x in range(0, 300, 3)} <= whole, family


@pytest.mark.parametrize("seed", range(12))
def test_a_text_that_grew_looks_like_one_set_at_once(style, seed):
    chance = random.Random(seed)
    runs = words(chance, chance.choice((8, 60, 250)))
    width = chance.choice((120.0, 400.0, 700.0))
    grown = TextFlow(style, "message")
    for number in range(len(runs)):
        if chance.random() < 0.15 or number == len(runs) - 1:
            last = runs[number]
            if not style.inline("message", last) and len(last.text) > 1 and chance.random() < 0.5:
                half = TextRun(last.text[: len(last.text) // 2], last.bold, code=last.code)
                grown.set_runs((*runs[:number], half), width)
            grown.set_runs(runs[: number + 1], width)
    once = laid(style, runs, width)
    assert grown.height == once.height
    assert grown.natural == once.natural
    picked = chance.choices(clusters(once), k=60)
    assert [grown.rects(*place) for place in picked] == [once.rects(*place) for place in picked]
    assert picture(grown, 600) == picture(once, 600)


def picture(flow: TextFlow, most: int, *ranges: Range) -> QImage:
    """The flow painted on white."""
    image = QImage(int(flow.width) + 20, min(most, int(flow.height) + 1), QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.white)
    painter = QPainter(image)
    flow.paint(painter, At(10, 0, 0, image.height()), ranges)
    painter.end()
    return image


def columns(image: QImage, color: QColor, y: int) -> set[int]:
    return {x for x in range(image.width()) if image.pixelColor(x, y) == color}


@pytest.mark.parametrize("seed", range(25))
def test_a_selection_covers_what_qt_would_cover(style, seed):
    """The same columns as ``QTextLayout``'s own selections, though as tall as the line."""
    chance = random.Random(seed)
    text = " ".join(chance.choice(ARABIC + LATIN) for _ in range(chance.randint(2, 9)))
    flow = laid(style, (TextRun(text),), 2000.0)
    units = [0]
    for char in text:
        units.append(units[-1] + (2 if char > "\uffff" else 1))
    start, end = sorted(chance.sample([a for a, _ in clusters(flow)] + [len(text)], 2))
    image = picture(flow, 100, Range(start, end))
    selection = style.color("selection")
    if min(rect.width() for rect in flow.rects(start, end)) <= 3:
        return  # Qt shows no line's end
    ours = columns(image, selection, 0) - columns(image, QColor(Qt.GlobalColor.white), 0)
    theirs = QImage(image.size(), QImage.Format.Format_RGB32)
    theirs.fill(Qt.GlobalColor.white)
    mark = QTextLayout.FormatRange()
    mark.start, mark.length = units[start], units[end] - units[start]
    look = QTextCharFormat()
    look.setBackground(QBrush(selection))
    mark.format = look
    painter = QPainter(theirs)
    layout = flow._chunks[0].layout
    layout.draw(painter, QPointF(10, 0), [mark])
    painter.end()
    line = layout.lineAt(0)
    expected = columns(theirs, selection, int(line.y() + 1)) | columns(
        theirs, selection, int(line.y() + line.height() - 1)
    )
    edges = {
        x + d
        for rect in flow.rects(start, end)
        for x in (int(rect.left()) + 10, int(rect.right()) + 10)
        for d in (-1, 0, 1)
    }
    assert ours - edges == expected - edges


def test_an_object_is_never_cut_however_long_the_text_in_its_place(style):
    """A formula across the borders of the pieces that text is laid out in."""
    before, formula = "word " * 399, "x + " * 500
    for width in (400.0, 100_000.0):
        flow = laid(style, (TextRun(before), box(40, 50, 0, formula), TextRun(" and more" * 300)), width)
        (rect,) = flow.rects(len(before), len(before) + len(formula))
        assert (rect.width(), rect.height() > 50) == (40, True)
        assert flow.offset_at(rect.left() + 5, rect.center().y()) == len(before)
        assert flow.offset_at(rect.right() - 5, rect.center().y()) == len(before) + len(formula)
        image = picture(laid(style, (box(40, 50, 0, formula),), width), 100)
        assert len(columns(image, BLUE, 20)) == 40
    flow = laid(style, (box(40, 50, 0, formula * 3),), 400.0)
    assert len(flow.rects(0, len(flow.text))) > 5, "what is longer is shown as it is written"


def test_another_object_is_laid_out_anew_far_above_the_end(style):
    runs = (box(40, 50), TextRun(" word" * 3000))
    flow = laid(style, runs, 400.0)
    before = flow.height
    style.inline = lambda base, run: Box(40, 150) if run.math else None
    flow.set_runs(runs, 400.0)
    assert flow.height == before + 100
    style.inline = None
    flow.set_runs(runs, 400.0)
    assert flow.height < before


def test_a_selected_line_end_is_seen_behind_the_last_word(style):
    flow = laid(style, (TextRun("مرحبا\nabc\nبالعالم"),), 300.0)
    (word,), (end,) = flow.rects(0, 5), flow.rects(5, 6)
    assert end.right() == pytest.approx(word.left(), abs=0.1)
    flow = laid(style, (TextRun("abc\nabc"),), 300.0)
    (word,), (end,) = flow.rects(0, 3), flow.rects(3, 4)
    assert end.left() == pytest.approx(word.right(), abs=0.1)
