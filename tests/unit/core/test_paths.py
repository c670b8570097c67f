"""Where things lie."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.paths import (
    PORTABLE_MARKER,
    absolute,
    find_paths,
    home,
    path_of_text,
    resources_folder,
    text_of_path,
)


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


@pytest.mark.skipif(sys.platform == "win32", reason="names are bytes elsewhere")
def test_every_path_has_a_text_that_means_it() -> None:
    chance = random.Random(1)
    for _ in range(3000):
        raw = b"/" + bytes(chance.choice([*range(1, 256)]) for _ in range(chance.randrange(1, 12)))
        path = os.fsdecode(raw if chance.random() < 0.8 else raw[1:] or b"x")
        text = text_of_path(path)
        assert text.encode() and path_of_text(text) == path
    assert text_of_path("/home/é 水/a.gguf") == "/home/é 水/a.gguf"
    assert text_of_path("/mod\udce9le.gguf") == "file:///mod%E9le.gguf"
    assert path_of_text("file://localhost/a%20b") == path_of_text("file:///a%20b") == "/a b"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows asks the system, not HOME")
def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name == "HOME" or name.startswith("XDG_")]:
        monkeypatch.delenv(name)

    def nobody(_: int) -> None:
        raise KeyError

    import pwd  # noqa: PLC0415 - Windows has none

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert home() is None and absolute("~/a").is_absolute()
    with pytest.raises(UserFacing, match="no home folder") as told:
        find_paths({})
    assert "Set HOME, or QWEN_DESKTOP_HOME" in told.value.problem.sentence()
    assert find_paths({"QWEN_DESKTOP_HOME": "/data"}).data == Path("/data")
