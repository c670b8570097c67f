"""How good a smaller model is: the figures against numpy's, and how many places of a text are looked at."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.quality import Quality, verdict
from qwen_desktop.core.quantizing import TYPES, file_name, find_type
from qwen_desktop.core.quants import order
from qwen_desktop.engine import quality


@given(st.integers(0, 10_000), st.sampled_from((2, 700, 5000)), st.floats(0, 30), st.floats(0, 5))
def test_a_row_is_compared_as_numpy_does(seed: int, width: int, spread: float, noise: float) -> None:
    random = np.random.default_rng(seed)
    first = (random.standard_normal(width) * spread + random.integers(-80, 80)).astype(np.float32)
    second = (first + random.standard_normal(width) * noise).astype(np.float32)
    found = quality.compare(array("f", first.tolist()), array("f", second.tolist()))
    one, two = (
        logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        for logits in (first.astype(np.float64), second.astype(np.float64))
    )
    assert found.divergence == pytest.approx(float((np.exp(one) * (one - two)).sum()), rel=1e-3, abs=1e-9)
    assert found.same == (first.argmax() == second.argmax())


def test_the_high_figure_is_the_99th_of_a_hundred() -> None:
    found = quality.summed([quality._Compared(float(n), n % 4 == 0) for n in range(1, 101)])
    assert found == Quality(50.5, 99.0, 0.25, 100)


@pytest.mark.parametrize(
    ("tokens", "places"), [(0, 0), (63, 0), (64, 16), (512, 128), (513, 128), (1536, 384), (9999, 384)]
)
def test_places(tokens: int, places: int) -> None:
    assert quality.places_in(tokens) == places


def test_a_verdict_for_what_llama_cpp_publishes_of_each_type() -> None:
    published = {"Q8_0": 0.001355, "Q6_K": 0.005452, "Q5_K_M": 0.010762, "Q4_K_M": 0.031273, "Q3_K_M": 0.101913}
    said = [verdict(Quality(mean, 0.0, 1.0, 1)).code for mean in (*published.values(), 0.445132)]
    assert [code.removeprefix("quality.") for code in said] == ["same", "same", "close", "close", "somewhat", "clearly"]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("q4_k_m", "Q4_K_M"),
        ("Q4-K-M", "Q4_K_M"),
        (" q4_k ", "Q4_K_M"),
        ("q8", "Q8_0"),
        ("Q6_K", "Q6_K"),
        ("q3.k.s", "Q3_K_S"),
    ],
)
def test_types_are_spelled_as_people_do(typed: str, name: str) -> None:
    assert find_type(typed).name == name


@pytest.mark.parametrize("typed", ("", "q2_k_s", "iq2_xxs", "f16", "4", "Q4_K_M; rm"))
def test_other_types_are_refused_with_those_there_are(typed: str) -> None:
    with pytest.raises(UserFacing) as refused:
        find_type(typed)
    assert "Q8_0, Q6_K" in refused.value.problem.sentence()


def test_names_of_results() -> None:
    names = ("Qwen3-8B-F16", "Qwen3-8B.bf16", "Qwen3-8B-Q8_0", "Qwen3-8B", "Q8_0", "Qwen3-8B-UD-Q8_K_XL")
    made = [file_name(name, find_type("q4_k_m")) for name in names]
    assert made == [*["Qwen3-8B-Q4_K_M.gguf"] * 4, "Q8_0-Q4_K_M.gguf", "Qwen3-8B-Q4_K_M.gguf"]
    assert [kind.name for kind in sorted(TYPES, key=lambda kind: order(kind.name), reverse=True)] == [
        kind.name for kind in TYPES
    ]
