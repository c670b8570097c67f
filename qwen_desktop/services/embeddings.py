"""Embeddings and rerank with the models of this computer, chat models among them.

A model that is in memory is used as it is, beside those who chat with it; another one is loaded without a context for
conversations. Work is cut into parts, each with a turn of its own, so that an unload or another model's load never
waits for all of a long list. All methods run on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from qwen_desktop.core.embeddings import Embeddings, Pooling, Ranking
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.model_ref import ModelRef
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.services.engines import Engines
from qwen_desktop.services.leases import OnWait, Priority

#: Texts that are done during one lease.
_PART = 512

# fmt: off
nothing = Failure(
    UserFacing, "embed.nothing", "", QT_TRANSLATE_NOOP("embed", "There is no text to embed."),
    QT_TRANSLATE_NOOP("embed", "Name one text at least."),
)
_no_document = Failure(
    UserFacing, "rerank.nothing", "", QT_TRANSLATE_NOOP("embed", "There is no document to sort."),
    QT_TRANSLATE_NOOP("embed", "Name one document at least."),
)
# fmt: on


def _behind(at: int, progress: Callable[[int], None]) -> Callable[[int], None]:
    return lambda done: progress(at + done)


class Made(Struct, frozen=True):
    """Embeddings, and the name of the model that made them."""

    embeddings: Embeddings
    model: str


class Ranked(Struct, frozen=True):
    """Marks of documents, and the name of the model that gave them."""

    ranking: Ranking
    model: str


class EmbeddingService:
    """Makes embeddings and marks with whatever model is named."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def embed(
        self,
        ref: ModelRef,
        texts: Sequence[str],
        *,
        priority: Priority = Priority.API,
        on_load: OnWait = lambda _ahead: None,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Made:
        """Each text as a vector of length 1. ``progress`` is told how many are done. A caller that is cancelled ends
        it. Raises ``AppError``."""
        if not texts:
            raise nothing()
        vectors, tokens, name = bytearray(), list[int](), ""
        dimensions, pooling = 0, Pooling.MEAN
        for at in range(0, len(texts), _PART):
            async with self._engines.lease(ref, priority=priority, on_load=on_load, embeds=True) as engine:
                name = engine.info.name if engine.info is not None else name
                part = texts[at : at + _PART]
                found = await engine.embed(part, _behind(at, progress), first=at + 1)
            vectors += found.vectors
            tokens += found.tokens
            dimensions, pooling = found.dimensions, found.pooling
        return Made(Embeddings(bytes(vectors), dimensions, tuple(tokens), pooling), name)

    async def rerank(
        self,
        ref: ModelRef,
        query: str,
        documents: Sequence[str],
        *,
        priority: Priority = Priority.API,
        on_load: OnWait = lambda _ahead: None,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Ranked:
        """How well each document answers the query, by a reranker. Raises ``AppError``."""
        if not documents:
            raise _no_document()
        scores, tokens, name = list[float](), list[int](), ""
        for at in range(0, len(documents), _PART):
            async with self._engines.lease(ref, priority=priority, on_load=on_load, embeds=True) as engine:
                name = engine.info.name if engine.info is not None else name
                part = documents[at : at + _PART]
                found = await engine.rerank(query, part, _behind(at, progress), first=at + 1)
            scores += found.scores
            tokens += found.tokens
        return Ranked(Ranking(tuple(scores), tuple(tokens)), name)
