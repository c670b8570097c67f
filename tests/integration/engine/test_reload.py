"""Another context, threads, cache or attention for a loaded model: the weights stay."""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from pathlib import Path

import pytest

from qwen_desktop.core.engine import GenerateRequest, LoadRequest, ModelInfo
from qwen_desktop.core.errors import AppError, Environment
from qwen_desktop.engine.local import LocalWorkerEngine
from tests import gguf_shapes
from tests.gguf_files import NEVER_ENDS
from tests.integration.engine.conftest import Engine, Files, WithEngine, loaded
from tests.integration.engine.talk import ask

LINUX = sys.platform.startswith("linux")
CHANGES = {
    "context": (512, 700, 1024, 2048, 3000),
    "threads": (None, 1, 2),
    "kv_type": ("auto", "f16", "k_q8_0", "q8_0"),
    "flash_attention": ("auto", "on", "off"),
}


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """With pages of 2 MB the heap grows in such steps, some of them after the first load: too coarse to see by how
    little the memory differs."""
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")


async def again(engine: LocalWorkerEngine, path: str, **how: object) -> tuple[ModelInfo, int]:
    """Load once more: what is loaded then, and how many steps of progress there were."""
    steps = [step async for step in engine.load(LoadRequest(path, **how))]  # type: ignore[arg-type]
    assert engine.info is not None
    return engine.info, len(steps)


def read_bytes(pid: int | None) -> int:
    """What a process has read in its life."""
    found = re.search(r"rchar: (\d+)", Path(f"/proc/{pid}/io").read_text())
    assert found is not None
    return int(found[1])


@pytest.mark.skipif(not LINUX, reason="what a process reads is counted on Linux")
def test_another_context_keeps_the_weights(tmp_path: Path) -> None:
    """At the size of Qwen3-0.6B: within a second, nothing of the file is read again, and answers are the same."""
    plan = gguf_shapes.PLANS["Qwen3-0.6B"]
    path = str(gguf_shapes.write(tmp_path / "m.gguf", plan, kind=gguf_shapes.Kind.Q4_K, weights=True, vocab=600))
    question = ask("one two three four five", lively=False, max_tokens=4)

    async def fresh(**how: object) -> str:
        async with loaded(path, **how) as engine:
            return (await engine.answer(question)).text

    async def run() -> None:
        expected = await fresh(context=4096)
        async with loaded(path, context=2048) as engine:
            local = engine.engine
            pid, seconds, held = local.pid, [], []
            for context in (4096, 1024, 2048, 1024):
                before = read_bytes(pid)
                info, steps = await again(local, path, context=context)
                assert (info.context_size, steps, local.pid) == (context, 0, pid)
                assert read_bytes(pid) - before < 0.01 * info.local.size_bytes
                assert (await engine.answer(question)).text == expected
                seconds.append(info.local.load_s)
                held.append(info.local.resident_bytes)
            assert min(seconds) <= 1.0
            # the small one's memory is free again, whatever the large one took
            assert held[1] < held[0] - 100 * 2**20 and held[3] == pytest.approx(held[1], rel=0.02)

    asyncio.run(run())


def test_many_changes_take_no_memory(files: Files, with_engine: WithEngine) -> None:
    path = files.small()

    async def test(engine: Engine) -> None:
        chance = random.Random(11)
        local = engine.engine
        pid = local.pid
        question = ask("hello there", lively=False, max_tokens=2)
        held = []
        for number in range(21):
            how = {name: chance.choice(values) for name, values in CHANGES.items()} if number % 10 else {"context": 512}
            info, steps = await again(local, path, **how)
            assert (steps, local.pid) == (0, pid)
            assert info.local.kv_type == how.get("kv_type", "f16").replace("auto", "f16")
            assert info.local.threads == how.get("threads") or not how.get("threads")
            assert (await engine.answer(question)).stats.context_size == info.context_size
            if not number % 10:
                held.append(info.local.resident_bytes)
        assert max(held[1:]) - held[0] < 3 * 2**20, held

    with_engine(path, test, context=1024)


