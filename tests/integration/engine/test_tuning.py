"""The measured run with real models: what it measures, that it ends for everybody else, and that nothing is lost."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.placement import Placement
from qwen_desktop.core.tuning import DEFAULT_WAY, TuneProgress, TuneRequest, Way
from qwen_desktop.engine.llama import Flag, Model
from qwen_desktop.engine.timed import CannotError, Timed
from tests import gguf_shapes
from tests.integration.engine.conftest import Engine, Files, WithEngine
from tests.integration.engine.in_process import library
from tests.integration.engine.talk import ask

OFF = Way(flash_attention=False)


def test_a_run_measures_both_ways_keeps_its_time_and_the_conversation(files: Files, with_engine: WithEngine) -> None:
    async def test(e: Engine) -> None:
        first = await e.answer(ask("Tell me", max_tokens=8, lively=False))
        told: list[TuneProgress] = []
        began = time.monotonic()
        result = await e.engine.tune(TuneRequest(depth=512, seconds=6), told.append)
        assert time.monotonic() - began < 12  # other tests run beside this one
        assert result.whole and result.depth == 512 and result.depths == (0, 512)
        ways = {trial.way for trial in result.trials if trial.work == "write"}
        assert {OFF, DEFAULT_WAY} <= ways
        assert all(trial.tokens_per_s > 0 and trial.threads >= 1 for trial in result.trials)
        assert 0 < result.share <= 1
        assert all(gain.write > 0 for gain in result.gains)
        again = await e.answer(ask("Tell me", max_tokens=8, lively=False))
        assert again.text == first.text and again.stats.cached_tokens > 0  # what was evaluated is still there

    with_engine(files.small(), test)


def test_an_answer_ends_a_run_and_comes_at_once(files: Files, with_engine: WithEngine) -> None:
    async def test(e: Engine) -> None:
        await e.answer(ask("Tell me", max_tokens=2))
        for steps in (0, 1):  # at once, and in the midst of it on however fast a machine
            told: list[object] = []
            running = asyncio.create_task(e.engine.tune(TuneRequest(depth=2048, seconds=20), told.append))
            while len(told) < steps:  # noqa: ASYNC110 - the run says how far it is
                await asyncio.sleep(0.005)
            answer = await e.answer(ask("Tell me", max_tokens=2))
            assert answer.stats.completion_tokens == 2
            result = await running
            assert not result.whole and result.seconds < 10

    with_engine(files.slow(), test)


def test_a_run_that_nobody_waits_for_ends(files: Files, with_engine: WithEngine) -> None:
    async def test(e: Engine) -> None:
        running = asyncio.create_task(e.engine.tune(TuneRequest(depth=1024, seconds=20), lambda _told: None))
        await asyncio.sleep(0.2)
        running.cancel()
        began = time.monotonic()
        await e.answer(ask("Tell me", max_tokens=2))
        assert time.monotonic() - began < 8

    with_engine(files.slow(), test)


def loaded(path: str) -> Model:
    return library().load(read_header(path), Placement(), lambda _part: True)


@pytest.mark.parametrize("way", [OFF, DEFAULT_WAY, Way(flash_attention=False, kv_type="k_q8_0")])
def test_a_made_up_state_is_taken_and_is_as_long_as_it_says(files: Files, way: Way) -> None:
    model = loaded(files.small())
    context = Timed(model, way, Flag(), size=1024, threads=1, chunk=32)
    try:
        one = context.one_token()
        for depth in (1, 300, 900):
            context.fill(one, depth)
            assert context.write(1) > 0 and context.read(1, 32) > 0
            assert context.depth == depth
        with pytest.raises(CannotError):
            context.fill(one, 5000)  # more than it has room for
        context.empty()
        assert context.write(1) > 0
    finally:
        context.close()
        model.close()


def test_a_hybrid_is_made_deep_too(tmp_path: Path) -> None:
    path = tmp_path / "hybrid.gguf"
    plan = gguf_shapes.Plan("qwen35", 4, 256, 4, 2, 64, 512, groups=2, ranks=4, vocab=2000, context=4096)
    gguf_shapes.write(path, plan)
    model = loaded(str(path))
    context = Timed(model, OFF, Flag(), size=1024, threads=1, chunk=32)
    try:
        assert model.recurrent
        context.fill(context.one_token(), 700)
        for _ in range(3):
            assert context.write(1) > 0
        for _ in range(8):
            assert context.read(1, 32) > 0
        with pytest.raises(CannotError):  # a recurrent state cannot go back: it ends at the context's end
            for _ in range(3):
                context.read(1, 32)
    finally:
        context.close()
        model.close()


@pytest.mark.parametrize("rows", [4, 16])
def test_rows_of_a_batch_are_evaluated_together(files: Files, rows: int) -> None:
    model = loaded(files.small())
    context = Timed(model, OFF, Flag(), size=512, threads=1, chunk=16, rows=rows)
    try:
        assert all(context.batch(1) > 0 for _ in range(3))
    finally:
        context.close()
        model.close()
