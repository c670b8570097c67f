"""Copying a model in and taking one out: whole or not at all, and nothing of others."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qwen_desktop.core.errors import Cancelled, Environment
from qwen_desktop.core.text import Text
from qwen_desktop.hub import copying, installed
from qwen_desktop.hub.inventory import LibraryEntry
from qwen_desktop.hub.manifest import find_manifests, read_manifest
from tests.library_files import installed as install
from tests.library_files import mmproj, model, sha256, split_model, tree


def silent(_done: int, _total: int, **_detail: Any) -> None:
    """Nobody listens."""


def copy_in(entry: LibraryEntry, root: Path, report: Any = silent) -> Path:
    return Path(copying.copy_in(msgspec.to_builtins(entry), str(root), report))


def linked(path: Path, **told: Any) -> LibraryEntry:
    return installed.new_entry(str(path), **{"origin": "file", **told})


def test_a_copy_with_its_companions(tmp_path: Path) -> None:
    first = split_model(tmp_path / "from", "Big-Q4_K_M", 3)[0]
    companion = mmproj(tmp_path / "from" / "mmproj-F16.gguf")
    seen: list[tuple[int, int]] = []
    entry = linked(first, repo="Qwen/Big-GGUF", mmproj=str(companion), name="Big")
    copy = copy_in(entry, tmp_path / "models", lambda done, total, **_: seen.append((done, total)))
    assert copy == tmp_path / "models" / "Qwen" / "Big-GGUF" / first.name
    assert {n: h for n, h in tree(copy.parent).items() if n != "model-Q4_K_M.json"} == tree(first.parent)
    manifest = read_manifest(copy.parent / "model-Q4_K_M.json")
    assert manifest is not None and (manifest.title, manifest.origin, manifest.repo) == (
        "Big",
        "imported",
        "Qwen/Big-GGUF",
    )
    assert [f.sha256 for f in manifest.files] == [sha256(copy.parent / f.path) for f in manifest.files]
    assert [f.path for f in manifest.mmproj] == ["mmproj-F16.gguf"]
    assert seen and all(0 <= done <= total for done, total in seen)
    before = copy.stat().st_mtime_ns
    assert copy_in(entry, tmp_path / "models") == copy and copy.stat().st_mtime_ns == before  # not copied again


def test_a_blob_gets_a_name(tmp_path: Path) -> None:
    blob = model(tmp_path / ("sha256-" + "a" * 64))
    sees = mmproj(tmp_path / ("sha256-" + "b" * 64))
    copy = copy_in(linked(blob, name="qwen3:8b", quant="Q4_K_M", mmproj=str(sees)), tmp_path / "models")
    assert copy.relative_to(tmp_path / "models").as_posix() == "local/qwen3-8b/qwen3-8b-Q4_K_M.gguf"
    assert (copy.parent / "mmproj-qwen3-8b.gguf").is_file()


def test_other_files_of_that_name_are_never_overwritten(tmp_path: Path) -> None:
    first = install(tmp_path / "models", seed=1)
    other = model(tmp_path / first.name, seed=2)
    copy = copy_in(linked(other, repo="Qwen/Qwen3-0.6B-GGUF"), tmp_path / "models")
    assert copy.parent.name == "Qwen3-0.6B-GGUF-2" and sha256(first) != sha256(copy) == sha256(other)


def test_two_models_of_one_quant_in_a_folder_keep_their_own_manifests(tmp_path: Path) -> None:
    for number in (1, 2):
        copy_in(linked(model(tmp_path / f"a{number}-Q8_0.gguf", seed=number), repo="o/n"), tmp_path / "models")
    found = {m.files[0].path for _, m in find_manifests(tmp_path / "models")}
    assert found == {"a1-Q8_0.gguf", "a2-Q8_0.gguf"}


def test_a_file_in_our_folder_gets_a_manifest_and_no_copy(tmp_path: Path) -> None:
    path = model(tmp_path / "models" / "by hand" / "x-Q8_0.gguf")
    assert copy_in(linked(path), tmp_path / "models") == path
    assert set(tree(tmp_path / "models")) == {"by hand/x-Q8_0.gguf", "by hand/model-Q8_0.json"}


@pytest.mark.parametrize("how", ["stopped", "full", "differs"])
def test_what_fails_leaves_nothing(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = split_model(tmp_path / "from", "Big-Q4_K_M", 2)
    monkeypatch.setattr(copying, "_TELL_S", 0.0)

    def report(done: int, _total: int, **_detail: Any) -> None:
        if how == "stopped" and done > parts[0].stat().st_size * 2:
            raise Cancelled(Text("stopped", "Stopped."))

    fsync = os.fsync

    flushed: list[int] = []

    def full(descriptor: int) -> None:
        flushed.append(descriptor)
        if len(flushed) == 3:  # the first file, its folder, the second file
            raise OSError(errno.ENOSPC, "full")
        fsync(descriptor)

    if how == "full":
        monkeypatch.setattr(os, "fsync", full)
    if how == "differs":
        monkeypatch.setattr(copying, "sha256_of", lambda path, meter=None: "0" * 64)
    with pytest.raises((Cancelled, OSError, Environment)):
        copy_in(linked(parts[0], repo="Qwen/Big-GGUF"), tmp_path / "models", report)
    assert tree(tmp_path / "models") == {} and not (tmp_path / "models" / "Qwen").exists()


def test_too_little_space_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = copying.shutil.disk_usage
    monkeypatch.setattr(copying.shutil, "disk_usage", lambda path: usage(path)._replace(free=10_000))
    with pytest.raises(Environment, match=r"needs 0\.3 GB of free space"):
        copy_in(linked(model(tmp_path / "a.gguf")), tmp_path / "models")
