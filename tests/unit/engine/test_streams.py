"""How many chats get a context of their own, by what is free."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from qwen_desktop.core import memory
from qwen_desktop.core.fit import reserve
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.hardware import Gpu, Memory
from qwen_desktop.core.shape import Shape, shape_of
from qwen_desktop.engine import streams
from qwen_desktop.engine.llama_context import ContextShape
from tests import gguf_shapes

GIB = 1 << 30


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Shape:
    path: Path = tmp_path_factory.mktemp("streams") / "m.gguf"
    return shape_of(read_header(gguf_shapes.write(path, gguf_shapes.PLANS["Qwen3-1.7B"])))


def made(size: int = 8192, *, now: int = 1, kv_type: str = "f16") -> ContextShape:
    return ContextShape(size, 2, 128, "off", kv_type, streams=now)


def test_further_ones_leave_other_programs_their_memory(shape: Shape) -> None:
    dice = random.Random(3)
    seen = set()
    for _ in range(500):
        free = Memory(32 * GIB, int(dice.uniform(0.2, 12) * GIB))
        before = made(
            dice.choice((2048, 8192, 16384)), now=dice.randrange(1, 4), kv_type=dice.choice(["f16", "k_q8_0"])
        )
        asked = dice.choice((None, 1, 2, 6, 8))
        saved = dice.choice((0, GIB))
        found = streams.possible(shape, before, asked, free, saved_bytes=saved)
        assert found >= before.streams and (found == before.streams or found <= (4 if asked is None else asked))
        extra = found - before.streams
        left = (free.free_bytes or 0) - saved - extra * memory.stream_bytes(shape, before.size, before.kv_type)
        assert not extra or left >= reserve(free) + memory.MARGIN
        seen.add(extra)
    assert seen >= {0, 1, 2, 3}


def test_nothing_is_added_where_nobody_knows_or_nobody_wants(shape: Shape) -> None:
    plenty = Memory(64 * GIB, 60 * GIB)
    assert streams.possible(shape, made(), None, Memory()) == 1
    assert streams.possible(shape, made(), 1, plenty) == 1  # the low-memory profile
    assert streams.possible(shape, made(), None, plenty) == streams.USUAL
    assert streams.possible(shape, made(), 99, plenty) == streams.MOST
    assert streams.possible(shape, made(now=3), 2, plenty) == 3  # what is there stays


def test_what_a_hybrid_goes_back_to_is_counted(tmp_path: Path) -> None:
    shape = shape_of(read_header(gguf_shapes.write(tmp_path / "m.gguf", gguf_shapes.PLANS["Qwen3.5-4B"])))
    copies = memory.checkpoint_bytes(shape)
    assert copies == 4 * shape.state_bytes > 200_000_000
    foretold, begun = (memory.estimate(shape, memory.Use(8192), filled=filled) for filled in (None, 8192))
    assert foretold.total_bytes - begun.total_bytes == copies  # they are made as it is used
    for free in (Memory(32 * GIB, int(tenths * 0.1 * GIB)) for tenths in range(1, 80)):
        extra = streams.possible(shape, made(), None, free) - 1
        taken = extra * (memory.kv_bytes(shape, 8192) + shape.state_bytes + copies)
        assert not extra or taken <= (free.free_bytes or 0) - reserve(free) - memory.MARGIN


def test_a_card_that_is_full_has_no_further_chat(shape: Shape) -> None:
    plenty, whole = Memory(64 * GIB, 60 * GIB), shape.layers + 1
    for free, count in ((0.3, 1), (24, 4)):
        card = (Gpu("A", backend="CUDA", free_bytes=int(free * GIB)),)
        assert streams.possible(shape, made(), None, plenty, card, gpu_layers=whole) == count
    # main memory needs little where the caches are on the card
    card = (Gpu("A", backend="CUDA", free_bytes=24 * GIB),)
    little = Memory(8 * GIB, 2 * GIB)
    assert streams.possible(shape, made(), None, little, card, gpu_layers=whole) > streams.possible(
        shape, made(), None, little
    )


def test_a_batch_gets_what_its_room_holds(shape: Shape) -> None:
    found = [streams.fitting(shape, made(), 17, room) for room in range(0, 8 * GIB, GIB // 2)]
    assert found == sorted(found) and found[0] == 0 and found[-1] > 16_384
    assert all(each % 256 == 0 for each in found)
    for room, tokens in zip(range(0, 8 * GIB, GIB // 2), found, strict=True):
        assert memory.kv_bytes(shape, tokens) <= room or not tokens
    assert streams.fitting(shape, made(kv_type="q8_0"), 17, GIB) > streams.fitting(shape, made(), 17, GIB)
