"""What measured loads teach the estimates: the same file exactly, other files by a factor. Pure.

A measurement keeps what was predicted for just what was done (how far the context was filled, how deep the answer
was), so that a short chat teaches as well as a full context.

Other programs only ever make an answer slower, so a file's speed is the best that its newest answers reached: a busy
hour changes nothing, a computer that has become slower for good shows after a while. That answers are slower than
predicted counts when many were; a faster one is proof at once. What is near the prediction confirms it: others always
take a little, and advice should not waver with that.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from qwen_desktop.core.hardware import Machine
from qwen_desktop.core.memory import Correction

#: Measurements kept in all, the newest.
KEPT = 200
#: What a factor on memory may be, whatever was measured: outside of it something else than the estimate was wrong.
_MEMORY_RANGE = (0.9, 1.5)
_LEAST_EXTRA = 0.2
_SPEED_RANGE = (0.02, 50.0)
_NEWEST = 5
#: Answers whose speed is remembered for a file and its settings, and how many it takes to believe that it is slow.
_ANSWERS, _SEVERAL = 32, 12
#: Between these a speed is as predicted.
_NEAR = (0.85, 1.15)


class Measurement(Struct, frozen=True, omit_defaults=True):
    """One loaded model on one machine. Bytes, tokens, tokens per second; 0 where nothing was measured.

    ``key`` is the file's fingerprint. ``resident_bytes`` was measured with ``filled`` tokens of the ``context`` used,
    and ``predicted_bytes`` is the plain estimate for that. The predicted speeds are for the depth of that answer;
    ``speeds`` and ``prompts`` are how many times the predicted speed the newest answers reached, with memory that was
    measured to read ``bandwidth`` bytes per second. ``model`` names the catalogue's file ("owner/name:quant"), if any.
    """

    key: str
    machine: str
    context: int
    kv_type: str = "f16"
    flash: bool = False
    filled: int = 0
    weights_bytes: int = 0
    resident_bytes: int = field(default=0, name="held_bytes")
    predicted_bytes: int = 0
    decode: float = 0.0
    predicted_decode: float = 0.0
    prompt: float = 0.0
    predicted_prompt: float = 0.0
    taken_at: float = 0.0
    speeds: tuple[float, ...] = ()
    prompts: tuple[float, ...] = ()
    bandwidth: float = 0.0
    model: str = ""

    @property
    def settings(self) -> tuple[str, str, int, str, bool]:
        """What makes it another measurement."""
        return self.key, self.machine, self.context, self.kv_type, self.flash


def machine_name(machine: Machine) -> str:
    """Tells machines apart for which measurements hold: a portable installation moves, a system is updated."""
    gpus = ",".join(gpu.name for gpu in machine.gpus)
    return "|".join((machine.cpu.model, str(machine.cpu.usable or 0), gpus))


def learned(known: Sequence[Measurement], new: Measurement) -> tuple[Measurement, ...]:
    """``known`` with ``new`` in it, newest last.

    For the same file and settings the measurement with more of the context filled stays for the memory, and speeds go
    to those before.
    """
    before = next((m for m in known if m.settings == new.settings), None)
    new = _joined(before or replace(new, resident_bytes=0, decode=0.0, prompt=0.0), new)
    others = [m for m in known if m.settings != new.settings]
    return (*others, new)[-KEPT:]


def _joined(before: Measurement, new: Measurement) -> Measurement:
    if before.resident_bytes and (not new.resident_bytes or new.filled < before.filled):
        new = replace(
            new, resident_bytes=before.resident_bytes, predicted_bytes=before.predicted_bytes, filled=before.filled
        )
    return replace(
        new,
        speeds=_newest(_speeds(before) if before.bandwidth == new.bandwidth else (), new.decode, new.predicted_decode),
        prompts=_newest(_prompts(before), new.prompt, new.predicted_prompt),
        model=new.model or before.model,
    )


def _newest(before: Sequence[float], measured: float, predicted: float) -> tuple[float, ...]:
    if measured <= 0 or predicted <= 0:  # one of them is missing
        return tuple(before)
    return (*before, round(measured / predicted, 4))[-_ANSWERS:]


def _speeds(known: Measurement) -> tuple[float, ...]:
    """What answers reached; older files keep one average of several."""
    return known.speeds or _newest((), known.decode, known.predicted_decode) * _SEVERAL


def _prompts(known: Measurement) -> tuple[float, ...]:
    return known.prompts or _newest((), known.prompt, known.predicted_prompt) * _SEVERAL


def _reached(ratios: Sequence[float]) -> float:
    """How many times the predicted speed is reached; 0 while that is not known."""
    best = max(ratios, default=0.0)
    if _NEAR[0] <= best <= _NEAR[1]:
        return 1.0
    return best if best > 1.0 or len(ratios) >= _SEVERAL else 0.0


def correction(
    known: Sequence[Measurement],
    machine: str,
    *,
    key: str = "",
    model: str = "",
    context: int = 0,
    bandwidth: float | None = None,
) -> Correction:
    """What ``known`` says about the file ``key`` ("" where it is not known) or ``model`` of the catalogue on this
    machine, for a context of about ``context`` tokens. A speed that was predicted from another ``bandwidth`` says
    nothing any more."""
    here = [m for m in known if m.machine == machine or m.machine.endswith(f"|{machine}")]  # older: after the system
    own = [m for m in here if (key and m.key == key) or (model and m.model == model)]
    weighed = [m for m in own if m.resident_bytes]
    timed = [m for m in here if not m.bandwidth or not bandwidth or m.bandwidth == bandwidth]
    factor, extra = 1.0, 0
    if weighed:
        nearest = min(weighed, key=lambda m: (abs(m.context - context), -m.filled))
        extra = nearest.resident_bytes - nearest.predicted_bytes
        # pages of the file that the system has taken back look like a model that needs less than it does
        extra = max(extra, -int(_LEAST_EXTRA * (nearest.predicted_bytes - nearest.weights_bytes)))
    else:
        factor = _memory_factor(here)
    return Correction(
        memory_factor=factor,
        speed_factor=_factor([(m, _reached(_speeds(m))) for m in timed], own),
        extra_bytes=extra,
        loads=len(own) if own else len(here),
        prompt_factor=_factor([(m, _reached(_prompts(m))) for m in here], own),
    )


def _factor(reached: Sequence[tuple[Measurement, float]], own: Sequence[Measurement]) -> float:
    """The file's own speed where it is known, else that of the others."""
    mine = [ratio for m, ratio in reached if ratio and m in own]
    return _typical(mine or [ratio for _, ratio in reached if ratio], _SPEED_RANGE)


def _memory_factor(known: Sequence[Measurement]) -> float:
    """One value for each file, so that a file loaded often does not count for all."""
    newest: dict[str, float] = {}
    for m in known:
        beside = m.predicted_bytes - m.weights_bytes
        if m.resident_bytes and beside > 0:
            newest[m.key] = (m.resident_bytes - m.weights_bytes) / beside
    return _typical(list(newest.values()), _MEMORY_RANGE)


def _typical(values: Sequence[float], limits: tuple[float, float]) -> float:
    """The middle one of the newest values, within ``limits``; 1.0 without any."""
    if not values:
        return 1.0
    return min(limits[1], max(limits[0], statistics.median(values[-_NEWEST:])))
