"""What workers are started with: nothing of the user's that loads a library into them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qwen_desktop.core.packed import unpack
from qwen_desktop.process import one_shot, spawn


@pytest.mark.parametrize("name", ["GGML_BACKEND_PATH", "LLAMA_CPP_LIB_PATH"])
def test_libraries_that_the_environment_names_are_not_loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/somewhere/else")
    assert name not in spawn.worker_environment()


@pytest.mark.parametrize("name", ["CUDA_PATH", "HIP_PATH"])
def test_a_toolkit_counts_only_where_it_is_whole_and_the_app_runs_from_source(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "bin").mkdir()
    assert name not in spawn.worker_environment()
    (tmp_path / "lib").mkdir()
    assert spawn.worker_environment()[name] == str(tmp_path)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert name not in spawn.worker_environment()


def test_a_worker_that_is_asked_runs_in_an_empty_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = (
        "import os; from qwen_desktop.core.packed import pack; from qwen_desktop.process import frames\n"
        "os.write(1, frames.pack(pack([os.getcwd(), os.listdir(), os.environ['SAID']])))"
    )
    answers = one_shot.ask([sys.executable, "-c", code], 30, SAID="yes")
    where, inside, said = unpack(answers.payloads[0], tuple[str, list[str], str])
    assert Path(where) != Path.cwd()
    assert (inside, said) == ([], "yes")
    assert not Path(where).exists()
