"""The measured run: how the loaded model runs best on this computer. Worker side only.

It has contexts of its own on the loaded weights, so a conversation that is in memory stays as it is, and it looks at a
flag between all pieces of work as llama.cpp does within them: whoever wants an answer waits some milliseconds. Ways
that are compared take turns, since a computer is never equally busy for twenty seconds.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from qwen_desktop.core import memory, tuning
from qwen_desktop.core.shape import Shape, shape_of
from qwen_desktop.core.tuning import DEFAULT_WAY, Trial, TuneRequest, Tuning, Way, Work
from qwen_desktop.engine.llama import Flag, Model
from qwen_desktop.engine.timed import STEP, CannotError, StoppedError, Timed
from qwen_desktop.hardware import cpu
from qwen_desktop.hardware import memory as main_memory

log = logging.getLogger(__name__)

#: How often a run is looked at, how often it tells how far it is, and how long it gets to end by itself, in seconds.
_LOOK_S, _TELL_S, _GRACE_S = 0.01, 0.2, 0.05
#: Rounds in which ways take turns, and how many tokens each then writes: the best counts.
_ROUNDS, _TRIES = 3, 2
#: More rounds where a way seems a little slower than llama.cpp's defaults: that decides whether it may be chosen.
_MORE_ROUNDS = 4
_DOUBT = (0.85, 1.0)
#: Tokens of a prompt that are read to be timed, at most the chunk.
_READ = 64
#: Of the time, what writing at the typical depth and all that comes before the batches may take.
_DEEP, _MOST = 0.45, 0.85
#: Of the free memory, what the contexts of a run may take.
_SHARE = 0.8


class Tuner:
    """Runs the measured runs of a worker, one at a time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def settle(self) -> None:
        """Wait until nothing of a run is left: before the model that it measures is freed."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def run(
        self, model: Model, request: TuneRequest, *, gpu: bool, stop: Flag, progress: Callable[[float], None]
    ) -> Tuning:
        """Measure ``model``; ``gpu``: graphics cards can be used. ``stop`` ends the run, ``progress`` is told 0..1.

        The run has a thread of its own, since the system takes its time to give and to clear the memory of a long
        context, and nothing can end that: then the caller goes on, and the thread ends a moment later.
        """
        self.settle()
        flag, free = Flag(), main_memory.read().free_bytes
        room = None if free is None else free - memory.MARGIN
        places, on_card = cpu.places(), gpu and model.gpu_layers > 0
        run = Run(
            model,
            shape_of(model.header),
            request,
            Way(flash_attention=on_card),
            places.usual,
            places.usable,
            chunk=memory.chunk(model.parameters, gpu=on_card),
            room=room,
            flag=flag,
        )
        found: list[Tuning] = []
        thread = self._thread = threading.Thread(target=lambda: found.append(run.measure()), name="tune", daemon=True)
        thread.start()
        told = 0.0
        while thread.is_alive():
            thread.join(_LOOK_S)
            if stop.is_set:
                flag.set()
                thread.join(_GRACE_S)
                break
            if run.spent >= request.seconds:
                run.late = True
                flag.set()
            if run.spent - told >= _TELL_S:
                told = run.spent
                progress(min(1.0, told / request.seconds))
        if not thread.is_alive():
            self._thread = None
        return found[0] if found else run.result(whole=False)


class Run:
    """One measured run of a ``model`` whose answers are computed with ``own`` and ``own_threads``.

    ``room`` is how many bytes of main memory it may take, None where that is not known. ``flag`` ends it.
    """

    def __init__(  # noqa: PLR0917 - what a run is about
        self,
        model: Model,
        shape: Shape,
        request: TuneRequest,
        own: Way,
        own_threads: int,
        cores: int,
        *,
        chunk: int,
        room: int | None,
        flag: Flag,
    ) -> None:
        self._model = model
        self._shape = shape
        self._request = request
        self._own = own
        self._cores = max(cores, own_threads)
        self._own_threads = own_threads
        self._threads = tuning.threads_to_try(self._cores, own_threads, request.performance)
        self._chunk = chunk
        #: whether conversations could begin in another way (``engine.sequences``)
        self._begins = own == tuning.PLAIN_WAY and not (model.recurrent or model.sliding)
        self._room = room
        self._flag = flag
        self._began = time.perf_counter()
        self._trials: list[Trial] = []
        self._depth = 0
        self._made: list[Way] = []
        #: the flag was set because the time is over
        self.late = False
        #: seconds of processors that pieces of work have got, and that their threads would have taken alone
        self._got = self._wanted = 0.0

    def measure(self) -> Tuning:
        """Measure what time and memory allow. Never raises; ``whole`` is False when the flag ended it, and where not
        even the first comparison could be made."""
        whole = True
        try:
            ways = self._first()
            self._depth = self._deepest(ways)
            self._compare(ways)
            self._small_keys()
            self._batches()
        except StoppedError:
            whole = self.late
        except CannotError as error:
            log.info("tune.cannot %r", error)
        compared = {t.way for t in self._trials if (t.work, t.depth) == ("write", self._depth)}
        return self.result(whole=whole and bool(compared) and compared >= set(self._made))

    def result(self, *, whole: bool) -> Tuning:
        """What follows from what was measured so far."""
        share = self._got / self._wanted if self._wanted else 1.0
        trials = tuple(self._trials)
        way, threads, read_threads, rows = tuning.choose(
            trials if share >= tuning.CROWDED else (),
            own=self._own,
            own_threads=self._own_threads,
            cores=self._cores,
            depth=self._depth,
            short=self._request.short,
            begins=self._begins,
        )
        until = tuning.flash_until(trials, threads, self._depth) if self._begins and way == tuning.PLAIN_WAY else 0
        return Tuning(
            flash_attention=way.flash_attention,
            kv_type=way.kv_type,
            threads=threads,
            read_threads=read_threads,
            batch_rows=rows,
            flash_until=until,
            gpu_layers=self._model.gpu_layers,
            depth=self._depth,
            own=self._own,
            own_threads=self._own_threads,
            cores=self._cores,
            trials=trials,
            seconds=round(self.spent, 3),
            taken_at=time.time(),
            share=round(share, 3),
            whole=whole,
        )

    # Time and memory -------------------------------------------------------------------------------------------------

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self._began

    def _has(self, seconds: float, share: float = 1.0) -> bool:
        """Whether something that takes so long still ends within ``share`` of the time."""
        return self.spent + seconds <= share * self._request.seconds

    def _takes(self, way: Way, size: int) -> int:
        """Bytes of main memory for a context, with the state that it is filled from."""
        flash = way.flash_attention
        kept = 2 * (memory.kv_bytes(self._shape, size) + self._shape.state_bytes)
        buffers = memory.compute_bytes(self._shape, size, batch=self._chunk, flash=flash)
        return kept + buffers + memory.work_bytes(self._shape, size, batch=self._chunk, flash=flash)

    def _fits(self, ways: Sequence[Way], depth: int) -> bool:
        if self._room is None:
            return depth <= tuning.USUAL_DEPTH
        return sum(self._takes(way, _size(depth, self._chunk)) for way in ways) <= _SHARE * self._room

    def _first(self) -> tuple[Way, ...]:
        """Flash attention on and off, the engine's own way first."""
        other = Way(not self._own.flash_attention) if self._own == DEFAULT_WAY else DEFAULT_WAY
        return self._own, other

    def _deepest(self, ways: Sequence[Way]) -> int:
        """The depth asked for, or what of it memory allows, halved and halved; 0 for none."""
        depth = min(self._request.depth, max(0, self._model.context_train - 2 * self._chunk))
        depth -= depth % STEP
        while depth and not self._fits(ways, depth):
            depth //= 2
            depth -= depth % STEP
        return depth if depth >= tuning.LEAST_DEPTH else 0

    # Measuring -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _contexts(self, ways: Sequence[Way], depth: int) -> Iterator[list[Timed]]:
        made: list[Timed] = []
        try:
            for way in ways:
                self._check()
                try:
                    size = _size(depth, self._chunk)
                    made.append(Timed(self._model, way, self._flag, size=size, threads=self._cores, chunk=self._chunk))
                    self._made.append(way)
                except CannotError:  # not every device has each kind
                    log.info("tune.no_context flash=%s kv=%s", way.flash_attention, way.kv_type)
            yield made
        finally:
            for one in made:
                one.close()

    def _compare(self, ways: tuple[Way, ...], *, threads: tuple[int, ...] = ()) -> None:
        """Write and read with each of ``ways`` at the typical depth and at none."""
        depth = self._depth
        with self._contexts(ways, depth) as contexts:
            for context in contexts:
                context.write(self._cores)  # the first touches the weights
            if depth and self._filled(contexts, depth):
                self._write(contexts, threads or self._threads, _DEEP)
                self._read(contexts, threads)
            elif depth and self._trials:
                return
            else:
                self._depth = 0
            for context in contexts:
                context.empty()
            self._write(contexts, threads or self._threads, _MOST)
            self._write(self._doubtful(contexts), (self._own_threads, self._cores), _MOST, rounds=_MORE_ROUNDS)
            self._read(contexts, threads or (self._cores,))

    def _filled(self, contexts: Sequence[Timed], depth: int) -> bool:
        """Whether all of them are that deep now; where such states cannot be made none need be."""
        try:
            for context in contexts:
                context.fill(context.one_token(), depth)
        except CannotError:
            log.info("tune.no_depth")
            return False
        return True

    def _doubtful(self, contexts: Sequence[Timed]) -> list[Timed]:
        """All of them where one seems a little slower than llama.cpp's defaults without depth, else none."""
        theirs = tuning.speed(self._trials, "write", DEFAULT_WAY, self._cores, 0)
        for context in contexts:
            ours = tuning.speed(self._trials, "write", context.way, self._own_threads, 0)
            if context.way != DEFAULT_WAY and theirs and _DOUBT[0] <= ours / theirs < _DOUBT[1]:
                return list(contexts)
        return []

    def _write(
        self, contexts: Sequence[Timed], threads: tuple[int, ...], share: float, *, rounds: int = _ROUNDS
    ) -> None:
        longest = 0.0
        for turn in range(rounds):
            for count in dict.fromkeys(threads):
                for context in contexts:
                    tries = 1 if longest > 0.5 else _TRIES
                    # one round is made whatever it takes, within the whole time
                    if not self._has(longest * tries, share if turn else 1.0):
                        return
                    seconds = [self._timed(partial(context.write, count), count) for _ in range(tries)]
                    longest = max(longest, min(seconds))
                    self._note("write", context, count, 1 / min(seconds), tries=tries)

    def _read(self, contexts: Sequence[Timed], threads: tuple[int, ...]) -> None:
        """Read a piece of a prompt: with all cores in each way, then with other numbers of threads in the own one."""
        tokens = min(_READ, self._chunk)
        counts = [(context, count) for count in (threads or (self._cores,)) for context in contexts]
        if not threads:
            mine = next((context for context in contexts if context.way == self._own), None)
            counts += [(mine, count) for count in self._threads if mine is not None and count != self._cores]
        seconds = max((1 / t.tokens_per_s for t in self._trials if t.work == "write"), default=0.0) * tokens / 4
        for context, count in counts:
            if not self._has(seconds, _MOST):
                return
            seconds = self._timed(partial(context.read, count, tokens), count)
            self._note("read", context, count, tokens / seconds, rows=tokens)

    def _small_keys(self) -> None:
        """Keys in 8 bits save a quarter of the cache, where flash attention is not the better way."""
        way = Way(flash_attention=False, kv_type="k_q8_0")
        plain = tuning.PLAIN_WAY
        found = [
            tuning.speed(self._trials, "write", one, self._own_threads, self._depth) for one in (plain, DEFAULT_WAY)
        ]
        if self._own.kv_type == "f16" and found[0] > found[1] and self._has(0.25 * self._request.seconds, _MOST):
            threads = tuple(dict.fromkeys((self._own_threads, self._cores)))
            self._compare((way, plain), threads=threads)

    def _batches(self) -> None:
        """Answers of a batch, four and sixteen at once, without depth."""
        way = self._own if self._own.kv_type == "f16" else DEFAULT_WAY
        each = max((1 / t.tokens_per_s for t in self._trials if t.work == "write" and t.depth == 0), default=0.0)
        for rows in tuning.ROWS:
            states = rows * self._shape.state_bytes
            if self._room is not None and states > _SHARE * self._room:
                return
            if not self._has(each * rows * 1.5):
                return
            self._check()
            context = Timed(
                self._model, way, self._flag, size=2 * STEP, threads=self._cores, chunk=ROWS_CHUNK, rows=rows
            )
            try:
                seconds = [self._timed(partial(context.batch, self._cores), self._cores)]
                if self._has(2 * seconds[0]):
                    seconds += [self._timed(partial(context.batch, self._cores), self._cores) for _ in range(2)]
                self._note("batch", context, self._cores, rows / min(seconds), rows=rows, tries=len(seconds))
            finally:
                context.close()

    def _timed(self, work: Callable[[], float], threads: int) -> float:
        """Seconds of a piece of work. Threads wait for one another by spinning: those that did not run were not let."""
        before = time.process_time()
        taken = work()
        if not self._model.gpu_layers:
            self._got += min(time.process_time() - before, taken * threads)
            self._wanted += taken * threads
        return taken

    def _note(self, work: Work, context: Timed, threads: int, reached: float, *, rows: int = 1, tries: int = 1) -> None:
        new = Trial(work, context.way, threads, context.depth, round(reached, 3), rows, tries)
        self._trials = tuning.noted(self._trials, new)

    def _check(self) -> None:
        if self._flag.is_set:
            raise StoppedError


#: Tokens that the contexts for batches evaluate at once.
ROWS_CHUNK = 16


def _size(depth: int, chunk: int) -> int:
    """The context for a depth: with room for a piece of a prompt, and for what a recurrent state goes on."""
    return memory.padded(depth + 2 * chunk + STEP)
