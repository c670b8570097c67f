"""What is kept of conversations on the disk, and when. Worker side; on the thread that computes.

A conversation is taken (one copy by llama.cpp: some 50 ms for 4,000 tokens of a 0.6B) when nothing else is to do, after
it was evaluated as its next prompt will begin, and where its sequence is given to another one before that. It is never
taken where that would hold up others for longer than ``_MOST_S`` or where the copy would take memory that others need.
It is read back where the disk has clearly more of a prompt than the memory.
"""

from __future__ import annotations

import hashlib
import logging
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from itertools import product
from pathlib import Path

from msgspec import Struct

from qwen_desktop.core import memory
from qwen_desktop.core.engine import LoadRequest, ModelInfo
from qwen_desktop.core.fit import reserve
from qwen_desktop.core.packed import pack
from qwen_desktop.core.shape import shape_of
from qwen_desktop.engine import adapters, kv_state, llama_context
from qwen_desktop.engine.adapters import Key
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama_context import Checkpoint, Context
from qwen_desktop.engine.prompt_cache.files import Folder, Found
from qwen_desktop.engine.prompt_cache.index import FORM, Index
from qwen_desktop.engine.prompt_cache.writer import Files, Job, Loaded, Writer
from qwen_desktop.hardware import memory as main_memory

log = logging.getLogger(__name__)

#: Fewer tokens are sooner read than kept; and so many more must be on the disk than in memory.
WORTH = 64
#: Taking a state may hold up others for so long, in seconds: when nothing is to do, and when somebody waits.
_MOST_S, _MOST_URGENT_S = 0.5, 0.15
#: So many bytes wait to be written at most, unless it is one state alone.
_MOST_HELD = 1 << 30
#: What is copied and read in a second, in bytes, until it was measured, and what is copied at least: a moment in which
#: others used the computer says nothing of the next.
_COPIED, _READ, _SLOWEST = 1.5e9, 3e8, 1e9
#: More tokens than any conversation has.
_ALL = 1 << 62
#: Of a model's file so many pieces of so many bytes tell it from others with the same header.
_PIECES, _PIECE = 64, 4096


class Candidate(Struct, frozen=True):
    """What could be had: ``rows`` tokens of what ``found`` names, or of what waits to be written (``job``)."""

    rows: int
    files: Files
    found: Found | None = None
    job: Job | None = None


