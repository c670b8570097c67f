"""Mutated GGUF headers through everything that believes them: only our own errors, bounded time and memory."""

from __future__ import annotations

import io
import math
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from qwen_desktop.core import memory
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.fit import fit
from qwen_desktop.core.gguf import GgufHeader, Reader, parse, read_header
from qwen_desktop.core.gguf.limits import LARGEST_FILE
from qwen_desktop.core.hardware import Cpu, Gpu, Machine
from qwen_desktop.core.hardware import Memory as Ram
from qwen_desktop.core.memory import Correction, MemoryNeed, Use
from qwen_desktop.core.models import Quant, RemoteFile
from qwen_desktop.core.shape import Shape, for_quant, shape_of
from qwen_desktop.engine import autotune
from qwen_desktop.engine.sampling_defaults import defaults
from qwen_desktop.hub.api import RepoInfo
from qwen_desktop.hub.catalog_guess import guessed_model
from qwen_desktop.hub.companions import facts
from qwen_desktop.hub.remote_header import as_job
from tests.gguf_raw import ARRAY, ENTRIES, SCALARS, TENSORS, TEXT, Table, Typed, header
from tests.peak import forget, peak_bytes

#: What one header may cost, in seconds of this process, and all of them together in bytes.
_SECONDS = 2.0
_BYTES = 300_000_000
_SIGNED = 1 << 63
_GB = 1 << 30

