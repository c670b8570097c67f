"""The keyboard's way through buttons and links, and what a screen reader is told."""

from __future__ import annotations

import asyncio
import gc
import weakref

import msgspec
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.chat import Status
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.parts import TextPart, ThinkingPart
from qwen_desktop.core.text import Text
from qwen_desktop.jobs.markdown.rendering import plain
from qwen_desktop.ui.chat.accessible import MessageInterface
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.interaction import NOWHERE
from qwen_desktop.ui.chat.transcript import TranscriptView
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
    view.interaction.focus = ("", "")
    visited = []
    for _ in range(14):
        talk.qtbot.keyClick(view, Qt.Key.Key_Tab)
        visited.append(view.interaction.focus)
    assert visited == [
        ("m1", "actions.copy"), ("m1", "actions.edit"), ("m1", "actions.more"), ("m2", "part0.thinking"),
        ("m2", "part1.b0.link1"), ("m2", "part1.b1.wrap"), ("m2", "part1.b1.code_save"), ("m2", "part1.b1.code_copy"),
        ("m2", "actions.copy"),
        ("m2", "actions.regenerate"), ("m2", "actions.edit"), ("m2", "actions.fork"), ("m2", "actions.more"), ("", ""),
    ]  # fmt: skip
    view.interaction.focus = ("m2", "actions.copy")
    talk.qtbot.keyClick(view, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert view.interaction.focus == ("m2", "part1.b1.code_copy")
    view.interaction.focus = ("m2", "part1.b0.link1")
    with talk.qtbot.waitSignal(view.link_activated) as caught:
        talk.qtbot.keyClick(view, Qt.Key.Key_Return)
    assert caught.args == ["https://example.org"]
    view.interaction.focus = ("m2", "part0.thinking")
    talk.qtbot.keyClick(view, Qt.Key.Key_Space)
    assert layouts.thinking(talk.item("m2")).opened("thinking")


def test_the_focus_ring_is_painted_and_gone_after_a_click(talk, theme):
    view = talk.view
    ring = theme.color("focus").name()
    view.interaction.focus = ("m2", "actions.regenerate")
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
    item = seen.item(view.interaction.focus[0])
    assert item.index > 5
    target = next(t for t in item.targets() if t.key == view.interaction.focus[1])
    rect = view.rect_of(item, target.rect)
    assert rect.top() >= 0
    assert rect.bottom() <= view.viewport().height()


def interface(view):
    found = QAccessible.queryAccessibleInterface(view)
    assert found is not None
    return found


def name(thing) -> str:
    return thing.text(QAccessible.Text.Name)


def test_the_first_tab_into_a_message_of_a_thousand_cards_measures_those_in_view(seen, say, monkeypatch):
    seen.show([say("assistant", "\n\n".join(f"```python\nx = {n}\n```" for n in range(1000)))])
    item, middle = seen.view.items[0], seen.view.verticalScrollBar().maximum() // 2
    seen.view.verticalScrollBar().setValue(middle)
    seen.settle()
    measured = []
    buttons = CodeLayout._buttons
    monkeypatch.setattr(CodeLayout, "_buttons", lambda self: measured.append(self) or buttons(self))
    height = seen.view.viewport().height()
    for forward in (True, False):
        seen.view.interaction.focus = NOWHERE
        assert seen.view._input._first(forward=forward)
        focused = item.targets().named(seen.view.interaction.focus[1])
        y = seen.view.top_of(item) + focused.rect.center().y()
        assert 0 <= y <= height and (y < 120 if forward else y > height - 120)
    assert len(set(measured)) < 40 and seen.view.verticalScrollBar().value() == middle


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
    seen.view.markdown.set_jobs(plain=plainer)
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


def everything(view):
    """All interfaces of a view, each with the number by which Qt knows it."""
    list_ = interface(view)
    messages = [list_.child(n) for n in range(list_.childCount())]
    parts = [message.child(n) for message in messages for n in range(message.childCount())]
    return {QAccessible.uniqueId(part): part for part in [*messages, *parts]}


def test_what_qt_knows_lives_as_long_as_its_message_is_on_show(talk, say):
    """A program that looks remembers numbers, not our objects."""
    names = {number: name(part) for number, part in everything(talk.view).items()}
    gc.collect()
    assert len(names) == 15
    assert {number: name(QAccessible.accessibleInterface(number)) for number in names} == names
    talk.item("m2").evict()
    button = QAccessible.accessibleInterface(list(names)[-1])
    assert not button.isValid() and name(button) == "" and button.rect().isEmpty()
    talk.view.arrange(1)
    talk.settle()
    assert button.isValid() and name(button) == "More actions"
    del button
    talk.show([say("user", "Another chat")])
    gc.collect()
    assert {QAccessible.accessibleInterface(number) for number in names} == {None}


def test_a_message_that_is_another_one_now_has_another_interface(talk):
    first = talk.item("m1").message
    numbers = list(everything(talk.view))
    talk.show([msgspec.structs.replace(first, parts=(TextPart("Put differently"),))])
    gc.collect()
    assert name(interface(talk.view).child(0)) == "You: Put differently"
    assert {QAccessible.accessibleInterface(number) for number in numbers} == {None}


def test_who_looks_at_many_conversations_fills_no_memory(seen, say):
    chats = [
        [say("user" if n % 2 else "assistant", f"chat {chat} [link](https://example.org/{n})") for n in range(8)]
        for chat in range(4)
    ]
    numbers: set[int] = set()
    alive = []
    for turn in range(200):
        seen.view.set_messages(chats[turn % 4], more_above=False)
        seen.view.arrange(1)
        numbers |= everything(seen.view).keys()
        seen.view.scroll_by(-200)
        seen.view.arrange(1)
        numbers |= everything(seen.view).keys()
        if turn % 50 == 49:
            alive.append([n for n in numbers if QAccessible.accessibleInterface(n) is not None])
    assert len(alive[-1]) <= len(alive[0]) + 8
    assert all(QAccessible.accessibleInterface(n).isValid() for n in alive[-1])
    del alive[:]
    gc.collect()
    ours = [thing for thing in gc.get_objects() if type(thing).__module__ == MessageInterface.__module__]
    assert sum(isinstance(thing, QAccessibleInterface) for thing in ours) < 100


def test_a_view_that_goes_takes_its_interfaces_along(qtbot, theme, say):
    view = TranscriptView(theme)
    view.resize(900, 600)
    view.show()
    view.set_messages([say("user", "one"), say("assistant", "two")], more_above=False)
    view.arrange(1)
    numbers = [QAccessible.uniqueId(interface(view)), *everything(view)]
    gone = weakref.ref(view)
    view.close()
    view.deleteLater()
    QApplication.sendPostedEvents(view, QEvent.Type.DeferredDelete)
    assert {QAccessible.accessibleInterface(number) for number in numbers} == {None}
    del view
    gc.collect()
    assert gone() is None


def test_a_screen_reader_finds_what_has_the_keyboard(talk):
    focused = None
    for _ in range(6):
        talk.qtbot.keyClick(talk.view, Qt.Key.Key_Tab)
        assert focused is None or not focused.state().focused
        focused = interface(talk.view).focusChild()
        assert focused.state().focused
        if name(focused) == "here":
            break
    answer = interface(talk.view).child(1)
    assert name(focused.parent()) == name(answer)
    assert answer.indexOfChild(focused) == 1
    place = focused.rect().center()
    assert name(answer.childAt(place.x(), place.y())) == "here"
