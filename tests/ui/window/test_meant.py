"""What a command means, and what is taken back, where several parts of the window could be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt

from qwen_desktop.core.commands import COMMANDS
from qwen_desktop.core.paths import resources_folder
from qwen_desktop.ui.assistants import looks
from qwen_desktop.ui.chat.list_view import Picked
from qwen_desktop.ui.chat.tags_dialog import TagsDialog
from qwen_desktop.ui.export_dialog import ExportDialog, words
from qwen_desktop.ui.list_page import ListPage
from qwen_desktop.ui.palette.actions import _ICONS, _LEFT_OUT, action_rows
from qwen_desktop.ui.palette.palette import Palette
from tests.ui.window.test_list import back, click, drag, folder_of, some

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ui.conftest import Make, Ui

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def dialog(ui: Ui) -> ExportDialog:
    found = [each for each in ui.window.findChildren(ExportDialog) if each.isVisible()]
    assert len(found) == 1
    return found[0]


def offered(ui: Ui) -> set[str]:
    """The commands that the palette would list."""
    return {str(row.what) for row in action_rows(ui.window.actions_, "", ui.window.can)}


async def test_what_is_told_last_is_taken_back_first_and_then_what_was_told_before(make: Make) -> None:
    ui, chats, _ = await some(make)
    for chat in chats[1:4]:
        await ui.say("a message") if chat == chats[1] else None
        click(ui, chat)
        ui.chat.sidelist.view.setFocus()
        ui.window.actions_.trigger("chat.pin")
        await ui.rest()

    async def pinned() -> list[bool]:
        return [bool((await ui.app.history.get(chat)).pinned) for chat in chats[1:4]]  # type: ignore[union-attr]

    assert await pinned() == [True, True, True]
    for wanted in ([True, True, False], [True, False, False], [False, False, False]):
        await back(ui)
        await ui.rest()
        assert await pinned() == wanted


async def test_where_the_keyboard_is_says_what_a_command_does_and_is_called(make: Make) -> None:
    ui, chats, folder = await some(make)
    click(ui, chats[2])
    click(ui, chats[4], CTRL)
    actions, side = ui.window.actions_, ui.chat.sidelist
    assert side.view.hasFocus() and actions["chat.delete"].text() == "Delete 2 chats"
    ui.chat.pane.setFocus()
    assert side.picked == Picked((chats[2],))
    assert actions["chat.delete"].text() == "Delete chat"
    side.view.setFocus()
    assert actions["chat.delete"].text() == "Delete 2 chats"
    click(ui, folder["work"])
    assert actions["folder.delete"].isEnabled()
    ui.chat.pane.setFocus()
    assert not actions["folder.delete"].isEnabled(), "no folder is meant"


async def test_the_palette_does_to_what_was_meant_before_it_came(make: Make) -> None:
    ui, chats, _ = await some(make)
    click(ui, chats[2])
    click(ui, chats[4], CTRL)
    ui.key(ui.chat.sidelist.view, Qt.Key.Key_P, CTRL, SHIFT)
    palette = ui.window.findChild(Palette)
    assert isinstance(palette, Palette) and palette.isVisible()
    assert "Archive 2 chats" in [row.title for row in palette.model.rows]
    palette.field.edit.setText("Archive 2")
    palette.field._edited()
    palette.choose()
    await ui.rest()
    gone = {chat for chat in chats if (await ui.app.history.get(chat)).archived}  # type: ignore[union-attr]
    assert gone == {chats[2], chats[4]}
    ui.chat.pane.setFocus()
    assert ui.chat.sidelist.picked == Picked((ui.chat.current,)), "nothing is held any more"


async def test_the_buttons_of_the_header_mean_the_chat_on_show(make: Make) -> None:
    ui, chats, _ = await some(make)
    click(ui, chats[0])
    click(ui, chats[3], CTRL)
    view = ui.chat.sidelist.view
    view.setFocus()
    assert ui.chat.current == chats[0]
    ui.chat.header.export_button.click()
    assert dialog(ui)._wanted.ids == (chats[0],)
    dialog(ui).reject()
    await ui.rest()
    ui.window.activateWindow()
    await ui.until(ui.window.isActiveWindow)
    view.setFocus()
    ui.window.actions_.trigger("chat.export")
    assert dialog(ui)._wanted.ids == (chats[0], chats[3]), "the key means what has the keyboard"


async def test_several_chats_and_a_folder_are_exported_from_their_menus(make: Make, tmp_path: Path) -> None:
    ui, chats, folder = await some(make)
    await ui.app.arranging.move(chats[4:6], folder["deep"])
    await ui.rest()
    click(ui, chats[1])
    click(ui, chats[2], CTRL)
    ui.chat.sidelist.view.setFocus()
    ui.window.actions_.trigger("chat.export")
    assert dialog(ui)._wanted.ids == (chats[1], chats[2])
    dialog(ui).reject()
    ui.chat.sidelist.view.clearSelection()
    click(ui, folder["work"])
    ui.window.actions_.trigger("folder.export")
    await ui.rest()
    shown = dialog(ui)
    shown.format.setCurrentIndex(3)
    shown.export(tmp_path / "work")
    await ui.rest()
    assert len(list((tmp_path / "work").rglob("*.txt"))) == 2


async def test_without_a_chat_on_show_nothing_is_offered_that_needs_one(make: Make) -> None:
    ui = await make()
    assert offered(ui).isdisjoint(
        {
            *(entry.id for entry in COMMANDS if entry.menu in ("chat.copy", "message", "folder")),
            "chat.pin", "chat.move", "chat.tags", "chat.archive", "chat.delete", "chat.export", "chat.versions",
            "chat.next", "chat.previous", "find.open", "answer.stop", "chat.keep",
        }
    )  # fmt: skip
    assert {"chat.new", "chat.instructions", "chat.assistant", "chats.import", "view.sidelist"} <= offered(ui)


async def test_what_is_offered_about_messages_is_what_they_allow(make: Make) -> None:
    ui = await make()
    await ui.say("one")
    some_ = {"answer.copy", "answer.regenerate", "answer.again", "message.edit", "message.fork", "message.delete"}
    assert some_ <= offered(ui)
    assert offered(ui).isdisjoint({"message.previous", "message.next", "answer.continue"})
    ui.window.actions_.trigger("answer.regenerate")
    await ui.rest()
    await ui.until(lambda: "message.previous" in offered(ui))
    assert "message.next" not in offered(ui)
    ui.window.actions_.trigger("message.previous")
    await ui.rest()
    await ui.until(lambda: "message.next" in offered(ui))


@pytest.mark.parametrize("page", ["view.settings", "help.welcome", "view.assistants"])
async def test_the_list_is_shown_or_hidden_where_there_is_one(make: Make, page: str) -> None:
    ui = await make()
    assert "view.sidelist" in offered(ui)
    ui.window.actions_.trigger(page)
    await ui.rest()
    before = ui.window.pages.currentWidget()
    assert ("view.sidelist" in offered(ui)) is isinstance(before, ListPage)


async def test_a_temporary_chat_stays_where_it_is_when_others_are_dragged(make: Make) -> None:
    ui, chats, folder = await some(make)
    ui.window.actions_.trigger("chat.temporary")
    await ui.rest()
    await ui.say("for now")
    made = ui.chat.current
    drag(ui, made, folder["home"], drop=False)
    assert not ui.chat.sidelist.view.drag.active, "it can be in no folder"
    ui.chat.sidelist.view.drag.end(drop=False)
    click(ui, made)
    click(ui, chats[3], CTRL)
    drag(ui, chats[3], folder["home"])
    await ui.rest()
    assert await folder_of(ui, chats[3]) == folder["home"]
    assert ui.toasts()[-1] == "1 chat is in “Home” now."


async def test_a_temporary_chat_is_exported_and_comes_in_as_a_lasting_one(make: Make, tmp_path: Path) -> None:
    ui = await make()
    ui.window.actions_.trigger("chat.temporary")
    await ui.rest()
    await ui.say("for now")
    assert "for now" in (await ui.app.exports.copied(ui.chat.current, words()))[0]
    ui.window.actions_.trigger("chat.export")
    shown = dialog(ui)
    shown.format.setCurrentIndex(4)
    shown.export(tmp_path / "chat.json")
    await ui.rest()
    await ui.app.imports.run(tmp_path / "chat.json")
    listed = await ui.app.history.list()
    assert len(listed) == 1
    assert len(await ui.app.history.tail(listed[0].id, 9)) == 2


async def test_a_tag_leads_to_all_chats_that_have_it(make: Make) -> None:
    ui, chats, _ = await some(make)
    await ui.app.arranging.tag(chats[1:3], add=("two words",))
    ui.chat.open(chats[1])
    await ui.rest()
    ui.window.actions_.trigger("chat.tags")
    await ui.rest()
    tags = ui.window.findChild(TagsDialog)
    assert isinstance(tags, TagsDialog)
    tags._open_menu(tags.chips[0], QPoint(2, 2))
    next(action for action in tags._menu.actions() if action.text() == "Show all chats with it").trigger()
    await ui.rest()
    palette = ui.window.findChild(Palette)
    assert isinstance(palette, Palette) and palette.isVisible()
    assert not [each for each in ui.window.findChildren(TagsDialog) if each.isVisible()]
    assert [chip.typed for chip in palette.field.chips] == ["tag:two-words"]
    await ui.until(lambda: {row.what for row in palette.model.rows if row.kind == "chat"} == set(chats[1:3]))
    assert palette.field.edit.hasFocus() or not ui.window.isActiveWindow()


async def test_a_hit_says_with_which_assistant_it_was_found(make: Make) -> None:
    ui = await make()
    entry = next(entry for entry in ui.app.assistants.list() if looks.in_words(entry).name == "Coder")
    ui.window.chat_with(entry.id)
    await ui.say("heap merge")
    palette = ui.window._palette()
    palette.look_for("heap")
    await ui.until(lambda: [row for row in palette.model.rows if row.kind == "hit"])
    assert next(row.note for row in palette.model.rows if row.kind == "hit").startswith("Coder · ")


def test_each_command_has_an_icon_that_is_there() -> None:
    there = {path.stem for path in (resources_folder() / "icons").glob("*.svg")}
    for command in COMMANDS:
        assert command.id in _LEFT_OUT or _ICONS.get(command.id) in there, command.id
