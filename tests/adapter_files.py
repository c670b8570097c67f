"""Writes LoRA adapters with random weights for the models that the tests write, or for any other GGUF."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import gguf
import numpy as np

from qwen_desktop.core.gguf import TensorInfo, read_header

Values: TypeAlias = "np.ndarray[Any, np.dtype[np.float32]]"
#: What most adapters change.
USUAL = ("attn_q.weight", "attn_v.weight", "ffn_down.weight")


def write(
    path: Path,
    model: str | Path,
    *,
    rank: int = 8,
    alpha: float | None = 16.0,
    seed: int = 1,
    strength: float = 0.5,
    changes: Sequence[str] = USUAL,
    architecture: str | None = None,
    kind: str = "lora",
    general: str | None = "adapter",
    invocation: Sequence[int] = (),
    name: str | None = "Random Adapter",
    quant: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    alter: Callable[[list[tuple[str, Values]]], Iterable[tuple[str, Values]]] = lambda tensors: tensors,
    more: Callable[[gguf.GGUFWriter], None] = lambda _writer: None,
) -> str:
    """Write an adapter for ``model`` to ``path`` and return it. ``changes`` are the last two words of its tensors'
    names; ``alter`` gets the tensors and returns those that are written; ``more`` may add entries."""
    header = read_header(model)
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture or header.architecture)
    if general is not None:
        writer.add_type(general)
    if name is not None:
        writer.add_name(name)
    writer.add_string("adapter.type", kind)
    if alpha is not None:
        writer.add_float32("adapter.lora.alpha", alpha)
    if invocation:
        kinds = gguf.GGUFValueType
        words = [int(token) for token in invocation]
        writer.add_key_value("adapter.alora.invocation_tokens", words, kinds.ARRAY, sub_type=kinds.UINT32)
    more(writer)
    tensors: list[tuple[str, Values]] = []
    for tensor in header.tensors:
        if ".".join(tensor.name.split(".")[-2:]) in changes:
            tensors += _halves(tensor, rank, strength, random)
    for called, values in alter(tensors):
        if quant in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
            kind_of = np.float32 if quant is gguf.GGMLQuantizationType.F32 else np.float16
            writer.add_tensor(called, values.astype(kind_of))
        else:
            writer.add_tensor(called, gguf.quants.quantize(values, quant), raw_dtype=quant)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


def _halves(tensor: TensorInfo, rank: int, strength: float, random: np.random.Generator) -> list[tuple[str, Values]]:
    """The two halves of a change, in numpy's order: that of the tensor of tokens lies the other way round."""
    width, rows, *rest = (*tensor.shape, 1)[:3] if len(tensor.shape) < 3 else tensor.shape
    experts = tuple(size for size in rest if size > 1)
    if tensor.name.endswith("token_embd.weight"):
        first, second = (rows, rank), (width, rank)
    else:
        first, second = (*experts, rank, width), (*experts, rows, rank)
    a = random.standard_normal(first, dtype=np.float32) * width**-0.5
    b = random.standard_normal(second, dtype=np.float32) * strength * rank**-0.5
    return [(f"{tensor.name}.lora_a", a), (f"{tensor.name}.lora_b", b)]
