"""A context on a loaded model: evaluate tokens of one sequence or of several. Worker side only.

A ``Sequence`` has cells and positions of its own. Its ``tokens`` mirror what the memory holds, so that a new prompt
evaluates only what differs, and its ``steps`` how that was evaluated: other chunks give slightly other logits. Prompts
are evaluated in chunks that end at multiples of a fixed size and the last token by itself, so that the same prompt
gives the same logits whether its beginning was remembered or not.

There are two kinds of contexts. **Split**, for conversations: each sequence has a part of the memory to itself (a
stream), so that it never walks through the cells of others, and more streams can be had later (``resize``).
**Unified**, for batches: all share the cells, so a common beginning is evaluated once (``share``).

An aborted or failed evaluation has not happened: all that took part stand where they stood.

**Models with a recurrent state** (hybrids: most layers have one, the others attention) cannot go back a part of the
way, but to where that state was kept: a ``Checkpoint``. In split contexts one is made where a sequence ``stops``
(chunks end there), and now and then while it grows; the attention's cells stay in llama.cpp's memory. So such a
sequence goes back to the latest checkpoint at or before the place that is wanted, also after an evaluation that did not
come to its end, since the state may be half-way then. Only drafts are undone in another way (``take_back``).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Items
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core import memory
from qwen_desktop.core.yarn import Yarn
from qwen_desktop.engine import adapters, kv_state
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama import Flag, Model, set_fields

#: What a cache holds, by the names of ``core.memory.cache_types``.
TYPES = {"f16": api.GGML_TYPE_F16, "q8_0": api.GGML_TYPE_Q8_0}
_FLASH = {"auto": -1, "off": 0, "on": 1}
#: A recurrent state is kept at least each so many tokens: what an evaluation that does not come to its end costs.
APART = 512


class ContextError(Exception):
    """llama.cpp could not make a context (memory, as a rule)."""


class AbortedError(Exception):
    """The flag was set while tokens were evaluated."""


class DecodeError(Exception):
    """llama.cpp refused tokens; ``code`` is what ``llama_decode`` returned."""

    def __init__(self, code: int) -> None:
        super().__init__(f"llama_decode returned {code}")
        self.code = code


class ContextShape(Struct, frozen=True):
    """What a context is made with.

    ``size`` is how many tokens each of the ``streams`` sequences can have; where they are ``unified``, all together.
    ``chunk`` is how many tokens are evaluated at once. ``kv_type`` is a name in ``core.memory.CACHES``. ``outputs`` is
    how many tokens may be ``wanted`` in one step (one of each sequence may be in any case). ``rollback`` is how many
    tokens ``take_back`` shall undo in a model with a recurrent state: each is a copy of that state for each stream.
    ``pooling`` is llama.cpp's number of how tokens become one vector; None for a context that makes none.
    """

    size: int
    threads: int
    chunk: int
    flash: str
    kv_type: str
    streams: int = 1
    unified: bool = False
    yarn: Yarn | None = None
    outputs: int = 1
    rollback: int = 0
    pooling: int | None = None


class Piece(NamedTuple):
    """Tokens that follow in a sequence; after the last ``wanted`` of them tokens will be chosen."""

    sequence: Sequence
    tokens: Items[int]
    wanted: int = 1


class Checkpoint(NamedTuple):
    """The recurrent part of a model's state after the first ``position`` tokens of a sequence, as llama.cpp writes it
    when it is asked for that part alone."""

    position: int
    state: bytes


class Sequence:
    """Evaluated tokens of one conversation. ``key`` says whose, ``holder`` who had it last, and ``used`` orders them by
    their last use.

    ``steps`` are lists of how many tokens were evaluated at once, how many of these are still there, and how many
    times in a row. ``alone``: no step was shared with another sequence. ``threads`` are all the numbers of threads that
    wrote or read them, ``flash`` is how many of the first ones were evaluated with flash attention: all others were
    not, or it is no longer ``alone``. ``adapters`` are the fingerprints and scales of the adapters that it was read
    with (``adapters.Key``), and is evaluated with from now on. A sequence of a model that cannot go back has
    ``checkpoints``, by their positions; ``stops`` are the positions where it shall have some.

    ``keep``: it may be kept on the disk (``prompt_cache``), where its first ``on_disk`` tokens' rows are, bit for bit,
    or soon will be, in ``files``. ``born`` is when its first token was evaluated (``time.time``), ``evaluated`` how
    many tokens ever were, also in vain.
    """

    def __init__(self, context: Context, number: int) -> None:
        self.context = context
        self.number = number
        self.key = ""
        self.holder: object = None
        self.used = 0
        self.tokens: list[int] = []
        self.steps: list[list[int]] = []
        self.alone = True
        self.threads: set[int] = set()
        self.flash = 0
        self.adapters: adapters.Key = ()
        self.checkpoints: list[Checkpoint] = []
        self.stops: tuple[int, ...] = ()
        self.keep = False
        self.files: object = None
        self.on_disk = 0
        self.born = 0.0
        self.evaluated = 0

    @property
    def size(self) -> int:
        """How many tokens it can have."""
        return self.context.size

    def common(self, prompt: Items[int], key: adapters.Key = ()) -> int:
        """How many tokens at the beginning of ``prompt`` are remembered as they are evaluated with these adapters."""
        common = 0
        for kept, wanted in zip(self.tokens, prompt, strict=False):
            if kept != wanted:
                break
            common += 1
        return min(common, adapters.shared(self.adapters, key))

    def reuse(self, prompt: Items[int], key: adapters.Key = ()) -> int:
        """Keep the longest common beginning of memory and ``prompt`` and forget the rest; returns its length. What
        follows is evaluated with the adapters of ``key``.

        At least the last token is left to evaluate, since a memory has no logits. Models with a recurrent state go
        back to a checkpoint, or start anew.
        """
        before = adapters.first(self.adapters, self.on_disk)
        kept = self.context.go_back(self, min(self.common(prompt, key), len(prompt) - 1))
        if before != adapters.first(key, self.on_disk):  # its rows on the disk are under another key
            self.files, self.on_disk = None, 0
        self.adapters = key
        return kept

    def reach(self, length: int) -> int:
        """How many of the first ``length`` tokens, which it has, are left when it goes back there."""
        if length >= len(self.tokens) or not self.context.model.recurrent:
            return length
        return max((each.position for each in self.checkpoints if each.position <= length), default=0)

    def forget(self) -> None:
        """Forget everything."""
        if self.tokens:
            self.context.cut(self, 0)
        self.tokens.clear()
        self.steps.clear()
        self.alone = True
        self.threads.clear()
        self.flash = 0
        self.adapters = ()
        self.checkpoints.clear()
        self.files, self.on_disk = None, 0

    def all_steps(self) -> tuple[tuple[int, int, int], ...]:
        """``steps`` as they are now."""
        return tuple((size, kept, times) for size, kept, times in self.steps)

    def took(self, tokens: Items[int], *, alone: bool, threads: int, flash: bool) -> None:
        """These were evaluated at once."""
        if not self.tokens:
            self.born = time.time()
        if flash:
            alone = alone and self.flash == len(self.tokens)
            self.flash += len(tokens)
        self.tokens.extend(tokens)
        self.alone = self.alone and alone
        self.threads.add(threads)
        size, last = len(tokens), self.steps[-1] if self.steps else None
        if last is not None and last[0] == last[1] == size:
            last[2] += 1
        else:
            self.steps.append([size, size, 1])

    def dropped(self, length: int) -> None:
        """All but the first ``length`` tokens are gone."""
        over = len(self.tokens) - length
        del self.tokens[length:]
        self.flash = min(self.flash, length)
        self.on_disk = min(self.on_disk, length)
        self.checkpoints = [each for each in self.checkpoints if each.position <= length]
        while over > 0:
            size, kept, times = self.steps.pop()
            whole = min(times, over // kept)
            over, times = over - whole * kept, times - whole
            if times > (over > 0):
                self.steps.append([size, kept, times - (over > 0)])
            if over > 0 and times:
                self.steps.append([size, kept - over, 1])
                over = 0


class Context:
    """The memory of sequences on a model. Raises ``ContextError`` when it cannot be made."""

    def __init__(self, model: Model, shape: ContextShape, flag: Flag) -> None:
        self.model = model
        self.shape = shape
        self.flag = flag
        self.threads = self.read_threads = shape.threads
        self.pointer: Any = None
        self._undoable: dict[Sequence, int] = {}  # how many of the last tokens of each can be taken back
        self._make(shape)
        self.size = min(shape.size, int(api.llama_n_ctx(self.pointer)) // (1 if shape.unified else shape.streams))
        self.sequences = tuple(Sequence(self, number) for number in range(shape.streams))

    def close(self) -> None:
        """Free its memory."""
        if self.pointer:
            api.llama_free(self.pointer)
            self.pointer = None

    def set_threads(self, *, write: int | None = None, read: int | None = None) -> None:
        """Use other numbers of threads from now on: ``write`` for answers, ``read`` for prompts and for several
        answers at once."""
        write, read = write or self.threads, read or self.read_threads
        if (write, read) != (self.threads, self.read_threads):
            if self.pointer:
                api.llama_set_n_threads(self.pointer, write, read)
            self.threads, self.read_threads = write, read

    def evaluate(self, pieces: Items[Piece]) -> tuple[int, ...]:
        """Evaluate tokens of different sequences at once, ``shape.chunk`` at most, but always one of each sequence.

        Returns the row of each piece's last token, for ``Sampler.next``; those of its other ``wanted`` tokens come
        right before it. Raises ``AbortedError``, ``DecodeError``, and ``ContextError`` when it has lost its memory
        (``resize``) and cannot have it again. All must be evaluated with the same adapters.
        """
        if not self.pointer:
            self._make(self.shape)
        self._adapt(pieces)
        if sum(piece.wanted for piece in pieces) > max(self.shape.streams, self.shape.outputs):
            raise ValueError("more rows are wanted than there is room for")  # llama.cpp would end the process
        self._undoable.clear()
        for piece in pieces:
            self._mark(piece.sequence)
        at = 0
        rows: list[int] = []
        for sequence, tokens, wanted in pieces:
            end, first = at + len(tokens), len(sequence.tokens)
            self._tokens[at:end] = tokens
            self._positions[at:end] = range(first, first + len(tokens))
            self._owners[at:end] = [sequence.number] * len(tokens)
            self._wanted[at:end] = [0] * len(tokens)
            self._wanted[end - wanted : end] = [1] * wanted
            at = end
            rows.append(at - 1)
        self._batch.n_tokens = at
        for sequence, tokens, _ in pieces:
            sequence.evaluated += len(tokens)
        code = api.llama_decode(self.pointer, self._batch)
        if code:
            self._undo(pieces)
            if code == 2 or self.flag.is_set:
                raise AbortedError
            raise DecodeError(code)
        # among the cells of others sums have another order
        alone, threads = len(pieces) == 1 and not self.shape.unified, self.threads if at == 1 else self.read_threads
        for sequence, tokens, _ in pieces:
            sequence.took(tokens, alone=alone, threads=threads, flash=self.flash)
            # the first one's state was not kept, and there are only so many others
            self._undoable[sequence] = min(len(tokens) - 1, self.rollback if self.model.recurrent else len(tokens))
        return tuple(rows)

    def read(self, sequence: Sequence, prompt: Items[int]) -> None:
        """Evaluate ``prompt`` after what is remembered of it. Raises ``AbortedError`` (whole chunks that are finished
        stay remembered) or ``DecodeError``."""
        while part := self.next_part(sequence, prompt):
            self.evaluate((Piece(sequence, part, int(len(sequence.tokens) + len(part) == len(prompt))),))

    def next_part(self, sequence: Sequence, prompt: Items[int]) -> Items[int]:
        """What of ``prompt`` is to be evaluated next: to the end of a chunk, a stop or of what is evaluated with the
        same adapters, and the last token by itself."""
        at, last, chunk = len(sequence.tokens), len(prompt) - 1, self.shape.chunk
        if at >= last:
            return prompt[at:]
        end = min(last, (at // chunk + 1) * chunk, at + adapters.alike(sequence.adapters, at))
        return prompt[at : min((end, *(stop for stop in sequence.stops if stop > at)))]

    def go_back(self, sequence: Sequence, length: int) -> int:
        """Forget all but the first ``length`` tokens of a sequence, or more where its model cannot stop there; returns
        how many it still has."""
        back = length > 0 and (self.cut(sequence, length) or self._restore(sequence, length))
        if not back:
            sequence.forget()
        return len(sequence.tokens)

    def cut(self, sequence: Sequence, length: int) -> bool:
        """Forget all but the first ``length`` tokens of a sequence; False where its model cannot do that, and then
        nothing has changed."""
        if length >= len(sequence.tokens) > 0:
            return True
        if length and self.model.recurrent:  # llama.cpp says that it did, and computes something else
            return False
        self._undoable.pop(sequence, None)
        if self.pointer and not api.llama_memory_seq_rm(self._memory, sequence.number, length, -1):
            return False
        sequence.dropped(length)
        return True

    @property
    def rollback(self) -> int:
        """How many tokens ``take_back`` undoes at most in a model with a recurrent state; others undo any number."""
        return self._rollback

    def take_back(self, sequence: Sequence, tokens: int) -> bool:
        """Undo the last ``tokens`` tokens of what was evaluated last, of several at once: drafts that were wrong. False
        where that cannot be, and then nothing has changed.

        In a model with a recurrent state it can be done once after an evaluation in which the sequence took part, and
        not with its first token there, nor with more than ``rollback``: llama.cpp would say that it did, and compute
        something else.
        """
        if not 0 < tokens <= self._undoable.get(sequence, 0):
            return False
        length = len(sequence.tokens) - tokens
        self._undoable.pop(sequence)
        if not self.model.recurrent:
            return self.cut(sequence, length)
        if not api.llama_memory_seq_rm(self._memory, sequence.number, length, -1):
            return False
        sequence.dropped(length)
        return True

    @property
    def keeps(self) -> bool:
        """Whether sequences have checkpoints: in batches none of many goes back."""
        return self.model.recurrent and not self.shape.unified

    # Checkpoints -----------------------------------------------------------------------------------------------------

    def checkpoint(self, sequence: Sequence) -> Checkpoint | None:
        """The recurrent state of a sequence as it is now, which the sequence keeps; None where its model has none, or
        where there is no memory for it.

        Takes 3 ms for 20 MB (a 0.8B of Qwen3.5) in memory that was used before, 16 to 50 in fresh memory.
        """
        position = len(sequence.tokens)
        if not self.model.recurrent or not position or not self.pointer:
            return None
        found = next((each for each in sequence.checkpoints if each.position == position), None)
        if found is not None:
            return found
        state = kv_state.take_recurrent(sequence)
        if not state:
            return None
        made = Checkpoint(position, state)
        sequence.checkpoints.append(made)
        while len(sequence.checkpoints) > memory.checkpoints(len(state)):
            sequence.checkpoints.remove(_least_missed(sequence))
        return made

    def _mark(self, sequence: Sequence) -> None:
        """Before a sequence grows: keep its state where that is wanted, or where the last one is far behind."""
        at = len(sequence.tokens)
        if not self.keeps or not at:
            return
        last = sequence.checkpoints[-1].position if sequence.checkpoints else 0
        if last < at and (at in sequence.stops or at - last >= APART):
            self.checkpoint(sequence)

    def _restore(self, sequence: Sequence, length: int) -> bool:
        """Go back to the latest checkpoint at or before ``length``; False where there is none that llama.cpp takes, and
        then the sequence must be forgotten."""
        self._undoable.pop(sequence, None)
        for each in [each for each in reversed(sequence.checkpoints) if each.position <= length]:
            if self.pointer and kv_state.give_recurrent(sequence, each):
                sequence.dropped(each.position)
                return True
            sequence.checkpoints.remove(each)
        return False

    def share(self, source: Sequence, others: Iterable[Sequence]) -> None:
        """Give the tokens of ``source`` to other sequences of a unified context, at no cost."""
        if not self.shape.unified:  # llama.cpp would copy whole streams, or end the process
            raise ValueError("only sequences of a unified context share")
        for other in others:
            other.forget()
            api.llama_memory_seq_cp(self._memory, source.number, other.number, 0, -1)
            other.tokens = list(source.tokens)
            other.steps = [list(step) for step in source.steps]
            other.alone, other.threads, other.flash = source.alone, set(source.threads), source.flash
            other.adapters = source.adapters
        self._undoable.clear()

    @property
    def has_memory(self) -> bool:
        """Whether it remembers what it has read; a model that looks both ways at a text does not."""
        return bool(self._memory)

    @property
    def flash(self) -> bool:
        """Whether it computes with flash attention (where llama.cpp chooses, it does on a graphics card)."""
        return self.shape.flash != "off"

    def resize(self, streams: int) -> None:
        """Have ``streams`` sequences; what they hold stays, where its form is known.

        The context is made anew, so nothing may be left to choose from the last evaluation. Raises ``ContextError``
        when there is no memory for it: then all is as before. When even that cannot be had any more, it is closed and
        has forgotten everything, until ``evaluate`` makes it again.
        """
        kept = self.sequences[:streams]
        for sequence in self.sequences[streams:]:
            sequence.forget()
        states = [(kv_state.take(sequence), self.checkpoint(sequence)) for sequence in kept]
        self.close()
        before, wanted = self.shape, replace(self.shape, streams=streams)
        try:
            self._make(wanted)
            self.sequences = kept + tuple(Sequence(self, number) for number in range(len(kept), streams))
        except ContextError:
            self._make(before)
            raise
        finally:
            for sequence, (state, checkpoint) in zip(kept, states, strict=True):
                if sequence.tokens and not (self.pointer and kv_state.give(sequence, state, checkpoint)):
                    sequence.forget()

    def _make(self, shape: ContextShape) -> None:
        params = api.llama_context_default_params()
        keys, values = (TYPES[name] for name in memory.cache_types(shape.kv_type))
        room = max(shape.chunk, shape.streams)
        # with a tail as long as the micro-batch llama.cpp ends the process; shared states have one place to go back to
        rollback = 0 if shape.unified else max(0, min(shape.rollback, room - 2))
        self._undoable.clear()
        set_fields(
            params,
            n_ctx=shape.size if shape.unified else memory.padded(shape.size) * shape.streams,
            n_batch=room,
            n_ubatch=room,
            n_seq_max=shape.streams,
            n_rs_seq=rollback if self.model.recurrent else 0,
            # each sequence may want an output; for more, room for the logits of a whole chunk would be reserved
            n_outputs_max=max(shape.streams, shape.outputs),
            kv_unified=shape.unified,
            n_threads=self.threads,
            n_threads_batch=self.read_threads,
            flash_attn_type=_FLASH[shape.flash],
            type_k=keys,
            type_v=values,
            abort_callback=self.flag.callback,
            abort_callback_data=self.flag.data,
            no_perf=True,
        )
        if shape.pooling is not None:
            set_fields(params, embeddings=True, pooling_type=shape.pooling)
        if shape.yarn is not None:
            set_fields(
                params,
                rope_scaling_type=api.LLAMA_ROPE_SCALING_TYPE_YARN,
                rope_freq_scale=1 / shape.yarn.factor,
                yarn_orig_ctx=shape.yarn.original,
            )
        self.pointer = api.llama_init_from_model(self.model.pointer, params)
        if not self.pointer:
            raise ContextError
        self.shape = shape
        self._rollback = int(api.llama_n_rs_seq(self.pointer))  # none in architectures that cannot
        self.model.adapters.made(self)
        self._memory = api.llama_get_memory(self.pointer)
        self._tokens = (api.llama_token * room)()
        self._positions = (api.llama_pos * room)()
        self._owners = (api.llama_seq_id * room)()
        self._wanted = (ctypes.c_int8 * room)()
        one = (ctypes.c_int32 * room)(*[1] * room)
        kind = ctypes.POINTER(api.llama_seq_id)
        first, width = ctypes.addressof(self._owners), ctypes.sizeof(api.llama_seq_id)
        rows = (kind * room)(*(ctypes.cast(first + width * row, kind) for row in range(room)))
        self._batch = api.llama_batch()
        self._referenced = (one, rows)  # C keeps the pointers only
        for name, array in (
            ("token", self._tokens),
            ("pos", self._positions),
            ("n_seq_id", one),
            ("seq_id", rows),
            ("logits", self._wanted),
        ):
            field = dict(self._batch._fields_)[name]
            set_fields(self._batch, **{name: ctypes.cast(array, field)})

    def _adapt(self, pieces: Items[Piece]) -> None:
        """Switch on the adapters that all of these are evaluated with."""
        keys = {adapters.at(sequence.adapters, len(sequence.tokens)) for sequence, _, _ in pieces}
        alike = all(adapters.alike(each.adapters, len(each.tokens)) >= len(tokens) for each, tokens, _ in pieces)
        if len(keys) != 1 or not alike:
            raise ValueError("not all are evaluated with the same adapters")
        self.model.adapters.apply(self, *keys)

    def _undo(self, pieces: Items[Piece]) -> None:
        """Micro-batches that were finished stay in llama.cpp's memory: take them out again. A recurrent state may be
        half-way; where several took part, also that of one that did not: the states of a step are put side by side."""
        taking = [piece.sequence for piece in pieces]
        for sequence in self.sequences if self.model.recurrent and len(taking) > 1 else taking:
            before = len(sequence.tokens)
            if self.model.recurrent:
                back = before > 0 and self._restore(sequence, before)
            else:
                held = int(api.llama_memory_seq_pos_max(self._memory, sequence.number)) + 1
                back = held == before or api.llama_memory_seq_rm(self._memory, sequence.number, before, -1)
            if not back:
                api.llama_memory_seq_rm(self._memory, sequence.number, 0, -1)
                sequence.forget()


def _least_missed(sequence: Sequence) -> Checkpoint:
    """The checkpoint without which the least is read again, but for the last one and those where it stops."""
    before, least = 0, (len(sequence.tokens) + 1, sequence.checkpoints[0])
    for each in sequence.checkpoints[:-1]:
        gap, before = each.position - before, each.position
        if each.position not in sequence.stops:
            least = min(least, (gap, each), key=lambda found: found[0])
    return least[1]


def replay(where: Callable[[], Sequence], prompt: Items[int], steps: Iterable[tuple[int, int, int]]) -> Iterator[Piece]:
    """Pieces that evaluate ``prompt`` in the given steps (``Sequence.steps``), to be evaluated one by one in the
    sequence that ``where`` gives. Of a step that was kept in part only, the rest is made up, since what follows a token
    does not change it, and is cut off again before the next piece is asked for. Ends early where the sequence has been
    lost meanwhile, or cannot take such a step: the recipe may come from a context with larger chunks."""
    at = 0
    for size, kept, times in steps:
        for _ in range(times):
            sequence, end = where(), at + kept
            context, part = sequence.context, size > kept
            if not 0 < kept <= size <= context.shape.chunk or at + size > context.size or end > len(prompt):
                return
            if part and (context.model.recurrent or end == len(prompt)):
                return
            if adapters.alike(sequence.adapters, at) < size:
                return
            tokens = list(prompt[at:end])
            yield Piece(sequence, tokens + tokens[-1:] * (size - kept), end == len(prompt))
            sequence = where()
            if len(sequence.tokens) != at + size:
                return
            at = end
            if part:
                sequence.context.cut(sequence, at)
                sequence.steps[-1] = [size, kept, 1]
