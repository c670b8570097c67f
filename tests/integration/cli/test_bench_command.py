"""``qwen-desktop bench`` with real workers: figures for programs and people, bad input, and Ctrl+C."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import gguf_files
from tests.integration.cli.test_chat_command import Shell, sentence, shell

__all__ = ["shell"]

SHORT = ("--rounds", "1", "--context", "512")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose greedy answers never end."""
    path = tmp_path_factory.mktemp("bench") / "tiny.gguf"
    return gguf_files.write(path, vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS)


def test_json_has_the_speeds_of_both_sides_at_each_depth(shell: Shell, model: Path) -> None:
    done = shell("bench", "--model", str(model), *SHORT, "--depth", "200", "--depth", "0", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    theirs = found["llama_cpp_defaults"]
    for side in (found, theirs):
        shallow, deep = side["results"]
        assert (shallow["depth"], deep["depth"]) == (0, 200)
        assert 10 < shallow["prompt_tokens"] < 200 == deep["prompt_tokens"]
        assert all(figures[name] > 0 for figures in (shallow, deep) for name in figures if name != "depth")
        assert side["memory_bytes"] > 10_000_000
        assert side["settings"]["context"] == 512 and side["settings"]["threads"] >= 1
    assert found["settings"]["flash_attention"] is False or found["settings"]["gpu_layers"]
    assert theirs["settings"]["flash_attention"] is True
    for gain, mine, other in zip(found["ratio"], found["results"], theirs["results"], strict=True):
        assert gain["decode"] == pytest.approx(mine["decode_tokens_per_s"] / other["decode_tokens_per_s"], abs=0.001)
        assert gain["prompt"] == pytest.approx(mine["prompt_tokens_per_s"] / other["prompt_tokens_per_s"], abs=0.001)
    assert set(found["ttft_s"]) == {"cold", "warm", "restart"}
    assert all(seconds > 0 for seconds in found["ttft_s"].values())
    assert found["ttft_prompt_tokens"] == 128 and found["load_s"] > 0
    assert found["left_out"] == []


def test_people_get_a_table_and_are_told_what_was_left_out(shell: Shell, model: Path) -> None:
    done = shell("bench", "--model", str(model), "--rounds", "1", "--context", "1024", "--seconds", "1")
    assert done.returncode == 0, done.stderr
    table, left = done.stdout.split("Memory")
    (row,) = [line.split() for line in table.splitlines() if line.split()[:1] == ["0"]]
    assert len(row) == 8 and all(float(cell.replace(",", "")) > 0 for cell in row[1:5])
    assert "flash attention on" in table and "begins after" in table
    assert ("512" in left) == ("  512" not in table)  # measured where a second was enough for both


def test_bad_input_gets_one_sentence(shell: Shell, model: Path, tmp_path: Path) -> None:
    assert "There is no model" in sentence(shell("bench", "--model", str(tmp_path / "none.gguf")))
    deep = sentence(shell("bench", "--model", str(model), *SHORT, "--depth", "500"))
    assert "500 tokens" in deep and "512" in deep and "--context" in deep
    text = tmp_path / "notes.gguf"
    text.write_text("no model at all", encoding="utf-8")
    assert "notes.gguf" in sentence(shell("bench", "--model", str(text)))
    assert "There is no model small here." in sentence(shell("bench", "--model", "small"))
    assert shell("bench").returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_ctrl_c_ends_it_with_a_sentence(model: Path) -> None:
    from tests.integration.cli.test_signals import Running  # noqa: PLC0415 - not on Windows

    running = Running("bench", "--model", str(model), "--rounds", "100", "--seconds", "600", terminal=True)
    running.until("Measuring at a depth")
    assert running.end(signal.SIGINT) == 130
    assert "Stopped" in running.seen
