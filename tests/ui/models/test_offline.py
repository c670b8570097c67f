"""The offline switch in the window: said where something needs the network, and ended with one click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwen_desktop.core.models import DownloadStatus
from qwen_desktop.hub import failures
from qwen_desktop.services.downloads import OFFLINE_NOTE
from qwen_desktop.ui.settings.downloads import DownloadsCard
from tests.ui.looks import stays_cut_off
from tests.ui.models import scripted
from tests.ui.models.helpers import button, opened, says, services

if TYPE_CHECKING:
    import pytest

    from tests.ui.conftest import Make

SAID = "The network is switched off for Qwen Desktop."


async def test_the_models_page_says_it_and_one_click_ends_it(make: Make) -> None:
    ui = await make(downloads__offline=True, size=(900, 700))
    page = await opened(ui)
    assert SAID in says(page.offline) and page.offline.isVisible()
    assert not await stays_cut_off(page.offline)
    assert ui.window.actions_["network.online"].isVisible()
    button(page.offline, "Go online").click()
    await ui.rest()
    assert not ui.app.preferences.settings.downloads.offline
    assert not page.offline.isVisible()
    assert not ui.window.actions_["network.online"].isVisible()
    await ui.app.preferences.set("downloads.offline", True)
    assert page.offline.isVisible()


async def test_what_the_environment_forbids_no_click_allows(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ui = await make(size=(900, 700))
    page = await opened(ui)
    assert "HF_HUB_OFFLINE" in says(page.offline)
    assert not await stays_cut_off(page.offline)
    assert not page.offline.button.isVisible()
    assert not ui.window.actions_["network.online"].isVisible()


async def test_a_download_that_is_asked_for_offers_the_way_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ui = await make(downloads__offline=True)

    async def refuse(_request: object) -> object:
        raise failures.offline()

    monkeypatch.setattr(services(ui).downloads, "start", refuse)
    page = await opened(ui)
    page.advice.cards[1].get.button.click()
    await ui.rest()
    (toast,) = ui.window.notify.toasts.shown
    assert toast.text.startswith(SAID)
    assert toast.button is not None and toast.button.text() == "Go online"
    toast.button.click()
    await ui.rest()
    assert not ui.app.preferences.settings.downloads.offline


async def test_looking_for_models_says_it_and_how_to_change_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    ui = await make(downloads__offline=True)

    async def refuse(*_: object) -> object:
        raise failures.offline()

    for name in ("refresh", "lookup"):
        monkeypatch.setattr(services(ui).catalogue, name, refuse)
    monkeypatch.setattr(services(ui).fits, "of_reference", refuse)
    page = await opened(ui)
    page.catalogue.look_for_new()
    await ui.rest()
    assert SAID in page.catalogue.problem.text() and "Stay offline" in page.catalogue.problem.text()
    page.catalogue.search("owner/name")
    page.catalogue.look_up()
    await ui.rest()
    assert SAID in page.catalogue.problem.text()
    details = page.details(page.state.rows[0].model)
    details.memory._read_header()
    await ui.rest()
    assert SAID in details.memory.problem.text()
    details.reject()


async def test_a_waiting_download_says_why(make: Make) -> None:
    ui = await make(downloads__offline=True)
    page = await opened(ui)
    item = scripted.download("Qwen3 4B", DownloadStatus.WAITING, 0.0, note=OFFLINE_NOTE)
    services(ui).downloads.add(item)
    await ui.rest()
    card = next(card for card in page.downloads.cards if card.download.id == item.id)
    assert card.line.text() == "Waits: the network is switched off"


async def test_the_settings_have_the_switch(make: Make) -> None:
    ui = await make()
    ui.window.actions_.trigger("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    page.show_section("downloads")
    row = page.sections["downloads"].rows["downloads.offline"]
    row.control.switch.click()
    await ui.rest()
    assert ui.app.preferences.settings.downloads.offline
    assert "offline = true" in ui.app.paths.settings_file.read_text("utf-8")


async def test_each_hub_has_a_token_of_its_own(make: Make) -> None:
    ui = await make()
    ui.window.actions_.trigger("view.settings")
    page = ui.window.pages.built("view.settings")
    assert page is not None
    page.show_section("downloads")
    row = page.findChild(DownloadsCard).token
    row.field.setText("hf_mine")
    row.save.click()
    await ui.rest()
    await ui.app.preferences.set("downloads.endpoint", "https://mirror.example")
    await ui.rest()
    assert "It is for mirror.example and goes to no other." in row.note.text()
    assert not row.remove.isVisible()  # that of Hugging Face is not this one's
    row.field.setText("of_the_mirror")
    row.save.click()
    await ui.rest()
    assert services(ui).secrets.kept == {"hf_token": "hf_mine", "hf_token@https://mirror.example": "of_the_mirror"}
    await ui.app.preferences.set("downloads.endpoint", "")
    await ui.rest()
    assert row.remove.isVisible() and "mirror.example" not in row.note.text()
