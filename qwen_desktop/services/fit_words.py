"""A verdict in words, the same for every face: the word on a chip with its tone, and the whole sentence. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias

from qwen_desktop.core.amounts import size, tokens, whole
from qwen_desktop.core.fit import Fit, Verdict
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text

Tone: TypeAlias = Literal["good", "warn", "bad"]


def word(fit: Fit) -> Text:
    """The verdict in a few words."""
    if fit.verdict is Verdict.TOO_LARGE:
        return Text("fit.too_large", QT_TRANSLATE_NOOP("fit", "needs {size} more"), {"size": missing(fit)})
    smaller: dict[str, Param] = {"n": tokens(fit.context)}
    if fit.verdict is Verdict.SLOW and fit.context < fit.asked:
        return Text("fit.slow_smaller", QT_TRANSLATE_NOOP("fit", "fits with {n} context, slow"), smaller)
    if fit.verdict is Verdict.SLOW:
        return Text("fit.slow", QT_TRANSLATE_NOOP("fit", "slow"))
    if fit.verdict is Verdict.SMALLER_CONTEXT:
        return Text("fit.smaller", QT_TRANSLATE_NOOP("fit", "fits with {n} context"), smaller)
    if fit.verdict is Verdict.TIGHT:
        return Text("fit.tight", QT_TRANSLATE_NOOP("fit", "leaves little memory"))
    return Text("fit.fits", QT_TRANSLATE_NOOP("fit", "fits well"))


def tone(fit: Fit) -> Tone:
    """The colour that goes with the word."""
    if fit.verdict is Verdict.TOO_LARGE:
        return "bad"
    return "good" if fit.verdict is Verdict.FITS else "warn"


def sentence(fit: Fit) -> Text:
    """The verdict in a whole sentence, with its figures."""
    source = {
        Verdict.TOO_LARGE: QT_TRANSLATE_NOOP(
            "fit", "It needs {needs} of memory; {free} are free now. {missing} are missing."
        ),
        Verdict.SMALLER_CONTEXT: QT_TRANSLATE_NOOP(
            "fit", "It fits with %n token(s) of context: it uses {needs} of memory; {free} are free now."
        ),
        Verdict.SLOW: QT_TRANSLATE_NOOP("fit", "It fits, but answers slowly: about {speed} tokens per second."),
        Verdict.TIGHT: QT_TRANSLATE_NOOP(
            "fit", "It fits, but leaves little memory to other programs: it uses {needs}; {free} are free now."
        ),
        Verdict.FITS: QT_TRANSLATE_NOOP("fit", "It fits well: it uses {needs} of memory; {free} are free now."),
    }[fit.verdict]
    places: dict[str, Param] = {
        "needs": size(fit.memory.total_bytes),
        "free": size(fit.free_bytes),
        "missing": missing(fit),
        "n": fit.context,
        "speed": float(fit.decode_tokens_per_s or 0.0),
    }
    return Text(f"fit.{fit.verdict}.sentence", source, places)


def missing(fit: Fit) -> Text:
    """What memory lacks."""
    return whole(max(fit.missing_bytes, 100_000_000))
