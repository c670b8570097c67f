"""Formulas in the transcript: where they stand, what they look like, and what is asked for them."""

from __future__ import annotations

import asyncio
import itertools
import random
import time

import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QAccessible, QImage, QPainter
from PySide6.QtWidgets import QApplication, QMenu

from qwen_desktop.core.chat import Status
from qwen_desktop.jobs.formulas import rendering
from qwen_desktop.jobs.markdown.blocks import MathBlock
from qwen_desktop.ui.chat import formulas
from qwen_desktop.ui.chat.blocks import PaintContext
from qwen_desktop.ui.chat.blocks_flow import At, Range, TextFlow
from qwen_desktop.ui.chat.drawings import Drawings, Failed
from qwen_desktop.ui.chat.markdown_source import MarkdownSource
from qwen_desktop.ui.chat.selection import Place
from tests import layouts


@pytest.fixture
def asked(monkeypatch):
    """The formulas that are really set, in their order."""
    found: list[str] = []
    real = rendering.render

    def render(sources):
        found.extend(source for source, _ in sources)
        return real(sources)

    monkeypatch.setattr(rendering, "render", render)
    return found


@pytest.fixture
def shown(seen, say):
    """Show an answer with all its formulas; its item."""

    def show(text: str):
        seen.show([say("assistant", text)])
        item = seen.view.items[0]
        return layouts.settle(seen.view, item.message.id)

    return show


def picture(seen, item, *ranges, ratio: float = 1.0) -> QImage:
    """A message as it is painted."""
    image = QImage(int(item.width * ratio), int(item.height * ratio), QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(ratio)
    image.fill(seen.view.style_.color("window"))
    painter = QPainter(image)
    painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.TextAntialiasing)
    item.paint(painter, PaintContext(seen.view.style_, ratio, ranges=ranges), At(0, 0, 0, item.height))
    painter.end()
    return image


def inked(seen, image: QImage, rect: QRectF) -> tuple[int, int, int, int]:
    """Left, top, right and bottom pixel of what is painted dark (or light, on dark) in a part of a picture."""
    left, top, right, bottom = rect.getCoords()
    ratio = image.devicePixelRatio()
    ground = seen.view.style_.color("window").lightness()
    found = [
        (x, y)
        for x in range(int(left * ratio), int(right * ratio))
        for y in range(int(top * ratio), int(bottom * ratio))
        if abs(image.pixelColor(x, y).lightness() - ground) > 130
    ]
    assert found
    xs, ys = [x for x, _ in found], [y for _, y in found]
    return min(xs), min(ys), max(xs) + 1, max(ys) + 1


def place(item, words: str):
    """Where words of the first block stand, relative to the message."""
    section = layouts.text_of(item)
    flow = section.layouts[0].flow
    start = flow.text.index(words)
    (rect,) = flow.rects(start, start + len(words))
    return rect.translated(section.x, section.y)


def whole(item, number: int) -> QRectF:
    """Where a block stands, relative to the message."""
    section = layouts.text_of(item)
    layout = section.layouts[number]
    return QRectF(section.x, section.y + layout.y, item.width, layout.height)


