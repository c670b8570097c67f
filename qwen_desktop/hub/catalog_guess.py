"""A catalogue entry for a repository that the catalogue does not know: from its name, its files and what the hub says.

Everything here is a guess until a file's header was read, and is named in the entry's ``inferred``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from msgspec import structs

from qwen_desktop.core.gguf import GgufHeader, Kind, kind_of_architecture
from qwen_desktop.core.gguf.limits import LONGEST_CONTEXT, MOST_PARAMETERS
from qwen_desktop.core.models import CatalogModel, Purpose, Quant, RemoteFile, Thinking
from qwen_desktop.core.quants import bits
from qwen_desktop.core.shape import Shape, shape_of
from qwen_desktop.hub.api import RepoInfo
from qwen_desktop.hub.names import best_mmproj

#: Kinds of models that llama.cpp loads, whatever they are for.
_LOADED = (Kind.CHAT, Kind.EMBEDDING, Kind.RERANKER)
#: What hubs and publishers call models that answer nothing.
_BY_TAG = {
    "sentence-similarity": Kind.EMBEDDING,
    "feature-extraction": Kind.EMBEDDING,
    "text-ranking": Kind.RERANKER,
    "text-to-image": Kind.PICTURES,
    "text-to-video": Kind.PICTURES,
    "automatic-speech-recognition": Kind.SPEECH,
    "text-to-speech": Kind.SPEECH,
}
_BY_NAME = (
    (re.compile(r"embed(?:ding)?s?(?![a-z])", re.I), Kind.EMBEDDING),
    (re.compile(r"rerank", re.I), Kind.RERANKER),
)
_LICENCES = {
    "apache-2.0": ("Apache-2.0", True),
    "mit": ("MIT", True),
    "bsd-3-clause": ("BSD-3-Clause", True),
    "cc0-1.0": ("CC0-1.0", True),
    "qwen": ("Qwen Licence", False),
    "qwen-research": ("Qwen Research Licence", False),
    "qwen-community-1.0": ("Qwen Community Licence 1.0", False),
    "tongyi-qianwen": ("Tongyi Qianwen Licence", False),
    "tongyi-qianwen-research": ("Tongyi Qianwen Research Licence", False),
    "other": ("Own licence", False),
}
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([bmt])(?![a-z0-9])", re.IGNORECASE)
_ACTIVE = re.compile(r"(?<![a-z0-9.])a(\d+(?:\.\d+)?)b(?![a-z0-9])", re.IGNORECASE)
_SCALE = {"m": 1e6, "b": 1e9, "t": 1e12}
_FAMILY = re.compile(
    r"(QwQ|Qwen[ _-]?\d(?:\.\d)?(?:-(?:VL|Coder|Math|Omni|Audio|Next|Embedding|Reranker|ASR)\b)?)", re.I
)
_GUESSED = ("heads", "hidden", "key_length", "kv_heads", "layers", "state_bytes", "vocab", "feed_forward")


def licence_of(short: str) -> tuple[str, bool]:
    """The hub's short name of a licence as (its name, whether it is open); an unknown one is not."""
    return _LICENCES.get(short.strip().lower(), (short.strip() or "Unknown licence", False))


def family_of(name: str) -> str:
    """The series that a model's name begins with or contains, "Other" for those that are not Qwen's."""
    found = _FAMILY.search(name)
    return found[1].replace("_", "").replace(" ", "") if found else "Other"


def parameters_of(name: str) -> tuple[int, int]:
    """(all, active) parameters that a name tells: (30.5e9, 3e9) for "30.5B-A3B"; 0 for what it does not tell."""
    active = _ACTIVE.search(name)
    sizes = [float(m[1]) * _SCALE[m[2].lower()] for m in _SIZE.finditer(_ACTIVE.sub("", name))]
    total = int(min(max(sizes, default=0), MOST_PARAMETERS))
    return total, int(min(float(active[1]) * 1e9, MOST_PARAMETERS)) if active else total


def parameters_told(info: RepoInfo) -> int:
    """All parameters as the hub read them off one of the files, 0 where it did not."""
    return _whole(info.gguf.get("total"), MOST_PARAMETERS)


def _whole(value: object, most: int) -> int:
    """A number that a hub sent, 0 for one that cannot be."""
    return value if type(value) is int and 0 < value <= most else 0


def kind_told(info: RepoInfo) -> Kind:
    """What a repository's models are for, as far as can be told without reading one."""
    kind = kind_of_architecture(str(info.gguf.get("architecture") or ""))
    if kind is Kind.CHAT:
        kind = next((_BY_TAG[tag] for tag in info.tags if tag in _BY_TAG), kind)
    if kind is Kind.CHAT:
        kind = next((found for words, found in _BY_NAME if words.search(info.repo.partition("/")[2])), kind)
    return kind


def shown_name(repo: str) -> str:
    """The repository's name as people say it: without owner, "GGUF" and underscores."""
    name = re.sub(r"[-_.](?:i1-)?gguf$", "", repo.partition("/")[2], flags=re.IGNORECASE)
    return re.sub(r"^(?:Qwen_-?_?)(?=Qwen|QwQ)", "", name)


