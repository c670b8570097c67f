"""What a file is: each kind that is no chat model gets a sentence of its own with what to do."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.gguf import NotChat, piece_of, read_header
from tests.gguf_raw import TENSORS, Table, Typed, header, model


def refused(path: Path) -> UserFacing:
    with pytest.raises(UserFacing) as caught:
        read_header(path)
    problem = caught.value.problem
    assert problem.hint is not None and problem.hint.source.endswith(".") and problem.what.source.endswith(".")
    assert path.name in str(problem.what) and "{" not in problem.sentence() and "!" not in problem.sentence()
    return caught.value


CLS = (*TENSORS, Table("cls.output.weight", (32,), 0, 32 * 65 * 4))


@pytest.mark.parametrize(
    ("changes", "tensors", "words"),
    [
        ({"llama.pooling_type": 3}, TENSORS, "is an embedding model"),
        ({"llama.pooling_type": 1}, TENSORS, "is an embedding model"),
        ({"llama.attention.causal": False}, TENSORS, "is an embedding model"),
        *(
            ({"general.architecture": name}, TENSORS, "is an embedding model")
            for name in ("bert", "nomic-bert", "jina-bert-v2", "gemma-embedding", "t5encoder")
        ),
        ({"llama.pooling_type": 4}, TENSORS, "is a reranker"),
        ({"general.architecture": "bert"}, CLS, "is a reranker"),
        ({}, CLS, "is a reranker"),
        ({"general.architecture": "clip", "clip.has_vision_encoder": True}, TENSORS, "(mmproj), no model by itself"),
        ({"general.architecture": "clip", "general.type": "model"}, TENSORS, "(mmproj), no model by itself"),
        ({"general.type": "mmproj"}, TENSORS, "(mmproj), no model by itself"),
        ({"general.type": "adapter"}, TENSORS, "is an adapter (LoRA)"),
        ({}, (Table("blk.0.attn_q.weight.lora_a", (32, 8)),), "is an adapter (LoRA)"),
        ({"general.type": "imatrix", "general.architecture": None}, TENSORS, "is an importance matrix"),
        ({"general.architecture": "controlvector"}, TENSORS, "is a control vector"),
        ({"general.architecture": "eagle3"}, TENSORS, "is a draft model"),
        ({"general.architecture": "flux"}, TENSORS, "makes pictures"),
        ({"general.architecture": "whisper"}, TENSORS, "a model for speech"),
        ({"general.architecture": "dream"}, TENSORS, "is a diffusion model"),
        ({}, (*TENSORS, Table("v.blk.0.attn_q.weight", (32,), 0, 32 * 65 * 4)), "only Ollama can read"),
        ({}, (), "is a vocabulary only"),
        ({"general.type": "something"}, TENSORS, "of kind something"),
    ],
)
def test_kinds_of_gguf(changes: dict[str, Any], tensors: tuple[Table, ...], words: str, tmp_path: Path) -> None:
    path = model(tmp_path / "a-file.gguf", changes, tensors=tensors)
    error = refused(path)
    assert isinstance(error, NotChat) and words in str(error.problem.what)


@pytest.mark.parametrize(
    "changes", [{}, {"llama.pooling_type": 0}, {"general.type": "model"}, {"llama.attention.causal": True}]
)
def test_chat_models_are_none_of_them(changes: dict[str, Any], tmp_path: Path) -> None:
    assert read_header(model(tmp_path / "chat.gguf", changes)).architecture == "llama"


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 805306368\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.gguf", b"", "is empty. Download it again"),
        ("a.gguf", b"GG", "is not a GGUF model file"),
        ("a.gguf", POINTER.encode(), "git lfs pull"),
        ("a.gguf", b"<!doctype html><html><head><title>Sign in</title>", "is a web page"),
        ("a.gguf", b"\xef\xbb\xbf\n  <HTML lang=en>" + b" " * 600, "is a web page"),
        ("a.gguf", b'{"error":"Repository not found"}', "is a text"),
        ("notes.gguf", "Привет".encode() * 300, "is a text"),
        ("a.gguf", struct.pack("<Q", 40) + b'{"__metadata__":{}}' + bytes(500), "as safetensors"),
        ("a.safetensors", b"\x01" + bytes(700), "as safetensors"),
        ("ggml-model-q4_0.gguf", b"tjgg\x03\x00\x00\x00" + bytes(100), "that came before GGUF"),
        ("model.gguf", b"lmgg" + bytes(100), "that came before GGUF"),
        ("pytorch_model.bin", b"PK\x03\x04" + bytes(100), "as PyTorch saves them"),
        ("old.pt", b"\x80\x02\x8a\nl\xfc" + bytes(100), "as PyTorch saves them"),
        ("model.gguf", b"\x1f\x8b\x08\x00" + bytes(range(200)), "is an archive"),
        ("model.gguf", bytes(4096), "begins with nothing but zeros. Download it again"),
        ("model.gguf.crdownload", b"\x01\x02" + bytes(300), "the download is not complete"),
        ("picture.gguf", b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a GGUF model file"),
        ("model.gguf-split-b", bytes(range(1, 200)), "join them in their order into one file, model.gguf,"),
    ],
)
def test_kinds_of_other_files(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert words in refused(path).problem.sentence()


def test_a_zip_file_is_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.gguf", "w") as archive:
        archive.writestr("a", "b")
    assert "Unpack it" in refused(tmp_path / "model.gguf").problem.sentence()


def test_pieces_cut_by_size_are_told_by_their_names_even_the_first(tmp_path: Path) -> None:
    names = ("M.Q8_0.gguf.part1of2", "M.gguf-split-a", "M.gguf.part_aa", "M.gguf.001", "M.gguf.aa", "M.gguf.part-10")
    for name in names:
        path = model(tmp_path / name)
        assert "only a piece" in str(refused(path).problem.what), name
        with pytest.raises(UserFacing, match="only a piece"):
            read_header(path, partial=True)
    for name in ("M.gguf", "M-00001-of-00003.gguf", "M.part1of2.gguf", "M.gguf.part", "M.gguf.journal", "M.Q4.001"):
        assert not piece_of(name), name


def test_a_download_with_all_its_room_is_no_model_yet(tmp_path: Path) -> None:
    path = model(tmp_path / "M.gguf.part")
    assert "the download is not complete" in refused(path).problem.sentence()
    assert read_header(path, partial=True).architecture == "llama"


def test_every_strange_beginning_gets_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    for length in (1, 2, 3, 4, 7, 24):
        for byte in (0, 9, 32, 60, 123, 128, 255):
            path.write_bytes(bytes([byte]) * length)
            refused(path)
    whole = header({"general.architecture": Typed(4, 5)}, TENSORS)
    path.write_bytes(whole + bytes(9000))
    assert "does not say which architecture" in refused(path).problem.sentence()
