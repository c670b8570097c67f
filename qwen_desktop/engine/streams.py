"""How many conversations may have a context of their own, by the memory that is really free. Worker side.

A conversation alone has a context of one stream. When a second one comes, the context is made anew with more streams
(``Context.resize``) and what was evaluated is restored into it; every stream has the whole promised size. Streams are
asked for one by one: each is memory that other programs cannot have.
"""

from __future__ import annotations

from qwen_desktop.core import memory, placement
from qwen_desktop.core.fit import reserve
from qwen_desktop.core.hardware import Gpu, Memory
from qwen_desktop.core.shape import Shape, shape_of
from qwen_desktop.engine.attempts import cards_of
from qwen_desktop.engine.llama import LlamaLibrary
from qwen_desktop.engine.llama_context import Context, ContextShape
from qwen_desktop.hardware import memory as main_memory

#: Streams at most, where nobody asked for a number and where somebody did.
USUAL, MOST = 4, 8
#: Tokens of a batch at most.
_MOST_CELLS = 1 << 20


def more(library: LlamaLibrary, context: Context, asked: int | None) -> int:
    """How many streams the context may have: those that it has, one more, … up to ``asked`` (``USUAL`` for None).

    What its conversations hold is counted twice, since it is kept aside while the context is made anew. Looks at the
    system's memory and the cards': some milliseconds.
    """
    model = context.model
    held = sum(len(sequence.tokens) for sequence in context.sequences)
    cards = cards_of(library) if model.gpu_layers else ()
    shape = shape_of(model.header)
    saved = held * memory.kv_bytes_per_token(shape, context.shape.kv_type) + len(context.sequences) * shape.state_bytes
    return possible(
        shape, context.shape, asked, main_memory.read(), cards, gpu_layers=model.gpu_layers, saved_bytes=int(saved)
    )


def possible(
    shape: Shape,
    made: ContextShape,
    asked: int | None,
    free: Memory,
    cards: tuple[Gpu, ...] = (),
    *,
    gpu_layers: int = 0,
    saved_bytes: int = 0,
) -> int:
    """The same from the figures alone: what is ``free`` now, beside the context ``made``. Other programs keep their
    reserve; memory that nobody tells has no place for more."""
    most = min(USUAL if asked is None else asked, MOST)
    if made.streams >= most or free.free_bytes is None:
        return made.streams
    each = memory.stream_bytes(shape, made.size, made.kv_type)
    each += made.rollback * shape.state_bytes
    on_cards = max(0, min(gpu_layers - 1, shape.layers)) / max(1, shape.layers)
    cache = memory.kv_bytes(shape, made.size, made.kv_type) + shape.state_bytes
    room = free.free_bytes - reserve(free) - memory.MARGIN - saved_bytes
    extra = _times(room, each - int(cache * on_cards))
    if on_cards and any(card.free_bytes is not None for card in cards):
        extra = min(extra, _times(sum(map(placement.usable, cards)), int(cache * on_cards)))
    return min(most, made.streams + extra)


def _times(room: int, each: int) -> int:
    return max(0, int(room * memory.SHARE)) // max(1, each)


def cells(library: LlamaLibrary, context: Context, sequences: int) -> int:
    """How many tokens a batch of so many sequences may have in a context of its own beside ``context``; 0 for none."""
    model, made = context.model, context.shape
    shape, free = shape_of(model.header), main_memory.read()
    room = free.free_bytes
    if room is None:
        return 0
    room = int((room - reserve(free) - memory.MARGIN) * memory.SHARE)
    if model.gpu_layers:
        known = [card for card in cards_of(library) if card.free_bytes is not None]
        room = min(room, sum(map(placement.usable, known))) if known else room
    return fitting(shape, made, sequences, room)


def fitting(shape: Shape, made: ContextShape, sequences: int, room: int) -> int:
    """The same from the figures alone: the most tokens whose cache and buffers ``room`` bytes hold, in steps of 256."""
    batch, with_flash = max(made.chunk, sequences), made.flash == "on"

    def cost(tokens: int) -> int:
        buffers = memory.compute_bytes(shape, tokens, batch=batch, flash=with_flash, streams=sequences)
        buffers += memory.work_bytes(shape, tokens, batch=batch, flash=with_flash)
        once = memory.stream_bytes(shape, tokens, made.kv_type) - memory.checkpoint_bytes(shape)  # none goes back
        return once + buffers + (sequences - 1) * (shape.state_bytes + 2 * shape.vocab * 4)

    low, high = 0, _MOST_CELLS // 256  # low fits
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(middle * 256) <= room else (low, middle - 1)
    return low * 256