_MACHINES = (
    Machine("linux", cpu=Cpu(physical=8, usable=8), memory=Ram(16 * _GB, 8 * _GB), bandwidth_bytes_per_s=2e10),
    Machine(
        "linux",
        cpu=Cpu(physical=2, usable=2),
        memory=Ram(8 * _GB, None),
        gpus=(Gpu("Card", total_bytes=8 * _GB, free_bytes=7 * _GB), Gpu("Other", total_bytes=8 * _GB)),
    ),
)
_NUMBERS = (
    "block_count", "nextn_predict_layers", "n_deepstack_layers", "full_attention_interval", "context_length",
    "vocab_size", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv",
    "attention.key_length", "attention.value_length", "attention.recurrent_layers", "expert_count",
    "expert_used_count", "expert_feed_forward_length", "expert_shared_feed_forward_length", "ssm.conv_kernel",
    "ssm.inner_size", "ssm.state_size", "ssm.group_count", "pooling_type", "attention.causal",
)  # fmt: skip
_GENERAL = (
    "general.architecture", "general.type", "general.name", "general.basename", "general.alignment",
    "general.file_type", "general.license", "general.sampling.temp", "general.sampling.top_k", "split.no",
    "split.count",
    "tokenizer.chat_template", "tokenizer.ggml.tokens", "tokenizer.ggml.merges", "clip.vision.projection_dim",
)  # fmt: skip
_ARCHITECTURES = ("llama", "qwen3", "qwen3moe", "qwen35moe", "qwen2moe", "qwen3vl", "clip", "bert", "other", "")
_EDGES = (0, 1, 2, 3, 31, 32, 127, 128, 255, 256, 511, 512, 513, 1023, 1024, 1025, 1 << 14, 1 << 16, 1 << 20,
          (1 << 20) + 1, 1 << 22, 1 << 24, 1 << 28, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 46, 1 << 50,
          (1 << 62), (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip
_FLOATS = (0.0, -1.0, 0.5, 1e300, math.inf, -math.inf, math.nan)


def _typed(dice: random.Random, kind: int | None = None) -> Typed:
    """A random value of a random type."""
    kind = kind if kind is not None else dice.choice((*SCALARS, TEXT, ARRAY, 4, 4, 4, 10))
    if kind == TEXT:
        words = ("", "model", "adapter", "llama", "qwen3", "{% if %}", "x" * 70_000, "\ud7ff", "1")
        return Typed(TEXT, dice.choice(words) if dice.random() < 0.8 else dice.randbytes(dice.randrange(30)))
    if kind == ARRAY:
        of = dice.choice((*SCALARS, TEXT))
        items = [_typed(dice, of).value for _ in range(dice.choice((0, 1, 2, 4, 64, 65, 512, 513, 1100)))]
        return Typed(ARRAY, items, of, dice.choice(_EDGES) if dice.random() < 0.1 else None)
    packing = SCALARS[kind]
    if packing in "fd":
        return Typed(kind, dice.choice([n for n in _FLOATS if packing == "d" or abs(n) < 1e30 or not math.isfinite(n)]))
    if packing == "?":
        return Typed(kind, dice.random() < 0.5)
    size = 8 * struct.calcsize("<" + packing)
    number = dice.choice(_EDGES) % (1 << size)
    return Typed(kind, number - (1 << size) if packing.islower() and number >= 1 << (size - 1) else number)


def _built(dice: random.Random) -> bytes:
    """A header put together anew: known keys with numbers of all kinds, a table of tensors that may lie."""
    architecture = dice.choice(_ARCHITECTURES)
    entries: dict[str, Any] = {
        (f"{architecture}.{key[6:]}" if key.startswith("llama.") else key): item for key, item in ENTRIES.items()
    }
    entries["general.architecture"] = architecture
    for _ in range(dice.randrange(1, 7)):
        key = f"{architecture}.{dice.choice(_NUMBERS)}" if dice.random() < 0.7 else dice.choice(_GENERAL)
        if dice.random() < 0.1:
            entries.pop(key, None)
        elif dice.random() < 0.5:
            entries[key] = Typed(4, dice.choice(_EDGES) % (1 << 32))
        else:
            entries[key] = _typed(dice)
    tensors: list[Table] = list(TENSORS)
    offset = 32 * 65 * 4
    for number in range(dice.choice((0, 0, 1, 3, 40))):
        name = dice.choice(("blk.{}.attn_q.weight", "blk.{}.ffn_up_exps.weight", "cls.{}", "v.blk.{}", "output.weight"))
        shape = tuple(
            dice.choice(_EDGES) if dice.random() < 0.3 else 32 for _ in range(dice.choice((0, 1, 2, 2, 3, 4, 5)))
        )
        tensors.append(Table(name.format(number), shape, dice.choice((0, 1, 8, 12, 14, 30, 99, 5000)), offset))
        offset = dice.choice(_EDGES) if dice.random() < 0.1 else (offset + 32 * 32 * 4) % (1 << 64)
    counts = None
    if dice.random() < 0.1:
        counts = (dice.choice(_EDGES), len(entries)) if dice.random() < 0.5 else (len(tensors), dice.choice(_EDGES))
    made = header(entries, tensors, version=dice.choice((2, 3, 3, 3)), counts=counts)
    return made + bytes(-len(made) % 32 + dice.choice((0, 100, 9000)))


def _flipped(dice: random.Random, data: bytes) -> bytes:
    """``data`` with bytes changed, numbers put in, pieces cut out or doubled, or an end that comes early."""
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at = dice.randrange(max(1, len(changed)))
        match dice.randrange(6):
            case 0 | 1:
                changed[at : at + 1] = dice.randbytes(1)
            case 2:
                changed[at : at + 8] = struct.pack("<Q", dice.choice(_EDGES))
            case 3:
                changed[at : at + 4] = struct.pack("<I", dice.choice(_EDGES) % (1 << 32))
            case 4:
                del changed[at : at + dice.randrange(1, 40)]
            case _:
                changed[at:at] = changed[at : at + dice.randrange(1, 200)]
    return bytes(changed[: dice.randrange(len(changed) + 1)] if dice.random() < 0.1 else changed)


def _case(dice: random.Random) -> bytes:
    data = _built(dice) if dice.random() < 0.6 else header(ENTRIES, TENSORS) + bytes(9000)
    return _flipped(dice, data) if dice.random() < 0.6 else data


def _believe(found: GgufHeader, dice: random.Random) -> None:
    """All that is reckoned from a header, with every number looked at."""
    shape = shape_of(found)
    _bounded(shape)
    _bounded(for_quant(shape, dice.choice((1, 1 << 32, LARGEST_FILE))))
    kv_type = dice.choice(("f16", "f32", "q8_0"))
    use = Use(dice.choice((1, 512, 8192, 1 << 28)), kv_type, flash_attention=dice.random() < 0.5)
    learned = Correction(memory_factor=1.5, speed_factor=0.02, extra_bytes=1 << 33, loads=3)
    for machine in _MACHINES:
        verdict = fit(shape, use, machine, learned)
        _bounded(verdict.memory)
        numbers = (verdict.context, verdict.max_context, verdict.missing_bytes, verdict.gpu_layers, verdict.free_bytes)
        assert all(type(n) is int and 0 <= n < _SIGNED for n in numbers), verdict
        speeds = (verdict.decode_tokens_per_s, verdict.prompt_tokens_per_s)
        assert all(speed is None or math.isfinite(speed) for speed in speeds), verdict
    assert memory.needed(memory.estimate(shape, use)) < 2 * _SIGNED
    assert autotune.context_bytes(shape, use.context, kv_type=kv_type, flash=True, chunk=512) < _SIGNED
    assert len(autotune.ladder(use.context, found.context_length)) < 64
    defaults(found, thinking=True)
    info = RepoInfo("a/b-7B-GGUF", "c", ())
    made = guessed_model(info, (Quant("Q8_0", (RemoteFile("m.gguf", 5),), 5),), (), found)
    msgspec.msgpack.encode(made)  # what goes through a frame


def _bounded(numbers: Shape | MemoryNeed) -> None:
    for name, value in structs.asdict(numbers).items():
        if isinstance(value, int | float):
            assert math.isfinite(value) and 0 <= value < _SIGNED, (name, value)


def _through_files(data: bytes, path: Path, dice: random.Random) -> None:
    """The doors that read from a disk; sometimes the file has room for everything that it says."""
    with path.open("wb") as file:
        file.write(data)
        if dice.random() < 0.1:
            file.truncate(160 << 20)
    facts(path)
    _believe(read_header(path, partial=dice.random() < 0.3), dice)
    msgspec.msgpack.encode(as_job(file=str(path)))


def _through_memory(data: bytes, path: Path, dice: random.Random) -> None:
    """As a header that comes over a network is read."""
    size = dice.choice((len(data), len(data), 1 << 33))
    _believe(parse(path, Reader(io.BytesIO(data), min(size, len(data))), size, partial=True, digest=False), dice)


def search(seed: int, path: Path, go_on: Callable[[int], bool]) -> tuple[int, int, float]:
    """Try headers as long as ``go_on`` (of their number so far) says: how many there were, how many of them passed as
    models, and the seconds of the slowest."""
    began, number, passed, slowest = forget(), 0, 0, 0.0
    while go_on(number):
        dice = random.Random(f"{seed}:{number}")
        data = _case(dice)
        started = time.process_time()
        try:
            (_through_files if dice.random() < 0.5 else _through_memory)(data, path, dice)
            passed += 1
        except UserFacing as refusal:
            problem = refusal.problem
            assert problem.hint is not None and len(problem.sentence()) < 600, (seed, number)
        except BaseException as error:
            error.add_note(f"seed {seed}, header {number}")
            raise
        took = time.process_time() - started
        slowest = max(slowest, took)
        assert took < _SECONDS, f"seed {seed}, header {number}: {took:.1f} s"
        assert peak_bytes() - began < _BYTES, f"seed {seed}, header {number}: {peak_bytes() - began:,} bytes"
        number += 1
    return number, passed, slowest


def test_mutated_headers(tmp_path: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    seed = random.randrange(1 << 32)
    number, passed, _ = search(seed, tmp_path / "model.gguf", lambda _number: time.monotonic() < deadline)
    assert number > 10 and passed, f"seed {seed}"  # it must reach what lies behind the checks as well
