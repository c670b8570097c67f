"""Why answers are slow, or computed on the processor: from plain facts to causes, what explains most first. Pure.

Each cause names the layer it lies in, says with numbers what is the matter, and one thing to do. How much it explains
(``gain``) is what ``core.speed`` predicts without it, as a factor; where nothing can be predicted, what is usual.
What explains little is not named: the honest answer is mostly that this is what the model reaches here.
"""

from __future__ import annotations

from msgspec import Struct

from qwen_desktop.core.slow_causes import FINDERS, cards, layers
from qwen_desktop.core.slow_facts import Cause, Facts, Layer, Look
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text

#: A cause that explains less than this factor is not worth a word.
_WORTH = 1.1
_ORDER = {layer: place for place, layer in enumerate(Layer)}


class Diagnosis(Struct, frozen=True):
    """The answer: ``verdict`` in a sentence, ``where`` the model is computed, the causes, what explains most first.

    ``expected`` and ``reached`` are tokens written per second, loaded as the model is and in the last answer; None
    while unknown. ``slow``: something can be said against the speed. ``facts`` are what all of it rests on.
    """

    verdict: Text
    where: Text | None
    causes: tuple[Cause, ...] = ()
    expected: float | None = None
    reached: float | None = None
    slow: bool = False
    facts: Facts = Facts()


def diagnose(facts: Facts) -> Diagnosis:
    """Say why. Pure; a millisecond."""
    look = Look(facts)
    found = [cause for find in FINDERS for cause in find(look) if cause.gain >= _WORTH]
    order = sorted(found, key=lambda cause: (-round(cause.gain, 3), _ORDER[cause.layer], cause.id))
    causes = tuple({cause.id: cause for cause in order[::-1]}.values())[::-1]
    return Diagnosis(
        _verdict(look, causes), look.where(), causes, look.expected, look.reached, bool(causes) or look.behind, facts
    )


def fallback(facts: Facts) -> Cause | None:
    """Why a model computes on the processor, wholly or in part, although nobody asked for that; None where nothing was
    given up without a word."""
    if facts.info is None or facts.info.local is None or facts.asked.gpu_layers == 0:
        return None
    look = Look(facts)
    found = [*cards(look), *layers(look)]
    return max((cause for cause in found if cause.layer is not Layer.SETTINGS), key=lambda c: c.gain, default=None)


def _verdict(look: Look, causes: tuple[Cause, ...]) -> Text:
    places: dict[str, Param] = {"expected": look.expected or 0.0, "reached": look.reached or 0.0}
    if look.local is None:
        return Text(
            "slow.no_model",
            QT_TRANSLATE_NOOP("slow", "No model is loaded now; with the next message more can be said."),
        )
    if causes:
        return Text("slow.causes", QT_TRANSLATE_NOOP("slow", "Answers are slower than they could be."))
    if look.behind:
        source = QT_TRANSLATE_NOOP(
            "slow",
            "Slower than expected: {reached} tokens per second, where about {expected} are usual. Nothing was found"
            " that explains it.",
        )
        return Text("slow.unexplained", source, places)
    if look.reached and look.expected:
        source = QT_TRANSLATE_NOOP(
            "slow",
            "Nothing is wrong: this is what the model reaches on this computer. About {expected} tokens per second are"
            " expected, {reached} were reached.",
        )
        return Text("slow.well", source, places)
    if look.expected:
        source = QT_TRANSLATE_NOOP("slow", "Nothing is wrong. About {expected} tokens per second are expected.")
        return Text("slow.ready", source, places)
    return Text("slow.nothing", QT_TRANSLATE_NOOP("slow", "Nothing was found that slows answers down."))
