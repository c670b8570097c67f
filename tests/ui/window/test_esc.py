"""Esc belongs to what has the keyboard first, and stops the answer only where that has no use for it."""

from __future__ import annotations

import asyncio

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit, QWidget

from qwen_desktop.ui.palette.palette import Palette
from tests.scripted_engine import Script
from tests.ui.conftest import Make, Ui


async def test_esc_lets_a_selection_go_before_it_stops_the_answer(make: Make) -> None:
    make.script = Script(text="word " * 2000, rate=200)
    ui = await make()
    ui.type("go on")
    ui.press(Qt.Key.Key_Return)
    await ui.until(lambda: ui.chat.pane.transcript.isVisible() and ui.window.actions_["answer.stop"].isEnabled())
    transcript = ui.chat.pane.transcript
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
    await ui.until(lambda: ui.chat.pane.transcript.isVisible() and ui.window.actions_["answer.stop"].isEnabled())
    ui.chat.pane.transcript.select_all()
    ui.key(ui.chat.pane.composer.edit, Qt.Key.Key_Escape)
    await ui.rest()
    assert (await ui.messages())[-1].status == "stopped"


def somewhere(ui: Ui, place: str) -> QWidget:
    """Where the keyboard is."""
    side, pane = ui.chat.sidelist, ui.chat.pane
    if place in ("Settings", "Models", "Welcome page"):
        ui.window.show_page({"Settings": "view.settings", "Models": "view.models"}.get(place, "help.welcome"))
        focused = ui.window.focusWidget()
        assert focused is not None
        return focused
    if place == "rename":
        ui.window.actions_.trigger("chat.rename")
        return side.view.findChild(QLineEdit, "rename")
    if place == "search":
        ui.window.actions_.trigger("chat.find")
        return ui.window.findChild(Palette).field.edit
    if place in ("empty Find", "Find"):
        pane.find_bar.open()
        pane.find_bar.field.setText("wo" if place == "Find" else "")
    return {
        "message box": pane.composer.edit,
        "transcript": pane.transcript,
        "model button": pane.composer.model,
        "list": side.view,
    }.get(place, pane.find_bar.field)


@pytest.mark.parametrize(
    ("place", "stops"),
    [
        *((place, True) for place in ("message box", "transcript", "list", "model button")),
        *((place, False) for place in ("empty Find", "Find", "search", "rename", "Settings", "Models", "Welcome page")),
    ],
)
async def test_escape_stops_the_answer_that_is_in_sight_and_is_a_fields_own(
    make: Make, place: str, stops: bool
) -> None:
    make.script = Script(text="word " * 400, rate=50)
    ui = await make()
    ui.type("word")
    ui.press(Qt.Key.Key_Return)
    await ui.until(lambda: ui.app.deltas() and ui.chat.current)
    where = somewhere(ui, place)
    where.setFocus()
    ui.key(where, Qt.Key.Key_Escape)
    await asyncio.sleep(0.05)
    if stops:
        await ui.until(lambda: not ui.app.chat.running())
    else:
        assert ui.app.chat.running()
    if place in ("empty Find", "Find", "search", "rename"):
        assert ui.window.focusWidget() is (ui.chat.sidelist.view if place == "rename" else ui.chat.pane.composer.edit)
        assert ui.chat.pane.find_bar.isHidden()
    await ui.app.stop_all()
