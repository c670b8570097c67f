"""How fast a model will be on a machine. Pure, rough, and corrected by what is measured (``Correction``).

Writing is bound by memory: each token reads the active weights once, at about 0.8 of the measured bandwidth (0.7 on two
shared cores), and looks at all tokens before it. On processors that look costs what its arithmetic costs, for each head
of the queries, however few heads the cache has: measured on two cores with AVX-512, four shapes at 2,000 to 16,000
tokens, 20 to 25 GB/s of ``layers * heads * (key + value) * 2`` bytes, and 7 to 10 GB/s with flash attention (which a
quantized cache needs).
Reading prompts is bound by arithmetic: two operations for each active parameter and token.
"""

from __future__ import annotations

from qwen_desktop.core.hardware import Cpu, Machine
from qwen_desktop.core.memory import KV_BYTES, UNCORRECTED, Correction, cache_types, kv_bytes_per_token, needs_flash
from qwen_desktop.core.shape import Shape

#: Of the measured bandwidth, how much is reached.
_WEIGHTS_SHARE = 0.8
#: Bytes per second and core of the look back, by what the processor can do; with flash attention this much of it.
_CORE_LOOK = (("AMX", 11e9), ("AVX-512", 11e9), ("AVX2", 8e9), ("NEON", 8e9))
_PLAIN_LOOK = 3e9
_FLASH_LOOK = 0.38
#: The same with keys alone in 8 bits (16.8 against 18.6 tokens/s at 4,096 tokens of the 0.6B shape, two cores).
_SMALL_KEYS_LOOK = 0.8
#: Seconds that a layer costs besides: starting threads and small operations.
_LAYER_S = 15e-6
#: Bytes per second of a graphics card whose bandwidth nobody measured: that of a modest one.
_GPU_BANDWIDTH = 250e9
_UNIFIED_GAIN = 1.5
_CARD_LAYER_S = 30e-6
#: Billions of operations per second and core with 8-bit arithmetic, by what the processor can do; of graphics cards.
_CORE_GFLOPS = (("AMX", 120.0), ("AVX-512", 70.0), ("AVX2", 35.0), ("NEON", 35.0))
_PLAIN_GFLOPS = 8.0
#: Experts get few tokens each, which suits no matrix product.
_EXPERTS_SHARE = 0.35
_CARD_GFLOPS, _INTEGRATED_GFLOPS = 8000.0, 800.0
#: "As things go": an answer in the middle of a talk, not the first word of an empty one.
_USUAL_DEPTH = 1024


def decode(
    shape: Shape,
    machine: Machine,
    *,
    depth: int = _USUAL_DEPTH,
    kv_type: str = "f16",
    threads: int | None = None,
    layers_on_cards: float = 0.0,
    experts_on_cpu: float = 0.0,
    correction: Correction = UNCORRECTED,
) -> float | None:
    """Tokens written per second after ``depth`` tokens; ``layers_on_cards`` is the share 0..1 of the layers on graphics
    cards, ``experts_on_cpu`` that of the layers among these whose experts stay on the processor, ``threads`` how many
    were asked for. None while the machine's bandwidth is unknown (and some of the model is on the processor)."""
    weights = float(shape.active_bytes + shape.state_bytes)
    on_cards = min(1.0, max(0.0, layers_on_cards))
    computed = _on_cards(shape, on_cards, experts_on_cpu)
    seconds = 0.0
    if computed < 1.0:
        bandwidth = machine.bandwidth_bytes_per_s
        if not bandwidth:
            return None
        needed = weights / (bandwidth * _WEIGHTS_SHARE)
        if threads and (each := _processor_gflops(machine.cpu, threads)):  # few threads cannot keep up with the memory
            needed = max(needed, 2 * _computed(shape) / (each * 1e9))
        layers = (1.0 - on_cards + experts_on_cpu) * shape.layers * _LAYER_S
        look = (1.0 - on_cards) * _look_back(shape, machine, depth, kv_type, threads)
        seconds += (1.0 - computed) * needed + layers + look
    if on_cards > 0.0:
        cache = on_cards * kv_bytes_per_token(shape, kv_type) * depth
        seconds += (computed * weights + cache) / card_bandwidth(machine) + on_cards * shape.layers * _CARD_LAYER_S
    return correction.speed_factor / seconds if seconds > 0 else None


