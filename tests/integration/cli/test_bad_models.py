"""Model files of every kind on the command line: the real shape of Qwen works, each bad file gets its sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import gguf_files


def ask(path: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON object, and what stood on stderr."""
    command = [sys.executable, "-m", "qwen_desktop", "chat", "--json", "--model", str(path), "--max-tokens", "24"]
    done = subprocess.run(
        [*command, "--seed", "3", *options, "Hello"], capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("architecture", ["qwen2", "qwen3"])
def test_qwen_with_its_whole_vocabulary_streams_and_reports(tmp_path: Path, architecture: str) -> None:
    path = gguf_files.write(
        tmp_path / "full.gguf", architecture=architecture, vocab=gguf_files.FULL_VOCABULARY, name="Full Vocabulary",
        tied=False, prefer={"<|im_end|>": 0.0, "<|endoftext|>": 0.0},
    )  # fmt: skip
    code, found, said = ask(path, "--no-think")
    assert (code, said) == (0, "")
    assert found["model"] == "Full Vocabulary"
    assert found["finish_reason"] == "length"
    assert found["stats"]["completion_tokens"] == 24
    assert found["stats"]["prompt_tokens"] > 5
    assert found["stats"]["decode_tokens_per_s"] > 0


def test_without_a_chat_template_it_answers_all_the_same(tmp_path: Path) -> None:
    code, found, said = ask(gguf_files.write(tmp_path / "plain.gguf", vocab=600, template=None))
    assert code == 0
    assert "no chat template" in said and said.count("\n") == 1
    assert found["finish_reason"] in ("length", "stop")


def test_a_file_without_its_pre_tokenizer_warns_and_answers(tmp_path: Path) -> None:
    code, found, said = ask(gguf_files.write(tmp_path / "old.gguf", vocab=600, pre=None))
    assert code == 0
    assert "split into tokens" in said and said.count("\n") == 1
    assert found["finish_reason"] in ("length", "stop")


@pytest.mark.parametrize(
    ("name", "how", "word"),
    [
        ("strange", {"architecture": "nosuchnet"}, "nosuchnet"),
        ("raises", {"template": "{{ raise_exception('no') }}"}, "template"),
        ("endless", {"template": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"},
         "template"),
        ("syntax", {"template": "{% if x %}{{ unclosed"}, "template"),
        ("loses", {"template": "Say something."}, "leaves out what you write"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_sentence(tmp_path: Path, name: str, how: dict[str, Any], word: str) -> None:
    code, found, said = ask(gguf_files.write(tmp_path / f"{name}.gguf", vocab=600, **how))
    assert code == 1
    assert found["finish_reason"] == "error"
    assert word in said
    assert said.count("\n") == 1
