"""Templates that would lose the question, with a real worker: what the model is given, and what is refused."""

from __future__ import annotations

import pytest

from qwen_desktop.core.errors import UserFacing
from tests.gguf_files import NEVER_ENDS
from tests.integration.engine.conftest import Engine, Files, WithEngine
from tests.integration.engine.talk import ask, assistant, system, user

CHATML = "<|im_start|>{{ m.role }}\n{{ CONTENT }}<|im_end|>\n"
END = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
PLAIN = "{% for m in messages %}" + CHATML.replace("CONTENT", "m.content") + "{% endfor %}" + END
FORMS = {
    "typed": "{% for m in messages %}" + CHATML.replace(
        "{{ CONTENT }}", "{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}"
    ) + "{% endfor %}" + END,
    "no_system": "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + PLAIN,
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_question_and_the_instructions_reach_the_model(form: str, files: Files, with_engine: WithEngine) -> None:
    talk = (system("Be brief, as brief as can be."), user("What is it?"), assistant("It is."), user("Why, then?"))
    counts: list[int] = []

    async def count(engine: Engine) -> None:
        counts.append((await engine.engine.count_tokens(ask(*talk)))[0])
        result = await engine.answer(ask(*talk, lively=False, max_tokens=3))
        assert result.stats.completion_tokens == 3 and result.stats.prompt_tokens == counts[-1]
        assert engine.engine.info is not None and engine.engine.info.notices == ()

    for name, template in (("plain", PLAIN), (form, FORMS[form])):
        with_engine(files.get(f"form-{name}", vocab=600, tied=False, prefer=NEVER_ENDS, template=template), count)
    # A template without its system message has one message's frame less; nothing else may be missing.
    assert 0 <= counts[0] - counts[1] <= 12


def test_a_template_that_loses_the_question_is_refused_before_the_weights(
    files: Files, with_engine: WithEngine
) -> None:
    path = files.get("form-loses", vocab=600, template="Say something. " + END)

    async def never(_: Engine) -> None:
        raise AssertionError("loaded")

    with pytest.raises(UserFacing, match="leaves out what you write"):
        with_engine(path, never)
    repaired: list[str] = []

    async def answers(engine: Engine) -> None:
        repaired.append((await engine.answer(ask("hello", lively=False, max_tokens=3))).text)

    with_engine(path, answers, template=PLAIN)  # the same file with a template of ours
    assert repaired


def test_a_file_without_its_pre_tokenizer_says_so(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        assert engine.engine.info is not None
        (notice,) = engine.engine.info.notices
        assert str(notice).startswith("This file does not say how its text is split into tokens")

    with_engine(files.get("no-pre", vocab=600, pre=None), test)
