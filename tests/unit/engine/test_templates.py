"""Rendering chat templates: what they may do, what they may not, and what is said then."""

from __future__ import annotations

import time

import pytest

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.engine.templates import Template, ends_in_thinking
from tests.gguf_files import THINKING_TEMPLATE

TALK = [
    {"role": "user", "content": "q1"},
    {"role": "assistant", "content": "a1", "reasoning_content": "t1"},
    {"role": "user", "content": "q2"},
]


def render(source: str | None, thinking: ThinkingMode = ThinkingMode.AUTO) -> str:
    return Template(source).render(TALK, thinking)


def test_the_fallback_is_chatml() -> None:
    template = Template(None)
    assert not template.own and template.thinking == ()
    assert render(None) == (
        "<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\na1<|im_end|>\n"
        "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n"
    )


def test_thinking_modes_reach_the_template() -> None:
    template = Template(THINKING_TEMPLATE)
    assert template.thinking == tuple(ThinkingMode)
    auto, think, direct = (template.render(TALK, mode) for mode in ThinkingMode)
    assert auto == think and direct == auto + "<think>\n\n</think>\n\n"
    assert "t1" not in auto  # thinking of earlier turns is dropped by the template


def test_auto_leaves_the_switch_undefined() -> None:
    source = "{{ 'undefined' if enable_thinking is not defined else enable_thinking }}"
    assert [Template(source).render(TALK, mode) for mode in ThinkingMode] == ["undefined", "True", "False"]


def test_templates_that_always_think_offer_nothing_else() -> None:
    source = "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}A:<think>\n{% endif %}"
    assert Template(source).thinking == (ThinkingMode.THINK,)
    assert Template(source.replace("<think>\n", "<think>\n\n</think>\n")).thinking == ()


@pytest.mark.parametrize(
    ("prompt", "inside"),
    [("x<think>\n", True), ("x<think>", True), ("x<think>\n\n</think>\n\n", False), ("<think>a", False), ("x", False)],
)
def test_whether_a_prompt_ends_inside_thinking(prompt: str, inside: bool) -> None:
    assert ends_in_thinking(prompt) is inside


def test_what_real_templates_need() -> None:
    assert render("{{ {'b': '<&>中', 'a': [1]} | tojson }}") == '{"b": "<&>中", "a": [1]}'
    assert render("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}") == "01"
    assert render("{% generation %}x{% endgeneration %}") == "x"
    assert render("{{ strftime_now('%Y') }}") == time.strftime("%Y")
    assert render("{% if true %}\n  a\n{% endif %}\n") == "  a\n"
    assert render("{{ missing is defined }}{{ tools is defined }}") == "FalseFalse"
    assert (
        Template("{{ bos_token }}|{{ eos_token }}", bos="<s>", eos="</s>").render(TALK, ThinkingMode.AUTO) == "<s>|</s>"
    )


def test_a_template_that_raises_says_its_words_shortened() -> None:
    with pytest.raises(UserFacing) as caught:
        render("{{ raise_exception('Roles must alternate! ' ~ 'x' * 500) }}")
    sentence = caught.value.problem.sentence()
    assert "Roles must alternate" in sentence and len(str(caught.value.problem.what)) < 260


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ 1 // 0 }}",
        "{{ undefined_function() }}",
    ],
)
def test_fences_and_failures_are_sentences(source: str) -> None:
    try:
        assert render(source) == ""  # the sandbox gives nothing for what it hides
    except UserFacing as error:
        assert "The chat template of this model" in error.problem.sentence()


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 2 ** 9999999999 }}",
        "{{ 'ab' * 4000000000 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set n = namespace(t='x' * 1000000) %}{% for i in range(40) %}{% set n.t = n.t + n.t %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'x' * 100000 }}{% endfor %}",
    ],
    ids=["time", "power", "multiplication", "recursion", "doubling", "output"],
)
def test_bounds(source: str) -> None:
    began = time.monotonic()
    with pytest.raises(UserFacing, match="does not come to an end"):
        Template(source, limit_s=0.5).render(TALK, ThinkingMode.AUTO)
    assert time.monotonic() - began < 5


def test_a_syntax_error_names_its_line() -> None:
    with pytest.raises(UserFacing, match="error in line 2"):
        Template("a\n{% if %}")
