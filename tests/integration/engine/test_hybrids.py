"""Models with a recurrent state: nothing is read twice but what the bound allows, and what is said is what a fresh
engine says.

The bound: another answer, another last question and the next turn evaluate at most what is new, the last visible answer
and 512 tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from qwen_desktop.core.engine import ChatMessage, FinishReason, GenerateRequest, ThinkingMode
from qwen_desktop.core.memory import CHECKPOINTS
from qwen_desktop.core.parts import Role, visible_text
from qwen_desktop.engine import kv_state
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama_context import APART, AbortedError, Context, Piece, Sequence, replay
from tests.near_ties import same_or_near

from .conftest import Engine, Files, WithEngine
from .in_process import Call, Steps, context, logits
from .talk import ask, assistant, system, user

BOUND = 512
KINDS = ("qwen35", "qwen35moe", "qwen3next")


def words(count: int, word: str = "word") -> str:
    return " ".join(f"{word}{index}" for index in range(count))


class Talk:
    """A conversation."""

    def __init__(self, steps: Steps, fresh: Context, key: str = "a", mode: ThinkingMode = ThinkingMode.AUTO) -> None:
        self.steps = steps
        self.key = key
        self.told: list[ChatMessage] = [system(words(40, key))]
        self._fresh = fresh
        self._mode = mode

    def count(self, message: ChatMessage) -> int:
        """Tokens of what is visible of it."""
        return len(self.steps.session.model.tokenize(visible_text(message.parts), special=False, begin=False))

    def request(self, *messages: ChatMessage, most: int = 12) -> GenerateRequest:
        told = (*self.told, *messages)
        return ask(*told, cache_key=self.key, max_tokens=most, lively=False, thinking=self._mode)

    def say(self, *messages: ChatMessage) -> Call:
        call = self.steps.ask(self.request(*messages))
        self.steps.run()
        assert call.result is not None
        return call

    def check(self, call: Call) -> None:
        """It says what a fresh context says."""
        assert call.made is not None and call.tokens
        same_or_near(self._fresh, call.made.prompt.tokens, call.tokens)


def evaluated(call: Call) -> int:
    """How many tokens the engine counted until the answer began."""
    assert call.result is not None
    stats = call.result.stats
    assert stats.evaluated_tokens == stats.prompt_tokens - stats.cached_tokens
    return stats.evaluated_tokens


@pytest.mark.parametrize(
    ("kind", "template", "mode", "rests"),  # others have their turn in tests/long
    [
        ("qwen35", "Qwen3.5", ThinkingMode.AUTO, True),
        ("qwen35moe", "Qwen3", ThinkingMode.DIRECT, True),
        ("qwen3next", "Qwen3.5", ThinkingMode.AUTO, False),
        ("qwen3next", "Qwen3-Coder", ThinkingMode.AUTO, True),
    ],
)
def test_turns_stay_within_the_bound(files: Files, kind: str, template: str, mode: ThinkingMode, rests: bool) -> None:
    """The next turn, another answer, another last question, and another version of an answer; with and without the time
    in which an ended turn is evaluated as the next prompt renders it."""
    path = files.hybrid(kind, template)
    steps, fresh = Steps(path, size=4096, chunk=64), context(path, size=4096, chunk=64)
    near = 40  # marks of turns, and what is read again since tokens may join
    rest = steps.session.idle if rests else lambda: None
    try:
        talk = Talk(steps, fresh, mode=mode)
        for turn in range(3):
            question, edited = user(words(30, f"question{turn}")), user(words(5, "edited"))
            call = talk.say(question)
            if turn:
                assert evaluated(call) <= talk.count(question) + talk.count(talk.told[-1]) + near
            if turn == 1 and rests:  # that answer stayed as it was
                assert evaluated(call) <= talk.count(question) + near
            rest()
            again = talk.say(question)  # another answer
            assert evaluated(again) <= near and again.tokens == call.tokens
            rest()
            other = talk.say(edited)
            assert evaluated(other) <= talk.count(edited) + near
            rest()
            call = talk.say(question)
            assert evaluated(call) <= talk.count(question) + near
            rest()
            if turn == 2:
                for each in (again, other, call):
                    talk.check(each)
                assert call.result is not None and call.result.recipe is not None
                same = steps.ask(replace(talk.request(question), again=call.result.recipe))
                steps.run()  # whose prompt was read in steps that ended at checkpoints
                assert same.result is not None and same.result.differs == () and same.tokens == call.tokens
            assert call.made is not None
            told = ChatMessage(Role.ASSISTANT, call.made.parts) if turn % 2 == 0 else assistant(words(30, "version"))
            talk.told += [question, told]
        sequence = steps.session.context.sequences[0]
        assert len(sequence.tokens) > 2 * BOUND and 3 <= len(sequence.checkpoints) <= CHECKPOINTS
    finally:
        steps.close()
        fresh.close()


def test_conversations_that_take_turns_keep_what_was_read(files: Files) -> None:
    """Streams are made one by one meanwhile, and what the sequences hold moves."""
    path = files.hybrid(template="Qwen3.5")
    steps, fresh = Steps(path, streams=3, size=2048), context(path, size=2048)
    try:
        talks = [Talk(steps, fresh, key) for key in "abc"]
        for turn in range(3):
            for number, talk in enumerate(talks):
                question = user(words(20 + number, f"question{turn}"))
                call = talk.say(question)
                assert not turn or evaluated(call) <= talk.count(question) + 24
                assert call.made is not None
                talk.told += [question, ChatMessage(Role.ASSISTANT, call.made.parts)]
                steps.session.idle()
        for talk in talks:
            *talk.told, question, _ = talk.told
            call = talk.say(question)
            assert evaluated(call) <= 24
            talk.check(call)
        assert len(steps.session.context.sequences) == 3
    finally:
        steps.close()
        fresh.close()


def test_what_conversations_begin_with_is_read_once(files: Files) -> None:
    path = files.hybrid(template="Qwen3.5")
    steps, fresh = Steps(path, streams=3, size=2048), context(path, size=2048)
    try:
        first, second = Talk(steps, fresh), Talk(steps, fresh)
        second.key = "b"
        first.say(user("One?"))
        first.told += [user("One?"), assistant("Yes.")]
        first.say(user(words(20)))
        call = second.say(user("Two?"))
        assert evaluated(call) <= 24
        second.check(call)
        assert [len(each.tokens) > 120 for each in steps.session.context.sequences] == [True, True]
    finally:
        steps.close()
        fresh.close()


def test_a_title_that_is_asked_for_in_between_costs_nothing(files: Files) -> None:
    """It is asked for behind the answer, in the conversation's own sequence, without thinking."""
    path = files.hybrid(template="Qwen3.5")
    steps, fresh = Steps(path, size=2048), context(path, size=2048)
    try:
        talk = Talk(steps, fresh)
        question, ask_for_it = user(words(60)), user("A title for this, please.")
        call = talk.say(question)
        steps.session.idle()
        assert call.made is not None
        answer = ChatMessage(Role.ASSISTANT, call.made.parts)
        title = steps.ask(replace(talk.request(question, answer, ask_for_it), thinking=ThinkingMode.DIRECT))
        steps.run()
        assert evaluated(title) <= talk.count(ask_for_it) + 40
        steps.session.idle()
        assert evaluated(talk.say(question, answer, user("And then?"))) <= 60
        assert evaluated(talk.say(question)) <= 24
        assert evaluated(talk.say(user("Another one?"))) <= 60
    finally:
        steps.close()
        fresh.close()


