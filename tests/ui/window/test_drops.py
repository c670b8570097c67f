"""What becomes of files that are dropped: it depends on what they are and, for some, on where they are dropped."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent

from qwen_desktop.core.assistant_files import SUFFIX
from qwen_desktop.core.assistants import Assistant
from qwen_desktop.services.exports import Wanted
from qwen_desktop.ui.assistants.page import AssistantsPage
from qwen_desktop.ui.import_dialog import ChatsImportDialog
from qwen_desktop.ui.widgets.buttons import TextButton

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from tests.ui.conftest import Make, Ui


def drop(ui: Ui, where: str, *files: Path) -> None:
    """Drop files on a part of the window."""
    chat = ui.chat
    on: QWidget = {"list": chat.sidelist.view, "messages": chat.pane.empty, "box": chat.pane.composer}.get(
        where, ui.window.pages
    )
    place = on.mapTo(ui.window, QPoint(40, 30))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in files])
    button, held = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    ui.window.dropEvent(QDropEvent(QPointF(place), Qt.DropAction.CopyAction, data, button, held))


def asked(ui: Ui) -> list[ChatsImportDialog]:
    return [each for each in ui.window.findChildren(ChatsImportDialog) if each.isVisible()]


async def files(ui: Ui, folder: Path) -> dict[str, Path]:
    """One of each kind."""
    await ui.app.ask("What is a heap?")
    found = {name: folder / name for name in ("chats.json", "data.json", "notes.txt", "chats.zip", "other.zip")}
    await ui.app.exports.export(Wanted(format="json"), found["chats.json"])
    found["data.json"].write_text(json.dumps({"rows": [1, 2, 3]}))
    found["notes.txt"].write_text("All is well.")
    with zipfile.ZipFile(found["chats.zip"], "w") as archive:
        archive.writestr("conversations.json", "[]")
    with zipfile.ZipFile(found["other.zip"], "w") as archive:
        archive.writestr("x.txt", "x")
    return found


@pytest.mark.parametrize("where", ["list", "messages", "box"])
async def test_each_file_goes_where_it_belongs(make: Make, tmp_path: Path, where: str) -> None:
    ui = await make()
    chips = ui.chat.pane.composer.attached
    for name, path in (await files(ui, tmp_path)).items():
        before = len(chips.chips)
        drop(ui, where, path)
        await ui.rest()
        imported = name.startswith("chats") or (where == "list" and name != "notes.txt")
        assert len(asked(ui)) == imported, name
        assert len(chips.chips) == before + (not imported), name
        for dialog in asked(ui):
            dialog.reject()


async def test_an_export_can_be_attached_all_the_same(make: Make, tmp_path: Path) -> None:
    ui = await make()
    found = await files(ui, tmp_path)
    drop(ui, "messages", found["chats.json"], found["notes.txt"])
    await ui.until(lambda: asked(ui))
    (dialog,) = asked(ui)
    next(button for button in dialog.findChildren(TextButton) if button.text() == "Attach it").click()
    await ui.until(lambda: len(ui.chat.pane.composer.attached.chips) == 2)
    assert not asked(ui)


@pytest.mark.parametrize("page", ["view.chat", "view.settings", "view.assistants"])
async def test_an_assistant_comes_to_the_others_wherever_it_is_dropped(make: Make, tmp_path: Path, page: str) -> None:
    ui = await make()
    place = tmp_path / f"one{SUFFIX}"
    await ui.app.assistants.export([Assistant("x", "Parrot")], place)
    ui.window.show_page(page)
    drop(ui, "", place)
    await ui.rest()
    assert "Parrot" in [entry.name for entry in ui.app.assistants.list()]
    assert isinstance(ui.window.pages.currentWidget(), AssistantsPage)
