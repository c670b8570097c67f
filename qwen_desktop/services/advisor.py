"""Which model for which purpose on this machine: one, a lighter and a stronger one, each with its reason. Pure.

The order of models is the catalogue's (``qualities``), which follows the selection guide: Qwen2.5 for general chat,
Qwen3 and its successors with thinking for reasoning, Coder for code, Math for mathematics, the smallest for small
computers, and newer series where they are better at the same size. This module decides what is comfortable here:

- it fits beside what other programs use, with a reserve, and with a context for a long talk;
- it writes faster than people read, and faster still where it thinks first;
- the disk has room for it.

Of the comfortable ones the best is recommended. More memory only adds candidates, so it never leads to a worse one.

A model is got for months, so all of this is judged by the machine as it is on a usual day (``core.fit.usual_day``),
never by what happens to run at the moment. Whether it fits *now* is another question, and its answer stands beside the
advice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from qwen_desktop.core.fit import Fit, Verdict, usual_day
from qwen_desktop.core.hardware import Machine
from qwen_desktop.core.models import Advice, CatalogModel, Purpose, Quant, Recommendation
from qwen_desktop.core.quants import SMALL_MODEL
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text

if TYPE_CHECKING:
    from qwen_desktop.services.fits import Fits

#: Tokens per second that are comfortable in the middle of a talk; people read 4 to 6, and thinking is waited for.
COMFORTABLE = 8.0
_SPEED = {Purpose.CODE: 9.0, Purpose.REASONING: 12.0, Purpose.MATHS: 12.0}
#: Slower than this is not offered as a stronger one, in tokens per second.
_BEARABLE = 4.0
#: Kept free on the disk, in bytes.
_DISK_RESERVE = 2 << 30
#: Points (8 are one doubling of the parameters) for quants beside the usual one, and for a licence with conditions.
_SMALL_QUANT, _LARGE_QUANT, _CONDITIONS = -6, 1, -4
#: A lighter model takes at most this share of the best one's memory, a stronger one has this many points more.
_LIGHTER, _STRONGER = 0.65, 3
#: The large quant is for machines with room to waste: it may take this share of the memory.
_SPACIOUS = 0.25

# fmt: off
_SENTENCES = {
    "best.everyday": QT_TRANSLATE_NOOP("advice", "The best answers that should run well on this computer."),
    "best.everyday.speed": QT_TRANSLATE_NOOP(
        "advice", "The best answers that still come faster than you read: about %n token(s) per second."
    ),
    "best.reasoning": QT_TRANSLATE_NOOP("advice", "The best at thinking things through that should run well here."),
    "best.reasoning.speed":
        QT_TRANSLATE_NOOP("advice", "The best at thinking things through here, at about %n token(s) per second."),
    "best.code": QT_TRANSLATE_NOOP("advice", "The best at code that should run well on this computer."),
    "best.code.speed":
        QT_TRANSLATE_NOOP("advice", "The best at code that runs well here, at about %n token(s) per second."),
    "best.maths": QT_TRANSLATE_NOOP("advice", "The best at mathematics that should run well on this computer."),
    "best.maths.speed":
        QT_TRANSLATE_NOOP("advice", "The best at mathematics that runs well here, at about %n token(s) per second."),
    "best.pictures": QT_TRANSLATE_NOOP("advice", "The best at pictures that should run well on this computer."),
    "best.pictures.speed":
        QT_TRANSLATE_NOOP("advice", "The best at pictures that runs well here, at about %n token(s) per second."),
    "best.languages": QT_TRANSLATE_NOOP("advice", "The best in many languages that should run well here."),
    "best.languages.speed": QT_TRANSLATE_NOOP(
        "advice", "The best in many languages that runs well here, at about %n token(s) per second."
    ),
    "tight": QT_TRANSLATE_NOOP("advice", "The smallest of its kind: it takes most of this computer's memory."),
    "slow": QT_TRANSLATE_NOOP("advice", "The quickest on this computer: about {speed} tokens per second."),
    "lighter": QT_TRANSLATE_NOOP("advice", "Quicker, and leaves {room} GB more to other programs."),
    "lighter.battery":
        QT_TRANSLATE_NOOP("advice", "Quicker, easy on the battery, and leaves {room} GB more to others."),
    "lighter.now": QT_TRANSLATE_NOOP("advice", "Fits beside the programs that run now."),
    "lighter.smaller": QT_TRANSLATE_NOOP("advice", "Smaller: leaves {room} GB more to other programs."),
    "stronger": QT_TRANSLATE_NOOP("advice", "Better answers, but larger and slower."),
    "stronger.memory": QT_TRANSLATE_NOOP("advice", "Better answers, but large for the memory of this computer."),
    "stronger.speed": QT_TRANSLATE_NOOP("advice", "Better answers, but slower: about %n token(s) per second."),
    "stronger.thinking": QT_TRANSLATE_NOOP(
        "advice", "Better answers, but it thinks for a while first, at about %n token(s) per second."
    ),
    "disk": QT_TRANSLATE_NOOP(
        "advice", "{model} would be better, but needs {size} GB on the disk, where {free} GB are free."
    ),
    "disk.full": QT_TRANSLATE_NOOP(
        "advice", "The disk has no room for a model: the smallest, {model}, needs {size} GB and some to spare."
    ),
    "memory": QT_TRANSLATE_NOOP(
        "advice",
        "Even the smallest model, {model}, needs {missing} GB more of free memory. Close other programs, then look "
        "again.",
    ),
    "none": QT_TRANSLATE_NOOP("advice", "The list has no model for this."),
    "not_now": QT_TRANSLATE_NOOP(
        "advice",
        "{model} suits this computer, but {missing} GB more must be free to use it: other programs hold a lot of "
        "memory now.",
    ),
    "pictures": QT_TRANSLATE_NOOP("advice", "This version cannot look at pictures yet."),
    "pictures.model": QT_TRANSLATE_NOOP(
        "advice", "This version cannot look at pictures yet. When it can, {model} will suit this computer."
    ),
    "unknown":
        QT_TRANSLATE_NOOP("advice", "The smallest of its kind, since the memory of this computer could not be read."),
}
# fmt: on


class _Candidate(Struct, frozen=True):
    """One quant of one model with its points for the purpose; ``usual`` is the model's recommended one, for others."""

    model: CatalogModel
    quant: Quant
    points: int
    usual: _Candidate | None = None

    @property
    def size(self) -> int:
        return self.quant.size_bytes or 0


