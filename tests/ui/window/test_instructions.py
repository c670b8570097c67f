"""The panel of instructions and values at the side of a conversation."""

from __future__ import annotations

from typing import Any

from msgspec import structs
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtTest import QTest

from qwen_desktop.core.chat import Conversation
from qwen_desktop.core.engine import Capabilities, Sampling, ThinkingMode
from qwen_desktop.ui.chat import instructions_panel
from tests.ui.conftest import Make, Ui

CTRL = Qt.KeyboardModifier.ControlModifier


async def stored(ui: Ui) -> Conversation:
    await ui.rest()
    found = await ui.app.history.get(ui.chat.current)
    assert found is not None
    return found


def panel(ui: Ui) -> Any:
    return ui.chat.pane.instructions


def enter(ui: Ui, name: str, text: str) -> None:
    """Type a value into its field, and leave it."""
    edit = panel(ui).rows[name].control._edit
    edit.setFocus()
    edit.selectAll()
    QTest.keyClick(edit, Qt.Key.Key_Delete)
    QTest.keyClicks(edit, text)
    QTest.keyClick(edit, Qt.Key.Key_Return)


async def test_what_is_typed_before_the_first_message_goes_with_it(make: Make) -> None:
    ui = await make()
    await ui.app.preferences.set("chat.system_prompt", "Be kind.")
    ui.key(ui.window, Qt.Key.Key_I, CTRL)
    assert panel(ui).isVisible()
    assert panel(ui).text.toPlainText() == "Be kind."
    panel(ui).text.selectAll()
    QTest.keyClicks(panel(ui).text, "Be brief.")
    enter(ui, "temperature", "0.25")
    ui.chat.pane.composer.edit.setFocus()
    await ui.say("Hello")
    found = await stored(ui)
    assert (found.system_prompt, found.sampling) == ("Be brief.", Sampling(temperature=0.25))
    ui.chat.new_chat()
    assert panel(ui).text.toPlainText() == "Be kind."
    assert panel(ui).rows["temperature"].control._value is None


async def test_what_was_typed_is_stored_shortly_after_the_last_key(make: Make) -> None:
    ui = await make()
    await ui.say("Hello")
    panel(ui).open()
    panel(ui).text.selectAll()
    QTest.keyClicks(panel(ui).text, "Be brief.")
    await ui.until(lambda: not panel(ui)._timer.isActive())
    await ui.rest()
    assert (await stored(ui)).system_prompt == "Be brief."
    assert panel(ui).text.toPlainText() == "Be brief."


async def test_what_is_typed_for_a_new_chat_survives_a_restart(make: Make) -> None:
    ui = await make()
    panel(ui).open()
    QTest.keyClicks(panel(ui).text, "Be brief.")
    enter(ui, "top_k", "30")
    panel(ui).flush()
    await ui.app.drafts.save(durable=True)
    again = type(ui.app.drafts)(ui.app.db, ui.app.bus)
    await again.load()
    setup = again.setup("")
    assert (setup.system_prompt, setup.sampling) == ("Be brief.", Sampling(top_k=30))


async def test_what_was_typed_for_a_chat_is_not_that_of_the_next_one_however_soon_that_comes(make: Make) -> None:
    ui = await make()
    panel(ui).open()
    QTest.keyClicks(panel(ui).text, "Be brief.")
    ui.type("One")
    ui.press(Qt.Key.Key_Return)
    ui.chat.new_chat()  # before the first one is stored
    await ui.rest()
    (first,) = await ui.app.history.list()
    assert first.system_prompt == "Be brief."
    assert panel(ui).text.toPlainText() == ""
    await ui.say("Two")
    assert (await stored(ui)).system_prompt == ""


async def test_a_change_is_stored_at_once_and_follows_the_conversation(make: Make) -> None:
    ui = await make()
    await ui.say("One")
    first = ui.chat.current
    panel(ui).open()
    QTest.keyClicks(panel(ui).text, "Only in the first.")
    ui.chat.new_chat()  # before the pause after the last key
    await ui.say("Two")
    assert (await stored(ui)).system_prompt == ""
    enter(ui, "min_p", "0.1")
    enter(ui, "context", "8192")
    found = await stored(ui)
    assert (found.sampling, found.context) == (Sampling(min_p=0.1), 8192)
    enter(ui, "min_p", "")
    found = await stored(ui)
    assert found.sampling is None
    ui.chat.open(first)
    await ui.rest()
    assert panel(ui).text.toPlainText() == "Only in the first."
    assert (await stored(ui)).system_prompt == "Only in the first."
    assert panel(ui).rows["context"].control._value is None


