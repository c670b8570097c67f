"""This checkout against another one: the same measures in turn, the ratio pair by pair.

    python tests/bench/_paired.py OLD_CHECKOUT [--runs 10] [--only engine,jobs,download]

Each checkout is measured by processes of its own, with its own ``.venv``. Printed are the medians, the median ratio
(above 1 is better) and its interval by order statistics (98 % for ten pairs). "loss" says that the whole interval lies
more than 5 % on the bad side. The engine answers with a random-weight file in the shape of Qwen3-0.6B (Q4_K_M), two
threads; jobs render a long Markdown text; a download of 300 MB comes unpaced from a server on this computer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: A loss of so much is none.
NEAR = 0.05
FILE_BYTES = 300_000_000
TEXT = "\n\n".join(
    f"## Part {number}\n\nSome *words* with `code` and a [link](https://example.org).\n\n- one\n- two\n\n"
    f"| a | b |\n|---|---|\n| 1 | {number} |\n\n```python\ndef f{number}(x: int) -> int:\n    return x + {number}\n```"
    for number in range(60)
)

Figures = dict[str, float]


async def engine(model: str, _address: str, _sha256: str) -> Figures:
    """Seconds until loaded, speeds in tokens a second, MiB that the model takes, seconds for another context."""
    from qwen_desktop.core.engine import ChatMessage, GenerateRequest, LoadRequest, Sampling  # noqa: PLC0415
    from qwen_desktop.core.parts import Role, TextPart  # noqa: PLC0415
    from qwen_desktop.engine.local import LocalWorkerEngine  # noqa: PLC0415
    from qwen_desktop.process.spawn import worker_command  # noqa: PLC0415

    local = LocalWorkerEngine(worker_command("engine"))
    began = time.perf_counter()
    async for _ in local.load(LoadRequest(model, context=2048, threads=2, gpu_layers=0)):
        pass
    loaded = time.perf_counter() - began
    text = " ".join(("one", "two", "three", "four")[i % 4] for i in range(500))
    request = GenerateRequest(
        (ChatMessage(Role.USER, (TextPart(text),)),), max_tokens=96, sampling=Sampling(temperature=0.0)
    )
    async with local.generate(request) as run:
        async for _ in run:
            pass
    stats = run.result.stats
    began = time.perf_counter()
    async for _ in local.load(LoadRequest(model, context=1024, threads=2, gpu_layers=0)):
        pass
    again = time.perf_counter() - began
    await local.aclose()
    return {
        "load, s": loaded,
        "another context, s": again,
        "prompt, tokens/s": stats.prompt_tokens_per_s,
        "decode, tokens/s": stats.decode_tokens_per_s,
        "memory, MiB": (getattr(stats, "resident_bytes", 0) or stats.held_bytes) / 2**20,
    }


async def jobs(_model: str, _address: str, _sha256: str) -> Figures:
    """Milliseconds for a Markdown text of 60 parts through the job worker, and for one line."""
    from qwen_desktop.jobs.client import JobWorker  # noqa: PLC0415 - each checkout's own
    from qwen_desktop.process.spawn import worker_command  # noqa: PLC0415

    worker = JobWorker(worker_command("jobs"))
    await worker.call("markdown.render", {"text": TEXT})

    async def best(text: str, times: int) -> float:
        found = []
        for _ in range(times):
            began = time.perf_counter()
            await worker.call("markdown.render", {"text": text})
            found.append(time.perf_counter() - began)
        return 1000 * min(found)

    figures = {"render long, ms": await best(TEXT, 10), "render line, ms": await best("One *line*.", 100)}
    await worker.aclose()
    return figures


async def download(_model: str, address: str, sha256: str) -> Figures:
    """Seconds to fetch and verify a file of 300 MB, the hash included."""
    import msgspec  # noqa: PLC0415

    from qwen_desktop.core.models import DownloadRequest, RemoteFile  # noqa: PLC0415
    from qwen_desktop.hub.access import Access  # noqa: PLC0415
    from qwen_desktop.jobs.client import JobWorker  # noqa: PLC0415
    from qwen_desktop.process.spawn import worker_command  # noqa: PLC0415

    worker = JobWorker(worker_command("jobs"))
    file = RemoteFile("model-Q8_0.gguf", FILE_BYTES, sha256)
    request = msgspec.to_builtins(DownloadRequest("bench/Model", "Q8_0", (file,), source="huggingface"))
    with tempfile.TemporaryDirectory() as folder:
        params = {
            "request": request,
            "folder": folder,
            "access": Access(endpoint=address).as_params(),
            "options": {},
        }
        await worker.call("hub.download_state", {"request": request, "folder": folder})  # started, like in the app
        began = time.perf_counter()
        await worker.call("hub.download", params)
        seconds = time.perf_counter() - began
    await worker.aclose()
    return {"download, s": seconds}


MEASURES: dict[str, Callable[[str, str, str], Awaitable[Figures]]] = {
    "engine": engine,
    "jobs": jobs,
    "download": download,
}


def measured(checkout: Path, name: str, *arguments: str) -> Figures:
    """The figures of one checkout, from a process with its interpreter and its package."""
    folder = checkout / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    with tempfile.TemporaryDirectory() as home:
        output = subprocess.run(
            [str(folder / "python"), str(Path(__file__).resolve()), "--measure", name, *arguments],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout), "QWEN_DESKTOP_HOME": home},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    found: Figures = json.loads(output.splitlines()[-1])
    return found


def report(name: str, old: list[float], new: list[float]) -> bool:
    """Print one line; False for a loss."""
    faster = name.endswith("/s")
    ratios = sorted(b / a if faster else a / b for a, b in zip(old, new, strict=True))
    cut = max(0, len(ratios) // 5 - 1)  # the second and the last but one of ten
    low, high = ratios[cut], ratios[-1 - cut]
    lost = high < 1 - NEAR
    print(
        f"{name:20} old {statistics.median(old):9.3f}  new {statistics.median(new):9.3f}  "
        f"ratio {statistics.median(ratios):.3f}  [{low:.3f}, {high:.3f}]  {'LOSS' if lost else 'ok'}",
        flush=True,
    )
    return not lost


def compare(old: Path, runs: int, names: list[str]) -> bool:
    """Measure both in turn and print; whether nothing was lost."""
    sys.path.insert(0, str(ROOT))
    from tests.bench import random_model  # noqa: PLC0415 - needs the path
    from tests.bench.download import Server, make_file  # noqa: PLC0415

    model = str(random_model.write_model(random_model.cache_folder(), None)) if "engine" in names else ""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        sha256 = make_file(Path(folder) / "file", FILE_BYTES) if "download" in names else ""
        server: Any = Server(Path(folder) / "file", sha256, 0.0) if sha256 else None
        try:
            for name in names:
                pairs: list[tuple[Figures, Figures]] = []
                for turn in range(runs):
                    both = [old, ROOT] if turn % 2 == 0 else [ROOT, old]
                    found = {at: measured(at, name, model, server.address if server else "", sha256) for at in both}
                    pairs.append((found[old], found[ROOT]))
                for figure in pairs[0][0]:
                    good &= report(figure, [a[figure] for a, _ in pairs], [b[figure] for _, b in pairs])
        finally:
            if server is not None:
                server.close()
    return good


def main() -> int:
    """Print a line a figure; 1 when one has got worse."""
    if sys.argv[1:2] == ["--measure"]:
        name, *arguments = sys.argv[2:]
        print(json.dumps(asyncio.run(_one(name, arguments))))
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--only", default=",".join(MEASURES))
    options = parser.parse_args()
    return 0 if compare(options.old.resolve(), options.runs, options.only.split(",")) else 1


async def _one(name: str, arguments: list[str]) -> Figures:
    return await MEASURES[name](*arguments)


if __name__ == "__main__":
    sys.exit(main())
