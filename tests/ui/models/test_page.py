"""The upper part of the page: this computer, what is recommended, and a download from its button to its answer."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from msgspec import structs
from PySide6.QtWidgets import QAbstractButton

from qwen_desktop.core.models import DownloadStatus, Purpose, Recommendation
from tests.ui.looks import stays_cut_off
from tests.ui.models import scripted
from tests.ui.models.helpers import button, dialog, no_dialog, opened, says, services

if TYPE_CHECKING:
    from tests.ui.conftest import Make


async def test_the_page_is_built_at_its_first_visit(make: Make) -> None:
    ui = await make()
    assert ui.window.pages.built("view.models") is None
    await opened(ui)
    assert ui.window.rail.button("view.models").isChecked()
    ui.window.actions_.trigger("view.chat")
    before = ui.window.pages.built("view.models")
    ui.chat.pane.choose_model()
    ui.chat.pane.model_menu.close()
    ui.window.actions_.trigger("model.get")
    assert ui.window.pages.built("view.models") is before
    assert ui.window.pages.currentWidget() is before


async def test_bars_stand_until_the_computer_is_known(make: Make) -> None:
    ui = await make()
    services(ui).machines.gate.clear()
    page = await opened(ui, ready=False)
    await asyncio.sleep(0.02)
    assert page.catalogue.list.height() > 300  # bars, and nothing to choose
    assert page.catalogue.list.rows == ()
    assert page.advice.cards == ()
    assert not page.machine.line.isVisible()
    services(ui).machines.gate.set()
    await ui.until(lambda: page.advice.cards)
    assert page.machine.line.text().startswith("Ryzen 7 7840U, 8 cores, AVX-512 · 32 GB memory, 21 free")
    assert page.machine.comfort.text() == "Comfortable up to 7B"
    assert page.machine.with_context.text() == "at 4-bit, 16k context"


async def test_three_cards_for_a_purpose(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    assert [card.chip.text() for card in page.advice.cards] == ["Lighter", "Best for this computer", "Stronger"]
    best = page.advice.cards[1]
    assert best.title.text() == "Qwen3 4B"
    assert best.reason.text() == "Thinks when asked, 119 languages, and stays faster than you read."
    assert best.memory.text() == "3.9 GB of 21 GB"
    assert best.speed.text() == "about 18 tok/s"
    assert best.meter.property("role") == "good"
    assert 0.15 < best.meter.value() / 1000 < 0.25
    assert page.purposes.buttons is not None
    button(page.purposes, "Code").click()
    await asyncio.sleep(0.01)
    assert page.purposes.purpose is Purpose.CODE
    assert all("Coder" in card.title.text() for card in page.advice.cards)


async def test_a_card_alone_is_no_wider_than_its_figures_belong_together(make: Make) -> None:
    ui = await make(size=(1280, 820))
    page = await opened(ui)
    three = [card.width() for card in page.advice.cards]
    assert sum(three) > 0.95 * (page.advice.width() - 40)  # together they fill the row
    best, stronger = (card.advice for card in page.advice.cards[1:])
    for shown in (Recommendation(Purpose.EVERYDAY, best, stronger=stronger), Recommendation(Purpose.EVERYDAY, best)):
        page.advice.show_advice(shown)
        await asyncio.sleep(0.02)
        card = page.advice.cards[0]
        assert card.x() == 0
        assert max(three) < card.width() <= page.advice.width() / 2
        if len(page.advice.cards) == 2:
            assert page.advice.cards[1].geometry().right() >= page.advice.width() - 2


async def test_memory_that_is_nearly_full_is_shown_as_a_warning(make: Make) -> None:
    ui = await make()
    memory = structs.replace(scripted.LAPTOP.memory, free_bytes=10_700_000_000)
    services(ui).machines.found = structs.replace(scripted.LAPTOP, memory=memory)
    page = await opened(ui)
    strong = page.advice.cards[-1]
    assert strong.title.text() == "Qwen3 14B"
    assert strong.memory.text() == "10.6 GB of 11 GB"
    assert strong.meter.property("role") == "warn"
    assert (strong.verdict.text(), strong.verdict.kind) == ("leaves little memory", "warn")
    assert strong.toolTip() == (
        "It fits, but leaves little memory to other programs: it uses 10.6 GB; 10.7 GB are free now."
    )


async def test_nothing_that_fits_is_said_in_a_sentence(make: Make) -> None:
    ui = await make()
    services(ui).machines.found = scripted.SMALL
    page = await opened(ui)
    assert page.advice.cards == ()
    assert "No model of this kind fits the memory that is free now" in says(page.advice)
    assert "No model of the list fits" in says(page.catalogue)
    assert page.machine.comfort.text() == ""
    button(page.catalogue, "Show 20 models").click()
    assert len(page.catalogue.list.rows) == 20


async def test_a_download_from_its_button_to_its_first_use(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    downloads = services(ui).downloads
    best = page.advice.cards[1]
    best.get.button.click()
    await ui.rest()
    (called,) = downloads.calls
    request = called[1]
    assert (request.repo, request.quant, request.title) == ("Qwen/Qwen3-4B-GGUF", "Q4_K_M", "Qwen3 4B")
    assert [file.path for file in request.files] == ["Qwen3-4B-Q4_K_M.gguf"]
    key = downloads.items()[0].id
    downloads.push(key, status=DownloadStatus.RUNNING, done_bytes=1_210_000_000, speed=38e6, seconds_left=32.0)
    assert best.get.line.text() == "50 % · 32 s left"
    assert abs(best.get.meter.value() / 1000 - 0.5) < 0.01
    (card,) = page.downloads.cards
    assert "1.21 of 2.42 GB · 38 MB/s · 32 s left" in card.line.text()
    best.get.toggle.click()
    await ui.rest()
    assert card.line.text() == "Paused · 1.21 of 2.42 GB"
    assert best.get.toggle.accessibleName() == "Resume"
    card.toggle.click()
    await ui.rest()
    assert downloads.items()[0].status is DownloadStatus.RUNNING
    downloads.finish(key)
    await asyncio.sleep(0.01)
    assert ui.toasts() == ["Qwen3 4B is here and checked."]
    assert best.get.use_button.isVisible()
    assert [row.name for row in page.installed.list.rows] == ["Qwen3 4B"]
    ui.window.notify.toasts.shown[0].act()
    await ui.rest()
    assert ui.app.models.state.path.endswith("Qwen3-4B-Q4_K_M.gguf")
    assert ui.window.pages.currentWidget() is ui.chat


async def test_this_computer_in_full(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    page.machine.button.click()
    shown = dialog(ui)
    text = says(shown)
    assert "AMD Ryzen 7 7840U w/ Radeon 780M Graphics" in text
    assert "8 cores, 16 threads" in text
    assert "33.4 GB in all, 21.0 GB free" in text
    assert "62.0 GB a second, measured" in text
    assert "Comfortable up to 7B at 4-bit, 16k context." in text
    services(ui).machines.found = scripted.SMALL
    button(shown, "Measure again").click()
    await ui.rest()
    assert services(ui).machines.measured == 1
    assert "graphics cards (the driver crashed or did not answer), the battery" in says(shown)
    shown.close()
    await asyncio.sleep(0.01)
    assert no_dialog(ui)


async def test_everything_has_room_and_a_name(make: Make) -> None:
    ui = await make(size=(900, 700))
    app = services(ui)
    app.library.items = scripted.installed()
    app.downloads.add(*scripted.every_state())
    page = await opened(ui)
    cut = []
    for width, percent in ((900, 100), (540, 100), (1280, 150), (1280, 200)):
        ui.window.resize(width, 820)
        ui.theme.set_text_size(percent)
        cut += [f"{width} px, {percent} %: {what}" for what in await stays_cut_off(page)]
    ui.theme.set_text_size(100)
    assert not cut, "\n".join(cut)
    for found in page.findChildren(QAbstractButton):
        if found.isVisible():
            assert found.accessibleName() or found.text(), found
            assert min(found.width(), found.height()) >= 26, found.accessibleName() or found.text()


async def test_nothing_of_the_page_is_imported_before_it_is_asked_for(make: Make) -> None:
    heavy = [name for name in sys.modules if name.startswith("qwen_desktop.ui.models.")]
    for name in heavy:
        sys.modules.pop(name)
    try:
        await make()
        loaded = {name for name in sys.modules if name.startswith("qwen_desktop.ui.models.")}
        assert loaded <= {"qwen_desktop.ui.models.controller"}
    finally:
        for name in heavy:
            sys.modules.pop(name, None)
