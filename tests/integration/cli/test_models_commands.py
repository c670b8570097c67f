"""The whole way of a model, as a shell goes it: looked at, fetched, listed, asked, checked, removed. Real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_desktop.core.paths import find_paths
from tests import gguf_raw
from tests.fake_hub import FakeHub, Refuse, content
from tests.integration.cli.test_chat_command import PROGRAM, Shell, sentence, shell

__all__ = ["shell"]

REPO = "owner/Tiny-GGUF"
FILE = "tiny-Q8_0.gguf"


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with the guide under another name: a real model that is small. The settings name it as the mirror."""
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    with FakeHub() as made:
        made.add(REPO, {FILE: find_paths().guide_file.read_bytes(), "README.md": b"# Tiny"})
        home.mkdir(parents=True)
        settings = f'[downloads]\nendpoint = "{made.endpoint}"\nsource = "huggingface"\n'
        (home / "settings.toml").write_text(settings, encoding="utf-8")
        yield made


def test_a_model_is_looked_at_fetched_asked_checked_and_removed(shell: Shell, hub: FakeHub, home: Path) -> None:
    before = hub.sent()
    fit = json.loads(shell("models", "fit", f"{REPO}:Q8_0", "--json").stdout)
    assert fit["architecture"] == "qwen3" and fit["verdict"] == "fits"
    assert 0 < fit["fetched_bytes"] <= hub.sent() - before + 1_000_000
    assert fit["total_bytes"] >= fit["weights_bytes"] + fit["kv_bytes"] + fit["compute_bytes"]

    pulled = shell("models", "pull", f"{REPO}:Q8_0", "--json")
    assert pulled.returncode == 0, pulled.stderr
    found = json.loads(pulled.stdout)
    path = Path(found["path"])
    assert found["status"] == "done" and path == home / "models" / REPO / FILE
    assert path.read_bytes() == find_paths().guide_file.read_bytes()
    again = json.loads(shell("models", "pull", f"{REPO}:Q8_0", "--json").stdout)
    assert again["status"] == "done" and again["path"] == str(path)

    (entry,) = json.loads(shell("models", "list", "--json").stdout)["models"]
    assert entry["path"] == str(path) and entry["quant"] == "Q8_0"
    answer = shell("chat", "--model", str(path), "--temperature", "0", "How do I start a new chat?")
    assert answer.returncode == 0 and "Ctrl+N" in answer.stdout

    checked = shell("models", "verify", REPO)
    assert checked.returncode == 0, checked.stderr
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    damaged = shell("models", "verify", REPO)
    assert damaged.returncode == 1 and "Traceback" not in damaged.stderr

    removed = shell("models", "remove", REPO, "--yes")
    assert removed.returncode == 0, removed.stderr
    assert not path.exists()
    assert json.loads(shell("models", "list", "--json").stdout)["models"] == []


def test_what_answers_nothing_is_said_at_every_door(shell: Shell, hub: FakeHub, home: Path, tmp_path: Path) -> None:
    """An embedding model is fetched when that is asked for, and nowhere taken for one to chat with."""
    path = gguf_raw.model(tmp_path / "vectors-Q8_0.gguf", {"llama.pooling_type": 3})
    hub.add("owner/Vectors-GGUF", {path.name: path.read_bytes()})
    for code, *arguments in ((0, "models", "pull", "owner/Vectors-GGUF"), (1, "chat", "--model", str(path), "Hello")):
        done = shell(*arguments)
        assert done.returncode == code, arguments
        assert "vectors-Q8_0.gguf is an embedding model" in done.stderr and "qwen-desktop embed" in done.stderr, (
            arguments
        )
    assert (home / "models" / "owner" / "Vectors-GGUF" / path.name).read_bytes() == path.read_bytes()


def test_ctrl_c_leaves_a_part_and_the_next_pull_goes_on_with_it(shell: Shell, hub: FakeHub, home: Path) -> None:
    size = 12_000_000
    hub.add("owner/Large-GGUF", {"large-Q4_K_M.gguf": content(size, seed=3)})
    hub.pace(6_000_000)
    command = [*PROGRAM, "models", "pull", "owner/Large-GGUF:Q4_K_M", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        deadline = time.monotonic() + 40
        while hub.sent() < size // 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert json.loads(out)["status"] == "interrupted"
    sent = hub.sent()
    hub.pace(0)
    done = json.loads(shell("models", "pull", "owner/Large-GGUF:Q4_K_M", "--json").stdout)
    assert done["status"] == "done" and Path(done["path"]).read_bytes() == content(size, seed=3)
    assert hub.sent() - sent <= size - size // 3 + 4_000_000


def test_what_cannot_be_pulled_has_one_sentence(shell: Shell, hub: FakeHub) -> None:
    assert "owner/nothing" in sentence(shell("models", "pull", "owner/nothing")).lower()
    hub.add("owner/Pictures", {"photo.jpg": b"jpeg"})
    assert "GGUF" in sentence(shell("models", "pull", "owner/Pictures"))
    hub.fault(FILE, Refuse(status=404, code="EntryNotFound", times=0, stage="resolve"))
    assert sentence(shell("models", "pull", f"{REPO}:Q8_0"))
    assert shell("models", "pull").returncode == 2


def test_recommend_and_probe_speak_of_this_machine(shell: Shell) -> None:
    machine = json.loads(shell("probe", "--json").stdout)
    assert machine["memory"]["total_bytes"] > 0 and machine["cpu"]["usable"] >= 1
    found = json.loads(shell("models", "recommend", "--purpose", "code", "--json").stdout)
    assert found["purpose"] == "code" and found["best"]["reason"].endswith(".")
    assert shell("models", "recommend", "--purpose", "cooking").returncode == 2


def test_a_model_that_is_too_large_says_what_is_missing(shell: Shell, hub: FakeHub) -> None:
    found = json.loads(shell("models", "fit", f"{REPO}:Q8_0", "--memory", "0.005", "--json").stdout)
    assert found["verdict"] == "too_large"
