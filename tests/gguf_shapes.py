"""Writes GGUF files in the shape of real models: every tensor with its true name, dimensions and type.

Sparse (a header over a hole of the right size: written in milliseconds, for questions about memory) or with weights
(random blocks that compute to finite numbers, for loading and measuring).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np
from msgspec import Struct, structs

from tests import gguf_files

Kind = gguf.GGMLQuantizationType
_ALIGNMENT = 32
#: Bytes of weights that are made once and repeated: longer than any cache, so that reading them is like real reading.
_POOL = 8 << 20


class Plan(Struct, frozen=True):
    """The hyperparameters of a model. ``head`` is a head's width, ``hidden`` the feed-forward's, ``expert_hidden``
    one expert's, ``shared_hidden`` that of the expert which always runs; ``groups`` and ``ranks`` are the key and
    value heads of Gated DeltaNet layers, every ``interval``-th layer is full attention."""

    architecture: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head: int
    hidden: int = 0
    tied: bool = True
    experts: int = 0
    experts_used: int = 0
    expert_hidden: int = 0
    shared_hidden: int = 0
    groups: int = 0
    ranks: int = 0
    state: int = 128
    conv: int = 4
    interval: int = 4
    vocab: int = gguf_files.FULL_VOCABULARY
    context: int = 32768

    @property
    def hybrid(self) -> bool:
        return self.architecture in ("qwen3next", "qwen35", "qwen35moe")


class Tensor(NamedTuple):
    """A tensor's name, dimensions in ggml's order (the row's length first) and type."""

    name: str
    shape: tuple[int, ...]
    kind: Kind

    @property
    def size(self) -> int:
        """Bytes."""
        block, size = gguf.GGML_QUANT_SIZES[self.kind]
        return math.prod(self.shape) // block * size


#: Shapes of real models (config.json of each), by the name of the model.
PLANS: dict[str, Plan] = {
    "Qwen1.5-0.5B": Plan("qwen2", 24, 1024, 16, 16, 64, 2816),
    "Qwen2.5-0.5B": Plan("qwen2", 24, 896, 14, 2, 64, 4864),
    "Qwen2.5-1.5B": Plan("qwen2", 28, 1536, 12, 2, 128, 8960),
    "Qwen2.5-3B": Plan("qwen2", 36, 2048, 16, 2, 128, 11008),
    "Qwen2.5-7B": Plan("qwen2", 28, 3584, 28, 4, 128, 18944, tied=False),
    "Qwen2.5-14B": Plan("qwen2", 48, 5120, 40, 8, 128, 13824, tied=False),
    "Qwen2.5-VL-3B": Plan("qwen2vl", 36, 2048, 16, 2, 128, 11008),
    "Qwen3-0.6B": Plan("qwen3", 28, 1024, 16, 8, 128, 3072),
    "Qwen3-1.7B": Plan("qwen3", 28, 2048, 16, 8, 128, 6144),
    "Qwen3-4B": Plan("qwen3", 36, 2560, 32, 8, 128, 9728),
    "Qwen3-8B": Plan("qwen3", 36, 4096, 32, 8, 128, 12288, tied=False),
    "Qwen3-32B": Plan("qwen3", 64, 5120, 64, 8, 128, 25600, tied=False),
    "Qwen3-VL-2B": Plan("qwen3vl", 28, 2048, 16, 8, 128, 6144),
    "Qwen1.5-MoE-A2.7B": Plan(
        "qwen2moe", 24, 2048, 16, 16, 128, 5632, tied=False,
        experts=60, experts_used=4, expert_hidden=1408, shared_hidden=5632,
    ),
    "Qwen3-30B-A3B": Plan(
        "qwen3moe", 48, 2048, 32, 4, 128, 6144, tied=False, experts=128, experts_used=8, expert_hidden=768
    ),
    "Qwen3-235B-A22B": Plan(
        "qwen3moe", 94, 4096, 64, 4, 128, 12288, tied=False, experts=128, experts_used=8, expert_hidden=1536
    ),
    "Qwen3-Next-80B-A3B": Plan(
        "qwen3next", 48, 2048, 16, 2, 256, 5120, tied=False,
        experts=512, experts_used=10, expert_hidden=512, shared_hidden=512, groups=16, ranks=32,
    ),
    "Qwen3.5-0.8B": Plan("qwen35", 24, 1024, 8, 2, 256, 3584, groups=16, ranks=16, vocab=248_320),
    "Qwen3.5-2B": Plan("qwen35", 24, 2048, 8, 2, 256, 6144, groups=16, ranks=16, vocab=248_320),
    "Qwen3.5-4B": Plan("qwen35", 32, 2560, 16, 4, 256, 9216, groups=16, ranks=32, vocab=248_320),
    "Qwen3.5-9B": Plan("qwen35", 32, 4096, 16, 4, 256, 12288, tied=False, groups=16, ranks=32, vocab=248_320),
    "Qwen3.5-27B": Plan("qwen35", 64, 5120, 24, 4, 256, 17408, tied=False, groups=16, ranks=48, vocab=248_320),
    "Qwen3.5-35B-A3B": Plan(
        "qwen35moe", 40, 2048, 16, 2, 256, tied=False, vocab=248_320,
        experts=256, experts_used=8, expert_hidden=512, shared_hidden=512, groups=16, ranks=32,
    ),
    # Small ones of the same kinds, for measuring with weights.
    "small MoE": Plan(
        "qwen3moe", 12, 768, 12, 4, 64, 2048, experts=16, experts_used=4, expert_hidden=512
    ),
    "small hybrid": Plan("qwen35", 12, 1024, 8, 2, 128, 2816, groups=8, ranks=16, vocab=151_936),
}  # fmt: skip


def tensors(plan: Plan, kind: Kind = Kind.Q8_0) -> Iterator[Tensor]:
    """The tensors of a model; matrices have the type ``kind`` (a mix in the manner of Q4_K_M for Q4_K)."""
    wide = Kind.Q6_K if kind is Kind.Q4_K else kind
    width, query, key = plan.width, plan.heads * plan.head, plan.kv_heads * plan.head
    yield Tensor("token_embd.weight", (width, plan.vocab), wide)
    yield Tensor("output_norm.weight", (width,), Kind.F32)
    if not plan.tied:
        yield Tensor("output.weight", (width, plan.vocab), wide)
    for layer in range(plan.layers):
        block = f"blk.{layer}."
        linear = plan.hybrid and (layer + 1) % plan.interval != 0
        gated = 2 if plan.hybrid else 1
        yield Tensor(f"{block}attn_norm.weight", (width,), Kind.F32)
        norm = "post_attention_norm" if plan.hybrid else "ffn_norm"
        yield Tensor(f"{block}{norm}.weight", (width,), Kind.F32)
        if linear:
            yield from _delta_net(plan, block, kind)
        else:
            yield Tensor(f"{block}attn_q.weight", (width, query * gated), kind)
            yield Tensor(f"{block}attn_k.weight", (width, key), kind)
            yield Tensor(f"{block}attn_v.weight", (width, key), wide)
            yield Tensor(f"{block}attn_output.weight", (query, width), kind)
            if plan.architecture.startswith("qwen3"):
                yield Tensor(f"{block}attn_q_norm.weight", (plan.head,), Kind.F32)
                yield Tensor(f"{block}attn_k_norm.weight", (plan.head,), Kind.F32)
            else:
                for name, rows in (("q", query), ("k", key), ("v", key)):
                    yield Tensor(f"{block}attn_{name}.bias", (rows,), Kind.F32)
        yield from _feed_forward(plan, block, kind, wide if layer % 2 else kind)


def _delta_net(plan: Plan, block: str, kind: Kind) -> Iterator[Tensor]:
    width, keys, values = plan.width, plan.state * plan.groups, plan.state * plan.ranks
    yield Tensor(f"{block}attn_qkv.weight", (width, 2 * keys + values), kind)
    yield Tensor(f"{block}attn_gate.weight", (width, values), kind)
    yield Tensor(f"{block}ssm_conv1d.weight", (plan.conv, 2 * keys + values), Kind.F32)
    yield Tensor(f"{block}ssm_dt.bias", (plan.ranks,), Kind.F32)
    yield Tensor(f"{block}ssm_a", (plan.ranks,), Kind.F32)
    if plan.architecture == "qwen3next":
        yield Tensor(f"{block}ssm_ba.weight", (width, 2 * plan.ranks), kind)
    else:
        yield Tensor(f"{block}ssm_beta.weight", (width, plan.ranks), kind)
        yield Tensor(f"{block}ssm_alpha.weight", (width, plan.ranks), kind)
    yield Tensor(f"{block}ssm_norm.weight", (plan.state,), Kind.F32)
    yield Tensor(f"{block}ssm_out.weight", (values, width), kind)


def _feed_forward(plan: Plan, block: str, kind: Kind, down: Kind) -> Iterator[Tensor]:
    width = plan.width
    if not plan.experts:
        yield Tensor(f"{block}ffn_gate.weight", (width, plan.hidden), kind)
        yield Tensor(f"{block}ffn_up.weight", (width, plan.hidden), kind)
        yield Tensor(f"{block}ffn_down.weight", (plan.hidden, width), down)
        return
    hidden, shared = plan.expert_hidden, plan.shared_hidden
    yield Tensor(f"{block}ffn_gate_inp.weight", (width, plan.experts), Kind.F32)
    yield Tensor(f"{block}ffn_gate_exps.weight", (width, hidden, plan.experts), kind)
    yield Tensor(f"{block}ffn_up_exps.weight", (width, hidden, plan.experts), kind)
    yield Tensor(f"{block}ffn_down_exps.weight", (hidden, width, plan.experts), down)
    if shared:
        yield Tensor(f"{block}ffn_gate_inp_shexp.weight", (width,), Kind.F32)
        yield Tensor(f"{block}ffn_gate_shexp.weight", (width, shared), kind)
        yield Tensor(f"{block}ffn_up_shexp.weight", (width, shared), kind)
        yield Tensor(f"{block}ffn_down_shexp.weight", (shared, width), down)


def write(
    path: Path,
    plan: Plan,
    *,
    kind: Kind = Kind.Q8_0,
    weights: bool = False,
    extra: Mapping[str, Any] | None = None,
    template: str | None = None,
    sharp: float = 1.0,
    seed: int | None = None,
    **other: Any,
) -> Path:
    """Write a model of this shape to ``path`` and return it; ``other`` changes fields of the plan. It is as sure of the
    next token as ``sharp`` says, a factor on its logits. With a ``seed`` (small ones: it takes longer) each matrix has
    its own values: only then it depends on the whole prompt what is said.

    Without ``weights`` the data is a hole: the file has its full size and takes no room.
    """
    plan = structs.replace(plan, **other)
    random = np.random.default_rng(seed) if seed is not None else None
    writer = gguf.GGUFWriter(path, plan.architecture)
    _add_metadata(writer, plan, extra or {}, template)
    listed = list(tensors(plan, kind))
    for tensor in listed:
        block, size = gguf.GGML_QUANT_SIZES[tensor.kind]
        rows = tuple(reversed(tensor.shape))
        if tensor.kind not in (Kind.F32, Kind.F16):
            rows = (*rows[:-1], rows[-1] // block * size)
        dtype = {Kind.F32: np.float32, Kind.F16: np.float16}.get(tensor.kind, np.uint8)
        writer.add_tensor_info(tensor.name, rows, np.dtype(dtype), tensor.size, raw_dtype=tensor.kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        at = -(-file.seek(0, 2) // _ALIGNMENT) * _ALIGNMENT
        for tensor in listed:
            if weights:
                file.seek(at)
                if tensor.name == "output_norm.weight":
                    file.write(np.full(tensor.shape, sharp, dtype=np.float32).tobytes())
                elif random is not None and tensor.kind is not Kind.F32:
                    values = random.standard_normal(tensor.shape[::-1], dtype=np.float32) * tensor.shape[0] ** -0.5
                    file.write(gguf.quants.quantize(values, tensor.kind).tobytes())
                else:
                    _write_values(file, tensor)
            at += -(-tensor.size // _ALIGNMENT) * _ALIGNMENT
        file.truncate(at)
    return path


def _add_metadata(writer: gguf.GGUFWriter, plan: Plan, extra: Mapping[str, Any], template: str | None = None) -> None:
    writer.add_name("Random weights in a real shape")
    writer.add_context_length(plan.context)
    writer.add_embedding_length(plan.width)
    writer.add_block_count(plan.layers)
    if plan.hidden:
        writer.add_feed_forward_length(plan.hidden)
    writer.add_head_count(plan.heads)
    writer.add_head_count_kv(plan.kv_heads)
    writer.add_key_length(plan.head)
    writer.add_value_length(plan.head)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    if plan.experts:
        writer.add_expert_count(plan.experts)
        writer.add_expert_used_count(plan.experts_used)
        writer.add_expert_feed_forward_length(plan.expert_hidden)
        if plan.shared_hidden:
            writer.add_expert_shared_feed_forward_length(plan.shared_hidden)
    if plan.hybrid:
        writer.add_ssm_conv_kernel(plan.conv)
        writer.add_ssm_inner_size(plan.state * plan.ranks)
        writer.add_ssm_state_size(plan.state)
        writer.add_ssm_time_step_rank(plan.ranks)
        writer.add_ssm_group_count(plan.groups)
        writer.add_full_attention_interval(plan.interval)
        writer.add_rope_dimension_count(plan.head // 4)
    if plan.architecture in ("qwen35", "qwen35moe"):
        writer.add_rope_dimension_sections([11, 11, 10, 0])
    if plan.architecture in ("qwen2vl", "qwen3vl", "qwen3vlmoe"):
        writer.add_rope_dimension_sections([24, 20, 20, 0])
    if plan.architecture in ("qwen3vl", "qwen3vlmoe"):
        writer.add_num_deepstack_layers(3)
    gguf_files.add_vocabulary(writer, plan.vocab)
    writer.add_chat_template(template or gguf_files.THINKING_TEMPLATE)
    for key, value in extra.items():
        gguf_files.add(writer, key, value)


def _write_values(file: Any, tensor: Tensor) -> None:
    if tensor.kind is Kind.F32:
        file.write(_norms(tensor).tobytes())
        return
    pool = _pool(tensor.kind)
    left = tensor.size
    while left > 0:
        file.write(pool[: min(left, len(pool))])
        left -= len(pool)


def _norms(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    count = math.prod(tensor.shape)
    if "norm" in tensor.name:
        return np.ones(count, dtype=np.float32)
    random = np.random.default_rng(len(tensor.name) + count)
    if tensor.name.endswith("ssm_a"):  # the decay: always negative
        return -random.uniform(0.1, 1.0, count).astype(np.float32)
    return (random.standard_normal(count) * 0.05).astype(np.float32)


@functools.cache
def _pool(kind: Kind) -> bytes:
    """Blocks of random weights of about 0.03 on average, so that a layer neither dies nor overflows."""
    random = np.random.default_rng(int(kind))
    size = gguf.GGML_QUANT_SIZES[kind][1]
    count = _POOL // size
    if kind is Kind.F16:
        return (random.standard_normal(count) * 0.03).astype(np.float16).tobytes()
    data = random.integers(0, 256, (count, size), dtype=np.uint8)
    # offset of the scales (f16) in a block, and how large they may be with random bits beside them
    scales: dict[Kind, tuple[tuple[int, float], ...]] = {
        Kind.Q8_0: ((0, 4e-4),),
        Kind.Q4_0: ((0, 6e-3),),
        Kind.Q4_K: ((0, 2e-4), (2, 1.5e-3)),
        Kind.Q6_K: ((208, 3e-5),),
    }
    for offset, scale in scales[kind]:
        raw = np.full(count, scale, dtype=np.float16).view(np.uint8).reshape(count, 2)
        data[:, offset : offset + 2] = raw
    return data.tobytes()
