"""Taking a model out: whole or not at all, nothing of others, and never for good without saying so."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.hub import deleting, installed
from qwen_desktop.hub.deleting import Drive, no_bin_on
from tests.library_files import installed as install
from tests.library_files import mmproj, split_model, tree


def silent(_done: int, _total: int, **_detail: Any) -> None:
    """Nobody listens."""


def delete(root: Path, path: Path, **how: Any) -> None:
    entry = next(seen.entry for seen in installed._owned(root, {})[1] if seen.entry.path == str(path))
    deleting.delete_model(msgspec.to_builtins(entry), how.pop("permanent", True), silent)


def test_only_this_model_goes(tmp_path: Path) -> None:
    root = tmp_path / "models"
    companion = mmproj(root / "Qwen" / "Qwen3-0.6B-GGUF" / "mmproj-F16.gguf")
    first = install(root, mmproj=companion)
    second = install(root, quant="F16", seed=2, mmproj=companion)
    delete(root, first)
    assert set(tree(second.parent)) == {second.name, "model-F16.json", "mmproj-F16.gguf"}
    (second.parent / "notes.txt").write_text("the user's")
    delete(root, second)
    assert set(tree(root)) == {"Qwen/Qwen3-0.6B-GGUF/notes.txt"}


def test_a_folder_with_nothing_else_goes_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "models"
    path = install(root)
    gone: list[str] = []
    monkeypatch.setattr(deleting, "_to_bin", lambda place, _shown: (gone.append(str(place)), shutil.rmtree(place)))
    delete(root, path, permanent=False)
    assert gone == [str(path.parent)] and root.is_dir() and not (root / "Qwen").exists()


def test_a_folder_of_somebody_elses_making_stays(tmp_path: Path) -> None:
    root = tmp_path / "models"
    path = install(root)
    linked_folder = path.parent / "linked"
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    linked_folder.symlink_to(tmp_path / "precious", target_is_directory=True)
    delete(root, path)
    assert (tmp_path / "precious" / "file").read_text() == "x" and not path.exists()


@pytest.mark.parametrize(
    ("error", "kind", "action"),
    [
        (PermissionError(errno.EACCES, "no bin here"), Environment, "delete_permanently"),
        (OSError("Couldn't find mount point"), Environment, "delete_permanently"),
    ],
)
def test_without_a_bin_nothing_is_deleted(
    error: OSError, kind: type[UserFacing], action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import send2trash  # noqa: PLC0415 - replaced for this test

    def no_bin(_path: str) -> None:
        raise error

    monkeypatch.setattr(send2trash, "send2trash", no_bin)
    path = install(tmp_path / "models")
    with pytest.raises(kind, match="cannot go to the bin") as caught:
        delete(tmp_path / "models", path, permanent=False)
    assert caught.value.problem.action == action and path.is_file()
    delete(tmp_path / "models", path, permanent=True)
    assert not path.exists()


# What Windows does ---------------------------------------------------------------------------------------------------


def windows_error(number: int) -> PermissionError:
    """As Python raises it there."""
    error = PermissionError(errno.EACCES, "in use")
    error.winerror = number  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize("permanent", [True, False])
@pytest.mark.parametrize("number", [5, 32, 33, 1224])
@pytest.mark.parametrize("used", [0, 1, 2])
def test_a_model_in_use_stays_whole(
    number: int, permanent: bool, used: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its files a program has open or mapped."""
    root = tmp_path / "models"
    files = split_model(root / "Qwen" / "Big-GGUF", "Big-Q8_0", 3)
    path = install(root, "Big-GGUF", files=files)
    before = tree(root)

    def check(asked: Path) -> None:
        if asked == files[used]:
            raise windows_error(number)

    monkeypatch.setattr(deleting, "check_deletable", check)
    with pytest.raises(UserFacing, match="is in use") as caught:
        delete(root, path, permanent=permanent)
    assert caught.value.problem.hint is not None
    assert tree(root) == before


@pytest.mark.parametrize("number", [5, 32, 33, 1224])
def test_what_the_shell_refuses_is_in_use_too(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import send2trash  # noqa: PLC0415 - replaced for this test

    def refuses(_path: str) -> None:
        raise windows_error(number)

    monkeypatch.setattr(send2trash, "send2trash", refuses)
    path = install(tmp_path / "models")
    with pytest.raises(UserFacing, match="is in use"):
        delete(tmp_path / "models", path, permanent=False)
    assert path.exists()


def test_the_manifest_goes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "models"
    path = install(root, "Big-GGUF", files=split_model(root / "Qwen" / "Big-GGUF", "Big-Q8_0", 2))
    (path.parent / "notes.txt").write_text("the user's")
    gone: list[str] = []
    monkeypatch.setattr(deleting, "_erase", lambda place, _shown: gone.append(place.name))
    delete(root, path)
    assert len(gone) == 3 and gone[-1].startswith("model-")


def test_a_file_that_is_only_read_is_not_called_in_use(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    assert deleting.is_in_use(windows_error(5), path)
    assert not deleting.is_in_use(PermissionError(errno.EACCES, "no"), path)


@pytest.mark.parametrize(
    ("drive", "words"),
    [
        (Drive(3, bin=True), ""),
        (Drive(3, bin=True, room=100), ""),
        (Drive(3, bin=True, room=99), "larger than the bin"),
        (Drive(3, bin=True, off=True), "turned off"),
        (Drive(3, bin=False), "This drive has no bin"),
        (Drive(2, bin=True), "This drive has no bin"),
        (Drive(2, bin=False), "This drive has no bin"),
        (Drive(4, bin=True), "A network drive"),
        (Drive(4, bin=False, off=True), "A network drive"),
        (Drive(5, bin=False), "This drive has no bin"),
        (Drive(6, bin=True), "This drive has no bin"),
    ],
)
def test_where_a_bin_is_missing(drive: Drive, words: str) -> None:
    said = no_bin_on(drive, 100)
    assert (said is None) is (not words)
    assert words in str(said or "")


def test_nothing_is_deleted_for_good_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleting, "why_no_bin", lambda paths: no_bin_on(Drive(4, bin=False), len(paths)))
    path = install(tmp_path / "models")
    with pytest.raises(Environment, match="A network drive has no bin") as caught:
        delete(tmp_path / "models", path, permanent=False)
    assert caught.value.problem.action == "delete_permanently" and path.is_file()
    delete(tmp_path / "models", path, permanent=True)
    assert not path.exists()
