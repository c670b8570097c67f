"""What ``probe`` prints, for people and as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from qwen_desktop.cli import probe
from qwen_desktop.cli.console import Console
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.hardware import Battery, Cpu, Disk, Gpu, Machine, Memory
from qwen_desktop.core.paths import find_paths

GB = 10**9
FULL = Machine(
    system="Some Linux 7",
    cpu=Cpu("Fast CPU", "x86_64", 14, 20, 16, 6, 8, ("AVX2", "AVX-512")),
    memory=Memory(16 * GB, 9 * GB, limited=True),
    gpus=(Gpu("RTX 4090", "gpu", "CUDA", 24 * GB, 23 * GB),),
    unused_gpus=(Gpu("UHD 770", "igpu", "Vulkan", unified=True), Gpu("AMD graphics")),
    disk=Disk("/models", 100 * GB, 500 * GB, "hdd"),
    battery=Battery(79.6, plugged=False),
    bandwidth_bytes_per_s=40.04e9,
)


def table(machine: Machine) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in probe.rows(machine):
        found[name] = f"{found[name]}; {value}" if name in found else value
    return found


@pytest.mark.parametrize(
    ("backends", "idle", "said"),
    [
        (None, (), "this build of the engine has no part for it"),
        ((), (), "this build of the engine has no part for it"),
        (("Vulkan",), ("CUDA",), "CUDA does not start, its driver is missing"),
        (("Vulkan",), (), "its driver offers nothing that models can use"),
    ],
)
def test_why_a_card_is_not_used(backends: tuple[str, ...] | None, idle: tuple[str, ...], said: str) -> None:
    machine = Machine(unused_gpus=(Gpu("AMD graphics"),), backends=backends, idle_backends=idle)
    assert table(machine)["Graphics"].endswith(f"AMD graphics, not used: {said}")


def test_a_machine_that_is_known() -> None:
    rows = table(FULL)
    assert rows["Processor"] == "Fast CPU (x86_64)"
    assert rows["Cores"] == "cores: 14, for performance: 6, for efficiency: 8, threads: 20, usable here: 16"
    assert rows["Memory"].startswith("16.0 GB, 9.0 GB free, limited")
    assert rows["Memory speed"] == "40.0 GB/s"
    used, beside, without = rows["Graphics"].split("; ")
    assert used == "RTX 4090 (CUDA), 24.0 GB, 23.0 GB free"
    assert "beside the graphics card" in beside
    assert "build" in without
    assert rows["Disk of the models"] == "500.0 GB, 100.0 GB free, hard disk (/models)"
    assert rows["Battery"] == "80 %, not plugged in"
    assert "Could not be read" not in rows


def test_a_machine_of_which_nothing_is_known_says_so_in_words() -> None:
    rows = table(Machine(unknown=("cpu.model", "disk", "gpu", "something.new")))
    for name in ("System", "Processor", "Cores", "Memory", "Memory speed", "Graphics", "Disk of the models"):
        assert rows[name] == "could not be read", name
    assert "the processor's name" in rows["Could not be read"]
    assert "None" not in str(rows) and "cpu.model" not in str(rows)


def test_a_machine_without_graphics_is_not_one_with_unknown_graphics() -> None:
    assert "processor computes" in table(Machine())["Graphics"]


@pytest.mark.parametrize("refresh", [False, True])
def test_json_has_every_key_even_where_nothing_could_be_read(refresh: bool) -> None:
    asked: list[bool] = []

    async def machine(*, refresh: bool) -> Machine:
        asked.append(refresh)
        return Machine(unknown=("gpu",))

    @contextlib.asynccontextmanager
    async def build(_paths: Any, *, history: bool, settings_file: Any) -> AsyncIterator[Any]:
        assert not history and settings_file is not None
        yield SimpleNamespace(machines=SimpleNamespace(machine=machine))

    out = io.StringIO()
    console = Console(out, io.StringIO(), quiet=True)
    code = asyncio.run(probe.show(CommandRun(find_paths(), build, console, as_json=True), refresh=refresh))
    found = json.loads(out.getvalue())
    assert code == 0 and asked == [refresh]
    assert set(found) == {
        "system", "cpu", "memory", "gpus", "unused_gpus", "disk", "battery", "bandwidth_bytes_per_s", "unknown",
        "backends", "idle_backends", "taken_at",
    }  # fmt: skip
    assert found["memory"] == {"total_bytes": None, "free_bytes": None, "limited": False}
    assert found["unknown"] == ["gpu"]
    for key in found:
        assert f"``{key}``" in (probe.__doc__ or "")  # each is explained
