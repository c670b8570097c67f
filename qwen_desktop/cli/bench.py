"""``qwen-desktop bench``: how fast a model answers here, beside llama.cpp's own defaults.

The JSON object of ``--json``; speeds are tokens per second, the best of the rounds:

- ``model``: its name
- ``results``: one for each depth (tokens that stand before the answer): ``depth``, ``prompt_tokens`` (how long the
  prompt really was), ``prompt_tokens_per_s``, ``decode_tokens_per_s``, ``rounds``
- ``ttft_s``: seconds to the first token of an answer: ``cold`` (first question to a new process), ``warm`` (the next
  one of the conversation), ``restart`` (the one after it, when the model was unloaded in between; without the load);
  ``ttft_prompt_tokens`` is how long the first question was, ``load_s`` how long that last load took
- ``memory_bytes``: what the engine's process held at most
- ``settings``: what the model was loaded with: ``context``, ``threads``, ``flash_attention``, ``flash_until`` (so many
  tokens of a conversation have it all the same), ``kv_type``, ``gpu_layers``, ``batch`` (tokens of a prompt at once)
- ``llama_cpp_defaults``: ``results``, ``memory_bytes`` and ``settings`` with llama.cpp's defaults, measured in turns
  with the others
- ``ratio``: for each depth the chosen settings' speed divided by the defaults': ``depth``, ``prompt``, ``decode``
- ``left_out``: depths that were not measured, since they would have taken longer than ``--seconds``
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

from msgspec import structs

from qwen_desktop.cli.chat import DONE, is_place
from qwen_desktop.cli.console import Console, harmless
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.paths import absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill
from qwen_desktop.services import bench as measuring
from qwen_desktop.services.events import EngineChanged, ModelStatus, Notified

_HEADS = (
    QT_TRANSLATE_NOOP("bench", "Depth"),
    QT_TRANSLATE_NOOP("bench", "Reading"),
    QT_TRANSLATE_NOOP("bench", "Writing"),
    QT_TRANSLATE_NOOP("bench", "llama.cpp reads"),
    QT_TRANSLATE_NOOP("bench", "llama.cpp writes"),
    QT_TRANSLATE_NOOP("bench", "Gain"),
)


async def bench(run: CommandRun, model: str, wanted: measuring.Wanted) -> int:
    """Measure ``model`` (a file, or what an installed one is called by) and print the figures. Returns 0."""
    console = run.console
    async with run.services() as services:
        path = str(absolute(model))
        if not is_place(model):
            await services.library.scan()
            path = services.library.named(model).path

        def on_engine(event: EngineChanged) -> None:
            if event.state.status is ModelStatus.LOADING:
                console.loading(model, event.state.fraction)

        services.bus.subscribe(EngineChanged, on_engine)
        services.bus.subscribe(
            Notified, lambda event: console.warn(" ".join(map(str, filter(None, (event.text, event.hint)))))
        )
        measurement = measuring.Bench(
            services.engines, structs.replace(wanted, path=path), lambda step: console.progress(_doing(step))
        )
        try:
            report = await measurement.run()
        except asyncio.CancelledError:
            console.warn(QT_TRANSLATE_NOOP("bench", "Stopped: there are no figures of a measurement that was ended."))
            raise
    if run.as_json:
        console.object(as_object(report))
    else:
        _print(report, console)
    return DONE


def as_object(report: measuring.Report) -> dict[str, Any]:
    """What ``--json`` prints."""
    chosen = structs.asdict(report.chosen)
    return {
        "model": report.model,
        "results": chosen["results"],
        "ttft_s": report.ttft_s,
        "ttft_prompt_tokens": report.ttft_prompt_tokens,
        "load_s": report.load_s,
        "memory_bytes": chosen["memory_bytes"],
        "settings": chosen["settings"],
        "llama_cpp_defaults": report.defaults,
        "ratio": report.ratios,
        "left_out": report.left_out,
    }


def _doing(step: measuring.Progress) -> str:
    if step.depth is None:
        return QT_TRANSLATE_NOOP("bench", "Measuring how soon an answer begins …")
    template = (
        QT_TRANSLATE_NOOP("bench", "Measuring at a depth of %n token(s), round {round} of {rounds} …")
        if step.chosen
        else QT_TRANSLATE_NOOP("bench", "The same with llama.cpp's defaults, %n token(s), round {round} of {rounds} …")
    )
    return fill(template, {"n": step.depth, "round": step.round, "rounds": step.rounds})


def _print(report: measuring.Report, console: Console) -> None:
    console.line(harmless(report.model))
    console.line(_settings(QT_TRANSLATE_NOOP("bench", "Settings: {settings}"), report.chosen))
    console.line(_settings(QT_TRANSLATE_NOOP("bench", "llama.cpp's defaults: {settings}"), report.defaults))
    console.line(QT_TRANSLATE_NOOP("bench", "Tokens per second, the best of several rounds:"))
    table = [_HEADS, *_rows(report)]
    if sys.stdout.isatty():
        looks = ("bold", *("",) * (len(_HEADS) - 1))
        console.table([tuple(zip(row, looks, strict=True)) for row in table])
    else:
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for row in table:
            console.line("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    template = QT_TRANSLATE_NOOP(
        "bench",
        "An answer to %n token(s) begins after {cold} s, the next one after {warm} s, after unloading {restart} s.",
    )
    places = {name: f"{seconds:.2f}" for name, seconds in structs.asdict(report.ttft_s).items()}
    console.line(fill(template, {"n": report.ttft_prompt_tokens, **places}))
    template = QT_TRANSLATE_NOOP("bench", "Memory: {size} GB")
    console.line(fill(template, {"size": f"{report.chosen.memory_bytes / 1e9:.2f}"}))
    for depth in report.left_out:
        template = QT_TRANSLATE_NOOP(
            "bench", "Left out: a depth of %n token(s) would have taken too long (--depth or --seconds measures it)."
        )
        console.line(fill(template, {"n": depth}))


def _rows(report: measuring.Report) -> Iterator[tuple[str, ...]]:
    """A row for each depth, as people read it."""
    others = {found.depth: found for found in report.defaults.results}
    gains = {found.depth: found for found in report.ratios}
    for mine in report.chosen.results:
        other, gain = others[mine.depth], gains.get(mine.depth)
        speeds = (
            mine.prompt_tokens_per_s, mine.decode_tokens_per_s, other.prompt_tokens_per_s, other.decode_tokens_per_s,
        )  # fmt: skip
        yield (
            f"{mine.depth:,}",
            *(f"{speed:,.1f}" for speed in speeds),
            f"{gain.prompt:.2f} / {gain.decode:.2f}" if gain is not None else "",
        )


def _settings(template: str, side: measuring.Side) -> str:
    used = side.settings
    flash: str = QT_TRANSLATE_NOOP("bench", "on") if used.flash_attention else QT_TRANSLATE_NOOP("bench", "off")
    if used.flash_until:
        flash = fill(QT_TRANSLATE_NOOP("bench", "for the first %n token(s)"), {"n": used.flash_until})
    words = fill(
        QT_TRANSLATE_NOOP(
            "bench",
            "threads {threads}, flash attention {flash}, cache {kv_type}, context {context}, card layers {layers}",
        ),
        {
            "threads": used.threads,
            "flash": flash,
            "kv_type": used.kv_type,
            "context": used.context,
            "layers": used.gpu_layers,
        },
    )
    return fill(template, {"settings": words})
