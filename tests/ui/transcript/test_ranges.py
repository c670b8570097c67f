"""What is marked in a message: selections and matches, down to the part that paints them."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QColor, QImage, QPainter

from qwen_desktop.ui.chat.blocks import PaintContext
from qwen_desktop.ui.chat.blocks_flow import At, Range, within
from tests import layouts

TEXT = "One word.\n\n- an item\n\n```py\nx = 1\ny = 2\n```\n\n| a | b |\n|---|---|\n| c | d |"


@pytest.fixture
def item(seen, say):
    seen.show([say("assistant", TEXT)])
    return seen.item("m1")


def painted(seen, item, *ranges):
    """Rows and columns that have the colour of each role."""
    image = QImage(int(item.width), int(item.height), QImage.Format.Format_RGB32)
    image.fill(seen.view.style_.color("window"))
    painter = QPainter(image)
    item.paint(painter, PaintContext(seen.view.style_, ranges=ranges), At(0, 0, 0, item.height))
    painter.end()
    found = {}
    for role in ("selection", "match", "current_match"):
        wanted = QColor(seen.view.theme.color(role)).rgb()
        found[role] = {
            (x, y) for y in range(image.height()) for x in range(image.width()) if image.pixel(x, y) == wanted
        }
    return found


@pytest.mark.parametrize("words", ["word", "item", "x =", "y", "d"])
def test_each_kind_of_block_paints_the_ranges_that_lie_in_it(seen, item, words):
    text = layouts.message_text(seen.view, "m1")
    start = text.index(words)
    match = Range(start, start + len(words), "match")
    found = painted(seen, item, match)
    assert found["match"]
    assert not found["selection"]
    for x, y in found["match"]:
        assert start <= item.offset_at(QPointF(x + 0.5, y + 0.5)) <= start + len(words)
    over = painted(seen, item, match, Range(0, len(text)))
    assert not over["match"], "what comes later covers what came before"
    assert found["match"] - over["selection"] == set()
    current = painted(seen, item, Range(0, len(text)), match._replace(role="current_match"))
    assert current["current_match"] == found["match"]


def test_a_child_gets_its_keys_and_its_ranges_only():
    ranges = (Range(2, 4, "match"), Range(5, 30), Range(9, 12, "match"), Range(40, 50))
    context = PaintContext(None, 2.0, "b1.link0", "b1.wrap", "b2.wrap", frozenset({"b1.copy", "copy"}), True, ranges)  # type: ignore[arg-type]
    child = context.of("b1.", 10, 10)
    assert (child.hover, child.pressed, child.focus, child.copied) == ("link0", "wrap", "", {"copy"})
    assert (child.ratio, child.message_hover) == (2.0, True)
    # One beyond the end says that the line's end belongs to it.
    assert child.ranges == (Range(0, 11), Range(0, 2, "match"))
    assert within(ranges, 35, 5) == (Range(5, 6),)
    assert within(ranges, 31, 3) == ()
