"""Exporting, importing and copying chats in the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication
from PySide6.QtWidgets import QFileDialog

from qwen_desktop.services.exports import Wanted
from qwen_desktop.ui.export_dialog import ExportDialog
from qwen_desktop.ui.import_dialog import ChatsImportDialog
from qwen_desktop.ui.widgets.buttons import TextButton

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

_CONTROL = Qt.KeyboardModifier.ControlModifier


def _dialog(ui: Ui, kind: type) -> object:
    found = [each for each in ui.window.findChildren(kind) if each.isVisible()]
    assert len(found) == 1
    return found[0]


async def _chat(make: Make) -> Ui:
    ui = await make()
    await ui.say("What is a heap?")
    return ui


async def test_ctrl_s_exports_the_chat_on_show_to_the_place_that_is_chosen_and_says_where(
    make: Make, tmp_path: Path
) -> None:
    ui = await _chat(make)
    ui.key(ui.window, Qt.Key.Key_S, _CONTROL)
    dialog = _dialog(ui, ExportDialog)
    assert isinstance(dialog, ExportDialog)
    assert dialog.chosen == "md"
    dialog.go_button.click()
    chooser = dialog.findChild(QFileDialog)
    assert chooser is not None
    place = tmp_path / "Heaps.md"
    ui.pick(chooser, place)
    await ui.rest()
    await ui.until(place.exists)
    assert "What is a heap?" in place.read_text()
    assert any("Heaps.md" in text for text in ui.toasts())
    assert not [each for each in ui.window.findChildren(ExportDialog) if each.isVisible()]


async def test_an_export_that_fails_says_why_and_another_place_can_be_chosen(make: Make, tmp_path: Path) -> None:
    ui = await _chat(make)
    ui.chat.export()
    dialog = _dialog(ui, ExportDialog)
    assert isinstance(dialog, ExportDialog)
    dialog.export(tmp_path / "nowhere" / "x.md")
    await ui.until(ui.toasts)
    assert "does not exist" in ui.toasts()[0]
    assert dialog.isVisible()
    assert dialog.go_button.isEnabled()
    dialog.format.setCurrentIndex(4)
    assert dialog.chosen == "json"
    assert not dialog.thoughts.isVisible()
    dialog.export(tmp_path / "x.json")
    await ui.until((tmp_path / "x.json").exists)


async def test_the_share_button_is_there_for_a_stored_chat_and_exports_it(make: Make) -> None:
    ui = await make()
    assert ui.chat.header.export_button.isHidden()
    assert not ui.window.actions_["chat.export"].isEnabled()
    await ui.say("Hello")
    assert not ui.chat.header.export_button.isHidden()
    ui.chat.header.export_button.click()
    dialog = _dialog(ui, ExportDialog)
    assert isinstance(dialog, ExportDialog)
    dialog.reject()


async def test_the_whole_chat_is_copied_as_markdown_and_as_rich_text(make: Make) -> None:
    ui = await _chat(make)
    clipboard = QGuiApplication.clipboard()
    ui.window.actions_["chat.copy_markdown"].trigger()
    await ui.until(lambda: clipboard.text().startswith("# "))
    assert "## You\n\nWhat is a heap?" in clipboard.text()
    assert not clipboard.mimeData().hasHtml()
    ui.window.actions_["chat.copy_rich"].trigger()
    await ui.until(lambda: clipboard.mimeData().hasHtml())
    assert "What is a heap?" in clipboard.mimeData().html()
    assert "What is a heap?" in clipboard.text()


async def test_an_answer_is_copied_as_rich_text(make: Make) -> None:
    ui = await _chat(make)
    item = ui.chat.pane.transcript.items[-1]
    ui.chat.pane.transcript.copying.as_rich(item)
    clipboard = QGuiApplication.clipboard()
    await ui.until(lambda: clipboard.mimeData().hasHtml())
    assert clipboard.text() in clipboard.mimeData().text()
    assert "<p" in clipboard.mimeData().html()


async def test_a_dropped_export_is_offered_and_imported_and_can_be_taken_back(make: Make, tmp_path: Path) -> None:
    ui = await _chat(make)
    chat = ui.chat.current
    await ui.app.exports.export(Wanted(format="json"), tmp_path / "chats.json")
    await ui.app.history.delete(chat)
    await ui.rest()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "chats.json"))])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    drop = QDropEvent(QPointF(500, 300), Qt.DropAction.CopyAction, data, left, none)
    ui.window.dropEvent(drop)
    await ui.until(lambda: [each for each in ui.window.findChildren(ChatsImportDialog) if each.isVisible()])
    dialog = _dialog(ui, ChatsImportDialog)
    assert isinstance(dialog, ChatsImportDialog)
    assert "chats.json" in dialog.state.text()
    assert await ui.app.history.list() == ()
    offered = [button for button in dialog.findChildren(TextButton) if not button.isHidden()]
    kinds = [(button.text(), button.property("kind") or "") for button in offered]
    assert kinds == [("Attach it", ""), ("Cancel", ""), ("Import", "primary")]
    offered[-1].click()
    await ui.until(lambda: not dialog.undo_button.isHidden())
    await ui.rest()
    assert "1 chat came in." in dialog.state.text()
    assert "2 messages" in dialog.state.text()
    listed = await ui.app.history.list()
    assert len(listed) == 1
    assert ui.chat.sidelist.model.conversation(listed[0].id) is not None
    dialog.undo_button.click()
    await ui.rest()
    assert await ui.app.history.list() == ()
    assert ui.chat.sidelist.model.conversation(listed[0].id) is None


async def test_an_import_says_what_it_could_not_read_and_what_was_there(make: Make, tmp_path: Path) -> None:
    ui = await _chat(make)
    place = tmp_path / "chats.json"
    await ui.app.exports.export(Wanted(format="json"), place)
    place.write_text(place.read_text().replace('"conversations":[', '"conversations":[{"conversation":5},'))
    dialog = ChatsImportDialog(ui.window.ui, ui.window, place)
    dialog.begin()
    await ui.until(dialog.reasons.isVisible)
    assert "1 item could not be read" in dialog.results[0].text()
    assert "Chat 1 of the file is damaged." in dialog.reasons.toPlainText()
    assert "already" in dialog.state.text()
    assert dialog.undo_button.isHidden()
    dialog.reject()


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\x01", b'{"format":"qwen-desktop-history","version":9}'])
async def test_a_file_that_is_none_is_a_sentence(content: bytes, make: Make, tmp_path: Path) -> None:
    ui = await make()
    (tmp_path / "x.json").write_bytes(content)
    ChatsImportDialog(ui.window.ui, ui.window, tmp_path / "x.json").begin()
    await ui.until(ui.toasts)
    assert "x.json" in ui.toasts()[0]
    assert not [each for each in ui.window.findChildren(ChatsImportDialog) if each.isVisible()]


async def test_all_chats_are_exported_from_the_settings(make: Make) -> None:
    ui = await _chat(make)
    await ui.app.history.create("Another")
    ui.window.actions_["chats.export"].trigger()
    await ui.until(lambda: any(each.isVisible() for each in ui.window.findChildren(ExportDialog)))
    dialog = _dialog(ui, ExportDialog)
    assert isinstance(dialog, ExportDialog)
    assert dialog.packing.isVisible()
    dialog.reject()
