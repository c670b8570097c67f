"""What the job ``gguf.adapter`` says of a file, and what a model's door says of an adapter."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.gguf import NotChat, read_header
from qwen_desktop.jobs.adapters import look
from qwen_desktop.jobs.table import JOBS
from tests import adapter_files, gguf_files


def test_it_tells_what_an_adapter_is_for(tmp_path: Path) -> None:
    model = gguf_files.write(tmp_path / "model.gguf", vocab=300)

    def more(writer: object) -> None:
        writer.add_string("general.base_model.0.name", "Qwen3 0.6B\x1b[31m")  # type: ignore[attr-defined]

    path = adapter_files.write(tmp_path / "a.gguf", model, rank=4, invocation=(5, 6), more=more)
    data = Path(path).read_bytes()
    found = look(path)
    assert "\x1b" not in found.pop("base")
    assert found == {
        "name": "Random Adapter", "architecture": "qwen3", "rank": 4, "alora": True, "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    assert look(adapter_files.write(tmp_path / "unnamed.gguf", model, name=None))["name"] == "unnamed"
    assert JOBS["gguf.adapter"] == "qwen_desktop.jobs.adapters:look"
    for wrong in (str(model), str(tmp_path / "none"), str(tmp_path)):
        with pytest.raises(UserFacing):
            look(wrong)


def test_opened_as_a_model_it_is_said_where_it_is_used(tmp_path: Path) -> None:
    model = gguf_files.write(tmp_path / "model.gguf", vocab=300)
    with pytest.raises(NotChat) as caught:
        read_header(adapter_files.write(tmp_path / "a.gguf", model))
    said = caught.value.problem.sentence()
    assert "a.gguf is an adapter (LoRA)" in said and "--lora" in said
