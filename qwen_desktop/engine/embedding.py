"""Texts as vectors, and documents by how well they answer a query, in a second context on the model. Worker side.

Each text has a sequence of its own in a unified context, several share a step. What llama.cpp gets wrong is kept from
it: where a text does not fit into one step it pools what the last step had, and a model that looks both ways would end
the process.

- **Last** token: all tokens but the last are read as a chat's are, without outputs; then the last ones with them. This
  is right for any length, and spares the large matrix for all tokens but one.
- **Mean** (and **first**) of a model that looks back only: a step gives the mean of its own tokens, and the means of a
  text's steps, weighted by their tokens, are the text's.
- A model that looks both ways has all of a text in one step, or refuses it.

A context is as large as the longest text needs, made when it is wanted and freed after a rest. It gives way: nothing
is computed while a conversation is, and a step of it is given up when anybody comes.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from qwen_desktop.core import memory
from qwen_desktop.core.embeddings import Embedded, EmbedEnd, EmbedRequest, Pooling, RerankRequest
from qwen_desktop.core.errors import Environment, Failure, UserFacing
from qwen_desktop.core.fit import reserve
from qwen_desktop.core.gguf import GgufHeader, Kind
from qwen_desktop.core.shape import shape_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine import gate, pages
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama_context import AbortedError, Context, ContextError, ContextShape, DecodeError, Piece
from qwen_desktop.engine.llama_context import Sequence as Cells
from qwen_desktop.hardware import memory as main_memory

if TYPE_CHECKING:
    from qwen_desktop.engine.batch import Step
    from qwen_desktop.engine.session import Session

log = logging.getLogger(__name__)

#: llama.cpp's numbers.
_POOLINGS = {1: Pooling.MEAN, 2: Pooling.CLS, 3: Pooling.LAST, 4: Pooling.RANK}
_NUMBERS = {pooling: number for number, pooling in _POOLINGS.items()}
#: Tokens in a step, and so of the texts that share one: more read no faster on a processor, and each walks past all.
_CHUNK = 256
_CARD_CHUNK = 512
_SMALLEST_CHUNK = 32
#: Texts in a step at most.
_TOGETHER = 32
#: From so many tokens on a text that is read in one step is read with flash attention: the scores would be gigabytes.
_LONG = 1024
#: Between two looks at a context that is being made, in seconds.
_LOOK_S = 0.002
#: What llama.cpp needs for its graphs.
_GRAPH = 48 * 1024 * 1024
_PLACE = re.compile(r"\{(query|document)\}")

# fmt: off
_empty = Failure(
    UserFacing, "embed.empty", "number",
    QT_TRANSLATE_NOOP("embed", "Text {number} is empty, so there is nothing to embed."),
    QT_TRANSLATE_NOOP("embed", "Leave it out."),
)
_empty_query = Failure(
    UserFacing, "rerank.empty", "", QT_TRANSLATE_NOOP("embed", "The query is empty."),
    QT_TRANSLATE_NOOP("embed", "Write something first."),
)
_too_long = Failure(
    UserFacing, "embed.too_long", "number n most",
    QT_TRANSLATE_NOOP("embed", "Text {number} has %n token(s), and this model reads {most} at most."),
    QT_TRANSLATE_NOOP("embed", "Split it into shorter texts."),
)
_too_large = Failure(
    Environment, "embed.memory", "number n most",
    QT_TRANSLATE_NOOP(
        "embed", "Text {number} has %n token(s), and the free memory has room for {most} that are read at once."
    ),
    QT_TRANSLATE_NOOP("embed", "Close other programs, or split it into shorter texts."),
)
_no_memory = Failure(
    Environment, "embed.no_memory", "",
    QT_TRANSLATE_NOOP("embed", "There is not enough free memory to embed texts with this model."),
    QT_TRANSLATE_NOOP("embed", "Close other programs, or choose a smaller model."),
)
_no_numbers = Failure(
    UserFacing, "embed.no_numbers", "number",
    QT_TRANSLATE_NOOP("embed", "The model gave no usable numbers for text {number}."),
    QT_TRANSLATE_NOOP("embed", "Its file may be damaged: download it again or choose another model."), "model.open",
)
_ranks_only = Failure(
    UserFacing, "embed.reranker", "",
    QT_TRANSLATE_NOOP("embed", "This model is a reranker: it marks documents and makes no embeddings."),
    QT_TRANSLATE_NOOP("embed", "Choose an embedding model, or any chat model."), "model.open",
)
_no_head = Failure(
    UserFacing, "rerank.no_head", "",
    QT_TRANSLATE_NOOP("embed", "This model cannot rerank: its file has no head that marks documents."),
    QT_TRANSLATE_NOOP("embed", "Choose a reranker whose file has one (pooling type rank)."), "model.open",
)
_no_form = Failure(
    UserFacing, "rerank.no_form", "",
    QT_TRANSLATE_NOOP(
        "embed", "The file of this reranker does not say how a query and a document are put together."
    ),
    QT_TRANSLATE_NOOP("embed", "Get another file of it, with a template for reranking."), "model.open",
)
_cannot = Failure(
    UserFacing, "embed.cannot", "architecture",
    QT_TRANSLATE_NOOP("embed", "Models of this kind ({architecture}) cannot make embeddings here."),
    QT_TRANSLATE_NOOP("embed", "Choose an embedding model, or any chat model."), "model.open",
)
_stuck = Failure(
    Environment, "embed.failed", "",
    QT_TRANSLATE_NOOP("embed", "The model engine could not go on computing."),
    QT_TRANSLATE_NOOP("embed", "Try it again; if it fails again, load the model anew."), "retry",
)
# fmt: on


class Call(gate.Call, Protocol):
    """A request for vectors, and how it is answered."""

    def emit(self, value: Any) -> None:
        """Tell that something has happened."""

    def do(self, work: Callable[[], Any]) -> None:
        """Answer with what ``work`` returns, or how it fails."""

    def fail(self, error: Exception) -> None:
        """Answer that it failed."""

    def check(self) -> None:
        """Raise ``Cancelled`` once nobody waits any more."""


def pooling_of(header: GgufHeader) -> Pooling:
    """How the file says that vectors are pooled; the mean where it does not."""
    return _POOLINGS.get(header.number("pooling_type", -1), Pooling.MEAN)


def has_head(header: GgufHeader) -> bool:
    """Whether the file has what makes a mark of a text: without it llama.cpp returns whatever lies in memory."""
    if pooling_of(header) is not Pooling.RANK:
        return False
    head = "cls.weight" if header.architecture == "jina-bert-v2" else "cls.output.weight"
    found = next((tensor for tensor in header.tensors if tensor.name == head), None)
    # of these llama.cpp compares the labels with each other: one alone is always 1
    compared = header.architecture in ("qwen3", "qwen3vl")
    return found is not None and (not compared or found.shape[-1] > 1)


def can_embed(session: Session) -> bool:
    """Whether vectors can be had of the loaded model."""
    return not session.model.encodes and pooling_of(session.model.header) is not Pooling.RANK


class _Job:
    """A request on its way: the tokens of its texts come when their turn does."""

    def __init__(self, call: Call, texts: Sequence[str], first: int, tokens: Callable[[str], list[int]]) -> None:
        self.call = call
        self.texts = texts
        self.first = first
        self.done = 0
        self._tokens = tokens
        self._ahead: dict[int, list[int]] = {}

    def tokens(self, at: int) -> list[int]:
        """Those of a text."""
        if at not in self._ahead:
            self._ahead = {at: self._tokens(self.texts[at])}
        return self._ahead[at]


class Embedding:
    """Makes vectors and marks with one session's model. Everything here runs on the thread that computes.

    ``paced`` has a step computed with as many threads as are free (``Scheduler``).
    """

    def __init__(
        self,
        session: Session,
        gate: gate.Gate,
        paced: Callable[[Context, Sequence[Step]], AbstractContextManager[None]],
    ) -> None:
        self._session = session
        self._gate = gate
        self._paced = paced
        self._jobs: deque[_Job] = deque()
        self._own: Context | None = None
        self._making: Future[Context] | None = None
        self._group: list[list[int]] = []
        self._steps: Iterator[list[Piece]] | None = None
        self._pieces: list[Piece] | None = None
        self._sums: dict[Cells, list[float]] = {}
        self._pooling = pooling_of(session.model.header)
        # it looks both ways
        self._whole = not (session.context.has_memory and api.llama_get_causal_attn(session.context.pointer))
        self._chunk = _CARD_CHUNK if session.model.gpu_layers else _CHUNK

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._jobs)

    @property
    def holds(self) -> bool:
        """Whether it has memory that ``close`` would free."""
        return self._own is not None or self._making is not None

    def embed(self, request: EmbedRequest, call: Call) -> None:
        """Have vectors made. Raises ``UserFacing`` where the model has none."""
        if self._pooling is Pooling.RANK:
            raise _ranks_only()
        if not can_embed(self._session):
            raise _cannot(self._session.model.header.architecture)
        self._jobs.append(_Job(call, request.texts, request.first, self._text_tokens))

    def rerank(self, request: RerankRequest, call: Call) -> None:
        """Have documents marked. Raises ``UserFacing`` where the model has no head for that."""
        if not has_head(self._session.model.header):
            raise _no_head()
        if not request.query.strip():
            raise _empty_query()
        form = self._form(request.query)
        self._jobs.append(_Job(call, request.documents, request.first, form))

    def close(self) -> None:
        """Free its memory; what is not done yet begins again."""
        if self._making is not None:
            with contextlib.suppress(Exception):  # it could not be made, and nobody needs it
                self._take_made(wait=True)
        self._drop_group()
        if self._own is not None:
            self._own.close()
            self._own = None
            self._session.beside -= 1
            pages.trim()

    def fail_all(self, error: Exception) -> None:
        """None of the requests can be answered."""
        jobs, self._jobs = self._jobs, deque()
        self._drop_group()
        for job in jobs:
            job.call.fail(error)

    def step(self) -> None:
        """Do one piece of work: does not raise, a failure belongs to its request."""
        while self._jobs and self._jobs[0].call.cancelled:
            self._end(self._jobs.popleft())
        if not self._jobs:
            return
        job = self._jobs[0]
        try:
            self._step(job)
        except Exception as error:
            if self._jobs and self._jobs[0] is job:
                self._jobs.popleft()
            self._drop_group()
            job.call.fail(error)

    # Tokens ----------------------------------------------------------------------------------------------------------

    def _text_tokens(self, text: str) -> list[int]:
        """Those of a text, with what the vocabulary puts around it; a control token that somebody typed stays text.

        A model that takes the last token's vector was trained with an end behind the text. Files that were converted
        early do not say so.
        """
        if not text:
            return []
        model = self._session.model
        tokens = model.tokenize(text, special=False, begin=True)
        told = "tokenizer.ggml.add_eos_token" in model.header.metadata
        if tokens and self._pooling is Pooling.LAST and model.header.kind is Kind.EMBEDDING and not told:
            end = model.single_token("<|endoftext|>")
            end = int(api.llama_vocab_eos(model.vocab)) if end is None else end
            if end >= 0 and tokens[-1] != end:
                tokens.append(end)
        return tokens

    def _form(self, query: str) -> Callable[[str], list[int]]:
        """How a document is put behind the query. Raises ``UserFacing``."""
        model, vocab = self._session.model, self._session.model.vocab
        template = model.header.metadata.get("tokenizer.chat_template.rerank")
        if isinstance(template, str) and template.strip():
            cut = _around(template, sorted(filter(None, model.control_words()), key=len, reverse=True))
            return lambda document: self._templated(cut, {"query": query, "document": document})
        add_bos, add_eos, add_sep = (
            bool(asked(vocab))
            for asked in (api.llama_vocab_get_add_bos, api.llama_vocab_get_add_eos, api.llama_vocab_get_add_sep)
        )
        if not (add_eos or add_sep):
            raise _no_form()
        bos, eos, sep = (
            int(api.llama_vocab_bos(vocab)),
            int(api.llama_vocab_eos(vocab)),
            int(api.llama_vocab_sep(vocab)),
        )
        eos = eos if eos >= 0 else sep
        head = [bos] if add_bos else []
        asked_for = model.tokenize(query, special=False, begin=False)
        between = [token for wanted, token in ((add_eos, eos), (add_sep, sep)) if wanted]
        begin = [*head, *asked_for, *between]
        end = [eos] if add_eos else []
        return lambda document: [*begin, *model.tokenize(document, special=False, begin=False), *end]

    def _templated(self, cut: list[tuple[str, bool]], values: dict[str, str]) -> list[int]:
        model, tokens, words = self._session.model, list[int](), ""
        for part, control in cut:
            if control:
                tokens += model.tokenize(words, special=False, begin=False) if words else []
                tokens += model.tokenize(part, special=True, begin=False)
                words = ""
            else:
                words += _PLACE.sub(lambda found: values[found[1]], part)
        return tokens + (model.tokenize(words, special=False, begin=False) if words else [])

    # A group of texts ------------------------------------------------------------------------------------------------

    def _step(self, job: _Job) -> None:
        if self._steps is None and not self._begin(job):
            return
        if self._pieces is None and self._steps is not None:
            self._pieces = next(self._steps, None)
        if self._pieces is None:
            self._tell(job)
            return
        context = self._pieces[0].sequence.context
        # a recurrent state that is left half-way is lost, so its steps are not ended for others
        if not self._gate.open((job.call,), gives_way=not context.model.recurrent):
            return
        try:
            with self._paced(context, [(None, piece) for piece in self._pieces]):
                context.evaluate(self._pieces)
        except AbortedError:
            if context.model.recurrent:
                self._drop_group()
            return
        except DecodeError as error:
            raise _stuck(details=str(error)) from error
        except ContextError as error:
            raise _no_memory() from error
        finally:
            self._gate.close()
        self._pieces = None

    def _begin(self, job: _Job) -> bool:
        """Begin with the next texts; False while there is no context for them."""
        if job.done >= len(job.texts):
            self._jobs.popleft()
            job.call.do(lambda: EmbedEnd(self._width, self._pooling))
            return False
        if self._making is not None and not self._take_made():
            time.sleep(_LOOK_S)
            return False
        first = self._checked(job, job.done)
        if self._own is None or self._own.size < len(first) or self._small(self._own, len(first)):
            self.close()
            self._make(len(first), job.first + job.done)
            return False
        context, group, at = self._own, [first], job.done + 1
        used, room = len(first), min(self._chunk, context.size)
        while at < len(job.texts) and len(group) < len(context.sequences):
            tokens = job.tokens(at)
            if not tokens or used + len(tokens) > room:  # a wrong one is told when those before it are done
                break
            group.append(tokens)
            used, at = used + len(tokens), at + 1
        self._group = group
        self._steps = self._work(context, group)
        return True

    def _checked(self, job: _Job, at: int) -> list[int]:
        """The tokens of a text that can be read. Raises ``UserFacing``."""
        tokens, number = job.tokens(at), job.first + at
        if not tokens:
            raise _empty(number)
        most = self._session.model.context_train
        if most and len(tokens) > most:
            raise _too_long(number, len(tokens), most)
        return tokens

    def _work(self, context: Context, group: list[list[int]]) -> Iterator[list[Piece]]:
        """Steps to evaluate, one by one; what came of one is taken before the next is asked for."""
        cells = list(zip(context.sequences, group, strict=False))
        for sequence in context.sequences:
            sequence.forget()
        self._sums = {}
        if self._whole:
            pieces = [Piece(sequence, tokens, len(tokens)) for sequence, tokens in cells]
            yield pieces
            self._take(pieces)
        elif self._pooling in (Pooling.LAST, Pooling.RANK):
            _give_embeddings(context, False)
            yield from _packed(((s, tokens[:-1]) for s, tokens in cells), context.shape.chunk, outputs=False)
            _give_embeddings(context, True)
            lasts = [Piece(sequence, tokens[-1:], 1) for sequence, tokens in cells]
            yield lasts
            self._take(lasts)
        else:
            for pieces in _packed(iter(cells), context.shape.chunk, outputs=True):
                yield pieces
                self._take(pieces)

    def _take(self, pieces: list[Piece]) -> None:
        """Add what a step gave to what there is of each text."""
        width = self._width
        for sequence, tokens, _ in pieces:
            found = api.llama_get_embeddings_seq(sequence.context.pointer, sequence.number)
            if not found:
                raise _stuck(details="no embeddings")
            values, before = found[:width], self._sums.get(sequence)
            if self._pooling is Pooling.CLS and before is not None:
                continue
            if self._pooling is Pooling.MEAN and not self._whole:
                count = len(tokens)
                values = [count * value for value in values]
                if before is not None:
                    values = [a + b for a, b in zip(before, values, strict=True)]
            self._sums[sequence] = values

    def _tell(self, job: _Job) -> None:
        """The texts of a group are done."""
        packed, own = array("f"), self._own
        assert own is not None  # noqa: S101 - a group has one
        for at, sequence in enumerate(islice(own.sequences, len(self._group))):
            values = self._sums[sequence]
            if self._pooling is not Pooling.RANK:
                length = math.sqrt(math.fsum(value * value for value in values))
                values = [value / length for value in values] if 0 < length < math.inf else [math.nan]
            if not all(map(math.isfinite, values)):
                raise _no_numbers(job.first + job.done + at)
            packed.extend(values)
        job.call.emit(Embedded(packed.tobytes(), tuple(map(len, self._group))))
        job.done += len(self._group)
        self._drop_group()

    def _drop_group(self) -> None:
        self._steps = self._pieces = None
        self._group, self._sums = [], {}

    def _end(self, job: _Job) -> None:
        """Nobody waits for it any more."""
        self._drop_group()
        job.call.do(job.call.check)

    # Its context -----------------------------------------------------------------------------------------------------

    @property
    def _width(self) -> int:
        pointer = self._session.model.pointer
        return 1 if self._pooling is Pooling.RANK else int(api.llama_model_n_embd_out(pointer))

    def _small(self, context: Context, tokens: int) -> bool:
        """Whether a context holds a text, but not in one step where it must be."""
        return self._whole and context.shape.chunk < tokens

    def _make(self, tokens: int, number: int) -> None:
        """Make a context for texts of so many ``tokens``, on a thread of its own: clearing a large one takes long."""
        shape = self._fitting(tokens, number)
        if not pages.can_have(self._bytes(shape) + _GRAPH):
            raise _no_memory()
        session = self._session
        session.beside += 1
        session.sequences.making += 1
        maker = ThreadPoolExecutor(1, "context")
        self._making = maker.submit(Context, session.model, shape, session.context.flag)
        maker.shutdown(wait=False)

    def _take_made(self, *, wait: bool = False) -> bool:
        making, session = self._making, self._session
        if making is None or not (wait or making.done()):
            return making is None
        self._making = None
        session.sequences.making -= 1
        try:
            self._own = making.result()
            self._own.set_threads(read=session.context.read_threads)
        except ContextError as error:
            raise _no_memory() from error
        finally:
            session.beside -= self._own is None
        return True

    def _fitting(self, tokens: int, number: int) -> ContextShape:
        """The shape of a context for texts of ``tokens`` that there is memory for. Raises ``Environment``."""
        room = self._room()
        if self._whole:
            shape = self._shape(max(tokens, min(self._chunk, self._most)), 0)
            if room is None or self._bytes(shape) <= room:
                return shape
            shape = self._shape(tokens, 0)
            if self._bytes(shape) <= room:
                return shape
            low, high = 0, tokens
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (middle, high) if self._bytes(self._shape(middle, 0)) <= room else (low, middle - 1)
            raise _too_large(number, tokens, low)
        chunk = self._chunk
        while chunk >= _SMALLEST_CHUNK:
            shape = self._shape(max(tokens, chunk), chunk)
            if room is None or self._bytes(shape) <= room:
                return shape
            chunk //= 2
        low, high = 0, tokens
        while low < high:
            middle = (low + high + 1) // 2
            fits = room is not None and self._bytes(self._shape(middle, _SMALLEST_CHUNK)) <= room
            low, high = (middle, high) if fits else (low, middle - 1)
        raise _too_large(number, tokens, low) if low else _no_memory()

    @property
    def _most(self) -> int:
        return self._session.model.context_train or self._chunk

    def _shape(self, size: int, chunk: int) -> ContextShape:
        """A context of ``size`` tokens, read in chunks of ``chunk``, 0 for all at once."""
        made, model = self._session.context.shape, self._session.model
        chunk = chunk or memory.padded(size)
        streams = 1 if model.recurrent else min(_TOGETHER, chunk)
        every = self._whole or self._pooling in (Pooling.MEAN, Pooling.CLS)
        flash = "on" if self._whole and size > _LONG and made.flash == "off" else made.flash
        return replace(
            made,
            size=memory.padded(size),
            chunk=chunk,
            streams=streams,
            unified=True,
            outputs=chunk if every else streams,
            kv_type="f16",
            flash=flash,
            yarn=None,
            pooling=_NUMBERS[self._pooling],
        )

    def _bytes(self, made: ContextShape) -> int:
        """What a context takes. llama.cpp keeps a row of the whole vocabulary beside each vector, twice."""
        shape = shape_of(self._session.model.header)
        flash = made.flash == "on"
        buffers = memory.compute_bytes(shape, made.size, batch=made.chunk, flash=flash)
        buffers += memory.work_bytes(shape, made.size, batch=made.chunk, flash=flash)
        rows = made.outputs * (shape.vocab + shape.hidden) * 4 * 2
        cache = 0 if self._whole else memory.stream_bytes(shape, made.size, made.kv_type)
        return cache + made.streams * shape.state_bytes + buffers + rows

    def _room(self) -> int | None:
        """Bytes that may be taken now: other programs keep their reserve. None where nobody tells."""
        free = main_memory.read()
        if free.free_bytes is None:
            return None
        return int((free.free_bytes - reserve(free) - memory.MARGIN) * memory.SHARE)


def _give_embeddings(context: Context, on: bool) -> None:
    """Whether the next steps give vectors, of every token, or nothing."""
    api.llama_set_embeddings(context.pointer, on)


def _packed(parts: Iterator[tuple[Cells, Sequence[int]]], chunk: int, *, outputs: bool) -> Iterator[list[Piece]]:
    """Steps of ``chunk`` tokens at most, the texts one after the other."""
    pieces: list[Piece] = []
    room = chunk
    for sequence, tokens in parts:
        at = 0
        while at < len(tokens):
            part = tokens[at : at + room]
            pieces.append(Piece(sequence, part, len(part) if outputs else 0))
            at, room = at + len(part), room - len(part)
            if not room:
                yield pieces
                pieces, room = [], chunk
    if pieces:
        yield pieces


def _around(template: str, words: Sequence[str]) -> list[tuple[str, bool]]:
    """``template`` cut at its control tokens: each part, and whether it is one."""
    if not words:
        return [(template, False)]
    control = re.compile("(" + "|".join(map(re.escape, words)) + ")")
    return [(part, at % 2 == 1) for at, part in enumerate(control.split(template)) if part]
