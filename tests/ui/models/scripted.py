"""A scripted set of the services around models, with realistic data: one laptop, twenty models, downloads in every
state, installed models. Tests push them on by hand; nothing here uses the network or the disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs

from qwen_desktop.core.chat import Message
from qwen_desktop.core.errors import Problem, UserFacing, error_of
from qwen_desktop.core.fit import Fit, Verdict
from qwen_desktop.core.hardware import Battery, Cpu, Disk, Gpu, Machine
from qwen_desktop.core.hardware import Memory as MainMemory
from qwen_desktop.core.memory import MemoryNeed, Use
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.models import (
    Advice,
    CatalogModel,
    Download,
    DownloadRequest,
    DownloadStatus,
    ImportCandidate,
    InstalledModel,
    Purpose,
    Quant,
    Recommendation,
    RemoteFile,
)
from qwen_desktop.core.profile import Profile, profile_of
from qwen_desktop.core.quantizing import Planned, Quantization, QuantizeRequest, QuantizeStage, SourceFile
from qwen_desktop.core.shape import Shape
from qwen_desktop.core.slowness import Diagnosis
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services import events
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.services.tuning import KeptTunings, Tuner

#: What a type takes of an F16 model.
_SHARES = {
    "Q8_0": 0.533, "Q6_K": 0.412, "Q5_K_M": 0.36, "Q5_K_S": 0.351, "Q4_K_M": 0.31, "Q4_K_S": 0.296, "Q3_K_L": 0.272,
    "Q3_K_M": 0.252, "Q3_K_S": 0.229, "Q2_K": 0.198,
}  # fmt: skip
DAY = 86400.0
GB = 1_000_000_000

LAPTOP = Machine(
    system="Linux 6.12, x86_64",
    cpu=Cpu("AMD Ryzen 7 7840U w/ Radeon 780M Graphics", "x86_64", 8, 16, 16, features=("AVX2", "AVX-512")),
    memory=MainMemory(33_400_000_000, 21_000_000_000),
    gpus=(Gpu("AMD Radeon 780M", "igpu", "Vulkan", 16 * GB, 14 * GB, unified=True),),
    disk=Disk("/home/ada/.local/share/qwen-desktop/models", 214 * GB, 512 * GB, "ssd"),
    battery=Battery(83, plugged=True),
    bandwidth_bytes_per_s=62e9,
    taken_at=1.0,
)
SMALL = Machine(
    system="Linux",
    cpu=Cpu("Intel(R) Celeron(R) N4120 CPU @ 1.10GHz", "x86_64", 4, 4, 4),
    memory=MainMemory(4_000_000_000, 300_000_000),
    disk=Disk("/", 9 * GB),
    bandwidth_bytes_per_s=6e9,
    unknown=("gpu", "battery"),
)

#: name | family | parameters in 1e9 | active in 1e9 (0: dense) | layers | kv heads | quality | released | purposes |
#: strengths
_MODELS = """
Qwen3 0.6B|Qwen3|0.6|0|28|8|20|2025-04|everyday|Tiny, thinks when asked, for old computers
Qwen3 1.7B|Qwen3|1.7|0|28|8|35|2025-04|everyday languages|Quick answers, 119 languages
Qwen3 4B|Qwen3|4.0|0|36|8|50|2025-04|everyday languages|Dense, thinking on demand, 32k context
Qwen3 8B|Qwen3|8.2|0|36|8|60|2025-04|everyday reasoning|Dense, thinking on demand, 32k context
Qwen3 14B|Qwen3|14.8|0|40|8|66|2025-04|everyday reasoning|Dense, thinking on demand, stronger than 8B
Qwen3 32B|Qwen3|32.8|0|64|8|72|2025-04|everyday reasoning|Dense, strongest reasoning of its generation
Qwen3 30B-A3B|Qwen3|30.5|3.3|48|4|70|2025-04|everyday reasoning|Mixture of experts: large knowledge, 3B active
Qwen3 4B Thinking 2507|Qwen3 2507|4.0|0|36|8|58|2025-08|reasoning|Always thinks, 256k context
Qwen3 4B Instruct 2507|Qwen3 2507|4.0|0|36|8|57|2025-08|everyday languages|Answers directly, 256k context
Qwen3 235B-A22B|Qwen3|235|22|94|4|82|2025-04|reasoning|Mixture of experts for servers
Qwen2.5 0.5B|Qwen2.5|0.5|0|24|2|15|2024-09|everyday|Follows short instructions on any computer
Qwen2.5 3B|Qwen2.5|3.1|0|36|2|40|2024-09|everyday|General use, 29 languages
Qwen2.5 7B|Qwen2.5|7.6|0|28|4|52|2024-09|everyday languages|General use, structured output, 29 languages
Qwen2.5 Coder 1.5B|Qwen2.5 Coder|1.5|0|28|2|36|2024-11|code|Completion while you type
Qwen2.5 Coder 7B|Qwen2.5 Coder|7.6|0|28|4|55|2024-11|code|92 programming languages, fill-in-the-middle
Qwen2.5 Coder 32B|Qwen2.5 Coder|32.8|0|64|8|68|2024-11|code|Repairs whole repositories, 128k context
Qwen2.5 Math 7B|Qwen2.5 Math|7.6|0|28|4|53|2024-09|maths|Step-by-step solutions in English and Chinese
Qwen2.5 Math 72B|Qwen2.5 Math|72.7|0|80|8|74|2024-09|maths|Step-by-step and tool-integrated mathematics
Qwen2.5 VL 7B|Qwen2.5 VL|8.3|0|28|4|54|2025-01|pictures|Reads pictures, documents and charts
QwQ 32B|QwQ|32.8|0|64|8|71|2025-03|reasoning|Thinks long, for hard problems
"""
_RESEARCH = frozenset({"Qwen2.5 3B"})
_BITS = {"Q3_K_M": 0.49, "Q4_K_M": 0.605, "Q5_K_M": 0.71, "Q6_K": 0.82, "Q8_0": 1.0625, "F16": 2.0}
_STEPS: dict[str, Any] = {"Q3_K_M": "small", "Q4_K_M": "balanced", "Q8_0": "large"}


def catalogue() -> tuple[CatalogModel, ...]:
    """Twenty models."""
    return tuple(_entry(*line.split("|")) for line in _MODELS.strip().splitlines())


def _entry(*row: str) -> CatalogModel:
    name, family, released, strengths = row[0], row[1], row[7], row[9]
    total, active = float(row[2]), float(row[3])
    layers, kv_heads, quality = int(row[4]), int(row[5]), int(row[6])
    purposes = tuple(Purpose(word) for word in row[8].split())
    stem = name.replace(" ", "-")
    repo = f"Qwen/{stem}-GGUF"
    quants = []
    for quant, bits in _BITS.items():
        size = int(total * bits * GB)
        count = 2 if size > 40 * GB else 1
        files = tuple(
            RemoteFile(
                f"{stem}-{quant}{f'-0000{n + 1}-of-0000{count}' if count > 1 else ''}.gguf", size // count, "ab" * 32
            )
            for n in range(count)
        )
        small = total < 2.5
        best = quant == ("Q8_0" if small else "Q4_K_M")
        quants.append(Quant(quant, files, size, _STEPS.get(quant, ""), recommended=best))
    research = name in _RESEARCH
    shape = Shape(
        architecture="qwen3moe" if active else "qwen3" if family.startswith("Qwen3") else "qwen2",
        layers=layers,
        attention_layers=layers,
        heads=32,
        kv_heads=kv_heads,
        key_length=128,
        value_length=128,
        hidden=2560,
        feed_forward=9728,
        vocab=151936,
        context_train=262144 if "2507" in name else 40960 if family == "Qwen3" else 32768,
        parameters=int(total * GB),
        active_parameters=int((active or total) * GB),
        weights_bytes=int(total * 0.605 * GB),
        active_bytes=int((active or total) * 0.605 * GB),
        experts=128 if active else 0,
        experts_used=8 if active else 0,
    )
    eyes = (RemoteFile(f"mmproj-{stem}-f16.gguf", 1_350_000_000, "cd" * 32),)
    return CatalogModel(
        id=stem.lower(),
        name=name,
        family=family,
        repo=repo,
        revision="0f1e2d3c4b5a69788796a5b4c3d2e1f001122334",
        quants=tuple(quants),
        shape=shape,
        licence="Qwen Research" if research else "Apache-2.0",
        licence_url=f"https://huggingface.co/{repo}/blob/main/LICENSE",
        open_licence=not research,
        base_repo=f"Qwen/{stem}",
        modelscope=repo,
        mmproj=eyes if Purpose.PICTURES in purposes else (),
        context_extended=131072 if family in ("Qwen3", "Qwen2.5") else 0,
        languages=119 if family.startswith("Qwen3") else 29,
        thinking="always" if "Thinking" in name or family == "QwQ" else "switch" if family == "Qwen3" else "none",
        purposes=purposes,
        strengths=strengths,
        best_use={"code": "writing, explaining and repairing code", "maths": "problems with one right answer"}.get(
            purposes[0].value, "questions, texts and translations"
        ),
        quality=quality,
        released=released,
    )


class ScriptedMachines:
    """The machine is known at once with ``known``, or after ``machine()``, for which ``gate`` may make one wait."""

    def __init__(self, bus: EventBus, machine: Machine | None) -> None:
        self._bus = bus
        self.found = machine or LAPTOP
        self.known: Machine | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.measured = 0

    async def machine(self, *, refresh: bool = False) -> Machine:
        await self.gate.wait()
        self.measured += refresh
        fresh = self.known != self.found
        self.known = self.found
        if fresh:
            self._bus.publish(events.MachineChanged(self.found))
        return self.found

    def set(self, machine: Machine) -> None:
        """The next look finds this one."""
        self.found = self.known = machine
        self._bus.publish(events.MachineChanged(machine))


class ScriptedCatalogue:
    """``fails`` is raised by whatever needs the network; ``reach`` are the models that a look-up finds."""

    def __init__(self, bus: EventBus, models: tuple[CatalogModel, ...]) -> None:
        self._bus = bus
        self._models = models
        self.updated_at = time.time() - 3 * DAY - 60
        self.fails: Problem | None = None
        self.reach: dict[str, CatalogModel] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[str] = []

    def models(self) -> tuple[CatalogModel, ...]:
        return self._models

    def find(self, model_id: str) -> CatalogModel | None:
        return next((model for model in self._models if model.id == model_id), None)

    async def load(self) -> None:
        await self.gate.wait()

    async def refresh(self) -> None:
        await asyncio.sleep(0)
        if self.fails is not None:
            raise error_of(self.fails)
        self.updated_at = time.time()
        self._bus.publish(events.CatalogueChanged())

    async def lookup(self, reference: str) -> CatalogModel:
        self.asked.append(reference)
        await self.gate.wait()
        if self.fails is not None:
            raise error_of(self.fails)
        for name, model in self.reach.items():
            if name in reference:
                return model
        raise UserFacing(
            Text("hub.missing", QT_TRANSLATE_NOOP("tests", "There is no repository {name}."), {"name": reference}),
            Text("hub.missing.hint", QT_TRANSLATE_NOOP("tests", "Check how it is written.")),
        )

    def set(self, models: tuple[CatalogModel, ...]) -> None:
        """Another list."""
        self._models = models
        self._bus.publish(events.CatalogueChanged())


class FoundFit(NamedTuple):
    """What a file's own header says."""

    fit: Fit


