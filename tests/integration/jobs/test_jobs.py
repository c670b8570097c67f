"""Jobs through a real worker process."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from pathlib import Path

import psutil
import pytest

from qwen_desktop.core.errors import Bug, Cancelled, Environment, UserFacing
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.jobs.formulas.data import from_builtins as formula_from
from qwen_desktop.jobs.formulas.rendering import formula
from qwen_desktop.jobs.markdown.blocks import from_builtins, projection
from qwen_desktop.jobs.markdown.growing import as_grown, grow
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.jobs.markdown.references import References
from qwen_desktop.jobs.table import COMPUTES, DEADLINES_S, JOBS
from qwen_desktop.process.spawn import worker_command
from tests import gguf_files
from tests.pele import needs_pele

#: A worker with jobs of the test's own.
_SLOW = """
import sys, time, types
module = types.ModuleType("slow_jobs")
def count(upto, report):
    for done in range(upto):
        report(done, upto)
        time.sleep(0.01)
    return upto
def sleep(seconds):
    time.sleep(seconds)
    return "slept"
def odd():
    return object()
def hang(path):
    time.sleep(60)
def fail():
    raise ValueError("secret text")
module.count, module.sleep, module.odd, module.fail, module.hang = count, sleep, odd, fail, hang
sys.modules["slow_jobs"] = module
from qwen_desktop.jobs import table, worker
for name in ("count", "sleep", "odd", "fail"):
    table.JOBS[name] = f"slow_jobs:{name}"
