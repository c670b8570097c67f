"""How a model runs best on a computer: what was measured of it, and what follows from that. Pure.

Other programs only ever make a piece of work slower, so a way's speed is the best that was seen of it. What the engine
does by itself stays unless something else is clearly better, since a difference within the noise is none; and nothing
is chosen that writes slower than llama.cpp's own defaults would at the depth that is tuned for. A conversation passes
all depths on its way there: what is slower at its beginning must make the whole way clearly faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import asdict, replace

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.model_ref import AUTOMATIC

#: The longest measured run, in seconds.
SECONDS = 20.0
#: The depth that is tuned for where no answers tell another one, in tokens.
USUAL_DEPTH = 2048
#: The smallest that is worth a context of its own.
LEAST_DEPTH = 256
#: What a number of rows in a batch can be: the kernels of K-quants have tiles of these.
ROWS = (4, 16)

#: Nothing that writes slower than this part of llama.cpp's defaults is chosen, but for the beginning of conversations
#: where the whole way to the depth that is tuned for is so many times faster.
FLOOR, OUTWEIGHED = 0.97, 1.2
#: What replaces the engine's own way must be so many times faster; threads that leave no core free, so many times.
_GAIN, _ALL_CORES_GAIN = 1.05, 1.1
#: With less of the processors than this a run says more about other programs: nothing is chosen by it.
CROWDED = 0.7
#: With less than this it says nothing about how many threads are best.
_QUIET = 0.85
#: Of the best way's speed, what 8-bit keys may cost where memory is short.
_SHORT = 0.9
#: Tokens that a usual turn reads and writes: a speed counts by the time that it takes of that.
_READ, _WRITTEN = 200, 200

Work = Literal["write", "read", "batch"]


class Way(Struct, frozen=True):
    """How a context is made. ``kv_type`` as in ``LoadRequest``."""

    flash_attention: bool
    kv_type: str = "f16"


#: llama.cpp's own: flash attention wherever it can be had, on all cores.
DEFAULT_WAY = Way(flash_attention=True)
PLAIN_WAY = Way(flash_attention=False)
#: Of a conversation's beginning, what is worth another way of computing, and what it may take of memory, in tokens.
_SHORTEST_BEGINNING, _LONGEST_BEGINNING = 96, 1024


class Trial(Struct, frozen=True):
    """One thing that was measured: ``tokens_per_s`` is the best of ``tries``, after ``depth`` tokens.

    ``write`` evaluates one token, ``read`` ``rows`` tokens of a prompt, ``batch`` one token each of ``rows`` answers.
    """

    work: Work
    way: Way
    threads: int
    depth: int
    tokens_per_s: float
    rows: int = 1
    tries: int = 1


class TuneRequest(Struct, frozen=True):
    """Measure the loaded model for answers after ``depth`` tokens, in ``seconds`` at most. ``performance`` is how many
    fast cores there are beside slow ones; ``short``: memory is short, so a smaller cache is worth some speed."""

    depth: int = USUAL_DEPTH
    seconds: float = SECONDS
    performance: int | None = None
    short: bool = False


class TuneProgress(Struct, frozen=True):
    """``fraction`` 0..1 of a measured run."""

    fraction: float


class Gain(Struct, frozen=True):
    """How many times faster than llama.cpp's defaults, after ``depth`` tokens; 0 where that was not measured."""

    depth: int
    write: float
    read: float


class Tuning(Struct, frozen=True):
    """What was chosen for a model on a computer, and all that was measured.

    ``threads`` write answers, ``read_threads`` read prompts, ``batch_rows`` answers of a batch go together (None: not
    measured). Where ``flash_attention`` is off, the first ``flash_until`` tokens of a conversation are faster with it.
    ``gpu_layers`` are those that it was measured with. ``depth`` is the one that was tuned for, less than
    asked for where memory was short. ``own`` is what the engine does by itself, llama.cpp takes all ``cores``.
    ``share`` 0..1 of the processor time that the run wanted it got: the rest went to other programs.
    ``whole``: the run came to its end; else something else was wanted of the model.
    """

    flash_attention: bool
    kv_type: str
    threads: int
    read_threads: int
    batch_rows: int | None
    gpu_layers: int
    depth: int
    own: Way
    own_threads: int
    cores: int
    trials: tuple[Trial, ...]
    flash_until: int = 0
    seconds: float = 0.0
    taken_at: float = 0.0
    share: float = 1.0
    whole: bool = True

    @property
    def way(self) -> Way:
        """How the context is made."""
        return Way(self.flash_attention, self.kv_type)

    def way_at(self, depth: int) -> Way:
        """How a conversation is computed after so many tokens."""
        return DEFAULT_WAY if depth < self.flash_until else self.way

    @property
    def depths(self) -> tuple[int, ...]:
        """The depths at which answers were measured, in tokens."""
        return tuple(sorted({trial.depth for trial in self.trials if trial.work == "write"}))

    @property
    def gains(self) -> tuple[Gain, ...]:
        """Against llama.cpp's defaults in the same run, for each depth."""
        return tuple(
            Gain(
                depth,
                _ratio(
                    speed(self.trials, "write", self.way_at(depth), self.threads, depth),
                    speed(self.trials, "write", DEFAULT_WAY, self.cores, depth),
                ),
                _ratio(
                    speed(self.trials, "read", self.way_at(depth), self.read_threads, depth),
                    speed(self.trials, "read", DEFAULT_WAY, self.cores, depth),
                ),
            )
            for depth in self.depths
        )


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if ours > 0 and theirs > 0 else 0.0