class _Tried(Struct, frozen=True):
    """A candidate with its fit on a usual day."""

    candidate: _Candidate
    fit: Fit

    @property
    def speed(self) -> float:
        return self.fit.decode_tokens_per_s or 0.0


def recommend(models: Iterable[CatalogModel], machine: Machine, purpose: Purpose, verdicts: Fits) -> Recommendation:
    """The recommendation. Some milliseconds for the whole catalogue.

    Without a ``best`` one ``reason`` says why: the purpose is not served yet, or nothing fits. With one it may say that
    it does not fit now, what had to be guessed, or what a fuller disk would have allowed.
    """
    listed = tuple(models)
    if not any(purpose in m.purposes for m in listed):
        return Recommendation(purpose, reason=_unserved(listed, machine, purpose, verdicts))
    candidates = _candidates(listed, purpose)
    if machine.memory.total_bytes is None and machine.memory.free_bytes is None:
        return _blind(candidates, purpose)
    return _Advisor(machine, purpose, verdicts).advise(candidates)


class _Advisor:
    """One question."""

    def __init__(self, machine: Machine, purpose: Purpose, verdicts: Fits) -> None:
        self._purpose = purpose
        self._verdicts = verdicts
        self._guessed_speed = not machine.bandwidth_bytes_per_s
        self._machine = usual_day(machine)
        self._disk = machine.disk.free_bytes if machine.disk is not None else None

    def advise(self, candidates: Sequence[_Candidate]) -> Recommendation:
        """Best first, then one below and one above it."""
        best = self._best(candidates)
        if best is None:
            return Recommendation(self._purpose, reason=self._nothing(candidates))
        missing = self._missing(best.candidate)
        lighter = self._lighter(best, candidates)
        why_lighter = None if lighter is None else self._why_lighter(lighter, best)
        if missing and (lighter is None or self._missing(lighter.candidate)):
            lighter = self._for_now(best, candidates) or lighter
            if lighter and not self._missing(lighter.candidate):
                why_lighter = _say("lighter.now")
        stronger = self._stronger(best, candidates)
        return Recommendation(
            self._purpose,
            best=_advice("best", best, self._why(best)),
            lighter=None if lighter is None or why_lighter is None else _advice("lighter", lighter, why_lighter),
            stronger=None if stronger is None else _advice("stronger", stronger, self._why_stronger(stronger, best)),
            reason=_not_now(best.candidate.model.name, missing) if missing else self._remark(best, candidates),
        )

    def _missing(self, candidate: _Candidate) -> int:
        """What memory lacks for it now, in bytes; 0 where it fits or what is free is unknown."""
        now = self._verdicts.of(candidate.model, candidate.quant)
        return max(1, now.missing_bytes) if now is not None and now.verdict is Verdict.TOO_LARGE else 0

    # Choosing --------------------------------------------------------------------------------------------------------

    def _best(self, candidates: Sequence[_Candidate]) -> _Tried | None:
        for candidate in candidates:  # the best first
            if self._on_disk(candidate) and (tried := self._comfortable(candidate)):
                return tried
        # Nothing is comfortable: the one that answers soonest, then the one that needs least.
        there = [t for c in candidates if self._on_disk(c) and (t := self._try(c))]
        fitting = [t for t in there if self._fits(t)]
        if fitting:
            return max(fitting, key=lambda t: (t.speed, -t.candidate.size))
        tight = [t for t in there if t.fit.verdict is not Verdict.TOO_LARGE]
        return min(tight, key=lambda t: t.fit.memory.total_bytes, default=None)

    def _comfortable(self, candidate: _Candidate) -> _Tried | None:
        if candidate.size > self._most():
            return None
        tried = self._try(candidate)
        needed = _needed_speed(candidate.model, self._purpose)
        if tried is None or not self._fits(tried) or tried.speed < needed:
            return None
        if candidate.quant.recommended:
            return tried
        if candidate.quant.step == "large":
            spacious = candidate.size <= self._most() * _SPACIOUS and tried.speed >= 2 * needed
            return tried if spacious else None
        # A small quant costs quality. It is a way into less memory, not to more speed, but for the smallest models.
        usual = candidate.usual
        if usual is None or candidate.model.parameters <= SMALL_MODEL:
            return tried
        whole = self._try(usual)
        return tried if whole is not None and whole.speed >= needed else None

    def _lighter(self, best: _Tried, candidates: Sequence[_Candidate]) -> _Tried | None:
        most = best.fit.memory.total_bytes * _LIGHTER
        for candidate in candidates:
            if candidate.model.id == best.candidate.model.id or candidate.size > most:
                continue
            if candidate.quant.recommended and self._on_disk(candidate):
                tried = self._try(candidate)
                if tried is None or not self._fits(tried) or tried.fit.memory.total_bytes > most:
                    continue
                if tried.speed >= min(best.speed, _needed_speed(candidate.model, self._purpose)):
                    return tried
        return None

    def _for_now(self, best: _Tried, candidates: Sequence[_Candidate]) -> _Tried | None:
        """The best one that fits the memory that is free now."""
        for candidate in candidates:
            smaller = candidate.size < best.candidate.size and candidate.model.id != best.candidate.model.id
            if smaller and candidate.quant.recommended and self._on_disk(candidate) and not self._missing(candidate):
                tried = self._try(candidate)
                if tried is not None and tried.speed >= _BEARABLE:
                    return tried
        return None

    def _stronger(self, best: _Tried, candidates: Sequence[_Candidate]) -> _Tried | None:
        for candidate in candidates:
            if candidate.points < best.candidate.points + _STRONGER:
                return None
            if not candidate.quant.recommended or not self._on_disk(candidate):
                continue
            if candidate.model.id == best.candidate.model.id or candidate.size < best.candidate.size:
                continue  # a smaller one that answers better on paper would only puzzle people
            tried = self._try(candidate)
            if tried is None or tried.fit.verdict in (Verdict.TOO_LARGE, Verdict.SLOW) or tried.speed < _BEARABLE:
                continue
            return tried
        return None

    def _try(self, candidate: _Candidate) -> _Tried | None:
        fit = self._verdicts.usual(candidate.model, candidate.quant)
        return None if fit is None else _Tried(candidate, fit)

    def _fits(self, tried: _Tried) -> bool:
        """With the context asked for and room for others. Slowness is another question."""
        fit = tried.fit
        return fit.verdict is not Verdict.TOO_LARGE and fit.context >= fit.asked and not fit.tight

    def _on_disk(self, candidate: _Candidate) -> bool:
        if self._disk is None or self._verdicts.has(candidate.model, candidate.quant):
            return True
        mmproj = sum(f.size_bytes for f in candidate.model.mmproj)
        return candidate.size + mmproj + _DISK_RESERVE <= self._disk

    def _most(self) -> int:
        """No model of more bytes can fit: saves the arithmetic."""
        cards = sum(g.free_bytes or g.total_bytes or 0 for g in self._machine.gpus if not g.unified)
        return (self._machine.memory.free_bytes or 0) + cards

    # Words -----------------------------------------------------------------------------------------------------------

    def _why(self, best: _Tried) -> Text:
        if not self._fits(best):
            return _say("tight")
        needed = _needed_speed(best.candidate.model, self._purpose)
        if best.speed < needed and not self._guessed_speed:
            return _say("slow", speed=round(best.speed, 1))
        speed = self._said(best)
        if speed is None or speed < needed:
            return _say(f"best.{self._purpose}")
        return _say(f"best.{self._purpose}.speed", n=round(speed))

    def _said(self, tried: _Tried) -> float | None:
        """The speed to name: as it is on a usual day, and not above what the verdict of now says beside it."""
        now = self._verdicts.of(tried.candidate.model, tried.candidate.quant)
        here = tried.speed if now is None else min(tried.speed, now.decode_tokens_per_s or tried.speed)
        return None if self._guessed_speed else here

    def _why_lighter(self, tried: _Tried, best: _Tried) -> Text:
        room = _gigabytes(best.fit.memory.total_bytes - tried.fit.memory.total_bytes)
        if tried.speed < best.speed * 1.1:
            return _say("lighter.smaller", room=room)
        battery = self._machine.battery
        on_battery = battery is not None and battery.plugged is False
        return _say("lighter.battery" if on_battery else "lighter", room=room)

    def _why_stronger(self, tried: _Tried, best: _Tried) -> Text:
        if not self._fits(tried):  # only just on a usual day, or with less context; how it fits now stands beside it
            return _say("stronger.memory")
        speed = self._said(tried)
        if speed is None:
            return _say("stronger")
        return _say("stronger.speed" if tried.speed < best.speed else "stronger.thinking", n=round(speed))

    def _remark(self, best: _Tried, candidates: Sequence[_Candidate]) -> Text | None:
        for candidate in candidates:
            if candidate.points <= best.candidate.points:
                break
            if not self._on_disk(candidate) and candidate.quant.recommended and self._comfortable(candidate):
                free = _gigabytes(self._disk or 0)
                return _say("disk", model=candidate.model.name, size=_gigabytes(candidate.size), free=free)
        return None

    def _nothing(self, candidates: Sequence[_Candidate]) -> Text:
        least = min(candidates, key=lambda c: c.size)
        tried = self._try(least)
        if tried is not None and tried.fit.missing_bytes > 0:
            return _say("memory", model=least.model.name, missing=_gigabytes(tried.fit.missing_bytes, up=True))
        return _say("disk.full", model=least.model.name, size=_gigabytes(least.size, up=True))


