"""Arranging the list of chats: by mouse, menu and keyboard, for one and for many, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit

from qwen_desktop.ui.chat.list_nodes import ARCHIVE
from qwen_desktop.ui.chat.list_view import Picked
from qwen_desktop.ui.chat.move_dialog import MoveDialog
from qwen_desktop.ui.chat.tags_dialog import TagsDialog
from qwen_desktop.ui.export_dialog import ExportDialog
from qwen_desktop.ui.widgets.buttons import TextButton
from qwen_desktop.ui.widgets.dialog import Dialog

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LEFT = Qt.MouseButton.LeftButton


async def some(make: Make, count: int = 6) -> tuple[Ui, list[str], dict[str, str]]:
    """A window with chats, the first one on top and on show, and the folders Work, Work / Deep and Home."""
    ui = await make()
    chats = [(await ui.app.history.create(f"chat {number}")).id for number in reversed(range(count))][::-1]
    arranging = ui.app.arranging
    work, _ = await arranging.create_folder("Work")
    deep, _ = await arranging.create_folder("Deep", work.id)
    home, _ = await arranging.create_folder("Home")
    ui.chat.open(chats[0])
    await ui.rest()
    ui.chat.sidelist.view.setFocus()
    return ui, chats, {"work": work.id, "deep": deep.id, "home": home.id}


def place(ui: Ui, row: str) -> QPoint:
    view = ui.chat.sidelist.view
    index = view.tree.index_of(row)
    if not index.isValid():
        index = view.tree.folder_index(row)
    assert index.isValid(), f"{row} is not shown"
    view.scrollTo(index)
    point: QPoint = view.visualRect(index).center()
    return point


def click(ui: Ui, row: str, *held: Qt.KeyboardModifier) -> None:
    modifiers = Qt.KeyboardModifier.NoModifier
    for each in held:
        modifiers |= each
    QTest.mouseClick(ui.chat.sidelist.view.viewport(), LEFT, modifiers, place(ui, row))


def drag(ui: Ui, row: str, to: QPoint | str, *, drop: bool = True) -> None:
    port = ui.chat.sidelist.view.viewport()
    start = place(ui, row)
    QTest.mousePress(port, LEFT, pos=start)
    QTest.mouseMove(port, start + QPoint(0, 15))
    end = place(ui, to) if isinstance(to, str) else to
    QTest.mouseMove(port, end)
    if drop:
        QTest.mouseRelease(port, LEFT, pos=end)


async def folder_of(ui: Ui, chat: str) -> str:
    found = await ui.app.history.get(chat)
    assert found is not None
    return found.folder_id


async def back(ui: Ui) -> None:
    """Ctrl+Z in the list, once the window is in front again."""
    ui.window.activateWindow()
    await ui.until(ui.window.isActiveWindow)
    ui.chat.sidelist.view.setFocus()
    ui.key(ui.chat.sidelist.view, Qt.Key.Key_Z, CTRL)
    await ui.rest()


def dialog_of(ui: Ui, kind: type[Any]) -> Any:
    found = [each for each in ui.window.findChildren(kind) if each.isVisible()]
    assert len(found) == 1
    return found[0]


async def test_chats_and_folders_are_dragged_many_at_once_and_it_is_taken_back(make: Make) -> None:
    ui, chats, folder = await some(make)
    view, model = ui.chat.sidelist.view, ui.chat.sidelist.model
    click(ui, chats[1])
    click(ui, chats[3], SHIFT)
    assert view.picked == Picked((chats[1], chats[2], chats[3])) and ui.chat.current == chats[1]
    drag(ui, chats[2], folder["work"])
    await ui.rest()
    assert [await folder_of(ui, chat) for chat in chats[:5]] == ["", *[folder["work"]] * 3, ""]
    assert ui.toasts()[-1] == "3 chats are in “Work” now."
    ui.key(view, Qt.Key.Key_Z, CTRL)
    await ui.rest()
    assert [await folder_of(ui, chat) for chat in chats[:5]] == [""] * 5
    drag(ui, folder["home"], folder["work"])
    await ui.rest()
    assert model.folders.up(folder["home"]) == folder["work"]
    drag(ui, folder["work"], folder["home"] if model.folder_index(folder["home"]).isValid() else folder["work"])
    await ui.rest()
    assert model.folders.up(folder["work"]) == "", "a folder does not go into itself"


async def test_a_drag_shows_where_it_goes_opens_folders_and_does_nothing_elsewhere(make: Make) -> None:
    ui, chats, folder = await some(make)
    view, model = ui.chat.sidelist.view, ui.chat.sidelist.model
    drag(ui, chats[1], folder["home"], drop=False)
    assert view.drag.active and view.drag.home == folder["home"]
    marked, accent = (
        view.viewport().grab(view.visualRect(model.folder_index(folder["home"]))).toImage(),
        ui.theme.color("accent"),
    )
    assert any(marked.pixelColor(x, 1).name() == accent.name() for x in range(marked.width()))
    assert model.index(0, 0).data() == "Pinned", "somewhere to drop it"
    QTest.mouseMove(view.viewport(), place(ui, folder["work"]))
    await ui.until(lambda: folder["work"] in model.opened)
    QTest.mouseMove(view.viewport(), QPoint(-60, -60))
    assert view.drag.home is None
    QTest.mouseRelease(view.viewport(), LEFT, pos=QPoint(-60, -60))
    await ui.rest()
    assert not view.drag.active and folder["work"] not in model.opened, "closed again"
    assert ui.toasts() == [] and await folder_of(ui, chats[1]) == ""
    assert model.index(0, 0).data() == "Folders"
    drag(ui, chats[1], folder["home"], drop=False)
    ui.key(view, Qt.Key.Key_Escape)
    QTest.mouseRelease(view.viewport(), LEFT, pos=place(ui, folder["home"]))
    await ui.rest()
    assert await folder_of(ui, chats[1]) == "", "Esc gives it up"


async def test_chats_are_dragged_to_pinned_out_of_folders_and_into_the_archive(make: Make) -> None:
    ui, chats, folder = await some(make)
    view, model = ui.chat.sidelist.view, ui.chat.sidelist.model
    drag(ui, chats[1], QPoint(60, 8))
    await ui.rest()
    assert model.ids()[0] == chats[1] and model.index(0, 0).data() == "Pinned"
    assert ui.chat.current == chats[0], "what is dragged is not opened"
    await ui.app.arranging.move([chats[2]], folder["work"])
    await ui.app.arranging.archive([chats[5]])
    model.set_open(folder["work"], True)
    drag(ui, chats[2], chats[4])
    await ui.rest()
    assert await folder_of(ui, chats[2]) == ""
    drag(ui, chats[1], chats[4])
    await ui.rest()
    assert model.index(0, 0).data() == "Folders", "nothing is pinned"
    drag(ui, chats[4], ARCHIVE)
    await ui.rest()
    found = await ui.app.history.get(chats[4])
    assert found is not None and found.archived
    click(ui, ARCHIVE)
    assert model.ids()[-2:] == [chats[4], chats[5]]
    drag(ui, chats[4], folder["home"])
    await ui.rest()
    found = await ui.app.history.get(chats[4])
    assert found is not None and not found.archived and found.folder_id == folder["home"]
    assert view.picked.chats == (chats[0],) or view.picked == Picked()


async def test_a_list_that_is_longer_than_the_window_scrolls_while_dragging(make: Make) -> None:
    ui, chats, _ = await some(make, 60)
    view = ui.chat.sidelist.view
    bar = view.verticalScrollBar()
    drag(ui, chats[0], QPoint(60, view.viewport().height() - 4), drop=False)
    await ui.until(lambda: bar.value() > 60)
    QTest.mouseMove(view.viewport(), QPoint(60, 4))
    await ui.until(lambda: bar.value() == 0)
    ui.key(view, Qt.Key.Key_Escape)
    assert not view.drag.active


async def test_all_of_it_with_the_keyboard(make: Make) -> None:
    ui, chats, folder = await some(make)
    side, view, model = ui.chat.sidelist, ui.chat.sidelist.view, ui.chat.sidelist.model
    ui.key(view, Qt.Key.Key_Home)
    assert model.row(view.currentIndex()).id == folder["home"], "folders are reached"
    ui.key(view, Qt.Key.Key_Down)
    ui.key(view, Qt.Key.Key_Right)
    assert folder["work"] in model.opened and model.row(view.currentIndex()).id == folder["work"]
    ui.key(view, Qt.Key.Key_Right)
    assert model.row(view.currentIndex()).id == folder["deep"]
    ui.key(view, Qt.Key.Key_Left)
    ui.key(view, Qt.Key.Key_Left)
    assert folder["work"] not in model.opened
    ui.key(view, Qt.Key.Key_Return)
    assert folder["work"] in model.opened
    assert ui.chat.current == chats[0], "a folder on the way changes nothing of what is on show"
    ui.key(ui.window, Qt.Key.Key_F2)
    field = view.findChild(QLineEdit, "rename")
    assert field is not None
    field.setText("Office")
    QTest.keyClick(field, Qt.Key.Key_Return)
    await ui.rest()
    assert model.folders.all[folder["work"]].name == "Office"

    click(ui, chats[1])
    ui.key(view, Qt.Key.Key_Down, SHIFT)
    ui.key(view, Qt.Key.Key_Down, SHIFT)
    assert side.picked.chats == tuple(chats[1:4]) and ui.chat.current == chats[1]
    ui.key(ui.window, Qt.Key.Key_D, CTRL)
    await ui.rest()
    assert set(model.ids()[:3]) == set(chats[1:4]) and ui.toasts()[-1] == "3 chats are pinned."
    assert set(side.picked.chats) == set(chats[1:4]), "they stay selected where they are now"
    ui.key(view, Qt.Key.Key_A, CTRL, SHIFT)
    await ui.rest()
    assert model.row(model.folder_index(ARCHIVE)).chats == 3
    ui.key(view, Qt.Key.Key_Z, CTRL)
    await ui.rest()
    assert not model.folder_index(ARCHIVE).isValid() and set(model.ids()[:3]) == set(chats[1:4])
    click(ui, chats[0])
    ui.key(view, Qt.Key.Key_A, CTRL)
    assert len(side.picked.chats) >= 3


async def test_many_are_deleted_and_brought_back_with_one_undo(make: Make) -> None:
    ui, chats, _ = await some(make)
    view = ui.chat.sidelist.view
    click(ui, chats[0])
    click(ui, chats[2], SHIFT)
    ui.key(view, Qt.Key.Key_Delete)
    await ui.rest()
    assert ui.chat.sidelist.model.ids() == chats[3:] and ui.chat.current == chats[3]
    assert ui.toasts()[-1] == "3 chats are deleted."
    ui.key(view, Qt.Key.Key_Z, CTRL)
    await ui.rest()
    assert ui.chat.sidelist.model.ids() == chats and ui.chat.current == chats[0]


async def test_a_folder_is_deleted_alone_or_with_its_chats(make: Make) -> None:
    ui, chats, folder = await some(make)
    view, model = ui.chat.sidelist.view, ui.chat.sidelist.model
    await ui.app.arranging.move(chats[:2], folder["work"])
    for button, left in (("Keep the chats", 6), ("Delete all", 4)):
        click(ui, folder["work"])
        ui.key(view, Qt.Key.Key_Delete)
        dialog = dialog_of(ui, Dialog)
        {each.text(): each for each in dialog.findChildren(TextButton)}[button].click()
        await ui.rest()
        assert folder["work"] not in model.folders and len(model) == left
        await back(ui)
        assert folder["work"] in model.folders and len(model) == 6
        assert [await folder_of(ui, chat) for chat in chats[:3]] == [folder["work"], folder["work"], ""]
    click(ui, folder["home"])
    ui.key(view, Qt.Key.Key_Delete)
    await ui.rest()
    assert folder["home"] not in model.folders, "an empty one goes without a question"


async def test_chats_are_moved_by_the_dialog_into_a_folder_or_a_new_one(make: Make) -> None:
    ui, chats, folder = await some(make)
    ui.key(ui.window, Qt.Key.Key_O, CTRL, SHIFT)
    dialog = dialog_of(ui, MoveDialog)
    QTest.keyClicks(dialog.field, "dee")
    ui.key(dialog.field, Qt.Key.Key_Return)
    await ui.rest()
    assert await folder_of(ui, chats[0]) == folder["deep"]
    assert not ui.chat.sidelist.model.index_of(chats[0]).isValid(), "its folder stays closed"
    ui.window.actions_.trigger("chat.move")
    dialog = dialog_of(ui, MoveDialog)
    QTest.keyClicks(dialog.field, "Brand new")
    ui.key(dialog.field, Qt.Key.Key_Return)
    await ui.rest()
    where = await folder_of(ui, chats[0])
    assert ui.chat.sidelist.model.folders.all[where].name == "Brand new"
    await back(ui)
    assert await folder_of(ui, chats[0]) == folder["deep"] and where not in ui.chat.sidelist.model.folders


async def test_tags_are_edited_for_many(make: Make) -> None:
    ui, chats, _ = await some(make)
    await ui.app.arranging.tag(chats[:1], add=["old", "some"])
    await ui.app.arranging.tag(chats[1:2], add=["old"])
    await ui.app.arranging.tag(chats[4:], add=["known"])
    click(ui, chats[0])
    click(ui, chats[1], CTRL)
    ui.window.actions_.trigger("chat.tags")
    await ui.rest()
    dialog = dialog_of(ui, TagsDialog)
    assert [chip.body.accessibleName() for chip in dialog.chips] == ["old", "some, 1 of 2"]
    QTest.keyClicks(dialog.field, "New one,")
    dialog.chips[1].remove.click() if dialog.chips[1].tag == "old" else None
    next(chip for chip in dialog.chips if chip.tag == "some").body.click()
    next(button for button in dialog.findChildren(TextButton) if button.text() == "known").click()
    ui.key(dialog.field, Qt.Key.Key_Return)
    await ui.rest()
    for chat in chats[:2]:
        found = await ui.app.history.get(chat)
        assert found is not None and set(found.tags) >= {"some", "new-one", "known"}
    assert "Tags: " in ui.chat.sidelist.model.index_of(chats[0]).data(int(Qt.ItemDataRole.ToolTipRole))
    await back(ui)
    found = await ui.app.history.get(chats[1])
    assert found is not None and found.tags == ("old",)


async def test_the_menu_of_the_header_means_the_chat_on_show_and_a_folders_menu_the_folder(make: Make) -> None:
    ui, chats, folder = await some(make)
    side = ui.chat.sidelist
    click(ui, chats[0])
    click(ui, chats[2], SHIFT)
    ui.chat.header.menu_button.click()
    assert side.picked == Picked((chats[0],)), "not what is selected in the list"
    QTest.keyClick(QApplication.activePopupWidget(), Qt.Key.Key_Escape)
    ui.window.activateWindow()
    await ui.until(ui.window.isActiveWindow)
    side.view.setFocus()
    await ui.until(lambda: side.picked == Picked(tuple(chats[:3])))
    at = place(ui, folder["home"])
    port = side.view.viewport()
    QApplication.sendEvent(port, QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, port.mapToGlobal(at)))
    menu = QApplication.activePopupWidget()
    action = ui.window.actions_["folder.chat"]
    assert action.isEnabled() and menu is not None
    QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(action).center())
    await ui.rest()
    assert ui.chat.header.title.text().endswith("Home\u2069") or "Home" in ui.chat.header.title.text()
    await ui.say("hello")
    assert await folder_of(ui, ui.chat.current) == folder["home"]
    assert folder["home"] in side.model.opened and side.model.index_of(ui.chat.current).isValid()


async def test_the_menu_of_the_list_has_what_is_done_with_any_chat_and_exports_what_it_means(make: Make) -> None:
    ui, chats, _ = await some(make)
    side, actions = ui.chat.sidelist, ui.window.actions_
    of_one_on_show = {"chat.versions", "chat.instructions", "chat.assistant"}
    names = {action.objectName() for action in side._menu.actions()}
    assert names.isdisjoint(of_one_on_show) and "chat.export" in names
    assert {action.objectName() for action in ui.chat.header._menu.actions()} >= of_one_on_show | names
    click(ui, chats[1])
    click(ui, chats[2], CTRL)
    ui.chat.open("")
    await ui.rest()
    at = place(ui, chats[2])
    port = side.view.viewport()
    QApplication.sendEvent(port, QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, port.mapToGlobal(at)))
    menu = QApplication.activePopupWidget()
    meant = side.picked.chats
    assert menu is not None and actions["chat.export"].isEnabled() and chats[2] in meant
    QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(actions["chat.export"]).center())
    dialog = dialog_of(ui, ExportDialog)
    assert dialog._wanted.ids == meant
    dialog.reject()


async def test_the_buttons_of_the_header_mean_the_chat_on_show(make: Make) -> None:
    ui, chats, _ = await some(make)
    ui.chat.new_chat()
    await ui.say("Hello")
    here = ui.chat.current
    click(ui, chats[2], CTRL)
    click(ui, chats[3], CTRL)
    assert here == ui.chat.current and len(ui.chat.sidelist.picked.chats) >= 2
    ui.chat.header.export_button.click()
    dialog = dialog_of(ui, ExportDialog)
    assert dialog._wanted.ids == (here,)
    dialog.reject()


async def test_folders_that_were_open_are_open_at_the_next_start_and_a_new_one_is_named(make: Make) -> None:
    ui, _, folder = await some(make)
    side = ui.chat.sidelist
    click(ui, folder["work"])
    side.folder_button.click()
    await ui.rest()
    field = side.view.findChild(QLineEdit, "rename")
    assert field is not None and field.hasFocus()
    field.setText("Fresh")
    QTest.keyClick(field, Qt.Key.Key_Return)
    await ui.rest()
    assert "Fresh" in {each.name for each in await ui.app.arranging.folders()}
    await ui.until(lambda: ui.window._state_file.read().folders == (folder["work"],))


async def test_a_screen_reader_hears_what_a_folder_is_and_how_many_it_has(make: Make) -> None:
    ui, chats, folder = await some(make)
    await ui.app.arranging.move(chats[:3], folder["deep"])
    model = ui.chat.sidelist.model
    model.set_open(folder["work"], True)
    await ui.until(lambda: not ui.chat.sidelist.view.visualRect(model.folder_index(folder["deep"])).isEmpty())
    top = QAccessible.queryAccessibleInterface(ui.chat.sidelist.view)
    children = [child for number in range(top.childCount()) if (child := top.child(number)) is not None]
    names = [child.text(QAccessible.Text.Name) for child in children]
    assert "Work, folder, 3 chats, open" in names and "Deep, folder, 3 chats, closed" in names
    assert "Home, folder, 0 chats, closed" in names


async def test_what_is_written_and_not_sent_shows_in_the_list_and_stays_through_moves_and_a_start(make: Make) -> None:
    ui, chats, folder = await some(make)
    ui.type("half a thought")
    ui.chat.open(chats[1])
    model = ui.chat.sidelist.model
    assert model.row(model.index_of(chats[0])).unsent and not model.row(model.index_of(chats[1])).unsent
    await ui.app.arranging.move([chats[0]], folder["home"])
    await ui.app.arranging.archive([chats[0]])
    await ui.app.drafts.save()
    again = type(ui.app.drafts)(ui.app.db, ui.app.bus)
    await again.load()
    assert again.of(chats[0]).text == "half a thought" and again.unsent() == {chats[0]}
    ui.chat.open(chats[0])
    assert ui.chat.pane.composer.draft.text == "half a thought"


async def test_a_folder_is_made_and_named_in_one_and_taken_back_in_one(make: Make) -> None:
    ui, chats, folder = await some(make)
    side = ui.chat.sidelist
    ui.window.actions_.trigger("folder.new")
    await ui.until(lambda: side.view.viewport().findChildren(QLineEdit))
    editor = side.view.viewport().findChildren(QLineEdit)[0]
    QTest.keyClicks(editor, "Letters")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    await ui.until(lambda: any("Letters" in toast for toast in ui.toasts()))
    await ui.rest()
    assert len(ui.window.notify.toasts.shown) == 1 and ui.toasts()[-1] == "The folder “Letters” is created."
    made = next(key for key, folder in side.model.folders.all.items() if folder.name == "Letters")
    await back(ui)
    assert made not in side.model.folders and side.model.folder_index(folder["home"]).isValid()
    drag(ui, chats[1], folder["home"])
    await ui.rest()
    assert ui.toasts()[-1] == "“chat 1” is in “Home” now."


async def test_a_later_name_of_a_folder_is_told_by_itself(make: Make) -> None:
    ui, _, folder = await some(make)
    ui.chat.lists.rename_folder(folder["home"], "House")
    await ui.rest()
    assert ui.toasts()[-1] == "The folder is now called “House”."


async def test_large_text_leaves_new_chat_its_words(make: Make) -> None:
    ui = await make()
    side = ui.chat.sidelist
    assert side.folder_button.isVisible()
    ui.theme.set_text_size(200)
    await ui.rest()
    side.setFixedWidth(272)
    await ui.rest()
    assert side.new_button.width() >= side.new_button.sizeHint().width()
