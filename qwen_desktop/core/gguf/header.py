"""What the header of a GGUF file says: read with bounds, without llama.cpp and without the weights.

A file from anywhere may lie: counts, lengths and offsets are checked against the size of the file before anything is
read by them, big arrays (the vocabulary) are stepped over, and reading takes ten seconds at most. Blocking: call it in
a thread or in the job worker (a vocabulary of 152,000 tokens takes some 60 ms).
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field, structs

from qwen_desktop.core.files import open_file
from qwen_desktop.core.gguf import limits, refusals
from qwen_desktop.core.gguf.kinds import CHATS, Kind, kind_of
from qwen_desktop.core.gguf.reader import LONGEST_KEY, ArrayInfo, Damaged, Reader
from qwen_desktop.core.gguf.split import part_names, split_of
from qwen_desktop.core.gguf.types import FILE_TYPES, TENSOR_TYPES
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, shown

_SUPPORTED = (2, 3)
#: A header of more than this is not a model's (the largest vocabularies need some 20 MB).
_LONGEST_HEADER = 128 * 1024 * 1024
#: Types of tensors that a newer llama.cpp may have; it numbers them one by one.
_LAST_TYPE = 127
_LONGEST_TITLE = 200


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
    size_bytes: int
    parameters: int
    data_offset: int
    fingerprint: str
    metadata: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, ArrayInfo] = field(default_factory=dict)
    tensors: tuple[TensorInfo, ...] = ()
    parts: tuple[str, ...] = ()
    kind: Kind = Kind.CHAT

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
        return min(self.number("context_length"), limits.LONGEST_CONTEXT)

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


def read_header(path: str | Path, *, partial: bool = False, kinds: Collection[Kind] = CHATS) -> GgufHeader:
    """Read and check the header of ``path`` and of all its parts.

    With ``partial`` the weights need not be there (a download that is under way): ``size_bytes`` is then what the
    table of tensors says. Raises ``UserFacing`` with a sentence for everything that can be wrong with it, and
    ``NotChat`` for a file that is made for something else than ``kinds``, conversations as a rule.
    """
    chosen = Path(path)
    first = _read_one(chosen, partial, kinds)
    count = first.metadata.get("split.count", 0)
    if count <= 1:
        return first
    headers = [first]
    for part in _other_parts(chosen, first, count):
        headers.append(_read_one(part, partial, kinds))
        check_together(headers)
    return joined(headers)


def check_together(headers: Sequence[GgufHeader]) -> None:
    """Refuse parts that are more than one model can have. Raises ``UserFacing``."""
    tensors = sum(len(h.tensors) for h in headers)
    if tensors > limits.MOST_TENSORS or len(headers) > limits.MOST_PARTS:
        raise refusals.damaged(Path(headers[0].path).name, "its parts are impossibly many")


def joined(headers: Sequence[GgufHeader]) -> GgufHeader:
    """The parts of a split model as one: the first part's words, the tensors of all (offsets count in their part)."""
    first = headers[0]
    digest = hashlib.sha256("".join(h.fingerprint for h in headers).encode()).hexdigest()
    return structs.replace(
        first,
        size_bytes=sum(h.size_bytes for h in headers),
        parameters=sum(h.parameters for h in headers),
        fingerprint=digest,
        tensors=tuple(tensor for h in headers for tensor in h.tensors),
        parts=tuple(h.path for h in headers),
    )


def _other_parts(path: Path, first: GgufHeader, count: int) -> list[Path]:
    part = split_of(path.name)
    if part is None or part[2] != count or count > limits.MOST_PARTS:
        raise refusals.renamed_part(path.name, count)
    names = part_names(part[0], count)
    if first.metadata.get("split.no", 0) != 0:
        raise refusals.not_first_part(path.name, names[0])
    missing = [name for name in names[1:] if not (path.parent / name).is_file()]
    if missing:
        raise refusals.missing_parts(path, missing)
    return [path.parent / name for name in names[1:]]


