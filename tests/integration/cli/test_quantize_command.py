"""``qwen-desktop models quantize`` as it is used: figures before, progress, one JSON object, and Ctrl+C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.paths import find_paths
from tests import gguf_files
from tests.integration.cli.conftest import Here
from tests.integration.cli.test_chat_command import PROGRAM


def test_a_name_or_a_path_to_a_model_with_its_figures(here: Here, tmp_path: Path) -> None:
    source = gguf_files.write(tmp_path / "Tiny-F16.gguf", vocab=600, width=256, hidden=512, quant="f16")

    def answer(*words: str) -> dict[str, Any]:
        done = here("models", "quantize", *words, "--json")
        assert done.code == 0, done.err
        return dict(json.loads(done.out))

    before = answer(str(source), "q4-k-m", "--out", str(tmp_path), "--dry-run")
    assert before["status"] == "planned" and before["path"] == str(tmp_path / "Tiny-Q4_K_M.gguf")
    assert not (tmp_path / "Tiny-Q4_K_M.gguf").exists()
    text = tmp_path / "text.txt"
    text.write_text("One, two, three, four, five. " * 40)
    made = answer(str(source), "Q4_K_M", "--out", str(tmp_path), "--quality", "--text", str(text))
    assert made["status"] == "done" and made["problem"] is None and made["type"] == "Q4_K_M"
    assert made["size_bytes"] == before["size_bytes"] == Path(made["path"]).stat().st_size < made["source_bytes"]
    assert made["quality"]["places"] > 0 and made["quality"]["text"] == "own" and made["quality"]["verdict"]
    assert read_header(made["path"]).quant == "Q4_K_M"
    done = here("models", "quantize", str(source), "q4_k_m", "--out", made["path"])
    assert done.code == 1 and done.out == "" and "exists already" in done.err and "--force" in done.err
    done = here("models", "quantize", "Random Test Model", "q2_k", "--allow-requantize")
    assert done.code == 0, done.err
    assert Path(done.out.strip()).is_relative_to(find_paths().models)  # by its name in the list: the first result's


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{good}", "q9"), "is no type"),
        (("{none}", "q4_k_m"), "does not exist"),
        (("{good}", "q4_k_m", "--text", "{good}", "--quality"), "not a text"),
    ],
)
def test_bad_words_are_one_sentence(here: Here, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    good = gguf_files.write(tmp_path / "Tiny-F16.gguf", vocab=400, quant="f16")
    places = {"good": str(good), "none": str(tmp_path / "none.gguf")}
    done = here("models", "quantize", *(word.format(**places) for word in words))
    assert done.code == 1 and done.out == "" and said in done.err and len(done.err.splitlines()) == 1, done.err


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    shape: dict[str, Any] = {"vocab": 4000, "width": 512, "hidden": 2048, "layers": 6, "heads": 8, "quant": "f16"}
    source = gguf_files.write(tmp_path / "Large-F16.gguf", **shape)
    process = subprocess.Popen(
        [*PROGRAM, "models", "quantize", str(source), "q4_k_m", "--out", str(tmp_path / "new.gguf"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    while not list(tmp_path.glob("*.part")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130 and json.loads(out)["status"] == "interrupted", err
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["Large-F16.gguf"]
