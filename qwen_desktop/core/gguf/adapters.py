"""What a LoRA adapter's file says, read with bounds as a model's is, and whether it fits a model: what differs, as one
sentence.

llama.cpp looks at less than it computes with: of a tensor at two of four dimensions, at no type and at no rank, and it
ends the process over the rest when the first token is computed. So all of that is checked here, against the model's
own header, before it gets a file.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from qwen_desktop.core.engine import Adapter
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.files import open_file
from qwen_desktop.core.gguf import refusals
from qwen_desktop.core.gguf.header import GgufHeader, TensorInfo, parse
from qwen_desktop.core.gguf.kinds import Kind
from qwen_desktop.core.gguf.reader import LONGEST_KEY, Damaged, Reader
from qwen_desktop.core.gguf.refusals import NotChat
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source, shown

#: A header of more than this is no adapter's: it has no vocabulary.
_LONGEST_HEADER = 32 * 1024 * 1024
_ALPHA, _INVOCATION = "adapter.lora.alpha", "adapter.alora.invocation_tokens"
_FLOAT32 = 6
_A, _B = ".lora_a", ".lora_b"
#: llama.cpp passes over these: an adapter may have changed them, which counts for nothing.
_PASSED_OVER = "_norm.weight"
_TOKENS, _OUTPUT = "token_embd.weight", "output.weight"
#: F32, F16, Q8_0 and BF16: what converters write, and what every device can multiply with.
_TYPES = frozenset((0, 1, 8, 30))
#: Weights with a scale of their own, which llama.cpp would multiply the adapter with as well: it ends the process.
_NVFP4 = 40

#: So many count at once, each so strongly at most, forwards or backwards.
MOST, STRONGEST = 8, 8.0

_CHOOSE = QT_TRANSLATE_NOOP("gguf", "Choose an adapter that was made for this model.")


def _refusal(code: str, places: str, what: Source, hint: Source = _CHOOSE) -> Failure[UserFacing]:
    return Failure(UserFacing, f"adapter.{code}", places, what, hint)


# fmt: off
_not_one = _refusal(
    "none", "file", QT_TRANSLATE_NOOP("gguf", "{file} is no adapter (LoRA) but a model, or a part of one."),
    QT_TRANSLATE_NOOP("gguf", "Choose the adapter's own file."),
)
_kind = _refusal(
    "kind", "file kind", QT_TRANSLATE_NOOP("gguf", "{file} is an adapter of kind {kind}; only LoRA can be used."),
    QT_TRANSLATE_NOOP("gguf", "Choose a LoRA adapter as GGUF."),
)
_empty = _refusal("empty", "file", QT_TRANSLATE_NOOP("gguf", "{file} is an adapter that changes nothing."))
_unpaired = _refusal(
    "unpaired", "file tensor", QT_TRANSLATE_NOOP("gguf", "{file} has only one half of its change to {tensor}."),
    QT_TRANSLATE_NOOP("gguf", "Download it again, or convert it again."),
)
_type = _refusal(
    "type", "file tensor",
    QT_TRANSLATE_NOOP("gguf", "{file} holds its change to {tensor} in a precision that adapters cannot have."),
    QT_TRANSLATE_NOOP("gguf", "Convert it again to F32, F16, BF16 or Q8_0."),
)
_architecture = _refusal(
    "architecture", "file wanted model found",
    QT_TRANSLATE_NOOP("gguf", "{file} was made for models of architecture {wanted}; {model} has {found}."),
)
_tensor = _refusal(
    "tensor", "file tensor model", QT_TRANSLATE_NOOP("gguf", "{file} changes {tensor}, which {model} does not have."),
)
_shape = _refusal(
    "shape", "file tensor wanted model found",
    QT_TRANSLATE_NOOP(
        "gguf",
        "{file} was made for a model of another size: its {tensor} has {wanted}, that of {model} has {found}.",
    ),
)
_rank = _refusal(
    "rank", "file tensor",
    QT_TRANSLATE_NOOP("gguf", "{file} is damaged: the two halves of its change to {tensor} do not go together."),
    QT_TRANSLATE_NOOP("gguf", "Download it again, or convert it again."),
)
_tied = _refusal(
    "tied", "file model",
    QT_TRANSLATE_NOOP("gguf", "{file} changes the table of tokens, which {model} writes with, too: llama.cpp cannot."),
    QT_TRANSLATE_NOOP("gguf", "Choose an adapter without a change to the embeddings."),
)
_scaled = _refusal(
    "nvfp4", "file tensor model",
    QT_TRANSLATE_NOOP("gguf", "{file} changes {tensor}, which {model} has in NVFP4; llama.cpp cannot."),
    QT_TRANSLATE_NOOP("gguf", "Use the model in another quantization."),
)
_scale = _refusal(
    "scale", "file most",
    QT_TRANSLATE_NOOP("gguf", "{file} cannot count so strongly: between -{most} and {most} is possible."),
    QT_TRANSLATE_NOOP("gguf", "1 is the strength that it was trained with, 0 switches it off."),
)
_many = _refusal(
    "many", "n", QT_TRANSLATE_NOOP("gguf", "At most %n adapter(s) can be used at once."),
    QT_TRANSLATE_NOOP("gguf", "Take some of them away."),
)
# fmt: on


class Pair(NamedTuple):
    """The two halves of the change to the tensor ``name``: ``a`` goes in, ``b`` comes out."""

    name: str
    a: TensorInfo
    b: TensorInfo


class AdapterHeader(Struct, frozen=True):
    """An adapter as its header describes it. ``rank`` is that of its largest change, ``base`` the model's name that it
    was made for ("" where it does not say), ``weights_bytes`` what it takes when it is loaded. One with an
    ``invocation`` is activated by these tokens (aLoRA): what comes before them is read without it."""

    path: str
    name: str
    architecture: str
    base: str
    rank: int
    invocation: tuple[int, ...]
    size_bytes: int
    weights_bytes: int
    pairs: tuple[Pair, ...]


class _Typed(Reader):
    """Keeps of which type the entries are, which llama.cpp asserts."""

    def __init__(self, file: Any, limit: int) -> None:
        super().__init__(file, limit)
        self.types: dict[str, int] = {}
        self._key = ""

    def text(self, longest: int = -1) -> str:
        if longest != LONGEST_KEY:
            return super().text() if longest < 0 else super().text(longest)
        self._key = super().text(longest)
        return self._key

    def value(self, kind: int) -> Any:
        self.types[self._key] = kind
        return super().value(kind)


def read_adapter(path: str | Path) -> AdapterHeader:
    """Read and check the header of an adapter. Raises ``UserFacing`` with a sentence for everything that can be wrong
    with it by itself. Blocking, some milliseconds."""
    chosen = Path(path)
    try:
        with open_file(chosen) as file:
            size = os.fstat(file.fileno()).st_size
            reader = _Typed(file, min(size, _LONGEST_HEADER))
            header = parse(chosen, reader, size, digest=False, kinds=(Kind.ADAPTER,))
    except NotChat as other:
        raise _not_one(chosen.name) from other
    except IsADirectoryError as error:
        raise refusals.folder(chosen.name or str(chosen)) from error
    except (OSError, ValueError) as error:
        raise refusals.unreadable(chosen, error) from error
    try:
        return _checked(header, reader.types)
    except Damaged as damage:
        raise refusals.damaged(chosen.name, damage.reason) from damage


def _checked(header: GgufHeader, types: dict[str, int]) -> AdapterHeader:
    metadata, file = header.metadata, Path(header.path).name
    kind, alpha = metadata.get("adapter.type", "lora"), metadata.get(_ALPHA, 0.0)
    if isinstance(kind, str) and kind != "lora":
        raise _kind(file, shown(kind)[:40])
    if metadata.get("general.type") != "adapter" or "adapter.type" not in metadata or not isinstance(kind, str):
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "it does not say which kind of adapter it is"))
    if types.get(_ALPHA, _FLOAT32) != _FLOAT32 or not math.isfinite(alpha) or not 0 <= alpha <= 1 << 20:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "the strength that it was trained with is impossible"))
    invocation = metadata.get(_INVOCATION, [])
    tokens = isinstance(invocation, list) and all(type(token) is int and 0 <= token < 1 << 31 for token in invocation)
    if not tokens or _INVOCATION in header.arrays:
        raise Damaged(QT_TRANSLATE_NOOP("gguf", "the words that activate it are impossible"))
    pairs = tuple(_pairs(header, file))
    if not pairs:
        raise _empty(file)
    base = metadata.get("general.base_model.0.name")
    return AdapterHeader(
        path=header.path,
        name=header.name if "general.name" in metadata else shown(Path(header.path).stem),
        architecture=header.architecture,
        base=shown(base)[:200] if isinstance(base, str) else "",
        rank=max(_dimensions(pair.b)[0] for pair in pairs),
        invocation=tuple(invocation),
        size_bytes=header.size_bytes,
        weights_bytes=sum(pair.a.size + pair.b.size for pair in pairs),
        pairs=pairs,
    )


def _pairs(header: GgufHeader, file: str) -> Iterator[Pair]:
    halves: dict[str, dict[str, TensorInfo]] = {}
    for tensor in header.tensors:
        name, half = tensor.name[: -len(_A)], tensor.name[-len(_A) :]
        if half in (_A, _B):
            halves.setdefault(name, {})[half] = tensor
        elif not tensor.name.endswith(_PASSED_OVER):
            raise Damaged(QT_TRANSLATE_NOOP("gguf", "it has a tensor that belongs to no change"))
    for name, both in halves.items():
        if len(both) < 2:
            raise _unpaired(file, shown(name))
        pair = Pair(name, both[_A], both[_B])
        if not {pair.a.type, pair.b.type} <= _TYPES:
            raise _type(file, shown(name))
        a, b = _dimensions(pair.a), _dimensions(pair.b)
        rank = a[0] if name.endswith(_TOKENS) else a[1]
        if not 0 < rank == b[0] or a[2:] != b[2:] or a[3] != 1 or 0 in (*a, *b):
            raise _rank(file, shown(name))
        yield pair


def check_scales(asked: Sequence[Adapter]) -> None:
    """Raise ``UserFacing`` for more adapters than can count at once, or for one that cannot count so strongly."""
    if len(asked) > MOST:
        raise _many(MOST)
    for each in asked:
        if not (math.isfinite(each.scale) and abs(each.scale) <= STRONGEST):
            raise _scale(Path(each.path).name, f"{STRONGEST:g}")


def check_fits(adapter: AdapterHeader, model: GgufHeader) -> None:
    """Raise ``UserFacing``, with what differs, for an adapter that does not fit this model."""
    file, name = Path(adapter.path).name, model.name
    if adapter.architecture != model.architecture:
        raise _architecture(file, shown(adapter.architecture)[:40], name, model.architecture)
    tensors = {tensor.name: tensor for tensor in model.tensors}
    for pair in adapter.pairs:
        changed = tensors.get(pair.name)
        if changed is None:
            raise _tensor(file, shown(pair.name), name)
        a, b, found = _dimensions(pair.a), _dimensions(pair.b), _dimensions(changed)
        table = pair.name.endswith(_TOKENS)
        wanted = (b[1], a[1], *a[2:]) if table else (a[0], b[1], *a[2:])
        if wanted != found:
            raise _shape(file, pair.name, _shown(wanted), name, _shown(found))
        if table and _OUTPUT not in tensors:
            raise _tied(file, name)
        if changed.type == _NVFP4:
            raise _scaled(file, pair.name, name)
        if (a[0] if table else a[1]) > max(found[:2]):
            raise _rank(file, pair.name)


def _dimensions(tensor: TensorInfo) -> tuple[int, int, int, int]:
    one, two, three, four = (*tensor.shape, 1, 1, 1, 1)[:4]
    return one, two, three, four


def _shown(dimensions: tuple[int, ...]) -> str:
    kept = dimensions[:2] if set(dimensions[2:]) == {1} else dimensions[:3]
    return " × ".join(map(str, kept))
