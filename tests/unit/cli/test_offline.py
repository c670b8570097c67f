"""The offline switch on the command line."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from qwen_desktop.cli.console import Console
from qwen_desktop.cli.offline import offline
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.paths import find_paths


def run(turn: bool | None = None) -> int:
    no_services: Any = None
    return asyncio.run(offline(CommandRun(find_paths(), no_services, Console(quiet=True), as_json=True), turn))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def test_it_is_told_turned_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    file = find_paths().settings_file
    for turn, stands in ((None, False), (True, True), (None, True), (False, False), (None, False)):
        assert run(turn) == 0
        found = json.loads(capsys.readouterr().out)
        assert found == {"offline": stands, "by": "setting" if stands else ""}
    assert "offline = false" in file.read_text("utf-8")


def test_asking_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert not find_paths().settings_file.exists()


def test_a_settings_file_with_an_error_is_told_and_kept(capsys: pytest.CaptureFixture[str]) -> None:
    file = find_paths().settings_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("[chat\nsystem_prompt = 1\n")
    assert run() == 0
    assert "has an error in line 1" in capsys.readouterr().err
    assert file.read_text() == "[chat\nsystem_prompt = 1\n"
    assert run(True) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["offline"] is True
    kept = file.with_name(f"{file.name}.broken-1")
    assert kept.read_text() == "[chat\nsystem_prompt = 1\n" and str(kept) in said.err


def test_what_the_environment_forbids_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert run() == 0
    assert run(False) == 1
    said = capsys.readouterr()
    assert '"by": "HF_HUB_OFFLINE"' in said.out
    assert said.err.startswith("HF_HUB_OFFLINE in the environment switches it off")