def speed(
    trials: Iterable[Trial], work: Work, way: Way, threads: int, depth: int | None = None, *, rows: int | None = None
) -> float:
    """The best speed that was measured of something, in tokens per second; 0 where it was not."""
    return max(
        (
            trial.tokens_per_s
            for trial in trials
            if (trial.work, trial.way, trial.threads) == (work, way, threads)
            and depth in (None, trial.depth)
            and rows in (None, trial.rows)
        ),
        default=0.0,
    )


def noted(trials: Sequence[Trial], new: Trial) -> list[Trial]:
    """``trials`` with ``new`` in it: the best of each stays, with the number of all tries."""
    result, tries, best = [], new.tries, new.tokens_per_s
    for trial in trials:
        if replace(trial, tokens_per_s=0.0, tries=1) == replace(new, tokens_per_s=0.0, tries=1):
            tries, best = tries + trial.tries, max(best, trial.tokens_per_s)
        else:
            result.append(trial)
    return [*result, replace(new, tokens_per_s=best, tries=tries)]


def threads_to_try(cores: int, own: int, performance: int | None) -> tuple[int, ...]:
    """All cores, one less, the fast ones alone, and what the engine takes by itself: most first."""
    wanted = {cores, max(1, cores - 1), own, performance or cores}
    return tuple(sorted((count for count in wanted if 1 <= count <= cores), reverse=True))


def flash_until(trials: Sequence[Trial], threads: int, depth: int) -> int:
    """For how many tokens of a conversation flash attention is the faster way although it is not at ``depth``; 0 where
    it is not clearly faster at the beginning either. Seconds a token grow evenly with depth."""
    on, off = (
        [speed(trials, "write", Way(flash_attention=flash), threads, each) for each in (0, depth)]
        for flash in (True, False)
    )
    if not (all(on) and all(off)) or off[0] >= FLOOR * on[0] or on[1] >= off[1]:
        return 0
    first, last = 1 / off[0] - 1 / on[0], 1 / on[1] - 1 / off[1]
    crossing = int(depth * first / (first + last))
    return min(crossing, _LONGEST_BEGINNING) if crossing >= _SHORTEST_BEGINNING else 0


def allowed(trials: Sequence[Trial], way: Way, threads: int, *, cores: int, depth: int, begins: bool = False) -> bool:
    """Whether a way writes at ``FLOOR`` of llama.cpp's defaults or more, wherever these were measured. At other depths
    than ``depth`` it need not where it is ``OUTWEIGHED``: seconds a token grow evenly with depth, so those at both ends
    say what the whole way takes. ``begins``: conversations may begin with flash attention where that is faster."""
    if begins and way == PLAIN_WAY and flash_until(trials, threads, depth):
        return speed(trials, "write", way, threads, depth) >= FLOOR * speed(trials, "write", DEFAULT_WAY, cores, depth)
    if (way, threads) == (DEFAULT_WAY, cores):
        return True
    depths = {t.depth for t in trials if (t.work, t.way, t.threads) == ("write", DEFAULT_WAY, cores)}
    ours = {each: speed(trials, "write", way, threads, each) for each in depths}
    theirs = {each: speed(trials, "write", DEFAULT_WAY, cores, each) for each in depths}
    slower = [each for each in depths if ours[each] < FLOOR * theirs[each]]
    if depth in slower or any(not ours[each] for each in slower):
        return False
    both = [sum(1 / reached[each] for each in depths) for reached in (theirs, ours)]
    return not slower or both[0] >= OUTWEIGHED * both[1]


