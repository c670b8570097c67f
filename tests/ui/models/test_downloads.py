"""Running downloads: what each state offers, their order, and how the rest of the window shows them."""

from __future__ import annotations

import asyncio
from pathlib import PurePath
from typing import TYPE_CHECKING

from qwen_desktop.core.gguf import Kind, NotChat
from qwen_desktop.core.models import DownloadStatus
from tests.ui.looks import stays_cut_off
from tests.ui.models import scripted
from tests.ui.models.helpers import button, dialog, no_dialog, opened, says, services

if TYPE_CHECKING:
    from qwen_desktop.ui.models.download_row import DownloadCard
    from tests.ui.conftest import Make


def offers(card: DownloadCard) -> list[str]:
    """The names of the buttons on show, from the left."""
    buttons = (card.up, card.down, card.again, card.use, card.toggle, card.cancel)
    return [b.accessibleName().partition(":")[0] for b in buttons if b.isVisible() and b.isEnabled()]


async def test_each_state_has_its_buttons(make: Make) -> None:
    ui = await make(size=(1280, 1400))
    page = await opened(ui)
    services(ui).downloads.add(*scripted.every_state())
    await asyncio.sleep(0.01)
    assert [(card.title.text(), offers(card)) for card in page.downloads.cards] == [
        ("Qwen3 4B", ["Later", "Pause", "Cancel"]),
        ("Qwen2.5 Coder 7B", ["Earlier", "Later", "Cancel"]),
        ("Qwen2.5 7B", ["Earlier", "Later", "Resume", "Cancel"]),
        ("Qwen3 14B", ["Earlier", "Later", "Try again", "Cancel"]),
        ("Qwen3 30B-A3B", ["Earlier", "Pause", "Cancel"]),
        ("Qwen3 0.6B", ["Use it", "Close"]),
    ]
    failed = page.downloads.cards[3]
    assert failed.problem.text().startswith("The connection to huggingface.co was lost.")
    assert failed.meter.property("role") == "bad"
    failed.again.click()
    await ui.rest()
    assert services(ui).downloads.items()[3].status is DownloadStatus.RUNNING
    assert not failed.problem.isVisible()
    page.downloads.cards[5].cancel.click()
    assert len(page.downloads.cards) == 5


async def test_what_came_whole_but_answers_nothing_is_not_offered_for_use(make: Make) -> None:
    ui = await make(size=(1280, 1400))
    page = await opened(ui)
    downloads = services(ui).downloads
    running = scripted.every_state()[4]
    downloads.add(running, scripted.every_state()[5])
    problem = NotChat(PurePath("nomic-embed-text-v1.5.Q8_0.gguf"), Kind.EMBEDDING).problem
    downloads.push(running.id, status=DownloadStatus.DONE, problem=problem)
    await ui.rest()
    card = page.downloads.cards[0]
    assert offers(card) == ["Close"]
    assert "is an embedding model" in card.problem.text() and card.problem.isVisible()
    assert not ui.toasts()  # the card says it
    assert not await stays_cut_off(card)
    ui.window.show_page("view.chat")
    downloads.push(running.id, status=DownloadStatus.CHECKING, problem=None)
    downloads.push(running.id, status=DownloadStatus.DONE, problem=problem)
    assert "is an embedding model" in ui.toasts()[-1]


async def test_the_order_is_changed_and_shown(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    services(ui).downloads.add(*scripted.every_state()[:3])
    page.downloads.cards[2].up.click()
    await ui.rest()
    assert [card.title.text() for card in page.downloads.cards] == ["Qwen3 4B", "Qwen2.5 7B", "Qwen2.5 Coder 7B"]
    ys = [card.y() for card in page.downloads.cards]
    assert ys == sorted(ys)


async def test_cancelling_is_asked_about_only_where_much_would_be_lost(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    downloads = services(ui).downloads
    running = scripted.every_state()[0]
    downloads.add(running, scripted.download("Qwen2.5 0.5B", DownloadStatus.RUNNING, 0.01))
    page.downloads.cards[1].cancel.click()
    await ui.rest()
    assert len(downloads.items()) == 1
    page.downloads.cards[0].cancel.click()
    asked = dialog(ui)
    assert "1.6 GB have arrived and would be removed" in says(asked)
    button(asked, "Keep it").click()
    await ui.rest()
    assert len(downloads.items()) == 1
    page.downloads.cards[0].cancel.click()
    button(dialog(ui), "Cancel the download").click()
    await ui.rest()
    assert downloads.items() == ()
    assert not page.downloads.isVisible()


async def test_rail_and_list_of_chats_show_how_far_it_is(make: Make) -> None:
    ui = await make()
    rail = ui.window.rail.button("view.models")
    assert rail.progress is None
    downloads = services(ui).downloads
    downloads.add(scripted.every_state()[0])
    assert ui.window.pages.built("view.models") is None  # the page is not needed for it
    assert rail.progress is not None
    assert abs(rail.progress - 0.644) < 0.001
    assert rail.accessibleName() == "Models: 1 download, 64 %"
    side = ui.window.models.watch._side  # type: ignore[union-attr]
    assert side is not None
    assert side.isVisible()
    assert side.name.text() == "Qwen3 4B"
    assert side.figures.text() == "64 % · 38 MB/s · 24 s left"
    side.click()
    assert ui.window.pages.currentWidget() is ui.window.pages.built("view.models")
    ui.window.show_page("view.chat")
    await downloads.pause(downloads.items()[0].id)
    assert rail.progress is None
    assert rail.accessibleName() == "Models"
    assert not side.isVisible()


async def test_a_failure_is_told_where_it_is_not_seen(make: Make) -> None:
    ui = await make()
    downloads = services(ui).downloads
    running, failed = scripted.every_state()[0], scripted.every_state()[3]
    downloads.add(running)
    downloads.push(running.id, status=DownloadStatus.FAILED, problem=failed.problem)
    assert ui.toasts() == ["The download of Qwen3 4B stopped. The connection to huggingface.co was lost."]
    ui.window.notify.toasts.shown[0].act()
    page = ui.window.pages.built("view.models")
    assert page is not None
    assert page.isVisible()
    downloads.push(running.id, status=DownloadStatus.RUNNING, problem=None)
    downloads.push(running.id, status=DownloadStatus.FAILED, problem=failed.problem)
    assert ui.toasts() == []  # the card says it


async def test_the_list_shows_a_download_and_leads_to_it(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    services(ui).downloads.add(scripted.every_state()[0])
    view = page.catalogue.list
    place = [row.model.name for row in page.catalogue.list.rows].index("Qwen3 4B")
    from tests.ui.models.helpers import click_part, spoken  # noqa: PLC0415

    assert spoken(view, place).endswith("Downloading, 64 %")
    click_part(view, place, "button")
    await asyncio.sleep(0.01)
    assert page.downloads.cards[0].toggle.hasFocus()
    assert no_dialog(ui)
