"""How much memory a loaded model takes: the arithmetic of llama.cpp's buffers, without llama.cpp.

Everything here is pure and in bytes. Where the figures come from:

- **KV cache**: keys and values of each attention layer for each token, the context rounded up to 256
  (``llama_context``). It is cleared when it is made, so all of it is touched at once.
- **State** of Gated DeltaNet layers: F32, of fixed size, see ``core.shape``.
- **Checkpoints** of that state, to go back to: ``CHECKPOINTS`` copies of it for each conversation.
- **Compute buffer**: the largest set of tensors that live at one time in the graph for one chunk of the prompt, as
  ggml's allocator lays them out. Read off the log of contexts made with ``no_alloc`` (llama-cpp-python 0.3.36), for
  25 shapes of all Qwen architectures at contexts of 512 to 32,768 and chunks of 32 to 512. It is a multiple of the
  chunk; per token, with E, Q, K, F the widths of embedding, queries, keys (all heads) and feed-forward in F32:

  - attention without flash attention: the scores of each head and the mask against all tokens of the context,
    ``n_kv * 4 * (heads + 1)``, beside 3 E + 2 Q + 2 K (3 Q where the query has a gate, as in the hybrids). Exact
    to the log's 0.01 MiB in dense models, and the largest part of all from some 2,000 tokens on;
  - feed-forward: 3 F + 3 E + 2 K beside the mask, exact too; with flash attention (mask in F16) 3 F + 3 E +
    max(2 K, Q), at most a few percent above the log;
  - experts: each token's chosen experts keep their outputs until they are summed, 2 · used · E + 4 E, or 3 times the
    shared expert's width + 6 E; within 10 % of the log;
  - Gated DeltaNet: 3 convolutions' channels, 2 E, and two copies of one layer's state for the whole chunk; from above.
    It only counts in short contexts or with flash attention;
  - Qwen3-VL's embeddings are (1 + deepstack) · E wide and live through all layers;
  - logits: the vocabulary for each row that may be chosen from in one step (``n_outputs_max``), once more outside of
    the buffer: ``DRAFT_ROWS`` where guessed tokens are verified together.

- **Work buffer** (processor only, not in llama.cpp's log): a matrix product converts its right-hand side first. The
  largest is the scores as F16 for the product with the values: ``n_kv * heads * 2`` for each token of the chunk.
- **Overhead**: the vocabulary with its hash tables, the graph's nodes, bookkeeping of the cache's cells, the template
  engine. Measured in workers with small models of 2,000 to 248,320 tokens, 4 to 64 layers, 512 to 16,384 of context.
"""

from __future__ import annotations

from msgspec import Struct

from qwen_desktop.core.shape import Shape

#: Bytes of one value in a KV cache.
KV_BYTES: dict[str, float] = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}

#: How the engine makes a KV cache, by the name of it in settings and requests: the types of keys and values. Only
#: quantized values need flash attention.
CACHES: dict[str, tuple[str, str]] = {
    "f16": ("f16", "f16"),
    "q8_0": ("q8_0", "q8_0"),
    "k_q8_0": ("q8_0", "f16"),
}

#: Kept free beside what a model takes, whatever it is: the estimate's own error, and what other programs take next.
MARGIN = 256 * 1024 * 1024
#: Of the free memory that is left beside the weights, this much may be used.
SHARE = 0.9

#: Of a model with a recurrent state, a conversation keeps so many copies of it at most, to go back to; one less where
#: each is larger than so many bytes, so that a 4B still fits where it did (four are enough but for a title in between).
CHECKPOINTS = 5
_LARGE_STATE = 32 << 20

#: So many rows of logits a context has room for where guessed tokens are verified together: 15, and the one before.
DRAFT_ROWS = 16
#: A small model that guesses for another one sees so many tokens of a conversation, and reads so many at once.
DRAFT_CONTEXT, DRAFT_CHUNK = 2048, 64

_F32 = 4
_STEP = 256
#: Positions, token ids and places in the cache of one token of a chunk.
_INPUTS = 20
#: Measured, see above: fixed, and for each token of the vocabulary, merge, layer, and token of the context.
_BASE = 12_000_000
_VOCABULARY_ENTRY = 190
_MERGE = 75
_LAYER = 110_000
_CELL = 900


class Use(Struct, frozen=True):
    """How a model shall be loaded: tokens of context of each conversation, type of the KV cache, tokens evaluated at
    once (0: as the engine chooses), flash attention ("auto", "on", "off"), layers on graphics cards (None: as many as
    fit), threads for answers (None: as the engine chooses), companions' bytes (mmproj), conversations in memory at once
    (each has the whole context), layers whose experts stay on the processor (None: as many as do not fit), threads
    for prompts (None: as for answers), and the small model that guesses for it, with its bytes."""

    context: int = 8192
    kv_type: str = "f16"
    batch: int = 0
    flash_attention: str = "auto"
    gpu_layers: int | None = None
    threads: int | None = None
    mmproj_bytes: int = 0
    streams: int = 1
    experts_on_cpu: int | None = None
    read_threads: int | None = None
    draft_model: str = ""
    draft_bytes: int = 0


