"""What is under the pointer, and what finding it costs."""

from __future__ import annotations

import random

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.parts import ThinkingPart
from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.blocks_flow import TextFlow
from qwen_desktop.ui.chat.transcript_items import MessageItem


def move(seen, point: QPoint) -> None:
    """Move the mouse."""
    port, none = seen.view.viewport(), Qt.MouseButton.NoButton
    event = QMouseEvent(
        QEvent.Type.MouseMove, QPointF(point), port.mapToGlobal(QPointF(point)), none, none,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    QApplication.sendEvent(port, event)


MANY = (
    """سطر فيه [رابط طويل](https://example.org/1) و [another link](https://example.org/2) ثم نص آخر.

"""
    + "words [a link of some words](https://example.org/3)[and one beside it](https://example.org/4) 😀 " * 9
    + """

1. item [x](https://example.org/5)

   > quoted [y](https://example.org/6) **z**

| [a](https://example.org/7) | b |
|---|--:|
| c | [d d d](https://example.org/8) [e](https://example.org/9) |

```py
code
```
"""
)


def place(target: Target | None) -> object:
    """What a target is, and where."""
    return target and (target.key, target.label, target.rects)


def test_a_point_finds_the_target_that_holds_it(seen, say):
    seen.show([say("user", "q"), say("assistant", ThinkingPart("Hm.", 1.0, 2), MANY)])
    chance = random.Random(4)
    found = set()
    for key in ("m1", "m2"):
        item = seen.item(key)
        targets = item.targets()
        for _ in range(3000):
            point = QPointF(chance.uniform(-8, item.width + 8), chance.uniform(-8, item.height + 8))
            expected = next((target for target in targets if target.contains(point)), None)
            assert place(item.target_at(point)) == place(expected)
            found.add(expected and (key, expected.key))
        for target in targets:
            for rect in target.rects:
                assert place(item.target_at(rect.center())) == place(target)
    assert len(found) > 15


def test_moving_over_a_thousand_links_costs_next_to_nothing(seen, say, monkeypatch):
    """Counted are the links whose places are measured, and the lists that are made of all of them."""
    seen.show([say("assistant", " ".join(f"[link {n}](https://example.org/{n})" for n in range(1000)))])
    measured, listed = [], []
    rects, targets = TextFlow.rects, MessageItem.targets

    def counted(flow, start, end):
        measured.append(start)
        return rects(flow, start, end)

    monkeypatch.setattr(TextFlow, "rects", counted)
    monkeypatch.setattr(MessageItem, "targets", lambda item: listed.append(item) or targets(item))
    costs = []
    for n in range(60):
        before = len(measured)
        move(seen, QPoint(200 + 7 * n, 60 + 8 * n))
        costs.append(len(measured) - before)
    assert seen.view.viewport().cursor().shape() != Qt.CursorShape.ArrowCursor
    assert 0 < max(costs) <= 12, "the first move after a layout is none that waits"
    assert not listed


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


def test_a_button_acts_only_where_it_was_pressed(seen, say):
    seen.show([say("assistant", "one"), say("assistant", "two")])
    asked = []
    seen.view.regenerate_requested.connect(asked.append)
    first, second = (seen.point(key, seen.target(key, "regenerate")) for key in ("m1", "m2"))
    port = seen.view.viewport()
    move(seen, first)
    seen.qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=first)
    seen.qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=second)
    assert asked == []
    seen.click("m1", "regenerate")
    assert asked == ["m1"]


def test_nothing_is_done_with_a_message_that_has_gone(seen, say):
    first, second, third = say("user", "one"), say("assistant", "two"), say("assistant", "other")
    seen.show([first, second])
    seen.view.select_all()
    point = seen.point("m2", seen.target("m2", "regenerate"))
    move(seen, point)
    seen.qtbot.mousePress(seen.view.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert seen.view.interaction.pressed[0] == "m2"
    seen.view.replace_tail("m2", [third])
    now = seen.view.interaction
    assert (now.hover, now.pressed, now.selection.empty) == (("", ""), ("", ""), True)
    seen.settle()
    with seen.qtbot.assertNotEmitted(seen.view.regenerate_requested):
        seen.qtbot.mouseRelease(seen.view.viewport(), Qt.MouseButton.LeftButton, pos=point)
