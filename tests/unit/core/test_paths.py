"""Where things lie."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qwen_desktop.core.paths import PORTABLE_MARKER, find_paths, resources_folder


def test_portable_mode_puts_all_under_one_folder(tmp_path: Path) -> None:
    paths = find_paths({"QWEN_DESKTOP_HOME": f"  {tmp_path / 'home'} "})
    assert paths.portable
    for place in (paths.settings_file, paths.database_file, paths.cache, paths.crash_file, paths.runtime, paths.models):
        assert place.is_relative_to(tmp_path / "home")
    assert not (tmp_path / "home").exists()  # looking creates nothing


def test_a_relative_home_does_not_follow_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_paths({"QWEN_DESKTOP_HOME": "here"}).data == tmp_path / "here"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process as an installed program in a folder of its own."""
    place = tmp_path / "Qwen Desktop ü" / "qwen-desktop.exe"
    place.parent.mkdir()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(place))
    return place


def test_the_portable_archives_marker_puts_all_beside_the_program(program: Path) -> None:
    assert not find_paths({}).portable
    (program.parent / PORTABLE_MARKER).write_text("x")
    paths = find_paths({})
    assert paths.portable
    for place in (paths.settings_file, paths.database_file, paths.cache, paths.crash_file, paths.runtime, paths.models):
        assert place.is_relative_to(program.parent / "data")
    assert not (program.parent / "data").exists()  # looking creates nothing


def test_a_named_home_goes_before_the_marker(program: Path, tmp_path: Path) -> None:
    (program.parent / PORTABLE_MARKER).write_text("x")
    assert find_paths({"QWEN_DESKTOP_HOME": str(tmp_path / "home")}).data == tmp_path / "home"


def test_the_marker_counts_for_installed_programs_only(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (program.parent / PORTABLE_MARKER).write_text("x")
    monkeypatch.delattr(sys, "frozen")
    assert not find_paths({}).portable


def test_without_it_the_systems_folders_serve() -> None:
    paths = find_paths({})
    assert not paths.portable and paths.config.is_absolute()
    assert "qwen-desktop" in str(paths.data)
    assert paths.database_file.name == "history.sqlite3" and paths.settings_file.name == "settings.toml"


def test_resources_are_found() -> None:
    assert resources_folder().is_dir()
    assert find_paths({}).guide_file == resources_folder() / "guide" / "guide.gguf"
