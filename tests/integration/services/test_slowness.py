"""The services around the question why it is slow, joined as in the app: what a model is loaded with on a computer with
little memory, the notice of a fallback, and the answer from the last answer's figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from qwen_desktop.core.hardware import Cpu, Gpu, Machine, Memory
from qwen_desktop.core.model_ref import FileRef, GuideRef
from qwen_desktop.hardware import moment
from qwen_desktop.hardware.moment import Counters, Own
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.services import slowness as slowness_service
from qwen_desktop.services.events import MachineChanged, Notified
from qwen_desktop.services.fits import Fits
from qwen_desktop.services.machines import Machines
from qwen_desktop.services.slowness import Slowness
from tests import gguf_shapes
from tests.app import App, running_app
from tests.inline_jobs import InlineJobs
from tests.scripted_engine import Script, ScriptedEngine

GIB = 1 << 30
CPU = Cpu("A Processor", "x86_64", 4, 4, 4, features=("AVX2",))
HERE = Machine(cpu=CPU, memory=Memory(16 * GIB, 9 * GIB), bandwidth_bytes_per_s=30e9, backends=())
SEEN = Gpu("NVIDIA GeForce RTX 3060", total_bytes=12 * GIB, id="0000:01:00.0")


class Known:
    """A computer that is known, and another one when the test says so."""

    def __init__(self, app: App, machine: Machine | None) -> None:
        self._app = app
        self.known = machine

    async def machine(self, *, refresh: bool = False) -> Machine:
        return self.known or HERE

    def set(self, machine: Machine) -> None:
        self.known = machine
        self._app.bus.publish(MachineChanged(machine))


class Joined:
    """The services of one test."""

    def __init__(self, app: App, machines: Known, fits: Fits) -> None:
        self.app, self.machines, self.fits = app, machines, fits
        self.busy = 0.0
        self.looks, self.used = 0, 0.0
        self.slowness = Slowness(
            cast("Machines", machines), fits, app.engines, app.preferences, app.bus, history=app.history,
            paths=app.paths, look=self._look,
        )  # fmt: skip

    def _look(self) -> Counters:
        self.looks, self.used = self.looks + 1, self.used + self.busy
        return Counters(float(self.looks), busy=self.used, own=Own(0.0, 0))

    async def notices(self) -> list[str]:
        """What was said, once all is done that was heard of."""
        while self.slowness._telling:
            await asyncio.wait(self.slowness._telling)
        return [str(event.text) for event in self.app.events(Notified)]


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(gguf_shapes.write(tmp_path / "a.gguf", gguf_shapes.PLANS["Qwen3-0.6B"], vocab=2000))


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowness_service, "_LEAST_S", 0.0)


@asynccontextmanager
async def joined(
    machine: Machine | None, engine: Callable[[], ScriptedEngine] = ScriptedEngine
) -> AsyncIterator[Joined]:
    made: list[ScriptedEngine] = []

    def factory() -> ScriptedEngine:
        made.append(engine())
        return made[-1]

    profile: list[Fits] = []
    async with running_app(factory, profile=lambda: profile[0].profile) as app:
        jobs = cast("JobWorker", InlineJobs())
        machines = Known(app, machine)
        fits = Fits(cast("Machines", machines), jobs, jobs, app.paths, app.bus, preferences=app.preferences)
        profile.append(fits)
        services = Joined(app, machines, fits)
        try:
            yield services
        finally:
            await services.slowness.aclose()
            await fits.aclose()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await asyncio.wait_for(work(), 30)

    asyncio.run(whole())


# Little memory -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "settings", "context", "minutes"),
    [
        (replace(HERE, memory=Memory(4 * GIB, 2 * GIB)), {}, 2048, 5),
        (replace(HERE, memory=Memory(8 * GIB, 4 * GIB)), {}, 4096, 10),
        (replace(HERE, memory=Memory(8 * GIB, 4 * GIB)), {"context": 16384, "unload_minutes": 60}, 16384, 60),
        (replace(HERE, memory=Memory(8 * GIB, 4 * GIB)), {"profile": "usual"}, None, None),
        (HERE, {"profile": "low_memory"}, 4096, 10),
        (HERE, {}, None, None),
    ],
)
def test_load_and_verdict_mean_the_same_by_automatic(
    machine: Machine, settings: dict[str, Any], context: int | None, minutes: int | None, model: str
) -> None:
    engines: list[ScriptedEngine] = []

    def engine() -> ScriptedEngine:
        engines.append(ScriptedEngine())
        return engines[-1]

    async def work() -> None:
        async with joined(machine, engine) as services:
            app = services.app
            await app.preferences.change({f"engine.{name}": value for name, value in settings.items()})
            await app.engines.load(FileRef(model))
            (request,) = engines[0].loads
            assert request.context == context
            use = services.fits.use(path=model)
            assert use.context == (context or 8192)
            kept = app.engines._records[model].rest
            assert (kept is None) is (minutes is None)
            if kept is not None and minutes is not None:
                left = kept.when() - asyncio.get_running_loop().time()
                assert left == pytest.approx(60 * minutes, abs=20)
            # the guide is tiny: it is loaded as ever
            await app.engines.load(GuideRef())
            assert engines[1].loads[0].context is None

    run(work)


def test_a_first_start_knows_the_memory_before_the_probe(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_desktop.services.fits.read_memory", lambda: Memory(4 * GIB, 2 * GIB))

    async def work() -> None:
        async with joined(None) as services:
            assert services.fits.profile.context == 2048

    run(work)


# Notices -------------------------------------------------------------------------------------------------------------


def test_a_fallback_is_told_once_with_the_way_to_why(model: str, tmp_path: Path) -> None:
    async def work() -> None:
        async with joined(replace(HERE, unused_gpus=(SEEN,))) as services:
            await services.app.engines.load(FileRef(model))
            (told,) = await services.notices()
            assert told == (
                f"The processor computes a. {SEEN.name} is there, but this build computes on processors only."
            )
            assert services.app.events(Notified)[0].action == "help.slow"
            await services.app.engines.unload(FileRef(model))
            await services.app.engines.load(FileRef(model))
            services.machines.set(replace(HERE, unused_gpus=(SEEN,)))
            assert len(await services.notices()) == 1

    run(work)


def test_what_the_probe_finds_after_the_load_is_told(model: str) -> None:
    async def work() -> None:
        async with joined(HERE) as services:
            await services.app.engines.load(FileRef(model))
            assert await services.notices() == []
            services.machines.set(replace(HERE, unused_gpus=(SEEN,), backends=("Vulkan",)))
            (told,) = await services.notices()
            assert "its driver offers nothing" in told

    run(work)


def test_a_card_that_is_gone_and_one_that_is_too_small_are_told(model: str) -> None:
    card = replace(SEEN, backend="Vulkan", free_bytes=GIB // 4)

    async def work() -> None:
        async with joined(replace(HERE, gpus=(card,))) as services:
            await services.app.engines.load(FileRef(model))
            assert f"0 of 29 layers are on {card.name}" in (await services.notices())[-1]
            services.machines.set(HERE)
            assert "is not found any more" in (await services.notices())[-1]

    run(work)


def test_nobody_is_told_what_was_asked_for(model: str) -> None:
    async def work() -> None:
        async with joined(replace(HERE, gpus=(replace(SEEN, backend="Vulkan"),))) as services:
            await services.app.preferences.set("engine.gpu_layers", 0)
            await services.app.engines.load(FileRef(model))
            await services.app.engines.load(GuideRef())
            assert await services.notices() == []

    run(work)


# The answer ----------------------------------------------------------------------------------------------------------


def test_the_last_answer_is_what_is_asked_about(model: str) -> None:
    script = Script("A longer answer than one word, said slowly.", rate=60)

    async def work() -> None:
        async with joined(HERE, lambda: ScriptedEngine(script)) as services:
            before = await services.slowness.ask(FileRef(model))
            assert before.reached is None and before.expected  # foretold: it is not loaded yet
            assert before.verdict.code == "slow.ready"
            await services.app.models.open_file(model)
            await services.app.ask("hello")
            services.busy = 3.4
            found = await services.slowness.ask(FileRef(model))
            assert found.reached == pytest.approx(60, rel=0.5)
            assert [cause.id for cause in found.causes] == ["programs"]
            assert "3.4 of 4 processors" in str(found.causes[0].what)

    run(work)


def test_a_model_that_is_gone_has_an_answer_too(tmp_path: Path) -> None:
    async def work() -> None:
        async with joined(HERE) as services:
            found = await services.slowness.ask(FileRef(str(tmp_path / "gone.gguf")))
            assert found.verdict.code == "slow.no_model" and not found.causes

    run(work)


def test_the_real_counters_tell_other_programs_from_ours() -> None:
    before = moment.look()
    after = moment.look()._replace(at=before.at + 1.0)
    found = moment.between(before, after)
    assert found.others is None or found.others >= 0
    assert before.own is not None and before.own.seconds > 0
