"""Random schemas and grammars: an answer that keeps to them, or a sentence, in time; never a dead process."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

import jsonschema

from qwen_desktop.core.engine import Grammar
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.engine.grammar import Grammars
from tests.peak import forget, peak_bytes
from tests.unit.engine.mutations import mutated
from tests.unit.engine.test_gbnf import JSON, random_grammar
from tests.unit.engine.words import Words, written

#: What one may cost, in seconds of this process, and all of them together in bytes.
_SECONDS = 10.0
_BYTES = 700_000_000


def test_schemas(seconds: float) -> None:
    counts = _tried(seconds, lambda choose: Grammar("json_schema", mutated(choose)), _valid)
    assert min(counts) > 5, counts


def test_grammars(seconds: float) -> None:
    def grammar(choose: random.Random) -> Grammar:
        text = choose.choice((JSON, random_grammar(choose)))
        for _ in range(choose.randrange(3)):
            a, b = sorted((choose.randrange(len(text) + 1), choose.randrange(len(text) + 1)))
            piece = choose.choice(("(", ")", "[", "{0,99}", "*", "|", '"', " root ", " x ", "\n", text[a:b]))
            text = text[:a] + piece + text[choose.choice((a, b)) :]
        return Grammar("gbnf", text)

    counts = _tried(seconds, grammar, lambda _rules, _text: None)
    assert min(counts) > 5, counts


def _tried(
    seconds: float, make: Callable[[random.Random], Grammar], look: Callable[[Grammar, str], None]
) -> tuple[int, int]:
    """How many began an answer, and how many were refused."""
    grammars, answered, refused = Grammars(Words()), 0, 0  # type: ignore[arg-type]
    forget()
    before, end = peak_bytes(), time.monotonic() + seconds
    while time.monotonic() < end:
        seed = random.getrandbits(32)
        rules = make(random.Random(seed))
        began = time.process_time()
        try:
            text, ended = written(grammars, rules, seed, 80)
        except UserFacing as error:
            assert len(str(error.problem.what)) < 400
            refused += 1
        else:
            answered += 1
            if ended:
                look(rules, text)
        assert time.process_time() - began < _SECONDS, rules
    assert peak_bytes() - before < _BYTES
    return answered, refused


def _valid(rules: Grammar, text: str) -> None:
    value, schema = json.loads(text), json.loads(rules.text)
    try:
        kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
        good = kind(schema).is_valid(value)
    except Exception:  # no schema at all, to that validator: what it means nobody can say
        return
    assert good, (rules.text, text)
