"""The keyboard's way through buttons and links, and what a screen reader is told."""

from __future__ import annotations

import asyncio

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible

from qwen_desktop.core.chat import Status
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.parts import ThinkingPart
from qwen_desktop.core.text import Text
from qwen_desktop.jobs.markdown.rendering import plain
from tests import layouts


@pytest.fixture
def talk(seen, say):
    seen.show(
        [
            say("user", "A question"),
            say("assistant", ThinkingPart("Hm.", 1.0, 2), "See [here](https://example.org).\n\n```\ncode\n```"),
        ]
    )
    seen.view.setFocus(Qt.FocusReason.TabFocusReason)
    seen.view.activateWindow()
    seen.qtbot.waitUntil(seen.view.hasFocus)
    return seen


def test_tab_goes_through_everything_that_acts_and_enter_does_it(talk):
    view = talk.view
    view.focus_key = ("", "")
    visited = []
    for _ in range(8):
        talk.qtbot.keyClick(view, Qt.Key.Key_Tab)
        visited.append(view.focus_key)
    assert visited == [
        ("m1", "actions.copy"), ("m2", "part0.thinking"), ("m2", "part1.b0.link1"), ("m2", "part1.b1.wrap"),
        ("m2", "part1.b1.code_copy"), ("m2", "actions.copy"), ("m2", "actions.regenerate"), ("", ""),
    ]  # fmt: skip
    view.focus_key = ("m2", "actions.copy")
    talk.qtbot.keyClick(view, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert view.focus_key == ("m2", "part1.b1.code_copy")
    view.focus_key = ("m2", "part1.b0.link1")
    with talk.qtbot.waitSignal(view.link_activated) as caught:
        talk.qtbot.keyClick(view, Qt.Key.Key_Return)
    assert caught.args == ["https://example.org"]
    view.focus_key = ("m2", "part0.thinking")
    talk.qtbot.keyClick(view, Qt.Key.Key_Space)
    assert layouts.thinking(talk.item("m2")).opened


def test_the_focus_ring_is_painted_and_gone_after_a_click(talk, theme):
    view = talk.view
    ring = theme.color("focus").name()
    view.focus_key = ("m2", "actions.regenerate")
    view.viewport().update()
    assert ring in talk.colours("m2", talk.target("m2", "regenerate"))
    talk.qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=talk.text_point("m1", "question"))
    assert ring not in talk.colours("m2", talk.target("m2", "regenerate"))


def test_tab_brings_what_is_out_of_view_into_view(seen, say):
    seen.show([say("assistant", f"[link {n}](https://example.org/{n}) " + "words " * 150) for n in range(30)])
    view = seen.view
    view.verticalScrollBar().setValue(0)
    seen.settle()
    view.setFocus(Qt.FocusReason.TabFocusReason)
    seen.qtbot.waitUntil(view.hasFocus)
    for _ in range(40):
        seen.qtbot.keyClick(view, Qt.Key.Key_Tab)
        seen.settle()
    item = seen.item(view.focus_key[0])
    assert item.index > 5
    target = next(t for t in item.targets() if t.key == view.focus_key[1])
    rect = view.rect_of(item, target.rect)
    assert rect.top() >= 0
    assert rect.bottom() <= view.viewport().height()


def interface(view):
    found = QAccessible.queryAccessibleInterface(view)
    assert found is not None
    return found


def name(thing) -> str:
    return thing.text(QAccessible.Text.Name)


def test_a_screen_reader_gets_messages_with_speaker_and_text(talk):
    list_ = interface(talk.view)
    assert list_.role() == QAccessible.Role.List
    assert name(list_) == "Conversation"
    assert list_.childCount() == 2
    question, answer = list_.child(0), list_.child(1)
    assert question.role() == QAccessible.Role.ListItem
    assert name(question) == "You: A question"
    assert name(answer).startswith("Qwen3 4B: See here.")
    assert "code" in name(answer)
    assert answer.parent().childCount() == 2
    rect = answer.rect()
    assert rect.height() == pytest.approx(talk.item("m2").height, abs=2)
    inside = rect.center()
    assert name(list_.childAt(inside.x(), inside.y())) == name(answer)


