"""The service around the probe: what it knows at the start, keeps, tells and survives. The job is scripted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from qwen_desktop.core.errors import Environment
from qwen_desktop.core.hardware import Battery, Cpu, Disk, Gpu, Machine, Memory
from qwen_desktop.core.packed import Unpacker, pack
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.settings import Settings, replaced
from qwen_desktop.core.text import Text
from qwen_desktop.hardware.facts import Facts
from qwen_desktop.services.events import EventBus, MachineChanged, SettingsChanged
from qwen_desktop.services.machines import Machines
from tests.app import run

GIB = 1 << 30
LAPTOP = Machine(
    system="Some Linux 7",
    cpu=Cpu(model="Laptop CPU", physical=4, logical=8),
    memory=Memory(16 * GIB, 9 * GIB),
    gpus=(Gpu("Card", "gpu", "CUDA", 8 * GIB, 7 * GIB),),
    disk=Disk("/models", 100 * GIB, 500 * GIB, "ssd"),
    battery=Battery(80, plugged=True),
    bandwidth_bytes_per_s=40e9,
    taken_at=1000.0,
)
FACTS = Facts("key", LAPTOP.cpu, (Gpu("Card", "gpu", "CUDA", 8 * GIB),), 0.0, 40e9, 1000.0)


class Jobs:
    """A job worker that answers with ``machine`` and ``facts``, or fails with ``error``."""

    def __init__(self, machine: Machine = LAPTOP) -> None:
        self.machine = machine
        self.error: Exception | None = None
        self.rubbish: Any = None
        self.calls: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def call(self, name: str, params: Mapping[str, Any], *, progress: Any = None) -> Any:
        assert name == "hardware.probe" and progress is None
        self.calls.append(Unpacker[dict[str, Any]](dict)(pack(params)))  # it must fit through the pipe
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        if self.rubbish is not None:
            return self.rubbish
        return {"machine": msgspec.to_builtins(self.machine), "facts": msgspec.to_builtins(FACTS)}


class Desk:
    """The service with what it has published, and the models folder of the settings."""

    def __init__(self, jobs: Jobs) -> None:
        self.folder = find_paths().models
        self.bus = EventBus()
        self.told: list[Machine] = []
        self.bus.subscribe(MachineChanged, lambda event: self.told.append(event.machine))
        self.machines = Machines(jobs, self.bus, find_paths(), lambda: self.folder)  # type: ignore[arg-type]

    async def move(self, folder: Path) -> None:
        """The models folder has moved."""
        self.folder = folder
        before = Settings()
        after = replaced(before, "downloads.folder", str(folder))
        self.bus.publish(SettingsChanged(before, after, ("downloads.folder",)))
        await asyncio.sleep(0.01)

    async def later(self, *, refresh: bool = False) -> Machine:
        """Ask as if some time had passed."""
        self.machines._asked_at = float("-inf")
        return await self.machines.machine(refresh=refresh)


def cache() -> Path:
    return find_paths().cache / "machine.json"


def test_nothing_is_known_before_the_first_probe_and_all_of_it_after() -> None:
    async def main() -> None:
        desk = Desk(Jobs())
        assert desk.machines.known is None
        assert await desk.machines.machine() == LAPTOP
        assert desk.machines.known == LAPTOP
        assert desk.told == [LAPTOP]

    run(main())


def test_the_next_run_knows_the_machine_at_once_but_nothing_that_has_changed() -> None:
    async def main() -> None:
        await Desk(Jobs()).machines.machine()
        jobs = Jobs()
        known = Desk(jobs).machines.known
        assert jobs.calls == []
        assert known is not None
        assert (known.cpu, known.bandwidth_bytes_per_s) == (LAPTOP.cpu, 40e9)
        assert known.memory == Memory(16 * GIB, None)
        assert known.gpus == (Gpu("Card", "gpu", "CUDA", 8 * GIB, None),)
        assert known.disk == Disk("/models", None, 500 * GIB, "ssd")
        assert known.battery is None

    run(main())


def test_what_took_long_to_find_out_is_handed_to_the_next_probe() -> None:
    async def main() -> None:
        await Desk(Jobs()).machines.machine()
        jobs = Jobs()
        desk = Desk(jobs)
        await desk.machines.machine()
        await desk.later(refresh=True)
        assert [call["refresh"] for call in jobs.calls] == [False, True]
        assert msgspec.convert(jobs.calls[0]["facts"], Facts) == FACTS
        assert jobs.calls[0]["folder"] == str(find_paths().models)

    run(main())


@pytest.mark.parametrize(
    "rubbish",
    [
        b"", b"\x00" * 100, b"\xff\xfe", b"[]", b"{}", b"null", b'{"machine": {}}', b'{"machine": 5, "facts": 6}',
        b"[" * 100_000,
        b'{"machine": {"cpu": {"physical": "many"}}, "facts": {}}', b'{"machine": {"system": "half',
        b'{"machine": {"disk": {"path": "/", "kind": "floppy"}}, "facts": null}',
    ],
)  # fmt: skip
def test_a_cache_file_of_rubbish_is_passed_over_and_replaced(rubbish: bytes) -> None:
    async def main() -> None:
        cache().parent.mkdir(parents=True)
        cache().write_bytes(rubbish)
        jobs = Jobs()
        desk = Desk(jobs)
        assert desk.machines.known is None
        assert await desk.machines.machine() == LAPTOP
        assert jobs.calls[0]["facts"] is None
        assert Desk(Jobs()).machines.known is not None

    run(main())


def test_a_cache_folder_that_cannot_be_written_costs_only_the_memory(home: Path) -> None:
    home.mkdir()
    (home / "cache").write_text("a file where the folder should be")

    async def main() -> None:
        assert await Desk(Jobs()).machines.machine() == LAPTOP

    run(main())


def test_the_file_is_written_only_when_it_would_say_something_new() -> None:
    async def main() -> None:
        jobs = Jobs()
        desk = Desk(jobs)
        await desk.machines.machine()
        first = cache().stat().st_mtime_ns
        jobs.machine = replace(LAPTOP, memory=Memory(16 * GIB, GIB), battery=Battery(5), taken_at=2000.0)
        await desk.later()
        assert cache().stat().st_mtime_ns == first
        jobs.machine = replace(LAPTOP, memory=Memory(32 * GIB, GIB))
        await desk.later()
        assert json.loads(cache().read_bytes())["machine"]["memory"]["total_bytes"] == 32 * GIB

    run(main())


def test_listeners_hear_of_what_is_worth_telling_only() -> None:
    async def main() -> None:
        jobs = Jobs(replace(LAPTOP, memory=Memory(16 * GIB, 8 * GIB + 1000)))
        desk = Desk(jobs)
        await desk.machines.machine()
        jobs.machine = replace(LAPTOP, memory=Memory(16 * GIB, 8 * GIB + 9000), taken_at=2000.0)
        assert await desk.later() == desk.machines.known == desk.told[0]  # what is known is what was told
        assert len(desk.told) == 1
        jobs.machine = replace(LAPTOP, memory=Memory(16 * GIB, 2 * GIB))
        await desk.later()
        assert [machine.memory.free_bytes for machine in desk.told] == [8 * GIB + 1000, 2 * GIB]

    run(main())


def test_who_asks_at_the_same_time_gets_the_same_answer() -> None:
    async def main() -> None:
        jobs = Jobs()
        jobs.gate.clear()
        desk = Desk(jobs)
        asking = [asyncio.ensure_future(desk.machines.machine()) for _ in range(5)]
        await asyncio.sleep(0.01)
        jobs.gate.set()
        assert await asyncio.gather(*asking) == [LAPTOP] * 5
        assert len(jobs.calls) == 1
        await desk.machines.machine(refresh=True)  # but a wish for a new one is never answered with an old one
        assert len(jobs.calls) == 2

    run(main())


def test_a_caller_that_goes_away_harms_nobody() -> None:
    async def main() -> None:
        jobs = Jobs()
        jobs.gate.clear()
        desk = Desk(jobs)
        first = asyncio.ensure_future(desk.machines.machine())
        second = asyncio.ensure_future(desk.machines.machine())
        await asyncio.sleep(0.01)
        first.cancel()
        jobs.gate.set()
        assert await second == LAPTOP

    run(main())


def test_the_disk_is_that_of_the_folder_where_models_lie_now() -> None:
    async def main() -> None:
        jobs = Jobs()
        desk = Desk(jobs)
        await desk.machines.machine()
        jobs.gate.clear()
        await desk.move(Path("/elsewhere/models"))
        assert desk.machines.known is not None and desk.machines.known.disk is None
        jobs.machine = replace(LAPTOP, disk=Disk("/elsewhere/models", GIB, 2 * GIB, "network"))
        jobs.gate.set()
        assert desk.machines._looking is not None  # nobody had to ask
        await desk.machines._looking
        assert desk.machines.known == jobs.machine == desk.told[-1]
        assert [machine.disk for machine in desk.told] == [LAPTOP.disk, None, jobs.machine.disk]
        assert jobs.calls[-1]["folder"] == "/elsewhere/models"

    run(main())


def test_a_folder_that_moves_during_the_probe_is_not_given_the_old_disk() -> None:
    async def main() -> None:
        jobs = Jobs()
        jobs.gate.clear()
        desk = Desk(jobs)
        asking = asyncio.ensure_future(desk.machines.machine())
        await asyncio.sleep(0.01)
        await desk.move(Path("/elsewhere"))
        jobs.gate.set()
        assert (await asking).disk is None
        await desk.machines.machine()
        assert [call["folder"] for call in jobs.calls] == [str(find_paths().models), "/elsewhere"]

    run(main())


def test_a_folder_whose_name_is_no_text_can_be_asked_for() -> None:
    async def main() -> None:
        jobs = Jobs()
        desk = Desk(jobs)
        desk.folder = Path("/models/\udcff")
        assert await desk.machines.machine() == LAPTOP
        assert jobs.calls[-1]["folder"] == "/models/\udcff"

    run(main())


@pytest.mark.parametrize("rubbish", [None, 5, {}, {"machine": {"cpu": "fast"}, "facts": {}}])
def test_a_probe_that_fails_leaves_what_was_known_without_what_changes(rubbish: Any) -> None:
    async def main() -> None:
        jobs = Jobs()
        desk = Desk(jobs)
        if rubbish is None:
            jobs.error = Environment(Text("worker.crashed", "It crashed."))
        else:
            jobs.rubbish = rubbish
        first = await desk.machines.machine()
        assert {"cpu.model", "memory.total", "gpu", "disk", "bandwidth"} <= set(first.unknown)
        jobs.error = jobs.rubbish = None
        assert await desk.later() == LAPTOP
        jobs.error = Environment(Text("worker.crashed", "It crashed."))
        again = await desk.later()
        assert again.cpu == LAPTOP.cpu
        assert again.memory == Memory(16 * GIB, None)
        assert "memory.free" in again.unknown
        assert Desk(Jobs()).machines.known is not None  # the file still holds the good one

    run(main())
