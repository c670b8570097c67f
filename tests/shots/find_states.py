"""Finding: the palette for search and actions, and the bar that finds in the chat on show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtTest import QTest

from qwen_desktop.store.connection import transaction
from qwen_desktop.ui.palette.palette import Palette
from tests.shots import seeds
from tests.shots.parts import show_chat
from tests.shots.table import state

if TYPE_CHECKING:
    import sqlite3

    from tests.shots.stage import Stage


def _put(connection: sqlite3.Connection) -> None:
    with transaction(connection, durable=False):
        for name in seeds.FOLDERS:
            connection.execute("INSERT INTO folders (id, name) VALUES (?, ?)", (name, name))
        work = seeds.FOLDERS[0]
        connection.execute("UPDATE conversations SET folder_id = ? WHERE id IN ('tests', 'merge')", (work,))
        connection.execute("""UPDATE conversations SET tags = '["draft"]' WHERE id = 'letter'""")


async def chats(stage: Stage, shown: str = "letter", **settings: Any) -> None:
    """Chats in folders, one on show."""
    await stage.open(*seeds.SEARCHED, **settings)
    await stage.services.db.call(_put)
    await show_chat(stage, shown)
    await stage.still()


async def palette(stage: Stage, typed: str = "", *, actions: bool = False) -> Palette:
    """The palette with this typed into it."""
    stage.command("palette.actions" if actions else "chat.find")
    found = stage.window.findChild(Palette)
    assert isinstance(found, Palette)
    QTest.keyClicks(found.field.edit, typed)
    await stage.rest()
    return found


@state("find-empty")
async def empty(stage: Stage) -> None:
    await chats(stage)
    await palette(stage)


@state("find-hits")
async def hits(stage: Stage) -> None:
    await chats(stage)
    await palette(stage, "heap merge")


@state("find-chips")
async def chips(stage: Stage) -> None:
    await chats(stage)
    await palette(stage, 'folder:"Office work" heap merge')


@state("find-completing")
async def completing(stage: Stage) -> None:
    await chats(stage)
    await palette(stage, "merge folder:")


@state("find-nothing")
async def nothing(stage: Stage) -> None:
    await chats(stage)
    await palette(stage, 'folder:"Office work" striped zebra')


@state("find-actions")
async def actions(stage: Stage) -> None:
    await chats(stage)
    await palette(stage, actions=True)


@state("find-actions-typed")
async def actions_typed(stage: Stage) -> None:
    await chats(stage)
    await palette(stage, "co", actions=True)


@state("find-no-chats")
async def no_chats(stage: Stage) -> None:
    await stage.open()
    await palette(stage)


@state("find-large-text")
async def large_text(stage: Stage) -> None:
    await chats(stage, appearance__text_size=200)
    await palette(stage, 'folder:"Office work" heap merge')


async def bar(stage: Stage, typed: str) -> Any:
    """The bar with this typed into it, over the chat about merging."""
    await chats(stage, "merge")
    stage.command("find.open")
    found = stage.window.chat.pane.find_bar
    QTest.keyClicks(found.field, typed)
    await stage.until(lambda: found.finder.whole)
    return found


@state("find-bar")
async def bar_hits(stage: Stage) -> None:
    await bar(stage, "merge")


@state("find-bar-nothing")
async def bar_nothing(stage: Stage) -> None:
    await bar(stage, "striped zebra")


@state("find-bar-thoughts")
async def bar_thoughts(stage: Stage) -> None:
    found = await bar(stage, "merge")
    view = stage.window.chat.pane.transcript
    item = view.items[1]
    view.activated.emit(item, next(target for target in item.targets() if target.action == "thinking"))
    await stage.until(lambda: found.finder.whole)
    found.step(-1)


@state("find-bar-large-text")
async def bar_large(stage: Stage) -> None:
    await chats(stage, "merge", appearance__text_size=200)
    stage.command("find.open")
    QTest.keyClicks(stage.window.chat.pane.find_bar.field, "merge")


@state("find-opened")
async def opened(stage: Stage) -> None:
    """A hit that was opened, marked where it stands."""
    await chats(stage)
    await palette(stage, "equal lines")
    stage.window.findChild(Palette).choose()
    await stage.rest()
    await stage.until(lambda: stage.window.chat.pane.find_bar.finder.current)


@state("find-opened-file")
async def opened_file(stage: Stage) -> None:
    """A hit in what is attached to a message."""
    await chats(stage)
    found = await palette(stage, "test_merge_keeps")
    found.choose()
    await stage.dialog()
    await stage.rest()
