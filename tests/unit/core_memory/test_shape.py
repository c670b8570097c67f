"""Shapes out of headers: published counts and states, and what llama.cpp does not load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core.gguf import GgufHeader, TensorInfo, read_header
from qwen_desktop.core.memory import kv_bytes_per_token
from qwen_desktop.core.shape import for_quant, shape_of
from tests import gguf_shapes

#: Few tokens where the number of parameters does not matter: writing the full vocabulary takes longest.
FEW = 1000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shapes")


def header_of(folder: Path, name: str, **other: Any) -> GgufHeader:
    path = folder / f"{name}.gguf"
    gguf_shapes.write(path, gguf_shapes.PLANS[name], **other)
    return read_header(path)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("Qwen3.5-0.8B", 20_201_472),
        ("Qwen3.5-4B", 52_690_944),
        ("Qwen3.5-9B", 52_690_944),
        ("Qwen3.5-35B-A3B", 65_863_680),
    ],
)
def test_the_published_states_of_qwen35(folder: Path, name: str, published: int) -> None:
    plan = gguf_shapes.PLANS[name]
    shape = shape_of(header_of(folder, name, vocab=FEW))
    assert shape.state_bytes == published
    assert (shape.layers, shape.attention_layers) == (plan.layers, plan.layers // 4)


@pytest.mark.parametrize(
    ("name", "parameters", "active"),
    [
        ("Qwen2.5-0.5B", 494_032_768, 494_032_768),
        ("Qwen3-0.6B", 596_049_920, 596_049_920),
        ("Qwen3-30B-A3B", 30_532_122_624, 3_353_032_704),  # the card says 30.5 and 3.3 billion
        ("Qwen1.5-MoE-A2.7B", 14_315_784_192, 2_689_173_504),
    ],
)
def test_the_published_numbers_of_parameters(folder: Path, name: str, parameters: int, active: int) -> None:
    shape = shape_of(header_of(folder, name))
    assert (shape.parameters, shape.active_parameters) == (parameters, active)
    assert shape.vocab == 151_936 and shape.merges == 151_387 and shape.inferred == ()


@pytest.mark.parametrize(
    ("name", "per_token"),
    [("Qwen2.5-0.5B", 12_288), ("Qwen3-0.6B", 114_688), ("Qwen2.5-7B", 57_344), ("Qwen3-Next-80B-A3B", 24_576),
     ("Qwen3.5-4B", 32_768)],
)  # fmt: skip
def test_a_token_of_context_takes_what_was_published(folder: Path, name: str, per_token: int) -> None:
    shape = shape_of(header_of(folder, name, vocab=FEW))
    assert kv_bytes_per_token(shape) == per_token
    assert kv_bytes_per_token(shape, "q8_0") == per_token * 34 / 64


def test_all_weights_are_counted_and_few_are_read_for_a_token(folder: Path) -> None:
    tied = shape_of(header_of(folder, "Qwen3-0.6B", vocab=FEW))
    tensors = {t.name: t for t in header_of(folder, "Qwen3-0.6B", vocab=FEW).tensors}
    assert tied.weights_bytes == sum(t.size for t in tensors.values()) == tied.active_bytes
    assert tied.embedding_bytes == tensors["token_embd.weight"].size and tied.output_bytes == 0
    untied = shape_of(header_of(folder, "Qwen3-8B", vocab=FEW))
    assert untied.active_bytes == untied.weights_bytes - untied.embedding_bytes  # one row of it is looked up
    experts = shape_of(header_of(folder, "Qwen3-30B-A3B", vocab=FEW))
    assert (experts.experts, experts.experts_used) == (128, 8)
    assert experts.weights_bytes * 0.08 < experts.active_bytes < experts.weights_bytes * 0.11


def test_layers_that_predict_ahead_are_not_loaded(folder: Path) -> None:
    with_them = header_of(folder, "Qwen3.5-0.8B", vocab=FEW, extra={"qwen35.nextn_predict_layers": 4})
    shape = shape_of(with_them)
    whole = shape_of(header_of(folder, "Qwen3.5-0.8B", vocab=FEW))
    assert (shape.layers, shape.attention_layers) == (20, 5)
    assert shape.weights_bytes < whole.weights_bytes and shape.state_bytes == whole.state_bytes * 15 // 18


def made(architecture: str, metadata: dict[str, Any], tensors: tuple[TensorInfo, ...] = ()) -> GgufHeader:
    told = {f"{architecture}.{key}": value for key, value in metadata.items()}
    return GgufHeader("x.gguf", 3, architecture, "x", "Q8_0", 5000, 10, 1000, "", metadata=told, tensors=tensors)


def test_files_that_list_their_layers_one_by_one() -> None:
    plain = {"block_count": 4, "embedding_length": 64, "attention.head_count": 4, "context_length": 100}
    listed = shape_of(made("qwen3", {**plain, "attention.head_count_kv": [2, 0, 4, 0]}))
    assert (listed.attention_layers, listed.kv_heads) == (2, 3.0)
    ssm = {"ssm.state_size": 16, "ssm.inner_size": 64, "ssm.group_count": 2, "ssm.conv_kernel": 4}
    own = {"attention.recurrent_layers": [True, True, True, False], "attention.head_count_kv": 1}
    hybrid = shape_of(made("qwen35", {**plain, **ssm, **own}))
    assert hybrid.attention_layers == 1 and hybrid.state_bytes == 3 * (3 * 128 + 16 * 64) * 4


def test_what_a_file_does_not_say_is_named() -> None:
    unknown = TensorInfo("blk.0.attn_q.weight", (64, 64), 999, 0, 0)
    shape = shape_of(made("whatever", {"block_count": 2, "embedding_length": 64}, (unknown,)))
    assert set(shape.inferred) == {"architecture", "context_train", "vocab", "weights_bytes"}
    assert shape.weights_bytes == 5000 - 1000  # what the file has in all


def test_another_quantization_of_the_same_model(folder: Path) -> None:
    shape = shape_of(header_of(folder, "Qwen3-8B", vocab=FEW))
    half = for_quant(shape, shape.weights_bytes // 2)
    assert half.weights_bytes == shape.weights_bytes // 2
    assert half.active_bytes == pytest.approx(shape.active_bytes / 2, rel=1e-6)
    assert structs.replace(half, weights_bytes=0, active_bytes=0, output_bytes=0, embedding_bytes=0) == structs.replace(
        shape, weights_bytes=0, active_bytes=0, output_bytes=0, embedding_bytes=0
    )
