"""A verdict in words, the same for every face: the word on a chip with its tone, and the whole sentence. Pure.

``number`` writes a number with so many decimals as the reader's language does; the command line writes English.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from qwen_desktop.core.fit import Fit, Verdict
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text

Tone: TypeAlias = Literal["good", "warn", "bad"]
Number: TypeAlias = Callable[[float, int], str]


def english(value: float, decimals: int = 0) -> str:
    """A number as the command line writes it."""
    return f"{value:,.{decimals}f}"


def word(fit: Fit, number: Number = english) -> Text:
    """The verdict in a few words."""
    if fit.verdict is Verdict.TOO_LARGE:
        text, places = QT_TRANSLATE_NOOP("fit", "needs {size} more"), {"size": missing(fit, number)}
        return Text("fit.too_large", text, dict[str, Param](places))
    smaller: dict[str, Param] = {"n": tokens(fit.context, number)}
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


def sentence(fit: Fit, number: Number = english) -> Text:
    """The verdict in a whole sentence, with its figures."""
    source = {
        Verdict.TOO_LARGE: QT_TRANSLATE_NOOP(
            "fit", "It needs {needs} of memory; {free} are free now. {missing} are missing."
        ),
        Verdict.SMALLER_CONTEXT: QT_TRANSLATE_NOOP(
            "fit", "It fits with {n} tokens of context: it uses {needs} of memory; {free} are free now."
        ),
        Verdict.SLOW: QT_TRANSLATE_NOOP("fit", "It fits, but answers slowly: about {speed} tokens per second."),
        Verdict.TIGHT: QT_TRANSLATE_NOOP(
            "fit", "It fits, but leaves little memory to other programs: it uses {needs}; {free} are free now."
        ),
        Verdict.FITS: QT_TRANSLATE_NOOP("fit", "It fits well: it uses {needs} of memory; {free} are free now."),
    }[fit.verdict]
    places: dict[str, Param] = {
        "needs": size(fit.memory.total_bytes, number),
        "free": size(fit.free_bytes, number),
        "missing": missing(fit, number),
        "n": number(fit.context, 0),
        "speed": number(fit.decode_tokens_per_s or 0.0, 1),
    }
    return Text(f"fit.{fit.verdict}.sentence", source, places)


def missing(fit: Fit, number: Number = english) -> str:
    """What memory lacks."""
    return whole(max(fit.missing_bytes, 100_000_000), number)


def size(count: float, number: Number = english, *, exact: bool = False) -> str:
    """Bytes as people compare them: "640 MB", "2.5 GB", "118 GB"; ``exact`` has one decimal more, for tables."""
    more = int(exact)
    if count < 999.5e6:
        return f"{number(count / 1e6, more)} MB"
    return f"{number(count / 1e9, more + (0 if count >= 99.95e9 else 1))} GB"


def whole(count: float, number: Number = english) -> str:
    """Bytes in whole GB, in tenths below ten: "21 GB", "3.4 GB"."""
    return f"{number(count / 1e9, 1 if count < 9.95e9 else 0)} GB"


def tokens(count: int, number: Number = english) -> str:
    """Tokens of context: "8k", "128k", "1M"."""
    if count >= 1_000_000:
        return f"{number(count / 1_000_000, 0)}M"
    return f"{number(count // 1024, 0)}k" if count >= 1024 else number(count, 0)
