"""How good a smaller model is: what it expects next, held against its original, at the same places of the same text.

For each place the whole distribution over the vocabulary counts: its Kullback-Leibler divergence from the original's,
and whether both think the same token likeliest. One model is in memory at a time; the original's logits wait in a file
without a name (4 bytes each, some hundred rows) until the other has read the same tokens. Worker side only, in a
process of its own: in pure Python a row of 152,000 logits takes 60 ms.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import operator
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from qwen_desktop.core.errors import Environment, Failure, UserFacing
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.placement import Placement
from qwen_desktop.core.quality import Quality
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine import load_errors
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama import Flag, LlamaLibrary, Model
from qwen_desktop.engine.llama_context import Context, ContextError, ContextShape, DecodeError, Piece
from qwen_desktop.engine.quantize_wire import Measured
from qwen_desktop.hardware import cpu, memory
from qwen_desktop.process import memory_limit

#: Tokens that a model sees at most before it begins anew: a text of any length costs the same for each of them.
CHUNK = 512
#: Of so many tokens that are evaluated at once, the last ones are looked at.
STEP, LOOKED_AT = 64, 16
#: Places at most, and so few that nothing could be said.
MOST_PLACES, FEWEST_PLACES = 384, 8
#: A model reads no longer than this, in seconds; what it has read by then counts.
_SECONDS = 300.0
#: Characters of a text that are cut into tokens; more would not be looked at.
_LONGEST_TEXT = 60_000
_HIGH = 0.99

# fmt: off
_short_text = Failure(
    UserFacing, "quality.short", "n",
    QT_TRANSLATE_NOOP("quantize", "The text is too short to measure quality with: it has %n token(s)."),
    QT_TRANSLATE_NOOP("quantize", "Take one of some pages."),
)
_differ = Failure(
    UserFacing, "quality.differ", "",
    QT_TRANSLATE_NOOP("quantize", "The two models read the text differently, so their quality cannot be compared."),
    QT_TRANSLATE_NOOP("quantize", "Compare a model with the one that it was made from."),
)
_no_memory = Failure(
    Environment, "quality.memory", "needed free",
    QT_TRANSLATE_NOOP("quantize", "Measuring quality needs {needed} GB of memory; {free} GB are free."),
    QT_TRANSLATE_NOOP("quantize", "Close other programs, then measure again."),
)
_numbers = Failure(
    UserFacing, "quality.numbers", "file",
    QT_TRANSLATE_NOOP("quantize", "{file} computes to no numbers: it is damaged or cannot be made so small."),
    QT_TRANSLATE_NOOP("quantize", "Choose a larger type."),
)
# fmt: on


class _Compared(NamedTuple):
    """One place: the divergence, and whether both think the same token likeliest."""

    divergence: float
    same: bool


class _Plain(LlamaLibrary):
    """The weights as they lie in the file: rearranged for this processor they would take memory once more."""

    @property
    def repacks(self) -> bool:
        return False


def measure(wanted: Measured, emit: Callable[[Any], object]) -> Quality:
    """Hold the result against the source. Tells ``(done, total)`` places, each counted for both models. Raises
    ``AppError``."""
    sizes = [read_header(path).size_bytes for path in (wanted.source, wanted.result)]
    free = memory.read().free_bytes
    if free is not None and free < max(sizes):
        raise _no_memory(max(sizes) / 1e9, free / 1e9)
    memory_limit.limit(sum(sizes) + memory_limit.ALLOWANCE)
    library = _Plain(lambda _line: None)
    with tempfile.TemporaryFile(dir=Path(wanted.result).parent) as kept:
        with _Reader(library, wanted.source) as source:
            tokens = source.tokens(wanted.text)
            total, until, places = places_in(len(tokens), source.begins), time.monotonic() + _SECONDS, 0
            if total < FEWEST_PLACES:
                raise _short_text(len(tokens))
            for row in itertools.islice(source.rows(tokens), total):
                row.tofile(kept)
                places += 1
                emit((places, 2 * total))
                if time.monotonic() > until and places >= FEWEST_PLACES:
                    break
            width = source.width
        kept.seek(0)
        with _Reader(library, wanted.result) as result:
            if result.width != width or result.tokens(wanted.text) != tokens:
                raise _differ()
            found: list[_Compared] = []
            for row in itertools.islice(result.rows(tokens), places):
                compared = compare(_row(kept, width), row)
                if not math.isfinite(compared.divergence):
                    raise _numbers(Path(wanted.result).name)
                found.append(compared)
                emit((places + len(found), 2 * places))
    return summed(found, wanted.whose)


def places_in(count: int, begins: int = 0) -> int:
    """How many places of a text of ``count`` tokens are looked at, where ``begins`` tokens come before each chunk."""
    room = CHUNK - begins
    lengths = [min(room, count - at) + begins for at in range(0, count, room)]
    return min(MOST_PLACES, sum(LOOKED_AT * (length // STEP) for length in lengths))


def compare(first: Sequence[float], second: Sequence[float]) -> _Compared:
    """Two rows of logits over the same vocabulary: the divergence of the second one's probabilities from the first's,
    in nats."""
    one, two = list(first), list(second)
    top, other = max(one), max(two)
    weights = list(map(math.exp, map(operator.sub, one, itertools.repeat(top))))
    whole = sum(weights)
    rest = sum(map(math.exp, map(operator.sub, two, itertools.repeat(other))))
    # sum of p (log p - log q), with log p = x - top - log(whole): the sums of p x and p y go in one
    apart = sum(map(operator.mul, weights, map(operator.sub, one, two))) / whole
    divergence = apart - top - math.log(whole) + other + math.log(rest)
    return _Compared(max(0.0, divergence), one.index(top) == two.index(other))


def summed(found: Sequence[_Compared], whose: Literal["ours", "own"] = "ours") -> Quality:
    """The figures of all places."""
    ordered = sorted(one.divergence for one in found)
    count = len(found)
    high = ordered[min(count - 1, math.ceil(_HIGH * count) - 1)]
    return Quality(math.fsum(ordered) / count, high, sum(one.same for one in found) / count, count, whose)


class _Reader:
    """A model that reads a text, on the processor. Freed when the ``with`` block ends."""

    def __init__(self, library: LlamaLibrary, path: str) -> None:
        self.path = path
        header = read_header(path)
        self._model: Model = library.load(header, Placement(cards=False), lambda _fraction: True)
        self._flag = Flag()
        self.width = self._model.vocab_size
        #: how many tokens come before each chunk: the one that begins a text, where the model wants that
        self.begins = int(bool(api.llama_vocab_get_add_bos(self._model.vocab)))
        threads = cpu.places().usual
        shape = ContextShape(CHUNK, threads, STEP, "off", "f16", outputs=LOOKED_AT)
        try:
            self._context = Context(self._model, shape, self._flag)
        except ContextError as error:
            self._model.close()
            raise load_errors.no_memory(Path(path).name) from error

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_error: object) -> None:
        self._context.close()
        self._model.close()

    def tokens(self, text: str) -> list[int]:
        """The text in tokens, as far as it may be looked at."""
        return self._model.tokenize(text[:_LONGEST_TEXT], special=False, begin=False)

    def rows(self, tokens: Sequence[int]) -> Iterator[array[float]]:
        """The logits at each place that is looked at, in order. Raises ``AppError``."""
        room, context = CHUNK - self.begins, self._context
        sequence = context.sequences[0]
        begin = [int(api.llama_vocab_bos(self._model.vocab))] * self.begins
        for at in range(0, len(tokens), room):
            chunk = [*begin, *tokens[at : at + room]]
            sequence.forget()
            for step in range(0, len(chunk) - STEP + 1, STEP):
                try:
                    last = context.evaluate((Piece(sequence, chunk[step : step + STEP], LOOKED_AT),))[0]
                except (DecodeError, ContextError) as error:
                    raise load_errors.no_memory(Path(self.path).name) from error
                for row in range(last - LOOKED_AT + 1, last + 1):
                    yield self._logits(row)

    def _logits(self, row: int) -> array[float]:
        pointer = api.llama_get_logits_ith(self._context.pointer, row)
        if not pointer:
            raise _numbers(Path(self.path).name)
        found = array("f")
        found.frombytes(ctypes.string_at(pointer, 4 * self.width))
        return found


def _row(file: IO[bytes], width: int) -> array[float]:
    found = array("f")
    found.fromfile(file, width)
    return found
