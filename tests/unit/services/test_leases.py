"""Whose turn it is, without engines: who is told how many must end before them, held against what then happens."""

from __future__ import annotations

import random
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.services.leases import Ask, Leases, Priority, Record

#: Of titles: they wait for other models too.
RANKS = [Priority.WINDOW, Priority.WINDOW, Priority.API, Priority.BATCH]
WAYS = [LoadRequest("a", context=context) for context in (1024, 2048)]


def loaded(parallel: int, request: LoadRequest | None) -> Record:
    """A model that is in memory, as far as turns know it."""
    record = Record(FileRef("a"), "a")
    record.engine = SimpleNamespace(info=SimpleNamespace(local=SimpleNamespace(parallel=parallel)))  # type: ignore[assignment]
    record.parallel = parallel
    record.request = request
    return record


class Play:
    """The turns of one model, in steps: who may begin does, loading it where it must."""

    def __init__(self, parallel: int, asks: list[tuple[Priority, LoadRequest]]) -> None:
        self.record = loaded(parallel, None)
        self.leases = Leases(lambda _record: False)
        self.numbers = 0
        for priority, request in asks:
            self.ask(priority, request)

    def ask(self, priority: Priority, request: LoadRequest) -> Ask:
        """Somebody comes, and begins where that is possible."""
        ask = Ask(priority, self.numbers, self.record, True, partial(lambda request: request, request))
        self.numbers += 1
        self.leases.asks.append(ask)
        self.begin()
        return ask

    def begin(self) -> None:
        """Let all begin who may."""
        while True:
            waiting = [ask for ask in self.leases.asks if ask not in self.record.sharing]
            ready = next((ask for ask in waiting if self.leases.is_next(ask)), None)
            if ready is None or ready.wanted is None:
                return
            if not self.record.held:
                self.record.request = ready.wanted()
            assert self.record.request == ready.wanted(), "two ways of loading at once"
            self.record.sharing.append(ready)
            batches = [ask.priority for ask in self.record.sharing].count(Priority.BATCH)
            assert batches <= 1 and len(self.record.sharing) - batches <= self.record.parallel

    def end(self, ask: Ask) -> None:
        """Somebody leaves."""
        self.leases.asks.remove(ask)
        self.record.sharing.remove(ask)
        self.begin()

    def state(self) -> Any:
        """Where it stands, to be put back."""
        return list(self.leases.asks), list(self.record.sharing), self.record.request

    def put_back(self, state: Any) -> None:
        """Go back to where it stood."""
        self.leases.asks[:], self.record.sharing[:], self.record.request = list(state[0]), list(state[1]), state[2]

    def fewest(self, ask: Ask) -> int:
        """How many must end, in the best order, before this one begins."""
        begun, states = 0, [self.state()]
        start, seen = states[0], set()
        while True:
            further = []
            for state in states:
                if ask in state[1]:
                    self.put_back(start)
                    return begun
                for holder in state[1]:
                    self.put_back(state)
                    self.end(holder)
                    key = frozenset(a.number for a in self.leases.asks)
                    if key not in seen:
                        seen.add(key)
                        further.append(self.state())
            assert further, "nobody can end, and it has not begun"
            begun, states = begun + 1, further


@pytest.mark.parametrize("seed", range(40))
def test_what_is_told_is_how_many_must_end(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        asks = [(chance.choice(RANKS), chance.choice(WAYS)) for _ in range(chance.randint(1, 6))]
        play = Play(chance.choice((1, 2, 3)), asks)
        for ask in play.leases.asks:
            if ask not in play.record.sharing:
                assert play.leases._ahead(ask) == play.fewest(ask), (play.record.parallel, asks, ask.number)


@pytest.mark.parametrize("seed", range(20))
def test_of_those_who_are_always_there_each_is_served_in_the_end(seed: int) -> None:
    """A crowd of the window and of programs that never gets smaller: of one priority nobody waits for long."""
    chance = random.Random(seed)
    parallel = chance.choice((1, 2, 3))
    play = Play(parallel, [])
    waited: dict[int, int] = {}
    for _ in range(300):
        while len(play.leases.asks) < 6:
            ask = play.ask(Priority.WINDOW, chance.choices(WAYS, (9, 1))[0])
            waited[ask.number] = 0
        play.end(chance.choice(play.record.sharing))
        for ask in play.leases.asks:
            if ask not in play.record.sharing:
                waited[ask.number] += 1
    assert max(waited.values()) < 6 * parallel + 6


def test_a_title_waits_for_all_others_of_whatever_model_and_is_told_so() -> None:
    leases = Leases(lambda _record: False)
    here, elsewhere = loaded(3, WAYS[0]), loaded(3, WAYS[0])
    wanted = partial(lambda: WAYS[0])
    busy = [Ask(Priority.BATCH, 0, elsewhere, True, wanted), Ask(Priority.API, 1, here, True, wanted)]
    title = Ask(Priority.TITLE, 2, here, True, wanted)
    leases.asks += [*busy, title]
    for ask in busy:
        ask.record.sharing.append(ask)
    for left in (2, 1):
        assert not leases.is_next(title) and leases._ahead(title) == left
        ask = busy.pop()
        leases.asks.remove(ask)
        ask.record.sharing.remove(ask)
    assert leases.is_next(title)
