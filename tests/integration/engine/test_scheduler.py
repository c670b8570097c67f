"""Answers made side by side in steps: who computes when, what a cancel touches, and batches."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from qwen_desktop.core.engine import FinishReason, GenerateRequest, LoadRequest, PromptProgress, Recipe
from qwen_desktop.engine import kv_state
from qwen_desktop.engine.gate import Gate
from qwen_desktop.engine.llama import Flag
from qwen_desktop.engine.llama_context import Context, DecodeError
from qwen_desktop.engine.load import load
from qwen_desktop.engine.scheduler import Scheduler
from qwen_desktop.hardware import memory
from tests.near_ties import same_or_near

from .conftest import Engine, Files, WithEngine
from .in_process import Call, Steps, context, library
from .talk import ask, assistant, user


def long(word: str, count: int = 60) -> str:
    return f"{word} " * count


@pytest.mark.parametrize("seed", range(15))
def test_any_schedule_ends_and_answers_all(files: Files, seed: int) -> None:
    """Conversations and batches arrive and are cancelled at random steps, with plenty of memory and with little."""
    dice = random.Random(seed)
    memory = {"streams": dice.choice((1, 2, 4)), "cells": dice.choice((0, 300, 700, 5000))}
    path = files.hybrid() if seed >= 12 else files.small()
    steps = Steps(path, **memory, border=dice.choice((0, 60)), size=400)
    steps.session.batch_width = dice.choice((2, 4, 16))
    try:
        calls: list[tuple[GenerateRequest, Call]] = []
        for _ in range(25):
            for _ in range(dice.randrange(3)):
                batch = dice.choice(("", "", "a", "a", "b"))
                words = long(dice.choice("xyz"), dice.randrange(1, 70)) + str(dice.random())
                request = ask(words, max_tokens=dice.choice((1, 5, 40)), batch=batch, lively=dice.random() < 0.5)
                calls.append((request, steps.ask(request)))
            for _ in range(dice.randrange(6)):
                steps.scheduler.step()
            if calls and dice.random() < 0.3:
                dice.choice(calls)[1].cancelled = True
        steps.run()
        for request, call in calls:
            assert call.error is None and call.result is not None
            reason = call.result.finish_reason
            assert reason in (FinishReason.LENGTH, FinishReason.STOP) or (call.cancelled and reason == "cancelled")
            if reason is FinishReason.LENGTH:
                assert call.result.stats.completion_tokens == request.max_tokens
        assert not steps.scheduler.busy
    finally:
        steps.close()


@pytest.mark.parametrize("kind", ["small", "hybrid"])
def test_text_is_that_of_the_answer_alone_or_differs_at_a_near_tie(files: Files, kind: str) -> None:
    """The promise for answers that share their steps with others."""
    path = getattr(files, kind)()
    alone = Steps(path, size=400)
    requests = [ask(f"question {i} {long('word', i * 3)}", max_tokens=30, lively=False) for i in range(9)]
    expected = [alone.answer(request) for request in requests]
    together = Steps(path, streams=4, size=400)
    many = Steps(path, cells=4000, size=400)
    try:
        runs = [
            [together.ask(request) for request in requests],
            [many.ask(ask(*request.messages, max_tokens=30, lively=False, batch="all")) for request in requests],
        ]
        together.run()
        many.run()
        for calls in runs:
            for first, call in zip(expected, calls, strict=True):
                assert call.result is not None
                assert call.result.stats.completion_tokens == first.stats.completion_tokens == 30
                assert first.recipe is not None and first.recipe.alone
                assert call.made is not None
                same_or_near(alone.session.context, call.made.prompt.tokens, call.tokens)
        assert len(together.session.context.sequences) == 4
        assert many.session.context.sequences[0].tokens == []  # the batch had a context of its own
    finally:
        for each in (alone, together, many):
            each.close()


def test_a_batch_gives_way_and_shares_its_beginning(files: Files) -> None:
    steps = Steps(files.small(), cells=6000, size=600)
    try:
        shared = user(long("the same beginning", 8))
        batch = [steps.ask(ask(shared, assistant("yes"), user(f"{i}"), max_tokens=40, batch="b")) for i in range(16)]
        while not all(call.events for call in batch):
            steps.scheduler.step()
        talk = steps.ask(ask("hello", max_tokens=30))
        before = [len(call.events) for call in batch]
        while not talk.over:
            steps.scheduler.step()
        assert [len(call.events) for call in batch] == before  # nobody of them had a turn
        steps.run()
        prompt = batch[0].result.stats.prompt_tokens  # type: ignore[union-attr]
        read = sum(call.result.stats.prompt_tokens - call.result.stats.cached_tokens for call in batch[1:])  # type: ignore[union-attr]
        assert read < 15 * prompt / 5  # the others read only what is theirs
    finally:
        steps.close()


def test_the_memory_of_a_batch_is_none_of_what_the_model_takes(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates learn from it, with how many tokens of the context were used for it."""
    steps = Steps(files.small(), cells=6000, size=600)
    taken = 1000
    monkeypatch.setattr(steps.session.model, "resident_bytes", lambda _base: taken)
    try:
        before = steps.answer(ask("hello", max_tokens=5)).stats
        batch = [steps.ask(ask(f"{i}", max_tokens=40, batch="b")) for i in range(4)]
        while not all(call.events for call in batch):
            steps.scheduler.step()
        taken = 5000
        talk = steps.answer(ask("hello again", max_tokens=30)).stats  # the batch goes on behind it
        steps.scheduler.rest()
        taken = 1200
        after = steps.answer(ask("hello", max_tokens=5)).stats
        figures = [(stats.resident_bytes, stats.context_most) for stats in (before, talk, after)]
        assert figures == [(1000, before.context_used), (1000, before.context_used), (1200, talk.context_used)]
    finally:
        steps.close()


