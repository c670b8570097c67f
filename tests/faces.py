"""Random computers, settings, files and experiences, with the real verdicts over them: for tests that every face gives
one answer."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
from msgspec import structs

from qwen_desktop.cli import models_fit, models_recommend
from qwen_desktop.cli.console import Console
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.chat import Message, Provenance
from qwen_desktop.core.engine import Capabilities, LocalInfo, ModelInfo, Recipe, Sampling, Stats, ThinkingMode
from qwen_desktop.core.hardware import Cpu, Disk, Gpu, Machine, Memory
from qwen_desktop.core.model_ref import FileRef, LoadOptions
from qwen_desktop.core.models import CatalogModel, InstalledModel, Purpose, Quant
from qwen_desktop.core.parts import Role
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.shape import Shape, for_quant
from qwen_desktop.hub.remote_header import RemoteHeader
from qwen_desktop.services.events import (
    EngineChanged,
    EngineState,
    EventBus,
    LibraryChanged,
    MessageChanged,
    ModelStatus,
)
from qwen_desktop.services.fits import Fits
from qwen_desktop.services.preferences import Preferences

GB = 1_000_000_000


class Headers:
    """A job worker that reads headers: ``shapes`` by the file's path (what a header says may differ from what the
    catalogue guessed)."""

    def __init__(self) -> None:
        self.shapes: dict[str, Shape] = {}
        self.asked: list[str] = []

    async def call(self, name: str, params: dict[str, Any], **_: Any) -> Any:
        assert name == "hub.header"
        await asyncio.sleep(0)
        path = str(params.get("path") or params.get("file"))
        self.asked.append(path)
        shape = self.shapes[path]
        return msgspec.to_builtins(RemoteHeader("x", "y", shape, shape.weights_bytes, 1000, fingerprint=path))


def machine(chance: random.Random, folder: str) -> Machine:
    """A computer of some kind, as busy as it is."""
    total = chance.choice((2, 4, 8, 16, 24, 32, 64, 128)) << 30
    gpus: tuple[Gpu, ...] = ()
    if chance.random() < 0.4:
        size = chance.choice((4, 8, 12, 24)) << 30
        free = chance.choice((None, int(size * chance.random())))
        gpus = (Gpu("A Card", "gpu", "CUDA", size, free, unified=chance.random() < 0.3),)
    return Machine(
        system="Linux",
        cpu=Cpu("A Processor", physical=chance.choice((2, 4, 8, 16)), usable=16, features=("AVX2",)),
        memory=Memory(total, int(total * chance.uniform(0.05, 0.98)), limited=chance.random() < 0.1),
        gpus=gpus,
        disk=Disk(folder, chance.choice((1, 10, 1000)) * GB),
        bandwidth_bytes_per_s=chance.choice((None, 6e9, 12e9, 25e9, 60e9, 200e9)),
    )


def settings(chance: random.Random) -> dict[str, Any]:
    """Load options, each as it is or another."""
    return {
        "engine.context": chance.choice((None, None, 2048, 8192, 32768)),
        "engine.kv_type": chance.choice(("f16", "q8_0")),
        "engine.flash_attention": chance.choice(("auto", "on", "off")),
        "engine.gpu_layers": chance.choice((None, None, 0, 10, 99)),
        "engine.threads": chance.choice((None, None, 1, 4)),
    }


def true_shape(chance: random.Random, model: CatalogModel, quant: Quant) -> Shape:
    """What the file's own header says: often a little else than the catalogue thinks."""
    shape = for_quant(model.shape, int((quant.size_bytes or GB) * chance.choice((1.0, 1.0, 0.97, 1.1))))
    return structs.replace(shape, kv_heads=shape.kv_heads * chance.choice((1, 1, 2)))


def answered(bus: EventBus, chance: random.Random, path: str, context: int, *, decode: float | None = None) -> None:
    """A model that was loaded from ``path`` has answered, at ``decode`` tokens per second or at any speed."""
    local = LocalInfo(
        path=path, architecture="qwen3", quant="", size_bytes=1, parameters=1, context_train=32768, threads=4,
        gpu_layers=0, flash_attention=chance.random() < 0.5, kv_type="f16", sha256=path, template_sha256="",
        template_source="file", guide=False, load_s=1.0, memory_bytes=1, batch=64,
    )  # fmt: skip
    info = ModelInfo("x", context, Capabilities(), "", local=local)
    stats = Stats(
        prompt_tokens=500, completion_tokens=100, context_used=600, context_most=600,
        decode_tokens_per_s=decode or chance.uniform(0.5, 60), prompt_tokens_per_s=chance.uniform(5, 500),
        resident_bytes=int(chance.uniform(0.5, 12) * GB),
    )  # fmt: skip
    bus.publish(EngineChanged(FileRef(path), EngineState(ModelStatus.READY, info=info)))
    recipe = Recipe(path, "", "", "", "", False, "f16", 0, 0, 1.0, Sampling())
    provenance = Provenance(path, "x", path, "", Sampling(), 0, ThinkingMode.AUTO, "", {}, recipe=recipe)
    bus.publish(MessageChanged(Message("m", "c", None, Role.ASSISTANT, (), 0.0, provenance=provenance, stats=stats)))


