"""What a load weighs: pages given back, layers for cards, and the context that fits beside the weights."""

from __future__ import annotations

import mmap
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from qwen_desktop.core import placement
from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.gguf import GgufHeader, read_header
from qwen_desktop.core.hardware import Gpu, Memory
from qwen_desktop.core.memory import Use
from qwen_desktop.core.placement import Placement
from qwen_desktop.core.shape import Shape, shape_of
from qwen_desktop.engine import attempts, load, pages
from qwen_desktop.hardware import memory
from tests import gguf_shapes
from tests.unit.hardware import trees
from tests.unit.hardware.trees import GIB

KIND = gguf_shapes.Kind
MIB = 1 << 20


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> GgufHeader:
    """Q4_K beside Q6_K, as in a Q4_K_M file."""
    path = tmp_path_factory.mktemp("load") / "mixed.gguf"
    plan = gguf_shapes.PLANS["Qwen3-0.6B"]
    return read_header(gguf_shapes.write(path, plan, kind=KIND.Q4_K, weights=True, vocab=2000, layers=6))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_pages_given_back_cost_nothing_and_come_back(mixed: GgufHeader) -> None:
    with Path(mixed.path).open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        before = memory.resident().files
        content = bytes(mapped[:: mmap.PAGESIZE])
        full = memory.resident().files - before
        assert full > 0.9 * mixed.size_bytes
        pages.let_go(mixed.parts)
        assert memory.resident().files - before < 0.1 * full
        assert bytes(mapped[:: mmap.PAGESIZE]) == content


@pytest.mark.parametrize(
    ("gpus", "fewest", "most"),
    [
        ((Gpu("A", backend="CUDA", free_bytes=24_000_000_000),), 7, 7),
        ((Gpu("A", backend="CUDA", free_bytes=340_000_000),), 0, 6),
        ((Gpu("A", backend="CUDA", free_bytes=10_000_000),), 0, 0),
        ((Gpu("A", backend="Vulkan"),), 7, 7),  # it does not tell: all
        ((), 7, 7),
    ],
)
def test_layers_on_cards_follow_their_free_memory(
    mixed: GgufHeader, monkeypatch: pytest.MonkeyPatch, gpus: tuple[Gpu, ...], fewest: int, most: int
) -> None:
    assert fewest <= layers_on(mixed, monkeypatch, *gpus) <= most


def layers_on(header: GgufHeader, monkeypatch: pytest.MonkeyPatch, *gpus: Gpu, back: int = 0) -> int:
    """How many layers a load gives to ``gpus``."""
    library: Any = SimpleNamespace(gpu=True)
    monkeypatch.setattr(attempts, "list_devices", lambda _library: gpus)
    return placement.choose(shape_of(header), Use(), attempts.cards_of(library, back)).layers


def test_a_card_that_two_backends_list_is_counted_once(mixed: GgufHeader, monkeypatch: pytest.MonkeyPatch) -> None:
    def layers(*gpus: Gpu, back: int = 0) -> int:
        return layers_on(mixed, monkeypatch, *gpus, back=back)

    cuda = Gpu("RTX", backend="CUDA", free_bytes=400_000_000, id="0000:01:00.0")
    vulkan = Gpu("RTX", backend="Vulkan", free_bytes=400_000_000, id="0000:01:00.0")
    other = Gpu("RTX", backend="Vulkan", free_bytes=400_000_000, id="0000:02:00.0")
    assert layers(cuda, vulkan) == layers(cuda)
    assert layers(cuda, other) > layers(cuda)
    # the weights that are there now do not stand in their own way
    assert layers(replace(cuda, free_bytes=300_000_000), back=100_000_000) == layers(cuda) > 0
    half = [replace(card, free_bytes=300_000_000) for card in (cuda, other)]
    assert layers(*half, back=200_000_000) == layers(cuda, other)


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Shape:
    """Qwen3-1.7B in Q8_0: 1.7 GiB of weights, 0.9 GiB of cache for 8,192 tokens."""
    path = tmp_path_factory.mktemp("shape") / "large.gguf"
    return shape_of(read_header(gguf_shapes.write(path, gguf_shapes.PLANS["Qwen3-1.7B"], kind=KIND.Q8_0)))


