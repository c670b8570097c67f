"""Does a model fit a machine: one pure function over the arithmetic of ``core.memory`` and ``core.speed``.

A promise is kept with a margin: what "fits" must load and answer with its context full, of every conversation that it
shall hold. Main memory and each graphics device are held against what is free on them now (``core.placement``).

What fits *now* is held against what is free now. What to *get* is a choice for months: it follows from the machine on
a ``usual_day``, not from what happens to run while one looks.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct, structs

from qwen_desktop.core import placement, speed
from qwen_desktop.core.hardware import Gpu, Machine, Memory
from qwen_desktop.core.memory import MARGIN, SHARE, UNCORRECTED, Correction, MemoryNeed, Use, estimate, needed
from qwen_desktop.core.placement import Placement
from qwen_desktop.core.shape import Shape

#: Slower than this, in tokens per second, an answer comes slower than people read.
SLOW = 4.0
#: With less context than this a model is of no use, in tokens: then it does not fit.
SMALLEST = 2048
_STEP = 256
_GIB = 1 << 30
#: What stays for other programs: a share of the memory, within bounds, and never more than a quarter of what is free.
_RESERVE_SHARE, _RESERVE_LEAST, _RESERVE_MOST = 0.08, 768 << 20, 4 << 30
#: What system and programs hold on a usual day grows with the root of the memory, 5.2 GiB of 16 and 10.4 of 64,
#: but no more than this share of it. Within a container's limit there is little besides.
_HELD_GIB, _HELD_MOST, _HELD_LIMITED = 1.3, 0.6, 0.1
#: A graphics card shows a picture too; of memory that is shared with the processor the system keeps less.
_CARD_HELD, _SHARED_HELD = 0.06, 0.03
#: A computer whose speed was not measured is thought to read its memory this fast, in bytes per second.
_MODEST_BANDWIDTH = 20e9


class Verdict(StrEnum):
    """The answer in one word. A face always shows it as a sentence, with the numbers one click away."""

    FITS = "fits"
    #: it fits, but leaves little memory to other programs
    TIGHT = "tight"
    SMALLER_CONTEXT = "smaller_context"
    SLOW = "slow"
    TOO_LARGE = "too_large"


class Fit(Struct, frozen=True):
    """The whole verdict about one model on one machine.

    ``context`` is the context it fits with (smaller than ``asked`` for ``SMALLER_CONTEXT``), ``max_context`` the
    largest that fits, ``missing_bytes`` what memory lacks for ``TOO_LARGE``, ``free_bytes`` what was held against it.
    ``tight``: with that context it leaves less to other programs than it should. ``decode_tokens_per_s`` is None while
    the machine's bandwidth is unknown. ``measured`` says that a load on this machine corrected it; ``exact`` that the
    file's own header was read; ``inferred`` names facts that are not from the file itself.
    """

    verdict: Verdict
    memory: MemoryNeed
    context: int
    max_context: int
    asked: int = 0
    tight: bool = False
    gpu_layers: int = 0
    experts_on_cpu: int = 0
    free_bytes: int = 0
    missing_bytes: int = 0
    decode_tokens_per_s: float | None = None
    prompt_tokens_per_s: float | None = None
    measured: bool = False
    exact: bool = False
    inferred: tuple[str, ...] = ()


class FileFit(Struct, frozen=True):
    """The fit of one file, read from its own header, with what the header says.

    ``asked`` is the memory for the context that was asked for, which ``fit.memory`` is not where only a smaller one
    fits. ``use`` is how it would be loaded. ``fetched_bytes`` came over the network for it, 0 for a local file.
    ``size_bytes`` is the whole size of all parts.
    """

    reference: str
    name: str
    quant: str
    shape: Shape
    fit: Fit
    asked: MemoryNeed
    context: int
    use: Use = Use()
    size_bytes: int = 0
    fetched_bytes: int = 0


class _Placed(Struct, frozen=True):
    """A model laid out over the machine: where its layers are, what that takes, and what memory lacks for it."""

    at: Placement
    memory: MemoryNeed
    lacking: int

    @property
    def fits(self) -> bool:
        return self.lacking <= 0


def fit(shape: Shape, use: Use, machine: Machine, correction: Correction = UNCORRECTED) -> Fit:
    """The verdict about ``shape``, loaded as in ``use``, on ``machine`` as it is now. Pure; some 0.2 ms.

    MemoryNeed that could not be read counts as what the machine has in all, then ``inferred`` names it.
    """
    asked = max(1, min(use.context, shape.longest_context or use.context))  # never more than the model can see
    smallest = min(SMALLEST, asked)
    most = shape.longest_context or max(asked, use.context)

    def place(context: int, here: Machine = machine) -> _Placed:
        return _place(shape, structs.replace(use, context=context), here, correction)

    context = asked
    placed = whole = place(asked)
    while not placed.fits and context // 2 >= smallest:
        context //= 2
        placed = place(context)
    largest, tight = 0, False
    if placed.fits:
        largest = _largest(context, max(most, asked), place)
        tight = not place(context, _with_reserve(machine)).fits
    else:
        context, placed = asked, whole
    on_cards = placed.at.layers / (shape.layers + 1)
    experts = placed.at.experts_on_cpu / max(1, shape.layers)
    depth = min(1024, asked // 4)
    writing = speed.decode(
        shape,
        machine,
        depth=depth,
        kv_type=use.kv_type,
        threads=use.threads,
        layers_on_cards=on_cards,
        experts_on_cpu=experts,
        correction=correction,
    )
    reading = speed.prompt(
        shape,
        machine,
        threads=use.read_threads or use.threads,
        layers_on_cards=on_cards,
        experts_on_cpu=experts,
        correction=correction,
    )
    inferred = shape.inferred
    if machine.memory.free_bytes is None:
        inferred = (*inferred, "memory.free")
    return Fit(
        verdict=_verdict(largest > 0, smaller=context < asked, tight=tight, writing=writing),
        memory=placed.memory,
        context=context,
        max_context=largest,
        asked=asked,
        tight=tight,
        gpu_layers=placed.at.layers,
        experts_on_cpu=placed.at.experts_on_cpu,
        free_bytes=_free(machine) + sum(gpu.free_bytes or 0 for gpu in machine.gpus if not gpu.unified),
        missing_bytes=0 if largest else max(0, place(smallest).lacking),
        decode_tokens_per_s=None if writing is None else round(writing, 2),
        prompt_tokens_per_s=None if reading is None else round(reading, 1),
        measured=correction.loads > 0,
        inferred=inferred,
    )


def _verdict(fits: bool, *, smaller: bool, tight: bool, writing: float | None) -> Verdict:
    if not fits:
        return Verdict.TOO_LARGE
    if writing is not None and writing < SLOW:
        return Verdict.SLOW
    if smaller:
        return Verdict.SMALLER_CONTEXT
    return Verdict.TIGHT if tight else Verdict.FITS


def _with_reserve(machine: Machine) -> Machine:
    left = _free(machine) - reserve(machine.memory)
    return structs.replace(machine, memory=structs.replace(machine.memory, free_bytes=left))


def _largest(fitting: int, most: int, place: Callable[[int], _Placed]) -> int:
    """The largest context that fits, a multiple of 256 or ``most`` itself."""
    if place(most).fits:
        return most
    low, high = fitting // _STEP, most // _STEP  # low fits, high does not
    while high - low > 1:
        middle = (low + high) // 2
        if place(middle * _STEP).fits:
            low = middle
        else:
            high = middle
    return max(fitting, low * _STEP)


# Where the layers go -------------------------------------------------------------------------------------------------


def _place(shape: Shape, use: Use, machine: Machine, correction: Correction) -> _Placed:
    gpus = machine.gpus
    nowhere = Placement()
    if not gpus or use.gpu_layers == 0:
        memory = estimate(shape, use, correction)
        return _Placed(nowhere, memory, needed(memory) - _free(machine))
    memory = estimate(shape, use, correction, gpu=True)
    placed = placement.choose(shape, use, gpus)
    if not placed.layers:
        return _place(shape, structs.replace(use, gpu_layers=0), machine, correction)
    device = placement.device_bytes(shape, use, memory, placed)
    extra = shape.embedding_bytes if not shape.output_bytes else 0  # a tied output has a copy of its own there
    host_weights, host_rest = placement.host_bytes(shape, use, memory, placed)
    total = memory.total_bytes + extra
    memory = structs.replace(memory, weights_bytes=memory.weights_bytes + extra, total_bytes=total, device_bytes=device)
    lack = placement.lacking(shape, memory, device, gpus)
    if all(gpu.unified for gpu in gpus):  # one memory for all of it; what the devices may have of it is a second limit
        return _Placed(placed, memory, max(needed(memory) - _free(machine), lack))
    host = host_weights + int((host_rest + MARGIN) / SHARE)
    return _Placed(placed, memory, max(host - _free(machine), lack))


def _free(machine: Machine) -> int:
    memory = machine.memory
    return memory.free_bytes if memory.free_bytes is not None else memory.total_bytes or 0


# Another day ---------------------------------------------------------------------------------------------------------


def reserve(memory: Memory) -> int:
    """Bytes of main memory that a model should leave to other programs."""
    free = memory.free_bytes or 0
    total = memory.total_bytes or free
    return int(min(max(total * _RESERVE_SHARE, _RESERVE_LEAST), _RESERVE_MOST, free / 4))


def usual_day(machine: Machine) -> Machine:
    """``machine`` with what is free on a usual day in the place of what is free now. Where the whole memory is unknown,
    what is free now must do; an unknown speed is thought to be a modest one."""
    memory = machine.memory
    total = memory.total_bytes
    if total is not None:
        most = total * (_HELD_LIMITED if memory.limited else _HELD_MOST)
        held = min(most, _HELD_GIB * (total / _GIB) ** 0.5 * _GIB)
        memory = structs.replace(memory, free_bytes=int(total - held))
    cards = tuple(_usual_card(gpu) for gpu in machine.gpus)
    bandwidth = machine.bandwidth_bytes_per_s or _MODEST_BANDWIDTH
    return structs.replace(machine, memory=memory, gpus=cards, bandwidth_bytes_per_s=bandwidth)


def _usual_card(gpu: Gpu) -> Gpu:
    if gpu.total_bytes is None:
        return gpu
    held = _SHARED_HELD if gpu.unified else _CARD_HELD
    return structs.replace(gpu, free_bytes=int(gpu.total_bytes * (1 - held)))
