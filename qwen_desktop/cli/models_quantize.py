"""``qwen-desktop models quantize SRC TYPE``: make a model smaller.

The JSON object of ``--json``: ``status`` (done, planned, failed or interrupted), ``source`` and ``path`` (of the
result), ``type``, ``source_bytes``, ``size_bytes``, ``matrices`` and ``fallbacks`` (how many of them got another type
than usual because of their width), ``seconds`` (of the writing), ``quality`` (null, or ``mean_kl``, ``high_kl``: the
99th percentile, ``same_top`` 0..1, ``places``, ``text``: ours or own, ``verdict``) and ``problem`` (null or a sentence;
with ``done``: why quality could not be measured, or the list of models not written).
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from qwen_desktop.cli.console import Console, exact_size, harmless
from qwen_desktop.cli.interrupt import Interrupt
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.amounts import size
from qwen_desktop.core.errors import AppError, Failure, Problem, UserFacing, problem_of
from qwen_desktop.core.files import read_file
from qwen_desktop.core.paths import absolute
from qwen_desktop.core.quality import figures, verdict
from qwen_desktop.core.quantizing import (
    Planned,
    Quantization,
    QuantizeRequest,
    QuantizeStage,
    fallback_note,
    find_type,
)
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill
from qwen_desktop.services.events import QuantizationChanged
from qwen_desktop.services.services import Services

DONE, FAILED = 0, 1
_LONGEST_TEXT = 4 << 20

# fmt: off
_no_quality = Failure(
    UserFacing, "quantize.text_alone", "",
    QT_TRANSLATE_NOOP("quantize", "--text says what quality is measured on, and without --quality it is not measured."),
    QT_TRANSLATE_NOOP("quantize", "Add --quality."),
)
_no_text = Failure(
    UserFacing, "quantize.no_text", "path",
    QT_TRANSLATE_NOOP("quantize", "{path} is not a text in UTF-8 of at most 4 MB."),
    QT_TRANSLATE_NOOP("quantize", "Choose a plain text of some pages."),
)
# fmt: on


class QuantizeOptions(Struct, frozen=True):
    """What the command was given."""

    source: str
    type: str
    out: Path | None = None
    requantize: bool = False
    dry_run: bool = False
    quality: bool = False
    text: Path | None = None
    force: bool = False


class _Run:
    """One call of the command, and what is known of it so far."""

    def __init__(self, wanted: QuantizeOptions, console: Console) -> None:
        self.wanted = wanted
        self.console = console
        self.source = wanted.source
        self.source_bytes = 0
        self.path = ""
        self.planned: Planned | None = None
        self.run: Quantization | None = None
        self.problem: Problem | None = None

    async def work(self, services: Services, interrupt: Interrupt) -> None:
        """Do it. Raises ``AppError``."""
        wanted, service = self.wanted, services.quantizing
        kind = find_type(wanted.type)
        if wanted.text is not None and not wanted.quality:
            raise _no_quality()
        text = await asyncio.to_thread(_text, wanted.text) if wanted.text is not None else None
        name = await self._find(services)
        target = str(absolute(wanted.out)) if wanted.out is not None else ""
        request = QuantizeRequest(
            self.source,
            kind.name,
            target,
            requantize=wanted.requantize,
            replace=wanted.force,
            quality=wanted.quality,
            text=text,
            name=name,
        )
        self.path = await service.target(request)
        if wanted.dry_run:
            found = await service.plan(self.source, [kind.name], self._plan, requantize=wanted.requantize)
            self.source_bytes = found.size_bytes
            return
        services.bus.subscribe(QuantizationChanged, self._changed)
        task = service.start(request)
        interrupt.stop_with(service.cancel)
        self.run = await task
        self.source_bytes, self.path = self.run.source_bytes, self.run.path or self.path
        self.planned, self.problem = self.run.planned, self.run.problem

    async def _find(self, services: Services) -> str:
        """Say which file is meant: one of that path, else a model of the library; and what people call it."""
        await services.library.scan()
        path = absolute(self.source)
        separated = "/" in self.source or os.sep in self.source
        if await asyncio.to_thread(path.is_file) or separated or self.source.lower().endswith(".gguf"):
            self.source = str(path)
            model = services.library.find(self.source)
        else:
            model = services.library.named(self.source)
            self.source = model.path
        return f"{model.name} {model.quant}".strip() if model is not None else path.stem

    def _plan(self, planned: Planned) -> None:
        self.planned = planned

    def _changed(self, event: QuantizationChanged) -> None:
        if event.run is None or event.run.stage.over:
            return
        first, self.planned = self.planned is None, event.run.planned
        if first and self.planned is not None:
            self.console.note(_size_line(self.planned))
        self.console.progress(progress_line(event.run))

    @property
    def done(self) -> bool:
        """Whether there is what was asked for."""
        return self.run.made if self.run is not None else self.wanted.dry_run and self.planned is not None

    def as_object(self, status: str) -> dict[str, Any]:
        """For ``--json``."""
        run, planned = self.run, self.planned
        quality = run.quality if run is not None else None
        return {
            "status": status,
            "source": self.source,
            "path": self.path,
            "type": planned.type if planned else self.wanted.type,
            "source_bytes": self.source_bytes,
            "size_bytes": planned.size_bytes if planned else 0,
            "matrices": planned.matrices if planned else 0,
            "fallbacks": planned.fallbacks if planned else 0,
            "seconds": round(run.seconds, 3) if run is not None else 0.0,
            "quality": {**structs.asdict(quality), "verdict": str(verdict(quality))} if quality else None,
            "problem": self.problem.sentence() if self.problem else None,
        }


async def quantize(run: CommandRun, wanted: QuantizeOptions) -> int:
    """Make a model smaller and print where it is. Returns 0, 1 when it failed or quality could not be measured, or the
    code of the signal that ended it (130 after Ctrl+C): then nothing is left, unless it was only being measured."""
    console = run.console
    this = _Run(wanted, console)
    error: BaseException | None = None
    with Interrupt() as interrupt:
        try:
            async with run.services() as services:
                await this.work(services, interrupt)
        except (Exception, asyncio.CancelledError) as ending:
            if not interrupt.ended(ending):
                error, this.problem = ending, problem_of(ending)
    console.end()
    stopped = interrupt.pressed and (
        not this.done or (wanted.quality and this.run is not None and not this.run.quality)
    )
    if run.as_json:
        status = "planned" if this.done and wanted.dry_run else "done" if this.done else "failed"
        console.object(this.as_object("interrupted" if stopped and not this.done else status), indent=None)
    if error is not None and not isinstance(error, AppError | OSError):
        raise error  # the caller's guard keeps the details
    if this.done and not run.as_json:
        _print(this, console)
    if stopped:
        if this.done:
            console.note(QT_TRANSLATE_NOOP("quantize", "The model is whole; its quality was not measured."))
        return interrupt.code
    if this.problem is not None:
        console.warn(this.problem.sentence())
    return DONE if this.done and this.problem is None else FAILED


def _print(this: _Run, console: Console) -> None:
    planned = this.planned
    if planned is not None and this.wanted.dry_run:
        console.line(_size_line(planned))
    note = fallback_note(planned) if planned is not None else None
    if this.wanted.dry_run:
        if note is not None:
            console.line(str(note))
        return
    console.line(harmless(this.path))
    if note is not None:
        console.note(str(note))
    quality = this.run.quality if this.run is not None else None
    if quality is not None:
        console.line(f"{verdict(quality)} {figures(quality)}")


def _size_line(planned: Planned) -> str:
    template = QT_TRANSLATE_NOOP("quantize", "As {type} it takes {size}.")
    return fill(template, {"type": planned.type, "size": exact_size(planned.size_bytes)})


def progress_line(run: Quantization) -> str:
    """Where a run is, for a line of the terminal."""
    if run.stage is QuantizeStage.STARTING:
        return QT_TRANSLATE_NOOP("quantize", "Looking at the model …")
    template = QT_TRANSLATE_NOOP("quantize", "Measuring quality: {percent} %")
    if run.stage is QuantizeStage.WRITING:
        template = QT_TRANSLATE_NOOP("quantize", "{type}: {percent} % of {size}")
    line = fill(template, {"percent": int(100 * run.fraction), "type": run.request.type, "size": size(run.total)})
    if run.seconds_left is not None:
        left = QT_TRANSLATE_NOOP("quantize", " · {seconds} s left")
        line += fill(left, {"seconds": max(1, round(run.seconds_left))})
    return line


def _text(path: Path) -> str:
    """The user's text. Raises ``UserFacing`` and ``OSError``."""
    data = read_file(path, _LONGEST_TEXT + 1)
    try:
        if len(data) <= _LONGEST_TEXT:
            return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise _no_text(str(path))
