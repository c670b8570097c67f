"""The budget of thoughts beside the switch, and the soft switches of the models that obey them, in the real window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from qwen_desktop.core.chat import NO_BUDGET
from qwen_desktop.core.engine import Capabilities, ThinkingMode
from qwen_desktop.core.parts import visible_text
from qwen_desktop.jobs.markdown.blocks import TextBlock
from qwen_desktop.ui.chat.section_text import TextSection
from qwen_desktop.ui.chat.thinking_control import BudgetDialog, number_of
from tests.scripted_engine import Script, ScriptedEngine

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

MODES = tuple(ThinkingMode)
HYBRID = Capabilities(thinking=MODES, soft_switches=True)
TAB, ENTER, ESC, DOWN = Qt.Key.Key_Tab, Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_Down


async def opened(make: Make, can: Capabilities = HYBRID, **values: Any) -> Ui:
    """A window with a model that can do this."""

    def engine() -> ScriptedEngine:
        made = ScriptedEngine(Script("Yes."))
        made.can = can
        engines.append(made)
        return made

    engines: list[ScriptedEngine] = []
    make.engine = engine
    ui = await make(**values)
    ui.engines = engines
    await ui.app.models.open_file(ui.app.model_file("model.gguf"))
    return ui


def control(ui: Ui) -> Any:
    return ui.chat.pane.composer.thinking


def entries(ui: Ui) -> dict[str, QAction]:
    """What the menu of budgets offers, by its words."""
    button = control(ui).budget
    button.setFocus()
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert button.menu_.isVisible()
    button.menu_.hide()
    return {action.text(): action for action in button.menu_.actions() if not action.isSeparator()}


def ticked(ui: Ui) -> list[str]:
    return [words for words, action in entries(ui).items() if action.isChecked()]


def asked(ui: Ui) -> list[int | None]:
    """The budgets of the answers so far."""
    return [request.thinking_budget for engine in ui.engines for request in engine.requests]


# The budget -----------------------------------------------------------------------------------------------------------


async def test_a_budget_belongs_to_its_chat_and_to_a_new_one_from_its_first_message(make: Make) -> None:
    ui = await opened(make, chat__thinking_budget=2048)
    assert control(ui).budget.text() == "2,048 tokens" and ticked(ui) == ["As in Settings (2,048 tokens)"]
    assert list(entries(ui))[1:] == ["No limit", "512 tokens", "2,048 tokens", "8,192 tokens", "Other number…"]
    entries(ui)["512 tokens"].trigger()
    assert control(ui).budget.text() == "512 tokens"
    assert control(ui).budget.accessibleName() == "Longest thought: 512 tokens"
    await ui.say("one")
    first = ui.chat.current
    entries(ui)["No limit"].trigger()
    await ui.rest()
    await ui.say("two")
    assert asked(ui) == [512, None]
    found = await ui.app.history.get(first)
    assert found is not None and found.thinking_budget == NO_BUDGET
    ui.chat.new_chat()
    assert control(ui).budget.text() == "2,048 tokens" and ticked(ui) == ["As in Settings (2,048 tokens)"]
    await ui.app.preferences.set("chat.thinking_budget", None)
    await ui.until(lambda: control(ui).budget.text() == "No limit")
    await ui.app.preferences.set("chat.thinking_budget", 8192)
    await ui.say("three")
    ui.chat.open(first)
    await ui.until(lambda: control(ui).budget.text() == "No limit" and ticked(ui) == ["No limit"])
    entries(ui)["As in Settings (8,192 tokens)"].trigger()
    await ui.rest()
    await ui.say("four")
    assert asked(ui)[2:] == [8192, 8192]


async def test_the_menu_of_budgets_keeps_nothing_of_before(make: Make) -> None:
    ui = await opened(make)
    seen = []
    for _ in range(3):
        entries(ui)
        seen.append(len(control(ui).budget.menu_.findChildren(QObject)))
    assert len(set(seen)) == 1 and len(control(ui).budget._group.actions()) == 5


async def test_another_number_is_asked_for_and_a_bad_one_gets_a_sentence(make: Make) -> None:
    ui = await opened(make)
    entries(ui)["Other number…"].trigger()
    dialog = ui.window.findChild(BudgetDialog)
    assert dialog is not None and dialog.isVisible()
    for bad in ("", "many", "0", "-3", "1.5", "1048577", "99999999999999999999"):
        dialog.field.setText(bad)
        QTest.keyClick(dialog.field, ENTER)
        assert dialog.isVisible() and dialog.problem.text() == "Enter a whole number from 1 to 1,048,576."
        assert dialog.field.accessibleDescription() == dialog.problem.text()
    dialog.field.setText(" 1,500 ")
    QTest.keyClick(dialog.field, ENTER)
    assert control(ui).budget.text() == "1,500 tokens" and ticked(ui) == ["1,500 tokens"]
    await ui.say("one")
    assert asked(ui) == [1500]
    assert [number_of(text) for text in ("1", "1048576", "1 048 576", "1\u202f000")] == [1, 1_048_576, 1_048_576, 1000]


async def test_a_number_that_is_asked_for_one_chat_is_not_given_to_another(make: Make) -> None:
    ui = await opened(make)
    await ui.say("one")
    other = (await ui.app.history.create("other")).id
    entries(ui)["Other number…"].trigger()
    dialog = ui.window.findChild(BudgetDialog)
    assert dialog is not None and dialog.isVisible()
    ui.window.show_chat(other)  # as a click on a notification does
    assert not dialog.isVisible()


async def test_it_is_there_where_the_model_thinks(make: Make) -> None:
    ui = await opened(make)
    thinking = control(ui)
    thinking.budget.setFocus()
    for mode, shown in (("think", True), ("direct", False), ("auto", True)):
        ui.window.actions_.trigger("thinking.cycle")
        assert thinking.value == mode and thinking.budget.isVisible() is shown and thinking.switch.isVisible()
    for can, switch, budget in (
        (Capabilities(thinking=(ThinkingMode.THINK,)), False, True),  # thinks always
        (Capabilities(), False, False),
        (Capabilities(thinking=MODES), True, True),
    ):
        thinking.set_modes(can.thinking, ThinkingMode.DIRECT if not switch else ThinkingMode.AUTO)
        assert (thinking.switch.isVisible(), thinking.budget.isVisible()) == (switch, budget)
        assert thinking.isVisible() is (switch or budget)
        ui.window.actions_.trigger("thinking.cycle")  # which there is nothing to do for without a switch
    assert thinking.value == "think"


@pytest.mark.parametrize(("width", "percent"), [(900, 100), (900, 200), (1280, 200)])
async def test_it_folds_and_can_be_reached(make: Make, width: int, percent: int) -> None:
    ui = await opened(make, size=(width, 820), appearance__text_size=percent)
    composer = ui.chat.pane.composer
    await ui.until(control(ui).budget.isVisible)
    parts: list[QWidget] = [control(ui).switch, control(ui).budget, composer.model, composer.button]
    places = [part.rect().translated(part.mapTo(composer, part.rect().topLeft())) for part in parts]
    for number, place in enumerate(places):
        assert composer.rect().contains(place), number
        assert place.height() >= 28
        assert not any(place.intersects(other) for other in places[:number])
    reached: set[QWidget | None] = set()
    composer.edit.setFocus()
    for _ in range(8):
        QTest.keyClick(ui.window.focusWidget(), TAB)
        reached.add(ui.window.focusWidget())
    assert {control(ui).budget, composer.model} <= reached


# Soft switches --------------------------------------------------------------------------------------------------------


def hint(ui: Ui) -> Any:
    return ui.chat.pane.composer.switches


async def test_a_soft_switch_says_what_it_does(make: Make) -> None:
    ui = await opened(make)
    assert hint(ui).isHidden()
    ui.type("Why? /no_think ")
    assert hint(ui).isVisible() and "answers directly" in hint(ui).label.text()
    assert hint(ui).label.text() == ui.chat.pane.composer.edit.accessibleDescription()
    ui.type("or /think rather")
    assert hint(ui).label.text().startswith("/think: From here on the model thinks")
    control(ui).switch._segments["direct"].click()
    assert "Without effect" in hint(ui).label.text()
    control(ui).switch._segments["auto"].click()
    for text in ("", "see /usr/think", "/thinking", "think", "a/no_think"):
        ui.chat.pane.composer.edit.setPlainText(text)
        assert hint(ui).isHidden(), text


async def test_a_slash_offers_both_and_the_keys_take_or_leave_them(make: Make) -> None:
    ui = await opened(make)
    edit, offered = ui.chat.pane.composer.edit, hint(ui).chips
    ui.type("Why? /")
    assert [chip.isVisible() for chip in offered.values()] == [True, True] and hint(ui).offers
    QTest.keyClick(edit, DOWN)
    QTest.keyClick(edit, ENTER)
    assert edit.toPlainText() == "Why? /no_think " and not hint(ui).offers and edit.hasFocus()
    edit.setPlainText("")
    ui.type("/t")
    assert [word for word, chip in offered.items() if chip.isVisible()] == ["/think"]
    QTest.keyClick(edit, TAB)
    assert edit.toPlainText() == "/think " and edit.hasFocus()
    edit.setPlainText("")
    ui.type("/n")
    QTest.keyClick(edit, ESC)
    assert edit.toPlainText() == "/n" and not hint(ui).offers
    ui.type("o")
    assert not hint(ui).offers  # it was not wanted for this word
    ui.type(" /")
    assert hint(ui).offers
    offered["/think"].click()
    assert edit.toPlainText() == "/no /think "
    for text in ("1/", "/x", "//", "/think"):
        edit.setPlainText("")
        ui.type(text)
        assert not hint(ui).offers, text
    QTest.keyClick(edit, ENTER)  # a whole one is sent
    await ui.rest()
    assert visible_text((await ui.messages())[0].parts) == "/think"


async def test_other_models_know_no_soft_switches(make: Make) -> None:
    ui = await opened(make, Capabilities(thinking=MODES))
    ui.type("Why? /")
    assert hint(ui).isHidden() and not hint(ui).offers
    QTest.keyClick(ui.chat.pane.composer.edit, ENTER)
    await ui.rest()
    assert visible_text((await ui.messages())[0].parts) == "Why? /"
    await ui.say("So /no_think then")
    assert looks(ui) == [("So /no_think then", False)]


def looks(ui: Ui) -> list[tuple[str, bool]]:
    """The pieces of the last question, and which of them look like code."""
    last = next(item for item in reversed(ui.chat.pane.transcript.items) if item.user)
    section = last.part(0)
    assert isinstance(section, TextSection)
    block = section.blocks[0]
    assert isinstance(block, TextBlock)
    return [(run.text, run.code) for run in block.runs]


async def test_a_soft_switch_goes_to_the_model_as_it_is_and_stands_out_in_the_question(make: Make) -> None:
    ui = await opened(make)
    await ui.say("So /no_think then, /think")
    assert ui.engines[-1].requests[-1].messages[-1].parts == (await ui.messages())[0].parts
    assert visible_text((await ui.messages())[0].parts) == "So /no_think then, /think"
    await ui.until(lambda: ui.chat.pane.transcript.items[0].ready)
    assert looks(ui) == [("So ", False), ("/no_think", True), (" then, ", False), ("/think", True)]


async def test_where_the_row_is_narrow_the_modes_have_a_line_of_their_own(make: Make) -> None:
    ui = await opened(make, Capabilities(thinking=MODES))
    control, slash = ui.chat.pane.composer.thinking, ui.chat.pane.composer.slash
    ui.theme.set_text_size(200)
    ui.window.resize(760, 820)
    await ui.rest()
    assert control.width() >= control.sizeHint().width()
    assert (
        control.mapTo(ui.window, control.rect().topLeft()).y() > slash.mapTo(ui.window, slash.rect().bottomLeft()).y()
    )
