"""Words about embeddings: texts as vectors, and how well documents answer a query. Plain data.

A vector lies in packed bytes, 32-bit floats in this computer's order: as a list of numbers a thousand texts would be a
frame of tens of megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

#: Bytes of one number of a vector.
FLOAT_BYTES = 4


class Pooling(StrEnum):
    """How the vectors of a text's tokens become one: their mean, the first one's, the last one's; ``RANK`` gives a mark
    instead, through a head that was trained for it."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "last"
    RANK = "rank"


class EmbedRequest(Struct, frozen=True):
    """Make a vector of each text. In sentences about one of them ``first`` is the number of the first, from 1."""

    texts: tuple[str, ...]
    first: int = 1


class RerankRequest(Struct, frozen=True):
    """Mark how well each of the documents answers the query. ``first`` as in ``EmbedRequest``."""

    query: str
    documents: tuple[str, ...]
    first: int = 1


class Embedded(Struct, frozen=True):
    """The next texts are done: their vectors (or marks) one after the other, and how many tokens each had."""

    vectors: bytes
    tokens: tuple[int, ...]


class EmbedEnd(Struct, frozen=True):
    """All texts of a request are done. ``dimensions`` is the length of a vector, 1 for marks."""

    dimensions: int
    pooling: Pooling


class Embeddings(Struct, frozen=True):
    """A vector of length 1 for each text, in the order of the texts.

    ``tokens`` counts what was read of each text, with what the model puts around it.
    """

    vectors: bytes
    dimensions: int
    tokens: tuple[int, ...]
    pooling: Pooling

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[Sequence[float]]:
        """The vectors, as sequences of numbers."""
        numbers = memoryview(self.vectors).cast("f")
        return (numbers[at * self.dimensions : (at + 1) * self.dimensions] for at in range(len(self)))


class Ranking(Struct, frozen=True):
    """How well each document answers the query, in their order: a larger score is better, of whatever scale the model
    has. ``tokens`` counts what was read for each, the query and what stands around both included."""

    scores: tuple[float, ...]
    tokens: tuple[int, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """The documents' places, the best first."""
        return tuple(sorted(range(len(self.scores)), key=lambda at: -self.scores[at]))
