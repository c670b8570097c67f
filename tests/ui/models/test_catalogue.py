"""The list of all models: search, filters, buttons, looking up, and what is said when there is nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.text import Text
from tests.ui.models import scripted
from tests.ui.models.helpers import (
    button,
    click_part,
    dialog,
    names,
    no_dialog,
    opened,
    row_of,
    says,
    services,
    spoken,
)

if TYPE_CHECKING:
    from qwen_desktop.ui.models.page import ModelsPage
    from tests.ui.conftest import Make, Ui

OFFLINE = Problem(
    "environment",
    Text("hub.offline", "The hub cannot be reached."),
    Text("hub.offline.hint", "Check the network."),
)


def press(ui: Ui, key: Qt.Key) -> None:
    """A key to whatever has the keyboard."""
    there = ui.window.focusWidget()
    assert there is not None
    QTest.keyClick(there, key)


async def searched(page: ModelsPage, text: str) -> None:
    page.search.setText(text)
    await asyncio.sleep(0.16)


async def test_what_fits_stands_first_and_the_rest_is_one_click_away(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    assert names(page)[0] == "Qwen3 30B-A3B"
    assert "Qwen2.5 Math 72B" not in names(page)
    assert page.catalogue.count.text() == "18 of 20 models, updated 3 days ago"
    page.catalogue.filters.fits.click()
    assert names(page)[-2:] == ["Qwen3 235B-A22B", "Qwen2.5 Math 72B"]
    assert page.catalogue.count.text() == "20 models, updated 3 days ago"
    view = page.catalogue.list
    assert spoken(view, row_of(page, "Qwen2.5 Math 72B")) == (
        "Qwen2.5 Math 72B, maths, Step-by-step and tool-integrated mathematics, needs 24 GB more, 44.0 GB, Why?"
    )
    assert spoken(view, row_of(page, "Qwen3 8B")).endswith("fits well, 5.0 GB, Download")
    assert view.height() == 20 * view.row(0).height()  # the page scrolls, not the list


async def test_filters_narrow_the_list_and_say_so(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    filters = page.catalogue.filters
    filters.family._choose("Qwen2.5 Coder")
    assert names(page) == ["Qwen2.5 Coder 7B", "Qwen2.5 Coder 1.5B", "Qwen2.5 Coder 32B"]
    assert filters.family.accessibleName() == "Family: Qwen2.5 Coder"
    filters.size_._choose("tiny")
    assert names(page) == ["Qwen2.5 Coder 1.5B"]
    filters.purpose._choose("maths")
    assert names(page) == []
    assert "No model of the list is like that" in says(page.catalogue)
    button(page.catalogue, "Show all models").click()
    assert len(names(page)) == 20
    filters.licence._choose("Qwen Research")
    assert names(page) == ["Qwen2.5 3B"]


async def test_search_finds_names_purposes_and_repositories(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    await searched(page, "coder 7b")
    assert names(page) == ["Qwen2.5 Coder 7B"]
    assert not page.machine.isVisible()  # what was searched for stands on top
    await searched(page, "maths")
    assert names(page) == ["Qwen2.5 Math 7B"]
    await searched(page, "Qwen/Qwen3-8B-GGUF")
    assert names(page) == ["Qwen3 8B"]
    await searched(page, "235b")
    assert says(page.catalogue.empty) == "1 model is like that, but does not fit this computer."
    button(page.catalogue, "Show 1 model").click()
    assert names(page) == ["Qwen3 235B-A22B"]
    QTest.keyClick(page.search, Qt.Key.Key_Escape)
    await asyncio.sleep(0.16)
    assert page.machine.isVisible()


async def test_a_repository_that_is_pasted_is_looked_up(make: Make) -> None:
    ui = await make()
    catalogue = services(ui).catalogue
    page = await opened(ui)
    found = structs.replace(scripted.catalogue()[3], id="other", name="Qwen3 8B Abliterated", repo="other/thing-GGUF")
    catalogue.reach = {"other/thing-GGUF": found}
    await searched(page, "https://huggingface.co/other/thing-GGUF/tree/main")
    look = page.catalogue.lookup_button
    assert look.text() == "Look up other/thing-GGUF"
    assert catalogue.asked == []  # nothing is asked of the network before the click
    look.click()
    await ui.rest()
    assert catalogue.asked == ["https://huggingface.co/other/thing-GGUF/tree/main"]
    shown = dialog(ui)
    assert shown.windowTitle() == "Qwen3 8B Abliterated"
    shown.close()
    await searched(page, "no/body")
    QTest.keyClick(page.search, Qt.Key.Key_Return)  # Enter does the same
    await ui.rest()
    assert page.catalogue.problem.text() == "There is no repository no/body. Check how it is written."
    assert no_dialog(ui)
    await searched(page, "qwen")
    assert not page.catalogue.problem.isVisible()


async def test_without_a_network_the_list_stays(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    services(ui).catalogue.fails = OFFLINE
    page.catalogue.refresh.click()
    await ui.rest()
    assert page.catalogue.problem.text() == ("The hub cannot be reached. Check the network. The list stays as it was.")
    assert len(names(page)) == 18
    services(ui).catalogue.fails = None
    page.catalogue.refresh.click()
    await ui.rest()
    assert not page.catalogue.problem.isVisible()
    assert page.catalogue.count.text().endswith("updated today")
    assert ui.toasts() == ["The list is up to date."]


async def test_the_buttons_of_rows(make: Make) -> None:
    ui = await make(size=(1280, 2400))
    app = services(ui)
    app.library.items = scripted.installed()[:1]
    page = await opened(ui)
    page.catalogue.filters.fits.click()
    await asyncio.sleep(0.01)
    view = page.catalogue.list
    click_part(view, row_of(page, "Qwen3 8B"), "button")
    await ui.rest()
    assert [call[1].repo for call in app.downloads.calls] == ["Qwen/Qwen3-8B-GGUF"]
    assert spoken(view, row_of(page, "Qwen2.5 Coder 7B")).endswith("Installed")
    click_part(view, row_of(page, "Qwen2.5 Math 72B"), "button")
    await asyncio.sleep(0.01)
    shown = dialog(ui)
    assert "It needs 47.0 GB of memory; 21.0 GB are free now. 24 GB are missing." in says(shown.memory)
    assert shown.button.text() == "Download anyway"
    shown.close()
    click_part(view, row_of(page, "Qwen3 4B"), "")
    await asyncio.sleep(0.01)
    assert dialog(ui).windowTitle() == "Qwen3 4B"


async def test_the_list_by_keyboard(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    QTest.keyClick(page.search, Qt.Key.Key_Down)
    view = page.catalogue.list
    assert view.row(0).hasFocus()
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Tab, Qt.Key.Key_Return):
        press(ui, key)
    await ui.rest()
    (called,) = services(ui).downloads.calls
    assert called[1].title == names(page)[2]
    for _ in range(9):
        press(ui, Qt.Key.Key_Down)
    row = view.row(11)
    assert row.hasFocus()
    assert page.viewport().rect().contains(row.mapTo(page.viewport(), row.rect().center()))  # the page scrolled along
    press(ui, Qt.Key.Key_Return)
    await asyncio.sleep(0.01)
    assert dialog(ui).windowTitle() == names(page)[11]


async def test_a_smaller_quant_is_offered_where_the_usual_one_does_not_fit(make: Make) -> None:
    ui = await make()
    app = services(ui)
    tight = structs.replace(scripted.LAPTOP.memory, free_bytes=19_500_000_000)
    app.machines.found = structs.replace(scripted.LAPTOP, memory=tight)
    page = await opened(ui)
    row = page.catalogue.list.rows[row_of(page, "Qwen3 32B")]
    assert row.quant is not None
    assert row.quant.name == "Q3_K_M"
    assert spoken(page.catalogue.list, row_of(page, "Qwen3 32B")).endswith("16.1 GB, Download")


async def test_models_that_this_version_cannot_serve_are_not_promised(make: Make) -> None:
    ui = await make()
    app = services(ui)
    models = tuple(
        structs.replace(m, served=False, purposes=()) if m.name == "Qwen2.5 VL 7B" else m for m in scripted.catalogue()
    )
    app.catalogue.set(models)
    page = await opened(ui)
    assert "Qwen2.5 VL 7B" not in names(page)
    offered = [page.purposes.select.itemText(n) for n in range(page.purposes.select.count())]
    assert "Pictures" not in offered
    page.catalogue.filters.fits.click()
    assert spoken(page.catalogue.list, row_of(page, "Qwen2.5 VL 7B")).endswith("not usable here yet, 5.0 GB, Details")


@pytest.mark.parametrize("free", [21_000_000_000, 6_000_000_000])
async def test_other_free_memory_gives_other_verdicts(make: Make, free: int) -> None:
    ui = await make()
    page = await opened(ui)
    app = services(ui)
    app.machines.set(structs.replace(scripted.LAPTOP, memory=structs.replace(scripted.LAPTOP.memory, free_bytes=free)))
    await ui.rest()
    page.catalogue.filters.fits.set_value("")
    page.catalogue.show_rows()
    said = spoken(page.catalogue.list, row_of(page, "Qwen3 14B"))
    assert ("fits well" in said) is (free > 20_000_000_000)
    assert ("needs" in said or "context" in said.split("8B, ")[1]) is (free < 20_000_000_000)
