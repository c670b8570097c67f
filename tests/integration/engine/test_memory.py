"""Predicted against real memory: llama.cpp's own buffer sizes, and workers that hold a model.

The long form, with contexts of up to 16,384 tokens, is ``tests/bench/memory.py``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from qwen_desktop.core import memory
from qwen_desktop.core.engine import GenerateRequest, LoadRequest
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.memory import Use
from qwen_desktop.core.shape import shape_of
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests import gguf_shapes
from tests.bench.memory import rss
from tests.integration.engine.talk import ask

KIND = gguf_shapes.Kind
#: Tokens of each conversation, and conversations.
CONTEXTS = ((2048, 1), (16384, 1), (2048, 4), (512, 1))

#: Makes contexts without allocating anything, and reads the sizes off llama.cpp's log.
_PROBE = """
import ctypes, json, re, sys
import llama_cpp.llama_cpp as api
from qwen_desktop.engine.llama import set_fields
lines = []
@api.llama_log_callback
def receive(level, text, _data):
    lines.append(text.decode("utf-8", "replace"))
api.llama_log_set(receive, ctypes.c_void_p(0))
api.llama_backend_init()
contexts, found = json.loads(sys.argv[1]), {}
for path, batch, rows in json.loads(sys.argv[2]):
    params = api.llama_model_default_params()
    set_fields(params, n_gpu_layers=0, no_alloc=True, load_mode=api.LLAMA_LOAD_MODE_NONE)
    model = api.llama_model_load_from_file(path.encode(), params)
    for size, streams in contexts:
        lines.clear()
        how = api.llama_context_default_params()
        set_fields(how, n_ctx=size * streams, n_batch=batch, n_ubatch=batch, n_seq_max=streams,
                   n_outputs_max=max(rows, streams), flash_attn_type=0)
        api.llama_free(api.llama_init_from_model(model, how))
        text = "".join(lines)
        sizes = {key: sum(float(n) for n in re.findall(key + r"\\s+buffer size =\\s+([\\d.]+)", text))
                 for key in ("compute", "RS")}
        found.setdefault(path, []).append(sizes)
print("FOUND " + json.dumps(found))
"""


def test_buffers_are_predicted_as_llama_cpp_makes_them(tmp_path: Path) -> None:
    shapes, asked = {}, []
    for number, name in enumerate(
        ("Qwen2.5-0.5B", "Qwen3-VL-2B", "Qwen3-30B-A3B", "Qwen3.5-4B", "Qwen3.5-35B-A3B", "small MoE")
    ):
        path = str(
            gguf_shapes.write(tmp_path / f"{name}.gguf", gguf_shapes.PLANS[name], vocab=1000 if number else 150_000)
        )
        shapes[path] = shape_of(read_header(path))
        asked.append((path, memory.chunk(shapes[path].parameters), 1 if number % 2 else memory.DRAFT_ROWS))
    command = [sys.executable, "-c", _PROBE, json.dumps(CONTEXTS), json.dumps(asked)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = json.loads(output.rpartition("FOUND ")[2])
    for path, batch, rows in asked:
        shape = shapes[path]
        for (context, streams), logged in zip(CONTEXTS, found[path], strict=True):
            how = {"batch": batch, "flash": False, "streams": streams, "rows": rows}
            predicted = memory.compute_bytes(shape, context, **how) / 2**20
            assert predicted == pytest.approx(
                logged["compute"], rel=0.01 if streams == 1 and context > 512 else 0.03
            ), (path, context)
            assert streams * shape.state_bytes / 2**20 == pytest.approx(logged["RS"], abs=0.05), path


def question(words: int) -> GenerateRequest:
    return ask("a b c d e f g h " * (words // 8), lively=False, max_tokens=4)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="touched pages are counted on Linux")
@pytest.mark.parametrize(("kind", "name"), [("Q8_0", "Qwen2.5-0.5B"), ("Q4_0", "Qwen3-0.6B")])
def test_a_worker_takes_what_was_predicted_and_says_so(tmp_path: Path, kind: str, name: str) -> None:
    """Q4_0 is rearranged on most processors: its pages of the file must not stay beside the copy."""
    path = tmp_path / "model.gguf"
    gguf_shapes.write(path, gguf_shapes.PLANS[name], kind=KIND[kind], weights=True, layers=12, vocab=30_000)
    shape = shape_of(read_header(path))

    async def use() -> tuple[int, int, int, int]:
        engine = LocalWorkerEngine(worker_command("engine"))
        try:
            await engine.about()
            assert engine.pid is not None
            before = rss(engine.pid)
            async for _ in engine.load(LoadRequest(str(path), context=1024, gpu_layers=0)):
                pass
            info = engine.info
            assert info is not None and info.local is not None
            async with engine.generate(question(900)) as run:
                async for _ in run:
                    pass
            stats = run.result.stats
            assert 0 < info.local.resident_bytes <= stats.resident_bytes
            return rss(engine.pid) - before, stats.resident_bytes, stats.context_used, info.local.batch
        finally:
            await engine.aclose()

    measured, told, used, batch = asyncio.run(use())
    assert used > 700
    predicted = memory.estimate(shape, Use(1024, batch=batch), filled=used).total_bytes
    assert predicted == pytest.approx(measured, rel=0.08)
    assert told == pytest.approx(measured, rel=0.03)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has such a setting")
def test_a_worker_asks_for_large_pages() -> None:
    async def environment() -> bytes:
        engine = LocalWorkerEngine(worker_command("engine"))
        try:
            await engine.about()
            return await asyncio.to_thread(Path(f"/proc/{engine.pid}/environ").read_bytes)
        finally:
            await engine.aclose()

    assert b"glibc.malloc.hugetlb=1" in asyncio.run(environment())