def guessed_model(
    info: RepoInfo,
    quants: tuple[Quant, ...],
    known: Sequence[CatalogModel],
    header: GgufHeader | None = None,
    kind: Kind = Kind.CHAT,
) -> CatalogModel:
    """The entry. ``header`` is that of the recommended quant's file; without it the nearest known model's shape is
    scaled. ``quants`` must not be empty, ``kind`` says what the model is for.
    """
    shape = shape_of(header) if header is not None else None
    name = shown_name(info.repo)
    licence, is_open = licence_of(info.licence)
    chosen = next((q for q in quants if q.recommended), quants[0])
    found = shape or nearest_shape(info, chosen, known)
    inferred = ["family", "purposes", "sampling", "quality"]
    inferred += ["licence"] if not info.licence else []
    inferred += [] if shape else ["parameters", "thinking", *_GUESSED]
    speaks = kind is Kind.CHAT
    page = f"https://huggingface.co/{info.base_repo or info.repo}"
    return CatalogModel(
        id=info.repo.lower(),
        name=name,
        family=family_of(name),
        repo=info.repo,
        revision=info.commit or "main",
        quants=quants,
        shape=found,
        licence=licence,
        licence_url=info.licence_url if info.licence_url.startswith("https://") else page,
        open_licence=is_open,
        gated=info.gated,
        base_repo=info.base_repo,
        mmproj=best_mmproj(info.files),
        thinking=_thinking_of(header) if header is not None else _thinking(name),
        purposes=(Purpose.EVERYDAY,) if speaks else (),
        served=speaks,
        supported=kind in _LOADED,
        released=info.updated[:7],
        inferred=tuple(sorted(inferred)),
    )


def like(base: CatalogModel, info: RepoInfo, quants: tuple[Quant, ...]) -> CatalogModel:
    """The entry of another publisher's files of a model that the catalogue knows."""
    licence = licence_of(info.licence) if info.licence else (base.licence, base.open_licence)
    files: tuple[RemoteFile, ...] = info.files
    return structs.replace(
        base,
        id=info.repo.lower(),
        name=f"{base.name} ({info.repo.partition('/')[0]})",
        repo=info.repo,
        revision=info.commit or "main",
        quants=quants,
        licence=licence[0],
        open_licence=licence[1],
        gated=info.gated,
        alternatives=(),
        modelscope="",
        file_pattern="",
        mmproj=best_mmproj(files),
        inferred=tuple(f for f in base.inferred if f not in ("file_pattern", "modelscope", "repo", "mmproj")),
    )


def nearest_shape(info: RepoInfo, quant: Quant, known: Sequence[CatalogModel]) -> Shape:
    """The shape of the known model of the same kind and the nearest size, scaled to this one's parameters."""
    architecture = str(info.gguf.get("architecture") or "")
    told, active = parameters_of(shown_name(info.repo))
    parameters = parameters_told(info) or told or _by_size(quant)
    active = active if told else parameters
    same = [m.shape for m in known if m.shape.architecture == architecture] or [
        m.shape for m in known if m.shape.architecture in ("qwen3", "qwen3moe")
    ]
    if not same or parameters <= 0:
        same = same or [_EMPTY]
        parameters = max(parameters, 1)
    near = min(same, key=lambda s: abs(math.log(max(s.parameters, 1) / parameters)))
    size = quant.size_bytes or parameters
    context = _whole(info.gguf.get("context_length"), LONGEST_CONTEXT)
    share = min(1.0, (active or parameters) / parameters)
    return structs.replace(
        near,
        architecture=architecture or near.architecture,
        context_train=context or near.context_train,
        parameters=parameters,
        active_parameters=int(parameters * share),
        weights_bytes=size,
        active_bytes=int(size * share),
        output_bytes=int(size * near.output_bytes / max(1, near.weights_bytes)),
        embedding_bytes=int(size * near.embedding_bytes / max(1, near.weights_bytes)),
        inferred=tuple(sorted({*_GUESSED, "active_bytes"} | ({"weights_bytes"} if not quant.size_bytes else set()))),
    )


_EMPTY = Shape("", 32, 32, 32, 8.0, 128, 128, 4096, 12288, 151936, 32768, 8_000_000_000, 8_000_000_000, 0, 0)


def _by_size(quant: Quant) -> int:
    found = bits(quant.name)
    return int((quant.size_bytes or 0) * 8 / (found.body if found else 5.0))


def _thinking_of(header: GgufHeader) -> Thinking:
    """As the model's own chat template has it: a switch, or an opened thought before every answer."""
    template = header.chat_template or ""
    if "enable_thinking" in template:
        return "switch"
    return "always" if re.search(r"assistant\\n<think>|Assistant[^'\"]*<think>", template) else "none"


def _thinking(name: str) -> Thinking:
    lower = name.lower()
    if "thinking" in lower or "qwq" in lower:
        return "always"
    if re.search(r"qwen3", lower) and not re.search(r"instruct|coder|embedding|reranker|base", lower):
        return "switch"
    return "none"
