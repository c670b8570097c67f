"""Loads that do not get what they ask for: cards and memory that refuse, in any order, in a real worker."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core.engine import LoadRequest, ModelInfo
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.shape import shape_of
from qwen_desktop.engine.local import LocalWorkerEngine
from tests import gguf_shapes
from tests.gguf_files import NEVER_ENDS
from tests.integration.engine.conftest import Engine, Files, loaded
from tests.integration.engine.talk import ask

MIB = 1 << 20
LINUX = sys.platform.startswith("linux")

#: A worker that believes in a graphics card. Weights and contexts are made as ever (this build computes on the
#: processor wherever layers are said to be), unless the schedule has another word for the attempt: "memory" or
#: "driver". It is a list of words, or the most that layers, and layers times tokens of context, may be.
_CARD = """
import json, os, sys
from pathlib import Path
from qwen_desktop.core.hardware import Gpu
from qwen_desktop.engine import attempts, devices, llama, llama_context, load, load_errors
schedule = Path(sys.argv[1])
free = json.loads(schedule.read_text())["free"]
llama.LlamaLibrary.gpu = property(lambda self: True)
cards = tuple(Gpu(f"Card {number}", backend="CUDA", free_bytes=each) for number, each in enumerate(free))
attempts.list_devices = lambda library: cards
make, read = llama_context.Context.__init__, llama.LlamaLibrary.load
made = []

def refusal(layers, size):
    made.append([layers, size])
    rule = json.loads(schedule.read_text())
    schedule.with_suffix(".made").write_text(json.dumps(made))
    if "list" in rule:
        return rule["list"][len(made) - 1] if len(made) <= len(rule["list"]) else ""
    limit = rule["weights"] if not size else rule["context"]
    return "memory" if layers * (size or 1) > limit else ""

def load_weights(self, header, placed, progress, **how):
    word = refusal(placed.layers, 0)
    if word == "memory":
        raise load_errors.from_log(header, ("unable to allocate CUDA0 buffer",))
    if word:
        raise load_errors.from_log(header, ("error loading model: the driver is asleep",))
    return read(self, header, placed, progress, **how)

def make_context(self, model, shape, flag):
    if refusal(model.gpu_layers, shape.size):
        raise llama_context.ContextError
    make(self, model, shape, flag)