def test_a_context_that_cannot_be_made_leaves_nothing_loaded(files: Files, with_engine: WithEngine) -> None:
    """And the next load in the same process is as the first one was."""
    program = (
        "from qwen_desktop.engine import llama_context as module\n"
        "make = module.Context.__init__\n"
        "def fail(self, model, shape, flag):\n"
        "    if shape.threads == 3:\n"
        "        raise module.ContextError\n"
        "    make(self, model, shape, flag)\n"
        "module.Context.__init__ = fail\n"
        "from qwen_desktop.engine.worker import main; main()"
    )
    path = files.small()

    async def test(engine: Engine) -> None:
        local = engine.engine
        assert local.info is not None
        pid, held = local.pid, local.info.local.resident_bytes
        with pytest.raises(Environment, match="not enough memory"):
            await again(local, path, threads=3)
        assert local.info is None
        with pytest.raises(AppError, match="No model is loaded"):
            await local.count_tokens(ask("hello"))
        info, steps = await again(local, path, context=700)
        assert steps > 0 and local.pid == pid
        assert info.local.resident_bytes < held + 3 * 2**20
        assert (await engine.answer(ask("hello", lively=False, max_tokens=3))).stats.completion_tokens == 3

    with_engine(path, test, context=700, command=[sys.executable, "-c", program])


def test_another_file_under_the_same_name_is_loaded_anew(files: Files, tmp_path: Path, with_engine: WithEngine) -> None:
    path = tmp_path / "model.gguf"
    os.link(files.small(), path)
    other = files.get("other-small", vocab=600, seed=9, tied=False, prefer=NEVER_ENDS)
    question = ask("hello", lively=True, max_tokens=12)

    async def answers(engine: Engine) -> None:
        first = (await engine.answer(question)).text
        path.unlink()
        os.link(other, path)
        _, steps = await again(engine.engine, str(path), context=700)
        assert steps > 0
        second = (await engine.answer(question)).text
        async with loaded(other, context=700) as fresh:
            assert second == (await fresh.answer(question)).text != first
        path.unlink()
        with pytest.raises(AppError):
            await again(engine.engine, str(path), context=900)
        assert engine.engine.info is None

    with_engine(str(path), answers, context=700)


def test_counts_while_the_context_changes_get_an_answer_or_a_sentence(files: Files, with_engine: WithEngine) -> None:
    path = files.small()
    request: GenerateRequest = ask("a b c d e f g h " * 3000)

    async def test(engine: Engine) -> None:
        local = engine.engine
        pid = local.pid
        expected = (await local.count_tokens(request))[0]

        async def count() -> int | AppError:
            try:
                return (await local.count_tokens(request))[0]
            except AppError as error:
                return error

        for context in (600, 900, 600):
            counts = [asyncio.create_task(count()) for _ in range(6)]
            await asyncio.sleep(0)
            await again(local, path, context=context)
            found = await asyncio.gather(*counts)
            assert all(isinstance(each, AppError) or each == expected for each in found)
            assert (await local.count_tokens(request), local.pid) == ((expected, True), pid)

    with_engine(path, test)


def test_a_share_of_one_processor_is_one_thread(files: Files) -> None:
    """A container's share of time counts, not how many cores the machine has."""
    program = (
        "from qwen_desktop.hardware import cpu, limits\n"
        "limits.affinity = lambda: None\n"
        "limits.processors = lambda root: 1\n"
        "cpu.os.cpu_count = lambda: 32\n"
        "cpu.cpu_linux.cores = lambda root, allowed: (32, 32)\n"
        "from qwen_desktop.engine.worker import main; main()"
    )

    async def run() -> None:
        engine = LocalWorkerEngine([sys.executable, "-c", program])
        try:
            info, _steps = await again(engine, files.small(), context=600)
            assert info.local.threads == 1
        finally:
            await engine.aclose()

    asyncio.run(run())
