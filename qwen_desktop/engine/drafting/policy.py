"""Whether an answer is written ahead, and how far: where that proves faster, else not at all. Pure.

Verifying 3 tokens with the one that is written anyway takes some 2.5 times as long as writing one, 15 some 7.5 times
(measured with models of 0.1B and 0.6B on two cores; numbers between them take as long as the next larger one, since the
processor's kernels for K-quants work in tiles of 4 and 16 rows). What it takes here is measured as it goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import fmean

from qwen_desktop.engine.drafting.lookup import Lookup

#: So many tokens are guessed, or so many; nothing between pays.
FEW, MANY = 3, 15
#: Times of a plain step, where nothing was measured.
_USUAL = {FEW: 2.5, MANY: 7.5}
#: The same on a graphics card, which reads its weights once for all of them: so little that it is tried.
_ON_CARD = {FEW: 1.3, MANY: 2.0}
#: Guessing begins where it wins so much, goes on while it wins anything, and goes further for so much more.
_BEGIN, _STAY, _FURTHER = 1.1, 1.02, 1.05
#: So many runs of tokens that came as expected are looked back on, each for so many tokens at most.
_RUNS, _LONGEST_RUN = 4, 96
#: A run that has come so far goes on, as a rule: how it begins and how it goes on are judged apart.
_HOLDS = 5
#: Steps with guesses and without that count for how long they take now. Not their median: what other programs take
#: falls on long steps more often.
_STEPS, _PLAIN_STEPS = 8, 16
#: After so many steps with guesses a plain one is made, so that what they are compared with is true.
_PLAIN_AFTER = 24
#: What guesses take is forgotten after so many plain steps in a row: those that were slow once shall be tried again.
_FORGET_AFTER = 384
#: So many positions are indexed with a step, in two milliseconds.
_SLICE = 2048


class Costs:
    """How long steps take that verify guesses, in times of a plain step: of one model here, for all its answers."""

    def __init__(self, *, on_card: bool = False) -> None:
        self._usual = _ON_CARD if on_card else _USUAL
        self._times: dict[int, deque[float]] = {FEW: deque(maxlen=_STEPS), MANY: deque(maxlen=_STEPS)}
        self._plain = 0

    def cost(self, guesses: int) -> float:
        """Of a step with so many guesses (``FEW`` or ``MANY``)."""
        times = self._times[guesses]
        return typical(times) if times else self._usual[guesses]

    def took(self, guesses: int, times: float) -> None:
        """A step with so many guesses took that."""
        self._plain = 0
        if guesses in self._times:  # one that is made again may have any number
            self._times[guesses].append(times)

    def plain(self) -> None:
        """A plain step was made."""
        self._plain += 1
        if self._plain == _FORGET_AFTER:  # other things may be true by now
            self._plain = 0
            for times in self._times.values():
                times.clear()


class Drafts:
    """The guesses of one answer. ``tokens`` are its prompt and what it has said, which only grow."""

    def __init__(self, tokens: Sequence[int], costs: Costs) -> None:
        self._tokens = tokens
        self._costs = costs
        self._lookup = Lookup(tokens)
        #: how the last runs of tokens that came as expected began, and for how long those went on that held; a new
        #: answer has to prove that it repeats anything
        self._begun: deque[int] = deque((0, 0), maxlen=_RUNS)
        self._held: deque[int] = deque((0,), maxlen=_RUNS)
        self._at = -1  # where the next token is expected to have stood already
        self._run = 0
        self._seen = len(tokens)
        self._plain: deque[float] = deque(maxlen=_PLAIN_STEPS)
        self._guessed_steps = 0
        self._most = 0

    def prepare(self) -> None:
        """Do a little of what is to be done before anything can be guessed."""
        self._lookup.index(_SLICE)

    @property
    def plain_due(self) -> bool:
        """Whether the next step is to be one without guesses."""
        return self._guessed_steps >= _PLAIN_AFTER

    def next(self, most: int) -> list[int]:
        """Guesses for what comes next, ``most`` at most; none where writing without is faster."""
        self.prepare()
        if not self._lookup.ready:
            self._seen = len(self._tokens)
            return []
        self._look()
        self._most = self._decide()
        if self._at < 0 or not self._most:
            return []
        if self.plain_due:
            return []
        length = next((length for length in (MANY, FEW) if length <= min(most, self._most)), 0)
        return self._lookup.draft(length) if length else []

    def again(self, length: int) -> list[int]:
        """The guesses that were made here, when there were so many."""
        self._lookup.index(len(self._tokens))
        return self._lookup.draft(length)

    def took(self, guesses: int, seconds: float) -> None:
        """A step with so many guesses took so long."""
        if not guesses:
            self._plain.append(seconds)
            self._guessed_steps = 0
            self._costs.plain()
        else:
            self._guessed_steps += 1
            if self._plain and (usual := typical(self._plain)) > 0:
                self._costs.took(guesses, seconds / usual)

    def _look(self) -> None:
        """See what came true of what was expected, guessed or not."""
        tokens = self._tokens
        for here in range(self._seen, len(tokens)):
            if self._at < 0:
                continue
            if tokens[self._at] == tokens[here]:
                self._run += 1
                self._at += 1
            else:
                self._begun.append(min(self._run, FEW))
                if self._run >= _HOLDS:
                    self._held.append(min(self._run - _HOLDS, _LONGEST_RUN))
                self._at, self._run = -1, 0
        self._seen = len(tokens)
        if self._at < 0:
            self._at = self._lookup.find()

    def _decide(self) -> int:
        """How many tokens shall be guessed, as the last runs went: each step gives a token and what came true."""
        needed = _STAY if self._most else _BEGIN
        if self._run < _HOLDS:
            return FEW if (1 + fmean(self._begun)) / self._costs.cost(FEW) >= needed else 0
        right = sum(self._held) + min(self._run - _HOLDS, _LONGEST_RUN)
        wrong = len(self._held)
        chance = right / (right + wrong)  # of each token, where all before it came true
        few, many = ((1 - chance ** (length + 1)) / (1 - chance) / self._costs.cost(length) for length in (FEW, MANY))
        if max(few, many) < needed:
            return 0
        return MANY if many > few * (1 if self._most == MANY else _FURTHER) else FEW


def typical(seconds: Sequence[float] | deque[float]) -> float:
    """The mean, without the largest where there are several: a hiccup is none of the work."""
    kept = sorted(seconds)[:-1] if len(seconds) > 3 else seconds
    return fmean(kept)
