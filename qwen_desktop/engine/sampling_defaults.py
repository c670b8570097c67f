"""Sampling values that the model cards recommend, by series and mode.

Source: the ``sampling`` fields of the catalog facts collected for this project from the Qwen model cards (Qwen2 and
Qwen2.5: ``generation_config.json``). Where a card gives a range to try ("presence penalty 0-2 if it repeats") the
penalty stays 0. A file may bring its own values: ``general.sampling.*`` (llama.cpp's keys) or, for the built-in
guide, ``qwen_desktop.sampling.*``; those win over the table, and what the user chose wins over both.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from qwen_desktop.core.engine import Sampling
from qwen_desktop.core.gguf import GgufHeader

#: For models that no card is known of: what llama.cpp and most cards are near.
GENERAL = Sampling(temperature=0.7, top_p=0.9, top_k=40, min_p=0.05, presence_penalty=0.0, repeat_penalty=1.0)

_QWEN3_THINK = Sampling(0.6, 0.95, 20, 0.0, 0.0, 1.0)
_QWEN3_DIRECT = Sampling(0.7, 0.8, 20, 0.0, 0.0, 1.0)
_QWEN2 = Sampling(0.7, 0.8, 20, 0.0, 0.0, 1.05)
_VL_DIRECT = Sampling(0.7, 0.8, 20, 0.0, 1.5, 1.0)
_QWEN35_THINK = Sampling(1.0, 0.95, 20, 0.0, 1.5, 1.0)
_QWEN35_DIRECT = Sampling(0.7, 0.8, 20, 0.0, 1.5, 1.0)
_QWEN35_SMALL_DIRECT = Sampling(1.0, 1.0, 20, 0.0, 2.0, 1.0)
_QWEN36_THINK = Sampling(1.0, 0.95, 20, 0.0, 0.0, 1.0)

#: (pattern for the model's name, thinking, direct); the first that matches counts.
_BY_NAME: tuple[tuple[str, Sampling, Sampling], ...] = (
    (r"\bqwq\b", Sampling(0.6, 0.95, 40, 0.0, 0.0, 1.0), Sampling(0.6, 0.95, 40, 0.0, 0.0, 1.0)),
    (r"qwen[ _-]?3[ _-]?vl", _QWEN3_THINK, _VL_DIRECT),
    (r"qwen[ _-]?3[ _-]?coder[ _-]?next", *(Sampling(1.0, 0.95, 40, 0.0, 0.0, 1.0),) * 2),
    (r"qwen[ _-]?3[ _-]?coder", _QWEN2, _QWEN2),
    (r"qwen[ _-]?3\.5[ _-]?(0\.8|2)b", _QWEN35_THINK, _QWEN35_SMALL_DIRECT),
    (r"qwen[ _-]?3\.5[ _-]?397b", _QWEN3_THINK, _QWEN3_DIRECT),
    (r"qwen[ _-]?3\.5", _QWEN35_THINK, _QWEN35_DIRECT),
    (r"qwen[ _-]?3\.6[ _-]?35b", _QWEN35_THINK, _QWEN35_DIRECT),
    (r"qwen[ _-]?3\.[6-9]", _QWEN36_THINK, _QWEN35_DIRECT),
    (r"qwen[ _-]?3", _QWEN3_THINK, _QWEN3_DIRECT),
    (r"qwen[ _-]?2", _QWEN2, _QWEN2),
    (r"qwen", GENERAL, GENERAL),
)
_BY_ARCHITECTURE: dict[str, tuple[Sampling, Sampling]] = {
    **dict.fromkeys(("qwen2", "qwen2moe", "qwen2vl"), (_QWEN2, _QWEN2)),
    **dict.fromkeys(("qwen3", "qwen3moe", "qwen3next"), (_QWEN3_THINK, _QWEN3_DIRECT)),
    **dict.fromkeys(("qwen3vl", "qwen3vlmoe"), (_QWEN3_THINK, _VL_DIRECT)),
    **dict.fromkeys(("qwen35", "qwen35moe"), (_QWEN35_THINK, _QWEN35_DIRECT)),
    "qwen4exp": (_QWEN36_THINK, _QWEN35_DIRECT),
}
#: Value -> llama.cpp's key for it (None: it has none), and what it may be at least and at most.
_VALUES: dict[str, tuple[str | None, float, float]] = {
    "temperature": ("temp", 0.0, 2.0),
    "top_p": ("top_p", 0.0, 1.0),
    "top_k": ("top_k", 0, 1000),
    "min_p": ("min_p", 0.0, 1.0),
    "presence_penalty": (None, 0.0, 2.0),
    "repeat_penalty": ("penalty_repeat", 1.0, 2.0),
}


def decide(header: GgufHeader, asked: Sampling, *, thinking: bool) -> Sampling:
    """What the next answer of this model is sampled with: the one place that says so, whatever face asks.

    The guide is trained to be read greedily, so of what was asked only the seed concerns it. A seed is drawn where
    none was asked for.
    """
    seed = asked.seed if asked.seed is not None else secrets.randbelow(0xFFFFFFFF)
    return resolve(Sampling() if header.guide else asked, defaults(header, thinking=thinking), seed)


def defaults(header: GgufHeader, *, thinking: bool) -> Sampling:
    """The recommended values for this model; ``thinking`` tells whether the answer will begin with thinking."""
    found = _table(header, thinking=thinking)
    return msgspec.structs.replace(found, **_own(header.metadata))


def _table(header: GgufHeader, *, thinking: bool) -> Sampling:
    names = [header.metadata.get(f"general.{key}") for key in ("name", "basename", "finetune")]
    name = " ".join(str(n) for n in names if n)
    distilled = "distill" in name.lower()  # its card is not Qwen's
    for pattern, think, direct in () if distilled else _BY_NAME:
        if re.search(pattern, name, re.IGNORECASE):
            return think if thinking else direct
    if distilled and header.architecture.startswith("qwen"):
        return _QWEN3_THINK
    think, direct = _BY_ARCHITECTURE.get(header.architecture, (GENERAL, GENERAL))
    return think if thinking else direct


def _own(metadata: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, (theirs, low, high) in _VALUES.items():
        for value in (metadata.get(f"qwen_desktop.sampling.{name}"), metadata.get(f"general.sampling.{theirs}")):
            if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
                values[name] = int(value) if name == "top_k" else float(value)
                break
    return values


def resolve(asked: Sampling, default: Sampling, seed: int) -> Sampling:
    """What is really used: the user's values, else the recommended ones.

    Temperature 0 asks for the likeliest word each time: then recommended penalties and cuts play no part, only
    penalties that were asked for.
    """
    if asked.temperature == 0:
        default = Sampling(presence_penalty=0.0, repeat_penalty=1.0)
    values = {name: getattr(default, name) if (own := getattr(asked, name)) is None else own for name in _VALUES}
    return Sampling(**values, seed=seed)