@pytest.mark.parametrize(("given", "rows"), [(4, 4), (None, 16)])
def test_a_batch_is_as_wide_as_the_load_says(files: Files, given: int | None, rows: int) -> None:
    request = LoadRequest(files.small(), context=300, batch_rows=given)
    session = load(library(), request, Flag(), lambda _part, _total: True, base=memory.resident())
    scheduler = Scheduler(session, Gate(session.context.flag))
    steps, evaluate = [], Context.evaluate

    def counted(context: Context, pieces: Any) -> tuple[int, ...]:
        steps.append(len(pieces))
        return evaluate(context, pieces)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "evaluate", counted)
        calls = [Call() for _ in range(20)]
        for number, call in enumerate(calls):
            scheduler.add(ask(f"{number}", max_tokens=6, batch="b"), call, time.monotonic())
        while scheduler.busy:
            scheduler.step()
    assert all(call.result is not None for call in calls)
    assert max(steps) == rows
    scheduler.rest()
    session.release().close()


def test_a_step_of_a_batch_is_not_begun_while_somebody_waits(files: Files) -> None:
    steps = Steps(files.small(), cells=3000, size=400)
    try:
        calls = [steps.ask(ask(f"{i}", max_tokens=20, batch="b")) for i in range(4)]
        while not all(call.events for call in calls):
            steps.scheduler.step()
        before = [len(call.events) for call in calls]
        steps.gate.arrived()  # on its way from the reader's thread
        for _ in range(5):
            steps.scheduler.step()
        assert [len(call.events) for call in calls] == before
        steps.gate.taken()
        steps.run()
        assert all(call.result is not None for call in calls)
    finally:
        steps.close()


def test_a_cancelled_answer_leaves_the_others_as_they_are(files: Files) -> None:
    def run(*, cancel: bool) -> list[str]:
        steps = Steps(files.small(), streams=3, size=400)
        try:
            calls = [steps.ask(ask(f"{i}", max_tokens=300, cache_key=str(i), lively=False)) for i in range(3)]
            while not all(call.events for call in calls):
                steps.scheduler.step()
            calls[1].cancelled = cancel
            steps.scheduler.step()
            assert calls[1].over is cancel
            steps.run()
            return [call.text for call in calls]
        finally:
            steps.close()

    whole, cut = run(cancel=False), run(cancel=True)
    assert whole[1].startswith(cut[1]) and len(cut[1]) < len(whole[1])
    assert len(cut[0]) == len(whole[0]) and len(cut[2]) == len(whole[2])


def test_conversations_keep_what_was_read_where_there_is_memory(files: Files) -> None:
    """One conversation has one stream; a second one gets its own, with the first one's tokens still there."""
    steps = Steps(files.small(), streams=2, size=400)
    try:
        talks: dict[str, list[object]] = {}

        def say(key: str, text: str) -> int:
            told = talks.setdefault(key, [])
            told.append(user(text))
            request = ask(*told, max_tokens=8, cache_key=key)  # type: ignore[arg-type]
            call = steps.ask(request)
            steps.run()
            assert call.result is not None
            told.append(assistant(call.text))
            return call.result.stats.prompt_tokens - call.result.stats.cached_tokens

        say("a", long("first", 12))
        assert len(steps.session.context.sequences) == 1
        say("b", long("second", 12))
        assert len(steps.session.context.sequences) == 2
        steps.session.idle()
        for key in ("a", "b", "a", "b"):
            assert say(key, "more") < 40
            steps.session.idle()
        say("c", long("third", 12))  # no more memory: the one that was used least recently goes
        assert len(steps.session.context.sequences) == 2
        steps.session.idle()
        assert say("b", "more") < 40
        steps.session.idle()
        assert say("a", "more") > 40
    finally:
        steps.close()