llama.LlamaLibrary.load, llama_context.Context.__init__ = load_weights, make_context
from qwen_desktop.engine.worker import main; main()
"""


class Card:
    """The schedule of a card, and what was tried on it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "schedule"
        self.command = [sys.executable, "-c", _CARD, str(self.file)]

    def set(self, *free: int | None, **rule: Any) -> None:
        self.file.write_text(json.dumps({"free": free or [8 << 30], **rule}))

    @property
    def made(self) -> list[list[int]]:
        return json.loads(self.file.with_suffix(".made").read_text())


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Seven layers, some 20 MB."""
    path = tmp_path_factory.mktemp("deep") / "deep.gguf"
    plan = gguf_shapes.PLANS["Qwen3-0.6B"]
    return str(gguf_shapes.write(path, plan, weights=True, vocab=600, layers=7, width=256, hidden=512))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("mixture") / "mixture.gguf"
    plan = gguf_shapes.PLANS["small MoE"]
    return str(gguf_shapes.write(path, plan, weights=True, vocab=600, layers=4, width=256, heads=4, expert_hidden=256))


def told(info: ModelInfo, code: str) -> list[str]:
    return [str(notice) for notice in info.notices if notice.code == code]


async def load(engine: LocalWorkerEngine, path: str, **how: Any) -> ModelInfo:
    async for _ in engine.load(LoadRequest(path, **how)):
        pass
    assert engine.info is not None and engine.info.local is not None
    return engine.info


def test_layers_leave_a_card_until_it_holds_the_rest_and_the_context_stays(card: Card, deep: str) -> None:
    async def run() -> None:
        card.set(weights=5, context=3 * 1024)
        async with loaded(deep, command=card.command, context=1024) as engine:
            info = engine.engine.info
            assert info is not None and info.local is not None
            assert (info.local.gpu_layers, info.local.layers, info.context_size) == (2, 8, 1024)
            assert card.made == [[8, 0], [6, 0], [4, 0], [4, 1024], [2, 0], [2, 1024]]
            assert told(info, "gpu.part")[0].startswith("2 of 8 layers are on the graphics card: of its memory 8.6 GB")
            assert (await engine.answer(ask("a", lively=False, max_tokens=2))).stats.completion_tokens == 2
            # asked for as it is: nothing to tell, and the weights stay
            info = await load(engine.engine, deep, context=512, gpu_layers=2)
            assert info.local is not None and info.local.gpu_layers == 2 and not info.notices
            assert len(card.made) == 7

    asyncio.run(run())


def test_a_driver_that_refuses_is_named_and_the_processor_answers(card: Card, deep: str) -> None:
    async def run() -> None:
        card.set(None, list=["driver"])
        async with loaded(deep, command=card.command, context=512) as engine:
            info = engine.engine.info
            assert info is not None and info.local is not None and info.local.gpu_layers == 0
            assert "the driver is asleep" in told(info, "gpu.refused")[0]
        card.set(None, list=["driver", "driver"])  # and where the file is to blame, one sentence says so
        engine_alone = LocalWorkerEngine(card.command)
        with pytest.raises(UserFacing, match=r"cannot load .*the driver is asleep"):
            await load(engine_alone, deep, context=512)
        await engine_alone.aclose()

    asyncio.run(run())


def test_any_schedule_of_refusals_ends_in_a_model_or_a_sentence_and_leaks_nothing(card: Card, deep: str) -> None:
    chance = random.Random(5)

    async def run() -> None:
        engine = LocalWorkerEngine(card.command)
        card.set(list=[])
        held = []
        try:
            await load(engine, deep, context=512)
            pid = engine.pid
            for _ in range(25):
                tried = len(card.made)
                words = [chance.choice(["", "memory", "memory", "driver"]) for _ in range(chance.randrange(24))]
                card.set(chance.choice([None, 8 << 30, 300 * MIB]), list=[""] * tried + words)
                layers = chance.choice([None, 0, 3, 99])
                try:
                    info = await load(engine, deep, context=chance.choice([512, 2048]), gpu_layers=layers)
                except (Environment, UserFacing) as error:
                    assert engine.info is None and str(error)
                else:
                    assert info.local is not None
                    assert 0 <= info.local.gpu_layers <= min(8, 99 if layers is None else layers)
                assert engine.pid == pid
                assert len(card.made) - tried <= 20
            for number in range(4):
                card.set(list=[""] * len(card.made) + ["memory"] * number)
                info = await load(engine, deep, context=512, gpu_layers=None if number else 8)
                assert info.local is not None
                held.append(info.local.resident_bytes)
            assert max(held) - min(held) < 6 * MIB, held
        finally:
            await engine.aclose()

    asyncio.run(run())


def test_experts_on_the_processor_say_the_same(card: Card, mixture: str) -> None:
    """Where they compute changes nothing, and what a card cannot hold of them is told."""
    question = ask("one two three four five six seven", lively=False, max_tokens=12)
    shape = shape_of(read_header(mixture))
    assert shape.experts_bytes > shape.weights_bytes / 2

    async def run() -> None:
        async with loaded(mixture, context=512, gpu_layers=0) as engine:
            expected = (await engine.answer(question)).text
        card.set(list=[])
        async with loaded(mixture, command=card.command, context=512) as engine:
            for asked, kept in ((None, 0), (2, 2), (4, 4), (99, 4)):
                info = await load(engine.engine, mixture, context=512, experts_on_cpu=asked)
                assert info.local is not None
                assert (info.local.gpu_layers, info.local.experts_on_cpu, info.notices) == (5, kept, ())
                assert (await engine.answer(question)).text == expected
            # the first attempt fails: then with all experts in main memory, before any layer leaves the card
            card.set(list=["" for _ in card.made] + ["memory"])
            info = await load(engine.engine, mixture, context=512)
            assert info.local is not None and (info.local.gpu_layers, info.local.experts_on_cpu) == (5, 4)
            assert told(info, "gpu.experts")[0].startswith("The experts of 4 layers stay on the processor")
            assert (await engine.answer(question)).text == expected

    asyncio.run(run())


#: A worker whose address space may grow by so many bytes beyond what it has at the first load.
_SMALL = """
import resource, sys
from pathlib import Path
from qwen_desktop.engine import load, llama_context
from qwen_desktop.hardware import memory
memory.read = lambda *_a: memory.Memory(None, None)  # only the allocation itself says no
first, room = load.load, int(sys.argv[1])

