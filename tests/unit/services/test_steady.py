"""The recommendation on a noisy machine: other programs come and go, and nothing of that changes what to get."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qwen_desktop.core import speed
from qwen_desktop.core.models import Catalog, CatalogModel, Purpose, Quant
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.shape import for_quant
from qwen_desktop.hardware import bandwidth, cpu, probe, wire
from qwen_desktop.hardware.facts import Facts
from qwen_desktop.services.events import EventBus
from qwen_desktop.services.fits import Fits
from qwen_desktop.services.machines import Machines
from tests import faces
from tests.app import run
from tests.unit.hardware import children, trees
from tests.unit.hardware.trees import GIB

ROOT = Path(__file__).resolve().parents[3]
MODELS = msgspec.json.decode((ROOT / "resources" / "catalog.json").read_bytes(), type=Catalog).models


class Noisy:
    """A computer whose memory and speed others take at random; the probe and all that is kept on the disk are real."""

    def __init__(self, folder: Path, chance: random.Random, bytes_per_s: float) -> None:
        self.root = folder
        self.chance = chance
        self.bytes_per_s = bytes_per_s
        self.gibibytes = 16
        self.measured = 0
        self.headers = faces.Headers()
        self.restart()
        self._processor("A Processor")

    def _processor(self, name: str) -> None:
        trees.processors(self.root, [(0, 1), (2, 3)], cpu_capacity=dict.fromkeys(range(4), 1024))
        trees.write(self.root, {"proc/cpuinfo": trees.cpuinfo(4, model_name=name, flags="avx2")})

    def become(self, name: str, gibibytes: int, bytes_per_s: float) -> None:
        """Another processor and memory."""
        self.gibibytes, self.bytes_per_s = gibibytes, bytes_per_s
        self._processor(name)

    def restart(self) -> None:
        """The next start of the app: all that it knows is on the disk."""
        self.bus = EventBus()
        jobs: Any = self
        self.machines = Machines(jobs, self.bus, find_paths())
        self.fits = Fits(self.machines, jobs, jobs, find_paths(), self.bus)

    async def call(self, name: str, params: Mapping[str, Any], **_: Any) -> Any:
        """The job worker."""
        if name == "hub.header":
            return await self.headers.call(name, dict(params))
        trees.write(self.root, trees.meminfo(self.gibibytes * GIB, int(self.gibibytes * GIB * self.chance.random())))
        known = msgspec.convert(params["facts"], Facts) if params["facts"] is not None else None
        no_cards = probe.Children(children.devices(), children.speed(0))
        found, facts = probe.probe(
            params["folder"], known, root=self.root, system="linux", children=no_cards, refresh=params["refresh"]
        )
        return {"machine": msgspec.to_builtins(found), "facts": msgspec.to_builtins(facts)}

    def measure(self, *_: Any) -> wire.Measured:
        """A measurement: each window gets what others leave of the memory."""
        self.measured += 1
        windows = bandwidth.Windows(1e9)
        for _window in range(25):
            if windows.over:
                break
            windows.add(self.bytes_per_s * self.chance.uniform(0.3, 1.0), 1.0)
        return wire.Measured(windows.best, windows.calm)

    async def look(self, *, refresh: bool = False) -> tuple[CatalogModel, Quant]:
        """What is recommended now."""
        self.machines._asked_at = float("-inf")
        await self.machines.machine(refresh=refresh)
        found = self.fits.recommend(MODELS, Purpose.EVERYDAY)
        assert found is not None and found.best is not None
        return found.best.model, found.best.quant

    async def answer(self, model: CatalogModel, quant: Quant, share: float) -> None:
        """An answer of this model, ``share`` times as fast as the calm machine would give it."""
        path = quant.files[0].path
        shape = self.headers.shapes.setdefault(path, for_quant(model.shape, quant.size_bytes or 0))
        machine = msgspec.structs.replace(
            self.machines.known,
            bandwidth_bytes_per_s=self.bytes_per_s,  # type: ignore[type-var]
        )
        calm = speed.decode(shape, machine, depth=550)
        faces.answered(self.bus, self.chance, path, 8192, decode=(calm or 0) * share)
        await self.fits.settled()


@pytest.fixture
def noisy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Noisy:
    monkeypatch.setattr(cpu, "_cpuinfo", dict)
    made = Noisy(tmp_path, random.Random(20261130), 12e9)
    monkeypatch.setattr(probe, "measured", made.measure)
    return made


def test_two_hundred_looks_with_random_loads_give_one_recommendation(noisy: Noisy) -> None:
    async def main() -> None:
        seen = set()
        for number in range(200):
            if number % 25 == 24:
                noisy.restart()
            model, quant = await noisy.look(refresh=number % 50 == 49)  # "Measure again"
            seen.add((model.id, quant.name))
            if number % 4 == 3:
                await noisy.answer(model, quant, noisy.chance.uniform(0.2, 1.0))
        assert len(seen) == 1, seen
        assert noisy.measured == 1 + 4  # at the first look, and when it was asked for

    run(main())


def test_a_machine_that_really_changed_gets_its_own_recommendation(noisy: Noisy) -> None:
    async def main() -> None:
        before = await noisy.look()
        noisy.become("Another Processor", 64, 80e9)
        noisy.restart()
        after = await noisy.look()
        assert (after[1].size_bytes or 0) > 2 * (before[1].size_bytes or 0)
        assert noisy.measured == 2
        noisy.become("A Processor", 2, 12e9)
        assert ((await noisy.look())[1].size_bytes or 0) < (before[1].size_bytes or 0)

    run(main())


def test_the_speed_that_answers_reached_corrects_the_recommendation(noisy: Noisy) -> None:
    async def main() -> None:
        before = await noisy.look()
        for _ in range(8):
            await noisy.answer(*before, 0.3)
        assert await noisy.look() == before  # a few slow answers are other programs' doing
        for _ in range(40):
            await noisy.answer(*before, 0.3)
        slower = await noisy.look()
        assert (slower[1].size_bytes or 0) < (before[1].size_bytes or 0)
        await noisy.answer(*before, 4.0)  # it was a false measurement after all
        faster = await noisy.look()
        assert (faster[1].size_bytes or 0) > (slower[1].size_bytes or 0)

    run(main())
