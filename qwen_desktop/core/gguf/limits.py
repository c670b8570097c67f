"""What the numbers of a GGUF header may be, checked before anything is made or looped over by them.

Where llama.cpp has a limit of its own it is that one: it ends its process for a layer or an expert too many. Widths
have none there but must agree with the tensors; theirs here lie some twenty times over any model that there is, and
keep every product that ``core.shape`` and ``core.memory`` make below 2^63.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from qwen_desktop.core.gguf.reader import MOST_ITEMS, Damaged
from qwen_desktop.core.text import QT_TRANSLATE_NOOP

#: LLAMA_MAX_LAYERS, LLAMA_MAX_EXPERTS, GGML_MAX_DIMS, and the longest name of a tensor (GGML_MAX_NAME with its NUL).
MOST_LAYERS = 512
MOST_EXPERTS = 1024
MOST_DIMENSIONS = 4
LONGEST_NAME = 63
#: Entries and tensors of a header: the largest models have some hundred and some ten thousand.
MOST_ENTRIES = 1 << 16
MOST_TENSORS = 1 << 17
MOST_PARTS = 999
#: Weights of a model, and bytes of its file.
MOST_PARAMETERS = 1 << 50
LARGEST_FILE = 1 << 46
#: A longer context counts as this one, in tokens.
LONGEST_CONTEXT = 1 << 28

_WIDEST = 1 << 20
_HEADS = 1 << 14
_FEED_FORWARD = 1 << 22
#: The width of all heads of a layer together, keys and values.
_ALL_HEADS = 1 << 22
#: Values of a recurrent state in one layer.
_STATE = 1 << 32
_U32 = (1 << 32) - 1


class _Number(Struct, frozen=True):
    """A number from ``least`` to ``most``; ``listed`` where a file may have one for each layer."""

    most: int
    least: int = 0
    listed: bool = False


#: What follows the architecture's name in a key.
_NUMBERS: dict[str, _Number] = {
    "block_count": _Number(MOST_LAYERS, 1),
    "nextn_predict_layers": _Number(MOST_LAYERS),
    "n_deepstack_layers": _Number(MOST_LAYERS),
    "full_attention_interval": _Number(MOST_LAYERS),
    "context_length": _Number(_U32),
    "vocab_size": _Number(MOST_ITEMS),
    "embedding_length": _Number(_WIDEST),
    "feed_forward_length": _Number(_FEED_FORWARD, listed=True),
    "attention.head_count": _Number(_HEADS, listed=True),
    "attention.head_count_kv": _Number(_HEADS, listed=True),
    "attention.key_length": _Number(_WIDEST),
    "attention.value_length": _Number(_WIDEST),
    "attention.recurrent_layers": _Number(MOST_LAYERS, listed=True),
    "expert_count": _Number(MOST_EXPERTS),
    "expert_used_count": _Number(MOST_EXPERTS, listed=True),
    "expert_group_count": _Number(MOST_EXPERTS),
    "expert_group_used_count": _Number(MOST_EXPERTS),
    "expert_feed_forward_length": _Number(_FEED_FORWARD, listed=True),
    "expert_shared_feed_forward_length": _Number(_FEED_FORWARD),
    "ssm.conv_kernel": _Number(1 << 10),
    "ssm.inner_size": _Number(_WIDEST),
    "ssm.state_size": _Number(_WIDEST),
    "ssm.group_count": _Number(_HEADS),
}


def check(architecture: str, metadata: Mapping[str, Any], long_arrays: Mapping[str, object]) -> None:
    """Raise ``Damaged`` for a number of a model's header that is none, or that no model has."""
    largest: dict[str, int] = {}
    for name, limit in _NUMBERS.items():
        key = f"{architecture}.{name}"
        if key in long_arrays:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "its {name} is impossibly long"), name=name)
        if key in metadata:
            largest[name] = _largest(name, metadata[key], limit)
    of = largest.get
    heads = max(1, of("attention.head_count", 0))
    each = of("embedding_length", 0) // heads
    wide = max(of("attention.key_length") or each, of("attention.value_length") or each)
    if 2 * wide * max(heads, of("attention.head_count_kv", 0)) > _ALL_HEADS:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "its attention is impossibly wide"))
    if of("nextn_predict_layers", 0) > of("block_count", MOST_LAYERS):
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "it has more layers of one kind than in all"))
    experts = of("expert_count", 0)
    if of("expert_used_count", 0) > experts:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "it uses more experts than it has"))
    groups, used = of("expert_group_count", 0), of("expert_group_used_count", 0)
    if groups and (groups >= experts or (groups > 1 and (not 0 < used < groups or experts % groups))):
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "its groups of experts do not go with its experts"))
    channels = of("ssm.inner_size", 0) + 2 * of("ssm.group_count", 0) * of("ssm.state_size", 0)
    kernel = of("ssm.conv_kernel", 0) * channels
    if max(kernel, of("ssm.state_size", 0) * of("ssm.inner_size", 0)) > _STATE:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "its recurrent state is impossibly large"))


def _largest(name: str, value: object, limit: _Number) -> int:
    if not isinstance(value, list):
        found = _whole(name, value, listed=False)
    elif not limit.listed:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "its {name} is a list"), name=name)
    elif len(value) > MOST_LAYERS:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "its {name} is impossibly long"), name=name)
    else:
        numbers = [_whole(name, item, listed=True) for item in value]
        found = max(numbers, default=0)
        if min(numbers, default=0) < 0:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "its {name} is less than nothing"), name=name)
    if not limit.least <= found <= limit.most:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "its {name} is {found}, which is impossible"), name=name, found=found)
    return found


def _whole(name: str, value: object, *, listed: bool) -> int:
    if isinstance(value, bool) and listed:  # a mark for each layer
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "its {name} is no whole number"), name=name)
    return value
