"""What the header of a GGUF file says: read with bounds, without llama.cpp and without the weights.

A file from anywhere may lie: counts, lengths and offsets are checked against the size of the file before anything is
read by them, big arrays (the vocabulary) are stepped over, and reading takes ten seconds at most. Blocking: call it in
a thread or in the job worker (a vocabulary of 152,000 tokens takes some 60 ms).
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from qwen_desktop.core import gguf_errors as errors
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.files import open_file
from qwen_desktop.core.gguf_names import FILE_TYPES, TENSOR_TYPES
from qwen_desktop.core.gguf_read import ArrayInfo, Damaged, Reader
from qwen_desktop.core.text import shown

_SUPPORTED = (2, 3)
#: A header of more than this is not a model's (the largest vocabularies need some 20 MB).
_LONGEST_HEADER = 512 * 1024 * 1024
#: No file is larger, in bytes; matters where the file itself is not all there to compare with.
_LARGEST = 1 << 46
_PART = re.compile(r"^(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)


class TensorInfo(Struct, frozen=True, array_like=True):
    """One tensor: ``offset`` counts from the start of the data; ``size`` is in bytes, 0 for an unknown type."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int
    size: int


class GgufHeader(Struct, frozen=True):
    """A model file as its header describes it.

    ``metadata`` holds everything but long arrays; those are in ``arrays`` (where they lie, so that they can be read).
    ``size_bytes`` and ``parameters`` cover all ``parts`` of a split model. ``fingerprint`` is the sha256 over the
    header, the tensor table and the size: it names the file without reading its gigabytes.
    """

    path: str
    version: int
    architecture: str
    name: str
    quant: str
    file_type: int | None
    size_bytes: int
    parameters: int
    data_offset: int
    fingerprint: str
    metadata: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, ArrayInfo] = field(default_factory=dict)
    tensors: tuple[TensorInfo, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def chat_template(self) -> str | None:
        """The model's own Jinja template, None when the file has none."""
        template = self.metadata.get("tokenizer.chat_template")
        return template if isinstance(template, str) and template.strip() else None

    @property
    def template_sha256(self) -> str:
        """The hash of the file's template, empty without one."""
        template = self.chat_template
        return hashlib.sha256(template.encode()).hexdigest() if template else ""

    @property
    def context_length(self) -> int:
        """Tokens the model was trained on, 0 when the file does not say."""
        return self.number("context_length")

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary."""
        tokens = self.arrays.get("tokenizer.ggml.tokens")
        kept = self.metadata.get("tokenizer.ggml.tokens")
        return tokens.count if tokens else len(kept) if isinstance(kept, list) else self.number("vocab_size")

    @property
    def guide(self) -> bool:
        """Whether this is the built-in guide."""
        return self.metadata.get("qwen_desktop.guide") is True

    def number(self, key: str, default: int = 0) -> int:
        """The architecture's own whole number, ``qwen3.block_count`` for "block_count"; the largest of a list."""
        found = self.metadata.get(f"{self.architecture}.{key}", default)
        if isinstance(found, list):
            found = max((n for n in found if isinstance(n, int)), default=default)
        return found if isinstance(found, int) else default

    def kv_bytes_per_token(self, bytes_per_value: float) -> float:
        """Memory that one token of context takes, in bytes (an upper bound for models with few attention layers)."""
        heads = self.number("attention.head_count") or 1
        width = self.number("embedding_length")
        key = self.number("attention.key_length") or width // heads
        value = self.number("attention.value_length") or width // heads
        layers = self.number("block_count")
        interval = self.number("full_attention_interval")
        if interval > 1:  # hybrid: the others keep a small state of fixed size
            layers = math.ceil(layers / interval)
        per_layer = self.metadata.get(f"{self.architecture}.attention.head_count_kv")
        if isinstance(per_layer, list):
            kv_heads = sum(n for n in per_layer if isinstance(n, int))
        else:
            kv_heads = layers * (per_layer if isinstance(per_layer, int) else heads)
        return kv_heads * (key + value) * bytes_per_value


def read_header(path: str | Path, *, partial: bool = False) -> GgufHeader:
    """Read and check the header of ``path`` and of all its parts.

    With ``partial`` the weights need not be there (a download that is under way): ``size_bytes`` is then what the
    table of tensors says. Raises ``UserFacing`` with a sentence for everything that can be wrong with it.
    """
    chosen = Path(path)
    first = _read_one(chosen, partial)
    count = first.metadata.get("split.count", 0)
    if not isinstance(count, int) or count <= 1:
        return first
    others = _other_parts(chosen, first, count)
    return joined([first, *(_read_one(part, partial) for part in others)])


def joined(headers: Sequence[GgufHeader]) -> GgufHeader:
    """The parts of a split model as one: the first part's words, the tensors of all (offsets count in their part)."""
    first = headers[0]
    digest = hashlib.sha256("".join(h.fingerprint for h in headers).encode()).hexdigest()
    return GgufHeader(
        path=first.path,
        version=first.version,
        architecture=first.architecture,
        name=first.name,
        quant=first.quant,
        file_type=first.file_type,
        size_bytes=sum(h.size_bytes for h in headers),
        parameters=sum(h.parameters for h in headers),
        data_offset=first.data_offset,
        fingerprint=digest,
        metadata=first.metadata,
        arrays=first.arrays,
        tensors=tuple(tensor for h in headers for tensor in h.tensors),
        parts=tuple(h.path for h in headers),
    )


def _other_parts(path: Path, first: GgufHeader, count: int) -> list[Path]:
    match = _PART.match(path.name)
    number = first.metadata.get("split.no", 0)
    if match is None or int(match["count"]) != count or count > 9999:
        raise errors.renamed_part(path, count)
    names = [f"{match['stem']}-{n:05d}-of-{count:05d}.gguf" for n in range(1, count + 1)]
    if number != 0:
        raise errors.not_first_part(path, names[0])
    missing = [name for name in names[1:] if not (path.parent / name).is_file()]
    if missing:
        raise errors.missing_parts(path, missing)
    return [path.parent / name for name in names[1:]]


def _read_one(path: Path, partial: bool) -> GgufHeader:
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            return parse(path, Reader(file, min(size, _LONGEST_HEADER)), size, partial=partial)
    except IsADirectoryError as error:
        raise errors.folder(path) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise errors.unreadable(path, error) from error


def parse(path: Path, reader: Reader, size: int, *, partial: bool = False, digest: bool = True) -> GgufHeader:
    """The header of a file of ``size`` bytes through ``reader``; ``path`` is for the sentences.

    Without ``digest`` there is no fingerprint, for which each byte of the header would be needed. Raises
    ``UserFacing``, and whatever reading raises.
    """
    try:
        return _parse(path, reader, size, partial=partial, digest=digest)
    except Damaged as damage:
        raise errors.damaged(path, damage) from damage
    except EOFError as ended:
        raise errors.ends_in_header(path) from ended


def _parse(path: Path, reader: Reader, size: int, *, partial: bool, digest: bool) -> GgufHeader:
    magic = reader.take(4) if size >= 4 else b""
    if magic != b"GGUF":
        raise errors.empty(path) if size == 0 else errors.not_gguf(path)
    version = reader.u32()
    if version not in _SUPPORTED:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        raise errors.big_endian(path) if swapped in _SUPPORTED else errors.version(path, version)
    tensor_count, entry_count = reader.u64(), reader.u64()
    reader.check_count(tensor_count, 24)
    reader.check_count(entry_count, 13)
    metadata: dict[str, Any] = {}
    arrays: dict[str, ArrayInfo] = {}
    for _ in range(entry_count):
        key = reader.text(65_535)
        if key in metadata or key in arrays:
            raise Damaged("an entry stands twice")
        value = reader.value(reader.u32())
        if isinstance(value, ArrayInfo):
            arrays[key] = value
        else:
            metadata[key] = value
    tensors = tuple(_tensor(reader) for _ in range(tensor_count))
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1) or alignment > 1 << 20:
        raise Damaged("its alignment is impossible")
    header_end = reader.position
    data_offset = -(-header_end // alignment) * alignment
    needed = _check_tensors(tensors, alignment, data_offset)
    if needed > size and not partial:
        raise errors.truncated(path, size, needed)
    return _header(
        path,
        version,
        metadata=metadata,
        arrays=arrays,
        tensors=tensors,
        size=max(size, needed),
        data_offset=data_offset,
        fingerprint=reader.digest(header_end, size) if digest else "",
    )


def _tensor(reader: Reader) -> TensorInfo:
    name = reader.text(65_535)
    dimensions = reader.u32()
    if dimensions > 8:
        raise Damaged("a tensor has too many dimensions")
    shape = tuple(reader.u64() for _ in range(dimensions))
    kind, offset = reader.u32(), reader.u64()
    values = math.prod(shape)
    if values >= 1 << 60:
        raise Damaged("a tensor is impossibly large")
    block, block_size = TENSOR_TYPES.get(kind, (1, 0))
    return TensorInfo(name, shape, kind, offset, -(-values // block) * block_size)


def _check_tensors(tensors: tuple[TensorInfo, ...], alignment: int, data_offset: int) -> int:
    """How long the file must be."""
    needed = data_offset
    for tensor in tensors:
        if tensor.offset % alignment:
            raise Damaged("a tensor is not aligned")
        needed = max(needed, data_offset + tensor.offset + tensor.size)
    if needed > _LARGEST:
        raise Damaged("its weights are impossibly large")
    return needed if tensors else 0


def _header(
    path: Path,
    version: int,
    *,
    metadata: dict[str, Any],
    arrays: dict[str, ArrayInfo],
    tensors: tuple[TensorInfo, ...],
    size: int,
    data_offset: int,
    fingerprint: str,
) -> GgufHeader:
    architecture = metadata.get("general.architecture")
    part = isinstance(metadata.get("split.no"), int) and metadata["split.no"] > 0
    if not isinstance(architecture, str) or not architecture:
        if not part:
            raise Damaged("it does not say which architecture it has")
        architecture = ""
    if metadata.get("general.type", "model") not in ("model", ""):
        raise errors.not_a_model(path, str(metadata["general.type"]))
    if not tensors and not part and not isinstance(metadata.get("split.count"), int):
        raise errors.no_weights(path)
    file_type = metadata.get("general.file_type")
    file_type = file_type if isinstance(file_type, int) else None
    name = metadata.get("general.name")
    return GgufHeader(
        path=str(path),
        version=version,
        architecture=architecture,
        name=shown(name.strip() if isinstance(name, str) and name.strip() else _PART.sub(r"\g<stem>", path.name)),
        quant=FILE_TYPES.get(file_type, "") if file_type is not None else _commonest(tensors),
        file_type=file_type,
        size_bytes=size,
        parameters=sum(math.prod(t.shape) for t in tensors),
        data_offset=data_offset,
        fingerprint=fingerprint,
        metadata=metadata,
        arrays=arrays,
        tensors=tensors,
        parts=(str(path),),
    )


def _commonest(tensors: tuple[TensorInfo, ...]) -> str:
    from qwen_desktop.core.gguf_names import TENSOR_NAMES  # noqa: PLC0415 - only for files that do not say

    sizes: dict[int, int] = {}
    for tensor in tensors:
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.size
    return TENSOR_NAMES.get(max(sizes, key=lambda kind: sizes[kind]), "") if sizes else ""


def as_dict(path: str) -> dict[str, Any]:
    """The job ``gguf.header``: what a face shows of a file, without its tensors. Raises ``UserFacing``."""
    header = read_header(path)
    return {
        "path": header.path,
        "architecture": header.architecture,
        "name": header.name,
        "quant": header.quant,
        "size_bytes": header.size_bytes,
        "parameters": header.parameters,
        "context_length": header.context_length,
        "vocab_size": header.vocab_size,
        "fingerprint": header.fingerprint,
        "template_sha256": header.template_sha256,
        "has_template": header.chat_template is not None,
        "guide": header.guide,
        "parts": list(header.parts),
    }


__all__ = ["ArrayInfo", "GgufHeader", "TensorInfo", "UserFacing", "as_dict", "joined", "parse", "read_header"]
