"""Which source the next bytes come from: the fastest that works. Pure; the caller holds the lock and tells the time.

Speeds are per connection, so that two sources can be compared while one has more of them. A source without a measured
speed gets one short run first; a failing one rests, longer each time; one that can never serve is dropped.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from qwen_desktop.core.errors import AppError
from qwen_desktop.hub import failures
from qwen_desktop.hub.download.sources import Link
from qwen_desktop.hub.failures import best_error, worth_trying

#: Another source must be better by this factor to be taken instead of the one in use.
BETTER = 1.3
#: A running stream is given up for another source only when that one is so many times faster.
MUCH_BETTER = 3.0
#: A measured speed is believed for this long, in seconds; then a short run measures again.
STALE_S = 60.0
#: A source this fast per connection (bytes/s) needs no comparing.
FAST_ENOUGH = 8e6

_FIRST_REST_S = 0.5
_LONGEST_REST_S = 30.0
_LONGEST_ASKED_S = 600.0
_SHORT_REST_S = 0.1
#: After so many failures in a row a source counts as broken.
_BROKEN = 3
#: These will hardly get better by waiting.
_TRIES = {"hub.circle": 2, "hub.strange": 5}


class Standing:
    """What is known of one source."""

    def __init__(self, link: Link, number: int) -> None:
        self.link = link
        self.number = number
        self.rate: float | None = None
        self.measured_at = -1e9
        self.failures = 0
        self.failed_at = -1e9
        self.rests_until = 0.0
        self.error: AppError | None = None
        self.dropped = False
        self.whole_only = False
        self.streams = 0
        self.measuring = 0

    @property
    def name(self) -> str:
        """For people."""
        return self.link.source.name


class SourceScores:
    """All sources of one file, and how each does."""

    def __init__(self, clock: Callable[[], float], chance: random.Random | None = None) -> None:
        self.standings: list[Standing] = []
        self.current: Standing | None = None
        #: The number of the one that alone shall serve as long as it can; None: any.
        self.alone: int | None = None
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - only to spread retries
        self.progress_at = clock()

    def add(self, link: Link, number: int) -> Standing:
        """Another source; ``number`` is the journal's for it."""
        standing = Standing(link, number)
        self.standings.append(standing)
        return standing

    @property
    def left(self) -> list[Standing]:
        """Those that may still serve."""
        return [s for s in self.standings if not s.dropped]

    def pick(self) -> Standing | None:
        """The source for the next run, None when all must rest for a while."""
        left = self.left
        alone = [s for s in left if s.number == self.alone and s.failures < _BROKEN]
        able = [s for s in alone or left if s.rests_until <= self._clock()]
        ranged = [s for s in able if not s.whole_only]
        if not ranged:
            return next((s for s in able if s.whole_only and s.streams == 0), None)
        if len(left) > 1:
            for standing in ranged:
                if standing.rate is None and not standing.measuring:
                    return standing
        current = self.current if self.current in ranged else None
        known = [s for s in ranged if s.rate is not None]
        best = max(known, key=lambda s: s.rate or 0.0, default=current or ranged[0])
        if current is not None and (current.rate or 0.0) * BETTER >= (best.rate or 0.0):
            best = current
        self.current = best
        return best

    def needs_measuring(self, standing: Standing) -> bool:
        """Whether the next run of ``standing`` should be short, to learn how fast it is."""
        return standing.rate is None and len(self.left) > 1

    def rest_s(self) -> float:
        """Seconds until some source may be tried again; 0 when one may now."""
        return max(0.0, min((s.rests_until for s in self.left), default=0.0) - self._clock())

    # What happened -----------------------------------------------------------------------------------------------

    def got(self, standing: Standing) -> None:
        """Bytes arrived."""
        self.progress_at = self._clock()
        standing.failures = 0
        standing.error = None

    def measured(self, standing: Standing, rate: float) -> None:
        """A run ended (or was looked at) with this many bytes a second."""
        standing.rate = rate if standing.rate is None else (standing.rate + rate) / 2
        standing.measured_at = self._clock()

    def failed(self, standing: Standing, error: AppError, *, began: float, moved: bool = False) -> None:
        """A run failed: rest, or drop the source where trying again cannot help. ``moved``: it did bring bytes.

        Streams that ``began`` before the last failure say nothing new: together they are one failure.
        """
        if isinstance(standing.error, failures.Unreachable) and not isinstance(error, failures.Unreachable):
            self.progress_at = self._clock()  # waiting for the network was no trouble of the hub's
        standing.error = error
        if began < standing.failed_at and worth_trying(error):
            return
        standing.failed_at = self._clock()
        standing.failures += 1
        if standing.rate is not None:
            standing.rate /= 2
        tries = _TRIES.get(error.problem.what.code)
        if not worth_trying(error) or (tries is not None and standing.failures >= tries):
            standing.dropped = True
        rest = _SHORT_REST_S if moved else min(_LONGEST_REST_S, _FIRST_REST_S * 2 ** min(10, standing.failures - 1))
        rest *= self._chance.uniform(0.75, 1.25)
        asked = error.retry_after if isinstance(error, failures.Busy) else 0.0
        standing.rests_until = max(standing.rests_until, self._clock() + max(rest, min(asked, _LONGEST_ASKED_S)))
        if standing is self.current and (standing.dropped or standing.failures >= _BROKEN):
            self.current = None

    def slower(self, standing: Standing, rate: float) -> bool:
        """Whether a stream of ``rate`` bytes a second should be given up, since another source is much faster."""
        now = self._clock()
        return any(
            other is not standing
            and self.alone in (None, other.number)
            and not other.dropped
            and not other.whole_only
            and other.rests_until <= now
            and other.failures == 0
            and (other.rate or 0.0) > rate * MUCH_BETTER
            and now - other.measured_at < 2 * STALE_S
            for other in self.standings
        )

    def look_again(self) -> bool:
        """Forget old measurements of the sources not in use, so that they get a short run; whether there were any."""
        current = self.current
        if current is None or current.rate is None or current.rate >= FAST_ENOUGH:
            return False
        old = [
            s
            for s in self.left
            if s is not current
            and s.rate is not None
            and not s.whole_only
            and self._clock() - s.measured_at > STALE_S
            and s.rests_until <= self._clock()
        ]
        for standing in old:
            standing.rate = None
        return bool(old)

    # When nothing works ------------------------------------------------------------------------------------------

    @property
    def waiting_for(self) -> AppError | None:
        """Why nothing comes at the moment: the last failure, when every source that is left has failed."""
        left = self.left
        if not left or any(s.error is None for s in left):
            return None
        return max((s for s in left), key=lambda s: isinstance(s.error, failures.Busy)).error

    def hopeless(self, patience_s: float) -> AppError | None:
        """The failure to give up with: no source is left, or none that answers has sent anything for ``patience_s``.

        A network that is away never is: then one waits.
        """
        left = self.left
        if not left:
            return best_error([s.error for s in self.standings if s.error is not None])
        errors = [s.error for s in left]
        if any(e is None for e in errors) or all(isinstance(e, failures.Unreachable) for e in errors):
            return None
        if self._clock() - self.progress_at < max(patience_s, min(self.rest_s(), _LONGEST_ASKED_S) + 1):
            return None
        return best_error([e for e in errors if e is not None])