def _say(code: str, **params: Param) -> Text:
    return Text(f"advice.{code}", _SENTENCES[code], params)


def _not_now(model: str, missing_bytes: int) -> Text:
    """The best one for the computer does not fit what is free at the moment."""
    return _say("not_now", model=model, missing=_gigabytes(max(missing_bytes, 100_000_000), up=True))


def _gigabytes(count: int, *, up: bool = False) -> float:
    """Gigabytes with one decimal; rounded up where less would be a false promise."""
    count = max(0, count)
    return -(-count // 100_000_000) / 10 if up else count / 1e9


def _advice(kind: Literal["lighter", "best", "stronger"], tried: _Tried, reason: Text) -> Advice:
    return Advice(kind, tried.candidate.model, tried.candidate.quant, reason)


def _candidates(models: Iterable[CatalogModel], purpose: Purpose, *, planned: bool = False) -> list[_Candidate]:
    """All quants that may be recommended, the best first. At equal points the newer, then the smaller one."""
    found = []
    for model in models:
        served = purpose in model.planned if planned else model.served and purpose in model.purposes
        if not served or not model.supported:
            continue
        points = model.qualities.get(purpose, model.quality) + (0 if model.open_licence else _CONDITIONS)
        usual = model.recommended_quant
        if usual is None or not usual.size_bytes:
            continue
        best = _Candidate(model, usual, points)
        found.append(best)
        for quant in model.quants:
            more = {"small": _SMALL_QUANT, "large": _LARGE_QUANT}.get(quant.step)
            if more is not None and quant.size_bytes and not quant.recommended:
                found.append(_Candidate(model, quant, points + more, best))
    found.sort(key=lambda c: c.size)
    found.sort(key=lambda c: (c.points, c.model.released), reverse=True)
    return found


def _needed_speed(model: CatalogModel, purpose: Purpose) -> float:
    if purpose in (Purpose.REASONING, Purpose.MATHS) and model.thinking == "none":
        return COMFORTABLE  # it answers at once
    return _SPEED.get(purpose, COMFORTABLE)


def _blind(candidates: Sequence[_Candidate], purpose: Purpose) -> Recommendation:
    """Nothing is known of the memory: the smallest, and it is said so."""
    least = min((c for c in candidates if c.quant.recommended), key=lambda c: c.size)
    why = _say("unknown")
    return Recommendation(purpose, best=Advice("best", least.model, least.quant, why), reason=why)


def _unserved(models: Sequence[CatalogModel], machine: Machine, purpose: Purpose, verdicts: Fits) -> Text:
    """What to say of a purpose that a later version will serve, with the model for it where one will do."""
    candidates = _candidates(models, purpose, planned=True)
    known = machine.memory.total_bytes is not None or machine.memory.free_bytes is not None
    found = _Advisor(machine, purpose, verdicts).advise(candidates).best if candidates and known else None
    if purpose is not Purpose.PICTURES:
        return _say("none")
    return _say("pictures") if found is None else _say("pictures.model", model=found.model.name)
