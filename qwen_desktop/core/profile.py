"""What "automatic" means on a computer with little memory: a smaller context, kept more tightly, one conversation at a
time, and a model that leaves memory soon. What is set by hand wins. Pure.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from qwen_desktop.core.hardware import Machine
from qwen_desktop.core.model_ref import LoadOptions

Choice: TypeAlias = Literal["auto", "usual", "low_memory"]

_GIB = 1 << 30
#: Up to so much memory is little, and up to so much very little: what is sold as 8 and 4 GB, as systems count it.
_LITTLE, _VERY_LITTLE = int(8.5 * _GIB), int(4.5 * _GIB)
#: A graphics card with so much memory of its own holds a model: main memory is not what is short then.
_CARD = 6 * _GIB


class Profile(Struct, frozen=True):
    """Values for what was left automatic, None where the usual ones hold: tokens of ``context``, the type of the cache,
    conversations in memory at once, minutes after which an idle model leaves memory."""

    low_memory: bool = False
    context: int | None = None
    kv_type: str | None = None
    streams: int | None = None
    unload_minutes: int | None = None


USUAL = Profile()
_LOW = Profile(low_memory=True, context=4096, kv_type="k_q8_0", streams=1, unload_minutes=10)
_LOWEST = Profile(low_memory=True, context=2048, kv_type="k_q8_0", streams=1, unload_minutes=5)


def profile_of(machine: Machine, choice: Choice = "auto") -> Profile:
    """The profile of a computer, a container's limit counted as its memory; unless another one is chosen. Where the
    memory is unknown it is the usual one."""
    total = machine.memory.total_bytes
    if choice == "usual":
        return USUAL
    if total is None:
        return _LOW if choice == "low_memory" else USUAL
    small = _LOWEST if total <= _VERY_LITTLE else _LOW
    if choice == "low_memory":
        return small
    held = any(not gpu.unified and (gpu.total_bytes or 0) >= _CARD for gpu in machine.gpus)
    return small if total <= _LITTLE and not held else USUAL


def profiled(options: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """Load options (``core.model_ref.merged``) with the profile's values where they are automatic."""
    values = {name: getattr(profile, name, None) for name in LoadOptions.__struct_fields__}
    given = {name: value for name, value in values.items() if value is not None}
    return options | {name: value for name, value in given.items() if options.get(name) in (None, "auto")}
