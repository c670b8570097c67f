"""Assistants in the real window: the page, the user's own ones, files, and chats that are begun with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton

from qwen_desktop.core.assistants import Assistant, AssistantField, FieldKind
from qwen_desktop.core.engine import Capabilities, Sampling, ThinkingMode
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.core.parts import Role, visible_text
from qwen_desktop.core.shipped_assistants import ASSISTANTS
from tests.scripted_engine import Script, ScriptedEngine

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui

COOK = Assistant(
    "", "Cook", "Cooks.", "utensils", "amber", "Cook {{what}}.\nWithout: {{without}}\nFor:\n- {{who}}",
    Sampling(temperature=0.25), ThinkingMode.DIRECT, None, None, "",
    (
        AssistantField("what", "What", FieldKind.CHOICE, ("soup", "pie"), ("soup",)),
        AssistantField("without", "Without"),
        AssistantField("who", "Who", FieldKind.CHOICES, ("me", "you", "us")),
    ),
)  # fmt: skip


async def opened(make: Make, *own: Assistant, model: bool = True, size: tuple[int, int] = (1280, 820)) -> Ui:
    """A window with a model that can think, and these assistants."""
    engines: list[ScriptedEngine] = []

    def engine() -> ScriptedEngine:
        made = ScriptedEngine(Script("Yes."))
        made.can = Capabilities(thinking=tuple(ThinkingMode))
        engines.append(made)
        return made

    make.engine = engine
    ui = await make(size=size)
    ui.engines = engines
    for assistant in own:
        await ui.app.assistants.save(assistant)
    if model:
        await ui.app.models.open_file(ui.app.model_file("model.gguf"))
    return ui


async def page(make: Make, *own: Assistant, **more: Any) -> tuple[Ui, Any]:
    ui = await opened(make, *own, **more)
    ui.window.actions_.trigger("view.assistants")
    await ui.rest()
    return ui, ui.window.pages.currentWidget()


def system(ui: Ui) -> str:
    messages = ui.engines[-1].requests[-1].messages
    return "".join(visible_text(message.parts) for message in messages if message.role is Role.SYSTEM)


def card(shown: Any, name: str) -> Any:
    return next(c for g in (shown.grid, shown.own) for c in g.cards.values() if c.assistant.name == name)


def own(ui: Ui) -> list[Assistant]:
    return [entry for entry in ui.app.assistants.list() if not entry.shipped]


async def test_the_page_shows_all_and_the_chosen_one_in_full(make: Make) -> None:
    ui, shown = await page(make, COOK)
    assert ui.window.rail.button("view.assistants").isChecked()
    assert [c.assistant.name for c in shown.grid.cards.values()] == [str(entry.name) for entry in ASSISTANTS]
    assert shown.editor.title.text() == "General" and shown.editor.chip.isVisible()
    first = card(shown, "General")
    assert ui.window.focusWidget() is first
    ui.key(first, Qt.Key.Key_Right)
    assert shown.editor.title.text() == "Step by step" and card(shown, "Step by step").isChecked()
    card(shown, "Cook").click()
    assert shown.editor.title.text() == "Cook" and not card(shown, "Step by step").isChecked()
    assert shown.editor.content.prompt.toPlainText() == COOK.system_prompt
    assert card(shown, "Translator").accessibleDescription().startswith("Keeps tone, names and formatting.")


async def test_a_copy_is_changed_and_what_is_typed_is_kept_by_itself(make: Make) -> None:
    ui, shown = await page(make)
    card(shown, "Translator").click()
    assert not hasattr(shown.editor.content, "name")  # it can be read, not changed
    shown.editor.duplicate.click()
    await ui.rest()
    copy = own(ui)[0]
    assert copy.name == "Translator (2)" and copy.fields == ASSISTANTS[4].fields
    edit = shown.editor.content
    assert ui.window.focusWidget() is edit.name and edit.name.selectedText() == "Translator (2)"
    QTest.keyClicks(edit.name, "My own ")
    edit.prompt.setPlainText("Say {{what}} in {{language}}.")
    await ui.until(lambda: own(ui)[0].system_prompt == "Say {{what}} in {{language}}.")
    kept = own(ui)[0]
    assert kept.name == "My own" and edit.name.text() == "My own "  # nobody takes the space from under the cursor
    assert [field.name for field in kept.asked] == ["what", "language"]
    assert kept.asked[1] == ASSISTANTS[4].fields[0], "the field that was there is as it was"
    assert list(edit.fields.boxes) == ["what", "language"]
    assert card(shown, "My own").name.text() == "My own"


async def test_nothing_typed_is_lost_by_going_elsewhere_at_once(make: Make) -> None:
    ui, shown = await page(make, COOK)
    card(shown, "Cook").click()
    shown.editor.content.prompt.setPlainText("Bake.")
    card(shown, "General").click()
    await ui.rest()
    assert own(ui)[0].system_prompt == "Bake."
    card(shown, "Cook").click()
    shown.editor.content.description.setText("Bakes.")
    ui.window.actions_.trigger("view.chat")
    await ui.rest()
    assert own(ui)[0].description == "Bakes."


async def test_one_without_a_name_keeps_its_old_one_and_says_so(make: Make) -> None:
    ui, shown = await page(make, COOK)
    card(shown, "Cook").click()
    shown.editor.content.name.clear()
    shown.editor.content.prompt.setPlainText("Bake.")
    await ui.until(lambda: own(ui)[0].system_prompt == "Bake.")
    await ui.rest()
    assert own(ui)[0].name == "Cook" and shown.editor.content.name.text() == ""
    assert "needs a name" in shown.editor.problem.text()
    QTest.keyClicks(shown.editor.content.name, "Baker")
    await ui.until(lambda: own(ui)[0].name == "Baker")
    await ui.rest()
    assert shown.editor.problem.isHidden()


async def test_values_model_and_mode_are_chosen(make: Make) -> None:
    ui, shown = await page(make, structs.replace(COOK, sampling=Sampling(), thinking=None))
    card(shown, "Cook").click()
    edit = shown.editor.content
    edit.thinking.setCurrentIndex(2)
    edit.thinking.activated.emit(2)
    edit.numbers["temperature"]._take(0.4)
    edit.numbers["context"]._take(8192)
    edit.numbers["thinking_budget"]._take(2048)
    edit.model.activated.emit(edit.model.findData("Qwen3 4B"))
    edit.look._take("heart", "rose")
    shown.editor.keep()
    await ui.rest()
    kept = own(ui)[0]
    assert (kept.thinking, kept.sampling.temperature, kept.context) == (ThinkingMode.THINK, 0.4, 8192)
    assert (kept.thinking_budget, kept.model, kept.icon, kept.colour) == (2048, "Qwen3 4B", "heart", "rose")
    edit.numbers["temperature"]._take(9.0)
    shown.editor.keep()
    await ui.rest()
    assert own(ui)[0].sampling.temperature == 0.4
    assert any("Enter a number from 0 to 2" in toast for toast in ui.toasts())


async def test_deleting_and_hiding_are_undone(make: Make) -> None:
    ui, shown = await page(make, COOK)
    cook = card(shown, "Cook")
    cook.setFocus()
    cook.click()
    ui.key(cook, Qt.Key.Key_Delete)
    await ui.rest()
    assert own(ui) == [] and shown.own.isHidden() and shown.hint.isVisible()
    assert shown.editor.title.text() != "Cook"
    ui.window._undo()
    await ui.rest()
    assert [entry.name for entry in own(ui)] == ["Cook"] and shown.editor.title.text() == "Cook"
    shown.delete(ASSISTANTS[3].id)
    await ui.rest()
    assert ASSISTANTS[3].id not in shown.grid.cards and shown.hidden.isVisible()
    button = next(b for b in shown.hidden.findChildren(QAbstractButton) if b.text() == "Math tutor")
    assert button.accessibleName() == "Show Math tutor again"
    button.click()
    await ui.rest()
    assert list(shown.grid.cards)[3] == ASSISTANTS[3].id and shown.hidden.isHidden()


async def test_files_go_out_and_come_in_and_bad_ones_are_said(make: Make, tmp_path: Path) -> None:
    ui, shown = await page(make, COOK)
    file = tmp_path / "cook.qwen-assistant.json"
    shown.export([own(ui)[0].id, ASSISTANTS[0].id], str(file))
    await ui.rest()
    bad = tmp_path / "bad.json"
    bad.write_bytes(file.read_bytes()[:-30])
    shown.import_files([str(bad), str(file), str(tmp_path)])
    await ui.rest()
    assert [entry.name for entry in own(ui)] == ["Cook", "Cook (2)", "General (2)"]
    told = " ".join(ui.toasts())
    assert "bad.json holds no assistants" in told and "2 assistants are imported" in told
    assert "is a folder" in told
    assert shown.editor.title.text() == "General (2)"


async def test_in_a_narrow_window_the_assistant_takes_the_place_of_the_cards(make: Make) -> None:
    ui, shown = await page(make, COOK, size=(900, 700))
    assert shown.area.isVisible() and not shown.editor.isVisible()
    card(shown, "Cook").click()
    assert shown.editor.isVisible() and not shown.area.isVisible()
    assert ui.window.focusWidget() is shown.editor.back
    ui.key(shown.editor.back, Qt.Key.Key_Escape)
    assert shown.area.isVisible() and ui.window.focusWidget() is card(shown, "Cook")
    ui.window.resize(1280, 800)
    await ui.until(lambda: shown.editor.isVisible() and shown.area.isVisible())
    assert not shown.editor.back.isVisible()


async def test_chat_with_it_begins_a_chat_that_says_what_was_filled_in(make: Make) -> None:
    ui, shown = await page(make, COOK)
    card(shown, "Cook").click()
    shown.editor.chat.click()
    pane = ui.chat.pane
    assert ui.window.pages.shows("view.chat") and pane.setup.assistant.name == "Cook"
    assert ui.chat.header.assistant.isVisible() and ui.chat.header.assistant.accessibleName() == "Assistant: Cook"
    assert pane.composer.thinking.value == "direct"
    chips = pane.fields.chips
    assert [chip.accessibleName() for chip in chips.values()] == ["What: soup", "Without", "Who"]

    chips["without"].click()
    QTest.keyClicks(chips["without"].popup.edit, "{{what}} and salt")
    chips["without"].popup.close()
    chips["who"].click()
    popup = chips["who"].popup
    for number in (2, 0, 1, 1):
        popup.list.setCurrentRow(number)
        popup.list.setFocus()
        ui.key(popup, Qt.Key.Key_Space)
    popup.close()
    assert chips["who"].values == ("us", "me")
    await ui.say("Hi")
    assert system(ui) == "Cook soup.\nWithout: {{what}} and salt\nFor:\n- us\n- me"
    request = ui.engines[-1].requests[-1]
    assert (request.sampling.temperature, request.thinking) == (0.25, ThinkingMode.DIRECT)

    # While one chats, they are changed there; the assistant's own later words do not reach it.
    assert pane.fields.isVisible() and pane.fields.chips["who"].values == ("us", "me")
    pane.fields.chips["what"].click()
    pane.fields.chips["what"].popup.list.itemClicked.emit(pane.fields.chips["what"].popup.list.item(1))
    await ui.rest()
    await ui.say("And now?")
    assert system(ui) == "Cook pie.\nWithout: {{what}} and salt\nFor:\n- us\n- me"
    await ui.app.assistants.save(structs.replace(own(ui)[0], system_prompt="Bake {{what}}."))
    await ui.say("Still?")
    assert system(ui).startswith("Cook pie.") and pane.fields.isHidden()  # nobody knows any more what fills what


async def test_an_assistant_is_chosen_in_the_empty_chat_and_left_again(make: Make) -> None:
    ui = await opened(make, COOK)
    pane = ui.chat.pane
    buttons = pane.empty.assistants.buttons
    assert len(buttons) == 9 and pane.empty.assistants.isVisible() and pane.fields.isHidden()
    coder = buttons["shipped.coder"]
    coder.click()
    assert pane.setup.assistant.name == "Coder" and coder.isChecked() and pane.fields.isVisible()
    wanted: list[str] = []
    pane.model_wanted.connect(wanted.append)
    assert "Qwen3 Coder 30B-A3B would suit it best and is not installed." in pane.empty._lacks.text()
    coder.click()
    assert pane.setup.assistant is None and not pane.fields.isVisible() and not ui.chat.header.assistant.isVisible()
    await ui.say("Hi")
    assert system(ui) == ""
    ui.chat.new_chat()
    pane.empty.assistants.buttons["shipped.editor"].click()
    ui.chat.new_chat()
    assert pane.setup.assistant is None, "a new chat is a new chat"


async def test_what_is_chosen_stays_under_the_pointer(make: Make) -> None:
    ui = await opened(make, COOK)
    empty = ui.chat.pane.empty
    general = empty.assistants.buttons["shipped.general"]
    await ui.rest()
    before = general.mapTo(ui.window, general.rect().center())
    for _ in range(2):
        general.click()
        await ui.rest()
        assert empty._tile.isVisible() is general.isChecked()
        assert general.mapTo(ui.window, general.rect().center()) == before


async def test_a_temporary_chat_shows_whose_it_is(make: Make) -> None:
    ui = await opened(make, COOK)
    ui.window.actions_.trigger("chat.temporary")
    await ui.rest()
    empty = ui.chat.pane.empty
    blank = empty._tile.grab().toImage()
    empty.assistants.buttons["shipped.coder"].click()
    await ui.rest()
    assert empty._tile.isVisible() and empty._tile.grab().toImage() != blank
    assert "gone" in empty._text.text()


async def test_the_way_to_a_missing_model(make: Make) -> None:
    ui = await opened(make, structs.replace(COOK, model="Qwen3 4B"))
    ui.chat.pane.setup.assist(own(ui)[0].id)
    ui.chat.pane.empty._get.click()
    await ui.rest()
    assert ui.window.pages.shows("view.models")


async def test_its_model_answers_until_another_one_is_chosen(make: Make) -> None:
    ui = await opened(make, structs.replace(COOK, model="special"))
    path = ui.app.model_file("special.gguf")
    model = InstalledModel("s", path, "special", "Q8_0", 1, (path,))
    ui.app.library.items = (model,)
    pane = ui.chat.pane
    pane.setup.assist(own(ui)[0].id)
    await ui.say("Hi")
    assert [engine.loads[-1].path for engine in ui.engines][-1] == path
    assert pane.setup.model_state.path == path
    other = ui.app.model_file("model.gguf")
    pane.model_menu.chosen.emit(other)
    await ui.rest()
    assert pane.setup.model is None and pane.setup.model_state.path == other
    await ui.say("And you?")
    answer = (await ui.messages())[-1]
    assert answer.provenance is not None and answer.provenance.model_path == other


async def test_the_guide_is_asked_without_assistants(make: Make) -> None:
    ui = await opened(make, COOK, model=False)
    assert ui.app.models.state.guide and not ui.chat.pane.empty.assistants.isVisible()


async def test_the_menu_switches_the_chat_and_undo_brings_it_back(make: Make) -> None:
    ui = await opened(make, COOK)
    pane = ui.chat.pane
    pane.setup.assist(own(ui)[0].id)
    await ui.say("Hi")
    chat = ui.chat.current
    ui.window.actions_.trigger("chat.assistant")
    entries = {action.text(): action for action in pane.setup.assistant_menu.actions() if isinstance(action, QAction)}
    assert entries["Cook"].isChecked() and {"No assistant", "General", "Assistants"} <= set(entries)
    entries["Step by step"].trigger()
    pane.setup.assistant_menu.hide()
    await ui.rest()
    kept = await ui.app.history.get(chat)
    assert kept is not None and kept.assistant_id == "shipped.steps" and kept.thinking_budget == 4096
    assert ui.chat.header.assistant.accessibleName() == "Assistant: Step by step"
    assert pane.composer.thinking.value == "think"
    assert "This chat goes on with Step by step." in ui.toasts()
    ui.window._undo()
    await ui.rest()
    assert ui.chat.header.assistant.accessibleName() == "Assistant: Cook"
    await ui.say("More")
    assert system(ui) == "Cook soup.\nFor:"


async def test_one_that_is_deleted_leaves_the_new_chat_and_stays_in_old_ones(make: Make) -> None:
    ui = await opened(make, COOK)
    pane = ui.chat.pane
    pane.setup.assist(own(ui)[0].id)
    await ui.say("Hi")
    ui.chat.new_chat()
    pane.setup.assist(own(ui)[0].id)
    await ui.app.assistants.delete(own(ui)[0].id)
    await ui.rest()
    assert pane.setup.assistant is None and not ui.chat.header.assistant.isVisible()
    ui.chat.step(1)
    await ui.rest()
    await ui.say("More")
    assert system(ui).startswith("Cook soup.")