def choose(
    trials: Sequence[Trial],
    *,
    own: Way,
    own_threads: int,
    cores: int,
    depth: int,
    short: bool = False,
    begins: bool = False,
) -> tuple[Way, int, int, int | None]:
    """The way, threads for writing and for reading, and rows of a batch, from what was measured.

    Without enough trials it is what the engine does by itself. ``begins`` as for ``allowed``.
    """
    here = [trial for trial in trials if trial.depth == depth and trial.tokens_per_s > 0]
    measured = {(trial.way, trial.threads) for trial in here if trial.work == "write"}
    fit = [
        one for one in sorted(measured, key=_order) if allowed(trials, *one, cores=cores, depth=depth, begins=begins)
    ]
    if begins and not short:  # 8-bit keys cannot begin another way, and memory is no reason for them
        plain = [one for one in fit if one[0] == PLAIN_WAY and flash_until(trials, one[1], depth)]
        fit = [one for one in fit if one[0].kv_type == "f16"] if plain else fit
    if not fit:
        return own, own_threads, own_threads, _rows(trials)
    slowest = min((trial.tokens_per_s for trial in here if trial.work == "read"), default=float("inf"))

    def seconds(one: tuple[Way, int]) -> float:
        """Of a usual turn. A way that nobody read with counts as the slowest."""
        way, threads = one
        reads = speed(here, "read", way, _read_threads(here, way, own_threads)) or slowest
        return _WRITTEN / speed(here, "write", way, threads) + _READ / reads

    present = next((one for one in ((own, own_threads), (DEFAULT_WAY, cores)) if one in fit), fit[0])
    best = present
    for one in fit:
        wanted = _ALL_CORES_GAIN if one[1] > present[1] else _GAIN
        if seconds(present) >= wanted * seconds(one) and seconds(one) < seconds(best):
            best = one
    if short:
        small = [one for one in fit if one[0].kv_type != "f16" and _SHORT * seconds(one) <= seconds(best)]
        best = min(small, key=seconds, default=best)
    way, threads = best
    return way, threads, _read_threads(here, way, own_threads), _rows(trials)


def _order(one: tuple[Way, int]) -> tuple[bool, str, int]:
    return one[0].flash_attention, one[0].kv_type, -one[1]


def _read_threads(here: Sequence[Trial], way: Way, own: int) -> int:
    """The threads to read prompts with: the engine's own unless others are clearly faster."""
    found = {threads: speed(here, "read", way, threads) for threads in {t.threads for t in here if t.work == "read"}}
    best = own
    for threads, reached in sorted(found.items()):
        wanted = _ALL_CORES_GAIN if threads > own else _GAIN
        if reached >= wanted * found.get(own, 0.0) and reached > found.get(best, 0.0):
            best = threads
    return best


def _rows(trials: Sequence[Trial]) -> int | None:
    """Sixteen answers at once where they are faster than four, which end sooner and wait less."""
    few, many = (
        max((trial.tokens_per_s for trial in trials if (trial.work, trial.rows) == ("batch", rows)), default=0.0)
        for rows in ROWS
    )
    if not few or not many:
        return None
    return ROWS[1] if many >= _GAIN * few else ROWS[0]


def filled(request: LoadRequest, tuning: Tuning | None) -> LoadRequest:
    """``request`` with what was measured where it leaves the choice to the engine; whatever it names stays.

    A cache's type is taken only together with the flash attention that it was measured with.
    """
    kv_type = "f16" if request.kv_type == AUTOMATIC else request.kv_type
    if tuning is None:
        return replace(request, kv_type=kv_type)
    changes: dict[str, Any] = {"kv_type": kv_type, "batch_rows": request.batch_rows or tuning.batch_rows}
    on_off = "on" if tuning.flash_attention else "off"
    if request.kv_type == AUTOMATIC and request.flash_attention in (AUTOMATIC, on_off):
        changes["kv_type"] = tuning.kv_type
    if request.flash_attention == AUTOMATIC and changes["kv_type"] == tuning.kv_type:
        changes["flash_attention"] = AUTOMATIC if tuning.flash_until else on_off
        changes["flash_until"] = tuning.flash_until
    if tuning.share >= _QUIET:
        changes.update(most_threads=tuning.threads, most_read_threads=tuning.read_threads)
    return replace(request, **changes)


def shown(tuning: Tuning) -> dict[str, Any]:
    """The tuning as plain data with its gains, for ``--json``."""
    return {**asdict(tuning), "gains": tuning.gains}
