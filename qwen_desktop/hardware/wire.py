"""What the short-lived children of the probe say: one frame for each thing they found out."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from qwen_desktop.core.hardware import Gpu
from qwen_desktop.core.packed import Unpacker


class Listed(Struct, frozen=True, tag="listed", tag_field="t"):
    """The devices that ``source`` lists, perhaps none."""

    source: Literal["ggml", "nvml"]
    gpus: tuple[Gpu, ...]


class Measured(Struct, frozen=True, tag="measured", tag_field="t"):
    """How fast main memory can be read by the threads that answers use. ``calm`` is False when other programs kept the
    processor busy all the while, so that it may be too low."""

    bytes_per_s: float
    calm: bool = True


class Built(Struct, frozen=True, tag="built", tag_field="t"):
    """What this build of llama.cpp computes on beside the processor, and what of it did not load (``Machine``)."""

    backends: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()


Finding: TypeAlias = Listed | Measured | Built

#: A finding; raises ``ValueError`` for anything else.
decode: Unpacker[Finding] = Unpacker(Finding)
