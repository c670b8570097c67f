"""What measured loads teach the estimates: the same file exactly, other files by a factor. Pure.

A measurement keeps what was predicted for just what was done (how far the context was filled, how deep the answer
was), so that a short chat teaches as well as a full context.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core.fit import Correction
from qwen_desktop.core.hardware import Machine

#: Measurements kept in all, the newest.
KEPT = 200
#: What a factor on memory may be, whatever was measured: outside of it something else than the estimate was wrong.
_MEMORY_RANGE = (0.9, 1.5)
_LEAST_EXTRA = 0.2
_SPEED_RANGE = (0.02, 50.0)
_NEWEST = 5


class Measurement(Struct, frozen=True, omit_defaults=True):
    """One loaded model on one machine. Bytes, tokens, tokens per second; 0 where nothing was measured.

    ``key`` is the file's fingerprint. ``held_bytes`` was measured with ``filled`` tokens of the ``context`` used, and
    ``predicted_bytes`` is the plain estimate for that. The predicted speeds are for the depth of that answer.
    """

    key: str
    machine: str
    context: int
    kv_type: str = "f16"
    flash: bool = False
    filled: int = 0
    weights_bytes: int = 0
    held_bytes: int = 0
    predicted_bytes: int = 0
    decode: float = 0.0
    predicted_decode: float = 0.0
    prompt: float = 0.0
    predicted_prompt: float = 0.0
    taken_at: float = 0.0

    @property
    def settings(self) -> tuple[str, str, int, str, bool]:
        """What makes it another measurement."""
        return self.key, self.machine, self.context, self.kv_type, self.flash


def machine_name(machine: Machine) -> str:
    """Tells machines apart for which measurements hold: a portable installation moves."""
    gpus = ",".join(gpu.name for gpu in machine.gpus)
    return "|".join((machine.system, machine.cpu.model, str(machine.cpu.usable or 0), gpus))


def learned(known: Sequence[Measurement], new: Measurement) -> tuple[Measurement, ...]:
    """``known`` with ``new`` in it, newest last.

    For the same file and settings the measurement with more of the context filled stays for the memory. Speeds are
    averaged with those before, so that one answer beside another busy program does not count for all.
    """
    before = next((m for m in known if m.settings == new.settings), None)
    if before is not None:
        new = _joined(before, new)
    others = [m for m in known if m.settings != new.settings]
    return (*others, new)[-KEPT:]


def _joined(before: Measurement, new: Measurement) -> Measurement:
    if before.held_bytes and (not new.held_bytes or new.filled < before.filled):
        new = replace(new, held_bytes=before.held_bytes, predicted_bytes=before.predicted_bytes, filled=before.filled)
    decode, prompt = _ratio(new.decode, new.predicted_decode), _ratio(new.prompt, new.predicted_prompt)
    old_decode = _ratio(before.decode, before.predicted_decode)
    old_prompt = _ratio(before.prompt, before.predicted_prompt)
    if old_decode:
        predicted = new.predicted_decode or before.predicted_decode
        new = replace(new, decode=_blend(old_decode, decode) * predicted, predicted_decode=predicted)
    if old_prompt:
        predicted = new.predicted_prompt or before.predicted_prompt
        new = replace(new, prompt=_blend(old_prompt, prompt) * predicted, predicted_prompt=predicted)
    return new


def _ratio(measured: float, predicted: float) -> float:
    """0 where one of them is missing."""
    return measured / predicted if measured > 0 and predicted > 0 else 0.0


def _blend(before: float, new: float) -> float:
    return before if not new else (2 * before + new) / 3


def correction(known: Sequence[Measurement], machine: str, *, key: str = "", context: int = 0) -> Correction:
    """What ``known`` says about the file ``key`` ("" for one that was never loaded) on this machine, for a context of
    about ``context`` tokens."""
    here = [m for m in known if m.machine == machine]
    own = [m for m in here if key and m.key == key]
    weighed = [m for m in own if m.held_bytes]
    speeds = [ratio for m in (own or here) if (ratio := _ratio(m.decode, m.predicted_decode))]
    prompts = [ratio for m in (own or here) if (ratio := _ratio(m.prompt, m.predicted_prompt))]
    factor, extra = 1.0, 0
    if weighed:
        nearest = min(weighed, key=lambda m: (abs(m.context - context), -m.filled))
        extra = nearest.held_bytes - nearest.predicted_bytes
        # pages of the file that the system has taken back look like a model that needs less than it does
        extra = max(extra, -int(_LEAST_EXTRA * (nearest.predicted_bytes - nearest.weights_bytes)))
    else:
        factor = _memory_factor(here)
    return Correction(
        memory_factor=factor,
        speed_factor=_typical(speeds, _SPEED_RANGE),
        extra_bytes=extra,
        loads=len(own) if own else len(here),
        prompt_factor=_typical(prompts, _SPEED_RANGE),
    )


def _memory_factor(known: Sequence[Measurement]) -> float:
    """One value for each file, so that a file loaded often does not count for all."""
    newest: dict[str, float] = {}
    for m in known:
        beside = m.predicted_bytes - m.weights_bytes
        if m.held_bytes and beside > 0:
            newest[m.key] = (m.held_bytes - m.weights_bytes) / beside
    return _typical(list(newest.values()), _MEMORY_RANGE)


def _typical(values: Sequence[float], limits: tuple[float, float]) -> float:
    """The middle one of the newest values, within ``limits``; 1.0 without any."""
    if not values:
        return 1.0
    return min(limits[1], max(limits[0], statistics.median(values[-_NEWEST:])))