def _on_cards(shape: Shape, layers: float, experts_on_cpu: float) -> float:
    """The share of a token's weights that are read on cards."""
    used = shape.experts_used / shape.experts if shape.experts else 0.0
    experts = shape.experts_bytes * used / max(1, shape.active_bytes)
    return max(0.0, layers - min(layers, experts_on_cpu) * experts)


def _look_back(shape: Shape, machine: Machine, depth: int, kv_type: str, threads: int | None) -> float:
    """Seconds of a processor for the attention of one token to ``depth`` tokens before it."""
    bandwidth = machine.bandwidth_bytes_per_s or 1.0
    each = next((rate for name, rate in _CORE_LOOK if name in machine.cpu.features), _PLAIN_LOOK)
    rate = each * (threads_used(machine.cpu, threads) or 1)
    if needs_flash(kv_type):
        rate *= _FLASH_LOOK
    elif cache_types(kv_type)[0] == "q8_0":
        rate *= _SMALL_KEYS_LOOK
    heads = shape.attention_layers * shape.heads * (shape.key_length + shape.value_length) * KV_BYTES["f16"]
    read = kv_bytes_per_token(shape, kv_type)
    return depth * max(heads / rate, read / (bandwidth * _WEIGHTS_SHARE))


def card_bandwidth(machine: Machine) -> float:
    """Bytes per second that the graphics cards read with: main memory's where they share it, else a modest guess."""
    unified = [gpu for gpu in machine.gpus if gpu.unified or gpu.kind == "igpu"]
    if unified and len(unified) == len(machine.gpus) and machine.bandwidth_bytes_per_s:
        return machine.bandwidth_bytes_per_s * _UNIFIED_GAIN
    return _GPU_BANDWIDTH


def prompt(
    shape: Shape,
    machine: Machine,
    *,
    threads: int | None = None,
    layers_on_cards: float = 0.0,
    experts_on_cpu: float = 0.0,
    correction: Correction = UNCORRECTED,
) -> float | None:
    """Tokens of a prompt read per second, roughly. None when nothing is known of the processor."""
    active = _computed(shape)
    on_cards = _on_cards(shape, min(1.0, max(0.0, layers_on_cards)), experts_on_cpu)
    seconds = 0.0
    if on_cards < 1.0:
        speed = _processor_gflops(machine.cpu, threads)
        if speed is None:
            return None
        if shape.experts:
            speed *= _EXPERTS_SHARE
        seconds += (1.0 - on_cards) * 2 * active / (speed * 1e9)
    if on_cards > 0.0:
        # layers on several cards work one after the other, so more cards are not faster
        gflops = _CARD_GFLOPS if any(gpu.kind == "gpu" for gpu in machine.gpus) else _INTEGRATED_GFLOPS
        seconds += on_cards * 2 * active / (gflops * 1e9)
    return correction.prompt_factor / seconds if seconds > 0 else None


def usual_threads(cores: int, performance: int | None = None) -> int:
    """How many threads an answer gets at most where nobody asked for a number; fewer while other programs compute.

    With two kinds of cores these are the ``performance`` cores, and the others are for the window and other programs.
    Else one core of more than two is left to them: with a thread on every core the speed collapses as soon as anything
    else runs (measured: 2 threads on 2 busy cores 0.3 tokens/s, 1 thread 26).
    """
    if performance and performance < cores:
        return performance
    return cores - 1 if cores > 2 else cores


def threads_used(cpu: Cpu, asked: int | None = None) -> int | None:
    """The threads that compute on a processor: the usual ones, and no more than asked for. None where it is unknown."""
    cores = cpu.physical or cpu.usable
    if not cores:
        return None
    usual = usual_threads(min(cores, cpu.usable or cores), cpu.performance if cpu.efficiency else None)
    return min(usual, asked) if asked else usual


def _computed(shape: Shape) -> int:
    """Parameters that are computed with for each token: the embedding is looked up."""
    return max(1, shape.active_parameters - shape.vocab * shape.hidden)


def _processor_gflops(cpu: Cpu, threads: int | None) -> float | None:
    cores = threads_used(cpu, threads)
    if not cores:
        return None
    return cores * next((speed for name, speed in _CORE_GFLOPS if name in cpu.features), _PLAIN_GFLOPS)