def container(limit: int, own: int, *, cache: int) -> Memory:
    """What is free in a group with a limit on a large machine, filled with pages of files up to ``cache``."""
    pages = min(cache, limit - own)
    files: dict[str, str | bytes] = {
        **trees.meminfo(64 * GIB, 50 * GIB),
        "proc/self/cgroup": "0::/box\n",
        "proc/self/mountinfo": trees.mount("/sys/fs/cgroup", "cgroup2", "cgroup2"),
        "sys/fs/cgroup/box/memory.max": f"{limit}\n",
        "sys/fs/cgroup/box/memory.current": f"{own + pages}\n",
        "sys/fs/cgroup/box/memory.stat": f"anon {own}\nactive_file {pages // 2}\ninactive_file {pages - pages // 2}\n",
    }
    with tempfile.TemporaryDirectory() as folder:
        return memory.read(trees.write(Path(folder), files), "linux")


@pytest.mark.parametrize(
    "shares",
    [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.0, 1.0)],  # copied, on cards
)
@pytest.mark.parametrize(
    ("limit", "contexts"),  # in GiB; without a card, with half of the model on one
    [(4.0, (8192, 8192)), (3.0, (4096, 8192)), (2.5, (2048, 8192)), (1.5, (512, 1024))],
)
def test_the_context_is_what_the_memory_holds_however_it_is_counted(
    monkeypatch: pytest.MonkeyPatch, shape: Shape, shares: tuple[float, float], limit: float, contexts: tuple[int, int]
) -> None:
    """Mapped weights, copies and weights on cards, page caches cold and warm, freshly loaded or kept: each byte of the
    model counts once. The same in a container, on a whole machine, and on systems where touched pages count as own."""
    copied, on_cards = shares
    sizes: list[int] = []

    def make(_model: object, found: Any, _flag: object) -> object:
        sizes.append(found.size)
        return object()

    base, whole = 80 * MIB, int(limit * GIB)
    main = int(shape.weights_bytes * (1 - on_cards))
    own = base + int(main * copied)
    mapped = main - int(main * copied)
    layers = int(on_cards * shape.layers) + (on_cards > 0)
    model: Any = SimpleNamespace(
        main_bytes=main, gpu_layers=layers, parameters=shape.parameters, context_train=32768, sliding=False
    )
    nothing: Any = None
    monkeypatch.setattr(load, "Context", make)
    for free, held in [
        (container(whole, own, cache=shape.weights_bytes), memory.Resident(own, main)),
        (container(whole, own, cache=10 * GIB), memory.Resident(own, main)),
        (container(whole, own, cache=0), memory.Resident(own, 0)),
        (Memory(64 * GIB, whole - own), memory.Resident(own, main)),
        (Memory(64 * GIB, whole - own - mapped), memory.Resident(own + mapped)),
        (Memory(64 * GIB, whole - own - main), memory.Resident(own + main)),  # pages that were only copied from, too
    ]:
        monkeypatch.setattr(memory, "read", lambda free=free: free)
        monkeypatch.setattr(memory, "resident", lambda held=held: held)
        room = attempts.room_for(model, shape, base)
        load._context(model, shape, LoadRequest("x"), threads=1, room=room, flag=nothing, gpu=layers > 0)
        monkeypatch.undo()
        monkeypatch.setattr(load, "Context", make)
    expected = 8192 if on_cards == 1 else contexts[on_cards > 0]  # for what is on cards alone llama.cpp asks them
    assert sizes == [expected] * 6


class FakeModel:
    """Weights on cards, without llama.cpp."""

    can_generate, degraded, bos, eos, context_train, parameters, main_bytes = True, False, "", "", 4096, 10**8, 0

    recurrent = sliding = encodes = False

    def __init__(self, header: GgufHeader, placed: Placement, card_bytes: int) -> None:
        self.header, self.placed, self.gpu_layers = header, placed, placed.layers
        self.card_bytes, self.copied_bytes, self.cards = card_bytes, 0, {"CUDA0": card_bytes} if card_bytes else {}
        self.files: object = ()
        self.closed = False

    def close(self) -> None:
        self.closed = True

    mapped_bytes = 0

    def resident_bytes(self, _base: object) -> int:
        return 1

    def control_words(self) -> tuple[str, ...]:
        return ()

    def single_token(self, _text: str) -> None:
        return None


