"""Where a model's layers go: onto graphics cards by what is free there, the rest into main memory. Pure.

As llama.cpp places them: the output first, then the last layers, each with its part of the KV cache; the token
embedding always stays in main memory. Of a mixture of experts that does not fit whole the experts are what can stay:
they are nine tenths of the weights, and each token reads few of them. So all the rest of it goes to the cards first,
with its caches, and then as many layers' experts as fit, the last layers' first (llama.cpp's ``--n-cpu-moe``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from qwen_desktop.core.hardware import Gpu
from qwen_desktop.core.memory import (
    MARGIN,
    SHARE,
    MemoryNeed,
    Use,
    chunk,
    compute_bytes,
    draft_rows,
    estimate,
    flash,
    work_bytes,
)
from qwen_desktop.core.shape import Shape


class Placement(Struct, frozen=True):
    """``layers`` on graphics cards as llama.cpp counts them (the output is one); of so many of these, counted from the
    first, the experts stay on the processor. Without ``cards`` nothing is computed there at all, be it only the
    products of a long prompt."""

    layers: int = 0
    experts_on_cpu: int = 0
    cards: bool = True


def choose(shape: Shape, use: Use, gpus: Sequence[Gpu]) -> Placement:
    """What fits the free memory of ``gpus``, but for what ``use`` asks for; all of it when that memory is not known."""
    known = [gpu for gpu in gpus if gpu.free_bytes is not None]
    memory = estimate(shape, use, gpu=True)
    whole = shape.layers + 1
    wanted = whole if use.gpu_layers is None else max(0, min(use.gpu_layers, whole))
    most_experts = max(0, wanted - 1) if shape.experts_bytes else 0

    def fits(layers: int, experts: int) -> bool:
        placed = Placement(layers, experts)
        return lacking(shape, memory, device_bytes(shape, use, memory, placed), known) <= 0

    asked = use.experts_on_cpu
    fewest, most = (0, most_experts) if asked is None else (min(asked, most_experts),) * 2
    if not known:
        return Placement(wanted, fewest)
    if use.gpu_layers is not None or fits(wanted, most):
        # the fewest layers whose experts stay; where nothing fits, all of them, and the load finds out
        return Placement(wanted, _first(fewest, most, lambda experts: fits(wanted, experts)))
    layers = whole - _first(0, whole, lambda left: fits(whole - left, min(most, max(0, whole - left - 1))))
    return Placement(layers, min(most, max(0, layers - 1)))


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The smallest number for which ``holds`` is true, as it is for all above; ``high`` when there is none."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def fewer(first: Placement, shape: Shape, fitting: Placement | None = None) -> tuple[Placement, ...]:
    """What to try when ``first`` cannot be had: what fits by now, then three quarters of the layers, half, a quarter,
    at last none and no card; all experts of a mixture stay on the processor from the second attempt on."""
    whole = shape.layers + 1
    mixture = shape.experts_bytes > 0
    least = first
    found: list[Placement] = []
    quarters = [Placement(whole * part // 4, whole if mixture else 0) for part in (4, 3, 2, 1)]
    for one in [*([fitting] if fitting is not None else []), *quarters]:
        step = Placement(one.layers, min(one.experts_on_cpu, max(0, one.layers - 1)))
        lighter = step.layers < least.layers or (
            step.layers == least.layers and step.experts_on_cpu > least.experts_on_cpu
        )
        if step.layers and step.layers <= least.layers and lighter:
            found.append(step)
            least = step
    return (*found, Placement(cards=False))


def repeating(shape: Shape, placed: Placement) -> int:
    """The layers on cards without the output."""
    return max(0, min(placed.layers - 1, shape.layers))


def experts_kept(shape: Shape, placed: Placement) -> range:
    """The layers that are on cards without their experts."""
    first = shape.layers - repeating(shape, placed)
    return range(first, min(shape.layers, first + placed.experts_on_cpu))


def _layer(shape: Shape) -> float:
    """Weights of one layer on average."""
    return max(0, shape.weights_bytes - shape.embedding_bytes - shape.output_bytes) / max(1, shape.layers)


def _kept_bytes(shape: Shape, placed: Placement) -> float:
    """Weights of the experts that are not where the rest of their layer is."""
    return len(experts_kept(shape, placed)) * shape.experts_bytes / max(1, shape.layers)


def device_bytes(shape: Shape, use: Use, memory: MemoryNeed, placed: Placement) -> int:
    """What the layers take on the devices, in all."""
    output = shape.output_bytes or shape.embedding_bytes
    layers = repeating(shape, placed)
    cache = (memory.kv_bytes + memory.state_bytes) * layers / max(1, shape.layers)
    weights = output + layers * _layer(shape) - _kept_bytes(shape, placed)
    return int(weights + cache + memory.compute_bytes + use.mmproj_bytes + use.draft_bytes)


def host_bytes(shape: Shape, use: Use, memory: MemoryNeed, placed: Placement) -> tuple[int, int]:
    """Main memory for the weights that stay there, and for everything else."""
    staying = shape.layers - repeating(shape, placed)
    weights = shape.embedding_bytes + int(staying * _layer(shape) + _kept_bytes(shape, placed))
    rest = memory.overhead_bytes + (memory.kv_bytes + memory.state_bytes) * staying // max(1, shape.layers)
    if staying or placed.experts_on_cpu:
        batch, with_flash = use.batch or chunk(shape.parameters, gpu=True), flash(use, gpu=True)
        rows = draft_rows(shape)
        rest += compute_bytes(shape, use.context, batch=batch, flash=with_flash, streams=use.streams, rows=rows)
        rest += work_bytes(shape, use.context, batch=batch, flash=with_flash)
    return weights, rest


def lacking(shape: Shape, memory: MemoryNeed, device: int, gpus: Sequence[Gpu]) -> int:
    """What the devices lack for ``device`` bytes. Each keeps a margin; on several of them, each further one has a
    compute buffer of its own and part of a layer left over."""
    known = [gpu for gpu in gpus if gpu.free_bytes is not None]
    if not known:
        return 0
    each = memory.compute_bytes + int(_layer(shape))
    return device + (len(known) - 1) * each - sum(usable(gpu) for gpu in known)


def usable(gpu: Gpu) -> int:
    """Of a card's free memory, what a model may take."""
    return max(0, int((gpu.free_bytes or 0) * SHARE) - MARGIN)


def split(shape: Shape, use: Use, gpus: Sequence[Gpu]) -> tuple[float, ...]:
    """The shares of several cards, in their order: llama.cpp's own go by free memory alone, without room for the
    compute buffer that each card has. Empty where there is one card, or one that does not tell its memory."""
    if len(gpus) < 2 or any(gpu.free_bytes is None for gpu in gpus):
        return ()
    each = estimate(shape, use, gpu=True).compute_bytes
    shares = tuple(float(max(0, usable(gpu) - each)) for gpu in gpus)
    return shares if sum(shares) else ()
