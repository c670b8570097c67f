"""Manifests: what makes a model installed, read without trust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.hub.manifest import Manifest, ManifestFile, find_manifests, read_manifest, write_manifest

GOOD = Manifest("Qwen/Q", "Q4_K_M", (ManifestFile("q.gguf", 7, "a" * 64),), mmproj=(ManifestFile("mmproj.gguf", 3),))


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "Qwen" / "Q", GOOD)
    assert path.name == "model-Q4_K_M.json" and read_manifest(path) == GOOD
    odd = write_manifest(tmp_path, Manifest("", "UD/../x:y", GOOD.files))
    assert odd.parent == tmp_path and odd.name == "model-UD_.._x_y.json"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"files": []}',
        b'{"files": [{"path": "../../other.gguf"}]}',
        b'{"files": [{"path": "/etc/x.gguf"}]}',
        b'{"files": [{"path": "C:\\\\x.gguf"}]}',
        b'{"files": [{"path": "settings.toml"}]}',
        b'{"files": ["a.gguf"]}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
    ids=range(12),
)
def test_what_is_none_counts_as_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model-x.json"
    path.write_bytes(content)
    assert read_manifest(path) is None
    assert list(find_manifests(tmp_path)) == []


def test_odd_values_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "model-x.json"
    odd: dict[str, Any] = {"repo": 5, "quant": None, "time": "yesterday", "mmproj": {"path": "m.gguf", "size": -4}}
    path.write_text(json.dumps({**odd, "files": [{"name": "a.gguf", "size": 10, "sha256": "nonsense"}]}))
    found = read_manifest(path)
    assert found is not None and found.repo == "" and found.time == 0
    assert found.files == (ManifestFile("a.gguf", 10, ""),) and found.mmproj == (ManifestFile("m.gguf", 0, ""),)


def test_they_are_found_some_folders_deep_and_circles_end(tmp_path: Path) -> None:
    for place in ("Qwen/A.1", "Qwen/B", "other/deeper/C"):
        write_manifest(tmp_path / place, GOOD)
    (tmp_path / "Qwen" / "circle").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / ".hidden").mkdir()
    write_manifest(tmp_path / ".hidden", GOOD)
    found = sorted(path.parent.relative_to(tmp_path).as_posix() for path, _ in find_manifests(tmp_path))
    assert found == ["Qwen/A.1", "Qwen/B", "other/deeper/C"]
    with pytest.raises(OSError, match="nowhere"):
        list(find_manifests(tmp_path / "nowhere"))
