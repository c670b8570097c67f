"""Temporary chats in the window."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from qwen_desktop.core.chat import is_temporary
from qwen_desktop.ui.chat.conversations import ID_ROLE
from tests.ui.conftest import Make

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


async def test_it_is_shown_as_one_and_the_next_start_does_not_know_it(make: Make) -> None:
    ui = await make()
    await ui.say("A usual one")
    usual = ui.chat.current
    ui.key(ui.window, Qt.Key.Key_T, CTRL, SHIFT)
    await ui.rest()
    pane, header, model = ui.chat.pane, ui.chat.header, ui.chat.sidelist.model
    where = ui.chat.current
    assert is_temporary(where)
    assert header.temporary.isVisible()
    for button in (header.keep_button, header.find_button, header.export_button):
        assert not button.isVisible()  # there is nothing yet
    assert header.menu_button.isVisible()
    assert pane.composer._dashed
    assert "gone" in pane.empty._text.text()
    ui.key(ui.window, Qt.Key.Key_T, CTRL, SHIFT)  # it is empty: another one would be the same
    await ui.rest()
    assert ui.chat.current == where
    await ui.say("A secret one")
    assert header.keep_button.isVisible()
    assert [item.message.role.value for item in pane.transcript.items] == ["user", "assistant"]
    heading = model.index(0, 0)
    assert heading.data() == "Temporary"
    assert model.index(0, 0, heading).data(ID_ROLE) == where
    assert ui.window.state.conversation == usual
    ui.chat.open(usual)
    await ui.rest()
    assert not header.temporary.isVisible()
    assert not pane.composer._dashed
    ui.chat.open(where)  # it is there as long as the app is open
    await ui.rest()
    assert len(pane.transcript.items) == 2
    assert [entry.id for entry in await ui.app.history.list()] == [usual]
    assert b"secret" not in ui.app.paths.database_file.read_bytes()


@pytest.mark.parametrize("others", [0, 2])
async def test_it_is_kept_when_asked_and_stays_on_show(make: Make, others: int) -> None:
    ui = await make()
    for number in range(others):
        ui.chat.new_chat()
        await ui.say(f"Another {number}")
        ui.window.actions_.trigger("chat.pin")  # stands below the temporary one, and above what that becomes
        await ui.rest()
    before = set(ui.chat.sidelist.model.ids())
    ui.window.actions_.trigger("chat.temporary")
    await ui.rest()
    await ui.say("Keep me")
    ui.type("and this draft")
    where = ui.chat.current
    ui.chat.header.keep_button.click()
    await ui.rest()
    assert ui.chat.current == where[1:]
    assert ui.chat.pane.composer.draft.text == "and this draft"
    assert not ui.chat.header.temporary.isVisible()
    assert [entry.title for entry in await ui.app.history.list() if entry.id not in before] == ["Keep me"]
    assert set(ui.chat.sidelist.model.ids()) == {where[1:], *before}
    assert not ui.chat.header.keep_button.isVisible()
    await ui.until(lambda: len(ui.chat.pane.transcript.items) == 2)
    assert ui.chat.header.title.text() == "Keep me"


async def test_it_can_be_deleted_with_undo(make: Make) -> None:
    ui = await make()
    ui.window.actions_.trigger("chat.temporary")
    await ui.rest()
    await ui.say("Not yet")
    where = ui.chat.current
    ui.window.actions_.trigger("chat.delete")
    await ui.rest()
    assert ui.chat.sidelist.model.ids() == []
    ui.window.notify.undo_last()
    await ui.rest()
    assert ui.chat.current == where
