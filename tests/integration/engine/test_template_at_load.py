"""Templates that would lose the question, with a real worker: the model is given all of it."""

from __future__ import annotations

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


def test_the_question_and_the_instructions_reach_the_model(files: Files, with_engine: WithEngine) -> None:
    talk = (system("Be brief, as brief as can be."), user("What is it?"), assistant("It is."), user("Why, then?"))
    counts: dict[str, int] = {}

    for form, template in {"plain": PLAIN, **FORMS}.items():

        async def count(engine: Engine, form: str = form) -> None:
            counts[form] = (await engine.engine.count_tokens(ask(*talk)))[0]
            result = await engine.answer(ask(*talk, lively=False, max_tokens=3))
            assert result.stats.completion_tokens == 3 and result.stats.prompt_tokens == counts[form]

        with_engine(files.get(f"form-{form}", vocab=600, tied=False, prefer=NEVER_ENDS, template=template), count)
    assert counts["typed"] == counts["plain"]
    assert 0 <= counts["plain"] - counts["no_system"] <= 12  # the frame of one message, and nothing else
