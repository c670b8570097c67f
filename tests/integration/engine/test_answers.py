"""Answers from a real worker process: how they end, what is counted, what is remembered."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from qwen_desktop.core.engine import (
    ContextCut,
    FinishReason,
    LoadProgress,
    LoadRequest,
    PromptProgress,
    ThinkingMode,
)
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.parts import PartBegun, PartDelta, PartDone, TextPart, ThinkingPart
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests.gguf_files import NEVER_ENDS

from .conftest import Engine, Files, WithEngine
from .talk import ask, assistant, system, user


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3"])
def test_full_vocabulary_streams_and_counts(files: Files, with_engine: WithEngine, architecture: str) -> None:
    path = files.get(f"{architecture}-full", vocab=151_936, architecture=architecture)

    async def test(engine: Engine) -> None:
        info = engine.engine.info
        assert info is not None and info.local is not None
        assert (info.local.architecture, info.local.quant, info.local.template_source) == (architecture, "Q8_0", "file")
        assert info.context_size == info.local.context_train == 2048
        request = ask("hello there", max_tokens=40)
        counted, exact = await engine.engine.count_tokens(request)
        result = await engine.answer(request)
        assert result.text
        assert result.finish_reason is FinishReason.LENGTH
        stats = result.stats
        assert exact and stats.prompt_tokens == counted > 2
        assert stats.completion_tokens == 40
        assert stats.ttft_s > 0 and stats.decode_tokens_per_s > 0 and stats.prompt_tokens_per_s > 0
        assert stats.memory_bytes > 10_000_000 and stats.load_s > 0
        assert stats.context_used == counted + 39 and stats.context_size == 2048

    with_engine(path, test)


def test_same_seed_same_words_other_seed_other_words(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        first = await engine.answer(ask("tell me", max_tokens=30))
        other = await engine.answer(ask("tell me", max_tokens=30, seed=8))
        again = await engine.answer(ask("tell me", max_tokens=30))
        assert first.text == again.text != other.text
        assert (first.seed, first.sampling.temperature) == (7, 1.0)

    with_engine(files.qwen3(), test)


def test_a_drawn_seed_is_reported_and_repeats_the_answer(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        request = ask("tell me", max_tokens=20)
        drawn = await engine.answer(ask("tell me", max_tokens=20, seed=None))  # type: ignore[arg-type]  # None draws
        again = await engine.answer(ask("tell me", max_tokens=20, seed=drawn.seed))
        assert request.sampling.seed != drawn.seed
        assert again.text == drawn.text

    with_engine(files.small(), test)


def test_characters_are_never_broken(files: Files, with_engine: WithEngine) -> None:
    """Byte tokens make broken UTF-8 all the time: no delta may split a character that the whole text has."""

    async def test(engine: Engine) -> None:
        result = await engine.answer(ask("x", lively=False, max_tokens=400))
        deltas = [e.text for e in engine.events if isinstance(e, PartDelta)]
        assert len(deltas) > 5
        assert "".join(deltas) == result.text
        assert "\x00" not in result.text
        result.text.encode("utf-8")

    with_engine(files.qwen3(), test)


def test_a_stop_string_ends_the_answer_unseen(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        whole = (await engine.answer(ask("go on", max_tokens=60))).text
        stop = whole[20:24]
        expected = whole[: whole.index(stop)]
        result = await engine.answer(ask("go on", max_tokens=60, stop=(stop,)))
        assert result.finish_reason is FinishReason.STOP
        assert result.text == expected

    with_engine(files.small(), test)


def test_the_end_token_ends_with_stop(files: Files, with_engine: WithEngine) -> None:
    path = files.get("ends-soon", vocab=600, tied=False, prefer={"<|im_end|>": 40.0})

    async def test(engine: Engine) -> None:
        result = await engine.answer(ask("bye", max_tokens=500))
        assert result.finish_reason is FinishReason.STOP
        assert result.stats.completion_tokens < 500
        assert "im_end" not in result.text

    with_engine(path, test)


def test_thinking_is_apart_from_the_answer(files: Files, with_engine: WithEngine) -> None:
    """A template that leaves the model inside ``<think>``, and a model that likes ``</think>``."""
    template = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}"
    )
    path = files.get("thinks", vocab=600, tied=False, prefer={"</think>": 12.0}, template=template)

    async def test(engine: Engine) -> None:
        assert engine.thinking == (ThinkingMode.THINK,)
        for seed in range(1, 30):
            result = await engine.answer(ask("why", max_tokens=300, seed=seed))
            if result.thinking and result.text:
                break
        else:
            pytest.fail("the model never closed its thinking")
        begun = [(e.index, type(e.part)) for e in engine.events if isinstance(e, PartBegun)]
        assert begun == [(0, ThinkingPart), (1, TextPart)]
        assert "</think>" not in result.thinking
        end = next(e for e in engine.events if isinstance(e, PartDone))
        assert end.index == 0 and end.tokens == result.stats.thinking_tokens > 0

    with_engine(path, test)


def test_switching_thinking_changes_the_prompt(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        count = engine.engine.count_tokens
        assert engine.thinking == tuple(ThinkingMode)
        auto, _ = await count(ask("x", thinking=ThinkingMode.AUTO))
        think, _ = await count(ask("x", thinking=ThinkingMode.THINK))
        direct, _ = await count(ask("x", thinking=ThinkingMode.DIRECT))
        assert auto == think < direct  # direct brings a closed, empty block

    with_engine(files.small(), test)


def test_what_was_read_is_not_read_again(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        talk = [user("first question " * 30)]
        first = await engine.answer(ask(*talk, max_tokens=20))
        assert first.stats.cached_tokens == 0
        talk += [assistant(first.text), user("and then?")]
        second = await engine.answer(ask(*talk, max_tokens=20))
        assert second.stats.cached_tokens > first.stats.prompt_tokens * 0.9
        again = await engine.answer(ask(*talk, max_tokens=20))
        assert again.stats.cached_tokens == again.stats.prompt_tokens - 1
        assert again.text == second.text

    with_engine(files.qwen3(), test)


def test_idle_time_prepares_the_next_prompt(files: Files, with_engine: WithEngine) -> None:
    """Thinking of earlier turns is dropped, which breaks the remembered beginning at the last answer: the idle worker
    reads that turn again as the next prompt will have it."""
    path = files.get("thinks-auto", vocab=600, tied=False, prefer={"<think>": 30.0, "</think>": 12.0}, seed=3)

    async def test(engine: Engine) -> None:
        for seed in range(1, 60):
            talk = [user("question " * 20)]
            first = await engine.answer(ask(*talk, max_tokens=120, seed=seed))
            if first.thinking and len(first.text) > 10 and first.finish_reason is FinishReason.STOP:
                break
        else:
            pytest.fail("the model never thought and answered")
        dropped = first.stats.completion_tokens - first.stats.thinking_tokens
        assert dropped > 0
        await asyncio.sleep(0.5)
        talk += [assistant(first.text, thinking=first.thinking), user("next")]
        second = await engine.answer(ask(*talk, max_tokens=5))
        assert second.stats.cached_tokens > first.stats.prompt_tokens + 5
        assert second.stats.prompt_tokens - second.stats.cached_tokens < 25  # the new question only

    with_engine(path, test)


def test_a_full_context_cuts_at_a_turn_and_keeps_system_and_last(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        talk = [system("be kind", "s")]
        for number in range(30):
            talk += [user(f"question {number} of many words", f"u{number}"), assistant("an answer", f"a{number}")]
        talk.append(user("the last one", "last"))
        result = await engine.answer(ask(*talk, max_tokens=8))
        cut = engine.events[0]
        assert isinstance(cut, ContextCut)
        assert cut.first_kept_id.startswith("u") and cut.dropped == 2 * int(cut.first_kept_id[1:])
        assert result.stats.prompt_tokens <= 0.6 * result.stats.context_size
        # the same cut stays while there is room, and what was kept is remembered
        talk += [assistant(result.text, "b"), user("more", "more")]
        again = await engine.answer(ask(*talk, max_tokens=8, cut_from=cut.first_kept_id))
        kept = engine.events[0]
        assert kept == cut
        assert again.stats.cached_tokens > result.stats.prompt_tokens * 0.8

    with_engine(files.small(), test, context=512)


def test_a_message_longer_than_the_context_says_so(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        with pytest.raises(UserFacing) as caught:
            await engine.answer(ask("word " * 2000))
        assert "the context holds 512" in caught.value.problem.sentence()
        assert "Shorten it" in caught.value.problem.sentence()
        with pytest.raises(UserFacing, match="empty"):
            await engine.answer(ask("  "))
        assert (await engine.answer(ask("short", lively=False, max_tokens=3))).stats.completion_tokens == 3

    with_engine(files.small(), test, context=512)


def test_the_end_of_the_context_ends_the_answer(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        result = await engine.answer(ask("talk", lively=False))  # greedy random weights repeat themselves for ever
        assert result.finish_reason is FinishReason.LENGTH
        assert result.stats.context_used <= result.stats.context_size == 512
        assert result.stats.context_used > 500

    with_engine(files.small(), test, context=512)


def test_typed_control_tokens_stay_text(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        plain, _ = await engine.engine.count_tokens(ask("a b"))
        typed, _ = await engine.engine.count_tokens(ask("a<|im_end|>b"))
        assert typed > plain + 3  # spelt out, not one control token

    with_engine(files.small(), test)


def test_counting_works_while_an_answer_runs(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        async with engine.engine.generate(ask("x " * 1500, max_tokens=2000)) as run:
            async for event in run:
                if isinstance(event, PromptProgress):
                    began = time.monotonic()
                    assert (await engine.engine.count_tokens(ask("hello")))[0] > 2
                    assert time.monotonic() - began < 2
                    break
        assert run.result.finish_reason is FinishReason.CANCELLED

    with_engine(files.slow(), test)


def test_a_load_waits_for_a_count_that_runs(files: Files, with_engine: WithEngine) -> None:
    """The file is another one meanwhile, so that the model that counts is freed by the load."""
    how: dict[str, Any] = {"vocab": 600, "tied": False, "prefer": NEVER_ENDS}
    path = Path(files.get("replaced", **how))
    other = Path(files.get("replaces", **how, seed=9, name="Other"))

    async def test(engine: Engine) -> None:
        local = engine.engine
        pid = local.pid
        long = ask("word and other text " * 60_000)
        whole = asyncio.ensure_future(local.count_tokens(long))
        await asyncio.sleep(0.05)  # it has begun
        await asyncio.to_thread(other.replace, path)
        async for _ in local.load(LoadRequest(str(path), context=700)):
            pass
        assert (await whole) == (await local.count_tokens(long))
        assert local.pid == pid and local.info is not None and local.info.name == "Other"

    with_engine(str(path), test, context=600)


def test_context_asked_is_context_given_or_told(files: Files, with_engine: WithEngine) -> None:
    async def exact(engine: Engine) -> None:
        info = engine.engine.info
        assert info is not None and (info.context_size, info.notices) == (1000, ())

    async def more_than_trained(engine: Engine) -> None:
        info = engine.engine.info
        assert info is not None and info.context_size == 2048 and len(info.notices) == 1
        assert str(info.notices[0]) == (
            "The context is 2,048 tokens instead of 100,000: this model was not trained for more."
        )

    async def automatic(engine: Engine) -> None:
        info = engine.engine.info
        assert info is not None and (info.context_size, info.notices) == (2048, ())

    with_engine(files.small(), exact, context=1000)
    with_engine(files.small(), more_than_trained, context=100_000)
    with_engine(files.small(), automatic)


def test_too_little_memory_for_the_context_gives_less_and_says_so(files: Files, with_engine: WithEngine) -> None:
    """The worker believes that 300 MB are free; 256 of them are its margin."""
    program = (
        "from qwen_desktop.core.hardware import Memory; from qwen_desktop.hardware import memory; "
        "memory.read = lambda: Memory(2**40, 300 * 2**20); "
        "from qwen_desktop.engine.worker import main; main()"
    )
    path = files.get("long-trained", vocab=600, context=131_072, tied=False, prefer=NEVER_ENDS)

    async def test(engine: Engine) -> None:
        info = engine.engine.info
        assert info is not None and len(info.notices) == 1
        assert 512 <= info.context_size < 65_536
        assert str(info.notices[0]) == (
            f"The context is {info.context_size:,} tokens instead of 65,536: there is not enough free memory for more."
        )
        assert (await engine.answer(ask("hello", lively=False, max_tokens=3))).stats.completion_tokens == 3

    with_engine(path, test, context=65_536, command=[sys.executable, "-c", program])


def test_quantized_context_works(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        info = engine.engine.info
        assert info is not None and info.local is not None
        assert (info.local.kv_type, info.local.flash_attention) == ("q8_0", True)
        assert (await engine.answer(ask("hello", lively=False, max_tokens=10))).stats.completion_tokens == 10

    with_engine(files.small(), test, kv_type="q8_0")


def test_another_context_keeps_the_process_another_model_does_not(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        local = engine.engine
        before = local.pid
        progress = [step async for step in local.load(LoadRequest(files.small(), context=700))]
        assert progress == [] or all(isinstance(step, LoadProgress) for step in progress)
        assert local.pid == before and local.info is not None and local.info.context_size == 700
        other = files.get("other", vocab=600, seed=9, name="Other", tied=False, prefer=NEVER_ENDS)
        steps = [step async for step in local.load(LoadRequest(other))]
        assert steps[-1].fraction == 1.0
        assert local.pid != before and local.info is not None and local.info.name == "Other"
        assert (await engine.answer(ask("hello", lively=False, max_tokens=3))).stats.completion_tokens == 3

    with_engine(files.small(), test, context=900)


def test_closing_ends_the_process(files: Files) -> None:
    async def test() -> None:
        engine = LocalWorkerEngine(worker_command("engine"))
        async for _ in engine.load(LoadRequest(files.small())):
            pass
        pid = engine.pid
        assert pid is not None and psutil.pid_exists(pid)
        await engine.aclose()
        assert engine.info is None and engine.pid is None and not psutil.pid_exists(pid)
        await engine.aclose()

    asyncio.run(test())
