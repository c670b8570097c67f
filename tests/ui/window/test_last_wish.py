"""The last wish wins in the window: what is slow never takes the place of what was asked for after it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.ui.models import state as state_module
from tests.scripted_engine import Script

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui


def stall(ui: Ui, seconds: float) -> asyncio.Task[None]:
    """Keep the history's disk busy."""
    return asyncio.ensure_future(ui.app.db.call(lambda _connection: time.sleep(seconds)))


async def stored(ui: Ui, *texts: str) -> list[str]:
    """Chats with one question and its answer each, by their ids."""
    ids = []
    for text in texts:
        ids.append(await ui.app.ask(text))
    return ids


def on_show(ui: Ui) -> str:
    """What the transcript's messages say."""
    return "\n".join(item.source for item in ui.chat.pane.transcript.items)


async def test_the_chat_opened_last_is_on_show_however_slow_the_disk_is(make: Make) -> None:
    ui = await make()
    ids = await stored(ui, "alpha", "beta", "gamma")
    titles = dict(zip(ids, ("alpha", "beta", "gamma"), strict=True))
    for seed in range(8):
        rng = random.Random(seed)
        stalls = []
        for _ in range(rng.randint(2, 6)):
            wanted = rng.choice(["", *ids])
            stalls.append(stall(ui, rng.choice([0.0, 0.01])))
            ui.chat.open(wanted)
            await asyncio.sleep(rng.choice([0.0, 0.0, 0.005, 0.015]))
        await asyncio.gather(*stalls)
        await ui.rest()
        assert ui.chat.current == wanted, f"seed {seed}"
        said = on_show(ui)
        assert (titles[wanted] in said) if wanted else not said, f"seed {seed}"


async def test_a_new_chat_begun_while_the_first_message_is_stored_stays_the_one_on_show(make: Make) -> None:
    make.script = Script(text="word " * 20, rate=200)
    ui = await make()
    stalled = stall(ui, 0.05)
    ui.type("first question")
    ui.press(Qt.Key.Key_Return)
    ui.window.actions_.trigger("chat.new")
    ui.type("second question")
    ui.press(Qt.Key.Key_Return)
    await stalled
    await ui.rest()
    questions = [m.parts for m in await ui.messages() if m.role is Role.USER]
    assert questions == [(TextPart("second question"),)]
    assert "first question" not in on_show(ui)
    assert len(await ui.app.history.list()) == 2


async def test_an_undo_that_is_slow_does_not_take_the_place_of_a_chat_opened_since(make: Make) -> None:
    ui = await make()
    one, two = await stored(ui, "alpha", "beta")
    ui.chat.open(one)
    await ui.rest()
    ui.window.actions_.trigger("chat.delete")
    await ui.rest()
    stalled = stall(ui, 0.03)
    ui.window.notify.undo_last()
    await asyncio.sleep(0)
    ui.chat.open("")
    ui.chat.open(two)
    await stalled
    await ui.rest()
    assert ui.chat.current == two
    assert {c.id for c in await ui.app.history.list()} == {one, two}


async def test_the_clipboard_holds_what_was_copied_last(make: Make) -> None:
    ui = await make()
    (one,) = await stored(ui, "alpha")
    ui.chat.open(one)
    await ui.rest()
    stalled = stall(ui, 0.05)
    ui.window.actions_.trigger("chat.copy")
    await asyncio.sleep(0)
    ui.window.actions_.trigger("answer.copy")
    await stalled
    await ui.rest()
    assert QGuiApplication.clipboard().text() == "Hello."
    stalled = stall(ui, 0.05)
    ui.window.actions_.trigger("chat.copy")
    await asyncio.sleep(0)
    QGuiApplication.clipboard().setText("of another program")
    await stalled
    await ui.rest()
    assert QGuiApplication.clipboard().text() == "of another program"


