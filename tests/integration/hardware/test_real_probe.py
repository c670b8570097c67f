"""The probe of the machine that the tests run on, through the real job worker and its real children."""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path

import psutil
import pytest

from qwen_desktop.core.paths import find_paths
from qwen_desktop.hardware import cpu, wire
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process import one_shot
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.events import EventBus, MachineChanged
from qwen_desktop.services.machines import Machines
from tests.app import run


def test_this_machine_cold_remembered_and_in_the_next_run() -> None:
    async def main() -> None:
        jobs = JobWorker(worker_command("jobs"))
        bus = EventBus()
        told: list[MachineChanged] = []
        bus.subscribe(MachineChanged, told.append)
        machines = Machines(jobs, bus, find_paths())
        try:
            found = await machines.machine()
            memory = psutil.virtual_memory()
            assert found.cpu.logical == psutil.cpu_count()
            assert found.cpu.physical == (psutil.cpu_count(logical=False) or found.cpu.physical)
            assert found.cpu.architecture == platform.machine()
            assert found.memory.total_bytes is not None and 0 < found.memory.total_bytes <= memory.total
            assert found.memory.free_bytes is not None and 0 < found.memory.free_bytes <= found.memory.total_bytes
            assert "gpu" not in found.unknown
            assert found.disk is not None and found.disk.free_bytes
            assert found.bandwidth_bytes_per_s is not None and 1e9 < found.bandwidth_bytes_per_s < 5e12
            assert [event.machine for event in told] == [found]

            measured = find_paths().cache / "machine.json"
            before = measured.stat().st_mtime_ns
            machines._asked_at = float("-inf")
            again = await machines.machine()
            assert again.bandwidth_bytes_per_s == found.bandwidth_bytes_per_s  # measured once
            assert measured.stat().st_mtime_ns == before
            known = Machines(jobs, bus, find_paths()).known
            assert known is not None and known.cpu == found.cpu and known.memory.free_bytes is None
        finally:
            await jobs.aclose()

    run(main(), seconds=60)


def test_the_child_lists_what_both_sources_list() -> None:
    answers = one_shot.ask(worker_command("devices"), 30)
    assert answers.how == "done"
    found = [wire.decode(payload) for payload in answers.payloads]
    assert [finding.source for finding in found if isinstance(finding, wire.Listed)] == ["nvml", "ggml"]


@pytest.mark.skipif(os.name == "nt", reason="ends the child by a signal")
def test_a_driver_that_crashes_takes_only_the_child_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pynvml.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def main() -> None:
        jobs = JobWorker(worker_command("jobs"))
        machines = Machines(jobs, EventBus(), find_paths())
        try:
            found = await machines.machine()
            assert "gpu" in found.unknown and found.gpus == ()
            assert found.cpu.logical and found.memory.free_bytes
            pid = jobs.pid
            assert await jobs.call("markdown.render", {"text": "still here"})
            assert jobs.pid == pid
        finally:
            await jobs.aclose()

    run(main(), seconds=60)


def test_a_child_ends_with_who_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pynvml.py").write_text("import time\ntime.sleep(60)\n")  # a driver that hangs
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def main() -> None:
        jobs = JobWorker(worker_command("jobs"))
        asking = asyncio.ensure_future(jobs.call("hardware.probe", {"folder": str(tmp_path)}))
        try:
            children: list[psutil.Process] = []
            while not children:
                await asyncio.sleep(0.05)
                children = psutil.Process(jobs.pid).children() if jobs.pid is not None else []
        finally:
            await jobs.aclose()
            await asyncio.gather(asking, return_exceptions=True)
        _gone, alive = await asyncio.to_thread(psutil.wait_procs, children, 5)
        assert alive == []

    run(main())


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="py-cpuinfo asks the processor itself there")
def test_py_cpuinfo_agrees_with_the_system() -> None:
    found = cpu._cpuinfo()
    assert found["brand_raw"]
    assert ("AVX2" in cpu.read().features) == ("avx2" in found["flags"])
