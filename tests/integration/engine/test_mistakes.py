"""When the engine itself goes wrong: memory that is gone, a mistake of ours, a recipe that does not belong here."""

from __future__ import annotations

import asyncio
import json
import math
import random
import re
import sys
from typing import Any

import pytest
from msgspec.structs import replace

from qwen_desktop.core.engine import FinishReason, GenerateRequest, Grammar, Sampling
from qwen_desktop.core.errors import AppError, Environment
from qwen_desktop.core.parts import thinking_text, visible_text
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama_context import ContextError
from tests import gguf_files

from .conftest import Files, loaded
from .in_process import Steps, context
from .talk import ask, user


def long(word: str, count: int) -> str:
    return f"{word} " * count


# Memory --------------------------------------------------------------------------------------------------------------


def test_no_memory_for_another_conversation_nor_for_the_old_ones(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The context is lost while an answer is written. It fails with a sentence as long as there is no memory; as soon
    as there is some, answers come again, the same as ever."""
    steps = Steps(files.small(), streams=2, size=400)
    try:
        request = ask(long("first", 20), max_tokens=60, cache_key="a", lively=False)
        call = steps.ask(request)
        steps.run()
        expected = call.text
        again = steps.ask(request)
        while not again.text:
            steps.scheduler.step()
        make = api.llama_init_from_model
        monkeypatch.setattr(api, "llama_init_from_model", lambda *_: None)
        other = steps.ask(ask("second", max_tokens=5, cache_key="b"))
        steps.run()
        assert isinstance(again.error, Environment) and isinstance(other.error, Environment)
        assert "go on computing" in str(other.error)
        steps.session.idle()
        with pytest.raises(Environment):
            steps.answer(request)
        monkeypatch.setattr(api, "llama_init_from_model", make)
        call = steps.ask(request)
        steps.run()
        assert call.text == expected
        assert call.result is not None and call.result.stats.cached_tokens == 0
    finally:
        steps.close()


def test_no_memory_for_another_conversation_while_one_is_answered(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old context is made again, and nobody notices."""
    steps = Steps(files.small(), streams=2, size=400)
    try:
        call = steps.ask(ask(long("first", 20), max_tokens=60, cache_key="a", lively=False))
        while not call.text:
            steps.scheduler.step()
        make, tried = api.llama_init_from_model, list[int]()

        def once(*arguments: object) -> object:
            tried.append(1)
            return make(*arguments) if len(tried) > 1 else None

        monkeypatch.setattr(api, "llama_init_from_model", once)
        monkeypatch.setattr(steps.session.sequences, "_streams", lambda: 2 if not tried else 1)
        other = steps.ask(ask("second", max_tokens=5, cache_key="b"))
        steps.run()
        assert len(tried) == 2 and len(steps.session.context.sequences) == 1
        for each, count in ((call, 60), (other, 5)):
            assert each.result is not None and each.result.stats.completion_tokens == count
        assert call.result is not None and call.result.recipe is not None and call.result.recipe.alone
    finally:
        steps.close()


def test_no_memory_where_a_conversation_that_has_begun_goes_over(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The large context is lost while an answer still has the small one."""
    steps = Steps(files.small(), streams=2, cells=1000, border=80, size=400)
    try:
        steps.answer(ask(long("a", 90), max_tokens=5, cache_key="a"))
        call = steps.ask(ask("first", max_tokens=150, cache_key="b", lively=False))
        while not call.text:
            steps.scheduler.step()
        with monkeypatch.context() as short:
            short.setattr(api, "llama_init_from_model", lambda *_: None)
            with pytest.raises(ContextError):
                steps.session.context.resize(2)
        steps.run()
        assert call.error is None and call.result is not None and call.result.stats.completion_tokens == 150
    finally:
        steps.close()


def test_no_memory_in_the_middle_of_a_batch(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger context that cannot be had: the rest is answered one by one."""
    steps = Steps(files.small(), cells=100_000, size=400)
    steps.session.batch_width = 3
    try:
        calls = [steps.ask(ask(str(i), max_tokens=10, batch="b", lively=False)) for i in range(3)]
        while not all(call.text for call in calls):
            steps.scheduler.step()
        monkeypatch.setattr(api, "llama_init_from_model", lambda *_: None)
        calls += [steps.ask(ask(long("larger", 20), max_tokens=150, batch="b", lively=False)) for _ in range(3)]
        steps.run()
        assert [call.result and call.result.stats.completion_tokens for call in calls] == [10] * 3 + [150] * 3
    finally:
        steps.close()


# Mistakes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["next_part", "evaluate", "share"])
def test_a_mistake_of_ours_costs_the_answers_it_concerns_and_no_more(
    files: Files, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    steps = Steps(files.small(), cells=100_000, streams=2, size=400)
    try:
        begin = long("the same beginning", 8)
        calls = [steps.ask(ask(begin + str(i), max_tokens=30, batch="b", lively=False)) for i in range(6)]
        while not all(call.text for call in calls):
            steps.scheduler.step()
        calls += [steps.ask(ask(begin + str(i), max_tokens=30, cache_key=str(i), lively=False)) for i in range(3)]
        with monkeypatch.context() as broken:
            broken.setattr(type(steps.session.context), where, lambda *_: 1 // 0)
            if where == "share":
                calls += [steps.ask(ask(begin + "more", max_tokens=30, batch="b")) for _ in range(3)]
            steps.run()
        assert all(call.over for call in calls)
        assert any(isinstance(call.error, ZeroDivisionError) for call in calls)
        good = steps.answer(ask(begin + "0", max_tokens=30, lively=False))
        assert good.stats.completion_tokens == 30
    finally:
        steps.close()


_BROKEN = """
from qwen_desktop.engine import scheduler, worker
def broken(self):
    raise RuntimeError("broken")
scheduler.Scheduler.busy = property(broken)
raise SystemExit(worker.main())
"""


def test_a_worker_whose_loop_has_ended_is_no_worker(files: Files) -> None:
    """The app hears of it at once, as of any crash: nobody waits for ever."""

    async def test() -> None:
        async with asyncio.timeout(30):
            with pytest.raises(AppError, match="ended"):
                async with loaded(files.small(), command=(sys.executable, "-c", _BROKEN)) as engine:
                    await engine.answer(ask("hello", max_tokens=5))

    asyncio.run(test())


# Made again ----------------------------------------------------------------------------------------------------------


def test_an_answer_from_another_chunk_size_is_made_again_as_far_as_that_goes(files: Files) -> None:
    """The load options may have changed since: larger steps than the context takes would end the engine."""
    large, small = Steps(files.small(), size=400, chunk=64), Steps(files.small(), size=400, chunk=16)
    try:
        words = long("tell me", 20)
        recipe = large.answer(ask(words, max_tokens=10)).recipe
        assert recipe is not None and max(size for size, _, _ in recipe.read) == 64
        found = small.answer(ask(words, again=recipe))
        assert found.stats.completion_tokens == 10
        assert {text.code for text in found.differs} == {"again.read"}
    finally:
        large.close()
        small.close()


@pytest.mark.parametrize("size", [1, 33, 10**9, 0, -1])
@pytest.mark.parametrize("kept", [1, 0, -1, 9])
def test_no_recipe_ends_the_engine(files: Files, size: int, kept: int) -> None:
    """A damaged one, say: it counts as far as it can be followed."""
    steps = Steps(files.small(), size=400)
    try:
        request = ask(long("ab", 22), max_tokens=10, lively=False)
        found = steps.answer(request)
        assert found.recipe is not None
        rest = found.stats.prompt_tokens - 3 * kept
        for read in (((size, kept, 3), (1, 1, rest)), ((1, 1, rest), (size, kept, 3)), ((rest, rest, 1), (3, 3, kept))):
            again = steps.answer(replace(request, again=replace(found.recipe, read=read)))
            assert again.stats.completion_tokens == 10
    finally:
        steps.close()


def test_a_context_that_grows_while_an_answer_is_made_again(files: Files) -> None:
    """Models with a recurrent state lose what they had read, and read again: all of it."""
    steps = Steps(files.hybrid(), streams=3, size=400)
    try:
        assert steps.session.model.recurrent
        request = ask(" ".join(map(str, range(40))), max_tokens=10, cache_key="a", lively=False)
        call = steps.ask(request)
        steps.run()
        assert call.result is not None and call.result.recipe is not None
        held = list(steps.session.context.sequences[0].tokens)
        again = steps.ask(replace(request, again=call.result.recipe, cache_key="a"))
        for _ in range(3):
            steps.scheduler.step()
        assert not again.over
        for key in "bc":
            steps.ask(ask("other", max_tokens=5, cache_key=key))
        steps.run()
        assert len(steps.session.context.sequences) == 3
        assert again.text == call.text and held in [each.tokens for each in steps.session.context.sequences]
    finally:
        steps.close()


def test_a_context_that_is_lost_takes_other_numbers_of_threads(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    made = context(files.small())
    try:
        made.read(made.sequences[0], [300, 301, 302])
        monkeypatch.setattr(api, "llama_init_from_model", lambda *_: None)
        with pytest.raises(ContextError):
            made.resize(2)
        monkeypatch.undo()
        made.set_threads(write=2, read=2)
        made.read(made.sequences[0], [300, 301, 302])
        assert int(api.llama_n_threads(made.pointer)) == 2
    finally:
        made.close()


@pytest.mark.parametrize(
    "how",
    [
        {"max_tokens": -5}, {"max_tokens": 2**62}, {"thinking_budget": -(2**62), "max_tokens": 2**62},
        {"thinking_budget": 2**62, "max_tokens": -1}, {"stop": ("", "x" * 1_000_000)}, {"batch": "\0" * 1000},
        *({"sampling": Sampling(temperature=value)} for value in (math.nan, math.inf, -1.0, 1e-40)),
        *({"sampling": Sampling(temperature=1.0, top_p=value, min_p=value)} for value in (math.nan, -1.0, 2.0)),
        *({"sampling": Sampling(temperature=1.0, repeat_penalty=value)} for value in (math.nan, math.inf, -1.0, 0.0)),
        *({"sampling": Sampling(presence_penalty=1.0, top_k=value)} for value in (-3, 2**31 - 1, 2**40)),
        *({"sampling": Sampling(temperature=1.0, seed=value)} for value in (-5, 2**62)),
    ],
)  # fmt: skip
def test_no_value_in_a_request_ends_the_engine(files: Files, how: dict[str, Any]) -> None:
    steps = Steps(files.small(), size=200)
    try:
        found = steps.answer(GenerateRequest((user("hello"),), **{"max_tokens": 5, **how})).stats
        assert found.completion_tokens in (0, 5) or found.context_used + 1 >= 200
    finally:
        steps.close()


# Lost in the middle --------------------------------------------------------------------------------------------------

#: Opens a thought by itself, as the templates of 2507-Thinking and QwQ do.
_ASKS = "<|im_start|>assistant\n"
_OPENED = gguf_files.THINKING_TEMPLATE.replace(f"{_ASKS}' }}}}", f"{_ASKS}<think>\n' }}}}")
_FORM = Grammar("json_schema", '{"type": "array", "items": {"enum": ["yes", "no"]}, "minItems": 4, "maxItems": 4}')


def _letters(text: str) -> str:
    return re.sub(r"</?think>|[^!-~]", "", text)


@pytest.mark.parametrize("kind", ["budget", "guard", "form", "stop"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_lost_in_the_middle_of_an_answer_is_said_once(files: Files, kind: str, seed: int) -> None:
    """Cells that are taken away at any moment: in a thought, in the sentence that closes it, in the answer."""
    never = {**gguf_files.NEVER_ENDS, "</think>": 0.0}
    path = files.get("thinks-opened", vocab=600, tied=False, prefer=never, template=_OPENED)
    how: dict[str, Any] = {
        "budget": {"thinking_budget": 15, "max_tokens": 60},
        "guard": {"thinking_budget": 40, "loop_guard": True, "max_tokens": 90},
        "form": {"thinking_budget": 10, "grammar": _FORM, "max_tokens": 90},
        "stop": {"thinking_budget": 5, "stop": ("a", "e", "i"), "max_tokens": 60},
    }[kind]
    request = ask("Why?", lively=kind != "guard", seed=seed, **how)
    dice = random.Random(seed)
    steps = Steps(path, size=500)
    try:
        for loses in (0.0, 0.1):
            call = steps.ask(request)
            steps.scheduler.step()
            generation = steps.scheduler._jobs[0].made
            while steps.scheduler.busy:
                steps.scheduler.step()
                if dice.random() < loses and generation.sequence is not None and generation.reason is None:
                    generation.sequence.forget()
            assert call.result is not None and generation.tokens[: len(generation.prompt.tokens)]
            answer = generation.tokens[len(generation.prompt.tokens) :]
            assert call.result.stats.completion_tokens == len(answer)
            assert call.result.stats.thinking_tokens <= how["thinking_budget"] + 24 or kind == "guard"
            pieces = b"".join(map(steps.session.model.piece, answer)).decode("utf-8", "replace")
            left = _letters(pieces)
            said = _letters(thinking_text(generation.parts) + visible_text(generation.parts))
            assert said and left.startswith(said) and (kind == "stop" or said == left)
            if kind == "form" and call.result.finish_reason is FinishReason.STOP:
                assert set(json.loads(call.text)) <= {"yes", "no"} and len(json.loads(call.text)) == 4
            recipe = call.result.recipe
            assert recipe is not None and recipe.alone is (loses == 0)
            again = steps.ask(replace(request, again=recipe))
            steps.run()
            assert again.result is not None
            if recipe.alone:
                assert again.text == call.text and again.result.differs == ()
                assert again.result.stats.thinking_tokens == call.result.stats.thinking_tokens
    finally:
        steps.close()
