"""``qwen-desktop tune`` as a shell starts it: real worker, real model, and a result that the next load finds."""

from __future__ import annotations

import json
from pathlib import Path

from qwen_desktop.cli.tune import lines
from qwen_desktop.core.packed import from_json
from qwen_desktop.core.tuning import CROWDED, DEFAULT_WAY, Trial, Tuning, Way
from tests import gguf_files
from tests.integration.cli.test_chat_command import Shell, sentence, shell  # noqa: F401 - a fixture


def test_a_model_is_measured_and_the_result_kept(shell: Shell, home: Path, tmp_path: Path) -> None:  # noqa: F811
    model = tmp_path / "small.gguf"
    gguf_files.write(model, vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS)
    done = shell("tune", "--model", str(model), "--depth", "512", "--seconds", "20", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["depth"] == 512 and [gain["depth"] for gain in found["gains"]] == [0, 512]
    assert found["kv_type"] in ("f16", "k_q8_0") and 1 <= found["threads"] <= found["cores"]
    assert all(trial["tokens_per_s"] > 0 for trial in found["trials"])
    kept = list(home.rglob("tunings.json"))
    if found["share"] < CROWDED:
        assert not kept and "nothing was changed" in done.stderr
        return
    (entry,) = json.loads(kept[0].read_text(encoding="utf-8"))
    assert entry["path"] == str(model)
    assert from_json(json.dumps(entry["tuning"]).encode(), Tuning).trials


def test_mistakes_are_one_sentence(shell: Shell, tmp_path: Path) -> None:  # noqa: F811
    assert "guide" in sentence(shell("tune"))
    assert "missing.gguf" in sentence(shell("tune", "--model", str(tmp_path / "missing.gguf")))
    assert shell("tune", "--seconds", "0").returncode == 2


def test_the_table_says_what_was_measured_and_chosen() -> None:
    own = Way(flash_attention=False)
    trials = (
        Trial("write", own, 2, 0, 34.0), Trial("write", DEFAULT_WAY, 2, 0, 34.5),
        Trial("write", own, 2, 4096, 18.6), Trial("write", DEFAULT_WAY, 2, 4096, 12.2),
        Trial("read", own, 2, 4096, 62.0, 64),
    )  # fmt: skip
    result = Tuning(
        flash_attention=False, kv_type="f16", threads=2, read_threads=2, batch_rows=16, gpu_layers=0, depth=4096,
        own=own, own_threads=2, cores=2, trials=trials,
    )  # fmt: skip
    text = "\n".join(lines("A model", result))
    assert "flash attention on, 16-bit, 2 threads (llama.cpp's defaults)" in text
    assert "18.6" in text and "62.0" in text
    assert "answers 1.52 times as fast" in text