table.JOBS["gguf.header"] = "slow_jobs:hang"  # a drive that does not answer
worker.main()
"""


def test_every_row_of_the_table_exists() -> None:
    for place in JOBS.values():
        module, _, function = place.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_results_errors_and_restart(tmp_path: Path) -> None:
    path = gguf_files.write(tmp_path / "a.gguf", vocab=600, name="My Model")

    async def test() -> None:
        jobs = JobWorker(worker_command("jobs"))
        assert jobs.pid is None  # nothing starts before it is needed
        header = await jobs.call("gguf.header", {"path": str(path)})
        assert header == {"name": "My Model", "size_bytes": path.stat().st_size}
        with pytest.raises(UserFacing, match="folder"):
            await jobs.call("gguf.header", {"path": str(tmp_path)})
        with pytest.raises(Bug, match="no background job"):
            await jobs.call("no.such", {})
        both = await asyncio.gather(*(jobs.call("markdown.render", {"text": t}) for t in ("*a*", "# b")))
        assert all(both) and both[0] != both[1]
        pid = jobs.pid
        assert pid is not None
        psutil.Process(pid).kill()
        with pytest.raises(Environment, match="background process"):
            while True:
                await jobs.call("gguf.header", {"path": str(path)})
        assert (await jobs.call("gguf.header", {"path": str(path)}))["name"] == "My Model"
        assert jobs.pid != pid
        last = jobs.pid
        await jobs.aclose()
        await jobs.aclose()
        assert last is not None and not psutil.pid_exists(last)
        with pytest.raises(Cancelled, match="closing"):
            await jobs.call("gguf.header", {"path": str(path)})

    asyncio.run(test())


def test_progress_cancel_and_long_jobs_beside_short_ones() -> None:
    async def test() -> None:
        jobs = JobWorker([sys.executable, "-c", _SLOW])
        seen: list[tuple[int, int]] = []
        assert await jobs.call("count", {"upto": 5}, progress=lambda d, t: seen.append((d, t))) == 5
        assert seen == [(n, 5) for n in range(5)]
        long = asyncio.ensure_future(jobs.call("sleep", {"seconds": 3}))
        await asyncio.sleep(0.1)
        assert await asyncio.wait_for(jobs.call("count", {"upto": 1}), 1) == 1
        endless = asyncio.ensure_future(jobs.call("count", {"upto": 100_000}))
        await asyncio.sleep(0.1)
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        # the thread is free again although the other one sleeps
        assert await asyncio.wait_for(jobs.call("count", {"upto": 1}), 1) == 1
        with pytest.raises(Bug):
            await jobs.call("odd", {})
        with pytest.raises(Bug) as caught:
            await jobs.call("fail", {})
        assert "secret" not in repr(caught.value.problem)
        await jobs.aclose()
        with pytest.raises(Cancelled):
            await long

    asyncio.run(test())


def test_files_on_a_drive_that_does_not_answer_hold_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        jobs = JobWorker([sys.executable, "-c", _SLOW])
        assert await jobs.call("count", {"upto": 1}) == 1
        lost = [asyncio.ensure_future(jobs.call("gguf.header", {"path": "/lost/a.gguf"})) for _ in range(3)]
        async with asyncio.timeout(20):
            assert await jobs.call("count", {"upto": 1}) == 1  # another file
            for _ in range(10):  # more than there are threads for files
                lost.append(asyncio.ensure_future(jobs.call("gguf.header", {"path": "/lost/a.gguf"})))
            assert await jobs.call("markdown.render", {"text": "*a*"})
        monkeypatch.setitem(DEADLINES_S, "gguf.header", 0.1)
        with pytest.raises(Environment, match="no answer") as caught:
            await jobs.call("gguf.header", {"path": "/lost/a.gguf"})
        assert "drive" in str(caught.value.problem.hint)
        await jobs.aclose()
        assert all(isinstance(found, Cancelled) for found in await asyncio.gather(*lost, return_exceptions=True))

    asyncio.run(test())


def test_a_drive_that_never_answers_again_takes_no_threads_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DEADLINES_S, "gguf.header", 0.02)

    async def test() -> None:
        jobs = JobWorker([sys.executable, "-c", _SLOW])
        assert await jobs.call("count", {"upto": 1}) == 1
        for _ in range(12):  # asked again and again, as a window does that is left open
            with pytest.raises(Environment, match="no answer"):
                await jobs.call("gguf.header", {"path": "/lost/a.gguf"})
        async with asyncio.timeout(10):
            assert await asyncio.gather(*(jobs.call("count", {"upto": 3}) for _ in range(3))) == [3, 3, 3]
        assert jobs.pid is not None
        before = psutil.Process(jobs.pid).num_threads()
        for _ in range(5):  # what ends when it is told to takes none
            endless = asyncio.ensure_future(jobs.call("count", {"upto": 100_000}))
            await asyncio.sleep(0.03)
            endless.cancel()
        assert await jobs.call("count", {"upto": 3}) == 3
        assert psutil.Process(jobs.pid).num_threads() <= before + 1
        await jobs.aclose()

    asyncio.run(test())


def test_only_known_jobs_have_a_time_limit() -> None:
    assert set(DEADLINES_S) <= set(JOBS) - COMPUTES
    assert {"formula.render", "markdown.grow", "markdown.plain", "markdown.render"} <= COMPUTES


@pytest.mark.skipif(os.name == "nt", reason="looks into /proc style process tables")
def test_the_worker_is_not_in_our_folder_or_process_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "qwen_desktop").mkdir()
    (tmp_path / "qwen_desktop" / "__init__.py").write_text("raise SystemExit('a file of the current folder ran')")

    def content(folder: str) -> list[Path] | None:
        return list(Path(folder).iterdir()) if Path(folder).exists() else None

    async def test() -> None:
        jobs = JobWorker(worker_command("jobs"))
        assert await jobs.call("markdown.render", {"text": "x"})
        assert jobs.pid is not None
        process = psutil.Process(jobs.pid)
        folder = process.cwd()
        assert folder != str(tmp_path) and await asyncio.to_thread(content, folder) == []
        assert os.getpgid(jobs.pid) == jobs.pid != os.getpgid(0)
        await jobs.aclose()
        await asyncio.sleep(0.1)
        assert await asyncio.to_thread(content, folder) is None

    asyncio.run(test())


def test_formulas_are_the_same_in_the_worker_as_here_and_bombs_do_it_no_harm() -> None:
    given = [(source, {"display": True}) for source in (r"\frac{1}{2}", r"\text{速度}", r"\nonsense{x}", "x")]
    bombs = [("\\left(" * 400, {}), ("{" * 4000, {}), ("\\rule{9999em}{9999em}", {}), ("x" * 10_000, {})]

    async def test() -> None:
        jobs = JobWorker(worker_command("jobs"))
        data = await jobs.call("formula.render", {"sources": given})
        here = [formula(source, display=True) for source, _ in given]
        assert [None if one is None else formula_from(one) for one in data] == here
        assert here[0] is not None and here[2] is None
        pid = jobs.pid
        assert await jobs.call("formula.render", {"sources": bombs}) == [None] * 4
        assert (await jobs.call("formula.render", {"sources": given}))[0] == data[0]
        assert jobs.pid == pid
        await jobs.aclose()

    asyncio.run(test())


def test_markdown_is_the_same_in_the_worker_as_here() -> None:
    texts = ["Use `__init__` and `**kwargs`.", "# A\n\n- *b*\n- [c](https://example.org)", "[" * 20_000, ""]

    async def test() -> None:
        jobs = JobWorker(worker_command("jobs"))
        here = [Markdown().blocks(text) for text in texts]
        assert await jobs.call("markdown.plain", {"texts": texts}) == [projection(blocks) for blocks in here]
        for text, blocks in zip(texts, here, strict=True):
            assert from_builtins(await jobs.call("markdown.render", {"text": text})) == blocks
        open_end = "3. x\n\n| a | b |\n|---|---|\n| **1** | 2"
        grown = as_grown(await jobs.call("markdown.grow", {"text": open_end, "number": 7, "known": {"growing": True}}))
        assert grown == grow(Markdown(), open_end, 7, References(growing=True))
        assert grown.finished and grown.opened
        await jobs.aclose()

    asyncio.run(test())


@needs_pele
def test_diagrams_are_drawn_in_the_worker_which_bears_whatever_they_do() -> None:
    endless = "flowchart TD\n" + "\n".join(f"a{(n * 37) % 97} --> a{(n * 61 + 5) % 89}" for n in range(390))
    deep = "mindmap\n" + "\n".join(" " * n + f"n{n}" for n in range(1, 190))
    good = "flowchart TD\n A[开始] --> B[End]"

    async def test() -> None:
        jobs = JobWorker(worker_command("jobs"))
        wanted = [(endless, {}), (deep, {}), ("no diagram", {}), (good, {"widths": [("E", 600, 650)]})]
        text = asyncio.create_task(jobs.call("markdown.render", {"text": "*a*"}))
        made = await jobs.call("diagram.render", {"diagrams": wanted, "limit_s": 0.2})
        assert await text
        assert made[0] == {"failed": "late"} and made[2]["failed"] == "unknown"
        assert "开始" in made[3]["svg"] and made[3]["width"] > 50
        pid = jobs.pid
        again = await jobs.call("diagram.render", {"diagrams": [(good, {})]})
        assert "svg" in again[0] and jobs.pid == pid
        await jobs.aclose()

    asyncio.run(test())
