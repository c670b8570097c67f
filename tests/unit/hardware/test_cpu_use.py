"""What others use: told files, a clock that is moved by hand, and this computer."""

from __future__ import annotations

import gc
import sys
import threading
import time
from pathlib import Path

import pytest

from qwen_desktop.hardware import cpu_use
from qwen_desktop.hardware.cpu_use import CpuUse, Watch
from tests.unit.hardware import trees

_STAT = """cpu  900 90 300 5000 100 10 20 60 40 4
cpu0 300 30 100 2000 50 5 10 30 40 4
cpu1 200 20 100 1500 25 5 10 20 0 0
cpu7 400 40 100 1500 25 0 0 10 0 0
intr 1 2 3
"""


@pytest.mark.skipif(sys.platform == "win32", reason="ticks are counted as POSIX has it")
def test_counters_of_the_allowed_processors(tmp_path: Path) -> None:
    trees.write(tmp_path, {"proc/stat": _STAT})
    use = cpu_use.read(None, tmp_path, "linux")
    assert use is not None and (use.busy, use.stolen, use.idle) == pytest.approx((13.2, 0.6, 51.0))
    use = cpu_use.read(frozenset({0, 1}), tmp_path, "linux")
    assert use is not None and (use.busy, use.stolen, use.idle) == pytest.approx((7.8, 0.5, 35.75))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cpu  1 2 3\n",
        "cpu 1 2 3\nintr 5\n",
        "cpu 1\ncpu0 a b c\n",
        "cpu\ncpu0\n",
        "cpu\ncpux 1 2 3 4\n",
        "\x00" * 99,
    ],
)
def test_what_cannot_be_read_is_not_known(tmp_path: Path, text: str) -> None:
    trees.write(tmp_path, {"proc/stat": text})
    assert cpu_use.read(frozenset({0}), tmp_path, "linux") is None
    assert cpu_use.read(None, tmp_path / "nothing", "linux") is None


def test_this_computer_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform in (sys.platform, "win32"):  # psutil counts for the systems that are not Linux
        use = cpu_use.read(platform=platform)
        assert use is not None and use.busy > 0 and use.idle > 0 and use.own > 0


class Told:
    """A machine with two processors whose counters are set by hand."""

    def __init__(self) -> None:
        self.use = CpuUse(0.0, 100.0, 5.0, 50.0, 7.0)

    def after(self, seconds: float, *, others: float = 0.0, own: float = 0.0, stolen: float = 0.0) -> None:
        at, busy, taken, idle, mine = self.use
        idle += 2 * seconds - others - own - stolen
        self.use = CpuUse(at + seconds, busy + others + own, taken + stolen, idle, mine + own)

    def watch(self) -> Watch:
        return Watch(lambda: self.use, clock=lambda: self.use.at, by_itself=False)


def test_what_others_take() -> None:
    told = Told()
    watch = told.watch()
    assert watch.taken(1.0) is None
    told.after(1.0, others=0.5)
    watch.look()
    assert watch.taken(1.0) == pytest.approx(0.5)
    told.after(0.5, others=0.5, own=0.5)
    watch.look()
    assert watch.taken(0.5) == pytest.approx(1.0)
    assert watch.taken(1.0) == pytest.approx(1.0 / 1.5)
    told.after(0.01, others=0.01)
    watch.look()  # too soon to say anything
    assert watch.taken(0.1) == pytest.approx(1.0)


@pytest.mark.parametrize(("others", "own"), [(2 / 3, 4 / 3), (0.5, 1.5)])
def test_who_gets_less_than_wanted_is_counted_whole(others: float, own: float) -> None:
    """Two threads of ours beside a busy loop on two processors: it gets two thirds of one, or half."""
    told = Told()
    watch = told.watch()
    watch.wants(2)
    told.after(1.0, others=others, own=own)
    watch.wants(0)
    watch.look()
    taken = watch.taken(1.0)
    assert taken is not None and 0.66 < taken < 1.01


def test_what_is_stolen_counts_whether_own_time_contains_it_or_not() -> None:
    for hidden in (0.0, 0.6):
        told = Told()
        watch = told.watch()
        told.after(1.0, own=1.4, stolen=0.6)
        told.use = told.use._replace(own=told.use.own + hidden)
        watch.look()
        assert watch.taken(1.0) == pytest.approx(0.6)


def test_counters_that_go_back_take_nothing() -> None:
    told = Told()
    watch = told.watch()
    told.use = CpuUse(1.0, 0.0, 0.0, 0.0, 7.0)  # a processor was switched off
    watch.look()
    assert watch.taken(1.0) == 0.0


def test_at_rest_it_looks_by_itself_and_ends_with_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "_STEP_S", 0.01)
    monkeypatch.setattr(Watch, "_LEAST_S", 0.0)
    enough = threading.Event()
    count = 0

    def read() -> CpuUse:
        nonlocal count
        count += 1
        if count > 3:
            enough.set()
        return CpuUse(time.monotonic(), count, 0.0, count, 0.0)

    before = set(threading.enumerate())
    watch = Watch(read)
    own = [thread for thread in threading.enumerate() if thread not in before]
    assert enough.wait(10)
    assert watch.taken(0.01) is not None
    del watch
    gc.collect()
    for thread in own:
        thread.join(10)
        assert not thread.is_alive()


def test_who_computes_wakes_it_and_is_told_of_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "_LONG_S", -1.0)
    monkeypatch.setattr(Watch, "_RARE_S", 600.0)
    monkeypatch.setattr(Watch, "_WORK_S", 0.01)
    monkeypatch.setattr(Watch, "_LEAST_S", 0.0)
    watch = Watch()
    told = threading.Event()
    watch.on_look = told.set
    time.sleep(0.05)  # it sleeps, as after a long rest
    assert not told.is_set()
    for _ in range(2):
        told.clear()
        watch.wants(1)
        assert told.wait(10)
        watch.wants(0)
        time.sleep(0.05)


def test_a_system_that_tells_nothing() -> None:
    before = threading.active_count()
    watch = Watch(lambda: None)
    watch.look()
    assert watch.taken(1.0) is None
    assert threading.active_count() == before
