"""What the names of quantizations mean: how many bits a weight takes, in which order they stand, what people call them.

Bits are those of llama.cpp's own mixtures, measured on published files of Qwen models (Q4_K_M of seven sizes, the
whole list of Qwen2.5-7B): the body of a model takes them, while the token embedding and the output matrix have types
of their own. With both, a file's size is known to 2 % before its hub was asked (``tools/catalog_shapes.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, structs

from qwen_desktop.core.models import Quant, Step


class Bits(Struct, frozen=True):
    """Bits a weight: of the layers, of the token embedding, of the output matrix (a tied one has the output's)."""

    body: float
    embedding: float
    output: float


_Q6_K = 6.5625
#: Name -> bits, from the fewest to the most. Dynamic mixtures ("UD-…") are a little larger than the plain ones.
BITS: dict[str, Bits] = {
    "IQ1_S": Bits(1.85, 2.625, 5.5),
    "IQ1_M": Bits(2.05, 2.625, 5.5),
    "TQ1_0": Bits(1.69, 4.5, _Q6_K),
    "IQ2_XXS": Bits(2.30, 2.625, 5.5),
    "TQ2_0": Bits(2.06, 4.5, _Q6_K),
    "IQ2_XS": Bits(2.50, 2.625, 5.5),
    "IQ2_S": Bits(2.62, 3.4375, 5.5),
    "IQ2_M": Bits(2.84, 3.4375, 5.5),
    "Q2_K_S": Bits(2.80, 2.625, _Q6_K),
    "Q2_K": Bits(2.93, 2.625, _Q6_K),
    "Q2_K_L": Bits(2.93, 8.5, 8.5),
    "IQ3_XXS": Bits(3.20, 3.4375, 5.5),
    "IQ3_XS": Bits(3.40, 3.4375, _Q6_K),
    "Q3_K_S": Bits(3.45, 3.4375, _Q6_K),
    "IQ3_S": Bits(3.48, 3.4375, _Q6_K),
    "IQ3_M": Bits(3.56, 3.4375, _Q6_K),
    "Q3_K_M": Bits(3.83, 3.4375, _Q6_K),
    "Q3_K_L": Bits(4.18, 3.4375, _Q6_K),
    "Q3_K_XL": Bits(4.18, 8.5, 8.5),
    "MXFP4": Bits(4.35, 8.5, 8.5),
    "MXFP4_MOE": Bits(4.35, 8.5, 8.5),
    "NVFP4": Bits(4.60, 8.5, 8.5),
    "IQ4_XS": Bits(4.30, 4.25, _Q6_K),
    "IQ4_NL": Bits(4.53, 4.5, _Q6_K),
    "Q4_0": Bits(4.51, 4.5, _Q6_K),
    "Q4_K_S": Bits(4.55, 4.5, _Q6_K),
    "Q4_K_M": Bits(4.80, 4.5, _Q6_K),
    "Q4_K_L": Bits(4.80, 8.5, 8.5),
    "Q4_K_XL": Bits(4.90, 5.5, _Q6_K),
    "Q4_1": Bits(5.01, 5.0, _Q6_K),
    "Q5_0": Bits(5.51, 5.5, _Q6_K),
    "Q5_K_S": Bits(5.51, 5.5, _Q6_K),
    "Q5_K_M": Bits(5.67, 5.5, _Q6_K),
    "Q5_K_L": Bits(5.67, 8.5, 8.5),
    "Q5_K_XL": Bits(5.75, 6.5625, 8.5),
    "Q5_1": Bits(6.01, 6.0, _Q6_K),
    "Q6_K": Bits(_Q6_K, _Q6_K, _Q6_K),
    "Q6_K_L": Bits(_Q6_K, 8.5, 8.5),
    "Q6_K_XL": Bits(7.1, 8.5, 8.5),
    "Q8_0": Bits(8.5, 8.5, 8.5),
    "Q8_K_XL": Bits(9.6, 16.0, 16.0),
    "F16": Bits(16.0, 16.0, 16.0),
    "BF16": Bits(16.0, 16.0, 16.0),
    "F32": Bits(32.0, 32.0, 32.0),
}
_ORDER = {name: number for number, name in enumerate(BITS)}

#: Up to this many parameters a model loses too much below eight bits, and eight are small all the same.
SMALL_MODEL = 2_200_000_000

#: Which quant stands for which word, best first. Models of at most ``SMALL_MODEL`` parameters have their own.
_BALANCED = ("Q4_K_M", "UD-Q4_K_XL", "Q4_K_S", "IQ4_XS", "IQ4_NL", "MXFP4_MOE", "MXFP4", "Q4_0", "Q5_K_M")
_SMALL = ("Q3_K_M", "UD-Q3_K_XL", "Q3_K_L", "IQ3_M", "IQ3_XXS", "Q2_K", "UD-Q2_K_XL")
_LARGE = ("Q8_0", "UD-Q8_K_XL", "Q6_K", "UD-Q6_K_XL", "Q5_K_M", "UD-Q5_K_XL", "Q5_0")
_LARGE_BIG = ("Q6_K", "UD-Q6_K_XL", "Q5_K_M", "UD-Q5_K_XL", "Q8_0", "Q5_0")
_BALANCED_TINY = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0")
_SMALL_TINY = ("Q4_K_M", "UD-Q4_K_XL", "Q4_0", "Q5_K_M")
_LARGE_TINY = ("F16", "BF16", "UD-Q8_K_XL")
_BIG_MODEL = 20_000_000_000


def plain(name: str) -> str:
    """The name without a publisher's prefix: "Q4_K_XL" for "UD-Q4_K_XL"."""
    return name.removeprefix("UD-")


def bits(name: str) -> Bits | None:
    """The bits a weight of quant ``name``, None for one that is not known."""
    return BITS.get(plain(name))


def order(name: str) -> tuple[int, str]:
    """A key that sorts quants from the smallest to the largest; unknown ones come last."""
    return (_ORDER.get(plain(name), len(_ORDER)), name)


def in_steps(quants: Iterable[Quant], parameters: int) -> tuple[Quant, ...]:
    """``quants`` sorted by size, one each marked small, balanced and large where there is one, and one recommended.

    The recommended one is the balanced one: Q4_K_M as a rule, Q8_0 for models of at most 2 billion parameters. Without
    any of the usual names it is the one in the middle.
    """
    ordered = sorted(quants, key=lambda q: order(q.name))
    names = [q.name for q in ordered]
    if not names:
        return ()
    tiny = 0 < parameters <= SMALL_MODEL
    balanced = _first(_BALANCED_TINY if tiny else _BALANCED, names) or names[len(names) // 2]
    place = names.index(balanced)
    small = _first(_SMALL_TINY if tiny else _SMALL, names[:place])
    wanted = _LARGE_TINY if tiny else _LARGE_BIG if parameters >= _BIG_MODEL else _LARGE
    large = _first(wanted, names[place + 1 :])
    steps: dict[str, Step] = {balanced: "balanced"}
    if small:
        steps[small] = "small"
    if large:
        steps[large] = "large"
    return tuple(structs.replace(q, step=steps.get(q.name, ""), recommended=q.name == balanced) for q in ordered)


def _first(wanted: tuple[str, ...], names: list[str]) -> str:
    return next((found for name in wanted for found in (name, f"UD-{name}") if found in names), "")
