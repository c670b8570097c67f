"""The thinking budget and the end of loops, with tokens from a script instead of a model."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from qwen_desktop.engine.steering import SENTENCE, Steering
from qwen_desktop.engine.stream import AnswerStream

OPEN, CLOSE, END = 1_000_001, 1_000_002, 1_000_003
#: One byte as a token of its own.
BYTE = 2_000_000
#: A whole word as a token, by its place here.
WORD = 3_000_000


class Words:
    """A vocabulary of characters and bytes, with Qwen's special tokens, where ``marks``. ``whole`` makes the sentence
    a few tokens, as in Qwen's own vocabulary."""

    def __init__(self, *, marks: bool = True, whole: bool = True) -> None:
        self._marks = marks
        self._parts = ("Considering the limited time", " by the user", SENTENCE[40:]) if whole else ()
        assert not whole or "".join(self._parts) == SENTENCE

    def piece(self, token: int) -> bytes:
        if token >= WORD:
            return self._parts[token - WORD].encode()
        if token >= BYTE:
            return bytes([token - BYTE])
        return b"" if token >= OPEN else chr(token).encode()

    def is_end(self, token: int) -> bool:
        return token == END

    def tokenize(self, text: str, *, special: bool, begin: bool) -> list[int]:
        assert special and not begin
        found: list[int] = []
        while text:
            part = next((i for i, p in enumerate(self._parts) if text.startswith(p)), None)
            if part is not None:
                found.append(WORD + part)
                text = text[len(self._parts[part]) :]
            elif self._marks and text.startswith("</think>"):
                found.append(CLOSE)
                text = text[8:]
            else:
                found.append(ord(text[0]))
                text = text[1:]
        return found

    @property
    def marks(self) -> tuple[int | None, int | None]:
        return (OPEN, CLOSE) if self._marks else (None, None)


@dataclass
class Ended:
    stream: AnswerStream
    steering: Steering
    tokens: list[int]
    reason: str
    asked: int

    @property
    def behind(self) -> int:
        """Tokens that are not of the thought."""
        return len(self.tokens) - self.stream.thinking_tokens


def write(
    source: Iterator[int] | Callable[[frozenset[int], AnswerStream], int],
    words: Words | None = None,
    *,
    thinking: bool = False,
    room: int = 1000,
    max_tokens: int | None = None,
    budget: int | None = None,
    guard: bool = False,
    question: str = "",
) -> Ended:
    """What comes of the tokens of ``source``, in the manner of ``engine.generation``; a function gets those that were
    refused for this place, and the stream."""
    words = words or Words()
    stream = AnswerStream(thinking=thinking, stop=(), clock=itertools.count().__next__)
    steer = Steering(
        words,
        stream,
        marks=words.marks,
        room=room,
        max_tokens=max_tokens,
        budget=budget,
        guard=guard,
        question=question,
    )
    tokens: list[int] = []
    asked = 0
    refused: set[int] = set()

    def choose(unwanted: int | None) -> int:
        nonlocal asked
        asked += 1
        refused.add(unwanted) if unwanted is not None else refused.clear()
        return source(frozenset(refused), stream) if callable(source) else next(source)

    reason = "length"
    while len(tokens) < steer.limit:
        token = steer.next(choose)
        if token is None or words.is_end(token):
            reason = "stop"
            break
        tokens.append(token)
        if not ((token == words.marks[0] and stream.mark(True)) or (token == words.marks[1] and stream.mark(False))):
            stream.piece(words.piece(token) or (b"<mark>" if token in words.marks else b""))
    stream.finish()
    return Ended(stream, steer, tokens, reason, asked)


def letters(seed: int = 1) -> Iterator[int]:
    """Words without end."""
    r = random.Random(seed)
    while True:
        yield from map(ord, r.choice(("river ", "old ", "a ", "garden, ", "opens ", "why ", "never ", "light. ")))


def said(text: str) -> Iterator[int]:
    return map(ord, text)


def own(words: Words) -> int:
    """How many tokens the sentence takes, with the line before and the mark behind it."""
    return len(words.tokenize(f" {SENTENCE}\n</think>\n\n", special=True, begin=False))


