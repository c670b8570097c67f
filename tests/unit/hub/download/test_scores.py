"""Which source is asked next, on a clock of the test's own."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.core.models import RemoteFile
from qwen_desktop.hub import failures
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.download.scores import SourceScores, Standing
from qwen_desktop.hub.download.sources import Link, Source
from qwen_desktop.hub.failures import best_error

FILE = RemoteFile("m.gguf", 1000, "ab" * 32)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def board(clock: Clock, *rates: float | None) -> tuple[SourceScores, list[Standing]]:
    made = SourceScores(clock, random.Random(1))
    standings = []
    for number, rate in enumerate(rates):
        link = Link(Source("huggingface", f"hub {number}", "o/n", "c", {"m.gguf": FILE}, Access()), "m.gguf")
        standing = made.add(link, number)
        if rate is not None:
            made.measured(standing, rate)
        standings.append(standing)
    return made, standings


def test_each_source_is_measured_first_and_the_fastest_taken(clock: Clock) -> None:
    made, (a, b) = board(clock, None, None)
    assert made.pick() is a
    a.measuring += 1
    assert made.pick() is b
    b.measuring += 1
    assert made.pick() is a  # the others do not wait for the result
    made.measured(a, 1e6)
    made.measured(b, 5e6)
    assert made.pick() is b


def test_a_little_faster_is_no_reason_to_change(clock: Clock) -> None:
    made, (a, b) = board(clock, 5e6, 4e6)
    assert made.pick() is a
    made.measured(b, 8e6)  # 6e6 in the mean: less than 1.3 times
    assert made.pick() is a
    made.measured(b, 12e6)
    assert made.pick() is b


def test_a_failing_source_rests_longer_each_time_and_the_other_serves(clock: Clock) -> None:
    made, (a, b) = board(clock, 5e6, 1e6)
    assert made.pick() is a
    rests = []
    for _ in range(9):
        made.failed(a, failures.broke_off("a"), began=clock.now)
        rests.append(a.rests_until - clock.now)
        assert made.pick() is b
        clock.now = a.rests_until + 0.01
    assert (rests[0] < 1 and rests[-1] > 20 and rests == sorted(rests)[: len(rests)]) or max(rests) <= 37.5
    made.got(a)
    assert a.failures == 0


def test_streams_that_fail_together_are_one_failure(clock: Clock) -> None:
    made, (a,) = board(clock, None)
    began = clock.now - 1
    for _ in range(4):
        made.failed(a, failures.busy("a", 503), began=began)
    assert a.failures == 1


def test_retry_after_is_obeyed(clock: Clock) -> None:
    made, (a,) = board(clock, None)
    made.failed(a, failures.busy("a", 429, 42.0), began=clock.now)
    assert made.pick() is None and made.rest_s() == pytest.approx(42.0)
    clock.now += 42.1
    assert made.pick() is a


def test_what_waiting_cannot_mend_drops_the_source(clock: Clock) -> None:
    made, (a, b) = board(clock, 5e6, 1e6)
    made.failed(a, failures.gated("o/n", "https://hub", has_token=False), began=clock.now)
    assert made.left == [b] and made.hopeless(60) is None
    made.failed(b, failures.changed("m.gguf"), began=clock.now)
    found = made.hopeless(60)
    assert found is not None and found.problem.what.code == "hub.gated"


def test_a_network_that_is_away_is_waited_for_without_end(clock: Clock) -> None:
    made, (a, b) = board(clock, 5e6, 1e6)
    for standing in (a, b):
        made.failed(standing, failures.unreachable("x"), began=clock.now)
    clock.now += 100_000
    assert made.hopeless(60) is None
    assert made.waiting_for is not None and made.waiting_for.problem.what.code == "hub.unreachable"
    made.failed(b, failures.busy("b", 500), began=clock.now)  # but this one is reached
    clock.now += 61
    found = made.hopeless(60)
    assert found is not None and found.problem.what.code == "hub.trouble"


def test_a_running_stream_is_given_up_only_for_a_much_faster_source(clock: Clock) -> None:
    made, (a, b) = board(clock, 1e6, 4e6)
    assert not made.slower(a, 2e6)
    assert made.slower(a, 1e6)
    assert not made.slower(b, 1.2e6)
    clock.now += 1000  # that measurement is old by now
    assert not made.slower(a, 1e6)


def test_old_measurements_are_taken_again_while_it_is_slow(clock: Clock) -> None:
    made, (a, b) = board(clock, 2e6, 1e6)
    assert made.pick() is a
    assert not made.look_again()
    clock.now += 61
    assert made.look_again() and made.pick() is b and made.needs_measuring(b)


def test_one_that_shall_serve_alone_does_as_long_as_it_can(clock: Clock) -> None:
    made, (a, b) = board(clock, 5e6, 1e6)
    made.alone = 1
    assert made.pick() is b
    made.failed(b, failures.broke_off("b"), began=clock.now)
    assert made.pick() is None  # it rests, and no other steps in
    clock.now = b.rests_until
    assert made.pick() is b
    for _ in range(2):
        made.failed(b, failures.broke_off("b"), began=clock.now)
    assert made.pick() is a  # it is broken: nobody waits for ever
    made.got(b)
    made.failed(b, failures.no_file("o/n", "m.gguf", "b"), began=clock.now)
    assert made.pick() is a


def test_a_source_without_ranges_serves_one_stream_when_there_is_no_other(clock: Clock) -> None:
    made, (a, b) = board(clock, 5e6, 1e6)
    a.whole_only = True
    assert made.pick() is b
    made.failed(b, failures.no_file("o/n", "m.gguf", "b"), began=clock.now)
    assert made.pick() is a
    a.streams = 1
    assert made.pick() is None


def test_what_the_user_can_mend_is_said_first() -> None:
    errors = [
        failures.no_repository("o/n", "b"),
        failures.unreachable("a"),
        failures.gated("o/n", "https://hub", has_token=True),
    ]
    assert best_error(errors) is errors[2]
    assert best_error(errors[:2]) is errors[1]
