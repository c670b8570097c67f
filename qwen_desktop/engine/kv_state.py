"""What a sequence of a context holds, taken out and given to another context of the same model. Worker side only.

llama.cpp refuses a state from a context with another number of streams, though what a stream holds does not depend on
it, and one from a context that computes attention in the other way, whose values lie the other way round. So it is
rewritten. Models with a recurrent state or a sliding window keep more than what is said here: theirs is not taken, and
they read again.

The layout is that of ``llama_state_seq_get_data`` (read in ``llama-kv-cache.cpp`` of the bindings' version), all
numbers little-endian here:

- 4 bytes of magic, the sequence, the number of streams, then for each stream how many cells it has and, where that is
  not zero, the cells:
- for each cell its position, how many sequences have it (one) and which; models with several positions a token (M-RoPE)
  have three more numbers before that, two places and the token;
- whether values are transposed, the number of layers;
- for each layer the keys: their type, the bytes of a token's row (64 bits), the rows;
- for each layer the values: the same, or where they are transposed their type, the bytes of one element, the elements
  of a row, and then for each element those of all tokens.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING

from qwen_desktop.engine.bindings import api

if TYPE_CHECKING:
    from qwen_desktop.engine.llama_context import Sequence

_WORD = 4
_HEADER = 2 * _WORD
#: Whether values are transposed, and layers; what stands before keys and rows of values; before transposed values.
NUMBERS, ROWS, COLUMNS = struct.Struct("<II"), struct.Struct("<iQ"), struct.Struct("<iII")
#: Bytes of a cell's place, without and with the three numbers of M-RoPE.
PLACES = (12, 24)


def take(sequence: Sequence) -> bytes:
    """The state of a sequence, as of a context with one stream; empty where there is none or its form is not known."""
    context = sequence.context
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


def give(sequence: Sequence, state: bytes) -> bool:
    """Give a taken state to a sequence, which is empty; False when its context does not take it."""
    context = sequence.context
    at = _values_at(state) if state else 0
    if not at or not context.pointer:  # it has lost its memory
        return False
    if bool(NUMBERS.unpack_from(state, at)[0]) == context.flash:
        state = turned(state)
        if not state:
            return False
    streams = context.shape.streams
    whole = b"".join((
        state[:_HEADER], streams.to_bytes(_WORD, "little"), state[_HEADER + _WORD :], bytes((streams - 1) * _WORD),
    ))  # fmt: skip
    data = (ctypes.c_uint8 * len(whole)).from_buffer_copy(whole)
    return int(api.llama_state_seq_set_data(context.pointer, data, len(whole), sequence.number)) == len(whole)


def turned(state: bytes) -> bytes:
    """A taken state with its values transposed where they were rows, and the other way round; empty where its form is
    not known. They must be 16-bit floats. Takes 0.1 s for 500 tokens of a 0.6B."""
    view = memoryview(state)
    at = _values_at(state)
    if not at:
        return b""
    tokens = int.from_bytes(view[_HEADER + _WORD : _HEADER + 2 * _WORD], "little")
    transposed, layers = NUMBERS.unpack_from(state, at)
    found: list[bytes | memoryview] = [view[:at], NUMBERS.pack(1 - transposed, layers)]
    at += NUMBERS.size
    for _ in range(layers):
        end = at + ROWS.size + tokens * int(ROWS.unpack_from(state, at)[1])
        found.append(view[at:end])
        at = end
    for _ in range(layers):
        if transposed:
            kind, element, width = COLUMNS.unpack_from(state, at)
            begin = at + COLUMNS.size
        else:
            kind, size = ROWS.unpack_from(state, at)
            element, width, begin = 2, size // 2, at + ROWS.size
        if kind != api.GGML_TYPE_F16 or element != 2:
            return b""
        at = begin + 2 * width * tokens
        values, other = view[begin:at].cast("H"), bytearray(2 * width * tokens)
        columns = memoryview(other).cast("H")
        for index in range(width):
            if transposed:
                columns[index::width] = values[index * tokens : (index + 1) * tokens]
            else:
                columns[index * tokens : (index + 1) * tokens] = values[index::width]
        found.append(ROWS.pack(kind, 2 * width) if transposed else COLUMNS.pack(kind, element, width))
        found.append(memoryview(other))
    return b"".join(found)


def _values_at(state: bytes) -> int:
    """Where the cells' places end; 0 where that is not known."""
    tokens = int.from_bytes(state[_HEADER + _WORD : _HEADER + 2 * _WORD], "little")
    for place in PLACES:
        at = _HEADER + 2 * _WORD + tokens * place
        if at + NUMBERS.size > len(state):
            continue
        transposed, layers = NUMBERS.unpack_from(state, at)
        if transposed <= 1 and layers > 0 and _ends(state, at + NUMBERS.size, tokens, layers, transposed):
            return at
    return 0


def _ends(state: bytes, at: int, tokens: int, layers: int, transposed: int) -> bool:
    """Whether so many layers end where the state does."""
    for number in range(2 * layers):
        if at + ROWS.size > len(state):
            return False
        if number < layers or not transposed:
            row, head = int(ROWS.unpack_from(state, at)[1]), ROWS.size
        else:
            _, element, width = COLUMNS.unpack_from(state, at)
            row, head = element * width, COLUMNS.size
        at += head + row * tokens
    return at == len(state)


def copy(source: Sequence, to: Sequence, length: int | None = None) -> bool:
    """Give the first ``length`` tokens of a sequence (None: all) to another one, of this context or of another one of
    the same model, which is empty; False where that cannot be."""
    if not give(to, take(source)):
        return False
    to.tokens = list(source.tokens)
    to.steps = [list(step) for step in source.steps]
    to.alone, to.threads, to.flash = source.alone, set(source.threads), source.flash
    to.adapters = source.adapters
    if length is None or to.context.cut(to, length):
        return True
    to.forget()
    return False
