"""One question, one answer: whatever changed and in whatever order, each command, the list and the advice say the same,
and the same as a service that has just started."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import msgspec

from qwen_desktop.core.hardware import Machine
from qwen_desktop.core.models import Catalog, Purpose
from qwen_desktop.core.paths import find_paths
from qwen_desktop.services import fit_words
from qwen_desktop.services.events import EventBus, FitsChanged, MachineChanged
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile
from tests import faces

ROOT = Path(__file__).resolve().parents[2]


class Machines:
    """A machine that tests change."""

    def __init__(self, bus: EventBus, known: Machine) -> None:
        self.known = known
        self._bus = bus

    async def machine(self, *, refresh: bool = False) -> Machine:
        return self.known

    def set(self, machine: Machine) -> None:
        self.known = machine
        self._bus.publish(MachineChanged(machine))


async def one(case: faces.Case) -> None:
    """Every answer about one file, and about what to take."""
    chance = case.chance
    model = chance.choice(case.models())
    quant = chance.choice(model.quants)
    case.headers.shapes.setdefault(quant.files[0].path, faces.true_shape(chance, model, quant))
    before = case.fits.of(model, quant)
    told: list[FitsChanged] = []
    leave = case.bus.subscribe(FitsChanged, told.append)
    verdict, sentence = await case.said_by_fit(model, quant)
    leave()
    now = case.fits.of(model, quant)
    assert now is not None and now.exact
    assert (verdict, sentence) == (str(now.verdict), str(fit_words.sentence(now)))
    assert told or before == now, "the list would not have heard of it"
    shown, lines = await case.said_by_recommend(Purpose.EVERYDAY)
    advised = case.fits.recommend(case.models(), Purpose.EVERYDAY)
    assert advised is not None
    for kind in ("best", "lighter", "stronger"):
        advice = getattr(advised, kind)
        assert (advice is None) is (shown[kind] is None)
        if advice is not None:
            fit = case.fits.of(advice.model, advice.quant)
            assert fit is not None and shown[kind]["verdict"] == str(fit.verdict)
            assert f", {fit_words.word(fit)}\n" in lines
    fresh = case.fresh()
    fresh._headers = case.fits._headers  # headers are read once a run
    for other in case.models():
        for size in other.quants:
            assert fresh.of(other, size) == case.fits.of(other, size)
    await fresh.aclose()


def test_every_face_gives_one_answer_whatever_changed(seconds: float) -> None:
    models = msgspec.json.decode((ROOT / "resources" / "catalog.json").read_bytes(), type=Catalog).models
    models = tuple(m for m in models if m.quants and all(q.size_bytes and q.files for q in m.quants))

    async def search(seed: int) -> None:
        chance = random.Random(seed)
        few = tuple(chance.sample(models, 8))  # so that the same file is asked about again and again
        bus, paths = EventBus(), find_paths()
        machines: Any = Machines(bus, faces.machine(chance, "/models"))
        preferences = Preferences(SettingsFile(paths.settings_file), bus)
        case = faces.Case(chance, paths, bus, preferences, machines=machines, models=lambda: few)
        steps = []
        try:
            for _ in range(8):
                steps.append(await case.step())
                await one(case)
        except BaseException as error:
            error.add_note(f"seed {seed}, {steps}")
            raise
        await case.fits.aclose()

    deadline, seed = time.monotonic() + seconds, random.randrange(1 << 30)
    while time.monotonic() < deadline:
        asyncio.run(search(seed))
        seed += 1
