"""``qwen-desktop tune``: measures how a model runs best on this computer, and keeps it for the model's next loads.

The JSON object of ``--json``; speeds are tokens per second, depths tokens:

- ``model``: its name; ``flash_attention``, ``kv_type``, ``threads`` (writing), ``read_threads``, ``batch_rows`` (null
  where it was not measured), ``gpu_layers``: what was chosen
- ``depth``: what it was tuned for; ``cores``: the threads of llama.cpp's defaults
- ``gains``: for each depth how many times faster than llama.cpp's defaults it writes and reads (0: not measured)
- ``trials``: what was measured: ``work`` (write, read, batch), ``way``, ``threads``, ``depth``, ``rows`` (tokens
  evaluated together), ``tokens_per_s`` (the best of ``tries``)
- ``seconds`` it took, ``taken_at`` (seconds of the epoch), ``share`` 0..1 of the processors that it got
"""

from __future__ import annotations

from collections.abc import Iterator

from qwen_desktop.cli.chat import is_place
from qwen_desktop.cli.console import Console
from qwen_desktop.cli.one_run import CommandRun, OneRunSettings
from qwen_desktop.core.model_ref import FileRef, GuideRef, ModelRef
from qwen_desktop.core.paths import absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill
from qwen_desktop.core.tuning import CROWDED, DEFAULT_WAY, Tuning, Way, shown, speed
from qwen_desktop.services.events import EngineChanged, ModelStatus, Notified
from qwen_desktop.services.services import Services

_ON, _OFF = QT_TRANSLATE_NOOP("tuning", "on"), QT_TRANSLATE_NOOP("tuning", "off")
_TYPES = {
    "f16": QT_TRANSLATE_NOOP("tuning", "16-bit"),
    "q8_0": QT_TRANSLATE_NOOP("tuning", "8-bit"),
    "k_q8_0": QT_TRANSLATE_NOOP("tuning", "keys in 8-bit"),
}


async def tune(run: CommandRun, model: str | None, *, seconds: float, depth: int | None) -> int:
    """Measure, print, and return 0. Raises ``AppError``, also when something else ended the measurement."""
    console = run.console
    history = run.paths.database_file.exists()  # it tells how deep the user's answers are
    settings = OneRunSettings(run.paths.settings_file, {})
    async with run.build(run.paths, history=history, settings_file=settings) as services:
        services.bus.subscribe(Notified, lambda event: console.warn(str(event.text)))
        services.bus.subscribe(EngineChanged, lambda event: _loading(event, console))
        ref = await _ref(services, model)

        def progress(fraction: float) -> None:
            template = QT_TRANSLATE_NOOP("tuning", "Measuring … {percent} %")
            console.progress(fill(template, {"percent": round(100 * fraction)}))

        if isinstance(ref, FileRef):  # the guide is refused at once
            await services.machines.machine()
        result = await services.tuner.tune(ref, seconds=seconds, depth=depth, on_progress=progress)
        info = services.engines.state(ref).info
    name = info.name if info is not None else ""
    if run.as_json:
        console.object({"model": name, **shown(result)})
    else:
        for line in lines(name, result):
            console.line(line)
    if result.share < CROWDED:
        template = QT_TRANSLATE_NOOP(
            "tuning",
            "Other programs took {percent} % of the processors meanwhile, so nothing was changed: measure again when"
            " they have ended.",
        )
        console.warn(fill(template, {"percent": round(100 * (1 - result.share))}))
    return 0


async def _ref(services: Services, model: str | None) -> ModelRef:
    if model is None:
        chosen = services.preferences.settings.engine.model
        return FileRef(chosen) if chosen else GuideRef()
    if is_place(model):
        return FileRef(str(absolute(model)))
    await services.library.scan()
    return FileRef(services.library.named(model).path)


def _loading(event: EngineChanged, console: Console) -> None:
    if event.state.status is ModelStatus.LOADING and isinstance(event.ref, FileRef):
        console.loading(event.ref.path.replace("\\", "/").rpartition("/")[2], event.state.fraction)


def lines(name: str, result: Tuning) -> Iterator[str]:
    """The result for people: what was measured as a table, then what was chosen and what it gains."""
    yield name
    yield ""
    rows = list(_table(result))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        first = row[0].ljust(widths[0])
        yield "  ".join([first, *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()
    yield ""
    chosen = QT_TRANSLATE_NOOP(
        "tuning",
        "Chosen: flash attention {flash}, context in {kv}, %n thread(s) for answers, {read} for prompts.",
    )
    kv = _TYPES.get(result.kv_type, result.kv_type)
    flash: str = _ON if result.flash_attention else _OFF
    if result.flash_until:
        flash = fill(QT_TRANSLATE_NOOP("tuning", "for the first %n token(s)"), {"n": result.flash_until})
    yield fill(chosen, {"flash": flash, "kv": kv, "n": result.threads, "read": result.read_threads})
    for gain in result.gains:
        template = QT_TRANSLATE_NOOP(
            "tuning", "After %n token(s): answers {times} times as fast as with llama.cpp's defaults."
        )
        yield fill(template, {"n": gain.depth, "times": f"{gain.write:.2f}"})
    if result.share >= CROWDED:
        yield QT_TRANSLATE_NOOP("tuning", "It is used from the model's next load on, where the settings say Automatic.")


def _table(result: Tuning) -> Iterator[list[str]]:
    depths = result.depths
    writes, reads = QT_TRANSLATE_NOOP("tuning", "writes at {n}"), QT_TRANSLATE_NOOP("tuning", "reads at {n}")
    yield [
        QT_TRANSLATE_NOOP("tuning", "tokens per second"),
        *(fill(word, {"n": str(depth)}) for word in (writes, reads) for depth in depths),
    ]
    for way, threads in dict.fromkeys((t.way, t.threads) for t in result.trials if t.work != "batch"):
        figures = [speed(result.trials, work, way, threads, d) for work in ("write", "read") for d in depths]
        yield [_called(way, threads, result), *(f"{figure:.1f}" if figure else "" for figure in figures)]


def _called(way: Way, threads: int, result: Tuning) -> str:
    template = QT_TRANSLATE_NOOP("tuning", "flash attention {flash}, {kv}, %n thread(s)")
    kv = _TYPES.get(way.kv_type, way.kv_type)
    words = fill(template, {"flash": _ON if way.flash_attention else _OFF, "kv": kv, "n": threads})
    if (way, threads) == (DEFAULT_WAY, result.cores):
        words += QT_TRANSLATE_NOOP("tuning", " (llama.cpp's defaults)")
    return words
