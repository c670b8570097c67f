"""Numbers of a header that no model has: one sentence at once, before anything is made by them."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.memory import Use, estimate
from qwen_desktop.core.shape import shape_of
from tests.gguf_raw import ARRAY, ENTRIES, TEXT, Table, Typed, header, model, text
from tests.peak import forget, peak_bytes

HUGE = (1 << 32) - 1


def damage(path: Path) -> str:
    began, before = time.thread_time(), forget()
    with pytest.raises(UserFacing) as caught:
        read_header(path)
    assert time.thread_time() - began < 2 and peak_bytes() - before < 150_000_000
    sentence = caught.value.problem.sentence()
    assert "is damaged: " in sentence or "ends inside its header" in sentence
    return sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"llama.block_count": HUGE}, "block_count is 4,294,967,295"),
        ({"llama.block_count": 513}, "block_count is 513"),
        ({"llama.block_count": 0}, "block_count is 0"),
        ({"llama.block_count": Typed(5, -1)}, "block_count is -1"),
        ({"llama.block_count": "2"}, "block_count is no whole number"),
        ({"llama.block_count": float("nan")}, "block_count is no whole number"),
        ({"llama.block_count": float("inf")}, "block_count is no whole number"),
        ({"llama.block_count": True}, "block_count is no whole number"),
        ({"llama.block_count": [2, 2]}, "block_count is a list"),
        ({"llama.block_count": [1] * 5000}, "block_count is impossibly long"),
        ({"llama.embedding_length": 1 << 62}, "embedding_length is"),
        ({"llama.feed_forward_length": HUGE}, "feed_forward_length is"),
        ({"llama.feed_forward_length": [64, HUGE]}, "feed_forward_length is"),
        ({"llama.feed_forward_length": Typed(ARRAY, [64, -64], 5)}, "less than nothing"),
        ({"llama.attention.head_count": HUGE}, "head_count is"),
        ({"llama.attention.head_count_kv": [2] * 600}, "head_count_kv is impossibly long"),
        ({"llama.attention.head_count_kv": ["2", "2"]}, "head_count_kv is no whole number"),
        ({"llama.attention.key_length": HUGE}, "key_length is"),
        ({"llama.attention.key_length": 1 << 19, "llama.attention.head_count": 8000}, "attention is impossibly wide"),
        ({"llama.context_length": 1 << 40}, "context_length is"),
        ({"llama.expert_count": 1025, "llama.expert_used_count": 4}, "expert_count is 1,025"),
        ({"llama.expert_count": 4, "llama.expert_used_count": 8}, "more experts than it has"),
        ({"llama.expert_group_count": 1}, "groups of experts"),
        ({"llama.expert_count": 8, "llama.expert_used_count": 2, "llama.expert_group_count": 3,
          "llama.expert_group_used_count": 1}, "groups of experts"),
        ({"llama.expert_count": 8, "llama.expert_used_count": 2, "llama.expert_group_count": 4}, "groups of experts"),
        ({"llama.nextn_predict_layers": 3}, "more layers of one kind"),
        ({"llama.ssm.state_size": 1 << 20, "llama.ssm.inner_size": 1 << 20}, "recurrent state"),
        ({"split.count": -2}, "number of its parts"),
        ({"split.no": 1, "llama.block_count": HUGE}, "number of its parts"),
        ({"split.no": 1, "split.count": 2, "llama.block_count": HUGE}, "block_count is"),
        ({"split.count": "two"}, "number of its parts"),
        ({"general.alignment": "32"}, "alignment"),
        ({"general.alignment": True}, "alignment"),
    ],
)  # fmt: skip
def test_numbers_that_no_model_has(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    assert words in damage(model(tmp_path / "lie.gguf", changes))


def test_the_largest_numbers_that_pass_stay_within_64_bits(tmp_path: Path) -> None:
    most = {
        "llama.block_count": 512,
        "llama.context_length": HUGE,
        "llama.embedding_length": 1 << 20,
        "llama.feed_forward_length": [1 << 22] * 512,
        "llama.attention.head_count": 1 << 14,
        "llama.attention.head_count_kv": [1 << 14] * 512,
        "llama.attention.key_length": 128,
        "llama.attention.value_length": 128,
        "llama.expert_count": 1024,
        "llama.expert_used_count": 1024,
        "llama.expert_feed_forward_length": 1 << 22,
        "llama.vocab_size": 1 << 24,
        "tokenizer.ggml.tokens": None,
    }
    shape = shape_of(read_header(model(tmp_path / "wide.gguf", most)))
    assert shape.layers == 512 and shape.context_train == 1 << 28
    total = estimate(shape, Use(context=shape.context_train, kv_type="f32")).total_bytes
    assert 0 < total < 1 << 63


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ((Table("x" * 64, (32,)),), "name is impossibly long"),
        ((Table("a", (1, 1, 1, 1, 1)),), "too many dimensions"),
        ((Table("a", (1 << 62, 4)),), "impossibly large"),
        ((Table("a", (0, 1 << 63)),), "impossibly large"),
        ((Table("a", (33,), 8),), "does not fit its type"),
        ((Table("a", (32,), 4000),), "unknown type"),
        ((Table("a", (32,)), Table("a", (32,), 0, 128)), "the same name"),
        ((Table("a", (32,)), Table("b", (32,), 0, 0)), "not where it should be"),
        ((Table("a", (32,)), Table("b", (32,), 0, 1 << 40)), "not where it should be"),
        ((Table("a", (32,), 0, 16),), "not aligned"),
        (tuple(Table(str(n), (1 << 49,), 100) for n in range(3)), "impossibly many"),
    ],
)
def test_tensors_that_cannot_be(tensors: tuple[Table, ...], words: str, tmp_path: Path) -> None:
    assert words in damage(model(tmp_path / "lie.gguf", tensors=tensors))


def test_a_tensor_type_of_the_future_is_no_damage(tmp_path: Path) -> None:
    tensors = (Table("token_embd.weight", (32, 64), 99), Table("output_norm.weight", (32,), 0, 4096))
    header_ = read_header(model(tmp_path / "new.gguf", tensors=tensors))
    assert "weights_bytes" in shape_of(header_).inferred


def _sparse(path: Path, content: bytes, size: int) -> Path:
    with path.open("wb") as file:
        file.write(content)
        file.truncate(size)
    return path


def test_counts_lengths_and_amounts_of_a_file_with_room_for_them(tmp_path: Path) -> None:
    """Each of these takes gigabytes when it is believed: the file is (seemingly) large enough."""
    room = 160 << 20  # more than any header may have
    start = b"GGUF" + struct.pack("<I", 3)
    lies = {
        "tensors": start + struct.pack("<QQ", 100_000_000, 0),
        "entries": start + struct.pack("<QQ", 0, 100_000_000),
        "strings": header({**ENTRIES, "x": Typed(ARRAY, [], TEXT, 300_000_000)}),
        "numbers": header({**ENTRIES, "x": Typed(ARRAY, [], 12, 300_000_000)}),
        "arrays of arrays": header({**ENTRIES, "x": Typed(ARRAY, [], ARRAY, 100_000_000)}),
        "a text": header(ENTRIES, counts=(0, len(ENTRIES) + 1)) + text("x") + struct.pack("<IQ", TEXT, 1 << 30),
        "empty tensors": header(ENTRIES, counts=(131_072, len(ENTRIES))),
    }
    for what, content in lies.items():
        assert damage(_sparse(tmp_path / "large.gguf", content, room)), what


def test_a_long_text_is_stepped_over(tmp_path: Path) -> None:
    path = model(tmp_path / "a.gguf", {"tokenizer.huggingface.json": "{" * (9 << 20), "general.license": "mit"})
    found = read_header(path)
    assert found.metadata["general.license"] == "mit" and "tokenizer.huggingface.json" not in found.metadata
    assert found.arrays["tokenizer.huggingface.json"].count == 9 << 20


def test_many_kept_entries_are_too_many(tmp_path: Path) -> None:
    start = header(ENTRIES, counts=(0, len(ENTRIES) + 900))
    grown = struct.pack("<IQ", TEXT, 1 << 20) + b"\xff" * (1 << 20)  # two bytes in memory for each of the file
    listed = struct.pack("<IIQ", ARRAY, 0, 1000) + bytes(1000)
    path = tmp_path / "wordy.gguf"
    for entry, count in ((grown, 20), (listed, 900)):
        path.write_bytes(start + b"".join(text(f"x{n}") + entry for n in range(count)) + bytes(20_000))
        assert "entries are impossibly large" in damage(path)