@pytest.mark.parametrize("opened", ["prompt", "model"])
@pytest.mark.parametrize("budget", [1, 2, 7, 40, 300])
def test_a_thought_that_never_ends_is_closed_and_the_answer_follows(budget: int, opened: str) -> None:
    source = letters() if opened == "prompt" else itertools.chain([OPEN], letters())
    ended = write(source, thinking=opened == "prompt", budget=budget, max_tokens=1000)
    thought = ended.stream.thinking_text
    assert thought.endswith(SENTENCE) and ended.stream.text
    written = len(thought.removesuffix(SENTENCE).rstrip())
    assert budget - 3 <= written + (opened == "model") <= budget
    assert ended.stream.thinking_tokens <= budget + own(Words())
    assert ended.steering.budget_spent and not ended.steering.stopped_loop
    assert "</think>" not in ended.stream.text and SENTENCE not in ended.stream.text


def test_the_sentence_is_set_off_from_what_was_thought() -> None:
    ended = write(letters(), thinking=True, budget=12)
    assert ended.stream.thinking_text.endswith(f" {SENTENCE}")
    at_once = write(itertools.chain(said("Well.\n"), letters()), thinking=True, budget=6)
    assert at_once.stream.thinking_text == f"Well.\n{SENTENCE}"


def test_a_budget_of_nothing_closes_before_the_first_word() -> None:
    for source, thinking in ((letters(), True), (itertools.chain([OPEN], letters()), False)):
        ended = write(source, thinking=thinking, budget=0, max_tokens=100)
        assert ended.stream.thinking_text == SENTENCE and ended.stream.text and ended.steering.budget_spent


def test_a_thought_within_the_budget_is_left_alone() -> None:
    told = [*said("short"), CLOSE, *said("\n\nThe answer."), END]
    ended = write(iter(told), thinking=True, budget=5)
    assert (ended.stream.thinking_text, ended.stream.text, ended.reason) == ("short", "The answer.", "stop")
    assert ended.tokens == told[:-1] and not ended.steering.budget_spent


def test_answers_without_thoughts_do_not_notice_a_budget() -> None:
    for budget in (None, 0, 5, 500):
        ended = write(letters(), budget=budget, max_tokens=80)
        assert len(ended.tokens) == ended.asked == 80 and ended.reason == "length"
        assert ended.stream.text == "".join(map(chr, itertools.islice(letters(), 80)))
        assert not ended.steering.budget_spent


def test_marks_that_are_only_text_are_written_as_text() -> None:
    words = Words(marks=False)
    ended = write(itertools.chain(said("<think>\n"), letters()), words, budget=30, max_tokens=300)
    assert ended.stream.thinking_text.endswith(SENTENCE)
    assert ended.stream.text and "think>" not in ended.stream.text
    assert ended.steering.budget_spent


def test_a_vocabulary_without_words_for_the_sentence_gets_the_mark_alone() -> None:
    ended = write(letters(), Words(whole=False), thinking=True, budget=40, max_tokens=400)
    assert SENTENCE not in ended.stream.thinking_text
    assert 40 <= ended.stream.thinking_tokens <= 44 and ended.stream.text and ended.steering.budget_spent


@pytest.mark.parametrize(
    ("max_tokens", "budget"), [(1024, 512), (200, 40), (100, 40), (50, 40), (64, 64), (1, 0), (1, 900), (30, 500)]
)
def test_the_answer_keeps_its_room_also_beyond_the_limit(max_tokens: int, budget: int) -> None:
    ended = write(letters(), thinking=True, room=5000, max_tokens=max_tokens, budget=budget)
    assert ended.steering.budget_spent and ended.reason == "length"
    assert ended.behind >= max(64, max_tokens - budget)
    assert len(ended.tokens) <= max_tokens + own(Words()) + 64
    assert ended.stream.thinking_tokens >= min(budget, max_tokens)


def test_the_answer_keeps_its_room_behind_a_thought_that_ended_by_itself() -> None:
    ended = write(itertools.chain(said("x" * 90), [CLOSE], letters()), thinking=True, max_tokens=100, budget=95)
    assert ended.behind == 64 and not ended.steering.budget_spent


