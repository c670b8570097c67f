"""Prompts in line: written while an answer runs, edited, moved, taken out, and sent one after the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.drafts import Draft, pasted
from qwen_desktop.core.errors import Environment
from qwen_desktop.core.parts import Role, visible_text
from qwen_desktop.core.text import Text
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

ENTER = Qt.Key.Key_Return
ALT = Qt.KeyboardModifier.AltModifier
LONG = Script(text="word " * 4000, rate=50)


async def running(make: Make, *queued: str, script: Script = LONG) -> Ui:
    """A window in which an answer runs, with these prompts in line."""
    make.script = script
    ui = await make()
    ui.type("first")
    ui.press(ENTER)
    await ui.until(ui.app.deltas)
    for text in queued:
        ui.type(text)
        ui.press(ENTER)
    return ui


def line(ui: Ui) -> list[str]:
    """The chips on show."""
    return [chip.prompt.text() for chip in ui.chat.pane.composer.line.chips]


async def asked(ui: Ui) -> list[str]:
    return [visible_text(message.parts) for message in await ui.messages() if message.role is Role.USER]


async def test_enter_while_an_answer_runs_puts_the_prompt_in_line(make: Make) -> None:
    ui = await running(make)
    composer = ui.chat.pane.composer
    assert composer.line.isHidden()
    assert composer.queue_button.isHidden()
    ui.type("second")
    assert composer.queue_button.isVisible()
    assert composer.button.icon_name == "stop"  # stays reachable
    ui.press(ENTER)
    assert not composer.draft
    ui.type("third")
    QTest.mouseClick(composer.queue_button, Qt.MouseButton.LeftButton)
    assert line(ui) == ["second", "third"]
    assert composer.line.isVisible()
    assert not composer.line.go_on.isVisible()
    assert await asked(ui) == ["first"]


async def test_the_line_is_sent_one_by_one_also_when_another_chat_is_on_show(make: Make) -> None:
    ui = await running(make, "second", "third", script=Script(text="word " * 20, rate=200))
    where = ui.chat.current
    make.script = Script(text="Short.")
    ui.chat.new_chat()
    assert not line(ui)
    await ui.until(lambda: not ui.app.queue.of(where) and not ui.app.chat.running())
    ui.chat.open(where)
    assert await asked(ui) == ["first", "second", "third"]
    assert not line(ui)


async def test_after_a_stop_the_line_waits_until_enter_or_the_button(make: Make) -> None:
    ui = await running(make, "second", "third")
    pane = ui.chat.pane
    ui.window.actions_.trigger("answer.stop")
    await ui.rest()
    assert pane.composer.line.go_on.isVisible()
    assert pane.status.keys.text() == "Enter to go on"
    ui.type("x")
    assert pane.status.keys.text().startswith("Enter to send")
    ui.press(Qt.Key.Key_Backspace)
    assert pane.status.keys.text() == "Enter to go on"
    assert await asked(ui) == ["first"]
    make.script = Script()
    ui.press(ENTER)
    await ui.until(lambda: not line(ui) and not ui.app.chat.running())
    assert await asked(ui) == ["first", "second", "third"]


async def test_after_a_failure_it_waits_too(make: Make) -> None:
    broken = Environment(Text("x", "Broken."), Text("y", "Mend it."))
    ui = await running(make, "second", script=Script(text="word " * 40, rate=100, error=broken, fail_after=12))
    await ui.rest()
    assert line(ui) == ["second"]
    make.script = Script()
    QTest.mouseClick(ui.chat.pane.composer.line.go_on, Qt.MouseButton.LeftButton)
    await ui.until(lambda: not line(ui) and not ui.app.chat.running())
    assert await asked(ui) == ["first", "second"]


async def test_after_a_restart_it_is_there_and_waits(make: Make) -> None:
    ui = await running(make, "second")
    where = ui.chat.current
    await ui.app.drafts.save()
    again = await make()
    again.chat.open(where)
    assert line(again) == ["second"]
    assert again.chat.pane.composer.line.go_on.isVisible()


async def test_a_prompt_is_taken_back_and_goes_to_its_place(make: Make) -> None:
    ui = await running(make, "second", "third", "fourth")
    composer = ui.chat.pane.composer
    QTest.mouseClick(composer.line.chips[1].prompt, Qt.MouseButton.LeftButton)
    assert composer.draft.text == "third"
    assert line(ui) == ["second", "fourth"]
    assert composer.edit.hasFocus()
    ui.type(" changed")
    ui.press(ENTER)
    assert line(ui) == ["second", "third changed", "fourth"]


async def test_what_stood_in_the_box_waits_in_the_place_of_what_is_taken(make: Make) -> None:
    ui = await running(make, "second", "third")
    composer = ui.chat.pane.composer
    paste = pasted("x" * 9000)
    composer.take(Draft("half written", (paste,)))
    ui.key(composer.line.chips[0].prompt, ENTER)
    assert composer.draft == Draft("second")
    assert line(ui) == ["half written", "third"]
    assert ui.app.queue.of(ui.chat.current)[0].draft == Draft("half written", (paste,))


async def test_keys_and_the_mouse_move_prompts(make: Make) -> None:
    ui = await running(make, "a", "b", "c")
    chips = ui.chat.pane.composer.line.chips
    chips[2].prompt.setFocus()
    ui.key(chips[2].prompt, Qt.Key.Key_Up, ALT)
    ui.key(chips[2].prompt, Qt.Key.Key_Up, ALT)
    ui.key(chips[2].prompt, Qt.Key.Key_Up, ALT)  # it is the first already
    assert line(ui) == ["c", "a", "b"]
    moved = ui.chat.pane.composer.line.chips[0].prompt
    assert moved.hasFocus()
    await asyncio.sleep(0.02)
    start, end = QPoint(30, 10), QPoint(30, 10 + 3 * ui.chat.pane.composer.line.chips[0].height())
    QTest.mousePress(moved, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, start)
    place = QPointF(end)
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        place,
        QPointF(moved.mapToGlobal(end)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(moved, event)
    QTest.mouseRelease(moved, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)
    assert line(ui) == ["a", "b", "c"]
    assert not ui.chat.pane.composer.draft  # a drag is no click


async def test_a_prompt_is_taken_out_and_brought_back(make: Make) -> None:
    ui = await running(make, "a", "b", "c")
    chips = ui.chat.pane.composer.line.chips
    chips[1].prompt.setFocus()
    ui.key(chips[1].prompt, Qt.Key.Key_Delete)
    assert line(ui) == ["a", "c"]
    assert ui.chat.pane.composer.line.chips[1].prompt.hasFocus()
    assert ui.toasts() == ["“b” is not sent."]
    ui.window.notify.undo_last()
    assert line(ui) == ["a", "b", "c"]
    QTest.mouseClick(ui.chat.pane.composer.line.chips[0].remove, Qt.MouseButton.LeftButton)
    assert line(ui) == ["b", "c"]


async def test_send_now_stops_the_answer_and_keeps_the_order_of_the_others(make: Make) -> None:
    ui = await running(make, "a", "b", "c")
    make.script = Script(text="Short.")
    QTest.mouseClick(ui.chat.pane.composer.line.chips[1].send, Qt.MouseButton.LeftButton)
    await ui.until(lambda: not line(ui) and not ui.app.chat.running())
    assert await asked(ui) == ["first", "b", "a", "c"]
    assert (await ui.messages())[1].status == "stopped"


async def test_a_prompt_that_cannot_be_sent_stays_in_line(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object, **__: object) -> None:
        raise Environment(Text("disk.full", "The disk is full."), Text("disk.full.hint", "Free some space."))

    ui = await running(make, "second", script=Script(text="word " * 20, rate=100))
    monkeypatch.setattr(ui.app.history, "add", full)
    await ui.until(ui.toasts)
    assert ui.toasts() == ["The disk is full. Free some space."]
    assert line(ui) == ["second"]
    assert ui.chat.pane.composer.line.go_on.isVisible()


async def test_what_was_to_follow_a_message_that_could_not_be_sent_comes_back_with_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ui = await make()

    async def full(*_: object, **__: object) -> None:
        raise Environment(Text("disk.full", "The disk is full."), Text("disk.full.hint", "Free some space."))

    monkeypatch.setattr(ui.app.history, "add", full)
    ui.type("first")
    ui.press(ENTER)
    for text in ("second", "third"):
        ui.type(text)
        ui.press(ENTER)
    ui.type("not yet")
    assert line(ui) == ["second", "third"]
    await ui.rest()
    assert not line(ui)
    assert ui.chat.pane.composer.draft.text == "first\n\nsecond\n\nthird\n\nnot yet"


async def test_the_line_is_whole_where_text_is_large(make: Make) -> None:
    ui = await running(make, "second", "third", "fourth")
    ui.theme.set_text_size(200)
    composer = ui.chat.pane.composer
    composer.take(Draft("and this", (pasted("words " * 3000),)))
    await ui.until(lambda: composer.height() >= composer.minimumSizeHint().height())
    await asyncio.sleep(0.05)
    area = composer.line._area
    assert (
        composer.height() >= composer.minimumSizeHint().height() and composer.line.height() >= area.geometry().bottom()
    )


async def test_what_has_the_keyboard_in_a_long_line_is_in_view(make: Make) -> None:
    ui = await running(make, *"bcdefg")
    composer = ui.chat.pane.composer
    area, last = composer.line._area, composer.line.chips[-1].remove
    composer.edit.setFocus()
    ui.key(composer.edit, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert last.hasFocus()
    seen = area.viewport().rect()
    assert seen.contains(last.mapTo(area.viewport(), last.rect().center()))