@pytest.mark.parametrize("after", [3, 12, 20])
def test_reading_that_was_ended_goes_on(files: Files, after: int) -> None:
    """A long prompt, stopped in the middle of a step: what was read up to the last checkpoint stays."""
    path = files.hybrid(template="Qwen3.5")
    steps, fresh = Steps(path, size=4096, chunk=64), context(path, size=4096, chunk=64)
    try:
        talk = Talk(steps, fresh)
        question = user(words(300))
        stopped = steps.ask(talk.request(question))
        for _ in range(after):
            steps.scheduler.step()
        evaluate, made = steps.session.context.evaluate, steps.session.context

        def ended(pieces: list[Piece]) -> tuple[int, ...]:
            stopped.cancelled = True
            made.flag.set()
            return evaluate(pieces)

        made.evaluate = ended  # type: ignore[method-assign, assignment]
        steps.scheduler.step()
        made.evaluate = evaluate  # type: ignore[method-assign]
        steps.run()
        assert stopped.result is not None and stopped.result.finish_reason is FinishReason.CANCELLED
        call = talk.say(question)
        talk.check(call)
        assert call.made is not None
        assert evaluated(call) <= len(call.made.prompt.tokens) - 64 * after + APART + 64
        assert after < 8 or evaluated(call) < len(call.made.prompt.tokens)
    finally:
        steps.close()
        fresh.close()


