"""Answers of a given form: whatever is chosen among what is allowed, the answer has it; bad rules get a sentence."""

from __future__ import annotations

import datetime
import json
import random
import time
from typing import Any

import jsonschema
import pytest

from qwen_desktop.core.engine import Grammar
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.engine.grammar import Grammars
from tests.unit.engine.mutations import mutated
from tests.unit.engine.schemas import REFUSED, SCHEMAS
from tests.unit.engine.words import END, AnyToken, Words, written

_SEEDS = 6
_formats = jsonschema.FormatChecker()


@_formats.checks("date-time")
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or _parsed(datetime.datetime.fromisoformat, value)


@_formats.checks("time")
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or _parsed(datetime.time.fromisoformat, value)


def _parsed(parse: Any, value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    return Grammars(Words())  # type: ignore[arg-type]


def schema(value: Any) -> Grammar:
    return Grammar("json_schema", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


@pytest.mark.parametrize("name", SCHEMAS)
def test_whatever_is_chosen_the_answer_is_valid(grammars: Grammars, name: str) -> None:
    kind = jsonschema.validators.validator_for(SCHEMAS[name], default=jsonschema.Draft202012Validator)
    validator = kind(SCHEMAS[name], format_checker=_formats)
    answers = [written(grammars, schema(SCHEMAS[name]), seed) for seed in range(_SEEDS)]
    for text, ended in answers:
        if ended:
            validator.validate(json.loads(text))
    assert sum(ended for _, ended in answers) * 2 > _SEEDS, answers


def test_there_are_enough_of_them() -> None:
    assert len(SCHEMAS) >= 60


@pytest.mark.parametrize("name", REFUSED)
def test_a_schema_that_cannot_be_followed_is_said_at_once(grammars: Grammars, name: str) -> None:
    text, word = REFUSED[name]
    began = time.process_time()
    with pytest.raises(UserFacing) as caught:
        grammars.constraint(schema(text))
    assert time.process_time() - began < 5
    sentence = str(caught.value.problem.what)
    assert sentence.startswith("No answer can be made to this JSON schema: ") and len(sentence) < 300
    assert word in sentence, sentence
    assert caught.value.problem.hint is not None


def test_an_answer_may_begin_and_be_laid_out_as_models_do(grammars: Grammars) -> None:
    rules = schema({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}}})
    for text in ('{"a": [1, 2]}', '{"a":[1,2]}', '\n\n{\n  "a": [\n    1,\n    2\n  ]\n}', ' {"a": []}', "{}"):
        constraint = grammars.constraint(rules)
        for token in Words().tokenize(text, special=False, begin=False):
            constraint.take([token])
        assert constraint.done, text


def test_white_space_does_not_go_on(grammars: Grammars) -> None:
    constraint = grammars.constraint(schema({"type": "array", "items": {"type": "integer"}}))
    constraint.take(b"[\n")
    with pytest.raises(UserFacing):
        constraint.take(b" " * 50)


def test_only_the_very_first_token_may_begin_a_thought(grammars: Grammars) -> None:
    mark = Words().pieces.index(b"<think>")

    class Wants(AnyToken):
        asked: list[bool]

        def next(self, _context: Any, _row: int) -> int:
            self.asked.append(mark in self._allowed)
            return mark if mark in self._allowed and len(self.asked) < 2 else super().next(None, 0)

    constraint, sampler = grammars.constraint(schema({"enum": ["yes", "no"]}), mark), Wants(1)
    sampler.asked = []
    assert constraint.choose(sampler, None, 0) == mark  # type: ignore[arg-type]
    assert len(sampler._allowed) == Words.vocab_size  # the thought is free
    text = b""
    while not constraint.done:
        text += Words().pieces[constraint.choose(sampler, None, 0)]  # type: ignore[arg-type]
    assert json.loads(text) in {"yes", "no"}
    assert sampler.asked[0] and not any(sampler.asked[1:])


def test_mutated_schemas_give_a_sentence_or_an_answer(grammars: Grammars) -> None:
    answers = sum(_answered(grammars, schema(mutated(random.Random(seed))), seed) for seed in range(200))
    assert 40 < answers < 190  # neither all broken nor all harmless


def _answered(grammars: Grammars, rules: Grammar, seed: int) -> bool:
    """Whether an answer began; else a sentence came. In either case in time."""
    began = time.process_time()
    try:
        text, ended = written(grammars, rules, seed, 60)
    except UserFacing as error:
        assert len(str(error.problem.what)) < 400
        return False
    finally:
        assert time.process_time() - began < 10, rules.text
    if ended and rules.kind == "json_schema":
        json.loads(text)
    return True


def test_the_library_is_not_loaded_before_it_is_needed() -> None:
    import subprocess  # noqa: PLC0415
    import sys  # noqa: PLC0415

    code = "import qwen_desktop.engine.worker, qwen_desktop.engine.session, sys; print('llguidance' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from tests.unit.engine.words import *\n"
        "print(written(Grammars(Words()), Grammar('json_schema', '{\"const\": 1}'), 1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "('1', True)\n"  # and it works where there is no numpy


def test_the_end_is_no_text() -> None:
    assert Words().pieces[END] == b""
