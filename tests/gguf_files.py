"""Writes small GGUF files with random weights: real architecture and vocabulary size, no knowledge.

They load and stream like any model of their kind, which is what the engine's tests need; what they say is noise.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

FULL_VOCABULARY = 151_936
_TEXT_TOKENS = 151_643
#: Qwen's special tokens in the order of their ids from 151,643 on: (text, type); 3 is control, 4 user defined.
SPECIAL: tuple[tuple[str, int], ...] = (
    ("<|endoftext|>", 3),
    ("<|im_start|>", 3),
    ("<|im_end|>", 3),
    ("<|object_ref_start|>", 3),
    ("<|object_ref_end|>", 3),
    ("<|box_start|>", 3),
    ("<|box_end|>", 3),
    ("<|quad_start|>", 3),
    ("<|quad_end|>", 3),
    ("<|vision_start|>", 3),
    ("<|vision_end|>", 3),
    ("<|vision_pad|>", 3),
    ("<|image_pad|>", 3),
    ("<|video_pad|>", 3),
    ("<tool_call>", 4),
    ("</tool_call>", 4),
    ("<|fim_prefix|>", 3),
    ("<|fim_middle|>", 3),
    ("<|fim_suffix|>", 3),
    ("<|fim_pad|>", 3),
    ("<|repo_name|>", 3),
    ("<|file_sep|>", 3),
    ("<tool_response>", 4),
    ("</tool_response>", 4),
    ("<think>", 4),
    ("</think>", 4),
)

#: With these factors for ``prefer``, greedy choice never ends an answer.
NEVER_ENDS: dict[str, float] = dict.fromkeys(
    ("<|im_end|>", "<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"), 0.0
)

#: In the manner of Qwen3's: ``enable_thinking``, and thinking of earlier turns dropped.
THINKING_TEMPLATE = """\
{%- set ns = namespace(last=-1) %}
{%- for message in messages %}{%- if message.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'assistant' and loop.index0 > ns.last and message.reasoning_content %}
        {{- '<|im_start|>assistant\n<think>\n' + message.reasoning_content + '\n</think>\n\n' }}
        {{- message.content + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}"""


@functools.cache
def vocabulary(size: int) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    """Tokens, their types and the merges of a byte-level vocabulary of ``size``: 256 bytes, pairs, Qwen's special
    tokens. The full size puts the special tokens where Qwen has them and fills up with unused ones."""
    alphabet = list(_byte_alphabet().values())
    text = _TEXT_TOKENS if size >= FULL_VOCABULARY else size - len(SPECIAL)
    tokens, merges = list(alphabet), []
    pairs = ((a, b) for a in alphabet for b in alphabet)
    triples = ((a + b, c) for a in alphabet[64:90] for b in alphabet[64:90] for c in alphabet)
    for left, right in (*pairs, *triples):
        if len(tokens) >= text:
            break
        tokens.append(left + right)
        merges.append(f"{left} {right}")
    types = [1] * len(tokens)
    for word, kind in SPECIAL:
        tokens.append(word)
        types.append(kind)
    while len(tokens) < size:
        tokens.append(f"[unused{len(tokens)}]")
        types.append(5)
    return tuple(tokens), tuple(types), tuple(merges)


def _byte_alphabet() -> dict[int, str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in plain}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(plain))
    return dict(sorted(table.items()))


def write(
    path: Path,
    *,
    architecture: str = "qwen3",
    vocab: int = 512,
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    head: int | None = None,
    hidden: int = 128,
    context: int = 2048,
    quant: str = "q8_0",
    template: str | None = THINKING_TEMPLATE,
    name: str = "Random Test Model",
    seed: int = 1,
    tied: bool = True,
    extra: Mapping[str, Any] | None = None,
    vocab_from: Path | None = None,
    prefer: Mapping[str, float] | None = None,
    pre: str | None = "qwen2",
    labels: int = 0,
) -> Path:
    """Write a model to ``path`` and return it.

    ``quant`` is "f32", "f16", "bf16" or "q8_0". ``vocab_from`` takes the vocabulary of another GGUF. ``prefer``
    makes some tokens likelier, by their written form (a factor; needs ``tied=False``). ``pre`` names how text is split
    before it becomes tokens; None leaves that out, as old converters did. ``labels`` adds
    a head that gives so many marks (a reranker's).
    """
    if head is None:
        head = 32 if architecture == "qwen3" else width // heads  # Qwen2 derives it
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(name)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type({"q8_0": 7, "bf16": 32, "f32": 0}.get(quant, gguf.LlamaFileType.MOSTLY_F16))
    tokens = add_vocabulary(writer, vocab, vocab_from, pre)
    if template is not None:
        writer.add_chat_template(template)
    for key, value in (extra or {}).items():
        add(writer, key, value)
    tensors = _Tensors(writer, quant, np.random.default_rng(seed))
    tensors.weight("token_embd.weight", len(tokens), width)
    tensors.ones("output_norm.weight", width)
    if not tied:
        tensors.output(tokens, width, prefer or {})
    if labels:
        tensors.weight("cls.output.weight", labels, width)
    for layer in range(layers):
        block = f"blk.{layer}"
        tensors.ones(f"{block}.attn_norm.weight", width)
        tensors.ones(f"{block}.ffn_norm.weight", width)
        tensors.weight(f"{block}.attn_q.weight", heads * head, width)
        tensors.weight(f"{block}.attn_k.weight", kv_heads * head, width)
        tensors.weight(f"{block}.attn_v.weight", kv_heads * head, width)
        tensors.weight(f"{block}.attn_output.weight", width, heads * head)
        tensors.weight(f"{block}.ffn_gate.weight", hidden, width)
        tensors.weight(f"{block}.ffn_up.weight", hidden, width)
        tensors.weight(f"{block}.ffn_down.weight", width, hidden)
        if architecture == "qwen3":
            tensors.ones(f"{block}.attn_q_norm.weight", head)
            tensors.ones(f"{block}.attn_k_norm.weight", head)
        else:
            tensors.ones(f"{block}.attn_q.bias", heads * head)
            tensors.ones(f"{block}.attn_k.bias", kv_heads * head)
            tensors.ones(f"{block}.attn_v.bias", kv_heads * head)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_vocabulary(
    writer: gguf.GGUFWriter, size: int, other: Path | None = None, pre: str | None = "qwen2"
) -> tuple[str, ...]:
    """Add a tokenizer of ``size`` tokens, or the one of the file ``other``; returns the tokens."""
    if other is None:
        tokens, types, merges = vocabulary(size)
    else:
        fields = gguf.GGUFReader(other).fields
        tokens = tuple(fields["tokenizer.ggml.tokens"].contents())
        types = tuple(fields["tokenizer.ggml.token_type"].contents())
        merges = tuple(fields["tokenizer.ggml.merges"].contents())
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(list(tokens))
    writer.add_token_types(list(types))
    writer.add_token_merges(list(merges))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    return tokens


def add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    """Add an entry of the type that the value has in Python."""
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, list | tuple):
        writer.add_array(key, list(value))
    else:
        writer.add_string(key, str(value))


class _Tensors:
    def __init__(self, writer: gguf.GGUFWriter, quant: str, random: np.random.Generator) -> None:
        self._writer = writer
        self._quant = quant
        self._random = random

    def ones(self, name: str, width: int) -> None:
        self._writer.add_tensor(name, np.ones(width, dtype=np.float32))

    def weight(self, name: str, rows: int, columns: int) -> None:
        self._store(name, self._random.standard_normal((rows, columns), dtype=np.float32) * columns**-0.5)

    def output(self, tokens: tuple[str, ...], width: int, prefer: Mapping[str, float]) -> None:
        data = self._random.standard_normal((len(tokens), width), dtype=np.float32) * width**-0.5
        for word, factor in prefer.items():
            data[tokens.index(word)] *= factor
        self._store("output.weight", data)

    def _store(self, name: str, data: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        if self._quant == "q8_0":
            packed = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
            self._writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        elif self._quant == "bf16":
            packed = gguf.quants.quantize(data, gguf.GGMLQuantizationType.BF16)
            self._writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.BF16)
        elif self._quant == "f32":
            self._writer.add_tensor(name, data)
        else:
            self._writer.add_tensor(name, data.astype(np.float16))
