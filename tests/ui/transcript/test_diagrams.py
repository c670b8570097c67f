"""Mermaid in a message: code while it grows, then a diagram that can be looked at, copied, made large and saved."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import msgspec
import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QAccessible, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.chat import Status
from qwen_desktop.core.parts import PartBegun, PartDelta, TextPart
from qwen_desktop.jobs import diagrams as job
from qwen_desktop.services.events import AnswerEvent
from qwen_desktop.ui.chat import diagrams
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.blocks_diagram import DiagramLayout
from qwen_desktop.ui.chat.blocks_style import Style
from qwen_desktop.ui.chat.diagram_window import DiagramView
from qwen_desktop.ui.chat.diagrams import Picture
from qwen_desktop.ui.chat.section_text import TextSection
from tests.pele import needs_pele

SOURCE = "flowchart TD\n    A[Start] --> B{Good?}\n    B -->|yes| C[End]\n    B -->|no| A"
FENCE = f"```mermaid\n{SOURCE}\n```"


def layouts_of(item: Any) -> list[DiagramLayout]:
    return [
        layout
        for section in item.sections
        if isinstance(section, TextSection)
        for layout in section.layouts
        if isinstance(layout, DiagramLayout)
    ]


def drawn(seen: Any) -> None:
    seen.qtbot.waitUntil(lambda: not seen.view.drawings.waiting, timeout=10_000)
    seen.settle()


@pytest.fixture
def picture(seen: Any) -> Picture:
    seen.qtbot.waitUntil(lambda: isinstance(diagrams.find(seen.view.style_, SOURCE), Picture), timeout=10_000)
    found = diagrams.find(seen.view.style_, SOURCE)
    assert isinstance(found, Picture)
    return found


@needs_pele
def test_mermaid_is_shown_as_a_diagram_and_copied_as_its_code(seen, say):
    seen.show([say("user", "q"), say("assistant", f"See:\n\n{FENCE}\n\nDone.")])
    drawn(seen)
    (layout,) = layouts_of(seen.item("m2"))
    assert layout.picture is not None
    actions = [target.action for target in seen.item("m2").targets()]
    assert actions[:4] == ["diagram", "diagram_zoom", "diagram_save", "code_copy"]
    assert "#f3f3f6" in seen.colours("m2"), "shapes in the theme's colours"
    seen.click("m2", "code_copy")
    assert QApplication.clipboard().text() == SOURCE
    seen.view.select_all()
    assert SOURCE in seen.selected()


@needs_pele
def test_the_code_can_be_seen_and_the_diagram_again(seen, say):
    seen.show([say("assistant", FENCE)])
    drawn(seen)
    tall = seen.item("m1").height
    seen.click("m1", "diagram")
    assert seen.item("m1").height < tall
    assert [target.action for target in seen.item("m1").targets()][:4] == ["diagram", "wrap", "code_save", "code_copy"]
    seen.click("m1", "wrap")
    seen.item("m1").evict()  # scrolled far away and back
    seen.view.arrange()
    seen.settle()
    assert [target.action for target in seen.item("m1").targets()][:4] == ["diagram", "wrap", "code_save", "code_copy"]
    seen.click("m1", "diagram")
    assert seen.item("m1").height == tall


@needs_pele
def test_what_is_read_stays_where_it_is_when_the_diagram_comes(seen, say, picture, monkeypatch):
    with monkeypatch.context() as not_yet:
        not_yet.setattr(diagrams, "find", lambda *_: None)
        seen.show([say("assistant", f"{FENCE}\n\nThese words are being read. " + "More of them follow. " * 300)])
        (layout,) = layouts_of(seen.item("m1"))
        seen.view.verticalScrollBar().setValue(int(layout.height) + 30)
        point, before = seen.text_point("m1", "These words"), layout.height
    seen.view.drawings.ready.emit("diagram", frozenset({SOURCE}))
    assert layout.picture == picture and layout.height > before + 100
    assert abs(seen.text_point("m1", "These words").y() - point.y()) <= 8


@needs_pele
def test_it_is_code_until_its_fence_is_closed(seen, say):
    seen.show([say("user", "q"), say("assistant", status=Status.STREAMING)])

    def grow(*deltas: str) -> None:
        for delta in deltas:
            seen.view.live.take(AnswerEvent("c", "m2", PartDelta(0, delta)))
        seen.qtbot.wait(80)
        drawn(seen)

    seen.view.live.take(AnswerEvent("c", "m2", PartBegun(0, TextPart(""))))
    grow("Look:\n\n```mer", "maid\nflowchart TD\n", "  A[Start] --> B[End]\n")
    (layout,) = layouts_of(seen.item("m2"))
    assert layout.picture is None and not layout.remark
    grow("  B --> C[More]\n```\n\nAnd")
    (layout,) = layouts_of(seen.item("m2"))
    assert layout.picture is not None
    grow(" so on.\n\n```mermaid\npie\n")
    first, second = layouts_of(seen.item("m2"))
    assert first is layout and first.picture is not None and second.picture is None
    grow('"a": 1\n"b": 2')
    assert second.picture is None
    whole = seen.item("m2").message
    seen.view.replace(msgspec.structs.replace(whole, status=Status.DONE))
    seen.settle()
    drawn(seen)
    assert [layout.picture is not None for layout in layouts_of(seen.item("m2"))] == [True, True]


@needs_pele
def test_what_cannot_be_drawn_is_code_with_a_sentence(seen, say):
    broken = "```mermaid\nflowchart TD\n  A[Start --> B{Oops\n```"
    seen.show([say("assistant", f"{broken}\n\n```python\nprint()\n```")])
    drawn(seen)
    (layout,) = layouts_of(seen.item("m1"))
    assert layout.picture is None
    assert layout.remark == "This cannot be drawn: line 2 is not understood."
    assert [target.action for target in seen.item("m1").targets()][:3] == ["wrap", "code_save", "code_copy"]
    plain = CodeLayout(seen.view.style_, layout.block)
    plain.set_width(layout.width)
    assert layout.height > plain.height  # there is room for the sentence


@pytest.mark.parametrize("reason", ["late:0", "large:0", "unknown:0", "syntax:0", ""])
def test_every_reason_is_a_sentence(seen, say, reason):
    from qwen_desktop.ui.chat.blocks_diagram import _reason  # noqa: PLC0415

    assert _reason(reason).startswith("This cannot be drawn") and _reason(reason).endswith(".")


@pytest.mark.parametrize("lacking", ["the interpreter", "Pele"])
def test_where_nothing_can_draw_it_is_code_and_nothing_is_said(seen, say, monkeypatch, tmp_path, lacking):
    if lacking == "Pele":
        monkeypatch.setattr(job, "resources_folder", lambda: tmp_path)
    else:
        monkeypatch.setitem(sys.modules, "quickjs", None)  # as where it cannot be imported
    seen.show([say("assistant", FENCE)])
    drawn(seen)
    (layout,) = layouts_of(seen.item("m1"))
    assert layout.picture is None and layout.remark == ""


def test_a_worker_that_fails_leaves_the_code(seen, say):
    loop = asyncio.new_event_loop()

    async def crash(_sources: object) -> object:
        raise RuntimeError("crashed")

    seen.view.markdown.set_jobs(diagram=crash)

    async def shown() -> None:
        seen.view.set_messages([say("assistant", FENCE)], more_above=False)
        for _ in range(200):
            await asyncio.sleep(0.01)
            seen.qtbot.wait(1)
            if seen.item("m1").ready and layouts_of(seen.item("m1"))[0].remark:
                return

    loop.run_until_complete(asyncio.wait_for(shown(), 20))
    loop.close()
    assert layouts_of(seen.item("m1"))[0].remark == "This cannot be drawn."


@needs_pele
def test_another_theme_and_another_width_are_followed(seen, say, theme):
    seen.show([say("assistant", FENCE)])
    drawn(seen)
    theme.set_mode("dark")
    seen.settle()
    drawn(seen)
    assert "#131317" in seen.colours("m1") and "#f3f3f6" not in seen.colours("m1")
    wide = "```mermaid\nflowchart LR\n" + "\n".join(f" a{n} --> a{n + 1}" for n in range(20)) + "\n```"
    seen.view.resize(420, 600)
    seen.show([say("assistant", wide)])
    drawn(seen)
    item = seen.item("m2")
    (layout,) = layouts_of(item)
    assert layout.picture is not None and layout.picture.width > 1000 and layout.height < 300
    assert layout.wheel(100) and layout.scroll == 100, "it stays large enough to be read"
    assert all(target.rect.left() >= 0 and target.rect.right() <= item.width for target in item.targets())


@needs_pele
def test_a_screen_reader_is_told_that_it_is_a_diagram_and_its_code(seen, say):
    seen.show([say("assistant", FENCE)])
    drawn(seen)
    said = QAccessible.queryAccessibleInterface(seen.view).child(0).text(QAccessible.Text.Name)
    assert SOURCE in said and said.endswith("Shown as a diagram")
    labels = [target.label for target in seen.item("m1").targets()][:4]
    assert labels == ["Show the code of the diagram", "Zoom in on the diagram", "Save the diagram", "Copy code"]


@needs_pele
def test_zoom_and_save_say_what_is_wanted_of_which_diagram(seen, say):
    seen.show([say("assistant", FENCE)])
    drawn(seen)
    with seen.qtbot.waitSignal(seen.view.diagram_requested) as zoom:
        seen.click("m1", "diagram_zoom")
    assert zoom.args == ["diagram_zoom", SOURCE]
    with seen.qtbot.waitSignal(seen.view.diagram_requested) as save:
        seen.click("m1", "diagram_save")
    assert save.args == ["diagram_save", SOURCE]


# By itself -----------------------------------------------------------------------------------------------------------


@needs_pele
def test_a_diagram_fits_zooms_around_the_pointer_and_moves(seen, theme, picture):
    view = DiagramView(theme, picture, SOURCE, seen.view)
    view.resize(200, 150)
    view.show()
    assert QRectF(view.rect()).contains(view.place)
    under = QPointF(100, 60)
    view.zoom(6)
    before = (under - view.place.topLeft()) / view.place.width()
    view.zoom(1.25, under)
    after = (under - view.place.topLeft()) / view.place.width()
    assert view.place.width() > 300
    assert (after - before).manhattanLength() < 0.05
    left = view.place.left()
    seen.qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.place.left() < left
    for _ in range(80):
        seen.qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.place.right() >= 180, "never out of sight"
    seen.qtbot.keyClick(view, Qt.Key.Key_1)
    assert view.place.width() == pytest.approx(picture.width)
    seen.qtbot.keyClick(view, Qt.Key.Key_0)
    view.resize(500, 160)
    assert QRectF(view.rect()).contains(view.place), "what fits goes on fitting"


@needs_pele
def test_files_hold_the_diagram_as_it_is_seen(seen, picture):
    style = seen.view.style_
    svg = picture.as_svg(style)
    assert b"var(" not in svg and b"Good?" in svg
    renderer = QSvgRenderer(svg)
    assert renderer.isValid() and renderer.viewBoxF().width() == pytest.approx(picture.width + 32)
    image = QImage.fromData(picture.as_png(style))
    assert image.width() == pytest.approx(2 * (picture.width + 32), abs=1)
    colours = {image.pixelColor(x, y).name() for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}
    assert {"#ffffff", "#f3f3f6"} <= colours


@needs_pele
def test_a_chart_that_goes_up_and_down_is_painted_at_once(theme):
    """It would hold the window: the processor's time counts, the best of some."""
    line = ",".join("09"[number % 2] for number in range(60))
    source = f"xychart-beta\ny-axis 0 --> 9\nline [{line}]"
    (made,) = job.render([(source, {})])
    picture, style, took = msgspec.convert(made, Picture), Style(theme), []
    for _ in range(5):
        image = QImage(1400, 1000, QImage.Format.Format_ARGB32_Premultiplied)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        began = time.thread_time()
        picture.renderer(style).render(painter, QRectF(0, 0, 1400, 1000))
        took.append(time.thread_time() - began)
        painter.end()
    assert min(took) < 0.2
