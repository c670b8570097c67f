"""Names of quantizations: their order, the three words for people, the sizes of files that nobody has asked for yet."""

from __future__ import annotations

import itertools

import pytest
from catalog_files import file_names
from catalog_shapes import file_bytes

from qwen_desktop.core.models import Quant
from qwen_desktop.core.quants import BITS, bits, in_steps, order


def offered(names: str, parameters: float) -> tuple[Quant, ...]:
    return in_steps([Quant(name, ()) for name in names.split()], int(parameters * 1e9))


def words(quants: tuple[Quant, ...]) -> dict[str, str]:
    assert sum(q.recommended for q in quants) == 1
    return {q.step: q.name for q in quants if q.step}


@pytest.mark.parametrize(
    ("names", "parameters", "wanted"),
    [
        ("Q8_0 Q4_K_M Q3_K_M Q5_K_M Q6_K", 8, {"small": "Q3_K_M", "balanced": "Q4_K_M", "large": "Q8_0"}),
        ("Q8_0 Q4_K_M Q2_K Q6_K", 32, {"small": "Q2_K", "balanced": "Q4_K_M", "large": "Q6_K"}),
        ("Q4_K_M Q8_0 Q6_K F16", 1.7, {"small": "Q4_K_M", "balanced": "Q8_0", "large": "F16"}),
        ("Q8_0", 0.6, {"balanced": "Q8_0"}),
        ("Q3_K_M", 72, {"balanced": "Q3_K_M"}),
        (
            "UD-Q3_K_XL UD-Q4_K_XL UD-Q5_K_XL",
            120,
            {"small": "UD-Q3_K_XL", "balanced": "UD-Q4_K_XL", "large": "UD-Q5_K_XL"},
        ),
        ("UD-Q4_K_M Q8_0 UD-Q6_K", 27, {"balanced": "UD-Q4_K_M", "large": "UD-Q6_K"}),
        ("MXFP4_MOE F16", 20, {"balanced": "MXFP4_MOE"}),
        ("F16 odd-name", 3, {"balanced": "odd-name"}),
    ],
)
def test_three_words_for_people(names: str, parameters: float, wanted: dict[str, str]) -> None:
    quants = offered(names, parameters)
    found = words(quants)
    assert found == wanted
    assert next(q.name for q in quants if q.recommended) == wanted["balanced"]


def test_nothing_is_made_of_nothing() -> None:
    assert in_steps([], 0) == ()


def test_quants_are_sorted_from_small_to_large() -> None:
    names = [q.name for q in offered("F16 Q8_0 IQ2_XXS UD-Q4_K_XL Q4_K_M Q2_K strange", 8)]
    assert names == ["IQ2_XXS", "Q2_K", "Q4_K_M", "UD-Q4_K_XL", "Q8_0", "F16", "strange"]
    assert order("F32") < order("strange")


def test_more_bits_stand_later() -> None:
    """Neighbours may swap by a few hundredths of a bit, no more."""
    bodies = [b.body for b in BITS.values()]
    assert all(later > earlier - 0.4 for earlier, later in itertools.pairwise(bodies))


def test_the_size_of_a_file() -> None:
    """Qwen3-8B: both matrices have 622,329,856 parameters, the rest 6,946,075,648; its files are published."""
    body, matrix = 6_946_075_648, 622_329_856
    for name, published in (("Q4_K_M", 5_027_783_488), ("Q8_0", 8_709_518_112)):
        assert file_bytes(name, body=body, embedding=matrix, output=matrix) == pytest.approx(published, rel=0.01)
    assert file_bytes("Q9_X", body=body, embedding=matrix, output=0) is None
    assert bits("UD-Q4_K_XL") == bits("Q4_K_XL")


def test_names_from_a_pattern() -> None:
    assert file_names("m-{quant}.gguf", "Q4_K_M") == ("m-q4_k_m.gguf",)
    assert file_names("{QUANT}/m-{QUANT}.gguf", "UD-Q4_K_XL", 2) == (
        "UD-Q4_K_XL/m-UD-Q4_K_XL-00001-of-00002.gguf",
        "UD-Q4_K_XL/m-UD-Q4_K_XL-00002-of-00002.gguf",
    )
