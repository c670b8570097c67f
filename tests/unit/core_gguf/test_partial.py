"""Headers of files that are only partly there; their lies are caught all the same."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.shape import shape_of
from tests import gguf_files


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_files.write(tmp_path_factory.mktemp("gguf") / "model.gguf", vocab=2000)


def test_the_weights_need_not_be_there(model: Path, tmp_path: Path) -> None:
    whole = read_header(model)
    part = tmp_path / "model.gguf.part"
    for there in (whole.data_offset - 10, whole.data_offset + 5, whole.size_bytes // 2):
        part.write_bytes(model.read_bytes()[:there])
        header = read_header(part, partial=True)
        assert shape_of(header) == shape_of(whole) and header.size_bytes == whole.size_bytes
        with pytest.raises(UserFacing, match="the download is not complete"):
            read_header(part)


def test_the_header_itself_must_be_there(model: Path, tmp_path: Path) -> None:
    part = tmp_path / "model.gguf.part"
    part.write_bytes(model.read_bytes()[: read_header(model).data_offset // 2])
    with pytest.raises(UserFacing, match="ends inside its header"):
        read_header(part, partial=True)
    part.write_bytes(bytes(100_000))  # its room is there, its bytes are not
    with pytest.raises(UserFacing, match="not a GGUF"):
        read_header(part, partial=True)


def test_impossible_sizes_are_refused(model: Path, tmp_path: Path) -> None:
    data = model.read_bytes()[: read_header(model).data_offset]
    lie = tmp_path / "lie.gguf"
    dimension = data.index(b"token_embd.weight") + len("token_embd.weight") + 4
    for place, number in ((8, 1 << 60), (dimension, 1 << 60), (dimension, 1 << 41)):
        lie.write_bytes(data[:place] + struct.pack("<Q", number) + data[place + 8 :])
        with pytest.raises(UserFacing, match=r"is damaged|ends inside"):
            read_header(lie, partial=True)


def test_parts_of_a_split_model_are_one_shape(tmp_path: Path) -> None:
    for number in (1, 2):
        extra = {"split.no": number - 1, "split.count": 2, "split.tensors.count": 40}
        gguf_files.write(tmp_path / f"big-{number:05d}-of-00002.gguf", vocab=600, extra=extra)
    one = shape_of(read_header(gguf_files.write(tmp_path / "one.gguf", vocab=600)))
    both = shape_of(read_header(tmp_path / "big-00001-of-00002.gguf"))
    assert both.weights_bytes == 2 * one.weights_bytes  # these parts repeat each other; real ones do not
