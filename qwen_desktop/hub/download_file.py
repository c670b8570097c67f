"""One file: several streams fill it from the best source, a thread hashes what is there, and this thread watches.

It ends when the SHA-256 is right. When it is wrong although everything is there, the disk is asked first (segments
whose checksum has changed are fetched again), then the network: every byte is fetched once more, from another source
where there is one, compared with what is there, and the file is done as soon as the hash is right.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

from qwen_desktop.core.errors import AppError, error_of, problem_of
from qwen_desktop.hub import failures
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.download_board import Board, Standing
from qwen_desktop.hub.download_disk import PartFile, of_disk
from qwen_desktop.hub.download_hash import Hasher
from qwen_desktop.hub.download_limit import Limiter
from qwen_desktop.hub.download_repair import Repair
from qwen_desktop.hub.download_worker import Run, Worker
from qwen_desktop.hub.journal import SEGMENT, Journal
from qwen_desktop.hub.ranges import Ranges
from qwen_desktop.hub.sources import Link, Source

log = logging.getLogger(__name__)

WORKERS = 4
#: A run that only measures a source's speed.
MEASURE_BYTES = 1 << 20
#: A run should take about so long, in seconds, and never be longer than so many segments.
_RUN_S = 2.0
_RUN_SEGMENTS = 8
#: Only so much (bytes, seconds) left makes it worth to take half of another stream's run.
_STEAL_BYTES = 2 << 20
_STEAL_S = 3.0
#: A stream that brings nothing for so long (seconds) is cut: before the first byte, and between bytes.
_FIRST_BYTE_S = 15.0
_SILENCE_S = 6.0
_LONGEST_SILENCE_S = 30.0
#: A stream is compared with other sources once it has run for so long, in seconds.
_COMPARE_S = 4.0
_SAVE_S = 2.0

State = Literal["running", "checking", "waiting", "repairing"]
Tick = Callable[["FileDownload"], None]


class FileDownload:
    """Fills ``part`` from ``sources`` (which agree on what it is). Made for one call of ``run``."""

    def __init__(
        self,
        part: PartFile,
        journal: Journal,
        sources: Sequence[Source],
        access: Access,
        *,
        limiter: Limiter,
        patience_s: float = 600.0,
    ) -> None:
        self.part = part
        self.journal = journal
        self.limiter = limiter
        self.received = 0
        self._access = access
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._condition = threading.Condition(self._lock)
        self._board = Board(time.monotonic)
        self._runs: list[Run] = []
        self._stopped = False
        self._broken: AppError | None = None
        self._stage: Literal["fill", "reread", "repair"] = "fill"
        self._repair = Repair()
        self._hasher = Hasher(part, journal)
        self._workers: list[Worker] = []
        self._saved_at = time.monotonic()
        self._saved_done = -1
        for source in sources:
            self.add(source)

    # For the one who watches -------------------------------------------------------------------------------------

    @property
    def done(self) -> int:
        """Bytes that are there."""
        return self.journal.done

    @property
    def state(self) -> State:
        """What it is doing."""
        if self._stage == "repair":
            return "repairing"
        if self.journal.complete:
            return "checking"
        return "waiting" if self.waiting is not None else "running"

    @property
    def waiting(self) -> AppError | None:
        """Why nothing comes, when it does not."""
        return self._board.waiting_for

    @property
    def source_names(self) -> list[str]:
        """The sources that streams use now, else the one used last."""
        with self._lock:
            names = list(dict.fromkeys(run.standing.name for run in self._runs))
            current = self._board.current
            return names or ([current.name] if current is not None else [])

    def add(self, source: Source) -> None:
        """Another source, also while it runs; a stream soon tries it."""
        number = self.journal.source_number(source.name)
        with self._condition:
            self._board.add(Link(source, self.journal.file.path), number)
            self._shorten()
            self._condition.notify_all()

    def run(self, tick: Tick) -> None:
        """Work until the file is there and right. ``tick`` is called every 0.1 s and may raise to stop it.

        Raises ``AppError``; what was fetched stays, with its journal.
        """
        missing = sum(end - start for start, end in self.journal.gaps())
        count = max(1, min(WORKERS, -(-missing // (SEGMENT // 2))))
        try:
            self._hasher.start()
            for number in range(count):
                self._start_worker(number)
            while not self._finished():
                self._hasher.ready.wait(0.1)
                self._hasher.ready.clear()
                self._watch()
                tick(self)
        except OSError as error:
            raise of_disk(error, self.part.path) from error
        finally:
            self._stop()

    def _start_worker(self, number: int) -> None:
        worker = Worker(self, self._access, number)
        self._workers.append(worker)
        worker.start()

    def _stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        self.limiter.stop()
        self._hasher.stop()
        for worker in self._workers:
            worker.abort()
        deadline = time.monotonic() + 1.0  # one that resolves a name or connects cannot be woken: it ends by itself
        for thread in (*self._workers, self._hasher):
            thread.join(max(0.0, deadline - time.monotonic()))
        try:
            self.journal.save()
        except OSError as error:
            log.warning("download.journal %s", type(error).__name__)
        self.journal.close()

    # Watching ----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        now = time.monotonic()
        with self._lock:
            broken = self._broken or self._hasher.error
            hopeless = None if self.state == "checking" else self._board.hopeless(self._patience_s)
            for run in self._runs:
                self._watch_run(run, now)
        if broken is not None:
            self.part.watch()  # a folder that is gone explains it better
            raise broken
        if hopeless is not None:
            raise hopeless
        if now - self._saved_at >= _SAVE_S:
            self._saved_at = now
            self.part.watch()
            if self.journal.done != self._saved_done:
                self._saved_done = self.journal.done
                self.journal.save()
            with self._lock:
                if self._board.look_again():
                    self._shorten()

    def _watch_run(self, run: Run, now: float) -> None:
        if run.given_up is not None:
            return
        if run.waits_since:
            limit = _SILENCE_S if run.first_byte else _FIRST_BYTE_S
            limit = min(_LONGEST_SILENCE_S, limit * (1 + run.standing.failures))
            if now - run.waits_since > limit:
                self._give_up(run, failures.silent(run.standing.link.host))
                return
        age = now - run.began
        if age > _COMPARE_S and self.limiter.rate is None and not run.whole:
            rate = run.received / age
            if run.measuring:
                self._board.measured(run.standing, rate)
                run.measuring = False
                run.standing.measuring -= 1
            elif self._board.slower(run.standing, rate):
                self._board.measured(run.standing, rate)
                log.info("download.slow source=%s", run.standing.number)
                self._give_up(run, None)

    def _give_up(self, run: Run, error: AppError | None) -> None:
        run.given_up = error or failures.silent("")
        run.slow = error is None
        for worker in self._workers:
            if worker.run_now is run:
                worker.abort()

    def _shorten(self) -> None:
        """Have a stream free soon, to try another source."""
        longest = max(self._runs, key=lambda run: run.left, default=None)
        if longest is not None and longest.left > 2 * MEASURE_BYTES and not longest.whole:
            longest.end = longest.position + MEASURE_BYTES

    def _finished(self) -> bool:
        """Whether the hash is right. When it is wrong, the next remedy begins; raises when there is none left."""
        if self._stage == "repair" and self._repair_changed():
            return False
        if not self._hasher.digest or not self.journal.complete:
            return False
        wanted = self.journal.file.sha256
        if not wanted or self._hasher.digest == wanted:
            self._verified()
            return True
        if self._stage == "fill":
            log.warning("download.hash_wrong stage=fill")
            self._stage = "reread"
            self._hasher.again()
        elif self._stage == "reread":
            self._begin_repair()
        elif self._repair_is_over() and not self._settle():
            self.journal.repaired = True
            names = ", ".join(dict.fromkeys(s.name for s in self._board.standings))
            raise failures.damaged(self.journal.file.path, names)
        return False

    def _verified(self) -> None:
        handle = self.part.handle()
        try:
            handle.flush()
        finally:
            handle.close()
        self.journal.digest = self._hasher.digest
        self.journal.verified = True

    # Repairing ---------------------------------------------------------------------------------------------------

    def _begin_repair(self) -> None:
        log.warning("download.repair sources=%d", len(self._board.left))
        with self._condition:
            self._stage = "repair"
            self._board.progress_at = time.monotonic()
            self._repair.begin(self.journal.pieces())
            self._condition.notify_all()
        while len(self._workers) < WORKERS:
            self._start_worker(len(self._workers))

    def _repair_changed(self) -> bool:
        """Hash anew when bytes were replaced since; whether that happened."""
        with self._lock:
            if not self._repair.must_hash(self._runs):
                return False
        self._hasher.again()
        return True

    def _repair_is_over(self) -> bool:
        with self._lock:
            return self._repair.over(self._runs, [s.number for s in self._board.left])

    def _settle(self) -> bool:
        """Begin the next try to mend; False when there is none left."""
        with self._condition:
            found = self._repair.settle(self.journal.pieces(), [s.number for s in self._board.left])
            self._condition.notify_all()
        return found

    # For the workers ---------------------------------------------------------------------------------------------

    @property
    def stopped(self) -> bool:
        """Whether everybody should come to an end."""
        return self._stopped

    def next_run(self) -> Run | None:
        """The next piece to fetch; waits for one, None at the end."""
        with self._condition:
            while not self._stopped:
                run = self._find_run()
                if run is not None:
                    self._runs.append(run)
                    run.standing.streams += 1
                    run.standing.measuring += run.measuring
                    return run
                self._condition.wait(0.2)
        return None

    def _find_run(self) -> Run | None:
        free = Ranges((start, end, 0) for start, end in self.journal.gaps())
        for run in self._runs:
            free.remove(run.position, run.end)
        piece = next(iter(free), None)
        if piece is not None:
            standing = self._board.pick()
            return None if standing is None else self._make(piece[0], piece[1], standing)
        if self._stage == "repair":
            return self._find_doubt()
        return self._steal()

    def _find_doubt(self) -> Run | None:
        piece = self._repair.next(self._runs)
        if piece is None:
            return None
        standing = self._board.pick(avoid=piece[2], only=self._repair.only)
        return None if standing is None else self._make(piece[0], piece[1], standing, repair=True)

    def _make(self, start: int, end: int, standing: Standing, *, repair: bool = False) -> Run:
        if standing.whole_only:
            return Run(0, self.part.size, standing, repair=repair)
        measuring = self._board.needs_measuring(standing)
        if measuring:
            return Run(start, min(end, start + MEASURE_BYTES), standing, repair=repair, measuring=True)
        segments = max(1, min(_RUN_SEGMENTS, int((standing.rate or 0.0) * _RUN_S / SEGMENT)))
        if end - start < 2 * WORKERS * SEGMENT:  # towards the end: even pieces, so that all streams end together
            segments = 1
        return Run(start, min(end, (start // SEGMENT + segments) * SEGMENT), standing, repair=repair)

    def _steal(self) -> Run | None:
        """Half of what the slowest stream has left, when it will take long."""
        now = time.monotonic()

        def seconds(run: Run) -> float:
            return run.left * (now - run.began) / max(1, run.received)

        able = [r for r in self._runs if r.left > _STEAL_BYTES and not (r.whole or r.measuring or r.given_up)]
        slowest = max(able, key=seconds, default=None)
        if slowest is None or now - slowest.began < 1.0 or seconds(slowest) < _STEAL_S:
            return None
        standing = self._board.pick()
        if standing is None or standing.whole_only:
            return None
        middle = slowest.position + slowest.left // 2
        run = Run(middle, slowest.end, standing)
        slowest.end = middle
        return run

    def take_whole(self, run: Run) -> bool:
        """The source sends the whole file whatever is asked for: one stream may read it from the first byte."""
        with self._condition:
            standing = run.standing
            standing.whole_only = True
            if any(s for s in self._board.left if not s.whole_only) or any(r.whole for r in self._runs):
                run.slow = True
                return False
            run.start = run.position = 0
            run.end = self.part.size
            run.whole = True
            return True

    def arrived(self, run: Run, start: int, end: int, different: int) -> None:
        """A stream has these bytes (and has written them, unless they were the same already)."""
        with self._lock:
            self.received += end - start
            self._board.got(run.standing)
            if run.repair:
                self._repair.arrived(start, end, different)
                run.changed = run.changed or bool(different)
        if not run.repair:
            self.journal.wrote(start, end, run.standing.number)
        elif different:
            self.journal.rewrote(start, end, run.standing.number)
        else:
            self.journal.wasted(end - start)

    def ended(self, run: Run, error: AppError | None) -> None:
        """A stream has finished its run, or failed with it."""
        with self._condition:
            if run in self._runs:
                self._runs.remove(run)
            run.standing.streams -= 1
            if run.measuring:
                run.standing.measuring -= 1
            seconds = time.monotonic() - run.began
            if run.received >= MEASURE_BYTES // 4 and seconds > 0 and not run.slow:
                self._board.measured(run.standing, run.received / seconds)
            if error is not None and not run.slow and not self._stopped:
                log.info("download.failed code=%s source=%d", error.problem.what.code, run.standing.number)
                moved = run.received >= MEASURE_BYTES // 4
                self._board.failed(run.standing, error, began=run.began, moved=moved)
            self._condition.notify_all()

    def broken(self, error: BaseException) -> None:
        """A worker cannot go on: the disk, or a mistake of ours."""
        if isinstance(error, OSError):
            self._broken = of_disk(error, self.part.path)
        else:
            if not isinstance(error, AppError):
                log.error("download.broken %s", type(error).__name__, exc_info=error)
            self._broken = error if isinstance(error, AppError) else error_of(problem_of(error))
        self._hasher.ready.set()
