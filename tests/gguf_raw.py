"""Writes GGUF headers byte by byte: whatever they say of themselves, lies and types included."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

#: Type of a value -> how it is packed.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, ARRAY = 8, 9


class Typed(NamedTuple):
    """A value with its GGUF type, ``of`` being that of an array's items; ``count`` what an array says it has."""

    type: int
    value: Any
    of: int = 4
    count: int | None = None


class Table(NamedTuple):
    """One line of the table of tensors."""

    name: str
    shape: tuple[int, ...]
    type: int = 0
    offset: int = 0


def text(words: str | bytes) -> bytes:
    data = words if isinstance(words, bytes) else words.encode()
    return struct.pack("<Q", len(data)) + data


def value(given: Any) -> bytes:
    """A value with its type before it: that of ``Typed``, else the usual one of Python's."""
    if not isinstance(given, Typed):
        given = _usual(given)
    return struct.pack("<I", given.type) + _packed(given)


def _usual(given: Any) -> Typed:
    if isinstance(given, bool):
        return Typed(7, given)
    if isinstance(given, int):
        return Typed(4 if 0 <= given < 1 << 32 else 10 if given > 0 else 11, given)
    if isinstance(given, float):
        return Typed(6, given)
    if isinstance(given, list | tuple):
        return Typed(ARRAY, given, TEXT if given and isinstance(given[0], str) else 4)
    return Typed(TEXT, given)


def _packed(given: Typed) -> bytes:
    if given.type == TEXT:
        return text(given.value)
    if given.type == ARRAY:
        count = len(given.value) if given.count is None else given.count
        return struct.pack("<IQ", given.of, count) + b"".join(_packed(Typed(given.of, item)) for item in given.value)
    return struct.pack("<" + SCALARS[given.type], given.value)


def header(
    entries: Mapping[str, Any],
    tensors: Iterable[Table] = (),
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A header's bytes; ``counts`` are the numbers of tensors and entries that it tells, where they are not true."""
    table = list(tensors)
    told = counts or (len(table), len(entries))
    made = b"GGUF" + struct.pack("<IQQ", version, *told)
    made += b"".join(text(key) + value(item) for key, item in entries.items())
    for line in table:
        made += text(line.name) + struct.pack(f"<I{len(line.shape)}Q", len(line.shape), *line.shape)
        made += struct.pack("<IQ", line.type, line.offset)
    return made


#: A small model of Llama's architecture: its entries, and its tensors in F32.
ENTRIES: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Probe",
    "llama.block_count": 2,
    "llama.context_length": 2048,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": [f"t{number}" for number in range(100)],
}
TENSORS = (Table("token_embd.weight", (32, 64)), Table("output_norm.weight", (32,), 0, 32 * 64 * 4))
_WEIGHTS = 32 * 65 * 4


def model(
    path: Path, changes: Mapping[str, Any] | None = None, *, tensors: Iterable[Table] = TENSORS, weights: int = _WEIGHTS
) -> Path:
    """Write ``ENTRIES`` with ``changes`` (None takes one away) and zeros for weights; returns ``path``."""
    entries = {**ENTRIES, **(changes or {})}
    made = header({key: item for key, item in entries.items() if item is not None}, tensors)
    path.write_bytes(made + bytes(-len(made) % 32 + weights))
    return path
