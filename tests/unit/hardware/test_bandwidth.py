"""Measuring how fast memory is read (small and short here: how true the figure is, a bench shows)."""

from __future__ import annotations

import pytest

from qwen_desktop.core.hardware import Memory
from qwen_desktop.hardware import bandwidth, memory, probe
from tests.unit.hardware import children
from tests.unit.hardware.trees import GIB


def test_a_short_measurement_gives_a_speed_that_memory_can_have() -> None:
    assert 1e8 < bandwidth.measure(2, window_s=0.002, most_bytes=16 << 20, most_s=0.2).bytes_per_s < 1e13


def test_with_little_free_memory_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "read", lambda: Memory(4 * GIB, GIB // 8))
    with pytest.raises(MemoryError):
        bandwidth.measure(1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_fails_does_not_leave_the_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    run = bandwidth._Reader._run
    failing: list[object] = []

    def fail_once(self: bandwidth._Reader, *arguments: object) -> None:
        if not failing:
            failing.append(self)
            raise MemoryError
        run(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(bandwidth._Reader, "_run", fail_once)
    assert bandwidth.measure(2, window_s=0.002, most_bytes=16 << 20).bytes_per_s == 0.0


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (children.speed(40e9), 40e9),
        (children.speed(0.0), None),
        (children.speed(float("inf")), None),
        (children.speed(float("nan")), None),
        (children.devices(), None),
        (children.child(children.CRASH), None),
        (children.child('say(b"40 GB/s")'), None),
        (children.child(children.HANG), None),
    ],
)
def test_only_a_speed_that_memory_can_have_is_believed(command: list[str], expected: float | None) -> None:
    found = probe.measured(command, 0.5 if command == children.child(children.HANG) else 20)
    assert (found and found.bytes_per_s) == expected


def test_a_calm_machine_is_measured_in_five_windows_and_a_busy_one_until_some_agree() -> None:
    calm = bandwidth.Windows()
    for number in range(5):
        assert not calm.over
        calm.add(40e9 * (1 - 0.001 * number), 1.0)
    assert calm.over and calm.calm and calm.best == 40e9
    busy = bandwidth.Windows()
    for rate in (18e9, 25e9, 31e9, 22e9, 27e9, 40e9, 12e9, 39.5e9, 30e9):
        busy.add(rate, 1.0)
        assert busy.pause is (rate not in (18e9, 25e9, 31e9, 22e9)) and not busy.over
    busy.add(39e9, 1.0)
    assert busy.over and busy.calm and busy.best == 40e9


def test_windows_that_agree_while_others_had_the_processor_prove_nothing() -> None:
    crowded = bandwidth.Windows(0.05)
    while not crowded.over:
        crowded.add(20e9, 0.5)
    assert not crowded.calm and crowded.best == 20e9
