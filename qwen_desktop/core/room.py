"""How much room a machine has for models: what stays for other programs, and what is free on a usual day. Pure.

What fits *now* is held against what is free now. What to *get* is a choice for months: it follows from the machine,
not from what happens to run while one looks.
"""

from __future__ import annotations

from msgspec import structs

from qwen_desktop.core.hardware import Gpu, Machine, Memory

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


def reserve(memory: Memory) -> int:
    """Bytes of main memory that a model should leave to other programs."""
    free = memory.free_bytes or 0
    total = memory.total_bytes or free
    return int(min(max(total * _RESERVE_SHARE, _RESERVE_LEAST), _RESERVE_MOST, free / 4))


def usual(machine: Machine) -> Machine:
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
