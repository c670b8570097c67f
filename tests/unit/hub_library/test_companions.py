"""Which mmproj belongs to which model."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_desktop.hub.companions import facts, find_mmproj
from tests.library_files import mmproj, model


def bound(path: Path, **known: object) -> str | None:
    found = find_mmproj(path, **known)  # type: ignore[arg-type]
    return found.name if found else None


def test_a_file_is_what_its_header_says(tmp_path: Path) -> None:
    plain = model(tmp_path / "a.gguf")
    assert facts(plain).kind == "model" and facts(plain).architecture == "qwen3"
    assert facts(mmproj(tmp_path / "vision.gguf", width=48)).width == 48
    assert facts(mmproj(tmp_path / "old.gguf", kind="model")).kind == "mmproj"  # older ones only say "clip"
    assert facts(mmproj(tmp_path / "lora.gguf", kind="adapter", of="qwen3")).kind == "other"
    (tmp_path / "text.gguf").write_text("GGUF? no")
    (tmp_path / "cut.gguf").write_bytes(plain.read_bytes()[:30])
    assert {facts(tmp_path / n).kind for n in ("text.gguf", "cut.gguf", "missing.gguf")} == {"none"}


def test_one_model_in_a_folder(tmp_path: Path) -> None:
    first = model(tmp_path / "Qwen3-VL-4B-Q4_K_M.gguf")
    model(tmp_path / "Qwen3-VL-4B-Q8_0.gguf")
    assert bound(first) is None
    for quant in ("F32", "Q8_0", "F16", "BF16"):
        mmproj(tmp_path / f"mmproj-{quant}.gguf")
    assert bound(first) == "mmproj-F16.gguf"


def test_several_models_in_a_folder_are_told_apart_by_name(tmp_path: Path) -> None:
    small, large = model(tmp_path / "Qwen2.5-VL-3B-Q4_K_M.gguf"), model(tmp_path / "Qwen2.5-VL-7B-Q4_K_M.gguf")
    text = model(tmp_path / "Qwen2.5-7B-Instruct-Q4_K_M.gguf")
    mmproj(tmp_path / "mmproj-Qwen2.5-VL-3B-f16.gguf")
    mmproj(tmp_path / "vision.gguf", name="Qwen2.5 VL 7B")
    mmproj(tmp_path / "mmproj-F16.gguf")
    assert (bound(small), bound(large), bound(text)) == ("mmproj-Qwen2.5-VL-3B-f16.gguf", "vision.gguf", None)
    renamed = model(tmp_path / "my-favourite.gguf")
    assert (bound(renamed), bound(renamed, name="Qwen2.5-VL-7B")) == (None, "vision.gguf")


@pytest.mark.parametrize(
    ("width", "expected"), [(32, "mmproj-F16.gguf"), (16, "mmproj-F16.gguf"), (48, None), (0, "mmproj-F16.gguf")]
)
def test_another_width_never_fits(width: int, expected: str | None, tmp_path: Path) -> None:
    first = model(tmp_path / "A-Q8_0.gguf")
    mmproj(tmp_path / "mmproj-F16.gguf", width=32)
    assert bound(first, width=width) == expected


def test_a_text_model_does_not_take_a_stranger_of_the_same_width(tmp_path: Path) -> None:
    text = model(tmp_path / "Qwen2.5-7B-Instruct-Q4_K_M.gguf")
    mmproj(tmp_path / "mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf")
    assert bound(text, architecture="qwen2", width=32) is None
    assert bound(text, architecture="qwen2vl", width=32) == "mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf"
