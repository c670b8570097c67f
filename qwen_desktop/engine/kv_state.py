"""What a sequence of a context holds, taken out and given to another context of the same model. Worker side only.

llama.cpp refuses a state from a context with another number of streams, though what a stream holds does not depend on
it, and one from a context that computes attention in the other way, whose values lie the other way round. So it is
rewritten. Models with a sliding window keep more than what is said here: theirs is not taken, and they read again.

Of hybrids it is the attention's part. Their recurrent state, which follows it in llama.cpp's whole, is taken by itself
(``Checkpoint``): it says nothing of the tokens before, and llama.cpp would take it without them, so it is given only to
a sequence that has them.

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

The recurrent part (``llama-memory-recurrent.cpp``), where it is taken by itself, has the same eight bytes before: the
number of cells (one), its position, the number of sequences (none), and then its rows.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, TypeAlias

from qwen_desktop.engine.bindings import api

if TYPE_CHECKING:
    from qwen_desktop.engine.llama_context import Checkpoint, Sequence

#: A state may have more than half a gigabyte: it is not copied where that can be avoided.
Buffer: TypeAlias = bytes | bytearray | memoryview

_WORD = 4
_HEADER = 2 * _WORD
#: Whether values are transposed, and layers; what stands before keys and rows of values; before transposed values.
NUMBERS, ROWS, COLUMNS = struct.Struct("<II"), struct.Struct("<iQ"), struct.Struct("<iII")
#: Bytes of a cell's place, without and with the three numbers of M-RoPE.
PLACES = (12, 24)
#: What a recurrent state begins with: magic, the sequence, cells, the last token's position, sequences.
_RECURRENT = struct.Struct("<IiIiI")
_PARTIAL = api.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY


def take(sequence: Sequence) -> Buffer:
    """The state of a sequence, as of a context with one stream, of hybrids the attention's part; empty where there is
    none or its form is not known."""
    context = sequence.context
    model, streams = context.model, context.shape.streams
    if not sequence.tokens or not model.attends or model.sliding or not context.pointer:
        return b""
    size = int(api.llama_state_seq_get_size(context.pointer, sequence.number))
    state = (ctypes.c_uint8 * size)()
    if int(api.llama_state_seq_get_data(context.pointer, state, size, sequence.number)) != size:
        return b""
    if model.recurrent:
        size -= int(api.llama_state_seq_get_size_ext(context.pointer, sequence.number, _PARTIAL)) - _HEADER
    view = memoryview(state).cast("B")
    words = view[: size // _WORD * _WORD].cast("I")
    before = _HEADER // _WORD + 1
    if words[before - 1] != streams:
        return b""
    empty = next((stream for stream in range(streams) if words[before + stream]), streams)
    if empty == streams or words[before + empty] != len(sequence.tokens):
        return b""
    first, last = (before + empty) * _WORD, size - (streams - 1 - empty) * _WORD
    begin = first - _HEADER - _WORD  # in place: a copy of half a gigabyte takes longer than llama.cpp itself
    view[begin : begin + _HEADER] = bytes(view[:_HEADER])
    view[first - _WORD : first] = (1).to_bytes(_WORD, "little")
    return view[begin:last]


def give(sequence: Sequence, state: Buffer, checkpoint: Checkpoint | None = None) -> bool:
    """Give a taken state to a sequence, which is empty; False when its context does not take it, and then it is empty.

    One of a hybrid needs a ``checkpoint``, and then llama.cpp has the first ``checkpoint.position`` tokens.
    """
    context = sequence.context
    at = _values_at(state) if state else 0
    if not at or not context.pointer:  # it has lost its memory
        return False
    recurrent = b""
    if context.model.recurrent:
        held = int.from_bytes(state[_HEADER + _WORD : _HEADER + 2 * _WORD], "little")
        if checkpoint is None or not checkpoint.position <= held or not _is_at(checkpoint):
            return False
        recurrent = checkpoint.state[_HEADER:]
    if bool(NUMBERS.unpack_from(state, at)[0]) == context.flash:
        state = turned(state)
        if not state:
            return False
    streams = context.shape.streams
    if streams == 1 and not recurrent and isinstance(state, bytearray):
        whole = state  # as it must be already: half a gigabyte need not be copied
    else:
        view = memoryview(state)  # slices of anything else are copies
        whole = bytearray().join((
            view[:_HEADER], streams.to_bytes(_WORD, "little"), view[_HEADER + _WORD :], bytes((streams - 1) * _WORD),
            recurrent,
        ))  # fmt: skip
    data = (ctypes.c_uint8 * len(whole)).from_buffer(whole)
    if int(api.llama_state_seq_set_data(context.pointer, data, len(whole), sequence.number)) == len(whole) and (
        checkpoint is None or _held(sequence, checkpoint.position)
    ):
        return True
    api.llama_memory_seq_rm(api.llama_get_memory(context.pointer), sequence.number, 0, -1)
    return False


def take_recurrent(sequence: Sequence) -> bytes:
    """The recurrent part of a sequence's state, by itself; empty where there is none, or no memory for it."""
    context = sequence.context
    size = int(api.llama_state_seq_get_size_ext(context.pointer, sequence.number, _PARTIAL))
    if size < _RECURRENT.size:
        return b""
    try:
        state = bytes(size)  # filled in place: nobody else has it yet, and copies of 20 to 150 MB take their time
    except MemoryError:
        return b""
    data = ctypes.cast(ctypes.c_char_p(state), ctypes.POINTER(ctypes.c_uint8))
    if int(api.llama_state_seq_get_data_ext(context.pointer, data, size, sequence.number, _PARTIAL)) != size:
        return b""
    return state if _position(state) == len(sequence.tokens) else b""


