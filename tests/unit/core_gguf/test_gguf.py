"""Reading headers of good, bad and lying files."""

from __future__ import annotations

import contextlib
import math
import os
import random
import struct
import time
from pathlib import Path

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.gguf import read_header
from tests import gguf_files


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_files.write(tmp_path_factory.mktemp("gguf") / "model.gguf", vocab=2000, name="A Model")


def refusal(path: Path | str) -> str:
    with pytest.raises(UserFacing) as caught:
        read_header(path)
    sentence = caught.value.problem.sentence()
    assert caught.value.problem.hint is not None and "!" not in sentence
    return sentence


def test_what_the_header_says(model: Path) -> None:
    header = read_header(model)
    assert (header.architecture, header.name, header.quant) == ("qwen3", "A Model", "Q8_0")
    assert header.context_length == 2048 and header.vocab_size == 2000
    assert header.size_bytes == model.stat().st_size
    assert header.chat_template is not None and "enable_thinking" in header.chat_template
    assert len(header.fingerprint) == 64 and not header.guide
    assert header.parameters == sum(math.prod(t.shape) for t in header.tensors) > 100_000
    assert "tokenizer.ggml.tokens" in header.arrays


def test_the_fingerprint_follows_the_header_not_the_weights(model: Path, tmp_path: Path) -> None:
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    (tmp_path / "weights.gguf").write_bytes(data)
    assert read_header(tmp_path / "weights.gguf").fingerprint == read_header(model).fingerprint
    renamed = model.read_bytes().replace(b"A Model", b"B Model")
    (tmp_path / "name.gguf").write_bytes(renamed)
    assert read_header(tmp_path / "name.gguf").fingerprint != read_header(model).fingerprint


def test_full_vocabulary_is_stepped_over_quickly(tmp_path: Path) -> None:
    path = gguf_files.write(tmp_path / "full.gguf", vocab=gguf_files.FULL_VOCABULARY)
    began = time.perf_counter()
    header = read_header(path)
    assert header.vocab_size == 151_936
    assert time.perf_counter() - began < 2  # 60 ms on a quiet machine


def test_files_that_are_no_gguf_of_today(tmp_path: Path) -> None:
    other = tmp_path / "a.gguf"
    for content, words in (
        (b"GGUF", "ends inside its header"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(50), "version 1"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(50), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "does not say which architecture"),
    ):
        other.write_bytes(content)
        assert words in refusal(other), content
    assert "is a folder" in refusal(tmp_path)
    assert "does not exist" in refusal(tmp_path / "missing.gguf")
    assert "not a file name" in refusal("a\x00b")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.gguf"
    path.write_bytes(b"GGUF")
    path.chmod(0)
    assert "no permission" in refusal(path)


def test_no_permission_even_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(place: object, *_args: object) -> None:
        raise PermissionError(13, "Permission denied", str(place))

    path = tmp_path / "secret.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setattr(os, "open", refuse)
    assert "no permission" in refusal(path)


def test_truncation_at_any_place_is_told(model: Path, tmp_path: Path) -> None:
    data = model.read_bytes()
    header = read_header(model)
    cut = tmp_path / "cut.gguf"
    for length in (*range(5, 2000, 97), header.data_offset - 5, header.data_offset + 5, len(data) - 1):
        cut.write_bytes(data[:length])
        assert "the download is not complete. Download it again." in refusal(cut), length
    cut.write_bytes(data[:-1])
    assert f"ends after {len(data) - 1:,} of {len(data):,} bytes" in refusal(cut)


def test_lies_about_sizes_are_refused_at_once(model: Path, tmp_path: Path) -> None:
    data = model.read_bytes()
    lie = tmp_path / "lie.gguf"
    huge = struct.pack("<Q", 1 << 60)
    tokens = data.index(b"tokenizer.ggml.tokens") + len("tokenizer.ggml.tokens") + 8  # its count
    first_tensor = data.index(b"token_embd.weight")
    places = {
        "tensors": 8,
        "entries": 16,
        "first key's length": 24,
        "tokens": tokens,
        "tensor name's length": first_tensor - 8,
        "dimension": first_tensor + len("token_embd.weight") + 4,
    }
    for what, place in places.items():
        lie.write_bytes(data[:place] + huge + data[place + 8 :])
        began = time.perf_counter()
        assert refusal(lie), what
        assert time.perf_counter() - began < 1, what


def test_random_damage_never_does_worse_than_a_sentence(model: Path, tmp_path: Path) -> None:
    data = model.read_bytes()
    limit = read_header(model).data_offset
    dice = random.Random(4)
    damaged = tmp_path / "damaged.gguf"
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(dice.randint(1, 5)):
            broken[dice.randrange(4, limit)] = dice.randrange(256)
        damaged.write_bytes(broken)
        with contextlib.suppress(UserFacing):
            read_header(damaged)  # some damage cannot be seen in the header


def test_arrays_of_arrays_are_refused(tmp_path: Path) -> None:
    def text(word: str) -> bytes:
        return struct.pack("<Q", len(word)) + word.encode()

    deep = struct.pack("<IQ", 9, 1) * 1000
    path = tmp_path / "deep.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("general.x") + struct.pack("<I", 9) + deep)
    assert "damaged" in refusal(path)


def test_parts_of_a_split_model(tmp_path: Path) -> None:
    for number in range(3):
        extra = {"split.no": number, "split.count": 3, "split.tensors.count": 60}
        gguf_files.write(tmp_path / f"big-0000{number + 1}-of-00003.gguf", vocab=600, extra=extra)
    header = read_header(tmp_path / "big-00001-of-00003.gguf")
    assert len(header.parts) == 3
    assert header.size_bytes == sum(Path(part).stat().st_size for part in header.parts)
    assert "Open the first part, big-00001-of-00003.gguf." in refusal(tmp_path / "big-00002-of-00003.gguf")
    (tmp_path / "big-00002-of-00003.gguf").rename(tmp_path / "elsewhere.gguf")
    assert "big-00002-of-00003.gguf" in refusal(tmp_path / "big-00001-of-00003.gguf")
    assert "no longer says which" in refusal(tmp_path / "elsewhere.gguf")