class Case:
    """The real ``Fits`` over a scripted machine, catalogue and library: ``machines`` has ``known`` and ``set``."""

    def __init__(
        self,
        chance: random.Random,
        paths: Paths,
        bus: EventBus,
        preferences: Preferences,
        *,
        machines: Any,
        models: Callable[[], tuple[CatalogModel, ...]],
    ) -> None:
        self.chance = chance
        self.paths = paths
        self.bus = bus
        self.preferences = preferences
        self.machines = machines
        self.models = models
        self.headers = Headers()
        self.installed: list[InstalledModel] = []
        self.fits = self.fresh()

    def fresh(self) -> Fits:
        """Verdicts that begin with what is on the disk."""
        worker: Any = self.headers
        return Fits(
            self.machines,
            worker,
            worker,
            self.paths,
            self.bus,
            catalogue=self,
            preferences=self.preferences,
            installed=lambda: self.installed,
            options=lambda path: next((i.options for i in self.installed if i.path == path), LoadOptions()),
        )

    async def lookup(self, reference: str, /) -> CatalogModel:
        """The hub's answer about a repository: the entry, with the quant that was asked for as its recommended one."""
        repo, _, name = reference.partition(":")
        model = next(model for model in self.models() if model.repo == repo)
        quants = tuple(structs.replace(quant, recommended=quant.name == name) for quant in model.quants)
        return structs.replace(model, quants=quants)

    async def step(self) -> str:
        """Change one thing of many."""
        what = self.chance.choice(("machine", "memory", "settings", "folder", "header", "answers", "install"))
        model = self.chance.choice(self.models())
        quant = self.chance.choice(model.quants)
        path = quant.files[0].path
        self.headers.shapes.setdefault(path, true_shape(self.chance, model, quant))
        known = self.machines.known
        if what == "machine":
            self.machines.set(machine(self.chance, "/models"))
        elif what == "memory":
            free = int(known.memory.total_bytes * self.chance.random())
            self.machines.set(structs.replace(known, memory=structs.replace(known.memory, free_bytes=free)))
        elif what == "settings":
            await self.preferences.change(settings(self.chance))
        elif what == "folder":
            self.machines.set(structs.replace(known, disk=Disk("/other", self.chance.choice((1, 50, 900)) * GB)))
        elif what == "header":
            await self.fits.of_reference(f"{model.repo}:{quant.name}")
        elif what == "install":
            own = {name.removeprefix("engine."): value for name, value in settings(self.chance).items()}
            options = LoadOptions(**own) if self.chance.random() < 0.5 else LoadOptions()
            self.installed = [item for item in self.installed if item.path != path]
            self.installed.append(
                InstalledModel(path, path, model.name, quant.name, 1, (path,), repo=model.repo, options=options)
            )
            self.bus.publish(LibraryChanged())
        else:
            answered(self.bus, self.chance, path, self.chance.choice((2048, 8192)))
            await self.fits.settled()
        return what

    async def command(self, work: Callable[..., Any], *given: Any, as_json: bool = False, **options: Any) -> str:
        """What a command prints over the same services."""
        out = io.StringIO()
        services = SimpleNamespace(
            fits=self.fits, machines=self.machines, preferences=self.preferences,
            catalogue=SimpleNamespace(models=self.models, load=_nothing),
        )  # fmt: skip

        class Build:
            def __init__(self, *_: Any, **__: Any) -> None: ...
            async def __aenter__(self) -> Any:
                return services

            async def __aexit__(self, *_: object) -> None: ...

        run = CommandRun(self.paths, Build, Console(out, out, quiet=True), as_json)
        assert await work(run, *given, **options) == 0
        return out.getvalue()

    async def said_by_fit(self, model: CatalogModel, quant: Quant) -> tuple[str, str]:
        """The verdict and the sentence of ``models fit``."""
        reference = f"{model.repo}:{quant.name}"
        shown = json.loads(await self.command(models_fit.fit, reference, as_json=True))
        return shown["verdict"], (await self.command(models_fit.fit, reference)).splitlines()[-1]

    async def said_by_recommend(self, purpose: Purpose) -> tuple[dict[str, Any], str]:
        """The object and the lines of ``models recommend``."""
        shown = await self.command(models_recommend.recommend, purpose=purpose, as_json=True)
        return json.loads(shown), await self.command(models_recommend.recommend, purpose=purpose)


async def _nothing() -> None:
    return None
