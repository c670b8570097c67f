"""The list of downloads on the disk: what is damaged is kept, what cannot be read is not written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwen_desktop.core.models import DownloadRequest, DownloadStatus
from qwen_desktop.services import downloads

KEPT = downloads.Kept(DownloadRequest("Qwen/Qwen3-0.6B-GGUF", "Q8_0"), DownloadStatus.PAUSED, 5, 9)


def test_it_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "downloads.json"
    assert downloads.read(path) == ((), None)
    downloads.write(path, [KEPT])
    assert downloads.read(path) == ((KEPT,), None)


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe{\x00", b"[" * 100_000, b'{"items": [], "schema": 99}'])
def test_a_damaged_one_is_kept_each_time(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "downloads.json"
    for number in (1, 2):
        path.write_bytes(damage + b" " * number)
        items, aside = downloads.read(path)
        assert items == () and aside == tmp_path / f"downloads.json.damaged-{number}"
        downloads.write(path, [KEPT])
        assert aside.read_bytes() == damage + b" " * number


def test_what_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "downloads.json"
    path.mkdir()
    with pytest.raises(OSError, match=r"."):
        downloads.read(path)
