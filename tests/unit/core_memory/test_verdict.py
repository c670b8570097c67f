"""The one pure function: what fits, with which context, where the layers go, and how fast it will be."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core import memory, placement, speed
from qwen_desktop.core.fit import SLOW, Verdict, fit, usual_day
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.hardware import Cpu, Gpu, Machine, Memory
from qwen_desktop.core.memory import Correction, Use
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.shape import Shape, shape_of
from tests import gguf_shapes

GB = 1_000_000_000


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shape]:
    folder = tmp_path_factory.mktemp("shapes")
    found = {}
    for name in ("Qwen2.5-0.5B", "Qwen3-8B", "Qwen3-30B-A3B", "Qwen3.5-27B", "Qwen3-4B"):
        path = gguf_shapes.write(folder / f"{name}.gguf", gguf_shapes.PLANS[name], vocab=2000)
        found[name] = shape_of(read_header(path))
    return found


def machine(free: float, *gpus: Gpu, bandwidth: float | None = 40 * GB, **more: Any) -> Machine:
    cpu = Cpu(physical=8, usable=16, features=("AVX2",))
    return Machine(
        cpu=cpu,
        memory=Memory(int(free * 1.5 * GB), int(free * GB)),
        gpus=gpus,
        bandwidth_bytes_per_s=bandwidth,
        **more,
    )


def card(free: float, **more: Any) -> Gpu:
    return Gpu("A Card", backend="CUDA", total_bytes=int(free * GB), free_bytes=int(free * GB), **more)


def test_a_small_model_fits_well(shapes: dict[str, Shape]) -> None:
    found = fit(shapes["Qwen2.5-0.5B"], Use(8192), machine(8))
    assert found.verdict is Verdict.FITS
    assert (found.context, found.max_context, found.missing_bytes) == (8192, 32768, 0)
    assert found.decode_tokens_per_s is not None and 40 < found.decode_tokens_per_s < 100
    assert found.prompt_tokens_per_s is not None and found.prompt_tokens_per_s > 100
    assert found.free_bytes == 8 * GB and not found.measured


def test_less_memory_means_less_context(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-8B"]
    here = machine(13, bandwidth=200 * GB)
    found = fit(shape, Use(32768), here)
    assert found.verdict is Verdict.SMALLER_CONTEXT
    assert found.context == 16384  # halves, as the engine tries them
    assert found.context <= found.max_context < 32768
    assert found.memory == memory.estimate(shape, Use(16384))
    again = fit(shape, Use(found.max_context), here)
    assert (again.verdict, again.context) == (Verdict.TIGHT, found.max_context)
    assert fit(shape, Use(found.max_context + 256), here).verdict is Verdict.SMALLER_CONTEXT


def test_too_large_says_how_much_is_missing(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-30B-A3B"]
    found = fit(shape, Use(8192), machine(16))
    assert found.verdict is Verdict.TOO_LARGE and found.max_context == 0
    assert 15 * GB < found.missing_bytes < 19 * GB
    with_that = fit(shape, Use(2048), machine(16 + found.missing_bytes / GB))
    assert with_that.verdict is Verdict.TIGHT
    just_less = fit(shape, Use(2048), machine(16 + found.missing_bytes / GB - 0.01))
    assert just_less.verdict is Verdict.TOO_LARGE


def test_a_large_dense_model_is_slow_where_a_mixture_is_not(shapes: dict[str, Shape]) -> None:
    dense = fit(shapes["Qwen3.5-27B"], Use(8192), machine(64))
    assert dense.verdict is Verdict.SLOW and dense.max_context > 8192
    assert dense.decode_tokens_per_s is not None and dense.decode_tokens_per_s < SLOW
    mixture = fit(shapes["Qwen3-30B-A3B"], Use(8192), machine(64))
    assert mixture.verdict is Verdict.FITS
    assert mixture.decode_tokens_per_s is not None and mixture.decode_tokens_per_s > 5


def test_without_a_measured_bandwidth_nothing_is_called_slow(shapes: dict[str, Shape]) -> None:
    found = fit(shapes["Qwen3.5-27B"], Use(8192), machine(64, bandwidth=None))
    assert (found.verdict, found.decode_tokens_per_s) == (Verdict.FITS, None)


def test_never_more_context_than_the_model_was_trained_for(shapes: dict[str, Shape]) -> None:
    found = fit(shapes["Qwen2.5-0.5B"], Use(1_000_000), machine(64))
    assert (found.verdict, found.context, found.max_context) == (Verdict.FITS, 32768, 32768)
    untold = structs.replace(shapes["Qwen2.5-0.5B"], context_train=0)
    assert fit(untold, Use(4096), machine(64)).max_context == 4096


def test_memory_that_could_not_be_read_is_named(shapes: dict[str, Shape]) -> None:
    unread = Machine(memory=Memory(total_bytes=32 * GB))
    found = fit(shapes["Qwen2.5-0.5B"], Use(), unread)
    assert found.verdict is Verdict.FITS and "memory.free" in found.inferred
    assert fit(shapes["Qwen2.5-0.5B"], Use(), Machine()).verdict is Verdict.TOO_LARGE


def test_what_fits_leaves_the_margin_on_every_machine(shapes: dict[str, Shape]) -> None:
    dice = random.Random(3)
    seen = set()
    for _ in range(400):
        shape = shapes[dice.choice(sorted(shapes))]
        use = Use(dice.choice((512, 2048, 8192, 32768)), kv_type=dice.choice(("f16", "q8_0")))
        here = machine(dice.uniform(0.5, 70))
        found = fit(shape, use, here)
        seen.add(found.verdict)
        free = here.memory.free_bytes or 0
        if found.verdict is Verdict.TOO_LARGE:
            assert memory.needed(memory.estimate(shape, structs.replace(use, context=min(2048, use.context)))) > free
            continue
        assert memory.needed(found.memory) <= free
        assert memory.needed(memory.estimate(shape, structs.replace(use, context=found.max_context))) <= free
        if found.max_context < shape.context_train:
            above = structs.replace(use, context=found.max_context + 256)
            assert memory.needed(memory.estimate(shape, above)) > free
    assert seen == set(Verdict)


def test_what_was_measured_changes_the_verdict(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-4B"]
    free = memory.needed(memory.estimate(shape, Use(8192))) / GB + 0.05
    assert fit(shape, Use(8192), machine(free)).verdict is Verdict.TIGHT
    learned = fit(shape, Use(8192), machine(free), Correction(extra_bytes=400_000_000, loads=1))
    assert learned.verdict is Verdict.SMALLER_CONTEXT and learned.measured
    slower = fit(shape, Use(2048), machine(64), Correction(speed_factor=0.3, loads=2))
    assert slower.verdict is Verdict.SLOW


# Graphics devices ----------------------------------------------------------------------------------------------------


def test_a_large_card_takes_the_whole_model(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-8B"]
    found = fit(shape, Use(8192), machine(6, card(24)))
    assert (found.verdict, found.gpu_layers) == (Verdict.FITS, shape.layers + 1)
    assert found.memory.device_bytes > shape.weights_bytes * 0.95
    assert found.memory.device_bytes < 24 * GB
    alone = fit(shape, Use(8192), machine(64))
    assert found.decode_tokens_per_s is not None and alone.decode_tokens_per_s is not None
    assert found.decode_tokens_per_s > 4 * alone.decode_tokens_per_s


def test_a_small_card_takes_a_part_and_main_memory_the_rest(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-8B"]
    found = fit(shape, Use(8192), machine(16, card(6)))
    assert found.verdict is Verdict.FITS and 5 < found.gpu_layers < shape.layers
    assert found.memory.device_bytes <= 6 * GB * 0.9 - memory.MARGIN
    one_more = fit(shape, Use(8192, gpu_layers=found.gpu_layers + 2), machine(16, card(6)))
    assert one_more.verdict is not Verdict.FITS  # that many layers were asked for, and do not fit
    none = fit(shape, Use(8192, gpu_layers=0), machine(16, card(6)))
    assert none.gpu_layers == 0 and none.memory.device_bytes == 0


def test_two_cards_hold_more_than_one(shapes: dict[str, Shape]) -> None:
    for name in ("Qwen3.5-27B", "Qwen3-30B-A3B"):
        shape = shapes[name]
        one, two = (fit(shape, Use(8192), machine(12, *[card(24)] * count)) for count in (1, 2))
        if shape.experts:
            assert two.experts_on_cpu == 0 < one.experts_on_cpu
        else:
            assert one.gpu_layers < shape.layers + 1
        assert two.gpu_layers == shape.layers + 1
        assert two.verdict is Verdict.FITS


def test_shared_memory_is_counted_once(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-30B-A3B"]
    shared = Gpu("Apple M", backend="Metal", total_bytes=48 * GB, free_bytes=40 * GB, unified=True)
    found = fit(shape, Use(8192), machine(50, shared))
    assert found.verdict is Verdict.FITS and found.gpu_layers == shape.layers + 1
    assert found.free_bytes == 50 * GB
    crowded = fit(shape, Use(8192), machine(30, shared))
    assert crowded.verdict is Verdict.TOO_LARGE


def test_layers_when_a_driver_does_not_tell_its_memory(shapes: dict[str, Shape]) -> None:
    silent = Gpu("A Card", backend="Vulkan")
    assert placement.choose(shapes["Qwen3-8B"], Use(), [silent]).layers == shapes["Qwen3-8B"].layers + 1
    assert placement.choose(shapes["Qwen3-8B"], Use(), [card(0.3)]).layers == 0


# Speed ---------------------------------------------------------------------------------------------------------------


def test_deep_in_a_talk_writing_is_slower(shapes: dict[str, Shape]) -> None:
    here = machine(64)
    speeds = [speed.decode(shapes["Qwen3-4B"], here, depth=depth) or 0 for depth in (0, 1000, 4000, 16000)]
    assert speeds == sorted(speeds, reverse=True) and speeds[0] > 2 * speeds[-1] > 0
    compressed = speed.decode(shapes["Qwen3-4B"], here, depth=16000, kv_type="q8_0") or 0
    assert compressed < speeds[-1]  # on processors it needs flash attention, which is slow there


def test_writing_is_near_what_was_measured_here(shapes: dict[str, Shape]) -> None:
    # Qwen2.5-0.5B in Q8_0: 41.9 tokens/s at 2,039 tokens, 22.5 at 8,187
    here = structs.replace(machine(16, bandwidth=51 * GB), cpu=Cpu(physical=2, usable=2, features=("AVX-512", "AVX2")))
    full = structs.replace(shapes["Qwen2.5-0.5B"], active_bytes=525_120_000)
    for depth, measured in ((2039, 41.9), (8187, 22.5)):
        predicted = speed.decode(full, here, depth=depth)
        assert predicted is not None and measured * 0.7 < predicted < measured * 1.3


# Room for others, and the machine on a usual day ---------------------------------------------------------------------


def test_what_leaves_too_little_to_others_is_tight_not_well(shapes: dict[str, Shape]) -> None:
    shape = shapes["Qwen3-4B"]
    needed = memory.needed(memory.estimate(shape, Use(8192))) / GB
    for free in (needed + 0.1, needed + 0.5):
        found = fit(shape, Use(8192), machine(free))
        assert (found.verdict, found.tight, found.context) == (Verdict.TIGHT, True, 8192)
    found = fit(shape, Use(8192), machine(needed + 1.0))
    assert (found.verdict, found.tight) == (Verdict.FITS, False)


def test_a_usual_day_does_not_depend_on_what_is_free_now() -> None:
    days = {usual_day(machine(8, card(6))).memory.free_bytes}
    for free in (0.2, 3, 7.9, 11):
        now = structs.replace(machine(8, card(6)), memory=Memory(12 * GB, int(free * GB)))
        days.add(usual_day(now).memory.free_bytes)
    assert len(days) == 1
    day = usual_day(machine(8, structs.replace(card(6), free_bytes=1 * GB)))
    assert day.gpus == usual_day(machine(8, card(6))).gpus
    assert usual_day(Machine(memory=Memory(None, 5 * GB))).memory.free_bytes == 5 * GB
    limited = usual_day(Machine(memory=Memory(8 * GB, 1 * GB, limited=True))).memory.free_bytes
    assert limited is not None and limited > (usual_day(Machine(memory=Memory(8 * GB, GB))).memory.free_bytes or 0)


def test_more_memory_leaves_more_room_on_a_usual_day() -> None:
    sizes = [usual_day(Machine(memory=Memory(n << 30, 0))).memory.free_bytes or 0 for n in range(1, 200)]
    assert sizes == sorted(sizes)
    assert [round(sizes[n - 1] / (1 << 30), 1) for n in (4, 16, 64)] == [1.6, 10.8, 53.6]


# Load options --------------------------------------------------------------------------------------------------------


def test_every_load_option_reaches_the_verdict(shapes: dict[str, Shape]) -> None:
    """Another value of any option of a load is another memory or speed, on the processor or on a card."""
    others: dict[str, Any] = {
        "context": 16384, "kv_type": "q8_0", "flash_attention": "on", "gpu_layers": 5, "threads": 1,
        "streams": 2, "experts_on_cpu": 40, "read_threads": 1, "draft_bytes": 1 << 29,
    }  # fmt: skip
    # of the model that guesses, its file is known to the services alone, and its bytes count
    assert set(others) == {*LoadOptions.__struct_fields__, "read_threads", "draft_bytes"} - {"draft_model"}
    for name, value in others.items():
        shape = shapes["Qwen3-30B-A3B" if name == "experts_on_cpu" else "Qwen3-8B"]
        here = machine(40, *{"gpu_layers": [card(7)], "experts_on_cpu": [card(24)]}.get(name, []))
        plain, other = (
            (found.memory, found.decode_tokens_per_s, found.prompt_tokens_per_s)
            for found in (fit(shape, Use(), here), fit(shape, Use(**{name: value}), here))
        )
        assert plain != other, name


def test_flash_attention_that_was_forbidden_costs_memory_on_a_card_too(shapes: dict[str, Shape]) -> None:
    here = machine(40, card(24))
    auto, off, on = (fit(shapes["Qwen3-8B"], Use(16384, flash_attention=how), here) for how in ("auto", "off", "on"))
    assert auto.memory == on.memory
    assert off.memory.device_bytes > on.memory.device_bytes
