"""``chat --file``: read, counted and sent by the real program; what is too long or cannot be read is one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.smollm2 import model_path

Done = subprocess.CompletedProcess[str]
Ask = Callable[..., Done]


@pytest.fixture
def ask(home: Path) -> Ask:
    """Run ``qwen-desktop chat`` with a small context and these arguments."""
    home.mkdir()
    (home / "settings.toml").write_text("[engine]\ncontext = 512\n")
    always = ("chat", "--model", str(model_path()), "--temperature", "0", "--max-tokens", "8")

    def run(*arguments: str) -> Done:
        return subprocess.run(
            [sys.executable, "-m", "qwen_desktop", *always, *arguments],
            env=dict(os.environ), stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=90,
            check=False,
        )  # fmt: skip

    return run


def test_files_are_read_by_the_model_and_named_in_json(ask: Ask, tmp_path: Path) -> None:
    notes, picture = tmp_path / "notes.txt", tmp_path / "cat.png"
    notes.write_text("The meeting is on Tuesday at nine.\n" * 3)
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    done = ask("--json", "--file", str(notes), "--file", str(picture), "When is the meeting?")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first, second = found["files"]
    assert (first["name"], first["whole"], first["media_type"]) == ("notes.txt", True, "text/plain")
    assert 20 < first["tokens"] < found["stats"]["prompt_tokens"]
    assert second["name"] == "cat.png" and "whole" not in second
    assert "cat.png is left out" in done.stderr and "cannot see pictures" in done.stderr


def test_what_is_too_long_is_said_with_both_numbers_and_parts_of_it_fit(ask: Ask, tmp_path: Path) -> None:
    book = tmp_path / "book.md"
    topics = ("walls", "windows", "pets", "gardens", "kitchens", "roofs")
    book.write_text("".join(f"# About {t}\n\n{f'The {t} of the house are described here. ' * 40}\n\n" for t in topics))
    done = ask("--file", str(book), "What about pets?")
    assert done.returncode == 1
    assert done.stdout == "" and "Traceback" not in done.stderr
    (said,) = (line for line in done.stderr.splitlines() if "room for" in line)
    assert "The question and its files have" in said and "--parts" in said
    done = ask("--json", "--parts", "--file", str(book), "What about pets?")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (file,) = found["files"]
    assert not file["whole"]
    assert 0 < file["tokens"] < found["stats"]["prompt_tokens"] <= 512


@pytest.mark.parametrize(
    ("name", "data"), [("gone.txt", None), ("broken.pdf", b"%PDF-1.7 nothing"), ("blank.txt", b" ")]
)
def test_a_file_that_cannot_be_read_is_one_sentence(ask: Ask, tmp_path: Path, name: str, data: bytes | None) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    done = ask("--file", str(path), "What is it?")
    assert done.returncode == 1 and done.stdout == ""
    assert name in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
