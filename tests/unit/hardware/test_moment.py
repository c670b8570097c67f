"""What goes on just now: counters of files, what they come to, and files that say nothing or rubbish."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from qwen_desktop.core.hardware import Moment
from qwen_desktop.hardware import moment
from qwen_desktop.hardware.moment import Counters, Own
from tests.unit.hardware import trees


def own(seconds: float = 0.0, swapped: int | None = 0) -> Own:
    return Own(seconds, swapped)


def at(root: Path, stat: str, used: float = 0.0) -> Counters:
    trees.write(root, {"proc/stat": stat})
    return moment.look(root, "linux", own=lambda: own(used))


def test_others_are_what_we_did_not_use(tmp_path: Path) -> None:
    first = at(tmp_path, "cpu\ncpu0 1000 0 500 9000 100 10 10 50 0 0\n", used=4.0)
    second = at(tmp_path, "cpu\ncpu0 1250 50 600 9500 150 10 10 80 0 0\n", used=6.5)._replace(at=first.at + 2.0)
    found = moment.between(first, second)
    assert found.others == pytest.approx((2.5 + 0.5 + 1.0 - 2.5) / 2)
    assert found.stolen == pytest.approx(0.15)
    assert (found.seconds, found.swapped_bytes) == (2.0, 0)


def test_a_worker_that_has_ended_is_not_counted_against_others(tmp_path: Path) -> None:
    first = at(tmp_path, "cpu\ncpu0 1000 0 0 9000 0 0 0 0\n", used=50.0)
    second = at(tmp_path, "cpu\ncpu0 1100 0 0 9000 0 0 0 0\n", used=2.0)._replace(at=first.at + 1.0)
    assert moment.between(first, second).others == pytest.approx(1.0)


def test_limits_of_the_clock_and_heat(tmp_path: Path) -> None:
    folder = "sys/devices/system/cpu/cpu0"
    files = {f"{folder}/cpufreq/cpuinfo_max_freq": "4000000", f"{folder}/cpufreq/scaling_max_freq": "3800000"}
    trees.write(tmp_path, {**files, f"{folder}/thermal_throttle/core_throttle_count": "3"})
    first = moment.look(tmp_path, "linux", own=own)
    assert first.clock == 1.0  # favoured cores differ by so much
    trees.write(tmp_path, {f"{folder}/cpufreq/scaling_max_freq": "1600000"})
    trees.write(tmp_path, {f"{folder}/thermal_throttle/core_throttle_count": "4"})
    found = moment.between(first, moment.look(tmp_path, "linux", own=own)._replace(at=first.at + 1))
    assert found.clock == pytest.approx(0.4) and found.hot


def test_nothing_to_read_is_nothing_known(tmp_path: Path) -> None:
    def fails() -> Own:
        raise PermissionError

    first = moment.look(tmp_path, "linux", own=fails)
    found = moment.between(first, first._replace(at=first.at + 1))
    assert found == Moment(seconds=1.0)
    assert moment.between(first, first) == Moment()


def test_rubbish_never_raises(tmp_path: Path) -> None:
    dice = random.Random(5)
    words = ("cpu", "cpu0", "cpu1 5", "-1", "9" * 40, "x", "", "\x00", "cpu cpu", "1.5", "pswpin", "low-power", "\n")
    places = (
        "proc/stat", "proc/vmstat", "sys/firmware/acpi/platform_profile", "sys/devices/system/cpu/online",
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq",
    )  # fmt: skip
    before = moment.look(tmp_path, "linux", own=own)
    for _ in range(150):
        trees.write(tmp_path, {place: " ".join(dice.choices(words, k=dice.randrange(12))) for place in places})
        after = moment.look(tmp_path, "linux", own=own)
        found = moment.between(before, after)
        assert all(value is None or value >= 0 for value in (found.others, found.stolen, found.swap_in_bytes_per_s))
        before = after


def test_the_other_systems_are_asked_without_harm(tmp_path: Path) -> None:
    for system in ("win32", "darwin", "freebsd"):
        found = moment.look(tmp_path, system, own=own)
        assert found.own == own() or found.busy is None


def test_our_own_processes_are_found() -> None:
    found = moment.own_processes()
    assert found.seconds > 0
