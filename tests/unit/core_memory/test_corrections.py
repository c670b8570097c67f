"""What measured loads teach: this file exactly, others by a factor, and nothing to another machine."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_desktop.core.corrections import KEPT, Measurement, correction, learned, machine_name
from qwen_desktop.core.fit import Correction
from qwen_desktop.core.hardware import Cpu, Machine, Memory


def load(key: str = "a", context: int = 4096, *, machine: str = "here", **more: Any) -> Measurement:
    figures = {"held_bytes": 1100, "predicted_bytes": 1000, "weights_bytes": 500, "filled": 4000, **more}
    return Measurement(key, machine, context, **figures)


def test_nothing_measured_changes_nothing() -> None:
    assert correction((), "here", key="a") == Correction()


def test_the_same_file_is_corrected_by_what_it_took() -> None:
    found = correction((load(held_bytes=1100),), "here", key="a", context=8192)
    assert (found.extra_bytes, found.memory_factor, found.loads) == (100, 1.0, 1)


def test_the_nearest_context_counts() -> None:
    known = (load(context=2048, held_bytes=1010), load(context=16384, held_bytes=1090))
    assert correction(known, "here", key="a", context=4096).extra_bytes == 10
    assert correction(known, "here", key="a", context=12000).extra_bytes == 90


def test_other_files_are_corrected_by_a_factor_of_what_lies_beside_the_weights() -> None:
    known = (load("a", held_bytes=1050), load("b", held_bytes=1100), load("c", held_bytes=1150))
    found = correction(known, "here", key="new")
    assert found.memory_factor == pytest.approx(1.2) and found.extra_bytes == 0
    wild = correction((load("a", held_bytes=9000),), "here", key="new")
    assert wild.memory_factor == 1.5  # no more than that is believed


def test_pages_that_the_system_took_back_do_not_make_a_model_smaller() -> None:
    evicted = load(held_bytes=300)  # less than the weights
    assert correction((evicted,), "here", key="a").extra_bytes == -100  # a fifth of what lies beside them
    assert correction((evicted,), "here", key="new").memory_factor == 0.9


def test_speed_follows_the_typical_answer() -> None:
    known = [
        load(str(number), decode=speed, predicted_decode=10.0) for number, speed in enumerate((8.0, 9.0, 1.0, 8.5))
    ]
    assert correction(known, "here", key="new").speed_factor == pytest.approx(0.825)
    assert correction(known, "here", key="2").speed_factor == pytest.approx(0.1)
    assert correction(known, "here", key="2").prompt_factor == 1.0


def test_another_machine_learns_nothing() -> None:
    assert correction((load(machine="laptop"),), "here", key="a") == Correction()
    one = Machine(system="Linux", cpu=Cpu("A", usable=4), memory=Memory(1, 1))
    assert machine_name(one) == machine_name(Machine(system="Linux", cpu=Cpu("A", usable=4), memory=Memory(1, 9)))
    assert machine_name(one) != machine_name(Machine(system="Linux", cpu=Cpu("B", usable=4)))


def test_the_fuller_context_stays() -> None:
    full = load(filled=4000, held_bytes=1200, predicted_bytes=1000)
    short = load(filled=100, held_bytes=900, predicted_bytes=800)
    for order in ((full, short), (short, full)):
        (kept,) = learned(order[:1], order[1])
        assert (kept.held_bytes, kept.predicted_bytes, kept.filled) == (1200, 1000, 4000)
    (kept,) = learned((full,), load(filled=5000, held_bytes=0))  # nothing weighed
    assert (kept.held_bytes, kept.filled) == (1200, 4000)


def test_one_slow_answer_does_not_count_for_all() -> None:
    usual = load(decode=10.0, predicted_decode=10.0, prompt=50.0, predicted_prompt=100.0)
    (kept,) = learned((usual,), load(decode=1.0, predicted_decode=20.0))
    found = correction((kept,), "here", key="a")
    assert found.speed_factor == pytest.approx((2 * 1.0 + 0.05) / 3)
    assert found.prompt_factor == pytest.approx(0.5)  # this answer's prompt was too short to say anything


def test_only_so_many_are_kept() -> None:
    known: tuple[Measurement, ...] = ()
    for number in range(KEPT + 20):
        known = learned(known, load(str(number)))
    assert len(known) == KEPT and known[-1].key == str(KEPT + 19)
