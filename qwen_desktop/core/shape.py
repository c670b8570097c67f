"""The shape of a model: what its memory and its speed depend on, from a GGUF's header with its tensors.

From a file everything is exact: weights are summed tensor by tensor. Left out is what llama.cpp does not load, the
layers that predict a second token (``nextn``), and what it reads row by row from the disk (token tables over 4 GiB).
Full attention is assumed for architectures that are not known; ``inferred`` then says so.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from qwen_desktop.core import yarn

if TYPE_CHECKING:
    from qwen_desktop.core.gguf import GgufHeader, TensorInfo

#: Gated DeltaNet beside full attention in every fourth layer.
HYBRID = frozenset({"qwen3next", "qwen35", "qwen35moe", "qwen4exp"})
#: Full attention in every layer, as read in llama.cpp's model files.
FULL_ATTENTION = frozenset(
    {"qwen", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3vl", "qwen3vlmoe", "llama"}
)
_INTERVAL = 4
_F32 = 4
_BLOCK = re.compile(r"blk\.(\d+)\.")
_EXPERTS = re.compile(r"_(?:ch)?exps\.")
_EMBEDDING, _OUTPUT, _TABLE = "token_embd.weight", "output.weight", "per_layer_token_embd.weight"
_LAZY = 4 << 30
#: More tokens than this are believed of no vocabulary whose length only a tensor tells.
_MOST_ROWS = 1 << 24


class Shape(Struct, frozen=True):
    """What memory and speed of a model depend on; from a GGUF header or from the catalogue's architecture facts.

    ``attention_layers`` of ``layers`` keep a KV cache (all, or every fourth of a hybrid); ``kv_heads`` is the sum over
    those layers' KV heads divided by their number. ``state_bytes`` is the F32 recurrent state of one sequence (hybrid
    Gated DeltaNet), 0 otherwise. ``active_bytes`` are the bytes of weights read for one token (a mixture of experts
    reads few of its experts), ``weights_bytes`` all that are loaded. ``inferred`` names the fields that are not from
    the file. The fields from ``expert_feed_forward`` on only refine the compute buffers: 0 is estimated.
    """

    architecture: str
    layers: int
    attention_layers: int
    heads: int
    kv_heads: float
    key_length: int
    value_length: int
    hidden: int
    feed_forward: int
    vocab: int
    context_train: int
    parameters: int
    active_parameters: int
    weights_bytes: int
    active_bytes: int
    experts: int = 0
    experts_used: int = 0
    state_bytes: int = 0
    #: bytes of the output matrix and of the token embedding: they are placed apart from the layers
    output_bytes: int = 0
    embedding_bytes: int = 0
    inferred: tuple[str, ...] = ()
    #: widths of one expert and of the expert that always runs
    expert_feed_forward: int = 0
    shared_feed_forward: int = 0
    #: channels of a Gated DeltaNet layer's convolution
    recurrent_channels: int = 0
    #: layers that take pictures' features beside the embedding (Qwen3-VL)
    deepstack: int = 0
    #: merges of the tokenizer: they take memory beside the vocabulary
    merges: int = 0
    #: tokens of context up to which the model's card names YaRN (``core.yarn``)
    context_extended: int = 0

    @property
    def longest_context(self) -> int:
        """The most tokens of context that the model may get; 0 when that is not known."""
        return max(self.context_train, self.context_extended)

    @property
    def experts_bytes(self) -> int:
        """Weights of all experts that are not read for every token: the rest is read, but for the embedding."""
        if not 0 < self.experts_used < self.experts:
            return 0
        resting = self.weights_bytes - self.active_bytes - (self.embedding_bytes if self.output_bytes else 0)
        return max(0, int(resting / (1 - self.experts_used / self.experts)))


def shape_of(header: GgufHeader) -> Shape:
    """The shape of a file. Pure and quick (a millisecond for a thousand tensors)."""
    number = header.number
    inferred: list[str] = []
    layers = max(1, number("block_count") - number("nextn_predict_layers"))
    hidden = number("embedding_length")
    heads = max(1, number("attention.head_count"))
    recurrent = _recurrent(header, layers)
    attending = [at for at in range(layers) if at not in recurrent]
    kv_heads = _per_layer(header, "attention.head_count_kv", layers, heads)
    attending = [at for at in attending if kv_heads[at] > 0]
    weights = _Weights(header, layers)
    vocab = header.vocab_size or weights.rows
    if header.architecture not in HYBRID | FULL_ATTENTION:
        inferred.append("architecture")
    for name, value in (("context_train", header.context_length), ("vocab", vocab), ("hidden", hidden)):
        if not value:
            inferred.append(name)
    if weights.guessed:
        inferred.append("weights_bytes")
    channels = 2 * number("ssm.group_count") * number("ssm.state_size") + number("ssm.inner_size")
    merges = header.arrays.get("tokenizer.ggml.merges")
    return Shape(
        architecture=header.architecture,
        layers=layers,
        attention_layers=len(attending),
        heads=heads,
        kv_heads=sum(kv_heads[at] for at in attending) / len(attending) if attending else 0.0,
        key_length=number("attention.key_length") or hidden // heads,
        value_length=number("attention.value_length") or hidden // heads,
        hidden=hidden,
        feed_forward=number("feed_forward_length"),
        vocab=vocab,
        context_train=header.context_length,
        parameters=header.parameters,
        active_parameters=header.parameters - weights.resting_parameters,
        weights_bytes=weights.total,
        active_bytes=weights.active,
        experts=number("expert_count"),
        experts_used=number("expert_used_count"),
        state_bytes=_state(header, len(recurrent), channels),
        output_bytes=weights.output,
        embedding_bytes=weights.embedding,
        inferred=tuple(inferred),
        expert_feed_forward=number("expert_feed_forward_length"),
        shared_feed_forward=number("expert_shared_feed_forward_length"),
        recurrent_channels=channels if recurrent else 0,
        deepstack=number("n_deepstack_layers"),
        merges=merges.count if merges is not None else 0,
        context_extended=_extended(header),
    )


def _extended(header: GgufHeader) -> int:
    if any(key.startswith(f"{header.architecture}.rope.scaling.") for key in header.metadata):
        return 0  # the file itself says how its positions are stretched
    return yarn.extended(header.name, header.architecture, header.context_length, header.parameters)


def _recurrent(header: GgufHeader, layers: int) -> frozenset[int]:
    """The layers with a recurrent state instead of a KV cache."""
    if not header.number("ssm.state_size"):
        return frozenset()
    listed = header.metadata.get(f"{header.architecture}.attention.recurrent_layers")
    if isinstance(listed, list) and len(listed) >= layers:
        return frozenset(at for at in range(layers) if listed[at])
    interval = header.number("full_attention_interval") or _INTERVAL
    return frozenset(at for at in range(layers) if (at + 1) % interval)


def _per_layer(header: GgufHeader, key: str, layers: int, default: int) -> list[int]:
    """One whole number for each layer: the file has one for all of them, or a list."""
    found = header.metadata.get(f"{header.architecture}.{key}")
    if isinstance(found, list):
        given = [n if isinstance(n, int) else 0 for n in found[:layers]]
        return given + [default] * (layers - len(given))
    return [found if isinstance(found, int) else default] * layers


def _state(header: GgufHeader, layers: int, channels: int) -> int:
    number = header.number
    values = max(0, number("ssm.conv_kernel") - 1) * channels + number("ssm.state_size") * number("ssm.inner_size")
    return layers * values * _F32


class _Weights:
    """Bytes of a file's tensors by what they are for."""

    def __init__(self, header: GgufHeader, layers: int) -> None:
        self.total = self.active = self.embedding = self.output = self.rows = 0
        self.resting_parameters = 0
        used, experts = header.number("expert_used_count"), header.number("expert_count")
        share = used / experts if 0 < used <= experts else 1.0
        for tensor in header.tensors:
            if not _is_loaded(tensor, layers):
                continue
            self.total += tensor.size
            if tensor.name == _EMBEDDING:
                self.embedding = tensor.size
                self.rows = min(tensor.shape[1], _MOST_ROWS) if len(tensor.shape) > 1 else 0
                continue
            if tensor.name == _OUTPUT:
                self.output = tensor.size
            if _EXPERTS.search(tensor.name):
                self.active += int(tensor.size * share)
                self.resting_parameters += int(math.prod(tensor.shape) * (1 - share))
            else:
                self.active += tensor.size
        if not self.output:
            self.active += self.embedding  # tied: it is the output matrix as well
        self.guessed = not self.total or any(t.size == 0 and math.prod(t.shape) for t in header.tensors)
        if self.guessed:  # a tensor type that is newer than this program: what the file has in all
            self.total = max(self.total, header.size_bytes - header.data_offset)
            self.active = self.active or self.total


def _is_loaded(tensor: TensorInfo, layers: int) -> bool:
    block = _BLOCK.match(tensor.name)
    if block is not None and int(block[1]) >= layers:
        return False
    return not (tensor.name == _TABLE and tensor.size > _LAZY)


def for_quant(shape: Shape, weights_bytes: int) -> Shape:
    """The same model in another quantization of ``weights_bytes``: everything that is weights grows with it."""
    factor = weights_bytes / shape.weights_bytes if shape.weights_bytes else 1.0
    changed: dict[str, Any] = {
        name: int(getattr(shape, name) * factor) for name in ("active_bytes", "output_bytes", "embedding_bytes")
    }
    return structs.replace(shape, weights_bytes=weights_bytes, **changed)
