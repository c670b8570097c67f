"""When models are measured, what is kept of it, and what their next loads make of it: scripted engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core.errors import Cancelled, Environment, UserFacing
from qwen_desktop.core.hardware import Battery, Cpu, Machine
from qwen_desktop.core.model_ref import FileRef, GuideRef
from qwen_desktop.core.tuning import DEFAULT_WAY, Trial, Tuning, Way
from qwen_desktop.services import tuning as service
from qwen_desktop.services.events import TuningChanged
from qwen_desktop.services.tuning import KeptTunings, Tuner
from tests.app import App, run, running_app
from tests.scripted_engine import Script, ScriptedEngine

OFF = Way(flash_attention=False)
FOUND = Tuning(
    flash_attention=True, kv_type="f16", threads=3, read_threads=4, batch_rows=16, gpu_layers=0, depth=2048, own=OFF,
    own_threads=3, cores=4, trials=(Trial("write", OFF, 3, 2048, 20.0), Trial("write", DEFAULT_WAY, 4, 2048, 30.0)),
)  # fmt: skip


class Machines:
    """This computer, as a test has it."""

    def __init__(self) -> None:
        self.known: Machine | None = Machine(cpu=Cpu(model="A CPU", usable=4))

    async def machine(self, *, refresh: bool = False) -> Machine:
        assert self.known is not None
        return self.known


class Desk:
    """The services with a tuner that waits for 50 ms of rest."""

    def __init__(self, app: App, tuner: Tuner, machines: Machines, engines: list[ScriptedEngine], path: str) -> None:
        self.app, self.tuner, self.machines, self.made, self.path = app, tuner, machines, engines, path
        self.ref = FileRef(path)

    @property
    def engine(self) -> ScriptedEngine:
        return self.made[-1]

    async def until(self, ready: Callable[[], Any]) -> None:
        while not ready():  # noqa: ASYNC110 - whatever it is that changes it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def desk(
    monkeypatch: pytest.MonkeyPatch, *, found: Tuning = FOUND, watch: bool = True, idle_s: float = 0.05
) -> AsyncIterator[Desk]:
    made: list[ScriptedEngine] = []
    machines = Machines()
    monkeypatch.setattr(service, "_engine", lambda: "scripted 1")

    def factory() -> ScriptedEngine:
        made.append(ScriptedEngine(Script("An answer.", rate=200)))
        made[-1].tuned = found
        return made[-1]

    kept: list[KeptTunings] = []
    async with running_app(factory, tuned=lambda request: kept[0].filled(request)) as app:  # noqa: PLW0108
        kept.append(KeptTunings(machines, app.paths))  # type: ignore[arg-type]
        tuner = Tuner(kept[0], app.engines, machines, app.history, app.bus, idle_s=idle_s)  # type: ignore[arg-type]
        if watch:
            tuner.watch()
        path = app.model_file("m.gguf")
        await app.models.open_file(path)
        try:
            yield Desk(app, tuner, machines, made, path)
        finally:
            await tuner.aclose()


def test_measured_once_after_the_first_answer_and_used_by_the_next_load(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch) as here:
            await asyncio.sleep(0.15)
            assert not here.engine.tunes  # nothing was asked yet
            await here.app.ask("Hello")
            await here.until(lambda: here.engine.tunes)
            assert here.tuner.progress(here.ref) == 0.5
            here.engine.tune_gate.set()
            await here.until(lambda: here.tuner.kept.at(here.path))
            await here.until(lambda: here.tuner.progress(here.ref) is None)
            assert [e.fraction for e in here.app.events(TuningChanged)] == [0.0, 0.5, None]
            loads = len(here.engine.loads)
            await here.app.ask("Again")  # the model stays as it was loaded
            await asyncio.sleep(0.15)
            assert (len(here.engine.loads), len(here.engine.tunes)) == (loads, 1)
            assert here.engine.loads[-1].flash_attention == "auto"
            await here.app.engines.unload(here.ref)
            await here.app.engines.load(here.ref)
            assert here.engine.loads[-1].flash_attention == "on"
            await here.app.preferences.set("engine.flash_attention", "off")  # a pin comes first
            await here.app.engines.load(here.ref)
            assert here.engine.loads[-1].flash_attention == "off"

    run(main())


def test_a_restart_remembers_and_another_computer_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch, watch=False) as here:
            await here.app.engines.load(here.ref)
            here.engine.tune_gate.set()
            assert await here.tuner.tune(here.ref) == FOUND
            again = KeptTunings(here.machines, here.app.paths)  # type: ignore[arg-type]
            assert again.at(here.path) == FOUND
            info = here.engine.info
            assert info is not None and again.of(info) == FOUND
            assert again.of(structs.replace(info, engine="a newer one")) is None
            here.machines.known = Machine(cpu=Cpu(model="Another CPU", usable=4))
            assert again.at(here.path) is None and again.of(info) is None

    run(main())


def test_the_file_moves_and_another_one_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch, watch=False) as here:
            await here.app.engines.load(here.ref)
            here.engine.tune_gate.set()
            await here.tuner.tune(here.ref)
            kept, info = here.tuner.kept, here.engine.info
            assert info is not None and info.local is not None
            moved = structs.replace(info, local=structs.replace(info.local, path="/elsewhere/m.gguf"))
            await kept.seen(moved)
            assert kept.at("/elsewhere/m.gguf") == FOUND and kept.at(here.path) is None
            other = structs.replace(moved, local=structs.replace(info.local, path="/elsewhere/m.gguf", sha256="other"))
            await kept.seen(other)
            assert kept.at("/elsewhere/m.gguf") is None and kept.of(info) == FOUND

    run(main())


@pytest.mark.parametrize(
    ("battery", "measured"),
    [(Battery(20, plugged=False), False), (Battery(20, plugged=True), True), (Battery(90, plugged=False), True)],
)
def test_not_on_a_battery_that_is_low(monkeypatch: pytest.MonkeyPatch, battery: Battery, measured: bool) -> None:
    async def main() -> None:
        async with desk(monkeypatch) as here:
            here.machines.known = structs.replace(here.machines.known, battery=battery)
            await here.app.ask("Hello")
            if measured:
                await here.until(lambda: here.engine.tunes)
            else:
                await asyncio.sleep(0.25)
                assert not here.engine.tunes

    run(main())


def test_not_while_the_next_question_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch, idle_s=0.6) as here:
            where = await here.app.ask("Hello")
            for _ in range(4):
                await asyncio.sleep(0.02)
                await here.app.ask("And now?", where)
                assert not here.engine.tunes
            await here.until(lambda: here.engine.tunes)

    run(main())


def test_what_was_broken_off_is_done_again_three_times_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch, found=structs.replace(FOUND, whole=False)) as here:
            here.engine.tune_gate.set()
            for count in (1, 2, 3):
                await here.app.ask("Hello")
                await here.until(lambda: len(here.engine.tunes) == count and here.tuner.progress(here.ref) is None)  # noqa: B023
            for _ in range(2):
                await here.app.ask("Hello")
                await asyncio.sleep(0.2)
            assert len(here.engine.tunes) == 3
            assert here.tuner.kept.at(here.path) is None

    run(main())


def test_a_result_from_a_crowded_computer_is_told_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    crowded = structs.replace(FOUND, share=0.4)

    async def main() -> None:
        async with desk(monkeypatch, found=crowded) as here:
            here.engine.tune_gate.set()
            await here.app.ask("Hello")
            await here.until(lambda: here.engine.tunes)
            await asyncio.sleep(0.05)
            assert here.tuner.kept.at(here.path) is None
            assert await here.tuner.tune(here.ref) == crowded
            assert here.tuner.kept.at(here.path) is None

    run(main())


def test_skipped_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch) as here:
            await here.app.ask("Hello")
            await here.until(lambda: here.engine.tunes)
            here.tuner.skip()
            await here.until(lambda: here.tuner.progress(here.ref) is None)
            await here.app.ask("Again")
            await asyncio.sleep(0.2)
            assert len(here.engine.tunes) == 1 and here.tuner.kept.at(here.path) is None
            here.engine.tune_gate.set()
            await here.tuner.tune(here.ref)  # asked for it is done all the same
            assert here.tuner.kept.at(here.path) == FOUND
            await here.tuner.forget(here.path)
            assert here.tuner.kept.at(here.path) is None
            await here.app.ask("Again")
            await here.until(lambda: len(here.engine.tunes) == 2)

    run(main())


def test_what_cannot_be_measured_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch, found=structs.replace(FOUND, whole=False, seconds=20.0), watch=False) as here:
            with pytest.raises(UserFacing, match="guide"):
                await here.tuner.tune(GuideRef())
            await here.app.engines.load(here.ref)
            here.engine.tune_gate.set()
            with pytest.raises(Environment, match="20 s"):
                await here.tuner.tune(here.ref)
            here.engine.tuned = structs.replace(FOUND, whole=False, seconds=1.0)
            with pytest.raises(Cancelled):
                await here.tuner.tune(here.ref)
            assert here.tuner.kept.at(here.path) is None

    run(main())


def test_a_second_run_ends_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch, watch=False) as here:
            first = asyncio.create_task(here.tuner.tune(here.ref))
            await here.until(lambda: here.made and here.engine.tunes)
            second = asyncio.create_task(here.tuner.tune(here.ref))
            with pytest.raises(Cancelled):
                await first
            here.engine.tune_gate.set()
            assert await second == FOUND

    run(main())


def test_the_depth_is_that_of_the_users_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch, watch=False) as here:
            await here.app.engines.load(here.ref)
            here.engine.tune_gate.set()
            await here.tuner.tune(here.ref)
            assert here.engine.tunes[-1].depth == 2048
            for _ in range(3):
                await here.app.ask("Hello")
            stats = await here.app.history.recent_stats(10)
            assert len(stats) == 3
            await here.tuner.tune(here.ref)
            assert here.engine.tunes[-1].depth == stats[0].context_used > 0
            await here.tuner.tune(here.ref, depth=100_000)
            assert here.engine.tunes[-1].depth == 4096  # its context

    run(main())


def test_a_damaged_file_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with desk(monkeypatch, watch=False) as here:
            for rubbish in (b"", b"{", b"[1]", b'[{"key": 1}]', b"\xff" * 100, b"[" * 100_000):
                (here.app.paths.data / "tunings.json").write_bytes(rubbish)
                kept = KeptTunings(here.machines, here.app.paths)  # type: ignore[arg-type]
                assert kept.at(here.path) is None

    run(main())
