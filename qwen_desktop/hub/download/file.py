"""One file: several streams fill it from the best source, a thread hashes what is there, and this thread watches.

It ends when the SHA-256 is right. When it is wrong although everything is there, the disk is asked first (segments
whose checksum has changed are fetched again), then the network: all of it is fetched once more from one source alone,
then from the next, since nobody knows who sent the damage.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

from qwen_desktop.core.errors import AppError, error_of, problem_of
from qwen_desktop.hub import failures, switch
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.client import client
from qwen_desktop.hub.download.hashing import Hasher
from qwen_desktop.hub.download.journal import SEGMENT, Journal, Ranges
from qwen_desktop.hub.download.part_file import Handle, PartFile, of_disk
from qwen_desktop.hub.download.scores import SourceScores, Standing
from qwen_desktop.hub.download.sources import Link, Source

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

STREAMS = 4
#: Bytes are written (and noted) when so many have come, or after so many seconds.
FLUSH_BYTES = 256 * 1024
FLUSH_S = 0.1
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

#: After a pause the speed limit lets never more than this many seconds' worth pass at once.
_BURST_S = 0.1

State = Literal["running", "checking", "waiting", "repairing"]
Tick = Callable[["FileDownload"], None]


class Limiter:
    """Lets bytes pass at no more than ``rate`` bytes a second; None is without a limit."""

    def __init__(self, rate: float | None = None) -> None:
        self.rate = rate
        self._due = 0.0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stopped = False

    def set(self, rate: float | None) -> None:
        """Another limit from now on, for those who wait too."""
        with self._lock:
            if rate != self.rate:
                self.rate = rate
                self._due = time.monotonic()
                self._changed.notify_all()

    def take(self, count: int) -> None:
        """Wait until ``count`` bytes may pass."""
        with self._lock:
            rate = self.rate
            if rate is None:
                return
            mine = self._due = max(self._due, time.monotonic() - _BURST_S) + count / rate
            while rate == self.rate and not self._stopped and (left := mine - time.monotonic()) > 0:
                self._changed.wait(left)

    def stop(self) -> None:
        """Let everybody pass: the download ends."""
        with self._lock:
            self._stopped = True
            self._changed.notify_all()


class Fetch:
    """A piece of the file to fetch from one source. ``end`` may be moved back while it runs."""

    def __init__(self, start: int, end: int, standing: Standing, *, measuring: bool = False) -> None:
        self.start = self.position = start
        self.end = end
        self.standing = standing
        self.measuring = measuring
        self.began = time.monotonic()
        self.first_byte = 0.0
        self.received = 0
        #: Since when the stream has waited for the network, 0 while it does something else.
        self.waits_since = 0.0
        self.given_up: AppError | None = None
        #: Given up only because another source is better: no failure.
        self.slow = False
        #: The source sends all of the file.
        self.whole = False
        #: Of the connection, while there is one.
        self.socket: Any = None

    @property
    def left(self) -> int:
        """Bytes still to come."""
        return max(0, self.end - self.position)

    def abort(self) -> None:
        """Wake the stream out of waiting for the network: its connection ends."""
        if (connection := self.socket) is not None:
            switch.end(connection)


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
        self._scores = SourceScores(time.monotonic)
        self._runs: list[Fetch] = []
        self._stopped = False
        self._broken: AppError | None = None
        self._stage: Literal["fill", "reread", "anew"] = "fill"
        #: Numbers of the sources that are still to be tried alone.
        self._untried: list[int] = []
        self._hasher = Hasher(part, journal)
        self._streams: list[threading.Thread] = []
        self._saved_at = time.monotonic()
        self._saved_done = -1
        for source in sources:
            self.add(source)

    # For the one who watches -------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What it is doing."""
        if self._stage == "anew":
            return "repairing"
        if self.journal.complete:
            return "checking"
        return "waiting" if self.waiting is not None else "running"

    @property
    def waiting(self) -> AppError | None:
        """Why nothing comes, when it does not."""
        return self._scores.waiting_for

    @property
    def source_names(self) -> list[str]:
        """The sources that streams use now, else the one used last."""
        with self._lock:
            names = list(dict.fromkeys(run.standing.name for run in self._runs))
            current = self._scores.current
            return names or ([current.name] if current is not None else [])

    def add(self, source: Source) -> None:
        """Another source, also while it runs; a stream soon tries it."""
        number = self.journal.source_number(source.name)
        with self._condition:
            self._scores.add(Link(source, self.journal.file.path), number)
            self._shorten()
            self._condition.notify_all()

    def run(self, tick: Tick) -> None:
        """Work until the file is there and right. ``tick`` is called every 0.1 s and may raise to stop it.

        Raises ``AppError``; what was fetched stays, with its journal.
        """
        missing = sum(end - start for start, end in self.journal.gaps())
        try:
            self._hasher.start()
            self._start_streams(max(1, min(STREAMS, -(-missing // (SEGMENT // 2)))))
            while not self._finished():
                self._hasher.ready.wait(0.1)
                self._hasher.ready.clear()
                self._watch()
                tick(self)
        except OSError as error:
            raise of_disk(error, self.part.path) from error
        finally:
            self._stop()

    def _start_streams(self, count: int) -> None:
        """Have ``count`` streams."""
        while len(self._streams) < count:
            name = f"download-{len(self._streams)}"
            self._streams.append(threading.Thread(target=self._stream, name=name, daemon=True))
            self._streams[-1].start()

    def _stop(self) -> None:
        with self._condition:
            self._stopped = True
            for run in self._runs:
                run.abort()
            self._condition.notify_all()
        self.limiter.stop()
        self._hasher.stop()
        deadline = time.monotonic() + 1.0  # one that resolves a name or connects cannot be woken: it ends by itself
        for thread in (*self._streams, self._hasher):
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
            hopeless = None if self.state == "checking" else self._scores.hopeless(self._patience_s)
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
                if self._scores.look_again():
                    self._shorten()

    def _watch_run(self, run: Fetch, now: float) -> None:
        if run.given_up is not None:
            return
        if run.waits_since:
            limit = _SILENCE_S if run.first_byte else _FIRST_BYTE_S
            limit = min(_LONGEST_SILENCE_S, limit * (1 + run.standing.failures))
            if now - run.waits_since > limit:
                run.given_up = failures.silent(run.standing.link.host)
                run.abort()
                return
        age = now - run.began
        if age > _COMPARE_S and self.limiter.rate is None and not run.whole:
            rate = run.received / age
            if run.measuring:
                self._scores.measured(run.standing, rate)
                run.measuring = False
                run.standing.measuring -= 1
            elif self._scores.slower(run.standing, rate):
                self._scores.measured(run.standing, rate)
                log.info("download.slow source=%s", run.standing.number)
                run.slow = True
                run.given_up = failures.silent(run.standing.link.host)
                run.abort()

    def _shorten(self) -> None:
        """Have a stream free soon, to try another source."""
        longest = max(self._runs, key=lambda run: run.left, default=None)
        if longest is not None and longest.left > 2 * MEASURE_BYTES and not longest.whole:
            longest.end = longest.position + MEASURE_BYTES

    def _finished(self) -> bool:
        """Whether the hash is right. When it is wrong, the next remedy begins; raises when there is none left."""
        if not self._hasher.digest or not self.journal.complete:
            return False
        if self.journal.file.sha256 in ("", self._hasher.digest):
            with closing(self.part.handle()) as handle:
                handle.flush()
            self.journal.digest = self._hasher.digest
            self.journal.head.verified = True
            return True
        if self._stage == "fill":
            log.warning("download.hash_wrong")
            self._stage = "reread"
            self._hasher.again()
        else:
            self._fetch_anew()
        return False

    def _fetch_anew(self) -> None:
        """Forget all that is there and have it from one source alone: first from the one that has sent the least."""
        with self._condition:
            if self._runs:  # one still writes; soon
                return
            left = [s.number for s in self._scores.left]
            if self._stage != "anew":
                self._stage = "anew"
                sent = dict.fromkeys(left, 0)
                for start, end, number in self.journal.pieces():
                    sent[number] = sent.get(number, 0) + end - start
                self._untried = sorted(left, key=lambda number: sent[number])
            self._untried = [number for number in self._untried if number in left]
            if not self._untried:
                self.journal.head.repaired = True
                names = ", ".join(dict.fromkeys(s.name for s in self._scores.standings))
                raise failures.damaged(self.journal.file.path, names)
            log.warning("download.anew sources=%d", len(self._untried))
            self._scores.alone = self._untried.pop(0)
            self._scores.progress_at = time.monotonic()
            self.journal.forget(0, self.part.size)
            self._hasher.again()
            self._condition.notify_all()
        self._start_streams(STREAMS)

    # What to fetch next (the caller holds the lock) --------------------------------------------------------------

    def _find_run(self) -> Fetch | None:
        free = Ranges((start, end, 0) for start, end in self.journal.gaps())
        for run in self._runs:
            free.remove(run.position, run.end)
        piece = next(iter(free), None)
        if piece is None:
            return self._steal()
        standing = self._scores.pick()
        return None if standing is None else self._make(piece[0], piece[1], standing)

    def _make(self, start: int, end: int, standing: Standing) -> Fetch:
        if standing.whole_only:
            return Fetch(0, self.part.size, standing)
        if self._scores.needs_measuring(standing):
            return Fetch(start, min(end, start + MEASURE_BYTES), standing, measuring=True)
        segments = max(1, min(_RUN_SEGMENTS, int((standing.rate or 0.0) * _RUN_S / SEGMENT)))
        if end - start < 2 * STREAMS * SEGMENT:  # towards the end: even pieces, so that all streams end together
            segments = 1
        return Fetch(start, min(end, (start // SEGMENT + segments) * SEGMENT), standing)

    def _steal(self) -> Fetch | None:
        """Half of what the slowest stream has left, when it will take long."""
        now = time.monotonic()

        def seconds(run: Fetch) -> float:
            return run.left * (now - run.began) / max(1, run.received)

        able = [r for r in self._runs if r.left > _STEAL_BYTES and not (r.whole or r.measuring or r.given_up)]
        slowest = max(able, key=seconds, default=None)
        if slowest is None or now - slowest.began < 1.0 or seconds(slowest) < _STEAL_S:
            return None
        standing = self._scores.pick()
        if standing is None or standing.whole_only:
            return None
        middle = slowest.position + slowest.left // 2
        run = Fetch(middle, slowest.end, standing)
        slowest.end = middle
        return run

    # The streams, each in a thread of its own --------------------------------------------------------------------

    def _stream(self) -> None:
        """Fetch runs until there are none."""
        try:
            with client(self._access, follow=False) as http, closing(self.part.handle()) as handle:
                while (run := self._next_run()) is not None:
                    self._ended(run, self._fetch(http, handle, run))
        except Exception as error:  # the disk, or a mistake of ours: the download ends with it
            if isinstance(error, OSError):
                self._broken = of_disk(error, self.part.path)
            elif isinstance(error, AppError):
                self._broken = error
            else:
                log.error("download.broken %s", type(error).__name__, exc_info=error)
                self._broken = error_of(problem_of(error))
            self._hasher.ready.set()

    def _next_run(self) -> Fetch | None:
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

    def _fetch(self, http: httpx2.Client, handle: Handle, run: Fetch) -> AppError | None:
        """Fetch one run; a failure of the source is returned, one of the disk raised."""
        import httpx2  # noqa: PLC0415

        def trace(event: str, info: dict[str, Any]) -> None:
            if event.endswith("connect_tcp.complete"):  # also of a proxy
                run.socket = info["return_value"].get_extra_info("socket")

        host = run.standing.link.host
        run.waits_since = run.began = time.monotonic()
        try:
            answer = run.standing.link.open(http, run.position, run.end, {"trace": trace})
        except AppError as error:
            return run.given_up or error
        try:
            network = answer.extensions.get("network_stream")
            run.socket = network.get_extra_info("socket") if network is not None else None
            ranged = answer.status_code == 206 or (run.position == 0 and run.end == self.part.size)
            if not ranged and not self._take_whole(run):
                return None
            self._read(answer, handle, run)
        except httpx2.HTTPError as error:
            if run.left and not self._stopped:
                return run.given_up or failures.broke_off(host, details=type(error).__name__)
        finally:
            run.socket = None
            run.waits_since = 0.0
            answer.close()
        if run.left and run.given_up is None and not self._stopped:
            return failures.broke_off(host, details="short")
        return run.given_up

    def _take_whole(self, run: Fetch) -> bool:
        """The source sends the whole file whatever is asked for: one stream may read it from the first byte."""
        with self._condition:
            standing = run.standing
            standing.whole_only = True
            if any(s for s in self._scores.left if not s.whole_only) or any(r.whole for r in self._runs):
                run.slow = True
                return False
            run.start = run.position = 0
            run.end = self.part.size
            run.whole = True
            return True

    def _read(self, answer: httpx2.Response, handle: Handle, run: Fetch) -> None:
        buffers: list[bytes] = []
        held = 0
        flushed = time.monotonic()
        stream = answer.iter_raw()
        try:
            while True:
                run.waits_since = time.monotonic()
                chunk = next(stream, b"")
                now = time.monotonic()
                run.waits_since = 0.0
                if not chunk or self._stopped or run.given_up is not None:
                    return
                run.first_byte = run.first_byte or now
                self.limiter.take(len(chunk))
                room = max(0, run.end - run.position - held)
                buffers.append(chunk if len(chunk) <= room else chunk[:room])
                held += min(len(chunk), room)
                if held >= FLUSH_BYTES or now - flushed >= FLUSH_S or len(chunk) >= room:
                    self._flush(handle, run, buffers, held)
                    buffers, held, flushed = [], 0, now
                    if run.left == 0:
                        return
        finally:
            if held:
                self._flush(handle, run, buffers, held)

    def _flush(self, handle: Handle, run: Fetch, buffers: list[bytes], count: int) -> None:
        start, end = run.position, run.position + count
        missing = self.journal.gaps(start, end)
        if missing == [(start, end)]:
            handle.write(start, buffers)
        else:  # what is there may be hashed already, so it stays as it is
            data = b"".join(buffers)
            for first, last in missing:
                handle.write(first, [data[first - start : last - start]])
        run.position = end
        run.received += count
        with self._lock:
            self.received += count
            self._scores.got(run.standing)
        for first, last in missing:
            self.journal.wrote(first, last, run.standing.number)
            count -= last - first
        self.journal.wasted(count)

    def _ended(self, run: Fetch, error: AppError | None) -> None:
        """A stream has finished its run, or failed with ``error``."""
        with self._condition:
            self._runs.remove(run)
            run.standing.streams -= 1
            if run.measuring:
                run.standing.measuring -= 1
            seconds = time.monotonic() - run.began
            if run.received >= MEASURE_BYTES // 4 and seconds > 0 and not run.slow:
                self._scores.measured(run.standing, run.received / seconds)
            if error is not None and not run.slow and not self._stopped:
                log.info("download.failed code=%s source=%d", error.problem.what.code, run.standing.number)
                moved = run.received >= MEASURE_BYTES // 4
                self._scores.failed(run.standing, error, began=run.began, moved=moved)
            self._condition.notify_all()
