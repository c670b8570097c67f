"""What the process that makes models smaller is asked, and what it answers (see ``quantize``). Plain data."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from qwen_desktop.core.quantizing import Planned, SourceFile


class Wanted(Struct, frozen=True):
    """What ``plan`` and ``quantize`` are given: ``source`` a path, ``types`` names. ``part`` is where the result is
    written. ``requantize``: also from a source that was rounded already."""

    source: str
    types: tuple[str, ...] = ()
    part: str = ""
    requantize: bool = False


class Made(Struct, frozen=True):
    """What was written: what it came to, of what, with how many tensors, in how many seconds."""

    planned: Planned
    source: SourceFile
    tensors: int
    seconds: float


class Measured(Struct, frozen=True):
    """What ``quality`` is given: the models' paths, the text, and whose it is."""

    source: str
    result: str
    text: str
    whose: Literal["ours", "own"] = "ours"
