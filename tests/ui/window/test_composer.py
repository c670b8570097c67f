"""The message box: what sends, what does not, and that no word is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.drafts import Draft, pasted
from qwen_desktop.core.errors import Environment
from qwen_desktop.core.parts import ImagePart, visible_text
from qwen_desktop.core.text import Text
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make

ENTER = Qt.Key.Key_Return
SHIFT = Qt.KeyboardModifier.ShiftModifier
CTRL = Qt.KeyboardModifier.ControlModifier


async def test_enter_sends_and_shift_enter_starts_a_line(make: Make) -> None:
    ui = await make()
    ui.type("one")
    ui.key(ui.chat.pane.composer.edit, ENTER, SHIFT)
    ui.type("two")
    assert not ui.app.chat.running()
    ui.key(ui.chat.pane.composer.edit, ENTER)
    assert ui.chat.pane.composer.draft.text == ""
    await ui.rest()
    question, answer = await ui.messages()
    assert visible_text(question.parts) == "one\ntwo"
    assert visible_text(answer.parts) == "Hello."


async def test_ctrl_enter_sends_where_the_setting_says_so(make: Make) -> None:
    ui = await make(chat__send_with="ctrl_enter")
    assert "Ctrl+Enter" in ui.chat.pane.status.keys.text()
    ui.type("one")
    ui.key(ui.chat.pane.composer.edit, ENTER)
    ui.type("two")
    assert ui.chat.pane.composer.draft.text == "one\ntwo"
    ui.key(ui.chat.pane.composer.edit, ENTER, CTRL)
    await ui.rest()
    assert visible_text((await ui.messages())[0].parts) == "one\ntwo"


async def test_enter_that_confirms_an_input_method_never_sends(make: Make) -> None:
    ui = await make()
    edit = ui.chat.pane.composer.edit
    ui.type("a")
    QApplication.sendEvent(edit, QInputMethodEvent("nihao", []))
    ui.press(ENTER)
    ui.chat.pane.composer.button.click()
    await asyncio.sleep(0.02)
    assert ui.chat.current == ""
    assert not ui.app.chat.running()
    commit = QInputMethodEvent("", [])
    commit.setCommitString("你好")
    QApplication.sendEvent(edit, commit)
    assert ui.chat.pane.composer.draft.text == "a你好"
    ui.press(ENTER)
    await ui.rest()
    assert visible_text((await ui.messages())[0].parts) == "a你好"


async def test_drafts_stay_with_their_chat(make: Make) -> None:
    ui = await make()
    await ui.say("first chat")
    first = ui.chat.current
    ui.type("for the first")
    ui.chat.new_chat()
    assert ui.chat.pane.composer.draft.text == ""
    ui.type("for a new one")
    ui.chat.open(first)
    assert ui.chat.pane.composer.draft.text == "for the first"
    ui.chat.open("")
    assert ui.chat.pane.composer.draft.text == "for a new one"


async def full(*_: object, **__: object) -> None:
    """A disk without room."""
    raise Environment(Text("disk.full", "The disk is full."), Text("disk.full.hint", "Free some space."))


async def test_a_text_that_cannot_be_sent_comes_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ui = await make()
    monkeypatch.setattr(ui.app.history, "add", full)
    await ui.say("precious words")
    assert ui.chat.pane.composer.draft.text == "precious words"
    assert ui.toasts() == ["The disk is full. Free some space."]
    monkeypatch.undo()
    ui.press(ENTER)
    await ui.rest()
    assert visible_text((await ui.messages())[0].parts) == "precious words"


async def test_what_is_attached_comes_back_with_the_words(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ui = await make()
    monkeypatch.setattr(ui.app.history, "add", full)
    picture = ImagePart("ab" * 32, "image/png", name="sea.png")
    paste = pasted("a long paste")
    ui.chat.pane.composer.take(Draft("look", (paste, picture)))
    ui.press(ENTER)
    assert not ui.chat.pane.composer.draft
    ui.type("meanwhile")
    await ui.rest()
    assert ui.chat.pane.composer.draft == Draft("look\n\nmeanwhile", (paste, picture))
    ui.chat.pane.composer.take(Draft(attachments=(picture,)))
    assert ui.chat.pane.composer.button.isEnabled()
    ui.press(ENTER)
    ui.chat.open((await ui.app.history.create("another chat")).id)
    await ui.rest()
    assert not ui.chat.pane.composer.draft
    ui.chat.new_chat()
    assert ui.chat.pane.composer.draft.attachments == (picture,)


async def test_only_clean_plain_text_is_pasted(make: Make) -> None:
    ui = await make()
    data = QMimeData()
    data.setHtml("<b>bold</b>")
    data.setText("a\x00b\r\nc")
    ui.chat.pane.composer.edit.insertFromMimeData(data)
    assert ui.chat.pane.composer.draft.text == "ab\nc"


async def test_the_box_grows_to_two_fifths_of_the_window_and_then_scrolls(make: Make) -> None:
    ui = await make()
    edit = ui.chat.pane.composer.edit
    one = edit.height()
    edit.insertPlainText("line\n" * 6)
    assert edit.height() > one * 4
    edit.insertPlainText("line\n" * 200)
    assert edit.height() == int(820 * 0.4)
    assert edit.verticalScrollBar().maximum() > 0


async def test_the_button_sends_then_stops(make: Make) -> None:
    make.script = Script(text="word " * 400, rate=50)
    ui = await make()
    button = ui.chat.pane.composer.button
    assert not button.isEnabled()
    ui.type("go")
    assert button.isEnabled()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    await ui.until(lambda: button.icon_name == "stop")
    assert button.accessibleName() == "Stop"
    await ui.until(ui.app.deltas)
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    await ui.rest()
    assert button.icon_name == "arrow-up"
    assert (await ui.messages())[-1].status == "stopped"


async def test_the_hint_names_the_key_that_does_something_now(make: Make) -> None:
    make.script = Script(text="word " * 400, rate=50)
    ui = await make()
    keys = ui.chat.pane.status.keys
    ready = keys.text()
    assert ready.startswith("Enter to send")
    ui.type("go")
    ui.press(ENTER)
    assert keys.text() == "Enter to send it next · Esc to stop the answer"
    await ui.until(ui.app.deltas)
    assert keys.text() == "Enter to send it next · Esc to stop the answer"
    ui.window.actions_.trigger("chat.new")
    assert keys.text() == ready  # another chat sends
    ui.chat.open(ui.app.deltas()[0].conversation_id)
    ui.window.actions_.trigger("answer.stop")
    await ui.rest()
    assert keys.text() == ready


async def test_what_is_typed_over_the_messages_goes_into_the_box(make: Make) -> None:
    ui = await make()
    await ui.say("Hello")
    view, edit = ui.chat.pane.transcript, ui.chat.pane.composer.edit
    view.setFocus()
    ui.key(view, Qt.Key.Key_Space)
    ui.key(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert view.hasFocus() and not edit.toPlainText()
    QTest.keyClicks(view, "W")
    assert edit.hasFocus() and edit.toPlainText() == "W"