class PromptCache:
    """What is kept of the conversations of one loaded model, in ``folder``, in ``budget`` bytes at most. ``identity``
    is all that its rows depend on, but for what each context and conversation has."""

    def __init__(self, folder: Path, budget: int, identity: bytes, writer: Writer | None = None) -> None:
        self.folder = Folder(folder)
        self.writer = writer or Writer()
        self._budget = budget
        self._identity = identity
        self._copied, self._read_back = _COPIED, _READ
        #: tokens that are read in a second, 0.0 while that is not known
        self.speed = 0.0
        self.writer.errand(lambda: self.folder.sweep(budget, tidy=True))

    def key(self, context: Context, with_adapters: Key, *, flash: bool | None = None) -> str:
        """What rows of ``context`` depend on, read with adapters; or of one like it that computes with ``flash``
        attention or without."""
        shape, flash = context.shape, context.flash if flash is None else flash
        yarn = (shape.yarn.factor, shape.yarn.original) if shape.yarn is not None else ()
        how = pack((FORM, self._identity, flash, shape.kv_type, yarn, repr(with_adapters)))
        return hashlib.sha256(how).hexdigest()[:32]

    def limit(self, budget: int) -> None:
        """Keep so many bytes at most from now on."""
        self._budget = budget
        self.writer.errand(lambda: self.folder.sweep(budget))

    # Keeping ---------------------------------------------------------------------------------------------------------

    def unsaved(self, sequence: llama_context.Sequence) -> int:
        """How many tokens of a sequence are not on the disk, nor on their way."""
        if not (sequence.keep and sequence.key and len(sequence.tokens) >= WORTH):
            return 0
        return len(sequence.tokens) - sequence.on_disk

    def save(self, sequence: llama_context.Sequence, *, urgent: bool = False) -> bool:
        """Have a sequence written; False when that must wait until others are. ``urgent``: somebody waits."""
        count, context = len(sequence.tokens), sequence.context
        size = int(count * memory.kv_bytes_per_token(shape_of(context.model.header), context.shape.kv_type))
        if size / self._copied > (_MOST_URGENT_S if urgent else _MOST_S) or size > self._budget:
            if not urgent:
                sequence.on_disk = count  # until there is more of it: it is not looked at again
            return True
        held = self.writer.held
        if (held and held + size > _MOST_HELD) or not _has_memory(2 * size):
            return held == 0
        began = time.monotonic()
        context.checkpoint(sequence)  # of models with a recurrent state only what has one comes back
        state = kv_state.take(sequence)
        seconds = time.monotonic() - began
        if size > 1 << 24:
            self._copied = max(size / max(seconds, 1e-3), 0.8 * self._copied, _SLOWEST)
        before, rows = sequence.files, sequence.on_disk
        sequence.on_disk = count
        if not state:
            sequence.files = None
            return True
        place = self.folder.place(sequence.key, self.key(context, adapters.first(sequence.adapters, count)))
        files = Files(place)
        index = Index(
            place.key,
            array("i", sequence.tokens).tobytes(),
            sequence.all_steps(),
            sequence.alone,
            tuple(sorted(sequence.threads)),
            sequence.flash,
            sequence.born,
            b"",
            cost_s=count / self.speed if self.speed else 0.0,
        )
        marks = tuple((each.position, each.state) for each in sequence.checkpoints)
        known = before if isinstance(before, Files) else None
        sequence.files = files
        job = Job(
            sequence.key,
            files=files,
            index=index,
            state=state,
            marks=marks,
            before=known,
            rows=rows if known is not None else 0,
        )
        self.writer.put(job, self._budget)
        return True

    def forget(self, cache_keys: tuple[str, ...], done: Callable[[], None]) -> None:
        """Forget conversations (``("*",)`` for all) on the disk and on their way there, then call ``done``, on another
        thread."""
        self.writer.forget(cache_keys, self.folder, done)

    # Reading back ----------------------------------------------------------------------------------------------------

    def find(
        self,
        cache_key: str,
        context: Context,
        ways: Iterable[bool],
        *,
        with_adapters: Key,
        tokens: Sequence[int],
        have: int,
    ) -> Candidate | None:
        """What there is of a prompt, where it is clearly more than the ``have`` tokens that are in memory: as
        ``context`` holds it, with flash attention or without, in either of these ``ways``; what comes before adapters
        count also as it was read without them."""
        best: Candidate | None = None
        wanted = array("i", tokens)
        for flash, (read_with, most) in product(ways, _keys(with_adapters).items()):
            place = self.folder.place(cache_key, self.key(context, read_with, flash=flash))
            files = Files(place)
            job = self.writer.job(cache_key, place.key)
            found: list[tuple[Index, Found | None]] = [(job.index, None)] if job is not None else []
            found += [(each.index, each) for each in place.indices()]
            for index, kept in found:
                if job is not None and kept is None:
                    at = [position for position, _ in job.marks]
                else:
                    at = [mark.position for mark in index.marks]
                rows = min(index.common(wanted), len(tokens) - 1, context.size - 1, most)
                if context.model.recurrent:
                    rows = max((position for position in at if position <= rows), default=0)
                if rows >= have + WORTH and (best is None or rows > best.rows):
                    best = Candidate(rows, files, kept, job if kept is None else None)
        return best if best is not None and self._worth(best, context, have) else None

    def _worth(self, candidate: Candidate, context: Context, have: int) -> bool:
        """Whether reading it back is faster than reading the prompt again, and there is memory for that."""
        size = int(candidate.rows * memory.kv_bytes_per_token(shape_of(context.model.header), context.shape.kv_type))
        faster = not self.speed or size / self._read_back < (candidate.rows - have) / self.speed
        return faster and _has_memory(3 * size)

    def read(self, candidate: Candidate, wanted: Callable[[], bool]) -> Future[Loaded | None]:
        """Read a candidate on another thread."""
        job = candidate.job
        if job is not None:
            done: Future[Loaded | None] = Future()
            done.set_result(Loaded(job.index, job.files, candidate.rows, job.state, job.marks))
            return done
        if candidate.found is None:
            raise ValueError("there is nothing to read")
        began, deadline = time.monotonic(), time.monotonic() + 60.0
        if self.speed:
            deadline = began + 1.0 + candidate.rows / self.speed
        future = self.writer.read(
            candidate.files.place, candidate.found, candidate.rows, lambda: wanted() and time.monotonic() < deadline
        )
        future.add_done_callback(lambda done: self._was_read(done, time.monotonic() - began))
        return future

    def _was_read(self, done: Future[Loaded | None], seconds: float) -> None:
        loaded = done.result() if done.exception() is None else None
        if loaded is not None and len(loaded.state) > 1 << 24:
            self._read_back = max(len(loaded.state) / max(seconds, 1e-3), 0.5 * self._read_back)

    def lies_as_in(self, context: Context, loaded: Loaded, with_adapters: Key) -> bool:
        """Whether what was read back was computed with flash attention where ``context`` does, and else without."""
        return loaded.files.place.key in {self.key(context, each) for each in _keys(with_adapters)}

    def give(self, loaded: Loaded, sequence: llama_context.Sequence, with_adapters: Key) -> bool:
        """Have ``sequence``, which is empty, hold what was read back; False where llama.cpp does not take it."""
        index, rows = loaded.index, loaded.rows
        checkpoints = [Checkpoint(*mark) for mark in loaded.marks if mark[0] <= rows]
        context = sequence.context
        last = checkpoints[-1] if checkpoints and checkpoints[-1].position == rows else None
        if context.model.recurrent and last is None:
            return False
        if not kv_state.give(sequence, loaded.state, last):
            return False
        if not self.speed and index.cost_s:
            self.speed = index.count / index.cost_s
        tokens = array("i")
        tokens.frombytes(index.tokens)
        sequence.tokens = tokens.tolist()
        sequence.steps = [list(step) for step in index.steps]
        sequence.alone, sequence.threads, sequence.flash = index.alone, set(index.threads), index.flash
        sequence.adapters = with_adapters  # as they were when it was found
        sequence.checkpoints = checkpoints
        sequence.born, sequence.files, sequence.on_disk = index.born, loaded.files, index.count
        if context.model.recurrent:
            sequence.dropped(rows)  # llama.cpp has no more of it
        elif not _cut(sequence, rows):
            sequence.forget()
            return False
        held = int(api.llama_memory_seq_pos_max(api.llama_get_memory(context.pointer), sequence.number)) + 1
        if held != rows:
            sequence.forget()
            return False
        return True


