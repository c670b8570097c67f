"""Sampling defaults, context sizes and threads."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qwen_desktop.core.engine import Sampling
from qwen_desktop.core.gguf import GgufHeader
from qwen_desktop.core.memory import SHARE, Use, chunk, estimate, flash, needed, overhead_bytes
from qwen_desktop.core.models import Catalog
from qwen_desktop.core.shape import for_quant
from qwen_desktop.engine import autotune
from qwen_desktop.engine.sampling_defaults import decide, defaults, resolve

ROOT = Path(__file__).resolve().parents[3]


def header(name: str = "", architecture: str = "qwen3", **metadata: Any) -> GgufHeader:
    told = {"general.name": name, **{key.replace("__", "."): value for key, value in metadata.items()}}
    return GgufHeader("x.gguf", 3, architecture, name, "Q4_K_M", 1, 1, 0, "", metadata=told)


@pytest.mark.parametrize(
    ("name", "architecture", "thinking", "expected"),
    [
        ("Qwen3 0.6B", "qwen3", True, Sampling(0.6, 0.95, 20, 0.0, 0.0, 1.0)),
        ("Qwen3-8B", "qwen3", False, Sampling(0.7, 0.8, 20, 0.0, 0.0, 1.0)),
        ("Qwen3-4B-Thinking-2507", "qwen3", True, Sampling(0.6, 0.95, 20, 0.0, 0.0, 1.0)),
        ("Qwen2.5 7B Instruct", "qwen2", False, Sampling(0.7, 0.8, 20, 0.0, 0.0, 1.05)),
        ("QwQ 32B", "qwen2", True, Sampling(0.6, 0.95, 40, 0.0, 0.0, 1.0)),
        ("Qwen3-Coder-30B-A3B-Instruct", "qwen3moe", False, Sampling(0.7, 0.8, 20, 0.0, 0.0, 1.05)),
        ("Qwen3-Coder-Next", "qwen3next", False, Sampling(1.0, 0.95, 40, 0.0, 0.0, 1.0)),
        ("Qwen3-VL-4B-Instruct", "qwen3vl", False, Sampling(0.7, 0.8, 20, 0.0, 1.5, 1.0)),
        ("Qwen3.5-4B", "qwen35", True, Sampling(1.0, 0.95, 20, 0.0, 1.5, 1.0)),
        ("Qwen3.5-0.8B", "qwen35", False, Sampling(1.0, 1.0, 20, 0.0, 2.0, 1.0)),
        ("Qwen3.6-27B", "qwen35", True, Sampling(1.0, 0.95, 20, 0.0, 0.0, 1.0)),
        ("my own tune", "qwen3", False, Sampling(0.7, 0.8, 20, 0.0, 0.0, 1.0)),
    ],
)
def test_values_of_the_model_cards(name: str, architecture: str, thinking: bool, expected: Sampling) -> None:
    assert defaults(header(name, architecture), thinking=thinking) == expected


def test_a_file_with_its_own_values_wins_over_the_table() -> None:
    found = defaults(header("Qwen3", general__sampling__temp=0.3, general__sampling__top_k=5), thinking=True)
    assert (found.temperature, found.top_k, found.top_p) == (0.3, 5, 0.95)
    guide = header("Guide", qwen_desktop__sampling__temperature=0.0, general__sampling__temp=0.9)
    assert defaults(guide, thinking=False).temperature == 0.0
    assert defaults(header("Qwen3", general__sampling__temp=99.0), thinking=True).temperature == 0.6


def test_the_guide_is_read_greedily_whatever_is_asked() -> None:
    guide = header("Guide", qwen_desktop__guide=True, qwen_desktop__sampling__temperature=0.0)
    asked = Sampling(1.4, 0.5, 7, 0.2, 1.9, 1.3, 42)
    assert decide(guide, asked, thinking=False) == decide(guide, Sampling(seed=42), thinking=False)
    used = decide(guide, asked, thinking=False)
    assert (used.temperature, used.presence_penalty, used.repeat_penalty, used.seed) == (0.0, 0.0, 1.0, 42)
    assert decide(header("Qwen3"), asked, thinking=False) == asked  # any other model heeds it
    drawn = {decide(guide, Sampling(), thinking=False).seed for _ in range(4)}
    assert len(drawn) > 1 and None not in drawn


def test_the_user_wins_and_greedy_is_plain() -> None:
    card = Sampling(0.7, 0.8, 20, 0.0, 1.5, 1.05)
    used = resolve(Sampling(top_p=0.5), card, 3)
    assert used == Sampling(0.7, 0.5, 20, 0.0, 1.5, 1.05, 3)
    greedy = resolve(Sampling(temperature=0), card, 3)
    assert (greedy.presence_penalty, greedy.repeat_penalty) == (0.0, 1.0)
    assert resolve(Sampling(temperature=0, repeat_penalty=1.1), card, 3).repeat_penalty == 1.1


@pytest.mark.parametrize(
    ("asked", "train", "sizes"),
    [
        (None, 32768, (8192, 4096, 2048, 1024, 512)),
        (None, 2048, (2048, 1024, 512)),
        (100_000, 2048, (2048, 1024, 512)),
        (1000, 2048, (1000, 500)),
        (512, 2048, (512,)),
        (4096, 0, (4096, 2048, 1024, 512)),
    ],
)
def test_sizes_to_try(asked: int | None, train: int, sizes: tuple[int, ...]) -> None:
    found = autotune.ladder(asked, train)
    assert found[0] == sizes[0] and found[-1] >= 500 and all(a > b for a, b in itertools.pairwise(found))
    assert found[: len(sizes)] == sizes or found == sizes[: len(found)]


@pytest.mark.parametrize("asked", [None, 2048, 100_000])
@pytest.mark.parametrize("kv_type", ["auto", "q8_0", "k_q8_0"])
def test_what_was_foretold_to_fit_beside_other_models_gets_just_the_context_asked_for(
    asked: int | None, kv_type: str
) -> None:
    """The worker knows nothing of other models' pages, so it must not come to another context than the registry."""
    for model in msgspec.json.decode((ROOT / "resources" / "catalog.json").read_bytes(), type=Catalog).models:
        shape = for_quant(model.shape, model.shape.weights_bytes)
        use = Use(context=min(asked or Use().context, shape.context_train), kv_type=kv_type)
        assert autotune.ladder(asked, shape.context_train)[0] == use.context
        room = needed(estimate(shape, use)) - shape.weights_bytes - overhead_bytes(shape, 0)
        cost = autotune.context_bytes(
            shape, use.context, kv_type=kv_type, flash=flash(use), chunk=chunk(shape.parameters)
        )
        assert cost <= room * SHARE, model.name


def test_notices_only_when_something_was_not_given() -> None:
    assert autotune.notice(None, 8192, 32768) is None
    assert autotune.notice(None, 2048, 2048) is None
    assert autotune.notice(4096, 4096, 32768) is None
    assert "not trained" in str(autotune.notice(65536, 32768, 32768))
    assert "memory" in str(autotune.notice(65536, 16384, 32768))
    assert "memory" in str(autotune.notice(None, 2048, 32768))