def test_a_new_conversation_takes_the_beginning_that_another_one_has_read(files: Files) -> None:
    steps = Steps(files.small(), streams=4, size=400)
    try:
        begins = long("instructions for all", 9)
        steps.answer(ask(f"{begins} and one", max_tokens=5, cache_key="a"))
        found = steps.answer(ask(f"{begins} or another", max_tokens=5, cache_key="b"))
        assert found.stats.cached_tokens > 90
        assert found.recipe is not None and found.recipe.alone
        first = steps.session.context.sequences[0]
        assert first.key == "a" and len(first.tokens) > found.stats.cached_tokens  # it has lost nothing
    finally:
        steps.close()


def test_conversations_begin_with_flash_attention_and_go_over_where_it_gets_slower(files: Files) -> None:
    """What was read and written before the border is still there behind it, and a short talk keeps the long one's."""
    steps = Steps(files.small(), cells=1000, border=90, streams=2, size=500)
    try:
        told = [user("hello")]
        short = steps.answer(ask(*told, max_tokens=20, cache_key="a", lively=False))
        assert short.recipe is not None and short.recipe.flash_tokens == short.recipe.evaluated > 30
        assert steps.session.context.sequences[0].tokens == []
        call = steps.ask(ask(*told, max_tokens=150, cache_key="a", lively=False))
        steps.run()
        assert call.result is not None and call.result.recipe is not None
        assert call.result.recipe.flash_tokens == 90 < call.result.recipe.evaluated
        assert call.result.recipe.alone
        told += [assistant(call.text), user("and on")]
        steps.session.idle()
        other = steps.answer(ask("a short one", max_tokens=5, cache_key="b"))
        assert other.recipe is not None and other.recipe.flash_tokens == other.recipe.evaluated
        after = steps.answer(ask(*told, max_tokens=5, cache_key="a"))
        assert after.stats.prompt_tokens - after.stats.cached_tokens < 40
    finally:
        steps.close()


