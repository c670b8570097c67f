"""``qwen-desktop embed`` as a shell starts it: real worker, real model, numbers that a program can read."""

from __future__ import annotations

import io
import json
import math
import struct
import subprocess
from array import array
from pathlib import Path

import pytest

from qwen_desktop.cli import embed
from qwen_desktop.cli.console import Console
from qwen_desktop.core.errors import UserFacing
from tests import gguf_files
from tests.integration.cli.conftest import Here
from tests.integration.cli.test_chat_command import PROGRAM


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("embed") / "vectors.gguf"
    return str(gguf_files.write(path, vocab=600, extra={"qwen3.pooling_type": 3}))


def test_each_text_is_a_vector_of_length_one(here: Here, model: str) -> None:
    done = here("embed", "--model", model, "--json", "one text", "another", "one text")
    assert done.code == 0 and not done.err, done.err
    found = json.loads(done.out)
    assert set(found) == {"embeddings", "model", "dimensions", "tokens"}
    assert found["model"] == "Random Test Model" and found["dimensions"] == 64 and len(found["tokens"]) == 3
    assert [len(vector) for vector in found["embeddings"]] == [64] * 3
    assert all(math.isclose(math.hypot(*vector), 1, abs_tol=1e-5) for vector in found["embeddings"])
    one, other, again = found["embeddings"]
    assert array("f", one) == array("f", again) != array("f", other)
    assert here("models", "import", model).code == 0
    command = [*PROGRAM, "embed", "--model", "Random Test Model", "-"]  # by its name, from a pipe, as a shell starts it
    done_ = subprocess.run(command, input=b"one text\r\nanother\n", capture_output=True, check=False, timeout=60)
    assert done_.returncode == 0, done_.stderr
    lines = [[float(word) for word in line.split(b" ")] for line in done_.stdout.splitlines()]
    assert [array("f", line) for line in lines] == [array("f", one), array("f", other)]


@pytest.mark.parametrize(
    ("piped", "said"),
    (("a\n\nb\n", "Line 2 of what was piped in is empty"), ("", "no text"), ("a\n \t\n", "Line 2")),
)
def test_empty_lines_are_told(piped: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "read_message", lambda: piped)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UserFacing, match=said):
        embed.texts_of(("-",), Console(quiet=True))
    monkeypatch.setattr(embed, "read_message", lambda: "b\nc d")
    assert embed.texts_of(("a", "-", " e "), Console(quiet=True)) == ("a", "b", "c d", " e ")


def test_mistakes_are_one_sentence(here: Here, tmp_path: Path) -> None:
    done = here("embed", "--model", str(tmp_path / "missing.gguf"), "--json", "text")
    assert done.code == 1 and not done.out
    assert "missing.gguf" in done.err and done.err.count("\n") == 1
    assert here("embed", "text").code == 2


@pytest.mark.parametrize("number", (0.1, 1 / 3, -1e-9, 1.0, 0.0, 6.1e-5, 0.12345678))
def test_a_number_is_the_same_float_when_it_is_read(number: float) -> None:
    (exact,) = struct.unpack("f", struct.pack("f", number))
    assert struct.pack("f", float(embed.shortest(exact))) == struct.pack("f", exact)
    assert len(embed.shortest(exact)) < 16
