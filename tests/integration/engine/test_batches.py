"""Batches at their limits: few cells, other prompts than the first ones, one request alone, others beside them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from qwen_desktop.core.engine import FinishReason
from qwen_desktop.engine import batch, scheduler
from qwen_desktop.engine.llama_context import Context, ContextError

from .conftest import Files
from .in_process import Steps
from .talk import ask, assistant, user


def long(word: str, count: int) -> str:
    return f"{word} " * count


def counted(steps: Steps) -> list[int]:
    """Step to the end; how many answers of a batch were under way at each step that computed."""
    found: list[int] = []
    while steps.scheduler.busy:
        assert len(found) < 20_000
        steps.scheduler.step()
        found += [len(each.jobs) for each in steps.scheduler._batches.values() if each.jobs]
    return found


@pytest.mark.parametrize("cells", [100_000, 500])
def test_those_that_come_later_are_answered_side_by_side_too(files: Files, cells: int) -> None:
    """What all begin with is longer than what is their own, and more come than have a place at once."""
    steps = Steps(files.small(), cells=cells, size=400)
    steps.session.batch_width = 4
    try:
        shared = user(long("the same beginning", 12))
        requests = [
            ask(shared, assistant("yes"), user(f"{i}"), max_tokens=9 + i % 3, batch="b", lively=False)
            for i in range(24)
        ]
        calls = [steps.ask(request) for request in requests]
        widths = counted(steps)
        for request, call in zip(requests, calls, strict=True):
            assert call.result is not None and call.result.stats.completion_tokens == request.max_tokens
        assert sum(widths) / len(widths) > 2.5
    finally:
        steps.close()


def test_an_answer_that_begins_differently_has_the_cells_of_the_beginning(files: Files) -> None:
    """It needs all the cells there are, of which the others' common beginning still has some."""
    steps = Steps(files.small(), cells=100_000, size=1024)
    steps.session.batch_width = 2
    try:
        shared = user(long("the same beginning", 14))
        calls = [steps.ask(ask(shared, assistant("yes"), user(f"{i}"), max_tokens=90, batch="b")) for i in range(2)]
        while not all(call.events for call in calls):
            steps.scheduler.step()
        own = steps.scheduler._batches["b"].context
        assert own is not steps.session.context
        last = steps.ask(ask("other", max_tokens=own.size - 40, batch="b", lively=False))
        steps.run()
        assert steps.scheduler._batches["b"].context is own
        assert last.error is None and last.result is not None
        assert last.result.stats.completion_tokens == own.size - 40
    finally:
        steps.close()


def test_ended_answers_give_their_cells_back(files: Files) -> None:
    """Cells for two of them only; the short ones end first, and their cells are the long one's."""
    steps = Steps(files.small(), cells=512, size=400)
    steps.session.batch_width = 4
    try:
        lengths = (100, 100, 100, 300)
        calls = [steps.ask(ask(str(i), max_tokens=n, batch="b", lively=False)) for i, n in enumerate(lengths)]
        steps.run()
        assert [call.error for call in calls] == [None] * 4
        assert [call.result.stats.completion_tokens for call in calls if call.result] == list(lengths)
    finally:
        steps.close()


def test_a_request_that_came_alone_does_not_keep_the_others_apart(files: Files) -> None:
    steps = Steps(files.small(), cells=100_000, size=400)
    try:
        first = steps.ask(ask("0", max_tokens=30, batch="b"))
        while not first.events:
            steps.scheduler.step()
        calls = [steps.ask(ask(str(i), max_tokens=20, batch="b", lively=False)) for i in range(1, 9)]
        assert max(counted(steps)) == 8
        assert all(call.result is not None for call in (first, *calls))
    finally:
        steps.close()


def test_a_batch_can_be_stopped_while_others_are_answered(files: Files) -> None:
    steps = Steps(files.small(), cells=100_000, size=400)
    try:
        calls = [steps.ask(ask(str(i), max_tokens=30, batch=name)) for name in "ab" for i in range(4)]
        while not all(call.events for call in calls[:4]):
            steps.scheduler.step()
        talk = steps.ask(ask("hello", max_tokens=300, lively=False))
        for call in calls:
            call.cancelled = True
        steps.scheduler.step()
        assert not talk.over
        assert [call.result.finish_reason for call in calls if call.result] == [FinishReason.CANCELLED] * 8
        steps.run()
        assert talk.result is not None and talk.result.stats.completion_tokens == 300
    finally:
        steps.close()


def test_a_batch_that_has_ended_keeps_no_memory_from_the_next_one(files: Files) -> None:
    steps = Steps(files.small(), cells=100_000, size=400)
    try:
        contexts = []
        for name in "abc":
            calls = [steps.ask(ask(str(i), max_tokens=4, batch=name)) for i in range(4)]
            steps.run()
            contexts.append(steps.scheduler._batches[name].context)
            assert all(call.result is not None for call in calls)
        assert [bool(context.pointer) for context in contexts] == [False, False, True]
    finally:
        steps.close()


def test_a_sequence_that_was_taken_away_is_not_the_batchs_any_more(files: Files) -> None:
    """One by one, in the conversations' context: what a conversation has read there stays when the batch is stopped."""
    steps = Steps(files.small(), size=400)
    try:
        single = steps.ask(ask(long("a", 30), max_tokens=200, batch="b", lively=False))
        while not single.text:
            steps.scheduler.step()
        request = ask(long("talk", 30), max_tokens=5, cache_key="talk")
        talk = steps.ask(request)
        while not talk.text:
            steps.scheduler.step()
        single.cancelled = True
        steps.run()
        assert talk.result is not None
        assert single.result is not None and single.result.recipe is not None
        assert not single.result.recipe.alone and single.result.stats.context_used == 0
        steps.session.idle()
        found = steps.answer(request).stats
        assert found.cached_tokens == talk.result.stats.prompt_tokens - 1
    finally:
        steps.close()


