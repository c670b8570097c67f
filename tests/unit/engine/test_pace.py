"""The number of threads on a simulated computer: other programs come and go, nobody's time is measured exactly."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from qwen_desktop.engine.pace import Pace, Room, ThreadWatch, room_for
from qwen_desktop.hardware.cpu import Places
from qwen_desktop.hardware.cpu_use import CpuUse, Watch

_STEP = 0.02


class Program:
    """Another program: it wants ``wish`` of a core (each second anew) between two moments."""

    def __init__(self, wish: float = 1.0, start: float = 0.0, end: float = 1e9) -> None:
        self.wish, self.start, self.end = wish, start, end


class Computer:
    """Some cores, programs, and our threads, which spin while one of them waits for its core.

    Each core shares its time evenly among who wants it. Who is on which core changes a few times a second; the loads of
    cores differ by one at most, as schedulers have it. Counters are told in hundredths of a second.
    """

    def __init__(self, cores: int, programs: Sequence[Program] = (), *, seed: int = 0, stolen: float = 0.0) -> None:
        self.cores, self.programs, self.stolen = cores, programs, stolen
        self.random = random.Random(seed)
        self.now = self.made = 0.0
        self.busy = self.idle = self.own = self.taken = 0.0
        self.order: list[int] = []
        self.moved = -1.0

    @property
    def places(self) -> Places:
        return Places(self.cores, self.cores, self.cores, self.cores)

    def pace(self) -> Pace:
        """Has seen three quiet seconds (or what the programs do then)."""
        use = Watch(self.read, clock=lambda: self.now, by_itself=False)
        for _ in range(3):
            self.rest(1.0)
            use.look()
        return Pace(self.places, use=use)

    def read(self) -> CpuUse:
        busy, idle, taken = (int(value * 100) / 100 for value in (self.busy, self.idle, self.taken))
        return CpuUse(self.now, busy, taken, idle, self.own)

    def rest(self, seconds: float) -> None:
        for _ in range(round(seconds / _STEP)):
            self.step(0)

    def work(self, threads: int, seconds: float) -> float:
        """Compute so long; returns the tokens."""
        before = self.made
        for _ in range(round(seconds / _STEP)):
            self.step(threads)
        return self.made - before

    def step(self, threads: int) -> None:
        if self.now >= self.moved:
            self.order = self.random.sample(range(self.cores), self.cores)
            self.moved = self.now + self.random.uniform(0.05, 0.3)
        wishes = [p.wish for p in self.programs if p.start <= self.now < p.end]
        wishes = [1.0 if wish > self.random.random() else 0.0 for wish in wishes]
        tasks: list[int] = [1] * threads + [0] * sum(wish > 0 for wish in wishes)
        self.random.shuffle(tasks)
        loads: list[list[int]] = [[] for _ in range(self.cores)]
        for number, task in enumerate(tasks):
            loads[self.order[number % self.cores]].append(task)
        shares = []
        for load in loads:
            got = 1.0
            if self.stolen and load:
                got -= self.stolen
                self.taken += self.stolen * _STEP
            if not load:
                self.idle += _STEP
                continue
            self.busy += got * _STEP
            self.own += got * sum(load) / len(load) * _STEP
            shares += [got / len(load)] * sum(load)
        if shares:
            together = math.prod(shares)  # each waits for all others to have their cores
            self.made += len(shares) * together * (1.0 if together == 1.0 or threads == 1 else 0.8) * 100 * _STEP
        self.now += _STEP

    def answer(self, pace: Pace, seconds: float, piece: float = 0.24) -> list[tuple[float, int, float]]:
        """Write so long in pieces: when each began, with how many threads, and the tokens."""
        done: list[tuple[float, int, float]] = []
        for _ in range(round(seconds / piece)):
            threads, began = pace.write.threads, self.now
            pace.computes(threads)
            tokens = self.work(threads, piece)
            pace.computes(0)
            pace.write.done(max(1, round(tokens)), piece)
            done.append((began, threads, tokens))
        return done


def best_fixed(cores: int, programs: Sequence[Program], seconds: float) -> float:
    """The tokens that the best fixed number of threads makes."""
    found = []
    for threads in range(1, (cores - 1 if cores > 2 else cores) + 1):
        computer = Computer(cores, programs)
        computer.rest(3.0)
        found.append(computer.work(threads, seconds))
    return max(found)


def usual(cores: int) -> int:
    return cores - 1 if cores > 2 else cores


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("taken", [0, 1, 2, 3, 6])
def test_an_answer_starts_with_what_is_free(cores: int, taken: int) -> None:
    for seed in range(3):
        pace = Computer(cores, [Program()] * taken + [Program(0.1)], seed=seed).pace()
        pace.begin()
        wanted = max(1, min(usual(cores), cores - taken))
        assert (pace.write.threads, pace.read.threads) == (wanted, wanted)


@pytest.mark.parametrize(("cores", "taken"), [(2, 0), (2, 1), (2, 2), (3, 1), (4, 1), (4, 2), (4, 4), (6, 3)])
def test_beside_other_programs_it_is_as_fast_as_the_best_fixed_number(cores: int, taken: int) -> None:
    programs = [Program()] * taken + [Program(0.1)]
    computer = Computer(cores, programs, seed=cores + taken)
    pace = computer.pace()
    pace.begin()
    made = sum(tokens for _, _, tokens in computer.answer(pace, 15))
    assert made >= 0.95 * best_fixed(cores, programs, 15)


@pytest.mark.parametrize(("cores", "taken"), [(2, 1), (2, 2), (3, 2), (4, 2)])
def test_down_within_a_second_and_up_within_five(cores: int, taken: int) -> None:
    for seed in range(2):
        came, went = 3.0 + 4 + 0.2 * seed, 3.0 + 9 + 0.3 * seed
        computer = Computer(cores, [Program(start=came, end=went)] * taken + [Program(0.1)], seed=seed)
        pace = computer.pace()
        pace.begin()
        pieces = computer.answer(pace, 16)
        fewer = max(1, min(usual(cores), cores - taken))
        assert {threads for at, threads, _ in pieces if at < came} == {usual(cores)}
        assert {threads for at, threads, _ in pieces if came + 1 <= at < went} == {fewer}
        assert {threads for at, threads, _ in pieces if at >= went + 5} == {usual(cores)}


@pytest.mark.parametrize("wish", [0.05, 0.1, 0.2])
def test_who_uses_little_takes_no_core(wish: float) -> None:
    for seed in range(3):
        computer = Computer(2, [Program(wish)], seed=seed)
        pace = computer.pace()
        pace.begin()
        pieces = computer.answer(pace, 10)
        assert sum(threads == 2 for _, threads, _ in pieces) >= 0.95 * len(pieces)


def test_two_models_that_answer_at_once_leave_each_other_a_core() -> None:
    """What the other worker does is another program's use, though it follows as well."""
    computer = Computer(2, [Program()] * 2, seed=1)  # the other one, with two threads
    pace = computer.pace()
    pace.begin()
    computer.answer(pace, 2)
    assert pace.write.threads == 1
    computer.programs = [Program()]  # it went down to one
    computer.answer(pace, 3)
    assert pace.write.threads == 1
    computer.programs = []
    assert computer.answer(pace, 5)[-1][1] == 2