def test_an_answer_that_is_stopped_keeps_its_tokens(files: Files) -> None:
    """Nothing of it is read again when it goes on; the step of a token comes to its end."""
    path = files.hybrid(template="Qwen3-Coder")
    steps, fresh = Steps(path, size=1024), context(path, size=1024)
    try:
        talk = Talk(steps, fresh)
        question = user(words(20))
        call = steps.ask(talk.request(question, most=60))
        while call.made is None or len(call.tokens) < 8:
            steps.scheduler.step()
        work = steps.session.context.evaluate

        def stopping(pieces: list[Piece]) -> tuple[int, ...]:
            call.cancelled = True
            steps.gate.cancelled(call)
            return work(pieces)

        steps.session.context.evaluate = stopping  # type: ignore[method-assign, assignment]
        steps.run()
        steps.session.context.evaluate = work  # type: ignore[method-assign]
        assert 8 <= len(call.tokens) < 60
        on = replace(talk.request(question, ChatMessage(Role.ASSISTANT, call.made.parts)), go_on=True)
        more = steps.ask(on)
        steps.run()
        assert evaluated(more) <= 2
        assert more.made is not None
        same_or_near(fresh, call.made.prompt.tokens, more.made.tokens[len(call.made.prompt.tokens) :])
    finally:
        steps.close()
        fresh.close()


def asked_anew(talk: Talk, dice: random.Random) -> None:
    """The next turn, another last question or an earlier one, or the same again."""
    if dice.random() < 0.4 and len(talk.told) > 2:
        del talk.told[dice.randrange(1, len(talk.told)) :]
    if talk.told[-1].role is Role.USER:
        talk.told.pop()
    talk.told.append(user(words(dice.randrange(1, 12), f"q{dice.randrange(3)}")))


@pytest.mark.parametrize("seed", range(1))
def test_whatever_is_asked_the_answers_are_those_of_a_fresh_engine(files: Files, seed: int) -> None:
    """Turns, other answers, other questions, earlier ones, stops at any step, at the same time in three conversations
    that have one to three sequences, beside batches."""
    dice = random.Random(seed)
    path = files.hybrid(dice.choice(KINDS), dice.choice(("Qwen3.5", "Qwen3", "Qwen3-Coder")))
    shape = {"size": 700, "chunk": dice.choice((16, 64))}
    steps, fresh = Steps(path, streams=dice.choice((1, 2, 3)), cells=2000, **shape), context(path, **shape)
    talks = [Talk(steps, fresh, key) for key in "abc"]
    for talk in talks:
        talk.told = [system("Rules. " + words(dice.randrange(12)))]
    checked = 0
    try:
        for _ in range(16):
            calls: list[tuple[Talk, Call]] = []
            for talk in dice.sample(talks, dice.randrange(1, 4)):
                asked_anew(talk, dice)
                calls.append((talk, steps.ask(talk.request(most=dice.choice((1, 6, 20))))))
            for count in range(dice.choice((0, 0, 2))):
                steps.ask(ask(words(count + 3), max_tokens=3, lively=False, batch="b"))
            for _ in range(dice.randrange(20)):
                steps.scheduler.step()
            stopped = dice.choice(calls)[1]
            if dice.random() < 0.4 and not stopped.over:
                stopped.cancelled = True
                steps.gate.cancelled(stopped)
            steps.run()
            if dice.random() < 0.5:
                steps.session.idle()
            for talk, call in calls:
                assert call.result is not None
                if call.made is None or not call.tokens:
                    continue
                if dice.random() < 0.5:
                    talk.check(call)
                    checked += 1
                if call.made.parts and dice.random() < 0.7:
                    talk.told.append(ChatMessage(Role.ASSISTANT, call.made.parts))
        assert checked > 5
    finally:
        steps.close()
        fresh.close()


