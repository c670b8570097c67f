"""The thread that writes what conversations have evaluated, and the one that reads it back. Worker side.

Hashing and writing let other threads run, and what is done between is small: whoever computes is not held up. Reading
goes first, since somebody waits for it: the writer pauses meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.engine.prompt_cache import states
from qwen_desktop.engine.prompt_cache.door import Buffer
from qwen_desktop.engine.prompt_cache.files import Content, Folder, Found, NotKept, Place
from qwen_desktop.engine.prompt_cache.index import Index, Mark, Segment
from qwen_desktop.engine.prompt_cache.index import trimmed as first_of

log = logging.getLogger(__name__)


class Files:
    """The files that hold a sequence's first rows, at ``place``; none while they are not written."""

    def __init__(self, place: Place, segments: tuple[Segment, ...] = ()) -> None:
        self.place = place
        self.segments = segments


class Job:
    """A taken state on its way to the disk, as ``files``. ``state`` is as ``kv_state.take`` gave it, ``index`` without
    what only the writer knows. Its first ``rows`` tokens are those of ``before``."""

    def __init__(
        self,
        cache_key: str,
        *,
        files: Files,
        index: Index,
        state: Buffer,
        marks: tuple[tuple[int, bytes], ...],
        before: Files | None,
        rows: int,
    ) -> None:
        self.cache_key = cache_key
        self.files = files
        self.index = index
        self.state = state
        self.marks = marks
        self.before = before
        self.rows = rows

    @property
    def size(self) -> int:
        """Bytes of memory that it holds."""
        return len(self.state)


class Loaded(Struct, frozen=True):
    """What was read back: a state of ``rows`` tokens as ``kv_state.give`` takes it, and checkpoints."""

    index: Index
    files: Files
    rows: int
    state: Buffer
    marks: tuple[tuple[int, bytes], ...]


class _Ended(Exception):  # noqa: N818 - nothing is wrong
    """It is not wanted any more."""


