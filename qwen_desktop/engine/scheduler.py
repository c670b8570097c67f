"""Whose turn it is to compute: answers are made in steps, those that are ready together. Worker side.

Conversations come first. Of those that read their prompt, the one with the least left reads a chunk; all that write
write a token in one step; reading and writing get the same time. Batches are worked on while no conversation is
(``batch.Batch``), and a step of theirs is given up when one comes: it has not happened then, and is repeated.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qwen_desktop.core.engine import FinishReason, GenerateRequest, GenerateResult, Stats
from qwen_desktop.core.errors import Environment, Failure
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine.batch import Batch, Step
from qwen_desktop.engine.embedding import Embedding
from qwen_desktop.engine.gate import Gate
from qwen_desktop.engine.job import Call, Job
from qwen_desktop.engine.llama_context import AbortedError, Context, ContextError, DecodeError, Piece
from qwen_desktop.engine.llama_sampler import NotNumbersError

if TYPE_CHECKING:
    from qwen_desktop.engine.session import Session

log = logging.getLogger(__name__)

_WATCH_S = 0.25
#: Where nothing was computed for so long, in seconds, the next answer starts from rest.
_REST_S = 0.5
#: Conversations have rested for so long, in seconds, when a sequence is made for one that may come beside a batch.
_SPARE_S = 5.0
#: A batch that has nothing to do keeps its memory for so long, in seconds: its next request may be on its way.
_LINGER_S = 2.0

# fmt: off
_stuck = Failure(
    Environment, "decode.failed", "",
    QT_TRANSLATE_NOOP("engine", "The model engine could not go on computing."),
    QT_TRANSLATE_NOOP("engine", "Send again; if it fails again, load the model anew."), "retry",
)
# fmt: on


class Scheduler:
    """Makes the answers of one session. Everything here runs on the thread that computes."""

    def __init__(self, session: Session, gate: Gate) -> None:
        self._session = session
        self._gate = gate
        self._waiting: deque[Job] = deque()
        self._jobs: list[Job] = []
        self._batches: dict[str, Batch] = {}
        self.embedding = Embedding(session, gate, self._paced)
        self._embedded = False
        # seconds that went into reading and into writing since there were both to do
        self._spent = {True: 0.0, False: 0.0}
        self._turn = 0
        self._wrote, self._wrote_s = 0, 0.0
        self._unseen_s = 0.0
        self._computed = -math.inf
        self._talked, self._spare = -math.inf, False
        # beside other programs the processor's own time says sooner what is faster (that of Windows has ticks of 16 ms)
        processor = not session.model.gpu_layers and sys.platform != "win32"
        self._effort = time.process_time if processor else time.monotonic
        if session.pace is not None:
            session.pace.interrupt = gate.interrupt

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._waiting or self._jobs or self.embedding.busy or self._batching)

    @property
    def _batching(self) -> bool:
        return any(each.busy for each in self._batches.values())

    @property
    def linger_s(self) -> float | None:
        """After how many seconds without anything to do ``rest`` is to be called; None when never."""
        return _LINGER_S if self._batches or self.embedding.holds else None

    def rest(self) -> None:
        """Nothing came for a while: free what only batches and embeddings need."""
        self.embedding.close()
        for each in self._batches.values():
            each.close()
        self._batches.clear()

    def add(self, request: GenerateRequest, call: Call, arrived: float) -> None:
        """Have a request answered. ``arrived`` is when it came (``time.monotonic``)."""
        job = Job(request, call, arrived)
        if request.batch and request.again is None:
            if request.batch not in self._batches:
                for name in [name for name, each in self._batches.items() if not each.busy]:
                    self._batches.pop(name).close()  # the new one may want its memory
                self._batches[request.batch] = Batch(self._session)
            self._batches[request.batch].waiting.append(job)
        else:
            self._spare = False
            self._waiting.append(job)

    def forget(self, keys: tuple[str, ...]) -> None:
        """Forget these conversations in memory; ``("*",)`` for all. Their answers that were asked for before go on, and
        leave nothing behind."""
        for job in (*self._jobs, *self._waiting):
            if "*" in keys or job.request.cache_key in keys:
                job.disown()
        self._session.forget(keys)

    def step(self) -> None:
        """Do one piece of work. Does not raise: a mistake of ours costs the answers that were being made, no more."""
        try:
            self._step()
        except Exception as error:
            jobs = [*self._jobs, *(job for each in self._batches.values() for job in (*each.jobs, *each.waiting))]
            self._jobs.clear()
            self.embedding.fail_all(error)
            self.rest()
            for job in jobs:
                if job.generation is not None and job.generation.sequence is not None:
                    job.generation.sequence.forget()
                job.fail(error)

    def _step(self) -> None:
        # First, so that who comes gets the sequence that somebody has just been sent away from.
        for jobs in (self._jobs, *(jobs for each in self._batches.values() for jobs in (each.waiting, each.jobs))):
            self._end_cancelled(jobs)
        self._admit()
        ready = self._placed(self._next()) if self._jobs else []
        if ready and ready[0].made.sequence is not None:
            ahead = sum(not job.made.reading for job in self._jobs) == 1  # others would wait for what may be in vain
            if ahead and not self._look_ahead(ready[0]):
                return
            talks: list[Step] = [(job, job.made.next_piece(ahead=ahead)) for job in ready]
            self._work(ready[0].made.sequence.context, talks, self._jobs, gives_way=False)
        if self._jobs:
            self._talked = time.monotonic()
            return
        self._embedded = self.embedding.busy and not (self._embedded and self._batching)  # in turns with batches
        if self._embedded:
            self.embedding.step()
            return
        for each in self._batches.values():
            if each.busy:
                if not self._spare and time.monotonic() - self._talked > _SPARE_S:
                    self._spare = True
                    self._session.sequences.spare()
                each.fill()
                steps = each.next()
                if steps:
                    self._work(each.context, steps, each.jobs, gives_way=True)
                return

    # Conversations ---------------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Begin what can begin."""
        self._end_cancelled(self._waiting)
        while self._waiting:
            job = self._waiting[0]
            try:
                if job.generation is None:
                    job.generation = self._session.generation(job.request, job.call.emit, job.arrived)
                if not self._session.place(job.generation, [other.made for other in self._jobs]):
                    return
            except Exception as error:
                self._waiting.popleft()
                job.fail(error)
                continue
            self._jobs.append(self._waiting.popleft())

    def _next(self) -> list[Job]:
        """Who computes now: one that reads, or all that write and may do so together."""
        readers = [job for job in self._jobs if job.made.reading]
        writers = [job for job in self._jobs if not job.made.reading]
        if not (readers and writers):
            self._spent = {True: 0.0, False: 0.0}
        if readers and (not writers or self._spent[True] <= self._spent[False]):
            return [min(readers, key=lambda job: job.made.missing)]
        groups = [[job] for job in writers if job.request.again is not None]
        together: dict[object, list[Job]] = {}
        for job in writers:
            if job.request.again is None and job.made.sequence is not None:
                together.setdefault((job.made.sequence.context, job.made.with_adapters), []).append(job)
        groups.extend(together.values())
        self._turn += 1
        return groups[self._turn % len(groups)]

    def _placed(self, jobs: list[Job]) -> list[Job]:
        """Those of ``jobs`` that are where they are computed best, all in one context; the others come later."""
        for job in jobs:
            before = job.made.sequence
            if not self._session.move(job.made, [other.made for other in self._jobs if other is not job]):
                self._jobs.remove(job)
                self._waiting.appendleft(job)
                return []
            if job.made.sequence is not before and len(jobs) > 1:
                return [job]
        return jobs

    # A step ----------------------------------------------------------------------------------------------------------

    def _work(self, context: Context, steps: Sequence[Step], among: list[Job], *, gives_way: bool) -> None:
        calls = [job.call for job, _ in steps if job is not None]
        reading = any(job is None or job.made.reading for job, _ in steps)
        if context.model.recurrent and (gives_way or len(calls) > 1 or not reading):
            # a recurrent state that is left half-way goes back to where it was kept, so one step of others is not
            # ended for one call, nor the few milliseconds of a token that belongs to the answer
            calls, gives_way = [], False
        repeats = not context.model.recurrent and all(job is None or job.request.again is None for job, _ in steps)
        if not self._gate.open(calls, gives_way=gives_way, repeats=repeats):
            return
        began, effort = time.monotonic(), self._effort()
        try:
            with self._paced(context, steps):
                rows = context.evaluate([piece for _, piece in steps])
        except AbortedError:
            return  # it has not happened: who was cancelled ends, the others do it again
        except (DecodeError, ContextError) as error:
            log.warning("decode.failed %s", error or "memory")
            # what all begin with is nobody's alone
            for each in [job for job, _ in steps if job is not None] or list(among):
                self._drop(each, among, _stuck(details=str(error) or "memory"))
            return
        finally:
            self._gate.close()
        seconds, effort = time.monotonic() - began, self._effort() - effort
        self._spent[reading] += seconds
        tokens = sum(len(piece.tokens) for _, piece in steps)
        for (job, piece), row in zip(steps, rows, strict=True):
            if job is None:
                continue
            try:
                job.made.evaluated(context, piece, row, seconds * len(piece.tokens) / tokens, effort)
            except Exception as error:  # of this answer alone
                self._drop(job, among, error)
                continue
            if job.made.reason is not None:
                self._finish(job, among)
        self._watch(context, steps, seconds, reading=reading)

    def _look_ahead(self, job: Job) -> bool:
        """Have guessed what comes next in an answer; False when that was ended."""
        draft_model, what = self._session.draft_model, job.made.look_ahead()
        if what is None or draft_model is None:
            return True
        if not self._gate.open([job.call]):
            return False
        count, effort = 0, self._effort()
        piece = Piece(draft_model.context.sequences[0], (0,) if what.length else (0, 0))
        try:
            with self._paced(draft_model.context, [(job, piece)]):
                count = job.made.work_ahead(what)
        except AbortedError:
            return False
        except (DecodeError, ContextError, NotNumbersError) as error:
            log.warning("draft_model.failed kind=%s", type(error).__name__)
            self._session.drop_draft_model()  # answers go on without it
        finally:
            self._gate.close()
            draft_model.worth.took(what.act, count, self._effort() - effort)
        return True

    def _end_cancelled(self, among: list[Job] | deque[Job]) -> None:
        for job in [job for job in among if job.call.cancelled]:
            if job.generation is not None:
                job.generation.cancel()
                self._finish(job, among)
            else:
                among.remove(job)
                job.call.do(lambda: GenerateResult(FinishReason.CANCELLED, Stats()))

    def _finish(self, job: Job, among: list[Job] | deque[Job]) -> None:
        among.remove(job)
        job.call.do(lambda: self._session.finish(job.made))
        job.close()

    def _drop(self, job: Job, among: list[Job], error: Exception) -> None:
        among.remove(job)
        job.fail(error)

    # Threads ---------------------------------------------------------------------------------------------------------

    @contextmanager
    def _paced(self, context: Context, steps: Sequence[Step]) -> Iterator[None]:
        """Compute with as many threads as the machine has free, from the first step on."""
        pace = self._session.pace
        if pace is None:
            yield
            return
        if time.monotonic() - self._computed > _REST_S:
            pace.begin()
        context.set_threads(write=pace.write.threads, read=pace.read.threads)
        alone = len(steps) == 1 and len(steps[0][1].tokens) == 1
        pace.computes(pace.write.threads if alone else pace.read.threads)
        try:
            yield
        except AbortedError:
            pace.look()  # it may have been ended because others came
            raise
        finally:
            pace.computes(0)
            self._computed = time.monotonic()

    def _watch(self, context: Context, steps: Sequence[Step], seconds: float, *, reading: bool) -> None:
        """Have the number of threads follow what the machine has free."""
        pace = self._session.pace
        if pace is None:
            return
        tokens = sum(len(piece.tokens) for _, piece in steps)
        if reading:
            if tokens >= context.shape.chunk:  # whole chunks compare
                pace.read.done(tokens, seconds)
                return
        elif tokens == 1:
            self._wrote, self._wrote_s = self._wrote + 1, self._wrote_s + seconds
            if self._wrote_s >= _WATCH_S:
                pace.write.done(self._wrote, self._wrote_s)
                self._wrote, self._wrote_s = 0, 0.0
            return
        self._unseen_s += seconds
        if self._unseen_s >= _WATCH_S:  # what compares with nothing takes time too
            self._unseen_s = 0.0
            pace.look()