def give_recurrent(sequence: Sequence, checkpoint: Checkpoint) -> bool:
    """Take a sequence back to a checkpoint of its own; False when that did not come to its end: what llama.cpp holds of
    it is of no more use then.

    llama.cpp takes a recurrent state also where the attention has not the tokens before it: so that is looked at,
    before (its tokens are those that were evaluated) and after.
    """
    context, (position, state) = sequence.context, checkpoint
    if not 0 < position <= len(sequence.tokens) or not _is_at(checkpoint):
        return False
    data = ctypes.cast(ctypes.c_char_p(state), ctypes.POINTER(ctypes.c_uint8))
    size = len(state)
    if int(api.llama_state_seq_set_data_ext(context.pointer, data, size, sequence.number, _PARTIAL)) != size:
        return False
    return _held(sequence, position)


def _position(state: bytes) -> int:
    """After how many tokens a recurrent state was taken; 0 where that is not known."""
    if len(state) < _RECURRENT.size:
        return 0
    _, _, cells, last, sequences = _RECURRENT.unpack_from(state)
    return int(last) + 1 if (cells, sequences) == (1, 0) else 0


def _is_at(checkpoint: Checkpoint) -> bool:
    return 0 < checkpoint.position == _position(checkpoint.state)


def _held(sequence: Sequence, position: int) -> bool:
    """Whether llama.cpp has the first ``position`` tokens of a sequence, once the attention's later ones are taken out:
    the recurrent state is there already."""
    held = api.llama_get_memory(sequence.context.pointer)
    if not api.llama_memory_seq_rm(held, sequence.number, position, -1):
        return False
    return int(api.llama_memory_seq_pos_max(held, sequence.number)) == position - 1


def turned(state: Buffer) -> bytes:
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


def _values_at(state: Buffer) -> int:
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


def _ends(state: Buffer, at: int, tokens: int, layers: int, transposed: int) -> bool:
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
    the same model, which is empty; False where that cannot be. A model with a recurrent state gives what it can go back
    to (``Sequence.reach``)."""
    held = len(source.tokens) if length is None else source.reach(length)
    checkpoint = None
    if source.context.model.recurrent:
        if held == len(source.tokens):
            checkpoint = source.context.checkpoint(source)
        else:
            checkpoint = next((each for each in source.checkpoints if each.position == held), None)
    if not held or not give(to, take(source), checkpoint):
        return False
    to.tokens = list(source.tokens)
    to.steps = [list(step) for step in source.steps]
    to.alone, to.threads, to.flash = source.alone, set(source.threads), source.flash
    to.checkpoints, to.stops, to.born = list(source.checkpoints), source.stops, source.born
    to.adapters = source.adapters
    if source.context.model.recurrent:
        to.dropped(held)  # llama.cpp has no more of it
        return True
    if to.context.cut(to, held):
        return True
    to.forget()
    return False