class Writer:
    """Writes one job at a time. Of each conversation one waits, the newest."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, Job] = {}
        self._errands: deque[Callable[[], None]] = deque()
        self._budget = 0
        self._now: Job | None = None
        self._ended: set[str] | None = set()  # conversations whose job that runs is not wanted; None: it never is
        self._reading = 0
        self._thread: threading.Thread | None = None
        self._reader = ThreadPoolExecutor(1, "kept-read")

    @property
    def held(self) -> int:
        """Bytes of memory that wait to be written."""
        with self._changed:
            jobs = [*self._waiting.values(), *([self._now] if self._now is not None else [])]
            return sum(job.size for job in jobs)

    def job(self, cache_key: str, key: str) -> Job | None:
        """What waits to be written of a conversation, or is being written: it can be had sooner than from the disk."""
        with self._changed:
            for job in (self._waiting.get(cache_key), self._now):
                if job is not None and job.cache_key == cache_key and job.files.place.key == key:
                    return job
        return None

    def put(self, job: Job, budget: int) -> None:
        """Have a job written, within ``budget`` bytes on the disk."""
        with self._changed:
            older = self._waiting.pop(job.cache_key, None)
            if older is not None and older.files is job.before:  # it is never written: what it would have added to
                job.before, job.rows = older.before, min(older.rows, job.rows)
            self._waiting[job.cache_key] = job
            self._budget = budget
            self._begin()

    def errand(self, work: Callable[[], None]) -> None:
        """Have something short done before what waits."""
        with self._changed:
            self._errands.append(work)
            self._begin()

    def forget(self, cache_keys: tuple[str, ...], folder: Folder | None, done: Callable[[], None]) -> None:
        """Forget what waits, what is being written and what is in ``folder``, then call ``done``, on the thread that
        writes. ``("*",)`` are all conversations."""
        every = "*" in cache_keys
        with self._changed:
            for key in [key for key in self._waiting if every or key in cache_keys]:
                del self._waiting[key]
            if self._now is not None and (every or self._now.cache_key in cache_keys) and self._ended is not None:
                self._ended.add(self._now.cache_key)

        def work() -> None:
            try:
                if folder is not None:
                    folder.clear() if every else folder.forget(cache_keys)
            finally:
                done()

        self.errand(work)

    def wait(self, seconds: float) -> bool:
        """Whether all is written within so many seconds; what is not then never is."""
        end = time.monotonic() + seconds
        with self._changed:
            while self._waiting or self._errands or self._now is not None:
                if not self._changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                    self._ended = None
                    return False
        return True

    def read(self, place: Place, found: Found, rows: int, wanted: Callable[[], bool]) -> Future[Loaded | None]:
        """Read the first ``rows`` tokens of an index back; None when anything about it does not hold, and then it is
        removed. ``wanted`` says whether somebody still waits."""
        with self._changed:
            self._reading += 1
        return self._reader.submit(self._read, place, found, rows, wanted)

    # its threads -----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="kept-write", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._errands and not self._waiting:
                    self._changed.notify_all()
                    self._changed.wait()
                errand = self._errands.popleft() if self._errands else None
                if errand is None:
                    self._now = self._waiting.pop(next(iter(self._waiting)))
                    self._ended = set() if self._ended is not None else None
            try:
                if errand is not None:
                    errand()
                elif self._now is not None:
                    self._write(self._now)
            except (NotKept, _Ended):
                log.info("kept.not")
            except (OSError, ValueError, MemoryError) as error:  # a full disk, say: it is read again then
                log.info("kept.failed %s", type(error).__name__)
            except Exception:
                log.exception("kept.failed")
            with self._changed:
                self._now = None
                self._changed.notify_all()

    def _write(self, job: Job) -> None:
        state = states.State(job.state, job.index.count)
        known: tuple[Segment, ...] = ()
        if job.before is not None and job.before.place.folder == job.files.place.folder:
            known = first_of(job.before.segments, job.rows)
        content = Content(
            replace(job.index, layout=state.layout.pack()),
            state.rows,
            state.layout.row_bytes,
            known,
            job.marks,
        )
        job.files.segments = job.files.place.write(content, self._budget, lambda: self._check(job))

    def _check(self, job: Job) -> None:
        """Between two pieces: let who reads go first, and end when it is not wanted any more."""
        with self._changed:
            while self._reading and not self._is_over(job):
                self._changed.wait(0.1)
            if self._is_over(job):
                raise _Ended

    def _is_over(self, job: Job) -> bool:
        return self._ended is None or job.cache_key in self._ended

    def _read(self, place: Place, found: Found, rows: int, wanted: Callable[[], bool]) -> Loaded | None:
        try:
            index = found.index
            layout = states.unpack_layout(index.layout)
            for segment in index.segments:  # no more is read than rows take
                if segment.size > segment.rows * layout.row_bytes + 64 * len(layout.blocks()) + 4096:
                    raise ValueError("a segment is too large")
            assembly = states.Assembly(layout, rows)
            put = 0

            def use(segment: Segment, first: int, number: int, block: Buffer) -> None:
                nonlocal put
                put += 1
                assembly.put(segment, first, number, block)

            def check() -> None:
                if not wanted():
                    raise _Ended

            place.read(found, rows, use, check)
            segments = first_of(index.segments, rows)
            if put != assembly.blocks * len(segments):
                raise ValueError("a block is missing")
            marks = tuple((mark.position, place.read_mark(mark)) for mark in _of(index.marks, rows))
            place.used(found)
            return Loaded(index, Files(place, index.segments), rows, assembly.state, marks)
        except _Ended:
            return None
        except MemoryError:
            log.info("kept.memory")
            return None
        except (OSError, ValueError) as error:
            log.info("kept.removed %s", type(error).__name__)
            place.drop(found)
            return None
        finally:
            with self._changed:
                self._reading -= 1
                self._changed.notify_all()


def _of(marks: tuple[Mark, ...], rows: int) -> tuple[Mark, ...]:
    return tuple(mark for mark in marks if mark.position <= rows)
