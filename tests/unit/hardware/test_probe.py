"""The whole probe: nothing readable, everything readable, what is remembered, what is asked again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qwen_desktop.core.hardware import Cpu, Gpu, Machine, Memory
from qwen_desktop.hardware import battery, cpu, disk, gpus, memory, probe
from qwen_desktop.hardware.facts import Facts, key, lasting
from tests.unit.hardware import children, trees
from tests.unit.hardware.trees import GIB

EVERYTHING = (
    "bandwidth", "battery", "cpu.cores", "cpu.features", "cpu.kinds", "cpu.model", "disk", "gpu", "memory.free",
    "memory.total",
)  # fmt: skip
BROKEN = probe.Children(children.child(children.CRASH), children.child(children.CRASH), 3)
CARD = Gpu("NVIDIA GeForce RTX 4090", "gpu", "CUDA", 24 * GIB, 23 * GIB)


@pytest.fixture(autouse=True)
def no_cpuinfo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_cpuinfo", dict)


def machine(root: Path) -> Path:
    """A laptop."""
    trees.processors(root, [(0, 1), (2, 3)], cpu_capacity=dict.fromkeys(range(4), 1024))
    return trees.write(
        root,
        {
            "proc/cpuinfo": trees.cpuinfo(4, model_name="Laptop CPU", flags="avx2"),
            **trees.meminfo(16 * GIB, 9 * GIB),
            "etc/os-release": 'NAME=x\nPRETTY_NAME="Some Linux 7"\n',
            "sys/class/power_supply/BAT0/type": "Battery\n",
            "sys/class/power_supply/BAT0/capacity": "55\n",
        },
    )


def run(root: Path, facts: Facts | None = None, how: probe.Children = BROKEN, **more: Any) -> tuple[Machine, Facts]:
    return probe.probe(str(root), facts, root=root, system="linux", children=how, **more)


def test_a_machine_of_which_nothing_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(disk.shutil, "disk_usage", refuse)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    found, facts = run(tmp_path)
    assert found.unknown == EVERYTHING
    assert (found.memory, found.gpus, found.disk, found.battery) == (Memory(), (), None, None)
    assert found.bandwidth_bytes_per_s is None
    assert facts.gpus is None
    # it also survives the pipe
    assert msgspec.convert(msgspec.to_builtins(found), Machine) == found


@pytest.mark.parametrize("error", [OSError, ValueError, MemoryError, RecursionError, KeyError, UnicodeDecodeError])
def test_whatever_a_part_raises_only_that_part_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise error(*(("utf-8", b"", 0, 1, "odd") if error is UnicodeDecodeError else ()))

    for module in (battery, disk, memory, cpu):
        monkeypatch.setattr(module, "read", fail)
    monkeypatch.setattr(gpus, "ask", fail)
    monkeypatch.setattr(gpus, "seen", fail)
    monkeypatch.setattr(probe, "measured", fail)
    found, _facts = run(machine(tmp_path))
    assert found.unknown == EVERYTHING
    assert found.system == "Some Linux 7"


def test_a_folder_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "read", lambda *_a: time.sleep(20))
    monkeypatch.setattr(probe, "_PART_S", 0.2)
    before = time.monotonic()
    found, _facts = run(machine(tmp_path))
    assert time.monotonic() - before < 5
    assert found.disk is None and "disk" in found.unknown
    assert found.cpu.model == "Laptop CPU"


def test_everything_that_can_be_read(tmp_path: Path) -> None:
    found, facts = run(machine(tmp_path), how=probe.Children(children.devices(CARD), children.speed(40e9)))
    assert found.system == "Some Linux 7"
    assert found.cpu.physical == 2
    assert found.memory == Memory(16 * GIB, 9 * GIB)
    assert found.gpus == (CARD,)
    assert found.battery is not None and found.battery.percent == 55
    assert found.bandwidth_bytes_per_s == 40e9
    assert found.unknown == ("disk.kind",)
    assert facts.gpus == (Gpu(CARD.name, "gpu", "CUDA", 24 * GIB),)
    kept = lasting(found)
    assert kept.memory == Memory(16 * GIB, None) and kept.battery is None and kept.gpus[0].free_bytes is None


def test_remembered_facts_are_not_found_out_again(tmp_path: Path) -> None:
    root = machine(tmp_path)
    _found, facts = run(root, how=probe.Children(children.devices(), children.speed(40e9)))
    (root / "proc/cpuinfo").unlink()
    trees.write(root, trees.meminfo(16 * GIB, 2 * GIB))
    found, again = run(root, facts)  # its children would crash
    assert found.cpu.model == "Laptop CPU"
    assert found.bandwidth_bytes_per_s == 40e9
    assert found.memory.free_bytes == 2 * GIB  # but what is free is always read
    assert "gpu" not in found.unknown
    assert again == facts


def test_free_memory_of_cards_is_asked_each_time(tmp_path: Path) -> None:
    root = machine(tmp_path)
    busy = Gpu(CARD.name, "gpu", "CUDA", 24 * GIB, GIB)
    _found, facts = run(root, how=probe.Children(children.devices(CARD), children.speed(40e9)))
    found, again = run(root, facts, probe.Children(children.devices(busy), BROKEN.bandwidth))
    assert found.gpus == (busy,)
    assert again == facts
    found, _again = run(root, facts)
    assert found.gpus == () and "gpu" in found.unknown  # a driver that crashes now is not trusted


def test_a_driver_that_hung_is_not_asked_again_at_once_but_later(tmp_path: Path) -> None:
    root = machine(tmp_path)
    _found, facts = run(root, how=probe.Children(children.child(children.HANG), children.speed(40e9), 0.2))
    good = probe.Children(children.devices(CARD), BROKEN.bandwidth)
    found, _again = run(root, facts, good)
    assert "gpu" in found.unknown
    long_ago = msgspec.structs.replace(facts, gpus_at=time.time() - 3600)
    assert run(root, long_ago, good)[0].gpus == (CARD,)
    clock_set_back = msgspec.structs.replace(facts, gpus_at=time.time() + 3600)
    assert run(root, clock_set_back, good)[0].gpus == (CARD,)
    assert run(root, facts, good, refresh=True)[0].gpus == (CARD,)


def test_a_card_without_a_backend_is_remembered_as_such(tmp_path: Path) -> None:
    root = machine(tmp_path)
    nvidia = Gpu("GeForce", total_bytes=8 * GIB, free_bytes=GIB, id="0000:01:00.0")
    body = f"say({children.listed('nvml', nvidia)!r})\nsay({children.listed('ggml')!r})"
    _found, facts = run(root, how=probe.Children(children.child(body), children.speed(40e9)))
    found, _again = run(root, facts)
    assert found.gpus == () and [gpu.name for gpu in found.unused_gpus] == ["GeForce"]


def test_measuring_again_only_ever_raises_the_speed_of_the_same_machine(tmp_path: Path) -> None:
    root = machine(tmp_path)
    facts: Facts | None = None
    for measured, expected in ((30e9, 30e9), (20e9, 30e9), (45e9, 45e9)):
        how = probe.Children(children.devices(), children.speed(measured))
        found, facts = run(root, facts, how, refresh=True)
        assert found.bandwidth_bytes_per_s == expected
    assert run(root, facts, refresh=True)[0].bandwidth_bytes_per_s == 45e9  # one that fails loses nothing


def test_another_machine_forgets_the_facts(tmp_path: Path) -> None:
    root = machine(tmp_path)
    _found, facts = run(root, how=probe.Children(children.devices(), children.speed(40e9)))
    trees.write(root, trees.meminfo(64 * GIB, 9 * GIB))
    found, _again = run(root, facts)
    assert found.bandwidth_bytes_per_s is None


def test_another_kernel_or_driver_does_not_measure_the_memory_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path)
    _found, facts = run(root, how=probe.Children(children.devices(), children.speed(40e9)))
    monkeypatch.setattr("platform.release", lambda: "99.0")
    other = probe.Children(children.devices(), children.speed(55e9))
    found, again = run(root, facts, other)
    assert again.key != facts.key and found.bandwidth_bytes_per_s == 40e9
    trees.write(root, trees.meminfo(32 * GIB, 9 * GIB))  # but other memory does
    assert run(root, again, other)[0].bandwidth_bytes_per_s == 55e9


def test_a_bandwidth_that_was_measured_on_a_busy_machine_is_measured_again_later(tmp_path: Path) -> None:
    root = machine(tmp_path)
    busy = probe.Children(children.devices(), children.speed(20e9, calm=False))
    _found, facts = run(root, how=busy)
    assert not facts.calm and run(root, facts)[1] == facts  # not at once: its children would crash
    later = msgspec.structs.replace(facts, bandwidth_at=time.time() - 5000)
    still, again = run(root, later, probe.Children(children.devices(), children.speed(15e9, calm=False)))
    assert still.bandwidth_bytes_per_s == 20e9 and not again.calm  # the best one holds
    found, calm = run(root, later, probe.Children(children.devices(), children.speed(40e9)))
    assert found.bandwidth_bytes_per_s == 40e9 and calm.calm
    long_ago = msgspec.structs.replace(calm, bandwidth_at=0.0)
    assert run(root, long_ago)[0].bandwidth_bytes_per_s == 40e9  # for good


def test_the_key_changes_with_what_hides_devices_and_with_devices(tmp_path: Path) -> None:
    room = Memory(16 * GIB, 9 * GIB)
    plain = key(room, tmp_path, {"HOME": "/x"})
    assert key(Memory(16 * GIB, GIB), tmp_path, {}) == plain
    assert key(room, tmp_path, {"CUDA_VISIBLE_DEVICES": ""}) != plain
    trees.write(tmp_path, {"dev/dri/card0": ""})
    assert key(room, tmp_path, {}) != plain


@pytest.mark.parametrize("facts", [None, {}, {"key": 5}, [], "x", {"key": "k", "cpu": {}, "gpus": "no"}])
def test_the_job_forgets_facts_that_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, facts: Any) -> None:
    seen: list[Facts | None] = []

    def fake(_folder: str, known: Facts | None, *, refresh: bool) -> tuple[Machine, Facts]:
        seen.append(known)
        return Machine(), Facts("k", Cpu(), None, 0, None, 0)

    monkeypatch.setattr(probe, "probe", fake)
    answer = probe.as_job(folder=str(tmp_path), facts=facts)
    assert seen == [None]
    assert set(answer) == {"machine", "facts"}
