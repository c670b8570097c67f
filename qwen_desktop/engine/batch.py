"""Many requests that belong together, answered together: one context for all, whose cells they share. Worker side.

What their prompts begin with is evaluated once. Their answers are written in one step a token, sixteen at a time at
most: the processor's kernels for K-quants work in tiles of four and sixteen rows (measured with a 0.6B in Q4_K_M on
two cores: 4 rows 1.4 to 1.7 times one, 8 rows 1.4, 16 rows up to 2.1). Prompts are packed into full chunks.

An answer may become longer than anybody knows, so cells are not set aside for its whole length: when they run out,
the youngest answer gives its own back and reads what it has later. Where there is no memory for a context of its own,
a batch is answered one by one in the conversations' context, and leaves its sequence to them when they want it.

A large context takes seconds to make, since llama.cpp clears it, and that cannot be ended for a conversation that
comes: it is made on a thread of its own.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from qwen_desktop.engine import adapters
from qwen_desktop.engine.adapters import Key
from qwen_desktop.engine.job import Job
from qwen_desktop.engine.llama_context import Context, ContextError, Piece, Sequence

if TYPE_CHECKING:
    from qwen_desktop.engine.generation import Generation
    from qwen_desktop.engine.session import Session

log = logging.getLogger(__name__)

#: The first request waits so long for those that come with it, in seconds.
_GATHER_S = 0.05
#: Between two looks at what is waited for, in seconds.
_LOOK_S = 0.002
#: An answer begins when there are cells for its prompt and so many tokens.
_AHEAD = 256
#: A shorter common beginning is not worth a sequence of its own.
_SHARED = 16


#: What is evaluated of whom in a step; what all begin with is nobody's.
Step: TypeAlias = tuple[Job | None, Piece]


class Batch:
    """The requests of one batch. ``jobs`` are those that are being answered, ``waiting`` the others."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._began = time.monotonic()
        self._own: Context | None = None
        self._making: Future[Context] | None = None
        self._made = False
        self._lone = False  # there was one request only
        self._shared: tuple[int, ...] = ()  # what all prompts begin with: in the last sequence
        self._shared_with: Key = ()
        self._turn = 0
        self._sharing: set[Sequence] = set()
        self.waiting: deque[Job] = deque()
        self.jobs: list[Job] = []

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.waiting or self.jobs)

    @property
    def context(self) -> Context:
        """Where it is computed next."""
        if self._own is None and self.jobs and self.jobs[0].made.sequence is not None:
            return self.jobs[0].made.sequence.context
        return self._own or self._session.context

    def close(self) -> None:
        """Free its memory; nothing may be running."""
        with contextlib.suppress(Exception):  # it could not be made, and nobody needs it
            self._take_made(wait=True)
        if self._own is not None:
            self._own.close()
            self._session.beside -= 1
        self._own, self._made = None, False
        self._sharing.clear()

    def fill(self) -> None:
        """Begin what can begin now."""
        width = self._session.batch_width
        if not self._made and len(self.waiting) < width and time.monotonic() < self._began + _GATHER_S:
            time.sleep(_LOOK_S)
            return
        if not self._take_made():
            time.sleep(_LOOK_S)
            return
        self._build(width)
        if self._own is not None:
            self._let_go(self._own)
            if self.waiting and self.waiting[0].made.needs > self._own.size:
                if self.jobs:
                    return
                self.close()  # it is larger than any that was known: a larger context
        if not self._made or (self._lone and not self.jobs and len(self.waiting) > 1):
            self._make(width)
        if self._making is not None:
            return
        if self._own is None:
            self._fill_one()
            return
        while self.waiting and len(self.jobs) < width and self._begin(self._own, self.waiting[0]):
            self.jobs.append(self.waiting.popleft())

    def next(self) -> list[Step]:
        """The next step: the common beginning, then full chunks of prompts, then a token of each answer; of those with
        the same adapters at a time."""
        context = self._own
        if context is None:
            return [(job, job.made.next_piece()) for job in self.jobs]
        base = context.sequences[-1]
        if self.jobs and len(base.tokens) < len(self._shared):
            base.adapters = self._shared_with
            begins = self._shared[len(base.tokens) :][: context.shape.chunk]
            return [(None, Piece(base, begins, False))]
        for job in self.jobs:
            self._share(context, job)
        while self._free(context) < len(self.jobs) and len(self.jobs) > 1:
            self._send_back(context, self.jobs[-1])
        if self._free(context) < 1 and not self._sharing:  # the last one began differently
            base.forget()
            self._shared = ()
        room = min(context.shape.chunk, self._free(context))
        steps: list[Step] = []
        key: Key = ()
        for job in self.jobs:
            sequence, missing = job.made.sequence, job.made.missing
            alike = not steps or job.made.with_adapters == key
            if job.made.reading and sequence is not None and room > 0 and alike:
                part, key = job.made.next_tokens(room), job.made.with_adapters
                steps.append((job, Piece(sequence, part, len(part) == missing)))
                room -= len(part)
        if steps:
            return steps
        groups: dict[Key, list[Job]] = {}
        for job in self.jobs:
            groups.setdefault(job.made.with_adapters, []).append(job)
        self._turn += 1
        chosen = list(groups.values())[self._turn % len(groups)] if groups else []
        return [(job, job.made.next_piece()) for job in chosen]

    # Beginning -------------------------------------------------------------------------------------------------------

    def _build(self, width: int) -> None:
        """Render the prompts of those that come next."""
        for job in list(self.waiting)[: 2 * width]:
            if job.generation is None:
                try:
                    job.generation = self._session.generation(job.request, job.call.emit, job.arrived)
                except Exception as error:  # of this request alone
                    self.waiting.remove(job)
                    job.fail(error)

    def _make(self, width: int) -> None:
        """Make its context, as large as all need and memory has."""
        made = [job.made for job in self.waiting if job.generation is not None]
        if not made:
            return
        self._made, self._lone = True, len(made) < 2
        self._shared, self._shared_with = _beginning(made)
        own = sorted((each.needs - len(self._shared) for each in made), reverse=True)
        least = len(self._shared) + sum(own[:2])
        size = min(len(self._shared) + sum(own[:width]), self._session.batch_cells(width + 1))
        if len(own) < 2 or size < least:
            return  # one by one
        session = self._session
        shape = replace(session.context.shape, size=size, streams=width + 1, unified=True)
        session.beside += 1
        session.sequences.making += 1
        maker = ThreadPoolExecutor(1, "context")
        self._making = maker.submit(Context, session.model, shape, session.context.flag)
        maker.shutdown(wait=False)

    def _take_made(self, *, wait: bool = False) -> bool:
        """Have the context that is being made; False while it is not ready."""
        making, session = self._making, self._session
        if making is None:
            return True
        if not (wait or making.done()):
            return False
        self._making = None
        session.sequences.making -= 1
        try:
            self._own = making.result()
            self._own.set_threads(read=session.context.read_threads)
        except ContextError:
            log.info("batch.memory")
        finally:
            session.beside -= self._own is None
        return True

    def _begin(self, context: Context, job: Job) -> bool:
        """Give a request a sequence, if there are cells for it."""
        generation = job.made
        ahead = min(generation.needs - len(generation.prompt.tokens), _AHEAD)
        base = len(self._shared) - len(context.sequences[-1].tokens)
        promised = base + sum(self._wants(other.made) for other in self.jobs)
        if self.jobs and self._free(context) < promised + self._wants(generation) + ahead:
            return False
        taken = {other.made.sequence for other in self.jobs}
        generation.start(next(each for each in context.sequences[:-1] if each not in taken))
        return True

    def _wants(self, generation: Generation) -> int:
        """How many cells its tokens still take."""
        held = len(generation.sequence.tokens) if generation.sequence is not None else 0
        return len(generation.tokens) - (held or (len(self._shared) if self._shares(generation) else 0))

    def _shares(self, generation: Generation) -> bool:
        """Whether it begins with what all begin with."""
        length = len(self._shared)
        alike = adapters.shared(self._shared_with, generation.adapters) >= length
        return alike and tuple(generation.tokens[:length]) == self._shared

    def _share(self, context: Context, job: Job) -> None:
        """Give a request that has not begun to read what all begin with."""
        generation, length = job.made, len(self._shared)
        sequence = generation.sequence
        if not length or sequence is None or sequence.tokens:
            return
        if self._shares(generation):
            context.share(context.sequences[-1], (sequence,))
            self._sharing.add(sequence)
            generation.start(sequence)

    def _fill_one(self) -> None:
        """Have one request at a time in the conversations' context."""
        if not self.jobs and self.waiting:
            self.jobs.append(self.waiting.popleft())
        for job in self.jobs:
            if job.made.sequence is None:
                self._session.place(job.made, ())
            self._session.move(job.made, ())

    # Cells -----------------------------------------------------------------------------------------------------------

    def _free(self, context: Context) -> int:
        """How many more tokens can be evaluated."""
        shared = len(context.sequences[-1].tokens)
        used = sum(len(sequence.tokens) for sequence in context.sequences) - shared * len(self._sharing)
        return context.size - used

    def _let_go(self, context: Context) -> None:
        """Free the cells of those whose answers have ended."""
        held = {job.made.sequence for job in self.jobs}
        for sequence in context.sequences[:-1]:
            if sequence not in held:
                sequence.forget()
                self._sharing.discard(sequence)

    def _send_back(self, context: Context, job: Job) -> None:
        """Take a request's cells away; what it has said stays, and is read again later."""
        self.jobs.remove(job)
        job.made.sequence = None
        self._let_go(context)
        self.waiting.appendleft(job)


def _beginning(made: list[Generation]) -> tuple[tuple[int, ...], Key]:
    """What all prompts begin with, where that is worth a sequence of its own, and with which adapters it is read."""
    if len(made) < 2:
        return (), ()
    prompts = [generation.tokens for generation in made]
    first, last = min(prompts), max(prompts)
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    key = made[0].adapters
    alike = min(adapters.shared(key, generation.adapters) for generation in made)
    if adapters.begins(key):
        alike, key = min(alike, adapters.begins(key)), ()
    common = min(common, alike, *(len(prompt) - 1 for prompt in prompts))
    return (tuple(first[:common]), key) if common >= _SHARED else ((), ())
