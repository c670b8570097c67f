"""The card below the engine settings: what was chosen for the model, and the buttons around it."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec import structs

from qwen_desktop.core.hardware import Cpu, Machine
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.ui.settings.tuning import TuningCard
from tests.shots.settings_states import tuned
from tests.ui.conftest import Make, Ui


async def card_of(ui: Ui) -> Any:
    """The card, for a chosen model on a known computer."""
    app: Any = ui.app
    app.machines.set(Machine(cpu=Cpu(model="A CPU", usable=2)))
    await app.models.open_file(app.model_file("m.gguf"))
    ui.window.show_page("view.settings")
    ui.window.pages.built("view.settings").show_section("engine")
    card = ui.window.findChild(TuningCard)
    assert card is not None
    return card


async def test_a_model_is_measured_skipped_and_forgotten(make: Make) -> None:
    ui = await make()
    app: Any = ui.app
    card = await card_of(ui)
    await app.engines.load(app.models.ref)
    engine = app.engines.loaded(app.models.ref)
    assert "measured once" in card.note.text() and card.measure.text() == "Measure now"
    assert card.forget.isHidden() and card.progress.isHidden()
    card.measure.click()
    await ui.until(lambda: not card.progress.isHidden())
    assert card.measure.isHidden() and "Measuring this computer with" in card.line.text()
    card.skip.click()
    await ui.until(lambda: card.progress.isHidden() and card.measure.isEnabled())
    assert card.measure.text() == "Measure now"
    engine.tuned = tuned()
    engine.tune_gate.set()
    card.measure.click()
    await ui.until(lambda: card.measure.text() == "Measure again")
    assert "Flash attention off" in card.chosen.text() and "1.6 times as fast" in card.note.text()
    await app.preferences.set("engine.flash_attention", "on")
    assert "comes first" in card.note.text()
    card.forget.click()
    await ui.until(card.forget.isHidden)
    assert app.tuner.kept.at(app.models.ref.path) is None


async def test_a_busy_computer_and_the_guide(make: Make) -> None:
    ui = await make()
    app: Any = ui.app
    card = await card_of(ui)
    await app.engines.load(app.models.ref)
    engine = app.engines.loaded(app.models.ref)
    engine.tuned = structs.replace(tuned(), share=0.3)
    engine.tune_gate.set()
    card.measure.click()
    await ui.until(lambda: engine.tunes and app.tuner.progress(FileRef(app.models.ref.path)) is None)
    await asyncio.sleep(0.05)
    assert card.measure.text() == "Measure now"  # nothing was kept
    await app.models.use_guide()
    assert "nothing to tune" in card.note.text() and card.measure.isHidden()
