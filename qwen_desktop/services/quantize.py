"""Making a model smaller: one at a time, in a process of its own, which is killed to cancel.

The result gets its name only once it is whole and checked; whatever stops a run before leaves nothing. It then is a
model of the library like any other, with what it was made from, and how good it is where that was measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from msgspec import structs

from qwen_desktop.core.chat import new_id
from qwen_desktop.core.errors import AppError, Cancelled, Environment, Failure, Problem, problem_of
from qwen_desktop.core.paths import Paths, absolute
from qwen_desktop.core.quality import Quality
from qwen_desktop.core.quantizing import (
    Planned,
    Quantization,
    QuantizeRequest,
    QuantizeStage,
    SourceFile,
    find_type,
    made_from,
)
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine.quantize_wire import Made, Measured, Wanted
from qwen_desktop.jobs import quantizing as files
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.endings import End, Ending
from qwen_desktop.process.rpc import Client
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.events import EventBus, QuantizationChanged
from qwen_desktop.services.library import Library

log = logging.getLogger(__name__)

R = TypeVar("R")

#: Threads of the low-priority child wait without computing: on a busy machine their spinning made them seven times
#: slower (measured: 64 rows of a 135M in 4.4 s instead of 32).
_VARIABLES = {"OMP_WAIT_POLICY": "passive"}
#: A run is told of at most so often, in seconds.
_TELL_S = 0.1
#: The time left is not told before this many seconds.
_FORESEE_S = 2.0
_LONGEST_TEXT = 4 << 20

# fmt: off
_closing = Problem("cancelled", Text("quantize.closing", QT_TRANSLATE_NOOP("quantize", "The app is closing.")))
_cancelled = Failure(Cancelled, "quantize.cancelled", "", QT_TRANSLATE_NOOP("quantize", "It was stopped."))
_crashed = Failure(
    Environment, "quantize.crashed", "file",
    QT_TRANSLATE_NOOP("quantize", "llama.cpp ended unexpectedly while it worked on {file}."),
    QT_TRANSLATE_NOOP("quantize", "Try again. If it happens again, the file may be damaged: download it anew."),
)
_memory = Failure(
    Environment, "quantize.memory", "file",
    QT_TRANSLATE_NOOP("quantize", "There was not enough memory for {file}."),
    QT_TRANSLATE_NOOP("quantize", "Close other programs, then try again."),
)
# fmt: on


class Quantizing:
    """Makes models smaller. ``text`` is the file with our text to measure quality on."""

    def __init__(self, library: Library, jobs: JobWorker, bus: EventBus, paths: Paths) -> None:
        self._library = library
        self._jobs = jobs
        self._bus = bus
        self._data = paths.data
        self._text = paths.resources / "quality" / "text.txt"
        self._clients: set[Client] = set()
        self._current: Quantization | None = None
        self._task: asyncio.Task[Quantization] | None = None
        self._told_at = 0.0
        self._stopping = self._closed = False

    @property
    def current(self) -> Quantization | None:
        """The run that goes on, or the last one, until it is dismissed."""
        return self._current

    @property
    def running(self) -> bool:
        """Whether one goes on."""
        return self._task is not None and not self._task.done()

    async def plan(
        self,
        source: str,
        types: Iterable[str],
        on_plan: Callable[[Planned], None] = lambda _planned: None,
        *,
        requantize: bool = False,
    ) -> SourceFile:
        """What a file is, and what it would come to as each of ``types``, told one by one. Raises ``AppError``."""
        wanted = Wanted(str(absolute(source)), tuple(types), requantize=requantize)
        return await self._call("plan", wanted, Planned, SourceFile, on_plan)

    async def target(self, request: QuantizeRequest) -> str:
        """Where the result of a request would go, links followed. Raises ``AppError``."""
        try:
            return await asyncio.to_thread(self._target, request)
        except OSError as error:
            problem = problem_of(error)
            raise Environment(problem.what, problem.hint) from error

    def usual_folder(self, source: str) -> str:
        """The folder in which a result is put where nobody names another: the source's own, where that is one of our
        models folder, else one for it there."""
        model = self._library.find(source)
        if model is not None and model.owned:
            return str(Path(source).parent)
        return str(self._library.folder / "local" / "smaller")

    async def free_bytes(self, folder: str) -> int | None:
        """What is free on the disk of a folder, which need not be there yet. None where nobody can tell."""
        with contextlib.suppress(OSError):
            return await asyncio.to_thread(_free, Path(folder))
        return None

    def start(self, request: QuantizeRequest) -> asyncio.Task[Quantization]:
        """Begin; the task ends with the run, whatever becomes of it, and raises nothing. Raises ``UserFacing`` while
        another one goes on."""
        if self.running or self._closed:
            raise files.busy()
        self._stopping = False
        self._current = Quantization(new_id(), request)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="quantize")
        self._tell()
        return self._task

    async def cancel(self) -> None:
        """End the run that goes on; nothing is left of it, unless it was only being measured."""
        task = self._task
        if task is None or task.done():
            return
        self._stopping = True
        self._kill()
        task.cancel()
        await asyncio.wait({task})

    def dismiss(self) -> None:
        """Take a run that is over off the list."""
        if not self.running and self._current is not None:
            self._current = None
            self._bus.publish(QuantizationChanged(None))

    async def clean(self) -> None:
        """At the start: remove what a killed run left."""
        await asyncio.to_thread(files.sweep_unless_busy, self._data)

    async def aclose(self) -> None:
        """Stop. Safe to call twice."""
        self._closed = True
        await self.cancel()
        self._kill()

    # A run -----------------------------------------------------------------------------------------------------------

    async def _run(self) -> Quantization:
        try:
            with ExitStack() as held:
                await _whole(asyncio.to_thread(held.enter_context, files.alone(self._data)))
                await self._make()
        except asyncio.CancelledError:
            self._over(QuantizeStage.CANCELLED)
        except Exception as error:
            problem = problem_of(error)
            if not isinstance(error, AppError | OSError):
                log.error("quantize.failed kind=%s", type(error).__name__, exc_info=error)
            stopped = problem.kind == "cancelled" or self._stopping
            self._over(QuantizeStage.CANCELLED if stopped else QuantizeStage.FAILED, None if stopped else problem)
        assert self._current is not None  # noqa: S101 - it is dismissed only when no run goes on
        return self._current

    async def _make(self) -> None:
        run = self._now
        request = structs.replace(run.request, source=str(absolute(run.request.source)))
        target = await asyncio.to_thread(self._target, request)
        self._change(path=target)
        part = await asyncio.to_thread(files.begin, self._data, target)
        try:
            begun = time.monotonic()

            def reached(event: Planned | tuple[int, int]) -> None:
                if isinstance(event, Planned):
                    self._change(stage=QuantizeStage.WRITING, planned=event, total=event.size_bytes)
                else:
                    self._progress(*event, begun)

            wanted = Wanted(request.source, (request.type,), part, request.requantize)
            made = await self._call("quantize", wanted, Planned | tuple[int, int], Made, reached)
            # From here on it becomes a model, whatever is wished meanwhile: both or neither.
            await _whole(self._finish(request, target, part, made))
        finally:
            await _whole(asyncio.to_thread(files.drop, self._data, part))
        if request.quality:
            await self._measure(request, target)
        self._over(QuantizeStage.DONE, self._now.problem)

    async def _finish(self, request: QuantizeRequest, target: str, part: str, made: Made) -> None:
        params = {
            "part": part,
            "target": target,
            "size_bytes": made.planned.size_bytes,
            "tensors": made.tensors,
            "quant": find_type(request.type).name,
            "replace": request.replace,
        }
        if request.replace:
            await self._library.let_go(target)
        await self._jobs.call("quantize.finish", params)
        size = made.planned.size_bytes
        source = made.source
        self._change(
            made=True, seconds=made.seconds, done=size, total=size, source_bytes=source.size_bytes, seconds_left=None
        )
        name = made_from(request.name or source.name, source.quant if source.quant not in request.name else "")
        try:
            await self._library.add_made(target, name)
        except AppError as error:  # it is whole all the same
            self._change(problem=error.problem)

    async def _measure(self, request: QuantizeRequest, path: str) -> None:
        """Measure, and note what came out. A failure is told with the result, which stays."""
        try:
            text = request.text
            if text is None:
                text = await asyncio.to_thread(self._text.read_text, "utf-8")
            self._change(stage=QuantizeStage.MEASURING, done=0, total=0)
            begun = time.monotonic()
            wanted = Measured(request.source, path, text, "ours" if request.text is None else "own")
            quality = await self._call(
                "quality", wanted, tuple[int, int], Quality, lambda step: self._progress(step[0], step[1], begun)
            )
            self._change(quality=quality)
            if self._library.find(path) is not None:
                await self._library.set_quality(path, quality)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        except (AppError, OSError) as error:
            if not self._stopping:
                self._change(problem=problem_of(error))

    async def _call(self, method: str, params: Any, event: Any, result: type[R], on_event: Callable[[Any], None]) -> R:
        """Have one thing done by a process of its own. Raises ``AppError``."""
        endings: list[Ending] = []
        client = Client(worker_command("quantize"), _closing, variables=_VARIABLES)
        client.on_end(endings.append)
        self._clients.add(client)
        try:
            await client.start()
            with client.open(method, params, event, result) as call:
                return await call.finish(on_event)
        except AppError as error:
            ended = next((ending for ending in endings if ending.end is not End.ASKED), None)
            if ended is None:
                raise
            name = Path(params.source).name
            log.warning("quantize.crashed end=%s code=%d", ended.end, ended.code)
            if ended.end is End.OUT_OF_MEMORY:
                raise _memory(name) from error
            raise _crashed(name, details=f"{ended.end} code={ended.code} {ended.signal}".strip()) from error
        finally:
            self._clients.discard(client)
            client.kill()
            await _whole(client.aclose(0))  # what it wrote to is free then

    def _target(self, request: QuantizeRequest) -> str:
        source = str(absolute(request.source))
        wanted = str(absolute(request.target)) if request.target else ""
        model = self._library.find(source)
        usual = self.usual_folder(source)
        if wanted and Path(wanted).parent == Path(usual):
            Path(usual).mkdir(parents=True, exist_ok=True)
        target = files.target_for(source, request.type, wanted, usual, request.name)
        parts = list(model.files) if model is not None else files.parts_of(source)
        return files.check_target(parts, target, replace=request.replace)

    # Telling ---------------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> Quantization:
        assert self._current is not None  # noqa: S101 - as in _run
        return self._current

    def _change(self, **fields: Any) -> None:
        self._current = structs.replace(self._now, **fields)
        self._tell()

    def _progress(self, done: int, total: int, begun: float) -> None:
        taken, left = time.monotonic() - begun, None
        if done and taken > _FORESEE_S:
            left = taken * (total - done) / done
        self._current = structs.replace(self._now, done=done, total=total, seconds_left=left)
        if time.monotonic() - self._told_at >= _TELL_S:
            self._tell()

    def _over(self, stage: QuantizeStage, problem: Problem | None = None) -> None:
        if self._now.made:
            stage = QuantizeStage.DONE
        self._change(stage=stage, problem=problem, seconds_left=None)

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        self._bus.publish(QuantizationChanged(self._current))

    def _kill(self) -> None:
        for client in tuple(self._clients):
            client.kill()


async def _whole(work: Coroutine[Any, Any, Any]) -> None:
    """Await what must not be left half done: a cancellation comes after its end."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen
        raise


def _free(folder: Path) -> int:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free
