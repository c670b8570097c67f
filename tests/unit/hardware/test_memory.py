"""Main memory within the limits of containers, old and new, nested and not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qwen_desktop.core.hardware import Memory
from qwen_desktop.hardware import memory
from tests.unit.hardware import trees
from tests.unit.hardware.trees import GIB

V2 = trees.mount("/sys/fs/cgroup", "cgroup2", "cgroup2")


def read(root: Path) -> Memory:
    return memory.read(root, "linux")


def test_without_limits(tmp_path: Path) -> None:
    trees.write(tmp_path, {**trees.meminfo(16 * GIB, 9 * GIB), "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": V2})
    assert read(tmp_path) == Memory(16 * GIB, 9 * GIB, limited=False)


def test_the_tightest_of_nested_groups_holds(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/user.slice"
    trees.write(
        tmp_path,
        {
            **trees.meminfo(16 * GIB, 9 * GIB),
            "proc/self/cgroup": "0::/user.slice/app.service\n",
            "proc/self/mountinfo": V2,
            f"{base}/app.service/memory.max": "max\n",
            f"{base}/app.service/memory.current": f"{GIB}\n",
            f"{base}/memory.max": f"{4 * GIB}\n",
            f"{base}/memory.current": f"{3 * GIB}\n",
            # pages of files are given up when memory is asked for: a download fills a container with them
            f"{base}/memory.stat": f"anon {GIB}\nactive_file {GIB // 2}\ninactive_file {GIB}\n",
        },
    )
    assert read(tmp_path) == Memory(4 * GIB, 4 * GIB - 3 * GIB + GIB + GIB // 2, limited=True)


def test_others_in_an_outer_group_use_its_memory_too(tmp_path: Path) -> None:
    trees.write(
        tmp_path,
        {
            **trees.meminfo(64 * GIB, 50 * GIB),
            "proc/self/cgroup": "0::/pod/me\n",
            "proc/self/mountinfo": V2,
            "sys/fs/cgroup/pod/me/memory.max": f"{4 * GIB}",
            "sys/fs/cgroup/pod/me/memory.current": f"{GIB}",
            "sys/fs/cgroup/pod/memory.max": f"{8 * GIB}",
            "sys/fs/cgroup/pod/memory.current": f"{7 * GIB}",
        },
    )
    assert read(tmp_path) == Memory(4 * GIB, GIB, limited=True)


def test_slowing_down_counts_as_a_limit(tmp_path: Path) -> None:
    trees.write(
        tmp_path,
        {
            **trees.meminfo(16 * GIB, 9 * GIB),
            "proc/self/cgroup": "0::/a\n",
            "proc/self/mountinfo": V2,
            "sys/fs/cgroup/a/memory.max": f"{8 * GIB}",
            "sys/fs/cgroup/a/memory.high": f"{2 * GIB}",
            "sys/fs/cgroup/a/memory.current": "0",
        },
    )
    assert read(tmp_path) == Memory(2 * GIB, 2 * GIB, limited=True)


def test_version_1_beside_version_2(tmp_path: Path) -> None:
    mounts = trees.mount("/sys/fs/cgroup/memory", "cgroup", "cgroup", options="rw,memory") + trees.mount(
        "/sys/fs/cgroup/unified", "cgroup2"
    )
    group = "sys/fs/cgroup/memory/jobs/one"
    trees.write(
        tmp_path,
        {
            **trees.meminfo(16 * GIB, 9 * GIB),
            "proc/self/cgroup": "5:devices:/\n4:memory:/jobs/one\n0::/\n",
            "proc/self/mountinfo": mounts,
            f"{group}/memory.limit_in_bytes": f"{2 * GIB}",
            f"{group}/memory.usage_in_bytes": f"{GIB}",
            f"{group}/memory.stat": f"inactive_file 0\ntotal_inactive_file {GIB // 4}\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert read(tmp_path) == Memory(2 * GIB, GIB + GIB // 4, limited=True)


@pytest.mark.parametrize(
    ("shown", "path", "place"),
    [
        ("/docker/abc", "/docker/abc", "/sys/fs/cgroup"),  # the mount shows our part of the hierarchy only
        ("/docker/abc", "/docker/abc/inner", "/sys/fs/cgroup"),
        ("/", "/../../elsewhere", "/sys/fs/cgroup"),  # outside of our namespace
        ("/other", "/docker/abc", "/sys/fs/cgroup"),
        ("/", "/", "/run/my\\040groups"),
    ],
)
def test_a_container_sees_its_limit_at_the_mount_point(tmp_path: Path, shown: str, path: str, place: str) -> None:
    folder = place.lstrip("/").replace("\\040", " ")
    trees.write(
        tmp_path,
        {
            **trees.meminfo(16 * GIB, 9 * GIB),
            "proc/self/cgroup": f"0::{path}\n",
            "proc/self/mountinfo": trees.mount(place, "cgroup2", shown=shown),
            f"{folder}/memory.max": f"{3 * GIB}",
            f"{folder}/memory.current": f"{GIB}",
        },
    )
    assert read(tmp_path) == Memory(3 * GIB, 2 * GIB, limited=True)


def test_a_limit_above_what_there_is_limits_nothing(tmp_path: Path) -> None:
    trees.write(
        tmp_path,
        {
            **trees.meminfo(16 * GIB, 9 * GIB),
            "proc/self/cgroup": "0::/a\n",
            "sys/fs/cgroup/a/memory.max": f"{32 * GIB}",
            "sys/fs/cgroup/a/memory.current": f"{31 * GIB}",
        },
    )
    assert read(tmp_path) == Memory(16 * GIB, 9 * GIB, limited=False)


def test_a_full_group_has_nothing_left(tmp_path: Path) -> None:
    trees.write(
        tmp_path,
        {
            **trees.meminfo(16 * GIB, 9 * GIB),
            "proc/self/cgroup": "0::/a\n",
            "sys/fs/cgroup/a/memory.max": f"{GIB}",
            "sys/fs/cgroup/a/memory.current": f"{GIB + 4096}",
        },
    )
    assert read(tmp_path) == Memory(GIB, 0, limited=True)


@pytest.mark.parametrize(
    "rubbish", [b"", b"\xff\xfe\x00", b"MemTotal: many kB\n", b"0::\n:::::\n - - -\n", b"9" * 5000]
)
def test_rubbish_is_unknown(tmp_path: Path, rubbish: bytes) -> None:
    names = ("proc/meminfo", "proc/self/cgroup", "proc/self/mountinfo", "sys/fs/cgroup/memory.max")
    trees.write(tmp_path, dict.fromkeys(names, rubbish))
    assert read(tmp_path) == Memory(None, None, limited=False)


def test_nothing_can_be_read(tmp_path: Path) -> None:
    assert read(tmp_path) == Memory(None, None, limited=False)


def test_what_this_process_holds_follows_what_it_uses() -> None:
    before = memory.resident().own
    block = bytearray(os.urandom(1) * (40 << 20))
    assert 35 << 20 < memory.resident().own - before < 60 << 20
    del block
