"""Where layers go: what fits is chosen, what is chosen fits, and the way down is short and always ends."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from msgspec import structs

from qwen_desktop.core import memory, placement, speed
from qwen_desktop.core.fit import fit
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.hardware import Cpu, Gpu, Machine, Memory
from qwen_desktop.core.memory import Use
from qwen_desktop.core.placement import Placement
from qwen_desktop.core.shape import Shape, shape_of
from tests import gguf_shapes

GB = 1_000_000_000
DENSE, MIXTURE, HYBRID = "Qwen3-8B", "Qwen3-30B-A3B", "Qwen3.5-35B-A3B"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shape]:
    folder = tmp_path_factory.mktemp("placement")
    found = {}
    for name in (DENSE, MIXTURE, HYBRID):
        path = gguf_shapes.write(folder / f"{name}.gguf", gguf_shapes.PLANS[name])
        found[name] = shape_of(read_header(path))
        tensors = read_header(path).tensors
        experts = sum(tensor.size for tensor in tensors if "_exps." in tensor.name)
        assert found[name].experts_bytes == pytest.approx(experts, abs=len(tensors))
    return found


def cards(*free: float) -> list[Gpu]:
    return [Gpu(f"Card {n}", backend="CUDA", free_bytes=int(each * GB)) for n, each in enumerate(free)]


def taken(shape: Shape, use: Use, placed: Placement) -> int:
    return placement.device_bytes(shape, use, memory.estimate(shape, use, gpu=True), placed)


def test_what_is_chosen_fits_and_one_more_would_not(shapes: dict[str, Shape]) -> None:
    dice = random.Random(7)
    for _ in range(300):
        shape = shapes[dice.choice(list(shapes))]
        gpus = cards(*(dice.uniform(0.2, 40) for _ in range(dice.choice((1, 1, 2, 3)))))
        use = Use(dice.choice((2048, 8192, 32768)), kv_type=dice.choice(("f16", "q8_0", "k_q8_0")))
        whole, need = shape.layers + 1, memory.estimate(shape, use, gpu=True)
        placed = placement.choose(shape, use, gpus)

        def lacks(at: Placement, shape: Shape = shape, use: Use = use, gpus: list[Gpu] = gpus) -> int:
            return placement.lacking(shape, memory.estimate(shape, use, gpu=True), taken(shape, use, at), gpus)

        assert 0 <= placed.experts_on_cpu <= shape.layers and 0 <= placed.layers <= whole
        assert not placed.layers or lacks(placed) <= 0
        if placed.layers < whole:
            more = placed.layers + 1
            assert lacks(Placement(more, more - 1 if shape.experts else 0)) > 0
        elif placed.experts_on_cpu:
            assert lacks(Placement(whole, placed.experts_on_cpu - 1)) > 0
        # nothing is lost or counted twice between cards and main memory
        host, _ = placement.host_bytes(shape, use, need, placed)
        weights = taken(shape, use, placed) - need.compute_bytes
        weights -= int((need.kv_bytes + need.state_bytes) * placement.repeating(shape, placed) / shape.layers)
        doubled = 0 if shape.output_bytes else shape.embedding_bytes
        output = shape.output_bytes or shape.embedding_bytes
        there = weights if placed.layers else weights - output  # the output goes first, or stays with the rest
        here = host if placed.layers else host + shape.output_bytes
        assert there + here == pytest.approx(shape.weights_bytes + (doubled if placed.layers else 0), abs=10_000)


def test_of_a_mixture_the_experts_stay_before_a_layer_does(shapes: dict[str, Shape]) -> None:
    """A card of 8 GB holds all of the attention of a model of 32 GB, and it writes much faster so."""
    shape, use = shapes[MIXTURE], Use(8192)
    placed = placement.choose(shape, use, cards(8))
    assert placed.layers == shape.layers + 1 and 0 < placed.experts_on_cpu < shape.layers
    smaller = placement.choose(shape, use, cards(4))
    assert smaller.layers == shape.layers + 1 and placed.experts_on_cpu < smaller.experts_on_cpu <= shape.layers
    assert placement.choose(shape, use, cards(48)) == Placement(shape.layers + 1, 0)
    kept = placement.experts_kept(shape, placed)
    assert (kept.start, len(kept)) == (0, placed.experts_on_cpu)
    tiny = placement.choose(shape, use, cards(1.6))
    assert 0 < tiny.layers < shape.layers + 1
    kept = placement.experts_kept(shape, tiny)
    assert kept.stop == shape.layers and len(kept) == tiny.layers - 1
    here = Machine(
        cpu=Cpu(physical=8, usable=8, features=("AVX2",)),
        memory=Memory(64 * GB, 50 * GB),
        gpus=tuple(cards(8)),
        bandwidth_bytes_per_s=40e9,
    )
    found = fit(shape, use, here)
    assert found.experts_on_cpu == placed.experts_on_cpu and found.memory.device_bytes < 8 * GB
    without = fit(shape, use, structs.replace(here, gpus=()))
    assert found.decode_tokens_per_s and without.decode_tokens_per_s
    assert found.decode_tokens_per_s > 1.15 * without.decode_tokens_per_s


def test_speed_falls_with_each_layer_whose_experts_stay(shapes: dict[str, Shape]) -> None:
    here = Machine(cpu=Cpu(physical=8, usable=8, features=("AVX2",)), gpus=tuple(cards(8)), bandwidth_bytes_per_s=40e9)
    for name in (MIXTURE, HYBRID):
        for guess in (speed.decode, speed.prompt):
            found = [guess(shapes[name], here, layers_on_cards=1.0, experts_on_cpu=n / 4) or 0 for n in range(5)]
            found.append(guess(shapes[name], here) or 0)  # all of it on the processor
            assert all(a > b for a, b in itertools.pairwise(found)), name


def test_what_is_asked_for_is_placed_so(shapes: dict[str, Shape]) -> None:
    shape = shapes[MIXTURE]
    for layers, experts in ((49, 10), (20, 3), (49, 48), (0, 5)):
        use = Use(8192, gpu_layers=layers, experts_on_cpu=experts)
        assert placement.choose(shape, use, cards(24)) == Placement(layers, min(experts, layers))
    assert placement.choose(shape, Use(gpu_layers=999), ()) == Placement(shape.layers + 1)
    assert placement.choose(shapes[DENSE], Use(experts_on_cpu=5), cards(48)) == Placement(shapes[DENSE].layers + 1)


def test_the_way_down_gets_lighter_each_time_and_ends_without_a_card(shapes: dict[str, Shape]) -> None:
    dice = random.Random(9)
    for _ in range(300):
        shape = shapes[dice.choice(list(shapes))]
        whole = shape.layers + 1
        asked = Use(gpu_layers=dice.choice((None, *range(1, whole + 1))))
        first = placement.choose(shape, asked, ())
        fitting = placement.choose(shape, Use(), cards(dice.uniform(0.2, 40)))
        steps = (first, *placement.fewer(first, shape, fitting))
        assert steps[-1] == Placement(cards=False) and len(steps) <= 7
        sizes = [taken(shape, Use(), step) if step.layers else 0 for step in steps]
        assert all(a > b for a, b in itertools.pairwise(sizes))
        assert not 0 < fitting.layers <= first.layers or fitting in steps or taken(shape, Use(), fitting) >= sizes[0]


def test_cards_are_shared_by_what_each_can_really_take(shapes: dict[str, Shape]) -> None:
    shape, use = shapes[DENSE], Use(32768)
    assert placement.split(shape, use, cards(24)) == ()
    assert placement.split(shape, use, [*cards(24), Gpu("silent", backend="CUDA")]) == ()
    even, half, none = (placement.split(shape, use, cards(24, free)) for free in (24, 12, 0.3))
    assert even[0] == even[1] and 0 < half[1] < half[0] / 2 and none[1] == 0 < none[0]
    assert placement.split(shape, use, cards(0.1, 0.1)) == ()  # llama.cpp's own, then: something has to be tried


def test_further_chats_cost_a_cache_each_and_nothing_else(shapes: dict[str, Shape], tmp_path: Path) -> None:
    for shape in shapes.values():
        one, two, four = (memory.estimate(shape, Use(8192, streams=count)) for count in (1, 2, 4))
        assert one == memory.estimate(shape, Use(8192))
        assert (two.kv_bytes, two.state_bytes) == (2 * one.kv_bytes, 2 * one.state_bytes)
        each = memory.stream_bytes(shape, 8192)
        assert two.total_bytes - one.total_bytes == pytest.approx(each, rel=0.01)
        assert four.total_bytes - one.total_bytes == pytest.approx(3 * each, rel=0.02)
    shape = shapes[DENSE]
    width = int(shape.kv_heads) * shape.key_length
    assert memory.kv_bytes(shape, 1024, "k_q8_0") == 1024 * shape.layers * (width // 32 * 34 + width * 2)
    assert not memory.needs_flash("k_q8_0") and memory.needs_flash("q8_0") and not memory.needs_flash("auto")
    here = Machine(memory=Memory(64 * GB, 12 * GB))
    alone, several = (fit(shape, Use(4096, streams=count), here) for count in (1, 4))
    assert several.max_context < alone.max_context and several.memory.total_bytes > alone.memory.total_bytes