class FakeLibrary:
    """Loads on a card with ``free`` bytes, of which a model takes its part."""

    gpu, version, cpu = True, "llama", "native"

    def __init__(self, free: int) -> None:
        self.free = free
        self.models: list[FakeModel] = []

    def load(self, header: GgufHeader, placed: Placement, _progress: object, **_how: object) -> FakeModel:
        if self.models:
            assert self.models[-1].closed  # never two models at once
            self.free += self.models[-1].card_bytes
        model = FakeModel(header, placed, placed.layers * header.size_bytes // 7)
        self.free -= model.card_bytes
        self.models.append(model)
        return model


@pytest.mark.parametrize(
    ("free", "first", "second", "loads"),
    [
        (4 * GIB, {}, {"context": 4096}, 1),  # all of it on the card, with either context
        (4 * GIB, {"gpu_layers": 3}, {"gpu_layers": 3, "threads": 2, "kv_type": "q8_0"}, 1),
        (4 * GIB, {"gpu_layers": 3}, {"gpu_layers": 5}, 2),
        (4 * GIB, {"gpu_layers": 3}, {}, 2),
        (440 * MIB, {"context": 512}, {"context": 512, "threads": 1}, 1),  # its own weights are not in its way
        (440 * MIB, {"context": 512}, {"context": 4096}, 2),  # fewer layers leave room for a larger one
    ],
)
def test_weights_on_a_card_stay_unless_other_layers_are_wanted(
    mixed: GgufHeader,
    monkeypatch: pytest.MonkeyPatch,
    *,
    free: int,
    first: dict[str, Any],
    second: dict[str, Any],
    loads: int,
) -> None:
    library: Any = FakeLibrary(free)
    monkeypatch.setattr(attempts, "list_devices", lambda lib: (Gpu("A", backend="CUDA", free_bytes=lib.free),))

    def made(model: Any, shape: Any, _flag: Any) -> SimpleNamespace:
        return SimpleNamespace(model=model, size=shape.size, shape=shape, sequences=(), close=lambda: None)

    monkeypatch.setattr(load, "Context", made)
    steps: list[float] = []
    session = None
    for how in (first, second):
        request = LoadRequest(mixed.path, **{"threads": 1, **how})
        session = load.load(
            library,
            request,
            cast("Any", None),
            lambda at, _total: not steps.append(at),
            session,
            base=memory.resident(),
        )
    assert session is not None and not library.models[-1].closed
    assert (len(library.models), steps) == (loads, [0.0] * loads)
    assert session.model is library.models[-1]


@pytest.mark.parametrize(("held", "mapped"), [(memory.Resident(10, 7), 7), (memory.Resident(17), 0)])
def test_pages_of_the_file_are_told_only_where_the_system_counts_them_as_free(
    mixed: GgufHeader, monkeypatch: pytest.MonkeyPatch, held: memory.Resident, mapped: int
) -> None:
    """Who weighs models against free memory takes such pages off; elsewhere they would be taken off twice."""
    library: Any = FakeLibrary(4 * GIB)
    monkeypatch.setattr(FakeModel, "mapped_bytes", 7)
    monkeypatch.setattr(memory, "resident", lambda: held)
    monkeypatch.setattr(attempts, "list_devices", lambda _library: ())
    monkeypatch.setattr(
        load,
        "Context",
        lambda model, found, _flag: SimpleNamespace(
            model=model, size=found.size, shape=found, sequences=(), close=lambda: None
        ),
    )
    nothing: Any = None
    request = LoadRequest(mixed.path, threads=1)
    session = load.load(library, request, nothing, lambda _at, _total: True, base=memory.Resident(0))
    assert session.info.local is not None and session.info.local.mapped_bytes == mapped
