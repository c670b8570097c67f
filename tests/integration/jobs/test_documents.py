"""Documents through the job worker and the process that it starts for each: what crashes, hangs or takes too much."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from qwen_desktop.core.documents import Document, Kind
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.jobs.documents import reading
from qwen_desktop.process.spawn import worker_command
from tests.document_files import docx, paragraph, pdf

#: A process for documents whose reader of text does what a broken one might do.
_BROKEN = """
import ctypes, os, sys, time
from qwen_desktop.jobs.documents import readers, text, worker
def broken(file, size, draft):
    what = file.read().decode()
    if what == "crash":
        ctypes.string_at(1)
    if what == "native":
        ctypes.PyDLL(None).usleep(60_000_000)  # holds the interpreter: no thread of Python's can end it
    if what == "loop":
        while True:
            pass
    if what == "memory":
        held = [bytearray(1 << 24) for _ in range(1 << 12)]
    if what == "abort":
        os.abort()
    if what == "leave":
        os._exit(0)
    draft.add(what)
text.read_text = broken
worker.main()
"""


def children() -> set[int]:
    """The living processes that this one has started."""
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "worker_command", lambda _kind: [sys.executable, "-c", _BROKEN])


def test_documents_and_what_is_said_of_bad_ones(tmp_path: Path) -> None:
    paths = {name: tmp_path / name for name in ("a.pdf", "ö.docx", "bad.pdf")}
    paths["a.pdf"].write_bytes(pdf([f"Page text {n}" for n in range(60)]))
    paths["ö.docx"].write_bytes(docx(paragraph("A word")))
    paths["bad.pdf"].write_bytes(b"%PDF-1.7 and no more")

    async def test() -> None:
        jobs = JobWorker(worker_command("jobs"))
        names = ("a.pdf", "ö.docx")
        steps: list[tuple[int, int]] = []
        report = lambda *step: steps.append(step)  # noqa: E731
        found = await asyncio.gather(
            *(jobs.call("document.read", {"path": str(paths[name])}, progress=report) for name in names)
        )
        assert (0, 60) in steps
        first, second = (msgspec.convert(one, Document) for one in found)
        assert (first.kind, first.pages, first.sections[-1].title) == (Kind.PDF, 60, "Page 60")
        assert (second.kind, second.text) == (Kind.WORD, "A word\n")
        with pytest.raises(UserFacing, match=r"report\.pdf is damaged"):
            await jobs.call("document.read", {"path": str(paths["bad.pdf"]), "name": "report.pdf"})
        with pytest.raises(Environment, match="is a folder"):
            await jobs.call("document.read", {"path": str(tmp_path)})
        assert jobs.pid is not None
        assert not psutil.Process(jobs.pid).children(), "the processes for documents have ended"
        await jobs.aclose()

    asyncio.run(test())


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.txt")
    try:
        Path(path).write_text("found")
    except OSError:
        pytest.skip("names are text here")

    async def test() -> None:
        jobs = JobWorker(worker_command("jobs"))
        assert (await jobs.call("document.read", {"path": path}))["text"] == "found"
        await jobs.aclose()

    asyncio.run(test())


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("what", ["crash", "abort", "leave"])
def test_a_reader_that_crashes_is_one_sentence(tmp_path: Path, what: str) -> None:
    (tmp_path / "a.txt").write_text(what)
    with pytest.raises(Environment, match=r"The reader of documents crashed on a\.txt") as caught:
        reading.read(str(tmp_path / "a.txt"))
    assert "damaged" in str(caught.value.problem.hint)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("what", ["loop", "native"])
def test_a_reader_that_hangs_is_ended(tmp_path: Path, what: str) -> None:
    (tmp_path / "a.txt").write_text(what)
    before, began = children(), time.monotonic()
    with pytest.raises(UserFacing, match=r"a\.txt could not be read within 1 second"):
        reading.read(str(tmp_path / "a.txt"), limits={"seconds": 0.5, "grace_s": 0.5})
    assert time.monotonic() - began < 8
    assert children() <= before


@pytest.mark.skipif(sys.platform == "darwin", reason="whether the system limits memory depends on its map of libraries")
@pytest.mark.usefixtures("broken")
def test_a_reader_that_takes_all_memory_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("memory")
    with pytest.raises(UserFacing, match=r"a\.txt takes too much memory"):
        reading.read(str(tmp_path / "a.txt"), limits={"memory": 256 << 20})


@pytest.mark.usefixtures("broken")
def test_a_reader_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("loop")
    before = children()

    class GoneError(Exception):
        pass

    calls = []

    def report(*step: int) -> None:
        calls.append(step)
        if len(calls) > 2:
            raise GoneError

    with pytest.raises(GoneError):
        reading.read(str(tmp_path / "a.txt"), report=report)
    assert children() <= before