def test_an_answer_among_others_cells_does_not_claim_that_it_can_be_made_again(files: Files) -> None:
    steps = Steps(files.small(), cells=100_000, size=400)
    try:
        calls = [steps.ask(ask(word + long(word, 40), max_tokens=8, batch="b")) for word in "ab"]
        while steps.scheduler._batches["b"].context is steps.session.context:
            steps.scheduler.step()
        calls[1].cancelled = True
        steps.run()
        result = calls[0].result
        assert result is not None and result.recipe is not None and not result.recipe.alone
    finally:
        steps.close()


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A batch's context is not ready before this is set: a large one takes seconds."""
    ready = threading.Event()

    def made(*how: Any) -> Context:
        assert ready.wait(60)
        return Context(*how)

    monkeypatch.setattr(batch, "Context", made)
    yield ready
    ready.set()


def making(steps: Steps) -> None:
    """Step until the batch's context is being made."""
    while not steps.session.beside:
        steps.scheduler.step()


def test_a_conversation_does_not_wait_for_a_batchs_context(files: Files, slowly: threading.Event) -> None:
    """Nor does it take memory for a further sequence meanwhile."""
    steps = Steps(files.small(), streams=4, cells=100_000, size=400)
    try:
        steps.scheduler._spare = True
        calls = [steps.ask(ask(str(i), max_tokens=20, batch="b", lively=False)) for i in range(4)]
        making(steps)
        talks = [steps.ask(ask("hello", max_tokens=20, cache_key=key, lively=False)) for key in "xy"]
        while not all(talk.over for talk in talks):
            steps.scheduler.step()
        assert all(talk.result is not None and talk.result.stats.completion_tokens == 20 for talk in talks)
        assert len(steps.session.context.sequences) == 1
        assert not any(call.events for call in calls)
        slowly.set()
        steps.run()
        assert [call.result.stats.completion_tokens for call in calls if call.result] == [20] * 4
        assert steps.scheduler._batches["b"].context is not steps.session.context
        again = [steps.ask(ask("hello", max_tokens=2, cache_key=key, lively=False)) for key in "xy"]
        steps.run()
        assert all(talk.result is not None for talk in again)
        assert len(steps.session.context.sequences) == 2
    finally:
        slowly.set()
        steps.close()


def test_a_batch_can_be_stopped_and_closed_while_its_context_is_being_made(
    files: Files, slowly: threading.Event
) -> None:
    steps = Steps(files.small(), cells=100_000, size=400)
    try:
        calls = [steps.ask(ask(str(i), max_tokens=20, batch="b")) for i in range(4)]
        making(steps)
        for call in calls:
            call.cancelled = True
        steps.run()
        assert [call.result.finish_reason for call in calls if call.result] == [FinishReason.CANCELLED] * 4
        slowly.set()
        steps.scheduler.rest()
        assert not steps.session.beside and not steps.session.sequences.making
        later = steps.ask(ask("0", max_tokens=5, batch="b", lively=False))
        steps.run()
        assert later.result is not None and later.result.stats.completion_tokens == 5
    finally:
        slowly.set()
        steps.close()


def test_a_batch_whose_context_cannot_be_made_is_answered_one_by_one(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_how: Any) -> Context:
        raise ContextError

    monkeypatch.setattr(batch, "Context", none)
    steps = Steps(files.small(), cells=100_000, size=400)
    try:
        calls = [steps.ask(ask(str(i), max_tokens=9, batch="b", lively=False)) for i in range(4)]
        steps.run()
        assert [call.result.stats.completion_tokens for call in calls if call.result] == [9] * 4
        assert not steps.session.beside and not steps.session.sequences.making
    finally:
        steps.close()


def test_a_conversation_beside_a_batch_finds_a_sequence_ready(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made when conversations have rested, not when one is waited for; none more than that, and none alone."""
    monkeypatch.setattr(scheduler, "_SPARE_S", 0.2)
    steps = Steps(files.small(), streams=3, cells=100_000, size=400)
    try:
        first = ask("hello", max_tokens=5, cache_key="x", lively=False)
        steps.answer(first)
        steps.answer(first)
        assert len(steps.session.context.sequences) == 1
        calls = [steps.ask(ask(str(i), max_tokens=300, batch="b", lively=False)) for i in range(60)]
        making(steps)
        assert len(steps.session.context.sequences) == 1
        while not steps.scheduler._spare:
            steps.scheduler.step()
        assert len(steps.session.context.sequences) == 2
        monkeypatch.setattr(steps.session.sequences, "_further", lambda: pytest.fail("it is waited for"))
        talk = steps.ask(ask("good day", max_tokens=5, cache_key="y", lively=False))
        while not talk.over:
            steps.scheduler.step()
        assert talk.result is not None and talk.result.stats.completion_tokens == 5
        assert not steps.scheduler._spare
        again = steps.ask(first)
        while not again.over:
            steps.scheduler.step()
        assert again.result is not None and again.result.stats.cached_tokens > 0
        for call in calls:
            call.cancelled = True
        steps.run()
    finally:
        steps.close()