def test_what_a_hypervisor_takes_is_taken() -> None:
    computer = Computer(2, seed=1, stolen=0.4)
    pace = computer.pace()
    pace.begin()
    assert pace.write.threads == 2  # nothing is stolen from who does nothing
    pieces = computer.answer(pace, 20)
    assert sum(threads == 1 for _, threads, _ in pieces) > len(pieces) / 2


def test_spare_cores_of_a_containers_host_take_nothing_away() -> None:
    places = Places(2, 32, 64, 32)
    assert room_for(places, 2, 29.0) == (2, False)
    assert room_for(places, 2, 31.0) == (1, True)  # two would share their cores
    assert room_for(places, 2, 63.0) == (1, False)


def test_cores_of_two_kinds_leave_the_slow_ones_to_others() -> None:
    places = Places(14, 14, 20, 6)
    assert places.usual == 6
    assert room_for(places, places.usual, 3.0).threads == 6
    assert room_for(places, places.usual, 10.0) == (4, True)


def test_there_is_room_on_every_free_core_and_on_no_more_than_asked_for() -> None:
    chance = random.Random(4)
    for _ in range(3000):
        physical = chance.randint(1, 64)
        places = Places(chance.randint(1, physical), physical, physical * chance.choice((1, 2)), physical)
        most = chance.randint(1, 80)
        taken = chance.uniform(0, 1.3 * places.logical)
        found = room_for(places, most, taken)
        limit = min(most, places.usable)
        assert min(limit, max(1, math.floor(physical - taken + 0.5))) <= found.threads <= limit
        assert not (found.doubtful and found.threads == limit)


