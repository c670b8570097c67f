"""Details of a model, and what is asked before a download begins."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from qwen_desktop import services as package
from qwen_desktop.core.fit import Verdict
from tests.ui.models import scripted
from tests.ui.models.helpers import button, dialog, no_dialog, opened, says, services

if TYPE_CHECKING:
    from tests.ui.conftest import Make


async def test_files_memory_and_licence_of_a_model(make: Make) -> None:
    ui = await make(size=(1280, 1300))
    page = await opened(ui)
    shown = page.details(services(ui).catalogue.find("qwen3-4b"))
    await asyncio.sleep(0.01)
    text = says(shown)
    assert "Dense, thinking on demand, 32k context" in text
    assert "Best use: questions, texts and translations" in text
    for name, value in (
        ("Licence", "Apache-2.0"),
        ("Languages", "119"),
        ("Thinking", "When asked"),
        ("Released", "April 2025"),
    ):
        assert f"{name}\n{value}" in text
    assert list(shown.options) == ["Q3_K_M", "Q4_K_M", "Q8_0"]
    assert [row.title for row in shown.options.values() if row.isVisible()] == [
        "Small · Q3_K_M",
        "Balanced · Q4_K_M",
        "Large · Q8_0",
    ]
    chosen = shown.options["Q4_K_M"]
    assert chosen.isChecked()
    assert chosen.accessibleName() == (
        "Balanced · Q4_K_M, recommended, The usual choice: nearly as exact as the original., 2.4 GB, fits well"
    )
    assert not shown.files.isVisible()  # file names are one click away
    shown.names.click()
    assert shown.files.toPlainText().startswith("Qwen3-4B-Q4_K_M.gguf   2.42 GB")
    assert "Weights\n2.42 GB\nContext\n1.21 GB\nComputing\n180.0 MB" in says(shown.memory)
    assert "Together\n3.94 GB" in says(shown.memory)
    shown.more.click()
    assert list(shown.options) == ["Q3_K_M", "Q4_K_M", "Q8_0", "Q5_K_M", "Q6_K", "F16"]
    shown.options["F16"].click()
    await asyncio.sleep(0.01)
    assert "Weights\n8.00 GB" in says(shown.memory)
    shown.memory.context.setCurrentIndex(shown.memory.context.findData(32768))
    shown.memory.show_fit()
    await asyncio.sleep(0.01)
    assert "Context\n4.83 GB" in says(shown.memory)
    button(shown, "Download").click()
    await ui.rest()
    (called,) = services(ui).downloads.calls
    assert called[1].quant == "F16"


async def test_the_numbers_can_be_read_from_the_file_itself(make: Make) -> None:
    ui = await make()
    app = services(ui)
    page = await opened(ui)
    model = app.catalogue.find("qwen3-4b")
    shown = page.details(model)
    assert "estimated from the catalogue" in says(shown.memory)
    shown.memory.check.click()
    await ui.rest()
    assert shown.memory.problem.text() == "The hub cannot be reached."
    fit = page.state.fit(model, model.recommended_quant)
    assert fit is not None
    app.fits.truth["Qwen/Qwen3-4B-GGUF:Q4_K_M"] = structs.replace(fit, free_bytes=20_000_000_000)
    shown.memory.check.click()
    await ui.rest()
    assert "from the file's own header" in says(shown.memory)
    assert not shown.memory.check.isVisible()


async def test_a_licence_that_is_not_open_is_shown_first(make: Make) -> None:
    ui = await make()
    app = services(ui)
    page = await opened(ui)
    model = app.catalogue.find("qwen2.5-3b")
    assert model is not None
    page._starter.get(model, model.recommended_quant)
    await asyncio.sleep(0.01)
    asked = dialog(ui)
    assert "It comes under “Qwen Research”, which is not an open licence" in says(asked)
    assert asked.address == model.licence_url
    button(asked, "Cancel").click()
    await ui.rest()
    assert app.downloads.calls == []
    page._starter.get(model, model.recommended_quant)
    await asyncio.sleep(0.01)
    button(dialog(ui), "Agree and download").click()
    await ui.rest()
    assert len(app.downloads.calls) == 1


async def test_a_gated_model_says_how_to_get_access(make: Make) -> None:
    ui = await make()
    page = await opened(ui)
    model = structs.replace(services(ui).catalogue.find("qwen3-4b"), gated=True)
    page._starter.get(model, model.recommended_quant)
    await asyncio.sleep(0.01)
    assert "enter that account's access token in Settings, Downloads" in says(dialog(ui))
    ended: list[bool] = []
    ui.window.finished.connect(lambda: ended.append(True))
    ui.window.close()  # an open question does not hold the window back
    await ui.until(lambda: ended, 0.8)


async def test_a_metered_network_is_asked_about(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    async def metered() -> bool:
        asked.append(True)
        return True

    monkeypatch.setattr(package, "network", SimpleNamespace(metered=metered), raising=False)
    ui = await make()
    app = services(ui)
    page = await opened(ui)
    page.advice.cards[1].get.button.click()
    await asyncio.sleep(0.01)
    assert not page.advice.cards[1].get.button.isEnabled()  # no second click meanwhile
    shown = dialog(ui)
    assert "metered" in says(shown)
    assert "2.4 GB" in says(shown)
    button(shown, "Not now").click()
    await ui.rest()
    assert app.downloads.calls == []
    assert page.advice.cards[1].get.button.isEnabled()
    await app.preferences.set("downloads.ask_metered", False)
    page.advice.cards[1].get.button.click()
    await ui.rest()
    assert len(asked) == 1
    assert len(app.downloads.calls) == 1


async def test_a_header_that_contradicts_the_promise_is_told_before_the_download(make: Make) -> None:
    ui = await make()
    app = services(ui)
    page = await opened(ui)
    model = app.catalogue.find("qwen3-4b")
    fit = page.state.fit(model, model.recommended_quant)
    assert fit is not None
    app.fits.truth["Qwen/Qwen3-4B-GGUF:Q4_K_M"] = structs.replace(
        fit, verdict=Verdict.TOO_LARGE, missing_bytes=3_000_000_000
    )
    page.advice.cards[1].get.button.click()
    await asyncio.sleep(0.02)
    assert app.fits.read == ["Qwen/Qwen3-4B-GGUF:Q4_K_M"]
    shown = dialog(ui)
    assert shown.windowTitle() == "Qwen3 4B does not fit after all"
    assert "3.0 GB are missing" in says(shown)
    button(shown, "Cancel").click()
    await ui.rest()
    assert app.downloads.calls == []
    assert no_dialog(ui)


async def test_what_is_installed_or_on_its_way_is_not_fetched_twice(make: Make) -> None:
    ui = await make()
    app = services(ui)
    page = await opened(ui)
    app.downloads.add(scripted.every_state()[0])
    shown = page.details(app.catalogue.find("qwen3-4b"))
    assert shown.button.text() == "Downloading"
    assert not shown.button.isEnabled()
    shown.close()
    app.downloads.finish(scripted.every_state()[0].id)
    shown = page.details(app.catalogue.find("qwen3-4b"))
    button(shown, "Use it").click()
    await ui.rest()
    assert ui.app.models.state.path.endswith("Qwen3-4B-Q4_K_M.gguf")
