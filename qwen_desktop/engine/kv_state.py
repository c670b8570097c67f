"""What a sequence of a context holds, taken out and given to another context of the same model. Worker side only.

llama.cpp refuses a state from a context with another number of streams, though what a stream holds does not depend on
it. The state is plain (``llama_kv_cache::state_write``, read in the source of the bindings' version): two words of
header, the number of streams, then for each stream how many cells it has and, where that is not zero, the cells. So it
is rewritten for the other number. Models with a recurrent state or a sliding window keep more than that: theirs is not
taken, and they read again.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from qwen_desktop.engine.bindings import api

if TYPE_CHECKING:
    from qwen_desktop.engine.llama_context import Context, Sequence

_WORD = 4
_HEADER = 2 * _WORD


def take(context: Context, sequence: Sequence) -> bytes:
    """The state of a sequence, of a context with one stream; empty where there is none or its form is not known."""
    model, streams = context.model, context.shape.streams
    if not sequence.tokens or model.recurrent or model.sliding:
        return b""
    size = int(api.llama_state_seq_get_size(context.pointer, sequence.number))
    state = (ctypes.c_uint8 * size)()
    if int(api.llama_state_seq_get_data(context.pointer, state, size, sequence.number)) != size:
        return b""
    view = memoryview(state).cast("B")
    words = view[: size // _WORD * _WORD].cast("I")
    before = _HEADER // _WORD + 1
    if words[before - 1] != streams:
        return b""
    empty = next((stream for stream in range(streams) if words[before + stream]), streams)
    if empty == streams or words[before + empty] != len(sequence.tokens):
        return b""
    first, last = (before + empty) * _WORD, size - (streams - 1 - empty) * _WORD
    return b"".join((view[:_HEADER], (1).to_bytes(_WORD, "little"), view[first:last]))


def give(context: Context, sequence: Sequence, state: bytes) -> bool:
    """Give a taken state to a sequence, which is empty; False when the context does not take it."""
    if not state:
        return False
    streams = context.shape.streams
    whole = b"".join((
        state[:_HEADER], streams.to_bytes(_WORD, "little"), state[_HEADER + _WORD :], bytes((streams - 1) * _WORD),
    ))  # fmt: skip
    data = (ctypes.c_uint8 * len(whole)).from_buffer_copy(whole)
    return int(api.llama_state_seq_set_data(context.pointer, data, len(whole), sequence.number)) == len(whole)


def copy(context: Context, source: Sequence, to: Sequence, length: int) -> bool:
    """Give the first ``length`` tokens of a sequence to another one, which is empty; False where that cannot be."""
    if not give(context, to, take(context, source)):
        return False
    to.tokens = list(source.tokens)
    to.steps = [list(step) for step in source.steps]
    to.alone, to.threads = source.alone, set(source.threads)
    if context.cut(to, length):
        return True
    to.forget()
    return False
