"""How long documents take to be read, each by its own process, and passages to be picked: milliseconds.

    python tests/bench/documents.py [--rounds N]

The best of some rounds counts, since these machines have other work.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from qwen_desktop.jobs.client import JobWorker  # noqa: E402
from qwen_desktop.process.spawn import worker_command  # noqa: E402
from tests.document_files import docx, epub, paragraph, pdf, xlsx  # noqa: E402

_DICE = random.Random(7)
_WORDS = ["".join(_DICE.choices("aeioubcdfglmnprst", k=_DICE.randrange(2, 10))) for _ in range(4_000)]


def words(count: int) -> str:
    """So many words."""
    return " ".join(_DICE.choices(_WORDS, k=count))


def page() -> str:
    """What stands on a page."""
    return "\n".join(words(11) for _ in range(48))


def files() -> dict[str, tuple[str, bytes]]:
    """What is measured -> name and content."""
    return {
        "a short text (the process itself)": ("a.txt", b"short"),
        "PDF, 200 full pages": ("a.pdf", pdf([page() for _ in range(200)])),
        "DOCX, 1 MB of text": ("a.docx", docx("".join(paragraph(words(60)) for _ in range(2_600)))),
        "XLSX, 100,000 cells": ("a.xlsx", xlsx({"S": [[words(1), n, n / 7, words(2), n * 3] for n in range(20_000)]})),
        "EPUB, 1 MB of text": ("a.epub", epub([(f"{n}.xhtml", f"<p>{words(60)}</p>" * 86) for n in range(30)])),
        "HTML, 1 MB of text": (
            "a.html",
            f"<!doctype html>{''.join(f'<p>{words(60)}</p>' for _ in range(2_600))}".encode(),
        ),
        "text, 50 MB (its first 10 MB)": ("a.log", (words(500_000) + "\n").encode() * 16),
    }


async def best(rounds: int, act: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """The least milliseconds, and what came out."""
    least, found = float("inf"), None
    for _ in range(rounds):
        began = time.perf_counter()
        found = await act()
        least = min(least, (time.perf_counter() - began) * 1000)
    return least, found


async def main(rounds: int) -> None:
    """Measure and print."""
    jobs = JobWorker(worker_command("jobs"))
    await jobs.call("markdown.plain", {"texts": ["x"]})
    with tempfile.TemporaryDirectory() as folder:
        for what, (name, data) in files().items():
            path = Path(folder) / name
            path.write_bytes(data)
            call = lambda path=path: jobs.call("document.read", {"path": str(path)})  # noqa: E731
            took, found = await best(rounds, call)
            each = f", {took / found['pages']:.2f} ms a page" if found["pages"] else ""
            print(f"{what}: {took:,.0f} ms for {len(data) / 1e6:.1f} MB, {len(found['text']):,} characters{each}")
    text = "\n\n".join(words(120) for _ in range(7_000))[:5_000_000]
    for query in (words(8), words(40), ""):
        params = {"text": text, "sections": [], "query": query, "characters": 20_000}
        took, _ = await best(rounds, lambda params=params: jobs.call("document.passages", params))  # type: ignore[misc]
        print(f"passages of 5 MB for {len(query.split())} words: {took:,.0f} ms")
    await jobs.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the readers of documents.")
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(main(parser.parse_args().rounds))