async def test_what_is_refused_stays_marked_while_an_earlier_value_is_being_written(make: Make) -> None:
    ui = await make()
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    page.show_section("engine")
    row = page.row("engine.context")
    field = row.control.field  # type: ignore[attr-defined] # a NumberControl
    row.control.changed.emit(8192)
    field.setFocus()
    field.lineEdit().selectAll()
    QTest.keyClicks(field.lineEdit(), "5")
    QTest.keyClick(field.lineEdit(), Qt.Key.Key_Return)
    await ui.rest()
    assert ui.app.preferences.settings.engine.context == 8192
    assert not row.problem.isHidden()
    assert field.currentText() == "5"


async def test_a_reset_that_is_being_written_does_not_show_the_default_over_a_later_choice(make: Make) -> None:
    ui = await make()
    await ui.app.preferences.set("appearance.theme", "dark")
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    row = page.row("appearance.theme")
    row.reset.click()
    await asyncio.sleep(0)
    row.control.changed.emit("light")
    await ui.rest()
    assert ui.app.preferences.settings.appearance.theme == "light"
    assert row.control.field.currentData() == "light"  # type: ignore[attr-defined] # a ChoiceControl


@pytest.mark.parametrize(("key", "typed"), [("chat.system_prompt", "Be brief."), ("engine.context", "9")])
async def test_what_is_being_typed_is_not_overwritten_by_a_change_from_before(make: Make, key: str, typed: str) -> None:
    ui = await make()
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    page.show_section(key.partition(".")[0])
    field = page.row(key).control.field  # type: ignore[attr-defined] # a TextControl or a NumberControl
    box = field.lineEdit() if hasattr(field, "lineEdit") else field
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, typed)
    await ui.app.preferences.set(key, "Be" if key.startswith("chat") else 4096)
    assert (box.text() if hasattr(box, "text") else box.toPlainText()) == typed
    box.clearFocus()
    await ui.rest()


async def test_a_settings_change_during_the_first_look_at_the_models_counts(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "_SLICE_S", 0.0)
    ui = await make()
    state = ui.window.models.state
    looking = asyncio.ensure_future(state.ensure())
    await ui.until(lambda: state._turn)
    await ui.app.preferences.set("engine.context", 32768)
    await looking
    await ui.rest()
    assert state.rows
    assert {row.fit.asked for row in state.rows if row.fit is not None} == {32768}


@pytest.mark.filterwarnings("error")
async def test_who_is_gone_when_the_answer_comes_is_told_nothing(make: Make) -> None:
    ui = await make()
    found = asyncio.get_running_loop().create_future()

    async def late() -> tuple[object, ...]:
        await found
        return ()

    ui.app.library.find_importable = late  # type: ignore[attr-defined] # scripted
    ui.window.show_page("view.models")
    page = ui.window.pages.built("view.models")
    assert page is not None
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    page.import_models()
    dialog = QApplication.activeModalWidget()
    assert dialog is not None
    dialog.reject()  # type: ignore[attr-defined] # a QDialog
    await asyncio.sleep(0.02)
    found.set_result(None)
    await ui.rest()
    assert errors == []


async def test_steps_that_come_faster_than_they_are_stored_all_count(make: Make) -> None:
    ui = await make()
    ids = await stored(ui, "alpha")
    ui.chat.open(ids[0])
    await ui.rest()
    for _ in range(3):
        ui.window.actions_.trigger("view.larger")
    assert ui.app.preferences.settings.appearance.text_size == 130
    stalled = [stall(ui, 0.01) for _ in range(2)]
    for wanted in ("think", "direct", "auto", "think", "direct"):
        ui.chat.pane.setup.cycle_thinking()
        assert ui.chat.pane.composer.thinking.value == wanted
        stalled.append(stall(ui, 0.01))
        await asyncio.sleep(0.012)
        assert ui.chat.pane.composer.thinking.value == wanted
    await asyncio.gather(*stalled)
    await ui.rest()
    assert ui.chat.pane.composer.thinking.value == "direct"
    (found,) = await ui.app.history.list()
    assert found.thinking == "direct"
