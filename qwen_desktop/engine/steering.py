"""Keeps an answer within its bounds: how long it may think, how long it may be, and that it does not run in circles.

Pure: knows a vocabulary and the answer's stream, neither llama.cpp nor sampling. Each token that a model chooses goes
through ``Steering.next``, which takes it, takes others in its place, or ends the answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from qwen_desktop.engine.loop_guard import LoopGuard, wished_times
from qwen_desktop.engine.marks import CLOSE
from qwen_desktop.engine.stream import AnswerStream

#: What closes a thought whose budget is spent. The words are those of Qwen's own report (Qwen3 technical report,
#: section on the thinking budget), which its models know how to go on from.
SENTENCE = "Considering the limited time by the user, I have to give the solution based on the thinking directly now."
#: More tokens than this and the vocabulary has no words for the sentence: then the mark alone closes the thought.
_LONGEST_CLOSING = 32
#: So many tokens at least are kept for the answer behind a thought.
LEAST_ANSWER = 64
#: So often at most another token is asked for, so that the answer behind a closed thought says something.
_REFUSALS = 64


class Vocabulary(Protocol):
    """What ``engine.llama.Model`` knows of its tokens."""

    def piece(self, token: int) -> bytes: ...

    def is_end(self, token: int) -> bool: ...

    def tokenize(self, text: str, *, special: bool, begin: bool) -> list[int]: ...


class Steering:
    """One answer's. ``stream`` is told each token by its owner, after ``next`` has given it and before the next one.

    ``budget`` is how many tokens the model may write inside its thought, the opening mark among them, None for any
    number. A character that would need more tokens than that is not begun. With a budget the answer behind the thought
    keeps at least max(64, ``max_tokens`` - budget) tokens, also beyond ``max_tokens``, as far as ``room`` goes, and a
    thought that would fill ``max_tokens`` or ``room`` is closed in time. 0 closes a thought before its first word (a
    model that has been trained to answer directly does better in ``ThinkingMode.DIRECT``, where none is opened).

    ``guard`` closes a thought that repeats itself, and ends an answer that does; ``question`` are the user's words,
    which may ask for repetition. ``formed``: the answer keeps to a form that says how it begins. ``marks`` are the ids
    of the tokens that open and close thinking.
    """

    def __init__(
        self,
        words: Vocabulary,
        stream: AnswerStream,
        *,
        marks: tuple[int | None, int | None],
        room: int,
        max_tokens: int | None = None,
        budget: int | None = None,
        guard: bool = False,
        formed: bool = False,
        question: str = "",
    ) -> None:
        self._words = words
        self._stream = stream
        self._marks = marks
        self._room = room
        self._budget = budget
        self._most = room if max_tokens is None else min(room, max_tokens)
        self._limit = self._most
        self._keep = LEAST_ANSWER if budget is None or max_tokens is None else max(LEAST_ANSWER, max_tokens - budget)
        self._least = min(LEAST_ANSWER, room // 2)
        self._times = wished_times(question) if guard else 0
        self._guard = LoopGuard(words.piece, self._times) if guard else None
        #: what closes a thought: at the beginning of a line, within one, and without words
        self._closing, self._within, self._mark = self._tokens() if guard or budget is not None else ((), (), ())
        self._longest = max(len(self._closing), len(self._within))
        self._forced: deque[int] = deque()
        self._thinking = stream.thinking
        self._closed = False  # a thought was closed from here
        self._taken = self._thought = 0
        self._refused = _REFUSALS if formed else 0
        #: The token that ``next`` gave last was not chosen by the model.
        self.forced = False
        #: A thought was closed because its budget was used up.
        self.budget_spent = False
        #: A thought was closed, or the answer ended, because it repeated itself.
        self.stopped_loop = False

    @property
    def most(self) -> int:
        """So many tokens the answer may have in the end."""
        if self._budget is None:
            return self._most
        return min(self._room, self._most + self._longest + self._keep)

    @property
    def limit(self) -> int:
        """So many tokens the answer may have by now, thinking included. Grows where an answer must keep its room."""
        self._settle()
        return self.most if self._thinking else self._limit

    def next(self, choose: Callable[[int | None], int]) -> int | None:
        """The next token of the answer, or None where it ends here.

        ``choose`` gives what the model says next. Asked again, it is told the token that was refused, and gives
        another one than all that were.
        """
        if self._budget is None and self._guard is None:
            return choose(None)
        self.forced = bool(self._forced)
        if not self._forced:
            self._settle()
            chosen = choose(None)
            while self._refuses(chosen):
                self._refused += 1
                chosen = choose(chosen)
            if self._thinking:
                self._forced.extend(self._in_thought(chosen))
                self.forced = self._forced[0] != chosen
            elif self._repeats(chosen):
                return None
            else:
                self._forced.append(chosen)
        self._taken += 1
        return self._forced.popleft()

    def _settle(self) -> None:
        """Notice that a thought has begun or ended."""
        if self._thinking == self._stream.thinking:
            return
        self._thinking = not self._thinking
        if self._thinking:
            return
        self._thought += self._stream.thinking_tokens
        if self._budget is not None:
            self._limit = max(self._most, min(self._room, self._taken + len(self._forced) + self._keep))
        if self._guard is not None:
            self._guard = LoopGuard(self._words.piece, self._times)

    def _in_thought(self, chosen: int) -> tuple[int, ...]:
        """What is taken inside a thought: the chosen token, or what closes it."""
        if chosen == self._marks[1] or self._words.is_end(chosen) or not (self._spent(chosen) or self._repeats(chosen)):
            return (chosen,)
        again, self._closed = self._closed, True
        left = self.most - self._taken
        if again or left < self._longest + self._least:
            return self._mark
        return self._within if self._stream.in_words else self._closing

    def _spent(self, chosen: int) -> bool:
        if self._budget is None:
            return False
        length = 1 + self._stream.missing(self._words.piece(chosen))
        behind = self._longest + self._least
        spent = self._thought + self._stream.thought + length > (0 if self._closed else self._budget)
        self.budget_spent |= spent or self._taken + length > min(self._most, self._room - behind)
        return self.budget_spent

    def _repeats(self, chosen: int) -> bool:
        """Whether the text has come to repeat itself; then it does not end inside a character."""
        if self._guard is None:
            return False
        repeats = self._guard.add(chosen) and not self._stream.missing(b"")
        self.stopped_loop |= repeats
        return repeats

    def _refuses(self, chosen: int) -> bool:
        """Whether a token would say nothing although the answer behind a closed thought has still to begin."""
        if not self._closed or self._thinking or self._stream.answering or self._refused >= _REFUSALS:
            return False
        return chosen in self._marks or self._words.is_end(chosen) or not self._words.piece(chosen).strip()

    def _tokens(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """The sentence with the mark, the same behind a blank, and the mark alone."""
        sentence, within, mark = (
            tuple(self._words.tokenize(text, special=True, begin=False))
            for text in (f"{SENTENCE}\n{CLOSE}\n\n", f" {SENTENCE}\n{CLOSE}\n\n", f"\n{CLOSE}\n\n")
        )
        return (sentence, within, mark) if len(sentence) <= _LONGEST_CLOSING else (mark, mark, mark)
