"""Answers of a given form by a real engine whose models obey nothing: random weights."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jsonschema
import pytest

from qwen_desktop.core.engine import FinishReason, GenerateRequest, Grammar, Sampling, ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import PartEvent, PartsBuilder, visible_text
from tests import gguf_files
from tests.integration.engine.conftest import Engine, Files, WithEngine
from tests.integration.engine.talk import user

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "kind": {"enum": ["a", "b"]},
        "friends": {"type": "array", "items": {"$ref": "#"}, "maxItems": 1},
    },
    "required": ["name", "age", "kind"],
    "additionalProperties": False,
}


def request(form: Any, seed: int = 1, **more: Any) -> GenerateRequest:
    grammar = form if isinstance(form, Grammar) else Grammar("json_schema", json.dumps(form))
    how = {"thinking": ThinkingMode.DIRECT, "sampling": Sampling(temperature=1.0, seed=seed), "max_tokens": 300} | more
    return GenerateRequest((user("Who?"),), grammar=grammar, **how)


def test_each_answer_keeps_to_its_schema(files: Files, with_engine: WithEngine) -> None:
    async def check(engine: Engine) -> None:
        assert engine.engine.info is not None and engine.engine.info.capabilities.grammar
        texts = []
        for seed in range(8):
            done = await engine.answer(request(PERSON, seed))
            texts.append(done.text)
            if done.finish_reason is FinishReason.STOP:
                jsonschema.validate(json.loads(done.text), PERSON)
        assert len(set(texts)) > 4
        assert (await engine.answer(request(PERSON, 3))).text == texts[3]  # the seed decides, as ever
        ended = await engine.answer(request({"enum": ["yes", "no"]}))
        assert ended.finish_reason is FinishReason.STOP and json.loads(ended.text) in {"yes", "no"}
        assert ended.parts and ended.stats.completion_tokens < 8

    with_engine(files.small(), check)


def test_each_answer_of_a_batch_keeps_to_its_own(files: Files, with_engine: WithEngine) -> None:
    async def check(engine: Engine) -> None:
        forms = [{"const": 1}, {"enum": ["yes", "no"]}, {"type": "boolean"}, {"type": "null"}]
        tasks = [engine.engine.generate(request(form, n, batch="b")) for n, form in enumerate(forms)]

        async def one(opening: Any) -> str:
            said = PartsBuilder()
            async with opening as run:
                async for event in run:
                    if isinstance(event, PartEvent):
                        said.take(event)
            return visible_text(said.parts())

        for form, text in zip(forms, await asyncio.gather(*map(one, tasks)), strict=True):
            jsonschema.validate(json.loads(text), form)

    with_engine(files.small(), check)


def test_a_full_vocabulary_and_a_greedy_choice(files: Files, with_engine: WithEngine) -> None:
    async def check(engine: Engine) -> None:
        form = {"type": "array", "items": {"type": "string", "pattern": "^[a-z]{2}$"}, "minItems": 2, "maxItems": 2}
        done = await engine.answer(request(form, sampling=Sampling(temperature=0)))
        assert done.finish_reason is FinishReason.STOP
        jsonschema.validate(json.loads(done.text), form)
        lines = await engine.answer(request(Grammar("gbnf", 'root ::= ("- " [a-zäж]+ "\\n"){2}')))
        if lines.finish_reason is FinishReason.STOP:
            assert len(lines.text.splitlines()) == 2 and lines.text.startswith("- ")

    with_engine(files.qwen3(), check)


def test_an_open_object_at_the_limit_is_told_as_such(files: Files, with_engine: WithEngine) -> None:
    async def check(engine: Engine) -> None:
        done = await engine.answer(request(PERSON, max_tokens=4))
        assert done.finish_reason is FinishReason.LENGTH and done.stats.completion_tokens == 4
        with pytest.raises(json.JSONDecodeError):
            json.loads(done.text)

    with_engine(files.small(), check)


def test_a_thought_is_free_and_its_answer_is_not(files: Files, with_engine: WithEngine) -> None:
    likes = {"<think>": 6.0, "</think>": 6.0} | gguf_files.NEVER_ENDS
    path = files.get("qwen3-thinker", vocab=600, tied=False, prefer=likes)

    async def check(engine: Engine) -> None:
        thoughts = 0
        for seed in range(12):
            done = await engine.answer(
                request({"enum": ["yes", "no"]}, seed, thinking=ThinkingMode.AUTO, max_tokens=120)
            )
            if done.finish_reason is FinishReason.STOP:
                assert json.loads(done.text) in {"yes", "no"}
                thoughts += bool(done.thinking)
                assert "yes" not in done.thinking
            else:
                assert not done.text  # it was still thinking
            direct = await engine.answer(request({"enum": ["yes", "no"]}, seed))
            assert json.loads(direct.text) in {"yes", "no"} and not direct.thinking
        assert thoughts > 1

    with_engine(path, check)


@pytest.mark.parametrize(
    ("form", "word"),
    [
        (Grammar("json_schema", "{"), "no JSON"),
        (Grammar("json_schema", '{"type": "string", "pattern": "(?=a)"}'), "look-around"),
        (Grammar("gbnf", "root ::= x"), "no rule x"),
        (Grammar("gbnf", "root ::= root"), "nothing can be written"),
    ],
)
def test_bad_rules_are_said_and_the_engine_lives(
    files: Files, with_engine: WithEngine, form: Grammar, word: str
) -> None:
    async def check(engine: Engine) -> None:
        with pytest.raises(UserFacing, match=word):
            await engine.answer(request(form))
        assert engine.events == []  # before anything was read
        assert json.loads((await engine.answer(request({"const": 1}))).text) == 1

    with_engine(files.small(), check)


def test_what_asks_for_too_much_on_the_way_ends_with_what_there_is(files: Files, with_engine: WithEngine) -> None:
    rules = 'root ::= s{40} "!"\ns ::= "a" | ' + " | ".join(f'"a" s{i}' for i in range(30)) + "\n"
    rules += "\n".join(f"s{i} ::= s s{(i + 1) % 30} | s" for i in range(30))  # more ways to read it with each letter

    async def check(engine: Engine) -> None:
        with pytest.raises(UserFacing, match="asks for too much"):
            await engine.answer(request(Grammar("gbnf", rules)))
        assert json.loads((await engine.answer(request({"const": 1}))).text) == 1

    with_engine(files.small(), check)
