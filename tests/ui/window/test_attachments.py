"""Files in the real window: dropped, pasted and picked, counted, sent when they are read, and parts of them chosen."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCompleter, QFileDialog, QPushButton

from qwen_desktop.core.drafts import Draft, unread
from qwen_desktop.core.engine import GenerateRequest
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.parts import FilePart, ImagePart, TextPart
from qwen_desktop.core.text import Text
from qwen_desktop.ui.chat.attached_file import AttachedMedia, file_name
from qwen_desktop.ui.chat.attached_text import AttachedText
from qwen_desktop.ui.chat.attachment_chips import AttachmentChips, ChipState
from qwen_desktop.ui.chat.parts_dialog import PartsDialog
from qwen_desktop.ui.drop_sign import DropSign
from tests.document_files import pdf
from tests.scripted_engine import ScriptedEngine

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

ENTER = Qt.Key.Key_Return


class Counting(ScriptedEngine):
    """Counts as an engine does: a token a word."""

    async def count_tokens(self, request: GenerateRequest) -> tuple[int, bool]:
        texts = (getattr(part, "text", "") for message in request.messages for part in message.parts)
        return 7 + sum(len(text.split()) for text in texts), True

    async def count_texts(self, texts: Any) -> tuple[tuple[int, ...], bool]:
        return tuple(len(text.split()) for text in texts), True


def mime(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def drop(ui: Ui, data: QMimeData) -> None:
    action, button = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    event = QDropEvent(QPointF(400, 300), action, data, button, Qt.KeyboardModifier.NoModifier)
    ui.window.dropEvent(event)  # sent through Qt it would need a drag that is going on


def file(folder: Path, name: str, words: int = 5) -> Path:
    path = folder / name
    path.write_text(" ".join(f"word{n}" for n in range(words)))
    return path


def facts(ui: Ui) -> list[str]:
    """What a screen reader says of the chips."""
    return [chip.body.accessibleName() for chip in ui.chat.pane.composer.attached.chips]


async def read(ui: Ui, count: int) -> None:
    """Wait until so many files are read, and counted."""
    composer = ui.chat.pane.composer
    await ui.until(lambda: len(composer.draft.attachments) == count and not composer.draft.unread, 20)


async def test_a_dropped_file_is_shown_counted_and_reaches_the_model(make: Make, tmp_path: Path) -> None:
    made: list[Counting] = []
    make.engine = lambda: made.append(Counting()) or made[-1]  # type: ignore[func-returns-value]
    ui = await make()
    data = mime(file(tmp_path, "notes.txt", 100))
    enter = QDragEnterEvent(
        QPoint(400, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    ui.window.dragEnterEvent(enter)
    sign = ui.window.findChild(DropSign)
    assert sign is not None and sign.isVisible() and sign.accessibleName() == "Drop files to attach them"
    ui.window.dragLeaveEvent(QDragLeaveEvent())
    assert not sign.isVisible()
    drop(ui, data)
    await read(ui, 1)
    await ui.until(lambda: facts(ui) == ["notes.txt, 100 tokens"])  # the model was loaded for it
    ui.type("What do they say?")
    ui.press(ENTER)
    await ui.rest()
    question = (await ui.messages())[0]
    part = question.parts[0]
    assert isinstance(part, FilePart)
    assert part.text.startswith("word0 word1") and question.parts[1] == TextPart("What do they say?")
    assert made[-1].requests[-1].messages[-1].parts == question.parts
    assert await ui.app.blobs.read(part.sha256) == (tmp_path / "notes.txt").read_bytes()
    card = next(section for section in ui.chat.pane.transcript.items[0].sections if section.heading)
    await ui.until(lambda: card.label == "notes.txt, 100 tokens")
    (target,) = card.targets()
    ui.chat.pane.transcript.file_requested.emit(part)
    assert target.action == "file"
    dialog = ui.window.findChild(AttachedText)
    assert dialog is not None and dialog.view.toPlainText().startswith("word0")
    buttons = [button.text() for button in dialog.findChildren(QPushButton)]
    assert buttons == ["Save file…", "Open file", "Copy", "Close"]
    dialog.reject()


async def test_files_and_pictures_are_pasted_and_text_stays_text(make: Make, tmp_path: Path) -> None:
    ui = await make()
    edit = ui.chat.pane.composer.edit
    edit.insertFromMimeData(mime(file(tmp_path, "a.txt"), file(tmp_path, "b.txt")))
    image = QImage(30, 20, QImage.Format.Format_RGB32)
    image.fill(QColor("red"))
    both, picture = QMimeData(), QMimeData()
    picture.setImageData(image)
    both.setImageData(image)
    both.setText("cells of a table")
    assert edit.canInsertFromMimeData(picture)
    edit.insertFromMimeData(picture)
    edit.insertFromMimeData(both)
    await read(ui, 3)
    draft = ui.chat.pane.composer.draft
    assert draft.text == "cells of a table"
    pasted = next(part for part in draft.attachments if isinstance(part, ImagePart))
    assert (pasted.width, pasted.height, pasted.media_type) == (30, 20, "image/png")
    assert {getattr(part, "name", "") for part in draft.attachments} == {"a.txt", "b.txt", "Picture.png"}


async def test_files_are_picked_by_the_button_and_its_key(make: Make, tmp_path: Path) -> None:
    ui = await make()
    paths = [file(tmp_path, name) for name in ("picked.md", "another.md")]
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_U, Qt.KeyboardModifier.ControlModifier)
    dialog = ui.window.findChild(QFileDialog)
    assert dialog is not None
    (names,) = dialog.findChildren(QCompleter)
    grabbed = names.popup().grab().toImage()
    assert grabbed.pixelColor(grabbed.rect().center()) == ui.theme.color("surface")
    ui.pick(dialog, *paths)
    await read(ui, 2)
    assert {part.name for part in ui.chat.pane.composer.draft.attachments} == {"picked.md", "another.md"}
    ui.chat.pane.composer.attach_button.click()
    assert any(found.isVisible() for found in ui.window.findChildren(QFileDialog))


async def test_sending_waits_for_what_is_being_read(make: Make, tmp_path: Path) -> None:
    ui = await make()
    composer = ui.chat.pane.composer
    ui.type("Summarise them.")
    drop(ui, mime(file(tmp_path, "a.txt"), file(tmp_path, "b.txt")))
    await ui.until(lambda: len(composer.draft.unread) == 2)
    ui.press(ENTER)
    assert composer.waits and composer.waiting.isVisible()
    assert composer.draft.text == "Summarise them."
    ui.type(" Briefly")
    assert not composer.waits  # who goes on writing is not done
    ui.press(ENTER)
    await ui.until(lambda: ui.chat.current, 20)
    await ui.rest()
    question = (await ui.messages())[0]
    assert [getattr(part, "name", "") for part in question.parts] == ["a.txt", "b.txt", ""]
    assert question.parts[-1] == TextPart("Summarise them. Briefly")
    assert not composer.draft and not composer.waits


async def test_what_cannot_be_read_is_said_on_its_chip_and_not_sent(make: Make, tmp_path: Path) -> None:
    ui = await make()
    composer = ui.chat.pane.composer
    path = tmp_path / "locked.pdf"
    path.write_bytes(pdf(("text",), lock="secret"))
    drop(ui, mime(path))
    await ui.until(lambda: facts(ui) and "password" in facts(ui)[0], 20)
    ui.type("What is it?")
    ui.press(ENTER)
    assert composer.draft.text == "What is it?"
    assert "locked.pdf could not be read" in ui.toasts()[-1]
    QTest.mouseClick(composer.attached.chips[0].remove, Qt.MouseButton.LeftButton)
    ui.press(ENTER)
    await ui.rest()
    assert (await ui.messages())[0].parts == (TextPart("What is it?"),)


async def test_a_file_that_was_being_read_at_the_end_is_said_to_be_missing(make: Make) -> None:
    ui = await make()
    ui.chat.pane.composer.take(Draft("Read it.", (unread("thesis.pdf"),)))
    await ui.app.drafts.save(durable=True)
    again = await make()
    assert again.chat.pane.composer.draft.text == "Read it."
    (said,) = facts(again)
    assert said.startswith("thesis.pdf was not read to its end.")
    assert "Attach it again." in said


async def test_a_folder_is_asked_about_and_hidden_files_are_left(make: Make, tmp_path: Path) -> None:
    ui = await make()
    folder = tmp_path / "papers"
    (folder / "below").mkdir(parents=True)
    for path in (folder / "one.txt", folder / "below" / "two.txt", folder / ".hidden"):
        path.write_text("some words")
    drop(ui, mime(folder))
    await ui.until(lambda: any(b.text() == "Attach" and b.isVisible() for b in ui.window.findChildren(QPushButton)))
    assert not ui.chat.pane.composer.draft.attachments
    next(b for b in ui.window.findChildren(QPushButton) if b.text() == "Attach").click()
    await read(ui, 2)
    names = {part.name for part in ui.chat.pane.composer.draft.attachments}
    assert names == {"one.txt", "two.txt"}


async def test_a_picture_is_greyed_out_and_what_is_left_out_is_said(make: Make, tmp_path: Path) -> None:
    ui = await make()
    await ui.app.models.open_file(ui.app.model_file("blind.gguf"))
    image = QImage(30, 20, QImage.Format.Format_RGB32)
    image.fill(QColor("blue"))
    image.save(str(tmp_path / "sea.png"))
    drop(ui, mime(tmp_path / "sea.png"))
    await read(ui, 1)
    (chip,) = ui.chat.pane.composer.attached.chips
    await ui.until(lambda: "left out" in chip.body.accessibleName())
    assert "blind cannot see pictures" in chip.body.accessibleDescription()
    ui.press(ENTER)
    await ui.rest()
    assert "cannot see pictures" in ui.toasts()[-1]
    question, answer = await ui.messages()
    assert isinstance(question.parts[0], ImagePart) and answer.problem is None
    part = question.parts[0]
    ui.chat.pane.transcript.file_requested.emit(part)
    dialog = ui.window.findChild(AttachedMedia)
    assert dialog is not None
    await ui.until(lambda: dialog.picture.isVisible() and dialog.picture.pixmap().width() == 30)
    dialog.reject()


async def test_parts_of_what_is_too_long_are_chosen(make: Make, tmp_path: Path) -> None:
    make.engine = lambda: Counting(context=1000)
    ui = await make()
    await ui.app.models.open_file(ui.app.model_file("small.gguf"))
    book = tmp_path / "book.md"
    topics = ("rent", "pets", "keys", "garden")
    book.write_text("".join(f"# About {topic}\n\n{f'{topic} matters here. ' * 100}\n\n" for topic in topics))
    ui.type("What about pets?")
    drop(ui, mime(book))
    await read(ui, 1)
    composer = ui.chat.pane.composer
    (chip,) = composer.attached.chips
    await ui.until(lambda: "too many" in chip.body.accessibleName() and "about" not in chip.body.accessibleName())
    assert chip.choose.isVisible() and chip.edge == "warn"
    ui.press(ENTER)  # it can never fit
    assert composer.draft.text == "What about pets?"
    assert "there is room for" in ui.toasts()[-1]
    chip.choose.click()
    dialog = ui.window.findChild(PartsDialog)
    assert dialog is not None
    assert dialog.search.text() == "What about pets?"
    await ui.until(lambda: dialog.model.chosen, 20)
    titles = [dialog.model.title(number) for number in sorted(dialog.model.chosen)]
    assert "About pets" in titles
    dialog.model.choose({titles.index("About pets") + min(dialog.model.chosen)})
    dialog.view.setCurrentIndex(dialog.model.index(0))
    assert "rent matters" in dialog.preview.toPlainText()
    await ui.until(lambda: "that are left" in dialog.sum.text() and "too many" not in dialog.sum.text())
    dialog.use.click()
    await ui.until(lambda: not composer.draft.attachments[0].whole)
    (part,) = composer.draft.attachments
    assert isinstance(part, FilePart)
    assert not part.whole and "pets matters" in part.text and "rent matters" not in part.text
    assert part.text.startswith("[… About pets]") and part.text.endswith("[…]")
    await ui.until(lambda: "too many" not in facts(ui)[0] and "parts of it" in facts(ui)[0])
    # It can be opened again, with what was chosen, and changed by the keyboard.
    composer.attached.chips[0].choose.click()
    again = next(d for d in ui.window.findChildren(PartsDialog) if d.isVisible())
    await ui.until(lambda: [again.model.title(n) for n in again.model.chosen] == ["About pets"], 20)
    again.view.setFocus()
    again.view.setCurrentIndex(again.model.index(0))
    QTest.keyClick(again.view, Qt.Key.Key_Space)
    assert 0 in again.model.chosen and len(again.model.chosen) == 2
    again.use.click()
    await ui.until(lambda: "rent matters" in composer.draft.attachments[0].text)


async def test_counts_follow_what_is_typed_and_the_model(make: Make, tmp_path: Path) -> None:
    make.engine = lambda: Counting(context=200)
    ui = await make()
    drop(ui, mime(file(tmp_path, "notes.txt", 100)))
    await read(ui, 1)
    await ui.app.models.open_file(ui.app.model_file("one.gguf"))
    await ui.until(lambda: facts(ui) == ["notes.txt, 100 tokens"])
    ui.type("w " * 60)
    await ui.until(lambda: "too many" in facts(ui)[0])
    ui.chat.pane.composer.edit.clear()
    await ui.until(lambda: facts(ui) == ["notes.txt, 100 tokens"])


async def test_a_draft_keeps_its_files_when_another_chat_is_opened_meanwhile(make: Make, tmp_path: Path) -> None:
    ui = await make()
    await ui.say("first chat")
    first = ui.chat.current
    drop(ui, mime(file(tmp_path, "a.txt")))
    await ui.until(lambda: ui.chat.pane.composer.draft.unread)
    ui.type("about it")
    ui.chat.new_chat()
    assert not ui.chat.pane.composer.draft
    await ui.until(lambda: not ui.app.drafts.of(first).unread, 20)
    ui.chat.open(first)
    draft = ui.chat.pane.composer.draft
    assert draft.text == "about it" and draft.attachments[0].text.startswith("word0")


async def test_writing_goes_on_undisturbed_while_files_are_read(make: Make, tmp_path: Path) -> None:
    ui = await make()
    ui.type("Hello world")
    edit = ui.chat.pane.composer.edit
    drop(ui, mime(file(tmp_path, "a.txt")))
    await ui.until(lambda: ui.chat.pane.composer.draft.unread)
    for _ in range(5):
        edit.moveCursor(edit.textCursor().MoveOperation.Left)
    await read(ui, 1)
    ui.type("big ")
    assert ui.chat.pane.composer.draft.text == "Hello big world"
    assert edit.document().isUndoAvailable()


@pytest.mark.parametrize(
    ("name", "safe"), [("../../etc/passwd", "_.._etc_passwd"), ("a:b?.txt", "a_b_.txt"), ("", "attachment")]
)
def test_a_name_on_the_disk_has_nothing_that_leads_elsewhere(name: str, safe: str) -> None:
    assert file_name(FilePart("ab", "text/plain", name)) == safe


async def test_only_what_no_program_runs_is_opened(make: Make) -> None:
    ui = await make()
    for name in ("a.pdf", "run.bat", "page.html", "a.docm", "x.desktop"):
        part = FilePart("ab" * 32, "text/plain", name, 9, "text")
        ui.chat.pane.transcript.file_requested.emit(part)
        dialog = next(d for d in ui.window.findChildren(AttachedText) if d.windowTitle() == name)
        assert ("Open file" in [b.text() for b in dialog.findChildren(QPushButton)]) is (name == "a.pdf")
        dialog.reject()


async def test_tab_halts_at_every_chip_and_its_buttons(make: Make, tmp_path: Path) -> None:
    ui = await make()
    drop(ui, mime(file(tmp_path, "a.txt"), file(tmp_path, "b.txt")))
    await read(ui, 2)
    composer = ui.chat.pane.composer
    first, second = composer.attached.chips
    first.body.setFocus()
    seen = []
    for _ in range(4):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        seen.append(QApplication.focusWidget())
    assert seen == [first.remove, second.body, second.remove, composer.edit]
    ui.key(second.remove, Qt.Key.Key_Space)
    assert len(composer.attached.chips) == 1 and composer.edit.hasFocus()


async def test_the_chips_take_no_more_rows_than_they_need_once_they_are_read(make: Make) -> None:
    ui = await make()
    chips = AttachmentChips(ui.theme, ui.window)
    chips.resize(700, 200)
    parts = [unread(f"{n}.txt") for n in range(4)]
    chips.show_parts(parts)
    wrong = Problem("user", Text("x", "a sentence that says at some length what is wrong with the file"))
    for state in (ChipState(problem=wrong), ChipState(fraction=0.4), ChipState()):
        chips.show_states([state] * len(parts))
        await asyncio.sleep(0.05)
        tall = max(chip.geometry().bottom() + 1 for chip in chips.chips)
        bar = chips.verticalScrollBarPolicy() is Qt.ScrollBarPolicy.ScrollBarAlwaysOn
        assert bar == (tall > chips.height())
    assert chips.height() == tall
