"""Contexts beyond the trained one: for the series whose model cards name YaRN, and for no other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from qwen_desktop.core import yarn
from qwen_desktop.core.fit import fit
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.hardware import Machine, Memory
from qwen_desktop.core.memory import Use
from qwen_desktop.core.models import Catalog
from qwen_desktop.core.shape import shape_of
from qwen_desktop.core.yarn import Yarn
from tests import gguf_files

ROOT = Path(__file__).parents[3]


def test_the_catalogue_agrees_with_the_rule() -> None:
    """Wherever a card goes from 32,768 tokens on, so do we; where it goes on from 262,144, we do not."""
    seen = set()
    for model in msgspec.json.decode((ROOT / "resources" / "catalog.json").read_bytes(), type=Catalog).models:
        expected = model.context_extended if model.shape.context_train == 32_768 else 0
        assert model.stretched == expected, model.name
        seen.add(expected)
    assert seen == {0, 65_536, 131_072}


@pytest.mark.parametrize(
    ("name", "architecture", "train", "parameters", "most"),
    [
        ("Qwen3 8B", "qwen3", 40_960, 8.2e9, 131_072),  # as converters write Qwen3's
        ("qwen3_4b", "qwen3", 40_960, 4.0e9, 131_072),
        ("Qwen3 1.7B", "qwen3", 40_960, 2.0e9, 0),
        ("Qwen3 4B Instruct 2507", "qwen3", 262_144, 4.0e9, 0),
        ("Qwen3 Embedding 8B", "qwen3", 40_960, 8e9, 0),
        ("Qwen2.5 7B Instruct", "qwen2", 32_768, 7.6e9, 131_072),
        ("Qwen2.5 7B Instruct", "qwen2", 131_072, 7.6e9, 0),  # the file believes it can do so as it is
        ("Qwen1.5 7B Chat", "qwen2", 32_768, 7.7e9, 0),
        ("QwQ 32B", "qwen2", 32_768, 32e9, 131_072),
        ("My own model", "qwen3", 40_960, 8e9, 0),
        ("Qwen3 8B", "llama", 40_960, 8e9, 0),
    ],
)
def test_which_files_can_be_stretched(name: str, architecture: str, train: int, parameters: float, most: int) -> None:
    assert yarn.extended(name, architecture, train, int(parameters)) == most


def test_no_larger_factor_than_needed() -> None:
    assert yarn.needed(40_960, 40_960, 131_072) is None
    assert yarn.needed(32_768, 32_768, 131_072) is None
    for size in range(32_769, 131_073, 997):
        found = yarn.needed(size, 32_768, 131_072)
        assert found is not None and size <= found.factor * found.original < size + 32_768 // 4 and found.factor <= 4
    assert yarn.needed(131_073, 32_768, 131_072) is None
    assert yarn.needed(8192, 4096, 0) is None
    assert yarn.needed(65_536, 32_768, 131_072) == Yarn(2.0, 32_768)


@pytest.mark.parametrize("own", [False, True])
def test_a_file_that_stretches_itself_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, own: bool
) -> None:
    monkeypatch.setattr(yarn, "_CARDS", tuple((*card[:2], 0, card[3]) for card in yarn._CARDS))
    extra = {"qwen3.rope.scaling.type": "yarn", "qwen3.rope.scaling.factor": 4.0} if own else {}
    path = gguf_files.write(tmp_path / "m.gguf", name="Qwen3 8B", context=40_960, extra=extra)
    shape = shape_of(read_header(path))
    assert (shape.context_extended, shape.longest_context) == ((0, 40_960) if own else (131_072, 131_072))
    found = fit(shape, Use(100_000), Machine(memory=Memory(64 << 30, 60 << 30)))
    assert (found.asked, found.max_context) == ((40_960, 40_960) if own else (100_000, 131_072))