@pytest.mark.parametrize("room", [8, 30, 64, 100, 130, 200, 300])
@pytest.mark.parametrize("max_tokens", [None, 40, 5000])
def test_a_thought_leaves_room_in_the_context(room: int, max_tokens: int | None) -> None:
    ended = write(letters(), thinking=True, room=room, max_tokens=max_tokens, budget=4000)
    assert len(ended.tokens) <= room and ended.stream.text.strip()
    assert ended.behind >= min(64, room // 2 - 4)


@pytest.mark.parametrize("seed", range(30))
def test_the_end_of_a_thought_never_splits_a_character(seed: int) -> None:
    r = random.Random(seed)
    text = "".join(r.choice(("a", "ß", "思", "👩‍👧", " ")) for _ in range(400))
    ended = write(
        (BYTE + byte for byte in text.encode()), thinking=True, budget=20 + seed, room=900, guard=bool(seed % 2)
    )
    assert "\ufffd" not in ended.stream.thinking_text and ended.stream.thinking_text.endswith(SENTENCE)
    assert ended.stream.thinking_tokens <= 20 + seed + own(Words())


@pytest.mark.parametrize(
    ("stubborn", "then"),
    [([OPEN], "a"), ([CLOSE], "b"), ([END], "c"), ([ord("\n")], "d"), ([ord(" "), OPEN, CLOSE, END, ord("\n")], "e")],
)
def test_what_says_nothing_cannot_take_the_answers_place(stubborn: list[int], then: str) -> None:
    """A model that wants the same again and again behind its closed thought, as random weights do."""

    thought = said("hm hm it goes on")

    def source(refused: frozenset[int], stream: AnswerStream) -> int:
        if stream.thinking:
            return next(thought)
        return next((token for token in stubborn if token not in refused), ord(then))

    ended = write(source, thinking=True, budget=5, max_tokens=90)
    assert ended.stream.text.startswith(then)
    assert ended.stream.thinking_text == f"hm hm {SENTENCE}"


LINE = "The same thing happens once more. "


def test_loops_are_ended_in_thoughts_and_in_answers() -> None:
    answer = write(map(ord, itertools.cycle(LINE)), guard=True, room=3000)
    assert answer.reason == "stop" and answer.steering.stopped_loop and len(answer.tokens) < 400
    both = write(map(ord, itertools.cycle(LINE)), thinking=True, guard=True, room=3000)
    assert both.stream.thinking_text.endswith(f" {SENTENCE}") and LINE.strip() in both.stream.text
    assert both.reason == "stop" and both.steering.stopped_loop and not both.steering.budget_spent
    assert len(both.tokens) < 800


def test_an_answer_behind_a_thought_that_went_round_is_judged_anew() -> None:
    thought, answer = itertools.cycle(LINE), iter([*said(LINE * 3 + "And that is all."), END])
    ended = write(
        lambda _, stream: ord(next(thought)) if stream.thinking else next(answer), thinking=True, guard=True, room=3000
    )
    assert ended.steering.stopped_loop and ended.reason == "stop"
    assert ended.stream.text == LINE * 3 + "And that is all."


def test_without_a_guard_loops_go_on() -> None:
    ended = write(itertools.cycle([ord("a")]), room=900)
    assert len(ended.tokens) == 900 and not ended.steering.stopped_loop


def test_a_user_may_have_something_said_a_hundred_times() -> None:
    line = "I open the old garden. "
    for question, whole in (("Say it.", False), (f"Write '{line}' 40 times", True)):
        ended = write(itertools.chain(said(line * 40), [END]), guard=True, room=3000, question=question)
        assert (ended.stream.text.count("garden") == 40) is whole is not ended.steering.stopped_loop


def test_both_at_once_are_told_apart() -> None:
    ended = write(itertools.cycle([ord("a"), ord("b")]), thinking=True, budget=50, guard=True, room=3000)
    assert ended.steering.budget_spent and ended.steering.stopped_loop  # the answer ran in circles behind it
    assert ended.stream.thinking_tokens <= 50 + own(Words())