def _read_one(path: Path, partial: bool, kinds: Collection[Kind]) -> GgufHeader:
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            return parse(path, Reader(file, min(size, _LONGEST_HEADER)), size, partial=partial, kinds=kinds)
    except IsADirectoryError as error:
        raise refusals.folder(path.name or str(path)) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise refusals.unreadable(path, error) from error


def parse(
    path: Path,
    reader: Reader,
    size: int,
    *,
    partial: bool = False,
    digest: bool = True,
    kinds: Collection[Kind] = CHATS,
) -> GgufHeader:
    """The header of a file of ``size`` bytes through ``reader``; ``path`` is for the sentences.

    Without ``digest`` there is no fingerprint, for which each byte of the header would be needed. Raises
    ``UserFacing``, and whatever reading raises.
    """
    try:
        return _parse(path, reader, size, partial=partial, digest=digest, kinds=kinds)
    except Damaged as damage:
        raise refusals.damaged(path.name, damage.reason) from damage
    except EOFError as ended:
        if reader.limit < size:
            long = Damaged(QT_TRANSLATE_NOOP("gguf", "its header is impossibly long"))
            raise refusals.damaged(path.name, long.reason) from ended
        raise refusals.ends_in_header(path.name) from ended


def _parse(
    path: Path, reader: Reader, size: int, *, partial: bool, digest: bool, kinds: Collection[Kind]
) -> GgufHeader:
    whole = refusals.piece_of(path.name)
    if whole:
        raise refusals.piece(path.name, whole)
    magic = reader.take(min(4, size))
    if magic != b"GGUF":
        raise refusals.refusal(path, magic + reader.take(min(refusals.HEAD, size) - len(magic)), size)
    version = reader.u32()
    if version not in _SUPPORTED:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        raise refusals.big_endian(path.name) if swapped in _SUPPORTED else refusals.version(path.name, version)
    tensor_count, entry_count = reader.u64(), reader.u64()
    reader.check_count(tensor_count, 24)
    reader.check_count(entry_count, 13)
    if tensor_count > limits.MOST_TENSORS or entry_count > limits.MOST_ENTRIES:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "a count is impossibly large"))
    metadata: dict[str, Any] = {}
    arrays: dict[str, ArrayInfo] = {}
    for _ in range(entry_count):
        key = reader.text(LONGEST_KEY)
        if key in metadata or key in arrays:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "an entry stands twice"))
        value = reader.value(reader.u32())
        if isinstance(value, ArrayInfo):
            arrays[key] = value
        else:
            metadata[key] = value
    tensors = _tensors(reader, tensor_count)
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1) or alignment > 1 << 20:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "its alignment is impossible"))
    header_end = reader.position
    data_offset = -(-header_end // alignment) * alignment
    needed = _check_tensors(tensors, alignment, data_offset)
    kind = _check_kind(path, metadata, arrays, tensors, kinds)
    if needed > size and not partial:
        raise refusals.truncated(path.name, size, needed)
    if refusals.is_unfinished(path.name) and not partial:
        raise refusals.unfinished(path.name)  # all its room is there, not all its bytes
    file_type = metadata.get("general.file_type")
    return GgufHeader(
        path=str(path),
        version=version,
        architecture=_text(metadata, "general.architecture"),
        name=_title(path, metadata),
        quant=FILE_TYPES.get(file_type, "") if type(file_type) is int else _commonest(tensors),
        size_bytes=max(size, needed),
        parameters=sum(math.prod(t.shape) for t in tensors),
        data_offset=data_offset,
        fingerprint=reader.digest(header_end, size) if digest else "",
        metadata=metadata,
        arrays=arrays,
        tensors=tensors,
        parts=(str(path),),
        kind=kind,
    )


def _tensors(reader: Reader, count: int) -> tuple[TensorInfo, ...]:
    found: dict[str, TensorInfo] = {}
    for _ in range(count):
        tensor = _tensor(reader)
        if tensor.name in found:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "two tensors have the same name"))
        found[tensor.name] = tensor
    return tuple(found.values())