@pytest.mark.parametrize("ratio", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("scale", [100, 200])
def test_a_formula_stands_on_the_baseline_of_the_words_and_is_as_tall(seen, shown, ratio, scale):
    seen.view.set_text_scale(scale)
    item = shown(r"HHH $\mathrm{x}$ xxx $\mathrm{I}$ here")
    image = picture(seen, item, ratio=ratio)

    def ink(words: str):
        rect = place(item, words)
        return inked(seen, image, rect)

    (_, cap, _, ground), (_, _, _, below) = ink("HHH"), ink(r"$\mathrm{I}$")
    assert abs(ground - below) <= 1
    (_, top, _, bottom), (_, other, _, foot) = ink("xxx"), ink(r"$\mathrm{x}$")
    assert abs(bottom - foot) <= 1
    assert abs((bottom - top) - (foot - other)) <= 1 + 0.1 * (bottom - top), "small letters are as tall"
    assert foot - cap < 30 * ratio * scale / 100


def test_markers_and_cells_stand_on_the_line_of_a_tall_formula(seen, shown):
    tall = r"H $\dfrac{1}{\dfrac{2}{3}}$ H"
    item = shown(f"1. {tall}\n\n| a | b |\n|--|--|\n| H | {tall} |")
    image, section = picture(seen, item), layouts.text_of(item)
    feet = []
    listed, table = section.layouts
    cells = [(flow, left, table._cell_top(1, flow)) for flow, left in zip(table._cells[1], table._lefts(), strict=True)]
    for layout, (flow, left, top) in ((listed, (listed.flow, listed.left, 0.0)), *((table, cell) for cell in cells)):
        (rect,) = flow.rects(0, 1)
        feet.append(inked(seen, image, rect.translated(section.x + left, section.y + layout.y + top))[3])
    (words, one, other), marker = feet, QRectF(0, whole(item, 0).top(), 24, whole(item, 0).height())
    assert inked(seen, image, marker)[3] == pytest.approx(words, abs=1), "its number"
    assert one == pytest.approx(other, abs=1)
    assert words - whole(item, 0).top() > 1.5 * seen.view.style_.baseline("message"), "it is not the usual line"


def test_in_a_link_it_is_one_and_what_is_struck_out_is_struck(seen, shown):
    item = shown("[of $x^2$](https://example.org) and ~~of $y^2$~~")
    (link,) = [target for target in item.targets() if target.action == "link"]
    section = layouts.text_of(item)
    flow = section.layouts[0].flow
    start = flow.text.index("$x")
    (rect,) = flow.rects(start, start + 5)
    assert link.contains(rect.translated(section.x, section.y).center())
    image = picture(seen, item)
    left, top, right, bottom = map(int, place(item, "$x^2$").getCoords())
    found = {image.pixelColor(x, y).name() for x in range(left, right) for y in range(top, bottom)}
    assert seen.view.style_.color("accent").name() in found
    assert seen.view.style_.color("text").name() not in found
    left, top, right, bottom = inked(seen, image, place(item, "$y^2$"))
    wide = place(item, "$y^2$").width()
    rows = [sum(image.pixelColor(x, y).lightness() < 120 for x in range(left, right)) for y in range(top, bottom)]
    assert max(rows) >= wide - 2, "a line across all of it"


def test_its_colour_and_size_follow_the_theme_and_the_text(seen, shown, say):
    item = shown("$$\\blacksquare$$\n\nwords")
    sizes = {}
    for mode, scale in (("light", 100), ("dark", 100), ("dark", 200)):
        seen.view.theme.set_mode(mode)
        seen.view.set_text_scale(scale)
        item = layouts.settle(seen.view, item.message.id)
        image = picture(seen, item)
        left, top, right, bottom = inked(seen, image, whole(item, 0))
        colour = image.pixelColor((left + right) // 2, (top + bottom) // 2)
        assert colour == seen.view.style_.color("text")
        sizes[mode, scale] = right - left
    assert sizes["light", 100] == sizes["dark", 100]
    assert sizes["dark", 200] == pytest.approx(2 * sizes["dark", 100], abs=2)


def test_each_formula_is_set_once_however_often_it_is_seen(seen, shown, asked):
    item = shown("A $a^2$, a $b$, again $a^2$.\n\n| $a^2$ | $c$ |\n|--|--|\n| $a^2$ | $b$ |\n\n$$a^2$$")
    assert sorted(asked) == ["a^2", "a^2", "b", "c"], "one beside words, one displayed"
    before = layouts.seen(seen.view, item)
    item.evict()
    layouts.settle(seen.view, item.message.id)
    seen.view.theme.set_mode("dark")
    seen.view.set_text_scale(150)
    layouts.settle(seen.view, item.message.id)
    seen.view.resize(500, 600)
    layouts.settle(seen.view, item.message.id)
    assert len(asked) == 4
    seen.view.resize(900, 600)
    seen.view.theme.set_mode("light")
    seen.view.set_text_scale(100)
    assert layouts.seen(seen.view, layouts.settle(seen.view, item.message.id)) == before


def test_what_cannot_be_drawn_is_its_source_without_dollars(seen, shown, asked):
    item = shown("So $\\nonsense{x} + 1$ is\n\n$$\\nonsense{y}$$\n\nend $\\other$")
    assert len(asked) == 3
    text = layouts.message_text(seen.view, item.message.id)
    assert text == "So $\\nonsense{x} + 1$ is\n\n$$\\nonsense{y}$$\n\nend $\\other$"
    rect = place(item, "$")
    assert rect.width() <= 3.1, "the dollars take no place"
    inked(seen, picture(seen, item), place(item, "$\\nonsense{x} + 1$"))
    item.evict()
    layouts.settle(seen.view, item.message.id)
    assert len(asked) == 3, "it is remembered that there is none"


def test_it_is_copied_and_read_as_markdown(seen, shown, say):
    item = shown("One $x^2$ two.\n\n$$\na\n= b\n$$\n\n- \\(y\\)\n- \\[z\\]\n\n| a |\n|--|\n| $w$ |")
    whole = "One $x^2$ two.\n\n$$\na\n= b\n$$\n\n- $y$\n- \n\n$$z$$\n\na\n$w$"
    assert layouts.message_text(seen.view, item.message.id) == whole == layouts.reads(item.message)
    seen.view.select_all()
    assert seen.selected() == whole
    start = whole.index("x^2")
    seen.view.interaction.selection.take(Place(item.message.id, 0), Place(item.message.id, start + 4))
    assert seen.selected() == "One $x^2$"
    message = QAccessible.queryAccessibleInterface(seen.view).child(0)
    assert "One $x^2$ two." in message.text(QAccessible.Text.Name)


def test_a_search_marks_a_whole_formula_and_the_mouse_takes_it(seen, shown):
    item = shown("One $x + y$ two.\n\n$$x + y$$\n\nend")
    text = layouts.message_text(seen.view, item.message.id)
    section = layouts.text_of(item)
    layout = section.layouts[1]
    start = text.index("$$x")
    image = picture(seen, item, Range(start + 3, start + 4, "match"))
    match = seen.view.style_.color("match")
    columns = {
        x
        for x in range(image.width())
        for y in range(int(section.y + layout.y), int(section.y + layout.y + layout.height))
        if image.pixelColor(x, y) == match
    }
    assert max(columns) - min(columns) > 40
    assert abs((max(columns) + min(columns)) / 2 - item.width / 2) < 3, "it is centred"
    middle = section.y + layout.y + layout.height / 2
    assert item.offset_at(QPointF(min(columns) - 30, middle)) == start
    assert item.offset_at(QPointF(max(columns) + 30, middle)) == start + len("$$x + y$$")


def test_the_menu_copies_the_formula_under_the_pointer(seen, shown):
    item = shown("One $x + y$ two.\n\n$$\\frac{1}{2}$$")
    rect = place(item, "$x + y$")
    section = layouts.text_of(item)
    displayed = section.layouts[1]
    centre = QPointF(item.width / 2, section.y + displayed.y + displayed.height / 2)
    for point, latex in ((rect.center(), "x + y"), (centre, "\\frac{1}{2}"), (rect.center() - QPointF(60, 0), "")):
        corner = seen.view.rect_of(item, item.rect).topLeft()
        at = seen.view.viewport().mapToGlobal(QPoint(corner.x() + int(point.x()), corner.y() + int(point.y())))
        seen.view._input.menu_wanted.emit(at, item, None)
        menu = seen.view.findChildren(QMenu)[-1]
        actions = {action.text(): action for action in menu.actions()}
        assert ("Copy formula as LaTeX" in actions) == bool(latex)
        if latex:
            actions["Copy formula as LaTeX"].trigger()
            assert QApplication.clipboard().text() == latex
        menu.close()
        seen.qtbot.wait(1)


def test_a_wide_one_is_scrolled_and_among_words_made_smaller(seen, shown):
    wide = " + ".join(f"x_{{{n}}}" for n in range(40))
    item = shown(f"$$\n{wide}\n$$\n\nend")
    section = layouts.text_of(item)
    layout = section.layouts[0]
    assert layout.overflow > 200
    before = picture(seen, item)
    assert item.wheel(QPointF(300, section.y + layout.y + 10), 120)
    assert layout.scroll == 120 and picture(seen, item) != before
    small = " + ".join(f"x_{{{n}}}" for n in range(17))
    item = shown(f"so ${small}$ and ${wide}$ end")
    flow = layouts.text_of(item).layouts[0].flow
    (objects,) = [flow._objects]
    assert set(objects) == {1}, "the other would be too small to be read: its source is wrapped"
    assert objects[1].width <= flow.width + 0.1


def test_a_number_stands_at_the_end_of_the_line(seen, shown, qapp):
    item = shown("$$a = b \\tag{7}$$\n\nend")
    left, _, right, _ = inked(seen, picture(seen, item), whole(item, 0))
    assert right > item.width - 8 and left > 200
    try:
        qapp.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        item = shown("$$a = b \\tag{7}$$")
        left, _, right, _ = inked(seen, picture(seen, item), whole(item, 0))
        assert left < 8 and right < item.width - 200
    finally:
        qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_what_is_read_stays_where_it_is_when_fifty_formulas_come(seen, say, monkeypatch):
    """They come in several goes, above, in and below what is on screen."""
    held = Drawings._make
    monkeypatch.setattr(Drawings, "_make", lambda self: None)
    paragraphs = [
        f"Before {n} $\\frac{{1}}{{\\frac{{{n}}}{{2}}}}$ after.\n\n$$\\sum_{{i={n}}}^n i$$" for n in range(25)
    ]
    seen.show([say("user", "q"), say("assistant", "\n\n".join(paragraphs)), say("assistant", "end $x$\n\n" * 30)])
    view = seen.view
    item = view.item("m2")
    view.verticalScrollBar().setValue(int(view._measured().top(1) + item.height * 0.5))
    seen.settle()
    section = layouts.text_of(item)
    top = -view.top_of(item) - section.y

    def at(number: int) -> float:
        return view.top_of(item) + section.y + section.layouts[number].y

    (number, *_) = [n for n, layout in enumerate(section.layouts) if layout.y >= top]
    before, height = at(number), item.height
    assert before < 100
    monkeypatch.setattr(Drawings, "_make", held)
    tall = {round(item.height)}
    for _ in range(40):
        layouts.draw(view)
        tall.add(round(item.height))
        assert abs(at(number) - before) <= 1.5
    assert not view.drawings.waiting
    assert item.height > height + 100 and len(tall) > 3


def test_an_answer_that_grows_asks_for_whole_formulas_only(seen, say, asked):
    seen.show([say("user", "q"), say("assistant", "", status=Status.STREAMING)])
    view = seen.view
    text = "It is $x^2 + y_1$ or \\(z\\), so\n\n$$\n\\frac{1}{2}\n$$\n\nand\n\\[a_1 = b\\]\ncosts $5 to $10."
    view.live.begin(view.item("m2"))
    for char in text:
        layouts.more(view, "m2", char)
        view.live._show()
        for block in layouts.blocks(view.item("m2")):
            if not isinstance(block, MathBlock):
                shown = "".join(run.text for run in block.runs if not run.math)
                assert "$$" not in shown and "\\(" not in shown and "\\[" not in shown, shown
        seen.qtbot.wait(0)
        layouts.draw(view)
    assert asked == ["x^2 + y_1", "z", "\\frac{1}{2}", "a_1 = b"]
    view.replace(say("assistant", text).__class__(**{**_fields(view.item("m2").message), "status": Status.DONE}))
    item = layouts.settle(view, "m2")
    assert len(asked) == 4
    assert layouts.message_text(view, "m2").endswith("costs $5 to $10.")
    assert item.height > 100


def _fields(message):
    return {name: getattr(message, name) for name in message.__struct_fields__}


def test_it_looks_the_same_whenever_its_formulas_come(seen, say, monkeypatch):
    message = say(
        "assistant", "One $\\frac{1}{2}$ two\n\n$$\\int_0^1 x$$\n\n| $\\frac{a}{b}$ | b |\n|--|--|\n| $\\sum x$ | d |"
    )
    held = Drawings._make
    monkeypatch.setattr(Drawings, "_make", lambda self: None)
    seen.view.set_messages([message], more_above=False)
    seen.settle()
    waiting = layouts.places(seen.view.item("m1"))
    monkeypatch.setattr(Drawings, "_make", held)
    late = layouts.seen(seen.view, layouts.settle(seen.view, "m1"))
    assert layouts.places(seen.view.item("m1")) != waiting
    assert layouts.at_once(seen.view, message) == late == layouts.plain_first(seen.view, message)
    assert layouts.streamed(seen.view, message, random.Random(1)) == late


class Worker:
    """A job worker that is asked in this loop."""

    def __init__(self, view, *, fails=()) -> None:
        self.calls: list[list[str]] = []
        self.fails = fails
        view.markdown.set_jobs(formula=self.render)

    async def render(self, sources):
        self.calls.append([source for source, _ in sources])
        await asyncio.sleep(0)
        if any(source in self.fails for source, _ in sources):
            raise RuntimeError("crashed")
        return rendering.render(sources)


def drawn(seen, worker: Worker, sources: list[str]) -> list[object]:
    """Ask for formulas at once, and wait until all are known."""

    async def ask() -> None:
        for source in sources:
            assert seen.view.drawings.drawing("formula", source, display=False) is None
        while seen.view.drawings.waiting:
            await asyncio.sleep(0.001)
            seen.qtbot.wait(1)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.wait_for(ask(), 20))
    loop.close()
    return [seen.view.drawings.drawing("formula", source, display=False) for source in sources]


def test_many_are_asked_in_one_call_the_newest_first_and_each_once(seen):
    worker = Worker(seen.view)
    found = drawn(seen, worker, [f"x_{n}" for n in range(25)] + ["x_3"])
    assert not any(isinstance(one, Failed) or one is None for one in found)
    assert [len(call) for call in worker.calls] == [10, 10, 5]
    assert "x_24" in worker.calls[0] and "x_3" in worker.calls[0] and "x_0" in worker.calls[-1]
    drawn_again = [seen.view.drawings.drawing("formula", f"x_{n}", display=False) for n in range(25)]
    assert drawn_again == found[:25] and len(worker.calls) == 3


def test_one_that_crashes_the_worker_harms_no_other(seen, caplog):
    worker = Worker(seen.view, fails=("boom",))
    found = drawn(seen, worker, ["a", "boom", "\\nonsense", "b"])
    assert [isinstance(one, Failed) for one in found] == [False, True, True, False]
    assert worker.calls[1:] == [["a"], ["boom"], ["\\nonsense"], ["b"]]
    assert "boom" not in caplog.text


def test_what_is_kept_has_a_bound(seen, monkeypatch):
    monkeypatch.setattr("qwen_desktop.ui.chat.drawings._ROOM", 60_000)
    drawings = seen.view.drawings
    for number in range(60):
        drawings.drawing("formula", f"x_{{{number}}}", display=False)
        layouts.draw(seen.view)
    assert drawings._size <= 60_000
    assert 5 < len(drawings._kept) < 60
    assert drawings.drawing("formula", "x_{59}", display=False) is not None
    assert drawings.drawing("formula", "x_{0}", display=False) is None


def test_of_a_long_table_only_rows_whose_formulas_have_come_are_laid_out_again(seen, say, monkeypatch):
    """Some come at a time: 2,000 rows would hold the window with each."""
    monkeypatch.setattr(Drawings, "_make", lambda self: None)
    seen.show([say("assistant", "|a|b|\n|-|-|\n" + "\n".join(f"|row|$x_{{{n:03}}}$|" for n in range(300)))])
    item = seen.view.items[0]
    (table,) = layouts.text_of(item).layouts
    monkeypatch.undo()
    laid: list[str] = []
    lay = TextFlow._lay
    monkeypatch.setattr(TextFlow, "_lay", lambda self, *given: laid.append(self.text) or lay(self, *given))
    drawings = seen.view.drawings
    keys = [key for key in drawings._wanted["formula"] if key[1] in ("x_{007}", "x_{150}")]
    drawings._making["formula"] = keys
    for _ in drawings._here(formulas.KIND, keys):
        pass
    drawings._done(keys)
    assert {"$x_{007}$", "$x_{150}$"} == set(laid) and table.waiting
    whole = layouts.seen(seen.view, layouts.settle(seen.view, item.message.id))
    assert not table.waiting
    assert whole == layouts.at_once(seen.view, item.message)


def test_drawings_that_take_long_to_be_laid_out_come_with_pauses_and_none_is_lost(qtbot):
    known: list[tuple[float, set[str]]] = []

    def slow(_kind: str, sources: frozenset[str]) -> None:
        known.append((time.perf_counter(), set(sources)))
        time.sleep(0.02)

    drawings = Drawings(MarkdownSource(), {"formula": formulas.KIND})
    drawings.ready.connect(slow)
    wanted = {f"x_{{{number}}}" for number in range(45)}
    for source in wanted:
        assert drawings.drawing("formula", source, display=False) is None
    qtbot.waitUntil(lambda: not drawings.waiting, timeout=10_000)
    assert set.union(*(sources for _, sources in known)) == wanted
    assert len(known) > 1 and all(b - a >= 0.2 for (a, _), (b, _) in itertools.pairwise(known))
