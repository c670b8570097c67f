"""Does a model fit this machine: the words, as plain data. The arithmetic is in ``core.memory`` and ``core.speed``."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    """The answer in one word. A face always shows it as a sentence, with the numbers one click away."""

    FITS = "fits"
    #: it fits, but leaves little memory to other programs
    TIGHT = "tight"
    SMALLER_CONTEXT = "smaller_context"
    SLOW = "slow"
    TOO_LARGE = "too_large"


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


class Use(Struct, frozen=True):
    """How a model shall be loaded: tokens of context, type of the KV cache, tokens evaluated at once (0: as the engine
    chooses), flash attention ("auto", "on", "off"), layers on graphics cards (None: as many as fit), threads (None: as
    the engine chooses), companions' bytes (mmproj)."""

    context: int = 8192
    kv_type: str = "f16"
    batch: int = 0
    flash_attention: str = "auto"
    gpu_layers: int | None = None
    threads: int | None = None
    mmproj_bytes: int = 0


class Memory(Struct, frozen=True):
    """What a loaded model takes, in bytes, in all and by kind; ``device_bytes`` is the part on graphics cards."""

    weights_bytes: int
    kv_bytes: int
    state_bytes: int
    compute_bytes: int
    mmproj_bytes: int
    overhead_bytes: int
    total_bytes: int
    device_bytes: int = 0


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


class Fit(Struct, frozen=True):
    """The whole verdict about one model on one machine.

    ``context`` is the context it fits with (smaller than ``asked`` for ``SMALLER_CONTEXT``), ``max_context`` the
    largest that fits, ``missing_bytes`` what memory lacks for ``TOO_LARGE``, ``free_bytes`` what was held against it.
    ``tight``: with that context it leaves less to other programs than it should. ``decode_tokens_per_s`` is None while
    the machine's bandwidth is unknown. ``measured`` says that a load on this machine corrected it; ``exact`` that the
    file's own header was read; ``inferred`` names facts that are not from the file itself.
    """

    verdict: Verdict
    memory: Memory
    context: int
    max_context: int
    asked: int = 0
    tight: bool = False
    gpu_layers: int = 0
    free_bytes: int = 0
    missing_bytes: int = 0
    decode_tokens_per_s: float | None = None
    prompt_tokens_per_s: float | None = None
    measured: bool = False
    exact: bool = False
    inferred: tuple[str, ...] = ()


class FileFit(Struct, frozen=True):
    """The fit of one file, read from its own header, with what the header says.

    ``asked`` is the memory for the context that was asked for, which ``fit.memory`` is not where only a smaller one
    fits. ``use`` is how it would be loaded. ``fetched_bytes`` came over the network for it, 0 for a local file.
    ``size_bytes`` is the whole size of all parts.
    """

    reference: str
    name: str
    quant: str
    shape: Shape
    fit: Fit
    asked: Memory
    context: int
    use: Use = Use()
    size_bytes: int = 0
    fetched_bytes: int = 0