def _tensor(reader: Reader) -> TensorInfo:
    name = reader.text(LONGEST_KEY)
    if len(name.encode()) > limits.LONGEST_NAME:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "a tensor's name is impossibly long"))
    dimensions = reader.u32()
    if dimensions > limits.MOST_DIMENSIONS:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "a tensor has too many dimensions"))
    shape = tuple(reader.u64() for _ in range(dimensions))
    kind, offset = reader.u32(), reader.u64()
    values = math.prod(shape)
    if max(shape, default=0) > limits.MOST_PARAMETERS or values > limits.MOST_PARAMETERS:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "a tensor is impossibly large"))
    if kind > _LAST_TYPE:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "a tensor has an unknown type"))
    block, block_size, _ = TENSOR_TYPES.get(kind, (1, 0, ""))
    if values % block or (shape and shape[0] % block):
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "a tensor does not fit its type"))
    return TensorInfo(name, shape, kind, offset, values // block * block_size)


def _check_tensors(tensors: tuple[TensorInfo, ...], alignment: int, data_offset: int) -> int:
    """How long the file must be. As in llama.cpp the tensors follow each other without gaps and without sharing."""
    if sum(math.prod(tensor.shape) for tensor in tensors) > limits.MOST_PARAMETERS:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "its weights are impossibly many"))
    end, exact = 0, True
    for tensor in tensors:
        if tensor.offset % alignment:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "a tensor is not aligned"))
        if tensor.offset < end or (exact and tensor.offset != end):
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "a tensor is not where it should be"))
        end = tensor.offset + -(-tensor.size // alignment) * alignment
        exact = tensor.type in TENSOR_TYPES  # of one that is newer than this program the size is not known
        if end > limits.LARGEST_FILE:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "its weights are impossibly large"))
    return data_offset + tensors[-1].offset + tensors[-1].size if tensors else 0


def _check_kind(
    path: Path,
    metadata: dict[str, Any],
    arrays: dict[str, ArrayInfo],
    tensors: tuple[TensorInfo, ...],
    kinds: Collection[Kind],
) -> Kind:
    """What it is for. Raise ``NotChat`` for a file that is made for something else than ``kinds``, and ``Damaged`` for
    impossible numbers. Later parts of a split model say nothing of what they are for."""
    number, count = metadata.get("split.no", 0), metadata.get("split.count", 0)
    possible = all(type(told) is int and 0 <= told <= 0xFFFF for told in (number, count))
    if not possible or number >= max(1, count):
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "the number of its parts is impossible"))
    architecture = metadata.get("general.architecture")
    kind = Kind.CHAT
    if number == 0:
        kind = kind_of(metadata, (tensor.name for tensor in tensors))
        if kind is Kind.CHAT and not tensors and not count and architecture:
            kind = Kind.VOCABULARY
        if kind not in kinds:
            raise refusals.NotChat(path, kind, told=str(metadata.get("general.type", "")))
        if not isinstance(architecture, str) or not architecture:
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "it does not say which architecture it has"))
    if isinstance(architecture, str):
        limits.check(architecture, metadata, arrays)
    return kind


def _title(path: Path, metadata: dict[str, Any]) -> str:
    """The model's name as its header has it, else its file's."""
    part = split_of(path.name)
    return shown(_text(metadata, "general.name").strip()[:_LONGEST_TITLE] or (part[0] if part else path.name))


def _text(metadata: dict[str, Any], key: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def _commonest(tensors: tuple[TensorInfo, ...]) -> str:
    sizes: Counter[int] = Counter()
    for tensor in tensors:
        sizes[tensor.type] += tensor.size
    return TENSOR_TYPES.get(max(sizes, key=sizes.__getitem__, default=-1), (0, 0, ""))[2]
