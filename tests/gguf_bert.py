"""Writes small BERT models with random weights: they look both ways, and only make vectors or marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests import gguf_files

#: Letters stand for themselves, at the beginning of a word with llama.cpp's mark.
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?"
_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *("\u2581" + each for each in _LETTERS), *_LETTERS)


def write(
    path: Path,
    *,
    pooling: int | None = 2,
    context: int = 128,
    width: int = 64,
    layers: int = 2,
    head: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model to ``path`` and return it. ``pooling`` is llama.cpp's number, None to leave it out; ``head`` adds
    what marks a text."""
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("Random BERT")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(4)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_uint32("bert.pooling_type", pooling)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(list(_TOKENS))
    writer.add_token_types([3] * 5 + [1] * (len(_TOKENS) - 5))
    writer.add_token_type_count(2)
    for name, token in (("bos", "[CLS]"), ("eos", "[SEP]"), ("unk", "[UNK]"), ("sep", "[SEP]"), ("pad", "[PAD]")):
        writer.add_uint32(_KEYS[name], _TOKENS.index(token))
    for key, value in (extra or {}).items():
        gguf_files.add(writer, key, value)
    random = np.random.default_rng(3)

    def weight(name: str, *shape: int) -> None:
        writer.add_tensor(name, (random.standard_normal(shape) * shape[-1] ** -0.5).astype(np.float32))

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(width, dtype=np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(width, dtype=np.float32))

    weight("token_embd.weight", len(_TOKENS), width)
    weight("token_types.weight", 2, width)
    weight("position_embd.weight", context, width)
    norm("token_embd_norm")
    for layer in range(layers):
        block = f"blk.{layer}"
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weight(f"{block}.{name}.weight", width, width)
            weight(f"{block}.{name}.bias", width)
        norm(f"{block}.attn_output_norm")
        weight(f"{block}.ffn_up.weight", 2 * width, width)
        weight(f"{block}.ffn_up.bias", 2 * width)
        weight(f"{block}.ffn_down.weight", width, 2 * width)
        weight(f"{block}.ffn_down.bias", width)
        norm(f"{block}.layer_output_norm")
    if head:
        weight("cls.weight", width, width)
        weight("cls.bias", width)
        weight("cls.output.weight", 1, width)
        weight("cls.output.bias", 1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


_KEYS = {
    "bos": "tokenizer.ggml.bos_token_id",
    "eos": "tokenizer.ggml.eos_token_id",
    "unk": "tokenizer.ggml.unknown_token_id",
    "sep": "tokenizer.ggml.seperator_token_id",
    "pad": "tokenizer.ggml.padding_token_id",
}
