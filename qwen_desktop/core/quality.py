"""How good a smaller model is against the one that it was made from: figures, and what they mean. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text


class Quality(Struct, frozen=True):
    """How much a smaller model says what its original says, at the same places of the same text.

    ``mean_kl`` and ``high_kl`` (99 of 100 places have less) are Kullback-Leibler divergences of the probabilities of
    the next token, in nats: 0 is the same. ``same_top`` is the share (0..1) of places where both think the same token
    likeliest, ``places`` how many were looked at. ``text``: whose words they were.
    """

    mean_kl: float
    high_kl: float
    same_top: float
    places: int
    text: Literal["ours", "own"] = "ours"


#: Up to this mean divergence the words hold. Between what llama.cpp's own tables give for quants of Llama 3 8B
#: (tools/perplexity/README.md): Q8_0 0.0014, Q6_K 0.0055 · Q5_K_M 0.011, Q4_K_M 0.031 · Q3_K_M 0.102 · Q2_K 0.445.
_NEARLY_SAME, _CLOSE, _SOMEWHAT = 0.008, 0.05, 0.15


def verdict(quality: Quality) -> Text:
    """What the figures mean, in a sentence."""
    mean = quality.mean_kl
    if mean <= _NEARLY_SAME:
        return Text("quality.same", QT_TRANSLATE_NOOP("quantize", "It answers nearly the same as the original."))
    if mean <= _CLOSE:
        return Text("quality.close", QT_TRANSLATE_NOOP("quantize", "It stays close to the original."))
    if mean <= _SOMEWHAT:
        return Text("quality.somewhat", QT_TRANSLATE_NOOP("quantize", "It differs somewhat from the original."))
    return Text(
        "quality.clearly",
        QT_TRANSLATE_NOOP("quantize", "It differs clearly from the original; expect weaker answers."),
    )


def figures(quality: Quality) -> Text:
    """The figures themselves, for who knows them."""
    return Text(
        "quality.figures",
        QT_TRANSLATE_NOOP(
            "quantize",
            "The same next word at {same} of 100 places; KL divergence {mean} on average, {high} at the 99th percentile"
            " (%n place(s)).",
        ),
        {
            "same": float(round(100 * quality.same_top, 1)),
            "mean": f"{quality.mean_kl:.4f}",
            "high": f"{quality.high_kl:.3f}",
            "n": quality.places,
        },
    )
