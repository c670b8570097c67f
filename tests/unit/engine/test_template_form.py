"""In which form a template keeps all that is said, and what is said where there is none."""

from __future__ import annotations

import time

import pytest

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.engine.template_families import FAMILIES, reference
from qwen_desktop.engine.template_form import Form
from qwen_desktop.engine.templates import Template
from tests.gguf_files import THINKING_TEMPLATE

TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "q1"},
    {"role": "assistant", "content": "a1"},
    {"role": "user", "content": "q2"},
]
EVERYBODY = ("system", "user", "assistant", "tool")
PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
TYPED = (
    "{% for m in messages %}<{{ m.role }}>"
    "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
)
TYPED_QUESTION = (
    "{% for m in messages %}<{{ m.role }}>"
    "{% if m.role == 'user' %}{{ m.content[0].text }}{% else %}{{ m.content + '' }}{% endif %}{% endfor %}"
)
EITHER = (
    "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}"
    "{% else %}{{ m.content[0].text }}{% endif %}{% endfor %}"
)
REFUSES = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
ALTERNATES = "{% if messages[0].role != 'user' %}{{ raise_exception('must alternate') }}{% endif %}"
DROPS = PLAIN.replace("in messages", "in messages if m.role != 'system'")


@pytest.mark.parametrize(
    ("source", "form"),
    [
        (PLAIN, Form()),
        (EITHER, Form()),
        (THINKING_TEMPLATE, Form()),
        (None, Form()),
        (TYPED, Form(EVERYBODY)),
        (TYPED_QUESTION, Form(("user",))),
        (REFUSES + PLAIN, Form((), "refused")),
        (ALTERNATES + PLAIN, Form((), "refused")),
        (DROPS, Form((), "lost")),
        (REFUSES + TYPED, Form(EVERYBODY, "refused")),
        (TYPED.replace("in messages", "in messages if m.role != 'system'"), Form(EVERYBODY, "lost")),
        (PLAIN.replace("m.content", "m.content | trim"), Form()),
    ],
)
def test_the_form_that_keeps_everything(source: str | None, form: Form) -> None:
    template = Template(source)
    template.fit()
    assert template.form == form
    prompt = template.render(TALK, ThinkingMode.AUTO)
    for message in TALK:
        assert prompt.count(message["content"]) == 1
    assert TALK[0]["content"] == "be brief" and TALK[1]["content"] == "q1"  # the caller's own are not touched


@pytest.mark.parametrize("family", [f for f in FAMILIES.values() if f.chatml], ids=lambda f: f.name)
def test_our_own_templates_need_no_other_form(family: object) -> None:
    template = Template(reference(family))  # type: ignore[arg-type]
    template.fit()
    assert template.form == Form()


def test_instructions_go_into_the_first_question_that_is_left() -> None:
    form = Form((), "refused")
    assert form.shape(TALK)[0] == {"role": "user", "content": "be brief\n\nq1"}
    assert form.shape(TALK[:1] + TALK[3:]) == [{"role": "user", "content": "be brief\n\nq2"}]
    assert form.shape(TALK[:1]) == [{"role": "user", "content": "be brief"}]
    assert form.shape([{"role": "system", "content": ""}, *TALK[1:]]) == TALK[1:]
    assert form.shape(TALK[1:]) == TALK[1:]
    typed = Form(EVERYBODY, "lost").shape(TALK)
    assert typed[0]["content"] == [{"type": "text", "text": "be brief\n\nq1"}]


def test_thinking_is_found_in_the_form_that_works() -> None:
    source = TYPED_QUESTION + "{% if add_generation_prompt %}A:<think>\n{% endif %}"
    template = Template(source)
    template.fit()
    assert template.thinking == (ThinkingMode.THINK,)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("Answer: ", "leaves out what you write"),
        (PLAIN.replace("in messages", "in messages[:-1]"), "leaves out what you write"),
        (PLAIN.replace("in messages", "in messages[-1:]"), "leaves out what you write"),
        (PLAIN.replace("m.content", "m.content[:10]"), "leaves out what you write"),
        (PLAIN.replace("m.content", "m.text"), "leaves out what you write"),
        ("{{ raise_exception('never') }}", "refuses the conversation: never"),
        ("{{ functions() }}", "refuses the conversation"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "does not come to an end"),
    ],
)
def test_a_template_without_any_is_refused_in_a_sentence(source: str, words: str) -> None:
    began = time.monotonic()
    with pytest.raises(UserFacing, match=words):
        Template(source, limit_s=0.4).fit()
    assert time.monotonic() - began < 3


def test_it_costs_milliseconds() -> None:
    templates = [Template(TYPED) for _ in range(20)]
    took = []
    for template in templates:
        began = time.perf_counter()
        template.fit()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.02
