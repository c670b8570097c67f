"""Measuring how fast memory is read (small and short here: how true the figure is, a bench shows)."""

from __future__ import annotations

import pytest

from qwen_desktop.core.hardware import Memory
from qwen_desktop.hardware import bandwidth, memory, probe
from tests.unit.hardware import children
from tests.unit.hardware.trees import GIB


def test_a_short_measurement_gives_a_speed_that_memory_can_have() -> None:
    assert 1e8 < bandwidth.measure(2, window_s=0.002, most_bytes=16 << 20) < 1e13


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
    assert bandwidth.measure(2, window_s=0.002, most_bytes=16 << 20) == 0.0


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
    assert probe.measured(command, 0.5) == expected
