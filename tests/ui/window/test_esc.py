"""Esc belongs to what has the keyboard first, and stops the answer only where that has no use for it."""

from __future__ import annotations

from PySide6.QtCore import Qt

from tests.scripted_engine import Script
from tests.ui.conftest import Make


async def test_esc_lets_a_selection_go_before_it_stops_the_answer(make: Make) -> None:
    make.script = Script(text="word " * 2000, rate=200)
    ui = await make()
    ui.type("go on")
    ui.press(Qt.Key.Key_Return)
    await ui.until(lambda: ui.chat.transcript.isVisible() and ui.window.actions_["answer.stop"].isEnabled())
    transcript = ui.chat.transcript
    transcript.setFocus(Qt.FocusReason.MouseFocusReason)
    transcript.select_all()
    ui.key(transcript, Qt.Key.Key_Escape)
    await ui.until(lambda: transcript.interaction.selection.empty)
    assert ui.app.chat.running()
    ui.key(transcript, Qt.Key.Key_Escape)
    await ui.rest()
    assert (await ui.messages())[-1].status == "stopped"


async def test_esc_in_the_message_box_stops_the_answer_whatever_is_selected(make: Make) -> None:
    make.script = Script(text="word " * 2000, rate=200)
    ui = await make()
    ui.type("go on")
    ui.press(Qt.Key.Key_Return)
    await ui.until(lambda: ui.chat.transcript.isVisible() and ui.window.actions_["answer.stop"].isEnabled())
    ui.chat.transcript.select_all()
    ui.key(ui.chat.composer.edit, Qt.Key.Key_Escape)
    await ui.rest()
    assert (await ui.messages())[-1].status == "stopped"
