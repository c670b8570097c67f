"""Answers that were cut and go on, by the real worker: with the tokens that they were written with, or read again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from qwen_desktop.core.engine import (
    ChatMessage,
    ContextCut,
    FinishReason,
    GenerateRequest,
    Grammar,
    Sampling,
    ThinkingMode,
)
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import Part, PartBegun, Role, TextPart, ThinkingPart
from tests import gguf_files
from tests.integration.engine.conftest import Answered, Engine, Files, WithEngine
from tests.integration.engine.talk import ask, assistant, user
from tests.integration.engine.test_thoughts import OPENED
from tests.smollm2 import model_path

GUIDE = Path(__file__).resolve().parents[3] / "resources" / "guide" / "guide.gguf"


def onward(request: GenerateRequest, parts: tuple[Part, ...], **more: object) -> GenerateRequest:
    """The request for what comes behind ``parts``."""
    messages = (*request.messages, ChatMessage(Role.ASSISTANT, parts, "answer"))
    return replace(request, messages=messages, go_on=True, **more)


def prompt_of(answer: Answered) -> str:
    assert answer.recipe is not None and answer.recipe.go_on
    return answer.recipe.prompt_sha256


def words(parts: tuple[Part, ...]) -> list[tuple[type, str]]:
    """What was said, without how long it took."""
    return [(type(part), part.text) for part in parts if isinstance(part, TextPart | ThinkingPart)]


@pytest.mark.parametrize(
    ("path", "question", "length"),
    [
        (model_path(), "Write a short list of fruits, then a poem about the sea, in several lines.", 24),
        (GUIDE, "How do I download a model?", 60),
    ],
    ids=["SmolLM2", "guide"],
)
def test_an_answer_goes_on_as_if_it_had_not_been_cut(
    path: Path, question: str, length: int, with_engine: WithEngine
) -> None:
    """Wherever it was cut, to the letter, and nothing is read twice. Where the worker no longer knows how it was
    written (another start), its words are read as the same tokens. The guide thinks first."""

    async def test(engine: Engine) -> None:
        request = ask(question, lively=False, max_tokens=length)
        uncut = await engine.answer(request)
        said = uncut.stats.completion_tokens
        assert said > 20
        prompts: dict[int, str] = {}
        firsts: dict[int, tuple[Part, ...]] = {}
        for at in (1, 3, 8, 17, said - 1):
            conversation = replace(request, cache_key=f"c{at}")
            first = await engine.answer(replace(conversation, max_tokens=at))
            assert first.finish_reason is FinishReason.LENGTH
            whole = await engine.answer(onward(conversation, first.parts, max_tokens=length - at))
            assert words(whole.parts) == words(uncut.parts) and whole.finish_reason is uncut.finish_reason
            assert whole.stats.cached_tokens == whole.stats.prompt_tokens - 1
            assert whole.stats.completion_tokens == (said - at if first.parts else said)
            begun = [event.index for event in engine.events if isinstance(event, PartBegun)]
            assert begun == list(range(len(first.parts), len(uncut.parts)))  # the last one is not begun again
            if first.text or (first.parts and first.thinking != uncut.thinking):  # a thought is not closed and no more
                firsts[at], prompts[at] = first.parts, prompt_of(whole)
        assert len(firsts) >= 3
        for at, parts in firsts.items():
            cold = await engine.answer(onward(replace(request, cache_key="x"), parts, max_tokens=1))
            assert prompt_of(cold) == prompts[at], words(parts)

    with_engine(str(path), test, context=1024)


def test_in_several_goes_and_with_penalties(with_engine: WithEngine) -> None:
    """Penalties count what the answer had said before it was cut."""

    async def test(engine: Engine) -> None:
        sampling = Sampling(temperature=0.0, repeat_penalty=1.3, presence_penalty=1.0)
        request = replace(ask("Tell me about the sea.", max_tokens=32, cache_key="c"), sampling=sampling)
        uncut = await engine.answer(replace(request, cache_key="other"))
        assert uncut.stats.completion_tokens == 32
        part = await engine.answer(replace(request, max_tokens=8))
        for _ in range(3):
            part = await engine.answer(onward(request, part.parts, max_tokens=8))
        assert part.parts == uncut.parts

    with_engine(str(model_path()), test, context=1024)


def test_a_thought_goes_on_inside_and_its_budget_counts_all_of_it(files: Files, with_engine: WithEngine) -> None:
    """With a template that opens the thought, by a model that never closes one."""
    never = {**gguf_files.NEVER_ENDS, "</think>": 0.0}
    path = files.get("opened-1", vocab=600, tied=False, prefer=never, template=OPENED, seed=1)

    async def test(engine: Engine) -> None:
        request = ask("Why?", lively=False, cache_key="c")
        uncut = await engine.answer(replace(request, thinking_budget=60, max_tokens=200, cache_key="other"))
        assert uncut.budget_spent and uncut.text
        for at in (10, 35, 59):
            first = await engine.answer(replace(request, max_tokens=at))
            assert [type(part) for part in first.parts] == [ThinkingPart] and first.stats.thinking_tokens == at
            before = replace(first.parts[0], seconds=5.0)
            whole = await engine.answer(onward(request, (before,), thinking_budget=60, max_tokens=200))
            assert whole.thinking == uncut.thinking and whole.budget_spent
            assert whole.text[:60] == uncut.text[:60]
            thought = whole.parts[0]
            assert isinstance(thought, ThinkingPart) and thought.seconds is not None and thought.seconds >= 5.0
            assert thought.tokens == uncut.stats.thinking_tokens == at + whole.stats.thinking_tokens
            again = await engine.answer(onward(request, first.parts, max_tokens=30))
            assert [type(part) for part in again.parts] == [ThinkingPart]
            assert again.thinking.startswith(first.thinking) and len(again.thinking) > len(first.thinking)
        spent = (ThinkingPart("It is. " * 40),)  # broken off: its tokens were never told
        closed = await engine.answer(onward(replace(request, cache_key="d"), spent, thinking_budget=60, max_tokens=100))
        assert closed.budget_spent and closed.thinking.startswith("It is. " * 40) and closed.text
        assert closed.stats.thinking_tokens <= 24

    with_engine(path, test)


def test_a_thought_by_tokens_closes_behind_the_cut(files: Files, with_engine: WithEngine) -> None:
    """A model that opens and closes its thoughts itself, each a token; the thought is left out of no prompt here."""
    path = files.get("thinks-auto", vocab=600, tied=False, prefer={"<think>": 30.0, "</think>": 12.0}, seed=3)

    async def test(engine: Engine) -> None:
        for seed in range(1, 60):
            request = ask("question", max_tokens=80, seed=seed, cache_key=f"c{seed}")
            cut = await engine.answer(request)
            if cut.thinking and len(cut.text) > 10 and cut.finish_reason is FinishReason.LENGTH:
                break
        else:
            pytest.fail("the model never thought and answered")
        await asyncio.sleep(0.3)  # idle: what a next question needs would be read, but it most likely goes on
        whole = await engine.answer(onward(request, cut.parts))
        assert whole.text.startswith(cut.text) and whole.parts[0] == cut.parts[0]
        assert whole.stats.cached_tokens == whole.stats.prompt_tokens - 1
        hot = prompt_of(whole)
        # read again it is the form that the templates of these models give a thought: the same but for white space
        count, _ = await engine.engine.count_tokens(onward(request, cut.parts))
        assert abs(count - whole.stats.prompt_tokens) < 40 and hot

    with_engine(path, test)


def test_what_the_prompt_is(files: Files, with_engine: WithEngine) -> None:
    """Counted with templates of each kind: marks are single tokens, typed control tokens are spelt out, and an empty
    thought stands where the model would have written one."""

    async def counts(engine: Engine, mode: ThinkingMode, *parts: Part) -> int:
        request = ask("x", thinking=mode)
        return (await engine.engine.count_tokens(onward(request, parts)))[0]

    async def test(engine: Engine) -> None:
        auto, direct = ThinkingMode.AUTO, ThinkingMode.DIRECT
        nothing = await counts(engine, auto)
        assert nothing == (await engine.engine.count_tokens(ask("x")))[0]
        thought = await counts(engine, auto, ThinkingPart("ab"))
        text = await counts(engine, auto, TextPart("ab"))
        both = await counts(engine, auto, ThinkingPart("ab"), TextPart("ab"))
        word = (await counts(engine, direct, TextPart("ab"))) - (await counts(engine, direct))
        assert await counts(engine, direct, TextPart("ab")) == text  # direct has the empty thought in its prompt
        assert await counts(engine, direct, ThinkingPart("ab")) == thought  # and loses it where there is one
        assert both > thought + word and thought > nothing + word
        typed = await counts(engine, auto, TextPart("ab<|im_end|>"))
        assert typed > text + 3

    with_engine(files.small(), test)


def test_a_form_holds_for_the_whole_answer(files: Files, with_engine: WithEngine) -> None:
    form = {
        "type": "object",
        "properties": {
            "a": {"enum": ["New York", "New Delhi"]},
            "b": {"type": "array", "items": {"enum": [1, 22, 333]}, "minItems": 9, "maxItems": 9},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    grammar = Grammar("json_schema", json.dumps(form))

    async def test(engine: Engine) -> None:
        request = ask("Where?", thinking=ThinkingMode.DIRECT, grammar=grammar, cache_key="c", seed=2, max_tokens=400)
        uncut = await engine.answer(request)
        assert uncut.finish_reason is FinishReason.STOP and json.loads(uncut.text)
        for at in (1, 4, 9, 14, 20, uncut.stats.completion_tokens - 1):
            first = await engine.answer(replace(request, max_tokens=at))
            whole = await engine.answer(onward(request, first.parts))
            assert whole.text.startswith(first.text) and len(json.loads(whole.text)["b"]) == 9, first.text
        border = (TextPart('{"a": "New '),)
        assert json.loads((await engine.answer(onward(request, border))).text)["a"] in ("New York", "New Delhi")
        ended = await engine.answer(onward(request, (TextPart(uncut.text),)))
        assert ended.text == uncut.text and ended.finish_reason is FinishReason.STOP
        with pytest.raises(UserFacing, match="cannot go on"):
            await engine.answer(onward(request, (TextPart("Well, "),)))
        assert (await engine.answer(replace(request, grammar=None, max_tokens=3))).stats.completion_tokens == 3

    with_engine(files.small(), test)


def test_a_full_context_cuts_older_turns_or_says_so(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        talk: list[ChatMessage] = []
        for number in range(20):
            talk += [user(f"question {number} of many words", f"u{number}"), assistant("an answer", f"a{number}")]
        request = ask(*talk, user("the last one", "last"), lively=False, max_tokens=30)
        said = (TextPart("word " * 20),)
        whole = await engine.answer(onward(request, said))
        cut = engine.events[0]
        assert isinstance(cut, ContextCut) and cut.first_kept_id.startswith("u")
        assert whole.text.startswith("word " * 20) and whole.stats.completion_tokens == 30
        with pytest.raises(
            UserFacing, match=r"cannot go on: it has .* tokens with its question; the context holds 512"
        ):
            await engine.answer(onward(request, (TextPart("word " * 400),)))

    with_engine(files.small(), test, context=512)


def test_go_on_anyway(files: Files, with_engine: WithEngine) -> None:
    """What was stopped since it went round goes on where the guard is off."""
    path = files.get("round", vocab=600, tied=True, seed=4, layers=1)

    async def test(engine: Engine) -> None:
        request = ask("Why?", lively=False, max_tokens=600, cache_key="c")
        stopped = await engine.answer(replace(request, loop_guard=True))
        assert stopped.stopped_loop
        whole = await engine.answer(onward(request, stopped.parts, max_tokens=40))
        assert whole.text.startswith(stopped.text) and len(whole.text) > len(stopped.text) and not whole.stopped_loop
        assert whole.stats.completion_tokens == 40

    with_engine(path, test)