@pytest.mark.parametrize("kind", ["qwen35", "qwen3next"])
def test_after_a_restart_the_bound_holds_too(files: Files, with_engine: WithEngine, tmp_path: Path, kind: str) -> None:
    """Workers that are started anew, with what an earlier one kept on the disk."""
    path = files.hybrid(kind, "Qwen3.5")
    how: dict[str, Any] = {"context": 2048, "cache_folder": str(tmp_path), "cache_bytes": 1 << 26, "threads": 1}
    question, answer = user(words(90, "question")), ChatMessage(Role.ASSISTANT, ())
    near = 40

    def request(*messages: ChatMessage) -> GenerateRequest:
        return ask(system(words(40)), *messages, cache_key="a", keep=True, max_tokens=12, lively=False)

    said: list[str] = []

    async def talk(engine: Engine) -> None:
        nonlocal answer
        found = await engine.answer(request(question))
        assert found.stats.cached_tokens == 0 and found.stats.evaluated_tokens > BOUND
        said.append(found.text + found.thinking)
        answer = assistant(words(10, "answer"))

    async def another_answer(engine: Engine) -> None:
        found = await engine.answer(request(question))
        assert found.stats.evaluated_tokens <= near and found.stats.restored_tokens > BOUND
        assert found.text + found.thinking == said[0]

    async def another_question(engine: Engine) -> None:
        found = await engine.answer(request(user("Another one?")))
        assert found.stats.evaluated_tokens <= near and found.stats.restored_tokens > 0

    async def the_next_turn(engine: Engine) -> None:
        found = await engine.answer(request(question))  # what the other question had in its place is there again
        found = await engine.answer(request(question, answer, user("And then?")))
        assert found.stats.evaluated_tokens <= near + 10 * len("answer0 ")

    for turn in (talk, another_answer, another_question, the_next_turn):
        with_engine(path, turn, **how)


# A context by itself ---------------------------------------------------------------------------------------------