@pytest.mark.parametrize("seed", range(3))
def test_values_turned_over_are_the_same_ones(files: Files, seed: int) -> None:
    """Turned twice, a state is the same; turned once, it is what the other kind of context takes and gives."""
    dice = random.Random(seed)
    tokens = [dice.randrange(300, 600) for _ in range(dice.randrange(1, 70))]
    rows, columns = context(files.small(), flash="on"), context(files.small(), streams=3)
    try:
        rows.read(rows.sequences[0], tokens)
        state = kv_state.take(rows.sequences[0])
        assert state and kv_state.turned(kv_state.turned(state)) == state
        assert kv_state.copy(rows.sequences[0], columns.sequences[0])
        assert kv_state.take(columns.sequences[0])[12:] == kv_state.turned(state)[12:]
        for cut in (0, 11, 12, 20, len(state) // 2, len(state) - 1):  # not a state: refused, nothing happens
            assert kv_state.turned(state[:cut]) == b""
            assert not kv_state.give(columns.sequences[2], state[:cut])
    finally:
        rows.close()
        columns.close()


# Made again ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kv_type", "flash", "border"), [("f16", "off", 0), ("q8_0", "on", 0), ("f16", "off", 90)])
@pytest.mark.parametrize("seed", range(3))
def test_an_answer_is_made_again_exactly(files: Files, kv_type: str, flash: str, border: int, seed: int) -> None:
    """After any history, and in another process's context: the same tokens, and nothing differs."""
    dice = random.Random(seed)
    shape: dict[str, Any] = {"size": 500, "kv_type": kv_type, "flash": flash, "cells": 1000, "border": border}
    steps = Steps(files.small(), streams=2, **shape)
    other = Steps(files.small(), streams=1, **shape)
    try:
        told = []
        for number in range(4):
            told.append(user(long(str(dice.random())[:5], dice.randrange(1, 12))))
            request = ask(*told, max_tokens=dice.randrange(1, 40), cache_key="a", seed=number)
            call = steps.ask(request)
            steps.run()
            assert call.result is not None
            recipe = call.result.recipe
            assert recipe is not None and recipe.alone
            for where in (other, steps):
                again = where.ask(ask(*told, again=recipe, cache_key="z"))
                where.run()
                assert again.result is not None
                assert again.result.differs == ()
                assert again.text == call.text
                assert again.result.recipe == recipe
            told.append(assistant(call.text))
            steps.session.idle()
    finally:
        steps.close()
        other.close()


def test_what_differs_is_named(files: Files) -> None:
    steps = Steps(files.small(), size=400)
    other = Steps(files.small(), size=400, flash="on", kv_type="q8_0")
    try:
        recipe = steps.answer(ask("tell me", max_tokens=10)).recipe
        assert recipe is not None
        found = other.answer(ask("tell me", again=recipe)).differs
        assert {text.code for text in found} == {"again.flash_tokens", "again.kv_type"}
        found = steps.answer(ask("tell me more", again=recipe)).differs
        assert {text.code for text in found} == {"again.prompt_sha256", "again.read"}
        assert all(str(text).endswith(".") for text in found)
        shared = Recipe(**{name: getattr(recipe, name) for name in Recipe.__struct_fields__} | {"alone": False})
        assert [text.code for text in steps.answer(ask("tell me", again=shared)).differs] == ["again.alone"]
    finally:
        steps.close()
        other.close()


def test_an_answer_that_shares_its_steps_says_so(files: Files) -> None:
    steps = Steps(files.small(), streams=2, size=400)
    try:
        calls = [steps.ask(ask(f"{i}", max_tokens=300, cache_key=str(i), lively=False)) for i in range(2)]
        steps.run()
        recipes = [call.result.recipe for call in calls if call.result is not None]
        assert [recipe.alone for recipe in recipes if recipe is not None] == [False, False]
        again = steps.answer(ask("0", again=recipes[0]))
        assert [text.code for text in again.differs] == ["again.alone"]
        assert again.recipe is not None and again.recipe.alone
    finally:
        steps.close()


def test_a_long_prompt_beside_an_answer_takes_turns_with_it(files: Files) -> None:
    steps = Steps(files.small(), streams=2, size=2048, chunk=32)
    try:
        talk = steps.ask(ask("hello", max_tokens=1900, cache_key="a", lively=False))
        while not talk.events:
            steps.scheduler.step()
        reader = steps.ask(ask(long("x", 700), max_tokens=2, cache_key="b"))
        seen = 0
        while not reader.over:
            before = len(talk.events)
            steps.scheduler.step()
            seen += len(talk.events) > before
        assert seen >= 1  # the other one went on meanwhile: a frame per 16 ms at most
        assert not talk.over
        assert any(isinstance(event, PromptProgress) for event in reader.events)
    finally:
        steps.close()


def test_what_llama_cpp_refuses_fails_alone_and_the_next_answer_works(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(files.small(), size=400)
    try:
        evaluate = steps.session.context.evaluate
        monkeypatch.setattr(steps.session.context, "evaluate", _refuse)
        call = steps.ask(ask("hello", max_tokens=5))
        steps.run()
        assert call.error is not None and "go on computing" in str(call.error)
        monkeypatch.setattr(steps.session.context, "evaluate", evaluate)
        assert steps.answer(ask("hello", max_tokens=5)).stats.completion_tokens == 5
    finally:
        steps.close()


def _refuse(_pieces: object) -> tuple[int, ...]:
    raise DecodeError(-1)


def test_a_real_worker_answers_side_by_side(files: Files, with_engine: WithEngine) -> None:
    """Conversations, a batch, counting and a stop at once: each gets what is its own."""

    async def test(engine: Engine) -> None:
        async def said(request: GenerateRequest, stop_after: int | None = None) -> tuple[int, FinishReason]:
            events = 0
            async with engine.engine.generate(request) as run:
                async for _ in run:
                    events += 1
                    if events == stop_after:
                        await run.stop()
            return run.result.stats.completion_tokens, run.result.finish_reason

        talks = [said(ask(f"{i}", max_tokens=50 + i, cache_key=str(i), lively=False)) for i in range(3)]
        batch = [said(ask(f"{i}", max_tokens=10 + i, batch="b", lively=False)) for i in range(20)]
        stopped = said(ask("talk", max_tokens=1500, lively=False), stop_after=1)
        counted = engine.engine.count_tokens(ask("how many"))
        *found, (number, exact) = await asyncio.gather(*talks, *batch, stopped, counted)
        assert number > 0 and exact
        wanted = [*(50 + i for i in range(3)), *(10 + i for i in range(20))]
        assert found[:-1] == [(count, FinishReason.LENGTH) for count in wanted]
        assert found[-1][1] is FinishReason.CANCELLED and found[-1][0] < 1500

    with_engine(files.small(), test)
