"""What "automatic" means: how much context a model gets."""

from __future__ import annotations

from qwen_desktop.core import memory
from qwen_desktop.core.shape import Shape
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text

#: What "automatic" gives where memory allows: long enough for a long talk, short enough to stay quick on processors.
USUAL_CONTEXT = 8192
SMALLEST_CONTEXT = 512


def context_bytes(shape: Shape, size: int, *, kv_type: str, flash: bool, chunk: int, gpu_layers: int = 0) -> int:
    """Main memory that a context of ``size`` tokens takes beside the weights, with a margin (``core.memory``).

    ``gpu_layers``, the output and the last ones before it, are on graphics cards with their part of the context; there
    llama.cpp finds out by itself whether it fits.
    """
    staying = min(shape.layers, max(0, shape.layers + 1 - gpu_layers))
    if not staying:
        return 0
    kept = (memory.kv_bytes(shape, size, kv_type) + shape.state_bytes) * staying // shape.layers
    buffers = memory.compute_bytes(shape, size, batch=chunk, flash=flash)
    work = memory.work_bytes(shape, size, batch=chunk, flash=flash)
    return kept + buffers + work + memory.checkpoint_bytes(shape) + memory.MARGIN


def ladder(asked: int | None, train: int) -> tuple[int, ...]:
    """The sizes to try, largest first: what was asked (at most what the model was trained for), then halves.

    Automatic begins at ``USUAL_CONTEXT``.
    """
    limit = train if train > 0 else asked or USUAL_CONTEXT
    size = min(asked or USUAL_CONTEXT, limit)
    sizes = [size]
    while sizes[-1] // 2 >= min(SMALLEST_CONTEXT, size):
        sizes.append(sizes[-1] // 2)
    return tuple(sizes)


def notice(asked: int | None, given: int, train: int) -> Text | None:
    """The sentence for a context that is not what was asked for, None when there is nothing to say."""
    wanted = asked if asked is not None else min(USUAL_CONTEXT, train or USUAL_CONTEXT)
    if given >= wanted:
        return None
    if asked is not None and given == train:
        code, source = (
            "context.train",
            QT_TRANSLATE_NOOP(
                "engine", "The context is %n token(s) instead of {asked}: this model was not trained for more."
            ),
        )
    else:
        code, source = (
            "context.memory",
            QT_TRANSLATE_NOOP(
                "engine", "The context is %n token(s) instead of {asked}: there is not enough free memory for more."
            ),
        )
    return Text(code, source, {"asked": wanted, "n": given})
