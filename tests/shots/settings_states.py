"""The settings: every section, what can be found, what is refused, and the licences."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from msgspec import structs
from PySide6.QtWidgets import QComboBox

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.settings import SECTION_TITLES
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.core.tuning import DEFAULT_WAY, Trial, Tuning, Way
from qwen_desktop.services import notices
from qwen_desktop.services.events import ModelChanged, TuningChanged
from qwen_desktop.services.notices import Part
from qwen_desktop.ui.settings.tuning import TuningCard
from tests.shots.parts import settings
from tests.shots.table import State, state
from tests.ui.models import scripted

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_PARTS = (
    Part("numpy", "2.4.6", "BSD-3-Clause AND MIT", "https://numpy.org", "", ("Redistribution and use …\n" * 30,)),
    Part("Qt", "6.11.3", "LGPL-3.0-only", "https://www.qt.io", "You may replace it by your own build.", ("LGPL",)),
    *(Part(f"a-part-with-a-name-{number}", f"1.{number}", "MIT", "", "", ("MIT text",)) for number in range(24)),
    Part("zlib", "", "Zlib"),
)


async def page(stage: Stage, section: str, **options: Any) -> Any:
    """Open a section."""
    await stage.open(**options)
    stage.command("view.settings")
    shown = settings(stage)
    shown.show_section(section)
    await stage.rest()
    return shown


def _section(name: str) -> State:
    async def draw(stage: Stage) -> None:
        await page(stage, name)

    return draw


for _name in (*SECTION_TITLES, "about"):
    state(f"settings-{_name}")(_section(_name))


@state("settings-downloads-end")
async def downloads_end(stage: Stage) -> None:
    shown = await page(stage, "downloads")
    await stage.still()
    shown.area.verticalScrollBar().setValue(shown.area.verticalScrollBar().maximum())


@state("settings-search")
async def search(stage: Stage) -> None:
    (await page(stage, "appearance")).search.setText("the")


@state("settings-search-nothing")
async def search_nothing(stage: Stage) -> None:
    (await page(stage, "appearance")).search.setText("zebra")


@state("settings-changed")
async def changed(stage: Stage) -> None:
    await page(stage, "engine", engine__threads=3, engine__context=8192, engine__flash_attention="on")


def tuned(gain: float = 1.6) -> Tuning:
    """A result whose answers are ``gain`` times as fast as llama.cpp's defaults at 4,096 tokens."""
    own = Way(flash_attention=False)
    figures = ((own, 0, 34.0), (DEFAULT_WAY, 0, 34.5), (own, 4096, 12.2 * gain), (DEFAULT_WAY, 4096, 12.2))
    trials = tuple(Trial("write", way, 2, depth, speed) for way, depth, speed in figures)
    return Tuning(
        flash_attention=False, kv_type="f16", threads=2, read_threads=2, batch_rows=16, gpu_layers=0, depth=4096,
        own=own, own_threads=2, cores=2, trials=trials, seconds=14.0, taken_at=time.time(),
    )  # fmt: skip


async def _tuning(stage: Stage, result: Tuning | None, fraction: float | None = None) -> Any:
    shown = await page(stage, "engine")
    tuner = stage.services.tuner
    tuner.kept.of = lambda _info: result
    tuner.progress = lambda _ref: fraction
    stage.services.bus.publish(TuningChanged(stage.services.models.ref, fraction))
    return shown


@state("settings-tuned")
async def settings_tuned(stage: Stage) -> None:
    await _tuning(stage, tuned())


@state("settings-tuned-by-depth")
async def settings_tuned_by_depth(stage: Stage) -> None:
    await _tuning(stage, structs.replace(tuned(), flash_until=2048))
    info = stage.services.models.state.info
    assert info is not None and info.local is not None
    local = structs.replace(info.local, flash_attention=False, flash_until=2048)
    state = structs.replace(stage.services.models.state, info=structs.replace(info, local=local))
    stage.services.bus.publish(ModelChanged(state))


@state("settings-tuning")
async def settings_tuning(stage: Stage) -> None:
    await _tuning(stage, None, 0.4)


@state("settings-tuning-again")
async def settings_tuning_again(stage: Stage) -> None:
    await _tuning(stage, tuned(), 0.7)


@state("settings-tuning-crowded")
async def settings_tuning_crowded(stage: Stage) -> None:
    shown = await _tuning(stage, None)
    shown.findChild(TuningCard)._measured(structs.replace(tuned(), share=0.3))


@state("settings-engine-end")
async def engine_end(stage: Stage) -> None:
    shown = await page(stage, "engine")
    await stage.still()
    shown.area.verticalScrollBar().setValue(shown.area.verticalScrollBar().maximum())


@state("settings-choice")
async def choice(stage: Stage) -> None:
    shown = await page(stage, "appearance")
    shown.row("appearance.theme").findChild(QComboBox).showPopup()


@state("settings-token")
async def token(stage: Stage) -> None:
    shown = await page(stage, "downloads", prepare=_with_token)
    await stage.still()
    shown.area.verticalScrollBar().setValue(shown.area.verticalScrollBar().maximum())


def _with_token(app: Any) -> None:
    async def get(_name: str) -> str:
        return "hf_made_up"

    app.secrets.get = get


@state("settings-refused")
async def refused(stage: Stage) -> None:
    shown = await page(stage, "sampling")
    shown._change("sampling.temperature", 7.0)


@state("settings-large-text")
async def large_text(stage: Stage) -> None:
    await page(stage, "appearance")
    await stage.services.preferences.set("appearance.text_size", 150)


@state("settings-offline")
async def offline(stage: Stage) -> None:
    await page(stage, "downloads", downloads__offline=True)


def _folder(shown: Any) -> Any:
    return shown.sections["downloads"].extra.itemAt(0).widget().folder


@state("settings-move-models")
async def move_models(stage: Stage) -> None:
    shown = await page(stage, "downloads")
    stage.services.library.items = scripted.installed()
    _folder(shown).ask("/mnt/big/models")
    await stage.dialog()


@state("settings-moving-models")
async def moving_models(stage: Stage) -> None:
    shown = await page(stage, "downloads")
    stage.services.library.gate.clear()
    _folder(shown).ask("/mnt/big/models")
    await stage.still()
    shown.area.verticalScrollBar().setValue(shown.area.verticalScrollBar().maximum())


@state("settings-not-moved")
async def not_moved(stage: Stage) -> None:
    shown = await page(stage, "downloads")
    stage.services.library.fails = Problem(
        "environment", Text("disk.full", QT_TRANSLATE_NOOP("tests", "The disk is full."))
    )
    _folder(shown).ask("/mnt/big/models")
    await stage.rest()
    shown.area.verticalScrollBar().setValue(shown.area.verticalScrollBar().maximum())


async def _licences(stage: Stage) -> Any:
    kept, notices.load = notices.load, lambda _resources: _PARTS
    try:
        shown = await page(stage, "about")
        shown._pages["about"].licences.click()
        dialog: Any = await stage.dialog()
        await stage.rest()
    finally:
        notices.load = kept
    return dialog


@state("settings-licences")
async def licences(stage: Stage) -> None:
    await _licences(stage)


@state("settings-licences-search")
async def licences_search(stage: Stage) -> None:
    (await _licences(stage)).search.setText("lgpl")
