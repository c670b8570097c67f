"""Answers of a given form: a JSON schema or a GBNF grammar says which tokens may come next. Worker side.

The rules are followed by llguidance (Rust): it says for each token of the vocabulary whether the answer may go on with
it, in 0.02 to 0.6 ms. What may not come is forbidden before anything is chosen, so that the choice among the rest is
the model's own, whatever the chain of samplers keeps. Nothing of the library is loaded before an answer asks for a
form; its view of the vocabulary (half a second, some 60 MB for 150,000 tokens) is made once a model.

Bad rules end with a sentence before the prompt is read. No rules can hang or end the process: the library counts what
it does for each token, and gives up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from qwen_desktop.core.engine import Grammar
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine import gbnf, json_schema

if TYPE_CHECKING:
    from qwen_desktop.engine.llama import Model
    from qwen_desktop.engine.llama_context import Context
    from qwen_desktop.engine.llama_sampler import Sampler

#: White space where JSON allows it: a blank, or a new line with its indentation. Models would fill pages with it.
_SPACE = r" |\r?\n[ \t]{0,40}"
#: What models write between their thought and the answer.
_LEAD = r"/ |\n{1,2}/"

# fmt: off
_bad_schema = Failure(
    UserFacing, "grammar.schema", "reason",
    QT_TRANSLATE_NOOP("engine", "No answer can be made to this JSON schema: {reason}."),
    QT_TRANSLATE_NOOP("engine", "Correct the schema, or leave that part of it out."),
)
_bad_gbnf = Failure(
    UserFacing, "grammar.gbnf", "reason",
    QT_TRANSLATE_NOOP("engine", "No answer can be made by this grammar: {reason}."),
    QT_TRANSLATE_NOOP("engine", "Correct the grammar, or make it simpler."),
)
_lost = Failure(
    UserFacing, "grammar.lost", "",
    QT_TRANSLATE_NOOP("engine", "The answer cannot go on: its schema or grammar asks for too much at once."),
    QT_TRANSLATE_NOOP("engine", "Make it simpler: shorter limits, fewer choices, plainer patterns."),
)
# fmt: on
_FAILURES = {"json_schema": _bad_schema, "gbnf": _bad_gbnf}


def rules(grammar: Grammar) -> str:
    """``grammar`` in the library's notation. Needs no model and no library, so that much of what can be wrong is found
    before there is one. Raises ``UserFacing``."""
    try:
        return _schema(grammar.text) if grammar.kind == "json_schema" else gbnf.to_lark(grammar.text)
    except (json_schema.SchemaError, gbnf.GbnfError) as error:
        raise _FAILURES[grammar.kind](str(error)) from None


class Grammars:
    """Makes the constraints of answers by one model."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._tokenizer: Any = None

    def constraint(self, grammar: Grammar, thought: int | None = None) -> Constraint:
        """What keeps one answer to ``grammar`` (``thought`` as for ``Constraint``). Raises ``UserFacing`` with what is
        wrong with it."""
        text = rules(grammar)
        import llguidance  # noqa: PLC0415 - 50 ms that only such an answer pays

        if self._tokenizer is None:
            self._tokenizer = llguidance.LLTokenizer(_Vocabulary(self._model), eos_token=self._model.end_tokens())
        limits = llguidance.LLParserLimits(verbose_errors=False)
        matcher = llguidance.LLMatcher(self._tokenizer, text, log_level=0, limits=limits)
        first = matcher.deep_copy()
        if grammar.kind == "json_schema":
            first.consume_tokens(self._tokenizer.greedy_tokenize("\n\n"))
        first.compute_bitmask()  # what nothing can begin is known only now
        if first.is_error():
            raise _FAILURES[grammar.kind](_reason(first.get_error()), details=_short(first.get_error()))
        return Constraint(matcher, thought)


class Constraint:
    """Keeps one answer to its form. ``thought`` is a token that may come instead of the answer's first one, and begin a
    thought; None where the model shall not think. Raises ``UserFacing`` where the answer cannot go on."""

    def __init__(self, matcher: Any, thought: int | None) -> None:
        self._matcher = matcher
        self._thought = thought
        self._mask = b""

    @property
    def done(self) -> bool:
        """Whether the answer is complete and nothing more may come."""
        return bool(self._matcher.is_stopped())

    def choose(self, sampler: Sampler, context: Context, row: int) -> int:
        """The answer's next token from the logits of ``row``; not to be asked inside a thought."""
        mask: bytes = self._matcher.compute_bitmask()
        self._check()
        thought, self._thought = self._thought, None
        if mask != self._mask or thought is not None:  # texts have the same for many tokens
            self._mask = mask if thought is None else b""
            allowed: bytes = self._matcher.compute_logit_bias()
            sampler.allow(allowed if thought is None else allowed[:thought] + b"\1" + allowed[thought + 1 :])
        token = sampler.next(context, row)
        if token == thought:
            sampler.allow(None)
        else:
            self.take((token,))
        return token

    def take(self, tokens: Sequence[int]) -> None:
        """These were written."""
        self._matcher.consume_tokens(list(tokens))
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise _lost(details=_short(self._matcher.get_error()))


class _Vocabulary:
    """A model's vocabulary as the library reads it. Control words and marks have no bytes, so they are never text."""

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, model: Model) -> None:
        self.tokens = model.written_pieces()
        self.special_token_ids = model.end_tokens()
        self.eos_token_id = self.special_token_ids[0]
        self._tokenize: Callable[..., list[int]] = model.tokenize

    def __call__(self, text: str) -> list[int]:
        """How the model writes what must come, so that it is written as the model is used to."""
        return self._tokenize(text, special=False, begin=False)


def _schema(text: str) -> str:
    schema = json_schema.read(text)
    schema["x-guidance"] = {"whitespace_pattern": _SPACE}
    # only ASCII: errors are cut in the middle of longer characters
    return f"start: LEAD? answer\nLEAD: {_LEAD}\nanswer: %json {json.dumps(schema)}"


def _short(error: str) -> str:
    return re.split(r"\n?<(?:backtrace|state|non-verbose)", error)[0][:1000]


def _reason(error: str) -> str:
    """The library's message, short enough for a sentence."""
    if error.startswith("panic"):
        return "it is not understood"
    first = re.split(r"\n +1 \|", _short(error))[0].split("failed to compile JSON schema: ")[-1]
    if first.startswith("oneOf constraints"):
        return "the choices of a oneOf can be mistaken for one another (anyOf says any of them)"
    first = {"NoExtensionBias": "nothing can be written by it"}.get(first.strip(), first)
    return " ".join(first.split())[:200].rstrip(" .:")
