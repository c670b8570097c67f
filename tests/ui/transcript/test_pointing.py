"""What is under the pointer, and what finding it costs."""

from __future__ import annotations

import random
import statistics
import time

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QGuiApplication, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.parts import ThinkingPart
from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.targets import Targets


def move(seen, point: QPoint) -> float:
    """Move the mouse; seconds of this thread that it took."""
    port, none = seen.view.viewport(), Qt.MouseButton.NoButton
    event = QMouseEvent(
        QEvent.Type.MouseMove, QPointF(point), port.mapToGlobal(QPointF(point)), none, none,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    began = time.thread_time()
    QApplication.sendEvent(port, event)
    return time.thread_time() - began


def test_a_point_finds_the_last_target_that_holds_it():
    chance = random.Random(4)
    for _ in range(200):
        rects = [
            QRectF(chance.randrange(80), chance.randrange(80), chance.randrange(1, 40), chance.randrange(1, 40))
            for _ in range(24)
        ]
        targets = Targets(
            Target(f"t{n}", "link", "", rects[n], "", tuple(rects[n : n + chance.randrange(4)])) for n in range(20)
        )
        for _ in range(60):
            point = QPointF(chance.randrange(120), chance.randrange(120))
            assert targets.at(point) == next((t for t in reversed(targets) if t.contains(point)), None)


def test_moving_over_a_thousand_links_costs_next_to_nothing(seen, say):
    seen.show([say("assistant", " ".join(f"[link {n}](https://example.org/{n})" for n in range(1000)))])
    move(seen, QPoint(200, 200))
    costs = [move(seen, QPoint(200 + 7 * n, 60 + 8 * n)) for n in range(60)]
    assert seen.view.viewport().cursor().shape() != Qt.CursorShape.ArrowCursor
    assert statistics.median(costs) < 0.001


def test_what_is_pointed_at_follows_the_layout(seen, say):
    wide = "| " + " | ".join(f"[a wide link of column {n}](https://example.org/{n})" for n in range(12)) + " |"
    rule = "|" + "---|" * 12
    seen.show(
        [say("assistant", ThinkingPart("Hm.\n" * 9, 1.0, 2), f"[above](https://example.org/a)\n\n{wide}\n{rule}")]
    )

    def check(number: int) -> QPoint:
        """Go to a link; where it is."""
        target = seen.target("m1", "link", number)
        place = seen.point("m1", target)
        move(seen, place)
        assert seen.view.interaction.hover == ("m1", target.key)
        return place

    before = check(0)
    seen.click("m1", "thinking")
    assert check(0).y() > before.y() + 100
    seen.view.resize(700, 600)
    seen.settle()
    check(0)
    before = check(1)
    wheel = QWheelEvent(
        QPointF(before), seen.view.viewport().mapToGlobal(QPointF(before)), QPoint(-200, 0), QPoint(-200, 0),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(seen.view.viewport(), wheel)
    assert seen.point("m1", seen.target("m1", "link", 1)).x() < before.x() - 100
    check(2)


def test_from_right_to_left_everything_acts_where_it_is_painted(seen, say, theme):
    QGuiApplication.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        seen.view.restyle()
        seen.show([
            say("user", "سؤال"),
            say("assistant", ThinkingPart("Hm.", 1.0, 2), "انظر [هنا](https://example.org) الآن.\n\n```\ncode\n```"),
        ])  # fmt: skip
        ring = theme.color("focus").name()
        seen.view.activateWindow()
        seen.view.setFocus(Qt.FocusReason.OtherFocusReason)
        seen.qtbot.waitUntil(seen.view.hasFocus)
        for key in ("m1", "m2"):
            for target in seen.item(key).targets():
                seen.view.interaction.focus = (key, target.key)
                assert ring in seen.colours(key, target), f"{target.label} is painted elsewhere"
                move(seen, seen.point(key, target))
                assert seen.view.interaction.hover == (key, target.key)
        with seen.qtbot.waitSignal(seen.view.regenerate_requested):
            seen.click("m2", "regenerate")
        with seen.qtbot.waitSignal(seen.view.link_activated):
            seen.click("m2", "link")
    finally:
        QGuiApplication.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        seen.view.restyle()
