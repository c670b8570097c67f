"""A second, small model that guesses what comes next. Worker side only.

It has a context of its own with one sequence: one answer at a time is written ahead, and what it has read of another
one is read again. Of a long conversation it sees the end only. What it guesses is verified like all guesses, so nothing
that it says can change an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence as Items
from pathlib import Path

from qwen_desktop.core import memory, placement
from qwen_desktop.core.engine import Sampling
from qwen_desktop.core.errors import Environment, Failure
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.gguf.draft_models import check_pair
from qwen_desktop.core.memory import Use
from qwen_desktop.core.shape import Shape, shape_of
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine import attempts, pages
from qwen_desktop.engine.drafting.policy import Costs
from qwen_desktop.engine.drafting.worth import PROBE, Act, Next, Worth
from qwen_desktop.engine.llama import Flag, LlamaLibrary, Model
from qwen_desktop.engine.llama_context import Context, ContextError, ContextShape, Piece
from qwen_desktop.engine.llama_sampler import Sampler
from qwen_desktop.hardware import memory as main_memory

log = logging.getLogger(__name__)

# fmt: off
_no_memory = Failure(
    Environment, "draft_model.memory", "file",
    QT_TRANSLATE_NOOP("engine", "There is not enough memory for {file} beside the model, so it does not guess ahead."),
    QT_TRANSLATE_NOOP("engine", "Choose a smaller one, a smaller context, or none."),
)
# fmt: on


class DraftModel:
    """``context`` is its own; ``worth`` says when it is used. Of tokens it knows those below ``known``. ``close`` it
    before the model that it guesses for."""

    def __init__(self, context: Context, worth: Worth, known: int) -> None:
        self.context = context
        self.worth = worth
        self._known = min(known, context.model.vocab_size)
        self._sampler = Sampler(context.model, Sampling(temperature=0.0), 0)
        self._begin = 0  # where what it sees of the answer begins

    @property
    def model(self) -> Model:
        """Its weights."""
        return self.context.model

    def release(self) -> Model:
        """Free all but its weights, and hand these on."""
        self._sampler.close()
        self.context.close()
        return self.model

    def close(self) -> None:
        """Free everything."""
        self.release().close()

    def missing(self, tokens: Items[int]) -> int:
        """How many of ``tokens``, but for the last one, it would have to read before it can guess what follows."""
        seen = self._seen(tokens)
        return max(0, len(seen) - 1 - self.context.sequences[0].common(seen))

    def do(self, what: Next, tokens: Items[int]) -> tuple[int, list[int]]:
        """Do that with the ``tokens`` of an answer, of which the last one is not evaluated yet; returns how many tokens
        it took, and what it guessed. Raises ``AbortedError`` (what was read before stays), ``DecodeError``,
        ``ContextError`` and ``NotNumbersError``."""
        seen = self._seen(tokens)
        if what.act is Act.READ:
            return self._read(seen), []
        if what.act is Act.PROBE:
            return PROBE, self._probe(seen)
        return what.length, self._guess(seen, what.length)

    def _seen(self, tokens: Items[int]) -> Items[int]:
        """The end of ``tokens`` that fits its context with what it may guess; it begins elsewhere only when that is
        full, since all must be read again then."""
        room = self.context.size - 2 * PROBE
        seen = tokens[self._begin :]
        if not PROBE < len(seen) <= room or not self.context.sequences[0].common(seen):
            self._begin = 0 if len(tokens) <= room else len(tokens) - self.context.size // 2
            seen = tokens[self._begin :]
        return seen

    def _read(self, seen: Items[int]) -> int:
        """Read a chunk of what it has not read."""
        sequence = self.context.sequences[0]
        sequence.reuse(seen)
        part = seen[len(sequence.tokens) : min(len(seen) - 1, len(sequence.tokens) + self.context.shape.chunk)]
        if part:
            self._evaluate(part, 0)
        return len(part)

    def _probe(self, seen: Items[int]) -> list[int]:
        """What it would have guessed in the place of each of the last ``PROBE`` tokens."""
        sequence = self.context.sequences[0]
        begin = len(seen) - PROBE - 1
        self.context.go_back(sequence, min(sequence.common(seen), begin))
        if len(sequence.tokens) < begin:
            self._evaluate(seen[len(sequence.tokens) : begin], 0)
        row = self._evaluate(seen[begin:-1], PROBE)
        return [self._sampler.next(self.context, row - PROBE + 1 + index) for index in range(PROBE)]

    def _guess(self, seen: Items[int], length: int) -> list[int]:
        sequence = self.context.sequences[0]
        sequence.reuse(seen)
        part, found = list(seen[len(sequence.tokens) :]), list[int]()
        while len(found) < length:
            token = self._sampler.next(self.context, self._evaluate(part, 1))
            if token >= self._known:  # padding of one of both
                break
            found.append(token)
            part = [token]
        return found

    def _evaluate(self, tokens: Items[int], wanted: int) -> int:
        return self.context.evaluate((Piece(self.context.sequences[0], tokens, wanted),))[0]


def load(
    library: LlamaLibrary, path: str, target: Context, flag: Flag, costs: Costs, *, kept: Model | None = None
) -> DraftModel:
    """Load the small model at ``path`` beside the one that ``target`` is of. ``kept`` are the weights that are loaded
    already, which are freed where they are others. Raises ``AppError``; then nothing of it is loaded."""
    model = kept
    try:
        header = read_header(path)
        check_pair(target.model.header, header)
        if model is not None and (model.header.path != header.path or model.files != (pages.files_of(header) or None)):
            model.close()
            model = None
        shape = shape_of(header)
        use = Use(context=memory.DRAFT_CONTEXT, batch=memory.DRAFT_CHUNK)
        on_card = target.model.gpu_layers > 0
        placed = placement.Placement(shape.layers + 1 if on_card else 0)
        if model is None:
            if not _has_room(library, shape, use, placed):
                raise _no_memory(Path(header.path).name)
            files = pages.files_of(header)
            model = library.load(header, placed, lambda _part: True)
            model.files = files
        try:
            context = Context(model, _shape(target, shape, on_card=on_card), flag)
        except ContextError as error:
            raise _no_memory(Path(header.path).name) from error
        share = model.main_bytes + model.card_bytes
        worth = Worth(costs, share / max(1, target.model.main_bytes + target.model.card_bytes))
        return DraftModel(context, worth, target.model.vocab_size)
    except BaseException:
        if model is not None:
            model.close()
        raise


def _shape(target: Context, shape: Shape, *, on_card: bool) -> ContextShape:
    size = min(memory.DRAFT_CONTEXT, shape.context_train or memory.DRAFT_CONTEXT)
    flash = "auto" if on_card else "off"
    return ContextShape(size, target.shape.threads, memory.DRAFT_CHUNK, flash, "f16", outputs=PROBE)


def _has_room(library: LlamaLibrary, shape: Shape, use: Use, placed: placement.Placement) -> bool:
    """Whether there is room beside what is loaded: it may take nothing of what the model needs."""
    need = memory.estimate(shape, use, gpu=placed.layers > 0)
    if placed.layers:
        free = sum(card.free_bytes or 0 for card in attempts.cards_of(library))
        return not free or placement.device_bytes(shape, use, need, placed) <= free * memory.SHARE
    free_bytes = main_memory.read().free_bytes
    return free_bytes is None or memory.needed(need) <= free_bytes
