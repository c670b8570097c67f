"""The Settings page: made from the declarations, live, each with reset."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from qwen_desktop.core.settings import declared
from qwen_desktop.ui.settings.controls import SwitchControl
from qwen_desktop.ui.settings.page import SettingsPage
from qwen_desktop.ui.settings.storage import StorageCard
from qwen_desktop.ui.widgets.labels import Paragraph
from qwen_desktop.ui.widgets.surface import Card

if TYPE_CHECKING:
    from tests.ui.conftest import Make, Ui


def opened(ui: Ui) -> SettingsPage:
    ui.window.show_page("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    return page


def control(page: SettingsPage, key: str) -> Any:
    return page.row(key).control


async def test_every_declared_setting_has_a_row_and_hidden_ones_have_none(make: Make) -> None:
    page = opened(await make())
    rows = {key for section in page.sections.values() for key in section.rows}
    assert rows == {entry.key for entry in declared() if entry.shown}


async def test_the_fields_of_a_section_are_as_wide_as_each_other_and_have_their_words(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    await ui.app.models.open_file(ui.app.model_file("m.gguf"))
    page.show_section("engine")
    await ui.rest()
    rows = page.sections["engine"].rows
    assert (
        len({row.control.focusProxy().width() for row in rows.values() if not isinstance(row.control, SwitchControl)})
        == 1
    )
    for row in rows.values():
        field = QAccessible.queryAccessibleInterface(row.control.focusProxy())
        named = {shown.text(QAccessible.Text.Name) for shown, _ in field.relations(QAccessible.RelationFlag.Label)}
        assert row.title in {*named, field.text(QAccessible.Text.Name)}
        assert row.help == field.text(QAccessible.Text.Description)


async def test_when_changes_apply_is_said_once_and_where_it_differs(make: Make) -> None:
    page = opened(await make())
    page.show_section("engine")
    engine = page.sections["engine"]
    said = [label.text() for label in engine.findChildren(QLabel)]
    assert sum("loaded next" in text for text in said) == 1
    assert [text for text in said if "Applies at once" in text] == [
        label.text() for label in engine.rows["engine.unload_minutes"].findChildren(QLabel) if "Applies" in label.text()
    ]


async def test_the_theme_changes_as_it_is_chosen_and_goes_back(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    field = control(page, "appearance.theme").field
    field.setCurrentIndex(field.findData("dark"))
    field.activated.emit(field.currentIndex())
    await ui.rest()
    assert ui.theme.dark
    assert page.row("appearance.theme").reset.isVisible()
    page.row("appearance.theme").reset.click()
    await ui.rest()
    assert not ui.theme.dark
    assert field.currentData() == "system"
    assert not page.row("appearance.theme").reset.isVisible()


async def test_a_change_from_elsewhere_is_shown(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    ui.window.actions_.trigger("view.larger")
    await ui.rest()
    assert control(page, "appearance.text_size").field.currentText() == "110 %"
    assert ui.theme.text_size == 110


async def test_a_number_is_typed_stepped_and_made_automatic_again(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    page.show_section("engine")
    field = control(page, "engine.context").field
    edit = field.lineEdit()
    edit.setText("12000")
    QTest.keyClick(edit, Qt.Key.Key_Return)
    await ui.rest()
    assert ui.app.preferences.settings.engine.context == 12000
    assert field.currentText() == "12,000 tokens"
    edit.setText("")
    QTest.keyClick(edit, Qt.Key.Key_Return)
    await ui.rest()
    assert ui.app.preferences.settings.engine.context is None
    assert field.currentText() == "Automatic"
    page.show_section("sampling")
    heat = control(page, "sampling.temperature").field
    heat.lineEdit().setText("0.7")
    QTest.keyClick(heat, Qt.Key.Key_Up)
    await ui.rest()
    assert ui.app.preferences.settings.sampling.temperature == 0.75


async def test_a_bad_value_is_told_under_its_row_and_not_taken(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    page.show_section("sampling")
    row = page.row("sampling.temperature")
    for bad in ("9", "warm"):
        edit = control(page, "sampling.temperature").field.lineEdit()
        edit.setText(bad)
        QTest.keyClick(edit, Qt.Key.Key_Return)
        await ui.rest()
        assert row.problem.isVisible()
        assert row.problem.text().endswith(".")
        assert ui.app.preferences.settings.sampling.temperature is None
    assert ui.toasts() == []
    edit.setText("0.5")
    QTest.keyClick(edit, Qt.Key.Key_Return)
    await ui.rest()
    assert not row.problem.isVisible()
    assert ui.app.preferences.settings.sampling.temperature == 0.5


async def test_a_switch_and_the_reset_of_a_page(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    page.show_section("chat")
    control(page, "chat.show_speed").switch.click()
    control(page, "chat.open_thinking").switch.click()
    await ui.rest()
    section = page.sections["chat"]
    assert section._differ.text() == "2 settings differ from their defaults."
    section.reset_button.click()
    await ui.rest()
    assert ui.app.preferences.settings.chat.show_speed
    assert not section._foot.isVisible()


async def test_long_text_is_taken_over_after_typing(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    page.show_section("chat")
    QTest.keyClicks(control(page, "chat.system_prompt").field, "Answer briefly.")
    await ui.until(lambda: ui.app.preferences.settings.chat.system_prompt == "Answer briefly.")


async def test_words_keep_their_room_beside_a_field_or_stand_above_it(make: Make) -> None:
    ui = await make(size=(900, 760), sampling__temperature=0.5)
    page = opened(ui)
    page.show_section("sampling")
    row = page.row("sampling.temperature")
    words = next(label for label in row.findChildren(Paragraph) if label.text() == row.title)
    await ui.until(lambda: words.width() >= 200)
    assert row.control.y() < row.height() / 2
    await ui.app.preferences.set("appearance.text_size", 200)
    await ui.until(lambda: words.width() >= 300)
    await ui.until(lambda: row.control.geometry().top() >= words.geometry().bottom())
    assert page.area.widget().width() <= page.area.viewport().width()


async def test_search_looks_through_all_sections(make: Make) -> None:
    page = opened(await make())
    QTest.keyClicks(page.search, "thread")
    shown = [key for s in page.sections.values() for key, row in s.rows.items() if row.isVisible()]
    assert shown == ["engine.threads"]
    page.search.setText("xyzzy")
    assert page._nothing.isVisible()
    page.search.clear()
    assert page.row("appearance.theme").isVisible()
    assert not page.row("engine.threads").isVisible()


async def test_storage_tells_the_folder_and_its_size(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    page.show_section("storage")
    await ui.rest()
    await asyncio.sleep(0.02)
    card = page.sections["storage"].findChild(StorageCard)
    assert str(ui.app.paths.data) in card.place.text()
    assert "History" in card.sizes.text()
    assert "kB" in card.sizes.text()


async def test_about_says_that_this_is_unofficial(make: Make) -> None:
    page = opened(await make())
    page.show_section("about")
    words = " ".join(label.text() for label in page._pages["about"].findChildren(QLabel))
    assert "Unofficial" in words
    assert "Apache-2.0" in words


@pytest.mark.parametrize("asked", ["export", "import chatgpt", "restore", "data folder", "templates"])
async def test_search_finds_what_is_no_setting(make: Make, asked: str) -> None:
    page = opened(await make())
    page.search.setText(asked)
    cards = [card for section in page.sections.values() for card in section.findChildren(Card) if card.isVisible()]
    assert len(cards) == 1


async def test_tab_goes_from_search_over_the_list_into_the_page(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    reached = []
    for _ in range(3):
        focused = ui.window.focusWidget()
        assert focused is not None
        QTest.keyClick(focused, Qt.Key.Key_Tab)
        reached.append(ui.window.focusWidget())
    assert reached[0] is page.names
    assert page.row("appearance.theme").isAncestorOf(reached[1])
    assert page.row("appearance.text_size").isAncestorOf(reached[2])


async def test_automatic_says_what_it_came_to(make: Make) -> None:
    ui = await make()
    page = opened(ui)
    await ui.app.models.use_guide()
    await ui.rest()
    assert control(page, "engine.context").field.currentText() == "Automatic (4,096)"
    assert control(page, "engine.threads").field.currentText() == "Automatic (2)"
    assert control(page, "engine.gpu_layers").field.currentText() == "Automatic (0)"
    assert control(page, "engine.flash_attention").field.currentText() == "Automatic (off)"
    await ui.app.preferences.set("engine.context", 2048)
    await ui.app.preferences.set("engine.context", None)
    assert control(page, "engine.context").field.currentText() == "Automatic"  # open until the next load
    await ui.app.engines.unload(ui.app.models.ref)
    assert control(page, "engine.threads").field.currentText() == "Automatic"
