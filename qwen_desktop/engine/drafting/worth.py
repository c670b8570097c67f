"""Whether a second, small model guesses what comes next, and how far: where that proves faster, else not at all. Pure.

How often it is right is measured without trusting it: it reads what was written anyway, sixteen tokens at once, and is
asked what it would have guessed there. That, and reading the prompt for it, may take four thousandths of the time in
which answers are made, after a small credit. It guesses where the rate and the measured times promise a gain, and only
after an answer has become so long that reading it has paid, if it becomes twice as long.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import NamedTuple

from qwen_desktop.engine.drafting.policy import FEW, MANY, Costs, typical

#: So many tokens are looked at together.
PROBE = 16
#: Of so many of the last guesses the rate is taken; fewer than the second number say nothing.
_LOOKED, _KNOWN = 96, 16
#: Guessing begins where it wins so much, and goes on while it wins anything.
_BEGIN, _STAY = 1.1, 1.02
#: What may be spent on finding out: so many plain steps at first, and this share of all time.
_CREDIT, _SHARE = 8.0, 0.004
#: A prompt's token takes so much less than one that is written, and looking at sixteen so many times as long as one,
#: until it was measured.
_READS, _LOOKS = 8.0, 7.5
_STEPS = 16


class Act(Enum):
    """What the small model does next: read what it has not read, tell what it would have guessed of what was written,
    or guess."""

    READ = "read"
    PROBE = "probe"
    GUESS = "guess"


class Next(NamedTuple):
    """An act, and how many tokens it guesses."""

    act: Act
    length: int = 0


class Worth:
    """Of one pair of models, for all answers. ``share`` is how long a token of the small one takes as its weights have
    it, in times of one of the large one. All times are seconds of one clock."""

    def __init__(self, costs: Costs, share: float) -> None:
        self._costs = costs
        self._share = share
        self._hits: deque[bool] = deque(maxlen=_LOOKED)
        self._plain: deque[float] = deque(maxlen=_STEPS)
        self._times: dict[Act, deque[float]] = {act: deque(maxlen=_STEPS) for act in Act}
        self._spent = self._all = 0.0
        self._on = 0

    @property
    def on(self) -> bool:
        """Whether it guesses, or would if it had read what it must."""
        return self._on > 0

    def passed(self, seconds: float, *, plain: bool) -> None:
        """A step of an answer took so long; a ``plain`` one wrote one token without guesses."""
        self._all += seconds
        if plain:
            self._plain.append(seconds)

    def took(self, act: Act, tokens: int, seconds: float) -> None:
        """The small model did that with so many tokens."""
        if tokens:
            self._times[act].append(seconds / tokens)
        self._all += seconds
        if not self._on:
            self._spent += seconds

    def came(self, right: int, wrong: int) -> None:
        """So many guesses came true, then so many (none or one) did not."""
        self._hits.extend((True,) * right + (False,) * wrong)

    def next(self, missing: int, *, unseen: int, without: int, most: int) -> Next | None:
        """What to do before the next token. ``missing`` tokens were not read by it; ``unseen`` ones were written since
        it was asked about any, ``without`` since it guessed any; ``most`` can be guessed."""
        if not self._plain:
            return None
        plain = typical(self._plain)
        length, gain = self._length(most, plain)
        self._on = length
        reading = missing * self._time(Act.READ, plain)
        if length:
            if missing <= PROBE:
                return Next(Act.GUESS, length)
            # what has gone on for so long most likely goes on for as long again
            return Next(Act.READ) if without * plain * (1 - 1 / gain) >= reading else None
        allowed = _CREDIT * plain + _SHARE * self._all
        if unseen < PROBE or self._spent + reading + PROBE * self._time(Act.PROBE, plain) > allowed:
            return None
        return Next(Act.READ) if missing > 2 * PROBE else Next(Act.PROBE)

    def _length(self, most: int, plain: float) -> tuple[int, float]:
        """How many tokens shall be guessed, and what is won by that."""
        if len(self._hits) < _KNOWN:
            return 0, 0.0
        chance = min(0.99, sum(self._hits) / len(self._hits))
        each = self._time(Act.GUESS, plain) / plain
        gains = {
            length: (1 - chance ** (length + 1)) / (1 - chance) / (self._costs.cost(length) + length * each)
            for length in (FEW, MANY)
            if length <= most
        }
        best = max(gains, key=gains.__getitem__, default=0)
        if not best or gains[best] < (_STAY if self._on else _BEGIN):
            return 0, 0.0
        return best, gains[best]

    def _time(self, act: Act, plain: float) -> float:
        """Of a token."""
        times = self._times[act]
        if times:
            return typical(times)
        usual = self._share * plain
        return usual / _READS if act is Act.READ else usual * _LOOKS / PROBE if act is Act.PROBE else usual