def test_depth_is_not_taken_for_a_crowd() -> None:
    watch = ThreadWatch(4)
    speed = 60.0
    for _ in range(400):
        watch.done(max(1, int(speed * 0.25)), 0.25)
        speed *= 0.995
    assert watch.threads == 4


def test_one_thread_stays_one() -> None:
    watch = ThreadWatch(1)
    assert {watch.done(5, s) for s in (0.1, 5.0, 0.1)} == {1}


def run(watch: ThreadWatch, speeds: dict[int, float], seconds: float) -> float:
    """Work so long in pieces of a quarter of a second; returns the tokens made."""
    made = 0.0
    for _ in range(round(seconds * 4)):
        tokens = speeds[watch.threads] / 4
        watch.done(max(1, round(tokens)), max(1, round(tokens)) / speeds[watch.threads])
        made += tokens
    return made


def test_where_nothing_is_known_of_others_a_collapse_is_noticed() -> None:
    watch = ThreadWatch(2)
    run(watch, {1: 26.0, 2: 40.0}, 5)
    assert watch.threads == 2
    made = run(watch, {1: 26.0, 2: 4.0}, 60)
    assert watch.threads == 1
    assert made > 0.85 * 26 * 60
    run(watch, {1: 26.0, 2: 40.0}, 330)
    assert watch.threads == 2


def test_a_thread_more_is_tried_only_where_it_might_have_room() -> None:
    watch = ThreadWatch(4)
    watch.follow(Room(2))
    run(watch, {2: 40.0, 3: 60.0}, 20)
    assert watch.threads == 2
    watch.follow(Room(2, doubtful=True))
    run(watch, {2: 40.0, 3: 60.0, 4: 80.0}, 20)
    assert watch.threads == 3  # one more, no further
    watch.follow(Room(4))
    assert watch.threads == 4
    watch.follow(Room(2, doubtful=True))
    assert watch.threads == 3  # remembered
    watch.follow(Room(2))
    assert watch.threads == 2


def test_a_thread_more_that_is_not_faster_costs_little() -> None:
    watch = ThreadWatch(2)
    watch.follow(Room(1, doubtful=True))
    assert run(watch, {1: 40.0, 2: 20.0}, 60) > 0.97 * 40 * 60
    assert watch.threads == 1


class Steps:
    """A step that is computed while the clock is moved by hand: a machine with two cores."""

    def __init__(self) -> None:
        self.computer = Computer(2)
        self.use = Watch(self.computer.read, clock=lambda: self.computer.now, by_itself=False)
        self.pace = Pace(self.computer.places, use=self.use)
        self.ends: list[float] = []
        self.pace.interrupt = self.interrupt

    def interrupt(self) -> None:
        self.ends.append(self.computer.now)

    def compute(self, seconds: float) -> None:
        """A quarter of a second passes, and the watch looks; and so on."""
        for _ in range(round(seconds * 4)):
            self.computer.work(self.pace.read.threads, 0.26)
            self.use.look()
            assert self.use.on_look is not None
            self.use.on_look()


def test_a_long_step_is_ended_when_others_take_a_core_and_repeated_with_less() -> None:
    steps = Steps()
    steps.computer.rest(1.5)
    steps.pace.begin()
    steps.pace.computes(2)
    steps.compute(3)
    assert not steps.ends  # nobody came
    steps.computer.programs = [Program()]
    steps.compute(1)
    assert len(steps.ends) == 1
    steps.pace.computes(0)
    steps.pace.look()
    assert steps.pace.read.threads == 1
    steps.pace.computes(1)
    steps.compute(20)
    assert len(steps.ends) == 1  # with one thread it goes on, however long it takes


def test_steps_are_not_ended_again_and_again() -> None:
    steps = Steps()
    steps.computer.rest(1.5)
    steps.pace.begin()
    steps.computer.programs = [Program()]
    steps.pace.computes(2)
    steps.compute(12)  # as if nobody followed
    assert 1 <= len(steps.ends) <= 3