async def test_the_window_that_closes_stores_what_was_just_typed(make: Make) -> None:
    ui = await make()
    await ui.say("One")
    panel(ui).open()
    QTest.keyClicks(panel(ui).text, "Never lost")
    ui.window.leave()
    assert (await stored(ui)).system_prompt == "Never lost"


async def test_what_cannot_be_is_said_and_not_stored(make: Make) -> None:
    ui = await make()
    await ui.say("One")
    panel(ui).open()
    enter(ui, "temperature", "9")
    row = panel(ui).rows["temperature"]
    assert "2" in row.problem.text()
    assert row.problem.isVisible()
    assert (await stored(ui)).sampling is None
    panel(ui).text.setPlainText("Be kind.\n" * (instructions_panel.LONGEST // 9 + 1))
    panel(ui).flush()
    assert "20,000" in panel(ui).problem.text()
    panel(ui).text.clear()
    pasted = QMimeData()
    pasted.setText("x" * 2_000_000)
    panel(ui).text.insertFromMimeData(pasted)
    assert panel(ui).text.toPlainText() == ""
    assert "20,000" in panel(ui).problem.text()
    assert (await stored(ui)).system_prompt == ""


async def test_quick_changes_end_as_the_last_one(make: Make) -> None:
    ui = await make()
    await ui.say("One")
    panel(ui).open()
    for value in ("0.1", "0.2", "", "0.7", ""):
        enter(ui, "temperature", value)
    assert (await stored(ui)).sampling is None
    assert panel(ui).rows["temperature"].control._value is None


async def test_reset_takes_the_values_of_settings_and_can_be_undone(make: Make) -> None:
    ui = await make()
    await ui.app.preferences.set("chat.system_prompt", "Be kind.")
    await ui.say("One")
    panel(ui).open()
    panel(ui).text.setPlainText("Mine")
    enter(ui, "temperature", "0.5")
    panel(ui).flush()
    await ui.rest()
    panel(ui).reset_button.click()
    found = await stored(ui)
    assert (found.system_prompt, found.sampling) == ("Be kind.", None)
    ui.window.notify.undo_last()
    found = await stored(ui)
    assert (found.system_prompt, found.sampling) == ("Mine", Sampling(temperature=0.5))
    assert panel(ui).text.toPlainText() == "Mine"


async def test_one_panel_at_a_time_and_esc_closes_it(make: Make) -> None:
    ui = await make()
    await ui.say("One")
    header = ui.chat.header
    ui.window.actions_.trigger("chat.versions")
    assert ui.chat.pane.versions.isVisible()
    header.instructions_button.click()
    assert panel(ui).isVisible()
    assert not ui.chat.pane.versions.isVisible()
    assert header.instructions_button.isChecked()
    QTest.keyClick(panel(ui).text, Qt.Key.Key_Escape)
    assert not panel(ui).isVisible()
    assert not header.instructions_button.isChecked()
    await ui.until(ui.chat.pane.composer.edit.hasFocus)


async def test_the_value_in_force_is_shown(make: Make) -> None:
    ui = await make()
    await ui.say("One")
    panel(ui).open()
    field = panel(ui).rows["temperature"].control.field
    assert field.currentText().startswith(("Model card", "As the model card says"))
    await ui.app.preferences.set("sampling.temperature", 0.3)
    assert field.currentText() == "As in Settings (0.3)"
    assert "4,096" in panel(ui).rows["context"].control.field.currentText()


async def test_what_the_card_says_follows_the_thinking_mode(make: Make) -> None:
    ui = await make()
    await ui.say("One")
    panel(ui).open()
    info = ui.chat.pane.setup.model_state.info
    cards = {"thinking_sampling": Sampling(temperature=0.6), "direct_sampling": Sampling(temperature=0.7)}
    can = Capabilities(thinking=tuple(ThinkingMode))
    info = structs.replace(info, capabilities=can, local=structs.replace(info.local, **cards))
    field = panel(ui).rows["temperature"].control.field
    for mode, shown in ((ThinkingMode.AUTO, "0.6"), (ThinkingMode.THINK, "0.6"), (ThinkingMode.DIRECT, "0.7")):
        panel(ui).show_defaults(ui.app.preferences.settings, info, mode)
        assert field.currentText() == f"Model card ({shown})"
        assert field.lineEdit().cursorPosition() == 0, "read from its beginning"
