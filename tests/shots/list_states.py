"""The list of chats: folders in each other, several chosen, what is dragged, the archive, tags, and where to move."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog

from qwen_desktop.core.chat import Folder
from qwen_desktop.core.drafts import Draft
from qwen_desktop.store import arranging, folders
from qwen_desktop.store.arranging import Place
from qwen_desktop.store.connection import transaction
from tests.shots import seeds
from tests.shots.parts import chats, right_click, show_chat
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

FOLDERS = (
    Folder("work", "Work"),
    Folder("reports", "Reports and everything that is written for other people", "work"),
    Folder("2026", "2026", "reports"),
    Folder("home", "Home"),
    Folder("empty", "Ideas"),
    Folder("cn", "学习"),
)


def _arrange(connection: sqlite3.Connection) -> None:
    with transaction(connection, durable=False):
        for folder in FOLDERS:
            folders.insert(connection, folder)
    ids = [row[0] for row in connection.execute("SELECT id FROM conversations WHERE pinned = 0 ORDER BY updated DESC")]
    for folder, picked in (("work", ids[3:5]), ("reports", ids[5:6]), ("2026", ids[6:8]), ("home", ids[8:9])):
        arranging.place(connection, picked, Place(folder))
    arranging.place(connection, ids[9:11], Place(archived=True))
    arranging.tag(connection, ids[:1], ("travel", "money", "later", "family"), ())
    arranging.tag(connection, ids[1:5], ("work",), ())
    arranging.tag(connection, ids[3:5], ("python",), ())


async def arranged(stage: Stage, *opened: str) -> Any:
    """The window with folders, these open; the list's view."""
    await stage.open(*seeds.several(), seeds.SHORT)
    await stage.services.db.call(_arrange)
    page = stage.window.chat
    page.show_list(True)
    model = page.sidelist.model
    model.set_all(await stage.services.history.list(), await stage.services.arranging.folders())
    await show_chat(stage, "short")
    page.show_list(True)
    for folder in opened:
        model.set_open(folder, True)
    stage.services.drafts.put(model.ids()[-1], Draft("Not sent yet"))
    page._show_unsent()
    await stage.still()
    return chats(stage)


def _pick(view: Any, *ids: str) -> None:
    for each in ids:
        index = view.tree.index_of(each)
        if not index.isValid():
            index = view.tree.folder_index(each)
        held = Qt.KeyboardModifier.ControlModifier
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, held, view.visualRect(index).center())


@state("chat-list-folders")
async def nested(stage: Stage) -> None:
    await arranged(stage, "work", "reports", "2026")


@state("chat-list-folders-closed")
async def closed(stage: Stage) -> None:
    await arranged(stage)


@state("chat-list-folder-empty")
async def empty(stage: Stage) -> None:
    await arranged(stage, "empty", "work")


@state("chat-list-folder-menu")
async def folder_menu(stage: Stage) -> None:
    view = await arranged(stage, "work")
    right_click(view.viewport(), view.visualRect(view.tree.folder_index("work")).center())


@state("chat-list-folder-rename")
async def folder_rename(stage: Stage) -> None:
    view = await arranged(stage, "work")
    view.setFocus()
    stage.window.chat.sidelist.rename_folder("reports")


@state("chat-list-folder-delete")
async def folder_delete(stage: Stage) -> None:
    view = await arranged(stage, "work")
    view.setFocus()
    view.setCurrentIndex(view.tree.folder_index("work"))
    stage.key(view, Qt.Key.Key_Delete)


@state("chat-list-many")
async def many(stage: Stage) -> None:
    view = await arranged(stage, "work")
    _pick(view, *view.tree.ids()[1:4])


@state("chat-list-many-menu")
async def many_menu(stage: Stage) -> None:
    view = await arranged(stage, "work")
    ids = view.tree.ids()
    _pick(view, *ids[1:4])
    right_click(view.viewport(), view.visualRect(view.tree.index_of(ids[2])).center())


@state("chat-list-drag-folder")
async def drag_folder(stage: Stage) -> None:
    view = await arranged(stage)
    await _drag(view, view.tree.ids()[1:3], view.visualRect(view.tree.folder_index("home")).center())


@state("chat-list-drag-pinned")
async def drag_pinned(stage: Stage) -> None:
    view = await arranged(stage)
    await _drag(view, view.tree.ids()[1:2], QPoint(60, 12))


@state("chat-list-drag-out")
async def drag_out(stage: Stage) -> None:
    view = await arranged(stage, "work")
    inner = [each for each in view.tree.ids() if view.tree.home(each) == "work"]
    loose = next(each for each in view.tree.ids() if view.tree.home(each) == "")
    await _drag(view, inner[:1], view.visualRect(view.tree.index_of(loose)).center())


async def _drag(view: Any, ids: list[str], place: QPoint) -> None:
    _pick(view, *ids)
    port = view.viewport()
    start = view.visualRect(view.tree.index_of(ids[0])).center()
    QTest.mousePress(port, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(port, start + QPoint(0, 30))
    QTest.mouseMove(port, place)


@state("chat-list-archive")
async def archive(stage: Stage) -> None:
    view = await arranged(stage, "*archive")
    view.scrollToBottom()


@state("chat-list-tags")
async def tags(stage: Stage) -> None:
    view = await arranged(stage, "work")
    _pick(view, *[each for each in view.tree.ids() if view.tree.home(each) in ("work", "")][:4])
    stage.command("chat.tags")
    await stage.rest()


@state("chat-list-move")
async def move(stage: Stage) -> None:
    await arranged(stage)
    stage.command("chat.move")


@state("chat-list-move-new")
async def move_new(stage: Stage) -> None:
    await arranged(stage)
    stage.command("chat.move")
    dialog = stage.window.findChild(QDialog)
    QTest.keyClicks(dialog.field, "Rep")


@state("chat-list-large-text")
async def large(stage: Stage) -> None:
    await arranged(stage, "work", "reports")
    await stage.services.preferences.set("appearance.text_size", 200)
