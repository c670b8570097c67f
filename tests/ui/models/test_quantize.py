"""A smaller version of an installed model: from its menu to the card of what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.quantizing import QuantizeStage
from qwen_desktop.core.text import Text
from tests.shots.quantize_states import QUALITY, run, source
from tests.ui.models.helpers import button, dialog, no_dialog, opened, says, services
from tests.ui.models.test_installed import choose, entries

if TYPE_CHECKING:
    from qwen_desktop.ui.models.page import ModelsPage
    from tests.ui.conftest import Make, Ui

ACTION = "Make a smaller version…"


async def shown(make: Make) -> tuple[Ui, ModelsPage]:
    ui = await make()
    others = [{"quant": "Q4_K_M"}, {"quant": "F16", "kind": "embedding"}]
    changed = [structs.replace(source(), id=str(n), path=f"/m/{n}.gguf", **how) for n, how in enumerate(others)]
    services(ui).library.items = [source(), *changed]
    page = await opened(ui)
    page._show_installed()
    return ui, page


async def test_only_good_sources_are_offered(make: Make) -> None:
    _ui, page = await shown(make)
    offered = {model.quant: entries(page, row).get(ACTION) for row, model in enumerate(page.installed.list.rows)}
    assert offered == {"BF16": True, "Q4_K_M": None, "F16": None}


async def test_from_the_menu_to_a_model_that_can_be_used(make: Make) -> None:
    ui, page = await shown(make)
    place = [model.quant for model in page.installed.list.rows].index("BF16")
    choose(page, place, ACTION)
    asked = dialog(ui)
    await ui.until(lambda: len(asked.planned) == 10 and asked.go.isEnabled())
    assert asked.chosen.name == "Q4_K_M" and asked.options["Q4_K_M"].isChecked()
    assert asked.name.text() == "Qwen3-4B-Instruct-2507-Q4_K_M.gguf"
    assert "2.5 GB" in asked.options["Q4_K_M"].accessibleName()
    assert "Saves 69" in asked.options["Q4_K_M"].accessibleName()
    asked.options["Q8_0"].click()
    assert asked.name.text() == "Qwen3-4B-Instruct-2507-Q8_0.gguf"
    made = services(ui).quantizing
    made.taken.add(asked.name.text())
    asked.go.click()
    await ui.until(lambda: asked.go.text() == "Replace it")
    assert "There is a file of this name already." in says(asked) and made.current is None
    assert asked.name.hasFocus() and asked.name.selectedText() == "Qwen3-4B-Instruct-2507-Q8_0"
    QTest.keyClick(asked.name, Qt.Key.Key_Return)
    await ui.rest()
    assert made.current is None  # pressed once more: nothing is replaced by that
    asked.name.clear()
    asked.name.textEdited.emit("")
    assert not asked.go.isEnabled()
    asked.name.setText("mine")
    asked.name.textEdited.emit("mine")
    asked.options["Q6_K"].click()
    assert asked.name.text() == "mine"  # what was typed stays
    asked.go.click()
    await ui.until(lambda: no_dialog(ui))
    request = made.current.request
    assert (request.type, request.quality, request.replace, request.requantize) == ("Q6_K", True, False, False)
    assert request.target.endswith("/mine.gguf") and page.smaller.isVisible()
    made.push(structs.replace(run(QuantizeStage.WRITING, done=1_000_000_000), request=request))
    assert "Making it smaller" in page.smaller.line.text() and "1.00 of 2.50 GB" in page.smaller.line.text()
    made.push(run(QuantizeStage.DONE, made=True, quality=QUALITY))
    assert "It stays close to the original." in page.smaller.line.text() and page.smaller.use.isVisible()
    button(page.smaller, "Close").click()
    assert not page.smaller.isVisible()


async def test_stopping_and_closing_the_window(make: Make) -> None:
    ui, page = await shown(make)
    made = services(ui).quantizing
    made.push(run(QuantizeStage.WRITING, done=5))
    ui.window.quitting.ask()
    asked = ui.window.quitting.question
    assert asked is not None and "what is not finished is removed" in says(asked)
    button(asked, "Go on").click()
    button(page.smaller, "Stop").click()
    await ui.until(lambda: not page.smaller.isVisible())
    assert not made.running


async def test_stopping_late_is_asked_about_and_what_failed_can_be_tried_again(make: Make) -> None:
    ui, page = await shown(make)
    made = services(ui).quantizing
    made.push(run(QuantizeStage.WRITING, done=1_200_000_000))
    button(page.smaller, "Stop").click()
    button(dialog(ui), "Go on").click()
    await ui.rest()
    assert made.running
    button(page.smaller, "Stop").click()
    asked = dialog(ui)
    made.push(structs.replace(run(QuantizeStage.MEASURING, done=1), made=True))
    button(asked, "Stop").click()
    await ui.rest()
    assert made.running  # it has become a model meanwhile
    button(page.smaller, "Stop measuring").click()
    await ui.until(lambda: not made.running)
    made.push(run(QuantizeStage.FAILED, problem=Problem("environment", Text("disk.full", "The disk is full."))))
    button(page.smaller, "Try again").click()
    assert made.running and made.current.request.type == "Q4_K_M" and not page.smaller.again.isVisible()
    unmeasured = run(
        QuantizeStage.DONE, made=True, problem=Problem("environment", Text("memory", "Too little memory."))
    )
    made.push(structs.replace(unmeasured, request=structs.replace(unmeasured.request, quality=True)))
    assert page.smaller.problem.text() == "Its quality could not be measured. Too little memory."
    assert page.smaller.use.isVisible()


async def test_the_arrow_keys_pass_over_types_that_are_folded_away(make: Make) -> None:
    ui, page = await shown(make)
    page.make_smaller(source())
    asked = dialog(ui)
    await ui.until(lambda: len(asked.planned) == 10)
    seen = {name for name, option in asked.options.items() if option.isVisible()}
    assert len(seen) == 3
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
        for _ in range(5):
            QTest.keyClick(asked.options[asked.chosen.name], key)
            assert asked.chosen.name in seen and asked.options[asked.chosen.name].hasFocus()
    asked.more.click()
    assert all(option.isVisible() for option in asked.options.values())
    asked.options["Q6_K"].click()
    asked.more.click()
    assert {name for name, option in asked.options.items() if option.isVisible()} == {*seen, "Q6_K"}


async def test_the_keyboard_goes_through_the_dialog_from_above(make: Make) -> None:
    ui, page = await shown(make)
    page.make_smaller(source())
    asked = dialog(ui)
    await ui.until(asked.go.isEnabled)
    await ui.rest()
    places = []
    for _ in range(6):
        at = QApplication.focusWidget()
        assert at is not None and asked.isAncestorOf(at)
        places.append(at.mapTo(asked, at.rect().topLeft()).y())
        QTest.keyClick(at, Qt.Key.Key_Tab)
    assert places == sorted(places)


async def test_elsewhere_the_window_shows_how_far_it_is_and_how_it_ended(make: Make) -> None:
    ui, _page = await shown(make)
    made = services(ui).quantizing
    ui.window.show_page("view.chat")
    made.push(run(QuantizeStage.WRITING, done=1_248_500_000, seconds_left=74))
    rail = ui.window.rail.button("view.models")
    assert rail.accessibleName() == "Models: Making a model smaller, 50 %"
    side = ui.window.models.watch._side  # type: ignore[union-attr]
    assert side.isVisible() and side.name.text() == "Qwen3 4B Instruct 2507 BF16 as Q4_K_M"
    assert side.figures.text() == "Making it smaller, 50 % · 74 s left"
    made.push(run(QuantizeStage.DONE, made=True, quality=QUALITY, path="/m/made.gguf"))
    assert not side.isVisible() and rail.accessibleName() == "Models"
    assert ui.toasts() == ["Qwen3 4B Instruct 2507 BF16 is ready as Q4_K_M. It stays close to the original."]
    made.push(run(QuantizeStage.WRITING, done=1))
    made.push(run(QuantizeStage.FAILED, problem=Problem("environment", Text("disk.full", "The disk is full."))))
    assert ui.toasts()[-1] == "Qwen3 4B Instruct 2507 BF16 could not be made smaller. The disk is full."


async def test_too_little_room_is_told_before(make: Make) -> None:
    ui, page = await shown(make)
    services(ui).quantizing.free = 1_000_000_000
    page.make_smaller(source())
    asked = dialog(ui)
    await ui.until(lambda: len(asked.planned) == 10)
    await ui.rest()
    assert "not enough room" in says(asked) and not asked.go.isEnabled()
