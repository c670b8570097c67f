"""Messages that are edited where they stand."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from qwen_desktop.core.chat import Message, new_id
from qwen_desktop.core.errors import Environment
from qwen_desktop.core.parts import FilePart, Role, TextPart, ThinkingPart
from qwen_desktop.core.text import Text
from tests.scripted_engine import Script
from tests.ui.branching import on_show, read, settle
from tests.ui.messages import CTRL, answer, box, click, talk, texts, top, view

if TYPE_CHECKING:
    from tests.ui.conftest import Make


async def test_a_question_is_edited_where_it_stands_and_undone(make: Make) -> None:
    make.script = Script(text="A new answer.")
    ui = await make()
    _, ids = await talk(ui)
    await read(ui, ids[20], 150)
    before = {item.message.id: view(ui).top_of(item) for item in view(ui).visible_items()}
    click(ui, ids[20], "edit")
    assert top(ui, ids[20]) == pytest.approx(150, abs=1)
    edit = box(ui, ids[20]).edit
    assert edit.hasFocus() and edit.toPlainText().startswith("x 20")
    edit.selectAll()
    QTest.keyClicks(edit, "Put differently")
    ui.key(edit, Qt.Key.Key_Return)
    QTest.keyClicks(edit, "in two lines")
    ui.key(edit, Qt.Key.Key_Return, CTRL)
    await ui.rest()
    await settle(ui)
    assert texts(ui)[-2:] == ["Put differently\nin two lines", "A new answer."]
    made = on_show(ui)[20]
    assert len(on_show(ui)) == 22 and top(ui, made) == pytest.approx(150, abs=1)
    assert not view(ui).item(made).edited and view(ui).item(made).versions.index == 1
    ui.key(ui.window, Qt.Key.Key_Z, CTRL)
    await ui.until(lambda: on_show(ui) == ids)
    await settle(ui)
    assert {key: top(ui, key) for key in before} == pytest.approx(before, abs=1)


async def test_what_is_written_stays_when_one_leaves_and_comes_back(make: Make) -> None:
    ui = await make()
    chat, ids = await talk(ui, 3)
    other = (await ui.app.history.create("another")).id
    ui.chat.pane.messages.edit(ids[2])
    QTest.keyClicks(box(ui, ids[2]).edit, " and more")
    written = box(ui, ids[2]).edit.toPlainText()
    assert written.endswith(" and more")
    ui.chat.open(other)
    await ui.until(lambda: not on_show(ui))
    ui.chat.open(chat)
    await ui.until(lambda: on_show(ui) == ids)
    await settle(ui)
    assert box(ui, ids[2]).edit.toPlainText() == written and box(ui, ids[2]).isVisible()
    ui.theme.set_mode("dark")
    ui.window.resize(900, 700)
    await settle(ui)
    edit = box(ui, ids[2]).edit
    assert edit.toPlainText() == written
    edit.setFocus()
    ui.key(edit, Qt.Key.Key_Escape)  # keeps it
    assert not view(ui).item(ids[2]).edited and ui.chat.pane.composer.edit.hasFocus()
    await settle(ui)
    assert texts(ui)[2] != written
    ui.chat.pane.messages.edit(ids[2])
    edit = box(ui, ids[2]).edit
    assert edit.toPlainText() == written
    edit.undo()
    assert edit.toPlainText() == texts(ui)[2]
    edit.redo()
    box(ui, ids[2]).cancel.click()  # forgets it
    ui.chat.pane.messages.edit(ids[2])
    assert box(ui, ids[2]).edit.toPlainText() == texts(ui)[2]


async def test_esc_in_an_edit_does_not_stop_an_answer(make: Make) -> None:
    make.script = Script(text="word " * 4000, rate=200)
    ui = await make()
    chat, ids = await talk(ui, 2)
    await ui.app.send("runs", chat)
    await ui.until(lambda: len(on_show(ui)) == 6 and view(ui).items[-1].source)
    ui.chat.pane.messages.edit(ids[0])
    edit = box(ui, ids[0]).edit
    ui.key(edit, Qt.Key.Key_Escape)
    assert not view(ui).item(ids[0]).edited
    await asyncio.sleep(0.02)
    assert ui.app.chat.running()


@pytest.mark.parametrize("why", ["running", "disk"])
async def test_an_edit_that_cannot_be_sent_stays_open_with_its_text(
    make: Make, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    make.script = Script(text="word " * 4000, rate=200)
    ui = await make()
    chat, ids = await talk(ui, 2)
    if why == "running":
        await ui.app.send("runs", chat)
        await ui.until(lambda: len(on_show(ui)) == 6 and view(ui).items[-1].source)
    else:

        async def full(*_: object, **__: object) -> None:
            raise Environment(Text("disk.full", "The disk is full."))

        monkeypatch.setattr(ui.app.history, "add", full)
    ui.chat.pane.messages.edit(ids[2])
    edit = box(ui, ids[2]).edit
    QTest.keyClicks(edit, " and more")
    written = edit.toPlainText()
    box(ui, ids[2]).save.click()
    await ui.until(ui.toasts)
    assert ui.toasts()[0].startswith("An answer is still running" if why == "running" else "The disk is full.")
    assert edit.toPlainText() == written and edit.isVisible() and not edit.isReadOnly()
    assert box(ui, ids[2]).save.isEnabled() and on_show(ui)[:4] == ids
    monkeypatch.undo()
    await ui.app.stop_all()
    await ui.rest()
    make.script = Script(text="Done.")
    box(ui, ids[2]).save.click()
    await ui.rest()
    assert texts(ui)[-2:] == [written, "Done."]


async def test_an_answer_is_edited_with_its_thoughts_kept(make: Make) -> None:
    ui = await make()
    made = await answer(ui, ThinkingPart("Hm.", 1.0, 2), "Because.")
    click(ui, made, "edit")
    edit = box(ui, made).edit
    edit.selectAll()
    QTest.keyClicks(edit, "For a reason.")
    box(ui, made).save.click()
    await ui.rest()
    last = (await ui.messages())[-1]
    assert last.parts == (ThinkingPart("Hm.", 1.0, 2), TextPart("For a reason.")) and last.id != made
    assert view(ui).items[-1].spoken() == ["Edited by you"] and view(ui).items[-1].versions.index == 1
    assert not ui.app.chat.running()


async def test_the_keyboard_goes_on_in_the_box_after_an_edit(make: Make) -> None:
    ui = await make()
    made = await answer(ui, "Red.")
    click(ui, made, "edit")
    edit = box(ui, made)
    QTest.keyClicks(edit.edit, " Green.")
    edit.save.setFocus(Qt.FocusReason.TabFocusReason)
    ui.key(edit.save, Qt.Key.Key_Return)
    await ui.until(lambda: texts(ui)[-1] == "Red. Green.")
    await ui.rest()
    assert ui.chat.pane.composer.edit.hasFocus()


async def test_commands_in_the_box_are_about_the_message_that_is_edited(make: Make) -> None:
    ui = await make()
    _, ids = await talk(ui, 3)
    ui.window.activateWindow()
    ui.chat.pane.messages.edit(ids[2])
    await ui.until(box(ui, ids[2]).edit.hasFocus)
    ui.key(box(ui, ids[2]).edit, Qt.Key.Key_Delete, CTRL, Qt.KeyboardModifier.ShiftModifier)
    await ui.until(lambda: len(on_show(ui)) < 6)
    await settle(ui)
    assert on_show(ui) == ids[:2]
    await ui.rest()
    assert ui.chat.pane.composer.edit.hasFocus()  # the box has gone with its message


async def test_what_is_attached_stays_with_an_edited_question(make: Make) -> None:
    ui = await make()
    chat = (await ui.app.history.create("a chat")).id
    file = FilePart("", "text/plain", "notes.txt")
    question = Message(new_id(), chat, None, Role.USER, (file, TextPart("What is this?")), 1.0)
    await ui.app.history.add((question,))
    ui.chat.open(chat)
    await ui.until(lambda: on_show(ui) == [question.id])
    ui.chat.pane.messages.edit(question.id)
    edit = box(ui, question.id).edit
    edit.selectAll()
    QTest.keyClicks(edit, "And this?")
    box(ui, question.id).save.click()
    await ui.rest()
    assert (await ui.messages())[0].parts == (file, TextPart("And this?"))


async def test_up_in_the_empty_box_edits_the_last_question(make: Make) -> None:
    ui = await make()
    _, ids = await talk(ui, 12)
    view(ui).verticalScrollBar().setValue(0)
    ui.chat.pane.setFocus()
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_Up)
    await settle(ui)
    edit = box(ui, ids[-2])
    assert edit.edit.hasFocus() and edit.edit.toPlainText().startswith("x 22")
    assert edit.y() >= 0 and edit.y() + edit.height() <= view(ui).viewport().height()


@pytest.mark.parametrize("word", ["some words to read ", "endless"])
async def test_a_very_long_question_opens_at_once(make: Make, word: str) -> None:
    ui = await make()
    long = (word * 200_000)[:199_999] + "."
    chat = (await ui.app.history.create("a chat")).id
    question = Message(new_id(), chat, None, Role.USER, (TextPart(long),), 1.0)
    await ui.app.history.add((question,))
    ui.chat.open(chat)
    await ui.until(lambda: on_show(ui) == [question.id])
    await settle(ui)
    start = time.perf_counter()
    ui.chat.pane.messages.edit(question.id)
    edit = box(ui, question.id)
    assert time.perf_counter() - start < 0.5
    assert edit.edit.toPlainText() == long and edit.edit.hasFocus()
    height = view(ui).viewport().height()
    assert edit.edit.height() <= height / 2 and edit.y() >= 0 and edit.y() + edit.height() <= height
