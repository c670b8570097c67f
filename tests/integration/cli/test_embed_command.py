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
from tests.integration.cli.test_chat_command import PROGRAM, Shell, sentence, shell  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("embed") / "vectors.gguf"
    return str(gguf_files.write(path, vocab=600, extra={"qwen3.pooling_type": 3}))


def test_each_text_is_a_vector_of_length_one(shell: Shell, model: str) -> None:  # noqa: F811
    done = shell("embed", "--model", model, "--json", "one text", "another", "one text")
    assert done.returncode == 0 and not done.stderr, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"embeddings", "model", "dimensions", "tokens"}
    assert found["model"] == "Random Test Model" and found["dimensions"] == 64 and len(found["tokens"]) == 3
    assert [len(vector) for vector in found["embeddings"]] == [64] * 3
    assert all(math.isclose(math.hypot(*vector), 1, abs_tol=1e-5) for vector in found["embeddings"])
    one, other, again = found["embeddings"]
    assert array("f", one) == array("f", again) != array("f", other)
    assert shell("models", "import", model).returncode == 0
    plain = shell("embed", "--model", "Random Test Model", "one text", "another")
    assert plain.returncode == 0, plain.stderr
    lines = [[float(word) for word in line.split(" ")] for line in plain.stdout.splitlines()]
    assert array("f", lines[0]) == array("f", one) and array("f", lines[1]) == array("f", other)


def test_standard_input_has_a_text_on_each_line(model: str, home: Path) -> None:
    command = [*PROGRAM, "embed", "--model", model, "--json", "-"]
    piped = "first line\r\nzweite Zeile ö\n".encode()
    done = subprocess.run(command, input=piped, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["embeddings"]) == 2


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


def test_mistakes_are_one_sentence(shell: Shell, tmp_path: Path) -> None:  # noqa: F811
    assert "missing.gguf" in sentence(shell("embed", "--model", str(tmp_path / "missing.gguf"), "text"))
    assert shell("embed", "text").returncode == 2


@pytest.mark.parametrize("number", (0.1, 1 / 3, -1e-9, 1.0, 0.0, 6.1e-5, 0.12345678))
def test_a_number_is_the_same_float_when_it_is_read(number: float) -> None:
    (exact,) = struct.unpack("f", struct.pack("f", number))
    assert struct.pack("f", float(embed.shortest(exact))) == struct.pack("f", exact)
    assert len(embed.shortest(exact)) < 16
