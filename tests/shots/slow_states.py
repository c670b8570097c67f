"""Why is it slow: causes, figures, nothing wrong, and while it is being found out; little memory in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from qwen_desktop.core import slowness
from qwen_desktop.core.engine import Capabilities, CardPart, LocalInfo, ModelInfo, Stats
from qwen_desktop.core.hardware import Battery, Cpu, Gpu, Machine, Memory, Moment
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.slow_facts import Facts
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services.events import Notified
from tests.shots.settings_states import page
from tests.shots.table import state
from tests.ui.models import scripted

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_GB = 1_000_000_000
_MACHINE = Machine(
    cpu=Cpu("AMD Ryzen 7 7840U", "x86_64", 8, 16, 16, features=("AVX2", "AVX-512")),
    memory=Memory(16 * _GB, 1_400_000_000),
    battery=Battery(41, plugged=False),
    bandwidth_bytes_per_s=52e9,
    backends=(),
)
_LOCAL = LocalInfo(
    "/m/a.gguf", "qwen3", "Q4_K_M", 2_497_280_480, 4 * _GB, 32768, 7, 0, flash_attention=False, kv_type="f16",
    sha256="", template_sha256="", template_source="file", guide=False, load_s=2.0, memory_bytes=0,
)  # fmt: skip
_SHAPE = next(model.shape for model in scripted.catalogue() if model.name == "Qwen3 4B")
_STATS = Stats(
    prompt_tokens=812, cached_tokens=780, completion_tokens=318, ttft_s=0.9, prompt_tokens_per_s=92.0,
    decode_tokens_per_s=14.6, context_used=1_130, context_size=8192,
)  # fmt: skip
_WELL = Facts(
    machine=replace(_MACHINE, memory=Memory(16 * _GB, 9 * _GB), battery=None),
    info=ModelInfo("Qwen3 4B", 8192, Capabilities(), "x", local=_LOCAL),
    shape=_SHAPE,
    stats=_STATS,
    moment=Moment(seconds=1.0, others=0.3, swapped_bytes=0),
)
_ILL = replace(
    _WELL,
    machine=replace(_MACHINE, unused_gpus=(Gpu("NVIDIA GeForce RTX 3060", total_bytes=12 * _GB, id="0000:01:00.0"),)),
    asked=LoadOptions(threads=2),
    info=ModelInfo("Qwen3 4B", 8192, Capabilities(), "x", local=replace(_LOCAL, threads=2)),
    stats=replace(_STATS, decode_tokens_per_s=3.1),
    moment=Moment(seconds=1.0, others=15.2, swapped_bytes=2_100_000_000, saver=True),
)


async def _opened(stage: Stage, facts: Facts) -> Any:
    await stage.open()
    stage.services.slowness.found = slowness.diagnose(facts)
    stage.command("help.slow")
    dialog: Any = await stage.dialog()
    await stage.rest()
    return dialog


@state("slow-causes")
async def causes(stage: Stage) -> None:
    await _opened(stage, _ILL)


@state("slow-well")
async def well(stage: Stage) -> None:
    await _opened(stage, _WELL)


@state("slow-figures")
async def figures(stage: Stage) -> None:
    (await _opened(stage, _WELL)).figures_link.click()


_CARDS = tuple(
    Gpu(f"NVIDIA GeForce RTX {name}", backend="CUDA", total_bytes=12 * _GB, id=f"0000:0{place}:00.0")
    for place, name in enumerate(("3060", "3090"), 1)
)
SPLIT = replace(
    _WELL,
    machine=replace(_WELL.machine, gpus=_CARDS),
    info=ModelInfo(
        "Qwen3 4B", 8192, Capabilities(), "x",
        local=replace(
            _LOCAL, gpu_layers=37, cards=(CardPart("CUDA0", 1_100_000_000), CardPart("CUDA1", 1_400_000_000))
        ),
    ),
    stats=replace(_STATS, decode_tokens_per_s=84.0),
)  # fmt: skip


@state("slow-figures-ahead")
async def figures_ahead(stage: Stage) -> None:
    stats = replace(_STATS, restored_tokens=640, drafted_tokens=48, accepted_tokens=31)
    (await _opened(stage, replace(_WELL, stats=stats))).figures_link.click()


@state("slow-two-cards")
async def two_cards(stage: Stage) -> None:
    (await _opened(stage, SPLIT)).figures_link.click()


@state("slow-figures-below")
async def figures_below(stage: Stage) -> None:
    (await _opened(stage, _ILL)).figures_link.click()


@state("slow-notice")
async def notice(stage: Stage) -> None:
    await stage.open()
    cause = slowness.fallback(_ILL)
    assert cause is not None
    source = QT_TRANSLATE_NOOP("slow", "The processor computes {model}. {why}")
    text = Text("slow.fallback", source, {"model": "Qwen3 4B", "why": cause.what})
    stage.services.bus.publish(Notified(text, action="help.slow"))


@state("slow-waiting")
async def waiting(stage: Stage) -> None:
    await stage.open()
    stage.services.slowness.gate.clear()
    stage.command("help.slow")
    await stage.dialog()


@state("settings-engine-little")
async def little(stage: Stage) -> None:
    await page(stage, "engine", model=False, prepare=lambda app: setattr(app.machines, "found", scripted.SMALL))


@state("slow-large-text")
async def large_text(stage: Stage) -> None:
    await stage.open(appearance__text_size=200)
    stage.services.slowness.found = slowness.diagnose(_ILL)
    stage.command("help.slow")
    await stage.dialog()
    await stage.rest()
