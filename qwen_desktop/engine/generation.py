"""One answer in the making, a step at a time: read the prompt, choose tokens, hand on text as it becomes certain.

Worker side. The scheduler evaluates what ``next_piece`` gives, alone or together with others', and tells ``evaluated``.
A generation needs nothing of its sequence but what it remembers: one that was lost or taken away is read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from qwen_desktop.core.engine import (
    Event,
    FinishReason,
    GenerateRequest,
    GenerateResult,
    LiveFigures,
    PromptProgress,
    Sampling,
    Stats,
)
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import Part, Role, visible_text
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.engine import adapters
from qwen_desktop.engine.adapters import Use
from qwen_desktop.engine.call_text import CALL, CALLED
from qwen_desktop.engine.drafting.draft_model import DraftModel
from qwen_desktop.engine.drafting.policy import Costs, Drafts
from qwen_desktop.engine.drafting.worth import PROBE, Act, Next
from qwen_desktop.engine.going_on import Written
from qwen_desktop.engine.grammar import Constraint
from qwen_desktop.engine.llama import Model
from qwen_desktop.engine.llama_context import Context, Piece, Sequence, replay
from qwen_desktop.engine.llama_sampler import PENALTY_WINDOW, NotNumbersError, Sampler
from qwen_desktop.engine.marks import CLOSE, OPEN
from qwen_desktop.engine.prompt import Prompt
from qwen_desktop.engine.steering import Steering
from qwen_desktop.engine.stream import AnswerStream
from qwen_desktop.hardware import memory

if TYPE_CHECKING:
    from concurrent.futures import Future

    from qwen_desktop.engine.prompt_cache.writer import Loaded

#: One frame to the app per this many seconds at most.
_FRAME_S = 0.016
_LIVE_S = 0.25
_PROGRESS_S = 0.1


class Generation:
    """Makes one answer to a built prompt. ``began`` is when the request arrived (``time.monotonic``); ``size`` is how
    many tokens prompt and answer can have together.

    ``marks`` are the ids of the tokens that open and close thinking, None where the vocabulary has none. ``emit`` gets
    events as they come. ``constraint`` keeps the answer to a form, but not its thought. ``use`` are its adapters. With
    ``costs`` it may be written ahead: what is likely to come is guessed and verified together, each token chosen as it
    would be without; what its own text does not tell ``draft_model`` may guess. ``close`` it in any case.
    """

    def __init__(
        self,
        model: Model,
        prompt: Prompt,
        request: GenerateRequest,
        sampling: Sampling,
        *,
        size: int,
        marks: tuple[int | None, int | None],
        emit: Callable[[tuple[Event, ...]], None],
        began: float,
        constraint: Constraint | None = None,
        use: Use | None = None,
        costs: Costs | None = None,
        draft_model: DraftModel | None = None,
    ) -> None:
        self.prompt = prompt
        self.request = request
        #: prompt and answer; all but the last token chosen are in the sequence, unless that lost them
        self.tokens: list[int] = list(prompt.tokens)
        self.reason: FinishReason | None = None
        self.sequence: Sequence | None = None
        #: the steps in which the prompt was read, and whether they and all later ones can be repeated
        self.steps: tuple[tuple[int, int, int], ...] = ()
        self.exact = True
        self._use = use or Use()
        #: what it is read and written with, and what is to be told of that
        self.adapters = self._use.key(prompt.tokens)
        self.used = self._use.told(self.adapters)
        #: what is read back of its prompt (``prompt_cache``), None where nothing is; whether that was looked for; and
        #: how many tokens there were
        self.read_back: Future[Loaded | None] | None = None
        self.looked = False
        self.restored = 0
        self._model = model
        self._emit = emit
        self._began = began
        self._size = size
        self._open, self._close = marks
        self._sampling = sampling
        self._stream = AnswerStream(
            thinking=prompt.thinking,
            stop=request.stop,
            clock=time.monotonic,
            parts=prompt.parts,
            pending=prompt.pending,
            calls=constraint is None,
        )
        self._constrained = False
        if constraint is not None and not prompt.thinking and (said := visible_text(prompt.parts)):
            constraint.take(model.tokenize(said, special=False, begin=False))
            self._constrained = True
        self._sampler = Sampler(model, sampling, sampling.seed or 0)
        for token in self.tokens[len(prompt.question) :][-PENALTY_WINDOW:]:
            self._sampler.accept(token)
        self._steering = Steering(
            model,
            self._stream,
            marks=marks,
            room=size - len(prompt.tokens),
            max_tokens=request.max_tokens,
            budget=request.thinking_budget,
            guard=request.loop_guard,
            formed=constraint is not None,
            question=next((visible_text(m.parts) for m in reversed(request.messages) if m.role is Role.USER), ""),
        )
        self._constraint = constraint
        self._replay: Iterator[Piece] | None = None
        self._drafts = Drafts(self.tokens, costs) if costs is not None else None
        self._draft_model = draft_model if costs is not None and request.again is None else None
        #: what comes next, where that was guessed already; whether the other model guessed it, and ever did; how many
        #: tokens were written since it was looked at, and since it guessed
        self._guesses: list[int] | None = None
        self._modelled = self._by_model = False
        self._unseen = self._without = 0
        #: in which steps it was written when it is made again, the next one last
        then = request.again.written if request.again is not None else ()
        self._then = [list(step) for step in reversed(then)]
        self._written_in: list[list[int]] = []
        self._broken = self._strays = False
        self._drafted = self._accepted = 0
        self._cached = self._read = self._written = 0
        self._evaluated = self._seen = 0  # for the prompt, also in vain; of what its sequence tells
        self._read_s = self._told = self._flushed = self._lived = 0.0
        self._first = self._last = 0.0

    def close(self) -> None:
        """Free what it holds of llama.cpp."""
        self._sampler.close()
        self._use.release()
        self._drafts = self._draft_model = None  # an index of megabytes, and who holds the sequence is remembered

    def disown(self) -> None:
        """Its conversation was forgotten: it belongs to none any more, and nothing that was kept of it is used."""
        self.request = nobodys(self.request)
        self.read_back = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was said so far."""
        return self._stream.parts

    @property
    def written(self) -> Written | None:
        """How an answer that ended before its end was written, None where it cannot go on."""
        question = self.prompt.question
        tokens = tuple(self.tokens[len(question) :])
        if self.reason is None or self._complete or not tokens or self._model.is_end(tokens[-1]):
            return None
        return Written(question, tokens, self.parts, self._stream.thinking, self._stream.pending)

    @property
    def _complete(self) -> bool:
        """Whether the answer is said."""
        formed = self._constraint is not None and self._constrained and self._constraint.done
        return formed or self._stream.stopped

    @property
    def threads(self) -> int:
        """How many threads evaluated it, 0 when that changed."""
        used = self.sequence.threads if self.sequence is not None else ()
        return max(used) if len(used) == 1 else 0

    @property
    def flash(self) -> tuple[int, int]:
        """How many of its tokens were evaluated with flash attention, the first ones, and how many in all."""
        return (self.sequence.flash, len(self.sequence.tokens)) if self.sequence is not None else (0, 0)

    @property
    def missing(self) -> int:
        """How many tokens must be evaluated before the next one can be chosen."""
        return len(self.tokens) - (len(self.sequence.tokens) if self.sequence is not None else 0)

    @property
    def reading(self) -> bool:
        """Whether it reads; else it writes."""
        return not self._written or self.missing > 1

    @property
    def activated(self) -> bool:
        """Whether its adapter counts from some place in the prompt on, which may be another one in the next prompt."""
        return bool(self._use.words)

    def adapters_of(self, prompt: list[int]) -> adapters.Key:
        """What another prompt is read with, with the same adapters."""
        return self._use.key(prompt)

    @property
    def with_adapters(self) -> adapters.Key:
        """The adapters that its next token is evaluated with."""
        return adapters.at(self.adapters, len(self.sequence.tokens) if self.sequence is not None else 0)

    @property
    def needs(self) -> int:
        """How many tokens it may have at most, prompt and answer."""
        return len(self.prompt.tokens) + self._steering.most

    def start(self, sequence: Sequence) -> None:
        """Go on in ``sequence``, with what it remembers of this. What it remembers else is forgotten."""
        self.sequence = sequence
        self._seen = sequence.evaluated
        sequence.stops = self._stops(sequence)
        self._broken |= self._written > 0
        again = self.request.again if not self._written else None
        if again is not None:
            sequence.forget()
            self._replay = replay(self._in_sequence, self.tokens, again.read)
        at = sequence.reuse(self.tokens, self.adapters)
        if not self._written:
            self._cached = at
            self._told = time.monotonic()
            if self.missing > sequence.context.shape.chunk:
                self._emit((PromptProgress(at, len(self.tokens)),))

    def moved(self, sequence: Sequence) -> None:
        """What was evaluated lies in ``sequence`` now, or is lost."""
        if self.sequence is None or not sequence.tokens:
            self._replay = None
            self._broken |= self._written > 0
        self.sequence = sequence
        self._seen = sequence.evaluated
        sequence.stops = self._stops(sequence)

    def _stops(self, sequence: Sequence) -> tuple[int, ...]:
        return self.prompt.stops if sequence.context.keeps else ()

    def next_piece(self, *, ahead: bool = False) -> Piece:
        """What to evaluate next; with guesses for what comes then where it writes ``ahead``."""
        sequence = self._in_sequence()
        if self._replay is not None:
            piece = next(self._replay, None)
            if piece is not None:
                return piece
            self._replay = None
        part = sequence.context.next_part(sequence, self.tokens)
        if len(part) < self.missing or self.reading:
            return Piece(sequence, part, int(len(part) == self.missing))
        draft = self._draft(sequence, ahead=ahead)
        return Piece(sequence, [*part, *draft], 1 + len(draft))

    def _draft(self, sequence: Sequence, *, ahead: bool) -> list[int]:
        """What is likely to come after the last token."""
        drafts = self._drafts
        if drafts is None:
            return []
        most = self._most(sequence)
        if self.request.again is None:
            guesses, self._guesses = self._guesses, None
            if not ahead:
                return []
            return drafts.next(most) if guesses is None else guesses[:most]
        length = self._then[-1][0] - 1 if self._then else 0
        return drafts.again(length) if 0 < length <= most else []

    def _most(self, sequence: Sequence) -> int:
        """How many guesses can be verified with the next token."""
        shape = sequence.context.shape
        # not to the very end, so that a beginning in the small context is no longer than one that comes token by token
        room = min(shape.outputs, shape.chunk, sequence.size - len(self.tokens))
        return max(0, min(room, self._steering.limit - self._written) - 1)

    def look_ahead(self) -> Next | None:
        """Guess what comes next, before ``next_piece(ahead=True)``. Where the draft model has to compute for that: what
        it shall do, for ``work_ahead``."""
        self._guesses, self._modelled = None, False
        model, drafts = self._draft_model, self._drafts
        if model is None or drafts is None or self.reading or self.missing != 1:
            return None
        most = self._most(self._in_sequence())
        self._guesses = drafts.next(most)
        if self._guesses or drafts.plain_due or not (model.worth.on or self._unseen >= PROBE):
            return None
        what = model.worth.next(model.missing(self.tokens), unseen=self._unseen, without=self._without, most=most)
        if what is None:
            self._unseen = 0  # it is tried again some tokens later
        return what

    def work_ahead(self, what: Next) -> int:
        """Have the draft model do that; returns with how many tokens. Raises what it raises."""
        model = self._draft_model
        if model is None:
            return 0
        count, found = model.do(what, self.tokens)
        if what.act is Act.PROBE:
            self._unseen = 0
            for guess, token in zip(found, self.tokens[-PROBE:], strict=True):
                model.worth.came(int(guess == token), int(guess != token))
        elif what.act is Act.GUESS:
            self._guesses, self._modelled, self._without = found, bool(found), 0
        return count

    def next_tokens(self, most: int) -> list[int]:
        """Of what is to be read, what can be evaluated at once."""
        at = len(self._in_sequence().tokens)
        return self.tokens[at : at + min(most, adapters.alike(self.adapters, at))]

    def _in_sequence(self) -> Sequence:
        if self.sequence is None:
            raise RuntimeError("the answer has no sequence")
        if not self.sequence.tokens:  # it may have lost them
            self.sequence.adapters = self.adapters
        return self.sequence

    def evaluated(self, context: Context, piece: Piece, row: int, seconds: float, effort: float) -> None:
        """``piece`` was evaluated in ``seconds``; its last token is in ``row``. By ``effort`` it compares
        with other pieces.

        Raises ``UserFacing`` when the model computes no numbers, or when its form lets the answer not go on.
        """
        new, self._seen = piece.sequence.evaluated - self._seen, piece.sequence.evaluated
        if self.reading:
            self._evaluated += new
            self._read += len(piece.tokens)
            self._read_s += seconds
            self._broken |= self._written > 0
            self._progress()
            if self._drafts is not None:
                self._drafts.prepare()
        elif self._drafts is not None:
            self._drafts.took(piece.wanted - 1, effort)
        if self._draft_model is not None:
            self._draft_model.worth.passed(effort, plain=not self.reading and piece.wanted == 1)
        if piece.wanted:
            try:
                self._choose_all(context, piece, row)
            except NotNumbersError:
                piece.sequence.forget()  # what is remembered is no better
                self._end(FinishReason.ERROR)
                raise _not_numbers() from None
            except UserFacing:
                self._end(FinishReason.ERROR)
                raise

    def _choose_all(self, context: Context, piece: Piece, row: int) -> None:
        """Choose a token, and one more behind each guess that was it; what was evaluated beyond is forgotten."""
        sequence, draft = piece.sequence, piece.tokens[len(piece.tokens) - piece.wanted + 1 :]
        self._drafted += len(draft)
        self._by_model |= self._modelled
        writes = self._written > 0
        kept = 0
        try:
            for kept in range(1, piece.wanted + 1):
                before = self._written
                self._choose(context, row - piece.wanted + kept)
                guessed = kept <= len(draft) and self._written > before and self.tokens[-1] == draft[kept - 1]
                self._accepted += guessed
                if self._draft_model is not None and self._modelled and kept <= len(draft) and self.reason is None:
                    self._draft_model.worth.came(int(guessed), int(not guessed))
                if self.reason is not None or not guessed:
                    break
        finally:
            length = len(sequence.tokens) - piece.wanted + kept
            if kept < piece.wanted and not context.cut(sequence, length):
                sequence.forget()  # it is read again
            if writes:
                self._wrote(piece.wanted, kept)

    def _wrote(self, size: int, kept: int) -> None:
        """A step of so many tokens wrote; so many of them stay."""
        if self._then:
            then = self._then[-1]
            self._strays |= then[:2] != [size, kept]
            then[2] -= 1
            if then[2] <= 0:
                self._then.pop()
        last = self._written_in[-1] if self._written_in else None
        if last is not None and last[:2] == [size, kept]:
            last[2] += 1
        else:
            self._written_in.append([size, kept, 1])

    def cancel(self) -> None:
        """It is not wanted any more; what there is of it is its answer."""
        self._end(FinishReason.CANCELLED)

    def _progress(self) -> None:
        now, total = time.monotonic(), len(self.tokens)
        missing = self.missing
        if missing and not self._written and now - self._told >= _PROGRESS_S:
            self._told = now
            left = self._read_s / max(1, self._read) * missing
            self._emit((PromptProgress(total - missing, total, round(left, 1)),))

    def _choose(self, context: Context, row: int) -> None:
        if self._complete or self._steering.limit <= 0:
            self._end(FinishReason.STOP if self._complete else FinishReason.LENGTH)
            return
        token = self._steering.next(lambda refused: self._sampled(context, row, refused))
        if token is None:
            self._end(FinishReason.STOP)
            return
        if self._steering.forced:
            self._sampler.accept(token)
        now = time.monotonic()
        if not self._written:
            self.steps = self._in_sequence().all_steps()
            self._first = self._flushed = self._lived = now
        self._written += 1
        self._unseen, self._without = self._unseen + 1, self._without + 1
        self._last = now
        self.tokens.append(token)
        self._take(token, now)

    def _sampled(self, context: Context, row: int, refused: int | None) -> int:
        constraint, stream = self._constraint, self._stream
        if constraint is None or stream.thinking:
            return self._sampler.next(context, row, refused)
        if not self._constrained:
            self._constrained = True
            if stream.begun:  # one token closed the thought and began the answer
                constraint.take(self._model.tokenize(stream.begun, special=False, begin=False))
        return constraint.choose(self._sampler, context, row)

    def _take(self, token: int, now: float) -> None:
        """Look at a token of the answer."""
        stream = self._stream
        ends = self._model.is_end(token)
        if not ends and not (
            (token == self._open and stream.mark(True)) or (token == self._close and stream.mark(False))
        ):
            stream.piece(self._model.piece(token) or self._mark_as_text(token))
        if ends or self._complete:
            self._end(FinishReason.STOP)
        elif self._written >= self._steering.limit:
            self._end(FinishReason.LENGTH)
        elif now - self._flushed >= _FRAME_S or self._written == 1:
            self._flushed = now
            live = now - self._lived >= _LIVE_S
            self._lived = now if live else self._lived
            self._flush(live=live)

    def _mark_as_text(self, token: int) -> bytes:
        """A mark of thinking or of a tool's call in the middle of an answer is text; other control tokens have none."""
        text = self._model.special_text(token)
        return text.encode() if text in (OPEN, CLOSE, CALL, CALLED) else b""

    def _end(self, reason: FinishReason) -> None:
        if self.reason is not None:
            return
        self.reason = reason
        if self._written:
            self.exact = self.sequence is not None and self.sequence.alone and self._in_one_go
        self._stream.finish(cut=reason is not FinishReason.STOP)
        self._flush()

    @property
    def written_steps(self) -> tuple[tuple[int, int, int], ...]:
        """The steps that wrote it, nothing where that was token by token."""
        exact = self._drafted and not self._by_model
        return tuple((size, kept, times) for size, kept, times in self._written_in) if exact else ()

    @property
    def _in_one_go(self) -> bool:
        """Whether the answer was written in the sequence that read its prompt, without a break: token by token, or in
        ``written_steps``, and in those of the recipe where there is one. What another model guessed cannot be told
        again."""
        if self._by_model:
            return False
        return not self._strays and (not self._broken if self._drafted else self._single_steps())

    def _single_steps(self) -> bool:
        """Whether the answer was written token by token, in the sequence that read its prompt."""
        steps = self._in_sequence().all_steps()
        read = sum(kept * times for _, kept, times in steps)
        written = read - len(self.prompt.tokens)
        for size, kept, times in reversed(steps):
            if written <= 0:
                break
            if size != 1:
                return False
            written -= kept * times
        return True

    def _flush(self, *, live: bool = False) -> None:
        events: tuple[Event, ...] = self._stream.events()
        if live:
            events += (LiveFigures(self._written, round(self._speed(), 2), self._used, self._size),)
        if events:
            self._emit(events)

    @property
    def _used(self) -> int:
        return min(len(self.sequence.tokens), len(self.tokens)) if self.sequence is not None else 0

    def _speed(self) -> float:
        seconds = self._last - self._first
        return (self._written - 1) / seconds if seconds > 0 and self._written > 1 else 0.0

    def result(self) -> GenerateResult:
        """How it ended. Raises ``RuntimeError`` while it goes on."""
        if self.reason is None:
            raise RuntimeError("the answer has not ended")
        stream, total = self._stream, len(self.prompt.tokens)
        if not self._written and self.sequence is not None and self.sequence.holder is self:  # it was stopped
            self._evaluated += self.sequence.evaluated - self._seen
            self._seen = self.sequence.evaluated
        stats = Stats(
            prompt_tokens=total,
            cached_tokens=self._cached,
            completion_tokens=self._written,
            thinking_tokens=stream.thinking_tokens,
            ttft_s=round(self._first - self._began, 4) if self._first else 0.0,
            prompt_tokens_per_s=round(self._read / self._read_s, 2) if self._read_s > 0 else 0.0,
            decode_tokens_per_s=round(self._speed(), 2),
            memory_bytes=memory_bytes(),
            thinking_s=round(stream.thinking_s, 3),
            context_used=self._used,
            context_size=self._size,
            evaluated_tokens=self._evaluated,
            restored_tokens=min(self._cached, self.restored),
            drafted_tokens=self._drafted,
            accepted_tokens=self._accepted,
        )
        return GenerateResult(
            finish_reason=self.reason,
            stats=stats,
            sampling=self._sampling,
            seed=self._sampling.seed or 0,
            budget_spent=self._steering.budget_spent,
            stopped_loop=self._steering.stopped_loop,
            adapters=self.used,
        )


def _not_numbers() -> UserFacing:
    return UserFacing(
        Text(
            "answer.not_numbers",
            QT_TRANSLATE_NOOP(
                "engine", "This model cannot go on: what it computes for the next word are no longer numbers."
            ),
        ),
        Text(
            "answer.not_numbers.hint",
            QT_TRANSLATE_NOOP(
                "engine", "Its file is most likely damaged or badly converted; get it again, or choose another one."
            ),
        ),
        action="model.choose",
    )


def nobodys(request: GenerateRequest) -> GenerateRequest:
    """The same request of no conversation."""
    return replace(request, cache_key="", keep=False)


def memory_bytes() -> int:
    """Memory that this process holds, in bytes."""
    return sum(memory.resident())