def limited(*args, **how):
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + room, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        return first(*args, **how)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)

load.load = limited
from qwen_desktop.engine.worker import main; main()
"""


@pytest.mark.skipif(not LINUX, reason="limits of the address space are Linux'")
def test_allocations_that_really_fail_end_in_a_smaller_context_or_a_sentence(deep: str) -> None:
    """16,384 tokens want 450 MiB of cache and 140 to compute; less and less is there."""
    found: list[int] = []

    async def run(room: int) -> None:
        engine = LocalWorkerEngine([sys.executable, "-c", _SMALL, str(room * MIB)])
        try:
            info = await load(engine, deep, context=16384, threads=1)
        except Environment as error:
            assert str(error).startswith("There is not enough memory")
            found.append(0)
        else:
            found.append(info.context_size)
            if info.context_size < 16384:
                assert "not enough free memory" in told(info, "context.memory")[0]
            answer = await Engine(engine).answer(ask("a", lively=False, max_tokens=2))
            assert answer.stats.completion_tokens == 2
        finally:
            await engine.aclose()

    for room in (900, 400, 250, 60, 8):
        asyncio.run(run(room))
    assert found == sorted(found, reverse=True) and found[0] == 16384 and found[-1] == 0 and len(set(found)) >= 3


#: A worker that takes a small model for the large one that its name says.
_NAMED = """
from qwen_desktop.core import yarn
yarn._CARDS = tuple((family, named, 0, most) for family, named, _least, most in yarn._CARDS)
from qwen_desktop.engine.worker import main; main()
"""


def test_a_context_beyond_the_trained_one_is_stretched_where_the_model_card_says_so(files: Files) -> None:
    """By no more than it needs, not before it needs it, and said."""
    named = files.get("named", vocab=600, context=40_960, name="Qwen3 8B", tied=False, prefer=NEVER_ENDS)
    question = ask("one two three four five six seven " * 20, lively=False, max_tokens=12)
    command = [sys.executable, "-c", _NAMED]

    async def run() -> None:
        texts = []
        async with loaded(named, command=command, context=40_960) as engine:
            for asked, given, factor in (
                (40_960, 40_960, 1.0), (50_000, 50_000, 1.75), (65_536, 65_536, 2.0), (300_000, 131_072, 4.0),
            ):  # fmt: skip
                info = await load(engine.engine, named, context=asked)
                assert info.local is not None and (info.context_size, info.local.yarn_factor) == (given, factor)
                said = told(info, "context.yarn")
                assert bool(said) is (factor > 1)
                if said:
                    assert f"{given:,} tokens is stretched with YaRN ×{factor:g}" in said[0] and "40,960" in said[0]
                assert bool(told(info, "context.train")) is (asked > given)
                texts.append((await engine.answer(question)).text)
        assert len(set(texts)) == len(texts)  # positions are really other ones
        async with loaded(named, context=65_536) as engine:  # as small as it is, no card is known of it
            info = engine.engine.info
            assert info is not None and (info.context_size, told(info, "context.yarn")) == (40_960, [])
            assert "not trained for more" in told(info, "context.train")[0]

    asyncio.run(run())


def test_a_second_chat_gets_a_context_of_its_own_where_memory_has_one(files: Files) -> None:
    """And one alone takes no more than ever; odd sizes are neither rounded down nor divided among the chats."""
    path = files.small()

    async def run() -> None:
        async with loaded(path, context=700, kv_type="k_q8_0", gpu_layers=0) as engine:
            for most, streams in ((3, (1, 2, 3, 3)), (1, (1, 1))):
                info = await load(engine.engine, path, context=700, kv_type="k_q8_0", streams=most, gpu_layers=0)
                assert info.local is not None
                assert (info.local.parallel, info.local.kv_type) == (most, "k_q8_0")
                assert not info.local.flash_attention
                for number, expected in enumerate(streams):
                    question = ask(f"{number} one two three", lively=False, max_tokens=3)
                    answer = await engine.answer(structs.replace(question, cache_key=str(number)))
                    assert (answer.stats.streams, answer.stats.context_size) == (expected, 700)

    asyncio.run(run())