class ScriptedFits:
    """A rough formula in the place of the real one; ``truth`` are verdicts that headers give, by reference."""

    def __init__(self, machines: ScriptedMachines, bus: EventBus, preferences: Preferences) -> None:
        self._machines = machines
        self._bus = bus
        self._preferences = preferences
        self.truth: dict[str, Fit] = {}
        self.read: list[str] = []
        bus.subscribe(events.MachineChanged, lambda _event: bus.publish(events.FitsChanged()))
        bus.subscribe(events.SettingsChanged, self._on_settings)

    def _on_settings(self, event: events.SettingsChanged) -> None:
        if any(key.startswith("engine.") and key != "engine.model" for key in event.keys):
            self._bus.publish(events.FitsChanged())

    @property
    def profile(self) -> Profile:
        return profile_of(self._machines.found, self._preferences.settings.engine.profile)

    def use(self) -> Use:
        return Use(context=self._preferences.settings.engine.context or 8192)

    def recommend(self, models: Iterable[CatalogModel], purpose: Purpose) -> Recommendation | None:
        return None if self._machines.known is None else recommend(tuple(models), self._machines.known, purpose)

    def usual(self, model: CatalogModel, quant: Quant | None, context: int | None = None) -> Fit | None:
        return self.of(model, quant, context)

    def of(self, model: CatalogModel, quant: Quant | None, context: int | None = None) -> Fit | None:
        machine, shape = self._machines.known, model.shape
        if machine is None or machine.memory.free_bytes is None or quant is None:
            return None
        name = f"{model.repo}:{quant.name}"
        if name in self.read and name in self.truth:
            return structs.replace(self.truth[name], exact=True)
        asked = min(context or self.use().context, shape.context_train)
        weights = quant.size_bytes or shape.weights_bytes
        token = int(shape.attention_layers * shape.kv_heads * (shape.key_length + shape.value_length) * 2)
        eyes = sum(file.size_bytes for file in model.mmproj)
        rest = 310_000_000 + eyes
        free = machine.memory.free_bytes
        memory = MemoryNeed(weights, token * asked, 0, 180_000_000, eyes, 130_000_000, weights + token * asked + rest)
        most = max(0, (free - weights - rest) // token)
        speed = (machine.bandwidth_bytes_per_s or 0) / max(1, weights * shape.active_parameters / shape.parameters)
        verdict, context, missing = Verdict.FITS, asked, 0
        if most < 2048:
            verdict, missing = Verdict.TOO_LARGE, weights + token * 2048 + rest - free
        elif most < asked:
            verdict, context = Verdict.SMALLER_CONTEXT, 1 << (most.bit_length() - 1)
        elif speed < 4:
            verdict = Verdict.SLOW
        elif memory.total_bytes > 0.97 * free:
            verdict = Verdict.TIGHT
        return Fit(
            verdict,
            memory,
            context,
            min(most, shape.context_train),
            asked=asked,
            free_bytes=free,
            missing_bytes=missing,
            decode_tokens_per_s=speed * 0.7,
        )

    async def of_sizes(self, _path: str, sizes: Iterable[int]) -> tuple[Fit, ...]:
        model = next(m for m in catalogue() if m.name == "Qwen3 4B")
        found = [self.of(model, Quant(f"made {size}", (), size)) for size in sizes]
        return tuple(one for one in found if one is not None)

    async def of_reference(self, reference: str) -> FoundFit:
        self.read.append(reference)
        await asyncio.sleep(0)
        if reference in self.truth:
            self._bus.publish(events.FitsChanged())
            return FoundFit(self.truth[reference])
        raise UserFacing(Text("hub.offline", QT_TRANSLATE_NOOP("tests", "The hub cannot be reached.")))


class ScriptedLibrary:
    """Installed models in memory. ``verdicts`` are what ``verify`` says by id."""

    def __init__(self, bus: EventBus, folder: Path) -> None:
        self._bus = bus
        self.folder = folder
        self.items: list[InstalledModel] = []
        self.candidates: tuple[ImportCandidate, ...] = ()
        self.verdicts: dict[str, bool] = {}
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[tuple[Any, ...]] = []
        self.fails: Problem | None = None
        self.no_bin: Text | None = None

    def models(self) -> tuple[InstalledModel, ...]:
        return tuple(self.items)

    async def has_any(self) -> bool:
        return bool(self.items)

    async def scan(self) -> None:
        await asyncio.sleep(0)

    async def find_importable(self) -> tuple[ImportCandidate, ...]:
        await self.gate.wait()
        return self.candidates

    async def import_files(
        self, paths: tuple[str, ...], *, copy: bool, progress: Any = None
    ) -> tuple[InstalledModel, ...]:
        self.calls.append(("import", paths, copy))
        progress(1, 4)
        await self.gate.wait()
        if self.fails is not None:
            raise error_of(self.fails)
        found = {candidate.path: candidate for candidate in self.candidates}
        made = []
        for path in paths:
            origin = found[path].origin if path in found else "file"
            name = found[path].name if path in found else Path(path).stem
            made.append(InstalledModel(path, path, name, "Q4_K_M", 2 * GB, (path,), origin=origin, owned=copy))
        self.items += made
        self.changed()
        return tuple(made)

    async def verify(self, model_id: str, progress: Any) -> bool:
        self.calls.append(("verify", model_id))
        progress(1 * GB, 2 * GB)
        await self.gate.wait()
        return self.verdicts.get(model_id, True)

    async def why_no_bin(self, _model_id: str) -> Text | None:
        return self.no_bin

    async def delete(self, model_id: str, *, permanent: bool = False) -> None:
        self.calls.append(("delete", model_id, permanent))
        if self.fails is not None and not permanent:
            raise error_of(self.fails)
        self.items = [item for item in self.items if item.id != model_id]
        self.changed()

    async def move_folder(self, target: Path, progress: Any) -> None:
        self.calls.append(("move", target))
        progress(1 * GB, 3 * GB)
        await self.gate.wait()
        if self.fails is not None:
            raise error_of(self.fails)
        self.folder = target
        self.changed()

    async def repair_template(self, model_id: str) -> None:
        self._replace(model_id, repaired=True)

    async def unrepair_template(self, model_id: str) -> None:
        self._replace(model_id, repaired=False)

    def _replace(self, model_id: str, *, repaired: bool) -> None:
        self.items = [
            structs.replace(item, template_repaired=repaired) if item.id == model_id else item for item in self.items
        ]
        self.changed()

    def changed(self) -> None:
        """Tell that the list is another one."""
        self._bus.publish(events.LibraryChanged())


class ScriptedDownloads:
    """A queue that only tests push on."""

    def __init__(self, bus: EventBus, library: ScriptedLibrary) -> None:
        self._bus = bus
        self._library = library
        self._items: list[Download] = []
        self.calls: list[tuple[Any, ...]] = []

    def items(self) -> tuple[Download, ...]:
        return tuple(self._items)

    async def start(self, request: DownloadRequest) -> Download:
        total = sum(file.size_bytes for file in (*request.files, *request.mmproj))
        if known := next((item for item in self._items if item.id == f"{request.repo}:{request.quant}"), None):
            return known
        made = Download(f"{request.repo}:{request.quant}", request, DownloadStatus.WAITING, 0, total)
        self.calls.append(("start", request))
        self.add(made)
        return made

    async def pause(self, download_id: str) -> None:
        self.push(download_id, status=DownloadStatus.PAUSED, speed=0.0, seconds_left=None)

    async def resume(self, download_id: str) -> None:
        self.push(download_id, status=DownloadStatus.RUNNING, problem=None)

    async def cancel(self, download_id: str) -> None:
        self.calls.append(("cancel", download_id))
        self._items = [item for item in self._items if item.id != download_id]
        self._bus.publish(events.DownloadsChanged())

    async def move(self, download_id: str, index: int) -> None:
        item = next(item for item in self._items if item.id == download_id)
        self._items.remove(item)
        self._items.insert(index, item)
        self._bus.publish(events.DownloadsChanged())

    def add(self, *items: Download) -> None:
        """Put downloads into the queue."""
        self._items += items
        self._bus.publish(events.DownloadsChanged())

    def push(self, download_id: str, **changes: Any) -> Download:
        """Move a download on, as the real queue tells it."""
        place = next(n for n, item in enumerate(self._items) if item.id == download_id)
        self._items[place] = moved = structs.replace(self._items[place], **changes)
        self._bus.publish(events.DownloadChanged(moved))
        return moved

    def finish(self, download_id: str) -> InstalledModel:
        """All has arrived and is checked: the library has it, then the queue says so."""
        item = next(item for item in self._items if item.id == download_id)
        path = str(
            self._library.folder / item.request.repo / (item.request.files[0].path if item.request.files else "m.gguf")
        )
        model = InstalledModel(
            f"{item.request.repo}:{item.request.quant}",
            path,
            item.request.title,
            item.request.quant,
            item.total_bytes,
            (path,),
            repo=item.request.repo,
            origin="downloaded",
            owned=True,
        )
        self._library.items.append(model)
        self._library.changed()
        self.push(
            download_id,
            status=DownloadStatus.DONE,
            done_bytes=item.total_bytes,
            speed=0.0,
            seconds_left=None,
            path=path,
        )
        return model


class ScriptedSlowness:
    """Answers what ``found`` says; ``asked`` has what it was asked about."""

    def __init__(self) -> None:
        self.found = Diagnosis(Text("slow.nothing", QT_TRANSLATE_NOOP("tests", "Nothing was found.")), None)
        self.asked: list[tuple[ModelRef, Message | None]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def ask(self, ref: ModelRef, message: Message | None = None) -> Diagnosis:
        self.asked.append((ref, message))
        await self.gate.wait()
        return self.found


class ScriptedQuantizing:
    """Makes nothing: tests push a run on. ``taken`` are names of files that are there."""

    def __init__(self, bus: EventBus, library: ScriptedLibrary) -> None:
        self._bus = bus
        self._library = library
        self.current: Quantization | None = None
        self.free = 80 * GB
        self.taken: set[str] = set()
        self.fails: Problem | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def running(self) -> bool:
        return self.current is not None and not self.current.stage.over

    async def plan(self, source: str, types: Iterable[str], on_plan: Callable[[Planned], None]) -> SourceFile:
        model = next(item for item in self._library.items if item.path == source)
        await self.gate.wait()
        if self.fails is not None:
            raise error_of(self.fails)
        for name in types:
            on_plan(Planned(name, int(model.size_bytes * _SHARES[name]), 197))
        return SourceFile(source, model.name, model.quant, model.size_bytes, good=True)

    def usual_folder(self, _source: str) -> str:
        return str(self._library.folder)

    async def free_bytes(self, _folder: str) -> int:
        return self.free

    async def target(self, request: QuantizeRequest) -> str:
        if Path(request.target).name in self.taken and not request.replace:
            there = Text("quantize.exists", QT_TRANSLATE_NOOP("tests", "It is there."))
            raise UserFacing(there, action="quantize.replace")
        return request.target

    def start(self, request: QuantizeRequest) -> None:
        self.push(Quantization("q", request, QuantizeStage.STARTING, path=request.target))

    def push(self, run: Quantization | None) -> None:
        """The run is there now."""
        self.current = run
        self._bus.publish(events.QuantizationChanged(run))

    async def cancel(self) -> None:
        assert self.current is not None
        self.push(structs.replace(self.current, stage=QuantizeStage.CANCELLED))

    def dismiss(self) -> None:
        self.push(None)


class ScriptedSecrets:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.persistent = True
        self.kept: dict[str, str] = {}

    async def get(self, name: str) -> str | None:
        return self.kept.get(name)

    async def set(self, name: str, value: str) -> None:
        self.kept[name] = value

    async def delete(self, name: str) -> None:
        self.kept.pop(name, None)


def recommend(models: tuple[CatalogModel, ...], machine: Machine, purpose: Purpose, **_: Any) -> Recommendation:
    """An advisor that looks at nothing but the order of quality and free memory."""
    free = (machine.memory.free_bytes or 0) * 0.95
    able = [
        (model, model.recommended_quant)
        for model in sorted(models, key=lambda m: m.quality)
        if purpose in model.purposes and model.recommended_quant is not None
    ]
    fits = [(m, q) for m, q in able if q is not None and (q.size_bytes or 0) * 1.1 < free]
    if not fits:
        return Recommendation(
            purpose,
            reason=Text(
                "none", QT_TRANSLATE_NOOP("tests", "No model of this kind fits the memory that is free now: 0.3 GB.")
            ),
        )
    best = next((place for place, (m, _q) in enumerate(fits) if m.name == "Qwen3 4B"), len(fits) // 2)
    said = {
        "lighter": QT_TRANSLATE_NOOP("tests", "Quick answers; leaves room for other programs."),
        "best": QT_TRANSLATE_NOOP("tests", "Thinks when asked, 119 languages, and stays faster than you read."),
        "stronger": QT_TRANSLATE_NOOP("tests", "Mixture of experts: large knowledge, 3B active. Slower to start."),
    }

    def advice(kind: Any, place: int) -> Advice | None:
        if not 0 <= place < len(fits):
            return None
        model, quant = fits[place]
        assert quant is not None
        return Advice(kind, model, quant, Text(kind, said[kind]))

    top = len(fits) - 1 if best < len(fits) - 1 else -1
    return Recommendation(purpose, advice("best", best), advice("lighter", best - 1), advice("stronger", top))


def attach(app: Any, machine: Machine | None = None) -> None:
    """Give ``app`` the scripted services."""
    app.machines = ScriptedMachines(app.bus, machine)
    app.catalogue = ScriptedCatalogue(app.bus, catalogue())
    app.fits = ScriptedFits(app.machines, app.bus, app.preferences)
    app.library = ScriptedLibrary(app.bus, app.paths.models)
    app.downloads = ScriptedDownloads(app.bus, app.library)
    app.secrets = ScriptedSecrets()
    app.tuner = Tuner(KeptTunings(app.machines, app.paths), app.engines, app.machines, app.history, app.bus)
    app.slowness = ScriptedSlowness()
    app.quantizing = ScriptedQuantizing(app.bus, app.library)


def download(name: str, status: DownloadStatus, share: float, **more: Any) -> Download:
    """A download of a model of the catalogue in some state."""
    model = next(m for m in catalogue() if m.name == name)
    quant = model.recommended_quant
    assert quant is not None
    request = DownloadRequest(model.repo, quant.name, quant.files, title=model.name)
    total = quant.size_bytes or 0
    return Download(f"{model.repo}:{quant.name}", request, status, int(total * share), total, **more)


def every_state() -> tuple[Download, ...]:
    """One download in each state."""
    lost = Problem(
        "environment",
        Text("hub.lost", QT_TRANSLATE_NOOP("tests", "The connection to huggingface.co was lost.")),
        Text("hub.lost.hint", QT_TRANSLATE_NOOP("tests", "Check the network; what has arrived is kept.")),
    )
    state = DownloadStatus
    return (
        download("Qwen3 4B", state.RUNNING, 0.644, speed=38e6, seconds_left=24, source="ModelScope"),
        download("Qwen2.5 Coder 7B", state.CHECKING, 1.0, source="Hugging Face"),
        download("Qwen2.5 7B", state.PAUSED, 0.31),
        download("Qwen3 14B", state.FAILED, 0.82, problem=lost),
        download("Qwen3 30B-A3B", state.WAITING, 0.0),
        download("Qwen3 0.6B", state.DONE, 1.0, path="/models/qwen3-0.6b-q8_0.gguf"),
    )


def installed(now: float | None = None) -> list[InstalledModel]:
    """Installed models: ours, linked ones, one that is gone, one with a faulty template."""
    now = time.time() if now is None else now
    gone = Problem(
        "environment",
        Text(
            "library.gone", QT_TRANSLATE_NOOP("tests", "The file {path} is gone."), {"path": "/mnt/usb/qwen3-32b.gguf"}
        ),
        Text("library.gone.hint", QT_TRANSLATE_NOOP("tests", "Connect the drive, or delete the entry.")),
    )
    fault = Text(
        "doctor.tools",
        QT_TRANSLATE_NOOP("tests", "Its chat template does not write tool results the way Qwen2.5 expects them."),
    )
    folder = "/home/ada/.local/share/qwen-desktop/models/Qwen"
    return [
        InstalledModel(
            "coder",
            f"{folder}/Qwen2.5-Coder-7B-GGUF/qwen2.5-coder-7b-q4_k_m.gguf",
            "Qwen2.5 Coder 7B",
            "Q4_K_M",
            4_683_073_536,
            (f"{folder}/Qwen2.5-Coder-7B-GGUF/qwen2.5-coder-7b-q4_k_m.gguf",),
            repo="Qwen/Qwen2.5-Coder-7B-GGUF",
            catalog_id="qwen2.5-coder-7b",
            origin="downloaded",
            owned=True,
            architecture="qwen2",
            parameters=7_615_616_512,
            context_train=32768,
            sha256="5c" * 32,
            verified_at=now - 2 * DAY,
            last_used=now - DAY,
            added=now - 20 * DAY,
            licence="Apache-2.0",
        ),
        InstalledModel(
            "tiny",
            "/home/ada/.ollama/models/blobs/sha256-7f4030143c1c",
            "Qwen3 1.7B",
            "Q8_0",
            1_834_426_016,
            ("/home/ada/.ollama/models/blobs/sha256-7f4030143c1c",),
            origin="ollama",
            architecture="qwen3",
            parameters=1_720_574_976,
            context_train=40960,
            last_used=now - 9 * DAY,
            added=now - 30 * DAY,
            licence="Apache-2.0",
        ),
        InstalledModel(
            "old",
            "/home/ada/.lmstudio/models/bartowski/qwen2.5-3b.gguf",
            "Qwen2.5 3B Instruct",
            "Q5_K_M",
            2_224_814_624,
            ("/home/ada/.lmstudio/models/bartowski/qwen2.5-3b.gguf",),
            origin="lm_studio",
            architecture="qwen2",
            parameters=3_085_938_688,
            context_train=32768,
            added=now - 3 * DAY,
            licence="Qwen Research",
            template_fault=fault,
        ),
        InstalledModel(
            "usb",
            "/mnt/usb/qwen3-32b.gguf",
            "Qwen3 32B",
            "Q4_K_M",
            19_762_149_024,
            ("/mnt/usb/qwen3-32b.gguf",),
            architecture="qwen3",
            parameters=32_762_123_264,
            context_train=40960,
            last_used=now - 70 * DAY,
            problem=gone,
        ),
    ]


def candidates() -> tuple[ImportCandidate, ...]:
    """What other programs hold."""
    broken = Problem(
        "user",
        Text("gguf.cut", QT_TRANSLATE_NOOP("tests", "The file ends too early.")),
        Text("gguf.cut.hint", QT_TRANSLATE_NOOP("tests", "Download it again.")),
    )
    studio = "/home/ada/.lmstudio/models"
    ollama = "/home/ada/.ollama/models/blobs/sha256"
    cache = "/home/ada/.cache/huggingface/hub/models--Qwen--Qwen3-0.6B-GGUF"
    made = ImportCandidate
    return (
        made(f"{studio}/lmstudio-community/Qwen3-8B-Q4_K_M.gguf", "Qwen3 8B", "Q4_K_M", 5_027_783_488, "lm_studio"),
        made(f"{studio}/qwen2.5-3b.gguf", "Qwen2.5 3B Instruct", "Q5_K_M", 2_224_814_624, "lm_studio", known=True),
        made(f"{ollama}-aa11", "qwen3:4b", "Q4_K_M", 2_497_280_480, "ollama"),
        made(f"{ollama}-bb22", "qwen2.5-coder:14b", "Q4_K_M", 8_988_110_688, "ollama", problem=broken),
        made(f"{cache}/Qwen3-0.6B-Q8_0.gguf", "Qwen3 0.6B", "Q8_0", 639_446_688, "huggingface_cache"),
    )