def test_a_screen_reader_finds_and_presses_buttons(talk):
    answer = interface(talk.view).child(1)
    children = [answer.child(n) for n in range(answer.childCount())]
    names = [name(child) for child in children]
    assert "here" in names
    assert "Copy code" in names
    assert "Regenerate answer" in names
    link = children[names.index("here")]
    assert link.role() == QAccessible.Role.Link
    button = children[names.index("Regenerate answer")]
    assert button.role() == QAccessible.Role.Button
    with talk.qtbot.waitSignal(talk.view.regenerate_requested) as caught:
        button.actionInterface().doAction("Press")
    assert caught.args == ["m2"]


def test_a_screen_reader_hears_of_errors_and_notes(seen, say):
    problem = Problem("user", Text("x", "The file is gone."), Text("y", "Choose another."))
    seen.show([say("assistant", "Half", status=Status.FAILED, problem=problem)])
    assert name(interface(seen.view).child(0)) == "Qwen3 4B: Half\nThe file is gone. Choose another."


def test_the_list_follows_the_conversation(seen, say):
    seen.show([say("user", "one")])
    list_ = interface(seen.view)
    assert list_.childCount() == 1
    seen.view.append(say("user", "two"))
    assert name(list_.child(1)) == "You: two"
    seen.view.clear()
    assert list_.childCount() == 0
    assert list_.child(0) is None


def test_what_was_never_drawn_is_read_as_it_is_copied(seen, say):
    """As it is stored at first, never damaged; and as it reads as soon as that is known."""
    stored = "Use `__init__` and `**kwargs`, **really**: `x = y ** 2`."
    seen.show([say("assistant", stored) for _ in range(80)])
    first = seen.item("m1")
    assert not first.laid_out
    answer = interface(seen.view).child(0)
    with seen.qtbot.waitSignal(seen.view.texts.found) as caught:
        assert name(answer) == f"Qwen3 4B: {stored}"
    assert caught.args == ["m1"]
    assert name(answer) == "Qwen3 4B: Use __init__ and **kwargs, really: x = y ** 2."
    drawn = interface(seen.view).child(79)
    assert name(drawn) == name(answer)


def test_a_text_that_nothing_can_parse_is_asked_for_once_and_not_again_because_somebody_heard_of_it(seen, say):
    """A screen reader asks for the name of whatever is told to have another one."""
    asked = []

    async def plainer(texts):
        asked.append(list(texts))
        if any("crash" in text for text in texts):
            raise RuntimeError("crashed")
        return plain(texts)

    seen.show([say("assistant", f"**crash** {n}" if n % 2 else f"**good** {n}") for n in range(80)])
    seen.view.set_renderer(None, plainer)
    list_ = interface(seen.view)
    seen.view.texts.found.connect(lambda key: name(list_.child(seen.view.index_of(key))))

    async def heard():
        first, second = name(list_.child(0)), name(list_.child(1))
        for _ in range(20):
            seen.qtbot.wait(1)
            await asyncio.sleep(0.001)
        return first, second

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(heard()) == ("Qwen3 4B: **good** 0", "Qwen3 4B: **crash** 1")
    loop.close()
    assert asked == [["**good** 0", "**crash** 1"], ["**good** 0"], ["**crash** 1"]]
    assert name(list_.child(0)) == "Qwen3 4B: good 0", "what could be parsed is kept"
    assert name(list_.child(1)) == "Qwen3 4B: **crash** 1"


def test_reading_a_whole_conversation_aloud_never_blocks(seen, say, monkeypatch):
    seen.show([say("assistant", f"message **{n}**") for n in range(300)])
    parse = seen.view.texts.parse
    parsed = []

    def noted(text):
        parsed.append(text)
        return parse(text)

    monkeypatch.setattr(seen.view.texts, "parse", noted)
    list_ = interface(seen.view)
    names = [name(list_.child(n)) for n in range(300)]
    assert parsed == []
    assert names[0] == "Qwen3 4B: message **0**"
    seen.qtbot.waitUntil(lambda: name(list_.child(0)) == "Qwen3 4B: message 0")
    seen.qtbot.waitUntil(lambda: all("*" not in name(list_.child(n)) for n in range(300)))
    assert len(parsed) == len(set(parsed))
