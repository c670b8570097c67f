"""Making a smaller version of a model: the dialog, its progress among the downloads, what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from qwen_desktop.core.errors import Problem
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.core.quality import Quality
from qwen_desktop.core.quantizing import Planned, Quantization, QuantizeRequest, QuantizeStage
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from tests.shots.models_states import page
from tests.shots.still import NOW
from tests.shots.table import state
from tests.ui.models import scripted

if TYPE_CHECKING:
    from tests.shots.stage import Stage

GB = scripted.GB
_PATH = "/home/ada/models/Qwen3-4B-Instruct-2507-BF16.gguf"
QUALITY = Quality(0.0313, 0.412, 0.917, 384)


def source() -> InstalledModel:
    """A model as it was published."""
    return InstalledModel(
        _PATH,
        _PATH,
        "Qwen3 4B Instruct 2507",
        "BF16",
        8_050_000_000,
        (_PATH,),
        origin="file",
        architecture="qwen3",
        parameters=4_022_000_000,
        context_train=262_144,
        last_used=NOW - 7200,
        added=NOW - 9000,
        licence="Apache-2.0",
    )


async def _page(stage: Stage, **settings: Any) -> Any:
    return await page(stage, prepare=lambda app: setattr(app.library, "items", [source()]), **settings)


async def _dialog(stage: Stage, **settings: Any) -> Any:
    shown = await _page(stage, **settings)
    shown.make_smaller(source())
    await stage.rest()
    return await stage.dialog()


@state("quantize-menu")
async def menu(stage: Stage) -> None:
    shown = await _page(stage)
    await stage.still()
    shown.installed.list.row(0).more.click()


@state("quantize-dialog")
async def dialog(stage: Stage) -> None:
    await _dialog(stage)


@state("quantize-dialog-large-text")
async def large_text(stage: Stage) -> None:
    await _dialog(stage, appearance__text_size=200)


@state("quantize-dialog-looking")
async def looking(stage: Stage) -> None:
    shown = await _page(stage)
    stage.services.quantizing.gate.clear()
    shown.make_smaller(source())


@state("quantize-dialog-all")
async def all_types(stage: Stage) -> None:
    (await _dialog(stage)).more.click()


@state("quantize-dialog-exists")
async def exists(stage: Stage) -> None:
    shown = await _dialog(stage)
    stage.services.quantizing.taken.add(shown.name.text())
    shown.go.click()
    await stage.rest()


@state("quantize-dialog-no-room")
async def no_room(stage: Stage) -> None:
    shown = await _page(stage)
    stage.services.quantizing.free = 1_200_000_000
    shown.make_smaller(source())
    await stage.rest()


@state("quantize-dialog-problem")
async def problem(stage: Stage) -> None:
    shown = await _page(stage)
    stage.services.quantizing.fails = Problem(
        "user",
        Text("quantize.weights", QT_TRANSLATE_NOOP("tests", "The weights in {file} are damaged: some are no numbers."),
             {"file": "Qwen3-4B-Instruct-2507-BF16.gguf"}),
        Text("quantize.weights.hint", QT_TRANSLATE_NOOP("tests", "Download it again.")),
    )  # fmt: skip
    shown.make_smaller(source())
    await stage.rest()


def run(stage: QuantizeStage, **more: Any) -> Quantization:
    """A run that has come so far."""
    request = QuantizeRequest(_PATH, "Q4_K_M", "/home/ada/models/x.gguf", name="Qwen3 4B Instruct 2507 BF16")
    total = 2_497_000_000
    return Quantization("q", request, stage, total=total, planned=Planned("Q4_K_M", total, 253), **more)


async def _card(stage: Stage, found: Quantization) -> None:
    shown = await _page(stage)
    stage.services.quantizing.push(found)
    await stage.still()
    bar = shown.verticalScrollBar()
    bar.setValue(shown.smaller.mapTo(shown.widget(), shown.smaller.rect().topLeft()).y() - 40)


@state("quantize-writing")
async def writing(stage: Stage) -> None:
    await _card(stage, run(QuantizeStage.WRITING, done=1_610_000_000, seconds_left=74))


@state("quantize-measuring")
async def measuring(stage: Stage) -> None:
    await _card(stage, structs.replace(run(QuantizeStage.MEASURING, done=310, made=True, seconds_left=20), total=768))


@state("quantize-done")
async def done(stage: Stage) -> None:
    await _card(stage, run(QuantizeStage.DONE, made=True, quality=QUALITY))


@state("quantize-elsewhere")
async def elsewhere(stage: Stage) -> None:
    await _page(stage)
    stage.services.quantizing.push(run(QuantizeStage.WRITING, done=1_610_000_000, seconds_left=74))
    stage.command("view.chat")
    await stage.rest()


@state("quantize-ready-elsewhere")
async def ready_elsewhere(stage: Stage) -> None:
    await elsewhere(stage)
    stage.services.quantizing.push(run(QuantizeStage.DONE, made=True, quality=QUALITY))


@state("quantize-stop")
async def stop(stage: Stage) -> None:
    shown = await _page(stage)
    stage.services.quantizing.push(run(QuantizeStage.WRITING, done=1_610_000_000, seconds_left=74))
    shown.smaller.cancel.click()
    await stage.dialog()


@state("quantize-not-measured")
async def not_measured(stage: Stage) -> None:
    little = Problem(
        "environment",
        Text("quantize.memory", QT_TRANSLATE_NOOP("tests", "There was not enough memory for {file}."),
             {"file": "Qwen3-4B-Instruct-2507-BF16.gguf"}),
        Text("quantize.memory.hint", QT_TRANSLATE_NOOP("tests", "Close other programs, then try again.")),
    )  # fmt: skip
    found = run(QuantizeStage.DONE, made=True, problem=little)
    await _card(stage, structs.replace(found, request=structs.replace(found.request, quality=True)))


@state("quantize-failed")
async def failed(stage: Stage) -> None:
    full = Problem(
        "environment",
        Text("disk.full", QT_TRANSLATE_NOOP("tests", "The disk is full.")),
        Text("disk.full.hint", QT_TRANSLATE_NOOP("tests", "Free some space, then try again.")),
    )
    await _card(stage, run(QuantizeStage.FAILED, problem=full))


@state("quantize-details")
async def details(stage: Stage) -> None:
    shown = await _page(stage)
    path = "/home/ada/models/Qwen3-4B-Instruct-2507-Q4_K_M.gguf"
    made = structs.replace(source(), id=path, path=path, files=(path,), quant="Q4_K_M", size_bytes=2_497_000_000)
    shown.installed_details(structs.replace(made, made_from="Qwen3 4B Instruct 2507 BF16", quality=QUALITY))
