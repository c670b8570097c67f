"""Why answers are slow, or computed on the processor: gathers the facts for ``core.slowness``, and tells at once when a
model computes on the processor although a graphics card is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec.structs import replace

from qwen_desktop.core import slowness
from qwen_desktop.core.chat import Message
from qwen_desktop.core.engine import Capabilities, LocalInfo, ModelInfo
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.fit import FileFit
from qwen_desktop.core.hardware import Gpu, Machine, Moment
from qwen_desktop.core.memory import flash
from qwen_desktop.core.model_ref import FileRef, LoadOptions, ModelRef, merged
from qwen_desktop.core.parts import Role
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.slow_facts import Facts, Layer
from qwen_desktop.core.slowness import Diagnosis
from qwen_desktop.core.speed import threads_used
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.hardware import moment
from qwen_desktop.hardware.moment import Counters
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.events import EngineChanged, EventBus, MachineChanged, MessageChanged, ModelStatus, Notified
from qwen_desktop.services.fits import Fits
from qwen_desktop.services.history import History
from qwen_desktop.services.machines import Machines
from qwen_desktop.services.preferences import Preferences

log = logging.getLogger(__name__)

#: Counters are compared over at least so long, and no longer than that, in seconds.
_LEAST_S, _LONGEST_S = 0.8, 10.0
#: Messages of a conversation that are looked at to know whether it has just begun.
_TURNS = 6


class Slowness:
    """Answers the question, and publishes ``Notified`` for each model that computes on the processor unasked.

    ``options`` says how a file is loaded whatever the settings say; ``look`` reads the counters (tests have others).
    """

    def __init__(
        self,
        machines: Machines,
        fits: Fits,
        engines: Engines,
        preferences: Preferences,
        bus: EventBus,
        *,
        history: History,
        paths: Paths,
        options: Callable[[str], LoadOptions] = lambda _path: LoadOptions(),
        look: Callable[[], Counters] = moment.look,
    ) -> None:
        self._machines = machines
        self._fits = fits
        self._engines = engines
        self._preferences = preferences
        self._history = history
        self._bus = bus
        self._guide = str(paths.guide_file)
        self._options = options
        self._look = look
        self._before: Counters | None = None
        self._cards: dict[str, Gpu] = {}
        #: the newest answer with figures, by the fingerprint of the model that gave it
        self._answers: dict[str, Message] = {}
        self._ready: dict[ModelRef, ModelInfo] = {}
        self._told: set[tuple[str, str]] = set()
        self._telling: set[asyncio.Task[None]] = set()
        known = machines.known
        self._remember(() if known is None else known.gpus)
        self._leave = (
            bus.subscribe(EngineChanged, self._on_engine),
            bus.subscribe(MachineChanged, self._on_machine),
            bus.subscribe(MessageChanged, self._on_message),
        )

    async def ask(self, ref: ModelRef, message: Message | None = None) -> Diagnosis:
        """Why the model ``ref`` is slow: now, and in ``message`` (its last answer of this run, where none is named).

        Takes about a second the first time, since it watches what goes on. Never raises for want of facts.
        """
        now = asyncio.create_task(self._moment())
        facts = await self._facts(ref)
        info = facts.info
        if message is None and info is not None and info.local is not None:
            message = self._answers.get(info.local.sha256)
        if message is not None and message.stats is not None:
            facts = replace(facts, stats=message.stats, turns=await self._turns(message))
        return slowness.diagnose(replace(facts, moment=await now))

    async def aclose(self) -> None:
        """Hear of nothing any more."""
        for leave in self._leave:
            leave()
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    # Facts -----------------------------------------------------------------------------------------------------------

    async def _facts(self, ref: ModelRef, *, fresh: bool = True) -> Facts:
        """What is known of the machine and the model; a model that is not loaded is taken as it would be."""
        machine = self._machines.known
        if fresh or machine is None:
            machine = await self._machines.machine()
        path = ref.path if isinstance(ref, FileRef) else self._guide
        guide = path == self._guide
        own = LoadOptions() if guide else self._options(path)
        given = ref.options if isinstance(ref, FileRef) else LoadOptions()
        settings = self._preferences.settings.engine
        asked = LoadOptions(threads=settings.threads) if guide else LoadOptions(**merged(settings, own, given))
        facts = Facts(
            machine=machine,
            info=self._engines.state(ref).info,
            asked=asked,
            own=tuple(name for name in LoadOptions.__struct_fields__ if getattr(own, name) is not None),
            cards_before=tuple(self._cards.values()),
        )
        try:
            found, correction = await self._fits.loaded(path)
        except AppError as error:
            log.info("slowness.unknown code=%s", error.problem.what.code)
            return facts
        info = facts.info or foretold(found, path, machine, guide=guide)
        return replace(facts, info=info, shape=found.shape, correction=correction)

    async def _moment(self) -> Moment:
        before = self._before
        after = await asyncio.to_thread(self._look)
        if before is None or not _LEAST_S <= after.at - before.at <= _LONGEST_S:
            await asyncio.sleep(_LEAST_S)
            before, after = after, await asyncio.to_thread(self._look)
        self._before = after
        return moment.between(before, after)

    async def _turns(self, message: Message) -> int:
        try:
            known = await self._history.tail(message.conversation_id, _TURNS)
        except AppError:
            return 1
        return max(1, sum(one.role is Role.USER for one in known))

    # What is told ----------------------------------------------------------------------------------------------------

    def _on_message(self, event: MessageChanged) -> None:
        made, stats = event.message.provenance, event.message.stats
        if made is not None and stats is not None and stats.decode_tokens_per_s:
            self._answers[made.model_sha256] = event.message

    def _on_engine(self, event: EngineChanged) -> None:
        info = event.state.info
        if event.state.status is not ModelStatus.READY or info is None or info.local is None:
            self._ready.pop(event.ref, None)
            return
        self._ready[event.ref] = info
        if self._machines.known is not None:
            self._tell(event.ref, info)

    def _on_machine(self, event: MachineChanged) -> None:
        for ref, info in self._ready.items():
            self._tell(ref, info)
        self._remember(event.machine.gpus)

    def _remember(self, gpus: tuple[Gpu, ...]) -> None:
        self._cards.update({gpu.id or gpu.name: gpu for gpu in gpus})

    def _tell(self, ref: ModelRef, info: ModelInfo) -> None:
        if info.local is not None and not info.local.guide:
            task = asyncio.get_running_loop().create_task(self._notice(ref, info), name="slowness.notice")
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _notice(self, ref: ModelRef, info: ModelInfo) -> None:
        """Say once why the processor computes this model, wholly or in part, if nobody asked for that."""
        found = slowness.fallback(replace(await self._facts(ref, fresh=False), info=info))
        if found is None or info.local is None:
            return
        known = found.id, info.local.path if found.layer is Layer.CARD else ""
        if known in self._told:
            return
        self._told.add(known)
        text = found.what
        if not info.local.gpu_layers:
            source = QT_TRANSLATE_NOOP("slow", "The processor computes {model}. {why}")
            text = Text("slow.fallback", source, {"model": info.name, "why": found.what})
        log.info("slowness.fallback cause=%s", found.id)
        self._bus.publish(Notified(text, action="help.slow"))


def foretold(found: FileFit, path: str, machine: Machine, *, guide: bool = False) -> ModelInfo:
    """How a model that is not loaded would be: by its verdict."""
    use, fit = found.use, found.fit
    on_cards = fit.gpu_layers > 0
    local = LocalInfo(
        path=path,
        architecture=found.shape.architecture,
        quant=found.quant,
        size_bytes=found.size_bytes,
        parameters=found.shape.parameters,
        context_train=found.shape.context_train,
        threads=use.threads or threads_used(machine.cpu) or 1,
        gpu_layers=fit.gpu_layers,
        flash_attention=flash(use, gpu=on_cards),
        kv_type=use.kv_type,
        sha256="",
        template_sha256="",
        template_source="file",
        guide=guide,
        load_s=0.0,
        memory_bytes=0,
        mapped_bytes=0 if on_cards else found.shape.weights_bytes,
    )
    return ModelInfo(found.name, fit.context or found.context, Capabilities(), "", local=local)
