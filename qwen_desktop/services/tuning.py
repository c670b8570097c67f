"""How models run best on this computer: measured once for each, kept, and used whenever they are loaded.

A model that has no result yet is measured in the background: after its first answer, when nothing was asked of it for
some seconds. It has no lease meanwhile: the worker ends the run as soon as anything else is wanted of it, and it is
done again after a later answer. What it found holds from the next load on. Loading the model anew for it at once would
forget the conversation, whose next answer would begin with reading it all again: seconds lost for what is gained.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import statistics
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core import tuning
from qwen_desktop.core.corrections import machine_name
from qwen_desktop.core.engine import LoadRequest, ModelInfo
from qwen_desktop.core.errors import AppError, Cancelled, Environment, Failure, UserFacing
from qwen_desktop.core.files import read_file, write_atomic
from qwen_desktop.core.hardware import Machine
from qwen_desktop.core.model_ref import FileRef, GuideRef, ModelRef
from qwen_desktop.core.packed import from_json, to_json
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.core.tuning import TuneProgress, TuneRequest, Tuning
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.events import (
    EngineChanged,
    EventBus,
    MessageChanged,
    ModelStatus,
    RunChanged,
    TuningChanged,
)
from qwen_desktop.services.history import History
from qwen_desktop.services.machines import Machines

log = logging.getLogger(__name__)

#: Results kept in all, the newest; a real file has some hundred kilobytes at most.
KEPT = 100
_LONGEST_FILE = 4 << 20
#: Nothing is asked of a model for so long before it is measured, in seconds.
IDLE_S = 8.0
#: A battery with less than this is not used for it, in percent.
_BATTERY = 100 / 3
#: So often a run is begun by itself for a model before the app is started again.
_ATTEMPTS = 3
#: How much of the history tells the usual depth, in answers.
_ANSWERS = 50
_SMALLER = "context.memory"

# fmt: off
#: A measured run was ended by something else that was wanted of the model.
interrupted = Failure(
    Cancelled, "tune.interrupted", "",
    QT_TRANSLATE_NOOP("tuning", "The measurement was ended before it was done."),
    QT_TRANSLATE_NOOP("tuning", "Measure again when the model has nothing else to do."),
)
_guide = Failure(
    UserFacing, "tune.guide", "",
    QT_TRANSLATE_NOOP("tuning", "The built-in guide is so small that there is nothing to measure."),
    QT_TRANSLATE_NOOP("tuning", "Choose a model, or name one with --model."), "model.choose",
)
_nothing = Failure(
    Environment, "tune.nothing", "seconds",
    QT_TRANSLATE_NOOP("tuning", "Nothing could be compared in {seconds} s: the computer is too busy or too slow."),
    QT_TRANSLATE_NOOP("tuning", "Measure again with more time, or when other programs have ended."),
)
# fmt: on


class _Kept(Struct, frozen=True):
    """One result: of the file with the fingerprint ``key``, seen last at ``path``."""

    key: str
    machine: str
    engine: str
    tuning: Tuning
    path: str = ""

    @property
    def name(self) -> tuple[str, str, str]:
        """What makes it another result."""
        return self.key, self.machine, self.engine


class KeptTunings:
    """The results, in ``tunings.json`` of the data folder (read in the constructor): they hold for a file, a computer
    and a version of the engine."""

    def __init__(self, machines: Machines, paths: Paths) -> None:
        self._machines = machines
        self._file = paths.data / "tunings.json"
        self._known = _read(self._file)
        self._writing = asyncio.Lock()

    def of(self, info: ModelInfo) -> Tuning | None:
        """The result for a loaded model, None for none."""
        found = self._of(info)
        return None if found is None else found.tuning

    def at(self, path: str) -> Tuning | None:
        """The result for the file that was loaded from ``path`` last; should another one lie there now, the next load
        finds out."""
        machine = self._machines.known
        here = "" if machine is None else machine_name(machine)
        found = (k for k in reversed(self._known) if k.path == path and k.machine == here and k.engine == _engine())
        return next((kept.tuning for kept in found), None)

    def filled(self, request: LoadRequest) -> LoadRequest:
        """``request`` with what was measured of its file, where it leaves the choice to the engine."""
        return tuning.filled(request, self.at(request.path))

    async def seen(self, info: ModelInfo) -> None:
        """A model is loaded: its file may lie elsewhere now, and no other one lies there. Raises ``OSError``."""
        found = self._of(info)
        if info.local is None:
            return
        path = info.local.path
        if (found is not None and found.path != path) or any(k.path == path and k != found for k in self._known):
            await self._keep(found, path)

    async def add(self, info: ModelInfo, machine: Machine, result: Tuning) -> None:
        """Keep a result in the place of an earlier one. Raises ``OSError``."""
        if info.local is not None:
            new = _Kept(info.local.sha256, machine_name(machine), info.engine, result)
            await self._keep(new, info.local.path)

    async def forget(self, path: str) -> None:
        """Forget what was measured of the file that was loaded from ``path`` last. Raises ``OSError``."""
        for kept in [kept for kept in self._known if kept.path == path]:
            async with self._writing:
                self._known = await asyncio.to_thread(_change, self._file, self._known, kept.name, None, "")

    def _of(self, info: ModelInfo) -> _Kept | None:
        machine = self._machines.known
        if machine is None or info.local is None:
            return None
        wanted = info.local.sha256, machine_name(machine), info.engine
        return next((kept for kept in self._known if kept.name == wanted), None)

    async def _keep(self, new: _Kept | None, path: str) -> None:
        name = new.name if new is not None else None
        async with self._writing:
            self._known = await asyncio.to_thread(_change, self._file, self._known, name, new, path)


class Tuner:
    """Has models measured: when asked, and by itself once ``watch`` was called. All methods run on the event loop."""

    def __init__(
        self,
        kept: KeptTunings,
        engines: Engines,
        machines: Machines,
        history: History,
        bus: EventBus,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        self.kept = kept
        self._engines = engines
        self._machines = machines
        self._history = history
        self._bus = bus
        self._idle_s = idle_s
        self._loaded: dict[ModelRef, ModelInfo] = {}
        #: models that have no result, by fingerprint, and how many runs were begun by themselves
        self._attempts: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._run: tuple[ModelRef, float, asyncio.Task[Tuning]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._leave: tuple[Callable[[], None], ...] = ()

    def watch(self) -> None:
        """From now on measure models without a result after their first answers."""
        subscribe = self._bus.subscribe
        self._leave = (
            subscribe(EngineChanged, self._on_engine),
            subscribe(MessageChanged, self._on_message),
            subscribe(RunChanged, self._on_run),
        )

    def progress(self, ref: ModelRef) -> float | None:
        """How far the measured run of a model is, 0..1; None while none runs."""
        return self._run[1] if self._run is not None and self._run[0] == _plain(ref) else None

    async def tune(
        self,
        ref: ModelRef,
        *,
        seconds: float = tuning.SECONDS,
        depth: int | None = None,
        on_progress: Callable[[float], None] = lambda _fraction: None,
    ) -> Tuning:
        """Measure a model, loaded first where it must be, and keep the result, unless other programs took so much of
        the processors that it says nothing (``core.tuning.CROWDED``). ``depth`` None is that of the user's answers. One
        run at a time: a second one ends the first. Raises ``AppError``.
        """
        if isinstance(ref, GuideRef):
            raise _guide()
        self.skip()
        await self._engines.load(ref)
        return await self._measured(ref, seconds, depth, on_progress)

    def skip(self) -> None:
        """End the run that goes on; it is not done again by itself until the app is started again."""
        if self._run is not None:
            info = self._loaded.get(self._run[0])
            if info is not None and info.local is not None:
                self._attempts[info.local.sha256] = _ATTEMPTS
            self._run[2].cancel()

    async def forget(self, path: str) -> None:
        """Forget what was measured of a file: it is loaded as the engine chooses by itself. Raises ``OSError``."""
        info = self._loaded.get(FileRef(path))
        if info is not None and info.local is not None:
            self._attempts[info.local.sha256] = _ATTEMPTS  # who forgets a result does not want the same again at once
        await self.kept.forget(path)
        self._tell(FileRef(path))

    async def aclose(self) -> None:
        """Measure nothing any more."""
        for leave in self._leave:
            leave()
        self._stop_waiting()
        tasks = [*self._tasks, *([self._run[2]] if self._run is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # One run ---------------------------------------------------------------------------------------------------------

    async def _measured(
        self,
        ref: ModelRef,
        seconds: float = tuning.SECONDS,
        depth: int | None = None,
        on_progress: Callable[[float], None] = lambda _fraction: None,
    ) -> Tuning:
        plain = _plain(ref)
        work = self._work(plain, seconds, depth, on_progress)
        task = asyncio.create_task(work, name="tuning.run")
        self._run = plain, 0.0, task
        self._tell(plain)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                task.cancel()
                raise
            raise interrupted() from None
        finally:
            if self._run is not None and self._run[2] is task:
                self._run = None
            self._tell(plain)

    async def _work(
        self, ref: ModelRef, seconds: float, depth: int | None, on_progress: Callable[[float], None]
    ) -> Tuning:
        machine = self._machines.known or await self._machines.machine()
        engine = self._engines.loaded(ref)
        info = engine.info if engine is not None else None
        if engine is None or info is None:
            raise interrupted()
        wanted = depth if depth is not None else await self._usual_depth()
        request = TuneRequest(
            depth=min(wanted, info.context_size),
            seconds=seconds,
            performance=machine.cpu.performance if machine.cpu.efficiency else None,
            short=any(notice.code == _SMALLER for notice in info.notices),
        )

        def told(progress: TuneProgress) -> None:
            if self._run is not None and self._run[0] == ref:
                self._run = ref, progress.fraction, self._run[2]
            on_progress(progress.fraction)
            self._tell(ref)

        result = await engine.tune(request, told)
        if not result.whole:
            if result.seconds >= 0.9 * seconds:
                raise _nothing(round(seconds))
            raise interrupted()
        if result.share >= tuning.CROWDED:
            await self.kept.add(info, machine, result)
        log.info("tuning.done seconds=%.1f share=%.2f", result.seconds, result.share)
        return result

    async def _usual_depth(self) -> int:
        used = [stats.context_used for stats in await self._history.recent_stats(_ANSWERS) if stats.context_used]
        return int(statistics.median(used)) if used else tuning.USUAL_DEPTH

    def _tell(self, ref: ModelRef) -> None:
        self._bus.publish(TuningChanged(_plain(ref), self.progress(ref)))

    # By itself -------------------------------------------------------------------------------------------------------

    def _on_engine(self, event: EngineChanged) -> None:
        info = event.state.info
        if event.state.status is ModelStatus.READY and info is not None and info.local is not None:
            self._loaded[event.ref] = info
            self._begin(self._seen(info))
        else:
            self._loaded.pop(event.ref, None)

    async def _seen(self, info: ModelInfo) -> None:
        with contextlib.suppress(OSError):  # it is found by its fingerprint again
            await self.kept.seen(info)

    def _on_run(self, event: RunChanged) -> None:
        if event.run is not None:
            self._stop_waiting()

    def _on_message(self, event: MessageChanged) -> None:
        made = event.message.provenance
        if made is None or event.message.stats is None:
            return
        for ref, info in self._loaded.items():
            local = info.local
            if local is not None and local.sha256 == made.model_sha256 and not local.guide and self._wants(info):
                self._stop_waiting()
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._idle_s, partial(self._rested, ref))

    def _rested(self, ref: ModelRef) -> None:
        self._begin(self._by_itself(ref))

    def _wants(self, info: ModelInfo) -> bool:
        key = info.local.sha256 if info.local is not None else ""
        return self._attempts.get(key, 0) < _ATTEMPTS and self.kept.of(info) is None

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _by_itself(self, ref: ModelRef) -> None:
        info = self._loaded.get(ref)
        if info is None or info.local is None or self._engines.busy or self._run is not None or not self._wants(info):
            return
        battery = (await self._machines.machine()).battery
        if battery is not None and not battery.plugged and battery.percent < _BATTERY:
            return
        if self._engines.busy or self._engines.loaded(ref) is None:
            return
        self._attempts[info.local.sha256] = self._attempts.get(info.local.sha256, 0) + 1
        try:
            await self._measured(ref)
        except (AppError, OSError) as error:
            log.info("tuning.ended kind=%s", type(error).__name__)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _plain(ref: ModelRef) -> ModelRef:
    """The reference without options, as events name models."""
    return FileRef(ref.path) if isinstance(ref, FileRef) else ref


@functools.cache
def _engine() -> str:
    """The engine as a loaded model's ``ModelInfo`` names it (``engine.bindings``, which the app never imports)."""
    from importlib import metadata  # noqa: PLC0415 - brings email along, and only a tuned model needs it

    try:
        return f"llama-cpp-python {metadata.version('llama-cpp-python')}"
    except metadata.PackageNotFoundError:
        return "llama-cpp-python of unknown version"


def _read(file: Path) -> tuple[_Kept, ...]:
    """What earlier runs kept; nothing when the file is missing or damaged."""
    try:
        return from_json(read_file(file, _LONGEST_FILE), tuple[_Kept, ...])
    except (OSError, ValueError, RecursionError):
        return ()


def _change(
    file: Path, known: tuple[_Kept, ...], name: tuple[str, str, str] | None, new: _Kept | None, path: str
) -> tuple[_Kept, ...]:
    """Have ``new`` in the place of the result called ``name`` in the file as it is now, which another window may have
    written; at ``path`` lies its file and no other one's."""
    others = [kept for kept in _read(file) or known if kept.name != name]
    others = [replace(kept, path="") if path and kept.path == path else kept for kept in others]
    result = (*others, *([replace(new, path=path)] if new is not None else []))[-KEPT:]
    write_atomic(file, to_json(result, indent=1))
    return result