class Walk:
    """Random things done to the sequences of a context whose model has a recurrent state."""

    def __init__(self, made: Context, dice: random.Random) -> None:
        self._made = made
        self._dice = dice

    def append(self, sequence: Sequence) -> None:
        room = min(sequence.size - len(sequence.tokens) - 2, self._dice.choice((1, 1, 9, 40, 90)))
        if room > 0:
            prompt = sequence.tokens + [self._dice.randrange(300, 600) for _ in range(room)]
            stops = {self._dice.randrange(len(prompt)) for _ in range(self._dice.randrange(4))}
            sequence.stops = tuple(sorted(stops))
            self._made.read(sequence, prompt)

    def write(self, sequence: Sequence) -> None:
        for _ in range(min(sequence.size - len(sequence.tokens) - 2, self._dice.randrange(9))):
            self._made.evaluate((Piece(sequence, (self._dice.randrange(300, 600),)),))

    def edit(self, sequence: Sequence) -> None:
        if sequence.tokens:
            at = self._dice.randrange(len(sequence.tokens) + 1)
            held, reach = list(sequence.tokens), sequence.reach(at)
            assert sequence.reuse([*held[:at], 1, 2]) == reach == len(sequence.tokens)
            assert sequence.tokens == held[:reach]

    def keep(self, sequence: Sequence) -> None:
        kept = self._made.checkpoint(sequence)
        assert (kept is None) == (not sequence.tokens)

    def copy(self, sequence: Sequence) -> None:
        source = self._dice.choice(self._made.sequences)
        if source is not sequence and source.tokens:
            sequence.forget()
            length = self._dice.choice((None, self._dice.randrange(1, len(source.tokens) + 1)))
            reach = len(source.tokens) if length is None else source.reach(length)
            assert kv_state.copy(source, sequence, length) == bool(reach)
            assert sequence.tokens == source.tokens[:reach]

    def resize(self, _sequence: Sequence) -> None:
        before = [list(each.tokens) for each in self._made.sequences]
        self._made.resize(self._dice.randrange(2, 5))
        kept = min(len(before), len(self._made.sequences))
        assert [each.tokens for each in self._made.sequences[:kept]] == before[:kept]

    def abort(self, sequence: Sequence) -> None:
        others = [each for each in self._made.sequences if len(each.tokens) + 9 < each.size and each is not sequence]
        taking = [sequence, *self._dice.sample(others, self._dice.randrange(len(others) + 1))]
        if len(sequence.tokens) + 9 < sequence.size:
            before = {each: list(each.tokens) for each in self._made.sequences}
            self._made.flag.set()
            with pytest.raises(AbortedError):
                self._made.evaluate([Piece(each, (7,) * self._dice.randrange(1, 4)) for each in taking])
            self._made.flag.clear()
            for each, tokens in before.items():
                assert each.tokens == tokens[: len(each.tokens)]
                assert each in taking or len(taking) > 1 or each.tokens == tokens


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flash", ["off", "on"])
@pytest.mark.parametrize("seed", range(2))
def test_any_way_to_the_same_steps_gives_the_same_state(files: Files, kind: str, flash: str, seed: int) -> None:
    """However its tokens came there, a sequence that was evaluated by itself gives, bit for bit, the logits that a
    fresh context gives after the same steps; checkpoints are few, in order, and of tokens that are there."""
    dice = random.Random(f"{kind}{flash}{seed}")
    made = context(files.hybrid(kind), streams=2, flash=flash, size=300)
    fresh = context(files.hybrid(kind), flash=flash, size=300)
    walk = Walk(made, dice)
    ways: tuple[Callable[[Sequence], None], ...] = (
        walk.append, walk.append, walk.append, walk.write, walk.edit, walk.edit, walk.keep, walk.copy, walk.resize,
        walk.abort,
    )  # fmt: skip
    try:
        for _ in range(60):
            dice.choice(ways)(dice.choice(made.sequences))
            for each in made.sequences:
                held = api.llama_memory_seq_pos_max(api.llama_get_memory(made.pointer), each.number) + 1
                places = [kept.position for kept in each.checkpoints]
                assert held == len(each.tokens) and len(places) <= CHECKPOINTS
                assert places == sorted(set(places)) and all(0 < place <= held for place in places)
        for each in made.sequences:
            if each.tokens and each.alone:
                steps, tokens = each.all_steps(), list(each.tokens)
                row = made.evaluate((Piece(each, (5,)),))[0]
                found = logits(made, row)
                one = fresh.sequences[0]
                one.forget()
                for piece in replay(lambda: fresh.sequences[0], tokens, steps):
                    fresh.evaluate((piece,))
                assert one.tokens == tokens
                assert found == logits(fresh, fresh.evaluate((Piece(one, (5,)),))[0])
    finally:
        made.close()
        fresh.close()


def test_what_costs_least_to_read_again_is_dropped(files: Files) -> None:
    """Few states are kept, and they are large: the last one, where a sequence stops, and those far from each other."""
    made = context(files.hybrid(), chunk=16)
    try:
        sequence = made.sequences[0]
        prompt = [300 + index % 200 for index in range(400)]
        for length, stops in ((20, (10,)), (200, (100, 110)), (390, (300, 310, 320))):
            sequence.stops = stops
            made.read(sequence, prompt[:length])
        made.checkpoint(sequence)
        assert [each.position for each in sequence.checkpoints] == [100, 300, 310, 320, 390]
        assert made.checkpoint(sequence) is sequence.checkpoints[-1]
        made.evaluate((Piece(sequence, prompt[390:]),))
        sequence.stops = ()
        made.checkpoint(sequence)
        assert [each.position for each in sequence.checkpoints] == [100, 300, 320, 390, 400]
    finally:
        made.close()


def test_where_there_is_no_memory_for_a_state_it_is_not_kept(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    made = context(files.hybrid(), chunk=16)
    try:
        sequence = made.sequences[0]
        sequence.stops = (20,)
        monkeypatch.setattr(kv_state, "bytes", lambda _size: (_ for _ in ()).throw(MemoryError), raising=False)
        made.read(sequence, [300] * 50)
        assert len(sequence.tokens) == 50 and not sequence.checkpoints
        assert sequence.reuse([300] * 30) == 0
    finally:
        made.close()
