"""Long pastes: beside the box, read, put into the text, sent whole, and shown at the message."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from qwen_desktop.core.drafts import LARGEST_TEXT, LONG_LINES, LONG_PASTE, fits_box, is_pasted
from qwen_desktop.core.engine import GenerateRequest
from qwen_desktop.core.parts import FilePart, TextPart
from qwen_desktop.ui.chat.attached_text import AttachedText

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

ENTER = Qt.Key.Key_Return


def paste(ui: Ui, text: str) -> None:
    data = QMimeData()
    data.setText(text)
    ui.chat.pane.composer.edit.insertFromMimeData(data)


async def test_a_long_paste_is_an_attachment_and_reaches_the_model_whole(make: Make) -> None:
    ui = await make()
    composer = ui.chat.pane.composer
    paste(ui, "short\n" * (LONG_LINES - 1))
    assert not composer.attached.chips
    composer.edit.clear()
    huge = "word " * 200_000
    ui.type("Summarise:")
    paste(ui, huge)
    assert composer.draft.text == "Summarise:"
    (chip,) = composer.attached.chips
    assert chip.isVisible()
    assert chip.body.text().startswith("word word")
    assert "1,000,000 characters · about 250,000 tokens" in chip.body.accessibleName()
    assert not chip.insert.isVisible()  # it would block the box
    ui.press(ENTER)
    await ui.rest()
    question = (await ui.messages())[0]
    assert question.parts == (question.parts[0], TextPart("Summarise:"))
    assert is_pasted(question.parts[0])
    request: GenerateRequest = ui.engines[-1].requests[-1]
    assert request.messages[-1].parts == question.parts
    assert isinstance(question.parts[0], FilePart)
    assert question.parts[0].text == huge
    assert ui.chat.pane.title == "Summarise:"


async def test_a_paste_is_put_into_the_text_where_the_cursor_stands(make: Make) -> None:
    ui = await make()
    composer = ui.chat.pane.composer
    text = "x" * (LONG_PASTE + 1)
    ui.type("ab")
    composer.edit.moveCursor(composer.edit.textCursor().MoveOperation.Left)
    paste(ui, text)
    assert composer.draft.text == "ab"
    QTest.mouseClick(composer.attached.chips[0].insert, Qt.MouseButton.LeftButton)
    assert composer.draft.text == f"a{text}b"
    assert not composer.attached.chips
    assert composer.attached.isHidden()


async def test_a_paste_is_taken_away(make: Make) -> None:
    ui = await make()
    composer = ui.chat.pane.composer
    paste(ui, "line\n" * LONG_LINES)
    paste(ui, "y" * 9000)
    first = composer.attached.chips[0]
    first.remove.setFocus()
    ui.key(first.remove, Qt.Key.Key_Space)
    assert [chip.body.text()[:3] for chip in composer.attached.chips] == ["yyy"]
    assert composer.edit.hasFocus()


async def test_a_paste_is_read_in_a_dialog_that_never_blocks(make: Make) -> None:
    ui = await make()
    composer = ui.chat.pane.composer
    lines = "".join(f"{number} line\n" for number in range(3000)) + "z" * 30_000
    paste(ui, lines)
    composer.attached.chips[0].body.click()
    dialog = ui.window.findChild(AttachedText)
    assert dialog is not None
    longest, last = 0.0, time.perf_counter()

    def done() -> bool:
        nonlocal longest, last
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        return dialog.view.toPlainText().count("z") == 30_000

    await ui.until(done)
    assert longest < 0.1
    assert dialog.view.toPlainText().startswith("0 line\n1 line")
    copy = next(button for button in dialog.findChildren(type(composer.line.go_on)) if button.text() == "Copy")
    copy.click()
    assert QGuiApplication.clipboard().text() == lines
    dialog.reject()


async def test_a_sent_paste_stands_at_its_message_and_opens(make: Make) -> None:
    ui = await make()
    paste(ui, "line of a log\n" * 400)
    ui.type("Why?")
    ui.press(ENTER)
    await ui.rest()
    view = ui.chat.pane.transcript
    question = view.items[0]
    target = next(target for target in question.targets() if target.action == "file")
    assert "Pasted text: line of a log" in target.label
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.rect_of(question, target.rect).center())
    dialog = ui.window.findChild(AttachedText)
    assert dialog is not None
    dialog.reject()


async def test_a_message_that_is_only_a_paste_names_its_chat(make: Make) -> None:
    ui = await make()
    paste(ui, "The minutes of the meeting\n" * 100)
    ui.press(ENTER)
    await ui.rest()
    assert ui.chat.pane.title == "The minutes of the meeting"


async def test_what_was_pasted_is_copied_and_comes_back_with_its_message(make: Make) -> None:
    ui = await make()
    log = "line of a log\n" * 400 + "end"
    paste(ui, log)
    ui.type("Why?")
    ui.press(ENTER)
    await ui.rest()
    ui.window.actions_.trigger("chat.copy")
    await ui.rest()
    assert QGuiApplication.clipboard().text().startswith(f"You:\n{log}\n\nWhy?\n\n")
    view = ui.chat.pane.transcript
    view.copying.message(view.items[0])
    assert QGuiApplication.clipboard().text() == f"{log}\n\nWhy?"


def test_what_fits_the_box() -> None:
    assert fits_box("a\n" * (LARGEST_TEXT // 2))
    assert not fits_box("a" * (LARGEST_TEXT + 1))
    assert not fits_box("a" * 6000)
