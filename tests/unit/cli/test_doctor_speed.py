"""What the doctor says of the speed: of the chosen model as it would be loaded, or of the guide; nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from qwen_desktop.cli import doctor_speed
from qwen_desktop.core.hardware import Cpu, Gpu, Machine, Memory
from qwen_desktop.core.paths import find_paths
from qwen_desktop.hardware.moment import Counters
from tests import gguf_shapes

GIB = 1 << 30
HERE = Machine(
    cpu=Cpu("A Processor", "x86_64", 4, 4, 4, features=("AVX2",)), memory=Memory(16 * GIB, 9 * GIB),
    bandwidth_bytes_per_s=30e9, backends=(),
)  # fmt: skip
SEEN = Gpu("NVIDIA GeForce RTX 3060", total_bytes=12 * GIB, id="0000:01:00.0")


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_speed, "_WATCH_S", 0.0)
    monkeypatch.setattr(doctor_speed.moment, "look", lambda: Counters(1.0))


def look(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> dict[str, object]:
    monkeypatch.setattr(doctor_speed, "probe", lambda *_: (machine, None))
    found = doctor_speed.as_object(doctor_speed.look(find_paths()))
    assert json.loads(json.dumps(found)) == found
    return found


def test_the_guide_on_a_healthy_computer(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(monkeypatch, HERE)
    assert (found["slow"], found["causes"]) == (False, [])
    assert isinstance(found["expected_tokens_per_s"], float) and found["expected_tokens_per_s"] > 100
    assert not home.exists() or list(home.iterdir()) == []


def test_the_chosen_model_as_it_would_be_loaded(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = gguf_shapes.write(tmp_path / "a.gguf", gguf_shapes.PLANS["Qwen3-4B"], vocab=2000)
    home.mkdir()
    (home / "settings.toml").write_text(f"[engine]\nmodel = '{model}'\nthreads = 1\n")
    found = look(monkeypatch, replace(HERE, unused_gpus=(SEEN,)))
    causes = found["causes"]
    assert isinstance(causes, list)
    assert [cause["id"] for cause in causes][:1] == ["build.backend"]
    assert {"id", "layer", "what", "do", "gain"} == set(causes[0]) and causes[0]["layer"] == "build"
    assert "settings.threads" in [cause["id"] for cause in causes]


def test_a_model_that_is_gone_leaves_what_the_computer_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "settings.toml").write_text("[engine]\nmodel = '/nowhere/at/all.gguf'\n")
    found = look(monkeypatch, replace(HERE, unused_gpus=(SEEN,)))
    assert [cause["id"] for cause in found["causes"]] == ["build.backend"]  # type: ignore[attr-defined]
    assert (found["where"], found["expected_tokens_per_s"]) == (None, None)
