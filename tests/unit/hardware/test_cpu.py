"""The processor, read from the files and calls of each system."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core import speed
from qwen_desktop.core.hardware import Cpu, Machine
from qwen_desktop.core.shape import Shape
from qwen_desktop.core.speed import usual_threads
from qwen_desktop.hardware import cpu, cpu_linux, cpu_macos, cpu_windows
from tests.unit.hardware import trees


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """py-cpuinfo knows nothing; the list counts how often it was asked. The process may use every processor."""
    asked: list[int] = []

    def ask() -> dict[str, Any]:
        asked.append(1)
        return {}

    monkeypatch.setattr(cpu, "_cpuinfo", ask)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)), raising=False)
    return asked


def read(root: Path) -> Cpu:
    return cpu.read(root, "linux")


def test_a_desktop_with_two_threads_a_core(tmp_path: Path, nobody_else: list[int]) -> None:
    words = "fpu avx avx2 fma f16c avx512f avx512_vnni amx_tile"
    info = trees.cpuinfo(8, model_name="AMD   Ryzen 5 7600X", flags=words)
    trees.write(tmp_path, {"proc/cpuinfo": info})
    # favoured cores clock a little higher: that makes nobody an efficiency core
    speeds = dict(enumerate([5_700_000] * 4 + [5_250_000] * 4))
    trees.processors(tmp_path, [(0, 1), (2, 3), (4, 5), (6, 7)], max_freq=speeds)
    found = read(tmp_path)
    assert found.model == "AMD Ryzen 5 7600X"
    assert (found.physical, found.logical, found.usable) == (4, 8, 8)
    assert (found.performance, found.efficiency) == (4, 0)
    assert found.features == ("AVX", "AVX2", "FMA", "F16C", "AVX-512", "AVX-512 VNNI", "AMX")
    assert nobody_else == []


def test_an_intel_hybrid(tmp_path: Path) -> None:
    trees.processors(tmp_path, [(0, 1), (2, 3), (4,), (5,), (6,), (7,)])
    trees.write(tmp_path, {"sys/devices/cpu_core/cpus": "0-3\n", "sys/devices/cpu_atom/cpus": "4-7\n"})
    found = read(tmp_path)
    assert (found.physical, found.logical, found.performance, found.efficiency) == (6, 8, 2, 4)


@pytest.mark.parametrize(
    "values",
    [
        {"cpu_capacity": {0: 446, 1: 446, 2: 1024, 3: 1024}},
        {"max_freq": {0: 3_300_000, 1: 3_300_000, 2: 5_100_000, 3: 5_100_000}},
    ],
)
def test_strong_and_weak_cores_by_capacity_or_clock(tmp_path: Path, values: dict[str, dict[int, int]]) -> None:
    trees.processors(tmp_path, [(0,), (1,), (2,), (3,)], **values)
    trees.write(
        tmp_path,
        {
            "proc/cpuinfo": trees.cpuinfo(4, Features="fp asimd asimddp i8mm sve"),
            "proc/device-tree/model": b"Some Board Rev 1.0\x00",
        },
    )
    found = read(tmp_path)
    assert found.model == "Some Board Rev 1.0"
    assert (found.performance, found.efficiency) == (2, 2)
    assert found.features == ("NEON", "DotProd", "I8MM", "SVE")


def test_a_processor_that_is_switched_off_does_not_count(tmp_path: Path) -> None:
    trees.processors(tmp_path, [(0, 1), (2, 3)], cpu_capacity=dict.fromkeys(range(4), 1024))
    trees.write(tmp_path, {"sys/devices/system/cpu/online": "0-2\n"})
    found = read(tmp_path)
    assert (found.physical, found.logical) == (2, 3)


def test_where_sys_is_hidden_cores_are_counted_but_their_kinds_are_unknown(tmp_path: Path) -> None:
    blocks = [f"processor : {n}\nphysical id : 0\ncore id : {n // 2}\nmodel name : X\nflags : avx2\n" for n in range(4)]
    trees.write(tmp_path, {"proc/cpuinfo": "\n".join(blocks)})
    found = read(tmp_path)
    assert (found.physical, found.logical) == (2, 4)
    assert found.performance is None and found.efficiency is None


@pytest.mark.parametrize("rubbish", [b"", b"\xff\x00\xfe:\x80", b"0-99999999999", b"7-3", b"-4", b"a,b", b":\n\n:::\n"])
def test_rubbish_is_unknown(tmp_path: Path, rubbish: bytes, nobody_else: list[int]) -> None:
    trees.processors(tmp_path, [(0,)], cpu_capacity={0: 1})
    for path in [*(p for p in tmp_path.rglob("*") if p.is_file()), tmp_path / "proc/cpuinfo"]:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(rubbish)
    found = read(tmp_path)
    assert found.physical is None and found.performance is None
    assert found.features == ()
    assert nobody_else  # only then


def test_what_only_py_cpuinfo_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_cpuinfo", lambda: {"brand_raw": "Exotic\x00 9000\ud800", "flags": ["avx2", 5, "vsx"]})
    found = read(tmp_path)
    assert found.model.startswith("Exotic 9000")
    assert found.features == ("AVX2",)


@pytest.mark.parametrize(
    ("files", "usable"),
    [
        ({"sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 2),
        ({"sys/fs/cgroup/a/cpu.max": "10000 100000\n"}, 1),
        ({"sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 8),
        ({"sys/fs/cgroup/a/b/cpu.max": "800000 100000\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
        ({"sys/fs/cgroup/a/cpu.max": "rubbish"}, 8),
    ],
)
def test_a_containers_share_of_time_limits_what_may_be_used(
    tmp_path: Path, files: dict[str, str | bytes], usable: int
) -> None:
    trees.processors(tmp_path, [(n,) for n in range(8)])
    trees.write(tmp_path, {"proc/self/cgroup": "0::/a/b\n", **files})
    assert read(tmp_path).usable == usable


def test_an_old_containers_share_of_time(tmp_path: Path) -> None:
    trees.processors(tmp_path, [(n,) for n in range(8)])
    folder = "sys/fs/cgroup/cpu,cpuacct/docker/x"
    mounts = trees.mount("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cgroup", options="rw,cpu,cpuacct")
    trees.write(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/x\n",
            "proc/self/mountinfo": mounts,
            f"{folder}/cpu.cfs_quota_us": "250000\n",
            f"{folder}/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
        },
    )
    assert read(tmp_path).usable == 3


def test_a_process_bound_to_two_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.processors(tmp_path, [(n,) for n in range(8)])
    before = read(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 5}, raising=False)
    assert cpu.again(before, tmp_path).usable == 2


@pytest.mark.parametrize(
    ("quota", "bound", "expected"),
    [
        ("max 100000", range(64), (32, 31)),
        ("200000 100000", range(64), (2, 2)),  # two of 32 cores: a container that was given two processors
        ("150000 100000", range(64), (2, 2)),
        ("50000 100000", range(64), (1, 1)),
        ("max 100000", range(4), (2, 2)),  # four logical processors of two cores
        ("max 100000", (0, 2, 4, 6), (4, 3)),
        ("300000 100000", (0, 1), (1, 1)),
    ],
)
def test_threads_follow_what_a_container_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, bound: Iterable[int], expected: tuple[int, int]
) -> None:
    trees.processors(tmp_path, [(2 * n, 2 * n + 1) for n in range(32)])
    trees.write(tmp_path, {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": f"{quota}\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(bound), raising=False)
    found = cpu.cores(tmp_path, "linux")
    assert (found, usual_threads(found)) == expected


def test_cores_where_a_sandbox_hides_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [f"processor : {n}\nphysical id : 0\ncore id : {n // 2}\n" for n in range(8)]
    trees.write(tmp_path, {"proc/cpuinfo": "\n".join(blocks)})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2}, raising=False)
    assert cpu.cores(tmp_path, "linux") == 2
    assert cpu.cores(tmp_path / "nothing", "linux") == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpu.cores(tmp_path / "nothing", "linux") == 1


def test_apple_silicon() -> None:
    values = {
        "machdep.cpu.brand_string": b"Apple M3 Pro\x00",
        "hw.physicalcpu": (12).to_bytes(4, "little"),
        "hw.logicalcpu": (12).to_bytes(4, "little"),
        "hw.nperflevels": (2).to_bytes(4, "little"),
        "hw.perflevel0.physicalcpu": (6).to_bytes(4, "little"),
        "hw.perflevel1.physicalcpu": (6).to_bytes(4, "little"),
        "hw.optional.AdvSIMD": (1).to_bytes(8, "little"),
        "hw.optional.arm.FEAT_I8MM": (1).to_bytes(4, "little"),
        "hw.optional.arm.FEAT_SME": (0).to_bytes(4, "little"),
    }
    found = cpu_macos.read(values.get)
    assert found.model == "Apple M3 Pro"
    assert (found.physical, found.logical, found.performance, found.efficiency) == (12, 12, 6, 6)
    assert cpu.names(found.flags) == ("NEON", "I8MM")


def test_a_mac_that_tells_nothing() -> None:
    found = cpu_macos.read(lambda _name: None)
    assert (found.model, found.physical, found.performance) == ("", None, None)


def _entry(efficiency: int, mask: int, groups: int = 1) -> bytes:
    body = struct.pack("<BB20xH", 1, efficiency, groups) + struct.pack("<QH6x", mask, 0) * groups
    return struct.pack("<II", 0, 8 + len(body)) + body


def test_windows_efficiency_classes() -> None:
    data = _entry(1, 0b11) * 6 + _entry(0, 0b1) * 8
    found = cpu_linux.CpuFound()
    cpu_windows.count_kinds(found, list(cpu_windows.cores(data)))
    assert (found.physical, found.logical, found.performance, found.efficiency) == (14, 20, 6, 8)


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 7, b"\x00" * 64, b"\xff" * 64, _entry(1, 1)[:-4], struct.pack("<II", 0, 8)]
)
def test_windows_rubbish_ends_the_list(data: bytes) -> None:
    found = cpu_linux.CpuFound()
    cpu_windows.count_kinds(found, list(cpu_windows.cores(data)))
    assert found.physical is None


def test_windows_entries_before_rubbish_count_and_other_relations_do_not() -> None:
    other = struct.pack("<II", 3, 16) + b"\x00" * 8
    assert len(list(cpu_windows.cores(other + _entry(0, 0b1111) + b"\xff" * 9))) == 1


@pytest.mark.parametrize(
    ("bound", "expected"),
    [(range(12), (8, 8, 12, 4, 4)), (range(8, 12), (4, 4, 4, 4, 3)), ((0, 1, 2, 8, 9), (4, 4, 5, 2, 2))],
)
def test_threads_are_for_performance_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: Iterable[int], expected: tuple[int, ...]
) -> None:
    trees.processors(tmp_path, [(0, 1), (2, 3), (4, 5), (6, 7), (8,), (9,), (10,), (11,)])
    trees.write(tmp_path, {"sys/devices/cpu_core/cpus": "0-7\n", "sys/devices/cpu_atom/cpus": "8-11\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(bound), raising=False)
    found = cpu.places(tmp_path, "linux")
    assert (*found, found.usual) == expected


@pytest.mark.parametrize("hybrid", [True, False])
@pytest.mark.parametrize("quota", ["max", "200000", "500000", "1"])
def test_estimates_count_with_the_threads_that_answers_get(tmp_path: Path, hybrid: bool, quota: str) -> None:
    trees.processors(tmp_path, [(0, 1), (2, 3), (4, 5), (6, 7), (8,), (9,), (10,), (11,)])
    trees.write(tmp_path, {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": f"{quota} 100000\n"})
    strong, weak = ("0-7", "8-11") if hybrid else ("0-11", "")
    trees.write(tmp_path, {"sys/devices/cpu_core/cpus": f"{strong}\n", "sys/devices/cpu_atom/cpus": f"{weak}\n"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sched_getaffinity", lambda _pid: set(range(12)), raising=False)
        patch.setattr(os, "cpu_count", lambda: 12)
        chip = read(tmp_path)
        processors = cpu.places(tmp_path, "linux").usual
    shape = Shape("qwen3", 4, 4, 4, 4, 64, 64, 256, 512, 1000, 4096, 10**9, 10**9, 10**9, 10**9)
    automatic = speed.prompt(shape, Machine(cpu=chip))
    assert automatic is not None and automatic == speed.prompt(shape, Machine(cpu=chip), threads=processors)
    assert processors == 1 or automatic > (speed.prompt(shape, Machine(cpu=chip), threads=processors - 1) or 0)
