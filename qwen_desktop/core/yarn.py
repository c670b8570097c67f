"""YaRN: contexts beyond what a model was trained for, where its model card names that. Pure.

Source: the model cards, as collected in the catalogue (``context_extended``): Qwen2 and Qwen2.5 from 7B on, QwQ, and
the first Qwen3 from 4B on were trained with 32,768 tokens and are to be stretched to 131,072 (Qwen2-57B-A14B to
65,536). llama.cpp stretches all positions alike, also those of short texts, for which the cards advise against it: so
it is used only for a context that needs it, with no larger factor than that needs. Series with 262,144 tokens of their
own (Qwen3-2507, Qwen3-VL, Qwen3.5) go on by other means and are left as they are.
"""

from __future__ import annotations

import math
import re

from msgspec import Struct

#: What the stretched series were trained with, in tokens. The files of Qwen3 name 8,192 more, which are for the answer.
_ORIGINAL, _NAMED = 32_768, (32_768, 40_960)
#: Factors are multiples of this one.
_STEP = 0.25
_OTHERS = re.compile(r"embedding|rerank|math|\bvl\b|audio|omni|2507|coder[ _-]?next|\b1m\b", re.IGNORECASE)
#: Architecture, what the name has, how many parameters at least, and up to how many tokens.
_CARDS = (
    ("qwen2moe", re.compile(r"qwen[ _-]?2(?![.\d])", re.IGNORECASE), 50e9, 65_536),
    ("qwen2", re.compile(r"qwen[ _-]?2(?:\.5)?(?![.\d])|\bqwq\b", re.IGNORECASE), 6.5e9, 131_072),
    ("qwen3", re.compile(r"qwen[ _-]?3(?![.\d])", re.IGNORECASE), 3.5e9, 131_072),
    ("qwen3moe", re.compile(r"qwen[ _-]?3(?![.\d])", re.IGNORECASE), 3.5e9, 131_072),
)


class Yarn(Struct, frozen=True):
    """Positions stretched by ``factor``, for a model trained with ``original`` tokens."""

    factor: float
    original: int = _ORIGINAL


def extended(name: str, architecture: str, context_train: int, parameters: int) -> int:
    """Up to how many tokens the model's card names YaRN; 0 where it names none, or is not known."""
    if context_train not in _NAMED or _OTHERS.search(name):
        return 0
    for family, named, least, most in _CARDS:
        if architecture == family and parameters >= least and named.search(name):
            return most
    return 0


def needed(context: int, context_train: int, most: int) -> Yarn | None:
    """What a context of ``context`` tokens needs, None where it needs nothing or the card (``most``) does not go so
    far."""
    if not 0 < context_train < context <= most:
        return None
    return Yarn(math.ceil(context / _ORIGINAL / _STEP) * _STEP)
