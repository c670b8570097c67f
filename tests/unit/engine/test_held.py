"""Memory measured from inside, and pages of a mapped file given back."""

from __future__ import annotations

import mmap
import os
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.gguf import GgufHeader, read_header
from qwen_desktop.core.hardware import Gpu
from qwen_desktop.core.shape import shape_of
from qwen_desktop.engine import load
from qwen_desktop.engine.held import copied_ranges, held_bytes, let_go
from tests import gguf_shapes

KIND = gguf_shapes.Kind
MIB = 1 << 20


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> GgufHeader:
    """Q4_K beside Q6_K, as in a Q4_K_M file."""
    path = tmp_path_factory.mktemp("held") / "mixed.gguf"
    plan = gguf_shapes.PLANS["Qwen3-0.6B"]
    return read_header(gguf_shapes.write(path, plan, kind=KIND.Q4_K, weights=True, vocab=2000, layers=6))


def test_the_copied_tensors_are_known_by_their_size(mixed: GgufHeader) -> None:
    tensors = [t for t in mixed.tensors if t.type == KIND.Q4_K]
    size = sum(t.size for t in tensors)
    ranges = copied_ranges(mixed, size + 5000)  # the log rounds
    assert ranges is not None and sum(length for _, length in ranges) == size
    for tensor in mixed.tensors:
        place = mixed.data_offset + tensor.offset
        inside = any(first <= place and place + tensor.size <= first + length for first, length in ranges)
        assert inside == (tensor in tensors), tensor.name
    assert copied_ranges(mixed, size * 2 // 3) is None  # part of a model on a graphics card


def test_a_tied_output_is_copied_beside_the_embedding(mixed: GgufHeader) -> None:
    six = [t for t in mixed.tensors if t.type == KIND.Q6_K]
    embedding = next(t for t in six if t.name == "token_embd.weight")
    ranges = copied_ranges(mixed, sum(t.size for t in six))
    assert ranges is not None
    place = mixed.data_offset + embedding.offset
    assert all(not first <= place < first + length for first, length in ranges)  # rows of it are still looked up


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_given_back_pages_cost_nothing_and_come_back(mixed: GgufHeader) -> None:
    copied = sum(t.size for t in mixed.tensors if t.type == KIND.Q4_K)
    with Path(mixed.path).open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        before = held_bytes()
        content = bytes(mapped[:: mmap.PAGESIZE])
        full = held_bytes() - before
        assert full > 0.9 * mixed.size_bytes
        done = let_go(mixed, copied)
        assert copied * 0.9 < done <= copied
        assert held_bytes() - before < full - 0.8 * copied
        assert bytes(mapped[:: mmap.PAGESIZE]) == content
        assert let_go(mixed, copied // 2) >= mixed.size_bytes // mmap.PAGESIZE * mmap.PAGESIZE  # all of it


def test_what_is_held_follows_what_is_used() -> None:
    before = held_bytes()
    block = bytearray(os.urandom(1) * (40 * MIB))
    assert 35 * MIB < held_bytes() - before < 60 * MIB
    del block


@pytest.mark.parametrize(
    ("gpus", "fewest", "most"),
    [
        ((Gpu("A", backend="CUDA", free_bytes=24_000_000_000),), 7, 7),
        ((Gpu("A", backend="CUDA", free_bytes=340_000_000),), 0, 6),
        ((Gpu("A", backend="CUDA", free_bytes=10_000_000),), 0, 0),
        ((Gpu("A", backend="Vulkan"),), None, None),  # it does not tell: all
        ((), None, None),
    ],
)
def test_layers_on_cards_follow_their_free_memory(
    mixed: GgufHeader, monkeypatch: pytest.MonkeyPatch, gpus: tuple[Gpu, ...], fewest: int | None, most: int | None
) -> None:
    class Library:
        gpu = True

    monkeypatch.setattr(load, "list_devices", lambda _library: gpus)
    found = load._gpu_layers(cast("Any", Library()), shape_of(mixed), LoadRequest("x"))
    if fewest is None or most is None:
        assert found is None
    else:
        assert found is not None and fewest <= found <= most


def test_a_card_that_two_backends_list_is_counted_once(mixed: GgufHeader, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        gpu = True

    def layers(*gpus: Gpu) -> int | None:
        monkeypatch.setattr(load, "list_devices", lambda _library: gpus)
        return load._gpu_layers(cast("Any", Library()), shape_of(mixed), LoadRequest("x"))

    cuda = Gpu("RTX", backend="CUDA", free_bytes=400_000_000, id="0000:01:00.0")
    vulkan = Gpu("RTX", backend="Vulkan", free_bytes=400_000_000, id="0000:01:00.0")
    other = Gpu("RTX", backend="Vulkan", free_bytes=400_000_000, id="0000:02:00.0")
    assert layers(cuda, vulkan) == layers(cuda)
    more, one = layers(cuda, other), layers(cuda)
    assert more is not None and one is not None and more > one
