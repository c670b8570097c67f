"""What is known of a model's speed on a computer, what follows from it, and what a cause of slowness is. Pure."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from qwen_desktop.core import speed
from qwen_desktop.core.engine import LocalInfo, ModelInfo, Stats
from qwen_desktop.core.hardware import Gpu, Machine, Moment
from qwen_desktop.core.memory import UNCORRECTED, Correction
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.shape import Shape
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source, Text

#: No estimate is believed beyond this factor.
MOST = 50.0
#: What is reached is as expected from this share on.
_AS_EXPECTED = 0.8
#: A card with less memory of its own is graphics inside the processor: no faster than it.
_CARD_BYTES = 3 << 30
#: The first bus of a computer, on which graphics inside processors sit.
_INSIDE = "0000:00:"


class Layer(StrEnum):
    """Where a cause lies."""

    DRIVER = "driver"
    BUILD = "build"
    CARD = "card"
    SETTINGS = "settings"
    MEMORY = "memory"
    DISK = "disk"
    POWER = "power"
    PROGRAMS = "programs"
    LIMITS = "limits"
    PROCESSOR = "processor"
    MODEL = "model"
    CONTEXT = "context"
    THINKING = "thinking"


LAYERS: dict[Layer, Source] = {
    Layer.DRIVER: QT_TRANSLATE_NOOP("slow", "Driver"),
    Layer.BUILD: QT_TRANSLATE_NOOP("slow", "This build"),
    Layer.CARD: QT_TRANSLATE_NOOP("slow", "Graphics card"),
    Layer.SETTINGS: QT_TRANSLATE_NOOP("slow", "Settings"),
    Layer.MEMORY: QT_TRANSLATE_NOOP("slow", "Memory"),
    Layer.DISK: QT_TRANSLATE_NOOP("slow", "Disk"),
    Layer.POWER: QT_TRANSLATE_NOOP("slow", "Power"),
    Layer.PROGRAMS: QT_TRANSLATE_NOOP("slow", "Other programs"),
    Layer.LIMITS: QT_TRANSLATE_NOOP("slow", "Limits"),
    Layer.PROCESSOR: QT_TRANSLATE_NOOP("slow", "Processor"),
    Layer.MODEL: QT_TRANSLATE_NOOP("slow", "Model"),
    Layer.CONTEXT: QT_TRANSLATE_NOOP("slow", "Context"),
    Layer.THINKING: QT_TRANSLATE_NOOP("slow", "Thinking"),
}


class Remedy(Struct, frozen=True):
    """One thing to do. ``command`` is one of ``core.commands`` that helps; ``setting`` is set to ``value`` (None:
    automatic, the default). Without either, only the user can do it, or nothing can be done, and ``text`` says so."""

    text: Text
    command: str = ""
    setting: str = ""
    value: int | str | None = None


class Cause(Struct, frozen=True):
    """One reason. ``id`` is stable ("card.part"); without it answers would be ``gain`` times as fast."""

    id: str
    layer: Layer
    what: Text
    remedy: Remedy
    gain: float


class Facts(Struct, frozen=True):
    """What is known; all of it may be missing.

    ``asked`` is how the model was asked to be loaded (settings and the file's own options merged, None automatic), of
    which ``own`` names what the file's own options say. ``stats`` are of the last answer, ``turns`` how many messages
    of the user its conversation had. ``cards_before`` are devices that were found on this computer at another time.
    """

    machine: Machine = Machine()
    info: ModelInfo | None = None
    shape: Shape | None = None
    asked: LoadOptions = LoadOptions()
    own: tuple[str, ...] = ()
    stats: Stats | None = None
    turns: int = 1
    moment: Moment = Moment()
    correction: Correction = UNCORRECTED
    cards_before: tuple[Gpu, ...] = ()


class Look:
    """The facts with what follows from them."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.machine, self.stats, self.moment, self.asked = facts.machine, facts.stats, facts.moment, facts.asked
        self.local: LocalInfo | None = facts.info.local if facts.info is not None else None
        self.cpu = facts.machine.cpu
        self.cores = max(1, min(filter(None, (self.cpu.physical, self.cpu.usable)), default=1))
        self.usual = speed.threads_used(self.cpu) or 1
        known = self.local.layers if self.local is not None else 0
        self.layers = known or (facts.shape.layers + 1 if facts.shape is not None else 0)
        on_cards = self.local.gpu_layers if self.local is not None else 0
        self.on_cards = min(on_cards, self.layers) if self.layers else on_cards
        self.share = self.on_cards / self.layers if self.layers else float(on_cards > 0)
        self.used = facts.stats.context_used if facts.stats is not None else 0
        self.depth = self.used or 1024
        self.threads = facts.asked.threads
        self.reached = facts.stats.decode_tokens_per_s or None if facts.stats is not None else None
        self.expected = self.decode()

    def decode(
        self, *, share: float | None = None, threads: int | None = -1, depth: int | None = None, plain: bool = False
    ) -> float | None:
        """Tokens per second expected, as it is loaded but for what is given. ``plain``: without what was measured."""
        shape, local = self.facts.shape, self.local
        if shape is None:
            return None
        return speed.decode(
            shape,
            self.machine,
            depth=self.depth if depth is None else depth,
            kv_type=local.kv_type if local is not None else "f16",
            threads=self.threads if threads == -1 else threads,
            layers_on_cards=self.share if share is None else share,
            experts_on_cpu=local.experts_on_cpu / max(1, shape.layers) if local is not None and share is None else 0.0,
            correction=UNCORRECTED if plain else self.facts.correction,
        )

    def gain(self, better: float | None, otherwise: float) -> float:
        """How many times as fast the answers would be; ``otherwise`` where that cannot be predicted."""
        now = self.decode(plain=True)
        return min(MOST, better / now) if better and now else otherwise

    @property
    def behind(self) -> bool:
        """Whether the last answer was slower than expected."""
        return bool(self.reached and self.expected and self.reached < self.expected * _AS_EXPECTED)

    @property
    def slower(self) -> bool:
        """Whether an answer may be behind what is expected, for all that is known."""
        return self.behind or not (self.reached and self.expected)

    @property
    def card(self) -> Gpu | None:
        """A graphics card that is there and that this build does nothing with."""
        return next((gpu for gpu in self.machine.unused_gpus if not gpu.backend and _is_card(gpu)), None)

    def where(self) -> Text | None:
        """What computes the model."""
        if self.local is None:
            return None
        device = self.machine.gpus[0].name if self.machine.gpus else ""
        several = len(self.local.cards) > 1
        if not self.on_cards:
            return Text("slow.on_cpu", QT_TRANSLATE_NOOP("slow", "The processor computes the model."))
        if self.share >= 1 or not self.layers:
            source = QT_TRANSLATE_NOOP("slow", "{card} computes the model.")
            if several:
                source = QT_TRANSLATE_NOOP("slow", "The graphics cards compute the model.")
            return Text("slow.on_card", source, {"card": device}) if device else None
        source = QT_TRANSLATE_NOOP("slow", "{card} computes {part} of %n layer(s), the processor the others.")
        if several:
            source = QT_TRANSLATE_NOOP(
                "slow", "The graphics cards compute {part} of %n layer(s), the processor the others."
            )
        return Text("slow.on_both", source, {"card": device, "part": self.on_cards, "n": self.layers})


def _is_card(gpu: Gpu) -> bool:
    if gpu.unified or gpu.kind != "gpu" or gpu.id.startswith(_INSIDE):
        return False
    return gpu.total_bytes is None or gpu.total_bytes >= _CARD_BYTES
