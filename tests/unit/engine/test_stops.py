"""Where a prompt can be gone back to: later prompts of the conversation part from it there or little behind."""

from __future__ import annotations

import re

import pytest

from qwen_desktop.core.engine import ChatMessage, ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import Part, Role, TextPart, ThinkingPart
from qwen_desktop.engine.prompt import Renderer
from qwen_desktop.engine.templates import FALLBACK, Template
from tests.gguf_files import SPECIAL
from tests.template_forms import FORMS

#: Control words, words with the space before them, runs of line breaks, and all else by itself.
_TOKEN = re.compile("|".join(re.escape(word) for word, _ in SPECIAL) + r"| ?\w+|\n+|.", re.DOTALL)
NEAR = 24


def renderer(template: str, *, fit: bool = True) -> Renderer:
    numbers: dict[str, int] = {}

    def tokenize(text: str, _special: bool, _begin: bool) -> list[int]:
        return [numbers.setdefault(found, len(numbers)) for found in _TOKEN.findall(text)]

    made = Template(template)
    if fit:
        made.fit()
    return Renderer(made, tokenize, [word for word, kind in SPECIAL if kind == 3], "")


def said(role: Role, text: str, thought: str = "") -> ChatMessage:
    parts: tuple[Part, ...] = (TextPart(text),)
    return ChatMessage(role, (ThinkingPart(thought), *parts) if thought else parts)


def words(count: int, word: str) -> str:
    return " ".join(f"{word}{index}" for index in range(count))


def common(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


@pytest.mark.parametrize("form", [*FORMS, ""])
@pytest.mark.parametrize("mode", [ThinkingMode.AUTO, ThinkingMode.DIRECT, ThinkingMode.THINK])
@pytest.mark.parametrize("turns", [0, 1, 3])
def test_later_prompts_share_all_up_to_a_stop(form: str, mode: ThinkingMode, turns: int) -> None:
    made = renderer(FORMS.get(form, FALLBACK))
    told = [said(Role.SYSTEM, words(100, "rule"))]
    for turn in range(turns):
        told += [said(Role.USER, words(60, f"q{turn}x")), said(Role.ASSISTANT, words(50, f"a{turn}x"), "thought")]
    question = said(Role.USER, words(80, "last"))
    prompt = made.prompt((*told, question), mode)
    stops = made.stops(prompt, mode)
    assert list(stops) == sorted(set(stops)) and stops[0] > 0 and stops[-1] < len(prompt.tokens)
    assert len(stops) == 2 + bool(turns)

    def loses(*messages: ChatMessage) -> int:
        """How many tokens of the prompt that these share with it are read again."""
        shared = common(made.prompt(messages, mode).tokens, prompt.tokens)
        return min(shared - stop for stop in (0, *stops) if stop <= shared)

    assert len(prompt.tokens) - stops[-1] <= NEAR  # another answer
    for other in ("another question", "lasting", "1", "\n\n- x", "Ünïcode"):
        assert loses(*told, said(Role.USER, other)) <= NEAR
    for answer in ("Yes.", "1. One", "<b>", "```py", "  spaces", "答"):
        for thought in ("", "a thought"):
            answered = said(Role.ASSISTANT, answer, thought)
            assert loses(*told, question, answered, said(Role.USER, "Next?")) <= NEAR
    assert loses(told[0], said(Role.USER, "Another conversation")) <= NEAR


@pytest.mark.parametrize("form", FORMS)
def test_the_answer_of_an_agent_is_made_again_from_its_own_beginning(form: str) -> None:
    """Behind the last question stand steps of the same turn, which the next turn's prompt may render without their
    thoughts: so there are two places near the end."""
    made = renderer(FORMS[form])
    step = said(Role.ASSISTANT, words(50, "step"), words(50, "thought"))
    told = (said(Role.USER, words(40, "do")), step, said(Role.TOOL, words(60, "result")))
    prompt = made.prompt(told, ThinkingMode.AUTO)
    stops = made.stops(prompt, ThinkingMode.AUTO)
    assert len(prompt.tokens) - stops[-1] <= NEAR
    later = made.prompt((*told, said(Role.ASSISTANT, "Done."), said(Role.USER, "Thanks")), ThinkingMode.AUTO)
    shared = common(later.tokens, prompt.tokens)
    assert min(shared - stop for stop in stops if stop <= shared) <= NEAR


def test_an_answer_that_goes_on_and_a_template_that_refuses() -> None:
    made = renderer(FORMS["Qwen3.5"])
    question = said(Role.USER, words(40, "word"))
    prompt = made.prompt((question,), ThinkingMode.DIRECT, (TextPart(words(90, "said")),))
    stops = made.stops(prompt, ThinkingMode.DIRECT)
    assert prompt.asked and stops and stops[-1] < len(prompt.asked)
    strict = renderer("{%- if messages|length > 1 %}{{ raise_exception('one') }}{% endif %}" + FALLBACK, fit=False)
    with pytest.raises(UserFacing):
        strict.prompt((question, question), ThinkingMode.AUTO)
    only = strict.prompt((question,), ThinkingMode.AUTO)
    assert strict.stops(only, ThinkingMode.AUTO) == (len(only.tokens) - 1,)
