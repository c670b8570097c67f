"""What measured loads teach: this file exactly, others by a factor, and nothing to another machine."""

from __future__ import annotations

from typing import Any

import pytest

from qwen_desktop.core.corrections import KEPT, Measurement, correction, learned, machine_name
from qwen_desktop.core.hardware import Cpu, Machine, Memory
from qwen_desktop.core.memory import Correction


def load(key: str = "a", context: int = 4096, *, machine: str = "here", **more: Any) -> Measurement:
    figures = {"resident_bytes": 1100, "predicted_bytes": 1000, "weights_bytes": 500, "filled": 4000, **more}
    return Measurement(key, machine, context, **figures)


def test_nothing_measured_changes_nothing() -> None:
    assert correction((), "here", key="a") == Correction()


def test_the_same_file_is_corrected_by_what_it_took() -> None:
    found = correction((load(resident_bytes=1100),), "here", key="a", context=8192)
    assert (found.extra_bytes, found.memory_factor, found.loads) == (100, 1.0, 1)


def test_the_nearest_context_counts() -> None:
    known = (load(context=2048, resident_bytes=1010), load(context=16384, resident_bytes=1090))
    assert correction(known, "here", key="a", context=4096).extra_bytes == 10
    assert correction(known, "here", key="a", context=12000).extra_bytes == 90


def test_other_files_are_corrected_by_a_factor_of_what_lies_beside_the_weights() -> None:
    known = (load("a", resident_bytes=1050), load("b", resident_bytes=1100), load("c", resident_bytes=1150))
    found = correction(known, "here", key="new")
    assert found.memory_factor == pytest.approx(1.2) and found.extra_bytes == 0
    wild = correction((load("a", resident_bytes=9000),), "here", key="new")
    assert wild.memory_factor == 1.5  # no more than that is believed


def test_pages_that_the_system_took_back_do_not_make_a_model_smaller() -> None:
    evicted = load(resident_bytes=300)  # less than the weights
    assert correction((evicted,), "here", key="a").extra_bytes == -100  # a fifth of what lies beside them
    assert correction((evicted,), "here", key="new").memory_factor == 0.9


def test_speed_follows_the_typical_answer() -> None:
    known = [
        load(str(number), decode=speed, predicted_decode=10.0) for number, speed in enumerate((8.0, 8.2, 1.0, 8.4))
    ]
    assert correction(known, "here", key="new").speed_factor == pytest.approx(0.81)
    assert correction(known, "here", key="2").speed_factor == pytest.approx(0.1)
    assert correction(known, "here", key="2").prompt_factor == 1.0


def test_another_machine_learns_nothing() -> None:
    assert correction((load(machine="laptop"),), "here", key="a") == Correction()
    one = Machine(system="Linux", cpu=Cpu("A", usable=4), memory=Memory(1, 1))
    assert machine_name(one) == machine_name(Machine(system="Linux", cpu=Cpu("A", usable=4), memory=Memory(1, 9)))
    assert machine_name(one) != machine_name(Machine(system="Linux", cpu=Cpu("B", usable=4)))
    assert machine_name(one) == machine_name(Machine(system="Linux, updated", cpu=Cpu("A", usable=4)))


def test_the_fuller_context_stays() -> None:
    full = load(filled=4000, resident_bytes=1200, predicted_bytes=1000)
    short = load(filled=100, resident_bytes=900, predicted_bytes=800)
    for order in ((full, short), (short, full)):
        (kept,) = learned(order[:1], order[1])
        assert (kept.resident_bytes, kept.predicted_bytes, kept.filled) == (1200, 1000, 4000)
    (kept,) = learned((full,), load(filled=5000, resident_bytes=0))  # nothing weighed
    assert (kept.resident_bytes, kept.filled) == (1200, 4000)


def answers(*speeds: float, **more: Any) -> tuple[Measurement, ...]:
    """What is kept after answers of so many times the predicted speed."""
    known: tuple[Measurement, ...] = ()
    for speed in speeds:
        known = learned(known, load(decode=10.0 * speed, predicted_decode=10.0, **more))
    return known


def speed(known: tuple[Measurement, ...], key: str = "a", **more: Any) -> float:
    return correction(known, "here", key=key, **more).speed_factor


def test_busy_answers_change_nothing_and_a_slower_computer_shows() -> None:
    assert speed(answers(0.3)) == speed(answers(*[0.3] * 11)) == 1.0  # answers beside other programs
    assert speed(answers(*[0.7] + [0.2] * 20)) == 0.7
    assert speed(answers(*[0.7] + [0.5] * 40)) == 0.5  # for good
    assert speed(answers(1.4)) == 1.4  # faster than predicted is proof at once
    assert speed(answers(*[0.9] * 40)) == speed(answers(1.1)) == 1.0  # as predicted
    assert speed(answers(*[0.8] + [0.6] * 20), key="other") == 0.8


def test_a_speed_of_another_bandwidth_says_nothing() -> None:
    known = answers(2.5, bandwidth=8e9)  # measured while others read memory
    assert speed(known, bandwidth=8e9) == 2.5
    assert speed(known, bandwidth=20e9) == 1.0
    again = learned(known, load(decode=11.0, predicted_decode=5.0, bandwidth=20e9))
    assert speed(again, bandwidth=20e9) == 2.2
    assert correction(again, "here", key="a", bandwidth=20e9).extra_bytes == 100  # memory is another matter


def test_an_average_of_an_older_version_still_counts() -> None:
    usual = load(decode=8.0, predicted_decode=10.0, prompt=50.0, predicted_prompt=100.0)
    assert speed((usual,)) == 0.8
    (kept,) = learned((usual,), load(decode=1.0, predicted_decode=20.0))
    found = correction((kept,), "here", key="a")
    assert found.speed_factor == pytest.approx(0.8)
    assert found.prompt_factor == pytest.approx(0.5)  # this answer's prompt was too short to say anything


def test_what_an_older_version_kept_under_the_system_s_name_too_still_counts() -> None:
    machine = Machine(system="Linux 1", cpu=Cpu("A", usable=4))
    old = load(machine=f"Linux 1|{machine_name(machine)}", resident_bytes=1100)
    assert correction((old,), machine_name(machine), key="a", context=4096).extra_bytes == 100


def test_a_file_of_the_catalogue_is_known_by_its_name_too() -> None:
    known = learned((), load("fingerprint", model="qwen/x:q4_k_m", resident_bytes=1100))
    assert correction(known, "here", model="qwen/x:q4_k_m", context=4096).extra_bytes == 100
    assert correction(known, "here", model="qwen/x:q8_0", context=4096).extra_bytes == 0


def test_only_so_many_are_kept() -> None:
    known: tuple[Measurement, ...] = ()
    for number in range(KEPT + 20):
        known = learned(known, load(str(number)))
    assert len(known) == KEPT and known[-1].key == str(KEPT + 19)