def _cut(sequence: llama_context.Sequence, rows: int) -> bool:
    """Have a sequence hold ``rows`` tokens, of which llama.cpp may hold more."""
    held = api.llama_get_memory(sequence.context.pointer)
    if not api.llama_memory_seq_rm(held, sequence.number, rows, -1):
        return False
    if rows < len(sequence.tokens):
        sequence.dropped(rows)
    return True


def _keys(with_adapters: Key) -> dict[Key, int]:
    """Under which keys there may be rows of use, and how many at most."""
    start = adapters.begins(with_adapters)
    return {with_adapters: _ALL} | ({(): start} if start else {})


def _has_memory(size: int) -> bool:
    """Whether so many bytes can be taken for a moment, without what other programs need."""
    free = main_memory.read()
    return free.free_bytes is None or size <= free.free_bytes - reserve(free) - memory.MARGIN


def make(request: LoadRequest, info: ModelInfo, files: Sequence[str], writer: Writer | None) -> PromptCache | None:
    """The cache of a model that was loaded, None where nothing is to be kept. ``files`` are those of its weights."""
    local = info.local
    if not request.cache_folder or request.cache_bytes <= 0 or local is None:
        return None
    try:
        weights = _sample(files)
    except OSError:
        return None
    identity = pack((
        local.sha256, weights, local.template_sha256, info.engine, local.cpu, local.gpu_layers, local.experts_on_cpu,
    ))  # fmt: skip
    return PromptCache(Path(request.cache_folder), request.cache_bytes, identity, writer)


def _sample(paths: Sequence[str]) -> bytes:
    """A hash of pieces all over files: two trainings of a model may have the same header. Takes some milliseconds.
    Raises ``OSError``."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of a model that is loaded
            size = file.seek(0, 2)
            digest.update(size.to_bytes(8, "little"))
            for piece in range(_PIECES):
                file.seek(size * piece // _PIECES)
                digest.update(file.read(_PIECE) or b"")
    return digest.digest()