class MemoryNeed(Struct, frozen=True):
    """What a loaded model takes, in bytes, in all and by kind; ``device_bytes`` is the part on graphics cards."""

    weights_bytes: int
    kv_bytes: int
    state_bytes: int
    compute_bytes: int
    mmproj_bytes: int
    overhead_bytes: int
    total_bytes: int
    device_bytes: int = 0
    draft_bytes: int = 0


class Correction(Struct, frozen=True):
    """What loads on this machine taught: factors on the memory beside the weights and on the speed, 1.0 without.

    ``extra_bytes`` is added to the estimate of the same file, for which the factor on memory is 1. All come from
    measured loads (``loads`` of them).
    """

    memory_factor: float = 1.0
    speed_factor: float = 1.0
    extra_bytes: int = 0
    loads: int = 0
    #: on the speed of reading prompts
    prompt_factor: float = 1.0


#: Nothing was measured.
UNCORRECTED = Correction()


def chunk(parameters: int, *, gpu: bool = False) -> int:
    """Tokens evaluated at once: fixed for a model, so that results repeat, and small enough that the progress shows
    some movement each second on a processor."""
    if gpu:
        return 512
    return 128 if parameters < 2_000_000_000 else 64 if parameters < 10_000_000_000 else 32


def padded(context: int) -> int:
    """The context that llama.cpp makes for ``context`` tokens."""
    return -(-max(1, context) // _STEP) * _STEP


def flash(use: Use, *, gpu: bool = False) -> bool:
    """Whether flash attention is used: where it was asked for, by itself on graphics cards (it halves the speed of
    processors, see ``engine.load``), and always with a quantized cache."""
    return needs_flash(use.kv_type) or use.flash_attention == "on" or (gpu and use.flash_attention == "auto")


def chosen(kv_type: str) -> str:
    """The cache that a model gets: where nobody and nothing chose one ("auto") the exact one."""
    return "f16" if kv_type == "auto" else kv_type


def cache_types(kv_type: str) -> tuple[str, str]:
    """The types of keys and of values: those of a cache that the engine makes, else one type for both."""
    return CACHES.get(chosen(kv_type), (kv_type, kv_type))


def needs_flash(kv_type: str) -> bool:
    """Whether a cache works with flash attention only."""
    return cache_types(kv_type)[1] not in ("f16", "f32", "bf16")


def kv_bytes(shape: Shape, context: int, kv_type: str = "f16") -> int:
    """The KV cache of one sequence. An unknown type counts as F16."""
    return int(kv_bytes_per_token(shape, kv_type) * padded(context))


def kv_bytes_per_token(shape: Shape, kv_type: str = "f16") -> float:
    """What one token of context adds to the KV cache."""
    keys, values = (KV_BYTES.get(kind, 2.0) for kind in cache_types(kv_type))
    return shape.attention_layers * shape.kv_heads * (shape.key_length * keys + shape.value_length * values)


def stream_bytes(shape: Shape, context: int, kv_type: str = "f16") -> int:
    """What each further conversation in memory adds: its cache, its state with what it goes back to, a row of logits,
    twice, and bookkeeping."""
    state = shape.state_bytes + checkpoint_bytes(shape)
    return kv_bytes(shape, context, kv_type) + state + 2 * shape.vocab * _F32 + padded(context) * _CELL


def checkpoint_bytes(shape: Shape) -> int:
    """What the copies of a conversation's recurrent state take, in main memory, once it is long enough for all."""
    return checkpoints(shape.state_bytes) * shape.state_bytes


def checkpoints(state_bytes: int) -> int:
    """How many copies a conversation keeps of a recurrent state of so many bytes."""
    return CHECKPOINTS - (state_bytes > _LARGE_STATE)


def draft_rows(shape: Shape) -> int:
    """How many rows of logits a context of the model has room for: what was guessed wrongly must be taken back, which
    recurrent states cannot do."""
    return 1 if shape.state_bytes else DRAFT_ROWS


def compute_bytes(shape: Shape, context: int, *, batch: int, flash: bool, streams: int = 1, rows: int = 1) -> int:
    """The compute buffer for chunks of ``batch`` tokens in a context of ``context`` tokens. That of several ``streams``
    is no larger (read off the log like the rest), but for a row of logits and a recurrent state each; there are
    ``rows`` at least."""
    tokens = padded(context)
    batch = min(batch, tokens)
    hybrid = shape.state_bytes > 0
    embedding, query, key = shape.hidden * _F32, _queries(shape), int(shape.kv_heads * shape.key_length) * _F32
    mask = tokens * (2 if flash else 4)
    deepstack = (1 + 2 * shape.deepstack) * embedding if shape.deepstack else 0
    attention = mask + 3 * embedding + (3 if hybrid else 2) * query + 2 * key
    if shape.experts and hybrid:
        attention += embedding
    if shape.architecture == "qwen2moe":  # its residual stream lives in the buffer of all chosen experts' outputs
        attention += max(0, shape.experts_used - 1) * embedding
    if not flash:
        attention += tokens * shape.heads * _F32
    forward = mask + _forward_bytes(shape) + (max(2 * key, query) if flash else 2 * key)
    largest = max(attention, forward, mask + _delta_net_bytes(shape, batch, streams)) + deepstack
    return max(batch * (largest + _INPUTS), max(streams, rows) * shape.vocab * _F32 + batch * (mask + embedding))


def _queries(shape: Shape) -> int:
    return shape.heads * shape.key_length * _F32


def _forward_bytes(shape: Shape) -> int:
    """The feed-forward layers' part for one token, beside keys and values."""
    embedding = shape.hidden * _F32
    if not shape.experts:
        return 3 * shape.feed_forward * _F32 + 3 * embedding
    used = max(1, shape.experts_used)
    routed = 2 * used * embedding + 4 * embedding
    shared = 3 * shape.shared_feed_forward * _F32 + 6 * embedding
    return max(routed, shared) + 2 * shape.experts * _F32


def _delta_net_bytes(shape: Shape, batch: int, streams: int) -> int:
    """A Gated DeltaNet layer's part for one token of a chunk of ``batch``."""
    layers = shape.layers - shape.attention_layers
    if not shape.state_bytes or layers <= 0:
        return 0
    state = shape.state_bytes // layers
    channels = shape.recurrent_channels or 4 * shape.hidden
    return 3 * channels * _F32 + 2 * shape.hidden * _F32 + 2 * state * streams // max(1, batch)


def work_bytes(shape: Shape, context: int, *, batch: int, flash: bool) -> int:
    """The processor's work buffer: the largest right-hand side of a matrix product, converted."""
    tokens = padded(context)
    batch = min(batch, tokens)
    widths = [shape.feed_forward, _queries(shape) // _F32]
    if shape.experts:
        expert = shape.expert_feed_forward or shape.feed_forward // max(1, shape.experts_used)
        widths = [expert * shape.experts_used, shape.shared_feed_forward, _queries(shape) // _F32]
    values = 2 * max(widths)
    return batch * values if flash else batch * max(values, tokens * shape.heads * 2)


def overhead_bytes(shape: Shape, context: int) -> int:
    """What the worker needs beside the buffers, less what it held before the load."""
    merges = shape.merges or shape.vocab
    fixed = _BASE + shape.vocab * _VOCABULARY_ENTRY + merges * _MERGE + shape.layers * _LAYER
    return fixed + padded(context) * _CELL


def estimate(
    shape: Shape, use: Use, correction: Correction = UNCORRECTED, *, filled: int | None = None, gpu: bool = False
) -> MemoryNeed:
    """What the model takes in all, on whatever devices. ``filled`` is how many tokens of the context were ever used:
    buffers for longer ones are reserved but not touched (None: all)."""
    with_flash = flash(use, gpu=gpu)
    batch = use.batch or chunk(shape.parameters, gpu=gpu)
    touched = use.context if filled is None else min(filled, use.context)
    streams = max(1, use.streams)
    kv, state = kv_bytes(shape, use.context, use.kv_type) * streams, shape.state_bytes * streams
    rows = max(streams, draft_rows(shape))
    compute = compute_bytes(shape, touched, batch=batch, flash=with_flash, streams=streams, rows=rows)
    overhead = overhead_bytes(shape, touched) + (rows - 1) * shape.vocab * _F32
    overhead += (streams - 1) * padded(use.context) * _CELL if filled is None else 0
    overhead += streams * checkpoint_bytes(shape) if filled is None else 0
    if not gpu:
        overhead += work_bytes(shape, touched, batch=batch, flash=with_flash)
    beside = kv + state + compute + overhead
    # What was measured goes to the overhead: the other parts are what llama.cpp allocates.
    overhead = max(0, overhead + int(beside * (correction.memory_factor - 1)) + correction.extra_bytes)
    return MemoryNeed(
        weights_bytes=shape.weights_bytes,
        kv_bytes=kv,
        state_bytes=state,
        compute_bytes=compute,
        mmproj_bytes=use.mmproj_bytes,
        overhead_bytes=overhead,
        total_bytes=shape.weights_bytes + kv + state + compute + use.mmproj_bytes + overhead + use.draft_bytes,
        draft_bytes=use.draft_bytes,
    )


def needed(memory: MemoryNeed) -> int:
    """How much must be free for it, with the margin that keeps a promise: what stands beside the weights is estimated,
    so it gets ``SHARE`` of the room only, and ``MARGIN`` stays free in any case."""
    beside = memory.total_bytes - memory.weights_bytes
    return memory.weights_bytes + int((beside + MARGIN) / SHARE)
