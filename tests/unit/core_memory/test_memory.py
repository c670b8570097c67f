"""The arithmetic of buffers, held against what llama.cpp logged (llama-cpp-python 0.3.36, ``no_alloc``)."""

from __future__ import annotations

import pytest

from qwen_desktop.core import memory
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.memory import Correction, Use
from qwen_desktop.core.shape import Shape, shape_of
from tests import gguf_shapes

MIB = 1 << 20

#: Model, context, chunk, flash attention -> MiB of the compute buffer by the log (vocabulary of 2,000 tokens).
LOGGED = (
    ("Qwen2.5-0.5B", 2048, 128, False, 17.31),
    ("Qwen2.5-0.5B", 16384, 128, False, 122.31),
    ("Qwen2.5-0.5B", 2048, 512, False, 69.26),
    ("Qwen3-0.6B", 2048, 128, False, 21.50),
    ("Qwen3-1.7B", 32768, 128, False, 278.00),
    ("Qwen3-32B", 8192, 32, False, 69.13),
    ("Qwen3-VL-2B", 8192, 128, False, 81.00),
    ("Qwen3-30B-A3B", 8192, 32, False, 34.88),
    ("Qwen3.5-0.8B", 8192, 128, False, 41.00),
    ("Qwen3.5-27B", 8192, 32, False, 29.38),
    ("Qwen3.5-35B-A3B", 32768, 32, False, 70.63),
    ("Qwen2.5-7B", 8192, 512, True, 147.01),
    ("Qwen3-8B", 8192, 512, True, 112.01),
)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shape]:
    folder = tmp_path_factory.mktemp("shapes")
    found = {}
    for name in {row[0] for row in LOGGED}:
        path = gguf_shapes.write(folder / f"{name}.gguf", gguf_shapes.PLANS[name], vocab=2000)
        found[name] = shape_of(read_header(path))
    return found


@pytest.mark.parametrize("row", LOGGED)
def test_compute_buffers_are_those_of_the_log(shapes: dict[str, Shape], row: tuple[str, int, int, bool, float]) -> None:
    name, context, chunk, flash, logged = row
    predicted = memory.compute_bytes(shapes[name], context, batch=chunk, flash=flash) / MIB
    assert predicted == pytest.approx(logged, rel=0.002 if not flash else 0.03)


def test_a_vocabulary_counts_once_in_the_logits(shapes: dict[str, Shape]) -> None:
    import msgspec  # noqa: PLC0415

    wide = msgspec.structs.replace(shapes["Qwen3-0.6B"], vocab=5_000_000)
    assert memory.compute_bytes(wide, 512, batch=32, flash=False) > 5_000_000 * 4
    assert memory.compute_bytes(wide, 512, batch=32, flash=False) < 5_000_000 * 4 * 2


def test_the_context_is_rounded_up_as_llama_does(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-0.6B"]
    assert memory.kv_bytes(shape, 1000) == memory.kv_bytes(shape, 1024) == 1024 * 114_688
    assert memory.kv_bytes(shape, 1025) == 1280 * 114_688
    assert memory.kv_bytes(shape, 1024, "q8_0") == 1024 * 114_688 * 34 // 64


def test_a_quantized_cache_brings_flash_attention(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-0.6B"]
    plain, small = (memory.estimate(shape, Use(16384, kv_type=kind)) for kind in ("f16", "q8_0"))
    assert small.kv_bytes < plain.kv_bytes * 0.6
    assert small.compute_bytes < plain.compute_bytes / 4  # no scores of all heads any more


def test_the_parts_make_the_whole(shapes: dict[str, Shape]) -> None:
    for shape in shapes.values():
        found = memory.estimate(shape, Use(4096, mmproj_bytes=1_000_000))
        assert found.total_bytes == (
            found.weights_bytes
            + found.kv_bytes
            + found.state_bytes
            + found.compute_bytes
            + found.mmproj_bytes
            + found.overhead_bytes
        )
        assert memory.needed(found) > found.total_bytes + memory.MARGIN


def test_what_was_not_used_yet_is_not_touched(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-0.6B"]
    full, short = memory.estimate(shape, Use(16384)), memory.estimate(shape, Use(16384), filled=600)
    assert short.kv_bytes == full.kv_bytes  # cleared when it is made
    assert short.compute_bytes < full.compute_bytes / 8


def test_corrections_reach_the_total(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-0.6B"]
    plain = memory.estimate(shape, Use())
    more = memory.estimate(shape, Use(), Correction(extra_bytes=50_000_000))
    assert more.total_bytes == plain.total_bytes + 50_000_000
    factor = memory.estimate(shape, Use(), Correction(memory_factor=1.1))
    beside = plain.total_bytes - plain.weights_bytes
    assert factor.total_bytes == pytest.approx(plain.total_bytes + 0.1 * beside, abs=10)
