"""``qwen-desktop models recommend``: which model suits this machine, a lighter and a stronger one, and why.

The JSON object of ``--json``: ``purpose``; ``best``, ``lighter`` and ``stronger``, each null or an object with

- ``id``, ``name``, ``repo``, ``quant``, ``licence``; ``download``: what ``models pull`` takes
- ``size_bytes`` of its files, ``total_bytes`` of memory with ``context`` tokens, ``decode_tokens_per_s`` (null when
  the machine's speed is unknown), ``verdict`` (now, as of ``models fit``; null when the memory is unknown)
- ``inferred``: names of facts that are not from a verified source
- ``reason``: one sentence

and ``reason``: a sentence about the whole, null when there is nothing to say. Without a ``best`` it says why.
"""

from __future__ import annotations

from typing import Any

from qwen_desktop.cli.console import Console, harmless
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.models import Advice, Purpose, Recommendation
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill
from qwen_desktop.hub.access import offline_problem
from qwen_desktop.services import fit_words
from qwen_desktop.services.fits import Fits

_KINDS = {
    "best": QT_TRANSLATE_NOOP("advice", "Best for this computer"),
    "lighter": QT_TRANSLATE_NOOP("advice", "Lighter"),
    "stronger": QT_TRANSLATE_NOOP("advice", "Stronger"),
}


async def recommend(run: CommandRun, *, purpose: Purpose = Purpose.EVERYDAY) -> int:
    """Print the recommendation. Returns 0, also when there is none: then the sentence says why."""
    console = run.console
    async with run.services() as services:
        console.progress(QT_TRANSLATE_NOOP("advice", "Looking at this machine …"))
        await services.machines.machine()
        await services.catalogue.load()
        fits = services.fits
        found = fits.recommend(services.catalogue.models(), purpose) or Recommendation(purpose)
        problem = offline_problem(services.preferences.settings.downloads)
        if problem is not None:  # the list is here; what it names is not
            console.note(problem.problem.sentence())
        if run.as_json:
            console.object(as_object(found, fits))
            return 0
        for advice in (found.best, found.lighter, found.stronger):
            if advice is not None:
                _print(advice, fits, console)
    if found.reason is not None and (found.best is None or found.reason != found.best.reason):
        console.line(harmless(str(found.reason)))
    return 0


def as_object(found: Recommendation, fits: Fits) -> dict[str, Any]:
    """What ``--json`` prints."""
    shown: dict[str, Any] = {"purpose": str(found.purpose)}
    for kind in ("best", "lighter", "stronger"):
        advice: Advice | None = getattr(found, kind)
        shown[kind] = None if advice is None else _object(advice, fits)
    shown["reason"] = None if found.reason is None else str(found.reason)
    return shown


def _object(advice: Advice, fits: Fits) -> dict[str, Any]:
    model, quant = advice.model, advice.quant
    now = fits.of(model, quant)
    told = now or fits.usual(model, quant)
    inferred = {*model.inferred, *(told.inferred if told else ()), *(["size_bytes"] if quant.inferred else [])}
    return {
        "id": model.id,
        "name": model.name,
        "repo": model.repo,
        "quant": quant.name,
        "licence": model.licence,
        "download": f"{model.repo}:{quant.name}",
        "size_bytes": quant.size_bytes,
        "total_bytes": told.memory.total_bytes if told else None,
        "context": told.context if told else None,
        "decode_tokens_per_s": told.decode_tokens_per_s if told else None,
        "verdict": str(now.verdict) if now else None,
        "inferred": sorted(inferred),
        "reason": str(advice.reason),
    }


def _print(advice: Advice, fits: Fits, console: Console) -> None:
    shown = _object(advice, fits)
    now = fits.of(advice.model, advice.quant)
    heading = fill(
        QT_TRANSLATE_NOOP("advice", "{kind}: {name} {quant}, {size} GB on the disk, {memory} GB of memory"),
        {
            "kind": _KINDS[advice.kind],
            "name": advice.model.name,
            "quant": advice.quant.name,
            "size": (shown["size_bytes"] or 0) / 1e9,
            "memory": (shown["total_bytes"] or 0) / 1e9,
        },
    )
    console.line(harmless(f"{heading}, {fit_words.word(now)}" if now else heading))
    console.line(f"  {harmless(str(advice.reason))}")
    console.line(f"  qwen-desktop models pull {harmless(shown['download'])}")
