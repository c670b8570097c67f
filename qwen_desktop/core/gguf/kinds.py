"""What a GGUF file is for, by its metadata and the names of its tensors. Only ``Kind.CHAT`` can hold a conversation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a file holds."""

    CHAT = "chat"
    EMBEDDING = "embedding"
    RERANKER = "reranker"
    #: the part of a model that sees pictures or hears sound
    MMPROJ = "mmproj"
    ADAPTER = "adapter"
    IMATRIX = "imatrix"
    CONTROL_VECTOR = "control_vector"
    #: makes another model faster
    DRAFT = "draft"
    #: makes pictures
    PICTURES = "pictures"
    SPEECH = "speech"
    #: writes all words of an answer at once
    DIFFUSION = "diffusion"
    VOCABULARY = "vocabulary"
    #: with the part for pictures inside: a form of Ollama's own
    FOREIGN = "foreign"
    #: of a type that nobody here knows
    OTHER = "other"


#: What the engine can load: to chat with, or for embeddings and rerank.
MODELS = frozenset((Kind.CHAT, Kind.EMBEDDING, Kind.RERANKER))
#: What it chats with.
CHATS = frozenset((Kind.CHAT,))

#: Architectures that only read, as llama.cpp has them: texts become vectors.
_ENCODERS = frozenset(
    ("bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert")
) | {"gemma-embedding", "llama-embed", "t5encoder"}
_BY_ARCHITECTURE: dict[str, Kind] = {
    "clip": Kind.MMPROJ,
    "controlvector": Kind.CONTROL_VECTOR,
    **dict.fromkeys(("eagle3", "dflash", "gemma4-assistant"), Kind.DRAFT),
    **dict.fromkeys(("dream", "llada", "llada-moe", "rnd1"), Kind.DIFFUSION),
    **dict.fromkeys(("whisper", "wavtokenizer-dec", "outetts", "qwen3tts", "pockettts"), Kind.SPEECH),
    **dict.fromkeys(
        ("flux", "sd1", "sdxl", "sd3", "aura", "ltxv", "hyvid", "wan", "hidream", "cosmos", "lumina2", "pig"),
        Kind.PICTURES,
    ),
    "qwen_image": Kind.PICTURES,
}
_BY_TYPE = {
    **dict.fromkeys(("", "model"), Kind.CHAT),
    **dict.fromkeys(("mmproj", "clip"), Kind.MMPROJ),
    "adapter": Kind.ADAPTER,
    "imatrix": Kind.IMATRIX,
    "controlvector": Kind.CONTROL_VECTOR,
}
_PICTURE_TENSORS = ("v.blk.", "v.patch", "mm.")
#: LLAMA_POOLING_TYPE_RANK; 0 is none, the others make one vector of a text.
_RANK = 4


def kind_of(metadata: Mapping[str, Any], tensors: Iterable[str] = ()) -> Kind:
    """The kind of the file with this ``metadata`` and, where they are known, these names of ``tensors``.

    Never ``VOCABULARY``: whether a file without tensors should have some, its reader knows.
    """
    told = metadata.get("general.type", "")
    kind = _BY_TYPE.get(told.strip().lower(), Kind.OTHER) if isinstance(told, str) else Kind.OTHER
    if kind is not Kind.CHAT:
        return Kind.MMPROJ if isinstance(told, str) and told.startswith(("mmproj", "clip")) else kind
    architecture = metadata.get("general.architecture", "")
    if not isinstance(architecture, str):
        return Kind.CHAT
    names = tuple(tensors)
    if any(name.endswith((".lora_a", ".lora_b")) for name in names):
        return Kind.ADAPTER
    if architecture != "clip" and any(name.startswith(_PICTURE_TENSORS) for name in names):
        return Kind.FOREIGN
    return _BY_ARCHITECTURE.get(architecture) or _pooled(architecture, metadata, names)


def kind_of_architecture(architecture: str) -> Kind:
    """The kind of a file of which a hub tells the architecture only."""
    return kind_of({"general.architecture": architecture})


def _pooled(architecture: str, metadata: Mapping[str, Any], names: tuple[str, ...]) -> Kind:
    """A model that writes, or one that makes a vector or a mark of a whole text."""
    pooling = metadata.get(f"{architecture}.pooling_type", 0)
    pooling = pooling if isinstance(pooling, int) else 0
    if pooling == _RANK or any(name.startswith(("cls.", "classifier.")) for name in names):
        return Kind.RERANKER
    if pooling > 0 or architecture in _ENCODERS or metadata.get(f"{architecture}.attention.causal") is False:
        return Kind.EMBEDDING
    return Kind.CHAT
