"""The panel with all versions of a conversation."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt

from tests.scripted_engine import Script
from tests.ui.branching import branch, on_show, settle
from tests.ui.messages import ALT, CTRL, click, talk, texts, top, view

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui


def rows(ui: Ui) -> list[tuple[int, str, bool]]:
    return [(row.depth, row.node.text, row.shown) for row in ui.chat.pane.versions.model.rows]


async def test_the_panel_shows_all_branches_and_leads_to_them(make: Make) -> None:
    ui = await make()
    chat, ids = await talk(ui, 2)
    other = await branch(ui, chat, ids[1], "other", 1)
    await ui.app.history.select_version(ids[2])
    await settle(ui)
    ui.window.actions_.trigger("chat.versions")
    panel = ui.chat.pane.versions
    await ui.until(lambda: len(rows(ui)) == 6)
    assert [(depth, text.split(" words")[0], shown) for depth, text, shown in rows(ui)] == [
        (0, "x 0", True), (0, "x 1", True), (0, "x 2", True), (1, "other 0", False), (2, "other 1", False),
        (0, "x 3", True),
    ]  # fmt: skip
    assert panel.view.hasFocus() and panel.view.current == ids[3]
    name = panel.model.index(3).data(Qt.ItemDataRole.AccessibleTextRole)
    assert name.startswith("You: other 0") and panel.view.accessibleName() == "Versions"
    for _ in range(2):
        ui.key(panel.view, Qt.Key.Key_Up)
    ui.key(panel.view, Qt.Key.Key_Return)
    await ui.until(lambda: on_show(ui) == [*ids[:2], *other])
    await ui.until(lambda: [shown for *_, shown in rows(ui)] == [True, True, False, False, True, True])
    await ui.rest()
    assert panel.view.current == other[0] and panel.view.hasFocus()
    make.script = Script(text="More.")
    await ui.app.ask("goes on", chat)
    await ui.until(lambda: [text for _, text, _ in rows(ui)][-2:] == ["goes on", "More."])
    ui.key(panel.view, Qt.Key.Key_Delete)
    await ui.until(lambda: len(rows(ui)) == 4 and on_show(ui) == ids)
    ui.key(ui.window, Qt.Key.Key_Z, CTRL)
    await ui.until(lambda: len(rows(ui)) == 8)
    make.script = Script(text="word " * 4000, rate=200)
    await ui.app.send("runs", chat)
    await ui.until(lambda: view(ui).items[-1].streaming)
    ui.chat.pane.setFocus()
    ui.key(ui.window, Qt.Key.Key_F6)
    while not panel.view.hasFocus():
        ui.key(ui.window, Qt.Key.Key_F6)
    ui.key(panel.view, Qt.Key.Key_Escape)
    assert panel.isHidden() and ui.chat.pane.composer.edit.hasFocus() and ui.app.chat.running()
    await ui.app.chat.stop(chat)
    at = view(ui).item(on_show(ui)[2])
    await ui.until(lambda: any(target.action == "versions" for target in at.targets()))
    click(ui, at.message.id, "versions")
    await ui.rest()
    assert panel.isVisible() and panel.view.current == at.message.id


async def test_commands_in_the_panel_are_about_its_row(make: Make) -> None:
    ui = await make()
    chat, ids = await talk(ui, 2)
    other = await branch(ui, chat, ids[1], "other", 1)
    await ui.app.history.select_version(ids[2])
    await settle(ui)
    ui.window.actions_.trigger("chat.versions")
    panel = ui.chat.pane.versions
    await ui.until(lambda: len(rows(ui)) == 6)
    panel.view.setCurrentIndex(panel.model.place(other[0]))
    ui.key(panel.view, Qt.Key.Key_Delete, CTRL, Qt.KeyboardModifier.ShiftModifier)
    await ui.until(lambda: len(rows(ui)) == 4)
    assert on_show(ui) == ids and ui.toasts() == ["The message is deleted."]
    ui.key(panel.view, Qt.Key.Key_Z, CTRL)
    await ui.until(lambda: len(rows(ui)) == 6)
    assert not ui.toasts()  # nothing is offered that has been done
    panel.view.setCurrentIndex(panel.model.place(other[0]))
    ui.window.actions_.trigger("message.fork")
    await ui.until(lambda: ui.chat.current != chat)
    await ui.until(lambda: len(on_show(ui)) == 3)
    assert texts(ui)[-1].startswith("other 0")


async def test_the_keyboard_goes_with_the_version_on_show(make: Make) -> None:
    ui = await make()
    chat, ids = await talk(ui, 1)
    make.script = Script(text="Another.")
    click(ui, ids[1], "regenerate")
    await ui.rest()
    other = on_show(ui)[1]
    assert other != ids[1]
    await settle(ui)
    ui.window.actions_.trigger("chat.versions")
    panel = ui.chat.pane.versions.view
    await ui.until(lambda: len(rows(ui)) == 3)
    assert panel.current == other
    ui.key(ui.window, Qt.Key.Key_Left, ALT)
    await ui.until(lambda: on_show(ui) == ids)
    await ui.rest()
    assert panel.current == ids[1] and panel.hasFocus()
    ui.key(panel, Qt.Key.Key_Down)  # who looks at what is not on show stays there
    assert panel.current == other
    await ui.app.ask("goes on", chat)
    await ui.until(lambda: len(rows(ui)) == 5)
    assert panel.current == other


async def test_the_panel_leads_to_a_message_far_up(make: Make) -> None:
    ui = await make()
    _, ids = await talk(ui, 300)
    ui.window.actions_.trigger("chat.versions")
    await ui.until(lambda: len(rows(ui)) == 600)
    assert {depth for depth, *_ in rows(ui)} == {0}
    ui.chat.pane.versions.chosen.emit(ids[40])
    await ui.until(lambda: 0 <= top(ui, ids[40]) < 40)


async def test_ten_thousand_messages_are_shown_without_a_break(make: Make) -> None:
    ui = await make()
    chat = (await ui.app.history.create("long")).id
    ids = await branch(ui, chat, None, "x", 4500)
    for number in range(0, 1000, 50):
        await branch(ui, chat, ids[number], f"other {number}", 25)
    ui.chat.open(chat)
    await ui.until(lambda: on_show(ui))
    longest, stop = 0.0, asyncio.Event()

    async def beat() -> None:
        nonlocal longest
        while not stop.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - before)

    ui.window.actions_.trigger("chat.versions")
    beating = asyncio.create_task(beat())
    await ui.until(lambda: len(rows(ui)) == 10_000)
    stop.set()
    await beating
    assert max(row.depth for row in ui.chat.pane.versions.model.rows) <= 8
    assert longest < 0.1


@pytest.mark.parametrize("width", [1280, 1040, 900])
async def test_messages_stay_usable_beside_the_panel(make: Make, width: int) -> None:
    ui = await make(size=(width, 700))
    await talk(ui, 2)
    ui.window.actions_.trigger("chat.versions")
    await asyncio.sleep(0.02)
    panel, composer = ui.chat.pane.versions, ui.chat.pane.composer
    assert view(ui).width() >= 380 and panel.width() >= 220
    right = composer.mapTo(ui.chat.pane, QPoint(composer.width(), 0)).x()
    assert right <= panel.mapTo(ui.chat.pane, QPoint(0, 0)).x()
    ui.chat.show_list(True)  # with a list, too, it lies over them where there is no room
    await asyncio.sleep(0.02)
    assert view(ui).width() >= 320 and panel.geometry().right() == panel.parentWidget().rect().right()
