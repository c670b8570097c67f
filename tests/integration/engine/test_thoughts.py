"""The thinking budget and the loop guard in the real worker, with models that never close a thought."""

from __future__ import annotations

import pytest

from qwen_desktop.core.engine import FinishReason
from qwen_desktop.engine.steering import SENTENCE
from tests import gguf_files
from tests.integration.engine.conftest import Answered, Engine, Files, WithEngine
from tests.integration.engine.talk import ask
from tests.smollm2 import model_path

#: Opens a thought by itself in the prompt, as the templates of 2507-Thinking and QwQ do.
_ASKS = "<|im_start|>assistant\n"
OPENED = gguf_files.THINKING_TEMPLATE.replace(f"{_ASKS}' }}}}", f"{_ASKS}<think>\n' }}}}")
assert OPENED != gguf_files.THINKING_TEMPLATE


def closed(answer: Answered, budget: int) -> None:
    """It thought no longer than ``budget``, and then it answered."""
    assert answer.budget_spent and answer.text.strip()
    assert answer.stats.thinking_tokens <= budget + 24
    assert answer.finish_reason in (FinishReason.STOP, FinishReason.LENGTH)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thought_that_never_ends_is_closed(files: Files, with_engine: WithEngine, seed: int) -> None:
    never = {**gguf_files.NEVER_ENDS, "</think>": 0.0}
    path = files.get(f"opened-{seed}", vocab=600, tied=False, prefer=never, template=OPENED, seed=seed)

    async def test(engine: Engine) -> None:
        for budget in (0, 1, 40):
            closed(await engine.answer(ask("Why?", lively=False, thinking_budget=budget, max_tokens=200)), budget)
            lively = await engine.answer(ask("Why?", thinking_budget=budget, max_tokens=200))
            assert lively.stats.thinking_tokens <= budget + 24 and (lively.text or not lively.budget_spent)
        free = await engine.answer(ask("Why?", lively=False, max_tokens=200))
        assert not free.text and not free.budget_spent and free.stats.thinking_tokens == 200

    with_engine(path, test)


def test_tied_weights_that_say_the_same_again_and_again_answer_too(files: Files, with_engine: WithEngine) -> None:
    """Such a model repeats its last token for ever: it would answer with the empty line that closes the thought."""
    path = files.get("opened-tied", vocab=600, layers=1, template=OPENED)

    async def test(engine: Engine) -> None:
        closed(await engine.answer(ask("Why?", lively=False, thinking_budget=40, max_tokens=150)), 40)

    with_engine(path, test)


def test_a_real_vocabulary_gets_the_whole_sentence(with_engine: WithEngine, files: Files) -> None:
    """SmolLM2's has neither mark as a token of its own: they are written and read as text."""
    opened = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    opened += "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"

    async def test(engine: Engine) -> None:
        answer = await engine.answer(ask("What is the sea?", lively=False, thinking_budget=20, max_tokens=30))
        assert answer.thinking.endswith(SENTENCE) and answer.text.strip() and answer.budget_spent
        assert SENTENCE not in answer.text and "think>" not in answer.text

    with_engine(str(model_path()), test, template=opened)


def test_a_model_without_thoughts_does_not_notice(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        plain = await engine.answer(ask("Why?", lively=False, max_tokens=60))
        bounded = await engine.answer(ask("Why?", lively=False, max_tokens=60, thinking_budget=5))
        assert bounded.parts == plain.parts and not bounded.budget_spent and bounded.stats.completion_tokens == 60

    with_engine(files.small(), test)


def test_what_goes_round_is_stopped_where_that_is_wished(files: Files, with_engine: WithEngine) -> None:
    """Tied random weights fall into a circle of one token."""
    path = files.get("round", vocab=600, tied=True, seed=4, layers=1)

    async def test(engine: Engine) -> None:
        free = await engine.answer(ask("Why?", lively=False, max_tokens=600))
        guarded = await engine.answer(ask("Why?", lively=False, max_tokens=600, loop_guard=True))
        assert not free.stopped_loop and guarded.stats.completion_tokens + 50 < free.stats.completion_tokens
        assert guarded.finish_reason is FinishReason.STOP and guarded.stopped_loop and not guarded.budget_spent
        assert guarded.text and free.text.startswith(guarded.text.rstrip("\ufffd"))

    with_engine(path, test)
