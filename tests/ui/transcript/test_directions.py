"""Messages in Arabic with English code, and pictures among words: where all of it stands, is hit, marked and copied."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter
from PySide6.QtTest import QTest

from qwen_desktop.core.chat import Status
from qwen_desktop.core.parts import TextPart
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.ui.chat.blocks import PaintContext
from qwen_desktop.ui.chat.blocks_flow import At, Range
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.section_text import TextSection
from tests import layouts
from tests.layouts import text_of

ARABIC = """استعمل `heapq.merge(a, b)` في Python لدمج القوائم.

- العنصر الأول
- العنصر الثاني

3. ثالث

> اقتباس قصير

```python
x = heap[0]
```

| الاسم | القيمة |
|-------|-------:|
| واحد | كبير |

In English again.

---
"""


def picture(seen, item, *ranges, focus: str = "") -> QImage:
    """A message as it is painted."""
    image = QImage(int(item.width), int(item.height), QImage.Format.Format_RGB32)
    image.fill(seen.view.style_.color("window"))
    painter = QPainter(image)
    item.paint(painter, PaintContext(seen.view.style_, focus=focus, ranges=ranges), At(0, 0, 0, item.height))
    painter.end()
    return image


def columns(image: QImage, color: QColor, top: float, bottom: float) -> set[int]:
    """Where a colour is, between two heights."""
    rows = range(int(top), min(image.height(), int(bottom)))
    return {x for x in range(image.width()) for y in rows if image.pixelColor(x, y) == color}


def block(item, number: int):
    return text_of(item).layouts[number]


def block_of(item, kind: str, number: int = 0):
    return [layout for layout in text_of(item).layouts if type(layout).__name__ == kind][number]


def rows(item, layout) -> tuple[float, float]:
    top = text_of(item).y + layout.y
    return top, top + layout.height


def place_of(seen, item, words: str, *, after: bool = False) -> QPointF:
    """The middle of the first (or last) character of ``words`` in the item, found by asking."""
    text = layouts.message_text(seen.view, item.message.id)
    at = text.index(words) + (len(words) - 1 if after else 0)
    for layout, start in zip(text_of(item).layouts, text_of(item)._starts, strict=True):
        flow = getattr(layout, "flow", None)
        inside = at - start - (len(text[start:].split(flow.text)[0]) if flow is not None and flow.text else 0)
        if flow is not None and 0 <= inside < len(flow.text):
            rect = flow.rects(inside, inside + 1)[0]
            return rect.center() + QPointF(layout.room.left(), layout.y) + QPointF(text_of(item).x, text_of(item).y)
    raise AssertionError(words)


@pytest.fixture
def item(seen, say):
    seen.show([say("assistant", ARABIC)])
    return seen.item("m1")


def test_markers_bars_and_tables_stand_at_the_start(seen, item):
    image = picture(seen, item)
    color = seen.view.style_.color
    wide = image.width()
    for number in (1, 2, 3):  # "•", "•", "3."
        found = columns(image, color("text_muted"), *rows(item, block(item, number)))
        assert found
        assert min(found) > wide - 26
        assert not columns(image, color("text"), *rows(item, block(item, number))) & set(range(wide - 26, wide))
    bars = columns(image, color("border_strong"), *rows(item, block(item, 4)))
    assert bars
    assert min(bars) >= wide - 4
    table = block_of(item, "TableLayout")
    top, _ = rows(item, table)
    text = layouts.message_text(seen.view, "m1")
    first, second = text.index("الاسم"), text.index("القيمة")
    at = [item.offset_at(QPointF(x, top + 15)) for x in (wide - 3, wide - 200)]
    assert first <= at[0] <= first + 5
    assert second <= at[1] <= second + 6
    assert [flow._align for flow in table._cells[1]] == ["right", "left"]  # start, and what was to be at the end


def test_code_runs_from_left_to_right_under_a_header_that_is_turned(seen, item):
    code = block_of(item, "CodeLayout")
    english = next(layout for layout in text_of(item).layouts if "English" in getattr(layout.block, "text", ""))
    rule = block_of(item, "RuleLayout")
    assert (code.rtl, english.rtl, rule.rtl) == (True, False, False)
    copy = seen.target("m1", "code_copy")
    assert copy.rect.right() < item.width / 2
    assert copy.rect.left() < seen.target("m1", "wrap").rect.left()
    image = picture(seen, item)
    top = rows(item, code)[0]
    name = columns(image, seen.view.style_.color("text_muted"), top + 4, top + 30)
    assert max(name) > item.width - 30, "the language stands at the start"
    start = layouts.message_text(seen.view, "m1").index("x = heap")
    middle = top + code._header + 10 + code._line / 2
    offsets = [item.offset_at(QPointF(x, middle)) for x in range(10, 120, 3)]
    assert offsets[0] == start
    assert offsets == sorted(offsets)
    assert offsets[-1] == start + len("x = heap[0]")


def test_a_dragged_selection_takes_what_is_between_and_shows_it_in_pieces(seen, item):
    view = seen.view
    corner = view.rect_of(item, item.rect).topLeft()
    begin = place_of(seen, item, "heapq").toPoint() + corner
    end = place_of(seen, item, "لدمج", after=True).toPoint() + corner
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=begin - QPoint(3, 0))
    for step in range(1, 5):
        QTest.mouseMove(view.viewport(), begin + (end - begin) * step / 4 - QPoint(3, 0))
    QTest.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, pos=end - QPoint(1, 0))
    assert seen.selected().startswith("heapq.merge(a, b) في Python لدم")
    text = layouts.message_text(view, "m1")
    # From the middle of the code to the middle of the Arabic word behind it: two pieces with a gap between.
    start, stop = text.index("merge(a"), text.index("Python")
    flow = block(item, 0).flow
    parts = sorted((rect.left(), rect.right()) for rect in flow.rects(start, stop))
    assert len(parts) == 2
    image = picture(seen, item, Range(start, stop))
    found = columns(image, view.style_.color("selection"), *rows(item, block(item, 0)))
    for x in found:
        assert any(left - 1 <= x <= right + 1 for left, right in parts)
    for left, right in parts:
        assert {round(left) + 1, round(right) - 2} <= found


def test_brackets_of_code_stay_with_it(seen, say):
    """Among Arabic words ``f(x)`` is not painted as ``(f(x``."""
    seen.show([say("assistant", "نص `f(x)` و`g()`، انتهى")])
    flow = block(seen.item("m1"), 0).flow
    for code in ("f(x)", "g()"):
        start = flow.text.index(code)
        lefts = [flow.rects(start + n, start + n + 1)[0].left() for n in range(len(code))]
        assert lefts == sorted(lefts)
        assert len(flow.rects(start, start + len(code))) == 1


def test_a_wide_table_scrolls_from_its_start(seen, say):
    head = "|" + " عمود طويل جدا جدا |" * 14
    seen.show([say("assistant", f"{head}\n{'|---' * 14}|\n{head}")])
    item = seen.item("m1")
    table = block_of(item, "TableLayout")
    bar = seen.view.style_.color("scrollbar")
    _, bottom = rows(item, table)
    at_start = columns(picture(seen, item), bar, bottom - 4, bottom - 2)
    assert max(at_start) > item.width - 4
    right = table._lefts()[0] + table._columns[0]
    assert right == pytest.approx(item.width)
    assert table.wheel(50)
    assert table._lefts()[0] + table._columns[0] == pytest.approx(right), "to the right of the start is nothing"
    table.wheel(-50)
    assert table._lefts()[0] + table._columns[0] == pytest.approx(right + 50)
    table.wheel(-100_000)
    assert min(table._lefts()) == pytest.approx(0)
    assert min(columns(picture(seen, item), bar, bottom - 4, bottom - 2)) < 4


def test_text_without_letters_runs_as_the_block_before_it_or_the_window(seen, say, theme):
    seen.show([say("assistant", "1 + 1\n\nنص\n\n42\n\n```\nx\n```\n\n$$\na+b\n$$\n\nword\n\n42")])
    assert [layout.rtl for layout in text_of(seen.item("m1")).layouts] == [False, True, True, True, True, False, False]
    QGuiApplication.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        assert Style(theme).rtl
        seen.view.restyle()
        seen.settle()
        assert [layout.rtl for layout in text_of(seen.item("m1")).layouts] == [
            True,
            True,
            True,
            True,
            True,
            False,
            False,
        ]
    finally:
        QGuiApplication.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_the_direction_may_come_while_it_is_written(seen, say):
    """What is laid out piece by piece is what is laid out at once, though the first letter comes late."""
    text = "1. 42 — 7\n\n12 نص `x` word\n\n13\n\n| 1 | 2 |\n|---|---|\n| 3 | نص |"
    seen.show([say("assistant", text)])
    once = [(layout.rtl, layout.y, layout.height) for layout in text_of(seen.item("m1")).layouts]
    body = TextSection(seen.item("m1"), "part0.", TextPart)
    body.lay(seen.item("m1").width)
    for end in range(1, len(text) + 1):
        body.set_blocks(Markdown().blocks(text[:end]))
    assert [(layout.rtl, layout.y, layout.height) for layout in body.layouts] == once


def test_an_arabic_question_stands_in_its_bubble(seen, say):
    seen.show([say("user", "مرحبا بك\nword")])
    item = seen.item("m1")
    image = picture(seen, item)
    style = seen.view.style_
    bubble = columns(image, style.color("user_message"), 0, item.height)
    words = columns(image, style.color("text"), 0, item.height)
    assert words
    assert min(bubble) + 14 < min(words)
    assert max(words) < max(bubble) - 14


# Pictures among words ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Box:
    """A blue picture, magenta where a match is, green where it is selected."""

    width: float = 40.0
    ascent: float = 50.0
    descent: float = 0.0

    def paint(self, painter: QPainter, rect: QRectF, role: str) -> None:
        painter.fillRect(rect, QColor({"": "#0000ff", "match": "#ff00ff"}.get(role, "#00ff00")))


BLUE, MAGENTA, GREEN = QColor("#0000ff"), QColor("#ff00ff"), QColor("#00ff00")


@pytest.fixture
def drawn(seen, say):
    """A paragraph with a picture of 40 x 50 pixels in the place of its only formula."""
    seen.view.style_.inline = lambda base, run: Box() if run.math else None
    words = "Some words before "
    seen.show([say("assistant", f"{words * 9}HHH $a + b$ and behind it, {words * 9}")])
    return seen.item("m1")


def cells(image: QImage, color: QColor) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what has a colour."""
    found = [(x, y) for x in range(image.width()) for y in range(image.height()) if image.pixelColor(x, y) == color]
    assert found
    xs, ys = [x for x, _ in found], [y for _, y in found]
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1


def test_a_picture_stands_on_the_baseline_and_makes_its_line_taller(seen, drawn):
    image = picture(seen, drawn)
    left, top, right, bottom = cells(image, BLUE)
    assert (right - left, bottom - top) == (40, 50)
    flow = block(drawn, 0).flow
    start = flow.text.index("HHH")
    (line,) = flow.rects(start, start + 3)
    assert line.height() > 52
    assert flow.height == pytest.approx(line.height() + 24 * (len({r.top() for r in flow.rects(0, 9999)}) - 1))
    origin = QPointF(text_of(drawn).x, text_of(drawn).y)
    letters = image.copy(line.translated(origin).toAlignedRect())
    dark = [
        y for y in range(letters.height()) for x in range(letters.width()) if letters.pixelColor(x, y).lightness() < 90
    ]
    assert abs(max(dark) + 1 + int(line.top() + origin.y()) - bottom) <= 1, "H and the picture end at one height"
    # The lines above and below keep away from it.
    above = [r for r in flow.rects(0, 9999) if r.bottom() <= line.top() + 0.1]
    assert max(r.bottom() for r in above) + origin.y() <= top


def test_marks_and_the_selection_cover_a_picture_and_are_hit_as_it_stands(seen, drawn):
    text = layouts.message_text(seen.view, "m1")
    start = text.index("$a + b$")
    left, top, right, bottom = cells(picture(seen, drawn), BLUE)
    middle = (top + bottom) / 2
    assert drawn.offset_at(QPointF(left + 8, middle)) == start
    assert drawn.offset_at(QPointF(right - 8, middle)) == start + 7
    before, after = drawn.offset_at(QPointF(left - 12, middle)), drawn.offset_at(QPointF(right + 12, middle))
    assert before < start < start + 7 < after
    # A match inside the formula marks all of it; a selection over it wins, and is as tall as the line.
    image = picture(seen, drawn, Range(start + 2, start + 3, "match"))
    assert cells(image, MAGENTA) == (left, top, right, bottom)
    image = picture(seen, drawn, Range(start + 2, start + 3, "match"), Range(start - 4, start + 9))
    assert cells(image, GREEN) == (left, top, right, bottom)
    selected = columns(image, seen.view.style_.color("selection"), top, top + 2)
    assert min(selected) < left - 20
    assert max(selected) > right
    corner = seen.view.rect_of(drawn, drawn.rect).topLeft()
    seen.view.grab()
    QTest.mousePress(seen.view.viewport(), Qt.MouseButton.LeftButton, pos=corner + QPoint(left + 3, int(middle)))
    QTest.mouseMove(seen.view.viewport(), corner + QPoint(right - 3, int(middle)))
    QTest.mouseRelease(seen.view.viewport(), Qt.MouseButton.LeftButton, pos=corner + QPoint(right - 3, int(middle)))
    assert seen.selected() == "$a + b$"


def test_another_size_of_a_picture_moves_what_follows(seen, drawn):
    layout = block(drawn, 0)
    before = layout.flow.height
    seen.view.style_.inline = lambda base, run: Box(40, 150) if run.math else None
    layout.set_width(layout.width)
    assert layout.flow.height == before + 100


@pytest.mark.parametrize(("words", "rtl"), [("مرحبا", True), ("Hello", False)])
def test_the_title_of_an_alert_runs_as_its_words(seen, say, words, rtl):
    other = "Hello" if rtl else "مرحبا"
    text = f"> [!NOTE]\n> {words}\n\n{other}\n\n> [!TIP]\n> {words}"
    seen.show([say("assistant", text), say("assistant", status=Status.STREAMING)])
    for piece in text:
        layouts.more(seen.view, "m2", piece)
        seen.view.live._show()
    for message in ("m1", "m2"):
        first, _, _, second, _ = text_of(seen.item(message)).layouts
        assert first.rtl == second.rtl == rtl
