"""Which models obey ``/think`` and ``/no_think``: by what a file says of itself, never by its name on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_desktop.core.gguf import GgufHeader, read_header
from qwen_desktop.engine.soft_switches import obeyed
from qwen_desktop.engine.template_families import FAMILIES, reference
from qwen_desktop.engine.templates import Template
from tests import gguf_files

# fmt: off
CASES = [
    # (architecture, name, family of the template, obeyed)
    ("qwen3", "Qwen3 0.6B", "qwen3", True),
    ("qwen3", "Qwen3-32B", "qwen3", True),
    ("qwen3moe", "Qwen3 30B A3B", "qwen3", True),
    ("qwen3moe", "Qwen3-235B-A22B", "qwen3", True),
    ("qwen3", "Josie 8B", "qwen3", True),                        # a finetune that kept the form
    ("qwen3", "Qwen3 4B Instruct 2507", "qwen3-instruct", False),
    ("qwen3", "Qwen3 4B Instruct 2507", "qwen3", False),         # with another one's template
    ("qwen3", "Qwen3 4B Thinking 2507", "qwen3-thinking", False),
    ("qwen3moe", "Qwen3 30B A3B Thinking 2507", "qwen3", False),
    ("qwen3moe", "Qwen3 Coder 30B A3B Instruct", "qwen3-coder", False),
    ("qwen3next", "Qwen3 Next 80B A3B Instruct", "qwen3-instruct", False),
    ("qwen3next", "Qwen3 Next 80B A3B Thinking", "qwen3-thinking", False),
    ("qwen35", "Qwen3.5 9B", "qwen3.5", False),
    ("qwen35", "Qwen3.5 0.8B", "qwen3.5-small", False),
    ("qwen35moe", "Qwen3.6 35B A3B", "qwen3.6", False),
    ("qwen3", "Qwen3 0.6B", "qwen3.5", False),                   # its prompt opens the thought
    ("qwen3vl", "Qwen3 VL 2B Instruct", "qwen3", False),
    ("qwen2", "QwQ 32B", "qwq", False),
    ("qwen2", "Qwen2.5 7B Instruct", "qwen2.5", False),
    ("qwen3", "Qwen3 Embedding 0.6B", "qwen3", False),
    ("llama", "Qwen3 0.6B", "qwen3", False),
]
# fmt: on


@pytest.mark.parametrize(("architecture", "name", "family", "expected"), CASES)
def test_only_the_hybrid_family_obeys(architecture: str, name: str, family: str, *, expected: bool) -> None:
    named = {"general.name": name}
    header = GgufHeader("/models/qwen3-hybrid.gguf", 3, architecture, name, "Q8_0", 1, 1, 1, "", metadata=named)
    assert obeyed(header, Template(reference(FAMILIES[family]))) is expected


def test_a_file_in_the_manner_of_qwen3(tmp_path: Path) -> None:
    path = tmp_path / "whatever.gguf"
    gguf_files.write(path, vocab=600)
    header = read_header(str(path))
    assert obeyed(header, Template(header.chat_template))
    assert not obeyed(header, Template(None))
