"""Where a conversation's tokens lie: which sequence of which context an answer gets. Worker side.

Conversations have the streams of one context. On processors flash attention writes the first few hundred tokens of a
conversation faster and all later ones slower (measured with a 0.6B: 27 against 21 ms a token after 30, 54 against 101
after 4,096), and a context computes in one way only. So where a measured run has found such a ``border``, conversations
begin in a small context of their own with flash attention, and go over into the large one when they have come there.

What was evaluated is also ``kept`` on the disk: read back where that has clearly more of a prompt than the memory, into
the sequence that the conversation gets in any case, and written before a sequence is given to another one. One that
began in the small context is kept as it lies there, and comes back there, so that it goes on as it would have.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from collections.abc import Sequence as Items
from concurrent import futures

from msgspec.structs import replace

from qwen_desktop.engine import kv_state, pages
from qwen_desktop.engine.adapters import Key
from qwen_desktop.engine.generation import Generation
from qwen_desktop.engine.llama_context import Context, ContextError, Sequence
from qwen_desktop.engine.prompt_cache.cache import WORTH, PromptCache
from qwen_desktop.engine.prompt_cache.writer import Loaded

log = logging.getLogger(__name__)

#: A common beginning of fewer tokens is sooner read than copied from another conversation.
_WORTH_COPYING = 64
#: While nothing else is to do what is read back is waited for so long at once, in seconds.
_LOOK_S = 0.02
#: A conversation whose prompt leaves fewer tokens before the border does not begin in the small context.
_WORTH_BEGINNING = 32


class Sequences:
    """The sequences of a model's conversations. ``streams`` says how many the memory that is free now has room for,
    ``cells`` for how many tokens it has room in one further context of so many sequences."""

    def __init__(
        self,
        context: Context,
        streams: Callable[[], int],
        cells: Callable[[int], int],
        *,
        border: int = 0,
        kept: PromptCache | None = None,
    ) -> None:
        self.context = context
        self._streams = streams
        self._cells = cells
        self._border = border
        self._kept = kept
        self._first: Context | None = None
        self._uses = 0
        #: How many contexts of others are being made, whose memory is not seen yet: no further sequences for now.
        self.making = 0

    def close(self) -> None:
        """Free all contexts."""
        for context in (self.context, self._first):
            if context is not None:
                context.close()
        self._first = None

    def __contains__(self, sequence: Sequence) -> bool:
        return sequence.context in (self.context, self._first)

    def __iter__(self) -> Iterator[Sequence]:
        for context in self._contexts:
            yield from context.sequences

    @property
    def _contexts(self) -> list[Context]:
        return [self.context] if self._first is None else [self.context, self._first]

    def place(self, generation: Generation, others: Collection[Generation]) -> bool:
        """Give the answer a sequence that none of ``others`` has; False when they have all.

        Its own conversation's comes first, then one that nobody would miss: an empty one, or a further one where the
        memory has room; then the one that was used least recently.
        """
        tokens, key, adapters = generation.tokens, generation.request.cache_key, generation.adapters
        taken = {other.sequence for other in others}
        if not self._was_read_back(generation, taken):
            return False
        free = [each for each in self if each not in taken and each.tokens]
        own = max((each for each in free if each.key == key), key=lambda e: e.common(tokens, adapters), default=None)
        if own is None:
            own = next((each for each in free if each.common(tokens, adapters) == len(each.tokens)), None)
        if own is None or generation.request.again is not None:
            own = self._beginning(generation, taken) or self._unmissed(taken) or own
        if own is None:
            return False
        if own.context is self._first and self._passed(generation, own) and self._unmissed(taken) is None:
            return False  # else it would be sent away from there with each step
        loaded, generation.read_back = _loaded(generation), None
        if loaded is not None and loaded.rows >= own.reach(own.common(tokens, adapters)) + WORTH:
            own = self._give(loaded, own, generation, taken)
        elif own.key != key:  # of its own only what the next prompt drops is lost
            self._keep(own)
        if not own.tokens:
            self._copy_beginning(tokens, adapters, own)
        self._take(own, generation)
        generation.start(own)
        return True

    def move(self, generation: Generation, others: Collection[Generation]) -> bool:
        """Before a step: take an answer that has passed the border over into the large context. False when others have
        all sequences there; then the answer has none any more."""
        sequence = generation.sequence
        if sequence is None or sequence.context is not self._first or not self._passed(generation, sequence):
            return True
        to = self._unmissed({other.sequence for other in others})
        if to is None:
            generation.sequence = None
            return False
        self._go_over(sequence, to)
        self._take(to, generation)
        generation.moved(to)
        return True

    def spare(self) -> None:
        """Have an empty sequence in the large context, where the memory has room for it: for a conversation that comes
        later, which would wait for it up to a second, since its memory is cleared first."""
        if self._empty(()) is None:
            self._further()

    # What is kept on the disk ----------------------------------------------------------------------------------------

    def _was_read_back(self, generation: Generation, taken: Collection[Sequence | None]) -> bool:
        """Whether what the disk has of the prompt, clearly more than the memory, was read; where there is anything, and
        a place for it. That goes on beside other answers; without any, it is waited for a moment."""
        request = generation.request
        if self._kept is None or not (request.keep and request.cache_key) or request.batch or request.again is not None:
            return True
        if not generation.looked:
            if all(each in taken for each in self) and (self.making or self._streams() <= len(self.context.sequences)):
                return True
            generation.looked = True
            tokens = generation.tokens
            have = max(each.reach(each.common(tokens, generation.adapters)) for each in self)
            ways = (self.context.flash, True) if self._border else (self.context.flash,)
            found = self._kept.find(
                request.cache_key, self.context, ways, adapters=generation.adapters, tokens=tokens, have=have
            )
            if found is not None:
                generation.read_back = self._kept.read(found, lambda: generation.reason is None)
        if generation.read_back is not None and not taken:
            futures.wait((generation.read_back,), _LOOK_S)
        return generation.read_back is None or generation.read_back.done()

    def _give(
        self, loaded: Loaded, own: Sequence, generation: Generation, taken: Collection[Sequence | None]
    ) -> Sequence:
        """Have a sequence hold what was read back: ``own``, or one where it would lie if it had stayed in memory."""
        if self._kept is None:
            raise RuntimeError("nothing is kept")
        in_large = loaded.files.place.key == self._kept.key(self.context, generation.adapters)
        if in_large and own.context is self._first:
            own = self._unmissed(taken) or own
        elif not in_large and own.context is self.context:
            own = self._beginning(generation, taken) or own
        self._keep(own)
        own.forget()
        if self._kept.give(loaded, own, generation.adapters):
            own.key = generation.request.cache_key
            generation.restored = loaded.rows
        return own

    def _keep(self, sequence: Sequence) -> None:
        """Before it is lost: have it written, where it is of any worth."""
        if self._kept is not None and self._kept.unsaved(sequence) >= WORTH:
            self._kept.save(sequence, urgent=True)

    # The small context -----------------------------------------------------------------------------------------------

    def _passed(self, generation: Generation, sequence: Sequence) -> bool:
        again = generation.request.again
        if again is not None and again.flash_tokens < again.evaluated:
            return len(sequence.tokens) >= again.flash_tokens
        return len(generation.tokens) > self._border

    def _take(self, sequence: Sequence, generation: Generation) -> None:
        _release(sequence)
        self._uses += 1
        request = generation.request
        if sequence.key != request.cache_key:
            # those are of another conversation, which may have been forgotten since
            sequence.files, sequence.on_disk, sequence.born = None, 0, time.time()
        sequence.key, sequence.used, sequence.holder = request.cache_key, self._uses, generation
        sequence.keep = request.keep and not request.batch

    def _beginning(self, generation: Generation, taken: Collection[Sequence | None]) -> Sequence | None:
        """The small context's sequence for a conversation that begins, emptied; what it holds is kept where there is a
        place for it: it is sooner read again than another stream is made."""
        again = generation.request.again
        if again is not None and not 0 < again.flash_tokens <= self._border:
            return None
        if again is None and len(generation.tokens) + _WORTH_BEGINNING > self._border:
            return None
        context = self._small()
        if context is None or context.sequences[0] in taken:
            return None
        sequence = context.sequences[0]
        if sequence.tokens:
            to = self._empty(taken)
            if to is not None:
                self._go_over(sequence, to)
            else:
                self._keep(sequence)
        sequence.forget()
        return sequence

    def _small(self) -> Context | None:
        """The small context, made when it is needed first and there is memory."""
        if self._first is None and self._border:
            shape = replace(self.context.shape, size=self._border + 1, streams=1, flash="on")
            try:
                if self._cells(1) < shape.size:
                    raise ContextError
                self._first = Context(self.context.model, shape, self.context.flag)
                self._first.set_threads(write=self.context.threads, read=self.context.read_threads)
            except ContextError:
                log.info("beginnings.memory tokens=%d", shape.size)
                self._border = 0
        return self._first

    def _go_over(self, sequence: Sequence, to: Sequence) -> None:
        """Have ``to`` hold what ``sequence`` does, which is empty then."""
        self._keep(to)
        _release(to)
        to.forget()
        if kv_state.copy(sequence, to):
            to.key, to.used, to.holder, to.keep = sequence.key, sequence.used, sequence.holder, sequence.keep
        sequence.forget()

    def _unmissed(self, taken: Collection[Sequence | None]) -> Sequence | None:
        """A sequence of the large context that nobody has: an empty one, a further one where there is memory, or the
        one that was used least recently."""
        free = [each for each in self.context.sequences if each not in taken]
        return self._empty(taken) or self._further() or min(free, key=lambda each: each.used, default=None)

    def _empty(self, taken: Collection[Sequence | None]) -> Sequence | None:
        """An empty sequence of the large context."""
        return next((each for each in self.context.sequences if each not in taken and not each.tokens), None)

    def _further(self) -> Sequence | None:
        """One more sequence of the large context, where the memory has room for it."""
        streams = len(self.context.sequences)
        if self.making or self._streams() <= streams:
            return None
        try:
            self.context.resize(streams + 1)
            pages.trim()  # what was kept aside is free again
        except ContextError:
            log.info("streams.failed %d", streams + 1)
            return None
        return self.context.sequences[-1]

    def _copy_beginning(self, tokens: Items[int], adapters: Key, to: Sequence) -> None:
        """Take from another conversation what ``tokens`` begin with, where that is more than a little."""
        source = max(to.context.sequences, key=lambda each: each.reach(each.common(tokens, adapters)))
        common = source.reach(source.common(tokens, adapters))
        if source is not to and _WORTH_COPYING <= common < len(source.tokens):
            kv_state.copy(source, to, common)
            to.born = time.time()


def _loaded(generation: Generation) -> Loaded | None:
    read = generation.read_back
    return read.result() if read is not None and read.exception() is None else None


def _release(sequence: Sequence) -> None:
    """Another one takes it: of an answer to a batch, say, which goes on elsewhere."""
    holder = sequence.holder
    if isinstance(holder, Generation) and holder.sequence is sequence:
        holder.sequence = None
